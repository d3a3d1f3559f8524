import { expect, test } from 'vitest'
import type { TraceRows } from '../../src/api/internal.ts'
import {
  isInProgress,
  linearTicks,
  matchRows,
  parentRows,
  rowOutcome,
  searchTexts,
  selfTimeUs,
  subtreeEnds,
  timeExtent,
  visibleRows,
} from '../../src/model/rows.ts'

/** web(0) > [render(1) > [db(2), cache(3)], pay(4) > [stripe(5)]], and an orphan(6). */
const ROWS: TraceRows = {
  id: ['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6'],
  parent: [-1, 0, 1, 1, 0, 4, -1],
  depth: [0, 1, 2, 2, 1, 2, 0],
  name: ['web', 'render', 'db', 'cache', 'pay', 'stripe', 'orphan'],
  kind: ['segment', 'subsegment', 'subsegment', 'subsegment', 'segment', 'subsegment', 'segment'],
  node: [0, -1, -1, -1, 1, -1, 2],
  startUs: [0, 10, 20, 25, 60, 62, -5],
  durationUs: [100, 40, 10, 10, 30, null, 20],
  status: [200, null, null, null, 500, 503, null],
  flags: [0, 0, 0, 1, 4, 12, 3],
  namespace: [null, null, 'remote', null, null, 'remote', null],
  detail: ['GET /', null, 'SELECT', null, null, 'POST /v1/charges', null],
}
const ENDS = subtreeEnds(ROWS)
const TEXTS = searchTexts(ROWS)
const NONE = new Set<number>()

const names = (rows: number[]) => rows.map((row) => ROWS.name[row])

test('where subtrees end', () => {
  expect([...ENDS]).toEqual([6, 4, 3, 4, 6, 6, 7])
  expect([...parentRows(ENDS)]).toEqual([0, 1, 4])
})

test('everything is visible at first', () => {
  expect(visibleRows(ROWS, ENDS, NONE, null)).toEqual([0, 1, 2, 3, 4, 5, 6])
})

test('collapsing hides descendants and nothing else', () => {
  expect(names(visibleRows(ROWS, ENDS, new Set([1]), null))).toEqual(['web', 'render', 'pay', 'stripe', 'orphan'])
  expect(names(visibleRows(ROWS, ENDS, new Set([0, 4]), null))).toEqual(['web', 'orphan'])
})

test('a match keeps its ancestors, also out of collapsed rows', () => {
  const filter = (text: string, troubleOnly = false) =>
    names(visibleRows(ROWS, ENDS, new Set([0]), matchRows(ROWS, TEXTS, { text, troubleOnly })))
  expect(filter('select')).toEqual(['web', 'render', 'db'])
  expect(filter('a5')).toEqual(['web', 'pay', 'stripe'])
  expect(filter('nothing')).toEqual([])
  expect(filter('', true)).toEqual(['web', 'render', 'cache', 'pay', 'stripe', 'orphan'])
  expect(filter('stripe', true)).toEqual(['web', 'pay', 'stripe'])
  expect(filter('render', true)).toEqual([])
})

test('no filter is no list of matches', () => {
  expect(matchRows(ROWS, TEXTS, { text: '', troubleOnly: false })).toBeNull()
})

test('the worst flag decides, and being in progress is no outcome', () => {
  expect(ROWS.id.map((_, row) => rowOutcome(ROWS, row))).toEqual(['ok', 'ok', 'ok', 'error', 'fault', 'fault', 'throttle'])
  expect(ROWS.id.map((_, row) => isInProgress(ROWS, row))).toEqual([false, false, false, false, false, true, false])
})

test('the time axis reaches from the first start to the last end', () => {
  expect(timeExtent(ROWS)).toEqual({ startUs: -5, endUs: 100 })
})

test('time of its own is what no child covers, overlaps counted once', () => {
  expect(selfTimeUs(ROWS, ENDS, 0)).toBe(100 - 40 - 30)
  expect(selfTimeUs(ROWS, ENDS, 1)).toBe(40 - 15)
  expect(selfTimeUs(ROWS, ENDS, 2)).toBe(10)
  expect(selfTimeUs(ROWS, ENDS, 5)).toBeNull()
})

test('ten thousand rows in a chain are no trouble', () => {
  const size = 10_000
  const column = <T>(value: (row: number) => T) => Array.from({ length: size }, (_, row) => value(row))
  const chain: TraceRows = {
    ...ROWS,
    id: column(String),
    parent: column((row) => row - 1),
    depth: column((row) => row),
    name: column((row) => `n${row}`),
    detail: column(() => null),
    flags: column((row) => (row === size - 1 ? 4 : 0)),
  }
  const ends = subtreeEnds(chain)
  expect(visibleRows(chain, ends, NONE, matchRows(chain, searchTexts(chain), { text: '', troubleOnly: true }))).toHaveLength(size)
  expect(visibleRows(chain, ends, new Set([0]), null)).toEqual([0])
})

test.each([
  [0, 100, 5, [0, 20, 40, 60, 80, 100]],
  [0, 2_410_000, 5, [0, 500_000, 1_000_000, 1_500_000, 2_000_000]],
  [450, 520, 3, [450, 475, 500]],
])('ticks from %d to %d', (start, end, count, ticks) => {
  expect(linearTicks(start, end, count)).toEqual(ticks)
})
