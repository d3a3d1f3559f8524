import { expect, test } from 'vitest'
import {
  describeTimeRange,
  formatTimeRange,
  parseTimeRange,
  rangeReaching,
  RELATIVE_RANGES,
  resolveTimeRange,
  type TimeRange,
} from '../../src/url/timeRange.ts'

test.each<[string, TimeRange]>([
  ['PT15M', { kind: 'relative', seconds: 900 }],
  ['PT6H', { kind: 'relative', seconds: 21_600 }],
  ['P7D', { kind: 'relative', seconds: 604_800 }],
  ['PT90S', { kind: 'relative', seconds: 90 }],
  ['P1DT1H', { kind: 'relative', seconds: 90_000 }],
  ['2026-11-22T10:00:00.000Z~2026-11-22T11:30:00.000Z', { kind: 'absolute', start: 1_795_341_600, end: 1_795_347_000 }],
])('reads %s', (text, range) => {
  expect(parseTimeRange(text)).toEqual(range)
})

test.each([null, '', 'P', 'PT', 'PT0M', 'PT15', '15M', 'x~y', '2026-11-22T11:00:00Z~2026-11-22T10:00:00Z', '2026-11-22T11:00:00Z', 'a~b~c'])(
  'does not take %s for a range',
  (text) => {
    expect(parseTimeRange(text)).toBeNull()
  },
)

test.each([...RELATIVE_RANGES.map((seconds): TimeRange => ({ kind: 'relative', seconds })), { kind: 'absolute', start: 1.5, end: 99 } as const])(
  'writes what it reads: %o',
  (range) => {
    expect(parseTimeRange(formatTimeRange(range))).toEqual(range)
  },
)

test('a relative range ends now, a fixed one stays', () => {
  expect(resolveTimeRange({ kind: 'relative', seconds: 300 }, 1000)).toEqual({ start: 700, end: 1000 })
  expect(resolveTimeRange({ kind: 'absolute', start: 1, end: 2 }, 1000)).toEqual({ start: 1, end: 2 })
})

test.each([
  [0, 300],
  [239, 300],
  [240, 900],
  [3 * 86_400, 7 * 86_400],
  [8 * 86_400, 30 * 86_400],
  [31 * 86_400, null],
])('what is %d s old is reached by the last %s s', (age, seconds) => {
  expect(rangeReaching(age)).toEqual(seconds === null ? null : { kind: 'relative', seconds })
})

test('describes itself in words', () => {
  expect(describeTimeRange({ kind: 'relative', seconds: 900 })).toBe('Last 15 minutes')
  expect(describeTimeRange({ kind: 'relative', seconds: 86_400 })).toBe('Last 1 day')
})
