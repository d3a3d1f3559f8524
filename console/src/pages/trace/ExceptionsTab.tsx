// The exceptions of a segment: type, message, stack, and which caused which.

import Button from '@cloudscape-design/components/button'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Spinner from '@cloudscape-design/components/spinner'
import type { Trace } from '../../api/internal.ts'
import { useRawTrace } from '../../api/queries.ts'
import { findRaised, type Cause, type Exception } from '../../model/document.ts'
import { CopyButton } from '../../ui/CopyButton.tsx'
import { ErrorPanel } from '../../ui/ErrorPanel.tsx'

interface Props {
  trace: Trace
  cause: Cause | null
  onSelect: (segmentId: string) => void
}

export function ExceptionsTab({ trace, cause, onSelect }: Props) {
  if (!cause) return <p className="quiet">This segment has no exceptions.</p>
  if (cause.reference) return <ReferredException trace={trace} exceptionId={cause.reference} onSelect={onSelect} />
  return <CauseView cause={cause} />
}

/** SDKs record an exception once, where it was raised; the segments it passed through only name its id. */
function ReferredException(props: { trace: Trace; exceptionId: string; onSelect: (segmentId: string) => void }) {
  const { trace, exceptionId, onSelect } = props
  const raw = useRawTrace(trace.id, trace.revision)
  if (raw.error) {
    return <ErrorPanel title="The exception could not be looked up" error={raw.error} onRetry={() => void raw.refetch()} />
  }
  if (!raw.data) return <Spinner />
  // Inferred segments repeat the exception of their subsegment but have no row to go to.
  const raised = findRaised(raw.data.processed, exceptionId).find(({ segmentId }) => trace.rows.id.includes(segmentId))
  if (!raised) {
    return (
      <p>
        This segment names the exception <span className="mono">{exceptionId}</span>, but no segment or subsegment of the
        trace that has arrived describes it.
      </p>
    )
  }
  return (
    <SpaceBetween size="m">
      <p className="quiet">
        Raised in{' '}
        <Button variant="inline-link" onClick={() => onSelect(raised.segmentId)}>
          {raised.name}
        </Button>
      </p>
      <CauseView cause={raised.cause} />
    </SpaceBetween>
  )
}

function CauseView({ cause }: { cause: Cause }) {
  return (
    <SpaceBetween size="l">
      {cause.exceptions.map((exception, idx) => (
        <ExceptionView key={exception.id ?? idx} exception={exception} all={cause.exceptions} />
      ))}
      {cause.workingDirectory && (
        <p className="quiet">
          Working directory <span className="mono">{cause.workingDirectory}</span>
        </p>
      )}
    </SpaceBetween>
  )
}

function ExceptionView({ exception, all }: { exception: Exception; all: readonly Exception[] }) {
  const causedBy = all.find((other) => other.id !== null && other.id === exception.cause)
  const frames = exception.frames.map(({ path, line, label }) => `  at ${label || '?'} (${path}${line === null ? '' : `:${line}`})`)
  const text = [`${exception.type ?? 'Exception'}: ${exception.message ?? ''}`, ...frames].join('\n')
  return (
    <section className="exception">
      <h3>
        {exception.type ?? 'Exception'}
        {exception.isRemote && <span className="tag">remote</span>} <CopyButton text={text} what="exception" />
      </h3>
      {exception.message && <p className="exception-message">{exception.message}</p>}
      {causedBy && (
        <p className="quiet">
          Caused by {causedBy.type ?? 'an exception'}: {causedBy.message}
        </p>
      )}
      {exception.frames.length > 0 && (
        <ol className="stack" aria-label="Stack">
          {exception.frames.map((frame, idx) => (
            <li key={idx}>
              <strong>{frame.label || '?'}</strong>
              <span>
                {frame.path}
                {frame.line !== null && `:${frame.line}`}
              </span>
            </li>
          ))}
        </ol>
      )}
      {exception.truncatedFrames > 0 && <p className="quiet">{exception.truncatedFrames} more frames were cut off.</p>}
    </section>
  )
}
