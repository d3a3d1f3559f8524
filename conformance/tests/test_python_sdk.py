"""The official SDK for Python beyond the Bottle app: Flask, segments made by hand, boto3."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.application import PYTHON_APPS, Application, run_python, start_announcing
from harness.aws_mock import AwsMock
from harness.expected_map import Statistics
from harness.reading import ServiceMap, find, read_summary, wait_for_segments, walk
from harness.roentgen import Roentgen

pytestmark = pytest.mark.python_sdk


@pytest.fixture(scope="module")
def flask(shared_roentgen: Roentgen, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    log = tmp_path_factory.mktemp("flask") / "flask.log"
    app = start_announcing(
        [sys.executable, str(PYTHON_APPS / "flask_app.py")], log, shared_roentgen.daemon_address
    )
    yield app
    app.close()


@pytest.mark.parametrize(
    ("path", "status", "flags"),
    [
        ("/", 200, set()),
        ("/missing", 404, {"error"}),
        ("/busy", 429, {"error", "throttle"}),
        ("/broken", 500, {"fault"}),
    ],
)
def test_flask_outcomes(xray: Any, flask: Application, path: str, status: int, flags: set[str]) -> None:
    sent = time.time()
    trace_id, answer = flask.get_traced(path)
    assert answer.status_code == status
    segment = find(wait_for_segments(xray, trace_id), "flask-shop")
    assert {flag for flag in ("error", "throttle", "fault") if segment.get(flag)} == flags
    assert segment["http"]["response"]["status"] == status

    summary = read_summary(xray, trace_id, sent)
    assert summary["HasError"] == ("error" in flags)
    assert summary["HasThrottle"] == ("throttle" in flags)
    assert summary["HasFault"] == ("fault" in flags)
    assert summary["Http"]["HttpStatus"] == status
    service_map = ServiceMap.of_traces(xray, trace_id)
    edge = service_map.edge(("flask-shop", "client"), ("flask-shop", None))
    counted = Statistics.of(edge["SummaryStatistics"])
    expected = Statistics()
    expected.add(segment)
    assert counted.agrees_with(expected)


def test_flask_exception_is_kept(xray: Any, flask: Application) -> None:
    trace_id, _ = flask.get_traced("/broken")
    exception = find(wait_for_segments(xray, trace_id), "flask-shop")["cause"]["exceptions"][0]
    assert exception["type"] == "RuntimeError"
    assert exception["message"] == "the shelf fell down"
    assert exception["stack"][0]["path"]


@pytest.fixture(scope="module")
def manual(shared_roentgen: Roentgen, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Trace ids of the scenarios of manual_segments.py."""
    log = tmp_path_factory.mktemp("manual") / "manual.log"
    return json.loads(run_python("manual_segments.py", log, shared_roentgen.daemon_address))


def test_nested_subsegments_annotations_and_metadata(xray: Any, manual: dict[str, str]) -> None:
    trace_id = manual["nested"]
    documents = wait_for_segments(xray, trace_id)
    segment = find(documents, "warehouse")
    assert [entity["name"] for entity in walk(segment)] == ["warehouse", "pick", "move", "grip"]
    assert segment["user"] == "customer-7"
    assert segment["annotations"] == {"shelf": "A-12", "weight": 12.5, "fragile": True}
    assert find(documents, "pick")["annotations"] == {"robot": 9}
    assert find(documents, "grip")["metadata"]["default"]["force"] == {"newton": 40}
    assert segment["metadata"]["stock"]["list"] == [1, "two", None]
    # Python writes NaN and Infinity, which JSON does not have. Nothing else of the document may be lost.
    assert segment["metadata"]["default"] == {"not_a_number": None, "endless": None}

    summary = read_summary(xray, trace_id, segment["start_time"])
    assert [user["UserName"] for user in summary["Users"]] == ["customer-7"]
    values = {key: [v["AnnotationValue"] for v in found] for key, found in summary["Annotations"].items()}
    assert values == {
        "shelf": [{"StringValue": "A-12"}],
        "weight": [{"NumberValue": 12.5}],
        "fragile": [{"BooleanValue": True}],
        "robot": [{"NumberValue": 9.0}],
    }


def test_exception_is_referred_to_by_its_parents(xray: Any, manual: dict[str, str]) -> None:
    documents = wait_for_segments(xray, manual["exception"])
    grip = find(documents, "grip")
    exception = grip["cause"]["exceptions"][0]
    assert exception["type"] == "KeyError"
    assert exception["message"] == "'no such \"shelf\" ☃'"
    assert find(documents, "pick")["cause"] == exception["id"]
    assert find(documents, "warehouse")["cause"] == exception["id"]
    assert all(find(documents, name)["fault"] for name in ("warehouse", "pick", "grip"))


def test_a_segment_is_connected_to_its_caller(xray: Any, manual: dict[str, str]) -> None:
    trace_id = manual["called"]
    documents = wait_for_segments(xray, trace_id, count=2)
    assert not [document for document in documents if document.get("inferred")]
    service_map = ServiceMap.of_traces(xray, trace_id)
    assert service_map.nodes() == {
        ("shop-window", "client"),
        ("shop-window", None),
        ("warehouse", None),
    }
    call = (
        next(e for e in walk(documents[0]) if e.get("namespace") == "remote")
        if (documents[0]["name"] == "shop-window")
        else next(e for e in walk(documents[1]) if e.get("namespace") == "remote")
    )
    expected = Statistics()
    expected.add(call)
    edge = service_map.edge(("shop-window", None), ("warehouse", None))
    assert Statistics.of(edge["SummaryStatistics"]).agrees_with(expected)


def test_streamed_subsegments_find_their_parents(
    shared_roentgen: Roentgen, xray: Any, tmp_path: Path
) -> None:
    output = run_python("streamed_subsegments.py", tmp_path / "streamed.log", shared_roentgen.daemon_address)
    traces = json.loads(output)
    flat = wait_for_segments(xray, traces["flat"])
    assert len(flat) == 1
    assert {child["name"] for child in flat[0]["subsegments"]} == {f"step-{n}" for n in range(45)}
    assert len(flat[0]["subsegments"]) == 45

    nested = wait_for_segments(xray, traces["open_parent"])
    assert len(nested) == 1
    parent = find(nested, "parent")
    assert {child["name"] for child in parent["subsegments"]} == {f"child-{n}" for n in range(35)}
    assert all(child["annotations"]["number"] in range(35) for child in parent["subsegments"])


def test_boto3_calls_make_nodes_of_their_resources(
    shared_roentgen: Roentgen, xray: Any, tmp_path: Path
) -> None:
    with AwsMock() as mock:
        trace_id = run_python(
            "aws_calls.py", tmp_path / "aws.log", shared_roentgen.daemon_address, mock.url
        ).strip()
    documents = wait_for_segments(xray, trace_id)
    segment = find(documents, "aws-caller")
    calls = [call for call in walk(segment) if call.get("namespace") == "aws"]
    assert [(call["name"], call["aws"]["operation"]) for call in calls] == [
        ("S3", "PutObject"),
        ("DynamoDB", "PutItem"),
        ("DynamoDB", "PutItem"),
    ]
    inferred = {document["parent_id"]: document for document in documents if document.get("inferred")}
    assert {inferred[call["id"]]["origin"] for call in calls} == {
        "AWS::S3::Bucket",
        "AWS::DynamoDB::Table",
    }
    service_map = ServiceMap.of_traces(xray, trace_id)
    caller = ("aws-caller", None)
    table = Statistics.of(
        service_map.edge(caller, ("Throttled", "AWS::DynamoDB::Table"))["SummaryStatistics"]
    )
    assert table.total == 1
    assert table.ok == 0
    for node in (("receipts", "AWS::S3::Bucket"), ("Orders", "AWS::DynamoDB::Table")):
        assert Statistics.of(service_map.edge(caller, node)["SummaryStatistics"]).ok == 1
    web = Statistics.of(service_map.edge(caller, ("127.0.0.1", "remote"))["SummaryStatistics"])
    assert web.other_error == 1
