// The first tab of a segment: identity, times, request and response, errors and faults.

import Button from '@cloudscape-design/components/button'
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs'
import SpaceBetween from '@cloudscape-design/components/space-between'
import type { ReactNode } from 'react'
import type { JsonObject, Trace } from '../../api/internal.ts'
import { objectField, textField } from '../../model/document.ts'
import { formatClock, formatDateTime, formatDuration } from '../../model/format.ts'
import { isInProgress, rowOutcome, selfTimeUs, subtreeEnds } from '../../model/rows.ts'
import { CopyButton } from '../../ui/CopyButton.tsx'
import { OutcomeLabel } from '../../ui/OutcomeLabel.tsx'
import { TypeName } from '../../ui/TypeName.tsx'

interface Props {
  trace: Trace
  row: number
  document: JsonObject
  onSelect: (segmentId: string) => void
}

interface Item {
  label: string
  value: ReactNode
}

export function OverviewTab({ trace, row, document, onSelect }: Props) {
  const { rows } = trace
  const id = rows.id[row] ?? ''
  const startUs = rows.startUs[row] ?? 0
  const durationUs = rows.durationUs[row] ?? null
  const selfUs = selfTimeUs(rows, subtreeEnds(rows), row)
  const parentRow = rows.parent[row] ?? -1
  const request = objectField(objectField(document, 'http') ?? {}, 'request') ?? {}
  const response = objectField(objectField(document, 'http') ?? {}, 'response') ?? {}
  const aws = objectField(document, 'aws') ?? {}
  const node = trace.nodes[rows.node[row] ?? -1]
  const start = trace.start + startUs / 1e6
  const origin = textField(document, 'origin') ?? node?.type ?? null

  const items: Item[] = [
    {
      label: rows.kind[row] === 'segment' ? 'Segment ID' : 'Subsegment ID',
      value: (
        <span className="mono unbroken">
          {id} <CopyButton text={id} what="segment ID" />
        </span>
      ),
    },
    {
      label: 'Parent ID',
      value: <Parent trace={trace} parentRow={parentRow} parentId={textField(document, 'parent_id')} onSelect={onSelect} />,
    },
    { label: 'Name', value: <span className="breakable">{rows.name[row]}</span> },
    origin === null ? null : { label: 'Origin', value: <TypeName type={origin} /> },
    { label: 'Status', value: <OutcomeLabel outcome={rowOutcome(rows, row)} inProgress={isInProgress(rows, row)} /> },
    text('Response code', textField(response, 'status')),
    { label: 'Start', value: <Moment at={start} note={`+${formatDuration(startUs / 1e6)}`} /> },
    { label: 'End', value: durationUs === null ? 'in progress' : <Moment at={start + durationUs / 1e6} /> },
    { label: 'Duration', value: durationUs === null ? 'in progress' : formatDuration(durationUs / 1e6) },
    { label: 'Self time', value: selfUs === null ? '–' : formatDuration(selfUs / 1e6) },
    text('Method', textField(request, 'method')),
    text('Operation', textField(aws, 'operation')),
    text('Namespace', textField(document, 'namespace')),
    text('Client IP', textField(request, 'client_ip')),
    text('Content length', textField(response, 'content_length')),
    text('User', textField(document, 'user')),
    { label: 'Error', value: flag(document, 'error') },
    { label: 'Fault', value: flag(document, 'fault') },
    { label: 'Throttle', value: flag(document, 'throttle') },
  ].filter(isItem)
  // Long values get the whole width.
  const long = [text('URL', textField(request, 'url')), text('User agent', textField(request, 'user_agent'))].filter(isItem)
  return (
    <SpaceBetween size="l">
      <KeyValuePairs columns={2} items={items} />
      {long.length > 0 && <KeyValuePairs columns={1} items={long} />}
    </SpaceBetween>
  )
}

function isItem(item: Item | null): item is Item {
  return item !== null
}

function Moment({ at, note }: { at: number; note?: string }) {
  return (
    <span title={formatDateTime(at)}>
      {formatClock(at)} {note && <small className="quiet unbroken">{note}</small>}
    </span>
  )
}

function Parent(props: { trace: Trace; parentRow: number; parentId: string | null; onSelect: (id: string) => void }) {
  const { trace, parentRow, parentId, onSelect } = props
  const id = trace.rows.id[parentRow] ?? parentId
  if (!id) return <>–</>
  if (parentRow < 0) return <span className="mono breakable">{id} (not received)</span>
  return (
    <span className="mono unbroken">
      <Button variant="inline-link" ariaLabel={`Go to the parent, ${trace.rows.name[parentRow] ?? ''}`} onClick={() => onSelect(id)}>
        {id}
      </Button>
    </span>
  )
}

function text(label: string, value: string | null | undefined): Item | null {
  return value ? { label, value: <span className="breakable">{value}</span> } : null
}

function flag(document: JsonObject, name: string): string {
  return document[name] === true ? 'true' : 'false'
}
