// Copies a text and says so.

import Button, { type ButtonProps } from '@cloudscape-design/components/button'
import { useEffect, useState } from 'react'

interface Props {
  text: string
  /** What is copied: "trace ID". */
  what: string
  /** Shown on the button; without it there is only the icon. */
  label?: string
  variant?: ButtonProps.Variant
}

export function CopyButton({ text, what, label, variant }: Props) {
  const [state, setState] = useState<'idle' | 'copied' | 'failed'>('idle')
  useEffect(() => {
    if (state === 'idle') return undefined
    const timer = setTimeout(() => setState('idle'), 2000)
    return () => clearTimeout(timer)
  }, [state])

  const said = state === 'copied' ? 'Copied' : state === 'failed' ? 'Copying failed' : null
  return (
    <>
      <Button
        variant={variant ?? (label ? 'normal' : 'inline-icon')}
        iconName={state === 'copied' ? 'check' : 'copy'}
        {...(!label && { ariaLabel: `Copy ${what}` })}
        onClick={() => void copyText(text).then((copied) => setState(copied ? 'copied' : 'failed'))}
      >
        {label ? (said ?? label) : undefined}
      </Button>
      <span className="visually-hidden" role="status">
        {said && `${said}: ${what}`}
      </span>
    </>
  )
}

/** Puts a text on the clipboard. Plain http to another host has no clipboard API, so a selection has to do there. */
export async function copyText(text: string): Promise<boolean> {
  if (window.isSecureContext) {
    return navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    )
  }
  const area = document.createElement('textarea')
  area.value = text
  area.className = 'visually-hidden'
  document.body.append(area)
  area.select()
  const copied = document.execCommand('copy')
  area.remove()
  return copied
}
