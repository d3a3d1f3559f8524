// Which part of the map to show. Computed from known sizes: waiting for the browser to measure cards shows a blank map.

import { NODE_HEIGHT, type Layout } from '../../model/layout.ts'

export interface Viewport {
  x: number
  y: number
  zoom: number
}

const PADDING = 22
/** Room for the zoom buttons at the left of the map. */
const PADDING_LEFT = 58

/** Below this zoom the names on the cards, of 13 pixels, cannot be read; a map that fits at it is shown whole. */
const LEAST_READABLE = 0.5

interface Subject {
  /** Nodes to show; null for all. */
  keys: ReadonlySet<string> | null
  /** The node to keep in view where not all can be shown at a size that reads well; null to show all at any size. */
  anchor: string | null
}

/** The viewport that shows its subject; null when there is nothing to show or nowhere to show it. */
export function viewportFor(
  layout: Pick<Layout, 'nodes' | 'nodeWidth'>,
  { keys, anchor }: Subject,
  frame: { width: number; height: number },
  maxZoom: number,
): Viewport | null {
  const points = [...layout.nodes].flatMap(([key, point]) => (keys === null || keys.has(key) ? [point] : []))
  if (points.length === 0 || frame.width === 0 || frame.height === 0) return null
  const left = Math.min(...points.map((point) => point.x))
  const right = Math.max(...points.map((point) => point.x)) + layout.nodeWidth
  const top = Math.min(...points.map((point) => point.y))
  const bottom = Math.max(...points.map((point) => point.y)) + NODE_HEIGHT
  const room = {
    width: Math.max(50, frame.width - PADDING_LEFT - PADDING),
    height: Math.max(50, frame.height - 2 * PADDING),
  }
  // A selection is not blown up beyond what reads well; a small map may grow a little.
  const limit = keys === null ? Math.min(maxZoom, 1.25) : 1
  const whole = Math.min(room.width / (right - left), room.height / (bottom - top), limit)
  const kept = anchor === null ? undefined : layout.nodes.get(anchor)
  const zoom = kept ? Math.max(whole, LEAST_READABLE) : whole
  const centre = {
    x: within(left, right, room.width / zoom, kept && kept.x + layout.nodeWidth / 2),
    y: within(top, bottom, room.height / zoom, kept && kept.y + NODE_HEIGHT / 2),
  }
  return {
    x: PADDING_LEFT + room.width / 2 - centre.x * zoom,
    y: PADDING + room.height / 2 - centre.y * zoom,
    zoom,
  }
}

/** What to put into the middle of a view of this length: the middle of the extent where it fits, else the kept place. */
function within(low: number, high: number, length: number, kept: number | undefined): number {
  if (kept === undefined || high - low <= length) return (low + high) / 2
  return Math.min(Math.max(kept, low + length / 2), high - length / 2)
}
