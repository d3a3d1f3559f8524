//! The resource of a span: what its segment says about the service and where it runs.

use roentgen_model::{Entity, read_object, read_text};
use serde_json::value::RawValue;

use crate::attributes::add_value;
use crate::json::Value;
use crate::room::Attributes;

/// Members of a segment's `aws` blocks and their attributes. `elastic_beanstalk` goes where the
/// collector's exporter takes it from.
const AWS_MEMBERS: &[(&str, &str, &str)] = &[
    ("ec2", "instance_id", "host.id"),
    ("ec2", "instance_size", "host.type"),
    ("ec2", "ami_id", "host.image.id"),
    ("ec2", "availability_zone", "cloud.availability_zone"),
    ("ecs", "container", "container.name"),
    ("ecs", "container_id", "container.id"),
    ("ecs", "container_arn", "aws.ecs.container.arn"),
    ("ecs", "task_arn", "aws.ecs.task.arn"),
    ("ecs", "task_family", "aws.ecs.task.family"),
    ("ecs", "cluster_arn", "aws.ecs.cluster.arn"),
    ("ecs", "availability_zone", "cloud.availability_zone"),
    ("ecs", "launch_type", "aws.ecs.launchtype"),
    ("eks", "pod", "k8s.pod.name"),
    ("eks", "cluster_name", "k8s.cluster.name"),
    ("eks", "container_id", "container.id"),
    ("elastic_beanstalk", "environment_name", "service.namespace"),
    ("elastic_beanstalk", "version_label", "service.version"),
    ("elastic_beanstalk", "deployment_id", "service.instance.id"),
    ("xray", "sdk", "telemetry.sdk.name"),
    ("xray", "sdk_version", "telemetry.sdk.version"),
    ("tracing", "sdk", "telemetry.sdk.name"),
];

/// Origins of segments and OpenTelemetry's `cloud.platform`.
const PLATFORMS: &[(&str, &str)] = &[
    ("AWS::AppRunner", "aws_app_runner"),
    ("AWS::EC2", "aws_ec2"),
    ("AWS::ECS", "aws_ecs"),
    ("AWS::EKS", "aws_eks"),
    ("AWS::ElasticBeanstalk", "aws_elastic_beanstalk"),
    ("AWS::Lambda", "aws_lambda"),
];

/// What OpenTelemetry calls a service that did not tell its name.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// Adds what is known of the resource. `None` when the segment of a subsegment has not arrived.
pub(crate) fn describe(segment: Option<&Entity<'_>>, attributes: &mut Attributes<'_>) {
    let name = segment.map_or(UNKNOWN_SERVICE, |segment| &segment.name);
    attributes.add_text("service.name", Some(name));
    let Some(segment) = segment else { return };
    let service = segment.member("service").and_then(read_object).unwrap_or_default();
    for (key, raw) in service {
        let attribute = match &*key {
            "version" => "service.version".to_owned(),
            "runtime" => "process.runtime.name".to_owned(),
            "runtime_version" => "process.runtime.version".to_owned(),
            "name" => continue, // The segment's own name, again.
            other => format!("aws.xray.service.{other}"),
        };
        add_value(&attribute, raw, attributes);
    }
    let origin = segment.origin.as_deref();
    let is_aws = segment.aws.account_id.is_some()
        || origin.is_some_and(|origin| origin.starts_with("AWS::"))
        || segment.resource_arn.is_some();
    attributes.add_text("cloud.provider", is_aws.then_some("aws"));
    let platform = PLATFORMS.iter().find(|(prefix, _)| {
        let rest = origin.and_then(|origin| origin.strip_prefix(prefix));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    });
    attributes.add_text("cloud.platform", platform.map(|(_, platform)| *platform));
    attributes.add_text("cloud.account.id", segment.aws.account_id.as_deref());
    attributes.add_text("cloud.resource_id", segment.resource_arn.as_deref());
    attributes.add_text("aws.xray.origin", origin);
    describe_aws(segment, attributes);
}

fn describe_aws(segment: &Entity<'_>, attributes: &mut Attributes<'_>) {
    for (block, raw) in segment.member("aws").and_then(read_object).unwrap_or_default() {
        if block == "cloudwatch_logs" {
            describe_log_groups(raw, attributes);
        }
        for (member, raw) in read_object(raw).unwrap_or_default() {
            let mut known = AWS_MEMBERS.iter();
            if let Some((.., key)) = known.find(|(b, m, _)| *b == block && *m == member) {
                add_value(key, raw, attributes);
            }
        }
    }
}

fn describe_log_groups(raw: &RawValue, attributes: &mut Attributes<'_>) {
    let groups = roentgen_model::read_array(raw).unwrap_or_default();
    let groups: Vec<_> = groups.into_iter().filter_map(read_object).collect();
    for (member, key) in [("log_group", "aws.log.group.names"), ("arn", "aws.log.group.arns")] {
        let members = groups.iter().flatten().filter(|(name, _)| name == member);
        let texts: Vec<Value> = members
            .filter_map(|(_, raw)| Some(Value::Text(read_text(raw)?.into_owned())))
            .collect();
        if !texts.is_empty() {
            attributes.add(key, crate::attributes::array(texts));
        }
    }
}
