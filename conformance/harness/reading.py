"""Reading traces and maps back through boto3, the way an independent client sees them."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from .polling import wait_until

Document = dict[str, Any]

BATCH_GET_TRACES_LIMIT = 5
"""Ids per BatchGetTraces and GetTraceGraph call (API reference)."""

DAY_SECONDS = 24 * 3600


def batches(items: Iterable[str], size: int = BATCH_GET_TRACES_LIMIT) -> Iterator[list[str]]:
    listed = list(items)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]


def read_segments(xray: Any, trace_id: str) -> list[Document]:
    """The processed segment documents of one trace; empty when the trace is unknown."""
    answer = xray.batch_get_traces(TraceIds=[trace_id])
    if trace_id in answer.get("UnprocessedTraceIds", []):
        return []
    return [json.loads(stored["Document"]) for trace in answer["Traces"] for stored in trace["Segments"]]


def read_many(xray: Any, trace_ids: Iterable[str]) -> dict[str, list[Document]]:
    """The processed segment documents of many traces by trace id."""
    found: dict[str, list[Document]] = {}
    for batch in batches(trace_ids):
        for trace in xray.batch_get_traces(TraceIds=batch)["Traces"]:
            found[trace["Id"]] = [json.loads(stored["Document"]) for stored in trace["Segments"]]
    return found


def wait_for_segments(
    xray: Any, trace_id: str, count: int = 1, deadline_seconds: float = 10.0
) -> list[Document]:
    """The documents of a trace once it has at least `count` segments that were really sent."""

    def look() -> list[Document] | None:
        documents = read_segments(xray, trace_id)
        real = [document for document in documents if not document.get("inferred")]
        return documents if len(real) >= count else None

    return wait_until(look, f"{count} segments of trace {trace_id}", deadline_seconds)


def walk(document: Document) -> Iterator[Document]:
    """A segment and all its subsegments, parents first."""
    yield document
    for child in document.get("subsegments", []):
        yield from walk(child)


def find(documents: Iterable[Document], name: str) -> Document:
    """The one segment or subsegment of that name that was really sent."""
    named = [
        entity
        for document in documents
        if not document.get("inferred")
        for entity in walk(document)
        if entity["name"] == name
    ]
    assert len(named) == 1, f"{len(named)} entities named {name!r}"
    return named[0]


def read_summaries(xray: Any, start: float, end: float, **arguments: Any) -> list[dict[str, Any]]:
    """All trace summaries of a time range, through botocore's own paginator."""
    pages = xray.get_paginator("get_trace_summaries").paginate(StartTime=start, EndTime=end, **arguments)
    return [summary for page in pages for summary in page["TraceSummaries"]]


def read_summary(xray: Any, trace_id: str, around: float) -> dict[str, Any]:
    """The summary of one trace that began within a minute of `around`."""
    found = [s for s in read_summaries(xray, around - 60, around + 60) if s["Id"] == trace_id]
    assert len(found) == 1, f"{len(found)} summaries of {trace_id}"
    return found[0]


class ServiceMap:
    """An answer of GetServiceGraph or GetTraceGraph, by names instead of reference ids."""

    def __init__(self, services: list[dict[str, Any]]) -> None:
        self.services = services
        self._by_reference = {service["ReferenceId"]: service for service in services}
        assert len(self._by_reference) == len(services), "a ReferenceId is used twice"

    @classmethod
    def of_range(cls, xray: Any, start: float, end: float) -> "ServiceMap":
        pages = xray.get_paginator("get_service_graph").paginate(StartTime=start, EndTime=end)
        return cls([service for page in pages for service in page["Services"]])

    @classmethod
    def of_traces(cls, xray: Any, *trace_ids: str) -> "ServiceMap":
        return cls(xray.get_trace_graph(TraceIds=list(trace_ids))["Services"])

    def nodes(self) -> set[tuple[str, str | None]]:
        """Every node as (name, type)."""
        return {self._identity(service) for service in self.services}

    def edges(self) -> dict[tuple[tuple[str, str | None], tuple[str, str | None]], dict[str, Any]]:
        """Every edge by (from, to)."""
        return {
            (self._identity(service), self._identity(self._by_reference[edge["ReferenceId"]])): edge
            for service in self.services
            for edge in service["Edges"]
        }

    def node(self, name: str, node_type: str | None) -> dict[str, Any]:
        found = [s for s in self.services if self._identity(s) == (name, node_type)]
        assert len(found) == 1, f"{len(found)} nodes {name!r} of type {node_type!r} in {self.nodes()}"
        return found[0]

    def edge(self, source: tuple[str, str | None], target: tuple[str, str | None]) -> dict[str, Any]:
        edges = self.edges()
        assert (source, target) in edges, f"no edge {source} -> {target} in {sorted(map(str, edges))}"
        return edges[source, target]

    @staticmethod
    def _identity(service: dict[str, Any]) -> tuple[str, str | None]:
        return service.get("Name", ""), service.get("Type")
