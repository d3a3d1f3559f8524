// The service map in the terms of the drawing library.

import { Position, type Edge, type Node } from '@xyflow/react'
import {
  averageLatency,
  nodeTitle,
  type MapEdge,
  type MapNode,
  type ServiceMap,
  type Statistics,
} from '../../model/graph.ts'
import { formatCount, formatDuration, formatRequests, formatShare, requestUnit, type RequestUnit } from '../../model/format.ts'
import { NODE_HEIGHT, type Layout, type Point } from '../../model/layout.ts'
import { worstOutcome } from '../../model/outcome.ts'

export type CardContent = 'metrics' | 'types'

export type CardNode = Node<{ node: MapNode; line: string; isDimmed: boolean }, 'card'>
export type CallFlowEdge = Edge<
  { edge: MapEdge; path: string; label: string | null; middle: Point; isDimmed: boolean },
  'call'
>

/** Calls of a map this small all carry their count; on a larger one only those of the selected node. */
const LABELS_UP_TO_EDGES = 12

interface Look {
  selectedKey: string | null
  focus: ReadonlySet<string> | null
}

export function toFlowNodes(
  map: ServiceMap,
  layout: Layout,
  look: Look & { intervalSeconds: number | null; content: CardContent },
): CardNode[] {
  const busiest = Math.max(0, ...map.nodes.map((node) => node.statistics.total))
  const unit = requestUnit(busiest, look.intervalSeconds ?? 0)
  return map.nodes.map((node) => ({
    id: node.key,
    type: 'card',
    position: layout.nodes.get(node.key) ?? { x: 0, y: 0 },
    width: layout.nodeWidth,
    height: NODE_HEIGHT,
    // Known ends of the calls, so that nothing has to be measured before the first picture.
    handles: [
      { type: 'source', position: Position.Right, x: layout.nodeWidth, y: NODE_HEIGHT / 2 },
      { type: 'target', position: Position.Left, x: 0, y: NODE_HEIGHT / 2 },
    ],
    selected: node.key === look.selectedKey,
    ariaRole: 'button',
    // What is seen comes first in what is heard, so that "click checkout" finds the card by voice.
    ariaLabel: `${nodeTitle(node)} ${cardLine(node, look, unit)}. ${describeNode(node)}`,
    domAttributes: { 'aria-roledescription': 'node' },
    data: {
      node,
      line: cardLine(node, look, unit),
      isDimmed: look.focus !== null && !look.focus.has(node.key),
    },
  }))
}

export function toFlowEdges(map: ServiceMap, layout: Layout, look: Look): CallFlowEdge[] {
  return map.edges.map((edge) => {
    const place = layout.edges.get(edge.key)
    const isSelected = edge.key === look.selectedKey
    const touches = edge.from === look.selectedKey || edge.to === look.selectedKey
    const isDimmed = look.focus !== null && !isSelected && !touches && !bothIn(look.focus, edge)
    const isLabelled = map.edges.length <= LABELS_UP_TO_EDGES || isSelected || touches
    return {
      id: edge.key,
      type: 'call',
      source: edge.from,
      target: edge.to,
      selected: isSelected,
      ariaRole: 'button',
      ariaLabel: describeEdge(map, edge),
      domAttributes: { 'aria-roledescription': 'call' },
      data: {
        edge,
        path: place?.path ?? '',
        middle: place?.middle ?? { x: 0, y: 0 },
        label: isLabelled && !isDimmed && edge.statistics.total > 0 ? formatCount(edge.statistics.total) : null,
        isDimmed,
      },
    }
  })
}

function bothIn(focus: ReadonlySet<string>, edge: MapEdge): boolean {
  return focus.has(edge.from) && focus.has(edge.to)
}

function cardLine(node: MapNode, look: { intervalSeconds: number | null; content: CardContent }, unit: RequestUnit): string {
  if (look.content === 'types') return node.isClient ? 'Client' : (node.type ?? 'No type')
  const average = averageLatency(node.statistics)
  if (average === null) return 'no requests'
  const { total } = node.statistics
  const requests = look.intervalSeconds === null ? `${formatCount(total)}×` : formatRequests(total, look.intervalSeconds, unit)
  return `${formatDuration(average)} · ${requests}`
}

/** What a screen reader says about a node beyond what its card shows. */
function describeNode(node: MapNode): string {
  const type = node.isClient || !node.type ? '' : `${node.type}: `
  return `${type}${describeStatistics(node.statistics)}`
}

function describeEdge(map: ServiceMap, edge: MapEdge): string {
  const title = (key: string) => {
    const node = map.nodeByKey.get(key)
    return node ? nodeTitle(node) : key
  }
  return `${title(edge.from)} calls ${title(edge.to)}: ${describeStatistics(edge.statistics)}`
}

function describeStatistics(statistics: Statistics): string {
  const average = averageLatency(statistics)
  if (average === null) return 'no requests'
  const { counts, total } = statistics
  const parts = [`${formatCount(total)} ${total === 1 ? 'request' : 'requests'}`, `average ${formatDuration(average)}`]
  if (counts.fault > 0) parts.push(`${formatShare(counts.fault, total)} faults`)
  if (counts.throttle > 0) parts.push(`${formatShare(counts.throttle, total)} throttles`)
  if (counts.error > 0) parts.push(`${formatShare(counts.error, total)} errors`)
  if (worstOutcome(counts) === 'ok') parts.push('healthy')
  return parts.join(', ')
}
