//! Calls sent on. The expected values are those of the official daemon 3.6.6 in the same place,
//! but for the case of header names towards the destination.

use std::time::Duration;

use roentgen_ops::{Clock as _, SystemClock};
use roentgen_sigv4::{Claim, DEFAULT_MAX_SKEW, Payload, Policy, Request, SigningKey, verify};
use tokio::io::AsyncWriteExt as _;

use super::clients::{Client, Reply, ask, parse, request};
use super::setting::{ACCESS_KEY, Call, Destination, PATIENCE, SECRET_KEY, Setting, Wanted};
use crate::captured_log::CapturedLog;
use crate::gateway::Limits;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

/// Asks, while the destination answers with these bytes.
async fn ask_through(
    setting: &Setting,
    destination: &Destination,
    request: &str,
    answer: &[u8],
) -> Reply {
    let asking =
        async { tokio::join!(ask(setting.address, request), destination.answer(answer)).0 };
    tokio::time::timeout(PATIENCE, asking).await.expect("an answer")
}

#[tokio::test]
async fn calls_of_sdks_arrive_with_our_signature_and_the_clients_headers() {
    let destination = Destination::new().await;
    let setting = Setting::new(destination.wanted());
    let text = request(
        "POST /GetSamplingRules",
        &[
            "User-Agent: test-sdk",
            "Accept-Encoding: gzip",
            "Authorization: AWS4-HMAC-SHA256 Credential=dummy",
            "Content-Type: application/json",
            "X-Amz-Date: 20150830T123600Z",
            "X-Amz-Security-Token: dummy",
            "X-Amzn-Trace-Id: Root=1-2-3",
            "X-Foo: 1",
        ],
        "{}",
    );
    let (reply, call) = tokio::join!(ask(setting.address, text), destination.answer(OK));
    assert_eq!((reply.status, reply.body.as_str()), (200, "{}"));
    let host = format!("host: {}", destination.address);
    let expect = [
        "POST /GetSamplingRules HTTP/1.1",
        "accept-encoding: gzip",
        "content-length: 2",
        "content-type: application/json",
        &host,
        "user-agent: test-sdk",
        "x-amz-security-token: TOKEN",
        "x-amzn-trace-id: Root=1-2-3",
        "x-foo: 1",
        "x-forwarded-for: 127.0.0.1",
    ];
    let is_new =
        |line: &&String| line.starts_with("authorization") || line.starts_with("x-amz-date");
    let kept: Vec<_> = call.head.iter().filter(|line| !is_new(line)).collect();
    assert_eq!(kept, expect);
    assert_eq!(call.body, b"{}");
    check_signature(&call);
    // As the official daemon signs the same call.
    let signed = "SignedHeaders=accept-encoding;content-length;content-type;host;x-amz-date;\
                  x-amz-security-token;x-foo, ";
    assert!(call.head[2].contains(signed), "{}", call.head[2]);
}

/// What the signature of a call says of it, by AWS's rules.
fn check_signature(call: &Call) {
    let headers: Vec<(&str, &[u8])> = call.head[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name, value.as_bytes()))
        .collect();
    let target = call.head[0].split(' ').nth(1).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let method = call.head[0].split(' ').next().unwrap();
    let payload = Payload::Bytes(&call.body);
    let request = Request { method, path, query, headers: &headers, payload };
    let policy = Policy { service: "xray", region: Some("us-east-1"), max_skew: DEFAULT_MAX_SKEW };
    let key = |claim: &Claim<'_>| {
        let is_ours = claim.access_key_id() == ACCESS_KEY;
        is_ours.then(|| SigningKey::derive(SECRET_KEY, claim.scope()))
    };
    verify(&request, &policy, SystemClock.now(), key).unwrap();
}

#[tokio::test]
async fn without_credentials_calls_are_sent_unsigned() {
    let destination = Destination::new().await;
    let setting = Setting::new(Wanted { has_credentials: false, ..destination.wanted() });
    let log = CapturedLog::start();
    let text = request("POST /GetSamplingRules", &["Authorization: dummy"], "{}");
    let (reply, call) = tokio::join!(ask(setting.address, text), destination.answer(OK));
    assert_eq!(reply.status, 200);
    let expect = [
        "POST /GetSamplingRules HTTP/1.1",
        "content-length: 2",
        &format!("host: {}", destination.address),
        "x-forwarded-for: 127.0.0.1",
    ];
    assert_eq!(call.head, expect);
    let told = ["ERROR Unable to retrieve credentials: no EC2 IMDS role found"];
    assert_eq!(log.lines(&["ERROR"]), told);
}

#[tokio::test]
async fn bodies_of_any_make_arrive_whole() {
    let destination = Destination::new().await;
    let setting = Setting::new(destination.wanted());
    let check = async |headers_and_body: &str, body: &str| {
        let text = format!(
            "POST /SamplingTargets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers_and_body}"
        );
        let (reply, call) = tokio::join!(ask(setting.address, text), destination.answer(OK));
        assert_eq!(reply.status, 200, "{headers_and_body}");
        assert_eq!(String::from_utf8(call.body).unwrap(), body, "{headers_and_body}");
        let length = format!("content-length: {}", body.len());
        assert!(call.head.contains(&length), "{headers_and_body}: {:?}", call.head);
        let left_over = |line: &String| line.starts_with("transfer") || line.starts_with("expect");
        assert!(!call.head.iter().any(left_over), "{headers_and_body}: {:?}", call.head);
    };
    // Python, Java and Node; Go without a type; .NET without a body; nothing said at all.
    check("Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", "{}").await;
    check("Content-Length: 19\r\n\r\n{\"NextToken\": null}", "{\"NextToken\": null}").await;
    check("Content-Length: 0\r\n\r\n", "").await;
    check("\r\n", "").await;
    check("Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\nX-Sum: 1\r\n\r\n", "{}")
        .await;
    check("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "").await;
    let large = "x".repeat(3 << 20);
    check(&format!("Content-Length: {}\r\n\r\n{large}", large.len()), &large).await;
}

#[tokio::test]
async fn who_waits_for_a_go_ahead_gets_it() {
    let destination = Destination::new().await;
    let setting = Setting::new(destination.wanted());
    let mut client = Client::connect(setting.address).await;
    let head = "POST /GetSamplingRules HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    client.write(head).await;
    assert_eq!(client.read_until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write("{}").await;
    let (text, call) = tokio::join!(client.read_until("{}"), destination.answer(OK));
    assert_eq!(parse(&text).status, 200);
    assert!(!call.head.iter().any(|line| line.starts_with("expect")), "{:?}", call.head);
}

#[tokio::test]
async fn answers_come_back_as_they_are() {
    let destination = Destination::new().await;
    let setting = Setting::new(destination.wanted());
    let text = request("POST /GetSamplingRules", &[], "{}");
    let check = async |answer: &str, status: u16, headers: &[&str], body: &str| {
        let reply = ask_through(&setting, &destination, &text, answer.as_bytes()).await;
        let headers = headers.iter().map(ToString::to_string).collect();
        assert_eq!(reply, Reply { status, headers, body: body.to_owned() }, "{answer}");
    };
    let date = "Date: Sun, 22 Nov 2026 08:17:40 GMT";
    let closes = "Connection: close";
    check(
        &format!(
            "HTTP/1.0 200 OK\r\nServer: BaseHTTP/0.6 Python/3.11.7\r\n{date}\r\nContent-Type: \
             application/json\r\nContent-Length: 26\r\n\r\n{{\"SamplingRuleRecords\":[]}}"
        ),
        200,
        &[
            closes,
            "Content-Length: 26",
            "Content-Type: application/json",
            date,
            "Server: BaseHTTP/0.6 Python/3.11.7",
        ],
        "{\"SamplingRuleRecords\":[]}",
    )
    .await;
    check(
        &format!(
            "HTTP/1.1 403 Forbidden\r\n{date}\r\nx-amzn-errortype: AccessDeniedException\r\n\
             x-amzn-requestid: 1-2\r\ncontent-length: 18\r\n\r\n<html>\u{20ac} </html>\n"
        ),
        403,
        &[
            closes,
            "Content-Length: 18",
            date,
            "X-Amzn-Errortype: AccessDeniedException",
            "X-Amzn-Requestid: 1-2",
        ],
        "<html>\u{20ac} </html>\n",
    )
    .await;
    check(
        &format!(
            "HTTP/1.1 500 Oh\r\n{date}\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: \
             timeout=5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n"
        ),
        500,
        &[closes, "Content-Length: 0", date, "Set-Cookie: a", "Set-Cookie: b"],
        "",
    )
    .await;
    check(
        &format!(
            "HTTP/1.1 429 X\r\n{date}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nslow\r\n0\r\n\r\n"
        ),
        429,
        &[closes, date, "Transfer-Encoding: chunked"],
        "4\r\nslow\r\n0\r\n\r\n",
    )
    .await;
    check(&format!("HTTP/1.1 204 X\r\n{date}\r\n\r\n"), 204, &[closes, date], "").await;
}

#[tokio::test]
async fn answers_are_passed_on_while_they_come() {
    let destination = Destination::new().await;
    let setting = Setting::new(destination.wanted());
    let mut client = Client::connect(setting.address).await;
    client.write(request("POST /GetSamplingRules", &[], "{}")).await;
    let begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    let mut call = destination.answer(begun).await;
    client.read_until("5\r\nfirst\r\n").await;
    call.stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.unwrap();
    assert_eq!(client.read_to_end().await, "4\r\nlast\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_destination_that_is_down_is_a_502_with_an_empty_body() {
    let (setting, log) = (Setting::new(Wanted::default()), CapturedLog::start());
    let text = request("POST /GetSamplingRules?a=b", &["Authorization: secret"], "{}");
    for _ in 0..3 {
        let reply = ask(setting.address, &text).await;
        assert_eq!((reply.status, reply.body.as_str()), (502, ""));
        assert!(reply.has("Content-Length: 0"), "{reply:?}");
    }
    let refused = "ERROR http: proxy error: dial tcp 127.0.0.1:0: connect: connection refused";
    assert_eq!(log.lines(&["ERROR"]), [refused]);
    let debug = "DEBUG Received request on HTTP Proxy server : /GetSamplingRules?a=b";
    let lines = log.lines(&["DEBUG"]);
    assert_eq!(lines.iter().filter(|line| *line == debug).count(), 3, "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("secret")), "{lines:?}");
}

#[tokio::test]
async fn a_destination_that_does_not_answer_is_given_up() {
    let destination = Destination::new().await;
    let limits = Limits { reply_timeout: Duration::from_millis(20), ..Limits::default() };
    let setting = Setting::new(Wanted { limits, ..destination.wanted() });
    let text = request("POST /GetSamplingRules", &[], "{}");
    let (reply, call) = tokio::join!(ask(setting.address, &text), destination.next());
    assert_eq!((reply.status, reply.body.as_str()), (502, ""));
    drop(call);
    for answer in ["", "nonsense\r\n\r\n", "HTTP/1.1 101 X\r\nUpgrade: h2c\r\n\r\n"] {
        let reply = ask_through(&setting, &destination, &text, answer.as_bytes()).await;
        assert_eq!((reply.status, reply.body.as_str()), (502, ""), "{answer}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_taken_for_a_whole_one() {
    let destination = Destination::new().await;
    let limits = Limits { reply_idle_timeout: Duration::from_millis(20), ..Limits::default() };
    let setting = Setting::new(Wanted { limits, ..destination.wanted() });
    let text = request("POST /GetSamplingRules", &[], "{}");
    let sized = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart";
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n";
    // Reset: a stream that is dropped with unread bytes.
    for answer in [&sized[..], chunked] {
        let reset = async { drop(destination.answer(answer).await) };
        let (reply, ()) = tokio::join!(ask(setting.address, &text), reset);
        assert!(!reply.body.ends_with("0\r\n\r\n"), "{reply:?}");
        assert!(reply.body.len() < 1000, "{reply:?}");
    }
    // A pause.
    for answer in [&sized[..], chunked] {
        let (reply, call) = tokio::join!(ask(setting.address, &text), destination.answer(answer));
        assert!(reply.body.contains("part"), "{reply:?}");
        assert!(!reply.body.ends_with("0\r\n\r\n"), "{reply:?}");
        drop(call);
    }
}

#[tokio::test]
async fn other_calls_are_sent_on_only_when_that_is_wanted() {
    let destination = Destination::new().await;
    let closed = Setting::new(destination.wanted());
    let open = Setting::new(Wanted { sends_everything_on: true, ..destination.wanted() });
    for line in [
        "GET /anything?x=1",
        "DELETE /foo",
        "POST /Traces",
        "OPTIONS /GetSamplingRules",
        "PUT /healthz",
    ] {
        let text = request(line, &[], "");
        let reply = ask(closed.address, &text).await;
        assert_eq!(reply.status, 403, "{line}");
        assert!(reply.has("X-Amzn-Errortype: AccessDeniedException"), "{reply:?}");
        assert!(
            reply.body.starts_with(r#"{"__type":"AccessDeniedException","Message":""#),
            "{reply:?}"
        );
        assert!(reply.body.contains("--proxy-paths all"), "{reply:?}");
        let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 18\r\n\r\n{\"message\":\"nope\"}";
        let (reply, call) = tokio::join!(ask(open.address, &text), destination.answer(answer));
        assert_eq!((reply.status, reply.body.as_str()), (404, "{\"message\":\"nope\"}"), "{line}");
        assert_eq!(call.head[0], format!("{line} HTTP/1.1"));
    }
    let head = request("HEAD /anything", &[], "");
    assert_eq!(ask(closed.address, &head).await.body, "");
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n";
    let (reply, _) = tokio::join!(ask(open.address, &head), destination.answer(answer));
    assert!(reply.has("Content-Length: 18"), "{reply:?}");
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    for odd in [
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET http://evil.example HTTP/1.1\r\n\r\n",
    ] {
        let mut client = Client::connect(open.address).await;
        client.write(odd).await;
        client.stream.shutdown().await.unwrap();
        let text = client.read_to_end().await;
        assert!(!text.starts_with("HTTP/1.1 2"), "{odd}: {text}");
    }
}
