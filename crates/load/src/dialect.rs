//! How the documents of the X-Ray SDKs differ, as a table. Taken from packets of the real SDKs
//! (X-Ray SDK for Python 2.15, Node.js 3.12, Java 2.21).

use roentgen_model::Timestamp;

use crate::json::{Json, Object};
use crate::recording::{Role, Segment, ThrownAt};
use crate::topology::Sdk;

/// The manner in which one SDK writes documents.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// Name, version and package in `aws.xray`; none for what no SDK writes.
    sdk: Option<(&'static str, &'static str)>,
    package: Option<&'static str>,
    /// Where in `aws.xray` the sampling rule is named.
    rule_key: &'static str,
    runtime: &'static str,
    runtime_version: &'static str,
    /// Whether `service` tells name and version of the application as well.
    tells_version: bool,
    /// Whether there is a space after commas and colons.
    pub(crate) is_spaced: bool,
    times: Times,
    /// Order of the members of segments and subsegments.
    pub(crate) order: &'static [&'static str],
    /// Order of the members of an exception.
    pub(crate) exception_order: &'static [&'static str],
    /// Whether nested subsegments repeat `trace_id`, `parent_id` and `type`.
    pub(crate) repeats_ids: bool,
    /// Whether finished ones carry `in_progress: false`.
    pub(crate) denies_progress: bool,
    /// Whether local subsegments carry the namespace `local`.
    pub(crate) has_local_namespace: bool,
    pub(crate) tells_content_length: bool,
    /// Whether calls to services that record as well are marked `traced`.
    pub(crate) tells_traced: bool,
    /// Whether exceptions tell how much was cut off, even when nothing was.
    pub(crate) tells_truncation: bool,
    reference: Reference,
    /// A segment with more subsegments than this has the finished ones sent on their own.
    pub(crate) streams_after: Option<usize>,
    pub(crate) working_directory: &'static str,
}

/// How times are written.
#[derive(Debug)]
enum Times {
    Microseconds,
    Milliseconds,
    /// Milliseconds, with an exponent.
    Scientific,
}

/// How a (sub)segment refers to an exception recorded further in.
#[derive(Debug)]
enum Reference {
    /// By the exception's id.
    Exception,
    /// By the id of the subsegment that has it.
    Subsegment,
}

static PYTHON: Dialect = Dialect {
    sdk: Some(("X-Ray for Python", "2.15.0")),
    package: None,
    rule_key: "sampling_rule_name",
    runtime: "CPython",
    runtime_version: "3.12.8",
    tells_version: false,
    is_spaced: true,
    times: Times::Microseconds,
    order: &[
        "id",
        "name",
        "start_time",
        "parent_id",
        "in_progress",
        "http",
        "aws",
        "cause",
        "annotations",
        "metadata",
        "subsegments",
        "trace_id",
        "type",
        "namespace",
        "sql",
        "origin",
        "service",
        "user",
        "throttle",
        "error",
        "fault",
        "end_time",
    ],
    exception_order: &["id", "message", "type", "remote", "stack"],
    repeats_ids: true,
    denies_progress: true,
    has_local_namespace: true,
    tells_content_length: false,
    tells_traced: false,
    tells_truncation: false,
    reference: Reference::Exception,
    streams_after: Some(30),
    working_directory: "/srv/app",
};

static NODE: Dialect = Dialect {
    sdk: Some(("X-Ray for Node.js", "3.12.0")),
    package: Some("aws-xray-sdk"),
    rule_key: "rule_name",
    runtime: "node",
    runtime_version: "v22.17.0",
    tells_version: true,
    is_spaced: false,
    times: Times::Milliseconds,
    order: &[
        "type",
        "trace_id",
        "parent_id",
        "id",
        "start_time",
        "name",
        "namespace",
        "in_progress",
        "service",
        "aws",
        "origin",
        "http",
        "sql",
        "traced",
        "user",
        "annotations",
        "metadata",
        "subsegments",
        "throttle",
        "error",
        "fault",
        "cause",
        "end_time",
    ],
    exception_order: &["message", "type", "stack", "remote", "id"],
    repeats_ids: false,
    denies_progress: false,
    has_local_namespace: false,
    tells_content_length: true,
    tells_traced: true,
    tells_truncation: false,
    reference: Reference::Subsegment,
    // Node streams by the number of subsegments still open; the shop never has a hundred.
    streams_after: None,
    working_directory: "/app",
};

static JAVA: Dialect = Dialect {
    sdk: Some(("X-Ray for Java", "2.21.0")),
    package: None,
    rule_key: "rule_name",
    runtime: "OpenJDK 64-Bit Server VM",
    runtime_version: "21.0.7",
    tells_version: false,
    is_spaced: false,
    times: Times::Scientific,
    order: &[
        "name",
        "id",
        "parent_id",
        "start_time",
        "trace_id",
        "end_time",
        "in_progress",
        "error",
        "throttle",
        "fault",
        "type",
        "namespace",
        "http",
        "sql",
        "subsegments",
        "cause",
        "aws",
        "origin",
        "annotations",
        "metadata",
        "user",
        "service",
    ],
    exception_order: &["id", "message", "type", "remote", "stack", "truncated", "skipped", "cause"],
    repeats_ids: false,
    denies_progress: false,
    has_local_namespace: false,
    tells_content_length: true,
    tells_traced: false,
    tells_truncation: true,
    reference: Reference::Exception,
    streams_after: Some(100),
    working_directory: "/opt/service",
};

/// The segments that the Lambda service itself sends.
static LAMBDA: Dialect = Dialect {
    sdk: None,
    package: None,
    rule_key: "",
    runtime: "",
    runtime_version: "",
    tells_version: false,
    is_spaced: false,
    times: Times::Milliseconds,
    order: &[
        "id",
        "name",
        "start_time",
        "trace_id",
        "end_time",
        "parent_id",
        "http",
        "aws",
        "fault",
        "cause",
        "links",
        "origin",
        "resource_arn",
        "subsegments",
    ],
    exception_order: &[],
    repeats_ids: false,
    denies_progress: false,
    has_local_namespace: false,
    tells_content_length: false,
    tells_traced: false,
    tells_truncation: false,
    reference: Reference::Exception,
    streams_after: None,
    working_directory: "/var/task",
};

impl Dialect {
    /// The manner of an SDK.
    pub(crate) fn of(sdk: Sdk) -> &'static Self {
        match sdk {
            Sdk::Python => &PYTHON,
            Sdk::Node => &NODE,
            Sdk::Java => &JAVA,
        }
    }

    /// The manner in which this segment is written.
    pub(crate) fn of_segment(segment: &Segment) -> &'static Self {
        match segment.role {
            Role::Server(_) => Self::of(segment.service.sdk),
            Role::LambdaService { .. } | Role::LambdaFunction { .. } => &LAMBDA,
        }
    }

    pub(crate) fn time(&self, time: Timestamp) -> Json {
        let micros = time.as_micros();
        let whole_milliseconds = Timestamp::from_micros(micros - micros.rem_euclid(1_000));
        match self.times {
            Times::Microseconds => Json::Number(time.as_seconds()),
            Times::Milliseconds => Json::Number(whole_milliseconds.as_seconds()),
            Times::Scientific => Json::Scientific(whole_milliseconds.as_seconds()),
        }
    }

    /// `aws.xray`; the rule that sampled the request is known where the request came in.
    pub(crate) fn xray_block(&self, is_entry: bool) -> Option<Object> {
        let (sdk, version) = self.sdk?;
        let block = Object::new()
            .with("sdk", sdk)
            .with("sdk_version", version)
            .with_some("package", self.package);
        Some(if is_entry { block.with(self.rule_key, "Default") } else { block })
    }

    /// `service`.
    pub(crate) fn service_block(&self, segment: &Segment) -> Option<Object> {
        self.sdk?;
        let block = Object::new()
            .with("runtime", self.runtime)
            .with("runtime_version", self.runtime_version);
        Some(if self.tells_version {
            block.with("version", segment.service.version).with("name", segment.service.name)
        } else {
            block
        })
    }

    /// The cause of a (sub)segment through which an exception passed.
    pub(crate) fn reference(&self, at: ThrownAt, is_segment: bool) -> Json {
        match self.reference {
            Reference::Exception => Json::Text(at.exception.to_string()),
            Reference::Subsegment => {
                let cause = Object::new().with("id", at.entity.to_string());
                let exceptions = (!is_segment).then(|| Json::List(Vec::new()));
                cause.with_some("exceptions", exceptions).into()
            }
        }
    }
}
