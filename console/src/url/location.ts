// Where the console is: the hash of the address, read as a route and parameters. The grammar is X-Ray's own
// (`#/service-map`, `#/traces`, `#/traces/<id>`, `#/traces/<id>/raw`), and links of CloudWatch's console work too.

import { useSyncExternalStore } from 'react'
import { parseTraceReference, type TraceReference } from './traceId.ts'

export type TraceView = 'timeline' | 'map' | 'raw'

export type Route =
  | { page: 'map' }
  | { page: 'traces' }
  | { page: 'trace'; traceId: string; view: TraceView }
  | { page: 'sampling' }
  | { page: 'connect' }
  | { page: 'missing'; path: string }

export interface Location {
  route: Route
  params: URLSearchParams
}

/** Reads a hash, with or without its `#`. */
export function parseHash(hash: string): Location {
  const text = hash.replace(/^#/, '')
  const mark = text.indexOf('?')
  const path = mark < 0 ? text : text.slice(0, mark)
  const params = new URLSearchParams(mark < 0 ? '' : text.slice(mark + 1))
  return { route: parsePath(path), params }
}

function parsePath(path: string): Route {
  // CloudWatch writes `#xray:traces/<id>` where X-Ray wrote `#/traces/<id>`.
  const parts = path.replace(/^xray:/, '').split('/').filter((part) => part !== '')
  const [first, second, third] = parts
  switch (first) {
    case undefined:
    case 'service-map':
    case 'trace-map':
      return { page: 'map' }
    case 'traces': {
      if (second === undefined || second === 'query') return { page: 'traces' }
      const reference = parseTraceReference(second)
      if (!reference) return { page: 'missing', path }
      const view: TraceView = third === 'raw' || third === 'map' ? third : 'timeline'
      return { page: 'trace', traceId: reference.traceId, view }
    }
    case 'sampling-rules':
      return { page: 'sampling' }
    case 'connect':
      return { page: 'connect' }
    default:
      return { page: 'missing', path }
  }
}

/** The path of a route, as it stands in the hash. */
export function routePath(route: Route): string {
  switch (route.page) {
    case 'map':
      return '/service-map'
    case 'traces':
      return '/traces'
    case 'trace':
      return `/traces/${route.traceId}${route.view === 'timeline' ? '' : `/${route.view}`}`
    case 'sampling':
      return '/sampling-rules'
    case 'connect':
      return '/connect'
    case 'missing':
      return route.path
  }
}

/** A link (`#/…`) to a route. */
export function href(route: Route, params: URLSearchParams = new URLSearchParams()): string {
  const query = params.toString()
  return `#${routePath(route)}${query ? `?${query}` : ''}`
}

/** Goes to a route: as a step of the history, or in place of the present one (typing, dragging). */
export function navigate(route: Route, params: URLSearchParams, how: 'push' | 'replace' = 'push'): void {
  const target = href(route, params)
  if (target === window.location.hash) return
  if (how === 'push') window.history.pushState(null, '', target)
  else window.history.replaceState(null, '', target)
  for (const listener of listeners) listener()
}

/** Opens a trace, at its segment where one is named. No time range goes along: the trace is where it is. */
export function openTrace({ traceId, segmentId }: TraceReference): void {
  navigate({ page: 'trace', traceId, view: 'timeline' }, new URLSearchParams(segmentId ? { seg: segmentId } : {}))
}

// pushState and replaceState fire no event, so the listeners are called by hand as well.
const listeners = new Set<() => void>()

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  window.addEventListener('hashchange', listener)
  window.addEventListener('popstate', listener)
  return () => {
    listeners.delete(listener)
    window.removeEventListener('hashchange', listener)
    window.removeEventListener('popstate', listener)
  }
}

let last: { hash: string; location: Location } | undefined

function current(): Location {
  const { hash } = window.location
  if (last?.hash !== hash) last = { hash, location: parseHash(hash) }
  return last.location
}

/** The present location; the component renders again when it changes. */
export function useLocation(): Location {
  return useSyncExternalStore(subscribe, current)
}
