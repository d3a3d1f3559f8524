import { expect, test } from 'vitest'
import { findRaised, flatten, readCause } from '../../src/model/document.ts'
import { nodeKind, type NodeKind } from '../../src/model/nodeKind.ts'

test('leaves get their path, plain lists stay together', () => {
  expect(flatten({ ecs: { container: 'c1', ids: ['a', 'b'] }, retries: 0, on: true, odd: [{ x: 1 }], nothing: null })).toEqual([
    { path: 'ecs.container', value: 'c1' },
    { path: 'ecs.ids', value: 'a, b' },
    { path: 'retries', value: '0' },
    { path: 'on', value: 'true' },
    { path: 'odd', value: '[{"x":1}]' },
    { path: 'nothing', value: 'null' },
  ])
})

test('a cause with its exceptions', () => {
  const cause = readCause({
    cause: {
      working_directory: '/srv',
      paths: ['/srv/lib', 7],
      exceptions: [
        { id: 'e1', type: 'ValueError', message: 'bad', remote: true, truncated: 2, cause: 'e2', stack: [{ path: 'a.py', line: 3, label: 'f' }, 'odd', { label: 5 }] },
        'not an exception',
      ],
    },
  })
  expect(cause).toEqual({
    workingDirectory: '/srv',
    paths: ['/srv/lib'],
    reference: null,
    exceptions: [
      {
        id: 'e1',
        type: 'ValueError',
        message: 'bad',
        isRemote: true,
        truncatedFrames: 2,
        skipped: 0,
        cause: 'e2',
        frames: [{ path: 'a.py', line: 3, label: 'f' }, { path: '', line: null, label: '5' }],
      },
    ],
  })
})

test('a cause may be the id of an exception, or no cause at all', () => {
  expect(readCause({ cause: 'abcdef0123456789' })?.reference).toBe('abcdef0123456789')
  expect(readCause({})).toBeNull()
  expect(readCause({ cause: [1] })).toBeNull()
  expect(readCause({ cause: { exceptions: 'odd' } })).toBeNull()
})

test.each<[string | null, NodeKind]>([
  [null, 'service'],
  ['client', 'client'],
  ['AWS::ECS::Container', 'container'],
  ['AWS::EC2::Instance', 'instance'],
  ['AWS::Lambda::Function', 'function'],
  ['AWS::DynamoDB::Table', 'database'],
  ['AWS::DynamoDB', 'database'],
  ['AWS::RDS::DBInstance', 'database'],
  ['Database::SQL', 'database'],
  ['AWS::ElastiCache::CacheCluster', 'cache'],
  ['AWS::SQS::Queue', 'queue'],
  ['AWS::SNS', 'topic'],
  ['AWS::S3::Bucket', 'bucket'],
  ['AWS::ApiGateway::Stage', 'gateway'],
  ['AWS::StepFunctions::StateMachine', 'workflow'],
  ['AWS::OpenSearchService::Domain', 'search'],
  ['AWS::Anything', 'remote'],
  ['remote', 'remote'],
  ['our own type', 'service'],
])('%s has the icon of a %s', (type, kind) => {
  expect(nodeKind(type)).toBe(kind)
})

test('an exception is found where it was raised, however deep, and not where it is only named', () => {
  const raising = { id: 'c', name: 'query', cause: { exceptions: [{ id: 'e1', type: 'Timeout' }] } }
  const documents = [
    { id: 'a', name: 'shop', cause: 'e1', subsegments: [{ id: 'b', name: 'load', cause: 'e1', subsegments: [raising] }] },
    { id: 'd', name: 'other', cause: { exceptions: [{ id: 'e2' }] } },
  ]
  expect(findRaised(documents, 'e1').map(({ segmentId, name, cause }) => [segmentId, name, cause.exceptions[0]?.type])).toEqual([
    ['c', 'query', 'Timeout'],
  ])
  expect(findRaised(documents, 'e3')).toEqual([])
})

test('the Node.js SDK refers to the subsegment that raised the exception', () => {
  const inner = { id: '992f05066564c80f', name: 'inner', cause: { exceptions: [{ type: 'RangeError', message: 'deep' }] } }
  const outer = { id: '106af2dcabee4dd3', name: 'outer', cause: { id: inner.id, exceptions: [] }, subsegments: [inner] }
  const reference = readCause(outer)?.reference
  expect(reference).toBe(inner.id)
  expect(findRaised([outer], inner.id).map(({ name }) => name)).toEqual(['inner'])
})

test('an empty cause is none', () => {
  expect(readCause({ cause: {} })).toBeNull()
  expect(readCause({ cause: { exceptions: [] } })).toBeNull()
})
