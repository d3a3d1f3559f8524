// The calls of a node: whom it calls or who calls it, with counts and latency as the caller sees them.

import Link from '@cloudscape-design/components/link'
import { averageLatency, nodeTitle, type MapEdge, type ServiceMap } from '../../model/graph.ts'
import { formatCount, formatDuration, formatShare } from '../../model/format.ts'

interface Props {
  map: ServiceMap
  edges: readonly MapEdge[]
  /** Which end of the call to name. */
  end: 'from' | 'to'
  title: string
  onSelect: (edgeKey: string) => void
}

export function CallsTable({ map, edges, end, title, onSelect }: Props) {
  if (edges.length === 0) return null
  const sorted = edges.toSorted((a, b) => b.statistics.total - a.statistics.total)
  return (
    <section className="panel-section">
      <h3>{title}</h3>
      <table className="plain-table">
        <thead>
          <tr>
            <th scope="col">{end === 'to' ? 'Downstream' : 'Upstream'}</th>
            <th scope="col">Requests</th>
            <th scope="col">Average</th>
            <th scope="col">Faults</th>
          </tr>
        </thead>
        <tbody>
          {sorted.map((edge) => {
            const node = map.nodeByKey.get(edge[end])
            const average = averageLatency(edge.statistics)
            return (
              <tr key={edge.key}>
                <th scope="row">
                  <Link variant="primary" href="#" onFollow={(event) => { event.preventDefault(); onSelect(edge.key) }}>
                    {node ? nodeTitle(node) : edge[end]}
                  </Link>
                </th>
                <td>{formatCount(edge.statistics.total)}</td>
                <td>{average === null ? '–' : formatDuration(average)}</td>
                <td>{formatShare(edge.statistics.counts.fault, edge.statistics.total)}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </section>
  )
}
