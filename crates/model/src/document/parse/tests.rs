//! What is accepted, what is refused and with which code.

use super::*;
use crate::MAX_NESTING;

const OK: &str = r#"{"id":"53995c3f42cd8ad8","trace_id":"1-581cf771-a006649127e371903a2de979","name":"app","start_time":1.5,"end_time":2}"#;

/// `OK` with one member set to `value`, or removed when `value` is empty.
fn with(member: &str, value: &str) -> String {
    let mut document: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(OK).unwrap();
    document.remove(member);
    let mut text = serde_json::to_string(&document).unwrap();
    if !value.is_empty() {
        text.truncate(text.len() - 1);
        text.push_str(&format!(",\"{member}\":{value}}}"));
    }
    text
}

fn parse(text: &str) -> Result<Document<'_>, Rejection> {
    Document::parse(text.as_bytes())
}

#[test]
fn refusals_carry_xrays_codes() {
    let check = |document: &str, expect: RejectionCode| {
        let rejection = parse(document).expect_err(document);
        assert_eq!(rejection.code, expect, "{document}: {rejection}");
    };
    use RejectionCode::*;
    check("", ParseError);
    check("x", ParseError);
    check("{", ParseError);
    check("[1,2]", ParseError);
    check("5", ParseError);
    check(&OK[..OK.len() - 1], ParseError);
    check(&format!("{OK} trailing"), ParseError);
    check(&with("id", ""), MissingId);
    check(&with("id", "null"), MissingId);
    check(&with("id", "5"), InvalidId);
    check(&with("id", r#""53995c3f42cd8ad""#), InvalidId);
    check(&with("trace_id", ""), MissingTraceId);
    check(&with("trace_id", r#""1-581cf771""#), InvalidTraceId);
    check(&with("trace_id", r#""581cf771a006649127e371903a2de979""#), InvalidTraceId);
    check(&with("trace_id", r#""1-00000000-000000000000000000000000""#), InvalidTraceId);
    check(&with("name", ""), MissingName);
    check(&with("name", r#""""#), InvalidName);
    check(&with("name", r#""what?""#), InvalidName);
    check(&with("name", &format!("\"{}\"", "é".repeat(201))), InvalidName);
    check(&with("start_time", ""), MissingStartTime);
    check(&with("start_time", r#""1.5""#), InvalidStartTime);
    check(&with("start_time", "-1"), InvalidStartTime);
    check(&with("start_time", "1e999"), InvalidStartTime);
    check(&with("start_time", "1.795e15"), InvalidStartTime);
    check(&with("end_time", "[]"), InvalidEndTime);
    check(&with("type", r#""subsegment""#), MissingParentId);
    check(&with("parent_id", r#""nothex""#), InvalidParentId);
    check(&with("subsegments", "[5]"), InvalidSegment);
    check(&with("subsegments", "{}"), InvalidSegment);
    check(&with("subsegments", "[{}]"), MissingId);
    check(
        &with("subsegments", r#"[{"id":"53995c3f42cd8ad9","name":"?","start_time":1}]"#),
        InvalidName,
    );
    check(&with("metadata", &format!("\"{}\"", "x".repeat(MAX_DOCUMENT_BYTES))), InvalidSegment);
}

#[test]
fn a_refusal_names_the_document_and_the_part() {
    let document =
        with("subsegments", r#"[{"id":"53995c3f42cd8ad9","name":"a?b","start_time":1}]"#);
    let rejection = parse(&document).unwrap_err();
    assert_eq!(rejection.id.as_deref(), Some("53995c3f42cd8ad8"));
    assert_eq!(rejection.trace_id.as_deref(), Some("1-581cf771-a006649127e371903a2de979"));
    let message = rejection.to_string();
    let expect = "Invalid subsegment. ErrorCode: InvalidName, Cause: name has the character '?'";
    assert!(message.starts_with(expect), "{message}");
}

#[test]
fn an_oversize_document_still_tells_its_id() {
    let document = with("metadata", &format!("\"{}\"", "x".repeat(MAX_DOCUMENT_BYTES)));
    assert_eq!(parse(&document).unwrap_err().id.as_deref(), Some("53995c3f42cd8ad8"));
}

#[test]
fn the_largest_document_is_accepted() {
    let filler = MAX_DOCUMENT_BYTES - with("metadata", "\"\"").len();
    let document = with("metadata", &format!("\"{}\"", "x".repeat(filler)));
    assert_eq!(document.len(), MAX_DOCUMENT_BYTES);
    assert!(parse(&document).is_ok());
}

#[test]
fn odd_shapes_of_real_sdks_are_accepted() {
    let check = |member: &str, value: &str| {
        let document = with(member, value);
        assert!(parse(&document).is_ok(), "{document}");
    };
    check("start_time", "1.795336495448E9");
    check("end_time", ""); // Neither an end nor in_progress: taken as in progress.
    check("end_time", "0.5"); // Ends before it starts: clocks do that.
    check("end_time", "4102444800"); // Years in the future.
    check("Dummy", "false");
    check("notTraced", "true");
    check("cause", "{}");
    check("cause", "\"624e4b37fcb8521d\"");
    check("aws", r#"{"cloudwatch_logs":{"log_group":"g"},"xray":{"auto_instrumentation":"true"}}"#);
    check("http", r#"{"response":{"content_length":"0"}}"#);
    check("metadata", "null");
    check("annotations", "[1]");
    check("subsegments", "null");
    check("error", "\"yes\"");
    check("name", r#""Ünïcode 名前 _.:/%&#=+\\-@""#);
    check("metadata", r#"{"default":{"nan":NaN,"inf":[Infinity,-Infinity]}}"#);
    check("metadata", r#"{"lone":"\ud800"}"#);
    check("user", r#""\ud800""#);
}

#[test]
fn invalid_utf8_becomes_replacement_characters() {
    let mut bytes = with("user", "\"?\"").into_bytes();
    let at = bytes.iter().position(|&b| b == b'?').unwrap();
    bytes[at] = 0xFF;
    let document = Document::parse(&bytes).unwrap();
    assert_eq!(document.entities[0].user.as_deref(), Some("\u{fffd}"));
}

#[test]
fn nesting_is_read_parents_first_and_bounded() {
    let nested = |depth: usize| {
        let mut text = String::new();
        for level in 0..depth {
            text.push_str(&format!(
                r#"[{{"id":"{:016x}","name":"n","start_time":1,"end_time":2,"subsegments":"#,
                level + 1
            ));
        }
        text.push_str("[]");
        text.push_str(&"}]".repeat(depth));
        with("subsegments", &text)
    };
    let text = nested(MAX_NESTING);
    assert_eq!(Document::parse_bare(text.as_bytes()).unwrap().entities.len(), MAX_NESTING + 1);
    let document = parse(&text).unwrap();
    assert_eq!(document.entities.len(), MAX_NESTING + 1);
    assert_eq!(document.entities[2].parent_id, Some(SegmentId::from_u64(1)));
    assert_eq!(parse(&nested(MAX_NESTING + 1)).unwrap_err().code, RejectionCode::InvalidSegment);
    let misshapen = parse(&nested(MAX_NESTING + 1)).unwrap_err();
    assert_eq!(misshapen.id.as_deref(), Some("53995c3f42cd8ad8"), "{misshapen}");
    let brackets = with("metadata", &format!("{}{}", "[".repeat(30_000), "]".repeat(30_000)));
    assert!(parse(&brackets).is_ok());
}

#[test]
fn flags_win_over_the_status() {
    let check = |members: &str, expect: (bool, bool, bool)| {
        let document = format!("{},{members}}}", &OK[..OK.len() - 1]);
        let flags = parse(&document).unwrap().entities[0].flags;
        assert_eq!((flags.error, flags.throttle, flags.fault), expect, "{members}");
    };
    check(r#""http":{"response":{"status":200}}"#, (false, false, false));
    check(r#""http":{"response":{"status":404}}"#, (true, false, false));
    check(r#""http":{"response":{"status":429}}"#, (true, true, false));
    check(r#""http":{"response":{"status":503}}"#, (false, false, true));
    check(r#""error":false,"http":{"response":{"status":404}}"#, (false, false, false));
    check(r#""throttle":true"#, (true, true, false));
    check(r#""error":true,"fault":true,"http":{"response":{"status":200}}"#, (true, false, true));
}

#[test]
fn bad_annotations_are_dropped_one_by_one() {
    let document = with(
        "annotations",
        r#"{"ok":"x","a.b":1,"bad-key":1,"":2,"list":[1],"null":null,"yes":true}"#,
    );
    let document = parse(&document).unwrap();
    let long =
        |length: usize| with("annotations", &format!("{{\"a\":\"{}\"}}", "é".repeat(length)));
    assert_eq!(parse(&long(1000)).unwrap().entities[0].annotations.len(), 1);
    assert_eq!(parse(&long(1001)).unwrap().entities[0].annotations.len(), 0);
    let keys: Vec<_> = document.entities[0].annotations.iter().map(|a| &*a.key).collect();
    assert_eq!(keys, ["ok", "a.b", "yes"]);
}
