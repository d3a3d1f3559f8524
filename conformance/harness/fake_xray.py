"""Stands in for the X-Ray service behind a daemon: answers as told, keeps and checks every request."""

import json
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from .polling import wait_until
from .signature import Key, fault_of

DEFAULT_KEY = Key("AKIDEXAMPLE", "SECRET", "TOKEN")


@dataclass(frozen=True)
class Reply:
    """One answer. With `held` it waits until the test lets it go, or until the service closes."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    held: bool = False


TAKEN = Reply(body=b'{"UnprocessedTraceSegments":[]}')

DEFAULT_REPLIES = {
    "/TraceSegments": TAKEN,
    "/TelemetryRecords": Reply(),
    "/GetSamplingRules": Reply(body=b'{"SamplingRuleRecords":[]}'),
    "/SamplingTargets": Reply(body=b'{"SamplingTargetDocuments":[]}'),
}

NOT_FOUND = Reply(404, b'{"message":"nope"}')


def error(status: int, code: str, message: str) -> Reply:
    """An error as AWS spells it."""
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return Reply(status, json.dumps({"message": message}).encode(), headers)


def unprocessed(*segments: dict[str, str]) -> Reply:
    """Some documents of the batch were refused."""
    return Reply(body=json.dumps({"UnprocessedTraceSegments": segments}).encode())


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    at: float
    """Monotonic seconds."""
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    fault: str | None
    """What is wrong with the signature."""
    connection: tuple[str, int]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else None

    def json(self) -> Any:
        return json.loads(self.body)

    def documents(self) -> list[str]:
        """The documents of a PutTraceSegments body, which must be exactly of that shape."""
        body = self.json()
        assert list(body) == ["TraceSegmentDocuments"], list(body)
        return body["TraceSegmentDocuments"]


class FakeXRay:
    """Serves on a free port of the loopback, or where it is told."""

    def __init__(
        self,
        keys: list[Key] | None = None,
        region: str = "us-east-1",
        listener: socket.socket | None = None,
    ) -> None:
        self.keys = keys or [DEFAULT_KEY]
        self.region = region
        self.received: list[Received] = []
        self.may_be_unsigned = False
        self._replies: dict[str, list[Reply]] = {path: [reply] for path, reply in DEFAULT_REPLIES.items()}
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server = _server(self, listener or socket.create_server(("127.0.0.1", 0)))
        self.port = int(self._server.socket.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def answer(self, path: str, *replies: Reply) -> None:
        """From now on these answers, one after the other; the last one for ever."""
        with self._lock:
            self._replies[path] = list(replies)

    def release(self) -> None:
        """Lets go the answers that are held, and all later ones."""
        self._released.set()

    def of(self, path: str) -> list[Received]:
        """The requests of a path so far."""
        return [request for request in list(self.received) if request.path == path]

    def documents(self) -> list[str]:
        """All documents that came, in the order of their batches."""
        return [document for batch in self.of("/TraceSegments") for document in batch.documents()]

    def wait_for(self, path: str, count: int, deadline_seconds: float = 10.0) -> list[Received]:
        """The requests of a path once there are so many."""
        return wait_until(
            lambda: self.of(path) if len(self.of(path)) >= count else None,
            f"{count} requests of {path}",
            deadline_seconds,
        )

    def wait_for_documents(self, count: int, deadline_seconds: float = 10.0) -> list[str]:
        """All documents once there are so many; more are a fault."""
        wait_until(lambda: len(self.documents()) >= count, f"{count} documents upstream", deadline_seconds)
        documents = self.documents()
        assert len(documents) == count
        return documents

    def check_signatures(self) -> None:
        """Fails when a request was not signed as AWS wants it."""
        allowed = {None, "unsigned"} if self.may_be_unsigned else {None}
        faults = [f"{r.method} {r.target}: {r.fault}" for r in self.received if r.fault not in allowed]
        assert not faults, "\n".join(faults)

    def take(self, handler: BaseHTTPRequestHandler, body: bytes) -> Reply:
        """Keeps a request and gives its answer; called by the server's threads."""
        at = time.monotonic()
        # A request through a proxy names the whole URL.
        parts = urlsplit(handler.path)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        headers = list(handler.headers.items())
        fault = fault_of(handler.command, target, headers, body, self.keys, self.region)
        request = Received(at, handler.command, handler.path, headers, body, fault, handler.client_address)
        with self._lock:
            self.received.append(request)
            replies = self._replies.get(parts.path)
            if not replies:
                return NOT_FOUND
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if reply.held:
            self._released.wait()
        return reply

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()


def _server(service: FakeXRay, listener: socket.socket) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body leave together: of two small writes the second waits 40 ms for the first's ACK.
        wbufsize = -1

        def serve(self) -> None:
            reply = service.take(self, read_body(self))
            self.send_response_only(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            try:
                self.wfile.write(reply.body)
                self.wfile.flush()
            except OSError:
                # The daemon gave up waiting, which is what some tests are about.
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_DELETE = serve

        def log_message(self, format: str, *arguments: object) -> None:
            """Requests are kept; a second record on stderr helps nobody."""

    server = ThreadingHTTPServer(listener.getsockname(), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_activate()
    server.daemon_threads = True
    return server


def read_body(handler: BaseHTTPRequestHandler) -> bytes:
    """The body of a request, chunked or of a known length."""
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    body = b""
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    while handler.rfile.readline().strip():
        continue
    return body
