// Every form in which people hold a trace id: X-Ray's, W3C's, and the headers and links that carry them.

export interface TraceReference {
  /** X-Ray form: `1-<8 hex>-<24 hex>`, lower case. */
  traceId: string
  /** A segment the text names besides the trace: 16 hex. */
  segmentId?: string
}

const XRAY_ID = /(?<![0-9a-f])1-([0-9a-f]{8})-([0-9a-f]{24})(?![0-9a-f])/i
/** A load balancer puts an id of its own, `Self=1-…`, before the trace's. */
const HEADER_ROOT = /\bRoot=(1-[0-9a-f]{8}-[0-9a-f]{24})(?![0-9a-f])/i
const TRACEPARENT = /(?<![0-9a-f])[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?![0-9a-f])/i
const W3C_ID = /(?<![0-9a-f-])([0-9a-f]{32})(?![0-9a-f-])/i
const HEADER_PARENT = /\bParent=([0-9a-f]{16})(?![0-9a-f])/i
const LINK_SEGMENT = /[?&]seg=([0-9a-f]{16})(?![0-9a-f])/i

/** The X-Ray form of a 32-digit W3C trace id. */
export function fromW3c(id: string): string {
  const digits = id.toLowerCase()
  return `1-${digits.slice(0, 8)}-${digits.slice(8)}`
}

/** The W3C form of an X-Ray trace id. */
export function toW3c(traceId: string): string {
  return traceId.slice(2).replace('-', '')
}

/** Finds the trace id in what someone pasted; null when there is none. */
export function parseTraceReference(text: string): TraceReference | null {
  const xray = XRAY_ID.exec(HEADER_ROOT.exec(text)?.[1] ?? text)
  if (xray) {
    const segment = HEADER_PARENT.exec(text)?.[1] ?? LINK_SEGMENT.exec(text)?.[1]
    return reference(`1-${xray[1]}-${xray[2]}`.toLowerCase(), segment)
  }
  const parent = TRACEPARENT.exec(text)
  if (parent?.[1]) return reference(fromW3c(parent[1]), parent[2])
  const w3c = W3C_ID.exec(text)
  return w3c?.[1] ? reference(fromW3c(w3c[1])) : null
}

/** A trace id short enough for a table, with the end kept: ids of one second differ only there. */
export function shortTraceId(traceId: string): string {
  return traceId.length > 20 ? `${traceId.slice(0, 10)}…${traceId.slice(-6)}` : traceId
}

function reference(traceId: string, segmentId?: string): TraceReference {
  return segmentId ? { traceId, segmentId: segmentId.toLowerCase() } : { traceId }
}
