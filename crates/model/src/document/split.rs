//! One string of `TraceSegmentDocuments` may hold several documents.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::MAX_DOCUMENT_BYTES;
use super::lenient::read_array;
use super::members::{parse_error, read_raw};
use crate::{Rejection, RejectionCode, Scope};

/// Most elements of an array. The smallest subsegment takes some 140 bytes, so that 64 kB cannot
/// hold more; without a limit, thousands of crumbs would each get a refusal of its own.
const MAX_ELEMENTS: usize = 500;

/// Cuts one payload (the body of a datagram, or one string of `TraceSegmentDocuments`) into
/// documents: itself, or the elements of an array of subsegments (PutTraceSegments API text).
///
/// # Errors
/// `ParseError` when it is not JSON, or OTLP in the `T1S` form; `MissingId` for an empty array,
/// as the service answers it; `InvalidSegment` for one that is too large.
pub fn split_documents(payload: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, Rejection> {
    let first = payload.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        Some(b'[') => split_array(payload),
        Some(b'T') if payload.starts_with(b"T1S") => {
            Err(parse_error("OTLP in a T1S document is not supported; send segment documents"))
        }
        _ => Ok(vec![Cow::Borrowed(payload)]),
    }
}

fn split_array(payload: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, Rejection> {
    let refuse = |code: RejectionCode, cause: String| {
        Err(Rejection { code, scope: Scope::Segment, id: None, trace_id: None, cause })
    };
    if payload.len() > MAX_DOCUMENT_BYTES {
        let bytes = payload.len();
        let cause =
            format!("the array has {bytes} bytes, at most {MAX_DOCUMENT_BYTES} are allowed");
        return refuse(RejectionCode::InvalidSegment, cause);
    }
    let array: Box<RawValue> = read_raw(payload)?;
    let elements = read_array(&array).ok_or_else(|| parse_error("not a JSON array"))?;
    match elements.len() {
        0 => {
            let cause = "an empty array holds no document".to_owned();
            return refuse(RejectionCode::MissingId, cause);
        }
        1..=MAX_ELEMENTS => {}
        count => {
            let cause =
                format!("the array has {count} elements, at most {MAX_ELEMENTS} are allowed");
            return refuse(RejectionCode::InvalidSegment, cause);
        }
    }
    Ok(elements.iter().map(|raw| Cow::Owned(raw.get().as_bytes().to_vec())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_cut_into_documents() {
        let check = |payload: &str, expect: Result<&[&str], RejectionCode>| {
            let got = split_documents(payload.as_bytes());
            match (got, expect) {
                (Ok(got), Ok(expect)) => {
                    let got: Vec<_> =
                        got.iter().map(|d| String::from_utf8_lossy(d).into_owned()).collect();
                    assert_eq!(got, expect, "{payload}");
                }
                (Err(got), Err(expect)) => assert_eq!(got.code, expect, "{payload}"),
                (got, _) => panic!("{payload}: {got:?}"),
            }
        };
        check(r#"{"id":"1"}"#, Ok(&[r#"{"id":"1"}"#]));
        check(r#" [{"id":"1"}, {"id":"2"}]"#, Ok(&[r#"{"id":"1"}"#, r#"{"id":"2"}"#]));
        check("[]", Err(RejectionCode::MissingId));
        check("[1", Err(RejectionCode::ParseError));
        check("T1SAAAA", Err(RejectionCode::ParseError));
        check(&format!("[{}0]", "0,".repeat(500)), Err(RejectionCode::InvalidSegment));
        check(&format!("[\"{}\"]", "x".repeat(65_536)), Err(RejectionCode::InvalidSegment));
        check("x", Ok(&["x"])); // Parsing it will say what is wrong.
    }
}
