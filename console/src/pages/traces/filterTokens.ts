// The filter of the trace list as tokens of Cloudscape's PropertyFilter, and back.

import type { PropertyFilterProps } from '@cloudscape-design/components/property-filter'
import type { FacetName, SearchAnswer, TraceFilter } from '../../api/internal.ts'
import { formatDuration } from '../../model/format.ts'
import { OUTCOME_LABEL, OUTCOMES } from '../../model/outcome.ts'
import { isOutcome } from '../../url/params.ts'

type Token = PropertyFilterProps.Token
type Query = PropertyFilterProps.Query

export const PROPERTIES: PropertyFilterProps.FilteringProperty[] = [
  { key: 'service', propertyLabel: 'Service', groupValuesLabel: 'Services', operators: ['='] },
  { key: 'outcome', propertyLabel: 'Outcome', groupValuesLabel: 'Outcomes', operators: ['='] },
  {
    key: 'rt',
    propertyLabel: 'Response time',
    groupValuesLabel: 'Response times in seconds',
    operators: [
      { operator: '>=', format: withUnit },
      { operator: '<=', format: withUnit },
    ],
    defaultOperator: '>=',
  },
  { key: 'method', propertyLabel: 'Method', groupValuesLabel: 'Methods', operators: ['='] },
  { key: 'status', propertyLabel: 'Response code', groupValuesLabel: 'Response codes', operators: ['='] },
  { key: 'user', propertyLabel: 'User', groupValuesLabel: 'Users', operators: ['='] },
]

/** The token shows "18 ms" for what the filter keeps as 0.018 seconds. */
function withUnit(value: unknown): string {
  const seconds = Number(value)
  return Number.isFinite(seconds) ? formatDuration(seconds) : String(value)
}

/** Suggestions: the outcomes, and what the present matches have. */
export function filterOptions(facets: SearchAnswer['facets'] | undefined): PropertyFilterProps.FilteringOption[] {
  const from = (propertyKey: string, name: FacetName) =>
    (facets?.[name] ?? []).map(({ value }) => ({ propertyKey, value: String(value) }))
  return [
    ...OUTCOMES.map((outcome) => ({ propertyKey: 'outcome', value: OUTCOME_LABEL[outcome] })),
    ...from('service', 'service'),
    ...from('method', 'method'),
    ...from('status', 'status'),
    ...from('user', 'user'),
    ...['0.1', '0.5', '1', '5'].map((value) => ({ propertyKey: 'rt', value, label: formatDuration(Number(value)) })),
  ]
}

export function toQuery(filter: TraceFilter): Query {
  const { node, edge, outcomes, minResponseTime, maxResponseTime, text, method, status, user } = filter
  const tokens: Token[] = []
  const equal = (propertyKey: string, value: string | undefined) => {
    if (value !== undefined) tokens.push({ propertyKey, operator: '=', value })
  }
  equal('service', node?.name)
  if (edge) tokens.push({ propertyKey: 'call', operator: '=', value: `${edge.from.name} → ${edge.to.name}` })
  for (const outcome of outcomes) equal('outcome', OUTCOME_LABEL[outcome])
  if (minResponseTime !== undefined) tokens.push({ propertyKey: 'rt', operator: '>=', value: String(minResponseTime) })
  if (maxResponseTime !== undefined) tokens.push({ propertyKey: 'rt', operator: '<=', value: String(maxResponseTime) })
  equal('method', method)
  equal('status', status?.toString())
  equal('user', user)
  if (text) tokens.push({ operator: ':', value: text })
  return { operation: 'and', tokens }
}

/** Of conditions that a trace can only meet once, the last one given counts. */
export function fromQuery(query: Query, before: TraceFilter): TraceFilter {
  const { filterExpression, groupName } = before
  // What has a field of its own is no token and stays as it is.
  const filter: TraceFilter = {
    outcomes: [],
    ...(filterExpression !== undefined && { filterExpression }),
    ...(groupName !== undefined && { groupName }),
  }
  for (const { propertyKey, operator, value } of query.tokens) {
    if (typeof value !== 'string') continue
    const number = Number(value)
    const seconds = toSeconds(value)
    switch (propertyKey) {
      case 'service':
        // The type is not in the token's text: an unchanged name keeps the one it had.
        filter.node = value === before.node?.name ? before.node : { name: value }
        break
      case 'call':
        if (before.edge) filter.edge = before.edge
        break
      case 'outcome': {
        const outcome = value.toLowerCase()
        if (isOutcome(outcome) && !filter.outcomes.includes(outcome)) filter.outcomes.push(outcome)
        break
      }
      case 'rt':
        if (seconds !== null) {
          if (operator === '>=') filter.minResponseTime = seconds
          else filter.maxResponseTime = seconds
        }
        break
      case 'method':
        filter.method = value
        break
      case 'status':
        if (Number.isInteger(number)) filter.status = number
        break
      case 'user':
        filter.user = value
        break
      default:
        filter.text = value
    }
  }
  return filter
}

/** Reads "0.5", "0.5 s" or "500 ms"; null for anything else. */
function toSeconds(text: string): number | null {
  const [, number, unit] = /^\s*(\d+(?:\.\d+)?(?:e-?\d+)?|\.\d+)\s*(ms|s)?\s*$/i.exec(text) ?? []
  if (number === undefined) return null
  return unit?.toLowerCase() === 'ms' ? Number(number) / 1000 : Number(number)
}
