// The panel beside the map for what is selected: a node or a call.

import Button from '@cloudscape-design/components/button'
import { useState } from 'react'
import type { Interval } from '../../url/timeRange.ts'
import { nodeRef, nodeTitle, type MapEdge, type MapNode, type ServiceMap } from '../../model/graph.ts'
import type { TraceFilter } from '../../api/internal.ts'
import { href } from '../../url/location.ts'
import { writeFilter, writeRange } from '../../url/params.ts'
import type { Panel } from '../../ui/PageFrame.tsx'
import { TypeName } from '../../ui/TypeName.tsx'
import { CallsTable } from './CallsTable.tsx'
import { StatisticsPanel, type ResponseTimeRange } from './StatisticsPanel.tsx'

interface Options {
  map: ServiceMap
  selectedKey: string | null
  onSelect: (key: string | null) => void
  /** What the figures cover; null when they are of a single trace. */
  interval: Interval | null
  /** What the map is filtered by. */
  filter?: TraceFilter
}

const NO_FILTER: TraceFilter = { outcomes: [] }

/** The panel for the selection; null when nothing is selected or it is not on the map any more. */
export function useMapPanel({ map, selectedKey, onSelect, interval, filter: base = NO_FILTER }: Options): Panel | null {
  const [dragged, setDragged] = useState<{ key: string; range: ResponseTimeRange } | null>(null)
  const node = map.nodeByKey.get(selectedKey ?? '')
  const edge = map.edgeByKey.get(selectedKey ?? '')
  const selected = node ?? edge
  if (!selected) return null

  const range = dragged?.key === selected.key ? dragged.range : null
  // The list filters by what the client waited for. Where the client is not the caller that is another figure.
  const isFacingClient = facesClient(map, selected)
  const shared = {
    limitation: interval && !isFacingClient ? LIMITATION : null,
    statistics: selected.statistics,
    entries: selected.histogram,
    intervalSeconds: interval ? interval.end - interval.start : null,
    selected: range,
    onSelect: (next: ResponseTimeRange | null) => setDragged(next && { key: selected.key, range: next }),
  }
  const close = () => onSelect(null)
  const filter = { ...base, ...filterFor(map, selected, isFacingClient ? range : null) }
  const actions = interval && <ViewTraces interval={interval} filter={filter} isRange={isFacingClient && range !== null} />

  if (edge) {
    const [from, to] = [map.nodeByKey.get(edge.from), map.nodeByKey.get(edge.to)]
    return {
      header: `${from ? nodeTitle(from) : ''} → ${to ? nodeTitle(to) : ''}`,
      actions,
      onClose: close,
      content: (
        <StatisticsPanel
          {...shared}
          facts={[
            { label: 'From', value: <NodeButton node={from} onSelect={onSelect} /> },
            { label: 'To', value: <NodeButton node={to} onSelect={onSelect} /> },
          ]}
          note="As the caller measured it, network included."
        />
      ),
    }
  }
  if (!node) return null
  return {
    header: nodeTitle(node),
    actions,
    onClose: close,
    content: (
      <StatisticsPanel
        {...shared}
        facts={[
          { label: 'Name', value: <span className="breakable">{node.name}</span> },
          { label: 'Type', value: node.type ? <TypeName type={node.type} /> : 'unknown' },
        ]}
        note={node.isClient ? 'As the client saw it.' : 'As the service itself measured it.'}
      >
        <CallsTable
          map={map}
          title="Calls"
          end="to"
          edges={map.edges.filter((call) => call.from === node.key)}
          onSelect={onSelect}
        />
        <CallsTable
          map={map}
          title="Called by"
          end="from"
          edges={map.edges.filter((call) => call.to === node.key)}
          onSelect={onSelect}
        />
      </StatisticsPanel>
    ),
  }
}

const LIMITATION = 'Traces are listed by the response time that their client saw, so this range does not filter them.'

/** True for a client, for what a client calls, and for the calls between them. */
function facesClient(map: ServiceMap, selected: MapNode | MapEdge): boolean {
  const isClient = (key: string) => map.nodeByKey.get(key)?.isClient ?? false
  if ('from' in selected) return isClient(selected.from)
  return selected.isClient || map.edges.some((edge) => edge.to === selected.key && isClient(edge.from))
}

function filterFor(map: ServiceMap, selected: MapNode | MapEdge, range: ResponseTimeRange | null): TraceFilter {
  const filter: TraceFilter = { outcomes: [] }
  if ('from' in selected) {
    const [from, to] = [map.nodeByKey.get(selected.from), map.nodeByKey.get(selected.to)]
    if (from && to) filter.edge = { from: nodeRef(from), to: nodeRef(to) }
  } else {
    filter.node = nodeRef(selected)
  }
  if (range) {
    filter.minResponseTime = round(range.low)
    filter.maxResponseTime = round(range.high)
  }
  return filter
}

function round(seconds: number): number {
  return Number(seconds.toPrecision(4))
}

/** A link with a fixed range: the list must match the figures it was opened from. */
function ViewTraces({ interval, filter, isRange }: { interval: Interval; filter: TraceFilter; isRange: boolean }) {
  const params = writeFilter(writeRange(new URLSearchParams(), { kind: 'absolute', ...interval }), filter)
  return (
    <Button variant="primary" href={href({ page: 'traces' }, params)}>
      {isRange ? 'View filtered traces' : 'View traces'}
    </Button>
  )
}

function NodeButton({ node, onSelect }: { node: MapNode | undefined; onSelect: (key: string) => void }) {
  if (!node) return null
  return (
    <Button variant="inline-link" onClick={() => onSelect(node.key)}>
      {nodeTitle(node)}
    </Button>
  )
}
