"""What no client should send: counted by reason, answered by name, and the server goes on."""

import json
import random
import socket
import time
from typing import Any

import pytest

from harness.documents import new_id, new_trace_id, put, segment
from harness.polling import wait_until
from harness.reading import ServiceMap, read_segments, read_summaries
from harness.roentgen import DATAGRAM_HEADER, Roentgen

pytestmark = pytest.mark.bad_input

MEBIBYTE = 1 << 20

LARGEST_DATAGRAM = 65_507
"""What IPv4 can carry in one UDP datagram."""

DEEP = "[" * 5000 + "]" * 5000

BAD_DATAGRAMS = {
    "garbage": b"\x00\x01\x02garbage",
    "header without body": DATAGRAM_HEADER,
    "no header": json.dumps(segment("s")).encode(),
    "another version": b'{"format":"json","version":2}\n' + json.dumps(segment("s")).encode(),
    "truncated": DATAGRAM_HEADER + json.dumps(segment("s")).encode()[:-20],
    "invalid UTF-8": DATAGRAM_HEADER + b"\xff\xfe\x00binary",
    "wrong id": DATAGRAM_HEADER + json.dumps(segment("s", id="nothex")).encode(),
    "wrong trace id": DATAGRAM_HEADER + json.dumps(segment("s", trace_id="1-2-3")).encode(),
    "huge number": DATAGRAM_HEADER
    + json.dumps(segment("s")).replace('"start_time": 1', '"start_time": 1e400, "x": 1').encode(),
    "largest, and all garbage": DATAGRAM_HEADER + b"x" * (LARGEST_DATAGRAM - len(DATAGRAM_HEADER)),
    "deep and broken": DATAGRAM_HEADER + b'{"a":' * 10_000,
}


@pytest.mark.parametrize("what", BAD_DATAGRAMS)
def test_bad_datagram_is_counted_by_reason(shared_roentgen: Roentgen, what: str) -> None:
    before = shared_roentgen.status()
    shared_roentgen.send_datagram(BAD_DATAGRAMS[what])

    def counted() -> dict[str, Any] | None:
        now = shared_roentgen.status()
        return now if now["documentsRejected"] > before["documentsRejected"] else None

    after = wait_until(counted, f"{what} counted as rejected")
    assert after["documentsRejected"] == before["documentsRejected"] + 1
    assert after["documentsAccepted"] == before["documentsAccepted"]
    reasons = {
        reason: count - before["rejectedByReason"].get(reason, 0)
        for reason, count in after["rejectedByReason"].items()
    }
    assert sorted(count for count in reasons.values() if count) == [1], reasons
    [reason] = [reason for reason, count in reasons.items() if count]
    labelled = [name for name in shared_roentgen.metrics() if f'reason="{reason}"' in name]
    assert labelled, f"no sample of /metrics has the reason {reason}"


def test_a_document_with_invalid_utf8_in_text_is_kept_readable(shared_roentgen: Roentgen, xray: Any) -> None:
    """As the official daemon forwards it: each bad byte becomes U+FFFD."""
    document = segment("latin", metadata={"default": {"city": "K?ln"}})
    shared_roentgen.send_datagram(
        DATAGRAM_HEADER + json.dumps(document).encode().replace(b"K?ln", b"K\xf6ln")
    )
    [found] = wait_until(lambda: read_segments(xray, document["trace_id"]), "the trace")
    assert found["metadata"]["default"]["city"] == "K\ufffdln"


def test_deep_nesting_in_metadata(xray: Any) -> None:
    """Refused or kept, but never a crash and never another document's loss."""
    document = segment("deep")
    text = json.dumps(document)[:-1] + ',"metadata":{"default":{"deep":' + DEEP + "}}}"
    good = segment("good")
    answer = xray.put_trace_segments(TraceSegmentDocuments=[text, json.dumps(good)])
    refused = answer["UnprocessedTraceSegments"]
    assert len(refused) <= 1
    assert len(read_segments(xray, good["trace_id"])) == 1
    if refused:
        assert refused[0]["ErrorCode"]
        assert read_segments(xray, document["trace_id"]) == []


def test_deep_nesting_of_subsegments(xray: Any, shared_roentgen: Roentgen) -> None:
    """A tree a hundred deep is unusual and legal."""
    document = segment("deep")
    inner = document
    depth = 100
    for level in range(depth):
        child = {k: document[k] for k in ("start_time", "end_time")} | {
            "id": new_id(),
            "name": f"level-{level}",
        }
        inner["subsegments"] = [child]
        inner = child
    assert put(xray, document) == []
    [found] = read_segments(xray, document["trace_id"])
    for level in range(depth):
        [found] = found["subsegments"]
        assert found["name"] == f"level-{level}"
    assert shared_roentgen.is_healthy()


def test_a_deeply_nested_request_body(shared_roentgen: Roentgen) -> None:
    answer = shared_roentgen.post("/Traces", DEEP, {"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert shared_roentgen.is_healthy()


@pytest.mark.parametrize(
    "times",
    [
        {"start_time": 1e18, "end_time": 1e18},
        {"start_time": -1.0, "end_time": -0.5},
        {"start_time": 0, "end_time": 0},
        {"start_time": 1e300, "end_time": 1e300},
        {
            "start_time": time.time() + 10 * 365 * 86400,
            "end_time": time.time() + 10 * 365 * 86400 + 1,
        },
        {"start_time": time.time(), "end_time": time.time() - 3600},
    ],
    ids=["huge", "negative", "zero", "huger", "in ten years", "ends before it starts"],
)
def test_clocks_that_are_wrong(xray: Any, shared_roentgen: Roentgen, times: dict[str, float]) -> None:
    """A wrong clock may be refused by name; when it is taken, the trace and the map must be readable."""
    document = segment("skewed", trace_id=new_trace_id()) | times
    refused = put(xray, document)
    if refused:
        assert refused[0]["ErrorCode"] in ("InvalidStartTime", "InvalidEndTime"), refused
        assert read_segments(xray, document["trace_id"]) == []
    else:
        [found] = read_segments(xray, document["trace_id"])
        assert found["start_time"] == pytest.approx(times["start_time"], abs=1e-3)
        trace = xray.batch_get_traces(TraceIds=[document["trace_id"]])["Traces"][0]
        assert trace["Duration"] >= 0
        services = xray.get_trace_graph(TraceIds=[document["trace_id"]])["Services"]
        assert all(
            s["SummaryStatistics"]["TotalResponseTime"] >= 0 for s in services if "SummaryStatistics" in s
        )
    now = time.time()
    ServiceMap.of_range(xray, now - 60, now + 60)
    read_summaries(xray, now - 60, now + 60)
    assert shared_roentgen.is_healthy()


def test_a_skewed_callee_does_not_break_the_trace(xray: Any) -> None:
    """The callee's clock is an hour behind its caller's."""
    caller = segment("caller")
    call = {
        "id": new_id(),
        "name": "callee",
        "namespace": "remote",
        "start_time": caller["start_time"],
        "end_time": caller["end_time"],
    }
    caller["subsegments"] = [call]
    callee = segment("callee", trace_id=caller["trace_id"], parent_id=call["id"])
    callee |= {"start_time": callee["start_time"] - 3600, "end_time": callee["end_time"] - 3600}
    assert put(xray, caller, callee) == []
    service_map = ServiceMap.of_traces(xray, caller["trace_id"])
    assert service_map.nodes() == {("caller", "client"), ("caller", None), ("callee", None)}
    edge = service_map.edge(("caller", None), ("callee", None))
    assert edge["SummaryStatistics"]["TotalResponseTime"] == pytest.approx(0.1, abs=0.01)


def test_parents_in_a_circle(xray: Any) -> None:
    trace_id = new_trace_id()
    first, second = new_id(), new_id()
    documents = [
        segment("a", trace_id=trace_id, id=first, parent_id=second, type="subsegment"),
        segment("b", trace_id=trace_id, id=second, parent_id=first, type="subsegment"),
        segment("own-parent", trace_id=trace_id, id=(own := new_id()), parent_id=own),
    ]
    put(xray, *documents)
    found = read_segments(xray, trace_id)
    assert "own-parent" in {document["name"] for document in found}
    xray.get_trace_graph(TraceIds=[trace_id])


def test_names_and_texts_of_every_script(xray: Any) -> None:
    name = "Zahlung für 支払い"
    hostile = '<script>alert("x")</script>\u0000\u202e\ud83d\ude00'
    document = segment(name, metadata={"default": {"text": hostile}}, annotations={"text": hostile})
    assert put(xray, document) == []
    [found] = read_segments(xray, document["trace_id"])
    assert found["name"] == name
    assert found["metadata"]["default"]["text"] == json.loads(json.dumps(hostile))


def test_a_flood_of_everything_leaves_memory_bounded(roentgen: Roentgen) -> None:
    """Thirty thousand bad datagrams and ten thousand open segments; then the server answers as before."""
    random_bytes = random.Random(1)
    bad = list(BAD_DATAGRAMS.values())
    assert put(roentgen.xray(), segment("warm-up")) == []
    before = roentgen.resident_bytes()
    for count in range(30_000):
        roentgen.send_datagram(bad[count % len(bad)] if count % 2 else random_bytes.randbytes(200))
    now = time.time()
    open_segment = {"name": "never-closed", "in_progress": True, "start_time": now}
    xray = roentgen.xray()
    for _ in range(200):
        opened = [open_segment | {"id": new_id(), "trace_id": new_trace_id()} for _ in range(50)]
        assert put(xray, *opened) == []

    document = segment("after the flood")
    assert put(xray, document) == []
    assert len(read_segments(xray, document["trace_id"])) == 1
    grown = roentgen.resident_bytes() - before
    assert grown < 200 * MEBIBYTE, f"grew by {grown / MEBIBYTE:.0f} MiB"
    # Each kind of fault is logged with a bound, not once per datagram.
    assert len(roentgen.diagnostics()) < MEBIBYTE
    status = roentgen.status()
    assert status["documentsRejected"] > 1000
    assert sum(status["rejectedByReason"].values()) == status["documentsRejected"]


def test_a_rejection_is_logged_with_its_trace_id(roentgen: Roentgen) -> None:
    document = segment("what?")
    put(roentgen.xray(), document)
    wait_until(lambda: document["trace_id"] in roentgen.diagnostics(), "the trace id in the log")


def test_many_slow_connections(roentgen: Roentgen) -> None:
    """Connections that send half a request must not keep others from being served."""
    slow = [socket.create_connection(roentgen.socket_address) for _ in range(100)]
    try:
        for connection in slow:
            connection.sendall(b"POST /TraceSegments HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        assert put(roentgen.xray(), segment("beside the slow ones")) == []
    finally:
        for connection in slow:
            connection.close()


def test_a_trace_without_end_is_cut_and_says_so(roentgen: Roentgen) -> None:
    """Seventy megabytes in one trace: all acknowledged, the answer bounded, nothing else disturbed."""
    xray = roentgen.xray()
    trace_id = new_trace_id()
    large = {"trace_id": trace_id, "metadata": {"default": {"text": "x" * 60_000}}}
    for _ in range(24):
        assert put(xray, *[segment("endless", **large) for _ in range(50)]) == []
    answer = roentgen.post_json("/Traces", {"TraceIds": [trace_id]})
    assert answer.status_code == 200, answer.text[:1000]
    [trace] = answer.json()["Traces"]
    assert trace["LimitExceeded"] is True
    assert 0 < len(trace["Segments"]) < 24 * 50
    assert roentgen.resident_bytes() < 600 * MEBIBYTE
    other = segment("other")
    assert put(xray, other) == []
    assert len(read_segments(xray, other["trace_id"])) == 1
