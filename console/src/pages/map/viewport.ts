// Which part of the map to show. Computed from known sizes: waiting for the browser to measure cards shows a blank map.

import { NODE_HEIGHT, type Layout } from '../../model/layout.ts'

export interface Viewport {
  x: number
  y: number
  zoom: number
}

const PADDING = 22
/** Room for the legend above the map. */
const PADDING_TOP = 56

/** The viewport that shows the given nodes, or all; null when there is nothing to show or nowhere to show it. */
export function viewportFor(
  layout: Pick<Layout, 'nodes' | 'nodeWidth'>,
  keys: ReadonlySet<string> | null,
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
    width: Math.max(50, frame.width - 2 * PADDING),
    height: Math.max(50, frame.height - PADDING - PADDING_TOP),
  }
  // A selection is not blown up beyond what reads well; a small map may grow a little.
  const limit = keys === null ? Math.min(maxZoom, 1.25) : 1
  const zoom = Math.min(room.width / (right - left), room.height / (bottom - top), limit)
  return {
    x: frame.width / 2 - ((left + right) / 2) * zoom,
    y: PADDING_TOP + room.height / 2 - ((top + bottom) / 2) * zoom,
    zoom,
  }
}
