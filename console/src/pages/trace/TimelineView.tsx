// The timeline: tools, overview, and the tree of segments with their bars.

import Button from '@cloudscape-design/components/button'
import Input from '@cloudscape-design/components/input'
import Toggle from '@cloudscape-design/components/toggle'
import type { Trace } from '../../api/internal.ts'
import { formatCount } from '../../model/format.ts'
import type { TraceView } from '../../url/location.ts'
import { Overview } from './Overview.tsx'
import { TimelineTree } from './TimelineTree.tsx'
import { useTimeline } from './useTimeline.ts'
import { ViewSwitch } from './ViewSwitch.tsx'

interface Props {
  trace: Trace
  /** -1 for none. */
  selectedRow: number
  onSelect: (row: number | null) => void
  onView: (view: TraceView) => void
}

export function TimelineView({ trace, selectedRow, onSelect, onView }: Props) {
  const timeline = useTimeline(trace.rows)
  const isFiltered = timeline.matches !== null
  return (
    <div className="frame">
      <div className="toolbar toolbar-frame">
        <div className="toolbar-grow">
          <Input
            type="search"
            value={timeline.text}
            onChange={({ detail }) => timeline.setText(detail.value)}
            placeholder="Filter segments by name, operation or ID"
            ariaLabel="Filter segments"
            clearAriaLabel="Clear"
          />
        </div>
        <Toggle checked={timeline.troubleOnly} onChange={({ detail }) => timeline.setTroubleOnly(detail.checked)}>
          Errors only
        </Toggle>
        <ViewSwitch view="timeline" onView={onView} />
        <span className="button-pair" title="Collapse all ([), expand all (])">
          <Button
            variant="icon"
            iconName="treeview-collapse"
            ariaLabel="Collapse all"
            disabled={isFiltered}
            onClick={timeline.collapseAll}
          />
          <Button
            variant="icon"
            iconName="treeview-expand"
            ariaLabel="Expand all"
            disabled={isFiltered}
            onClick={timeline.expandAll}
          />
        </span>
      </div>
      <span role="status" className={isFiltered ? 'timeline-count' : 'visually-hidden'}>
        {isFiltered
          ? `${formatCount(timeline.matchCount)} of ${formatCount(trace.rows.id.length)} segments and subsegments match`
          : ''}
      </span>
      <Overview timeline={timeline} />
      <TimelineTree timeline={timeline} selectedRow={selectedRow} onSelect={onSelect} />
    </div>
  )
}
