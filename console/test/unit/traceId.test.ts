import { expect, test } from 'vitest'
import { fromW3c, parseTraceReference, shortTraceId, toW3c } from '../../src/url/traceId.ts'

const ID = '1-69216ec4-5f8a2c71d09b4e6fa3c1d752'
const SEGMENT = '53995c3f42cd8ad8'

test.each([
  [ID],
  [`  ${ID}\n`],
  [ID.toUpperCase()],
  ['69216ec45f8a2c71d09b4e6fa3c1d752'],
  [`Root=${ID}`],
  [`Root=${ID};Sampled=1`],
  [`Self=1-69216ec5-aaaaaaaaaaaaaaaaaaaaaaaa;Root=${ID}`],
  [`Root=${ID};Self=1-69216ec5-aaaaaaaaaaaaaaaaaaaaaaaa`],
  [`https://eu-west-1.console.aws.amazon.com/cloudwatch/home#xray:traces/${ID}?~(query~())`],
  [`http://localhost:2000/#/traces/${ID}`],
])('finds the trace id in %s', (text) => {
  expect(parseTraceReference(text)).toEqual({ traceId: ID })
})

test.each([
  [`Root=${ID};Parent=${SEGMENT};Sampled=1`],
  [`X-Amzn-Trace-Id: Root=${ID};Parent=${SEGMENT.toUpperCase()};Sampled=0`],
  [`00-69216ec45f8a2c71d09b4e6fa3c1d752-${SEGMENT}-01`],
  [`http://localhost:2000/#/traces/${ID}?seg=${SEGMENT}`],
])('finds the segment too in %s', (text) => {
  expect(parseTraceReference(text)).toEqual({ traceId: ID, segmentId: SEGMENT })
})

test.each([
  [''],
  ['checkout'],
  ['1-69216ec4-5f8a2c71d09b4e6fa3c1d75'],
  ['1-69216ec4-5f8a2c71d09b4e6fa3c1d7529'],
  ['1-69216ecg-5f8a2c71d09b4e6fa3c1d752'],
  ['69216ec45f8a2c71d09b4e6fa3c1d75'],
  ['69216ec45f8a2c71d09b4e6fa3c1d7521'],
  ['53995c3f42cd8ad8'],
  ['2-69216ec4-5f8a2c71d09b4e6fa3c1d752'],
])('finds no trace id in "%s"', (text) => {
  expect(parseTraceReference(text)).toBeNull()
})

test('X-Ray and W3C ids turn into each other', () => {
  expect(toW3c(ID)).toBe('69216ec45f8a2c71d09b4e6fa3c1d752')
  expect(fromW3c(toW3c(ID))).toBe(ID)
})

test('a short id keeps its end, where ids of one second differ', () => {
  expect(shortTraceId(ID)).toBe('1-69216ec4…c1d752')
})
