// Typed reading and writing of what pages keep in the address: the time range, the selection on a map, the filter of
// the trace list. A link restores the page; opening one never writes a preference.

import type { EdgeRef, NodeRef, Outcome, TraceFilter } from '../api/internal.ts'
import { OUTCOMES } from '../model/outcome.ts'
import { DEFAULT_RANGE, formatTimeRange, parseTimeRange, type TimeRange } from './timeRange.ts'

export type Selection = { kind: 'node'; node: NodeRef } | { kind: 'edge'; edge: EdgeRef } | null

/** Copies parameters with some replaced; null and empty values remove theirs. */
export function withParams(params: URLSearchParams, changes: Record<string, string | null | undefined>): URLSearchParams {
  const next = new URLSearchParams(params)
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.set(name, value)
    else next.delete(name)
  }
  return next
}

export function readRange(params: URLSearchParams): TimeRange {
  return parseTimeRange(params.get('timeRange')) ?? DEFAULT_RANGE
}

export function writeRange(params: URLSearchParams, range: TimeRange): URLSearchParams {
  return withParams(params, { timeRange: formatTimeRange(range) })
}

/** The parameters a link to another page keeps. */
export function sharedParams(params: URLSearchParams): URLSearchParams {
  return withParams(new URLSearchParams(), {
    timeRange: params.get('timeRange'),
    filter: params.get('filter'),
    group: params.get('group'),
  })
}

export function readSelection(params: URLSearchParams): Selection {
  const edge = readEdge(params)
  if (edge) return { kind: 'edge', edge }
  const node = readNode(params, 'node')
  return node ? { kind: 'node', node } : null
}

export function writeSelection(params: URLSearchParams, selection: Selection): URLSearchParams {
  return withParams(params, {
    ...nodeParams('node', selection?.kind === 'node' ? selection.node : undefined),
    ...edgeParams(selection?.kind === 'edge' ? selection.edge : undefined),
  })
}

/** The filter of the trace list. Parameters that cannot be read are left out. */
export function readFilter(params: URLSearchParams): TraceFilter {
  const [min, max] = (params.get('rt') ?? '').split('~').map(toSeconds)
  const outcomes = (params.get('outcome') ?? '').split(',')
  const status = toSeconds(params.get('status') ?? '')
  const node = readNode(params, 'node')
  const edge = readEdge(params)
  const text = params.get('text')
  const method = params.get('method')
  const user = params.get('user')
  return {
    ...readGraphFilter(params),
    ...(node && { node }),
    ...(edge && { edge }),
    outcomes: OUTCOMES.filter((outcome) => outcomes.includes(outcome)),
    ...(min !== undefined && { minResponseTime: min }),
    ...(max !== undefined && { maxResponseTime: max }),
    ...(text && { text }),
    ...(method && { method }),
    ...(status !== undefined && { status }),
    ...(user && { user }),
  }
}

/** What the trace map is filtered by. */
export function readGraphFilter(params: URLSearchParams): TraceFilter {
  const filterExpression = readExpression(params)
  const groupName = params.get('group')
  return { outcomes: [], ...(filterExpression && { filterExpression }), ...(groupName && { groupName }) }
}

/** The filter expression in X-Ray's parameter, on one line as its field has only one; empty for none. */
function readExpression(params: URLSearchParams): string {
  return (params.get('filter') ?? '').replace(/\s*[\r\n]+\s*/g, ' ').trim()
}

export function writeFilter(params: URLSearchParams, filter: TraceFilter): URLSearchParams {
  const { minResponseTime: min, maxResponseTime: max } = filter
  const hasResponseTime = min !== undefined || max !== undefined
  return withParams(params, {
    ...nodeParams('node', filter.node),
    ...edgeParams(filter.edge),
    outcome: filter.outcomes.join(','),
    rt: hasResponseTime ? `${min ?? ''}~${max ?? ''}` : null,
    text: filter.text,
    method: filter.method,
    status: filter.status?.toString(),
    user: filter.user,
    filter: filter.filterExpression,
    group: filter.groupName,
  })
}

/** True when the filter lets every trace through. */
export function isEmptyFilter(filter: TraceFilter): boolean {
  return filter.outcomes.length === 0 && Object.keys(filter).length === 1
}

export function isOutcome(text: string): text is Outcome {
  return (OUTCOMES as readonly string[]).includes(text)
}

function toSeconds(text: string): number | undefined {
  const value = Number(text)
  return text.trim() !== '' && Number.isFinite(value) && value >= 0 ? value : undefined
}

function readNode(params: URLSearchParams, name: string): NodeRef | undefined {
  const value = params.get(name)
  if (!value) return undefined
  const type = params.get(`${name}Type`)
  return type ? { name: value, type } : { name: value }
}

function readEdge(params: URLSearchParams): EdgeRef | undefined {
  const from = readNode(params, 'from')
  const to = readNode(params, 'to')
  return from && to ? { from, to } : undefined
}

function nodeParams(name: string, node: NodeRef | undefined): Record<string, string | null> {
  return { [name]: node?.name ?? null, [`${name}Type`]: node?.type ?? null }
}

function edgeParams(edge: EdgeRef | undefined): Record<string, string | null> {
  return { ...nodeParams('from', edge?.from), ...nodeParams('to', edge?.to) }
}
