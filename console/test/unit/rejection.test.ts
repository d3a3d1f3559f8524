import { expect, test } from 'vitest'
import { describeRejections } from '../../src/model/rejection.ts'

test.each<[Record<string, number>, string]>([
  [{}, ''],
  [{ ParseError: 0, missing_header: 2 }, 'no header line before the document (2)'],
  [{ MissingId: 1, ParseError: 1200, brand_new: 7 }, 'not JSON (1,200), brand_new (7), no id (1)'],
])('%o is said as "%s"', (counts, text) => {
  expect(describeRejections(counts)).toBe(text)
})
