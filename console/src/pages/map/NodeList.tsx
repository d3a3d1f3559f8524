// The map as a table: the same nodes and figures for those who read rather than look.

import { useCollection } from '@cloudscape-design/collection-hooks'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import Table from '@cloudscape-design/components/table'
import { averageLatency, nodeTitle, type MapNode } from '../../model/graph.ts'
import { formatCount, formatDuration, formatShare } from '../../model/format.ts'
import { percentile } from '../../model/histogram.ts'
import { nodeKind } from '../../model/nodeKind.ts'
import { NodeGlyph } from '../../ui/glyphs.tsx'

interface Props {
  nodes: readonly MapNode[]
  selectedKey: string | null
  onSelect: (key: string) => void
}

const average = (node: MapNode) => averageLatency(node.statistics) ?? -1
const share = (node: MapNode, outcome: 'error' | 'throttle' | 'fault') =>
  node.statistics.total === 0 ? -1 : node.statistics.counts[outcome] / node.statistics.total

const BY_REQUESTS = {
  sortingField: 'requests',
  sortingComparator: (a: MapNode, b: MapNode) => a.statistics.total - b.statistics.total,
}

export function NodeList({ nodes, selectedKey, onSelect }: Props) {
  const { items, collectionProps } = useCollection(nodes, {
    sorting: { defaultState: { sortingColumn: BY_REQUESTS, isDescending: true } },
  })
  const outcomeColumn = (id: 'error' | 'throttle' | 'fault', header: string) => ({
    id,
    header,
    cell: ({ statistics: { counts, total } }: MapNode) => (
      <span className={`count-${counts[id] > 0 ? id : 'none'}`}>{formatShare(counts[id], total)}</span>
    ),
    sortingField: id,
    sortingComparator: (a: MapNode, b: MapNode) => share(a, id) - share(b, id),
  })
  const time = (seconds: number | null) => (seconds === null || seconds < 0 ? '–' : formatDuration(seconds))

  return (
    <Table<MapNode>
      {...collectionProps}
      items={items}
      variant="container"
      contentDensity="compact"
      trackBy="key"
      ariaLabels={{ tableLabel: 'Nodes of the trace map' }}
      empty={<Box textAlign="center">No node has this name.</Box>}
      selectedItems={nodes.filter((node) => node.key === selectedKey)}
      columnDefinitions={[
        {
          id: 'name',
          header: 'Node',
          isRowHeader: true,
          minWidth: 210,
          sortingField: 'name',
          sortingComparator: (a, b) => nodeTitle(a).localeCompare(nodeTitle(b)),
          cell: (node) => (
            <span className="node-name">
              <NodeGlyph kind={node.isClient ? 'client' : nodeKind(node.type)} />
              <Button variant="inline-link" onClick={() => onSelect(node.key)}>
                {nodeTitle(node)}
              </Button>
            </span>
          ),
        },
        { id: 'type', header: 'Type', sortingField: 'type', cell: (node) => node.type ?? '–' },
        {
          id: 'requests',
          header: 'Requests',
          cell: (node) => formatCount(node.statistics.total),
          ...BY_REQUESTS,
        },
        {
          id: 'average',
          header: 'Average',
          cell: (node) => time(average(node)),
          sortingField: 'average',
          sortingComparator: (a, b) => average(a) - average(b),
        },
        {
          id: 'p95',
          header: 'p95',
          cell: (node) => time(percentile(node.histogram, 0.95)),
        },
        outcomeColumn('error', 'Errors'),
        outcomeColumn('throttle', 'Throttles'),
        outcomeColumn('fault', 'Faults'),
      ]}
    />
  )
}
