// The details of a segment or subsegment, read from its document when it is selected.

import Spinner from '@cloudscape-design/components/spinner'
import Tabs, { type TabsProps } from '@cloudscape-design/components/tabs'
import type { JsonObject, Trace } from '../../api/internal.ts'
import { useSegment } from '../../api/queries.ts'
import { objectField, readCause } from '../../model/document.ts'
import { ErrorPanel } from '../../ui/ErrorPanel.tsx'
import { AnnotationsTab, MetadataTab, ResourcesTab, SqlTab } from './DocumentTabs.tsx'
import { ExceptionsTab } from './ExceptionsTab.tsx'
import { OverviewTab } from './OverviewTab.tsx'

interface Props {
  trace: Trace
  row: number
  onSelect: (segmentId: string) => void
  /** The tab someone chose, which stays over the selection of another segment; null before. */
  tab: string | null
  onTab: (tab: string) => void
}

export function SegmentPanel({ trace, row, onSelect, tab: chosen, onTab }: Props) {
  const id = trace.rows.id[row] ?? ''
  const segment = useSegment(trace.id, id, trace.revision)
  if (segment.error) {
    return <ErrorPanel title="The segment could not be read" error={segment.error} onRetry={() => void segment.refetch()} />
  }
  if (!segment.data) {
    return (
      <div className="centred">
        <Spinner />
      </div>
    )
  }
  const tabs = tabsFor(trace, row, segment.data, onSelect)
  // Whoever opens a segment that failed wants to know why.
  const first = readCause(segment.data) ? 'exceptions' : 'overview'
  return (
    <Tabs
      tabs={tabs}
      activeTabId={tabs.find(({ id }) => id === chosen)?.id ?? first}
      onChange={({ detail }) => onTab(detail.activeTabId)}
    />
  )
}

/** Only what the document has gets a tab; what X-Ray always shows is always there. */
function tabsFor(trace: Trace, row: number, document: JsonObject, onSelect: (id: string) => void): TabsProps.Tab[] {
  const sql = objectField(document, 'sql')
  return [
    {
      id: 'overview',
      label: 'Overview',
      content: <OverviewTab trace={trace} row={row} document={document} onSelect={onSelect} />,
    },
    {
      id: 'exceptions',
      label: 'Exceptions',
      content: <ExceptionsTab trace={trace} cause={readCause(document)} onSelect={onSelect} />,
    },
    ...(sql ? [{ id: 'sql', label: 'SQL', content: <SqlTab sql={sql} /> }] : []),
    { id: 'resources', label: 'Resources', content: <ResourcesTab document={document} /> },
    { id: 'annotations', label: 'Annotations', content: <AnnotationsTab document={document} /> },
    { id: 'metadata', label: 'Metadata', content: <MetadataTab document={document} /> },
  ]
}
