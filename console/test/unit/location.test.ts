import { afterEach, expect, test, vi } from 'vitest'
import { href, navigate, parseHash, routePath, type Route } from '../../src/url/location.ts'

const ID = '1-69216ec4-5f8a2c71d09b4e6fa3c1d752'

afterEach(() => {
  window.location.hash = ''
})

test.each<[string, Route]>([
  ['', { page: 'map' }],
  ['#', { page: 'map' }],
  ['#/', { page: 'map' }],
  ['#/service-map', { page: 'map' }],
  ['#/service-map?timeRange=PT15M', { page: 'map' }],
  ['#xray:service-map/map', { page: 'map' }],
  ['#/traces', { page: 'traces' }],
  ['#xray:traces/query', { page: 'traces' }],
  [`#/traces/${ID}`, { page: 'trace', traceId: ID, view: 'timeline' }],
  [`#/traces/${ID}/raw`, { page: 'trace', traceId: ID, view: 'raw' }],
  [`#/traces/${ID}/map`, { page: 'trace', traceId: ID, view: 'map' }],
  [`#xray:traces/${ID}`, { page: 'trace', traceId: ID, view: 'timeline' }],
  ['#/traces/69216ec45f8a2c71d09b4e6fa3c1d752', { page: 'trace', traceId: ID, view: 'timeline' }],
  ['#/sampling-rules', { page: 'sampling' }],
  ['#/connect', { page: 'connect' }],
  ['#/traces/nonsense', { page: 'missing', path: '/traces/nonsense' }],
  ['#/insights', { page: 'missing', path: '/insights' }],
])('%s leads to its page', (hash, route) => {
  expect(parseHash(hash).route).toEqual(route)
})

test.each<Route>([
  { page: 'map' },
  { page: 'traces' },
  { page: 'trace', traceId: ID, view: 'timeline' },
  { page: 'trace', traceId: ID, view: 'raw' },
  { page: 'sampling' },
  { page: 'connect' },
])('the link to a page leads back to it: $page', (route) => {
  expect(parseHash(href(route)).route).toEqual(route)
  expect(parseHash(routePath(route)).route).toEqual(route)
})

test('parameters survive the way through a link', () => {
  const params = new URLSearchParams({ text: 'a b&c=d?#', node: 'Überall/x' })
  expect(Object.fromEntries(parseHash(href({ page: 'traces' }, params)).params)).toEqual(Object.fromEntries(params))
})

test('navigating changes the address, and only a step adds to the history', () => {
  const push = vi.spyOn(window.history, 'pushState')
  const replace = vi.spyOn(window.history, 'replaceState')
  navigate({ page: 'traces' }, new URLSearchParams())
  navigate({ page: 'traces' }, new URLSearchParams({ text: 'x' }), 'replace')
  expect(push.mock.calls.map((call) => call[2])).toEqual(['#/traces'])
  expect(replace.mock.calls.map((call) => call[2])).toEqual(['#/traces?text=x'])
})
