// A service graph as the map shows it: nodes and calls with stable keys, counts by outcome, latency.

import type { NodeRef } from '../api/internal.ts'
import type { HistogramEntry, Service, SummaryStatistics } from '../api/xray.ts'
import { NO_COUNTS, totalCount, type OutcomeCounts } from './outcome.ts'

export interface Statistics {
  counts: OutcomeCounts
  total: number
  /** Sum over all requests, in seconds. */
  totalResponseTime: number
}

export interface MapNode {
  /** Name and type: the same after a refresh, when reference ids differ. */
  key: string
  name: string
  /** Node type, e.g. `AWS::DynamoDB::Table`; null when unknown. */
  type: string | null
  isClient: boolean
  statistics: Statistics
  histogram: HistogramEntry[]
}

export interface MapEdge {
  key: string
  /** Keys of the nodes. */
  from: string
  to: string
  /** A call that a message queue or the like carried on, not a direct one. */
  isLink: boolean
  statistics: Statistics
  histogram: HistogramEntry[]
}

export interface ServiceMap {
  nodes: MapNode[]
  edges: MapEdge[]
  nodeByKey: ReadonlyMap<string, MapNode>
  edgeByKey: ReadonlyMap<string, MapEdge>
}

/** The type X-Ray gives to whoever calls the first service. */
const CLIENT = 'client'

export function nodeKey(node: { name: string; type?: string | null }): string {
  return `${node.type ?? ''}|${node.name}`
}

export function edgeKey(fromKey: string, toKey: string): string {
  return `${fromKey}>${toKey}`
}

export function nodeRef(node: MapNode): NodeRef {
  return node.type === null ? { name: node.name } : { name: node.name, type: node.type }
}

/** What to call a node: X-Ray names a client after the service it calls, which would look like a duplicate. */
export function nodeTitle(node: { name: string; isClient: boolean }): string {
  return node.isClient ? 'Client' : node.name
}

/** Builds the map of a graph. Services of the same name and type are one node. */
export function buildServiceMap(services: readonly Service[]): ServiceMap {
  const keyById = new Map<number, string>()
  const nodeByKey = new Map<string, MapNode>()
  const ownStatistics = new Set<string>()
  for (const service of services) {
    const name = service.Name ?? service.Names?.[0] ?? 'unknown'
    const type = service.Type ?? null
    const key = nodeKey({ name, type })
    if (service.ReferenceId !== undefined) keyById.set(service.ReferenceId, key)
    if (service.SummaryStatistics) ownStatistics.add(key)
    const node: MapNode = {
      key,
      name,
      type,
      isClient: type === CLIENT,
      statistics: toStatistics(service.SummaryStatistics),
      histogram: service.ResponseTimeHistogram ?? service.DurationHistogram ?? [],
    }
    const known = nodeByKey.get(key)
    nodeByKey.set(key, known ? mergeNodes(known, node) : node)
  }

  const edgeByKey = new Map<string, MapEdge>()
  for (const service of services) {
    const from = keyById.get(service.ReferenceId ?? NaN)
    for (const edge of service.Edges ?? []) {
      const to = keyById.get(edge.ReferenceId ?? NaN)
      if (from === undefined || to === undefined) continue
      const key = edgeKey(from, to)
      const call: MapEdge = {
        key,
        from,
        to,
        isLink: edge.EdgeType === 'LINK' || edge.EdgeType === 'link',
        statistics: toStatistics(edge.SummaryStatistics),
        histogram: edge.ResponseTimeHistogram ?? [],
      }
      const known = edgeByKey.get(key)
      edgeByKey.set(key, known ? mergeEdges(known, call) : call)
    }
  }

  // A client measures nothing itself: what it saw is on its calls.
  for (const node of nodeByKey.values()) {
    if (ownStatistics.has(node.key)) continue
    const calls = [...edgeByKey.values()].filter((edge) => (node.isClient ? edge.from : edge.to) === node.key)
    for (const call of calls) {
      node.statistics = addStatistics(node.statistics, call.statistics)
      node.histogram = mergeHistograms(node.histogram, call.histogram)
    }
  }

  const nodes = [...nodeByKey.values()].toSorted(byKey)
  const edges = [...edgeByKey.values()].toSorted(byKey)
  return { nodes, edges, nodeByKey, edgeByKey }
}

/** The node, everything it calls and everything that calls it; of an edge, its two ends. */
export function neighbourhood(map: ServiceMap, selectedKey: string): ReadonlySet<string> {
  const edge = map.edgeByKey.get(selectedKey)
  if (edge) return new Set([edge.from, edge.to])
  const keys = new Set([selectedKey])
  for (const { from, to } of map.edges) {
    if (from === selectedKey) keys.add(to)
    if (to === selectedKey) keys.add(from)
  }
  return keys
}

/** The busiest node that nothing calls: where a map too large to show whole begins. */
export function busiestRoot(map: ServiceMap): string | null {
  const called = new Set(map.edges.filter(({ from, to }) => from !== to).map(({ to }) => to))
  const roots = map.nodes.filter(({ key }) => !called.has(key))
  const [busiest] = (roots.length > 0 ? roots : map.nodes).toSorted((a, b) => b.statistics.total - a.statistics.total)
  return busiest?.key ?? null
}

/** Mean response time in seconds; null when there were no requests. */
export function averageLatency(statistics: Statistics): number | null {
  return statistics.total > 0 ? statistics.totalResponseTime / statistics.total : null
}

export function addStatistics(a: Statistics, b: Statistics): Statistics {
  const counts: OutcomeCounts = {
    ok: a.counts.ok + b.counts.ok,
    error: a.counts.error + b.counts.error,
    throttle: a.counts.throttle + b.counts.throttle,
    fault: a.counts.fault + b.counts.fault,
  }
  return {
    counts,
    total: a.total + b.total,
    totalResponseTime: a.totalResponseTime + b.totalResponseTime,
  }
}

function toStatistics(summary: SummaryStatistics | undefined): Statistics {
  if (!summary) return { counts: NO_COUNTS, total: 0, totalResponseTime: 0 }
  const throttle = summary.ErrorStatistics?.ThrottleCount ?? 0
  const counts: OutcomeCounts = {
    ok: summary.OkCount ?? 0,
    error: summary.ErrorStatistics?.OtherCount ?? 0,
    throttle,
    fault: summary.FaultStatistics?.TotalCount ?? 0,
  }
  return {
    counts,
    total: summary.TotalCount ?? totalCount(counts),
    totalResponseTime: summary.TotalResponseTime ?? 0,
  }
}

function mergeNodes(a: MapNode, b: MapNode): MapNode {
  return {
    ...a,
    statistics: addStatistics(a.statistics, b.statistics),
    histogram: mergeHistograms(a.histogram, b.histogram),
  }
}

function mergeEdges(a: MapEdge, b: MapEdge): MapEdge {
  return {
    ...a,
    isLink: a.isLink && b.isLink,
    statistics: addStatistics(a.statistics, b.statistics),
    histogram: mergeHistograms(a.histogram, b.histogram),
  }
}

function mergeHistograms(a: HistogramEntry[], b: HistogramEntry[]): HistogramEntry[] {
  return a.length === 0 ? b : [...a, ...b]
}

function byKey(a: { key: string }, b: { key: string }): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0
}
