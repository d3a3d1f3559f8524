// The figures over the list: how many traces match, how they ended, how long they took. A click on an outcome filters.

import type { Outcome, SearchAnswer } from '../../api/internal.ts'
import { formatCount, formatDuration, formatShare } from '../../model/format.ts'
import { OUTCOME_LABEL, OUTCOMES } from '../../model/outcome.ts'
import { OutcomeGlyph } from '../../ui/glyphs.tsx'

interface Props {
  answer: SearchAnswer
  outcomes: readonly Outcome[]
  onOutcomes: (outcomes: Outcome[]) => void
}

export function TraceStatistics({ answer, outcomes, onOutcomes }: Props) {
  const { matched, scanned, complete, series } = answer
  const count = (outcome: Outcome) => series[outcome].reduce((sum, value) => sum + value, 0)
  const toggle = (outcome: Outcome) =>
    onOutcomes(outcomes.includes(outcome) ? outcomes.filter((other) => other !== outcome) : [...outcomes, outcome])
  const time = (seconds: number | null) => (seconds === null ? '–' : formatDuration(seconds))
  return (
    <div className="figures">
      <div className="figure">
        <span className="figure-label">Traces matched</span>
        <span className="figure-value">
          {formatCount(matched)}{' '}
          <small title={complete ? undefined : 'The search ended at its limit. The figures cover the newest traces.'}>
            of {complete ? '' : 'the newest '}
            {formatCount(scanned)}
          </small>
        </span>
      </div>
      {OUTCOMES.map((outcome) => (
        <button
          key={outcome}
          type="button"
          className="figure figure-button"
          aria-pressed={outcomes.includes(outcome)}
          onClick={() => toggle(outcome)}
        >
          <span className={`figure-label outcome-${outcome}`}>
            <OutcomeGlyph outcome={outcome} /> {OUTCOME_LABEL[outcome]}
          </span>
          <span className="figure-value">
            {formatShare(count(outcome), matched)} <small>{formatCount(count(outcome))}</small>
          </span>
        </button>
      ))}
      <div className="figure">
        <span className="figure-label">Average response time</span>
        <span className="figure-value">{time(answer.averageResponseTime)}</span>
      </div>
      <div className="figure">
        <span className="figure-label">p95 response time</span>
        <span className="figure-value">{time(answer.p95ResponseTime)}</span>
      </div>
    </div>
  )
}
