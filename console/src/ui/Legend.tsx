// What the colours mean.

import { NOTABLE_SHARE, OUTCOME_HINT, OUTCOMES } from '../model/outcome.ts'

const RULE = `A ring shows the shares of all outcomes. A call takes the colour of the worst outcome that at least ${NOTABLE_SHARE * 100}% of its requests had.`

export function Legend({ variant, hasLinks = false }: { variant: 'status' | 'bars'; hasLinks?: boolean }) {
  return (
    <ul className="legend" aria-label="Legend" title={variant === 'status' ? RULE : undefined}>
      {OUTCOMES.map((outcome) => (
        <li key={outcome} className={`dot ${variant === 'bars' ? 'dot-square ' : ''}dot-${variant === 'bars' && outcome === 'ok' ? 'volume' : outcome}`}>
          {OUTCOME_HINT[outcome]}
        </li>
      ))}
      {variant === 'status' && <li className="visually-hidden">{RULE}</li>}
      {hasLinks && <li className="dot-dashed">Linked trace</li>}
    </ul>
  )
}
