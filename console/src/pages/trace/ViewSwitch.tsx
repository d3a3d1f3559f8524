// Timeline, map or raw data.

import SegmentedControl from '@cloudscape-design/components/segmented-control'
import type { TraceView } from '../../url/location.ts'

const VIEWS: readonly { id: TraceView; text: string }[] = [
  { id: 'timeline', text: 'Timeline' },
  { id: 'map', text: 'Map' },
  { id: 'raw', text: 'Raw data' },
]

export function ViewSwitch({ view, onView }: { view: TraceView; onView: (view: TraceView) => void }) {
  return (
    <SegmentedControl
      label="View of the trace"
      selectedId={view}
      options={[...VIEWS]}
      onChange={({ detail }) => {
        const chosen = VIEWS.find(({ id }) => id === detail.selectedId)
        if (chosen) onView(chosen.id)
      }}
    />
  )
}
