//! One line of an export: a document with its time of receipt, or a document alone.
//!
//! A document stands in its line as it is, byte for byte, whenever that makes a line of JSON. SDKs
//! also send documents that are no JSON (the Python SDK writes `NaN`) or not UTF-8; those, and
//! documents with line breaks between their members, stand there in base64.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use roentgen_model::{Document, Rejection, Timestamp, TraceId, split_documents};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Why a line holds no document.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LineError {
    /// The line is too long.
    #[error("the line is longer than {limit} bytes; one line holds one document")]
    TooLong {
        /// The longest line that is read.
        limit: usize,
    },
    /// An export's line with a wrong time of receipt.
    #[error("received {found} is not a time; expected epoch seconds as a number")]
    Received {
        /// What stands there.
        found: String,
    },
    /// An export's line whose base64 is none.
    #[error("document_base64: {0}")]
    Base64(String),
    /// The document is one that X-Ray refuses.
    #[error("{0}")]
    Rejected(#[from] Rejection),
}

/// What stands in a line.
#[derive(Debug, PartialEq)]
pub(crate) struct Line<'a> {
    /// When the documents were received; `None` when the line does not say.
    pub(crate) received: Option<Timestamp>,
    /// The documents: one, or those of an array. They may be ones that X-Ray refuses.
    pub(crate) documents: Vec<Cow<'a, [u8]>>,
    /// Whether it is a segment that X-Ray or Roentgen inferred from a call, as BatchGetTraces
    /// tells it. It was never sent by anyone and is inferred anew from the call.
    pub(crate) is_inferred: bool,
}

/// Appends a document as one line of JSON:
/// `{"received":1795334983.877574,"trace_id":"1-…","document":{…}}`, with `document_base64`
/// instead of `document` where the document alone would not make a line of JSON.
pub fn write_line(received: Timestamp, document: &[u8], out: &mut Vec<u8>) {
    let micros = received.as_micros().max(0); // No clock that receives documents stood before 1970.
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    out.extend_from_slice(format!(r#"{{"received":{seconds}.{fraction:06}"#).as_bytes());
    let as_json = read_line_of_json(document);
    let trace_id = match &as_json {
        Some(Identity { trace_id: Some(id) }) => TraceId::parse_xray(id).ok(),
        _ => Document::parse(document).ok().map(|document| document.trace_id),
    };
    if let Some(id) = trace_id {
        out.extend_from_slice(format!(r#","trace_id":"{id}""#).as_bytes());
    }
    if as_json.is_some() {
        out.extend_from_slice(br#","document":"#);
        out.extend_from_slice(document);
        out.extend_from_slice(b"}\n");
    } else {
        out.extend_from_slice(br#","document_base64":""#);
        out.extend_from_slice(BASE64.encode(document).as_bytes());
        out.extend_from_slice(b"\"}\n");
    }
}

/// What is read of a document to find out whether it is JSON.
#[derive(Deserialize)]
struct Identity<'a> {
    #[serde(borrow)]
    trace_id: Option<Cow<'a, str>>,
}

/// Reads a document that can stand in a line and come back from it as it is; `None` when it
/// cannot. White space at the ends would be lost, since it belongs to no JSON value.
fn read_line_of_json(document: &[u8]) -> Option<Identity<'_>> {
    let is_object = document.first() == Some(&b'{') && document.last() == Some(&b'}');
    let has_line_break = document.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
    if !is_object || has_line_break {
        return None;
    }
    serde_json::from_str(std::str::from_utf8(document).ok()?).ok()
}

/// The members that tell an export's line from a document.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    received: Option<&'a RawValue>,
    #[serde(borrow)]
    document: Option<&'a RawValue>,
    #[serde(borrow)]
    document_base64: Option<Cow<'a, str>>,
    #[serde(borrow)]
    inferred: Option<&'a RawValue>,
}

impl<'a> Line<'a> {
    /// Reads a line: of an export, a document, an array of documents, or a document as a JSON
    /// string, which is what BatchGetTraces has. `None` for a blank line.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Option<Self>, LineError> {
        let line = line.trim_ascii();
        match line.first() {
            None => Ok(None),
            Some(b'"') => match serde_json::from_slice::<String>(line) {
                Ok(text) => Self::parse_document(Cow::Owned(text.into_bytes())).map(Some),
                Err(_) => Self::parse_document(Cow::Borrowed(line)).map(Some),
            },
            Some(b'[') => {
                let documents = split_documents(line)?;
                Ok(Some(Self { received: None, documents, is_inferred: false }))
            }
            Some(_) => Self::parse_object(line).map(Some),
        }
    }

    fn parse_object(line: &'a [u8]) -> Result<Self, LineError> {
        let members: Option<Members<'a>> =
            std::str::from_utf8(line).ok().and_then(|text| serde_json::from_str(text).ok());
        let Some(members) = members else {
            // Documents need not be JSON to be accepted; parsing this one will tell.
            return Self::parse_document(Cow::Borrowed(line));
        };
        let document = match members {
            Members { id: Some(_), .. } => None,
            Members { document: Some(raw), .. } => Some(Cow::Borrowed(raw.get().as_bytes())),
            Members { document_base64: Some(text), .. } => {
                let bytes = BASE64.decode(text.as_bytes());
                Some(Cow::Owned(bytes.map_err(|error| LineError::Base64(error.to_string()))?))
            }
            _ => None,
        };
        match document {
            Some(document) => Ok(Self {
                received: members.received.map(read_received).transpose()?,
                documents: vec![document],
                is_inferred: false,
            }),
            None => Ok(Self {
                received: None,
                documents: vec![Cow::Borrowed(line)],
                is_inferred: members.inferred.is_some_and(|raw| raw.get() == "true"),
            }),
        }
    }

    fn parse_document(document: Cow<'a, [u8]>) -> Result<Self, LineError> {
        let is_inferred = serde_json::from_slice::<Members<'_>>(&document)
            .is_ok_and(|members| members.inferred.is_some_and(|raw| raw.get() == "true"));
        Ok(Self { received: None, documents: vec![document], is_inferred })
    }
}

fn read_received(raw: &RawValue) -> Result<Timestamp, LineError> {
    let seconds: Option<f64> = serde_json::from_str(raw.get()).ok();
    seconds
        .and_then(Timestamp::from_seconds)
        .ok_or_else(|| LineError::Received { found: raw.get().chars().take(40).collect() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "1-581cf771-a006649127e371903a2de979";

    fn line_of(document: &[u8]) -> String {
        let mut out = Vec::new();
        write_line(Timestamp::from_micros(1_795_334_983_000_574), document, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn documents_stand_in_their_line_as_they_are_where_that_is_json() {
        let check = |document: &[u8], expect: &str| {
            let expect = format!(r#"{{"received":1795334983.000574,{expect}}}"#) + "\n";
            assert_eq!(line_of(document), expect);
        };
        check(
            br#"{"id" : 1, "x":[1.50,"\u00e9"]}"#,
            r#""document":{"id" : 1, "x":[1.50,"\u00e9"]}"#,
        );
        check(br#"{"lone":"\ud800"}"#, r#""document":{"lone":"\ud800"}"#);
        check(b"{}", r#""document":{}"#);
        check(br#"{"x":NaN}"#, r#""document_base64":"eyJ4IjpOYU59""#);
        check(b"{\"x\":\"\xff\"}", r#""document_base64":"eyJ4Ijoi/yJ9""#);
        check(b"{\n}", r#""document_base64":"ewp9""#);
        check(b"{} ", r#""document_base64":"e30g""#);
        check(b"{}{}", r#""document_base64":"e317fQ==""#);
        check(b"", r#""document_base64":"""#);
    }

    #[test]
    fn a_line_names_the_trace() {
        let check = |end: &str, expect: &str| {
            let document =
                format!(r#"{{"trace_id":"{ID}","id":"53995c3f42cd8ad8","name":"x",{end}}}"#);
            let line = line_of(document.as_bytes());
            assert!(line.contains(&format!(r#","trace_id":"{ID}","{expect}":"#)), "{line}");
        };
        check(r#""start_time":1"#, "document");
        check(r#""start_time":1,"metadata":{"x":NaN}"#, "document_base64");
        check("\"start_time\":1\n", "document_base64");
    }

    #[test]
    fn lines_of_many_kinds_are_read() {
        type Expect<'a> = (Option<i64>, &'a [&'a str], bool);
        let check = |line: &str, expect: Option<Expect<'_>>| {
            let parsed = Line::parse(line.as_bytes()).unwrap();
            let got = parsed.as_ref().map(|line| {
                let documents: Vec<_> =
                    line.documents.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
                (line.received.map(Timestamp::as_micros), documents, line.is_inferred)
            });
            let expect = expect.map(|(received, documents, is_inferred)| {
                (received, documents.iter().copied().map(Cow::Borrowed).collect(), is_inferred)
            });
            assert_eq!(got, expect, "{line}");
        };
        check("", None);
        check("  \t", None);
        check(r#"{"received":1.5,"trace_id":"x","document":{"id":"a"}}"#, {
            Some((Some(1_500_000), &[r#"{"id":"a"}"#], false))
        });
        check(
            r#"{"document_base64":"e30g","received":2}"#,
            Some((Some(2_000_000), &["{} "], false)),
        );
        check(r#"{"document":{}}"#, Some((None, &["{}"], false)));
        // A document may have a member of that name.
        check(r#"{"id":"a","document":{}}"#, Some((None, &[r#"{"id":"a","document":{}}"#], false)));
        check(r#"{"id":"a","inferred":true}"#, {
            Some((None, &[r#"{"id":"a","inferred":true}"#], true))
        });
        check(r#""{\"id\":\"a\"}""#, Some((None, &[r#"{"id":"a"}"#], false)));
        check(r#""{\"inferred\":true}""#, Some((None, &[r#"{"inferred":true}"#], true)));
        check(r#"[{"id":"a"}, {"id":"b"}]"#, {
            Some((None, &[r#"{"id":"a"}"#, r#"{"id":"b"}"#], false))
        });
        // Repeated members and NaN: whether these are documents is for their parser to say.
        check(r#"{"id":1,"id":2}"#, Some((None, &[r#"{"id":1,"id":2}"#], false)));
        check(r#"{"x":NaN}"#, Some((None, &[r#"{"x":NaN}"#], false)));
        check("garbage", Some((None, &["garbage"], false)));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told() {
        let check = |line: &str, expect: &str| {
            let error = Line::parse(line.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(r#"{"received":-1,"document":{}}"#, "received -1 is not a time");
        check(r#"{"received":"now","document":{}}"#, "received \"now\" is not a time");
        check(r#"{"document_base64":"%"}"#, "document_base64: ");
        check("[]", "an empty array holds no document");
        check("[1", "not JSON");
    }

    proptest! {
        #[test]
        fn documents_come_back_byte_for_byte(
            document in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                r#"\{"[a-z]":"[a-z\n é]{0,9}"\}[ \n]?"#.prop_map(String::into_bytes),
            ],
            received in 0_i64..4_102_444_800_000_000,
        ) {
            let received = Timestamp::from_micros(received);
            let mut out = Vec::new();
            write_line(received, &document, &mut out);
            prop_assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
            let line = Line::parse(&out).unwrap().unwrap();
            prop_assert_eq!(line.received, Some(received));
            prop_assert_eq!(line.documents, vec![Cow::Borrowed(&document[..])]);
        }
    }
}
