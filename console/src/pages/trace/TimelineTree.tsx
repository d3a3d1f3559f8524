// The tree of segments as a tree grid. Only the rows in view are in the document; the grid says how many there are.

import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useId, useRef, type KeyboardEvent } from 'react'
import { formatTick } from '../../model/format.ts'
import { labelWidth } from '../../model/histogram.ts'
import { linearTicks } from '../../model/rows.ts'
import { useElementSize } from '../../ui/useElementSize.ts'
import { TimelineRow } from './TimelineRow.tsx'
import type { Timeline } from './useTimeline.ts'

interface Props {
  timeline: Timeline
  /** -1 for none. */
  selectedRow: number
  onSelect: (row: number | null) => void
}

const ROW_HEIGHT = 28
/** Rows kept ready above and below the view. */
const OVERSCAN = 12
/** Between the line of a tick and its label, in pixels. */
const LABEL_INDENT = 5
/** Below this width the lanes need the room more than long names do. */
const NARROW = 760

export function TimelineTree({ timeline, selectedRow, onSelect }: Props) {
  const { rows, ends, shown, collapsed, window: zoom } = timeline
  const scroller = useRef<HTMLDivElement>(null)
  const { width } = useElementSize(scroller)
  const lane = useRef<HTMLSpanElement>(null)
  const { width: laneWidth } = useElementSize(lane)
  const id = useId()
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
  })

  // A link to a segment brings its row into view, once; later selections are made where the eye is.
  const position = selectedRow < 0 ? -1 : shown.indexOf(selectedRow)
  const isFirst = useRef(true)
  useEffect(() => {
    if (isFirst.current && position >= 0) virtual.scrollToIndex(position, { align: 'center' })
    isFirst.current = false
  }, [position, virtual])

  const moveTo = (target: number) => {
    const idx = Math.min(shown.length - 1, Math.max(0, target))
    const row = shown[idx]
    if (row === undefined) return
    virtual.scrollToIndex(idx, { align: 'auto' })
    onSelect(row)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.metaKey || event.ctrlKey || event.altKey) return
    const row = shown[position]
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / ROW_HEIGHT) - 2)
    const isParent = row !== undefined && (ends[row] ?? 0) > row + 1
    const isOpen = isParent && !collapsed.has(row)
    switch (event.key) {
      case 'ArrowDown':
      case 'j':
        moveTo(position + 1)
        break
      case 'ArrowUp':
      case 'k':
        moveTo(position < 0 ? 0 : position - 1)
        break
      case 'PageDown':
        moveTo(position + page)
        break
      case 'PageUp':
        moveTo(position - page)
        break
      case 'Home':
        moveTo(0)
        break
      case 'End':
        moveTo(shown.length - 1)
        break
      case 'ArrowRight':
        if (isParent && !isOpen) timeline.setCollapsed(row, false)
        else if (isParent) moveTo(position + 1)
        break
      case 'ArrowLeft': {
        const parent = row === undefined ? -1 : (rows.parent[row] ?? -1)
        if (isOpen) timeline.setCollapsed(row, true)
        else if (parent >= 0) moveTo(shown.indexOf(parent))
        break
      }
      case 'Enter':
      case ' ':
        if (isParent) timeline.toggle(row)
        break
      case '[':
        timeline.collapseAll()
        break
      case ']':
        timeline.expandAll()
        break
      case 'Escape':
        onSelect(null)
        break
      default:
        return
    }
    event.preventDefault()
  }

  const columns = width > 0 && width < NARROW ? 'timeline timeline-narrow' : 'timeline'
  const ticks = linearTicks(zoom.startUs, zoom.endUs, width < NARROW ? 4 : 7)
  // A label begins at its line and may not reach out of the lane; the line alone stays.
  const hasRoom = (tick: number) =>
    ((tick - zoom.startUs) / (zoom.endUs - zoom.startUs)) * laneWidth + LABEL_INDENT + labelWidth(formatTick(tick / 1e6)) <= laneWidth
  const share = (us: number) => `${((us - zoom.startUs) / (zoom.endUs - zoom.startUs)) * 100}%`
  return (
    <div
      ref={scroller}
      className={columns}
      role="treegrid"
      aria-label="Segments"
      aria-rowcount={shown.length + 1}
      aria-readonly="true"
      tabIndex={0}
      aria-activedescendant={position >= 0 && virtual.getVirtualItems().some((item) => item.index === position) ? `${id}-${position}` : undefined}
      onKeyDown={onKeyDown}
    >
      <div role="row" aria-rowindex={1} className="timeline-head">
        <span role="columnheader">Name</span>
        <span role="columnheader" className="number">
          Code
        </span>
        <span role="columnheader" className="number">
          Duration
        </span>
        <span ref={lane} role="columnheader" className="lane" aria-label="Time">
          {ticks.filter(hasRoom).map((tick) => (
            <span key={tick} className="lane-tick" style={{ left: share(tick) }}>
              {formatTick(tick / 1e6)}
            </span>
          ))}
        </span>
      </div>
      <div role="rowgroup" className="timeline-body" style={{ height: virtual.getTotalSize() }}>
        <div className="lane-lines" aria-hidden="true" role="presentation">
          {ticks.map((tick) => (
            <span key={tick} style={{ left: share(tick) }} />
          ))}
        </div>
        {virtual.getVirtualItems().map((item) => {
          const row = shown[item.index] ?? 0
          return (
            <TimelineRow
              key={row}
              id={`${id}-${item.index}`}
              timeline={timeline}
              row={row}
              rowIndex={item.index + 2}
              top={item.start}
              isSelected={row === selectedRow}
              onSelect={onSelect}
            />
          )
        })}
        {shown.length === 0 && (
          <div role="row" aria-rowindex={2}>
            <span role="gridcell" className="timeline-empty">
              No segment matches the filter.
            </span>
          </div>
        )}
      </div>
    </div>
  )
}
