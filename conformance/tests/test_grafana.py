"""What Grafana's X-Ray data source asks, and what it reads of the answers without looking.

The calls are those of the plugin's backend (grafana/x-ray-datasource, pkg/datasource); each member that is
dereferenced there without a check, or in its front end, is asserted here.
"""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness.documents import Document, new_id, new_trace_id, put, segment, subsegment
from harness.roentgen import Roentgen

MOST_ROWS = 1000
"""Where the plugin's list of traces stops to ask for pages."""


def corpus() -> list[Document]:
    """Traces of every kind that a summary or a graph may be short of something for."""
    bare = {"name": "bare", "id": new_id(), "trace_id": new_trace_id(), "start_time": time.time()}
    call = subsegment(
        "DynamoDB", namespace="aws", fault=True, aws={"operation": "GetItem", "table_name": "carts"}
    )
    exception = {"id": new_id(), "message": "no type"}
    call["cause"] = {"exceptions": [exception, {"id": new_id(), "type": "NoMessage"}]}
    return [
        bare | {"in_progress": True},
        segment("no-http"),
        segment("failing", fault=True, subsegments=[call], http={"response": {"status": 500}}),
        segment("erring", error=True, cause={"exceptions": [{"id": new_id(), "type": "E"}]}),
        segment("owned", aws={"account_id": "123456789012"}, annotations={"a": 1, "b": "x"}),
        segment("orphan", type="subsegment", parent_id=new_id()),
        segment("called", parent_id=new_id(), origin="AWS::Lambda::Function"),
    ]


@pytest.fixture(scope="module")
def traces(shared_roentgen: Roentgen) -> list[str]:
    documents = corpus()
    assert put(shared_roentgen.xray(), *documents) == []
    return [document["trace_id"] for document in documents]


def check_statistics(statistics: dict[str, Any]) -> None:
    for member in ("OkCount", "TotalCount", "TotalResponseTime"):
        assert statistics[member] is not None
    assert statistics["ErrorStatistics"]["ThrottleCount"] is not None
    assert statistics["ErrorStatistics"]["TotalCount"] is not None
    assert statistics["FaultStatistics"]["TotalCount"] is not None


def check_services(services: list[dict[str, Any]]) -> None:
    assert services
    numbers = {service["ReferenceId"] for service in services}
    for service in services:
        assert isinstance(service["ReferenceId"], int)
        assert service["Name"]
        assert isinstance(service["Edges"], list)
        if "SummaryStatistics" in service:
            check_statistics(service["SummaryStatistics"])
            assert isinstance(service["ResponseTimeHistogram"], list)
        else:
            first = service["Edges"][0]
            check_statistics(first["SummaryStatistics"])
            assert first["StartTime"]
            assert first["EndTime"]
        for edge in service["Edges"]:
            assert edge["ReferenceId"] in numbers, "the map draws every edge"
            check_statistics(edge["SummaryStatistics"])
            assert isinstance(edge["ResponseTimeHistogram"], list)


@pytest.mark.parametrize("group", [{"GroupName": ""}, {"GroupName": "Default"}, {}])
def test_service_map(shared_roentgen: Roentgen, traces: list[str], group: dict[str, str]) -> None:
    """The group picker's first choice is the group without a name, which botocore would refuse."""
    now = time.time()
    body = {"StartTime": now - 300, "EndTime": now + 1} | group
    answer = shared_roentgen.post_json("/ServiceGraph", body)
    assert answer.status_code == 200, answer.text
    services = answer.json()["Services"]
    check_services(services)
    accounts = {service["AccountId"] for service in services if service.get("AccountId") not in (None, "all")}
    assert accounts == {"123456789012"}, "which is how it finds the accounts"


def test_one_trace_and_its_graph(xray: Any, traces: list[str]) -> None:
    def read(trace_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        with ThreadPoolExecutor(2) as threads:
            trace = threads.submit(xray.batch_get_traces, TraceIds=[trace_id])
            pages = xray.get_paginator("get_trace_graph").paginate(TraceIds=[trace_id])
            services = threads.submit(lambda: [s for page in pages for s in page["Services"]])
            return trace.result(), services.result()

    for trace_id in traces:
        answer, services = read(trace_id)
        [trace] = answer["Traces"]
        assert trace["Id"] == trace_id
        assert trace["Duration"] is not None
        for stored in trace["Segments"]:
            document = json.loads(stored["Document"])
            assert document["name"]
            assert document["start_time"] is not None
        if services:
            check_services(services)
    # The plugin makes an error of an empty list.
    assert xray.batch_get_traces(TraceIds=[new_trace_id()])["Traces"] == []


def test_every_summary_has_what_a_row_needs(xray: Any, traces: list[str]) -> None:
    now = time.time()
    pages = xray.get_paginator("get_trace_summaries").paginate(StartTime=now - 300, EndTime=now + 1)
    summaries = {summary["Id"]: summary for page in pages for summary in page["TraceSummaries"]}
    assert set(traces) <= set(summaries)
    for summary in summaries.values():
        assert isinstance(summary["Http"], dict)
        assert summary["StartTime"]
        assert summary["Duration"] is not None
        assert all(isinstance(values, list) for values in summary["Annotations"].values())
        for kind in ("FaultRootCauses", "ErrorRootCauses", "ResponseTimeRootCauses"):
            for cause in summary[kind]:
                assert cause["Services"]
                for service in cause["Services"]:
                    assert service["Name"]
                    assert service["Type"] is not None, "empty where a segment has no origin"
                    assert service["EntityPath"]
                    assert all(entity["Name"] for entity in service["EntityPath"])
        for kind in ("FaultRootCauses", "ErrorRootCauses"):
            exceptions = [
                exception
                for cause in summary[kind]
                for service in cause["Services"]
                for entity in service["EntityPath"]
                for exception in entity.get("Exceptions", [])
            ]
            assert all(exception["Name"] is not None for exception in exceptions)
    assert any(summary["FaultRootCauses"] for summary in summaries.values())
    assert any(summary["ErrorRootCauses"] for summary in summaries.values())


def test_the_list_stops_at_its_own_limit(roentgen: Roentgen) -> None:
    xray = roentgen.xray()
    now = time.time()
    documents = [segment("listed", end_time=now - n % 60) for n in range(1200)]
    for first in range(0, len(documents), 50):
        put(xray, *documents[first : first + 50])
    rows: list[str] = []
    pages = xray.get_paginator("get_trace_summaries").paginate(StartTime=now - 120, EndTime=now + 1)
    for page in pages:
        rows += [summary["Id"] for summary in page["TraceSummaries"]]
        if len(rows) >= MOST_ROWS:
            break
    assert len(set(rows)) == len(rows) == MOST_ROWS


def test_analytics_lower_the_rate_between_pages(roentgen: Roentgen) -> None:
    """Four quarters of the range side by side; where there are many, it goes on with half of the rate and the
    tokens that it has."""
    xray = roentgen.xray()
    now = time.time()
    begin = now - 400
    documents = [segment("sampled", end_time=begin + 1 + n % 398) for n in range(2000)]
    for first in range(0, len(documents), 50):
        put(xray, *documents[first : first + 50])

    def quarter(number: int, rate: float, token: str | None) -> dict[str, Any]:
        arguments = {"NextToken": token} if token else {}
        return xray.get_trace_summaries(
            StartTime=begin + 100 * number,
            EndTime=begin + 100 * (number + 1),
            TimeRangeType="Event",
            Sampling=True,
            SamplingStrategy={"Name": "FixedRate", "Value": rate},
            FilterExpression='service("sampled")',
            **arguments,
        )

    seen: Counter[str] = Counter()
    rate = 1.0
    tokens: list[str | None] = ["first"] * 4
    with ThreadPoolExecutor(4) as threads:
        while any(tokens):
            asked = [n for n in range(4) if tokens[n]]
            waiting = [
                threads.submit(quarter, n, rate, None if tokens[n] == "first" else tokens[n]) for n in asked
            ]
            for number, answer in zip(asked, [call.result() for call in waiting], strict=True):
                seen.update(summary["Id"] for summary in answer["TraceSummaries"])
                tokens[number] = answer.get("NextToken")
            rate /= 2
    known = {document["trace_id"] for document in documents}
    assert seen.keys() <= known
    # Full rate for the first page of each quarter, then ever less.
    assert 400 <= len(seen) < len(known)
    # Only what is active on both sides of a border is in two quarters.
    assert sum(count - 1 for count in seen.values()) < 20


@pytest.mark.parametrize("states", [[], ["ACTIVE"], ["CLOSED"]])
def test_insights_are_none(xray: Any, states: list[str]) -> None:
    """There are no insights in this version, and the answer to a question for them is that there are none."""
    now = time.time()
    answer = xray.get_insight_summaries(
        StartTime=now - 300, EndTime=now, GroupName="Default", **({"States": states} if states else {})
    )
    assert answer["InsightSummaries"] == []
    assert not answer.get("NextToken")


@pytest.mark.bad_input
def test_insights_of_nothing_known(shared_roentgen: Roentgen) -> None:
    times = {"StartTime": 1, "EndTime": 2}
    for body, part in (
        (times, "GroupName or GroupARN"),
        (times | {"GroupName": "no-such-group"}, "Group not found"),
        (times | {"GroupName": "Default", "States": ["ACTIVE", "CLOSED"]}, "States"),
        (times | {"GroupName": "Default", "States": ["OPEN"]}, "States"),
        (times | {"GroupName": "Default", "MaxResults": 101}, "MaxResults"),
        (times | {"GroupName": "Default", "NextToken": "forged"}, "NextToken"),
        ({"GroupName": "Default", "StartTime": 2, "EndTime": 1}, "StartTime"),
    ):
        answer = shared_roentgen.post_json("/InsightSummaries", body)
        assert answer.status_code == 400, body
        assert answer.headers["x-amzn-errortype"] == "InvalidRequestException"
        assert part in answer.json()["Message"]
