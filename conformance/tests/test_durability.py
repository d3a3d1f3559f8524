"""Acknowledged means stored: whatever PutTraceSegments answered for survives kill -9."""

import json
import threading
from collections.abc import Callable

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from harness.documents import put, segment, subsegment
from harness.polling import wait_until
from harness.reading import read_many, read_segments
from harness.roentgen import Roentgen

pytestmark = pytest.mark.durability

ROUNDS = 5
WRITERS = 4
ACKNOWLEDGED_BEFORE_KILL = 40
"""Calls that must have been answered before the server is killed in the middle of the next ones."""


class Writer(threading.Thread):
    """Sends calls of three documents until the server is gone; remembers what was acknowledged."""

    def __init__(self, server: Roentgen) -> None:
        super().__init__(daemon=True)
        self._xray = server.xray()
        self.acknowledged: list[dict] = []

    def run(self) -> None:
        while True:
            documents = [segment("acknowledged", metadata={"default": {"text": "x" * 500}}) for _ in range(3)]
            try:
                assert put(self._xray, *documents) == []
            except (BotoCoreError, ClientError):
                return
            self.acknowledged.extend(documents)


def test_killed_in_the_middle_of_writing(roentgen: Roentgen) -> None:
    acknowledged: list[dict] = []
    for _ in range(ROUNDS):
        writers = [Writer(roentgen) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        wait_until(
            lambda writers=writers: (
                sum(len(writer.acknowledged) for writer in writers) >= 3 * ACKNOWLEDGED_BEFORE_KILL
            ),
            "acknowledged calls",
        )
        roentgen.kill()
        for writer in writers:
            writer.join(30)
            assert not writer.is_alive(), "a call hangs on a server that is gone"
            acknowledged += writer.acknowledged
        roentgen.start_again()
        check_all_there(roentgen, acknowledged)


def check_all_there(server: Roentgen, documents: list[dict]) -> None:
    sent = {document["trace_id"]: document for document in documents}
    found = read_many(server.xray(), sent)
    missing = sent.keys() - found.keys()
    assert not missing, f"{len(missing)} of {len(sent)} acknowledged traces are gone"
    for trace_id, document in sent.items():
        [read] = found[trace_id]
        assert read["id"] == document["id"]
        assert read["metadata"] == document["metadata"]


@pytest.mark.parametrize("end", [Roentgen.stop, Roentgen.kill])
def test_a_trace_goes_on_after_a_restart(roentgen: Roentgen, end: Callable[[Roentgen], object]) -> None:
    """Parts of one trace, and an open segment and its closed copy, on both sides of a restart."""
    closed = segment("spans-a-restart")
    opened = {k: v for k, v in closed.items() if k != "end_time"} | {"in_progress": True}
    child = subsegment("early", type="subsegment", trace_id=closed["trace_id"], parent_id=closed["id"])
    put(roentgen.xray(), opened, child)
    end(roentgen)
    roentgen.start_again()
    xray = roentgen.xray()
    [before] = read_segments(xray, closed["trace_id"])
    assert before["in_progress"] is True
    put(xray, closed)
    [after] = read_segments(xray, closed["trace_id"])
    assert after["end_time"] == pytest.approx(closed["end_time"], abs=1e-6)
    assert [part["id"] for part in after["subsegments"]] == [child["id"]]
    services = xray.get_trace_graph(TraceIds=[closed["trace_id"]])["Services"]
    real = next(service for service in services if service.get("Type") != "client")
    assert real["SummaryStatistics"]["TotalCount"] == 1


def test_what_came_over_udp_survives_a_clean_stop(roentgen: Roentgen) -> None:
    documents = [segment("datagram") for _ in range(100)]
    for count, document in enumerate(documents, start=1):
        roentgen.send_document(document)
        if count % 20 == 0:
            roentgen.wait_for_accepted(count)
    assert roentgen.stop() == 0
    roentgen.start_again()
    found = read_many(roentgen.xray(), [document["trace_id"] for document in documents])
    assert len(found) == len(documents)


def test_a_torn_end_of_the_log_is_no_obstacle(roentgen: Roentgen) -> None:
    """A power cut may leave half a record behind: the server starts, and what was whole is there."""
    documents = [segment("whole") for _ in range(10)]
    put(roentgen.xray(), *documents)
    roentgen.kill()
    largest = max(
        (path for path in roentgen.data_directory.rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    with largest.open("ab") as log:
        log.write(json.dumps(segment("half")).encode()[:60] + b"\x00\xff\x00")
    roentgen.start_again()
    check = read_many(roentgen.xray(), [document["trace_id"] for document in documents])
    assert len(check) == len(documents)
    assert put(roentgen.xray(), segment("after")) == []
