// A trace id nothing is known about, and why that may be.

import Alert from '@cloudscape-design/components/alert'
import Button from '@cloudscape-design/components/button'
import Link from '@cloudscape-design/components/link'
import { href } from '../../url/location.ts'

export function MissingTrace({ traceId, onRetry }: { traceId: string; onRetry: () => void }) {
  return (
    <Alert type="info" header="No segment of this trace has arrived" action={<Button onClick={onRetry}>Look again</Button>}>
      <span className="mono">{traceId}</span> is well formed, but the server has nothing stored for it. Perhaps the{' '}
      <Link href={href({ page: 'sampling' })}>sampling rules</Link> left it out, its segments are still on their way, or
      retention has removed it.
    </Alert>
  )
}
