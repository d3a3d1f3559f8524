// JSON with colours.

import { useMemo, type ReactNode } from 'react'
import type { Json } from '../api/internal.ts'

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
/** Longer documents are shown without colours: tens of thousands of elements would only slow the page. */
const MAX_COLOURED = 200_000

export function JsonView({ value, what }: { value: Json; what: string }) {
  const text = useMemo(() => (typeof value === 'string' ? value : JSON.stringify(value, null, 2)), [value])
  const shown = useMemo(() => (text.length > MAX_COLOURED ? text : colour(text)), [text])
  return (
    <pre className="json" tabIndex={0} aria-label={what}>
      {shown}
    </pre>
  )
}

function colour(text: string): ReactNode[] {
  const parts: ReactNode[] = []
  let done = 0
  for (const match of text.matchAll(TOKEN)) {
    const [whole, string, colon, word] = match
    if (match.index > done) parts.push(text.slice(done, match.index))
    const kind = string ? (colon ? 'name' : 'string') : word ? 'word' : 'number'
    parts.push(
      <span key={match.index} className={`json-${kind}`}>
        {string ?? whole}
      </span>,
    )
    if (colon) parts.push(colon)
    done = match.index + whole.length
  }
  parts.push(text.slice(done))
  return parts
}
