// Zoom buttons, and the arrow heads that the calls refer to.

import { useReactFlow } from '@xyflow/react'
import { OUTCOMES } from '../../model/outcome.ts'

export function MapControls({ onFit }: { onFit: () => void }) {
  const { zoomIn, zoomOut } = useReactFlow()
  return (
    <>
      <svg className="visually-hidden" aria-hidden="true">
        <defs>
          {OUTCOMES.map((outcome) => (
            <marker
              key={outcome}
              id={`arrow-${outcome}`}
              className={`arrow arrow-${outcome}`}
              viewBox="0 0 8 8"
              refX="7"
              refY="4"
              markerWidth="8"
              markerHeight="8"
              markerUnits="userSpaceOnUse"
              orient="auto"
            >
              <path d="M1 1 7 4 1 7Z" />
            </marker>
          ))}
        </defs>
      </svg>
      <div className="map-controls" role="group" aria-label="Zoom">
        <button type="button" aria-label="Zoom in" onClick={() => void zoomIn()}>
          <Sign path="M8 3v10M3 8h10" />
        </button>
        <button type="button" aria-label="Zoom out" onClick={() => void zoomOut()}>
          <Sign path="M3 8h10" />
        </button>
        <button type="button" aria-label="Show all" onClick={onFit}>
          <Sign path="M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3" />
        </button>
      </div>
    </>
  )
}

function Sign({ path }: { path: string }) {
  return (
    <svg className="glyph" viewBox="0 0 16 16" aria-hidden="true">
      <path d={path} />
    </svg>
  )
}
