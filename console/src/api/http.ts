// The one place that talks to the server: JSON in, JSON out, and errors with what the server said about them.

/** An answer that is not a success, or no answer at all. */
export class ApiError extends Error {
  /** HTTP status; 0 when the server could not be reached. */
  readonly status: number
  /** X-Ray's error code, e.g. `InvalidRequestException`. */
  readonly code: string | null
  /** What to look for in the server's log. */
  readonly requestId: string | null

  constructor(message: string, status: number, code: string | null = null, requestId: string | null = null) {
    super(message)
    this.name = 'ApiError'
    this.status = status
    this.code = code
    this.requestId = requestId
  }
}

/** What to say when nobody answers. */
export const NO_ANSWER = 'The server does not answer. Is Roentgen still running?'

/** Whether the server answers that it is well. */
export async function isServerUp(): Promise<boolean> {
  const response = await fetch('healthz', { cache: 'no-store' }).catch(() => null)
  return response?.ok ?? false
}

/** Sends a request to a path of the server, relative to the page, and gives the answer's body. */
export async function request<T>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  let response: Response
  try {
    response = await fetch(path, {
      ...(body !== undefined && {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
      ...(signal && { signal }),
    })
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw new ApiError(NO_ANSWER, 0)
  }
  if (!response.ok) throw await toError(response)
  // The server is ours and its answers have no version of their own: their shape is what api/*.ts declares.
  return (await response.json()) as T
}

async function toError(response: Response): Promise<ApiError> {
  const { status, headers } = response
  const said: unknown = await response.json().catch(() => null)
  const field = (name: string): string | null => {
    if (typeof said !== 'object' || said === null) return null
    const value: unknown = Reflect.get(said, name)
    return typeof value === 'string' ? value : null
  }
  const code = headers.get('x-amzn-errortype') ?? field('__type')
  const message = field('Message') ?? field('message') ?? `The server answered ${status} ${response.statusText}.`
  return new ApiError(message, status, code, headers.get('x-amzn-requestid'))
}
