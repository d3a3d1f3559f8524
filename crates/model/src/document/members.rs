//! From bytes to raw JSON: the one place where a document is decoded.

use serde_json::value::RawValue;

use super::lenient::decode_utf8;
use super::repair::null_non_finite;
use crate::{Rejection, RejectionCode, Scope};

/// Decodes one JSON value and checks that it is one. Invalid UTF-8 becomes U+FFFD, as the
/// official daemon makes it; Python's `NaN` and `Infinity` become `null`.
pub(super) fn read_raw(bytes: &[u8]) -> Result<Box<RawValue>, Rejection> {
    let text = decode_utf8(bytes);
    serde_json::from_str(&text).or_else(|error| {
        null_non_finite(&text)
            .and_then(|mended| serde_json::from_str(&mended).ok())
            .ok_or_else(|| parse_error(format!("not JSON: {error}")))
    })
}

/// A refusal of something that is not JSON, so that nothing in it could be read.
pub(super) fn parse_error(cause: impl Into<String>) -> Rejection {
    Rejection {
        code: RejectionCode::ParseError,
        scope: Scope::Segment,
        id: None,
        trace_id: None,
        cause: cause.into(),
    }
}
