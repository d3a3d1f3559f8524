import { expect, test } from 'vitest'
import type { TraceFilter } from '../../src/api/internal.ts'
import { isEmptyFilter, readFilter, readRange, readSelection, sharedParams, writeFilter, writeSelection, type Selection } from '../../src/url/params.ts'

const FILTERS: TraceFilter[] = [
  { outcomes: [] },
  { outcomes: ['error', 'fault'] },
  { outcomes: [], node: { name: 'checkout', type: 'AWS::ECS::Container' } },
  { outcomes: [], node: { name: 'no type & odd=signs' } },
  { outcomes: [], edge: { from: { name: 'a', type: 'client' }, to: { name: 'b' } } },
  { outcomes: [], minResponseTime: 0.5 },
  { outcomes: [], maxResponseTime: 2 },
  { outcomes: ['throttle'], minResponseTime: 0, maxResponseTime: 0.025, text: 'tenant ~ acme', method: 'GET', status: 404, user: 'user-7' },
  { outcomes: [], filterExpression: 'service("a&b") { fault = true } AND annotation.x = "ü+%"' },
  { outcomes: ['ok'], groupName: 'slow & old', filterExpression: 'ok' },
]

test.each(FILTERS)('a filter survives the way through the address: %o', (filter) => {
  const params = new URLSearchParams(writeFilter(new URLSearchParams('timeRange=PT5M'), filter).toString())
  expect(readFilter(params)).toEqual(filter)
  expect(params.get('timeRange')).toBe('PT5M')
})

test('clearing a filter leaves nothing of it in the address', () => {
  const full = writeFilter(new URLSearchParams(), FILTERS.at(-1) ?? { outcomes: [] })
  expect(writeFilter(full, { outcomes: [] }).toString()).toBe('')
})

test.each(['outcome=fine', 'rt=x~y', 'rt=-1~', 'status=abc', 'nodeType=only', 'from=a', 'to=b'])(
  'what cannot be read is left out: %s',
  (text) => {
    expect(readFilter(new URLSearchParams(text))).toEqual({ outcomes: [] })
  },
)

test('only a filter without conditions is empty', () => {
  expect(FILTERS.map(isEmptyFilter)).toEqual([true, ...FILTERS.slice(1).map(() => false)])
})

test.each<Selection>([
  null,
  { kind: 'node', node: { name: 'x', type: 'AWS::S3::Bucket' } },
  { kind: 'edge', edge: { from: { name: 'x' }, to: { name: 'y', type: 'remote' } } },
])('a selection survives the way through the address: %o', (selection) => {
  expect(readSelection(writeSelection(new URLSearchParams('node=old&nodeType=t&from=a&to=b'), selection))).toEqual(selection)
})

test('an expression over several lines is one on a single line', () => {
  expect(readFilter(new URLSearchParams({ filter: ' ok\r\n  AND fault\n' })).filterExpression).toBe('ok AND fault')
})

test('other pages get the time range, the expression and the group, and nothing else', () => {
  const params = new URLSearchParams('timeRange=PT1H&text=x&node=y&filter=fault&group=slow')
  expect(sharedParams(params).toString()).toBe('timeRange=PT1H&filter=fault&group=slow')
  expect(readRange(new URLSearchParams())).toEqual({ kind: 'relative', seconds: 900 })
})
