// Which group of traces to look at. A server without groups of its own has nothing to choose from.

import Select from '@cloudscape-design/components/select'
import { useGroups } from '../api/queries.ts'

interface Props {
  /** The chosen group; undefined for all traces. */
  groupName: string | undefined
  onChange: (groupName: string | undefined) => void
}

const ALL = { value: '', label: 'All traces' }

export function GroupPicker({ groupName, onChange }: Props) {
  const { data: groups = [] } = useGroups()
  // A link may name a group that is gone: then the server says so, and the way out is here.
  const names = new Set([...groups.flatMap(({ GroupName }) => (GroupName ? [GroupName] : [])), ...(groupName ? [groupName] : [])])
  names.delete(DEFAULT_GROUP)
  if (names.size === 0) return null
  const options = [ALL, ...[...names].toSorted().map((name) => ({ value: name, label: name }))]
  return (
    <Select
      options={options}
      selectedOption={groupName ? { value: groupName, label: `Group ${groupName}` } : ALL}
      onChange={({ detail }) => onChange(detail.selectedOption.value || undefined)}
      ariaLabel="Group"
      filteringType={options.length > 10 ? 'auto' : 'none'}
    />
  )
}

/** X-Ray's own group, which has all traces. */
const DEFAULT_GROUP = 'Default'
