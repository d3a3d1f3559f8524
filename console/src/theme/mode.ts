// Light or dark: what the person chose, else what the system says, applied to the page and followed when it changes.

import { applyMode, Mode } from '@cloudscape-design/global-styles'
import { useSyncExternalStore } from 'react'
import { getPreferences, onPreferenceChange } from './preferences.ts'

const system = window.matchMedia('(prefers-color-scheme: dark)')

export function isDark(): boolean {
  const { theme } = getPreferences()
  return theme === 'system' ? system.matches : theme === 'dark'
}

function subscribe(listener: () => void): () => void {
  const stop = onPreferenceChange(listener)
  system.addEventListener('change', listener)
  return () => {
    stop()
    system.removeEventListener('change', listener)
  }
}

/** Applies the mode now and at every later change. */
export function followMode(): void {
  const apply = () => applyMode(isDark() ? Mode.Dark : Mode.Light)
  apply()
  subscribe(apply)
}

/** True in dark mode; the component renders again when that changes. Canvases need it: they cannot inherit colours. */
export function useIsDark(): boolean {
  return useSyncExternalStore(subscribe, isDark)
}
