//! Names and types: of AWS services, and of the nodes that segments make.

use std::borrow::Cow;

use crate::{Entity, Names, ServiceId};

/// An AWS service as SDKs spell it, in lower case without `amazon`, `aws`, blanks and a version;
/// the name X-Ray gives it; its type.
///
/// Sources: spellings from captures of the SDKs; `S3`, `DynamoDB`, `SNS` from BatchGetTraces
/// output; the rest after CloudFormation's type names.
const AWS_SERVICES: [(&str, &str, &str); 24] = [
    ("apigateway", "API Gateway", "AWS::ApiGateway"),
    ("athena", "Athena", "AWS::Athena"),
    ("bedrockruntime", "Bedrock Runtime", "AWS::Bedrock"),
    ("cloudwatch", "CloudWatch", "AWS::CloudWatch"),
    ("cloudwatchlogs", "CloudWatch Logs", "AWS::Logs"),
    ("cognitoidentityprovider", "Cognito Identity Provider", "AWS::Cognito"),
    ("cognitoidp", "Cognito Identity Provider", "AWS::Cognito"),
    ("dynamodb", "DynamoDB", "AWS::DynamoDB"),
    ("eventbridge", "EventBridge", "AWS::Events"),
    ("events", "EventBridge", "AWS::Events"),
    ("firehose", "Firehose", "AWS::KinesisFirehose"),
    ("kinesis", "Kinesis", "AWS::Kinesis"),
    ("kms", "KMS", "AWS::KMS"),
    ("lambda", "Lambda", "AWS::Lambda"),
    ("logs", "CloudWatch Logs", "AWS::Logs"),
    ("s3", "S3", "AWS::S3"),
    ("secretsmanager", "Secrets Manager", "AWS::SecretsManager"),
    ("ses", "SES", "AWS::SES"),
    ("sfn", "Step Functions", "AWS::StepFunctions"),
    ("sns", "SNS", "AWS::SNS"),
    ("sqs", "SQS", "AWS::SQS"),
    ("ssm", "SSM", "AWS::SSM"),
    ("stepfunctions", "Step Functions", "AWS::StepFunctions"),
    ("sts", "STS", "AWS::STS"),
];

/// Letters and digits of the longest spelling that can be one of [`AWS_SERVICES`]: the longest
/// key with a prefix before and a version behind it.
const MAX_SPELLING: usize = "amazonaws".len() + "cognitoidentityprovider".len() + "v2".len();

/// The node of a segment that its service reported. Nobody can report a client: that type is the
/// graph's own.
pub(super) fn reported_service(segment: &Entity<'_>, names: &mut Names) -> ServiceId {
    let origin = segment.origin.as_deref().filter(|origin| *origin != ServiceId::CLIENT);
    names.service(&segment.name, origin, segment.aws.account_id.as_deref())
}

/// The node of the segment inferred from a call: named after the resource where its type is a
/// resource's, after the service else.
pub(super) fn inferred_service(call: &Entity<'_>, names: &mut Names) -> ServiceId {
    let (name, origin) = callee(call);
    let kind = origin.as_deref().unwrap_or("remote");
    names.service(name, Some(kind), call.aws.account_id.as_deref())
}

/// The origin of the segment inferred from a call: the type of the resource when the call names
/// one, else of the service; `Database::SQL`; none for other remote calls.
pub(super) fn inferred_origin(call: &Entity<'_>) -> Option<Cow<'static, str>> {
    let (_, origin) = callee(call);
    origin
}

/// The name and the type of what is called.
fn callee<'c>(call: &'c Entity<'_>) -> (&'c str, Option<Cow<'static, str>>) {
    let service = known_service(call);
    let resource = service.and_then(|(service, _)| resource(service, call));
    let name = resource.or(service).map_or(&*call.name, |(name, _)| name);
    let origin = if call.has_sql {
        Some(Cow::Borrowed("Database::SQL"))
    } else if let Some((_, kind)) = resource.or(service) {
        Some(Cow::Borrowed(kind))
    } else if call.namespace.as_deref() == Some("aws") {
        let kind = call.name.chars().filter(|c| c.is_alphanumeric());
        Some(Cow::Owned("AWS::".chars().chain(kind).collect()))
    } else {
        None
    };
    (name, origin)
}

/// Gives an AWS call, or the segment inferred from it, the name that X-Ray shows.
pub(super) fn normalize_name(entity: &mut Entity<'_>) {
    if let Some((name, _)) = known_service(entity) {
        entity.name = Cow::Borrowed(name);
    }
}

/// The name and type of the AWS service that is called.
fn known_service(call: &Entity<'_>) -> Option<(&'static str, &'static str)> {
    if call.namespace.as_deref() == Some("aws") { service(&call.name) } else { None }
}

/// The name and type of the resource that a call of this service names, for the services that
/// have such a type. SNS stays a service even when the topic is known (seen in service graphs of
/// X-Ray).
fn resource<'c>(service: &str, call: &'c Entity<'_>) -> Option<(&'c str, &'static str)> {
    match service {
        "DynamoDB" => Some((call.aws.table_name.as_deref()?, "AWS::DynamoDB::Table")),
        "S3" => Some((call.aws.bucket_name.as_deref()?, "AWS::S3::Bucket")),
        "SQS" => {
            let url = call.aws.queue_url.as_deref()?;
            let queue = url.rsplit('/').next().filter(|queue| !queue.is_empty())?;
            Some((queue, "AWS::SQS::Queue"))
        }
        _ => None,
    }
}

/// The name and type of an AWS service in any spelling.
fn service(spelling: &str) -> Option<(&'static str, &'static str)> {
    let mut letters = [0; MAX_SPELLING];
    let mut length = 0;
    for byte in spelling.bytes().filter(u8::is_ascii_alphanumeric) {
        *letters.get_mut(length)? = byte.to_ascii_lowercase();
        length += 1;
    }
    let mut key = letters.get(..length)?;
    for prefix in ["amazon", "aws"] {
        key = key.strip_prefix(prefix.as_bytes()).unwrap_or(key);
    }
    key = key.strip_suffix(b"v2").unwrap_or(key);
    let index = AWS_SERVICES.binary_search_by_key(&key, |(key, ..)| key.as_bytes()).ok()?;
    AWS_SERVICES.get(index).map(|&(_, name, kind)| (name, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(AWS_SERVICES.is_sorted_by_key(|(key, ..)| *key));
    }

    #[test]
    fn spellings_of_all_sdks_are_known() {
        let check = |spelling: &str, expect: Option<&str>| {
            assert_eq!(service(spelling).map(|(name, _)| name), expect, "{spelling}");
        };
        check("s3", Some("S3"));
        check("Amazon S3", Some("S3"));
        check("dynamodb", Some("DynamoDB"));
        check("AmazonDynamoDBv2", Some("DynamoDB"));
        check("DynamoDBv2", Some("DynamoDB"));
        check("DynamoDb", Some("DynamoDB"));
        check("AWSLambda", Some("Lambda"));
        check("Secrets Manager", Some("Secrets Manager"));
        check("secretsmanager", Some("Secrets Manager"));
        check("amazon", None);
        check("", None);
        check("my-s3", None);
        check("Amazon AWS Cognito Identity Provider v2", Some("Cognito Identity Provider"));
        check(&"s3".repeat(100), None);
    }
}
