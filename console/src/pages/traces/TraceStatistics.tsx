// The figures over the list: how many traces match, how they ended, how long they took. A click on an outcome filters.

import type { Outcome, SearchAnswer, TraceSummary } from '../../api/internal.ts'
import { formatCount, formatDuration, formatShare } from '../../model/format.ts'
import { binsFromEdges, type Bin } from '../../model/histogram.ts'
import { OUTCOME_LABEL, OUTCOMES, totalCount } from '../../model/outcome.ts'
import { OutcomeGlyph } from '../../ui/glyphs.tsx'

interface Props {
  answer: SearchAnswer
  traces: readonly TraceSummary[]
  outcomes: readonly Outcome[]
  onOutcomes: (outcomes: Outcome[]) => void
}

export function TraceStatistics({ answer, traces, outcomes, onOutcomes }: Props) {
  const { matched, scanned, complete, series } = answer
  const bins = binsFromEdges(answer.histogram)
  const count = (outcome: Outcome) => series[outcome].reduce((sum, value) => sum + value, 0)
  const toggle = (outcome: Outcome) =>
    onOutcomes(outcomes.includes(outcome) ? outcomes.filter((other) => other !== outcome) : [...outcomes, outcome])
  const average = averageResponseTime(traces, matched, bins)
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
        <span className="figure-value">{average ?? '–'}</span>
      </div>
      <div className="figure">
        <span className="figure-label">p95 response time</span>
        <span className="figure-value">{quantile(bins, 0.95) ?? '–'}</span>
      </div>
    </div>
  )
}

/** Exact while every match is loaded; else from the middle of the bars, and marked as such. */
function averageResponseTime(traces: readonly TraceSummary[], matched: number, bins: readonly Bin[]): string | null {
  if (matched === 0) return null
  if (traces.length === matched) {
    const times = traces.flatMap((trace) => trace.responseTime ?? [])
    return times.length === 0 ? null : formatDuration(times.reduce((sum, time) => sum + time, 0) / times.length)
  }
  const total = bins.reduce((sum, bin) => sum + totalCount(bin.counts), 0)
  if (total === 0) return null
  const sum = bins.reduce((so, bin) => so + ((bin.low + bin.high) / 2) * totalCount(bin.counts), 0)
  return `≈ ${formatDuration(sum / total)}`
}

/** The upper end of the bar in which the share is reached. */
function quantile(bins: readonly Bin[], share: number): string | null {
  const total = bins.reduce((sum, bin) => sum + totalCount(bin.counts), 0)
  let below = 0
  for (const bin of bins) {
    below += totalCount(bin.counts)
    if (total > 0 && below >= total * share) return formatDuration(bin.high)
  }
  return null
}
