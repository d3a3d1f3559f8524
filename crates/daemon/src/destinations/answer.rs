//! What an answer to PutTraceSegments means: the batch is taken, to be tried again, or refused; and
//! how that reads in the log, which follows the official daemon.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::retry::retry_after;
use super::unprocessed::Unprocessed;
use crate::tally::ConnectionErrors;
use crate::upstream::{Answer, FailureKind, UpstreamError};

/// Most of an answer that is read. Fifty refusals have some 15 KB.
pub(super) const MOST_ANSWER_BYTES: usize = 256 << 10;

/// Most characters of a message of the destination that get into the log.
const MOST_MESSAGE_CHARACTERS: usize = 300;

/// Codes after which the AWS SDKs try again whatever the status is. The first three ask for new
/// credentials, which the identity has by then.
const RETRYABLE_CODES: &[&str] = &[
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

/// The errors that PutTraceSegments declares; the SDK prints them without `api error`.
const DECLARED_CODES: &[&str] = &["InvalidRequestException", "ThrottledException"];

/// What became of an attempt.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The destination has the batch, but for these documents.
    Taken(Vec<Unprocessed>),
    Failed(Failure),
}

/// Why a batch was not taken.
#[derive(Debug)]
pub(super) struct Failure {
    /// As the official daemon words it, without the name of the operation.
    text: String,
    pub(super) then: Then,
    sort: Sort,
    /// Whether it is not the service that answers at this address, but something on the way there:
    /// a load balancer without servers, the login page of a network, a firewall. That passes.
    is_foreign: bool,
}

/// How far an attempt got that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nothing of the batch was sent: no connection, no address, no credentials.
    Unsent,
    /// It is not known whether the batch arrived.
    Unanswered,
    Answered,
}

/// What to do about a batch that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The destination may take it later, after this pause if it asks for one.
    TryAgain(Option<Duration>),
    /// It does not take it from us: wrong credentials. Trying at once is of no use, keeping is.
    KeepForLater,
    /// It never will.
    GiveUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    NoAnswer(FailureKind),
    Status(StatusCode),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    unprocessed_trace_segments: Option<Vec<Option<Unprocessed>>>,
}

/// An error as the service and what stands before it write them.
#[derive(Default, Deserialize)]
struct ErrorReply {
    #[serde(rename = "__type")]
    kind: Option<String>,
    #[serde(alias = "Code")]
    code: Option<String>,
    #[serde(alias = "Message", alias = "errorMessage")]
    message: Option<String>,
}

impl Failure {
    /// The text after `Sending segment batch failed with: `, of the last of `attempts`.
    pub(super) fn describe(&self, attempts: u32) -> String {
        let exceeded = match self.then {
            // The official daemon makes one attempt of these; its line stays as it is.
            _ if self.is_foreign => String::new(),
            Then::TryAgain(_) => format!("exceeded maximum number of attempts, {attempts}, "),
            _ => String::new(),
        };
        format!("operation error XRay: PutTraceSegments, {exceeded}{}", self.text)
    }

    /// The text without operation and attempts.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// How far the attempt got.
    pub(super) fn reach(&self) -> Reach {
        match self.sort {
            Sort::NoAnswer(
                FailureKind::ConnectionRefused
                | FailureKind::UnknownHost
                | FailureKind::Credentials,
            ) => Reach::Unsent,
            Sort::NoAnswer(FailureKind::Timeout | FailureKind::Other) => Reach::Unanswered,
            Sort::Status(_) => Reach::Answered,
        }
    }

    /// Counts the failure where it belongs.
    pub(super) fn count(&self, errors: &ConnectionErrors) {
        let counter = match self.sort {
            Sort::NoAnswer(FailureKind::Timeout) => &errors.timeout,
            Sort::NoAnswer(FailureKind::ConnectionRefused) => &errors.connection_refused,
            Sort::NoAnswer(FailureKind::UnknownHost) => &errors.unknown_host,
            Sort::Status(status) if status.is_client_error() => &errors.http_4xx,
            Sort::Status(status) if status.is_server_error() => &errors.http_5xx,
            Sort::NoAnswer(FailureKind::Credentials | FailureKind::Other) | Sort::Status(_) => {
                &errors.other
            }
        };
        counter.increment();
    }
}

/// Reads an answer, or none. `url` is where the request went.
pub(super) fn judge(
    result: Result<Answer, UpstreamError>,
    url: impl FnOnce() -> String,
    now: SystemTime,
) -> Verdict {
    match result {
        Ok(answer) if answer.status.is_success() => judge_success(&answer),
        Ok(answer) => Verdict::Failed(judge_error(&answer, now)),
        Err(error) => Verdict::Failed(judge_silence(&error, &url())),
    }
}

fn judge_silence(error: &UpstreamError, url: &str) -> Failure {
    let text = match error.kind() {
        FailureKind::Credentials => format!("get identity: get credentials: {error}"),
        _ => format!(
            "https response error StatusCode: 0, RequestID: , request send failed, Post \
             \"{url}\": {error}"
        ),
    };
    let sort = Sort::NoAnswer(error.kind());
    Failure { text, then: Then::TryAgain(None), sort, is_foreign: false }
}

fn judge_success(answer: &Answer) -> Verdict {
    if answer.body.is_empty() {
        return Verdict::Taken(Vec::new()); // The SDKs take that for an answer without members.
    }
    match serde_json::from_slice::<Reply>(&answer.body) {
        Ok(reply) => {
            let unprocessed = reply.unprocessed_trace_segments.unwrap_or_default();
            Verdict::Taken(unprocessed.into_iter().flatten().collect())
        }
        // Whether the batch was stored is not known; a page instead of an answer says that it was
        // not, and who has it already takes it for the same.
        Err(fault) => Verdict::Failed(Failure {
            text: format!(
                "{}, deserialization failed, failed to decode response body, {}: {}",
                status_and_id(answer),
                one_line(&fault.to_string()), // It quotes what it read.
                readable(&answer.body),
            ),
            then: Then::TryAgain(None),
            sort: Sort::Status(answer.status),
            is_foreign: true,
        }),
    }
}

fn judge_error(answer: &Answer, now: SystemTime) -> Failure {
    let reply = serde_json::from_slice::<ErrorReply>(&answer.body);
    let is_json = reply.is_ok();
    let reply = reply.unwrap_or_default();
    let header = header(&answer.headers, "x-amzn-errortype");
    let code = [header, reply.kind.as_deref(), reply.code.as_deref()]
        .into_iter()
        .flatten()
        .map(bare_code)
        .find(|code| !code.is_empty());
    let then = then(answer, code.as_deref(), now);
    let code = code.unwrap_or_else(|| "UnknownError".to_owned());
    let message = match reply.message {
        Some(message) => one_line(&message),
        None if answer.body.is_empty() => "empty answer".to_owned(),
        None if is_json => one_line(&String::from_utf8_lossy(&answer.body)),
        None => format!("answer is not JSON: {}", readable(&answer.body)),
    };
    let declared = DECLARED_CODES.contains(&code.as_str());
    let api_error = if declared { "" } else { "api error " };
    Failure {
        text: format!("{}, {api_error}{code}: {message}", status_and_id(answer)),
        then: then.unwrap_or(Then::TryAgain(None)),
        sort: Sort::Status(answer.status),
        is_foreign: then.is_none(),
    }
}

/// What to do about an answer with this code of an error; `None` when it is not the service's.
fn then(answer: &Answer, code: Option<&str>, now: SystemTime) -> Option<Then> {
    let status = answer.status;
    let is_passing = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    let is_retryable = code.is_some_and(|code| RETRYABLE_CODES.contains(&code));
    if is_passing || status.is_server_error() || is_retryable {
        return Some(Then::TryAgain(retry_after(&answer.headers, now)));
    }
    match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Some(Then::KeepForLater),
        // Without a code it is the page of a firewall, which may dislike just this body.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => code.map(|_| Then::KeepForLater),
        // Whoever says so will say it of these bytes tomorrow.
        StatusCode::PAYLOAD_TOO_LARGE => Some(Then::GiveUp),
        // The service names a code with every error; all that redirects is something else.
        _ => code.filter(|_| status.is_client_error()).map(|_| Then::GiveUp),
    }
}

fn status_and_id(answer: &Answer) -> String {
    let request_id = header(&answer.headers, "x-amzn-requestid").unwrap_or_default();
    let status = answer.status.as_u16();
    format!("https response error StatusCode: {status}, RequestID: {}", one_line(request_id))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The name in `com.amazonaws.xray#ThrottledException:http://…`.
fn bare_code(code: &str) -> String {
    let code = code.split(':').next().unwrap_or_default();
    one_line(code.rsplit('#').next().unwrap_or_default())
}

/// A body that is no JSON: of a page its words, else its beginning.
fn readable(body: &[u8]) -> String {
    let beginning = body.get(..body.len().min(8 << 10)).unwrap_or_default();
    let text = String::from_utf8_lossy(beginning);
    if !text.trim_start().starts_with('<') {
        return one_line(&text);
    }
    let mut words = String::new();
    for part in text.split('<') {
        let after_tag = part.split_once('>').map_or("", |(_, after)| after);
        words.push_str(after_tag);
        words.push(' ');
    }
    one_line(&words)
}

/// Text of the destination as part of a log line: bounded, without line breaks.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if let Some((end, _)) = line.char_indices().nth(MOST_MESSAGE_CHARACTERS) {
            line.truncate(end);
            line.push('…');
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use roentgen_ops::Metrics;

    use super::super::unprocessed;
    use super::*;
    use crate::mutations::{many_cases, mutated};
    use crate::tally::DestinationTally;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    fn failure(answer: Answer) -> Failure {
        match judge(Ok(answer), String::new, SystemTime::UNIX_EPOCH) {
            Verdict::Failed(failure) => failure,
            taken => panic!("{taken:?}"),
        }
    }

    /// The texts are those of the official daemon 3.6.6, but for the number of attempts.
    #[test]
    fn errors_read_as_those_of_the_official_daemon() {
        let again = Then::TryAgain(None);
        let check = |status: u16, body: &str, then: Then, expect: &str| {
            let failure = failure(answer(status, &[], body));
            let described = failure.describe(2);
            let expect = format!("operation error XRay: PutTraceSegments, {expect}");
            assert_eq!((described.as_str(), failure.then), (expect.as_str(), then));
        };
        check(
            500,
            r#"{"message":"internal"}"#,
            again,
            "exceeded maximum number of attempts, 2, https response error StatusCode: 500, \
             RequestID: , api error UnknownError: internal",
        );
        check(
            429,
            r#"{"__type":"ThrottledException","Message":"Rate exceeded"}"#,
            again,
            "exceeded maximum number of attempts, 2, https response error StatusCode: 429, \
             RequestID: , ThrottledException: Rate exceeded",
        );
        check(
            403,
            r#"{"__type":"com.amazon.coral.service#UnrecognizedClientException",
                "message":"The security token included in the request is invalid."}"#,
            Then::KeepForLater,
            "https response error StatusCode: 403, RequestID: , api error \
             UnrecognizedClientException: The security token included in the request is invalid.",
        );
        check(
            404,
            r#"{"message":"nope"}"#,
            again,
            "https response error StatusCode: 404, RequestID: , api error UnknownError: nope",
        );
        check(
            403,
            r#"{"__type":"ExpiredTokenException","message":"expired"}"#,
            again,
            "exceeded maximum number of attempts, 2, https response error StatusCode: 403, \
             RequestID: , api error ExpiredTokenException: expired",
        );
        check(
            400,
            "<html>\r\n<head><title>400 Bad Request</title></head>\n<body>Sorry</body></html>",
            again,
            "https response error StatusCode: 400, RequestID: , api error UnknownError: answer \
             is not JSON: 400 Bad Request Sorry",
        );
        check(
            502,
            "",
            again,
            "exceeded maximum number of attempts, 2, https response error StatusCode: 502, \
             RequestID: , api error UnknownError: empty answer",
        );
        check(
            400,
            "[1]",
            again,
            "https response error StatusCode: 400, RequestID: , api error UnknownError: answer \
             is not JSON: [1]",
        );
        check(
            200,
            "<p>Log in</p>",
            again,
            "https response error StatusCode: 200, RequestID: , deserialization failed, failed \
             to decode response body, expected value at line 1 column 1: Log in",
        );
    }

    #[test]
    fn code_and_request_id_may_be_in_headers() {
        let headers = [
            ("x-amzn-requestid", "req-1"),
            ("x-amzn-errortype", "InvalidRequestException:http://internal"),
            ("retry-after", "3"),
        ];
        let failure = failure(answer(400, &headers, r#"{"message":"bad"}"#));
        let expect = "https response error StatusCode: 400, RequestID: req-1, \
                      InvalidRequestException: bad";
        assert_eq!((failure.text(), failure.then), (expect, Then::GiveUp));
    }

    #[test]
    fn only_the_service_refuses_for_good() {
        let check = |status: u16, headers: &[_], body: &str, then: Then, is_foreign: bool| {
            let failure = failure(answer(status, headers, body));
            assert_eq!((failure.then, failure.is_foreign), (then, is_foreign), "{status} {body}");
        };
        let again = Then::TryAgain(None);
        let of_x_ray = [("x-amzn-errortype", "InvalidRequestException")];
        for status in [400, 404] {
            check(status, &of_x_ray, "", Then::GiveUp, false);
            check(status, &[], r#"{"__type":"InvalidRequestException"}"#, Then::GiveUp, false);
            check(status, &[], r#"{"code":"InvalidRequestException"}"#, Then::GiveUp, false);
            check(status, &[], r#"{"message":"no such route"}"#, again, true);
            check(status, &[], "<html>404</html>", again, true);
            check(status, &[("x-amzn-errortype", "")], "", again, true);
        }
        check(302, &[("location", "http://login.example")], "", again, true);
        check(308, &of_x_ray, "", again, true);
        check(200, &[], "<html>Log in</html>", again, true);
        check(200, &[], "[]", again, true);
        check(405, &[], "", again, true);
        check(413, &[], "<html>413 Request Entity Too Large</html>", Then::GiveUp, false);
        for status in [401, 403] {
            check(status, &[], "<html>Forbidden</html>", again, true);
            check(status, &of_x_ray, "", Then::KeepForLater, false);
        }
        check(407, &[], "<html>Log in</html>", Then::KeepForLater, false);
        check(500, &[], "<html>500</html>", again, false);
    }

    #[test]
    fn a_pause_is_kept_with_the_failure() {
        let then = failure(answer(503, &[("retry-after", "3")], "")).then;
        assert_eq!(then, Then::TryAgain(Some(Duration::from_secs(3))));
    }

    #[test]
    fn long_bodies_are_cut() {
        let failure = failure(answer(400, &[], &"x\u{1b}[31m\n".repeat(100_000)));
        assert!(failure.text().len() < 500, "{}", failure.text().len());
        assert!(!failure.text().contains('\u{1b}'));
    }

    #[test]
    fn successes() {
        let check = |body: &str, expect: usize| match judge(
            Ok(answer(200, &[], body)),
            String::new,
            SystemTime::UNIX_EPOCH,
        ) {
            Verdict::Taken(unprocessed) => assert_eq!(unprocessed.len(), expect, "{body}"),
            failed => panic!("{body}: {failed:?}"),
        };
        check("", 0);
        check("{}", 0);
        check(r#"{"UnprocessedTraceSegments":null}"#, 0);
        check(r#"{"UnprocessedTraceSegments":[]}"#, 0);
        check(r#"{"UnprocessedTraceSegments":[null,{}],"More":1}"#, 1);
    }

    #[test]
    fn failures_are_sorted_as_the_telemetry_wants_them() {
        let tally = DestinationTally::new(&Metrics::default(), "aws");
        let errors = &tally.connection_errors;
        for status in [400, 403, 429, 500, 503, 302] {
            failure(answer(status, &[], "")).count(errors);
        }
        assert_eq!([errors.http_4xx.get(), errors.http_5xx.get(), errors.other.get()], [3, 2, 1]);
    }

    /// Bodies as servers, proxies and broken lines send them: any bytes, and JSON that is nearly
    /// right.
    fn any_body() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<Vec<u8>>(),
            "[{}\\[\\]\",:<>/ a-z0-9\\\\]{0,40}".prop_map(String::into_bytes),
            Just(br#"{"UnprocessedTraceSegments":[{"Id":null,"Message":"#.to_vec()),
            Just(br#"{"__type":"a#b:c","message":""#.to_vec()),
            Just("\u{2028}\u{7f}\r\n\u{1F600}".repeat(200).into_bytes()),
        ];
        prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
    }

    /// Bodies that the service, its clients' issues and things on the way are known for.
    const RECORDINGS: &[&str] = &[
        r#"{"UnprocessedTraceSegments":[]}"#,
        r#"{"UnprocessedTraceSegments":[{"ErrorCode":"ParseError","Message":"Invalid segment. ErrorCode: ParseError"}]}"#,
        r#"{"UnprocessedTraceSegments":[{"Id":"cbb6a6a3e8c41c46","ErrorCode":"InvalidName","Message":"Invalid subsegment. ErrorCode: InvalidName, Cause: null"}]}"#,
        r#"{"UnprocessedTraceSegments":[{"Id":null,"ErrorCode":"MissingId"},null,{}]}"#,
        r#"{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"The security token included in the request is invalid."}"#,
        r#"{"code":"ThrottledException","Message":"Rate exceeded"}"#,
        r#"{"message":"internal"}"#,
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\n<body>nginx</body></html>",
        "",
    ];

    const WORDS: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\ud800",
        "null",
        "1e999",
        "<",
        ">",
        "\n",
        "\u{1b}[31m",
        "\u{2028}",
        "\u{feff}",
        "\"Id\":",
        "\"__type\":",
        "\"message\":[1]",
        "UnprocessedTraceSegments",
    ];

    fn mutated_bodies() -> impl Strategy<Value = Vec<u8>> {
        mutated(RECORDINGS.iter().map(|text| text.as_bytes().to_vec()).collect(), WORDS)
    }

    proptest! {
        #![proptest_config(many_cases())]

        #[test]
        fn mutated_answers(
            status in prop_oneof![Just(200_u16), 200_u16..600],
            body in mutated_bodies(),
            code in prop::option::of("[A-Za-z#:/.]{0,40}"),
        ) {
            let status = StatusCode::from_u16(status).unwrap();
            let named = code.iter().map(|c| ("x-amzn-errortype".parse().unwrap(), c.parse().unwrap()));
            let is_empty = body.is_empty();
            let answer = Answer { status, headers: named.collect(), body: Bytes::from(body.clone()) };
            match judge(Ok(answer), String::new, SystemTime::UNIX_EPOCH) {
                Verdict::Taken(unprocessed) => {
                    let json = serde_json::from_slice::<serde::de::IgnoredAny>(&body);
                    prop_assert!(status.is_success() && (is_empty || json.is_ok()));
                    let batch = crate::batch::Batch::of(&[r#"{"id":"cbb6a6a3e8c41c46"}"#]);
                    unprocessed::report(&batch, &unprocessed, None);
                }
                Verdict::Failed(failure) => {
                    let text = failure.describe(5);
                    prop_assert!(text.chars().count() < 1_000 && !text.chars().any(char::is_control));
                    let is_final = failure.then == Then::GiveUp;
                    prop_assert!(!is_final || status.is_client_error(), "{status} ends it");
                    prop_assert!(!(is_final && failure.is_foreign));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_one_short_line_at_most(
            status in 200_u16..600,
            body in any_body(),
            code in "[ -~]{0,500}",
        ) {
            let status = StatusCode::from_u16(status).unwrap();
            let headers = HeaderMap::from_iter([
                ("x-amzn-errortype".parse().unwrap(), code.parse().unwrap()),
                ("retry-after".parse().unwrap(), code.parse().unwrap()),
            ]);
            let answer = Answer { status, headers, body: Bytes::from(body) };
            match judge(Ok(answer), String::new, SystemTime::UNIX_EPOCH) {
                Verdict::Taken(_) => prop_assert!(status.is_success()),
                Verdict::Failed(failure) => {
                    let text = failure.describe(5);
                    prop_assert!(text.chars().count() < 1_000, "{} characters", text.len());
                    prop_assert!(!text.chars().any(char::is_control), "{text:?}");
                }
            }
        }
    }
}
