// The timeline's rows. A trace stays the columns the server sent; which rows are visible is a list of their indexes,
// so that collapsing or filtering ten thousand segments makes no objects.

import type { Outcome, TraceRows } from '../api/internal.ts'

const ERROR = 1
const THROTTLE = 2
const FAULT = 4
const IN_PROGRESS = 8

export interface RowFilter {
  /** Lower case; matches name, detail or id. Empty for all. */
  text: string
  /** Only rows that ended in an error, throttle or fault. */
  troubleOnly: boolean
}

export function rowOutcome(rows: TraceRows, row: number): Outcome {
  const flags = rows.flags[row] ?? 0
  if (flags & FAULT) return 'fault'
  if (flags & THROTTLE) return 'throttle'
  return flags & ERROR ? 'error' : 'ok'
}

export function isInProgress(rows: TraceRows, row: number): boolean {
  return ((rows.flags[row] ?? 0) & IN_PROGRESS) !== 0
}

/** For each row the index behind its last descendant. */
export function subtreeEnds(rows: TraceRows): Int32Array {
  const size = rows.id.length
  const ends = new Int32Array(size)
  for (let row = size - 1; row >= 0; row -= 1) {
    const own = Math.max(ends[row] ?? 0, row + 1)
    ends[row] = own
    const parent = rows.parent[row] ?? -1
    if (parent >= 0) ends[parent] = Math.max(ends[parent] ?? 0, own)
  }
  return ends
}

/** Lower-cased search text of each row, made once for each trace. */
export function searchTexts(rows: TraceRows): string[] {
  return rows.name.map((name, row) => `${name} ${rows.detail[row] ?? ''} ${rows.id[row] ?? ''}`.toLowerCase())
}

/** 1 for each row that matches; null when the filter lets everything through. */
export function matchRows(rows: TraceRows, texts: readonly string[], filter: RowFilter): Uint8Array | null {
  if (filter.text === '' && !filter.troubleOnly) return null
  const matches = new Uint8Array(rows.id.length)
  for (let row = 0; row < matches.length; row += 1) {
    const isTrouble = rowOutcome(rows, row) !== 'ok'
    if (filter.troubleOnly && !isTrouble) continue
    if (filter.text !== '' && !texts[row]?.includes(filter.text)) continue
    matches[row] = 1
  }
  return matches
}

/**
 * The rows to show, in order. Matching rows keep their ancestors, or nobody would know where they belong;
 * a filter looks into collapsed rows too.
 */
export function visibleRows(
  rows: TraceRows,
  ends: Int32Array,
  collapsed: ReadonlySet<number>,
  matches: Uint8Array | null,
): number[] {
  const size = rows.id.length
  const shown: number[] = []
  if (matches) {
    const kept = new Uint8Array(size)
    for (let row = size - 1; row >= 0; row -= 1) {
      if (!matches[row] && !kept[row]) continue
      kept[row] = 1
      const parent = rows.parent[row] ?? -1
      if (parent >= 0) kept[parent] = 1
    }
    for (let row = 0; row < size; row += 1) if (kept[row]) shown.push(row)
    return shown
  }
  let row = 0
  while (row < size) {
    shown.push(row)
    row = collapsed.has(row) ? (ends[row] ?? row + 1) : row + 1
  }
  return shown
}

/** Every row that has children. */
export function parentRows(ends: Int32Array): Set<number> {
  const parents = new Set<number>()
  for (let row = 0; row < ends.length; row += 1) if ((ends[row] ?? 0) > row + 1) parents.add(row)
  return parents
}

/** Where the trace starts and ends on the time axis, in microseconds relative to its start. */
export function timeExtent(rows: TraceRows): { startUs: number; endUs: number } {
  let startUs = 0
  let endUs = 1
  for (let row = 0; row < rows.id.length; row += 1) {
    const start = rows.startUs[row] ?? 0
    startUs = Math.min(startUs, start)
    endUs = Math.max(endUs, start + (rows.durationUs[row] ?? 0))
  }
  return { startUs, endUs }
}

/** Time in a row that no child accounts for, in microseconds; null while in progress. */
export function selfTimeUs(rows: TraceRows, ends: Int32Array, row: number): number | null {
  const duration = rows.durationUs[row]
  if (duration === null || duration === undefined) return null
  const start = rows.startUs[row] ?? 0
  const children: [number, number][] = []
  for (let child = row + 1; child < (ends[row] ?? 0); child = ends[child] ?? child + 1) {
    const from = Math.max(start, rows.startUs[child] ?? 0)
    const to = Math.min(start + duration, (rows.startUs[child] ?? 0) + (rows.durationUs[child] ?? 0))
    if (to > from) children.push([from, to])
  }
  children.sort((a, b) => a[0] - b[0])
  let covered = 0
  let until = start
  for (const [from, to] of children) {
    if (to <= until) continue
    covered += to - Math.max(from, until)
    until = to
  }
  return duration - covered
}

/** Round places for about `count` lines on a linear axis. */
export function linearTicks(startUs: number, endUs: number, count: number): number[] {
  const raw = (endUs - startUs) / Math.max(1, count)
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 2.5, 5, 10].map((multiple) => multiple * power).find((width) => width >= raw) ?? raw
  const ticks: number[] = []
  for (let tick = Math.ceil(startUs / step) * step; tick <= endUs; tick += step) ticks.push(tick)
  return ticks
}
