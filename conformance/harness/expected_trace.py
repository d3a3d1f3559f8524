"""What a trace must look like, worked out from the documents that were sent.

Deliberately simple and deliberately not the server's code: dictionaries, two loops, the published rules.
"""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]

ANNOTATION_KEY = re.compile(r"[A-Za-z0-9_.]{1,500}")
"""Annotation keys that are kept (dots since 2024); others vanish without refusing the document."""

NOT_COMPARED = {"subsegments", "in_progress", "type", "trace_id", "parent_id"}
"""Fields that processing moves or drops: structure is compared on its own."""

AWS_NAMES = {
    "AmazonDynamoDBv2": "DynamoDB",
    "DynamoDBv2": "DynamoDB",
    "dynamodb": "DynamoDB",
    "s3": "S3",
    "sns": "SNS",
    "sqs": "SQS",
}
"""AWS services as Python, Java and .NET name them, and as X-Ray shows them."""


@dataclass
class Entity:
    """One segment or subsegment."""

    document: Document
    is_segment: bool
    parent_id: str | None
    """Of a subsegment: what it stands in. Of a segment: the caller's entity, if it has one."""

    @property
    def id(self) -> str:
        return self.document["id"]

    @property
    def is_open(self) -> bool:
        return "end_time" not in self.document

    @property
    def name(self) -> str:
        return shown_name(self.document)


@dataclass
class ExpectedTrace:
    """All entities of a trace by id."""

    entities: dict[str, Entity] = field(default_factory=dict)

    def add(self, document: Document) -> None:
        is_segment = document.get("type") != "subsegment"
        self._add(document, is_segment, document.get("parent_id"))

    def segments(self) -> list[Entity]:
        return [entity for entity in self.entities.values() if entity.is_segment]

    def subsegments(self) -> list[Entity]:
        return [entity for entity in self.entities.values() if not entity.is_segment]

    def segment_of(self, entity: Entity) -> Entity | None:
        """The segment an entity belongs to; none when it was never sent."""
        while not entity.is_segment:
            parent = self.entities.get(entity.parent_id or "")
            if parent is None:
                return None
            entity = parent
        return entity

    def _add(self, document: Document, is_segment: bool, parent_id: str | None) -> None:
        for child in document.get("subsegments") or []:
            self._add(child, False, document["id"])
        entity = Entity(document, is_segment, parent_id)
        known = self.entities.get(entity.id)
        # The closed copy wins over the open one, whatever came first; otherwise the later one.
        if known is None or known.is_open or not entity.is_open:
            self.entities[entity.id] = entity


def expect_traces(documents: Iterable[str]) -> dict[str, ExpectedTrace]:
    """Traces by id, from documents in the order in which they were sent."""
    traces: dict[str, ExpectedTrace] = {}
    for text in documents:
        document = json.loads(text)
        traces.setdefault(document["trace_id"], ExpectedTrace()).add(document)
    return traces


def shown_name(document: Document) -> str:
    """The name after processing: AWS services have one spelling."""
    name: str = document["name"]
    return AWS_NAMES.get(name, name) if document.get("namespace") == "aws" else name


def compare(expected: ExpectedTrace, documents: list[Document]) -> list[str]:
    """How a trace as read differs from the one expected; empty when it does not."""
    faults: list[str] = []
    seen: dict[str, tuple[Document, str | None]] = {}
    for document in documents:
        if not document.get("inferred"):
            _collect(document, document.get("parent_id"), seen, faults)
    for missing in expected.entities.keys() - seen.keys():
        faults.append(f"{missing} ({expected.entities[missing].name}) is missing")
    for extra in seen.keys() - expected.entities.keys():
        faults.append(f"{extra} ({seen[extra][0].get('name')}) was never sent")
    for entity_id in expected.entities.keys() & seen.keys():
        entity = expected.entities[entity_id]
        found, parent_id = seen[entity_id]
        if parent_id != entity.parent_id:
            faults.append(f"{entity_id}: parent {parent_id}, expected {entity.parent_id}")
        faults.extend(f"{entity_id} ({entity.name}): {fault}" for fault in _compare_fields(entity, found))
    return faults


def _collect(
    document: Document,
    parent_id: str | None,
    seen: dict[str, tuple[Document, str | None]],
    faults: list[str],
) -> None:
    entity_id = document["id"]
    if entity_id in seen:
        faults.append(f"{entity_id} ({document.get('name')}) is there twice")
    seen[entity_id] = (document, parent_id)
    for child in document.get("subsegments", []):
        _collect(child, entity_id, seen, faults)


def _compare_fields(entity: Entity, found: Document) -> list[str]:
    faults = []
    for name, sent in entity.document.items():
        if name in NOT_COMPARED:
            continue
        expected = _processed(name, sent, entity)
        if not same(expected, found.get(name)):
            faults.append(f"{name} is {found.get(name)!r}, expected {expected!r}")
    if bool(found.get("in_progress")) != entity.is_open:
        faults.append(f"in_progress is {found.get('in_progress')}")
    return faults


def _processed(name: str, sent: Any, entity: Entity) -> Any:
    """A field after processing."""
    if name == "name":
        return entity.name
    if name == "annotations":
        return {
            key: value
            for key, value in sent.items()
            if ANNOTATION_KEY.fullmatch(key) and isinstance(value, str | int | float | bool)
        }
    if name == "http" and isinstance(sent.get("response", {}).get("content_length"), str):
        response = {k: v for k, v in sent["response"].items() if k != "content_length"}
        return sent | {"response": response}
    return sent


def same(expected: Any, found: Any) -> bool:
    """Equality of JSON: what was sent must be there; processing may add members to an object."""
    if isinstance(expected, float) and not math.isfinite(expected):
        return found is None
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return math.isclose(expected, found, rel_tol=0, abs_tol=1e-6)
    if isinstance(expected, dict) and isinstance(found, dict):
        return all(same(value, found.get(name)) for name, value in expected.items())
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(same, expected, found))
    return bool(expected == found)
