//! Calls: what a service reaches over the network.

use super::failure::Failure;
use super::{Latency, Operation};

/// A call to another service or to something that records nothing itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) target: Target,
    /// How long the callee takes; unused when the callee is a service of ours.
    pub(crate) latency: Latency,
    pub(crate) failures: &'static [Failure],
    /// How often it is tried in all. An AWS client tries again within one subsegment, others record
    /// each try.
    pub(crate) attempts: u32,
    pub(crate) on_failure: OnFailure,
}

/// What a failed call means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// The caller fails as well.
    Fail,
    /// The caller does without.
    Tolerate,
}

/// The other end of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// A service of ours, over HTTP.
    Service(&'static Operation),
    /// A function of ours, invoked without waiting for it.
    Invoke(&'static Operation),
    /// A queue whose messages start a function of ours, in a trace of its own that links back.
    Queue { name: &'static str, consumer: &'static Operation },
    /// An AWS service; `parameter` is the recorded one, such as the table's name.
    Aws { api: Api, operation: &'static str, parameter: Option<(&'static str, &'static str)> },
    /// A relational database.
    Sql { database: &'static Database, query: &'static str },
    /// A cache without instrumentation of its own: a bare remote call.
    Cache(&'static str),
    /// Somebody else's HTTPS service.
    Https { method: &'static str, host: &'static str, path: &'static str },
}

/// AWS services that are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Cognito,
    DynamoDb,
    Lambda,
    S3,
    SecretsManager,
    Ses,
    Sns,
    Sqs,
}

/// A relational database.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) name: &'static str,
    pub(crate) host: &'static str,
    pub(crate) user: &'static str,
    pub(crate) version: &'static str,
}

impl Call {
    const fn new(target: Target, latency: Latency) -> Self {
        Self { target, latency, failures: &[], attempts: 1, on_failure: OnFailure::Fail }
    }

    pub(crate) const fn service(operation: &'static Operation) -> Self {
        Self::new(Target::Service(operation), Latency::of(0.0, 0.0))
    }

    pub(crate) const fn invoke(operation: &'static Operation) -> Self {
        Self::new(Target::Invoke(operation), Latency::of(14.0, 0.4))
    }

    pub(crate) const fn queue(name: &'static str, consumer: &'static Operation) -> Self {
        Self::new(Target::Queue { name, consumer }, Latency::of(9.0, 0.4))
    }

    pub(crate) const fn aws(
        api: Api,
        operation: &'static str,
        parameter: Option<(&'static str, &'static str)>,
        latency: Latency,
    ) -> Self {
        Self::new(Target::Aws { api, operation, parameter }, latency)
    }

    /// A call of DynamoDB about one table.
    pub(crate) const fn table(
        operation: &'static str,
        table: &'static str,
        latency: Latency,
    ) -> Self {
        Self::aws(Api::DynamoDb, operation, Some(("table_name", table)), latency)
    }

    /// A call of S3 about one bucket.
    pub(crate) const fn bucket(
        operation: &'static str,
        bucket: &'static str,
        latency: Latency,
    ) -> Self {
        Self::aws(Api::S3, operation, Some(("bucket_name", bucket)), latency)
    }

    pub(crate) const fn sql(
        database: &'static Database,
        query: &'static str,
        latency: Latency,
    ) -> Self {
        Self::new(Target::Sql { database, query }, latency)
    }

    pub(crate) const fn cache(name: &'static str) -> Self {
        Self::new(Target::Cache(name), Latency::of(0.7, 0.4).with_slow(0.003, 30.0))
    }

    pub(crate) const fn https(
        method: &'static str,
        host: &'static str,
        path: &'static str,
        latency: Latency,
    ) -> Self {
        Self::new(Target::Https { method, host, path }, latency)
    }

    pub(crate) const fn failing(self, failures: &'static [Failure]) -> Self {
        Self { failures, ..self }
    }

    pub(crate) const fn tried(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    pub(crate) const fn tolerated(self) -> Self {
        Self { on_failure: OnFailure::Tolerate, ..self }
    }
}
