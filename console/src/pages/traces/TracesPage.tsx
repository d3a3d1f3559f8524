// The traces: figures, two charts, values to refine by, and the list itself.

import Alert from '@cloudscape-design/components/alert'
import Grid from '@cloudscape-design/components/grid'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useMemo } from 'react'
import type { TraceFilter } from '../../api/internal.ts'
import { useTraceSearch } from '../../api/queries.ts'
import { formatCount } from '../../model/format.ts'
import { downloadText } from '../../ui/download.ts'
import { ErrorPanel } from '../../ui/ErrorPanel.tsx'
import { NoTraces } from '../../ui/NoTraces.tsx'
import { PageFrame } from '../../ui/PageFrame.tsx'
import { RangePicker } from '../../ui/RangePicker.tsx'
import { RefreshButton, useRefreshInterval } from '../../ui/RefreshButton.tsx'
import { navigate, useLocation } from '../../url/location.ts'
import { readFilter, readRange, withParams, writeFilter, writeRange } from '../../url/params.ts'
import type { TimeRange } from '../../url/timeRange.ts'
import { FilterBar } from './FilterBar.tsx'
import { looksLikeExpression } from './filterExpression.ts'
import { Refiner } from './Refiner.tsx'
import { TraceCharts } from './TraceCharts.tsx'
import { TraceStatistics } from './TraceStatistics.tsx'
import { TraceTable } from './TraceTable.tsx'

export function TracesPage() {
  const { route, params } = useLocation()
  const range = readRange(params)
  const filter = useMemo(() => readFilter(params), [params])
  const search = useTraceSearch(range, filter, useRefreshInterval())

  const answer = search.data?.pages[0]
  const traces = useMemo(() => search.data?.pages.flatMap((page) => page.traces) ?? [], [search.data])
  const expression = params.get('filter')

  const setRange = (next: TimeRange) => navigate(route, writeRange(params, next))
  const setFilter = (next: TraceFilter) => navigate(route, writeFilter(params, next))
  return (
    <PageFrame title="Traces">
      <SpaceBetween size="m">
        <Header
          variant="h1"
          description="Find traces, then open one to see its timeline, its map and its raw documents."
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              <RangePicker range={range} onChange={setRange} />
              <RefreshButton isRefreshing={search.isFetching} onRefresh={() => void search.refetch()} />
            </SpaceBetween>
          }
        >
          Traces
        </Header>
        {expression && (
          <Alert type="info" header="The filter expression of this link is not evaluated" dismissible onDismiss={() => navigate(route, withParams(params, { filter: null }), 'replace')}>
            This version filters by the conditions below. The link asked for: <code>{expression}</code>
          </Alert>
        )}
        {search.error && (
          <ErrorPanel title="The traces could not be searched" error={search.error} onRetry={() => void search.refetch()} />
        )}
        {answer && (
          <TraceStatistics
            answer={answer}
            outcomes={filter.outcomes}
            onOutcomes={(outcomes) => setFilter({ ...filter, outcomes })}
          />
        )}
        {(!answer || answer.matched > 0) && (
          <Grid gridDefinition={[{ colspan: { default: 12, m: 8 } }, { colspan: { default: 12, m: 4 } }]}>
            <TraceCharts
              answer={answer}
              chart={params.get('chart') === 'over-time' ? 'over-time' : 'response-time'}
              onChart={(chart) => navigate(route, withParams(params, { chart: chart === 'over-time' ? chart : null }), 'replace')}
              onResponseTime={(low, high) =>
                setFilter({ ...filter, minResponseTime: round(low), maxResponseTime: round(high) })
              }
              onTime={(start, end) => setRange({ kind: 'absolute', start, end })}
            />
            <Refiner answer={answer} filter={filter} onFilter={setFilter} />
          </Grid>
        )}
        <TraceTable
          traces={traces}
          matched={answer?.matched ?? null}
          isLoading={search.isPending}
          hasMore={search.hasNextPage}
          isLoadingMore={search.isFetchingNextPage}
          onLoadMore={() => void search.fetchNextPage()}
          onExport={() => downloadText('traces.json', JSON.stringify(traces, null, 2))}
          filter={
            <FilterBar
              filter={filter}
              facets={answer?.facets}
              countText={answer ? `${formatCount(answer.matched)} ${answer.matched === 1 ? 'match' : 'matches'}` : ''}
              onChange={setFilter}
            />
          }
          empty={
            <NoTraces
              range={range}
              onRange={setRange}
              filter={filter}
              onClearFilter={() => setFilter({ outcomes: [] })}
              hint={
                filter.text !== undefined &&
                looksLikeExpression(filter.text) &&
                'Filter expressions are not available yet; choose Service, Response code, Response time … from the list.'
              }
            />
          }
        />
      </SpaceBetween>
    </PageFrame>
  )
}

/** Four digits bound a bar well enough and keep the address short. */
function round(seconds: number): number {
  return Number(seconds.toPrecision(4))
}
