"""The aws command as a user types it, with nothing but --endpoint-url added."""

import json
import time

import pytest

from harness.aws_cli import aws
from harness.documents import put, segment
from harness.roentgen import Roentgen

pytestmark = pytest.mark.aws_cli


def test_writing_and_reading_a_trace(shared_roentgen: Roentgen) -> None:
    now = time.time()
    document = segment("typed-by-hand")
    written = aws(shared_roentgen, "put-trace-segments", "--trace-segment-documents", json.dumps(document))
    assert written == {"UnprocessedTraceSegments": []}
    trace_id = document["trace_id"]

    window = ("--start-time", str(now - 60), "--end-time", str(now + 60))
    summaries = aws(shared_roentgen, "get-trace-summaries", *window)["TraceSummaries"]
    assert trace_id in {summary["Id"] for summary in summaries}
    [trace] = aws(shared_roentgen, "batch-get-traces", "--trace-ids", trace_id)["Traces"]
    assert json.loads(trace["Segments"][0]["Document"])["name"] == "typed-by-hand"
    for answer in (
        aws(shared_roentgen, "get-service-graph", *window),
        aws(shared_roentgen, "get-trace-graph", "--trace-ids", trace_id),
    ):
        assert "typed-by-hand" in {service["Name"] for service in answer["Services"]}


def test_sampling(shared_roentgen: Roentgen) -> None:
    [record] = aws(shared_roentgen, "get-sampling-rules")["SamplingRuleRecords"]
    assert record["SamplingRule"]["RuleName"] == "Default"
    document = {
        "RuleName": "Default",
        "ClientID": "0" * 24,
        "Timestamp": int(time.time()),
        "RequestCount": 1,
        "SampledCount": 1,
    }
    answer = aws(
        shared_roentgen,
        "get-sampling-targets",
        "--sampling-statistics-documents",
        json.dumps([document]),
    )
    assert answer["SamplingTargetDocuments"][0]["RuleName"] == "Default"


def test_groups_and_their_tags(shared_roentgen: Roentgen) -> None:
    made = aws(
        shared_roentgen,
        "create-group",
        *("--group-name", "typed", "--filter-expression", 'service("typed-by-hand") { fault }'),
        *("--insights-configuration", "InsightsEnabled=true,NotificationsEnabled=false"),
        *("--tags", "Key=team,Value=shop"),
    )["Group"]
    assert made["InsightsConfiguration"] == {"InsightsEnabled": True, "NotificationsEnabled": False}
    assert made in aws(shared_roentgen, "get-groups")["Groups"]
    assert aws(shared_roentgen, "get-group", "--group-name", "typed")["Group"] == made
    tags = aws(shared_roentgen, "list-tags-for-resource", "--resource-arn", made["GroupARN"])["Tags"]
    assert tags == [{"Key": "team", "Value": "shop"}]
    aws(shared_roentgen, "update-group", "--group-name", "typed", "--filter-expression", "error")
    aws(shared_roentgen, "delete-group", "--group-arn", made["GroupARN"])
    assert made["GroupName"] not in {g["GroupName"] for g in aws(shared_roentgen, "get-groups")["Groups"]}


def test_a_time_series(shared_roentgen: Roentgen) -> None:
    start = int(time.time()) // 60 * 60 - 600
    document = segment("typed-series", start_time=start + 61, end_time=start + 62)
    aws(shared_roentgen, "put-trace-segments", "--trace-segment-documents", json.dumps(document))
    points = aws(
        shared_roentgen,
        "get-time-series-service-statistics",
        *("--start-time", str(start), "--end-time", str(start + 180), "--period", "60"),
        *("--entity-selector-expression", 'service("typed-series")'),
    )["TimeSeriesServiceStatistics"]
    assert [point["ServiceSummaryStatistics"]["TotalCount"] for point in points] == [0, 1, 0]


def test_max_items_and_starting_token(roentgen: Roentgen) -> None:
    """The command's own paging on top of the server's."""
    now = time.time()
    documents = [segment("paged") for _ in range(7)]
    put(roentgen.xray(), *documents)
    window = ("--start-time", str(now - 60), "--end-time", str(now + 60))
    seen: list[str] = []
    token: tuple[str, ...] = ()
    while True:
        page = aws(roentgen, "get-trace-summaries", *window, "--max-items", "3", *token)
        seen += [summary["Id"] for summary in page["TraceSummaries"]]
        if "NextToken" not in page:
            break
        token = ("--starting-token", page["NextToken"])
    assert sorted(seen) == sorted(document["trace_id"] for document in documents)
