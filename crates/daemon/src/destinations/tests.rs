//! Destinations against servers on loopback: what is sent, tried again, lost, and said about it.

use std::time::SystemTime;

use roentgen_ops::{Counter, Metrics, SystemClock};
use roentgen_sigv4::{Credentials, Policy, Signer, SigningKey};

use super::*;
use crate::batch::{BatchBuilder, Memory, Obstacle};
use crate::captured_log::CapturedLog;
use crate::fake_upstream::{FakeUpstream, Reply, Seen};
use crate::settings::Outbound;
use crate::upstream::{SignerFuture, SignerSource, Signing};

mod endings;
mod spool;
mod tee;

const SECOND: Duration = Duration::from_secs(1);

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

const NAMES: [&str; 3] = ["one", "two", "three"];

/// Destinations named `one`, `two`… and what they count.
struct Rig {
    destinations: Arc<Destinations>,
    tallies: Vec<DestinationTally>,
}

fn retry(attempts: u32) -> Retry {
    let (first_backoff, longest_backoff) = (Duration::from_millis(1), Duration::from_millis(4));
    Retry { attempts, timeout: LONG, first_backoff, longest_backoff }
}

fn sending(attempts: u32) -> Sending {
    Sending {
        concurrency: 4,
        retry: retry(attempts),
        spool: None,
        memory_share: 16 << 20,
        user_agent: user_agent(None),
    }
}

fn upstream(endpoint: &str, signing: Signing) -> Arc<Upstream> {
    let upstream = Upstream::new(&Outbound::default(), signing, 4, Arc::new(SystemClock)).unwrap();
    upstream.set_endpoint(endpoint).unwrap();
    Arc::new(upstream)
}

fn start(endpoints: &[&str], sending: &Sending) -> Rig {
    let upstreams = endpoints.iter().map(|endpoint| upstream(endpoint, Signing::Never)).collect();
    start_with(upstreams, sending)
}

fn start_with(upstreams: Vec<Arc<Upstream>>, sending: &Sending) -> Rig {
    let metrics = Metrics::default();
    let tallies: Vec<_> = NAMES
        .iter()
        .take(upstreams.len())
        .map(|name| DestinationTally::new(&metrics, name))
        .collect();
    let setups = upstreams.into_iter().zip(NAMES).zip(&tallies);
    let setups = setups.map(|((upstream, name), tally)| DestinationSetup {
        name: name.to_owned(),
        upstream,
        tally: tally.clone(),
    });
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let destinations = Destinations::start(setups.collect(), sending, &clock).unwrap();
    Rig { destinations, tallies }
}

fn segment(number: usize) -> String {
    format!(
        r#"{{"trace_id":"1-6b02a673-{number:024x}","id":"{number:016x}","name":"t","start_time":1,"end_time":2}}"#
    )
}

/// A batch of `documents` segments, numbered from `first`.
fn batch(first: usize, documents: usize) -> Arc<Batch> {
    let segments: Vec<String> = (first..first + documents).map(segment).collect();
    Arc::new(Batch::of(&segments.iter().map(String::as_str).collect::<Vec<_>>()))
}

impl Rig {
    /// Has a batch sent.
    fn offer(&self, batch: Arc<Batch>) {
        self.destinations.offer(batch);
        self.destinations.wake();
    }

    /// Counts that are not zero, as `name=count`.
    fn counts(&self, destination: usize) -> String {
        let tally = &self.tallies[destination];
        let (lost, errors) = (&tally.lost, &tally.connection_errors);
        let all: [(&str, &Counter); 15] = [
            ("sent", &tally.sent),
            ("unprocessed", &tally.unprocessed),
            ("retries", &tally.retries),
            ("spooled", &tally.spooled),
            ("replayed", &tally.replayed),
            ("queue_full", &lost.queue_full),
            ("send_failed", &lost.send_failed),
            ("spool_full", &lost.spool_full),
            ("shutdown", &lost.shutdown),
            ("timeout", &errors.timeout),
            ("refused", &errors.connection_refused),
            ("4xx", &errors.http_4xx),
            ("5xx", &errors.http_5xx),
            ("unknown_host", &errors.unknown_host),
            ("other", &errors.other),
        ];
        let counted = all.iter().filter(|(_, counter)| counter.get() > 0);
        counted.map(|(name, c)| format!("{name}={}", c.get())).collect::<Vec<_>>().join(" ")
    }

    /// Documents that arrived or are told as lost.
    fn sent_and_lost(&self, destination: usize) -> u64 {
        let DestinationTally { sent, lost, .. } = &self.tallies[destination];
        let all = [sent, &lost.queue_full, &lost.send_failed, &lost.spool_full, &lost.shutdown];
        all.iter().map(|counter| counter.get()).sum()
    }

    /// Documents of which it is known what became of them, those on disk among them.
    async fn accounted_for(self, directory: &tempfile::TempDir) -> Vec<u64> {
        let mut known: Vec<u64> = (0..self.tallies.len()).map(|n| self.sent_and_lost(n)).collect();
        drop(self);
        for (known, name) in known.iter_mut().zip(NAMES) {
            // What was abandoned may hold the spool for another moment.
            let spool = loop {
                match Spool::open(directory.path().join(name), u64::MAX, MOST_FILES) {
                    Ok(spool) => break spool,
                    Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            };
            *known += u64::try_from(spool.documents()).unwrap();
        }
        known
    }
}

/// Waits until a count is reached.
async fn until(counter: &Counter, count: u64) {
    let reached = async {
        while counter.get() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = tokio::time::timeout(20 * SECOND, reached).await;
    assert!(waited.is_ok(), "{} of {count}", counter.get());
}

fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    seen.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// The line without the seconds in brackets.
fn without_seconds(line: &str) -> String {
    line.split(" (0.").next().unwrap().to_owned()
}

#[derive(Debug)]
struct Key;

impl SignerSource for Key {
    fn signer(&self) -> SignerFuture<'_> {
        let credentials = Credentials::new("AKIDEXAMPLE", "SECRET").with_session_token("TOKEN");
        Box::pin(async { Ok(Arc::new(Signer::new(credentials, "us-east-1", "xray"))) })
    }
}

/// Head and body as the official daemon 3.6.6 sends them, and signed over the same headers.
#[tokio::test]
async fn the_request_is_that_of_the_official_daemon() {
    let server = FakeUpstream::start().await;
    let upstream = upstream(&server.url(), Signing::Always(Arc::new(Key)));
    let rig = start_with(vec![upstream], &sending(5));
    rig.offer(batch(1, 2));
    rig.destinations.finish(LONG).await;
    let seen = &server.seen()[0];
    assert_eq!((seen.method.as_str(), seen.uri.to_string().as_str()), ("POST", "/TraceSegments"));
    assert_eq!(seen.body, batch(1, 2).body());
    assert_eq!(header(seen, "content-type"), "application/json");
    assert_eq!(header(seen, "amz-sdk-request"), "attempt=1; max=5");
    assert_eq!(header(seen, "amz-sdk-invocation-id").len(), 36);
    let (seconds, fraction) = header(seen, "x-amzn-xray-timestamp").split_once('.').unwrap();
    assert_eq!((seconds.len(), fraction.len()), (10, 9));
    let agent = header(seen, "user-agent");
    assert!(agent.contains(" xray-agent/xray-daemon/") && agent.contains(" exec-env/UNKNOWN OS/"));
    let signed = "SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;\
                  host;x-amz-date;x-amz-security-token;x-amzn-xray-timestamp,";
    assert!(header(seen, "authorization").contains(signed), "{:?}", seen.headers);

    let headers: Vec<(&str, &[u8])> =
        seen.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let payload = roentgen_sigv4::Payload::Bytes(&seen.body);
    let (method, path, query) = ("POST", "/TraceSegments", "");
    let request = roentgen_sigv4::Request { method, path, query, headers: &headers, payload };
    let max_skew = roentgen_sigv4::DEFAULT_MAX_SKEW;
    let policy = Policy { service: "xray", region: Some("us-east-1"), max_skew };
    let key = |claim: &roentgen_sigv4::Claim<'_>| Some(SigningKey::derive("SECRET", claim.scope()));
    let now: SystemTime = SystemClock.now();
    let claim = roentgen_sigv4::verify(&request, &policy, now, key).unwrap();
    assert_eq!(claim.session_token(), Some("TOKEN"));
}

#[tokio::test]
async fn successes_are_logged_and_counted() {
    let log = CapturedLog::start();
    let server = FakeUpstream::start().await;
    let rig = start(&[&server.url()], &sending(5));
    rig.offer(batch(1, 50));
    rig.offer(batch(51, 7));
    let left = rig.destinations.finish(LONG).await;
    assert_eq!(left.0[0], UnsentAt { destination: "one".to_owned(), ..UnsentAt::default() });
    let lines = log.lines(&["INFO", "WARN", "ERROR"]);
    let mut texts: Vec<String> = lines.iter().map(|line| without_seconds(line)).collect();
    texts.sort();
    let expect = ["50", "7"].map(|n| format!("INFO Successfully sent batch of {n} segments"));
    assert_eq!(texts, expect);
    let (_, seconds) = lines[0].rsplit_once(" (").unwrap();
    let seconds = seconds.strip_suffix(" seconds)").unwrap();
    assert_eq!(seconds.split_once('.').unwrap().1.len(), 3, "{}", lines[0]);
    assert_eq!(rig.counts(0), "sent=57");
    assert_eq!(rig.tallies[0].latency.count(), 2);
    assert_eq!(rig.tallies[0].waiting.get(), 0);
}

/// One batch of 3 documents, 3 attempts at most, the same answer each time.
#[tokio::test]
async fn answers_decide_whether_a_batch_is_tried_again() {
    let check = async |reply: Reply, requests: usize, counts: &str, expect: &str| {
        let log = CapturedLog::start();
        let server = FakeUpstream::start().await;
        server.always(reply);
        let rig = start(&[&server.url()], &sending(3));
        rig.offer(batch(1, 3));
        rig.destinations.finish(LONG).await;
        let seen = server.seen();
        assert_eq!(seen.len(), requests, "{expect}");
        let attempts: Vec<&str> = seen.iter().map(|s| header(s, "amz-sdk-request")).collect();
        let all = ["attempt=1; max=3", "attempt=2; max=3", "attempt=3; max=3"];
        assert_eq!(attempts, all[..requests], "{expect}");
        let ids = seen.iter().map(|s| header(s, "amz-sdk-invocation-id"));
        assert_eq!(ids.collect::<std::collections::HashSet<_>>().len(), 1, "{expect}");
        assert_eq!(rig.counts(0), counts, "{expect}");
        let line = format!(
            "ERROR Sending segment batch failed with: operation error XRay: PutTraceSegments, \
             {expect} segments=3"
        );
        assert_eq!(log.lines(&["ERROR"]), [line]);
    };
    let exceeded = "exceeded maximum number of attempts, 3, https response error StatusCode:";
    let failed = "https response error StatusCode:";
    check(
        Reply::status(500),
        3,
        "retries=2 send_failed=3 5xx=3",
        &format!("{exceeded} 500, RequestID: , api error UnknownError: internal"),
    )
    .await;
    check(
        Reply::body(429, r#"{"__type":"ThrottledException","Message":"Rate exceeded"}"#),
        3,
        "retries=2 send_failed=3 4xx=3",
        &format!("{exceeded} 429, RequestID: , ThrottledException: Rate exceeded"),
    )
    .await;
    check(
        Reply::body(
            403,
            r#"{"__type":"UnrecognizedClientException","message":"The security token included in the request is invalid."}"#,
        ),
        1,
        "send_failed=3 4xx=1",
        &format!(
            "{failed} 403, RequestID: , api error UnrecognizedClientException: The security token \
             included in the request is invalid."
        ),
    )
    .await;
    check(
        Reply::body(400, r#"{"__type":"InvalidRequestException","message":"bad"}"#),
        1,
        "send_failed=3 4xx=1",
        &format!("{failed} 400, RequestID: , InvalidRequestException: bad"),
    )
    .await;
    check(
        Reply::body(400, "<html><body><h1>400 Bad Request</h1></body></html>"),
        3,
        "retries=2 send_failed=3 4xx=3",
        &format!(
            "{failed} 400, RequestID: , api error UnknownError: answer is not JSON: 400 Bad \
             Request"
        ),
    )
    .await;
    check(
        Reply::body(200, "<html>Please log in</html>"),
        3,
        "retries=2 send_failed=3 other=3",
        &format!(
            "{failed} 200, RequestID: , deserialization failed, failed to decode response body, \
             expected value at line 1 column 1: Please log in"
        ),
    )
    .await;
}

/// 2 attempts at most, more than which are made. What the attempts come to is told once.
#[tokio::test]
async fn without_an_answer_a_batch_is_tried_until_there_is_one() {
    let check = async |endpoint: &str, timeout: Duration, kind: &str, expect: &str| {
        let log = CapturedLog::start();
        let mut sending = sending(2);
        sending.retry.timeout = timeout;
        let rig = start(&[endpoint], &sending);
        rig.offer(batch(1, 3));
        until(&rig.tallies[0].retries, 6).await;
        rig.destinations.finish(Duration::ZERO).await;
        let counts = rig.counts(0);
        let (others, failures) = counts.rsplit_once(' ').unwrap();
        assert!(others.starts_with("retries=") && others.ends_with(" shutdown=3"), "{counts}");
        assert!(failures.starts_with(&format!("{kind}=")), "{counts}");
        let lines = log.lines(&["ERROR"]);
        let start = format!(
            "ERROR Sending segment batch failed with: operation error XRay: PutTraceSegments, \
             exceeded maximum number of attempts, 2, https response error StatusCode: 0, \
             RequestID: , request send failed, Post \"{endpoint}/TraceSegments\": {expect}"
        );
        let is_told = lines.len() == 1 && lines[0].starts_with(&start);
        assert!(is_told && lines[0].ends_with(" kept=\"in memory\""), "{lines:?} is not {start}");
    };
    let silent = FakeUpstream::start().await;
    silent.always(Reply::Silence);
    check(
        &silent.url(),
        Duration::from_millis(20),
        "timeout",
        "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
    )
    .await;

    let gone = FakeUpstream::start().await;
    let (url, address) = (gone.url(), gone.address);
    gone.stop().await;
    let refused = format!("dial tcp {address}: connect: connection refused");
    check(&url, LONG, "refused", &refused).await;

    let unknown = "dial tcp: lookup xray.invalid: no such host";
    check("http://xray.invalid", LONG, "unknown_host", unknown).await;

    let rude = FakeUpstream::start().await;
    rude.always(Reply::HangUp);
    let eof = "EOF: connection closed before the answer";
    check(&rude.url(), LONG, "other", eof).await;
}

#[tokio::test]
async fn an_outage_longer_than_all_attempts_loses_nothing() {
    let log = CapturedLog::start();
    let server = FakeUpstream::start().await;
    let (url, address) = (server.url(), server.address);
    server.stop().await;
    let rig = start(&[&url], &sending(2));
    for number in 0..6 {
        rig.offer(batch(10 * number, 5));
    }
    // Far more than twice for each.
    until(&rig.tallies[0].retries, 60).await;
    let server = FakeUpstream::start_at(address, None).await;
    rig.destinations.finish(LONG).await;
    assert_eq!((rig.tallies[0].sent.get(), rig.sent_and_lost(0)), (30, 30));
    let seen = server.seen();
    let mut bodies: Vec<_> = seen.iter().map(|seen| seen.body.clone()).collect();
    let mut expect: Vec<_> = (0..6).map(|number| batch(10 * number, 5).body()).collect();
    bodies.sort();
    expect.sort();
    assert_eq!(bodies, expect);
    // A bound that was passed is not named.
    assert!(seen.iter().all(|seen| !header(seen, "amz-sdk-request").contains("max=")), "{seen:?}");
    let said = log.lines(&["WARN"]);
    let start = "WARN Destination one is failing, batches wait until it answers: ";
    assert!(said.len() == 1 && said[0].starts_with(start), "{said:?}");
}

#[tokio::test]
async fn a_batch_that_alone_gets_no_answer_is_given_up() {
    let server = FakeUpstream::start().await;
    server.dislike(batch(0, 3).body(), Reply::HangUp);
    let rig = start(&[&server.url()], &sending(3));
    rig.offer(batch(0, 3));
    let mut offered = 0;
    while rig.tallies[0].lost.send_failed.get() == 0 {
        offered += 1;
        assert!(offered < 1_000, "it is tried for ever");
        rig.offer(batch(10 * usize::try_from(offered).unwrap(), 1));
        until(&rig.tallies[0].sent, offered).await;
    }
    rig.destinations.finish(LONG).await;
    assert_eq!((rig.tallies[0].sent.get(), rig.sent_and_lost(0)), (offered, offered + 3));
}

#[tokio::test]
async fn a_batch_that_fails_at_first_arrives() {
    let log = CapturedLog::start();
    let server = FakeUpstream::start().await;
    server.script([Reply::status(503), Reply::status(500)]);
    let rig = start(&[&server.url()], &sending(5));
    rig.offer(batch(1, 3));
    rig.destinations.finish(LONG).await;
    assert_eq!(rig.counts(0), "sent=3 retries=2 5xx=2");
    let lines: Vec<_> = log.lines(&["INFO", "ERROR"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(without_seconds(&lines[0]), "INFO Successfully sent batch of 3 segments");
}

#[tokio::test]
async fn a_destination_is_given_the_pause_it_asks_for() {
    let server = FakeUpstream::start().await;
    server.script([Reply::Now(429, vec![("retry-after", "1")], String::new())]);
    let rig = start(&[&server.url()], &sending(5));
    rig.offer(batch(1, 1));
    let before = Instant::now();
    rig.destinations.finish(LONG).await;
    assert!(before.elapsed() >= SECOND, "{:?}", before.elapsed());
    assert_eq!(rig.counts(0), "sent=1 retries=1 4xx=1");
}

/// The replies are those quoted in issues of the official daemon and the SDKs.
#[tokio::test]
async fn every_refused_document_gets_a_line() {
    let check = async |batch: Arc<Batch>, reply: &str, refused: usize, expect: &[&str]| {
        let log = CapturedLog::start();
        let server = FakeUpstream::start().await;
        server.always(Reply::body(200, reply));
        let rig = start(&[&server.url()], &sending(5));
        rig.offer(batch);
        rig.destinations.finish(LONG).await;
        let lines = log.lines(&["INFO"]);
        let sent = format!("INFO Sent batch of 3 segments but had {refused} Unprocessed segments");
        assert_eq!(without_seconds(&lines[0]), sent);
        assert_eq!(log.lines(&["ERROR"]), expect);
        assert_eq!(rig.counts(0), format!("sent=3 unprocessed={refused}"));
        assert_eq!(server.seen().len(), 1, "not sent again");
    };
    let invalid_name = r#"{"UnprocessedTraceSegments":[{"Id":"0000000000000001","ErrorCode":"InvalidName","Message":"Invalid subsegment. ErrorCode: InvalidName, Cause: null"}]}"#;
    let name_line = r#"ERROR Unprocessed trace 1-6b02a673-000000000000000000000001, segment: 0000000000000001 trace_id="1-6b02a673-000000000000000000000001" segment_id="0000000000000001" code="InvalidName" reason="Invalid subsegment. ErrorCode: InvalidName, Cause: null" meaning="a name is empty, longer than 200 characters, or has characters other than letters, digits, white space and _ . : / % & # = + \\ - @""#;
    check(batch(0, 3), invalid_name, 1, &[name_line]).await;
    // As Python's SDK writes it.
    let spaced = segment(1).replace(':', ": ").replace(',', ", ");
    let spaced = Arc::new(Batch::of(&[&segment(0), &spaced, &segment(2)]));
    check(spaced, invalid_name, 1, &[name_line]).await;
    let parse_error = r#"{"UnprocessedTraceSegments":[{"ErrorCode":"ParseError","Message":"Invalid segment. ErrorCode: ParseError"},{"Id":"00000000000000ff","ErrorCode":"InvalidSegment","Message":"Trace Size Exceeded. Reduce the number of segments per trace and the size of your segment documents."}]}"#;
    check(
        batch(0, 3),
        parse_error,
        2,
        &[
            r#"ERROR Unprocessed segment: no id code="ParseError" reason="Invalid segment. ErrorCode: ParseError" meaning="the document is not valid JSON, often because of NaN or a cut-off text""#,
            r#"ERROR Unprocessed segment: 00000000000000ff segment_id="00000000000000ff" code="InvalidSegment" reason="Trace Size Exceeded. Reduce the number of segments per trace and the size of your segment documents." meaning="the trace has become larger than X-Ray keeps (500 KB); send fewer or smaller segments""#,
        ],
    )
    .await;
}

#[tokio::test]
async fn a_slow_destination_gets_so_many_batches_at_a_time() {
    let server = FakeUpstream::start().await;
    server.always(Reply::Held);
    let rig = start(&[&server.url()], &sending(5));
    for number in 0..12 {
        rig.offer(batch(number, 1));
    }
    for round in 1..=3 {
        server.wait_for(4 * round).await;
        assert_eq!(rig.tallies[0].waiting.get(), i64::try_from(12 - 4 * round).unwrap());
        server.let_go();
    }
    rig.destinations.finish(LONG).await;
    assert_eq!((server.most_at_once(), server.connections()), (4, 4));
    assert_eq!(rig.counts(0), "sent=12");
}

#[tokio::test]
async fn what_has_no_time_left_at_the_end_is_told() {
    let log = CapturedLog::start();
    let server = FakeUpstream::start().await;
    server.always(Reply::Silence);
    let rig = start(&[&server.url()], &sending(5));
    for number in 0..6 {
        rig.offer(batch(number, 10));
    }
    server.wait_for(4).await;
    let before = Instant::now();
    let unsent = rig.destinations.finish(Duration::from_millis(30)).await;
    assert!(before.elapsed() < 10 * SECOND);
    let expect = UnsentAt { destination: "one".to_owned(), batches: 6, lost: 60, spooled: 0 };
    assert_eq!(unsent.0, [expect]);
    assert_eq!(rig.counts(0), "shutdown=60");
    let expect = "WARN Shutdown before everything was sent: one: 60 segments lost (6 batches)";
    assert_eq!(log.lines(&["WARN", "ERROR"]), [expect]);
}

#[tokio::test]
async fn an_endpoint_that_is_not_known_yet_uses_up_no_attempts() {
    let server = FakeUpstream::start().await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let upstream = Upstream::new(&Outbound::default(), Signing::Never, 4, clock).unwrap();
    let upstream = Arc::new(upstream);
    let rig = start_with(vec![Arc::clone(&upstream)], &sending(1));
    rig.offer(batch(1, 3));
    tokio::task::yield_now().await;
    upstream.set_endpoint(&server.url()).unwrap();
    rig.destinations.finish(LONG).await;
    assert_eq!(rig.counts(0), "sent=3");
    let never = Upstream::new(&Outbound::default(), Signing::Never, 4, Arc::new(SystemClock));
    let rig = start_with(vec![Arc::new(never.unwrap())], &sending(1));
    rig.offer(batch(1, 3));
    rig.destinations.finish(Duration::from_millis(10)).await;
    assert_eq!(rig.counts(0), "shutdown=3");
}

#[test]
fn what_was_left_is_told_in_words_that_fit_the_number() {
    let check = |batches: usize, lost: usize, spooled: usize, expect: &str| {
        let left = UnsentAt { destination: "aws".to_owned(), batches, lost, spooled };
        let none = UnsentAt { destination: "none".to_owned(), ..UnsentAt::default() };
        assert_eq!(Unsent(vec![none, left]).to_string(), expect);
    };
    check(0, 0, 0, "");
    check(1, 30, 0, "aws: 30 segments lost (1 batch)");
    check(1, 1, 0, "aws: 1 segment lost (1 batch)");
    check(2, 0, 60, "aws: 0 segments lost, 60 kept in the spool (2 batches)");
}

#[test]
fn names_of_destinations() {
    let check = |endpoint: &str, expect: &str| {
        let destination = Destination::Roentgen { endpoint: endpoint.to_owned(), signed: false };
        assert_eq!(name(&destination), expect);
    };
    check("http://roentgen:2000", "roentgen:2000");
    check("https://xray.example.com/gate/", "xray.example.com/gate");
    assert_eq!(name(&Destination::Aws { endpoint: None }), "aws");
}
