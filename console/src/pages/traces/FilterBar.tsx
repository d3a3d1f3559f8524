// The filter over the trace list.

import PropertyFilter from '@cloudscape-design/components/property-filter'
import type { SearchAnswer, TraceFilter } from '../../api/internal.ts'
import { bothOf, looksLikeExpression } from '../../model/filterExpression.ts'
import { filterOptions, fromQuery, PROPERTIES, toQuery } from './filterTokens.ts'

interface Props {
  filter: TraceFilter
  facets: SearchAnswer['facets'] | undefined
  countText: string
  onChange: (filter: TraceFilter) => void
}

export function FilterBar({ filter, facets, countText, onChange }: Props) {
  // A call is chosen on the map, not typed; the property only exists to show and remove it.
  const call = { key: 'call', propertyLabel: 'Call', groupValuesLabel: 'Calls', operators: ['='] as const }
  return (
    <PropertyFilter
      query={toQuery(filter)}
      onChange={({ detail }) => onChange(withTypedExpression(fromQuery(detail, filter), filter))}
      filteringProperties={filter.edge ? [...PROPERTIES, { ...call, operators: [...call.operators] }] : PROPERTIES}
      filteringOptions={filterOptions(facets)}
      freeTextFiltering={{ operators: [':'], defaultOperator: ':' }}
      hideOperations
      countText={countText}
      expandToViewport
      filteringAriaLabel="Filter traces"
      filteringPlaceholder="Filter by service, outcome, response time, or any text"
      i18nStrings={{ clearFiltersText: 'Clear filters' }}
    />
  )
}

/** A filter expression that was typed among the conditions goes to where it is understood. */
function withTypedExpression(filter: TraceFilter, before: TraceFilter): TraceFilter {
  const { text, ...rest } = filter
  if (text === undefined || text === before.text || !looksLikeExpression(text)) return filter
  return {
    ...rest,
    filterExpression: bothOf(filter.filterExpression ?? '', text.trim()),
    ...(before.text !== undefined && { text: before.text }),
  }
}
