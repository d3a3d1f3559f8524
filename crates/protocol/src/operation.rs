//! The 38 operations of the API model 2016-04-12 and their paths.

/// An operation of X-Ray. All are `POST`; the path alone tells which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the service's and say it all")]
pub enum Operation {
    BatchGetTraces,
    CancelTraceRetrieval,
    CreateGroup,
    CreateSamplingRule,
    DeleteGroup,
    DeleteResourcePolicy,
    DeleteSamplingRule,
    GetEncryptionConfig,
    GetGroup,
    GetGroups,
    GetIndexingRules,
    GetInsight,
    GetInsightEvents,
    GetInsightImpactGraph,
    GetInsightSummaries,
    GetRetrievedTracesGraph,
    GetSamplingRules,
    GetSamplingStatisticSummaries,
    GetSamplingTargets,
    GetServiceGraph,
    GetTimeSeriesServiceStatistics,
    GetTraceGraph,
    GetTraceSegmentDestination,
    GetTraceSummaries,
    ListResourcePolicies,
    ListRetrievedTraces,
    ListTagsForResource,
    PutEncryptionConfig,
    PutResourcePolicy,
    PutTelemetryRecords,
    PutTraceSegments,
    StartTraceRetrieval,
    TagResource,
    UntagResource,
    UpdateGroup,
    UpdateIndexingRule,
    UpdateSamplingRule,
    UpdateTraceSegmentDestination,
}

impl Operation {
    /// All operations, by name.
    pub const ALL: [Operation; 38] = [
        Operation::BatchGetTraces,
        Operation::CancelTraceRetrieval,
        Operation::CreateGroup,
        Operation::CreateSamplingRule,
        Operation::DeleteGroup,
        Operation::DeleteResourcePolicy,
        Operation::DeleteSamplingRule,
        Operation::GetEncryptionConfig,
        Operation::GetGroup,
        Operation::GetGroups,
        Operation::GetIndexingRules,
        Operation::GetInsight,
        Operation::GetInsightEvents,
        Operation::GetInsightImpactGraph,
        Operation::GetInsightSummaries,
        Operation::GetRetrievedTracesGraph,
        Operation::GetSamplingRules,
        Operation::GetSamplingStatisticSummaries,
        Operation::GetSamplingTargets,
        Operation::GetServiceGraph,
        Operation::GetTimeSeriesServiceStatistics,
        Operation::GetTraceGraph,
        Operation::GetTraceSegmentDestination,
        Operation::GetTraceSummaries,
        Operation::ListResourcePolicies,
        Operation::ListRetrievedTraces,
        Operation::ListTagsForResource,
        Operation::PutEncryptionConfig,
        Operation::PutResourcePolicy,
        Operation::PutTelemetryRecords,
        Operation::PutTraceSegments,
        Operation::StartTraceRetrieval,
        Operation::TagResource,
        Operation::UntagResource,
        Operation::UpdateGroup,
        Operation::UpdateIndexingRule,
        Operation::UpdateSamplingRule,
        Operation::UpdateTraceSegmentDestination,
    ];

    /// The operation's name.
    pub const fn name(self) -> &'static str {
        match self {
            Operation::BatchGetTraces => "BatchGetTraces",
            Operation::CancelTraceRetrieval => "CancelTraceRetrieval",
            Operation::CreateGroup => "CreateGroup",
            Operation::CreateSamplingRule => "CreateSamplingRule",
            Operation::DeleteGroup => "DeleteGroup",
            Operation::DeleteResourcePolicy => "DeleteResourcePolicy",
            Operation::DeleteSamplingRule => "DeleteSamplingRule",
            Operation::GetEncryptionConfig => "GetEncryptionConfig",
            Operation::GetGroup => "GetGroup",
            Operation::GetGroups => "GetGroups",
            Operation::GetIndexingRules => "GetIndexingRules",
            Operation::GetInsight => "GetInsight",
            Operation::GetInsightEvents => "GetInsightEvents",
            Operation::GetInsightImpactGraph => "GetInsightImpactGraph",
            Operation::GetInsightSummaries => "GetInsightSummaries",
            Operation::GetRetrievedTracesGraph => "GetRetrievedTracesGraph",
            Operation::GetSamplingRules => "GetSamplingRules",
            Operation::GetSamplingStatisticSummaries => "GetSamplingStatisticSummaries",
            Operation::GetSamplingTargets => "GetSamplingTargets",
            Operation::GetServiceGraph => "GetServiceGraph",
            Operation::GetTimeSeriesServiceStatistics => "GetTimeSeriesServiceStatistics",
            Operation::GetTraceGraph => "GetTraceGraph",
            Operation::GetTraceSegmentDestination => "GetTraceSegmentDestination",
            Operation::GetTraceSummaries => "GetTraceSummaries",
            Operation::ListResourcePolicies => "ListResourcePolicies",
            Operation::ListRetrievedTraces => "ListRetrievedTraces",
            Operation::ListTagsForResource => "ListTagsForResource",
            Operation::PutEncryptionConfig => "PutEncryptionConfig",
            Operation::PutResourcePolicy => "PutResourcePolicy",
            Operation::PutTelemetryRecords => "PutTelemetryRecords",
            Operation::PutTraceSegments => "PutTraceSegments",
            Operation::StartTraceRetrieval => "StartTraceRetrieval",
            Operation::TagResource => "TagResource",
            Operation::UntagResource => "UntagResource",
            Operation::UpdateGroup => "UpdateGroup",
            Operation::UpdateIndexingRule => "UpdateIndexingRule",
            Operation::UpdateSamplingRule => "UpdateSamplingRule",
            Operation::UpdateTraceSegmentDestination => "UpdateTraceSegmentDestination",
        }
    }

    /// The path it is posted to. Fifteen of them are not the operation's name.
    pub const fn path(self) -> &'static str {
        match self {
            Operation::BatchGetTraces => "/Traces",
            Operation::GetEncryptionConfig => "/EncryptionConfig",
            Operation::GetGroups => "/Groups",
            Operation::GetInsight => "/Insight",
            Operation::GetInsightEvents => "/InsightEvents",
            Operation::GetInsightImpactGraph => "/InsightImpactGraph",
            Operation::GetInsightSummaries => "/InsightSummaries",
            Operation::GetSamplingStatisticSummaries => "/SamplingStatisticSummaries",
            Operation::GetSamplingTargets => "/SamplingTargets",
            Operation::GetServiceGraph => "/ServiceGraph",
            Operation::GetTimeSeriesServiceStatistics => "/TimeSeriesServiceStatistics",
            Operation::GetTraceGraph => "/TraceGraph",
            Operation::GetTraceSummaries => "/TraceSummaries",
            Operation::PutTelemetryRecords => "/TelemetryRecords",
            Operation::PutTraceSegments => "/TraceSegments",
            Operation::CancelTraceRetrieval => "/CancelTraceRetrieval",
            Operation::CreateGroup => "/CreateGroup",
            Operation::CreateSamplingRule => "/CreateSamplingRule",
            Operation::DeleteGroup => "/DeleteGroup",
            Operation::DeleteResourcePolicy => "/DeleteResourcePolicy",
            Operation::DeleteSamplingRule => "/DeleteSamplingRule",
            Operation::GetGroup => "/GetGroup",
            Operation::GetIndexingRules => "/GetIndexingRules",
            Operation::GetRetrievedTracesGraph => "/GetRetrievedTracesGraph",
            Operation::GetSamplingRules => "/GetSamplingRules",
            Operation::GetTraceSegmentDestination => "/GetTraceSegmentDestination",
            Operation::ListResourcePolicies => "/ListResourcePolicies",
            Operation::ListRetrievedTraces => "/ListRetrievedTraces",
            Operation::ListTagsForResource => "/ListTagsForResource",
            Operation::PutEncryptionConfig => "/PutEncryptionConfig",
            Operation::PutResourcePolicy => "/PutResourcePolicy",
            Operation::StartTraceRetrieval => "/StartTraceRetrieval",
            Operation::TagResource => "/TagResource",
            Operation::UntagResource => "/UntagResource",
            Operation::UpdateGroup => "/UpdateGroup",
            Operation::UpdateIndexingRule => "/UpdateIndexingRule",
            Operation::UpdateSamplingRule => "/UpdateSamplingRule",
            Operation::UpdateTraceSegmentDestination => "/UpdateTraceSegmentDestination",
        }
    }

    /// The operation posted to this path; a slash at the end makes no difference, as with AWS.
    pub fn from_path(path: &str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        Self::ALL.into_iter().find(|operation| operation.path() == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_by_its_path() {
        for operation in Operation::ALL {
            assert_eq!(Operation::from_path(operation.path()), Some(operation));
            assert_eq!(Operation::from_path(&format!("{}/", operation.path())), Some(operation));
        }
    }

    #[test]
    fn paths_are_not_always_names() {
        let check = |path: &str, expect: Option<Operation>| {
            assert_eq!(Operation::from_path(path), expect, "{path}");
        };
        check("/TraceSegments", Some(Operation::PutTraceSegments));
        check("/Traces", Some(Operation::BatchGetTraces));
        check("/SamplingTargets", Some(Operation::GetSamplingTargets));
        check("/GetSamplingRules", Some(Operation::GetSamplingRules));
        check("/PutTraceSegments", None);
        check("/tracesegments", None);
        check("/", None);
        check("", None);
        let other = Operation::ALL.iter().filter(|op| op.path() != format!("/{}", op.name()));
        assert_eq!(other.count(), 15);
    }
}
