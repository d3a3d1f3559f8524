"""Questions that no client should ask: each is answered clearly, and in bounded time and memory."""

import time
from typing import Any

import pytest

from harness.documents import new_trace_id, put, segment, subsegment
from harness.roentgen import Roentgen

pytestmark = pytest.mark.bad_input

MEBIBYTE = 1 << 20
TEN_YEARS = 10 * 365 * 86_400
LONGEST_ANSWER_SECONDS = 5.0
"""Far more than any of these takes, far less than it would take to do what is asked for literally."""

INVALID = "InvalidRequestException"
SERIALIZATION = "SerializationException"


def ask(server: Roentgen, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    begun = time.monotonic()
    answer = server.post_json(path, body)
    assert time.monotonic() - begun < LONGEST_ANSWER_SECONDS, body
    return answer.status_code, answer.json()


def check_refused(server: Roentgen, path: str, body: dict[str, Any], name: str, part: str = "") -> None:
    status, answer = ask(server, path, body)
    assert (status, answer["__type"]) == (400, name), answer
    assert part in answer["Message"], answer
    assert len(answer["Message"]) < 1000, "a message is a line, whatever was asked"
    assert server.is_healthy()


def times() -> dict[str, float]:
    now = time.time()
    return {"StartTime": now - 60, "EndTime": now}


EXPRESSIONS = {
    "100 KB of one text": 'user = "' + "x" * 100_000 + '"',
    "100 KB of terms": " AND ".join(["fault"] * 12_500),
    "100 KB of blanks": " " * 100_000 + "fault",
    "100 KB of parentheses": "(" * 100_000,
    "parentheses 10,000 deep": "(" * 10_000 + "ok" + ")" * 10_000,
    "negations 10,000 deep": "!" * 10_000 + "ok",
    "blocks 1,000 deep": 'service("a") { ' * 1000 + "fault" + " }" * 1000,
    "an unknown keyword": "latency > 5",
    "a keyword for a number with a text": 'duration = "long"',
    "a keyword for a text with a number": "user = 5",
    "a keyword for a truth with a number": "fault = 3",
    "a number that is none": "duration > 1.2.3",
    "a number beyond all": "duration > 1e999",
    "an operator that is none": "duration => 5",
    "a text without its end": 'user = "x',
    "a brace without its end": 'service("a") { fault',
    "two operators": "duration > < 5",
    "nothing but an operator": "AND",
    "bytes of no text": "user = \u0000\u0001",
    "characters beyond the plane": "\U0001f600 = 5",
    "JSON that is none": "rootcause.json = #[{]",
}


@pytest.mark.parametrize("what", EXPRESSIONS)
def test_expressions_that_are_none(shared_roentgen: Roentgen, what: str) -> None:
    before = shared_roentgen.resident_bytes()
    body = times() | {"FilterExpression": EXPRESSIONS[what]}
    check_refused(shared_roentgen, "/TraceSummaries", body, INVALID)
    assert shared_roentgen.resident_bytes() - before < 50 * MEBIBYTE


def test_an_expression_as_long_as_one_may_be(shared_roentgen: Roentgen) -> None:
    expression = " OR ".join(f'user = "user-{n:045}"' for n in range(500))
    assert 31_000 < len(expression) < 32_768
    status, answer = ask(shared_roentgen, "/TraceSummaries", times() | {"FilterExpression": expression})
    assert status == 200, answer


def test_whole_traces_asked_hundreds_of_things_each(shared_roentgen: Roentgen) -> None:
    """Of traces with a hundred faults, each below the other, and twenty at the bottom."""
    inner = [subsegment(f"leaf-{n}", fault=True) for n in range(20)]
    for n in range(97):
        inner = [subsegment(f"call-{n}", fault=True, subsegments=inner)]
    traces = [segment("deep", fault=True, subsegments=inner) for _ in range(3)]
    assert put(shared_roentgen.xray(), *traces) == []
    # A block and what is in it are two of the 500 terms that an expression may have.
    for term, count in (("rootcause.json=#[1]", 500), ('service("deep"){annotation.a}', 250)):
        expression = " OR ".join([term] * count)
        for path in ("/TraceSummaries", "/ServiceGraph"):
            status, answer = ask(shared_roentgen, path, times() | {"FilterExpression": expression})
            assert status == 200, answer


MEMBERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "times as texts": ("/TraceSummaries", {"StartTime": "2026-01-01T00:00:00Z"}, SERIALIZATION),
    "times in milliseconds": ("/TraceSummaries", {"EndTime": time.time() * 1000}, SERIALIZATION),
    "negative times": ("/ServiceGraph", {"StartTime": -1}, SERIALIZATION),
    "no start": ("/TraceSummaries", {"StartTime": None}, INVALID),
    "no end": ("/ServiceGraph", {"EndTime": None}, INVALID),
    "an expression that is a number": ("/TraceSummaries", {"FilterExpression": 5}, SERIALIZATION),
    "an expression that is a list": ("/TraceSummaries", {"FilterExpression": ["fault"]}, SERIALIZATION),
    "sampling that is a text": ("/TraceSummaries", {"Sampling": "true"}, SERIALIZATION),
    "a strategy that is a text": ("/TraceSummaries", {"SamplingStrategy": "FixedRate"}, SERIALIZATION),
    "a strategy that is a list": (
        "/TraceSummaries",
        {"SamplingStrategy": ["FixedRate", 0.5]},
        SERIALIZATION,
    ),
    "insights that are a list": (
        "/CreateGroup",
        {"GroupName": "listed", "InsightsConfiguration": [True, False]},
        SERIALIZATION,
    ),
    "tags that are lists": ("/CreateGroup", {"GroupName": "listed", "Tags": [["k", "v"]]}, SERIALIZATION),
    "an unknown strategy": (
        "/TraceSummaries",
        {"Sampling": True, "SamplingStrategy": {"Name": "Half"}},
        INVALID,
    ),
    "a rate beyond 1": (
        "/TraceSummaries",
        {"Sampling": True, "SamplingStrategy": {"Name": "FixedRate", "Value": 1.5}},
        INVALID,
    ),
    "a scan of less than nothing": (
        "/TraceSummaries",
        {"Sampling": True, "SamplingStrategy": {"Name": "PartialScan", "Value": -5}},
        INVALID,
    ),
    "an unknown type of range": ("/TraceSummaries", {"TimeRangeType": "Arrival"}, INVALID),
    "a token that is a number": ("/TraceSummaries", {"NextToken": 5}, SERIALIZATION),
    "a token of a megabyte's part": ("/TraceSummaries", {"NextToken": "A" * 200_000}, INVALID),
    "a reversed range": ("/TraceSummaries", {"StartTime": 2_000_000_000, "EndTime": 1}, INVALID),
    "a reversed range of a graph": ("/ServiceGraph", {"StartTime": 2_000_000_000, "EndTime": 1}, INVALID),
}


@pytest.mark.parametrize("what", MEMBERS)
def test_members_that_are_not_what_they_should_be(shared_roentgen: Roentgen, what: str) -> None:
    path, members, name = MEMBERS[what]
    check_refused(shared_roentgen, path, times() | members, name)


@pytest.fixture(scope="module")
def known(shared_roentgen: Roentgen) -> str:
    document = segment("known")
    assert put(shared_roentgen.xray(), document) == []
    return document["trace_id"]


@pytest.mark.parametrize("path", ["/TraceSummaries", "/ServiceGraph"])
def test_ranges_of_another_time(shared_roentgen: Roentgen, known: str, path: str) -> None:
    """There is no longest range; what lies in the future is empty, and so is a range without length."""
    now = time.time()
    member = "TraceSummaries" if path == "/TraceSummaries" else "Services"
    for start, end, is_found in (
        (now - TEN_YEARS, now + 60, True),
        (0, 253_402_300_799, True),
        (now + 3600, now + TEN_YEARS, False),
        (now - TEN_YEARS, now - 3600, False),
        (now, now, False),
    ):
        status, answer = ask(shared_roentgen, path, {"StartTime": start, "EndTime": end})
        assert status == 200, answer
        assert bool(answer[member]) == is_found, (start, end)


def test_tokens_forged_foreign_and_stale(roentgen: Roentgen) -> None:
    xray = roentgen.xray()
    now = time.time()
    documents = [segment("tokens", end_time=now - n % 50) for n in range(250)]
    for first in range(0, len(documents), 50):
        put(xray, *documents[first : first + 50])
    body: dict[str, Any] = {"StartTime": now - 60, "EndTime": now + 1}
    status, first_page = ask(roentgen, "/TraceSummaries", body)
    token = first_page["NextToken"]
    forged = ["forged", "AA", token[1:], token[:-1], token + "AA", token[::-1], "\u0000", "ü", "=" * 100]
    for text in forged:
        check_refused(roentgen, "/TraceSummaries", body | {"NextToken": text}, INVALID, "NextToken")
    for other in (
        {"StartTime": body["StartTime"] - 1},
        {"EndTime": body["EndTime"] + 1},
        {"FilterExpression": "ok"},
        {"TimeRangeType": "Event"},
    ):
        foreign = body | other | {"NextToken": token}
        check_refused(roentgen, "/TraceSummaries", foreign, INVALID, "other parameters")
    check_refused(roentgen, "/ServiceGraph", body | {"NextToken": token}, INVALID, "NextToken")
    check_refused(
        roentgen, "/TraceGraph", {"TraceIds": [new_trace_id()], "NextToken": token}, INVALID, "NextToken"
    )
    # A stale one goes on where it was, whatever came since: it is a place in the order.
    second_page = ask(roentgen, "/TraceSummaries", body | {"NextToken": token})[1]
    put(xray, *[segment("later", end_time=now) for _ in range(50)])
    again = ask(roentgen, "/TraceSummaries", body | {"NextToken": token})[1]
    ids = [[summary["Id"] for summary in page["TraceSummaries"]] for page in (second_page, again)]
    assert ids[0] == ids[1]
    assert status == 200


def test_many_bad_questions_leave_no_mark(roentgen: Roentgen) -> None:
    def ask_all() -> None:
        for expression in EXPRESSIONS.values():
            ask(roentgen, "/TraceSummaries", times() | {"FilterExpression": expression})

    ask_all()
    before = roentgen.resident_bytes()
    for _ in range(30):
        ask_all()
    grown = roentgen.resident_bytes() - before
    assert grown < 30 * MEBIBYTE, f"grew by {grown / MEBIBYTE:.0f} MiB"
    assert len(roentgen.diagnostics()) < MEBIBYTE
