"""The daemon's TCP port: sampling calls signed and sent on, documents taken, everything else refused."""

import json
import socket
import time

import pytest

from conftest import StartDaemon
from harness.daemon import Daemon
from harness.documents import segment
from harness.fake_xray import FakeXRay, Reply, error
from harness.polling import wait_until

pytestmark = pytest.mark.daemon

ALL_PATHS: dict[str, str | None] = {"ROENTGEN_DAEMON_PROXY_PATHS": "all"}
"""What the official daemon always does, which does not know the variable."""

RULES = Reply(
    body=b'{"SamplingRuleRecords":[ ]}\n', headers={"Content-Type": "application/json", "X-Own": "1"}
)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/GetSamplingRules", b"{}"),
        ("/GetSamplingRules", b'{"NextToken":null}'),
        ("/SamplingTargets", b'{"SamplingStatisticsDocuments":[]}'),
    ],
)
def test_a_sampling_call(start_daemon: StartDaemon, upstream: FakeXRay, path: str, body: bytes) -> None:
    upstream.answer(path, RULES)
    daemon = start_daemon("-l", "debug", to=upstream.url)
    answer = daemon.post(path, body, User_Agent="test-sdk", X_Amzn_Trace_Id="Root=1-2-3", X_Foo="1")
    assert (answer.status_code, answer.content) == (200, RULES.body)
    assert answer.headers["X-Own"] == "1"
    (request,) = upstream.of(path)
    assert (request.body, request.fault) == (body, None)
    assert request.header("Host") == upstream.url.removeprefix("http://")
    assert request.header("User-Agent") == "test-sdk"
    assert request.header("X-Amzn-Trace-Id") == "Root=1-2-3"
    assert request.header("X-Foo") == "1"
    assert request.header("X-Forwarded-For") == "127.0.0.1"
    assert request.header("X-Amz-Security-Token") == "TOKEN"
    assert f"Received request on HTTP Proxy server : {path}" in daemon.messages("Debug")


def test_a_signature_of_the_client_is_replaced(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    """Ruby's SDK signs with a dummy key."""
    daemon = start_daemon(to=upstream.url)
    dummy = (
        "AWS4-HMAC-SHA256 Credential=d/20260101/us-east-1/xray/aws4_request, SignedHeaders=host, Signature=0"
    )
    answer = daemon.post(
        "/GetSamplingRules",
        Authorization=dummy,
        X_Amz_Date="20260101T000000Z",
        X_Amz_Security_Token="of the client",
        Connection="close, X-Hop",
        X_Hop="1",
    )
    assert answer.status_code == 200
    (request,) = upstream.of("/GetSamplingRules")
    assert request.fault is None


@pytest.mark.parametrize("content_type", [None, "application/json", "application/x-amz-json-1.1"])
def test_an_empty_body(start_daemon: StartDaemon, upstream: FakeXRay, content_type: str | None) -> None:
    """The .NET SDK sends none, and Go's no Content-Type."""
    daemon = start_daemon(to=upstream.url)
    headers = {"Content_Type": content_type} if content_type else {}
    answer = daemon.call("POST", "/GetSamplingRules", b"", **headers)
    assert (answer.status_code, answer.json()) == (200, {"SamplingRuleRecords": []})
    (request,) = upstream.of("/GetSamplingRules")
    assert (request.body, request.fault) == (b"", None)


def test_a_chunked_body(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    daemon = start_daemon(to=upstream.url)
    answer = raw(
        daemon,
        b"POST /SamplingTargets HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b'Connection: close\r\n\r\n6\r\n{"Samp\r\n1c\r\nlingStatisticsDocuments":[]}\r\n0\r\n\r\n',
    )
    assert answer.startswith(b"HTTP/1.1 200 ")
    (request,) = upstream.of("/SamplingTargets")
    assert request.json() == {"SamplingStatisticsDocuments": []}
    assert request.fault is None


def raw(daemon: Daemon, request: bytes) -> bytes:
    """Bytes to the TCP port, and all that comes back."""
    with socket.create_connection(daemon.socket_address, 20) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
        return answer


@pytest.mark.parametrize(
    "reply",
    [
        error(400, "InvalidRequestException", "bad token"),
        error(403, "AccessDeniedException", "no"),
        error(429, "ThrottledException", "Rate exceeded"),
        Reply(500, b"<html>oops</html>", {"Content-Type": "text/html"}),
        Reply(204, b"", {}),
    ],
)
def test_answers_pass_unchanged(start_daemon: StartDaemon, upstream: FakeXRay, reply: Reply) -> None:
    upstream.answer("/GetSamplingRules", reply)
    daemon = start_daemon(to=upstream.url)
    answer = daemon.post("/GetSamplingRules")
    assert (answer.status_code, answer.content) == (reply.status, reply.body)
    assert {name: answer.headers[name] for name in reply.headers} == reply.headers
    # Never tried again: that is for the SDK to decide.
    assert len(upstream.of("/GetSamplingRules")) == 1


def test_nobody_listens_upstream(start_daemon: StartDaemon) -> None:
    with FakeXRay() as gone:
        pass
    daemon = start_daemon(to=gone.url)
    answer = daemon.post("/GetSamplingRules")
    assert (answer.status_code, answer.content) == (502, b"")
    wait_until(lambda: "http: proxy error: " in daemon.output(), "the error line")


def test_every_path_when_asked(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    daemon = start_daemon(to=upstream.url, environment=ALL_PATHS)
    for method, target, body in [
        ("GET", "/anything?x=1&b=%20a&a=ä", None),
        ("DELETE", "/foo", None),
        ("PUT", "/a%2Fb/c%20d", b"body"),
        ("POST", "/TraceSummaries", b'{"StartTime":0}'),
    ]:
        answer = daemon.call(method, target, body)
        assert (answer.status_code, answer.json()) == (404, {"message": "nope"})
        request = upstream.received[-1]
        assert (request.method, request.body) == (method, body or b"")
        assert request.path == target.partition("?")[0]


@pytest.mark.better
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/anything?x=1"),
        ("DELETE", "/foo"),
        ("POST", "/TraceSummaries"),
        ("POST", "/Traces"),
        ("POST", "/PutResourcePolicy"),
        ("GET", "/GetSamplingRules"),
        ("POST", "/GetSamplingRules/../Traces"),
        ("POST", "//GetSamplingRules"),
        ("POST", "/getsamplingrules"),
    ],
)
def test_other_paths_are_refused(
    start_daemon: StartDaemon, upstream: FakeXRay, method: str, path: str
) -> None:
    daemon = start_daemon(to=upstream.url)
    request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    status = int(raw(daemon, request.encode()).split()[1])
    assert status in (403, 404, 405)
    assert upstream.received == []


@pytest.mark.better
def test_documents_over_tcp(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    daemon = start_daemon(to=upstream.url)
    # More than fits into a datagram.
    large = json.dumps(segment("large", metadata={"default": {"pad": "é" * 70_000}}), ensure_ascii=False)
    documents = [large, json.dumps(segment("small")), "not a segment"]
    body = json.dumps({"TraceSegmentDocuments": documents})
    answer = daemon.post("/TraceSegments", body.encode())
    assert (answer.status_code, answer.json()) == (200, {"UnprocessedTraceSegments": []})
    assert sorted(upstream.wait_for_documents(3)) == sorted(documents)
    for wrong in (b"", b"{", b"[]", b'{"TraceSegmentDocuments":"x"}', b'{"TraceSegmentDocuments":[1]}'):
        assert daemon.post("/TraceSegments", wrong).status_code == 400, wrong


@pytest.mark.better
def test_no_credentials_are_waited_for_with_a_server_of_one_s_own(
    start_daemon: StartDaemon, upstream: FakeXRay
) -> None:
    upstream.may_be_unsigned = True
    environment: dict[str, str | None] = {
        "AWS_ACCESS_KEY_ID": None,
        "AWS_SECRET_ACCESS_KEY": None,
        "AWS_SESSION_TOKEN": None,
    }
    daemon = start_daemon("--destination", upstream.url, environment=environment)
    began = time.monotonic()
    assert daemon.post("/GetSamplingRules").status_code == 200
    assert time.monotonic() - began < 1
    (request,) = upstream.of("/GetSamplingRules")
    assert request.fault == "unsigned"


@pytest.mark.better
def test_large_bodies_are_refused(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    daemon = start_daemon(to=upstream.url)
    head = b"POST /SamplingTargets HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
    with socket.create_connection(daemon.socket_address, 20) as connection:
        connection.sendall(head)
        # It answers without having read a hundred megabytes.
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")
    assert upstream.received == []


@pytest.mark.better
def test_slow_clients_do_not_keep_others_out(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    daemon = start_daemon(to=upstream.url)
    slow = [socket.create_connection(daemon.socket_address, 20) for _ in range(300)]
    try:
        for connection in slow:
            connection.sendall(b"POST /GetSamplingRules HTTP/1.1\r\nHost:")
        assert daemon.post("/GetSamplingRules").status_code == 200
        assert daemon.stop() == 0
    finally:
        for connection in slow:
            connection.close()


@pytest.mark.better
def test_health_and_metrics(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    daemon = start_daemon(to=upstream.url)
    assert daemon.call("GET", "/healthz").status_code == 200
    daemon.send(b"junk")
    daemon.send_documents(*(segment(f"counted-{number}") for number in range(50)))
    daemon.wait_for_sent(50)
    assert daemon.count("roentgen_daemon_segments_received_total") == 51
    assert daemon.count("roentgen_daemon_segments_sent_total") == 50
    assert daemon.count("roentgen_daemon_segments_rejected_total", by="daemon") == 1
    assert daemon.count("roentgen_daemon_segments_spilled_total") == 0
    # Neither is sent on.
    assert [request.path for request in upstream.received] == ["/TraceSegments"]
