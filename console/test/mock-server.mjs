// A server that speaks the console's side of Roentgen's API from fixtures: for work on the front end without Rust, and
// for looking at large maps and traces. It serves dist/ too, with the headers of the real server.
//
//   npm run mock            on port 2000, with traffic       PORT=0 picks a free port
//   npm run mock -- --empty waits for "Generate sample traffic", as a fresh server does

import { createReadStream, existsSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readFilter } from './fixtures/filter.mjs'
import { NODES, serviceGraph } from './fixtures/shop.mjs'
import { createDocument, createSummaries, createTrace } from './fixtures/traces.mjs'

const DIST = fileURLToPath(new URL('../dist/', import.meta.url))
const MIME = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' }
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const now = () => Date.now() / 1000

/** Starts the server; gives its address and `close`. */
export async function startMockServer({ port = 0, empty = false } = {}) {
  const state = { startedAt: now(), hasTraffic: !empty, trafficUntil: null, summaries: [] }
  if (state.hasTraffic) state.summaries = createSummaries(now())
  const server = createServer((request, response) => {
    answer(state, server, request, response).catch((error) => send(response, 500, { Message: String(error) }))
  })
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  const close = () =>
    new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections()
    })
  return { url: `http://127.0.0.1:${server.address().port}`, port: server.address().port, close }
}

async function answer(state, server, request, response) {
  const path = new URL(request.url, 'http://mock').pathname
  const body = request.method === 'POST' ? JSON.parse((await readBody(request)) || '{}') : {}
  const [, traceId, rest, segmentId] = /^\/api\/v1\/traces\/([^/]+)(?:\/(segments|raw)(?:\/([^/]+))?)?$/.exec(path) ?? []
  if (path === '/healthz') return send(response, 200, { status: 'ok' })
  if (path === '/api/v1/status') return send(response, 200, status(state, server))
  if (path === '/api/v1/sample-traffic') return sampleTraffic(state, response)
  if (path === '/ServiceGraph') return graph(state, body, response)
  if (path === '/Groups') return send(response, 200, { Groups: GROUPS })
  if (path === '/TraceGraph') return traceGraph(state, body, response)
  if (path === '/GetSamplingRules') return send(response, 200, { SamplingRuleRecords: RULES })
  if (path === '/api/v1/traces/search') return refusing(response, () => search(state, body))
  if (traceId) return trace(state, traceId, rest, segmentId, response)
  return file(path, response)
}

const GROUPS = [
  { GroupName: 'Default', GroupARN: 'arn:aws:xray:us-east-1:000000000000:group/Default' },
  { GroupName: 'slow', GroupARN: 'arn:aws:xray:us-east-1:000000000000:group/slow/ABC', FilterExpression: 'responsetime > 1' },
]

const RULES = [
  { SamplingRule: { RuleName: 'checkout-all', Priority: 10, FixedRate: 1, ReservoirSize: 5, ServiceName: 'checkout', ServiceType: '*', Host: '*', HTTPMethod: 'POST', URLPath: '/api/checkout', ResourceARN: '*', Version: 1, Attributes: {} } },
  { SamplingRule: { RuleName: 'Default', Priority: 10000, FixedRate: 0.05, ReservoirSize: 1, ServiceName: '*', ServiceType: '*', Host: '*', HTTPMethod: '*', URLPath: '*', ResourceARN: '*', Version: 1, Attributes: {} } },
]

function status(state, server) {
  const { port } = server.address()
  return {
    version: '0.1.0-mock', startedAt: state.startedAt, now: now(), address: `127.0.0.1:${port}`, dataDirectory: './roentgen-data',
    documentsAccepted: state.hasTraffic ? 48_210 : 0, documentsRejected: state.hasTraffic ? 3 : 0, rejectedByReason: state.hasTraffic ? { MissingId: 3 } : {},
    lastDocumentAt: state.summaries[0]?.startTime ?? null, traces: state.summaries.length, storeBytes: state.hasTraffic ? 11_400_000 : 0,
    sampleTraffic: { running: (state.trafficUntil ?? 0) > now(), endsAt: state.trafficUntil },
  }
}

function sampleTraffic(state, response) {
  if ((state.trafficUntil ?? 0) > now()) return send(response, 409, { Message: 'sample traffic is running already' })
  state.trafficUntil = now() + 60
  setTimeout(() => {
    state.hasTraffic = true
    state.summaries = createSummaries(now(), 60, 10)
  }, 1500).unref()
  return send(response, 202, { endsAt: state.trafficUntil })
}

/** Sends what the work gives; an expression that cannot be read is refused. */
function refusing(response, work) {
  try {
    return send(response, 200, work())
  } catch (error) {
    return send(response, 400, { Message: error.message })
  }
}

const groupExpression = (name) => GROUPS.find(({ GroupName }) => GroupName === name)?.FilterExpression

function graph(state, { StartTime: start, EndTime: end, FilterExpression: expression, GroupName: group }, response) {
  return refusing(response, () => {
    const isMatch = [expression, groupExpression(group)].map(readFilter)
    if (!expression && !group) return { Services: state.hasTraffic ? serviceGraph(start, end) : [], NextToken: null }
    const found = state.summaries.filter((trace) => trace.startTime >= start && trace.startTime <= end && isMatch.every((test) => test(trace)))
    const names = new Set(['client', ...found.flatMap((trace) => trace.services.map(({ name }) => name))])
    return { Services: found.length > 0 ? serviceGraph(start, end, [...names].filter((name) => name in NODES)) : [], NextToken: null }
  })
}

function findSummary(state, id) {
  const xrayId = /^[0-9a-f]{32}$/.test(id) ? `1-${id.slice(0, 8)}-${id.slice(8)}` : id
  const idx = state.summaries.findIndex((summary) => summary.id === xrayId)
  return idx < 0 ? null : { summary: state.summaries[idx], size: idx === 10 ? 10_000 : idx === 7 ? 1000 : state.summaries[idx].segmentCount }
}

function traceGraph(state, { TraceIds: [id] }, response) {
  const found = findSummary(state, id)
  const names = found ? ['client', ...found.summary.services.map((service) => service.name)] : []
  return send(response, 200, { Services: serviceGraph(0, 60, names.filter((name) => name in NODES)), NextToken: null })
}

function trace(state, id, rest, segmentId, response) {
  const found = findSummary(state, id)
  if (!found) return send(response, 404, { Message: `no trace ${id}` })
  const full = createTrace(found.summary, found.size)
  if (!rest) return send(response, 200, full)
  if (rest === 'segments') {
    const row = full.rows.id.indexOf(segmentId)
    return row < 0 ? send(response, 404, { Message: `no segment ${segmentId} in trace ${id}` }) : send(response, 200, createDocument(full, row))
  }
  const documents = full.rows.id.map((_, row) => createDocument(full, row))
  for (const [row, kind] of full.rows.kind.entries()) {
    if (kind === 'subsegment') (documents[full.rows.parent[row]].subsegments ??= []).push(documents[row])
  }
  const segments = documents.filter((_, row) => full.rows.kind[row] === 'segment')
  return send(response, 200, { processed: segments, originals: segments.map((document) => ({ receivedAt: (document.end_time ?? document.start_time) + 0.2, document: JSON.stringify(document) })) })
}

const outcome = (trace) => (trace.hasFault ? 'fault' : trace.hasThrottle ? 'throttle' : trace.hasError ? 'error' : 'ok')

function matches(trace, filter) {
  const has = (name) => trace.services.some((service) => service.name === name)
  const text = filter.text?.toLowerCase()
  return trace.startTime >= filter.start && trace.startTime <= filter.end &&
    (!filter.node || filter.node.type === 'client' || has(filter.node.name)) &&
    (!filter.edge || ((filter.edge.from.type === 'client' || has(filter.edge.from.name)) && has(filter.edge.to.name))) &&
    (!filter.outcomes?.length || filter.outcomes.includes(outcome(trace))) &&
    (filter.minResponseTime === undefined || trace.responseTime >= filter.minResponseTime) &&
    (filter.maxResponseTime === undefined || trace.responseTime <= filter.maxResponseTime) &&
    (!filter.method || trace.http.method === filter.method) && (!filter.status || trace.http.status === filter.status) &&
    (!filter.user || trace.users.includes(filter.user)) &&
    (!text || JSON.stringify([trace.id, trace.http.url, trace.services, trace.users, trace.annotations]).toLowerCase().includes(text))
}

const emptySeries = (size) => Object.fromEntries(['ok', 'error', 'throttle', 'fault'].map((name) => [name, Array.from({ length: size }, () => 0)]))

function search(state, filter) {
  const inRange = state.summaries.filter((trace) => trace.startTime >= filter.start && trace.startTime <= filter.end)
  const isMatch = [filter.filterExpression, groupExpression(filter.groupName)].map(readFilter)
  const found = inRange.filter((trace) => matches(trace, filter) && isMatch.every((test) => test(trace)))
  const times = found.map((trace) => trace.responseTime)
  const bins = 44
  const low = Math.log(Math.min(...times) * 0.98), high = Math.log(Math.max(...times) * 1.02)
  const histogram = { edges: found.length ? Array.from({ length: bins + 1 }, (_, idx) => Math.exp(low + ((high - low) * idx) / bins)) : [], ...emptySeries(found.length ? bins : 0) }
  const step = Math.max(1, Math.ceil((filter.end - filter.start) / 60))
  const start = Math.floor(filter.start / step) * step
  const series = { start, step, ...emptySeries(Math.ceil((filter.end - start) / step)) }
  for (const trace of found) {
    histogram[outcome(trace)][Math.min(bins - 1, Math.floor(((Math.log(trace.responseTime) - low) / (high - low)) * bins))] += 1
    series[outcome(trace)][Math.min(series.ok.length - 1, Math.floor((trace.startTime - start) / step))] += 1
  }
  const facet = (values) => {
    const counts = new Map()
    for (const value of found.flatMap(values)) counts.set(value, (counts.get(value) ?? 0) + 1)
    return [...counts].map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count).slice(0, 20)
  }
  const from = Number(filter.next ?? 0), limit = filter.limit ?? 100
  return {
    traces: found.slice(from, from + limit), next: from + limit < found.length ? String(from + limit) : null, matched: found.length, scanned: inRange.length, complete: true,
    averageResponseTime: times.length ? times.reduce((sum, time) => sum + time, 0) / times.length : null,
    p95ResponseTime: times.toSorted((a, b) => a - b)[Math.ceil(times.length * 0.95) - 1] ?? null, histogram, series,
    facets: { service: facet((t) => t.services.map((s) => s.name)), url: facet((t) => [t.http.url]), status: facet((t) => [t.http.status]), method: facet((t) => [t.http.method]), user: facet((t) => t.users) },
  }
}

function file(path, response) {
  const target = join(DIST, normalize(path === '/' ? '/index.html' : path))
  if (!target.startsWith(DIST) || !existsSync(target) || !statSync(target).isFile()) return send(response, 404, { Message: `nothing at ${path}` })
  response.writeHead(200, { 'content-type': MIME[extname(target)] ?? 'application/octet-stream', 'content-security-policy': POLICY, 'cache-control': 'no-cache' })
  createReadStream(target).pipe(response)
}

function send(response, code, body) {
  response.writeHead(code, { 'content-type': 'application/json', 'x-amzn-requestid': 'mock-0001' })
  response.end(JSON.stringify(body))
}

async function readBody(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await startMockServer({ port: Number(process.env.PORT ?? 2000), empty: process.argv.includes('--empty') })
  process.stdout.write(`mock server on ${url}\n`)
}
