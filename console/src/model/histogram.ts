// Response-time distributions: bins on a logarithmic scale, percentiles, and which ticks and ranges to show.

import type { OutcomeSeries } from '../api/internal.ts'
import type { HistogramEntry } from '../api/xray.ts'
import { NO_COUNTS, totalCount, type OutcomeCounts } from './outcome.ts'

/** One bar of a chart: what lies from `low` (inclusive) to `high` (exclusive), in seconds or epoch seconds. */
export interface Bin {
  low: number
  high: number
  counts: OutcomeCounts
}

const MIN_BINS = 12
const MAX_BINS = 40
/** Bars to a factor of ten where the data allows. */
const BINS_PER_DECADE = 12

/** Puts X-Ray's (value, count) entries into bins of equal width on a logarithmic scale. */
export function binEntries(entries: readonly HistogramEntry[]): Bin[] {
  const usable = entries.flatMap(({ Value, Count }) =>
    Value !== undefined && Count !== undefined && Count > 0 ? [{ value: Math.max(Value, 1e-6), count: Count }] : [],
  )
  if (usable.length === 0) return []
  const values = usable.map((entry) => entry.value)
  const lowest = Math.log10(Math.min(...values))
  const highest = Math.log10(Math.max(...values))
  const wanted = Math.ceil((highest - lowest) * BINS_PER_DECADE) + 2
  const size = Math.min(MAX_BINS, Math.max(MIN_BINS, wanted))
  // The extremes fall into the middle of their bins: at an edge, rounding would decide on which side they are.
  const step = Math.max((highest - lowest) / (size - 1), 1 / BINS_PER_DECADE)
  const from = (lowest + highest) / 2 - (step * size) / 2
  const counts = Array.from({ length: size }, () => 0)
  for (const { value, count } of usable) {
    const idx = Math.min(size - 1, Math.max(0, Math.floor((Math.log10(value) - from) / step)))
    counts[idx] = (counts[idx] ?? 0) + count
  }
  return counts.map((count, idx) => ({
    low: 10 ** (from + idx * step),
    high: 10 ** (from + (idx + 1) * step),
    counts: { ...NO_COUNTS, ok: count },
  }))
}

/** Bins from the server's edges and counts. */
export function binsFromEdges(histogram: OutcomeSeries & { edges: readonly number[] }): Bin[] {
  return histogram.edges.slice(0, -1).map((low, idx) => ({
    low,
    high: histogram.edges[idx + 1] ?? low,
    counts: countsAt(histogram, idx),
  }))
}

/** Bins from the server's time series. */
export function binsFromSeries(series: OutcomeSeries & { start: number; step: number }): Bin[] {
  return series.ok.map((_, idx) => ({
    low: series.start + idx * series.step,
    high: series.start + (idx + 1) * series.step,
    counts: countsAt(series, idx),
  }))
}

function countsAt(series: OutcomeSeries, idx: number): OutcomeCounts {
  return {
    ok: series.ok[idx] ?? 0,
    error: series.error[idx] ?? 0,
    throttle: series.throttle[idx] ?? 0,
    fault: series.fault[idx] ?? 0,
  }
}

/** The value below which `share` (0 to 1) of the requests lie; null without requests. */
export function percentile(entries: readonly HistogramEntry[], share: number): number | null {
  const sorted = entries
    .flatMap(({ Value, Count }) => (Value !== undefined && Count ? [{ value: Value, count: Count }] : []))
    .toSorted((a, b) => a.value - b.value)
  const total = sorted.reduce((sum, entry) => sum + entry.count, 0)
  if (total === 0) return null
  let below = 0
  for (const { value, count } of sorted) {
    below += count
    if (below >= total * share - 1e-9) return value
  }
  return sorted.at(-1)?.value ?? null
}

/** The highest bar. */
export function peakCount(bins: readonly Bin[]): number {
  return bins.reduce((peak, bin) => Math.max(peak, totalCount(bin.counts)), 0)
}

/** Requests within bins `first` to `last`, both included. */
export function countBetween(bins: readonly Bin[], first: number, last: number): number {
  return bins.slice(first, last + 1).reduce((sum, bin) => sum + totalCount(bin.counts), 0)
}

/** The bins that a range of values touches, as first and last index; null when none. */
export function binsTouched(bins: readonly Bin[], low: number, high: number): [number, number] | null {
  const first = bins.findIndex((bin) => bin.high > low * (1 + 1e-9))
  const last = bins.findLastIndex((bin) => bin.low < high * (1 - 1e-9))
  return first < 0 || last < first ? null : [first, last]
}

/** Round values (1, 2, 5 times a power of ten) within the bins, each with its place from 0 to 1. */
export function logTicks(bins: readonly Bin[], atMost: number): { value: number; place: number }[] {
  const low = bins[0]?.low
  const high = bins.at(-1)?.high
  if (low === undefined || high === undefined || low <= 0) return []
  const place = (value: number) => Math.log(value / low) / Math.log(high / low)
  const ticks = (multiples: readonly number[]) => {
    const values: number[] = []
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      for (const multiple of multiples) values.push(Number((multiple * 10 ** power).toPrecision(6)))
    }
    return values.filter((value) => value >= low && value <= high)
  }
  const choices = [ticks([1, 1.5, 2, 3, 5, 7]), ticks([1, 2, 5]), ticks([1, 3]), ticks([1])]
  const chosen = choices.find((values) => values.length <= atMost) ?? []
  return chosen.map((value) => ({ value, place: place(value) }))
}

export interface Tick {
  label: string
  /** From 0 (left) to 1 (right). */
  place: number
}

/** Width of a digit of a chart's labels, of 11 pixels, and the least room between two labels. */
const DIGIT_WIDTH = 6.2
const LABEL_GAP = 10

/** Room that the label of an axis takes, in pixels. */
export function labelWidth(label: string): number {
  return label.length * DIGIT_WIDTH
}

/** Every tick, every second one, every third, …: the most whose labels do not touch on an axis of so many pixels. */
export function ticksWithRoom(ticks: readonly Tick[], width: number): Tick[] {
  for (let step = 1; step < ticks.length; step += 1) {
    const kept = ticks.filter((_, idx) => idx % step === 0)
    const touches = kept.some((tick, idx) => {
      const next = kept[idx + 1]
      return next !== undefined && labelEnd(tick, width) + LABEL_GAP > labelEnd(next, width) - labelWidth(next.label)
    })
    if (!touches) return kept
  }
  return ticks.slice(0, 1)
}

/** Which side of a label stands at its place: at the ends of the axis it may not reach out. */
export function labelAnchor(place: number): 'start' | 'middle' | 'end' {
  if (place < 0.03) return 'start'
  return place > 0.97 ? 'end' : 'middle'
}

function labelEnd({ label, place }: Tick, width: number): number {
  const share = { start: 1, middle: 0.5, end: 0 }[labelAnchor(place)]
  return place * width + share * labelWidth(label)
}

/** A round number at or above `count`, for the top of an axis with two steps. */
export function axisTop(count: number): number {
  if (count <= 2) return 2
  const power = 10 ** Math.floor(Math.log10(count))
  const multiple = [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10].find((m) => Math.ceil(m * power) >= count) ?? 10
  const top = Math.ceil(multiple * power)
  return top % 2 === 0 ? top : top + 1
}
