import { expect, test } from 'vitest'
import type { Service } from '../../src/api/xray.ts'
import { averageLatency, buildServiceMap, busiestRoot, edgeKey, neighbourhood, nodeKey } from '../../src/model/graph.ts'
import { layoutMap, layoutSignature, splinePath } from '../../src/model/layout.ts'
import { worstOutcome } from '../../src/model/outcome.ts'
import { viewportFor } from '../../src/pages/map/viewport.ts'
import { ringArcs } from '../../src/ui/Ring.tsx'

function statistics(ok: number, error: number, throttle: number, fault: number, time: number) {
  const TotalCount = ok + error + throttle + fault
  return {
    OkCount: ok,
    ErrorStatistics: { ThrottleCount: throttle, OtherCount: error, TotalCount: throttle + error },
    FaultStatistics: { OtherCount: fault, TotalCount: fault },
    TotalCount,
    TotalResponseTime: time,
  }
}

const SERVICES: Service[] = [
  {
    ReferenceId: 0,
    Name: 'shop',
    Type: 'client',
    Edges: [{ ReferenceId: 1, SummaryStatistics: statistics(8, 1, 0, 1, 5), ResponseTimeHistogram: [{ Value: 0.5, Count: 10 }] }],
  },
  {
    ReferenceId: 1,
    Name: 'shop',
    Type: 'AWS::ECS::Container',
    Root: true,
    SummaryStatistics: statistics(8, 1, 0, 1, 4),
    ResponseTimeHistogram: [{ Value: 0.4, Count: 10 }],
    Edges: [
      { ReferenceId: 2, SummaryStatistics: statistics(3, 0, 2, 0, 1), EdgeType: 'LINK' },
      { ReferenceId: 9, SummaryStatistics: statistics(1, 0, 0, 0, 1) },
    ],
  },
  { ReferenceId: 2, Name: 'queue' },
]

const CLIENT = nodeKey({ name: 'shop', type: 'client' })
const SHOP = nodeKey({ name: 'shop', type: 'AWS::ECS::Container' })
const QUEUE = nodeKey({ name: 'queue' })

test('nodes and calls of a graph, a call to nowhere left out', () => {
  const map = buildServiceMap(SERVICES)
  expect(map.nodes.map((node) => node.key).toSorted()).toEqual([CLIENT, SHOP, QUEUE].toSorted())
  expect(map.edges.map((edge) => edge.key).toSorted()).toEqual([edgeKey(CLIENT, SHOP), edgeKey(SHOP, QUEUE)].toSorted())
  expect(map.edgeByKey.get(edgeKey(SHOP, QUEUE))?.isLink).toBe(true)
})

test('a client has the figures of its calls, a service its own, and one without them those of its callers', () => {
  const map = buildServiceMap(SERVICES)
  const latency = (key: string) => averageLatency(map.nodeByKey.get(key)?.statistics ?? { counts: { ok: 0, error: 0, throttle: 0, fault: 0 }, total: 0, totalResponseTime: 0 })
  expect(latency(CLIENT)).toBe(0.5)
  expect(latency(SHOP)).toBe(0.4)
  expect(map.nodeByKey.get(QUEUE)?.statistics.counts).toEqual({ ok: 3, error: 0, throttle: 2, fault: 0 })
  expect(map.nodeByKey.get(CLIENT)?.histogram).toEqual([{ Value: 0.5, Count: 10 }])
})

test('services of one name and type are one node', () => {
  const map = buildServiceMap([...SERVICES, { ...SERVICES[1], ReferenceId: 5, Edges: [] }])
  expect(map.nodeByKey.get(SHOP)?.statistics.total).toBe(20)
  expect(map.nodes).toHaveLength(3)
})

test('the neighbourhood of a node and of a call', () => {
  const map = buildServiceMap(SERVICES)
  expect([...neighbourhood(map, SHOP)].toSorted()).toEqual([CLIENT, SHOP, QUEUE].toSorted())
  expect([...neighbourhood(map, QUEUE)].toSorted()).toEqual([SHOP, QUEUE].toSorted())
  expect([...neighbourhood(map, edgeKey(CLIENT, SHOP))].toSorted()).toEqual([CLIENT, SHOP].toSorted())
})

test('the order of services changes neither the layout nor its signature', () => {
  const [one, two] = [buildServiceMap(SERVICES), buildServiceMap(SERVICES.toReversed())]
  expect(layoutSignature(two)).toBe(layoutSignature(one))
  expect(layoutMap(two)).toEqual(layoutMap(one))
})

test('callers stand left of what they call, and every call has a path', () => {
  const layout = layoutMap(buildServiceMap(SERVICES))
  const x = (key: string) => layout.nodes.get(key)?.x ?? NaN
  expect(x(CLIENT)).toBeLessThan(x(SHOP))
  expect(x(SHOP)).toBeLessThan(x(QUEUE))
  for (const { path } of layout.edges.values()) expect(path).toMatch(/^M[-\d.]+,[-\d.]+L/)
})

test('services that call themselves or each other are laid out too', () => {
  const [client, shop, queue] = SERVICES
  const loop = { SummaryStatistics: statistics(1, 0, 0, 0, 1) }
  const map = buildServiceMap([
    { ...client },
    { ...shop, Edges: [{ ReferenceId: 1, ...loop }, { ReferenceId: 2, ...loop }] },
    { ...queue, Edges: [{ ReferenceId: 1, ...loop }] },
  ])
  const layout = layoutMap(map)
  expect(layout.edges.size).toBe(4)
  for (const { path } of layout.edges.values()) {
    expect(path).not.toBe('')
    expect(path).not.toContain('NaN')
  }
})

test('a spline goes through its ends', () => {
  expect(splinePath([])).toBe('')
  expect(splinePath([{ x: 0, y: 0 }, { x: 4, y: 2 }])).toBe('M0.0,0.0L4.0,2.0')
  const path = splinePath([{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 20, y: 10 }, { x: 30, y: 10 }])
  expect(path.startsWith('M0.0,0.0')).toBe(true)
  expect(path.endsWith('L30.0,10.0')).toBe(true)
})

test('a call is coloured by its worst outcome that is not a rarity', () => {
  expect(worstOutcome({ ok: 0, error: 0, throttle: 0, fault: 0 })).toBe('ok')
  expect(worstOutcome({ ok: 99, error: 0, throttle: 0, fault: 1 })).toBe('fault')
  expect(worstOutcome({ ok: 9999, error: 0, throttle: 0, fault: 1 })).toBe('ok')
  expect(worstOutcome({ ok: 50, error: 25, throttle: 25, fault: 0 })).toBe('throttle')
})

test('ring arcs fill the circle, and small trouble stays visible', () => {
  expect(ringArcs({ ok: 0, error: 0, throttle: 0, fault: 0 })).toEqual([])
  expect(ringArcs({ ok: 5, error: 0, throttle: 0, fault: 0 })).toEqual([{ outcome: 'ok', start: 0, width: 100 }])
  expect(ringArcs({ ok: 9999, error: 0, throttle: 0, fault: 1 })).toEqual([
    { outcome: 'fault', start: 0, width: 4 },
    { outcome: 'ok', start: 4, width: 96 },
  ])
  const crowded = ringArcs({ ok: 0, error: 1, throttle: 1, fault: 998 })
  expect(crowded.reduce((sum, arc) => sum + arc.width, 0)).toBeCloseTo(100)
})

test('the viewport shows all nodes within the frame', () => {
  const layout = layoutMap(buildServiceMap(SERVICES))
  const frame = { width: 800, height: 600 }
  const viewport = viewportFor(layout, { keys: null, anchor: null }, frame, 1.6)
  expect(viewport).not.toBeNull()
  for (const { x, y } of layout.nodes.values()) {
    const left = x * (viewport?.zoom ?? 0) + (viewport?.x ?? 0)
    const top = y * (viewport?.zoom ?? 0) + (viewport?.y ?? 0)
    expect(left).toBeGreaterThanOrEqual(0)
    expect(left).toBeLessThan(frame.width)
    expect(top).toBeGreaterThanOrEqual(0)
    expect(top).toBeLessThan(frame.height)
  }
  expect(viewportFor(layout, { keys: null, anchor: null }, { width: 0, height: 0 }, 1.6)).toBeNull()
  expect(viewportFor(layout, { keys: new Set(['nobody']), anchor: null }, frame, 1.6)).toBeNull()
})

test('a map too large to read whole starts at its anchor, without empty room beyond its edge', () => {
  const places = Array.from({ length: 60 }, (_, idx) => [`n${idx}`, { x: (idx % 20) * 300, y: Math.floor(idx / 20) * 60 }] as const)
  const layout = { nodes: new Map(places), nodeWidth: 200 }
  const frame = { width: 1000, height: 700 }
  const start = viewportFor(layout, { keys: null, anchor: 'n20' }, frame, 1.6)
  expect(start?.zoom).toBe(0.5)
  // The left edge stands beside the zoom buttons.
  expect(start?.x).toBeCloseTo(58)
  const middle = viewportFor(layout, { keys: null, anchor: 'n30' }, frame, 1.6)
  expect((middle?.x ?? 0) + (3000 + 100) * (middle?.zoom ?? 0)).toBeCloseTo(58 + (1000 - 58 - 22) / 2)
  const whole = viewportFor(layout, { keys: null, anchor: null }, frame, 1.6)
  expect((whole?.x ?? 0) + (19 * 300 + 200) * (whole?.zoom ?? 0)).toBeLessThanOrEqual(frame.width)
})

test('a map that can be read whole is shown whole, whatever its anchor', () => {
  const places = Array.from({ length: 10 }, (_, idx) => [`n${idx}`, { x: idx * 200, y: idx * 60 }] as const)
  const layout = { nodes: new Map(places), nodeWidth: 176 }
  const frame = { width: 1140, height: 640 }
  const viewport = viewportFor(layout, { keys: null, anchor: 'n0' }, frame, 1.6)
  expect(viewport).toEqual(viewportFor(layout, { keys: null, anchor: null }, frame, 1.6))
  expect(viewport?.zoom).toBeGreaterThan(0.5)
  expect(viewport?.zoom).toBeLessThan(0.6)
})

test('the busiest root is the node that most requests enter by, also where every node is called', () => {
  const service = (id: number, requests: number, to: number[]): Service => ({
    ReferenceId: id,
    Name: `s${id}`,
    SummaryStatistics: statistics(requests, 0, 0, 0, 1),
    Edges: to.map((ReferenceId) => ({ ReferenceId, SummaryStatistics: statistics(requests, 0, 0, 0, 1) })),
  })
  expect(busiestRoot(buildServiceMap([]))).toBeNull()
  expect(busiestRoot(buildServiceMap([service(0, 5, [2]), service(1, 9, [1, 2]), service(2, 14, [])]))).toBe('|s1')
  expect(busiestRoot(buildServiceMap([service(0, 5, [1]), service(1, 9, [0])]))).toBe('|s1')
})
