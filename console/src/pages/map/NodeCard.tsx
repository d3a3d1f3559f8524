// A node of the map: status ring with the icon of its type, name, and one line of figures.

import { Handle, Position, type NodeProps } from '@xyflow/react'
import { memo } from 'react'
import { nodeTitle, type MapNode } from '../../model/graph.ts'
import { nodeKind } from '../../model/nodeKind.ts'
import { NodeGlyph } from '../../ui/glyphs.tsx'
import { Ring } from '../../ui/Ring.tsx'
import type { CardNode } from './flow.ts'

export const NodeCard = memo(function NodeCard({ data, selected }: NodeProps<CardNode>) {
  const { node, line, isDimmed } = data
  const classes = ['node-card', selected && 'node-card-selected', isDimmed && 'dimmed'].filter(Boolean).join(' ')
  return (
    <div className={classes} title={fullName(node)}>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <span className="node-ring">
        <Ring counts={node.statistics.counts} />
        <NodeGlyph kind={node.isClient ? 'client' : nodeKind(node.type)} />
      </span>
      <span className="node-text">
        <strong>{nodeTitle(node)}</strong>{' '}
        <span>{line}</span>
      </span>
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </div>
  )
})

/** What the card has to cut off. */
function fullName(node: MapNode): string {
  if (node.isClient) return `Clients of ${node.name}`
  return node.type === null ? node.name : `${node.name}\n${node.type}`
}
