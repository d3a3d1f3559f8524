// The state of the timeline: what is collapsed, what is filtered, which part of the time is shown.

import { useDeferredValue, useMemo, useState } from 'react'
import type { TraceRows } from '../../api/internal.ts'
import { matchRows, parentRows, searchTexts, subtreeEnds, timeExtent, visibleRows } from '../../model/rows.ts'

/** Part of the time axis, in microseconds relative to the start of the trace. */
export interface TimeWindow {
  startUs: number
  endUs: number
}

export interface Timeline {
  rows: TraceRows
  ends: Int32Array
  /** Indexes of the rows to show. */
  shown: number[]
  /** 1 for rows that match the filter; null without a filter. */
  matches: Uint8Array | null
  matchCount: number
  collapsed: ReadonlySet<number>
  extent: TimeWindow
  /** What the lanes show: the whole extent unless zoomed. */
  window: TimeWindow
  isZoomed: boolean
  text: string
  setText: (text: string) => void
  troubleOnly: boolean
  setTroubleOnly: (troubleOnly: boolean) => void
  setWindow: (window: TimeWindow | null) => void
  toggle: (row: number) => void
  setCollapsed: (row: number, collapsed: boolean) => void
  collapseAll: () => void
  expandAll: () => void
}

export function useTimeline(rows: TraceRows): Timeline {
  // By id: a trace in progress gets new rows, which moves the others.
  const [collapsedIds, setCollapsedIds] = useState<ReadonlySet<string>>(new Set())
  const [text, setText] = useState('')
  const [troubleOnly, setTroubleOnly] = useState(false)
  const [zoom, setWindow] = useState<TimeWindow | null>(null)
  // Typing stays smooth: the rows follow a moment later.
  const wanted = useDeferredValue(text.trim().toLowerCase())

  const ends = useMemo(() => subtreeEnds(rows), [rows])
  const texts = useMemo(() => searchTexts(rows), [rows])
  const collapsed = useMemo(() => rowsOf(rows, collapsedIds), [rows, collapsedIds])
  const extent = useMemo(() => timeExtent(rows), [rows])
  const matches = useMemo(() => matchRows(rows, texts, { text: wanted, troubleOnly }), [rows, texts, wanted, troubleOnly])
  const shown = useMemo(() => visibleRows(rows, ends, collapsed, matches), [rows, ends, collapsed, matches])
  const matchCount = useMemo(() => (matches ? matches.reduce((sum, match) => sum + match, 0) : rows.id.length), [matches, rows])

  const setCollapsed = (row: number, isCollapsed: boolean) => {
    const id = rows.id[row] ?? ''
    const next = new Set(collapsedIds)
    if (isCollapsed) next.add(id)
    else next.delete(id)
    setCollapsedIds(next)
  }
  return {
    rows,
    ends,
    shown,
    matches,
    matchCount,
    collapsed,
    extent,
    window: zoom ?? extent,
    isZoomed: zoom !== null,
    text,
    setText,
    troubleOnly,
    setTroubleOnly,
    setWindow,
    toggle: (row) => setCollapsed(row, !collapsed.has(row)),
    setCollapsed,
    collapseAll: () => setCollapsedIds(new Set([...parentRows(ends)].map((row) => rows.id[row] ?? ''))),
    expandAll: () => setCollapsedIds(new Set()),
  }
}

function rowsOf(rows: TraceRows, ids: ReadonlySet<string>): ReadonlySet<number> {
  const found = new Set<number>()
  if (ids.size > 0) for (const [row, id] of rows.id.entries()) if (ids.has(id)) found.add(row)
  return found
}
