//! Errors as AWS clients read them: the name in the header `x-amzn-errortype`, and name and
//! message in the body.

use std::fmt;

use serde::Serialize;

/// The errors of the API, by the name that clients show and branch on.
///
/// `InvalidRequest`, `RuleLimitExceeded`, `TooManyTags`, `Throttled` and `ResourceNotFound` are in X-Ray's API
/// model; the others are what AWS front ends answer for any
/// service, but for [`ErrorKind::NotImplemented`] and [`ErrorKind::RequestTooLarge`], which are
/// ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A member is missing, out of range, or names something that does not exist.
    InvalidRequest,
    /// There are as many sampling rules as there may be.
    RuleLimitExceeded,
    /// A resource would have more tags than it may.
    TooManyTags,
    /// A bound was reached; clients wait and try again.
    Throttled,
    /// The body is not JSON or a member is of the wrong type.
    Serialization,
    /// What the request names does not exist.
    ResourceNotFound,
    /// No such operation.
    UnknownOperation,
    /// The operation exists in X-Ray but not yet here. Status 501: honest, and not one of the
    /// statuses that AWS clients try again on (500, 502, 503, 504).
    NotImplemented,
    /// The request may not come from where it comes from.
    AccessDenied,
    /// The body is longer than a request may be.
    RequestTooLarge,
    /// The body did not arrive in time.
    RequestTimeout,
    /// Our fault; the log tells more.
    InternalFailure,
    /// Shutting down.
    ServiceUnavailable,
}

impl ErrorKind {
    /// All kinds, for counters that must exist before the first error.
    pub const ALL: [ErrorKind; 13] = [
        ErrorKind::InvalidRequest,
        ErrorKind::RuleLimitExceeded,
        ErrorKind::TooManyTags,
        ErrorKind::Throttled,
        ErrorKind::Serialization,
        ErrorKind::ResourceNotFound,
        ErrorKind::UnknownOperation,
        ErrorKind::NotImplemented,
        ErrorKind::AccessDenied,
        ErrorKind::RequestTooLarge,
        ErrorKind::RequestTimeout,
        ErrorKind::InternalFailure,
        ErrorKind::ServiceUnavailable,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            ErrorKind::InvalidRequest => "InvalidRequestException",
            ErrorKind::RuleLimitExceeded => "RuleLimitExceededException",
            ErrorKind::TooManyTags => "TooManyTagsException",
            ErrorKind::Throttled => "ThrottledException",
            ErrorKind::Serialization => "SerializationException",
            ErrorKind::ResourceNotFound => "ResourceNotFoundException",
            ErrorKind::UnknownOperation => "UnknownOperationException",
            ErrorKind::NotImplemented => "NotImplementedException",
            ErrorKind::AccessDenied => "AccessDeniedException",
            ErrorKind::RequestTooLarge => "RequestTooLargeException",
            ErrorKind::RequestTimeout => "RequestTimeoutException",
            ErrorKind::InternalFailure => "InternalFailure",
            ErrorKind::ServiceUnavailable => "ServiceUnavailable",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            ErrorKind::InvalidRequest
            | ErrorKind::RuleLimitExceeded
            | ErrorKind::TooManyTags
            | ErrorKind::Serialization => 400,
            ErrorKind::AccessDenied => 403,
            ErrorKind::ResourceNotFound | ErrorKind::UnknownOperation => 404,
            ErrorKind::RequestTimeout => 408,
            ErrorKind::RequestTooLarge => 413,
            ErrorKind::Throttled => 429,
            ErrorKind::InternalFailure => 500,
            ErrorKind::NotImplemented => 501,
            ErrorKind::ServiceUnavailable => 503,
        }
    }
}

/// An error to answer with. The message is for the caller; causes belong in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// Which error.
    pub kind: ErrorKind,
    /// What was wrong, for people.
    pub message: String,
}

/// The body of an error reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    /// The error's name.
    #[serde(rename = "__type")]
    pub name: &'static str,
    /// What was wrong. Capital M, as X-Ray's modelled errors have it; botocore reads both.
    #[serde(rename = "Message")]
    pub message: String,
}

impl ApiError {
    /// An error with its message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// An [`ErrorKind::InvalidRequest`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    /// The body to answer with.
    pub fn into_body(self) -> ErrorBody {
        ErrorBody { name: self.kind.name(), message: self.message }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl std::error::Error for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_what_clients_read() {
        let body = ApiError::invalid("StartTime is required").into_body();
        let json = serde_json::to_string(&body).unwrap();
        assert_eq!(
            json,
            r#"{"__type":"InvalidRequestException","Message":"StartTime is required"}"#
        );
    }

    #[test]
    fn only_our_own_faults_look_worth_a_retry() {
        for kind in ErrorKind::ALL {
            let is_retried = [429, 500, 502, 503, 504].contains(&kind.status());
            let expect = matches!(
                kind,
                ErrorKind::Throttled | ErrorKind::InternalFailure | ErrorKind::ServiceUnavailable
            );
            assert_eq!(is_retried, expect, "{kind:?}");
        }
    }
}
