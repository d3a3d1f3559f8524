//! Documents of a batch that the destination refused one by one: one line each, naming the trace
//! and saying what the code means.

use std::borrow::Cow;

use serde::Deserialize;

use super::answer::one_line;
use crate::batch::Batch;

/// A refused document, as the reply names it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Unprocessed {
    /// Not there when the document could not be read.
    id: Option<String>,
    error_code: Option<String>,
    message: Option<String>,
}

/// The two ids at the top of a document.
#[derive(Default, Deserialize)]
struct Ids<'a> {
    #[serde(borrow)]
    trace_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

/// Writes a line for each refused document. Unlike the official daemon's they tell the reason, name
/// the trace also for JSON with spaces, and do not end at the first document without an id.
pub(super) fn report(batch: &Batch, unprocessed: &[Unprocessed], destination: Option<&str>) {
    let documents: Vec<Cow<'_, str>> = batch.documents().collect();
    for refused in unprocessed {
        let code = one_line(refused.error_code.as_deref().unwrap_or("UnknownError"));
        let reason = one_line(refused.message.as_deref().unwrap_or_default());
        let meaning = meaning(&code, &reason);
        let Some(id) = refused.id.as_deref().filter(|id| !id.is_empty()) else {
            tracing::error!(destination, code, reason, meaning, "Unprocessed segment: no id");
            // The documents are the customer's data, and only for those who ask for all.
            tracing::debug!(
                destination,
                "Received nil unprocessed segment id from X-Ray service: {code}: {reason}"
            );
            tracing::debug!(destination, "Content in this batch: {}", documents.join(" "));
            continue;
        };
        let segment_id = one_line(id);
        let found = find(&documents, id);
        match found.and_then(trace_id_of) {
            Some(trace_id) => tracing::error!(
                destination,
                trace_id,
                segment_id,
                code,
                reason,
                meaning,
                "Unprocessed trace {trace_id}, segment: {segment_id}"
            ),
            None => tracing::error!(
                destination,
                segment_id,
                code,
                reason,
                meaning,
                "Unprocessed segment: {segment_id}"
            ),
        }
        if let Some(document) = found {
            tracing::debug!("{document}");
        }
    }
}

/// The document with this id, or else the one that embeds a subsegment with it.
fn find<'a>(documents: &'a [Cow<'_, str>], id: &str) -> Option<&'a str> {
    let has_id = |document: &&Cow<'_, str>| ids_of(document).id.is_some_and(|own| own == id);
    let quoted = format!("\"{id}\"");
    let own = documents.iter().find(has_id);
    let found = own.or_else(|| documents.iter().find(|document| document.contains(&quoted)));
    found.map(AsRef::as_ref)
}

fn trace_id_of(document: &str) -> Option<String> {
    ids_of(document).trace_id.map(|trace_id| one_line(&trace_id))
}

fn ids_of(document: &str) -> Ids<'_> {
    serde_json::from_str(document).unwrap_or_default()
}

/// What a code means for whoever wrote the segment. Which members X-Ray checks: "AWS X-Ray
/// Developer Guide", chapter "X-Ray segment documents".
fn meaning(code: &str, reason: &str) -> &'static str {
    match code {
        "ParseError" => "the document is not valid JSON, often because of NaN or a cut-off text",
        "MissingId" => "the document has no id",
        "InvalidId" => "the id is not 16 hexadecimal digits",
        "MissingTraceId" => "the document has no trace_id",
        "InvalidTraceId" => "the trace_id is not 1-8-24 hexadecimal digits, or too old",
        "MissingParentId" => "a subsegment sent by itself has no parent_id",
        "InvalidParentId" => "the parent_id is not 16 hexadecimal digits",
        "MissingName" => "a segment or subsegment has no name",
        "InvalidName" => {
            "a name is empty, longer than 200 characters, or has characters other than letters, \
             digits, white space and _ . : / % & # = + \\ - @"
        }
        "MissingStartTime" => "the document has no start_time",
        "InvalidStartTime" => "the start_time is no number of epoch seconds",
        "InvalidEndTime" => "the end_time is no number of epoch seconds, or before start_time",
        "InvalidSegment" if reason.contains("Size Exceeded") => {
            "the trace has become larger than X-Ray keeps (500 KB); send fewer or smaller segments"
        }
        "InvalidSegment" => "a member has the wrong type, or the document is over 64 KB",
        _ => "the destination did not store the document",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_found_by_id() {
        let documents = [
            r#"{"subsegments":[{"id":"0000000000000002"}],"id":"0000000000000001","trace_id":"1-a"}"#,
            r#"{"trace_id": "1-b", "id": "0000000000000003", "parent_id": "0000000000000001"}"#,
            "broken \"id\": \"0000000000000004\"",
        ]
        .map(Cow::Borrowed);
        let check = |id: &str, expect: Option<&str>, trace_id: Option<&str>| {
            let found = find(&documents, id);
            assert_eq!(found, expect, "{id}");
            assert_eq!(found.and_then(trace_id_of).as_deref(), trace_id, "{id}");
        };
        check("0000000000000001", Some(&documents[0]), Some("1-a"));
        check("0000000000000002", Some(&documents[0]), Some("1-a"));
        check("0000000000000003", Some(&documents[1]), Some("1-b"));
        check("0000000000000004", Some(&documents[2]), None);
        check("0000000000000005", None, None);
    }

    #[test]
    fn every_code_the_service_was_seen_with_has_a_meaning() {
        let unknown = meaning("", "");
        for code in ["ParseError", "MissingId", "MissingTraceId", "InvalidName", "InvalidSegment"] {
            assert_ne!(meaning(code, ""), unknown, "{code}");
        }
        let too_large = "Trace Size Exceeded. Reduce the number of segments per trace";
        assert_ne!(meaning("InvalidSegment", too_large), meaning("InvalidSegment", ""));
    }
}
