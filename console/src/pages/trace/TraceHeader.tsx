// The head of a trace: its id, and the facts people look for first.

import Alert from '@cloudscape-design/components/alert'
import Button from '@cloudscape-design/components/button'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useState, type ReactNode } from 'react'
import { getRawTrace, type Trace } from '../../api/internal.ts'
import { formatCount, formatDateTime, formatDuration, timeZone } from '../../model/format.ts'
import { outcomeOf } from '../../model/outcome.ts'
import { rowOutcome } from '../../model/rows.ts'
import { CopyButton } from '../../ui/CopyButton.tsx'
import { downloadText } from '../../ui/download.ts'
import { OutcomeLabel } from '../../ui/OutcomeLabel.tsx'

export function TraceHeader({ trace }: { trace: Trace }) {
  const { http, rows } = trace
  const troubled = rows.id.reduce((count, _, row) => count + (rowOutcome(rows, row) === 'ok' ? 0 : 1), 0)
  const showsResponseTime = trace.responseTime !== null && Math.abs(trace.responseTime - trace.duration) > 0.001
  return (
    <header className="trace-header">
      <div className="trace-title">
        <h1 className="mono">{trace.id}</h1>
        <SpaceBetween direction="horizontal" size="xs">
          <CopyButton text={trace.id} what="trace ID" label="Copy ID" />
          <ExportButton traceId={trace.id} />
        </SpaceBetween>
      </div>
      <dl className="facts">
        <Fact label="Result">
          <OutcomeLabel outcome={outcomeOf(trace)} code={http.status ?? null} inProgress={trace.isPartial} />
        </Fact>
        {http.method && <Fact label="Method">{http.method}</Fact>}
        {http.url && (
          <Fact label="URL">
            <span className="one-line" title={http.url}>
              {http.url.replace(/^https?:\/\//, '')}
            </span>
          </Fact>
        )}
        {showsResponseTime && <Fact label="Response time">{formatDuration(trace.responseTime ?? 0)}</Fact>}
        <Fact label="Duration">{formatDuration(trace.duration)}</Fact>
        <Fact label="Start">
          <time title={timeZone()} dateTime={new Date(trace.start * 1000).toISOString()}>{formatDateTime(trace.start)}</time>
        </Fact>
        <Fact label="Segments">
          {formatCount(trace.segmentCount)}
          {rows.id.length > trace.segmentCount && <small> · {formatCount(rows.id.length)} with subsegments</small>}
        </Fact>
        {troubled > 0 && (
          <Fact label="Failed (sub)segments">
            {formatCount(troubled)} <small>of {formatCount(rows.id.length)}</small>
          </Fact>
        )}
      </dl>
      {trace.limitExceeded && (
        <Alert type="warning">This trace is larger than the server keeps. Segments that came after the limit are missing.</Alert>
      )}
    </header>
  )
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  )
}

/** Saves the documents as X-Ray's BatchGetTraces would give them, one object for each segment. */
function ExportButton({ traceId }: { traceId: string }) {
  const [state, setState] = useState<'idle' | 'busy' | 'failed'>('idle')
  const run = async () => {
    setState('busy')
    try {
      const { processed } = await getRawTrace(traceId)
      downloadText(`${traceId}.json`, JSON.stringify({ Id: traceId, Segments: processed }, null, 2))
      setState('idle')
    } catch {
      setState('failed')
    }
  }
  return (
    <Button iconName="download" loading={state === 'busy'} onClick={() => void run()}>
      {state === 'failed' ? 'Export failed, try again' : 'Export JSON'}
    </Button>
  )
}
