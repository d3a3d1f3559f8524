// The bar at the top: product name, the search box that takes any form of a trace id, light and dark.

import Input from '@cloudscape-design/components/input'
import TopNavigation from '@cloudscape-design/components/top-navigation'
import { useEffect, useRef, useState } from 'react'
import { usePreference } from '../theme/preferences.ts'
import { useIsDark } from '../theme/mode.ts'
import { href, openTrace } from '../url/location.ts'
import { parseTraceReference } from '../url/traceId.ts'
import { MoonGlyph, SunGlyph } from './glyphs.tsx'

export function TopBar() {
  const isDark = useIsDark()
  const [, setTheme] = usePreference('theme')
  return (
    <div id="top">
      <TopNavigation
        identity={{ href: href({ page: 'map' }), title: 'Roentgen', logo: { src: './favicon.svg', alt: '' } }}
        search={<TraceSearch />}
        utilities={[
          {
            type: 'button',
            iconSvg: isDark ? <SunGlyph /> : <MoonGlyph />,
            ariaLabel: isDark ? 'Switch to light mode' : 'Switch to dark mode',
            title: isDark ? 'Light mode' : 'Dark mode',
            onClick: () => setTheme(isDark ? 'light' : 'dark'),
          },
        ]}
        i18nStrings={{ searchIconAriaLabel: 'Find a trace', searchDismissIconAriaLabel: 'Close search' }}
      />
    </div>
  )
}

function TraceSearch() {
  const [text, setText] = useState('')
  const [failed, setFailed] = useState(false)
  const frame = useRef<HTMLFormElement>(null)
  const hint = 'No trace ID in this text. Known forms: 1-…-…, 32 hex digits, Root=1-…, traceparent.'

  // Leaving the box takes the complaint away.
  useEffect(() => {
    if (!failed) return undefined
    const close = (event: FocusEvent) => {
      if (!(event.relatedTarget instanceof Node && frame.current?.contains(event.relatedTarget))) setFailed(false)
    }
    const element = frame.current
    element?.addEventListener('focusout', close)
    return () => element?.removeEventListener('focusout', close)
  }, [failed])

  const open = () => {
    const reference = parseTraceReference(text)
    setFailed(!reference && text.trim() !== '')
    if (!reference) return
    setText('')
    openTrace(reference)
  }

  return (
    <form
      ref={frame}
      role="search"
      className="trace-search"
      onSubmit={(event) => {
        event.preventDefault()
        open()
      }}
    >
      <Input
        type="search"
        value={text}
        invalid={failed}
        ariaLabel="Trace ID"
        placeholder="Trace ID (X-Ray or W3C)"
        onChange={({ detail }) => {
          setText(detail.value)
          setFailed(false)
        }}
        onKeyDown={({ detail }) => {
          if (detail.key === 'Enter') open()
        }}
      />
      <div role="alert">{failed && <span className="trace-search-hint">{hint}</span>}</div>
    </form>
  )
}
