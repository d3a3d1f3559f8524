// An address that leads nowhere.

import Alert from '@cloudscape-design/components/alert'
import Link from '@cloudscape-design/components/link'
import { href } from '../url/location.ts'
import { PageFrame } from './PageFrame.tsx'

export function MissingPage({ path }: { path: string }) {
  return (
    <PageFrame title="Not found">
      <Alert type="warning" header="There is no such page">
        The address names “{path}”. Go to the <Link href={href({ page: 'map' })}>trace map</Link> or to the{' '}
        <Link href={href({ page: 'traces' })}>traces</Link>.
      </Alert>
    </PageFrame>
  )
}
