// The X-Ray operations the console uses, as any X-Ray client would call them. Times are epoch seconds.

import { request } from './http.ts'

export interface FaultStatistics {
  OtherCount?: number
  TotalCount?: number
}

export interface ErrorStatistics extends FaultStatistics {
  ThrottleCount?: number
}

export interface SummaryStatistics {
  OkCount?: number
  ErrorStatistics?: ErrorStatistics
  FaultStatistics?: FaultStatistics
  TotalCount?: number
  TotalResponseTime?: number
}

/** One bar: how many requests took `Value` seconds. */
export interface HistogramEntry {
  Value?: number
  Count?: number
}

export interface Edge {
  ReferenceId?: number
  SummaryStatistics?: SummaryStatistics
  ResponseTimeHistogram?: HistogramEntry[]
  EdgeType?: string
}

export interface Service {
  ReferenceId?: number
  Name?: string
  Names?: string[]
  Root?: boolean
  AccountId?: string
  Type?: string
  State?: string
  StartTime?: number
  EndTime?: number
  Edges?: Edge[]
  SummaryStatistics?: SummaryStatistics
  DurationHistogram?: HistogramEntry[]
  ResponseTimeHistogram?: HistogramEntry[]
}

export interface SamplingRule {
  RuleName?: string
  Priority?: number
  FixedRate?: number
  ReservoirSize?: number
  ServiceName?: string
  ServiceType?: string
  Host?: string
  HTTPMethod?: string
  URLPath?: string
  ResourceARN?: string
  Attributes?: Record<string, string>
}

export interface Group {
  GroupName?: string
  GroupARN?: string
  FilterExpression?: string
}

interface GroupPage {
  Groups?: Group[]
  NextToken?: string | null
}

interface ServicePage {
  Services?: Service[]
  NextToken?: string | null
}

interface RulePage {
  SamplingRuleRecords?: { SamplingRule?: SamplingRule }[]
  NextToken?: string | null
}

/** The server says how many services a page has; this many pages are more than a map can show. */
const MAX_PAGES = 50

export interface GraphFilter {
  GroupName?: string
  /** An addition of Roentgen's to the operation. */
  FilterExpression?: string
}

export async function getServiceGraph(
  start: number,
  end: number,
  filter: GraphFilter,
  signal?: AbortSignal,
): Promise<Service[]> {
  return pages(async (token) => {
    const body = { StartTime: start, EndTime: end, ...filter, ...(token && { NextToken: token }) }
    const page = await request<ServicePage>('ServiceGraph', body, signal)
    return { items: page.Services ?? [], next: page.NextToken }
  })
}

export async function getTraceGraph(traceId: string, signal?: AbortSignal): Promise<Service[]> {
  return pages(async (token) => {
    const body = { TraceIds: [traceId], ...(token && { NextToken: token }) }
    const page = await request<ServicePage>('TraceGraph', body, signal)
    return { items: page.Services ?? [], next: page.NextToken }
  })
}

export async function getGroups(signal?: AbortSignal): Promise<Group[]> {
  return pages(async (token) => {
    const page = await request<GroupPage>('Groups', token ? { NextToken: token } : {}, signal)
    return { items: page.Groups ?? [], next: page.NextToken }
  })
}

export async function getSamplingRules(signal?: AbortSignal): Promise<SamplingRule[]> {
  const records = await pages(async (token) => {
    const page = await request<RulePage>('GetSamplingRules', token ? { NextToken: token } : {}, signal)
    return { items: page.SamplingRuleRecords ?? [], next: page.NextToken }
  })
  return records.flatMap((record) => record.SamplingRule ?? [])
}

async function pages<T>(
  get: (token: string | undefined) => Promise<{ items: T[]; next: string | null | undefined }>,
): Promise<T[]> {
  const all: T[] = []
  let token: string | undefined
  for (let count = 0; count < MAX_PAGES; count += 1) {
    const { items, next } = await get(token)
    all.push(...items)
    if (!next) break
    token = next
  }
  return all
}
