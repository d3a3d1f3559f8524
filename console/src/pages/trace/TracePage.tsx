// One trace: what it was, its timeline, its map, its documents, and the details of a segment in the panel.

import Alert from '@cloudscape-design/components/alert'
import BreadcrumbGroup from '@cloudscape-design/components/breadcrumb-group'
import Spinner from '@cloudscape-design/components/spinner'
import { useMemo } from 'react'
import { useTrace, useTraceGraph } from '../../api/queries.ts'
import type { Trace } from '../../api/internal.ts'
import { ApiError } from '../../api/http.ts'
import { buildServiceMap } from '../../model/graph.ts'
import { href, navigate, type TraceView, useLocation } from '../../url/location.ts'
import { sharedParams, withParams } from '../../url/params.ts'
import { shortTraceId } from '../../url/traceId.ts'
import { ErrorPanel } from '../../ui/ErrorPanel.tsx'
import { PageFrame, type Panel } from '../../ui/PageFrame.tsx'
import { useRefreshInterval } from '../../ui/RefreshButton.tsx'
import { useMapPanel } from '../map/useMapPanel.tsx'
import { MissingTrace } from './MissingTrace.tsx'
import { RawView } from './RawView.tsx'
import { SegmentPanel } from './SegmentPanel.tsx'
import { TimelineView } from './TimelineView.tsx'
import { TraceHeader } from './TraceHeader.tsx'
import { TraceMapView } from './TraceMapView.tsx'

interface Props {
  traceId: string
  view: TraceView
}

export function TracePage({ traceId, view }: Props) {
  const { params } = useLocation()
  const trace = useTrace(traceId, useRefreshInterval())
  const isMissing = trace.error instanceof ApiError && trace.error.status === 404
  if (trace.data) return <Loaded trace={trace.data} view={view} />
  return (
    <PageFrame title={traceId} breadcrumbs={<Breadcrumbs traceId={traceId} params={params} />}>
      {trace.isPending && (
        <div className="centred">
          <Spinner size="large" />
        </div>
      )}
      {isMissing && <MissingTrace traceId={traceId} onRetry={() => void trace.refetch()} />}
      {trace.error && !isMissing && (
        <ErrorPanel title="The trace could not be read" error={trace.error} onRetry={() => void trace.refetch()} />
      )}
    </PageFrame>
  )
}

function Loaded({ trace, view }: { trace: Trace; view: TraceView }) {
  const { route, params } = useLocation()
  const go = (next: TraceView) =>
    navigate({ page: 'trace', traceId: trace.id, view: next }, params)
  const set = (name: 'seg' | 'on' | 'tab', value: string | null) => navigate(route, withParams(params, { [name]: value }), 'replace')

  const graph = useTraceGraph(trace.id, trace.revision)
  const map = useMemo(() => buildServiceMap(graph.data ?? []), [graph.data])
  const mapKey = params.get('on')
  const mapPanel = useMapPanel({ map, selectedKey: mapKey, onSelect: (key) => set('on', key), interval: null })

  const segmentId = params.get('seg')
  const selectedRow = segmentId === null ? -1 : trace.rows.id.indexOf(segmentId)
  const segmentPanel: Panel | null =
    selectedRow < 0
      ? null
      : {
          header: trace.rows.name[selectedRow] ?? '',
          content: (
            <SegmentPanel
              trace={trace}
              row={selectedRow}
              onSelect={(id) => set('seg', id)}
              tab={params.get('tab')}
              onTab={(tab) => set('tab', tab)}
            />
          ),
          onClose: () => set('seg', null),
        }

  return (
    <PageFrame
      title={trace.id}
      isFullHeight
      breadcrumbs={<Breadcrumbs traceId={trace.id} params={params} />}
      panel={view === 'map' ? mapPanel : view === 'timeline' ? segmentPanel : null}
    >
      <TraceHeader trace={trace} />
      {view === 'timeline' && segmentId !== null && selectedRow < 0 && (
        <Alert type="info" dismissible onDismiss={() => set('seg', null)}>
          This trace has no segment <span className="mono">{segmentId}</span>. Its caller may not have sent one, or it is
          still on its way.
        </Alert>
      )}
      {view === 'timeline' && (
        <TimelineView
          key={trace.id}
          trace={trace}
          selectedRow={selectedRow}
          onSelect={(row) => set('seg', row === null ? null : (trace.rows.id[row] ?? null))}
          onView={go}
        />
      )}
      {view === 'map' && (
        <TraceMapView
          map={map}
          error={graph.error}
          isPending={graph.isPending}
          onRetry={() => void graph.refetch()}
          selectedKey={mapKey}
          onSelect={(key) => set('on', key)}
          onView={go}
        />
      )}
      {view === 'raw' && <RawView trace={trace} onView={go} />}
    </PageFrame>
  )
}

function Breadcrumbs({ traceId, params }: { traceId: string; params: URLSearchParams }) {
  return (
    <BreadcrumbGroup
      ariaLabel="Breadcrumbs"
      items={[
        { text: 'Traces', href: href({ page: 'traces' }, sharedParams(params)) },
        { text: shortTraceId(traceId), href: href({ page: 'trace', traceId, view: 'timeline' }) },
      ]}
    />
  )
}
