"""A few answers of S3 and DynamoDB, enough for an instrumented boto3 to make its subsegments."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class AwsMock:
    """Serves on a free port. A DynamoDB table named Throttled is always over its limit."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        """S3 PutObject."""
        self._read_body()
        self._answer(200, b"", {"ETag": '"0123456789abcdef0123456789abcdef"'})

    def do_POST(self) -> None:
        """DynamoDB PutItem."""
        request = json.loads(self._read_body())
        if request["TableName"] == "Throttled":
            error = {
                "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                "message": "slow down",
            }
            self._answer(400, json.dumps(error).encode())
        else:
            self._answer(200, b"{}")

    def do_GET(self) -> None:
        self._answer(404, b"nothing here")

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while (size := int(self.rfile.readline().split(b";")[0], 16)) > 0:
                self.rfile.read(size + 2)
            while self.rfile.readline().strip():
                continue
            return b""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"x-amzn-RequestId": "MOCK"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """The SDK's subsegments say what was called."""
