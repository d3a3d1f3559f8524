"""`roentgen sample-traffic` and the console's button: a rich map within ten seconds."""

import time
from pathlib import Path

import pytest

from harness.environment import child_environment, roentgen_binary
from harness.expected_map import Statistics
from harness.polling import wait_until
from harness.process import LoggedProcess
from harness.reading import ServiceMap, read_summaries
from harness.roentgen import Roentgen

SERVICES_AT_LEAST = 10

LOOK_BACK_SECONDS = 900
"""The shop begins with some minutes of history, so that lists and charts are not empty."""


def rich_map(server: Roentgen, began: float) -> ServiceMap | None:
    """The map once it has ten real services, and requests of every outcome."""
    service_map = ServiceMap.of_range(server.xray(), began - LOOK_BACK_SECONDS, time.time() + 60)
    real = [s for s in service_map.services if s.get("Type") != "client" and s["State"] == "active"]
    sums = [Statistics.of(service["SummaryStatistics"]) for service in real]
    has_all = all(
        sum(getattr(statistics, outcome) for statistics in sums) > 0
        for outcome in ("ok", "other_error", "throttle", "fault")
    )
    return service_map if len(real) >= SERVICES_AT_LEAST and has_all else None


def test_within_ten_seconds_the_map_is_rich(roentgen: Roentgen, tmp_path: Path) -> None:
    began = time.time()
    traffic = LoggedProcess(
        [
            str(roentgen_binary()),
            "sample-traffic",
            "--to",
            roentgen.daemon_address,
            "--duration",
            "10",
        ],
        tmp_path / "sample-traffic.log",
        child_environment(),
    )
    service_map = wait_until(lambda: rich_map(roentgen, began), "a rich map", 10.0)
    types = {node_type for _, node_type in service_map.nodes()}
    assert "Database::SQL" in types
    assert any(node_type and node_type.startswith("AWS::SQS") for node_type in types), types
    assert traffic.wait_for_exit(30) == 0
    assert roentgen.status()["documentsRejected"] == 0

    summaries = read_summaries(roentgen.xray(), began - LOOK_BACK_SECONDS, time.time() + 60)
    assert len(summaries) > 20
    assert any(summary["Annotations"] for summary in summaries)
    # Every segment of the shop has its caller: one entry point, no service that hangs in the air.
    entry_points = {summary["EntryPoint"]["Name"] for summary in summaries if not summary["IsPartial"]}
    clients = {name for name, node_type in service_map.nodes() if node_type == "client"}
    assert entry_points <= clients


def test_the_button_starts_it_once(roentgen: Roentgen) -> None:
    began = time.time()
    started = roentgen.post_json("/api/v1/sample-traffic", {})
    assert started.status_code == 202, started.text
    assert started.json()["endsAt"] == pytest.approx(time.time() + 60, abs=10)
    again = roentgen.post_json("/api/v1/sample-traffic", {})
    assert again.status_code == 409
    assert again.json()["Message"]
    assert roentgen.status()["sampleTraffic"]["running"] is True
    wait_until(lambda: rich_map(roentgen, began), "a rich map", 10.0)
