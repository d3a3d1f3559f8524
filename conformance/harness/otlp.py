"""OTLP's JSON read into the real protobuf messages of opentelemetry-proto."""

import base64
import json
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, TracesData

ID_MEMBERS = ("traceId", "spanId", "parentSpanId")


def read_traces_data(document: str) -> TracesData:
    """Parses strictly: an unknown member or a value of another type is an error.

    OTLP's JSON has ids in hexadecimal where protobuf's own JSON has bytes in base64 (OTLP
    specification, JSON protobuf encoding); nothing else differs.
    """
    return json_format.ParseDict(_with_base64_ids(json.loads(document)), TracesData())


def read_only_span(document: str) -> tuple[ResourceSpans, Span]:
    """A document's only span and its resource."""
    [resource_spans] = read_traces_data(document).resource_spans
    [scope_spans] = resource_spans.scope_spans
    [span] = scope_spans.spans
    return resource_spans, span


def attributes_of(message: Any) -> dict[str, Any]:
    """The attributes of a span, event, link or resource as plain values."""
    return {attribute.key: _plain(attribute.value) for attribute in message.attributes}


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    content = getattr(value, kind)
    return [_plain(element) for element in content.values] if kind == "array_value" else content


def _with_base64_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_base64_ids(element) for element in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(member)).decode()
        if key in ID_MEMBERS
        else _with_base64_ids(member)
        for key, member in value.items()
    }
