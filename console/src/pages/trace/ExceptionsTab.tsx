// The exceptions of a segment: type, message, stack, and which caused which.

import SpaceBetween from '@cloudscape-design/components/space-between'
import type { Cause, Exception } from '../../model/document.ts'
import { CopyButton } from '../../ui/CopyButton.tsx'

export function ExceptionsTab({ cause }: { cause: Cause | null }) {
  if (!cause) return <p className="quiet">This segment has no exceptions.</p>
  if (cause.reference) {
    return (
      <p>
        The exception was recorded where it was raised: look for <span className="mono">{cause.reference}</span> below
        this segment.
      </p>
    )
  }
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
        <ol className="stack" tabIndex={0} aria-label="Stack">
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
