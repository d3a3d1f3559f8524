import { expect, test } from 'vitest'
import type { TraceFilter } from '../../src/api/internal.ts'
import { filterOptions, fromQuery, toQuery } from '../../src/pages/traces/filterTokens.ts'

test.each<TraceFilter>([
  { outcomes: [] },
  { outcomes: ['fault', 'error'], node: { name: 'checkout', type: 'AWS::ECS::Container' } },
  { outcomes: [], edge: { from: { name: 'a' }, to: { name: 'b', type: 'remote' } } },
  { outcomes: [], minResponseTime: 2e-7 },
  { outcomes: [], filterExpression: 'fault', groupName: 'slow', user: 'u' },
  { outcomes: ['ok'], minResponseTime: 0.25, maxResponseTime: 3, method: 'PUT', status: 503, user: 'u', text: 'acme' },
])('a filter survives the way through the tokens: %o', (filter) => {
  expect(fromQuery(toQuery(filter), filter)).toEqual(filter)
})

test('typed tokens: seconds with a unit, a service without a type, nonsense left out', () => {
  const before: TraceFilter = { outcomes: [], node: { name: 'old', type: 'T' } }
  const query = (propertyKey: string, operator: string, value: string) => ({ operation: 'and' as const, tokens: [{ propertyKey, operator, value }] })
  expect(fromQuery(query('rt', '>=', '1.5 s'), before)).toEqual({ outcomes: [], minResponseTime: 1.5 })
  expect(fromQuery(query('rt', '>=', '18 ms'), before)).toEqual({ outcomes: [], minResponseTime: 0.018 })
  expect(fromQuery(query('rt', '<=', 'long'), before)).toEqual({ outcomes: [] })
  expect(fromQuery(query('service', '=', 'new'), before)).toEqual({ outcomes: [], node: { name: 'new' } })
  expect(fromQuery(query('outcome', '=', 'Fault'), before)).toEqual({ outcomes: ['fault'] })
  expect(fromQuery(query('outcome', '=', 'splendid'), before)).toEqual({ outcomes: [] })
  expect(fromQuery(query('status', '=', 'teapot'), before)).toEqual({ outcomes: [] })
})

test('suggestions come from the facets', () => {
  const facets = { service: [{ value: 'cart', count: 2 }], url: [], status: [{ value: 404, count: 1 }], method: [], user: [] }
  const options = filterOptions(facets)
  expect(options).toContainEqual({ propertyKey: 'service', value: 'cart' })
  expect(options).toContainEqual({ propertyKey: 'status', value: '404' })
  expect(options.filter(({ propertyKey }) => propertyKey === 'outcome')).toHaveLength(4)
})
