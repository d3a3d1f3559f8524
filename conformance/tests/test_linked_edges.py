"""Edges between traces in GetServiceGraph: `EdgeType` `link`, and how old events were when received.

X-Ray's documentation says what such an edge is and has; which traces have part in it where the
documentation is silent is in docs/semantics.md.
"""

import time
from typing import Any

import pytest
import requests

from harness.documents import Document, new_id, put
from harness.linked import Linked, check_linked, linked_edges, queue_and_worker
from harness.roentgen import Roentgen
from harness.store_tools import run_store

MINUTE = 60


@pytest.fixture
def xray(shared_roentgen: Roentgen) -> Any:
    return shared_roentgen.xray()


def fresh(received: float | None = None) -> Linked:
    """Two traces of services that no other test has."""
    return queue_and_worker(f"-{new_id()}", received)


def graph(xray: Any, linked: Linked, **more: Any) -> list[dict[str, Any]]:
    """The nodes around the two traces that are theirs."""
    arguments = {"StartTime": time.time() - 600, "EndTime": time.time() + 1} | more
    pages = xray.get_paginator("get_service_graph").paginate(**arguments)
    services = [service for page in pages for service in page["Services"]]
    names = {linked.sender["name"], linked.worker["name"], linked.queue}
    return [service for service in services if service["Name"] in names]


def filtered(roentgen: Roentgen, expression: str) -> list[dict[str, Any]]:
    """The graph of the traces that match an expression, which is asked for by a group of them."""
    xray = roentgen.xray()
    name = f"group-{new_id()}"
    xray.create_group(GroupName=name, FilterExpression=expression)
    try:
        now = time.time()
        answer = xray.get_service_graph(StartTime=now - 600, EndTime=now + 1, GroupName=name)
        return answer["Services"]
    finally:
        xray.delete_group(GroupName=name)


def test_the_graph_of_everything_has_them(xray: Any) -> None:
    linked = fresh()
    put(xray, linked.sender, linked.worker)
    check_linked(graph(xray, linked), linked)


def test_it_does_not_matter_which_trace_comes_first(xray: Any) -> None:
    linked = fresh()
    put(xray, linked.worker)
    assert linked_edges(graph(xray, linked)) == [], "nobody knows yet where the link leads"
    put(xray, linked.sender)
    check_linked(graph(xray, linked), linked)


def test_what_comes_twice_counts_once(xray: Any) -> None:
    linked = fresh()
    for _ in range(3):
        put(xray, linked.sender, linked.worker)
    check_linked(graph(xray, linked), linked)


def test_what_is_in_progress_is_counted_when_it_ends(xray: Any) -> None:
    linked = fresh()
    running = {key: value for key, value in linked.worker.items() if key != "end_time"}
    put(xray, linked.sender, running | {"in_progress": True})
    [(_, _, edge)] = linked_edges(graph(xray, linked))
    assert edge["SummaryStatistics"]["TotalCount"] == 0
    assert [age["Count"] for age in edge["ReceivedEventAgeHistogram"]] == [1], "it was received"
    put(xray, linked.worker)
    check_linked(graph(xray, linked), linked)


def test_the_edge_follows_a_sender_that_is_corrected(xray: Any) -> None:
    """The call is streamed before it is complete: then its queue is not known yet."""
    linked = fresh()
    [call] = linked.sender["subsegments"]
    early = {key: call[key] for key in ("id", "name", "namespace", "start_time")}
    open_call: Document = early | {
        "type": "subsegment",
        "trace_id": linked.sender["trace_id"],
        "parent_id": linked.sender["id"],
        "in_progress": True,
    }
    put(xray, linked.worker, open_call, linked.sender | {"subsegments": []})
    arguments = {"StartTime": time.time() - 600, "EndTime": time.time() + 1}
    services = xray.get_service_graph(**arguments)["Services"]
    sources = [source for source, target, _ in linked_edges(services) if target == linked.worker["name"]]
    assert sources == ["SQS"]
    put(xray, linked.sender)
    check_linked(graph(xray, linked), linked)


def test_an_edge_belongs_to_the_time_of_receiving(xray: Any) -> None:
    """The event was sent in another minute than it was received in."""
    received = (time.time() // MINUTE - 3) * MINUTE + 2
    linked = fresh(received)
    put(xray, linked.sender, linked.worker)
    sent_in = {"StartTime": received - 62, "EndTime": received - 2}
    assert linked_edges(graph(xray, linked, **sent_in)) == []
    received_in = {"StartTime": received - 2, "EndTime": received + 58}
    services = graph(xray, linked, **received_in)
    check_linked(services, linked)
    [queue] = [service for service in services if service["Name"] == linked.queue]
    assert queue["SummaryStatistics"]["TotalCount"] == 0, "its own requests were a minute before"


def test_graphs_of_groups_have_those_of_their_receivers(shared_roentgen: Roentgen) -> None:
    linked = fresh()
    put(shared_roentgen.xray(), linked.sender, linked.worker)
    of_worker = filtered(shared_roentgen, f'service("{linked.worker["name"]}")')
    check_linked(of_worker, linked)
    assert linked.sender["name"] not in [service["Name"] for service in of_worker]
    assert linked_edges(filtered(shared_roentgen, f'service("{linked.sender["name"]}")')) == []
    both = f'service("{linked.worker["name"]}") OR service("{linked.sender["name"]}")'
    check_linked(filtered(shared_roentgen, both), linked)


def test_they_survive_a_crash_and_are_made_anew_from_the_log(roentgen: Roentgen) -> None:
    linked = fresh()
    put(roentgen.xray(), linked.sender, linked.worker)
    check_linked(graph(roentgen.xray(), linked), linked)
    roentgen.kill()
    roentgen.start_again()
    check_linked(graph(roentgen.xray(), linked), linked)
    # Everything settles.
    assert roentgen.stop() == 0
    run_store("rebuild", data=roentgen.data_directory)
    roentgen.start_again()
    metrics = requests.get(f"{roentgen.url}/metrics", timeout=10).text
    assert "roentgen_store_open_traces 0\n" in metrics
    check_linked(graph(roentgen.xray(), linked), linked)
    put(roentgen.xray(), linked.worker)
    check_linked(graph(roentgen.xray(), linked), linked)
