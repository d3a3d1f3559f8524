// How a request ended: icon, word and colour together, because colour alone does not reach everyone.

import type { Outcome } from '../api/internal.ts'
import { OUTCOME_LABEL } from '../model/outcome.ts'
import { OutcomeGlyph } from './glyphs.tsx'

interface Props {
  outcome: Outcome
  /** A response code to add. */
  code?: number | null
  inProgress?: boolean
}

export function OutcomeLabel({ outcome, code, inProgress = false }: Props) {
  const shown = inProgress && outcome === 'ok' ? 'progress' : outcome
  const label = shown === 'progress' ? 'In progress' : OUTCOME_LABEL[shown]
  // The code is what the client got; a service may answer well although a call of it failed.
  const isBelow = shown !== 'ok' && shown !== 'progress' && typeof code === 'number' && code < 400
  return (
    <span title={isBelow ? 'The response was fine, a segment below failed' : undefined} className={`outcome outcome-${shown}`}>
      <OutcomeGlyph outcome={shown} />
      {code === undefined || code === null ? label : `${label} (${code})`}
    </span>
  )
}
