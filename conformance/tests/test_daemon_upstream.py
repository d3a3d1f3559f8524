"""What the daemon sends upstream, and what it makes of the answers: failures, refusals, telemetry."""

import json
import re
import socket
import time
from typing import Any

import pytest

from conftest import StartDaemon
from harness.daemon import IS_OFFICIAL, Daemon
from harness.documents import segment
from harness.fake_xray import NOT_FOUND, TAKEN, FakeXRay, Reply, error, unprocessed
from harness.polling import wait_until
from harness.roentgen import DATAGRAM_HEADER

pytestmark = pytest.mark.daemon

TWO_ATTEMPTS: dict[str, str | None] = {"ROENTGEN_DAEMON_ATTEMPTS": "2"}
"""As many as the official daemon makes, which does not know the variable."""

FAILED = "Sending segment batch failed with: "


def telemetry(upstream: FakeXRay) -> dict[str, Any]:
    """The record that was posted at the end."""
    (request,) = upstream.of("/TelemetryRecords")
    (record,) = request.json()["TelemetryRecords"]
    return record


def failures(daemon: Daemon) -> list[str]:
    return [m.removeprefix(FAILED) for m in daemon.messages("Error") if m.startswith(FAILED)]


def test_the_request(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    documents = [json.dumps(segment(f"segment-{number}")) for number in range(3)]
    daemon = start_daemon(to=upstream.url)
    daemon.send_documents(*documents)
    (request,) = upstream.wait_for("/TraceSegments", 1)
    assert (request.method, request.target, request.fault) == ("POST", "/TraceSegments", None)
    assert sorted(request.documents()) == sorted(documents)
    # Byte for byte what a JSON encoder writes without spaces.
    assert request.body == json.dumps(request.json(), separators=(",", ":")).encode()
    assert request.header("Content-Type") == "application/json"
    assert request.header("Content-Encoding") is None
    assert request.header("Content-Length") == str(len(request.body))
    assert request.header("Transfer-Encoding") is None
    assert request.header("X-Amz-Security-Token") == "TOKEN"
    sent_at = request.header("X-Amzn-Xray-Timestamp")
    assert sent_at
    assert re.fullmatch(r"\d{10}\.\d{9}", sent_at)
    assert abs(float(sent_at) - time.time()) < 60
    agent = request.header("User-Agent")
    assert agent
    assert re.search(r"xray-agent/xray-daemon/\d+\.\d+\.\d+\S* exec-env/UNKNOWN OS/linux-\w+", agent)


def test_the_execution_environment_is_told(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    daemon = start_daemon(to=upstream.url, environment={"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"})
    daemon.send_documents(segment("fargate"))
    (request,) = upstream.wait_for("/TraceSegments", 1)
    assert "exec-env/AWS_ECS_FARGATE" in (request.header("User-Agent") or "")


def test_connections_are_kept(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    daemon = start_daemon(to=upstream.url)
    for count in range(1, 6):
        daemon.send_documents(*(segment(f"{count}-{number}") for number in range(50)))
        daemon.wait_for_sent(50 * count)
    assert len({request.connection for request in upstream.of("/TraceSegments")}) == 1


RETRIED = [
    (Reply(500, b'{"message":"internal"}'), "500"),
    (Reply(502, b"<html><body>502 Bad Gateway</body></html>", {"Content-Type": "text/html"}), "502"),
    (Reply(503, b"", {}), "503"),
    (error(429, "ThrottledException", "Rate exceeded"), "ThrottledException: Rate exceeded"),
]

FOREIGN = [
    (Reply(400, b"<html><body>400 Bad Request</body></html>", {"Content-Type": "text/html"}), "400"),
    (Reply(400, b"", {}), "400"),
    (NOT_FOUND, "nope"),
    (Reply(302, b"", {"Location": "http://login.example/"}), "302"),
    (Reply(200, b"<html>Please log in</html>", {"Content-Type": "text/html"}), "Please log in"),
]
"""Answers of what stands before the service; the official daemon gives the batch up."""

REFUSED = [
    (
        error(403, "UnrecognizedClientException", "The security token included in the request is invalid."),
        "UnrecognizedClientException: The security token included in the request is invalid.",
    ),
    (error(400, "InvalidRequestException", "too many segments"), "too many segments"),
    (Reply(413, b"\xff\xfe\x00", {}), "413"),
]


@pytest.mark.parametrize(
    ("reply", "told", "attempts"), [(*r, 2) for r in RETRIED + FOREIGN] + [(*r, 1) for r in REFUSED]
)
def test_an_error_of_the_service(
    start_daemon: StartDaemon, upstream: FakeXRay, reply: Reply, told: str, attempts: int
) -> None:
    upstream.answer("/TraceSegments", reply)
    daemon = start_daemon(to=upstream.url, environment=TWO_ATTEMPTS)
    daemon.send_documents(*(segment(f"segment-{number}") for number in range(3)))
    message = daemon.wait_for_message("Error", FAILED)
    assert told in message
    # The next batch is taken: nothing of the first is kept or sent again.
    upstream.answer("/TraceSegments", TAKEN)
    daemon.send_documents("next")
    daemon.wait_for_sent(1)
    bodies = [request.body for request in upstream.of("/TraceSegments")]
    assert bodies.count(bodies[0]) == attempts
    assert len(set(bodies)) == 2
    assert daemon.stop() == 0
    assert len(failures(daemon)) == 1
    record = telemetry(upstream)
    assert (record["SegmentsReceivedCount"], record["SegmentsSentCount"]) == (4, 1)


def test_an_attempt_that_fails_is_made_good_by_the_next(
    start_daemon: StartDaemon, upstream: FakeXRay
) -> None:
    upstream.answer("/TraceSegments", Reply(500, b"{}"), TAKEN)
    daemon = start_daemon(to=upstream.url, environment=TWO_ATTEMPTS)
    daemon.send_documents("persistent")
    daemon.wait_for_sent(1)
    first, second = upstream.of("/TraceSegments")
    assert first.body == second.body
    assert not failures(daemon)


def test_an_answer_that_does_not_come(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    upstream.answer("/TraceSegments", Reply(held=True))
    environment = TWO_ATTEMPTS | {"ROENTGEN_DAEMON_REQUEST_TIMEOUT": "2"}
    daemon = start_daemon(to=upstream.url, environment=environment)
    daemon.send_documents("unanswered")
    first, second = upstream.wait_for("/TraceSegments", 2)
    assert 1.5 < second.at - first.at < 6
    message = daemon.wait_for_message("Error", FAILED)
    assert re.search("(?i)deadline exceeded|timed out|timeout", message)
    upstream.release()


def test_nobody_listens(start_daemon: StartDaemon) -> None:
    with FakeXRay() as gone:
        pass
    daemon = start_daemon(to=gone.url, environment=TWO_ATTEMPTS)
    daemon.send_documents("refused")
    message = daemon.wait_for_message("Error", FAILED)
    assert "connection refused" in message.lower()
    assert gone.url.removeprefix("http://") in message
    assert daemon.stop() == 0


@pytest.mark.better
def test_a_service_that_is_away_for_longer_than_all_attempts(start_daemon: StartDaemon) -> None:
    """Nothing is lost, without a spool: a batch that nobody answered goes on waiting."""
    with FakeXRay() as away:
        pass
    daemon = start_daemon(to=away.url, environment=TWO_ATTEMPTS)
    documents = [f"while it is away {number}" for number in range(120)]
    daemon.send_documents(*documents)
    assert "connection refused" in daemon.wait_for_message("Error", FAILED)
    daemon.wait_for_message("Warn", "is failing, batches wait until it answers: ")
    # Three batches with two attempts each would be lost long before.
    wait_until(lambda: daemon.count("roentgen_daemon_upstream_retries_total") >= 8, "many attempts", 30)
    with FakeXRay(listener=socket.create_server(("127.0.0.1", away.port))) as back:
        assert sorted(back.wait_for_documents(120, 20)) == sorted(documents)
        daemon.wait_for_sent(120)
        assert daemon.count("roentgen_daemon_segments_spilled_total") == 0
        assert daemon.stop() == 0
        back.check_signatures()


@pytest.mark.better
def test_a_name_that_has_no_address(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(to="http://no-such-host.invalid:1", environment=TWO_ATTEMPTS)
    daemon.send_documents("nowhere to go")
    assert "no-such-host.invalid" in daemon.wait_for_message("Error", FAILED)
    assert daemon.count("roentgen_daemon_upstream_errors_total", kind="unknown_host") >= 2


@pytest.mark.parametrize(
    "body", [b"", b"<html>hello</html>", b"[1]", b"null", b'{"UnprocessedTraceSegments":null}']
)
def test_success_without_a_proper_body_harms_nobody(
    start_daemon: StartDaemon, upstream: FakeXRay, body: bytes
) -> None:
    upstream.answer("/TraceSegments", Reply(body=body), TAKEN)
    daemon = start_daemon(to=upstream.url, environment=TWO_ATTEMPTS)
    daemon.send_documents("first")
    upstream.wait_for("/TraceSegments", 1)
    wait_until(lambda: daemon.messages("Error") or "Successfully sent" in daemon.output(), "a verdict")
    daemon.send_documents("second")
    daemon.wait_for_message("Info", "Successfully sent")
    assert daemon.stop() == 0


def test_refused_documents(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    refused = segment("refused")
    spaced = segment("spaced")
    answer = [
        {"Id": document["id"], "ErrorCode": "InvalidName", "Message": "Invalid subsegment. Cause: null"}
        for document in (refused, spaced)
    ]
    upstream.answer("/TraceSegments", unprocessed(*answer), TAKEN)
    daemon = start_daemon("-l", "debug", to=upstream.url)
    # Python's SDK writes spaces, which the official daemon's patterns do not expect.
    daemon.send_documents(json.dumps(refused, separators=(",", ":")), json.dumps(spaced), segment("taken"))
    said = daemon.wait_for_message("Info", "^Sent batch")
    assert re.fullmatch(
        r"Sent batch of 3 segments but had 2 Unprocessed segments \(\d+\.\d{3} seconds\)", said
    )
    lines = [m for m in daemon.messages("Error") if m.startswith("Unprocessed ")]
    assert len(lines) == 2 if not IS_OFFICIAL else lines
    assert lines[0].startswith(f"Unprocessed trace {refused['trace_id']}, segment: ")
    if not IS_OFFICIAL:
        for line, document in zip(lines, (refused, spaced), strict=True):
            for part in (
                document["trace_id"],
                document["id"],
                "InvalidName",
                "Invalid subsegment. Cause: null",
            ):
                assert part in line
    assert daemon.stop() == 0
    record = telemetry(upstream)
    assert record["SegmentsReceivedCount"] == 3
    # As with the official daemon, a batch that was taken counts whole.
    assert (record["SegmentsSentCount"], record["SegmentsRejectedCount"]) == (3, 2)
    assert len(upstream.of("/TraceSegments")) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"ErrorCode": "ParseError", "Message": "Invalid segment. ErrorCode: ParseError"},
        {"ErrorCode": "MissingId", "Message": "Invalid segment. ErrorCode: MissingId"},
        {"Id": "", "ErrorCode": "MissingTraceId", "Message": ""},
        {"Id": "ffffffffffffffff", "ErrorCode": "Of nobody", "Message": "x"},
        {},
    ],
)
def test_a_refused_document_that_is_not_named(
    start_daemon: StartDaemon, upstream: FakeXRay, answer: dict[str, str]
) -> None:
    upstream.answer("/TraceSegments", unprocessed(answer), TAKEN)
    daemon = start_daemon("-l", "debug", to=upstream.url)
    daemon.send_documents("not a segment", segment("good"))
    daemon.wait_for_message("Info", "^Sent batch of 2 segments but had 1 Unprocessed segments ")
    if not IS_OFFICIAL:
        lines = [m for m in daemon.messages("Error") if m.startswith("Unprocessed segment")]
        assert len(lines) == 1
        assert answer.get("ErrorCode", "") in lines[0]
    daemon.send_documents("next")
    daemon.wait_for_sent(3)
    assert len(upstream.of("/TraceSegments")) == 2


def test_debug_shows_the_batch(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    upstream.answer("/TraceSegments", unprocessed({"ErrorCode": "ParseError", "Message": "m"}))
    daemon = start_daemon("-l", "debug", to=upstream.url)
    daemon.send_documents("peculiar document")
    daemon.wait_for_message("Debug", "^Received nil unprocessed segment id from X-Ray service: ")


ZERO_ERRORS = {
    "ConnectionRefusedCount": 0,
    "HTTPCode4XXCount": 0,
    "HTTPCode5XXCount": 0,
    "OtherCount": 0,
    "TimeoutCount": 0,
    "UnknownHostCount": 0,
}


def test_telemetry_at_the_end(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    environment: dict[str, str | None] = {"AWS_HOSTNAME": "host-1", "AWS_INSTANCE_ID": "i-1"}
    daemon = start_daemon("-a", "arn:aws:x", to=upstream.url, environment=environment)
    daemon.send(b"junk", *(DATAGRAM_HEADER + b"%d" % number for number in range(3)))
    daemon.wait_for_sent(3)
    assert daemon.stop() == 0
    (request,) = upstream.of("/TelemetryRecords")
    body = request.json()
    record = body["TelemetryRecords"].pop()
    assert body == {
        "EC2InstanceId": "i-1",
        "Hostname": "host-1",
        "ResourceARN": "arn:aws:x",
        "TelemetryRecords": [],
    }
    assert abs(record.pop("Timestamp") - time.time()) < 60
    assert record == {
        "BackendConnectionErrors": ZERO_ERRORS,
        "SegmentsReceivedCount": 4,
        "SegmentsRejectedCount": 1,
        "SegmentsSentCount": 3,
        "SegmentsSpilloverCount": 0,
    }


def test_no_telemetry_without_a_datagram(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    daemon = start_daemon("-l", "debug", to=upstream.url)
    assert daemon.stop() == 0
    assert upstream.received == []
    assert "Skipped telemetry data as no segments found" in daemon.messages("Debug")


@pytest.mark.better
@pytest.mark.parametrize(
    ("reply", "kind", "attempts"),
    [
        (Reply(500, b"{}"), "HTTPCode5XXCount", 2),
        (error(429, "ThrottledException", "Rate exceeded"), "HTTPCode4XXCount", 2),
        (error(403, "AccessDeniedException", "no"), "HTTPCode4XXCount", 1),
        (Reply(held=True), "TimeoutCount", 2),
    ],
)
def test_connection_errors_are_counted_by_kind(
    start_daemon: StartDaemon, upstream: FakeXRay, reply: Reply, kind: str, attempts: int
) -> None:
    upstream.answer("/TraceSegments", reply)
    environment = TWO_ATTEMPTS | {"ROENTGEN_DAEMON_REQUEST_TIMEOUT": "1"}
    daemon = start_daemon(to=upstream.url, environment=environment)
    daemon.send_documents("never taken")
    daemon.wait_for_message("Error", FAILED)
    assert daemon.stop() == 0
    errors = telemetry(upstream)["BackendConnectionErrors"]
    # Without an answer the daemon tries for as long as it may.
    made = max(attempts, errors[kind]) if reply.held else attempts
    assert errors == ZERO_ERRORS | {kind: made}


@pytest.mark.better
def test_large_documents_do_not_make_bodies_the_service_refuses(
    start_daemon: StartDaemon, upstream: FakeXRay
) -> None:
    daemon = start_daemon(to=upstream.url)
    # Escaping doubles each of these.
    body = '"' * 60_000
    for _ in range(100):
        daemon.send_documents(body)
        daemon.wait_until_read()
    assert set(upstream.wait_for_documents(100)) == {body}
    assert max(len(batch.body) for batch in upstream.of("/TraceSegments")) < 6_000_000
