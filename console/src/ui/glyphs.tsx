// Our own line icons: one for each kind of node, and the few that Cloudscape's set lacks. Drawn on a 16-unit grid.

import type { NodeKind } from '../model/nodeKind.ts'

const NODE_PATHS: Record<NodeKind, string> = {
  client: 'M8 8.2a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4ZM2.8 13.5c.5-2.5 2.5-3.7 5.2-3.7s4.7 1.2 5.2 3.7',
  service: 'M3 3h10v4H3zM3 9h10v4H3zM5.5 5h.01M5.5 11h.01',
  function: 'M4 3h2.6l4.6 10H13M8.1 6.3 4.3 13',
  container: 'M8 2.3 13.2 5v6L8 13.7 2.8 11V5ZM2.8 5 8 7.8 13.2 5M8 7.8v5.9',
  instance: 'M4 4h8v8H4zM6.5 4V2M9.5 4V2M6.5 14v-2M9.5 14v-2M4 6.5H2M4 9.5H2M14 6.5h-2M14 9.5h-2',
  gateway: 'M3 2.8v10.4M13 2.8v10.4M5 8h6M8.8 5.8 11 8l-2.2 2.2',
  database: 'M3 4.3C3 3.2 5.2 2.5 8 2.5s5 .7 5 1.8-2.2 1.8-5 1.8-5-.7-5-1.8ZM3 4.3v7.4c0 1.1 2.2 1.8 5 1.8s5-.7 5-1.8V4.3M3 8c0 1.1 2.2 1.8 5 1.8S13 9.1 13 8',
  cache: 'M8.8 2 3.5 9H8l-.8 5 5.3-7H8Z',
  queue: 'M2 5h3v6H2zM6.5 5h3v6h-3zM11 5h3v6h-3z',
  topic: 'M8 9.2a1.2 1.2 0 1 0 0-2.4 1.2 1.2 0 0 0 0 2.4ZM5 11a4.2 4.2 0 0 1 0-6M11 5a4.2 4.2 0 0 1 0 6M3.2 12.8a6.8 6.8 0 0 1 0-9.6M12.8 3.2a6.8 6.8 0 0 1 0 9.6',
  bucket: 'M3 4h10l-1.2 9H4.2ZM3 4c0-.8 2.2-1.4 5-1.4s5 .6 5 1.4',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.3 10.3 13.5 13.5',
  workflow: 'M5.5 2.5h5v3h-5zM2 10.5h5v3H2zM9 10.5h5v3H9zM8 5.5V8M4.5 10.5V8h7v2.5',
  model: 'M8 2l1.5 4.5L14 8l-4.5 1.5L8 14l-1.5-4.5L2 8l4.5-1.5Z',
  remote: 'M4.7 12.5a2.9 2.9 0 0 1-.3-5.8 3.9 3.9 0 0 1 7.5-.3 3 3 0 0 1-.4 6.1Z',
}

function Glyph({ path }: { path: string }) {
  return (
    <svg className="glyph" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={path} />
    </svg>
  )
}

export function NodeGlyph({ kind }: { kind: NodeKind }) {
  return <Glyph path={NODE_PATHS[kind]} />
}

/** Switch to dark mode. */
export function MoonGlyph() {
  return <Glyph path="M13 9.8A5.6 5.6 0 0 1 6.2 3a5.6 5.6 0 1 0 6.8 6.8Z" />
}

/** Switch to light mode. */
export function SunGlyph() {
  return (
    <Glyph path="M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6ZM8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M12.6 3.4l-1.1 1.1M4.5 11.5l-1.1 1.1" />
  )
}

const OUTCOME_PATHS = {
  ok: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM5.4 8.2l1.9 1.9 3.4-3.9',
  error: 'M8 2.3 14.2 13.5H1.8ZM8 6.5v3M8 11.5h.01',
  throttle: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM6.4 5.8v4.4M9.6 5.8v4.4',
  fault: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM5.9 5.9l4.2 4.2M10.1 5.9l-4.2 4.2',
  progress: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM5.2 8h.01M8 8h.01M10.8 8h.01',
}

export function OutcomeGlyph({ outcome }: { outcome: keyof typeof OUTCOME_PATHS }) {
  return <Glyph path={OUTCOME_PATHS[outcome]} />
}
