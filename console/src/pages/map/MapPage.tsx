// The trace map: which services there are, who calls whom, and how that goes.

import Header from '@cloudscape-design/components/header'
import Input from '@cloudscape-design/components/input'
import SegmentedControl from '@cloudscape-design/components/segmented-control'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Spinner from '@cloudscape-design/components/spinner'
import StatusIndicator from '@cloudscape-design/components/status-indicator'
import { useMemo, useState } from 'react'
import type { TraceFilter } from '../../api/internal.ts'
import { useServiceGraph, useStatus } from '../../api/queries.ts'
import type { GraphFilter } from '../../api/xray.ts'
import { buildServiceMap, edgeKey, nodeKey, nodeRef, nodeTitle, type ServiceMap } from '../../model/graph.ts'
import { navigate, useLocation } from '../../url/location.ts'
import { readGraphFilter, readRange, readSelection, withParams, writeRange, writeSelection, type Selection } from '../../url/params.ts'
import type { TimeRange } from '../../url/timeRange.ts'
import { ErrorPanel } from '../../ui/ErrorPanel.tsx'
import { ExpressionField, mistakeOf } from '../../ui/ExpressionField.tsx'
import { GroupPicker } from '../../ui/GroupPicker.tsx'
import { Legend } from '../../ui/Legend.tsx'
import { NoTraces } from '../../ui/NoTraces.tsx'
import { PageFrame } from '../../ui/PageFrame.tsx'
import { RangePicker } from '../../ui/RangePicker.tsx'
import { RefreshButton, useRefreshInterval } from '../../ui/RefreshButton.tsx'
import type { CardContent } from './flow.ts'
import { MapCanvas } from './MapCanvas.tsx'
import { NodeList } from './NodeList.tsx'
import { useMapPanel } from './useMapPanel.tsx'

type View = 'map' | 'list'

export function MapPage() {
  const { route, params } = useLocation()
  const range = readRange(params)
  const filter = useMemo(() => readGraphFilter(params), [params])
  const expression = filter.filterExpression ?? ''
  const graph = useServiceGraph(range, toGraphFilter(filter), useRefreshInterval())
  const mistake = mistakeOf(expression, graph.error)
  const { data: status } = useStatus()
  const [search, setSearch] = useState('')

  const map = useMemo(() => buildServiceMap(graph.data?.services ?? []), [graph.data?.services])
  const interval = graph.data?.interval ?? null
  const selectedKey = selectionKey(readSelection(params))
  const view: View = params.get('view') === 'list' ? 'list' : 'map'
  const content: CardContent = params.get('cards') === 'types' ? 'types' : 'metrics'

  const go = (next: URLSearchParams, how: 'push' | 'replace' = 'push') => navigate(route, next, how)
  const setRange = (next: TimeRange) => go(writeRange(params, next))
  const select = (key: string | null) => {
    if (key !== selectedKey) go(writeSelection(params, toSelection(map, key)))
  }
  const found = useMemo(() => findNodes(map, search), [map, search])
  const panel = useMapPanel({ map, selectedKey, onSelect: select, interval, filter })

  return (
    <PageFrame title="Trace map" panel={panel} isFullHeight={view === 'map'}>
      <Header
        variant="h1"
        {...(graph.data && { counter: `(${map.nodes.length} ${map.nodes.length === 1 ? 'node' : 'nodes'})` })}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <GroupPicker
              groupName={filter.groupName}
              onChange={(groupName) => go(withParams(params, { group: groupName }))}
            />
            <RangePicker range={range} onChange={setRange} />
            <RefreshButton isRefreshing={graph.isFetching} onRefresh={() => void graph.refetch()} />
          </SpaceBetween>
        }
      >
        Trace map
      </Header>
      <ExpressionField
        expression={expression}
        mistake={mistake}
        onSearch={(filterExpression) => go(withParams(params, { filter: filterExpression }))}
      />
      <div className="toolbar">
        <div className="toolbar-grow">
          <Input
            type="search"
            value={search}
            onChange={({ detail }) => setSearch(detail.value)}
            onKeyDown={({ detail }) => {
              const [only] = found ?? []
              if (detail.key === 'Enter' && only) select(only)
            }}
            placeholder="Find a node"
            ariaLabel="Find a node"
            clearAriaLabel="Clear"
          />
        </div>
        {view === 'map' && (
          <SegmentedControl
            label="Cards show"
            selectedId={content}
            onChange={({ detail }) => go(withParams(params, { cards: detail.selectedId === 'types' ? 'types' : null }), 'replace')}
            options={[
              { id: 'metrics', text: 'Metrics' },
              { id: 'types', text: 'Types' },
            ]}
          />
        )}
        <SegmentedControl
          label="View"
          selectedId={view}
          onChange={({ detail }) => go(withParams(params, { view: detail.selectedId === 'list' ? 'list' : null }))}
          options={[
            { id: 'map', text: 'Map' },
            { id: 'list', text: 'List' },
          ]}
        />
      </div>
      {status?.sampleTraffic.running && (
        <StatusIndicator type="in-progress">Sample traffic is running: new traces arrive by themselves</StatusIndicator>
      )}
      {graph.error && !mistake && (
        <ErrorPanel title="The trace map could not be read" error={graph.error} onRetry={() => void graph.refetch()} />
      )}
      {graph.isPending && (
        <div className="centred">
          <Spinner size="large" />
        </div>
      )}
      {graph.data && map.nodes.length === 0 && (
        <NoTraces
          range={range}
          onRange={setRange}
          filter={filter}
          onClearFilter={() => go(withParams(params, { filter: null, group: null }))}
        />
      )}
      {map.nodes.length > 0 && view === 'map' && (
        <MapCanvas
          map={map}
          selectedKey={selectedKey}
          onSelect={select}
          intervalSeconds={interval ? interval.end - interval.start : null}
          content={content}
          stressed={found}
          legend={<Legend variant="status" hasLinks={map.edges.some((edge) => edge.isLink)} />}
        />
      )}
      {map.nodes.length > 0 && view === 'list' && (
        <NodeList
          nodes={found ? map.nodes.filter((node) => found.has(node.key)) : map.nodes}
          selectedKey={selectedKey}
          onSelect={select}
        />
      )}
    </PageFrame>
  )
}

/** What of a filter a graph can be asked for. */
function toGraphFilter({ filterExpression, groupName }: TraceFilter): GraphFilter {
  return {
    ...(filterExpression && { FilterExpression: filterExpression }),
    ...(groupName && { GroupName: groupName }),
  }
}

/** Keys of the nodes whose name or type holds the text; null without a text. */
function findNodes(map: ServiceMap, text: string): ReadonlySet<string> | null {
  const wanted = text.trim().toLowerCase()
  if (wanted === '') return null
  const matches = map.nodes.filter((node) => `${nodeTitle(node)} ${node.name} ${node.type ?? ''}`.toLowerCase().includes(wanted))
  return new Set(matches.map((node) => node.key))
}

function selectionKey(selection: Selection): string | null {
  if (!selection) return null
  if (selection.kind === 'node') return nodeKey(selection.node)
  return edgeKey(nodeKey(selection.edge.from), nodeKey(selection.edge.to))
}

function toSelection(map: ServiceMap, key: string | null): Selection {
  const node = map.nodeByKey.get(key ?? '')
  if (node) return { kind: 'node', node: nodeRef(node) }
  const edge = map.edgeByKey.get(key ?? '')
  const [from, to] = [map.nodeByKey.get(edge?.from ?? ''), map.nodeByKey.get(edge?.to ?? '')]
  return from && to ? { kind: 'edge', edge: { from: nodeRef(from), to: nodeRef(to) } } : null
}
