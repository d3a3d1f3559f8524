// Which kind of thing a node type names, for its icon and its plain description.

export type NodeKind =
  | 'client'
  | 'service'
  | 'function'
  | 'container'
  | 'instance'
  | 'gateway'
  | 'database'
  | 'cache'
  | 'queue'
  | 'topic'
  | 'bucket'
  | 'search'
  | 'workflow'
  | 'model'
  | 'remote'

const RULES: readonly (readonly [RegExp, NodeKind])[] = [
  [/^client$/i, 'client'],
  [/elasticache|redis|memcached|::dax/i, 'cache'],
  [/dynamodb|::rds|aurora|database|::docdb|neptune|redshift|timestream|sql|mongo|cassandra|postgres|oracle/i, 'database'],
  [/lambda/i, 'function'],
  [/::ecs|::eks|fargate|container/i, 'container'],
  [/::ec2|beanstalk|apprunner|instance/i, 'instance'],
  [/apigateway|appsync|elasticloadbalancing|::elb|appmesh|cloudfront|proxy/i, 'gateway'],
  [/::sqs|queue|kinesis|firehose|::msk|kafka/i, 'queue'],
  [/::sns|eventbridge|::events|topic/i, 'topic'],
  [/::s3|bucket/i, 'bucket'],
  [/opensearch|elasticsearch|search/i, 'search'],
  [/stepfunctions|::states/i, 'workflow'],
  [/bedrock|sagemaker/i, 'model'],
  [/^remote$/i, 'remote'],
]

/** The kind of a node by its type, e.g. `AWS::SQS::Queue`. */
export function nodeKind(type: string | null | undefined): NodeKind {
  if (!type) return 'service'
  return RULES.find(([pattern]) => pattern.test(type))?.[1] ?? (type.startsWith('AWS::') ? 'remote' : 'service')
}
