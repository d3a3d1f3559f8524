import { expect, test } from 'vitest'
import { formatAge, formatBytes, formatClock, formatDateTime, formatDuration, formatRequests, formatShare, formatTick, requestUnit } from '../../src/model/format.ts'

test.each([
  [0, '0 ms'],
  [0.0000004, '0 µs'],
  [0.000812, '812 µs'],
  [0.0009996, '1.0 ms'],
  [0.004, '4.0 ms'],
  [0.00996, '10 ms'],
  [0.6123, '612 ms'],
  [0.9996, '1.00 s'],
  [2.409, '2.41 s'],
  [12.34, '12.3 s'],
  [59.96, '1 m 0 s'],
  [200, '3 m 20 s'],
  [7260, '2 h 1 m'],
  [-0.005, '-5.0 ms'],
  [NaN, '–'],
])('%d s is %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text)
})

test.each([
  [0, 0, '0%'],
  [0, 10, '0%'],
  [1, 100_000, '<0.01%'],
  [42, 10_000, '0.42%'],
  [83, 1000, '8.3%'],
  [9999, 10_000, '99.9%'],
  [5, 5, '100%'],
])('%d of %d is %s', (count, total, text) => {
  expect(formatShare(count, total)).toBe(text)
})

test.each([
  [360, '24/min'],
  [30, '2/min'],
  [33, '2.2/min'],
  [18_000, '1,200/min'],
  [13, '0.9/min'],
  [1, '0.1/min'],
  [0, '0/min'],
])('%d requests in a quarter of an hour are %s', (count, text) => {
  expect(formatRequests(count, 900, 'per minute')).toBe(text)
})

test('a rate too small for its digits, and plain counts', () => {
  expect(formatRequests(1, 7200, 'per minute')).toBe('<0.1/min')
  expect(formatRequests(1, 900, 'count')).toBe('1 request')
  expect(formatRequests(7000, 900, 'count')).toBe('7,000 requests')
})

test('figures that are compared have the unit of the largest', () => {
  expect(requestUnit(15, 900)).toBe('per minute')
  expect(requestUnit(14, 900)).toBe('count')
})

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [11_400_000, '10.9 MiB'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

test.each([
  [0, '0'],
  [0.0005, '500 µs'],
  [0.05, '50 ms'],
  [1, '1 s'],
  [1.5, '1.5 s'],
])('the tick of %d s is %s', (seconds, text) => {
  expect(formatTick(seconds)).toBe(text)
})

test.each([
  [0.2, 'just now'],
  [1, '1 second ago'],
  [200, '3 minutes ago'],
  [7300, '2 hours ago'],
  [200_000, '2 days ago'],
])('%d s ago is said as %s', (seconds, text) => {
  expect(formatAge(seconds)).toBe(text)
})

test.each([
  [1_795_350_699.748, '.748'],
  // In floating point this sum is 847.9998 milliseconds past the second.
  [1_795_350_699.748 + 0.1, '.848'],
  [1_795_350_699.9996, '.000'],
])('the clock of %d s ends in the nearest millisecond, %s', (seconds, millis) => {
  expect(formatClock(seconds).slice(-4)).toBe(millis)
  expect(formatDateTime(seconds).slice(-12)).toBe(formatClock(seconds))
})
