//! Names and types: of AWS services, and of the nodes that segments make.

use crate::{Entity, ServiceId};

/// An AWS service as SDKs spell it, in lower case without `amazon`, `aws`, blanks and a version;
/// the name X-Ray gives it; the part of its type behind `AWS::`.
///
/// Sources: spellings from captures of the SDKs; `S3`, `DynamoDB`, `SNS` from BatchGetTraces
/// output; the rest after CloudFormation's type names.
const AWS_SERVICES: [(&str, &str, &str); 24] = [
    ("apigateway", "API Gateway", "ApiGateway"),
    ("athena", "Athena", "Athena"),
    ("bedrockruntime", "Bedrock Runtime", "Bedrock"),
    ("cloudwatch", "CloudWatch", "CloudWatch"),
    ("cloudwatchlogs", "CloudWatch Logs", "Logs"),
    ("cognitoidentityprovider", "Cognito Identity Provider", "Cognito"),
    ("cognitoidp", "Cognito Identity Provider", "Cognito"),
    ("dynamodb", "DynamoDB", "DynamoDB"),
    ("eventbridge", "EventBridge", "Events"),
    ("events", "EventBridge", "Events"),
    ("firehose", "Firehose", "KinesisFirehose"),
    ("kinesis", "Kinesis", "Kinesis"),
    ("kms", "KMS", "KMS"),
    ("lambda", "Lambda", "Lambda"),
    ("logs", "CloudWatch Logs", "Logs"),
    ("s3", "S3", "S3"),
    ("secretsmanager", "Secrets Manager", "SecretsManager"),
    ("ses", "SES", "SES"),
    ("sfn", "Step Functions", "StepFunctions"),
    ("sns", "SNS", "SNS"),
    ("sqs", "SQS", "SQS"),
    ("ssm", "SSM", "SSM"),
    ("stepfunctions", "Step Functions", "StepFunctions"),
    ("sts", "STS", "STS"),
];

/// The node of a segment that its service reported. Nobody can report a client: that type is the
/// graph's own.
pub(super) fn reported_service(segment: &Entity) -> ServiceId {
    let origin = segment.origin.as_deref().filter(|origin| *origin != ServiceId::CLIENT);
    ServiceId {
        name: segment.name.as_str().into(),
        kind: origin.map(Into::into),
        account_id: segment.aws.account_id.as_deref().map(Into::into),
    }
}

/// The node of an inferred segment: named after the resource where its type is a resource's,
/// after the service else.
pub(super) fn inferred_service(segment: &Entity) -> ServiceId {
    let name = resource(segment).map_or_else(|| normalized(segment), |(_, name)| name);
    let kind = segment.origin.clone().unwrap_or_else(|| "remote".to_owned());
    ServiceId {
        name: name.into(),
        kind: Some(kind.into()),
        account_id: segment.aws.account_id.as_deref().map(Into::into),
    }
}

/// The origin of the segment inferred from a call: the type of the resource when the call names
/// one, else of the service; `Database::SQL`; none for other remote calls.
pub(super) fn inferred_origin(call: &Entity) -> Option<String> {
    if call.has_sql {
        return Some("Database::SQL".to_owned());
    }
    if call.namespace.as_deref() != Some("aws") {
        return None;
    }
    if let Some((kind, _)) = resource(call) {
        return Some(kind.to_owned());
    }
    let kind = match service(&call.name) {
        Some((_, kind)) => kind.to_owned(),
        None => call.name.chars().filter(|c| c.is_alphanumeric()).collect(),
    };
    Some(format!("AWS::{kind}"))
}

/// Gives an AWS call, or the segment inferred from it, the name that X-Ray shows.
pub(super) fn normalize_name(entity: &mut Entity) {
    entity.name = normalized(entity);
}

fn normalized(entity: &Entity) -> String {
    let known = service(&entity.name).filter(|_| entity.namespace.as_deref() == Some("aws"));
    known.map_or_else(|| entity.name.clone(), |(name, _)| name.to_owned())
}

/// The type and name of the resource that a call names, for the services that have such a type.
/// SNS stays a service even when the topic is known (seen in service graphs of X-Ray).
fn resource(entity: &Entity) -> Option<(&'static str, String)> {
    if entity.namespace.as_deref() != Some("aws") {
        return None;
    }
    let (name, _) = service(&entity.name)?;
    match name {
        "DynamoDB" => Some(("AWS::DynamoDB::Table", entity.aws.table_name.clone()?)),
        "S3" => Some(("AWS::S3::Bucket", entity.aws.bucket_name.clone()?)),
        "SQS" => {
            let url = entity.aws.queue_url.as_deref()?;
            let queue = url.rsplit('/').next().filter(|queue| !queue.is_empty())?;
            Some(("AWS::SQS::Queue", queue.to_owned()))
        }
        _ => None,
    }
}

fn service(spelling: &str) -> Option<(&'static str, &'static str)> {
    let mut key: String =
        spelling.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    for prefix in ["amazon", "aws"] {
        if let Some(rest) = key.strip_prefix(prefix) {
            key = rest.to_owned();
        }
    }
    if let Some(rest) = key.strip_suffix("v2") {
        key = rest.to_owned();
    }
    let index = AWS_SERVICES.binary_search_by_key(&key.as_str(), |(key, ..)| key).ok()?;
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
    }
}
