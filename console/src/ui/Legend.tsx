// What the colours mean.

import { OUTCOME_HINT, OUTCOMES } from '../model/outcome.ts'

export function Legend({ variant, hasLinks = false }: { variant: 'status' | 'bars'; hasLinks?: boolean }) {
  return (
    <ul className="legend" aria-label="Legend">
      {OUTCOMES.map((outcome) => (
        <li key={outcome} className={`dot ${variant === 'bars' ? 'dot-square ' : ''}dot-${variant === 'bars' && outcome === 'ok' ? 'volume' : outcome}`}>
          {OUTCOME_HINT[outcome]}
        </li>
      ))}
      {hasLinks && <li className="dot-dashed">Linked trace</li>}
    </ul>
  )
}
