"""PutTraceSegments: per-document verdicts in X-Ray's words, and limits of the call."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from harness.documents import new_id, new_trace_id, put, segment, subsegment
from harness.reading import read_segments, wait_for_segments

KILOBYTE = 1024
DOCUMENT_LIMIT = 64 * KILOBYTE


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


REFUSED = {
    "not JSON": ("{", "ParseError"),
    "text": ("not a segment", "ParseError"),
    "number": ("7", "ParseError"),
    "empty": ("", "ParseError"),
    "no trace id": (json.dumps(without(segment("s"), "trace_id")), "MissingTraceId"),
    "trace id of another form": (json.dumps(segment("s", trace_id="4711")), "InvalidTraceId"),
    "trace id of the unsampled": (
        json.dumps(segment("s", trace_id="1-00000000-000000000000000000000000")),
        "InvalidTraceId",
    ),
    "no id": (json.dumps(without(segment("s"), "id")), "MissingId"),
    "id too short": (json.dumps(segment("s", id="123")), "InvalidId"),
    "id not hex": (json.dumps(segment("s", id="x" * 16)), "InvalidId"),
    "no name": (json.dumps(without(segment("s"), "name")), "MissingName"),
    "name with ?": (json.dumps(segment("what?")), "InvalidName"),
    "name too long": (json.dumps(segment("n" * 201)), "InvalidName"),
    "subsegment name with ?": (
        json.dumps(segment("s", subsegments=[subsegment("what?")])),
        "InvalidName",
    ),
    "no start": (json.dumps(without(segment("s"), "start_time")), "MissingStartTime"),
    "start is text": (json.dumps(segment("s", start_time="today")), "InvalidStartTime"),
    "end is text": (json.dumps(segment("s", end_time="today")), "InvalidEndTime"),
    "subsegment without a parent": (
        json.dumps(segment("s", type="subsegment")),
        "MissingParentId",
    ),
    "parent not hex": (json.dumps(segment("s", parent_id="boss")), "InvalidParentId"),
    "array": ("[]", "MissingId"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_with_code_and_the_rest_is_stored(xray: Any, what: str) -> None:
    text, code = REFUSED[what]
    good = segment("good")
    answer = xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(good), text])
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    [unprocessed] = answer["UnprocessedTraceSegments"]
    assert unprocessed["ErrorCode"] == code
    assert code in unprocessed["Message"]
    sent_id = json.loads(text).get("id") if text.startswith("{") and len(text) > 1 else None
    assert unprocessed.get("Id") == sent_id
    assert [d["id"] for d in read_segments(xray, good["trace_id"])] == [good["id"]]


def test_acknowledged_is_readable_at_once(xray: Any) -> None:
    document = segment("at-once")
    assert put(xray, document) == []
    assert [d["name"] for d in read_segments(xray, document["trace_id"])] == ["at-once"]


def test_fifty_documents_of_sixty_kilobytes(xray: Any) -> None:
    documents = [segment("large", metadata={"default": {"text": "x" * 60 * KILOBYTE}}) for _ in range(50)]
    assert put(xray, *documents) == []
    for document in documents[::10]:
        [found] = read_segments(xray, document["trace_id"])
        assert found["metadata"] == document["metadata"]


def test_a_document_over_64_kilobytes_is_refused_alone(xray: Any) -> None:
    large = segment("too-large", metadata={"default": {"text": "x" * DOCUMENT_LIMIT}})
    good = segment("good")
    [unprocessed] = put(xray, large, good)
    assert unprocessed["ErrorCode"] == "InvalidSegment"
    assert read_segments(xray, large["trace_id"]) == []
    assert len(read_segments(xray, good["trace_id"])) == 1


def test_more_than_fifty_documents_are_refused_as_a_whole(xray: Any) -> None:
    documents = [segment("one-too-many") for _ in range(51)]
    with pytest.raises(ClientError) as raised:
        put(xray, *documents)
    error = raised.value.response["Error"]
    assert error["Code"] == "InvalidRequestException"
    assert "Exceeding maximum segment count: 50" in error["Message"]
    assert read_segments(xray, documents[0]["trace_id"]) == []


def test_a_body_without_bound_is_refused(shared_roentgen: Any) -> None:
    body = json.dumps({"TraceSegmentDocuments": ["x" * (64 * KILOBYTE * KILOBYTE)]})
    try:
        status = shared_roentgen.post("/TraceSegments", body).status_code
    except ConnectionError:
        status = 413
    except OSError:
        # The server may close the connection while we still send.
        status = 413
    assert status == 413
    assert shared_roentgen.is_healthy()


def test_an_open_segment_is_replaced_by_the_closed_one_in_any_order(xray: Any) -> None:
    closed = segment("worker", annotations={"result": "done"})
    opened = without(closed, "end_time", "annotations") | {"in_progress": True}
    for first, second in ((opened, closed), (closed, opened)):
        trace_id = new_trace_id()
        put(xray, first | {"trace_id": trace_id})
        put(xray, second | {"trace_id": trace_id})
        [found] = read_segments(xray, trace_id)
        assert found["end_time"] == pytest.approx(closed["end_time"], abs=1e-6)
        assert found["annotations"] == {"result": "done"}
        assert not found.get("in_progress")


def test_a_subsegment_may_come_long_before_its_segment(xray: Any) -> None:
    parent = segment("late-parent")
    child = subsegment("early-child", type="subsegment", trace_id=parent["trace_id"], parent_id=parent["id"])
    grandchild = subsegment(
        "earlier-still", type="subsegment", trace_id=parent["trace_id"], parent_id=child["id"]
    )
    for document in (grandchild, child, parent):
        assert put(xray, document) == []
    [found] = wait_for_segments(xray, parent["trace_id"])
    [found_child] = found["subsegments"]
    assert found_child["id"] == child["id"]
    assert [d["id"] for d in found_child["subsegments"]] == [grandchild["id"]]


def test_an_array_of_subsegments_in_one_string(xray: Any) -> None:
    parent = segment("array-parent")
    children = [
        subsegment(f"part-{n}", type="subsegment", trace_id=parent["trace_id"], parent_id=parent["id"])
        for n in range(2)
    ]
    answer = xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(parent), json.dumps(children)])
    assert answer["UnprocessedTraceSegments"] == []
    [found] = read_segments(xray, parent["trace_id"])
    assert {child["id"] for child in found["subsegments"]} == {child["id"] for child in children}


def test_sent_twice_is_stored_once(xray: Any) -> None:
    document = segment("twice", subsegments=[subsegment("inner")])
    put(xray, document)
    put(xray, document)
    [found] = read_segments(xray, document["trace_id"])
    assert [child["id"] for child in found["subsegments"]] == [document["subsegments"][0]["id"]]
    services = xray.get_trace_graph(TraceIds=[document["trace_id"]])["Services"]
    real = next(service for service in services if service.get("Type") != "client")
    assert real["SummaryStatistics"]["TotalCount"] == 1


def test_unknown_fields_survive(xray: Any) -> None:
    extra = {"vendor_block": {"deep": [1, {"er": None}]}, "Dummy": False, "notTraced": True}
    document = segment("extra", **extra, subsegments=[subsegment("inner", **extra)])
    assert put(xray, document) == []
    [found] = read_segments(xray, document["trace_id"])
    for name, value in extra.items():
        assert found[name] == value
        assert found["subsegments"][0][name] == value


def test_a_bad_annotation_costs_only_itself(xray: Any) -> None:
    sent = {"good": 1, "with.dot": "kept", "bad key": 2, "list": [1], "object": {}, "none": None}
    document = segment("annotated", annotations=sent)
    assert put(xray, document) == []
    [found] = read_segments(xray, document["trace_id"])
    assert found["annotations"] == {"good": 1, "with.dot": "kept"}


def test_documents_of_the_same_id_in_other_traces_are_others(xray: Any) -> None:
    shared_id = new_id()
    documents = [segment(f"trace-{n}", id=shared_id) for n in range(2)]
    assert put(xray, *documents) == []
    for document in documents:
        assert [d["name"] for d in read_segments(xray, document["trace_id"])] == [document["name"]]
