// The frame around every page: side navigation, content, and the panel with details at the side or the bottom.

import AppLayout from '@cloudscape-design/components/app-layout'
import SplitPanel from '@cloudscape-design/components/split-panel'
import { useEffect, type ReactNode } from 'react'
import { usePreference } from '../theme/preferences.ts'
import { Navigation } from './Navigation.tsx'

export interface Panel {
  header: string
  actions?: ReactNode
  content: ReactNode
  onClose: () => void
}

interface Props {
  title: string
  children: ReactNode
  breadcrumbs?: ReactNode
  panel?: Panel | null
  /** The content fills the window and scrolls inside, as a map or a timeline does. */
  isFullHeight?: boolean
}

const BOTTOM_SIZE = 320

export function PageFrame({ title, children, breadcrumbs, panel, isFullHeight = false }: Props) {
  const [navigation, setNavigation] = usePreference('navigation')
  const [position, setPosition] = usePreference('panel')
  const [size, setSize] = usePreference('panelSize')

  useEffect(() => {
    document.title = `${title} · Roentgen`
  }, [title])

  return (
    <AppLayout
      headerSelector="#top"
      toolsHide
      navigation={<Navigation />}
      navigationOpen={navigation === 'open'}
      navigationWidth={220}
      onNavigationChange={({ detail }) => setNavigation(detail.open ? 'open' : 'closed')}
      disableContentPaddings
      maxContentWidth={Number.MAX_VALUE}
      content={
        <div className={isFullHeight ? 'page page-full' : 'page'}>
          {breadcrumbs}
          {children}
        </div>
      }
      splitPanelOpen={panel !== null && panel !== undefined}
      splitPanelPreferences={{ position }}
      splitPanelSize={position === 'side' ? size : BOTTOM_SIZE}
      onSplitPanelResize={({ detail }) => {
        if (position === 'side') setSize(detail.size)
      }}
      onSplitPanelPreferencesChange={({ detail }) => setPosition(detail.position)}
      onSplitPanelToggle={({ detail }) => {
        if (!detail.open) panel?.onClose()
      }}
      splitPanel={
        panel ? (
          <SplitPanel header={panel.header} headerActions={panel.actions} closeBehavior="hide">
            <div className="panel-content">{panel.content}</div>
          </SplitPanel>
        ) : undefined
      }
    />
  )
}
