// Numbers and times as people read them. Durations are seconds.

/** "812 µs", "4.0 ms", "612 ms", "2.41 s", "3 m 20 s". */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–'
  if (seconds < 0) return `-${formatDuration(-seconds)}`
  if (seconds === 0) return '0 ms'
  if (seconds < 0.0009995) return `${Math.round(seconds * 1e6)} µs`
  if (seconds < 0.00995) return `${(seconds * 1e3).toFixed(1)} ms`
  if (seconds < 0.9995) return `${Math.round(seconds * 1e3)} ms`
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} m`
}

/** A tick of an axis: as short as the value allows ("50 ms", "1 s", "1.5 s"). */
export function formatTick(seconds: number): string {
  if (seconds === 0) return '0'
  if (seconds < 0.001) return `${trim(seconds * 1e6)} µs`
  return seconds < 1 ? `${trim(seconds * 1e3)} ms` : `${trim(seconds)} s`
}

function trim(value: number): string {
  return String(Number(value.toPrecision(3)))
}

/** "1,234". */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** "0%", "0.42%", "8.3%", "100%". */
export function formatShare(count: number, total: number): string {
  if (total === 0 || count === 0) return '0%'
  const percent = (count / total) * 100
  if (percent < 0.01) return '<0.01%'
  if (count === total) return '100%'
  return percent < 1 ? `${percent.toFixed(2)}%` : `${Math.min(percent, 99.9).toFixed(1)}%`
}

/** How to tell amounts of requests. */
export type RequestUnit = 'per minute' | 'count'

/** The one unit for figures that are compared: counts where even the largest rate would only say "less than one". */
export function requestUnit(largestCount: number, intervalSeconds: number): RequestUnit {
  return largestCount * 60 >= intervalSeconds ? 'per minute' : 'count'
}

/** Requests in an interval: "24/min", "0.3/min", "7 requests". */
export function formatRequests(count: number, intervalSeconds: number, unit: RequestUnit): string {
  if (unit === 'count') return `${formatCount(count)} ${count === 1 ? 'request' : 'requests'}`
  const perMinute = (count * 60) / intervalSeconds
  if (perMinute >= 9.95) return `${formatCount(Math.round(perMinute))}/min`
  if (perMinute > 0 && perMinute < 0.05) return '<0.1/min'
  return `${perMinute.toFixed(1).replace(/\.0$/, '')}/min`
}

/** "1.2 MiB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let idx = 0
  while (value >= 1024 && idx < units.length - 1) {
    value /= 1024
    idx += 1
  }
  return `${idx === 0 ? value : value.toFixed(1)} ${units[idx] ?? ''}`
}

/** A sum of seconds in floating point lies a hair beside its millisecond; `Date` alone would cut that to the one before. */
function toDate(epochSeconds: number): Date {
  return new Date(Math.round(epochSeconds * 1000))
}

/** Local wall-clock time with milliseconds: "08:41:39.748". */
export function formatClock(epochSeconds: number): string {
  const date = toDate(epochSeconds)
  const two = (value: number) => String(value).padStart(2, '0')
  const millis = String(date.getMilliseconds()).padStart(3, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`
}

/** The zone of the times shown, "Europe/Berlin". */
export function timeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone
}

/** Local date and time with milliseconds: "2026-11-22 08:41:39.748". */
export function formatDateTime(epochSeconds: number): string {
  const date = toDate(epochSeconds)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${formatClock(epochSeconds)}`
}

/** "3 minutes ago". */
export function formatAge(seconds: number): string {
  const steps: [number, Intl.RelativeTimeFormatUnit][] = [
    [86_400, 'day'],
    [3600, 'hour'],
    [60, 'minute'],
    [1, 'second'],
  ]
  const format = new Intl.RelativeTimeFormat('en', { numeric: 'always' })
  for (const [length, unit] of steps) {
    if (seconds >= length) return format.format(-Math.floor(seconds / length), unit)
  }
  return 'just now'
}
