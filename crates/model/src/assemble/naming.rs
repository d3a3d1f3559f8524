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

/// The node of an inferred segment: named after the resource where its type is a resource's,
/// after the service else.
pub(super) fn inferred_service(segment: &Entity<'_>, names: &mut Names) -> ServiceId {
    let name = match resource(segment) {
        Some((_, name)) => name,
        None => known_name(segment).unwrap_or(&segment.name),
    };
    let kind = segment.origin.as_deref().unwrap_or("remote");
    names.service(name, Some(kind), segment.aws.account_id.as_deref())
}

/// The origin of the segment inferred from a call: the type of the resource when the call names
/// one, else of the service; `Database::SQL`; none for other remote calls.
pub(super) fn inferred_origin(call: &Entity<'_>) -> Option<Cow<'static, str>> {
    if call.has_sql {
        return Some(Cow::Borrowed("Database::SQL"));
    }
    if call.namespace.as_deref() != Some("aws") {
        return None;
    }
    if let Some((kind, _)) = resource(call) {
        return Some(Cow::Borrowed(kind));
    }
    if let Some((_, kind)) = service(&call.name) {
        return Some(Cow::Borrowed(kind));
    }
    let kind = call.name.chars().filter(|c| c.is_alphanumeric());
    Some(Cow::Owned("AWS::".chars().chain(kind).collect()))
}

/// Gives an AWS call, or the segment inferred from it, the name that X-Ray shows.
pub(super) fn normalize_name(entity: &mut Entity<'_>) {
    if let Some(name) = known_name(entity) {
        entity.name = Cow::Borrowed(name);
    }
}

/// The name X-Ray gives to the AWS service that is called.
fn known_name(entity: &Entity<'_>) -> Option<&'static str> {
    if entity.namespace.as_deref() != Some("aws") {
        return None;
    }
    service(&entity.name).map(|(name, _)| name)
}

/// The type and name of the resource that a call names, for the services that have such a type.
/// SNS stays a service even when the topic is known (seen in service graphs of X-Ray).
fn resource<'e>(entity: &'e Entity<'_>) -> Option<(&'static str, &'e str)> {
    match known_name(entity)? {
        "DynamoDB" => Some(("AWS::DynamoDB::Table", entity.aws.table_name.as_deref()?)),
        "S3" => Some(("AWS::S3::Bucket", entity.aws.bucket_name.as_deref()?)),
        "SQS" => {
            let url = entity.aws.queue_url.as_deref()?;
            let queue = url.rsplit('/').next().filter(|queue| !queue.is_empty())?;
            Some(("AWS::SQS::Queue", queue))
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
