// Nothing in this range or for this filter: say so, and offer what would show something.

import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useStatus } from '../api/queries.ts'
import { formatAge } from '../model/format.ts'
import { describeTimeRange, RELATIVE_RANGES, widerRange, type TimeRange } from '../url/timeRange.ts'

interface Props {
  range: TimeRange
  onRange: (range: TimeRange) => void
  /** Given when a filter is set. */
  onClearFilter?: (() => void) | undefined
}

export function NoTraces({ range, onRange, onClearFilter }: Props) {
  const { data: status } = useStatus()
  const wider = widerRange(range)
  const age = status && status.lastDocumentAt !== null ? Math.max(0, status.now - status.lastDocumentAt) : null
  const reaching = age === null ? null : RELATIVE_RANGES.find((seconds) => seconds > age + 60)
  const offered: TimeRange | null =
    reaching !== undefined && reaching !== null && (range.kind === 'absolute' || reaching > range.seconds)
      ? { kind: 'relative', seconds: reaching }
      : wider
  return (
    <div className="centred">
      <SpaceBetween size="s" alignItems="center">
        <Box variant="h2">{onClearFilter ? 'No trace matches' : 'No traces in this time range'}</Box>
        <Box color="text-body-secondary" textAlign="center">
          {range.kind === 'relative' ? describeTimeRange(range) : `From ${describeTimeRange(range)}`}.
          {age !== null && ` The last segment arrived ${formatAge(age)}.`}
        </Box>
        <SpaceBetween direction="horizontal" size="xs">
          {onClearFilter && (
            <Button variant="primary" onClick={onClearFilter}>
              Clear filters
            </Button>
          )}
          {offered && (
            <Button variant={onClearFilter ? 'normal' : 'primary'} onClick={() => onRange(offered)}>
              Show the {describeTimeRange(offered).toLowerCase()}
            </Button>
          )}
        </SpaceBetween>
      </SpaceBetween>
    </div>
  )
}
