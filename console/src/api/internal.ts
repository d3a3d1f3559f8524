// Roentgen's own API for the console, where X-Ray's shape would make the browser fetch far too much.
// Times are epoch seconds and durations seconds, unless a name ends in Us (microseconds).

import { request } from './http.ts'

export type Outcome = 'ok' | 'error' | 'throttle' | 'fault'

export interface NodeRef {
  name: string
  /** Node type, e.g. `AWS::ECS::Container`; missing where the segment had no origin. */
  type?: string
}

export interface EdgeRef {
  from: NodeRef
  to: NodeRef
}

export interface Status {
  version: string
  startedAt: number
  now: number
  /** Where segments are received, for `AWS_XRAY_DAEMON_ADDRESS`. */
  address: string
  dataDirectory: string
  documentsAccepted: number
  documentsRejected: number
  rejectedByReason: Record<string, number>
  lastDocumentAt: number | null
  traces: number
  storeBytes: number
  sampleTraffic: { running: boolean; endsAt: number | null }
}

/** Conditions on a trace; all given ones must hold. No outcomes means any. */
export interface TraceFilter {
  node?: NodeRef
  edge?: EdgeRef
  outcomes: Outcome[]
  minResponseTime?: number
  maxResponseTime?: number
  text?: string
  method?: string
  status?: number
  user?: string
  /** X-Ray's filter language. */
  filterExpression?: string
  /** A group, whose expression must hold as well. */
  groupName?: string
}

export interface Http {
  method?: string | null
  url?: string | null
  status?: number | null
  clientIp?: string | null
  userAgent?: string | null
}

export interface TraceSummary {
  id: string
  startTime: number
  duration: number
  responseTime: number | null
  hasFault: boolean
  hasError: boolean
  hasThrottle: boolean
  isPartial: boolean
  http: Http
  entryPoint: NodeRef | null
  services: NodeRef[]
  annotations: Record<string, (string | number | boolean)[]>
  users: string[]
  segmentCount: number
  revision: number
}

/** One number per bin for each outcome. */
export type OutcomeSeries = Record<Outcome, number[]>

export interface FacetValue {
  value: string | number
  count: number
}

export type FacetName = 'service' | 'url' | 'status' | 'method' | 'user'

export interface SearchAnswer {
  traces: TraceSummary[]
  next: string | null
  matched: number
  scanned: number
  /** False when the server stopped before it had looked at every trace in the range; the counts cover the newest. */
  complete: boolean
  /** Over all matches, in seconds; null when none has a response time. */
  averageResponseTime: number | null
  p95ResponseTime: number | null
  /** Response times; bin i lies between edges i and i + 1. */
  histogram: OutcomeSeries & { edges: number[] }
  series: OutcomeSeries & { start: number; step: number }
  facets: Record<FacetName, FacetValue[]>
}

/** The segments of a trace as columns of equal length, in pre-order: a row's children follow it. */
export interface TraceRows {
  id: string[]
  /** Row index of the parent, or -1. */
  parent: number[]
  depth: number[]
  name: string[]
  kind: ('segment' | 'subsegment' | 'inferred')[]
  /** Index into the trace's nodes, or -1. */
  node: number[]
  startUs: number[]
  /** null while in progress. */
  durationUs: (number | null)[]
  status: (number | null)[]
  /** Bits: 1 error, 2 throttle, 4 fault, 8 in progress. */
  flags: number[]
  namespace: (string | null)[]
  detail: (string | null)[]
}

export interface Trace {
  id: string
  start: number
  duration: number
  responseTime: number | null
  revision: number
  isPartial: boolean
  hasFault: boolean
  hasError: boolean
  hasThrottle: boolean
  limitExceeded: boolean
  http: Http
  entryPoint: NodeRef | null
  segmentCount: number
  nodes: NodeRef[]
  rows: TraceRows
}

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json }
export type JsonObject = { [name: string]: Json }

export interface RawTrace {
  processed: JsonObject[]
  originals: { receivedAt: number; document: string }[]
}

export function getStatus(signal?: AbortSignal): Promise<Status> {
  return request('api/v1/status', undefined, signal)
}

export function startSampleTraffic(): Promise<{ endsAt: number }> {
  return request('api/v1/sample-traffic', {})
}

export interface SearchRequest extends Omit<TraceFilter, 'outcomes'> {
  start: number
  end: number
  outcomes?: Outcome[]
  next?: string
  limit?: number
}

export function searchTraces(body: SearchRequest, signal?: AbortSignal): Promise<SearchAnswer> {
  return request('api/v1/traces/search', body, signal)
}

export function getTrace(traceId: string, signal?: AbortSignal): Promise<Trace> {
  return request(`api/v1/traces/${traceId}`, undefined, signal)
}

export function getSegment(traceId: string, segmentId: string, signal?: AbortSignal): Promise<JsonObject> {
  return request(`api/v1/traces/${traceId}/segments/${segmentId}`, undefined, signal)
}

export function getRawTrace(traceId: string, signal?: AbortSignal): Promise<RawTrace> {
  return request(`api/v1/traces/${traceId}/raw`, undefined, signal)
}
