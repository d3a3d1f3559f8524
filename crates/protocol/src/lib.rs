//! The wire of X-Ray: datagrams, operations, bodies, errors and page tokens.
//!
//! Bodies bear the names and casing of the API model 2016-04-12. Requests are read leniently, as
//! the service reads them (unknown members are ignored, null counts as absent); replies carry
//! every member that a known client dereferences without looking.

mod datagram;
mod error;
mod operation;
mod page_token;
mod segment_strings;
mod shapes;
mod wire_time;

pub use datagram::{DATAGRAM_HEADER, DatagramFault, MAX_DATAGRAM_BYTES, split_datagram};
pub use error::{ApiError, ErrorBody, ErrorKind};
pub use operation::Operation;
pub use page_token::{Fingerprint, MAX_TOKEN_CHARACTERS, PageToken, PageTokenFault};
pub use segment_strings::{NextString, SegmentStrings};
pub use shapes::{
    Alias, AnnotationValueShape, BackendConnectionErrors, BatchGetTracesReply,
    BatchGetTracesRequest, CancelTraceRetrievalReply, CancelTraceRetrievalRequest,
    CreateGroupRequest, CreateSamplingRuleRequest, DeleteGroupReply, DeleteSamplingRuleRequest,
    Edge, ErrorStatistics, FaultStatistics, ForecastStatistics, GetGroupsReply, GetGroupsRequest,
    GetInsightSummariesReply, GetInsightSummariesRequest, GetRetrievedTracesGraphReply,
    GetRetrievedTracesGraphRequest, GetSamplingRulesReply, GetSamplingRulesRequest,
    GetSamplingStatisticSummariesReply, GetSamplingStatisticSummariesRequest,
    GetSamplingTargetsReply, GetSamplingTargetsRequest, GetServiceGraphReply,
    GetServiceGraphRequest, GetTimeSeriesServiceStatisticsReply,
    GetTimeSeriesServiceStatisticsRequest, GetTraceGraphReply, GetTraceGraphRequest,
    GetTraceSummariesReply, GetTraceSummariesRequest, GraphLink, Group, GroupReply, GroupRequest,
    HistogramEntry, Http, InsightSummary, InsightsConfiguration, InsightsConfigurationInput,
    ListRetrievedTracesReply, ListRetrievedTracesRequest, ListTagsForResourceReply,
    ListTagsForResourceRequest, Named, NodeFigures, PutTelemetryRecordsReply,
    PutTelemetryRecordsRequest, PutTraceSegmentsReply, PutTraceSegmentsRequest, ResourceArn,
    RetrievedService, RetrievedTrace, RootCauseEntityShape, RootCauseExceptionShape,
    RootCauseServiceShape, RootCauseShape, SamplingBoostStatisticsDocument, SamplingRateBoost,
    SamplingRateBoostInput, SamplingRule, SamplingRuleInput, SamplingRuleRecord, SamplingRuleReply,
    SamplingStatisticSummary, SamplingStatisticsDocument, SamplingStrategy, SamplingTargetDocument,
    Segment, Service, ServiceIdShape, Span, StartTraceRetrievalReply, StartTraceRetrievalRequest,
    Statistics, Tag, TagInput, TagReply, TagResourceRequest, TelemetryRecord,
    TimeSeriesServiceStatistics, Trace, TraceSummaryShape, TraceUser, UnprocessedStatistics,
    UnprocessedTraceSegment, UntagResourceRequest, UpdateGroupRequest, UpdateSamplingRuleRequest,
    ValueWithServiceIds, WithId, graph_services, linked_graph_services,
};
pub use wire_time::WireTime;
