"""Segment documents made by the tests: small, valid, and different every time."""

import json
import secrets
import time
from typing import Any

Document = dict[str, Any]


def new_trace_id(epoch_seconds: float | None = None) -> str:
    """A trace id in X-Ray's form that says when the trace began."""
    epoch = int(time.time() if epoch_seconds is None else epoch_seconds)
    return f"1-{epoch:08x}-{secrets.token_hex(12)}"


def new_id() -> str:
    """A segment id: 16 hex digits."""
    return secrets.token_hex(8)


def segment(name: str, **fields: Any) -> Document:
    """A complete segment of 100 ms that ended just now; `fields` add to it or replace what it has."""
    end_time = fields.get("end_time", time.time())
    document: Document = {
        "name": name,
        "id": new_id(),
        "trace_id": new_trace_id(end_time if isinstance(end_time, int | float) else None),
        "start_time": end_time - 0.1 if isinstance(end_time, int | float) else time.time(),
        "end_time": end_time,
    }
    return document | fields


def subsegment(name: str, **fields: Any) -> Document:
    """An embedded subsegment of 50 ms within the last 100 ms."""
    now = time.time()
    return {"name": name, "id": new_id(), "start_time": now - 0.08, "end_time": now - 0.03} | fields


def put(xray: Any, *documents: Document) -> list[dict[str, Any]]:
    """PutTraceSegments; gives the unprocessed ones."""
    answer = xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(d) for d in documents])
    return answer["UnprocessedTraceSegments"]
