"""The recorded packets of conformance/captures."""

import json
from dataclasses import dataclass, field
from typing import Any

from .environment import CONFORMANCE

CAPTURES = CONFORMANCE / "captures"


@dataclass(frozen=True)
class HttpRequest:
    """A call an SDK made to the daemon's TCP port."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Capture:
    """What one scenario put on the wire."""

    name: str
    description: str
    packets: list[str]
    http_requests: list[HttpRequest] = field(default_factory=list)

    def documents(self) -> list[str]:
        """The documents as sent, without the datagram header."""
        return [packet.split("\n", 1)[1] for packet in self.packets]


def read_captures() -> list[Capture]:
    """All captures that hold packets or HTTP requests, by name."""
    return [_read(path.stem, json.loads(path.read_text())) for path in sorted(CAPTURES.glob("*.json"))]


def read_header_table() -> list[dict[str, str]]:
    """Datagrams and what the official daemon makes of them: ignored, rejected or accepted."""
    return json.loads((CAPTURES / "handmade-malformed-udp.json").read_text())["table"]


def _read(name: str, content: dict[str, Any]) -> Capture:
    requests = [
        HttpRequest(request["method"], request["path"], dict(request["headers"]), request["body"])
        for request in content.get("http_requests", [])
    ]
    return Capture(name, content["description"], content.get("packets", []), requests)
