// What a person chose for this browser: theme, auto refresh, side navigation, side of the panel. Kept in local storage
// and written only by an explicit choice, never by opening a link.

import { useCallback, useSyncExternalStore } from 'react'

export interface Preferences {
  theme: 'light' | 'dark' | 'system'
  /** Milliseconds; 0 for off. */
  refresh: number
  navigation: 'open' | 'closed'
  panel: 'side' | 'bottom'
  /** Pixels. */
  panelSize: number
}

const DEFAULTS: Preferences = { theme: 'system', refresh: 10_000, navigation: 'open', panel: 'side', panelSize: 480 }
const STORAGE_KEY = 'roentgen.preferences'

let present: Preferences = load()
const listeners = new Set<() => void>()

function load(): Preferences {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '{}')
    return { ...DEFAULTS, ...(typeof stored === 'object' ? stored : {}) }
  } catch {
    // Storage may be forbidden, or hold what someone edited; the defaults do for this visit.
    return DEFAULTS
  }
}

export function getPreferences(): Preferences {
  return present
}

export function setPreference<K extends keyof Preferences>(name: K, value: Preferences[K]): void {
  present = { ...present, [name]: value }
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(present))
  } catch {
    // Kept for this visit only.
  }
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** A preference and the function that changes it. */
export function usePreference<K extends keyof Preferences>(
  name: K,
): [Preferences[K], (value: Preferences[K]) => void] {
  const value = useSyncExternalStore(subscribe, () => present[name])
  const set = useCallback((next: Preferences[K]) => setPreference(name, next), [name])
  return [value, set]
}

/** Calls back at every change of a preference. */
export function onPreferenceChange(listener: () => void): () => void {
  return subscribe(listener)
}
