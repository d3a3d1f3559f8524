//! Writes recorded segments and subsegments as documents, in the manner of a dialect.

use roentgen_model::{Flags, SegmentId, TraceId};

use crate::dialect::Dialect;
use crate::instance::{ACCOUNT, REGION};
use crate::json::{Json, Object};
use crate::recording::{
    AwsCall, Cause, Exchange, Role, Segment, Subsegment, SubsegmentKind, Thrown,
};
use crate::topology::Database;

/// A finished segment with these of its subsegments.
pub(crate) fn segment(segment: &Segment, subsegments: &[Subsegment]) -> String {
    let dialect = Dialect::of_segment(segment);
    let inner = subsegments.iter().map(|inner| {
        subsegment_object(dialect, inner, Place::Nested(segment.trace_id, segment.id)).into()
    });
    head(dialect, segment)
        .with("end_time", dialect.time(segment.end))
        .with_some("in_progress", dialect.denies_progress.then_some(false))
        .with_some("http", segment_http(dialect, segment, true))
        .with_all(flags(segment.flags))
        .with_some("cause", segment.cause.as_ref().map(|cause| cause_json(dialect, cause, true)))
        .with_some("annotations", annotations(&segment.annotations))
        .with_some(
            "metadata",
            segment
                .metadata
                .clone()
                .map(|basket| Object::new().with("default", Object::new().with("basket", basket))),
        )
        .with_some("subsegments", list(inner))
        .in_order(dialect.order)
        .write(dialect.is_spaced)
}

/// A segment as sent when it has just begun.
pub(crate) fn segment_in_progress(segment: &Segment) -> String {
    let dialect = Dialect::of_segment(segment);
    head(dialect, segment)
        .with("in_progress", true)
        .with_some("http", segment_http(dialect, segment, false))
        .in_order(dialect.order)
        .write(dialect.is_spaced)
}

/// A subsegment with all within it, sent on its own.
pub(crate) fn independent_subsegment(
    dialect: &Dialect,
    subsegment: &Subsegment,
    trace_id: TraceId,
    parent_id: SegmentId,
) -> String {
    subsegment_object(dialect, subsegment, Place::OnItsOwn(trace_id, parent_id))
        .write(dialect.is_spaced)
}

/// Where a subsegment is written, with its trace and parent.
#[derive(Clone, Copy)]
enum Place {
    Nested(TraceId, SegmentId),
    OnItsOwn(TraceId, SegmentId),
}

/// What a segment tells from the beginning.
fn head(dialect: &Dialect, segment: &Segment) -> Object {
    Object::new()
        .with("name", segment.service.name)
        .with("id", segment.id.to_string())
        .with("trace_id", segment.trace_id.to_string())
        .with_some("parent_id", segment.parent_id.map(|id| id.to_string()))
        .with("start_time", dialect.time(segment.start))
        .with_some("aws", segment_aws(dialect, segment))
        .with_some("service", dialect.service_block(segment))
        .with("origin", origin(segment))
        .with_some("resource_arn", resource_arn(segment))
        .with_some("user", segment.user.clone())
        .with_some(
            "links",
            segment.link.map(|link| {
                let link = Object::new()
                    .with("trace_id", link.trace_id.to_string())
                    .with("id", link.id.to_string());
                Json::List(vec![link.into()])
            }),
        )
}

fn origin(segment: &Segment) -> &'static str {
    match segment.role {
        Role::LambdaService { .. } => "AWS::Lambda",
        Role::LambdaFunction { .. } | Role::Server(_) => segment.service.platform.origin(),
    }
}

fn resource_arn(segment: &Segment) -> Option<String> {
    match segment.role {
        Role::Server(_) => None,
        Role::LambdaService { .. } | Role::LambdaFunction { .. } => Some(function_arn(segment)),
    }
}

fn function_arn(segment: &Segment) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", segment.service.name)
}

fn segment_aws(dialect: &Dialect, segment: &Segment) -> Option<Object> {
    match &segment.role {
        Role::Server(_) => {
            let xray = dialect.xray_block(segment.parent_id.is_none());
            Some(segment.instance.aws(segment.service).with_some("xray", xray))
        }
        Role::LambdaService { .. } => None,
        Role::LambdaFunction { request_id } => Some(
            Object::new()
                .with("account_id", ACCOUNT)
                .with("function_arn", function_arn(segment))
                .with("request_id", request_id.as_str())
                .with("resource_names", vec![segment.service.name.into()]),
        ),
    }
}

fn segment_http(dialect: &Dialect, segment: &Segment, is_finished: bool) -> Option<Object> {
    match &segment.role {
        Role::Server(exchange) => Some(http(dialect, exchange, is_finished)),
        Role::LambdaService { status } => {
            Some(Object::new().with("response", Object::new().with("status", *status)))
        }
        Role::LambdaFunction { .. } => None,
    }
}

fn http(dialect: &Dialect, exchange: &Exchange, is_finished: bool) -> Object {
    let client = exchange.client.as_ref();
    let request = Object::new()
        .with("method", exchange.method)
        .with("url", exchange.url.as_str())
        .with_some("user_agent", client.map(|client| client.user_agent))
        .with_some("client_ip", client.map(|client| client.ip.as_str()))
        .with_flag("x_forwarded_for", client.is_some_and(|client| client.is_forwarded));
    let response = exchange.status.filter(|_| is_finished).map(|status| {
        let length = dialect.tells_content_length.then_some(exchange.content_length);
        Object::new().with("status", status).with_some("content_length", length)
    });
    Object::new().with("request", request).with_some("response", response)
}

fn subsegment_object(dialect: &Dialect, subsegment: &Subsegment, place: Place) -> Object {
    let (trace_id, parent_id, is_on_its_own) = match place {
        Place::Nested(trace_id, parent_id) => (trace_id, parent_id, false),
        Place::OnItsOwn(trace_id, parent_id) => (trace_id, parent_id, true),
    };
    let mut object = Object::new()
        .with("id", subsegment.id.to_string())
        .with("name", subsegment.name.as_str())
        .with("start_time", dialect.time(subsegment.start))
        .with("end_time", dialect.time(subsegment.end))
        .with_some("in_progress", dialect.denies_progress.then_some(false));
    if is_on_its_own || dialect.repeats_ids {
        object = object
            .with("trace_id", trace_id.to_string())
            .with("parent_id", parent_id.to_string())
            .with("type", "subsegment");
    }
    let inner = subsegment.subsegments.iter().map(|inner| {
        subsegment_object(dialect, inner, Place::Nested(trace_id, subsegment.id)).into()
    });
    object
        .with_all(kind_members(dialect, &subsegment.kind))
        .with_all(flags(subsegment.flags))
        .with_some(
            "cause",
            subsegment.cause.as_ref().map(|cause| cause_json(dialect, cause, false)),
        )
        .with_some("annotations", annotations(&subsegment.annotations))
        .with_some("subsegments", list(inner))
        .in_order(dialect.order)
}

/// Namespace, and the facts about a call.
fn kind_members(dialect: &Dialect, kind: &SubsegmentKind) -> Object {
    match kind {
        SubsegmentKind::Local => {
            Object::new().with_some("namespace", dialect.has_local_namespace.then_some("local"))
        }
        SubsegmentKind::LambdaPhase => Object::new(),
        SubsegmentKind::Remote => Object::new().with("namespace", "remote"),
        SubsegmentKind::Aws(call) => {
            Object::new().with("namespace", "aws").with("aws", aws_call(call)).with(
                "http",
                Object::new().with("response", Object::new().with("status", call.status)),
            )
        }
        SubsegmentKind::Sql { database, query } => {
            Object::new().with("namespace", "remote").with("sql", sql(database, query))
        }
        SubsegmentKind::Http { exchange, is_traced } => Object::new()
            .with("namespace", "remote")
            .with("http", http(dialect, exchange, true))
            .with_flag("traced", *is_traced && dialect.tells_traced),
    }
}

fn aws_call(call: &AwsCall) -> Object {
    Object::new()
        .with("operation", call.operation)
        .with("region", REGION)
        .with("request_id", call.request_id.as_str())
        .with("retries", call.retries)
        .with_all(call.parameters.clone())
}

fn sql(database: &Database, query: &str) -> Object {
    Object::new()
        .with("url", format!("postgresql://{}:5432/{}", database.host, database.name))
        .with("database_type", "PostgreSQL")
        .with("database_version", database.version)
        .with("user", database.user)
        .with("preparation", "statement")
        .with("sanitized_query", query)
}

fn flags(flags: Flags) -> Object {
    Object::new()
        .with_flag("error", flags.error)
        .with_flag("throttle", flags.throttle)
        .with_flag("fault", flags.fault)
}

fn cause_json(dialect: &Dialect, cause: &Cause, is_segment: bool) -> Json {
    match cause {
        Cause::PassedThrough(at) => dialect.reference(*at, is_segment),
        Cause::Thrown(thrown) => {
            let exceptions: Json =
                thrown.iter().map(|thrown| exception(dialect, thrown).into()).collect();
            Object::new()
                .with("working_directory", dialect.working_directory)
                .with("exceptions", exceptions)
                .into()
        }
    }
}

fn exception(dialect: &Dialect, thrown: &Thrown) -> Object {
    let stack: Json = thrown
        .stack
        .iter()
        .map(|(path, line, label)| {
            Object::new().with("path", *path).with("line", *line).with("label", *label).into()
        })
        .collect();
    let nothing_cut = dialect.tells_truncation.then_some(0u32);
    Object::new()
        .with("id", thrown.id.to_string())
        .with("message", thrown.message.as_str())
        .with("type", thrown.kind)
        .with("remote", thrown.is_remote)
        .with("stack", stack)
        .with_some("truncated", nothing_cut)
        .with_some("skipped", nothing_cut)
        .with_some("cause", thrown.caused_by.map(|id| id.to_string()))
        .in_order(dialect.exception_order)
}

fn annotations(annotations: &[(&'static str, Json)]) -> Option<Object> {
    let object = annotations
        .iter()
        .fold(Object::new(), |object, (key, value)| object.with(key, value.clone()));
    (!object.is_empty()).then_some(object)
}

fn list(items: impl ExactSizeIterator<Item = Json>) -> Option<Json> {
    (items.len() > 0).then(|| items.collect())
}
