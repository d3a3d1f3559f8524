//! Telemetry against a server on loopback; bodies and log lines are those of the official daemon.

use std::time::SystemTime;

use roentgen_ops::{ManualClock, Metrics};

use super::*;
use crate::captured_log::CapturedLog;
use crate::fake_upstream::{FakeUpstream, Reply};
use crate::settings::Outbound;
use crate::upstream::Signing;

const LONG: Duration = Duration::from_secs(60);

/// When the official daemon made the record that is compared with.
const NOW: Duration = Duration::from_millis(1_795_338_162_138);

/// One destination, without the timer.
fn reporter(server: &FakeUpstream) -> Reporter {
    let metrics = Metrics::default();
    let clock = Arc::new(ManualClock::starting_at(SystemTime::UNIX_EPOCH + NOW));
    let upstream = Upstream::new(&Outbound::default(), Signing::Never, 1, clock.clone()).unwrap();
    upstream.set_endpoint(&server.url()).unwrap();
    Reporter {
        name: None,
        upstream: Arc::new(upstream),
        tally: Tally::new(&metrics),
        destination: DestinationTally::new(&metrics, "aws"),
        told: Counts::default(),
        records: VecDeque::new(),
        host: Arc::default(),
        resource_arn: String::new(),
        user_agent: HeaderValue::from_static("test"),
        timeout: LONG,
        clock,
    }
}

/// How many records each request had.
fn records(server: &FakeUpstream) -> Vec<usize> {
    let bodies = server.seen().into_iter().map(|seen| seen.body);
    let values = bodies.map(|body| serde_json::from_slice::<serde_json::Value>(&body).unwrap());
    values.map(|body| body["TelemetryRecords"].as_array().unwrap().len()).collect()
}

/// Three good segments and one bad datagram.
#[tokio::test]
async fn the_body_is_that_of_the_official_daemon() {
    let server = FakeUpstream::start().await;
    let mut reporter = reporter(&server);
    reporter.tally.received.add(4);
    reporter.tally.rejected.header.increment();
    reporter.destination.sent.add(3);
    reporter.report().await;
    let expect = r#"{"EC2InstanceId":"","Hostname":"","ResourceARN":"","TelemetryRecords":[{"BackendConnectionErrors":{"ConnectionRefusedCount":0,"HTTPCode4XXCount":0,"HTTPCode5XXCount":0,"OtherCount":0,"TimeoutCount":0,"UnknownHostCount":0},"SegmentsReceivedCount":4,"SegmentsRejectedCount":1,"SegmentsSentCount":3,"SegmentsSpilloverCount":0,"Timestamp":1795338162.138}]}"#;
    let seen = &server.seen()[0];
    assert_eq!(seen.uri.to_string(), "/TelemetryRecords");
    assert_eq!(std::str::from_utf8(&seen.body).unwrap(), expect);
    let known = ["content-type", "x-amzn-xray-timestamp", "amz-sdk-invocation-id"];
    assert!(known.iter().all(|name| seen.headers.contains_key(*name)), "{:?}", seen.headers);
}

#[tokio::test]
async fn every_count_has_its_place_and_is_told_once() {
    let server = FakeUpstream::start().await;
    let mut reporter = reporter(&server);
    reporter.resource_arn = "arn:aws:ec2:us-east-1:123456789012:instance/i-1".to_owned();
    let host = Instance { hostname: "host-1".to_owned(), instance_id: "i-1".to_owned() };
    reporter.host.set(host).unwrap();
    reporter.tally.received.add(100);
    reporter.tally.rejected.header.add(1);
    reporter.tally.spilled.no_memory.add(2);
    let destination = reporter.destination.clone();
    destination.unprocessed.add(4);
    destination.lost.queue_full.add(8);
    destination.lost.send_failed.add(1_000); // Counted nowhere, as with the official daemon.
    destination.sent.add(16);
    let errors = &destination.connection_errors;
    for (counter, count) in [
        (&errors.connection_refused, 1),
        (&errors.http_4xx, 2),
        (&errors.http_5xx, 3),
        (&errors.other, 4),
        (&errors.timeout, 5),
        (&errors.unknown_host, 6),
    ] {
        counter.add(count);
    }
    reporter.report().await;
    destination.sent.add(7);
    reporter.report().await;
    let seen = server.seen();
    let body = |number: usize| std::str::from_utf8(&seen[number].body).unwrap().to_owned();
    let expect = r#"{"EC2InstanceId":"i-1","Hostname":"host-1","ResourceARN":"arn:aws:ec2:us-east-1:123456789012:instance/i-1","TelemetryRecords":[{"BackendConnectionErrors":{"ConnectionRefusedCount":1,"HTTPCode4XXCount":2,"HTTPCode5XXCount":3,"OtherCount":4,"TimeoutCount":5,"UnknownHostCount":6},"SegmentsReceivedCount":100,"SegmentsRejectedCount":5,"SegmentsSentCount":16,"SegmentsSpilloverCount":10,"#;
    assert!(body(0).starts_with(expect), "{}", body(0));
    let expect = r#""SegmentsReceivedCount":0,"SegmentsRejectedCount":0,"SegmentsSentCount":7,"SegmentsSpilloverCount":0,"#;
    assert!(body(1).contains(expect), "{}", body(1));
}

#[tokio::test]
async fn nothing_is_told_before_the_first_datagram() {
    let log = CapturedLog::start();
    let server = FakeUpstream::start().await;
    let mut reporter = reporter(&server);
    reporter.report().await;
    assert_eq!(server.seen().len(), 0);
    reporter.tally.received.increment();
    reporter.report().await;
    reporter.report().await; // Also when nothing came since.
    assert_eq!(records(&server), [1, 1]);
    let expect = [
        "DEBUG Skipped telemetry data as no segments found",
        "DEBUG Send 1 telemetry record(s)",
        "DEBUG Send 1 telemetry record(s)",
    ];
    assert_eq!(log.lines(&["DEBUG"]), expect);
}

#[tokio::test]
async fn records_are_kept_until_they_can_be_sent() {
    let log = CapturedLog::start();
    let server = FakeUpstream::start().await;
    server.always(Reply::status(500));
    let mut reporter = reporter(&server);
    for minute in 0..MOST_RECORDS + 2 {
        reporter.tally.received.increment();
        reporter.destination.sent.add(u64::try_from(minute).unwrap());
        reporter.report().await;
    }
    let failed = log.lines(&["DEBUG Failed"]);
    let expect = "DEBUG Failed to send telemetry 10 record(s). Re-queue records. StatusCode: 500, \
                  {\"message\":\"internal\"}";
    assert_eq!((failed.len(), failed.last().unwrap().as_str()), (MOST_RECORDS + 2, expect));
    assert_eq!(log.lines(&["DEBUG Telemetry Buffers truncated"]).len(), 2);
    let before = server.seen().len();
    server.always(Reply::ok());
    reporter.report().await;
    assert_eq!(records(&server)[before..], [10, 10, 10]);
    let oldest = server.seen()[before].body.clone();
    let oldest: serde_json::Value = serde_json::from_slice(&oldest).unwrap();
    assert_eq!(oldest["TelemetryRecords"][0]["SegmentsSentCount"], 3);
    assert!(reporter.records.is_empty());
}

#[tokio::test]
async fn the_end_sends_a_last_record_to_every_destination() {
    let log = CapturedLog::start();
    let (one, two) = (FakeUpstream::start().await, FakeUpstream::start().await);
    two.always(Reply::status(500));
    let metrics = Metrics::default();
    let tally = Tally::new(&metrics);
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::starting_at(SystemTime::UNIX_EPOCH + NOW));
    let destination = |name: &str, server: &FakeUpstream| {
        let upstream =
            Upstream::new(&Outbound::default(), Signing::Never, 1, Arc::clone(&clock)).unwrap();
        upstream.set_endpoint(&server.url()).unwrap();
        (Some(name.to_owned()), Arc::new(upstream), DestinationTally::new(&metrics, name))
    };
    let setup = TelemetrySetup {
        destinations: vec![destination("one", &one), destination("two", &two)],
        tally: tally.clone(),
        resource_arn: String::new(),
        user_agent: HeaderValue::from_static("test"),
        timeout: LONG,
    };
    let telemetry = Telemetry::start(setup, &clock);
    telemetry.introduce(Instance { hostname: "host-1".to_owned(), instance_id: String::new() });
    tally.received.increment();
    telemetry.finish(LONG).await;
    assert_eq!((records(&one), records(&two)), (vec![1], vec![1]));
    assert!(one.seen()[0].body.starts_with(br#"{"EC2InstanceId":"","Hostname":"host-1""#));
    let lines = log.lines(&["DEBUG"]);
    let is_there = |expect: &str| lines.iter().any(|line| line == expect);
    assert!(is_there("DEBUG Telemetry initiated"), "{lines:?}");
    assert!(is_there("DEBUG Send 1 telemetry record(s) destination=\"one\""), "{lines:?}");
    assert!(is_there("DEBUG telemetry: done!"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn records_are_made_every_minute() {
    // Nobody is there to answer, which is all the timer needs.
    let log = CapturedLog::start();
    let metrics = Metrics::default();
    let tally = Tally::new(&metrics);
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::starting_at(SystemTime::UNIX_EPOCH + NOW));
    let upstream =
        Upstream::new(&Outbound::default(), Signing::Never, 1, Arc::clone(&clock)).unwrap();
    let setup = TelemetrySetup {
        destinations: vec![(None, Arc::new(upstream), DestinationTally::new(&metrics, "aws"))],
        tally: tally.clone(),
        resource_arn: String::new(),
        user_agent: HeaderValue::from_static("test"),
        timeout: Duration::from_secs(1),
    };
    let telemetry = Telemetry::start(setup, &clock);
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(log.lines(&["DEBUG Skipped", "DEBUG Failed"]).len(), 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(log.lines(&["DEBUG Skipped"]).len(), 1);
    tally.received.increment();
    tokio::time::sleep(Duration::from_secs(62)).await;
    let failed = log.lines(&["DEBUG Failed"]);
    assert!(failed.len() == 1 && failed[0].contains("context deadline exceeded"), "{failed:?}");
    // The last record has nowhere to go, and nobody waits to see it fail.
    let before = tokio::time::Instant::now();
    telemetry.finish(LONG).await;
    assert_eq!(before.elapsed(), Duration::ZERO);
}
