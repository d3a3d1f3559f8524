// Refresh now, or by itself at an interval. The interval is a preference.

import ButtonDropdown from '@cloudscape-design/components/button-dropdown'
import { useStatus } from '../api/queries.ts'
import { usePreference } from '../theme/preferences.ts'

const INTERVALS: readonly { ms: number; text: string }[] = [
  { ms: 0, text: 'Off' },
  { ms: 5000, text: '5 s' },
  { ms: 10_000, text: '10 s' },
  { ms: 60_000, text: '1 m' },
]

interface Props {
  isRefreshing: boolean
  onRefresh: () => void
}

export function RefreshButton({ isRefreshing, onRefresh }: Props) {
  const [refresh, setRefresh] = usePreference('refresh')
  const interval = INTERVALS.find(({ ms }) => ms === refresh) ?? INTERVALS[0]
  return (
    <ButtonDropdown
      ariaLabel="Choose auto refresh"
      mainAction={{
        iconName: 'refresh',
        ariaLabel: refresh > 0 && interval ? `Refresh, every ${interval.text} by itself` : 'Refresh',
        // A spinner at every automatic refresh would be unrest without news.
        loading: isRefreshing && refresh === 0,
        loadingText: 'Refreshing',
        onClick: onRefresh,
        ...(refresh > 0 && interval && { text: interval.text }),
      }}
      items={[
        {
          text: 'Auto refresh',
          items: INTERVALS.map(({ ms, text }) => ({ id: String(ms), text, itemType: 'checkbox', checked: ms === refresh })),
        },
      ]}
      expandToViewport
      onItemClick={({ detail }) => setRefresh(Number(detail.id))}
    />
  )
}

/** While the sample shop runs there is something new all the time, and someone who came to see it. */
const SAMPLE_TRAFFIC_MS = 2000

/** The chosen interval as a query takes it. */
export function useRefreshInterval(): number | false {
  const [refresh] = usePreference('refresh')
  const { data: status } = useStatus()
  if (status?.sampleTraffic.running) return SAMPLE_TRAFFIC_MS
  return refresh > 0 ? refresh : false
}
