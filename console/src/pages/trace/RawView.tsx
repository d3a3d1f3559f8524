// The documents of a trace: as the server understands them, and as they arrived.

import SegmentedControl from '@cloudscape-design/components/segmented-control'
import Spinner from '@cloudscape-design/components/spinner'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useRef, useState } from 'react'
import type { Json, RawTrace, Trace } from '../../api/internal.ts'
import { useRawTrace } from '../../api/queries.ts'
import { textField } from '../../model/document.ts'
import { formatClock } from '../../model/format.ts'
import type { TraceView } from '../../url/location.ts'
import { CopyButton } from '../../ui/CopyButton.tsx'
import { ErrorPanel } from '../../ui/ErrorPanel.tsx'
import { JsonView } from '../../ui/JsonView.tsx'
import { ViewSwitch } from './ViewSwitch.tsx'

type Source = 'processed' | 'originals'

interface Entry {
  title: string
  note: string
  /** The document to show with colours; a string when it is not JSON. */
  value: Json
  /** What copying gives: an original byte for byte. */
  text: string
}

export function RawView({ trace, onView }: { trace: Trace; onView: (view: TraceView) => void }) {
  const raw = useRawTrace(trace.id, trace.revision)
  const [source, setSource] = useState<Source>('processed')
  const [chosen, setChosen] = useState(0)
  const count = raw.data?.[source].length ?? 0
  const idx = Math.min(chosen, count - 1)
  const entry = raw.data && idx >= 0 ? toEntry(raw.data, source, idx) : null
  return (
    <div className="frame">
      <div className="toolbar toolbar-frame">
        <ViewSwitch view="raw" onView={onView} />
        <div className="toolbar-grow" />
        <SegmentedControl
          label="Documents"
          selectedId={source}
          onChange={({ detail }) => {
            setSource(detail.selectedId === 'originals' ? 'originals' : 'processed')
            setChosen(0)
          }}
          options={[
            { id: 'processed', text: `Processed (${raw.data?.processed.length ?? 0})` },
            { id: 'originals', text: `As received (${raw.data?.originals.length ?? 0})` },
          ]}
        />
      </div>
      {raw.error && <ErrorPanel title="The documents could not be read" error={raw.error} onRetry={() => void raw.refetch()} />}
      {raw.isPending && (
        <div className="centred">
          <Spinner size="large" />
        </div>
      )}
      {raw.data && (
        <div className="raw">
          <DocumentList raw={raw.data} source={source} chosen={idx} onChoose={setChosen} />
          {entry && (
            <div className="raw-document">
              <div className="raw-title">
                <strong>{entry.title}</strong> <span className="quiet">{entry.note}</span>
                <CopyButton text={entry.text} what="document" />
              </div>
              <JsonView value={entry.value} what={`document ${entry.title}`} />
            </div>
          )}
        </div>
      )}
    </div>
  )
}

interface ListProps {
  raw: RawTrace
  source: Source
  chosen: number
  onChoose: (idx: number) => void
}

const ROW_HEIGHT = 44

/** A trace may have thousands of documents: only the rows in view exist. */
function DocumentList({ raw, source, chosen, onChoose }: ListProps) {
  const scroller = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({
    count: raw[source].length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 10,
  })
  return (
    <div ref={scroller} className="raw-list" role="group" aria-label="Documents" tabIndex={0}>
      <div className="raw-rows" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const { title, note } = toEntry(raw, source, item.index)
          return (
            <button
              key={item.key}
              type="button"
              className="raw-row"
              aria-pressed={item.index === chosen}
              style={{ transform: `translateY(${item.start}px)` }}
              onClick={() => onChoose(item.index)}
            >
              <strong>{title}</strong>
              <span className="mono">{note}</span>
            </button>
          )
        })}
      </div>
    </div>
  )
}

function toEntry(raw: RawTrace, source: Source, idx: number): Entry {
  if (source === 'processed') {
    const document = raw.processed[idx] ?? {}
    return {
      title: textField(document, 'name') ?? 'unnamed',
      note: textField(document, 'id') ?? '',
      value: document,
      text: JSON.stringify(document, null, 2),
    }
  }
  const original = raw.originals[idx]
  const text = original?.document ?? ''
  const value = parse(text)
  const name = typeof value === 'object' && value !== null && !Array.isArray(value) ? textField(value, 'name') : null
  return {
    title: name ?? `Document ${idx + 1}`,
    note: original ? `received ${formatClock(original.receivedAt)}` : '',
    value,
    text,
  }
}

/** What arrived need not be JSON; then it is shown as it is. */
function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}
