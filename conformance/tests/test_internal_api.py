"""The console's own API agrees with what X-Ray's operations say about the same traces."""

import json
import time
from typing import Any

import pytest
import requests

from harness.documents import new_id, put, segment, subsegment
from harness.reading import read_summary
from harness.roentgen import Roentgen

STARTED = time.time()

EQUALLY_LONG = (
    "id",
    "parent",
    "depth",
    "name",
    "kind",
    "node",
    "startUs",
    "durationUs",
    "status",
    "flags",
    "namespace",
    "detail",
)


@pytest.fixture(scope="module")
def trace(shared_roentgen: Roentgen) -> list[dict[str, Any]]:
    """A shop that calls its stock, which fails."""
    call = subsegment("stock", namespace="remote", fault=True)
    shop = segment(
        "shop",
        user="ada",
        annotations={"tenant": "acme"},
        http={
            "request": {"method": "GET", "url": "http://shop/basket"},
            "response": {"status": 200},
        },
        subsegments=[call],
    )
    stock = segment("stock", trace_id=shop["trace_id"], parent_id=call["id"], fault=True)
    assert put(shared_roentgen.xray(), shop, stock) == []
    return [shop, stock]


def search(server: Roentgen, **conditions: Any) -> dict[str, Any]:
    window = {"start": STARTED - 600, "end": STARTED + 600}
    answer = server.post_json("/api/v1/traces/search", window | conditions)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_search_finds_by_every_condition(shared_roentgen: Roentgen, trace: list[dict[str, Any]]) -> None:
    trace_id = trace[0]["trace_id"]
    for condition in (
        {"text": trace_id},
        {"text": "BASKET"},
        {"text": "acme"},
        {"user": "ada"},
        {"method": "GET", "status": 200},
        {"node": {"name": "stock"}},
        {"edge": {"from": {"name": "shop"}, "to": {"name": "stock"}}},
        {"minResponseTime": 0.05, "maxResponseTime": 0.2},
        {"outcomes": ["ok", "error", "throttle", "fault"]},
    ):
        found = search(shared_roentgen, **condition)
        assert trace_id in {t["id"] for t in found["traces"]}, condition
    for condition in (
        {"text": "no such text"},
        {"user": "bob"},
        {"node": {"name": "nobody"}},
        {"minResponseTime": 10},
    ):
        assert search(shared_roentgen, **condition)["traces"] == [], condition


def test_search_agrees_with_the_summary(
    shared_roentgen: Roentgen, xray: Any, trace: list[dict[str, Any]]
) -> None:
    summary = read_summary(xray, trace[0]["trace_id"], trace[0]["start_time"])
    [found] = search(shared_roentgen, text=summary["Id"])["traces"]
    assert found["duration"] == pytest.approx(summary["Duration"], abs=0.001)
    assert found["responseTime"] == pytest.approx(summary["ResponseTime"], abs=0.001)
    assert (found["hasFault"], found["hasError"], found["hasThrottle"]) == (
        summary["HasFault"],
        summary["HasError"],
        summary["HasThrottle"],
    )
    assert found["entryPoint"]["name"] == summary["EntryPoint"]["Name"]
    assert found["users"] == ["ada"]
    assert found["revision"] == summary["Revision"]
    assert found["segmentCount"] == 2


def test_counts_of_a_search_agree(roentgen: Roentgen) -> None:
    documents = [segment("counted", fault=n < 2, error=2 <= n < 5) for n in range(12)]
    assert put(roentgen.xray(), *documents) == []
    first = search(roentgen, limit=5)
    assert len(first["traces"]) == 5
    assert first["matched"] == 12
    for outcome, count in (("fault", 2), ("error", 3), ("throttle", 0), ("ok", 7)):
        assert sum(first["histogram"][outcome]) == count
        assert sum(first["series"][outcome]) == count
        assert len(search(roentgen, outcomes=[outcome])["traces"]) == count
    assert len(first["histogram"]["edges"]) == len(first["histogram"]["ok"]) + 1
    seen = [trace["id"] for trace in first["traces"]]
    page = first
    while page["next"]:
        page = search(roentgen, limit=5, next=page["next"])
        seen += [trace["id"] for trace in page["traces"]]
    assert sorted(seen) == sorted(document["trace_id"] for document in documents)


def test_the_timeline_stands_callees_under_their_calls(
    shared_roentgen: Roentgen, trace: list[dict[str, Any]]
) -> None:
    shop, stock = trace
    answer = requests.get(f"{shared_roentgen.url}/api/v1/traces/{shop['trace_id']}", timeout=10)
    assert answer.status_code == 200
    rows = answer.json()["rows"]
    assert {len(rows[name]) for name in EQUALLY_LONG} == {3}
    assert rows["id"] == [shop["id"], shop["subsegments"][0]["id"], stock["id"]]
    assert rows["parent"] == [-1, 0, 1]
    assert rows["depth"] == [0, 1, 2]
    assert rows["kind"] == ["segment", "subsegment", "segment"]
    assert [bool(flags & 4) for flags in rows["flags"]] == [False, True, True]


def test_one_segment_and_the_originals(shared_roentgen: Roentgen, trace: list[dict[str, Any]]) -> None:
    shop = trace[0]
    base = f"{shared_roentgen.url}/api/v1/traces/{shop['trace_id']}"
    found = requests.get(f"{base}/segments/{shop['id']}", timeout=10).json()
    assert found["annotations"] == shop["annotations"]
    assert "subsegments" not in found
    raw = requests.get(f"{base}/raw", timeout=10).json()
    originals = [original["document"] for original in raw["originals"]]
    assert sorted(originals) == sorted(json.dumps(document) for document in trace), "byte for byte"
    w3c = shop["trace_id"][2:].replace("-", "")
    assert (
        requests.get(f"{shared_roentgen.url}/api/v1/traces/{w3c}", timeout=10).json()["id"]
        == shop["trace_id"]
    )


def test_what_does_not_exist(shared_roentgen: Roentgen, trace: list[dict[str, Any]]) -> None:
    trace_id = trace[0]["trace_id"]
    for path in (
        "traces/1-00000001-000000000000000000000001",
        f"traces/{trace_id}/segments/{new_id()}",
    ):
        answer = requests.get(f"{shared_roentgen.url}/api/v1/{path}", timeout=10)
        assert answer.status_code == 404, path
        assert answer.json()["Message"]
