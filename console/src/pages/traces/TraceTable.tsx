// The list of traces, newest first, page after page.

import { useCollection } from '@cloudscape-design/collection-hooks'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import Header from '@cloudscape-design/components/header'
import Link from '@cloudscape-design/components/link'
import Table, { type TableProps } from '@cloudscape-design/components/table'
import type { ReactNode } from 'react'
import { MAX_PAGES, PAGE_SIZE } from '../../api/queries.ts'
import type { TraceSummary } from '../../api/internal.ts'
import { formatClock, formatCount, formatDateTime, formatDuration, timeZone } from '../../model/format.ts'
import { outcomeOf, OUTCOMES } from '../../model/outcome.ts'
import { OutcomeLabel } from '../../ui/OutcomeLabel.tsx'
import { href } from '../../url/location.ts'
import { shortTraceId } from '../../url/traceId.ts'

interface Props {
  traces: readonly TraceSummary[]
  matched: number | null
  /** False when there may be more matches than were counted. */
  isComplete: boolean
  isLoading: boolean
  hasMore: boolean
  isLoadingMore: boolean
  onLoadMore: () => void
  onExport: () => void
  filter: ReactNode
  empty: ReactNode
}

/** What was asked for: a trace without a request is known by where it began. */
const target = (trace: TraceSummary) => trace.http.url ?? trace.entryPoint?.name ?? '–'
const responseTime = (trace: TraceSummary) => trace.responseTime ?? trace.duration

const COLUMNS: TableProps.ColumnDefinition<TraceSummary>[] = [
  {
    id: 'id',
    header: 'Trace ID',
    isRowHeader: true,
    minWidth: 160,
    cell: (trace) => (
      <Link href={href({ page: 'trace', traceId: trace.id, view: 'timeline' })}>
        <span className="mono" title={trace.id}>
          {shortTraceId(trace.id)}
        </span>
      </Link>
    ),
  },
  {
    id: 'outcome',
    header: 'Status',
    minWidth: 110,
    cell: (trace) => <OutcomeLabel outcome={outcomeOf(trace)} inProgress={trace.isPartial} />,
    sortingComparator: (a, b) => OUTCOMES.indexOf(outcomeOf(a)) - OUTCOMES.indexOf(outcomeOf(b)),
  },
  {
    id: 'start',
    header: <span title={`Times are in ${timeZone()}`}>Start time</span>,
    minWidth: 120,
    cell: (trace) => <span title={formatDateTime(trace.startTime)}>{formatClock(trace.startTime)}</span>,
    sortingComparator: (a, b) => a.startTime - b.startTime,
  },
  { id: 'method', header: 'Method', minWidth: 90, cell: (trace) => trace.http.method ?? '–', sortingComparator: byText((trace) => trace.http.method) },
  {
    id: 'url',
    header: 'URL or entry point',
    minWidth: 240,
    maxWidth: 420,
    cell: (trace) => (
      <span className="one-line" title={target(trace)}>
        {target(trace).replace(/^https?:\/\//, '')}
      </span>
    ),
    sortingComparator: byText(target),
  },
  { id: 'code', header: 'Code', minWidth: 76, cell: (trace) => trace.http.status ?? '–', sortingComparator: (a, b) => (a.http.status ?? 0) - (b.http.status ?? 0) },
  { id: 'responseTime', header: 'Response', minWidth: 105, cell: (trace) => formatDuration(responseTime(trace)), sortingComparator: (a, b) => responseTime(a) - responseTime(b) },
  { id: 'duration', header: 'Duration', minWidth: 100, cell: (trace) => formatDuration(trace.duration), sortingComparator: (a, b) => a.duration - b.duration },
]

export function TraceTable(props: Props) {
  const { traces, matched, isComplete, isLoading, hasMore, isLoadingMore, onLoadMore, onExport, filter, empty } = props
  const { items, collectionProps } = useCollection(traces, {
    sorting: { defaultState: { sortingColumn: COLUMNS[2] ?? {}, isDescending: true } },
  })
  const isFull = traces.length >= MAX_PAGES * PAGE_SIZE
  const counted = Math.max(matched ?? 0, traces.length)
  const total = `${formatCount(counted)}${isComplete ? '' : '+'}`
  const counter = matched === null ? '' : traces.length < counted ? `(${formatCount(traces.length)} of ${total})` : `(${total})`
  return (
    <Table<TraceSummary>
      {...collectionProps}
      items={items}
      columnDefinitions={COLUMNS}
      trackBy="id"
      variant="container"
      contentDensity="compact"
      stickyHeader
      resizableColumns={false}
      loading={isLoading}
      loadingText="Searching traces"
      ariaLabels={{ tableLabel: 'Traces' }}
      filter={filter}
      empty={empty}
      header={
        <Header
          counter={counter}
          description={hasMore ? 'Newest first. Sorting by a column orders the loaded traces only.' : undefined}
          actions={
            <Button iconName="download" disabled={traces.length === 0} onClick={onExport}>
              Export JSON
            </Button>
          }
        >
          Traces
        </Header>
      }
      footer={
        hasMore ? (
          <Box textAlign="center">
            {isFull ? (
              <Box color="text-body-secondary">
                {formatCount(traces.length)} traces are loaded. Narrow the filter or the time range to see others.
              </Box>
            ) : (
              <Button loading={isLoadingMore} onClick={onLoadMore}>
                {traces.length < counted ? `Load ${formatCount(Math.min(PAGE_SIZE, counted - traces.length))} more` : 'Search older traces'}
              </Button>
            )}
          </Box>
        ) : undefined
      }
    />
  )
}

function byText(read: (trace: TraceSummary) => string | null | undefined) {
  return (a: TraceSummary, b: TraceSummary) => (read(a) ?? '').localeCompare(read(b) ?? '')
}
