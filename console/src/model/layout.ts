// Places a service map from left to right with dagre, and turns dagre's route of each edge into a smooth path.

import { Graph, layout } from '@dagrejs/dagre'
import type { ServiceMap } from './graph.ts'

/** Height of a node's card, in the map's own units. */
export const NODE_HEIGHT = 48

/** Least width of a card; a map with room to spare has wider ones, for longer names. */
const NODE_WIDTH = 176

export interface Point {
  x: number
  y: number
}

export interface Layout {
  /** Width of the cards. */
  nodeWidth: number
  /** Top left corner of each node, by key. */
  nodes: ReadonlyMap<string, Point>
  /** SVG path of each edge, by key, and the middle of it for a label. */
  edges: ReadonlyMap<string, { path: string; middle: Point }>
}

/** Network simplex gives the nicer picture, but takes seconds on hundreds of nodes where tight-tree does not. */
const NICE_UP_TO_NODES = 60

/** A small map has room to spare, which the labels of its calls need. */
const ROOMY_UP_TO_NODES = 12

/** Windows are wider than high: a map narrower than this is drawn out, which costs no zoom and untangles its calls. */
const ASPECT = 1.7
const MAX_STRETCH = 1.9
const MAX_WIDENING = 1.25

/** Lays out a map; the same nodes and edges always give the same picture. */
export function layoutMap(map: ServiceMap): Layout {
  const isRoomy = map.nodes.length <= ROOMY_UP_TO_NODES
  const graph = new Graph({ multigraph: false })
  graph.setGraph({
    rankdir: 'LR',
    nodesep: isRoomy ? 24 : 11,
    ranksep: isRoomy ? 88 : 48,
    edgesep: 14,
    ranker: map.nodes.length <= NICE_UP_TO_NODES ? 'network-simplex' : 'tight-tree',
  })
  graph.setDefaultEdgeLabel(() => ({}))
  // Clients first: dagre breaks ties by order, and people read from the left.
  for (const node of map.nodes.toSorted((a, b) => Number(b.isClient) - Number(a.isClient))) {
    graph.setNode(node.key, { width: NODE_WIDTH, height: NODE_HEIGHT })
  }
  for (const edge of map.edges) graph.setEdge(edge.from, edge.to, { weight: edge.isLink ? 1 : 2 })
  layout(graph)

  const { width = 1, height = 1 } = graph.graph()
  const stretch = isRoomy ? 1 : Math.min(MAX_STRETCH, Math.max(1, (height * ASPECT) / width))
  const nodeWidth = NODE_WIDTH * Math.min(stretch, MAX_WIDENING)
  const place = ({ x = 0, y = 0 }: Partial<Point>): Point => ({ x: x * stretch, y })
  const nodes = new Map<string, Point>()
  for (const node of map.nodes) {
    const { x, y } = place(graph.node(node.key))
    nodes.set(node.key, { x: x - nodeWidth / 2, y: y - NODE_HEIGHT / 2 })
  }
  const edges = new Map<string, { path: string; middle: Point }>()
  for (const edge of map.edges) {
    const route = graph.edge(edge.from, edge.to)?.points ?? []
    const points = routeFromSides(route.map(place), place(graph.node(edge.from)), place(graph.node(edge.to)), nodeWidth)
    const middle = middleOf(points)
    edges.set(edge.key, { path: splinePath(points), middle })
  }
  return { nodeWidth, nodes, edges }
}

/** How far a call runs straight out of a card before it turns. */
const STRAIGHT = 16

/**
 * dagre lets an edge leave a card wherever the direct line crosses its border, also at the top. Calls read better when
 * they leave on the right and arrive on the left (the other way round when they go back).
 */
function routeFromSides(points: readonly Point[], start: Point, end: Point, nodeWidth: number): Point[] {
  if (start.x === end.x) return [...points]
  const side = end.x > start.x ? 1 : -1
  const out = { x: start.x + (side * nodeWidth) / 2, y: start.y }
  const into = { x: end.x - (side * nodeWidth) / 2, y: end.y }
  // Points between neighbouring columns only bend what is a plain S without them.
  const between = points.slice(1, -1)
  const bends = between.length > 1 ? between : []
  const turn = { x: out.x + side * STRAIGHT, y: out.y }
  const arrive = { x: into.x - side * STRAIGHT, y: into.y }
  return [out, turn, ...bends.filter(({ x }) => side * (x - turn.x) > 0 && side * (arrive.x - x) > 0), arrive, into]
}

/** What a layout depends on: two maps with the same signature share one. */
export function layoutSignature(map: ServiceMap): string {
  return `${map.nodes.map((node) => node.key).join('\n')}\n\n${map.edges.map((edge) => edge.key).join('\n')}`
}

/** An SVG path through the first and last point, drawn towards the others as a cubic B-spline. */
export function splinePath(points: readonly Point[]): string {
  const [first, second] = points
  const last = points.at(-1)
  if (!first || !second || !last) return ''
  if (points.length === 2) return `M${at(first)}L${at(second)}`
  const parts = [`M${at(first)}`, `L${at(mix(first, second, 1 / 6))}`]
  for (let idx = 1; idx < points.length; idx += 1) {
    const [before, here] = [points[idx - 1] ?? first, points[idx] ?? last]
    const after = points[idx + 1] ?? here
    const end = {
      x: (before.x + 4 * here.x + after.x) / 6,
      y: (before.y + 4 * here.y + after.y) / 6,
    }
    parts.push(`C${at(mix(before, here, 1 / 3))} ${at(mix(before, here, 2 / 3))} ${at(end)}`)
  }
  parts.push(`L${at(last)}`)
  return parts.join('')
}

/** The middle of the way, between two points where their number is even. */
function middleOf(points: readonly Point[]): Point {
  const half = (points.length - 1) / 2
  const [a, b] = [points[Math.floor(half)], points[Math.ceil(half)]]
  return a && b ? mix(a, b, 0.5) : { x: 0, y: 0 }
}

function mix(a: Point, b: Point, share: number): Point {
  return { x: a.x + (b.x - a.x) * share, y: a.y + (b.y - a.y) * share }
}

function at({ x, y }: Point): string {
  return `${x.toFixed(1)},${y.toFixed(1)}`
}
