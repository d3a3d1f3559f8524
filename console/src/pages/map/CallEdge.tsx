// A call of the map: the route that the layout found, coloured by its worst outcome, dashed for a linked trace.

import { EdgeLabelRenderer, type EdgeProps } from '@xyflow/react'
import { memo } from 'react'
import { worstOutcome } from '../../model/outcome.ts'
import type { CallFlowEdge } from './flow.ts'

export const CallEdge = memo(function CallEdge({ data, selected }: EdgeProps<CallFlowEdge>) {
  if (!data) return null
  const { edge, path, label, middle, isDimmed } = data
  const outcome = worstOutcome(edge.statistics.counts)
  const classes = [
    'call',
    `call-${outcome}`,
    edge.isLink && 'call-linked',
    selected && 'call-selected',
    isDimmed && 'dimmed',
  ]
  return (
    <>
      <g className={classes.filter(Boolean).join(' ')}>
        <path className="call-line" d={path} markerEnd={`url(#arrow-${outcome})`} />
        {/* Wide and invisible: a line of two pixels is hard to hit. */}
        <path className="call-target" d={path} />
      </g>
      {label && (
        <EdgeLabelRenderer>
          <span
            className="call-label"
            style={{ transform: `translate(-50%, -50%) translate(${middle.x}px, ${middle.y}px)` }}
          >
            {label}
          </span>
        </EdgeLabelRenderer>
      )}
    </>
  )
})
