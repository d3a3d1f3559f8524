// The button that lets the server play a shop for a minute.

import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { startSampleTraffic, type Status } from '../../api/internal.ts'
import { ErrorPanel } from '../../ui/ErrorPanel.tsx'

export function SampleTraffic({ status }: { status: Status | undefined }) {
  const queries = useQueryClient()
  const start = useMutation({
    mutationFn: startSampleTraffic,
    onSettled: () => queries.invalidateQueries({ queryKey: ['status'] }),
  })
  const isRunning = status?.sampleTraffic.running ?? false
  const left = isRunning ? Math.max(0, Math.round((status?.sampleTraffic.endsAt ?? 0) - (status?.now ?? 0))) : 0
  return (
    <SpaceBetween size="s">
      <Button
        variant="primary"
        loading={start.isPending}
        disabled={isRunning}
        disabledReason="Sample traffic is running already."
        onClick={() => start.mutate()}
      >
        Generate sample traffic
      </Button>
      <Box color="text-body-secondary">
        <span role="status">
          {isRunning
            ? `Running for ${left} more ${left === 1 ? 'second' : 'seconds'}.`
            : 'Runs for one minute on this server. Its traces stay until retention removes them.'}
        </span>
      </Box>
      {start.error && <ErrorPanel title="Sample traffic could not be started" error={start.error} />}
    </SpaceBetween>
  )
}
