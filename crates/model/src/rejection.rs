//! Why a document was refused, in the words of X-Ray's `UnprocessedTraceSegments`.

use std::fmt;

/// The `ErrorCode` of a refused document.
///
/// `ParseError`, `MissingId`, `MissingTraceId`, `InvalidTraceId`, `InvalidName` and
/// `InvalidSegment` were seen in replies of the service (quoted in public issues of its SDKs);
/// the others follow their pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the service's and say it all")]
pub enum RejectionCode {
    ParseError,
    MissingId,
    InvalidId,
    MissingTraceId,
    InvalidTraceId,
    MissingParentId,
    InvalidParentId,
    MissingName,
    InvalidName,
    MissingStartTime,
    InvalidStartTime,
    InvalidEndTime,
    InvalidSegment,
}

impl RejectionCode {
    /// All codes, for counters that must exist before the first refusal.
    pub const ALL: [RejectionCode; 13] = [
        RejectionCode::ParseError,
        RejectionCode::MissingId,
        RejectionCode::InvalidId,
        RejectionCode::MissingTraceId,
        RejectionCode::InvalidTraceId,
        RejectionCode::MissingParentId,
        RejectionCode::InvalidParentId,
        RejectionCode::MissingName,
        RejectionCode::InvalidName,
        RejectionCode::MissingStartTime,
        RejectionCode::InvalidStartTime,
        RejectionCode::InvalidEndTime,
        RejectionCode::InvalidSegment,
    ];

    /// The code as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            RejectionCode::ParseError => "ParseError",
            RejectionCode::MissingId => "MissingId",
            RejectionCode::InvalidId => "InvalidId",
            RejectionCode::MissingTraceId => "MissingTraceId",
            RejectionCode::InvalidTraceId => "InvalidTraceId",
            RejectionCode::MissingParentId => "MissingParentId",
            RejectionCode::InvalidParentId => "InvalidParentId",
            RejectionCode::MissingName => "MissingName",
            RejectionCode::InvalidName => "InvalidName",
            RejectionCode::MissingStartTime => "MissingStartTime",
            RejectionCode::InvalidStartTime => "InvalidStartTime",
            RejectionCode::InvalidEndTime => "InvalidEndTime",
            RejectionCode::InvalidSegment => "InvalidSegment",
        }
    }
}

impl fmt::Display for RejectionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which part of a document is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The document's own members, when it is a segment.
    Segment,
    /// An embedded subsegment, or a document that is a subsegment.
    Subsegment,
}

/// A refused document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The `ErrorCode`.
    pub code: RejectionCode,
    /// Which part is at fault.
    pub scope: Scope,
    /// The document's `id` as it was written, when it could be read.
    pub id: Option<String>,
    /// The document's `trace_id` as it was written, when it could be read; for the log.
    pub trace_id: Option<String>,
    /// What exactly is wrong and what was expected instead.
    pub cause: String,
}

impl fmt::Display for Rejection {
    /// The `Message` of the reply: the service's own sentence, then our cause.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = match self.scope {
            Scope::Segment => "segment",
            Scope::Subsegment => "subsegment",
        };
        write!(f, "Invalid {scope}. ErrorCode: {}, Cause: {}", self.code, self.cause)
    }
}

impl std::error::Error for Rejection {}
