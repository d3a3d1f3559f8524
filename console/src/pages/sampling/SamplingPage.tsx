// The sampling rules that SDKs get, in the order in which they are tried.

import Box from '@cloudscape-design/components/box'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Table from '@cloudscape-design/components/table'
import type { SamplingRule } from '../../api/xray.ts'
import { useSamplingRules } from '../../api/queries.ts'
import { ErrorPanel } from '../../ui/ErrorPanel.tsx'
import { CodeBlock } from '../../ui/CodeBlock.tsx'
import { PageFrame } from '../../ui/PageFrame.tsx'
import { traceEverythingSnippet } from '../connect/snippets.ts'

export function SamplingPage() {
  const { data, error, isPending, refetch } = useSamplingRules()
  const rules = (data ?? []).toSorted((a, b) => (a.Priority ?? 0) - (b.Priority ?? 0))
  return (
    <PageFrame title="Sampling rules">
      {error ? (
        <ErrorPanel title="The sampling rules could not be read" error={error} onRetry={() => void refetch()} />
      ) : (
        <Table<SamplingRule>
          variant="full-page"
          loading={isPending}
          loadingText="Loading sampling rules"
          items={rules}
          trackBy={(rule) => rule.RuleName ?? ''}
          header={
            <Header
              variant="h1"
              {...(data && { counter: `(${rules.length})` })}
              description={<HowToChange />}
            >
              Sampling rules
            </Header>
          }
          ariaLabels={{ tableLabel: 'Sampling rules' }}
          empty={<Box textAlign="center">The server has no sampling rules.</Box>}
          columnDefinitions={[
            { id: 'name', header: 'Rule name', cell: (rule) => <strong>{rule.RuleName}</strong>, isRowHeader: true },
            { id: 'priority', header: 'Priority', cell: (rule) => rule.Priority },
            { id: 'reservoir', header: 'Reservoir (/s)', cell: (rule) => rule.ReservoirSize },
            { id: 'rate', header: 'Fixed rate', cell: (rule) => percent(rule.FixedRate) },
            { id: 'service', header: 'Service', cell: (rule) => rule.ServiceName },
            { id: 'type', header: 'Type', cell: (rule) => rule.ServiceType },
            { id: 'host', header: 'Host', cell: (rule) => rule.Host },
            { id: 'method', header: 'Method', cell: (rule) => rule.HTTPMethod },
            { id: 'path', header: 'URL path', cell: (rule) => rule.URLPath },
          ]}
        />
      )}
    </PageFrame>
  )
}

function HowToChange() {
  return (
    <SpaceBetween size="xs">
      <span>
        SDKs try these rules in the order of their priority; the first that matches decides. They are changed through the
        X-Ray API. To trace every request that no other rule takes:
      </span>
      <CodeBlock code={traceEverythingSnippet(window.location.origin)} what="command" />
      <span>
        SDKs fetch the rules every 5 minutes at the latest. Those for Python and Go take a change over about 10 seconds
        after a request that a rule took.
      </span>
    </SpaceBetween>
  )
}

function percent(rate: number | undefined): string {
  return rate === undefined ? '–' : `${Number((rate * 100).toPrecision(6))}%`
}
