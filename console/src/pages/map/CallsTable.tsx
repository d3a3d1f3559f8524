// The calls of a node: whom it calls or who calls it, with counts and latency as the caller sees them.

import Link from '@cloudscape-design/components/link'
import type { Outcome } from '../../api/internal.ts'
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

const TROUBLES: readonly { outcome: Outcome; label: string }[] = [
  { outcome: 'error', label: 'Errors' },
  { outcome: 'throttle', label: 'Throttles' },
  { outcome: 'fault', label: 'Faults' },
]

export function CallsTable({ map, edges, end, title, onSelect }: Props) {
  if (edges.length === 0) return null
  // An outcome that no call had needs no column, save the one that people look for.
  const troubles = TROUBLES.filter(({ outcome }) => outcome === 'fault' || edges.some(({ statistics }) => statistics.counts[outcome] > 0))
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
            {troubles.map(({ outcome, label }) => (
              <th key={outcome} scope="col">
                {label}
              </th>
            ))}
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
                {troubles.map(({ outcome }) => (
                  <td key={outcome} className={`count-${edge.statistics.counts[outcome] > 0 ? outcome : 'none'}`}>
                    {formatShare(edge.statistics.counts[outcome], edge.statistics.total)}
                  </td>
                ))}
              </tr>
            )
          })}
        </tbody>
      </table>
    </section>
  )
}
