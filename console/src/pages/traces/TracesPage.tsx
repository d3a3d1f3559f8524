// The traces: figures, two charts, values to refine by, and the list itself.

import Grid from '@cloudscape-design/components/grid'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useMemo } from 'react'
import type { SearchAnswer, TraceFilter } from '../../api/internal.ts'
import { useTraceSearch } from '../../api/queries.ts'
import { formatCount } from '../../model/format.ts'
import { downloadText } from '../../ui/download.ts'
import { ErrorPanel } from '../../ui/ErrorPanel.tsx'
import { ExpressionField, mistakeOf } from '../../ui/ExpressionField.tsx'
import { GroupPicker } from '../../ui/GroupPicker.tsx'
import { NoTraces } from '../../ui/NoTraces.tsx'
import { PageFrame } from '../../ui/PageFrame.tsx'
import { RangePicker } from '../../ui/RangePicker.tsx'
import { RefreshButton, useRefreshInterval } from '../../ui/RefreshButton.tsx'
import { navigate, useLocation } from '../../url/location.ts'
import { readFilter, readRange, withParams, writeFilter, writeRange } from '../../url/params.ts'
import type { TimeRange } from '../../url/timeRange.ts'
import { FilterBar } from './FilterBar.tsx'
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
  const expression = filter.filterExpression ?? ''
  const mistake = mistakeOf(expression, search.error)

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
              <GroupPicker
                groupName={filter.groupName}
                onChange={(groupName) => navigate(route, withParams(params, { group: groupName }))}
              />
              <RangePicker range={range} onChange={setRange} />
              <RefreshButton isRefreshing={search.isFetching} onRefresh={() => void search.refetch()} />
            </SpaceBetween>
          }
        >
          Traces
        </Header>
        <ExpressionField
          expression={expression}
          mistake={mistake}
          onSearch={(filterExpression) => navigate(route, withParams(params, { filter: filterExpression }))}
        />
        {search.error && !mistake && (
          <ErrorPanel title="The traces could not be searched" error={search.error} onRetry={() => void search.refetch()} />
        )}
        {answer && !search.error && (
          <TraceStatistics
            answer={answer}
            outcomes={filter.outcomes}
            onOutcomes={(outcomes) => setFilter({ ...filter, outcomes })}
          />
        )}
        {!search.error && (!answer || answer.matched > 0) && (
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
          isComplete={answer?.complete ?? true}
          isLoading={search.isPending}
          hasMore={search.hasNextPage}
          isLoadingMore={search.isFetchingNextPage}
          onLoadMore={() => void search.fetchNextPage()}
          onExport={() => downloadText('traces.json', JSON.stringify(traces, null, 2))}
          filter={
            <FilterBar
              filter={filter}
              facets={answer?.facets}
              countText={answer ? countMatches(answer) : ''}
              onChange={setFilter}
            />
          }
          empty={
            search.error ? (
              <p className="quiet">Nothing was searched.</p>
            ) : search.hasNextPage ? (
              <p className="quiet">None of the newest traces match. Older ones were not looked at yet.</p>
            ) : (
              <NoTraces range={range} onRange={setRange} filter={filter} onClearFilter={() => setFilter({ outcomes: [] })} />
            )
          }
        />
      </SpaceBetween>
    </PageFrame>
  )
}

function countMatches({ matched, complete }: SearchAnswer): string {
  return `${formatCount(matched)}${complete ? '' : '+'} ${matched === 1 && complete ? 'match' : 'matches'}`
}

/** Four digits bound a bar well enough and keep the address short. */
function round(seconds: number): number {
  return Number(seconds.toPrecision(4))
}
