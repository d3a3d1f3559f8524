"""HTTP as other programs than boto3 speak it, and as a hostile page would."""

import json
import socket

import pytest

from harness.documents import segment
from harness.reading import read_segments
from harness.roentgen import Roentgen

READ_SECONDS = 10


def exchange(server: Roentgen, request: bytes) -> tuple[int, bytes]:
    """Sends bytes as they are; gives the status of the answer and all that came until the server closed."""
    with socket.create_connection(server.socket_address, timeout=READ_SECONDS) as connection:
        connection.sendall(request)
        answer = bytearray()
        while part := connection.recv(65_536):
            answer += part
    return int(answer.split(b" ", 2)[1]), bytes(answer)


def head(server: Roentgen, line: str, *headers: str) -> bytes:
    """A request head that asks for the connection to be closed after the answer."""
    lines = [line, f"Host: {server.daemon_address}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def put_body() -> tuple[str, bytes]:
    """A PutTraceSegments body and the trace id in it."""
    document = segment("by-hand")
    return document["trace_id"], json.dumps({"TraceSegmentDocuments": [json.dumps(document)]}).encode()


def test_a_chunked_body(shared_roentgen: Roentgen) -> None:
    trace_id, body = put_body()
    request = head(shared_roentgen, "POST /TraceSegments HTTP/1.1", "Transfer-Encoding: chunked")
    for part in (body[:10], body[10:]):
        request += f"{len(part):x}\r\n".encode() + part + b"\r\n"
    status, _ = exchange(shared_roentgen, request + b"0\r\n\r\n")
    assert status == 200
    assert len(read_segments(shared_roentgen.xray(), trace_id)) == 1


def test_http_1_0(shared_roentgen: Roentgen) -> None:
    trace_id, body = put_body()
    request = f"POST /TraceSegments HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    status, _ = exchange(shared_roentgen, request)
    assert status == 200
    assert len(read_segments(shared_roentgen.xray(), trace_id)) == 1


def test_a_client_that_waits_for_100_continue(shared_roentgen: Roentgen) -> None:
    """curl does so for large bodies; without an answer it would wait a second."""
    _, body = put_body()
    request = head(
        shared_roentgen,
        "POST /TraceSegments HTTP/1.1",
        "Expect: 100-continue",
        f"Content-Length: {len(body)}",
    )
    with socket.create_connection(shared_roentgen.socket_address, timeout=READ_SECONDS) as connection:
        connection.sendall(request)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_operations_are_posted(shared_roentgen: Roentgen, method: str) -> None:
    status, _ = exchange(shared_roentgen, head(shared_roentgen, f"{method} /TraceSegments HTTP/1.1"))
    assert status in (404, 405)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Header: y\r\n" * 2000 + b"\r\n",
        b"POST /TraceSegments HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST /Traces HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["TLS", "long address", "many headers", "length that is none", "chunk that is none"],
)
def test_what_is_no_http(shared_roentgen: Roentgen, request_bytes: bytes) -> None:
    try:
        status, _ = exchange(shared_roentgen, request_bytes)
        assert 400 <= status < 500
    except ConnectionResetError:
        # Closed while we were still sending.
        pass
    assert shared_roentgen.is_healthy()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "attacker.example:2000", "Origin": "http://attacker.example:2000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://attacker.example"},
    ],
    ids=["DNS rebinding", "cross-site", "origin"],
)
def test_a_foreign_page_can_neither_read_nor_write(
    shared_roentgen: Roentgen, headers: dict[str, str]
) -> None:
    """DNS rebinding: the page's own name, made to point at this machine. Browsers name the page in Origin."""
    trace_id, body = put_body()
    answer = shared_roentgen.post("/TraceSegments", body, {**headers, "Content-Type": "text/plain"})
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert read_segments(shared_roentgen.xray(), trace_id) == []


def test_an_sdk_may_use_any_name_for_this_machine(shared_roentgen: Roentgen) -> None:
    """In a container, an SDK reaches the host by a name such as this one; only browsers send Origin."""
    trace_id, body = put_body()
    answer = shared_roentgen.post("/TraceSegments", body, {"Host": "host.docker.internal:2000"})
    assert answer.status_code == 200
    assert len(read_segments(shared_roentgen.xray(), trace_id)) == 1
