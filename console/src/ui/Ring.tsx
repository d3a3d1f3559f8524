// The status ring of a node: a share of the circle for each outcome.

import type { Outcome } from '../api/internal.ts'
import { OUTCOMES, totalCount, type OutcomeCounts } from '../model/outcome.ts'

const RADIUS = 15
/** Trouble is drawn at least this wide (of 100), or one fault in a thousand could not be seen. */
const SMALLEST = 4

/** Widths of the arcs in hundredths of the circle, worst first. */
export function ringArcs(counts: OutcomeCounts): { outcome: Outcome; start: number; width: number }[] {
  const total = totalCount(counts)
  if (total === 0) return []
  const troubles = OUTCOMES.filter((outcome) => outcome !== 'ok' && counts[outcome] > 0).toReversed()
  let start = 0
  const arcs = troubles.map((outcome) => {
    const width = Math.max(SMALLEST, (counts[outcome] / total) * 100)
    const arc = { outcome, start, width }
    start += width
    return arc
  })
  // Widened arcs may not leave the circle; the excess comes off all of them alike.
  if (start > 100) return arcs.map((arc) => ({ ...arc, start: (arc.start * 100) / start, width: (arc.width * 100) / start }))
  return counts.ok > 0 && start < 100 ? [...arcs, { outcome: 'ok', start, width: 100 - start }] : arcs
}

export function Ring({ counts }: { counts: OutcomeCounts }) {
  const arcs = ringArcs(counts)
  return (
    <svg className="ring" viewBox="0 0 36 36" aria-hidden="true" focusable="false">
      <circle className="ring-track" cx="18" cy="18" r={RADIUS} />
      {arcs.map(({ outcome, start, width }) => (
        <circle
          key={outcome}
          className={`ring-arc stroke-${outcome}`}
          cx="18"
          cy="18"
          r={RADIUS}
          pathLength={100}
          strokeDasharray={`${width} ${100 - width}`}
          strokeDashoffset={-start}
        />
      ))}
    </svg>
  )
}
