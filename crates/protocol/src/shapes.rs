//! Bodies of requests and replies, by family. Names and members are the API model's; a type
//! whose plain name belongs to the model crate bears `Shape` behind it.
//!
//! Requests keep even required members optional: what is missing is told by name, in the words
//! of the operation that misses it.

mod graph;
mod groups;
mod insights;
mod retrieval;
mod root_cause;
mod sampling;
mod summary;
mod tags;
mod telemetry;
mod time_series;
mod traces;

pub use graph::{
    Alias, Edge, ErrorStatistics, FaultStatistics, GetServiceGraphReply, GetServiceGraphRequest,
    GetTraceGraphReply, GetTraceGraphRequest, HistogramEntry, NodeFigures, Service, Statistics,
    graph_services, linked_graph_services,
};
pub use groups::{
    CreateGroupRequest, DeleteGroupReply, GetGroupsReply, GetGroupsRequest, Group, GroupReply,
    GroupRequest, InsightsConfiguration, InsightsConfigurationInput, UpdateGroupRequest,
};
pub use insights::{GetInsightSummariesReply, GetInsightSummariesRequest, InsightSummary};
pub use retrieval::{
    CancelTraceRetrievalReply, CancelTraceRetrievalRequest, GetRetrievedTracesGraphReply,
    GetRetrievedTracesGraphRequest, GraphLink, ListRetrievedTracesReply,
    ListRetrievedTracesRequest, RetrievedService, RetrievedTrace, Span, StartTraceRetrievalReply,
    StartTraceRetrievalRequest,
};
pub use root_cause::{
    RootCauseEntityShape, RootCauseExceptionShape, RootCauseServiceShape, RootCauseShape,
};
pub use sampling::{
    CreateSamplingRuleRequest, DeleteSamplingRuleRequest, GetSamplingRulesReply,
    GetSamplingRulesRequest, GetSamplingStatisticSummariesReply,
    GetSamplingStatisticSummariesRequest, GetSamplingTargetsReply, GetSamplingTargetsRequest,
    SamplingBoostStatisticsDocument, SamplingRateBoost, SamplingRateBoostInput, SamplingRule,
    SamplingRuleInput, SamplingRuleRecord, SamplingRuleReply, SamplingStatisticSummary,
    SamplingStatisticsDocument, SamplingTargetDocument, UnprocessedStatistics,
    UpdateSamplingRuleRequest,
};
pub use summary::{
    AnnotationValueShape, Http, Named, ResourceArn, ServiceIdShape, TraceSummaryShape, TraceUser,
    ValueWithServiceIds, WithId,
};
pub use tags::{
    ListTagsForResourceReply, ListTagsForResourceRequest, Tag, TagInput, TagReply,
    TagResourceRequest, UntagResourceRequest,
};
pub use telemetry::{
    BackendConnectionErrors, PutTelemetryRecordsReply, PutTelemetryRecordsRequest, TelemetryRecord,
};
pub use time_series::{
    ForecastStatistics, GetTimeSeriesServiceStatisticsReply, GetTimeSeriesServiceStatisticsRequest,
    TimeSeriesServiceStatistics,
};
pub use traces::{
    BatchGetTracesReply, BatchGetTracesRequest, GetTraceSummariesReply, GetTraceSummariesRequest,
    PutTraceSegmentsReply, PutTraceSegmentsRequest, SamplingStrategy, Segment, Trace,
    UnprocessedTraceSegment,
};
