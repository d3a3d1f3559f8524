"""Retrieval of traces: start, poll, list in both formats, graph, cancel."""

import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from harness.captured import Capture, read_captures
from harness.documents import Document, new_id, new_trace_id, put, segment, subsegment
from harness.linked import check_linked, queue_and_worker
from harness.otlp import attributes_of, read_only_span
from harness.polling import wait_until
from harness.reading import read_segments, walk
from harness.roentgen import Roentgen

MOST_TRACES_OF_A_PAGE = 5
MOST_DOCUMENTS_OF_A_TRACE = 100
MOST_CHARACTERS_OF_A_DOCUMENT = 204_800
"""The limits of the API model."""

FAR_PAST, FAR_FUTURE = 0, 4_000_000_000


def start(xray: Any, ids: Iterable[str], **times: float) -> str:
    """Starts a retrieval; gives its token once it is complete."""
    times = {"StartTime": FAR_PAST, "EndTime": FAR_FUTURE} | times
    token = xray.start_trace_retrieval(TraceIds=list(ids), **times)["RetrievalToken"]

    def is_complete() -> bool:
        status = xray.list_retrieved_traces(RetrievalToken=token)["RetrievalStatus"]
        assert status in ("SCHEDULED", "RUNNING", "COMPLETE"), status
        return status == "COMPLETE"

    wait_until(is_complete, "a complete retrieval")
    return token


def list_pages(xray: Any, token: str, trace_format: str) -> list[list[dict[str, Any]]]:
    pages, arguments = [], {"RetrievalToken": token, "TraceFormat": trace_format}
    while True:
        answer = xray.list_retrieved_traces(**arguments)
        assert answer["RetrievalStatus"] == "COMPLETE"
        assert answer["TraceFormat"] == trace_format
        pages.append(answer["Traces"])
        if not answer.get("NextToken"):
            return pages
        arguments["NextToken"] = answer["NextToken"]


def list_documents(xray: Any, token: str, trace_format: str) -> dict[str, list[dict[str, Any]]]:
    """All documents by trace, over all pages."""
    found: dict[str, list[dict[str, Any]]] = {}
    for page in list_pages(xray, token, trace_format):
        assert len(page) <= MOST_TRACES_OF_A_PAGE
        for trace in page:
            assert 0 < len(trace["Spans"]) <= MOST_DOCUMENTS_OF_A_TRACE
            assert all(len(span["Document"]) <= MOST_CHARACTERS_OF_A_DOCUMENT for span in trace["Spans"])
            found.setdefault(trace["Id"], []).extend(trace["Spans"])
    return found


def error_of(call: Any, **arguments: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return raised.value.response["Error"]


def test_what_is_retrieved_is_what_batch_get_traces_has(xray: Any) -> None:
    documents = [segment("retrieved", subsegments=[subsegment("work")]) for _ in range(12)]
    put(xray, *documents)
    ids = [document["trace_id"] for document in documents]
    unknown = new_trace_id()
    token = start(xray, [*ids[:6], unknown, *ids[6:], ids[0]])
    pages = list_pages(xray, token, "XRAY")
    assert [len(page) for page in pages] == [5, 5, 2]
    traces = [trace for page in pages for trace in page]
    assert [trace["Id"] for trace in traces] == ids, "in the order asked, each once, without unknown ones"
    for trace in traces:
        assert trace["Duration"] == pytest.approx(0.1, abs=0.002)
        assert [json.loads(span["Document"]) for span in trace["Spans"]] == read_segments(xray, trace["Id"])
        assert [span["Id"] for span in trace["Spans"]] == [
            json.loads(span["Document"])["id"] for span in trace["Spans"]
        ]


def test_a_retrieval_tells_nothing_that_came_after_it(xray: Any) -> None:
    document = segment("before")
    put(xray, document)
    token = start(xray, [document["trace_id"]])
    put(xray, segment("after", trace_id=document["trace_id"]))
    [found] = list_documents(xray, token, "XRAY").values()
    assert [json.loads(span["Document"])["name"] for span in found] == ["before"]
    token = start(xray, [document["trace_id"]])
    [found] = list_documents(xray, token, "XRAY").values()
    assert len(found) == 2


def test_only_traces_that_were_active_in_the_range(xray: Any) -> None:
    epoch = int(time.time()) - 500
    document = segment("ranged", start_time=epoch, end_time=epoch + 10, trace_id=new_trace_id(epoch))
    put(xray, document)

    def found(begin: float, end: float) -> bool:
        token = start(xray, [document["trace_id"]], StartTime=begin, EndTime=end)
        return bool(list_documents(xray, token, "XRAY"))

    assert found(epoch + 5, epoch + 6)
    assert found(epoch - 5, epoch), "both ends are inclusive"
    assert found(epoch + 10, epoch + 11)
    assert not found(epoch - 5, epoch - 1)
    assert not found(epoch + 11, epoch + 12)


def test_a_trace_with_many_documents_goes_on_in_the_next_page(xray: Any) -> None:
    trace_id = new_trace_id()
    documents = [segment("part", trace_id=trace_id) for _ in range(230)]
    for first in range(0, len(documents), 50):
        put(xray, *documents[first : first + 50])
    token = start(xray, [trace_id])
    for trace_format in ("XRAY", "OTEL"):
        pages = list_pages(xray, token, trace_format)
        assert [[len(trace["Spans"]) for trace in page] for page in pages] == [[100], [100], [30]]
        [found] = list_documents(xray, token, trace_format).values()
        assert {span["Id"] for span in found} == {document["id"] for document in documents}
        assert len(found) == len(documents)


def test_a_segment_over_the_limit_of_a_document_comes_in_parts(xray: Any) -> None:
    root = segment("root")
    parts = [
        segment(
            f"part-{number}",
            trace_id=root["trace_id"],
            type="subsegment",
            parent_id=root["id"],
            metadata={"default": {"text": "x" * 60_000}},
        )
        for number in range(4)
    ]
    put(xray, root, *parts)
    token = start(xray, [root["trace_id"]])
    [found] = list_documents(xray, token, "XRAY").values()
    told = [json.loads(span["Document"]) for span in found]
    assert {document["name"] for document in told} == {"root", "part-0", "part-1", "part-2", "part-3"}
    # What was told can be sent again, under another id, and says the same.
    again = new_trace_id()
    assert put(xray, *[document | {"trace_id": again} for document in told]) == []
    [copy] = read_segments(xray, again)
    assert {part["name"] for part in copy["subsegments"]} == {f"part-{number}" for number in range(4)}


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def sent_documents(capture: Capture) -> list[Document]:
    """What of a capture is the JSON of a document."""
    parsed = [json.loads(text) for text in capture.documents() if is_json(text)]
    return [document for document in parsed if isinstance(document, dict)]


def trace_ids(capture: Capture) -> list[str]:
    return sorted({document["trace_id"] for document in sent_documents(capture) if "trace_id" in document})


@pytest.mark.parametrize(
    "capture",
    [capture for capture in read_captures() if trace_ids(capture)],
    ids=lambda capture: capture.name,
)
def test_captures_are_spans_that_opentelemetry_reads(xray: Any, capture: Capture) -> None:
    """Every (sub)segment that an SDK sent becomes one span of the same id, times, parent and outcome."""
    for document in sent_documents(capture):
        put(xray, document)
    known_ids = [trace_id for trace_id in trace_ids(capture) if read_segments(xray, trace_id)]
    assert known_ids
    token = start(xray, known_ids)
    documents = list_documents(xray, token, "OTEL")
    assert sorted(documents) == known_ids
    for trace_id, spans in documents.items():
        segments = [document for document in read_segments(xray, trace_id) if not document.get("inferred")]
        known = {entity["id"]: (entity, document) for document in segments for entity in walk(document)}
        parents = {document["id"]: document.get("parent_id", "") for document in segments}
        parents |= {
            held["id"]: entity["id"] for entity, _ in known.values() for held in entity.get("subsegments", [])
        }
        assert {span["Id"] for span in spans} == set(known)
        for told in spans:
            resource_spans, span = read_only_span(told["Document"])
            entity, document = known[told["Id"]]
            check_span(span, entity, trace_id)
            assert span.parent_span_id.hex() == parents[told["Id"]]
            if document.get("type") != "subsegment":
                assert attributes_of(resource_spans.resource)["service.name"] == document["name"]


def check_span(span: Span, entity: Document, trace_id: str) -> None:
    assert span.trace_id.hex() == trace_id.removeprefix("1-").replace("-", "")
    assert span.span_id.hex() == entity["id"]
    assert span.name == entity["name"]
    assert span.start_time_unix_nano / 1e9 == pytest.approx(entity["start_time"], abs=1e-6)
    assert span.end_time_unix_nano / 1e9 == pytest.approx(entity.get("end_time", 0), abs=1e-6)
    is_bad = any(entity.get(flag) for flag in ("fault", "error", "throttle"))
    status = entity.get("http", {}).get("response", {}).get("status")
    if is_bad:
        assert span.status.code == Status.STATUS_CODE_ERROR
    elif not (isinstance(status, int) and status >= 400):
        assert span.status.code == Status.STATUS_CODE_UNSET
    cause = entity.get("cause")
    exceptions = cause.get("exceptions", []) if isinstance(cause, dict) else []
    assert [event.name for event in span.events] == ["exception"] * len(exceptions)
    for event, exception in zip(span.events, exceptions, strict=True):
        told = attributes_of(event)
        assert told.get("exception.type") == exception.get("type")
        assert told.get("exception.message") == exception.get("message")
    attributes = attributes_of(span)
    http = entity.get("http", {})
    assert attributes.get("url.full") == http.get("request", {}).get("url")
    assert attributes.get("http.request.method") == http.get("request", {}).get("method")
    for key, value in entity.get("annotations", {}).items():
        assert attributes[key] == value
        assert key in attributes["aws.xray.annotations"]
    for namespace, content in entity.get("metadata", {}).items():
        assert json.loads(attributes[f"aws.xray.metadata.{namespace}"]) == content


def test_spans_of_a_call(xray: Any) -> None:
    trace_id, earlier = new_trace_id(), new_trace_id()
    call = subsegment(
        "dynamodb", namespace="aws", aws={"operation": "GetItem", "table_name": "carts", "retries": 1}
    )
    query = subsegment(
        "orders@db", namespace="remote", sql={"database_type": "PostgreSQL", "sanitized_query": "SELECT ?"}
    )
    root = segment(
        "shop",
        trace_id=trace_id,
        origin="AWS::ECS::Fargate",
        user="ada",
        links=[{"trace_id": earlier, "id": new_id(), "attributes": {"aws.xray.reason": "queue"}}],
        subsegments=[call, query, subsegment("render")],
    )
    put(xray, root)
    token = start(xray, [trace_id])
    told = list_documents(xray, token, "OTEL")[trace_id]
    spans = {
        span.name: (resource, span) for resource, span in map(read_only_span, [t["Document"] for t in told])
    }
    assert set(spans) == {"shop", "DynamoDB", "orders@db", "render"}, "what was inferred is no span"
    kinds = {name: span.kind for name, (_, span) in spans.items()}
    assert kinds == {
        "shop": Span.SPAN_KIND_SERVER,
        "DynamoDB": Span.SPAN_KIND_CLIENT,
        "orders@db": Span.SPAN_KIND_CLIENT,
        "render": Span.SPAN_KIND_INTERNAL,
    }
    resource, shop = spans["shop"]
    assert attributes_of(resource.resource)["cloud.platform"] == "aws_ecs"
    assert attributes_of(shop)["enduser.id"] == "ada"
    [link] = shop.links
    assert link.trace_id.hex() == earlier.removeprefix("1-").replace("-", "")
    assert link.span_id.hex() == root["links"][0]["id"]
    assert attributes_of(link) == {"aws.xray.reason": "queue"}
    aws = attributes_of(spans["DynamoDB"][1])
    assert aws["rpc.system"] == "aws-api"
    assert aws["rpc.method"] == "GetItem"
    assert aws["aws.dynamodb.table_names"] == ["carts"]
    assert aws["aws.retries"] == 1
    sql = attributes_of(spans["orders@db"][1])
    assert (sql["db.system.name"], sql["db.query.text"]) == ("postgresql", "SELECT ?")


def test_links_are_edges_of_the_graph_of_both_traces(xray: Any) -> None:
    linked = queue_and_worker()
    put(xray, linked.sender, linked.worker)
    ids = linked.trace_ids
    check_linked(xray.get_trace_graph(TraceIds=ids)["Services"], linked)
    check_linked(xray.get_trace_graph(TraceIds=ids[::-1])["Services"], linked)
    alone = xray.get_trace_graph(TraceIds=ids[1:])["Services"]
    assert all("EdgeType" not in edge for service in alone for edge in service["Edges"])

    token = start(xray, ids)
    answer = xray.get_retrieved_traces_graph(RetrievalToken=token)
    assert answer["RetrievalStatus"] == "COMPLETE"
    assert not answer.get("NextToken")
    check_linked([entry["Service"] for entry in answer["Services"]], linked)
    links = {entry["Service"]["Name"]: entry["Links"] for entry in answer["Services"] if entry["Links"]}
    assert set(links) == {"orders", "worker"}
    for [link] in links.values():
        assert link["SourceTraceId"] == ids[0]
        assert link["DestinationTraceIds"] == ids[1:]
    assert links["orders"][0]["ReferenceType"] == "SOURCE"
    assert links["worker"][0]["ReferenceType"] == "DESTINATION"


def test_a_graph_of_more_services_than_a_page_holds(roentgen: Roentgen) -> None:
    xray = roentgen.xray()
    trace_id = new_trace_id()
    documents = [segment(f"service-{n}", trace_id=trace_id, parent_id=new_id()) for n in range(1100)]
    for first in range(0, len(documents), 50):
        put(xray, *documents[first : first + 50])
    token = start(xray, [trace_id])
    names, arguments = [], {"RetrievalToken": token}
    while True:
        answer = xray.get_retrieved_traces_graph(**arguments)
        assert len(answer["Services"]) <= 1000
        names += [entry["Service"]["Name"] for entry in answer["Services"]]
        if not answer.get("NextToken"):
            break
        arguments["NextToken"] = answer["NextToken"]
    assert sorted(names) == sorted(document["name"] for document in documents)


def test_cancelled_ones_stay_what_they_are(xray: Any) -> None:
    document = segment("cancelled")
    put(xray, document)
    token = start(xray, [document["trace_id"]])
    xray.cancel_trace_retrieval(RetrievalToken=token)
    assert list_documents(xray, token, "XRAY"), "a complete one stays complete"
    token = xray.start_trace_retrieval(
        TraceIds=[document["trace_id"]], StartTime=FAR_PAST, EndTime=FAR_FUTURE
    )["RetrievalToken"]
    xray.cancel_trace_retrieval(RetrievalToken=token)
    answer = xray.list_retrieved_traces(RetrievalToken=token)
    # It may have been complete already; else it is cancelled, and tells nothing.
    assert answer["RetrievalStatus"] in ("CANCELLED", "COMPLETE")
    if answer["RetrievalStatus"] == "CANCELLED":
        assert answer["Traces"] == []
        assert xray.get_retrieved_traces_graph(RetrievalToken=token)["Services"] == []


@pytest.mark.bad_input
def test_requests_out_of_bounds(xray: Any) -> None:
    ids = [new_trace_id()]
    times = {"StartTime": 1, "EndTime": 2}
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (xray.start_trace_retrieval, {"TraceIds": ids * 101, **times}, "0 to 100 ids"),
        (xray.start_trace_retrieval, {"TraceIds": ["no id"], **times}, "is not a trace id"),
        (xray.start_trace_retrieval, {"TraceIds": ids, "StartTime": 2, "EndTime": 1}, "StartTime"),
    ]
    for call, arguments, part in cases:
        error = error_of(call, **arguments)
        assert error["Code"] == "InvalidRequestException", error
        assert part in error["Message"]
    for call in (
        xray.list_retrieved_traces,
        xray.get_retrieved_traces_graph,
        xray.cancel_trace_retrieval,
    ):
        for token in ("", "x" * 1020, "00000000000000000000000000000000"):
            assert error_of(call, RetrievalToken=token)["Code"] == "ResourceNotFoundException"


@pytest.mark.bad_input
def test_forged_and_foreign_page_tokens(xray: Any) -> None:
    documents = [segment("paged") for _ in range(6)]
    put(xray, *documents)
    ids = [document["trace_id"] for document in documents]
    first, second = start(xray, ids), start(xray, ids)
    page_token = xray.list_retrieved_traces(RetrievalToken=first)["NextToken"]
    cases = [
        {"RetrievalToken": first, "NextToken": "forged"},
        {"RetrievalToken": first, "NextToken": page_token, "TraceFormat": "OTEL"},
        {"RetrievalToken": second, "NextToken": page_token},
    ]
    for arguments in cases:
        error = error_of(xray.list_retrieved_traces, **arguments)
        assert error["Code"] == "InvalidRequestException", (arguments, error)
        assert "NextToken" in error["Message"]


def test_an_empty_retrieval_is_complete(xray: Any) -> None:
    token = start(xray, [])
    assert list_documents(xray, token, "XRAY") == {}
    assert xray.get_retrieved_traces_graph(RetrievalToken=token)["Services"] == []


def test_a_restart_forgets_retrievals_but_no_trace(roentgen: Roentgen) -> None:
    xray = roentgen.xray()
    document = segment("kept")
    put(xray, document)
    token = start(xray, [document["trace_id"]])
    assert roentgen.stop() == 0
    roentgen.start_again()
    assert error_of(xray.list_retrieved_traces, RetrievalToken=token)["Code"] == "ResourceNotFoundException"
    token = start(xray, [document["trace_id"]])
    assert list(list_documents(xray, token, "XRAY")) == [document["trace_id"]]


def test_more_retrievals_than_are_kept(roentgen: Roentgen) -> None:
    """The ones that ended first make room; nothing is refused while they do."""
    xray = roentgen.xray()
    document = segment("often")
    put(xray, document)
    tokens = [start(xray, [document["trace_id"]]) for _ in range(110)]
    assert list_documents(xray, tokens[-1], "XRAY")
    assert (
        error_of(xray.list_retrieved_traces, RetrievalToken=tokens[0])["Code"] == "ResourceNotFoundException"
    )


def test_retrievals_side_by_side(roentgen: Roentgen) -> None:
    xray = roentgen.xray()
    documents = [segment("many") for _ in range(100)]
    put(xray, *documents[:50])
    put(xray, *documents[50:])
    ids = [document["trace_id"] for document in documents]
    with ThreadPoolExecutor(8) as threads:
        tokens = list(threads.map(lambda _: start(roentgen.xray(), ids), range(16)))
    for token in tokens[:3]:
        assert list(list_documents(xray, token, "XRAY")) == ids
