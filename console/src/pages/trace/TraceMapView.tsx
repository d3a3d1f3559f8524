// The map of one trace.

import Spinner from '@cloudscape-design/components/spinner'
import type { ServiceMap } from '../../model/graph.ts'
import type { TraceView } from '../../url/location.ts'
import { ErrorPanel } from '../../ui/ErrorPanel.tsx'
import { Legend } from '../../ui/Legend.tsx'
import { MapCanvas } from '../map/MapCanvas.tsx'
import { ViewSwitch } from './ViewSwitch.tsx'

interface Props {
  map: ServiceMap
  error: Error | null
  isPending: boolean
  onRetry: () => void
  selectedKey: string | null
  onSelect: (key: string | null) => void
  onView: (view: TraceView) => void
}

export function TraceMapView({ map, error, isPending, onRetry, selectedKey, onSelect, onView }: Props) {
  return (
    <div className="frame">
      <div className="toolbar toolbar-frame">
        <ViewSwitch view="map" onView={onView} />
      </div>
      {error && <ErrorPanel title="The map of this trace could not be read" error={error} onRetry={onRetry} />}
      {isPending && (
        <div className="centred">
          <Spinner size="large" />
        </div>
      )}
      {map.nodes.length > 0 && (
        <MapCanvas
          map={map}
          selectedKey={selectedKey}
          onSelect={onSelect}
          intervalSeconds={null}
          content="metrics"
          legend={<Legend variant="status" hasLinks={map.edges.some((edge) => edge.isLink)} />}
        />
      )}
    </div>
  )
}
