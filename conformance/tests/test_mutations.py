"""Recorded documents with random damage: stored or refused by name, and what is stored is readable."""

import json
import random
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from harness.captured import read_captures
from harness.documents import new_trace_id
from harness.reading import batches
from harness.roentgen import DATAGRAM_HEADER, Roentgen

pytestmark = pytest.mark.bad_input

SEED = 20261122
"""Fixed, so that a failure comes again. Another number is another test."""

DOCUMENTS_PER_CALL = 50
CALLS = 40

LARGEST_MUTATED = 8_000
"""Longer documents are left out: they take time and say nothing new."""

ODD_VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    2**63,
    1e300,
    "",
    "x" * 300,
    "\u0000",
    "💥" * 50,
    "1-0-0",
    "0" * 16,
    [],
    {},
    [[[]]],
    {"a": {"b": None}},
]


def mutated_value(document: Any, dice: random.Random) -> Any:
    """The document with one value, anywhere in it, replaced, removed or doubled."""
    if not isinstance(document, dict | list) or not document or dice.random() < 0.1:
        return dice.choice(ODD_VALUES)
    if isinstance(document, list):
        place = dice.randrange(len(document))
        return [*document[:place], mutated_value(document[place], dice), *document[place:]]
    key = dice.choice(list(document))
    if dice.random() < 0.2:
        return {k: v for k, v in document.items() if k != key}
    return document | {key: mutated_value(document[key], dice)}


def mutated_text(text: str, dice: random.Random) -> str:
    """The text cut, with a character changed, or with a part of it repeated."""
    place = dice.randrange(len(text))
    return dice.choice(
        [
            text[:place],
            text[:place] + chr(dice.randrange(1, 0x250)) + text[place + 1 :],
            text[:place] + text[place // 2 :],
        ]
    )


def mutants(count: int) -> list[str]:
    """Damaged documents; the same ones every time."""
    dice = random.Random(SEED)
    whole = [
        document
        for capture in read_captures()
        for document in capture.documents()
        if len(document) < LARGEST_MUTATED
    ]
    made = []
    for _ in range(count):
        document = json.loads(dice.choice(whole))
        document["trace_id"] = f"{new_trace_id()[:11]}{dice.getrandbits(96):024x}"
        for _ in range(dice.randrange(1, 4)):
            document = mutated_value(document, dice)
        text = json.dumps(document)
        made.append(mutated_text(text, dice) if dice.random() < 0.3 and text else text)
    return made


def test_damaged_documents_are_stored_or_refused_by_name(roentgen: Roentgen) -> None:
    xray = roentgen.xray()
    trace_ids: set[str] = set()
    refused = 0
    for batch in batches(mutants(CALLS * DOCUMENTS_PER_CALL), DOCUMENTS_PER_CALL):
        for unprocessed in xray.put_trace_segments(TraceSegmentDocuments=batch)["UnprocessedTraceSegments"]:
            assert unprocessed["ErrorCode"].isalpha(), unprocessed
            assert unprocessed["Message"], unprocessed
            refused += 1
        trace_ids.update(trace_id for text in batch if (trace_id := trace_id_of(text)))
    # Both outcomes must be common, or the damage was too little or too much to say anything.
    assert 200 < refused < CALLS * DOCUMENTS_PER_CALL - 200
    assert read_everything(roentgen, sorted(trace_ids)) > 200
    assert "panicked" not in roentgen.diagnostics()


def test_damaged_datagrams_are_counted(roentgen: Roentgen) -> None:
    for number, text in enumerate(mutants(1000), start=1):
        roentgen.send_datagram(DATAGRAM_HEADER + text.encode())
        if number % 50 == 0:
            assert roentgen.is_healthy()
    status = roentgen.status()
    assert status["documentsAccepted"] > 0
    assert sum(status["rejectedByReason"].values()) == status["documentsRejected"] > 0
    assert "panicked" not in roentgen.diagnostics()


def trace_id_of(text: str) -> str | None:
    try:
        document = json.loads(text)
    except ValueError:
        return None
    trace_id = document.get("trace_id") if isinstance(document, dict) else None
    return trace_id if isinstance(trace_id, str) and len(trace_id) == 35 else None


def read_everything(server: Roentgen, trace_ids: list[str]) -> int:
    """Reads each trace in every way there is; gives how many exist."""
    xray = server.xray()
    found = 0
    for batch in batches(trace_ids):
        try:
            traces = xray.batch_get_traces(TraceIds=batch)["Traces"]
            xray.get_trace_graph(TraceIds=batch)
        except ClientError as error:
            # An id that is none is refused as a whole call; anything else is a fault of the server.
            if error.response["Error"]["Code"] != "InvalidRequestException":
                raise
            continue
        for trace in traces:
            found += 1
            for stored in trace["Segments"]:
                assert json.loads(stored["Document"])["id"] == stored["Id"]
            for view in ("", "/raw"):
                answer = requests.get(f"{server.url}/api/v1/traces/{trace['Id']}{view}", timeout=20)
                assert answer.status_code == 200, answer.text
                answer.json()
    everything = {"StartTime": 0, "EndTime": 4_000_000_000}
    for path in ("/ServiceGraph", "/TraceSummaries"):
        answer = server.post_json(path, everything)
        assert answer.status_code == 200, answer.text
    answer = server.post_json("/api/v1/traces/search", {"start": 0, "end": 4_000_000_000})
    assert answer.status_code == 200, answer.text
    return found
