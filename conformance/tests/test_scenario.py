"""The scenario of the README: the Bottle app asked once, asked a thousand times, and a restart."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.application import Application, start_bottle
from harness.expected_map import Statistics
from harness.polling import wait_until
from harness.reading import ServiceMap, find, read_segments, read_summaries, read_summary, wait_for_segments
from harness.recording_proxy import RecordingProxy
from harness.roentgen import Roentgen

pytestmark = pytest.mark.python_sdk

SERVICE = ("fa-074", "AWS::ECS::Container")
CLIENT = ("fa-074", "client")

NOT_SAMPLED = "1-00000000-000000000000000000000000"
"""The trace id with which the SDK answers requests it did not sample."""


@pytest.fixture
def bottle(roentgen: Roentgen, tmp_path: Path) -> Iterator[Application]:
    app = start_bottle(tmp_path / "bottle.log", roentgen.daemon_address)
    yield app
    app.close()


def trace_id_of(app: Application, headers: dict[str, str] | None = None) -> str:
    """Asks the app once and gives the trace id it answered with."""
    answer = app.get("/", headers)
    assert answer.text == "Hello X-Ray!"
    root = answer.headers["X-Amzn-Trace-Id"].split(";")[0]
    return root.removeprefix("Root=")


def test_one_request_is_visible_within_a_second(roentgen: Roentgen, bottle: Application) -> None:
    xray = roentgen.xray()
    sent = time.time()
    trace_id = trace_id_of(bottle)
    documents = wait_until(lambda: read_segments(xray, trace_id), "the trace", deadline_seconds=1.0)

    segment = find(documents, "fa-074")
    assert segment["origin"] == "AWS::ECS::Container"
    assert segment["aws"]["ecs"]["container"]
    assert segment["aws"]["xray"]["sdk"] == "X-Ray for Python"
    assert segment["http"]["request"]["url"] == f"{bottle.url}/"
    assert segment["http"]["response"]["status"] == 200

    summary = read_summary(xray, trace_id, sent)
    assert summary["ResponseTime"] == pytest.approx(segment["end_time"] - segment["start_time"], abs=0.001)
    assert (summary["HasFault"], summary["HasError"], summary["HasThrottle"]) == (
        False,
        False,
        False,
    )
    assert summary["IsPartial"] is False
    assert summary["Http"]["HttpURL"] == f"{bottle.url}/"
    assert summary["Http"]["HttpStatus"] == 200
    assert summary["EntryPoint"]["Name"] == "fa-074"
    assert summary["EntryPoint"]["Type"] == "AWS::ECS::Container"

    service_map = ServiceMap.of_range(xray, sent - 60, sent + 60)
    assert service_map.nodes() == {SERVICE, CLIENT}
    assert service_map.node(*SERVICE)["Root"] is True
    edge = service_map.edge(CLIENT, SERVICE)
    counted = Statistics.of(edge["SummaryStatistics"])
    assert (counted.ok, counted.total) == (1, 1)
    assert counted.response_time == pytest.approx(summary["ResponseTime"], abs=0.001)
    assert sum(entry["Count"] for entry in edge["ResponseTimeHistogram"]) == 1


def test_many_requests_are_sampled_by_the_default_rule(roentgen: Roentgen, tmp_path: Path) -> None:
    with RecordingProxy(roentgen.url) as proxy:
        address = f"tcp:{proxy.address} udp:{roentgen.daemon_address}"
        app = start_bottle(tmp_path / "bottle.log", address)
        try:
            check_sampling(roentgen, proxy, app)
        finally:
            app.close()


def check_sampling(roentgen: Roentgen, proxy: RecordingProxy, app: Application) -> None:
    xray = roentgen.xray()
    began = time.time()
    asked: list[str] = []

    def sampled_by_rule() -> bool:
        asked.append(trace_id_of(app))
        return rule_of(xray, asked[-1]) == "Default"

    # The SDK fetches the rules beside the first request, which it decides with its own, local rule.
    wait_until(sampled_by_rule, "a request sampled by the Default rule")
    rules = json.loads(proxy.of("/GetSamplingRules")[0].answer)["SamplingRuleRecords"]
    assert [record["SamplingRule"]["RuleName"] for record in rules] == ["Default"]

    # One per second and 5 % of the others. By chance alone, fewer than 15 or more than 110 of a thousand
    # come once in a hundred million runs.
    many = [trace_id_of(app) for _ in range(1000)]
    assert 15 <= len(set(many) - {NOT_SAMPLED}) <= 110
    sampled = {*asked, *many} - {NOT_SAMPLED}
    summaries = wait_until(
        lambda: complete(read_summaries(xray, began - 60, time.time() + 60), len(sampled)),
        f"{len(sampled)} traces",
    )
    assert {summary["Id"] for summary in summaries} == sampled
    assert {rule_of(xray, trace_id) for trace_id in many if trace_id != NOT_SAMPLED} == {"Default"}
    check_statistics(xray, sampled, began)

    # The SDK reports every ten seconds what it has counted since.
    report = wait_until(lambda: proxy.of("/SamplingTargets"), "the SDK's report", 20.0)[0]
    [statistics] = json.loads(report.request)["SamplingStatisticsDocuments"]
    assert statistics["RuleName"] == "Default"
    assert statistics["RequestCount"] > statistics["SampledCount"] > 0
    assert report.status == 200
    [target] = json.loads(report.answer)["SamplingTargetDocuments"]
    assert (target["RuleName"], target["FixedRate"], target["Interval"]) == ("Default", 0.05, 10)
    assert target["ReservoirQuota"] == 1
    assert target["ReservoirQuotaTTL"] == pytest.approx(time.time() + 300, abs=30)


def rule_of(xray: Any, trace_id: str) -> str | None:
    """The rule that the SDK names in the segment; none when it decided without the server."""
    documents = read_segments(xray, trace_id) if trace_id != NOT_SAMPLED else []
    return documents[0]["aws"]["xray"].get("sampling_rule_name") if documents else None


def complete(summaries: list[dict], count: int) -> list[dict] | None:
    return summaries if len(summaries) >= count else None


def check_statistics(xray: Any, trace_ids: set[str], began: float) -> None:
    """The map's numbers are the sums over exactly these traces."""
    segments = [find(read_segments(xray, trace_id), "fa-074") for trace_id in trace_ids]
    expected = Statistics()
    for segment in segments:
        expected.add(segment)
    service_map = ServiceMap.of_range(xray, began - 60, time.time() + 60)
    for found in (service_map.edge(CLIENT, SERVICE), service_map.node(*SERVICE)):
        counted = Statistics.of(found["SummaryStatistics"])
        assert counted.agrees_with(expected), f"{counted}, expected {expected}"
        assert counted.ok == len(trace_ids)


@pytest.mark.durability
@pytest.mark.parametrize("end", [Roentgen.stop, Roentgen.kill])
def test_a_restart_loses_nothing(
    roentgen: Roentgen, bottle: Application, end: Callable[[Roentgen], object]
) -> None:
    began = time.time()
    headers = {"X-Amzn-Trace-Id": "Sampled=1"}
    trace_ids = [trace_id_of(bottle, headers) for _ in range(5)]
    xray = roentgen.xray()
    for trace_id in trace_ids:
        wait_for_segments(xray, trace_id)
    roentgen.wait_for_accepted(len(trace_ids))
    before = {trace_id: read_segments(xray, trace_id) for trace_id in trace_ids}
    map_before = ServiceMap.of_range(xray, began - 60, began + 60).edge(CLIENT, SERVICE)

    end(roentgen)
    roentgen.start_again()

    xray = roentgen.xray()
    assert {trace_id: read_segments(xray, trace_id) for trace_id in trace_ids} == before
    assert {s["Id"] for s in read_summaries(xray, began - 60, began + 60)} == set(trace_ids)
    map_after = ServiceMap.of_range(xray, began - 60, began + 60).edge(CLIENT, SERVICE)
    assert map_after["SummaryStatistics"] == map_before["SummaryStatistics"]

    # The app goes on with the server that came back, without a restart of its own.
    again = trace_id_of(bottle, headers)
    wait_until(lambda: read_segments(xray, again), "a trace after the restart")
