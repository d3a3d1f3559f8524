"""A TCP proxy between an SDK and the server that notes every HTTP exchange: independent evidence."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import requests


@dataclass(frozen=True)
class Exchange:
    """One request of the SDK and the server's answer."""

    path: str
    request: bytes
    status: int
    answer: bytes


class RecordingProxy:
    """Passes POST requests on to `target` and keeps them."""

    def __init__(self, target: str) -> None:
        self.exchanges: list[Exchange] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {k: v for k, v in self.headers.items() if k not in ("Host", "Connection")}
                answer = requests.post(f"{target}{self.path}", data=body, headers=headers, timeout=20)
                proxy.exchanges.append(Exchange(self.path, body, answer.status_code, answer.content))
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, format: str, *arguments: object) -> None:
                """Exchanges are kept; a second record on stderr helps nobody."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def of(self, path: str) -> list[Exchange]:
        """The exchanges of one path so far."""
        return [exchange for exchange in list(self.exchanges) if exchange.path == path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
