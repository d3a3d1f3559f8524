"""What a service map must show, worked out from the documents that were sent.

Nodes are (name, type). Numbers of an edge are the caller's: one request per subsegment, with its outcome
and its duration. The client's edge has the numbers of the segment it leads to.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .expected_trace import Document, Entity, ExpectedTrace, shown_name

Node = tuple[str, str | None]


@dataclass
class Statistics:
    """Requests by outcome, as in SummaryStatistics."""

    ok: int = 0
    throttle: int = 0
    other_error: int = 0
    fault: int = 0
    response_time: float = 0.0

    @property
    def total(self) -> int:
        return self.ok + self.throttle + self.other_error + self.fault

    def add(self, document: Document) -> None:
        """Counts one finished request; a fault outweighs an error."""
        if "end_time" not in document:
            return
        if document.get("fault"):
            self.fault += 1
        elif document.get("throttle"):
            self.throttle += 1
        elif document.get("error"):
            self.other_error += 1
        else:
            self.ok += 1
        self.response_time += document["end_time"] - document["start_time"]

    @classmethod
    def of(cls, summary: dict[str, Any]) -> "Statistics":
        """From an answer; its sums must agree with its parts."""
        error, fault = summary["ErrorStatistics"], summary["FaultStatistics"]
        read = cls(
            ok=summary["OkCount"],
            throttle=error["ThrottleCount"],
            other_error=error["OtherCount"],
            fault=fault["TotalCount"],
            response_time=summary["TotalResponseTime"],
        )
        assert error["TotalCount"] == read.throttle + read.other_error, summary
        assert fault["OtherCount"] == read.fault, summary
        assert summary["TotalCount"] == read.total, summary
        return read

    def agrees_with(self, other: "Statistics") -> bool:
        """Counts exactly; times within a millisecond per request, which answers may round to."""
        counts = (self.ok, self.throttle, self.other_error, self.fault)
        other_counts = (other.ok, other.throttle, other.other_error, other.fault)
        slack = 0.001 * max(1, self.total)
        return counts == other_counts and abs(self.response_time - other.response_time) <= slack


class ExpectedMap:
    """Nodes with the statistics of their own segments, and edges with their callers'."""

    def __init__(self, traces: Iterable[ExpectedTrace]) -> None:
        self.nodes: dict[Node, Statistics] = {}
        self.edges: dict[tuple[Node, Node], Statistics] = {}
        for trace in traces:
            for source, target, timed in _requests(trace):
                self.edges.setdefault((source, target), Statistics()).add(timed)
                self.nodes.setdefault(source, Statistics())
                self.nodes.setdefault(target, Statistics())
                if not _has_segment(trace, target):
                    self.nodes[target].add(timed)
            for segment in trace.segments():
                self.nodes.setdefault(_node_of(segment), Statistics()).add(segment.document)


def _requests(trace: ExpectedTrace) -> Iterator[tuple[Node, Node, Document]]:
    """Every call of a trace: who, whom, and the document that has its times and outcome."""
    answered = set()
    for segment in trace.segments():
        caller = trace.entities.get(segment.parent_id or "")
        caller_segment = trace.segment_of(caller) if caller else None
        if caller is None or caller_segment is None:
            if segment.parent_id is None:
                yield (segment.name, "client"), _node_of(segment), segment.document
        else:
            answered.add(caller.id)
            timed = segment if caller.is_segment else caller
            yield _node_of(caller_segment), _node_of(segment), timed.document
    for call in trace.subsegments():
        caller_segment = trace.segment_of(call)
        if call.id not in answered and caller_segment and call.document.get("namespace") in ("aws", "remote"):
            yield _node_of(caller_segment), _inferred_node(call.document), call.document


def _has_segment(trace: ExpectedTrace, node: Node) -> bool:
    return any(_node_of(segment) == node for segment in trace.segments())


def _node_of(segment: Entity) -> Node:
    return segment.name, segment.document.get("origin")


def _inferred_node(call: Document) -> Node:
    """The node of a callee that sends no segments: its resource when known, else its service."""
    name = shown_name(call)
    if call["namespace"] == "remote":
        return name, "Database::SQL" if "sql" in call else "remote"
    aws = call.get("aws") or {}
    if name == "DynamoDB" and (table := _table(aws)):
        return table, "AWS::DynamoDB::Table"
    if name == "S3" and aws.get("bucket_name"):
        return aws["bucket_name"], "AWS::S3::Bucket"
    if name == "SQS" and aws.get("queue_url"):
        return aws["queue_url"].rsplit("/", 1)[-1], "AWS::SQS::Queue"
    return name, f"AWS::{name}"


def _table(aws: dict[str, Any]) -> str | None:
    """The one table of a call. A batch over several is a call of the service; Python sends them as text."""
    tables = aws.get("table_names")
    only = tables[0] if isinstance(tables, list) and len(tables) == 1 else None
    return aws.get("table_name") or only
