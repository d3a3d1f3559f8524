// The two charts over the list: how long the matching traces took, and when they were. Dragging narrows the filter.

import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import SegmentedControl from '@cloudscape-design/components/segmented-control'
import type { SearchAnswer } from '../../api/internal.ts'
import { formatClock, formatDateTime, formatDuration, formatTick } from '../../model/format.ts'
import { binsFromEdges, binsFromSeries, logTicks, type Bin, type Tick } from '../../model/histogram.ts'
import { Histogram } from '../../ui/Histogram.tsx'
import { Legend } from '../../ui/Legend.tsx'

export type Chart = 'response-time' | 'over-time'

interface Props {
  answer: SearchAnswer | undefined
  chart: Chart
  onChart: (chart: Chart) => void
  /** Both in seconds; the second in epoch seconds. */
  onResponseTime: (low: number, high: number) => void
  onTime: (start: number, end: number) => void
}

export function TraceCharts({ answer, chart, onChart, onResponseTime, onTime }: Props) {
  const overTime = chart === 'over-time'
  const bins = answer ? (overTime ? binsFromSeries(answer.series) : binsFromEdges(answer.histogram)) : []
  return (
    <Container
      fitHeight
      header={
        <Header
          variant="h2"
          description={overTime ? 'Drag across the chart to narrow the time range.' : 'Drag across the chart to filter by response time.'}
          actions={
            <SegmentedControl
              label="Chart"
              selectedId={chart}
              onChange={({ detail }) => onChart(detail.selectedId === 'over-time' ? 'over-time' : 'response-time')}
              options={[
                { id: 'response-time', text: 'Response time' },
                { id: 'over-time', text: 'Over time' },
              ]}
            />
          }
        >
          {overTime ? 'Traces over time' : 'Response time distribution'}
        </Header>
      }
    >
      <Histogram
        bins={bins}
        ticks={overTime ? timeTicks(bins) : logTicks(bins, 12).map(({ value, place }) => ({ label: formatTick(value), place }))}
        selection={null}
        onSelect={(selection) => {
          const [first, last] = [bins[selection?.[0] ?? -1], bins[selection?.[1] ?? -1]]
          if (first && last) (overTime ? onTime : onResponseTime)(first.low, last.high)
        }}
        describeBin={
          overTime
            ? (bin) => `${formatDateTime(bin.low).slice(0, -4)} – ${formatClock(bin.high).slice(0, -4)}`
            : (bin) => `${formatDuration(bin.low)} – ${formatDuration(bin.high)}`
        }
        unit="trace"
        label={overTime ? 'Traces over time' : 'Response time distribution'}
      />
      <Legend variant="bars" />
    </Container>
  )
}

/** Wall-clock labels under about every sixth of the chart. */
function timeTicks(bins: readonly Bin[]): Tick[] {
  const first = bins[0]
  const last = bins.at(-1)
  if (!first || !last) return []
  const length = last.high - first.low
  const step = TIME_STEPS.find((seconds) => length / seconds <= 8) ?? 7 * 86_400
  const offset = new Date(first.low * 1000).getTimezoneOffset() * 60
  const ticks: Tick[] = []
  for (let at = Math.ceil((first.low - offset) / step) * step + offset; at <= last.high; at += step) {
    ticks.push({ label: timeLabel(at, step), place: (at - first.low) / length })
  }
  return ticks
}

const TIME_STEPS = [1, 5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400]

function timeLabel(seconds: number, step: number): string {
  const text = formatDateTime(seconds)
  if (step >= 86_400) return text.slice(5, 10)
  return step < 60 ? text.slice(11, 19) : text.slice(11, 16)
}
