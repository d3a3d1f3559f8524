// Server data as TanStack queries: what is cached under which key, and how often it is fetched again.

import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { formatTimeRange, LONGEST_RANGE, resolveTimeRange, type Interval, type TimeRange } from '../url/timeRange.ts'
import {
  getRawTrace,
  getSegment,
  getStatus,
  getTrace,
  searchTraces,
  type SearchAnswer,
  type Status,
  type TraceFilter,
} from './internal.ts'
import { getGroups, getSamplingRules, getServiceGraph, getTraceGraph, type GraphFilter } from './xray.ts'

/** Traces per page of the list. */
export const PAGE_SIZE = 100
/** Pages the list holds; past that the way forward is a narrower filter. */
export const MAX_PAGES = 10

const WAITING_POLL_MS = 1000
const STATUS_POLL_MS = 15_000

/** True until the first document ever arrives. */
export function isWaitingForFirstTrace(status: Status): boolean {
  return status.traces === 0 && status.documentsAccepted === 0 && status.lastDocumentAt === null
}

export function useStatus() {
  return useQuery({
    queryKey: ['status'],
    queryFn: ({ signal }) => getStatus(signal),
    refetchInterval: ({ state }) => {
      const busy = !state.data || isWaitingForFirstTrace(state.data) || state.data.sampleTraffic.running
      return busy ? WAITING_POLL_MS : STATUS_POLL_MS
    },
  })
}

/** Auto refresh in milliseconds; false for none. The queries pause by themselves while the tab is hidden. */
export type RefreshInterval = number | false

export function useServiceGraph(range: TimeRange, filter: GraphFilter, refresh: RefreshInterval) {
  return useQuery({
    queryKey: ['service-graph', formatTimeRange(range), filter],
    queryFn: async ({ signal }) => {
      const interval = resolveTimeRange(range, Date.now() / 1000)
      return { interval, services: await getServiceGraph(interval.start, interval.end, filter, signal) }
    },
    placeholderData: keepPreviousData,
    refetchInterval: refresh,
  })
}

interface PageParam {
  interval: Interval | null
  next: string | null
}

export type SearchPage = SearchAnswer & { interval: Interval }

export function useTraceSearch(range: TimeRange, filter: TraceFilter, refresh: RefreshInterval) {
  const first: PageParam = { interval: null, next: null }
  return useInfiniteQuery({
    queryKey: ['traces', formatTimeRange(range), filter],
    queryFn: async ({ pageParam, signal }): Promise<SearchPage> => {
      // Later pages continue the first one's list, so they ask about the same interval.
      const interval = pageParam.interval ?? resolveTimeRange(range, Date.now() / 1000)
      const { outcomes, ...conditions } = filter
      const body = {
        ...interval,
        ...conditions,
        ...(outcomes.length > 0 && { outcomes }),
        ...(pageParam.next && { next: pageParam.next }),
        limit: PAGE_SIZE,
      }
      return { ...(await searchTraces(body, signal)), interval }
    },
    initialPageParam: first,
    getNextPageParam: (page): PageParam | undefined =>
      page.next ? { interval: page.interval, next: page.next } : undefined,
    placeholderData: keepPreviousData,
    // Whoever loaded more reads on; rows that move away under the eye would be no help.
    refetchInterval: ({ state }) => (state.data && state.data.pages.length > 1 ? false : refresh),
  })
}

/** The start of the newest trace of the last `LONGEST_RANGE` that passes a filter, in epoch seconds; null without any. */
export function useNewestTrace(filter: TraceFilter) {
  return useQuery({
    queryKey: ['newest-trace', filter],
    queryFn: async ({ signal }) => {
      const { outcomes, ...conditions } = filter
      const interval = resolveTimeRange(LONGEST_RANGE, Date.now() / 1000)
      const body = { ...interval, ...conditions, ...(outcomes.length > 0 && { outcomes }), limit: 1 }
      const { traces } = await searchTraces(body, signal)
      return traces[0]?.startTime ?? null
    },
  })
}

export function useTrace(traceId: string, refresh: RefreshInterval) {
  return useQuery({
    queryKey: ['trace', traceId],
    queryFn: ({ signal }) => getTrace(traceId, signal),
    // A finished trace seldom changes; one in progress is worth watching.
    refetchInterval: ({ state }) => (state.data?.isPartial ? refresh : false),
  })
}

export function useTraceGraph(traceId: string, revision: number) {
  return useQuery({
    queryKey: ['trace-graph', traceId, revision],
    queryFn: ({ signal }) => getTraceGraph(traceId, signal),
    placeholderData: keepPreviousData,
  })
}

export function useSegment(traceId: string, segmentId: string, revision: number) {
  return useQuery({
    queryKey: ['segment', traceId, segmentId, revision],
    queryFn: ({ signal }) => getSegment(traceId, segmentId, signal),
  })
}

export function useRawTrace(traceId: string, revision: number, enabled = true) {
  return useQuery({
    queryKey: ['raw-trace', traceId, revision],
    queryFn: ({ signal }) => getRawTrace(traceId, signal),
    enabled,
  })
}

export function useGroups() {
  return useQuery({ queryKey: ['groups'], queryFn: ({ signal }) => getGroups(signal) })
}

export function useSamplingRules() {
  return useQuery({ queryKey: ['sampling-rules'], queryFn: ({ signal }) => getSamplingRules(signal) })
}
