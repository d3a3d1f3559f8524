//! The summary of a trace: what lists and filters need without its segments.

use crate::{AnnotationValue, Micros, Outcome, ServiceId, Timestamp, TraceId};

/// What `GetTraceSummaries` tells of one trace (xray-service API, `TraceSummary`).
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSummary {
    /// The trace.
    pub id: TraceId,
    /// Where the trace stands on the time axis of queries: the second encoded in its id, or its
    /// start when that second is not credible (see [`TraceSummary::CREDIBLE_EPOCH`]).
    pub time: Timestamp,
    /// Start of the earliest segment.
    pub start: Timestamp,
    /// Latest end of a segment; the latest start while nothing has ended.
    pub end: Timestamp,
    /// `end − start`.
    pub duration: Micros,
    /// Length of the root segment; `None` while it is in progress or missing.
    pub response_time: Option<Micros>,
    /// How the root ended, each trace in one class: fault, throttle, error or ok.
    pub outcome: Outcome,
    /// The root ended with a 5xx.
    pub has_fault: bool,
    /// The root ended with a 4xx.
    pub has_error: bool,
    /// Any segment was throttled (429): note the other scope.
    pub has_throttle: bool,
    /// Something is still in progress or known to be missing.
    pub is_partial: bool,
    /// The root's request.
    pub http: HttpSummary,
    /// Every annotation of the trace, one entry for each distinct key and value.
    pub annotations: Vec<AnnotationSummary>,
    /// Users named by segments.
    pub users: Vec<UserSummary>,
    /// Every node of the trace, the synthetic client included.
    pub services: Vec<ServiceId>,
    /// Distinct `resource_arn`s.
    pub resource_arns: Vec<String>,
    /// Distinct EC2 instances.
    pub instance_ids: Vec<String>,
    /// Distinct availability zones.
    pub availability_zones: Vec<String>,
    /// The root's node.
    pub entry_point: Option<ServiceId>,
    /// Real segments in the trace.
    pub segment_count: usize,
    /// Documents the trace was put together from; grows with everything that arrives.
    pub revision: usize,
}

/// The root segment's `http` block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpSummary {
    /// `http.request.url`.
    pub url: Option<String>,
    /// `http.response.status`.
    pub status: Option<i64>,
    /// `http.request.method`.
    pub method: Option<String>,
    /// `http.request.user_agent`.
    pub user_agent: Option<String>,
    /// `http.request.client_ip`.
    pub client_ip: Option<String>,
}

/// One annotation and the services that wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct AnnotationSummary {
    /// The key.
    pub key: String,
    /// One of its values.
    pub value: AnnotationValue<'static>,
    /// Nodes whose segments carry it.
    pub services: Vec<ServiceId>,
}

/// One user and the services that named him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSummary {
    /// The segment's `user`.
    pub name: String,
    /// Nodes whose segments carry it.
    pub services: Vec<ServiceId>,
}

impl TraceSummary {
    /// Most services in a summary, which must stay small whatever a trace of thousands of segments
    /// has. The graph and the documents have all of them.
    pub const MOST_SERVICES: usize = 500;

    /// Whether [`TraceSummary::services`] certainly has every node of the trace.
    pub fn has_all_services(&self) -> bool {
        self.services.len() < Self::MOST_SERVICES
    }

    /// How far the second in a trace id may lie from the trace's start and still be believed.
    /// X-Ray keeps a trace open for 7 days, so an honest id is at most that old when its trace
    /// begins; of random W3C ids, one in 3,500 passes by chance and then stands at most 7 days
    /// off.
    pub const CREDIBLE_EPOCH: Micros = Micros::from_whole_seconds(7 * 24 * 3600);

    /// Where a trace stands that starts at this moment: a later start never makes it earlier.
    pub fn time_of(id: TraceId, start: Timestamp) -> Timestamp {
        let epoch = Timestamp::from_micros(i64::from(id.epoch_seconds()) * 1_000_000);
        let distance = Micros::new((epoch - start).get().saturating_abs());
        if distance <= Self::CREDIBLE_EPOCH { epoch } else { start }
    }
}
