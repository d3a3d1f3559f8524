"""Every recorded packet of five SDKs, sent over UDP and through the API: the traces must be what was sent."""

import base64
import re
import time
from collections.abc import Iterator

import pytest

from harness.captured import read_captures, read_header_table
from harness.expected_map import ExpectedMap, Statistics
from harness.expected_trace import ExpectedTrace, compare, expect_traces
from harness.polling import wait_until
from harness.reading import ServiceMap, batches, read_many
from harness.roentgen import Roentgen

pytestmark = pytest.mark.captures

CAPTURES = [capture for capture in read_captures() if capture.packets]
DOCUMENTS = [document for capture in CAPTURES for document in capture.documents()]
EXPECTED = expect_traces(DOCUMENTS)

PUT_TRACE_SEGMENTS_LIMIT = 50


def traces_of(name: str) -> dict[str, ExpectedTrace]:
    """The traces a capture takes part in; some share a trace id with other captures."""
    capture = next(capture for capture in CAPTURES if capture.name == name)
    return {trace_id: EXPECTED[trace_id] for trace_id in expect_traces(capture.documents())}


def send_over_udp(server: Roentgen) -> None:
    """One datagram after the other; waits for the counter now and then, as loopback drops bursts."""
    for count, packet in enumerate((packet for c in CAPTURES for packet in c.packets), start=1):
        server.send_datagram(packet.encode())
        if count % 20 == 0:
            server.wait_for_accepted(count)
    server.wait_for_accepted(len(DOCUMENTS))
    assert server.status()["documentsRejected"] == 0


def send_through_api(server: Roentgen) -> None:
    xray = server.xray()
    for batch in batches(DOCUMENTS, PUT_TRACE_SEGMENTS_LIMIT):
        answer = xray.put_trace_segments(TraceSegmentDocuments=batch)
        assert answer["UnprocessedTraceSegments"] == []


@pytest.fixture(scope="module", params=[send_over_udp, send_through_api])
def replayed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roentgen]:
    """A server that has been sent every packet, in one of the two ways."""
    server = Roentgen(tmp_path_factory.mktemp("captures"))
    try:
        server.start()
        request.param(server)
        yield server
    finally:
        server.close()


@pytest.mark.parametrize("name", [capture.name for capture in CAPTURES])
def test_trace_is_what_was_sent(replayed: Roentgen, name: str) -> None:
    expected = traces_of(name)
    found = read_many(replayed.xray(), expected)
    assert found.keys() == expected.keys()
    faults = [fault for trace_id in expected for fault in compare(expected[trace_id], found[trace_id])]
    assert not faults, "\n".join(faults)


def test_service_map_shows_every_node_and_edge(replayed: Roentgen) -> None:
    times = [entity.document["start_time"] for trace in EXPECTED.values() for entity in trace.segments()]
    found = ServiceMap.of_range(replayed.xray(), int(min(times)) - 60, int(max(times)) + 60)
    check_map(found, ExpectedMap(EXPECTED.values()))


@pytest.mark.parametrize("name", [capture.name for capture in CAPTURES])
def test_trace_graph_agrees(replayed: Roentgen, name: str) -> None:
    traces = traces_of(name)
    for trace_ids in batches(traces):
        found = ServiceMap.of_traces(replayed.xray(), *trace_ids)
        check_map(found, ExpectedMap(traces[trace_id] for trace_id in trace_ids))


def check_map(found: ServiceMap, expected: ExpectedMap) -> None:
    """Nodes, edges and all their numbers."""
    assert found.nodes() == expected.nodes.keys()
    edges = found.edges()
    assert edges.keys() == expected.edges.keys()
    for key, edge in edges.items():
        read = Statistics.of(edge["SummaryStatistics"])
        assert read.agrees_with(expected.edges[key]), f"{key}: {read}, expected {expected.edges[key]}"
        histogram = sum(entry["Count"] for entry in edge["ResponseTimeHistogram"])
        assert histogram == read.total, f"{key}: histogram of {histogram}"
    for name, node_type in expected.nodes:
        node = found.node(name, node_type)
        if node_type == "client":
            assert "SummaryStatistics" not in node
            continue
        read = Statistics.of(node["SummaryStatistics"])
        wanted = expected.nodes[name, node_type]
        assert read.agrees_with(wanted), f"{name} {node_type}: {read}, expected {wanted}"


def test_calls_of_sdks_to_the_daemon_are_answered(replayed: Roentgen) -> None:
    """GetSamplingRules and SamplingTargets as each SDK sends them; only the time of a report is brought up
    to now, as a report that is hours old is refused.
    """
    requests = [request for capture in read_captures() for request in capture.http_requests]
    assert {request.path for request in requests} == {"/GetSamplingRules", "/SamplingTargets"}
    for request in requests:
        headers = {k: v for k, v in request.headers.items() if k not in ("Host", "Content-Length")}
        answer = replayed.post(request.path, reported_now(request.body), headers)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        if request.path == "/GetSamplingRules":
            names = [record["SamplingRule"]["RuleName"] for record in body["SamplingRuleRecords"]]
            assert "Default" in names
        else:
            assert isinstance(body["LastRuleModification"], int | float)
            # The captures come from a service with one more rule; a rule unknown here is named so.
            unknown = [statistics["RuleName"] for statistics in body["UnprocessedStatistics"]]
            known = [target["RuleName"] for target in body["SamplingTargetDocuments"]]
            assert set(known) <= {"Default"}
            assert "Default" not in unknown


def reported_now(body: str) -> str:
    """A report with the present time, in the unit of the SDK: Java counts milliseconds."""

    def present(match: re.Match[str]) -> str:
        unit = 1000 if len(match[2].split(".")[0]) > 10 else 1
        return f"{match[1]}{int(time.time() * unit)}"

    return re.sub(r'("Timestamp":\s*)([\d.]+)', present, body)


def test_header_table_of_the_daemon(roentgen: Roentgen) -> None:
    """Each datagram gets the verdict the official daemon gives its header; bodies are judged after that."""
    for row in read_header_table():
        if row["verdict"] == "ignored":
            roentgen.send_datagram(b"")
            continue
        datagram = (
            base64.b64decode(row["datagram_base64"]) if "datagram_base64" in row else row["datagram"].encode()
        )
        accepted, rejected = counts(roentgen)
        roentgen.send_datagram(datagram)
        wait_until(
            lambda before=(accepted, rejected): counts(roentgen) != before,
            f"a verdict on {datagram!r}",
        )
        is_segment = row["verdict"] == "accepted" and "start_time" in row.get("datagram", "")
        # Two numbers in an array are two documents that are none.
        bad = 2 if b"[1,2]" in datagram else 1
        expected = (accepted + 1, rejected) if is_segment else (accepted, rejected + bad)
        assert counts(roentgen) == expected, datagram


def counts(server: Roentgen) -> tuple[int, int]:
    """Documents accepted and rejected so far."""
    status = server.status()
    return status["documentsAccepted"], status["documentsRejected"]
