//! The built binary against a small server in this process that stores what it is sent, or fails to.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic, outside its own function as well"
)]

mod fake_server;

use std::process::{Command, Output};

use serde_json::Value;

use fake_server::{FakeServer, Fault};

/// Runs the binary to its end.
fn load(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_roentgen-load"))
        .args(arguments)
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .output()
        .unwrap()
}

/// Runs it with a report as JSON; gives the status and the report.
fn report(arguments: &[&str]) -> (i32, Value) {
    let output = load(&[arguments, &["--json", "--quiet"]].concat());
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code().unwrap(), report)
}

/// Sends to a server over HTTP and checks all of it, without waiting longer than it must.
fn http(server: &FakeServer, more: &[&str]) -> (i32, Value) {
    let common = [
        "http",
        &server.url(),
        "--documents",
        "300",
        "--run-id",
        "t1",
        "--connections",
        "3",
        "--check-after",
        "0s",
        "--check-deadline",
        "300ms",
        "--check-rate",
        "1000",
    ];
    report(&[&common, more].concat())
}

fn kinds(report: &Value) -> Vec<&str> {
    let examples = report["checks"]["examples"].as_array().unwrap();
    let mut kinds: Vec<&str> =
        examples.iter().map(|example| example["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[test]
fn all_is_stored_and_found_again() {
    for corpus in ["plain", "shop", "fleet"] {
        let server = FakeServer::start(Fault::None);
        let (status, report) = http(&server, &["--corpus", corpus, "--documents-per-call", "7"]);
        assert_eq!((status, &report["ok"]), (0, &Value::Bool(true)), "{report:#}");
        let sent = report["documents"].as_u64().unwrap();
        assert!((300..2_000).contains(&sent), "{report:#}");
        assert_eq!(server.documents(), sent, "{corpus}");
        assert_eq!(report["acknowledged"], sent);
        let calls = report["calls"]["made"].as_u64().unwrap();
        assert!((sent.div_ceil(7)..sent.div_ceil(7) + 3).contains(&calls), "{report:#}");
        assert_eq!(report["latency"]["count"], calls);
        assert_eq!(report["checks"]["graph"], "exact");
        assert_eq!(report["checks"]["faults"], 0);
        assert!(report["checks"]["traces_listed"].as_u64() >= report["traces"].as_u64());
        assert!(report["checks"]["nodes"].as_u64().unwrap() >= 3);
        assert_eq!(report["corpus"]["name"], corpus);
    }
}

#[test]
fn a_big_trace_is_found_again_with_all_its_segments() {
    let server = FakeServer::start(Fault::None);
    let fleet = [
        "--corpus",
        "fleet",
        "--errors",
        "0",
        "--throttles",
        "0",
        "--faults",
        "0",
        "--retries",
        "0",
        "--slow",
        "0",
        "--queues",
        "0",
        "--streamed",
        "0",
        "--in-progress",
        "0",
        "--late",
        "0",
        "--duplicates",
        "0",
        "--big",
        "1",
        "--big-segments",
        "250",
    ];
    let (status, report) = http(&server, &fleet);
    assert_eq!(status, 0, "{report:#}");
    let requests = report["requests"].as_u64().unwrap();
    assert!(report["documents"].as_u64().unwrap() >= 250 * requests, "{report:#}");
    assert!(report["checks"]["segments"].as_u64().unwrap() >= 250, "{report:#}");
}

#[test]
fn what_is_lost_doubled_or_changed_is_told_by_trace() {
    let check = |fault: Fault, expect: &[&str]| {
        let server = FakeServer::start(fault);
        let (status, report) = http(&server, &[]);
        assert_eq!((status, &report["ok"]), (1, &Value::Bool(false)), "{fault:?}: {report:#}");
        assert_eq!(kinds(&report), expect, "{fault:?}: {report:#}");
        let traces = report["checks"]["examples"].as_array().unwrap().iter();
        let named = traces.filter_map(|example| example["trace_id"].as_str());
        let harmed = server.harmed();
        let named: Vec<&str> = named.collect();
        assert!(named.iter().all(|id| harmed.iter().any(|harmed| harmed == id)), "{report:#}");
        let expects_traces = !matches!(fault, Fault::CountTwice);
        assert_eq!(!named.is_empty(), expects_traces, "{fault:?}: {report:#}");
    };
    // In the trace, and on the map.
    check(Fault::LoseDocument, &["missing"]);
    check(Fault::LoseTrace, &["missing"]);
    check(Fault::AnswerTwice, &["doubled"]);
    check(Fault::ChangeAnnotation, &["different"]);
    check(Fault::ListTwice, &["doubled"]);
    check(Fault::CountTwice, &["doubled"]);
}

#[test]
fn throttled_calls_are_counted_and_made_again_when_asked() {
    let server = FakeServer::start(Fault::ThrottleEveryThird);
    let (status, report) = http(&server, &["--retry"]);
    assert_eq!(status, 0, "{report:#}");
    let throttled = report["calls"]["throttled"].as_u64().unwrap();
    assert!(throttled > 0 && report["calls"]["retried"].as_u64() == Some(throttled));
    assert_eq!(
        (report["unacknowledged"].as_u64(), report["checks"]["faults"].as_u64()),
        (Some(0), Some(0))
    );

    // Not made again they are no fault, and the counts of the graph have room for them.
    let server = FakeServer::start(Fault::ThrottleEveryThird);
    let (status, report) = http(&server, &[]);
    assert_eq!(status, 0, "{report:#}");
    assert!(report["unacknowledged"].as_u64().unwrap() > 0);
    assert_eq!(
        (&report["checks"]["graph"], report["calls"]["retried"].as_u64()),
        (&"bounds".into(), Some(0))
    );
}

#[test]
fn refused_documents_and_broken_connections_are_told() {
    let server = FakeServer::start(Fault::RefuseFirst);
    let (status, report) = http(&server, &[]);
    assert_eq!((status, report["refused"].as_u64()), (1, Some(1)), "{report:#}");
    assert!(report["errors"].as_object().unwrap().keys().any(|error| error.contains("InvalidId")));

    let server = FakeServer::start(Fault::HangUpAfterEveryCall);
    let (status, report) = http(&server, &[]);
    assert_eq!(status, 0, "{report:#}");

    let server = FakeServer::start(Fault::FailOnce);
    let (status, report) = http(&server, &[]);
    assert_eq!((status, report["calls"]["lost"].as_u64()), (1, Some(1)), "{report:#}");
    let server = FakeServer::start(Fault::FailOnce);
    let (status, report) = http(&server, &["--retry"]);
    assert_eq!((status, report["calls"]["lost"].as_u64()), (0, Some(0)), "{report:#}");
}

#[test]
fn signed_requests_bear_a_signature() {
    let server = FakeServer::start(Fault::RefuseUnsigned);
    let keys = ["--sign", "--access-key-id", "AKID", "--secret-access-key", "secret"];
    assert_eq!(http(&server, &keys).0, 0);
    assert_eq!(http(&server, &[]).0, 1);
    assert_eq!(load(&["http", &server.url(), "--sign"]).status.code(), Some(2));
}

#[test]
fn an_open_loop_keeps_its_rate_and_its_duration() {
    let server = FakeServer::start(Fault::None);
    let arguments = ["http", &server.url(), "--rate", "1500", "--duration", "2s", "--no-check"];
    let (status, report) = report(&[&arguments[..], &["--documents-per-call", "10"]].concat());
    assert_eq!((status, &report["loop"]), (0, &"open".into()));
    // Two seconds have 300 moments; each call has ten documents, and what was begun is completed.
    let documents = report["documents"].as_u64().unwrap();
    assert!((3_000..=3_100).contains(&documents), "{report:#}");
    assert!(report["seconds"].as_f64().unwrap() >= 1.99, "{report:#}");
    assert!(report["checks"].is_null());
}

#[test]
fn a_stall_counts_for_all_calls_that_were_due_in_it() {
    let server = FakeServer::start(Fault::StallOnce);
    let arguments = ["http", &server.url(), "--rate", "200", "--duration", "2s", "--no-check"];
    let one_by_one = ["--connections", "1", "--documents-per-call", "1"];
    let (status, report) = report(&[&arguments[..], &one_by_one].concat());
    let latency = |name: &str| report["latency"][name].as_f64().unwrap();
    assert!(status == 0 && latency("max") >= 500.0, "{report:#}");
    // A quarter of the calls was due while one of them stalled. Counted from when they could be
    // made at last, all but that one would have been fast.
    assert!(latency("p90") >= 150.0, "{report:#}");
}

#[test]
fn datagrams_are_sent_counted_and_found_again() {
    let server = FakeServer::start(Fault::None);
    // Few enough for all of them to wait in the receiver's buffer.
    let common = [
        "udp",
        &server.address(),
        "--rate",
        "600",
        "--documents",
        "60",
        "--run-id",
        "t2",
        "--check-after",
        "100ms",
        "--check-deadline",
        "1s",
        "--check-rate",
        "200",
        "--fail-on-loss",
    ];
    let (status, report) = report(&common);
    assert_eq!(status, 0, "{report:#}");
    let udp = &report["udp"];
    assert_eq!((udp["received"].as_u64(), udp["lost"].as_u64()), (Some(60), Some(0)));
    assert_eq!(server.documents(), 60);
    assert!(report["latency"].is_null() && report["acknowledged"].is_null());
    assert!(report["checks"]["requests"].as_u64().unwrap() > 0, "{report:#}");
    assert_eq!(report["checks"]["graph"], "exact");
}

#[test]
fn datagrams_lost_on_the_way_are_no_fault_of_the_server() {
    let server = FakeServer::start(Fault::DropDatagrams);
    let common = ["udp", &server.address(), "--rate", "2000", "--documents", "300"];
    let checked = ["--run-id", "t3", "--check-after", "50ms", "--check-deadline", "200ms"];
    let (status, told) = report(&[&common[..], &checked].concat());
    // The kernel may lose more.
    let lost = told["udp"]["lost"].as_u64().unwrap();
    assert!(status == 0 && lost >= 30, "{told:#}");
    assert_eq!(told["udp"]["received"].as_u64(), Some(300 - lost));
    assert!(told["checks"]["explained_by_loss"].as_u64().unwrap() > 0, "{told:#}");
    assert_eq!(
        (&told["checks"]["graph"], &told["checks"]["faults"]),
        (&"bounds".into(), &0.into())
    );
    let server = FakeServer::start(Fault::DropDatagrams);
    let common = ["udp", &server.address(), "--documents", "30", "--rate", "3000", "--no-check"];
    assert_eq!(report(&[&common[..], &["--fail-on-loss"]].concat()).0, 1);
}

#[test]
fn files_have_a_document_or_a_datagram_per_entry() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("documents");
    let path_text = path.to_str().unwrap();
    let (status, report) = report(&["file", path_text, "--documents", "30", "--seed", "5"]);
    assert_eq!((status, report["documents"].as_u64()), (0, Some(30)));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 30);
    assert_eq!(text.lines().map(str::len).sum::<usize>() as u64, report["bytes"].as_u64().unwrap());
    for line in text.lines() {
        roentgen_model::Document::parse(line.as_bytes()).unwrap();
    }
    let output = load(&["file", "-", "--documents", "3", "--datagrams", "--quiet"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("{\"format\":\"json\",\"version\":1}\n{\"name\"").count(), 3, "{text}");
}

#[test]
fn requests_can_be_spread_over_the_past() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("documents");
    let path = path.to_str().unwrap();
    report(&["file", path, "--documents", "3000", "--spread", "6h"]);
    let text = std::fs::read_to_string(path).unwrap();
    let starts: Vec<f64> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["start_time"].as_f64().unwrap())
        .collect();
    let (first, last) = (starts[0], starts[starts.len() - 1]);
    assert!((21_000.0..21_700.0).contains(&(last - first)), "{first} {last}");
}

#[test]
fn wrong_addresses_are_told_at_once() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let check = |arguments: &[&str], status: i32, expect: &str| {
        let output = load(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{message}");
        assert!(message.contains(expect), "{message}");
    };
    let url = format!("http://{address}");
    check(&["http", &url], 1, "Connection refused");
    check(&["http", &url], 1, &format!("connect to {address}"));
    check(&["udp", &address, "--documents", "9", "--no-check"], 1, "");
    check(&["http", "ftp://x"], 2, "ftp:// is not spoken");
    check(&["file", "/nowhere/at/all"], 1, "create /nowhere/at/all");
    check(&["http", &url, "--corpus", "fleet", "--errors", "2"], 1, "the share of errors is 2");
}

#[test]
fn an_interrupted_run_still_checks_and_reports() {
    let server = FakeServer::start(Fault::None);
    let mut child = Command::new(env!("CARGO_BIN_EXE_roentgen-load"))
        .args(["http", &server.url(), "--rate", "3000", "--run-id", "t4", "--json", "--quiet"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    server.wait_for_documents(300);
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let mut text = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut text).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{report:#}");
    assert_eq!(report["interrupted"], true);
    assert_eq!(
        (report["documents"].as_u64(), report["checks"]["graph"].as_str()),
        (Some(server.documents()), Some("exact"))
    );
}
