// Refine by: the values that the matching traces have, with counts. A click adds the value to the filter.

import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import Select from '@cloudscape-design/components/select'
import { useState } from 'react'
import type { FacetName, FacetValue, SearchAnswer, TraceFilter } from '../../api/internal.ts'
import { formatCount, formatShare } from '../../model/format.ts'

interface Props {
  answer: SearchAnswer | undefined
  filter: TraceFilter
  onFilter: (filter: TraceFilter) => void
}

const FACETS: readonly { id: FacetName; label: string }[] = [
  { id: 'service', label: 'Service' },
  { id: 'url', label: 'URL' },
  { id: 'status', label: 'Response code' },
  { id: 'method', label: 'Method' },
  { id: 'user', label: 'User' },
]

export function Refiner({ answer, filter, onFilter }: Props) {
  const [facet, setFacet] = useState<FacetName>('service')
  const options = FACETS.map(({ id, label }) => ({ value: id, label }))
  const values = answer?.facets[facet] ?? []
  return (
    <Container
      fitHeight
      header={
        <Header
          variant="h2"
          actions={
            <Select
              options={options}
              selectedOption={options.find(({ value }) => value === facet) ?? null}
              onChange={({ detail }) => {
                const chosen = FACETS.find(({ id }) => id === detail.selectedOption.value)
                if (chosen) setFacet(chosen.id)
              }}
              ariaLabel="Refine by"
            />
          }
        >
          Refine by
        </Header>
      }
    >
      {values.length === 0 ? (
        <p className="quiet">The matching traces have no such value.</p>
      ) : (
        <ul className="facets" tabIndex={0} aria-label={`Values of ${FACETS.find(({ id }) => id === facet)?.label ?? ''}`}>
          {values.map(({ value, count }) => {
            const isSet = isInFilter(filter, facet, value)
            return (
              <li key={value}>
                <button
                  type="button"
                  className="facet"
                  aria-pressed={isSet}
                  title={String(value)}
                  onClick={() => onFilter(isSet ? without(filter, facet) : withValue(filter, facet, value))}
                >
                  <span className="facet-bar" style={{ width: formatShare(count, answer?.matched ?? 0).replace('<', '') }} />
                  <span className="facet-value">{value}</span>
                  <span className="facet-count">{formatCount(count)}</span>
                </button>
              </li>
            )
          })}
        </ul>
      )}
    </Container>
  )
}

function isInFilter(filter: TraceFilter, facet: FacetName, value: FacetValue['value']): boolean {
  switch (facet) {
    case 'service':
      return filter.node?.name === value
    case 'url':
      return filter.text === value
    case 'status':
      return filter.status === Number(value)
    case 'method':
      return filter.method === value
    case 'user':
      return filter.user === value
  }
}

function withValue(filter: TraceFilter, facet: FacetName, value: FacetValue['value']): TraceFilter {
  const text = String(value)
  switch (facet) {
    case 'service':
      return { ...filter, node: { name: text } }
    case 'url':
      return { ...filter, text }
    case 'status':
      return { ...filter, status: Number(value) }
    case 'method':
      return { ...filter, method: text }
    case 'user':
      return { ...filter, user: text }
  }
}

function without(filter: TraceFilter, facet: FacetName): TraceFilter {
  const { node, text, status, method, user, ...rest } = filter
  return {
    ...rest,
    ...(node && facet !== 'service' && { node }),
    ...(text !== undefined && facet !== 'url' && { text }),
    ...(status !== undefined && facet !== 'status' && { status }),
    ...(method !== undefined && facet !== 'method' && { method }),
    ...(user !== undefined && facet !== 'user' && { user }),
  }
}
