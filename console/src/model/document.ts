// Reading the fields of a segment document, which come from anyone's SDK: nothing about their types is certain.

import type { Json, JsonObject } from '../api/internal.ts'

export interface Exception {
  id: string | null
  type: string | null
  message: string | null
  isRemote: boolean
  frames: { path: string; line: number | null; label: string }[]
  truncatedFrames: number
  skipped: number
  /** Id of the exception that caused this one. */
  cause: string | null
}

export interface Cause {
  workingDirectory: string | null
  paths: string[]
  exceptions: Exception[]
  /**
   * The cause is told where the exception was raised: its id (Python, Java: the cause is that text) or the id of the
   * subsegment (Node.js: an object with that id and no exceptions).
   */
  reference: string | null
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function objectField(document: JsonObject, name: string): JsonObject | null {
  const value = document[name]
  return isObject(value) ? value : null
}

export function textField(document: JsonObject, name: string): string | null {
  const value = document[name]
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : null
}

export function numberField(document: JsonObject, name: string): number | null {
  const value = document[name]
  return typeof value === 'number' ? value : null
}

/** Every leaf below an object with its dotted path, for tables of unknown fields. */
export function flatten(value: JsonObject, prefix = ''): { path: string; value: string }[] {
  return Object.entries(value).flatMap(([name, child]) => {
    const path = prefix ? `${prefix}.${name}` : name
    if (isObject(child)) return flatten(child, path)
    if (Array.isArray(child) && child.every((item) => typeof item !== 'object' || item === null)) {
      return [{ path, value: child.join(', ') }]
    }
    return [{ path, value: typeof child === 'string' ? child : JSON.stringify(child) }]
  })
}

/** The cause of a fault or error; null when the document has none. */
export function readCause(document: JsonObject): Cause | null {
  const cause = document['cause']
  if (typeof cause === 'string') {
    return { workingDirectory: null, paths: [], exceptions: [], reference: cause }
  }
  if (!isObject(cause)) return null
  const exceptions = list(cause['exceptions']).filter(isObject).map(readException)
  const reference = exceptions.length === 0 ? textField(cause, 'id') : null
  // Step Functions sends an empty object where nothing went wrong.
  if (exceptions.length === 0 && reference === null) return null
  return {
    workingDirectory: textField(cause, 'working_directory'),
    paths: list(cause['paths']).filter((path) => typeof path === 'string'),
    exceptions,
    reference,
  }
}

/** Where an exception was raised, and what was recorded there. */
export interface Raised {
  /** Id of the segment or subsegment. */
  segmentId: string
  name: string
  cause: Cause
}

/** Every segment and subsegment of a trace that holds the exception a cause refers to; ancestors only name it. */
export function findRaised(documents: readonly JsonObject[], reference: string): Raised[] {
  return documents.flatMap((document) => {
    const cause = readCause(document)
    const isMeant = document['id'] === reference && (cause?.exceptions.length ?? 0) > 0
    const holds = isMeant || cause?.exceptions.some(({ id }) => id === reference)
    const below = findRaised(list(document['subsegments']).filter(isObject), reference)
    if (!cause || !holds) return below
    return [{ segmentId: textField(document, 'id') ?? '', name: textField(document, 'name') ?? 'unnamed', cause }, ...below]
  })
}

function readException(exception: JsonObject): Exception {
  return {
    id: textField(exception, 'id'),
    type: textField(exception, 'type'),
    message: textField(exception, 'message'),
    isRemote: exception['remote'] === true,
    frames: list(exception['stack'])
      .filter(isObject)
      .map((frame) => ({
        path: textField(frame, 'path') ?? '',
        line: numberField(frame, 'line'),
        label: textField(frame, 'label') ?? '',
      })),
    truncatedFrames: numberField(exception, 'truncated') ?? 0,
    skipped: numberField(exception, 'skipped') ?? 0,
    cause: textField(exception, 'cause'),
  }
}

function list(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : []
}
