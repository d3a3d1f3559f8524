// What the panel says about a node or a call: counts and shares by outcome, latency, its distribution.

import KeyValuePairs from '@cloudscape-design/components/key-value-pairs'
import SpaceBetween from '@cloudscape-design/components/space-between'
import type { ReactNode } from 'react'
import { averageLatency, type Statistics } from '../../model/graph.ts'
import { binEntries, binsTouched, countBetween, logTicks, percentile } from '../../model/histogram.ts'
import { formatCount, formatDuration, formatRequests, formatShare, formatTick, requestUnit } from '../../model/format.ts'
import type { Outcome } from '../../api/internal.ts'
import type { HistogramEntry } from '../../api/xray.ts'
import { Histogram } from '../../ui/Histogram.tsx'

export interface ResponseTimeRange {
  low: number
  high: number
}

interface Props {
  /** Facts to show before the figures. */
  facts: { label: string; value: ReactNode }[]
  statistics: Statistics
  entries: readonly HistogramEntry[]
  intervalSeconds: number | null
  selected: ResponseTimeRange | null
  onSelect: (range: ResponseTimeRange | null) => void
  /** Whose clock measured: shown under the chart's title. */
  note: string
  /** What a selected range does not do, if anything. */
  limitation: string | null
  children?: ReactNode
}

const TROUBLES: readonly { outcome: Outcome; label: string }[] = [
  { outcome: 'error', label: 'Errors (4xx)' },
  { outcome: 'fault', label: 'Faults (5xx)' },
  { outcome: 'throttle', label: 'Throttles (429)' },
]

export function StatisticsPanel(props: Props) {
  const { facts, statistics, entries, intervalSeconds, selected, onSelect, note, limitation, children } = props
  const { counts, total } = statistics
  const bins = binEntries(entries)
  const touched = selected && binsTouched(bins, selected.low, selected.high)
  const time = (value: number | null) => (value === null ? '–' : formatDuration(value))
  const hasRate = intervalSeconds !== null && requestUnit(total, intervalSeconds) === 'per minute'
  const rate = hasRate ? ` (${formatRequests(total, intervalSeconds, 'per minute')})` : ''
  return (
    <SpaceBetween size="l">
      <KeyValuePairs
        columns={2}
        items={[
          ...facts,
          { label: 'Requests', value: `${formatCount(total)}${rate}` },
          { label: 'OK', value: withShare(counts.ok, total) },
          ...TROUBLES.map(({ outcome, label }) => ({
            label,
            value: <span className={`count-${counts[outcome] > 0 ? outcome : 'none'}`}>{withShare(counts[outcome], total)}</span>,
          })),
          { label: 'Average latency', value: time(averageLatency(statistics)) },
          { label: 'p50', value: time(percentile(entries, 0.5)) },
          { label: 'p95', value: time(percentile(entries, 0.95)) },
        ]}
      />
      {bins.length > 0 && (
        <section className="panel-section">
          <h3>Response time distribution</h3>
          <p className="quiet">{note} Drag to select a range.</p>
          <Histogram
            bins={bins}
            ticks={logTicks(bins, 6).map(({ value, place }) => ({ label: formatTick(value), place }))}
            selection={touched}
            onSelect={(range) => {
              const [first, last] = [bins[range?.[0] ?? -1], bins[range?.[1] ?? -1]]
              onSelect(first && last ? { low: first.low, high: last.high } : null)
            }}
            describeBin={(bin) => `${formatDuration(bin.low)} – ${formatDuration(bin.high)}`}
            unit="request"
            label="Response time distribution"
            height={150}
            hasOutcomes={false}
          />
          {touched && (
            <p className="quiet" role="status">
              {formatCount(countBetween(bins, ...touched))} of {formatCount(total)} requests (
              {formatShare(countBetween(bins, ...touched), total)}) in the selected range.
              {limitation && ` ${limitation}`}
            </p>
          )}
        </section>
      )}
      {children}
    </SpaceBetween>
  )
}

function withShare(count: number, total: number): string {
  return count === 0 ? '0' : `${formatCount(count)} (${formatShare(count, total)})`
}

