"""Ten thousand traces, page by page, while more are written and the server is started anew."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest

from harness.aws_cli import aws
from harness.documents import put, segment
from harness.roentgen import Roentgen

COUNT = 10_000
SPAN_SECONDS = 900

WRITING_PAUSE_SECONDS = 0.2
"""Between two writes of twenty traces: without, they would come faster than a slow machine reads pages."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Roentgen, set[str], float]]:
    """A server with ten thousand traces of the last quarter of an hour, their ids, and its end."""
    server = Roentgen(tmp_path_factory.mktemp("many"))
    try:
        xray = server.start().xray()
        now = time.time()
        documents = [segment("many", end_time=now - n % SPAN_SECONDS) for n in range(COUNT)]
        for first in range(0, COUNT, 50):
            assert put(xray, *documents[first : first + 50]) == []
        yield server, {document["trace_id"] for document in documents}, now
    finally:
        server.close()


@pytest.fixture(scope="module")
def written() -> set[str]:
    """The ids of all that the tests have stored besides."""
    return set()


@contextmanager
def writing(server: Roentgen, now: float, written: set[str]) -> Iterator[None]:
    """Writes traces all over the range until it is left."""
    is_over = Event()

    def write() -> None:
        xray = server.xray()
        number = 0
        while not is_over.wait(WRITING_PAUSE_SECONDS):
            documents = [segment("late", end_time=now - (number + n * 37) % SPAN_SECONDS) for n in range(20)]
            assert put(xray, *documents) == []
            written.update(document["trace_id"] for document in documents)
            number += 1

    writer = Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        is_over.set()
        writer.join()


def check(seen: Counter[str], known: set[str], written: set[str]) -> None:
    """No gap and no double, and nothing that nobody wrote."""
    assert known <= seen.keys(), f"{len(known - seen.keys())} missing"
    assert set(seen.values()) == {1}
    assert seen.keys() <= known | written


def test_boto3_pages_while_more_is_written(many: tuple[Roentgen, set[str], float], written: set[str]) -> None:
    server, known, now = many
    xray = server.xray()
    with writing(server, now, written):
        pages = xray.get_paginator("get_trace_summaries").paginate(
            StartTime=now - SPAN_SECONDS - 60, EndTime=now + 60
        )
        seen: Counter[str] = Counter()
        page_count = 0
        last_epoch = int(now) + 60
        processed = 0
        for page in pages:
            page_count += 1
            ids = [summary["Id"] for summary in page["TraceSummaries"]]
            epochs = [int(trace_id.split("-")[1], 16) for trace_id in ids]
            assert epochs == sorted(epochs, reverse=True), "newest first"
            assert not epochs or epochs[0] <= last_epoch, "pages go backwards"
            last_epoch = epochs[-1] if epochs else last_epoch
            assert page["ApproximateTime"].timestamp() <= last_epoch
            processed += page["TracesProcessedCount"]
            seen.update(ids)
    assert page_count >= COUNT // 100
    assert processed >= COUNT
    assert written
    check(seen, known, written)


def test_a_filter_pages_through_the_same(many: tuple[Roentgen, set[str], float], written: set[str]) -> None:
    server, known, now = many
    xray = server.xray()
    with writing(server, now, written):
        pages = xray.get_paginator("get_trace_summaries").paginate(
            StartTime=now - SPAN_SECONDS - 60, EndTime=now + 60, FilterExpression='service("many")'
        )
        seen = Counter(summary["Id"] for page in pages for summary in page["TraceSummaries"])
    check(seen, known, set())


@pytest.mark.aws_cli
def test_aws_cli_pages_while_more_is_written(
    many: tuple[Roentgen, set[str], float], written: set[str]
) -> None:
    server, known, now = many
    with writing(server, now, written):
        answer = aws(
            server,
            "get-trace-summaries",
            "--start-time",
            str(now - SPAN_SECONDS - 60),
            "--end-time",
            str(now + 60),
            deadline_seconds=150,  # A hundred pages by a server built without optimisation.
        )
    check(Counter(summary["Id"] for summary in answer["TraceSummaries"]), known, written)


def test_a_list_goes_on_after_a_restart(many: tuple[Roentgen, set[str], float]) -> None:
    """Tokens are places in an order that does not depend on the process that made them."""
    server, known, now = many
    arguments: dict[str, Any] = {
        "StartTime": now - SPAN_SECONDS - 60,
        "EndTime": now + 60,
        "FilterExpression": 'service("many")',
    }
    seen: Counter[str] = Counter()
    pages = 0
    while True:
        answer = server.xray().get_trace_summaries(**arguments)
        seen.update(summary["Id"] for summary in answer["TraceSummaries"])
        pages += 1
        if not answer.get("NextToken"):
            break
        arguments["NextToken"] = answer["NextToken"]
        if pages in (20, 60):
            if pages == 20:
                assert server.stop() == 0
            else:
                server.kill()
            server.start_again()
    check(seen, known, set())


def test_a_graph_that_grows_between_its_pages(roentgen: Roentgen) -> None:
    """Each service has its client besides, so there are twice as many nodes."""
    xray = roentgen.xray()
    now = time.time()
    asked = {"StartTime": now - 120, "EndTime": now + 60}

    def store(*names: str) -> set[str]:
        documents = [segment(name, end_time=now) for name in names]
        for first in range(0, len(documents), 50):
            assert put(xray, *documents[first : first + 50]) == []
        return set(names)

    before = store(*(f"service-{number:04}" for number in range(0, 1_200, 2)))
    pages = [xray.get_service_graph(**asked)]
    while token := pages[-1].get("NextToken"):
        store(*(f"service-{number:04}" for number in range(len(pages), 100, 2)))
        pages.append(xray.get_service_graph(**asked, NextToken=token))
    assert len(pages) == 2
    services = [service for page in pages for service in page["Services"]]
    nodes = [(service["Name"], service.get("Type")) for service in services]
    assert len(set(nodes)) == len(nodes), "a node comes once"
    names = {service["ReferenceId"]: service["Name"] for service in services}
    assert len(names) == len(services), "a ReferenceId is used once"
    apps = {name for name, node_type in nodes if node_type != "client"}
    assert before <= apps
    clients = [service for service in services if service.get("Type") == "client"]
    assert before <= {service["Name"] for service in clients}
    for client in clients:
        [edge] = client["Edges"]
        assert client["Name"] not in before or names[edge["ReferenceId"]] == client["Name"]
