"""Two traces that a queue joins, and the edge between them."""

import time
from dataclasses import dataclass
from typing import Any

import pytest

from .documents import Document, segment, subsegment

SENT_BEFORE = 5.0
"""Seconds from the start of the call that sends to the start of the segment that receives."""


@dataclass(frozen=True)
class Linked:
    """A service that sends to a queue, and a worker that receives in a trace of its own."""

    sender: Document
    worker: Document
    queue: str
    """The name of the queue's node, from which the edge leaves."""

    @property
    def trace_ids(self) -> list[str]:
        return [self.sender["trace_id"], self.worker["trace_id"]]


def queue_and_worker(suffix: str = "", received: float | None = None) -> Linked:
    """The worker starts at `received`, five seconds ago if that is not told; names end with `suffix`."""
    received = time.time() - 5 if received is None else received
    sent, queue = received - SENT_BEFORE, f"orders{suffix}"
    call = subsegment(
        "SQS",
        namespace="aws",
        start_time=sent,
        end_time=sent + 0.1,
        aws={"operation": "SendMessage", "queue_url": f"https://sqs.eu-west-1.amazonaws.com/1/{queue}"},
    )
    sender = segment(f"shop{suffix}", start_time=sent - 0.1, end_time=sent + 0.2, subsegments=[call])
    worker = segment(
        f"worker{suffix}",
        start_time=received,
        end_time=received + 1,
        links=[{"trace_id": sender["trace_id"], "id": call["id"]}],
    )
    return Linked(sender, worker, queue)


def linked_edges(services: list[dict[str, Any]]) -> list[tuple[str, str, dict[str, Any]]]:
    """The edges between traces with the names at their ends."""
    names = {service["ReferenceId"]: service["Name"] for service in services}
    return [
        (service["Name"], names[edge["ReferenceId"]], edge)
        for service in services
        for edge in service["Edges"]
        if edge.get("EdgeType") == "link"
    ]


def check_linked(services: list[dict[str, Any]], linked: Linked, received: int = 1) -> None:
    """There is one edge between traces: what the worker received so often."""
    [(source, target, edge)] = linked_edges(services)
    assert (source, target) == (linked.queue, linked.worker["name"])
    [age] = edge["ReceivedEventAgeHistogram"]
    assert age["Count"] == received
    assert age["Value"] == pytest.approx(SENT_BEFORE, rel=0.01)
    assert edge["ResponseTimeHistogram"] == []
    assert edge["SummaryStatistics"]["OkCount"] == received
    assert edge["Aliases"] == []
    others = [edge for service in services for edge in service["Edges"] if edge.get("EdgeType") != "link"]
    assert others
    assert all("ReceivedEventAgeHistogram" not in edge and "EdgeType" not in edge for edge in others)
