// The drawn map: cards and calls on a canvas that can be moved and zoomed. Used for the whole system and for one trace.

import '@xyflow/react/dist/base.css'
import { ReactFlow, ReactFlowProvider, useReactFlow, type EdgeChange, type NodeChange } from '@xyflow/react'
import { useCallback, useEffect, useMemo, useRef, type ReactNode } from 'react'
import { busiestRoot, neighbourhood, type ServiceMap } from '../../model/graph.ts'
import { layoutMap, layoutSignature } from '../../model/layout.ts'
import { useElementSize } from '../../ui/useElementSize.ts'
import { CallEdge } from './CallEdge.tsx'
import { toFlowEdges, toFlowNodes, type CardContent } from './flow.ts'
import { MapControls } from './MapControls.tsx'
import { NodeCard } from './NodeCard.tsx'
import { viewportFor } from './viewport.ts'

interface Props {
  map: ServiceMap
  /** Key of the selected node or call. */
  selectedKey: string | null
  onSelect: (key: string | null) => void
  intervalSeconds: number | null
  content: CardContent
  /** Nodes to stress, e.g. found by name; the others are dimmed. */
  stressed?: ReadonlySet<string> | null
  legend?: ReactNode
}

const NODE_TYPES = { card: NodeCard }
const EDGE_TYPES = { call: CallEdge }
const MIN_ZOOM = 0.1
const MAX_ZOOM = 1.6

export function MapCanvas(props: Props) {
  return (
    <ReactFlowProvider>
      <Canvas {...props} />
    </ReactFlowProvider>
  )
}

function Canvas({ map, selectedKey, onSelect, intervalSeconds, content, stressed, legend }: Props) {
  const frame = useRef<HTMLDivElement>(null)
  const { width, height } = useElementSize(frame)
  const flow = useReactFlow()

  // Counts change with every refresh, places only when a node or call appears or goes.
  const signature = layoutSignature(map)
  const known = useRef<{ signature: string; layout: ReturnType<typeof layoutMap> } | null>(null)
  if (known.current?.signature !== signature) known.current = { signature, layout: layoutMap(map) }
  const { layout } = known.current

  const focus = useMemo(() => {
    if (selectedKey && (map.nodeByKey.has(selectedKey) || map.edgeByKey.has(selectedKey))) {
      return neighbourhood(map, selectedKey)
    }
    return stressed && stressed.size > 0 ? stressed : null
  }, [map, selectedKey, stressed])

  const nodes = useMemo(
    () => toFlowNodes(map, layout, { selectedKey, focus, intervalSeconds, content }),
    [map, layout, selectedKey, focus, intervalSeconds, content],
  )
  const edges = useMemo(() => toFlowEdges(map, layout, { selectedKey, focus }), [map, layout, selectedKey, focus])

  const fit = useCallback(
    (keys: ReadonlySet<string> | null, anchor: string | null, animate: boolean) => {
      const viewport = viewportFor(layout, { keys, anchor }, { width, height }, MAX_ZOOM)
      const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches
      if (viewport) void flow.setViewport(viewport, { duration: animate && !still ? 300 : 0 })
    },
    [flow, layout, width, height],
  )

  // The picture is brought into view when it, its frame or what is in focus changes. Never by a mere refresh.
  const focusKeys = focus ? [...focus].toSorted().join('\n') : ''
  const before = useRef('')
  useEffect(() => {
    if (width === 0 || height === 0) return
    const first = before.current === ''
    const now = `${signature}|${focusKeys}|${width}x${height}`
    if (before.current === now) return
    before.current = now
    // A selection stays readable around itself, the whole map around where it begins; what was searched for shows whole.
    const selected = focus ? (map.edgeByKey.get(selectedKey ?? '')?.from ?? selectedKey) : busiestRoot(map)
    fit(focus, selected, !first)
  }, [fit, focus, focusKeys, map, selectedKey, signature, width, height])

  const select = (changes: readonly (NodeChange | EdgeChange)[]) => {
    for (const change of changes) if (change.type === 'select' && change.selected) onSelect(change.id)
  }

  return (
    <div className="map-canvas">
      {legend && <div className="map-legend">{legend}</div>}
      <div ref={frame} className="map-area">
        <ReactFlow
          nodes={nodes}
          edges={edges}
          nodeTypes={NODE_TYPES}
          edgeTypes={EDGE_TYPES}
          onNodesChange={select}
          onEdgesChange={select}
          onPaneClick={() => onSelect(null)}
          onKeyDown={(event) => {
            if (event.key === 'Escape') onSelect(null)
          }}
          minZoom={MIN_ZOOM}
          maxZoom={MAX_ZOOM}
          nodesDraggable={false}
          nodesConnectable={false}
          elementsSelectable
          deleteKeyCode={null}
          multiSelectionKeyCode={null}
          selectionKeyCode={null}
          zoomOnDoubleClick={false}
        >
          <MapControls onFit={() => fit(null, null, true)} />
        </ReactFlow>
      </div>
    </div>
  )
}
