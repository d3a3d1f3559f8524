//! Root causes in a trace summary.

use roentgen_model::{RootCause, RootCauseEntity, RootCauseException, RootCauseService};
use serde::Serialize;

/// A way from the entry point to a culprit: `FaultRootCause`, `ErrorRootCause` and
/// `ResponseTimeRootCause`, which differ in their entities only.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RootCauseShape<'a> {
    /// The segments on the way.
    pub services: Vec<RootCauseServiceShape<'a>>,
    /// Whether it reached the client.
    pub client_impacting: bool,
}

/// A segment on the way. Grafana dereferences `Name`, `Names` and `Type` unseen, so all are there; a
/// type that is not known is empty.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the members are the API's and RootCauseService documents them")]
pub struct RootCauseServiceShape<'a> {
    pub name: &'a str,
    pub names: [&'a str; 1],
    #[serde(rename = "Type")]
    pub kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<&'a str>,
    pub entity_path: Vec<RootCauseEntityShape<'a>>,
    pub inferred: bool,
}

/// A segment or subsegment on the way.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the members are the API's and RootCauseEntity documents them")]
pub struct RootCauseEntityShape<'a> {
    pub name: &'a str,
    /// Of response times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// Of faults and errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exceptions: Option<Vec<RootCauseExceptionShape<'a>>>,
    pub remote: bool,
}

/// A recorded exception.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the members are the API's and RootCauseException documents them")]
pub struct RootCauseExceptionShape<'a> {
    /// Always there, empty where the exception has no class: Grafana dereferences it unseen.
    pub name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a str>,
}

impl<'a> RootCauseShape<'a> {
    /// The wire form of a list of causes.
    pub fn list(causes: &'a [RootCause]) -> Vec<Self> {
        let of = |cause: &'a RootCause| Self {
            services: cause.services.iter().map(RootCauseServiceShape::from).collect(),
            client_impacting: cause.client_impacting,
        };
        causes.iter().map(of).collect()
    }
}

impl<'a> From<&'a RootCauseService> for RootCauseServiceShape<'a> {
    fn from(service: &'a RootCauseService) -> Self {
        let id = service.service.as_ref();
        let name = service.name();
        Self {
            name,
            names: [name],
            kind: id.and_then(|id| id.kind.as_deref()).unwrap_or_default(),
            account_id: id.and_then(|id| id.account_id.as_deref()),
            entity_path: service.path.iter().map(RootCauseEntityShape::from).collect(),
            inferred: service.is_inferred,
        }
    }
}

impl<'a> From<&'a RootCauseEntity> for RootCauseEntityShape<'a> {
    fn from(entity: &'a RootCauseEntity) -> Self {
        let exceptions = || entity.exceptions.iter().map(RootCauseExceptionShape::from).collect();
        Self {
            name: &entity.name,
            coverage: entity.coverage,
            exceptions: entity.coverage.is_none().then(exceptions),
            remote: entity.is_remote,
        }
    }
}

impl<'a> From<&'a RootCauseException> for RootCauseExceptionShape<'a> {
    fn from(exception: &'a RootCauseException) -> Self {
        let name = exception.name.as_deref().unwrap_or_default();
        Self { name, message: exception.message.as_deref() }
    }
}
