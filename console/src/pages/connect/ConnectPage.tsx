// How to send traces. It stands in for the other pages until the first segment arrives, and is always in the
// navigation after that.

import Alert from '@cloudscape-design/components/alert'
import Box from '@cloudscape-design/components/box'
import ColumnLayout from '@cloudscape-design/components/column-layout'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import Link from '@cloudscape-design/components/link'
import SpaceBetween from '@cloudscape-design/components/space-between'
import StatusIndicator from '@cloudscape-design/components/status-indicator'
import Tabs from '@cloudscape-design/components/tabs'
import { useStatus } from '../../api/queries.ts'
import type { Status } from '../../api/internal.ts'
import { formatAge, formatCount } from '../../model/format.ts'
import { href } from '../../url/location.ts'
import { describeRejections } from '../../model/rejection.ts'
import { CodeBlock } from '../../ui/CodeBlock.tsx'
import { PageFrame } from '../../ui/PageFrame.tsx'
import { SampleTraffic } from './SampleTraffic.tsx'
import { cliSnippet, snippets } from './snippets.ts'

export function ConnectPage({ isFirstRun = false }: { isFirstRun?: boolean }) {
  const { data: status } = useStatus()
  const address = status?.address ?? '127.0.0.1:2000'
  return (
    <PageFrame title={isFirstRun ? 'Welcome' : 'Connect an app'}>
      <div className="connect">
        <SpaceBetween size="l">
          <Header variant="h1" description={describe(isFirstRun, status)}>
            {isFirstRun ? 'Send the first trace' : 'Connect an app'}
          </Header>
          {status && <Arrivals status={status} isFirstRun={isFirstRun} />}
          <ColumnLayout columns={2}>
            <Container
              fitHeight
              header={
                <Header variant="h2" description="Any app with an X-Ray SDK. No AWS account, no change to its code.">
                  Point your app here
                </Header>
              }
            >
              <CodeBlock what="environment variable" code={`export AWS_XRAY_DAEMON_ADDRESS=${address}`} />
              <Box variant="p" color="text-body-secondary" padding={{ top: 's' }}>
                One address is all it takes: the SDKs send segments there over UDP and fetch their sampling rules over
                TCP. The Default rule samples the first request of each second and 5% of the others;{' '}
                <Link href={href({ page: 'sampling' })}>Sampling rules</Link> says how to trace every one.
              </Box>
            </Container>
            <Container
              fitHeight
              header={
                <Header variant="h2" description="A shop of ten services with queues, databases, errors and throttles.">
                  Or look around first
                </Header>
              }
            >
              <SampleTraffic status={status} />
            </Container>
          </ColumnLayout>
          <Container header={<Header variant="h2">A small app to try</Header>}>
            <Tabs
              tabs={[
                ...snippets().map(({ id, label, install, code }) => ({
                  id,
                  label,
                  content: (
                    <SpaceBetween size="s">
                      <CodeBlock what="dependency" code={install} />
                      <CodeBlock what={`${label} code`} code={code} />
                    </SpaceBetween>
                  ),
                })),
                {
                  id: 'cli',
                  label: 'AWS CLI',
                  content: <CodeBlock what="command" code={cliSnippet(window.location.origin)} />,
                },
              ]}
            />
          </Container>
        </SpaceBetween>
      </div>
    </PageFrame>
  )
}

function describe(isFirstRun: boolean, status: Status | undefined): string {
  if (!isFirstRun) return 'Where to send segments, and a small app for each SDK to try it with.'
  const state = status && status.documentsRejected > 0 ? 'has received nothing it can use yet' : 'has not received a segment yet'
  return `Roentgen is running and ${state}. This page turns into the trace map, or the list of traces, as soon as a segment arrives.`
}

function Arrivals({ status, isFirstRun }: { status: Status; isFirstRun: boolean }) {
  const { documentsRejected: rejected, documentsAccepted: accepted } = status
  const documents = `${formatCount(rejected)} ${rejected === 1 ? 'document' : 'documents'}`
  return (
    <SpaceBetween size="s">
      <Arrival status={status} isFirstRun={isFirstRun} />
      {rejected > 0 && (
        <Alert
          type="warning"
          header={accepted === 0 ? `${documents} arrived, but none could be used` : `${documents} could not be used`}
        >
          Why: {describeRejections(status.rejectedByReason)}.
        </Alert>
      )}
    </SpaceBetween>
  )
}

function Arrival({ status, isFirstRun }: { status: Status; isFirstRun: boolean }) {
  if (isFirstRun) return <StatusIndicator type="pending">Waiting for the first segment on {status.address}</StatusIndicator>
  return status.lastDocumentAt === null ? null : (
    <StatusIndicator type="success">
      Receiving on {status.address}; the last segment came {formatAge(status.now - status.lastDocumentAt)}
    </StatusIndicator>
  )
}
