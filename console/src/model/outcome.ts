// How a request ended, in X-Ray's words, and what follows from it: order, names, shares.

import type { Outcome } from '../api/internal.ts'

/** From best to worst. A request with several flags counts as the worst of them. */
export const OUTCOMES: readonly Outcome[] = ['ok', 'error', 'throttle', 'fault']

export const OUTCOME_LABEL: Record<Outcome, string> = {
  ok: 'OK',
  error: 'Error',
  throttle: 'Throttle',
  fault: 'Fault',
}

/** What the outcome means, for legends. */
export const OUTCOME_HINT: Record<Outcome, string> = {
  ok: 'OK',
  error: 'Error 4xx',
  throttle: 'Throttle 429',
  fault: 'Fault 5xx',
}

export type OutcomeCounts = Record<Outcome, number>

export const NO_COUNTS: OutcomeCounts = { ok: 0, error: 0, throttle: 0, fault: 0 }

export function totalCount(counts: OutcomeCounts): number {
  return counts.ok + counts.error + counts.throttle + counts.fault
}

/** The outcome of a trace or segment by its flags. */
export function outcomeOf(flags: { hasFault: boolean; hasThrottle: boolean; hasError: boolean }): Outcome {
  if (flags.hasFault) return 'fault'
  if (flags.hasThrottle) return 'throttle'
  return flags.hasError ? 'error' : 'ok'
}

/** Rarer than this, an outcome does not colour an edge: one failure in thousands would paint the whole map red. */
export const NOTABLE_SHARE = 0.01

/** The worst outcome that a notable share of the requests had. */
export function worstOutcome(counts: OutcomeCounts): Outcome {
  const total = totalCount(counts)
  const worst = OUTCOMES.findLast((outcome) => counts[outcome] > 0 && counts[outcome] >= total * NOTABLE_SHARE)
  return worst ?? 'ok'
}
