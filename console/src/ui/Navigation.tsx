// The side navigation, and below it which server this is.

import SideNavigation from '@cloudscape-design/components/side-navigation'
import { useStatus } from '../api/queries.ts'
import { formatBytes, formatCount } from '../model/format.ts'
import { href, useLocation, type Route } from '../url/location.ts'
import { sharedParams } from '../url/params.ts'

const PAGES: readonly { text: string; route: Route }[] = [
  { text: 'Trace map', route: { page: 'map' } },
  { text: 'Traces', route: { page: 'traces' } },
]

const SETUP: readonly { text: string; route: Route }[] = [
  { text: 'Sampling rules', route: { page: 'sampling' } },
  { text: 'Connect an app', route: { page: 'connect' } },
]

export function Navigation() {
  const { route, params } = useLocation()
  const { data: status } = useStatus()
  const kept = sharedParams(params)
  const link = ({ text, route: target }: { text: string; route: Route }) => ({
    type: 'link' as const,
    text,
    href: href(target, kept),
  })
  const active = route.page === 'trace' ? 'traces' : route.page
  const activeHref = [...PAGES, ...SETUP].find(({ route: target }) => target.page === active)

  return (
    <div className="navigation">
      <SideNavigation
        header={{ text: 'Tracing', href: href({ page: 'map' }, kept) }}
        activeHref={activeHref ? link(activeHref).href : ''}
        items={[
          ...PAGES.map(link),
          { type: 'divider' },
          { type: 'section', text: 'Configuration', items: SETUP.map(link) },
        ]}
      />
      {status && (
        <p className="navigation-foot">
          Roentgen {status.version}
          <br />
          {formatCount(status.traces)} {status.traces === 1 ? 'trace' : 'traces'} · {formatBytes(status.storeBytes)}
          {status.documentsRejected > 0 && (
            <>
              <br />
              <a href={href({ page: 'connect' }, kept)} title="Documents that could not be used; see why">
                {formatCount(status.documentsRejected)} refused
              </a>
            </>
          )}
        </p>
      )}
    </div>
  )
}
