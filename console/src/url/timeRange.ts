// Time ranges as links carry them, in X-Ray's grammar: `PT15M` counts back from now, `start~end` is fixed.

/** Epoch seconds. */
export interface Interval {
  start: number
  end: number
}

export type TimeRange = { kind: 'relative'; seconds: number } | ({ kind: 'absolute' } & Interval)

export const DEFAULT_RANGE: TimeRange = { kind: 'relative', seconds: 15 * 60 }

/** What the picker offers, in seconds. */
export const RELATIVE_RANGES: readonly number[] = [300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400]

const DURATION = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/

/** Reads a `timeRange` parameter; null when it is missing or not a range. */
export function parseTimeRange(text: string | null): TimeRange | null {
  if (!text) return null
  const duration = DURATION.exec(text)
  if (duration) {
    const [days, hours, minutes, seconds] = duration.slice(1).map((part) => Number(part ?? 0))
    const total = (days ?? 0) * 86_400 + (hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0)
    return total > 0 ? { kind: 'relative', seconds: total } : null
  }
  const [from, to, ...rest] = text.split('~')
  if (!from || !to || rest.length > 0) return null
  const start = Date.parse(from) / 1000
  const end = Date.parse(to) / 1000
  return Number.isFinite(start) && Number.isFinite(end) && start < end ? { kind: 'absolute', start, end } : null
}

/** The `timeRange` parameter for a range. */
export function formatTimeRange(range: TimeRange): string {
  if (range.kind === 'absolute') return `${toIso(range.start)}~${toIso(range.end)}`
  const { seconds } = range
  if (seconds % 86_400 === 0) return `P${seconds / 86_400}D`
  if (seconds % 3600 === 0) return `PT${seconds / 3600}H`
  return seconds % 60 === 0 ? `PT${seconds / 60}M` : `PT${seconds}S`
}

/** The interval a range means at the moment `now` (epoch seconds). */
export function resolveTimeRange(range: TimeRange, now: number): Interval {
  return range.kind === 'relative'
    ? { start: now - range.seconds, end: now }
    : { start: range.start, end: range.end }
}

/** The longest range that the picker offers. */
export const LONGEST_RANGE: TimeRange = { kind: 'relative', seconds: RELATIVE_RANGES.at(-1) ?? 0 }

/** The shortest range of the picker that reaches back over `age` seconds, and will a minute from now. */
export function rangeReaching(age: number): TimeRange | null {
  const reaching = RELATIVE_RANGES.find((seconds) => seconds > age + 60)
  return reaching === undefined ? null : { kind: 'relative', seconds: reaching }
}

/** "Last 15 minutes", or the two ends. */
export function describeTimeRange(range: TimeRange): string {
  if (range.kind === 'absolute') {
    const format = (seconds: number) => new Date(seconds * 1000).toLocaleString()
    return `${format(range.start)} – ${format(range.end)}`
  }
  const { amount, unit } = relativeParts(range.seconds)
  return `Last ${amount} ${unit}${amount === 1 ? '' : 's'}`
}

/** A relative range in the largest unit that divides it. */
export function relativeParts(seconds: number): { amount: number; unit: 'second' | 'minute' | 'hour' | 'day' } {
  if (seconds % 86_400 === 0) return { amount: seconds / 86_400, unit: 'day' }
  if (seconds % 3600 === 0) return { amount: seconds / 3600, unit: 'hour' }
  return seconds % 60 === 0 ? { amount: seconds / 60, unit: 'minute' } : { amount: seconds, unit: 'second' }
}

function toIso(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
