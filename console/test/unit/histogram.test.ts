import { expect, test } from 'vitest'
import {
  axisTop,
  binEntries,
  binsFromEdges,
  binsFromSeries,
  binsTouched,
  countBetween,
  labelAnchor,
  labelWidth,
  logTicks,
  peakCount,
  percentile,
  ticksWithRoom,
} from '../../src/model/histogram.ts'

test('no entries, no bars', () => {
  expect(binEntries([])).toEqual([])
  expect(binEntries([{ Value: 1, Count: 0 }, {}])).toEqual([])
})

test('every request is in the bar its time belongs to', () => {
  const entries = [{ Value: 0.001, Count: 3 }, { Value: 0.05, Count: 10 }, { Value: 0.051, Count: 1 }, { Value: 9, Count: 2 }]
  const bins = binEntries(entries)
  expect(countBetween(bins, 0, bins.length - 1)).toBe(16)
  for (const { Value, Count } of entries) {
    const bin = bins.find(({ low, high }) => Value >= low && Value < high)
    expect(bin?.counts.ok).toBeGreaterThanOrEqual(Count)
  }
  for (const [idx, bin] of bins.slice(1).entries()) expect(bin.low).toBeCloseTo(bins[idx]?.high ?? NaN, 10)
})

test('a single value stands in the middle of the chart', () => {
  const bins = binEntries([{ Value: 0.2, Count: 4 }])
  const filled = bins.findIndex((bin) => bin.counts.ok > 0)
  expect(filled).toBeGreaterThan(bins.length / 4)
  expect(filled).toBeLessThan((bins.length * 3) / 4)
})

test('zero seconds do not break the logarithm', () => {
  const bins = binEntries([{ Value: 0, Count: 1 }, { Value: 1, Count: 1 }])
  expect(countBetween(bins, 0, bins.length - 1)).toBe(2)
  expect(bins.every(({ low, high }) => low > 0 && high > low)).toBe(true)
})

test.each([
  [0.5, 0.2],
  [0.95, 0.9],
  [0.9, 0.9],
  [1, 5],
  [0, 0.1],
])('the %d quantile', (share, value) => {
  const entries = [{ Value: 0.9, Count: 40 }, { Value: 0.1, Count: 20 }, { Value: 0.2, Count: 36 }, { Value: 5, Count: 4 }]
  expect(percentile(entries, share)).toBe(value)
})

test('no requests have no quantile', () => {
  expect(percentile([], 0.5)).toBeNull()
})

test('bars from the edges and series of the server', () => {
  const counts = { ok: [1, 2], error: [0, 1], throttle: [0, 0], fault: [3, 0] }
  expect(binsFromEdges({ edges: [0.1, 0.2, 0.4], ...counts })).toEqual([
    { low: 0.1, high: 0.2, counts: { ok: 1, error: 0, throttle: 0, fault: 3 } },
    { low: 0.2, high: 0.4, counts: { ok: 2, error: 1, throttle: 0, fault: 0 } },
  ])
  expect(binsFromSeries({ start: 100, step: 30, ...counts }).map(({ low, high }) => [low, high])).toEqual([[100, 130], [130, 160]])
  expect(peakCount(binsFromEdges({ edges: [0.1, 0.2, 0.4], ...counts }))).toBe(4)
  expect(binsFromEdges({ edges: [], ok: [], error: [], throttle: [], fault: [] })).toEqual([])
})

test('a range gives back the bars it was made from', () => {
  const bins = binEntries([{ Value: 0.01, Count: 1 }, { Value: 1, Count: 1 }])
  const [low, high] = [bins[3]?.low ?? NaN, bins[6]?.high ?? NaN]
  expect(binsTouched(bins, low, high)).toEqual([3, 6])
  expect(binsTouched(bins, 1e6, 1e7)).toBeNull()
})

test('ticks are round, in order, within the chart and not too many', () => {
  const bins = binEntries([{ Value: 0.004, Count: 1 }, { Value: 3, Count: 1 }])
  const ticks = logTicks(bins, 8)
  expect(ticks.length).toBeGreaterThan(2)
  expect(ticks.length).toBeLessThanOrEqual(8)
  expect(ticks.map(({ value }) => value)).toEqual(ticks.map(({ value }) => value).toSorted((a, b) => a - b))
  for (const { value, place } of ticks) {
    expect(place).toBeGreaterThanOrEqual(0)
    expect(place).toBeLessThanOrEqual(1)
    expect(['1', '2', '3', '5', '7']).toContain(value.toExponential()[0])
  }
})

test.each([[0, 2], [1, 2], [3, 4], [17, 20], [36, 40], [110, 120], [999, 1000]])('the axis for %d ends at %d', (count, top) => {
  expect(axisTop(count)).toBe(top)
})

test('labels of an axis never touch, and all are there where they have room', () => {
  const ticks = Array.from({ length: 12 }, (_, idx) => ({ label: `${idx}00 ms`, place: idx / 11 }))
  expect(ticksWithRoom(ticks, 2000)).toEqual(ticks)
  expect(ticksWithRoom(ticks, 330).length).toBeGreaterThan(2)
  expect(ticksWithRoom([], 100)).toEqual([])
  for (let width = 1; width < 1000; width += 13) {
    const kept = ticksWithRoom(ticks, width)
    expect(kept.length).toBeGreaterThan(0)
    let before = -Infinity
    for (const { label, place } of kept) {
      const start = place * width - { start: 0, middle: 0.5, end: 1 }[labelAnchor(place)] * labelWidth(label)
      expect(start).toBeGreaterThan(before)
      before = start + labelWidth(label)
    }
  }
})
