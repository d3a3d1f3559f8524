"""The reading operations as boto3 and its paginators use them."""

import time
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from harness.documents import new_trace_id, put, segment, subsegment
from harness.reading import ServiceMap, batches, read_summaries, read_summary
from harness.roentgen import Roentgen


def error_of(call: Any, **arguments: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return raised.value.response["Error"]


def test_paging_through_many_traces_has_no_gap_and_no_double(roentgen: Roentgen) -> None:
    """Traces keep coming while the pages are read; those there before must all be seen, once."""
    xray = roentgen.xray()
    now = time.time()
    documents = [segment("many", end_time=now - n % 600) for n in range(2500)]
    for start in range(0, len(documents), 50):
        assert put(xray, *documents[start : start + 50]) == []

    pages = xray.get_paginator("get_trace_summaries").paginate(StartTime=now - 700, EndTime=now + 60)
    seen: Counter[str] = Counter()
    page_count = 0
    newest_of_next = now + 60
    late = 0
    for page in pages:
        page_count += 1
        ids = [summary["Id"] for summary in page["TraceSummaries"]]
        seen.update(ids)
        epochs = [int(trace_id.split("-")[1], 16) for trace_id in ids]
        assert max(epochs) <= newest_of_next, "pages go from the newest to the oldest"
        newest_of_next = min(epochs)
        late += 1
        put(xray, segment("late", end_time=now))
    expected = {document["trace_id"] for document in documents}
    assert expected <= seen.keys()
    assert set(seen.values()) == {1}
    assert page_count > 1
    assert len(seen) <= len(expected) + late


def test_trace_id_range_is_half_open_on_the_epoch_of_the_id(xray: Any) -> None:
    epoch = int(time.time()) - 3000
    document = segment("half-open", trace_id=new_trace_id(epoch))
    put(xray, document)

    def found(start: int, end: int) -> bool:
        return document["trace_id"] in {s["Id"] for s in read_summaries(xray, start, end)}

    assert found(epoch, epoch + 1)
    assert not found(epoch - 1, epoch)
    assert not found(epoch + 1, epoch + 2)


def test_event_range_finds_what_was_active_whenever_it_began(xray: Any) -> None:
    now = time.time()
    document = segment("long-known", trace_id=new_trace_id(now - 5 * 3600))
    put(xray, document)
    trace_id = document["trace_id"]

    def found(start: float, end: float, kind: str) -> bool:
        return trace_id in {s["Id"] for s in read_summaries(xray, start, end, TimeRangeType=kind)}

    assert found(now - 60, now + 60, "Event")
    assert found(now - 60, now + 60, "Service")
    assert not found(now - 60, now + 60, "TraceId")
    assert not found(now - 5 * 3600 - 60, now - 5 * 3600 + 60, "Event")
    assert found(now - 5 * 3600 - 60, now - 5 * 3600 + 60, "TraceId")


def test_random_ids_of_opentelemetry_are_found(xray: Any) -> None:
    """W3C ids are random: their first eight digits are no time."""
    now = time.time()
    document = segment("otel", trace_id="1-fedcba98-" + new_trace_id().split("-")[2])
    assert put(xray, document) == []
    found = read_summaries(xray, now - 60, now + 60, TimeRangeType="Event")
    assert document["trace_id"] in {summary["Id"] for summary in found}


def test_a_summary_says_what_the_trace_says(xray: Any) -> None:
    now = time.time()
    call = subsegment("DynamoDB", namespace="aws", aws={"operation": "Scan", "table_name": "Carts"})
    root = segment(
        "frontend",
        fault=True,
        user="ada",
        origin="AWS::EC2::Instance",
        resource_arn="arn:aws:ec2:eu-west-1:123456789012:instance/i-1",
        http={"request": {"method": "GET", "url": "http://shop/x"}, "response": {"status": 503}},
        aws={
            "account_id": "123456789012",
            "ec2": {"instance_id": "i-1", "availability_zone": "eu-west-1a"},
        },
        annotations={"tenant": "acme"},
        subsegments=[call],
    )
    put(xray, root)
    summary = read_summary(xray, root["trace_id"], now)
    assert summary["Duration"] == pytest.approx(0.1, abs=0.002)
    assert summary["ResponseTime"] == pytest.approx(0.1, abs=0.002)
    assert (summary["HasFault"], summary["HasError"], summary["HasThrottle"]) == (
        True,
        False,
        False,
    )
    assert summary["Http"] == {"HttpURL": "http://shop/x", "HttpMethod": "GET", "HttpStatus": 503}
    assert summary["EntryPoint"]["AccountId"] == "123456789012"
    assert {(s["Name"], s.get("Type")) for s in summary["ServiceIds"]} == {
        ("frontend", "client"),
        ("frontend", "AWS::EC2::Instance"),
        ("Carts", "AWS::DynamoDB::Table"),
    }
    assert all(service["Names"] == [service["Name"]] for service in summary["ServiceIds"])
    assert summary["ResourceARNs"] == [{"ARN": root["resource_arn"]}]
    assert summary["InstanceIds"] == [{"Id": "i-1"}]
    assert summary["AvailabilityZones"] == [{"Name": "eu-west-1a"}]
    [tenant] = summary["Annotations"]["tenant"]
    assert tenant["AnnotationValue"] == {"StringValue": "acme"}
    assert tenant["ServiceIds"][0]["Name"] == "frontend"


def test_late_segments_raise_the_revision_and_open_ones_make_it_partial(xray: Any) -> None:
    now = time.time()
    closed = segment("grows")
    opened = {k: v for k, v in closed.items() if k != "end_time"} | {"in_progress": True}
    put(xray, opened)
    before = read_summary(xray, closed["trace_id"], now)
    assert before["IsPartial"] is True
    put(xray, closed)
    after = read_summary(xray, closed["trace_id"], now)
    assert after["IsPartial"] is False
    assert after["Revision"] > before["Revision"]


def test_requests_out_of_bounds(xray: Any) -> None:
    now = time.time()
    ids = [new_trace_id() for _ in range(6)]
    cases: list[tuple[Any, dict[str, Any]]] = [
        (xray.get_trace_summaries, {"StartTime": now, "EndTime": now - 60}),
        (
            xray.get_trace_summaries,
            {"StartTime": now - 60, "EndTime": now, "FilterExpression": "fault ="},
        ),
        (
            xray.get_trace_summaries,
            {"StartTime": now - 60, "EndTime": now, "NextToken": "no token"},
        ),
        (xray.get_service_graph, {"StartTime": now, "EndTime": now - 60}),
        (xray.get_service_graph, {"StartTime": now - 60, "EndTime": now, "NextToken": "no token"}),
        (xray.batch_get_traces, {"TraceIds": ids}),
        (xray.batch_get_traces, {"TraceIds": []}),
        (xray.get_trace_graph, {"TraceIds": ids}),
    ]
    for call, arguments in cases:
        error = error_of(call, **arguments)
        assert error["Code"] == "InvalidRequestException", (arguments, error)
        assert error["Message"]


def test_unknown_traces_are_unprocessed(xray: Any) -> None:
    known, unknown = segment("known"), new_trace_id()
    put(xray, known)
    answer = xray.batch_get_traces(TraceIds=[known["trace_id"], unknown])
    assert [trace["Id"] for trace in answer["Traces"]] == [known["trace_id"]]
    assert answer["UnprocessedTraceIds"] == [unknown]
    [trace] = answer["Traces"]
    assert trace["Duration"] == pytest.approx(0.1, abs=0.002)
    assert trace["LimitExceeded"] is False
    assert [stored["Id"] for stored in trace["Segments"]] == [known["id"]]


def test_service_graph_covers_exactly_its_range(roentgen: Roentgen) -> None:
    xray = roentgen.xray()
    now = int(time.time())
    put(xray, segment("early", end_time=now - 3600), segment("recent", end_time=now - 120))

    def names(start: int, end: int) -> set[str]:
        return {name for name, _ in ServiceMap.of_range(xray, start, end).nodes()}

    assert names(now - 300, now) == {"recent"}
    assert names(now - 3900, now - 3000) == {"early"}
    assert names(now - 3900, now) == {"early", "recent"}
    assert names(now - 2400, now - 1200) == set()
    answer = xray.get_service_graph(StartTime=now - 300, EndTime=now)
    assert answer["StartTime"].timestamp() == now - 300
    assert answer["EndTime"].timestamp() == now
    assert answer["ContainsOldGroupVersions"] is False


def test_graph_of_many_services_through_the_paginator(roentgen: Roentgen) -> None:
    xray = roentgen.xray()
    now = time.time()
    documents = [segment(f"service-{n}") for n in range(300)]
    for start in range(0, len(documents), 50):
        put(xray, *documents[start : start + 50])
    service_map = ServiceMap.of_range(xray, now - 60, now + 60)
    assert {name for name, kind in service_map.nodes() if kind is None} == {d["name"] for d in documents}
    assert len(service_map.edges()) == 300


def test_trace_graph_of_several_traces_is_their_sum(xray: Any) -> None:
    documents = [segment("summed", error=n == 0) for n in range(5)]
    put(xray, *documents)
    [ids] = batches(d["trace_id"] for d in documents)
    node = ServiceMap.of_traces(xray, *ids).node("summed", None)
    assert node["SummaryStatistics"]["TotalCount"] == 5
    assert node["SummaryStatistics"]["ErrorStatistics"]["OtherCount"] == 1
    assert node["Root"] is True
    assert node["State"] == "active"


def test_telemetry_is_taken(xray: Any) -> None:
    answer = xray.put_telemetry_records(
        TelemetryRecords=[
            {
                "Timestamp": int(time.time()),
                "SegmentsReceivedCount": 3,
                "SegmentsSentCount": 3,
                "SegmentsSpilloverCount": 0,
                "SegmentsRejectedCount": 0,
                "BackendConnectionErrors": {"TimeoutCount": 0, "HTTPCode4XXCount": 1},
            }
        ],
        Hostname="host",
        EC2InstanceId="i-1",
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
