// The shell: top bar, the page that the address names, and the first-run page while no segment has ever arrived.

import I18nProvider from '@cloudscape-design/components/i18n'
import messages from '@cloudscape-design/components/i18n/messages/all.en'
import Spinner from '@cloudscape-design/components/spinner'
import { Suspense, type ReactNode } from 'react'
import { isWaitingForFirstTrace, useStatus } from './api/queries.ts'
import { ErrorBoundary } from './ui/ErrorBoundary.tsx'
import { lazyPage } from './ui/lazyPage.tsx'
import { MissingPage } from './ui/MissingPage.tsx'
import { PageFrame } from './ui/PageFrame.tsx'
import { TopBar } from './ui/TopBar.tsx'
import { routePath, useLocation, type Route } from './url/location.ts'

const MapPage = lazyPage(async () => (await import('./pages/map/MapPage.tsx')).MapPage)
const TracesPage = lazyPage(async () => (await import('./pages/traces/TracesPage.tsx')).TracesPage)
const TracePage = lazyPage(async () => (await import('./pages/trace/TracePage.tsx')).TracePage)
const SamplingPage = lazyPage(async () => (await import('./pages/sampling/SamplingPage.tsx')).SamplingPage)
const ConnectPage = lazyPage(async () => (await import('./pages/connect/ConnectPage.tsx')).ConnectPage)

export function App() {
  const { route } = useLocation()
  return (
    <I18nProvider locale="en" messages={[messages]}>
      <a className="skip-link" href="#main" onClick={skipToMain}>
        Skip to the content
      </a>
      <TopBar />
      <ErrorBoundary resetKey={routePath(route)} frame={(content) => <PageFrame title="Error">{content}</PageFrame>}>
        <Page route={route} />
      </ErrorBoundary>
    </I18nProvider>
  )
}

function Page({ route }: { route: Route }): ReactNode {
  const { data: status } = useStatus()
  const isWaiting = status !== undefined && isWaitingForFirstTrace(status)
  const isFirstRun = isWaiting && (route.page === 'map' || route.page === 'traces')
  // The key takes the page before away while the next one loads: kept hidden, its frame would be a second one beside
  // that of the fallback.
  return (
    <Suspense key={isFirstRun ? 'first-run' : route.page} fallback={<Loading />}>
      {isFirstRun ? <ConnectPage isFirstRun /> : pageOf(route)}
    </Suspense>
  )
}

function pageOf(route: Route): ReactNode {
  switch (route.page) {
    case 'map':
      return <MapPage />
    case 'traces':
      return <TracesPage />
    case 'trace':
      return <TracePage key={route.traceId} traceId={route.traceId} view={route.view} />
    case 'sampling':
      return <SamplingPage />
    case 'connect':
      return <ConnectPage />
    case 'missing':
      return <MissingPage path={route.path} />
  }
}

function Loading() {
  return (
    <PageFrame title="Roentgen">
      <div className="centred">
        <Spinner size="large" />
      </div>
    </PageFrame>
  )
}

/** The hash is ours, so the link may not change it: focus moves by hand. */
function skipToMain(event: { preventDefault: () => void }) {
  event.preventDefault()
  const main = document.querySelector('main')
  main?.setAttribute('tabindex', '-1')
  main?.focus()
}
