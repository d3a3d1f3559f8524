// One segment or subsegment of the timeline.

import { memo, type CSSProperties } from 'react'
import { formatDuration } from '../../model/format.ts'
import { OUTCOME_LABEL } from '../../model/outcome.ts'
import { isInProgress, rowOutcome } from '../../model/rows.ts'
import { OutcomeGlyph } from '../../ui/glyphs.tsx'
import type { Timeline } from './useTimeline.ts'

interface Props {
  id: string
  timeline: Timeline
  row: number
  /** Place in the grid, counted from 1, the header included. */
  rowIndex: number
  /** Pixels. */
  top: number
  isSelected: boolean
  onSelect: (row: number) => void
}

export const TimelineRow = memo(function TimelineRow({ id, timeline, row, rowIndex, top, isSelected, onSelect }: Props) {
  const { rows, ends, collapsed, matches, window: zoom } = timeline
  const depth = rows.depth[row] ?? 0
  const isParent = (ends[row] ?? 0) > row + 1
  const isOpen = isParent && (matches !== null || !collapsed.has(row))
  const outcome = rowOutcome(rows, row)
  const startUs = rows.startUs[row] ?? 0
  const durationUs = rows.durationUs[row] ?? null
  const status = rows.status[row] ?? null
  const detail = rows.detail[row] ?? null
  const isSegment = rows.kind[row] === 'segment'
  const classes = [
    'timeline-row',
    isSelected && 'timeline-row-selected',
    matches && !matches[row] && 'timeline-row-context',
    isSegment && 'timeline-row-segment',
  ]
  return (
    <div
      id={id}
      role="row"
      className={classes.filter(Boolean).join(' ')}
      style={{ transform: `translateY(${top}px)` }}
      aria-rowindex={rowIndex}
      aria-level={depth + 1}
      aria-selected={isSelected}
      {...(isParent && { 'aria-expanded': isOpen })}
      onClick={() => onSelect(row)}
    >
      <span role="gridcell" className="timeline-name" style={{ '--depth': depth } as CSSProperties}>
        {isParent ? (
          <span
            className={isOpen ? 'caret caret-open' : 'caret'}
            aria-hidden="true"
            onClick={(event) => {
              event.stopPropagation()
              timeline.toggle(row)
            }}
          />
        ) : (
          <span className="caret caret-none" aria-hidden="true" />
        )}
        <span className="timeline-title">{rows.name[row]}</span>
        {detail && <span className="timeline-detail">{detail}</span>}
        {isParent && !isOpen && <span className="timeline-hidden">+{(ends[row] ?? row) - row - 1}</span>}
      </span>
      <span role="gridcell" className={`number timeline-code outcome-${outcome}`}>
        {outcome !== 'ok' && <OutcomeGlyph outcome={outcome} />}
        {outcome !== 'ok' && <span className="visually-hidden">{OUTCOME_LABEL[outcome]}</span>}
        {status}
      </span>
      <span role="gridcell" className="number">
        {durationUs === null ? <span className="quiet">in progress</span> : formatDuration(durationUs / 1e6)}
      </span>
      <span role="gridcell" className="lane" aria-label={`starts at ${formatDuration(startUs / 1e6)}`}>
        <Bar timeline={timeline} startUs={startUs} durationUs={durationUs} className={barClass(outcome, isSegment, isInProgress(rows, row))} zoom={zoom} />
      </span>
    </div>
  )
})

function barClass(outcome: string, isSegment: boolean, inProgress: boolean): string {
  const colour = outcome === 'ok' ? (isSegment ? 'volume' : 'quiet') : outcome
  return `lane-bar lane-bar-${colour}${inProgress ? ' lane-bar-open' : ''}`
}

interface BarProps {
  timeline: Timeline
  startUs: number
  durationUs: number | null
  className: string
  zoom: Timeline['window']
}

/** The bar within the shown part of the time; nothing when it lies outside. */
function Bar({ timeline, startUs, durationUs, className, zoom }: BarProps) {
  const endUs = durationUs === null ? timeline.extent.endUs : startUs + durationUs
  if (endUs < zoom.startUs || startUs > zoom.endUs) return null
  const length = zoom.endUs - zoom.startUs
  const from = Math.max(0, (startUs - zoom.startUs) / length)
  const to = Math.min(1, (endUs - zoom.startUs) / length)
  return <span className={className} style={{ left: `${from * 100}%`, width: `${(to - from) * 100}%` }} />
}
