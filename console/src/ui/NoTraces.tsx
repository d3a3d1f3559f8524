// Nothing in this range or for this filter: say so, and offer what would show something.

import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import SpaceBetween from '@cloudscape-design/components/space-between'
import type { TraceFilter } from '../api/internal.ts'
import { useNewestTrace, useStatus } from '../api/queries.ts'
import { formatAge } from '../model/format.ts'
import { isEmptyFilter } from '../url/params.ts'
import { describeTimeRange, LONGEST_RANGE, rangeReaching, type TimeRange } from '../url/timeRange.ts'

interface Props {
  range: TimeRange
  onRange: (range: TimeRange) => void
  /** What was searched for besides the range. */
  filter?: TraceFilter
  onClearFilter?: () => void
}

const NO_FILTER: TraceFilter = { outcomes: [] }

export function NoTraces({ range, onRange, filter = NO_FILTER, onClearFilter }: Props) {
  const { data: status } = useStatus()
  const { data: newest } = useNewestTrace(filter)
  const isFiltered = !isEmptyFilter(filter)
  const age = newest === null || newest === undefined || !status ? null : Math.max(0, status.now - newest)
  const reaching = age === null ? null : rangeReaching(age)
  const offered = reaching !== null && !includes(range, reaching) ? reaching : null
  return (
    <div className="centred">
      <SpaceBetween size="s" alignItems="center">
        <Box variant="h2">{isFiltered ? 'No trace matches' : 'No traces in this time range'}</Box>
        <Box color="text-body-secondary" textAlign="center">
          {range.kind === 'relative' ? describeTimeRange(range) : `From ${describeTimeRange(range)}`}.
          {age !== null && ` The newest ${isFiltered ? 'match' : 'trace'} began ${formatAge(age)}.`}
          {newest === null && ` There is no ${isFiltered ? 'match' : 'trace'} in the ${describeTimeRange(LONGEST_RANGE).toLowerCase()}.`}
        </Box>
        <SpaceBetween direction="horizontal" size="xs">
          {isFiltered && onClearFilter && (
            <Button variant="primary" onClick={onClearFilter}>
              Clear filters
            </Button>
          )}
          {offered && (
            <Button variant={isFiltered ? 'normal' : 'primary'} onClick={() => onRange(offered)}>
              Show the {describeTimeRange(offered).toLowerCase()}
            </Button>
          )}
        </SpaceBetween>
      </SpaceBetween>
    </div>
  )
}

/** True when the present range shows as much as the other would: what is new appears in it by itself. */
function includes(range: TimeRange, other: TimeRange): boolean {
  return range.kind === 'relative' && other.kind === 'relative' && range.seconds >= other.seconds
}
