"""The official SDK for Node.js: two Express services, one calling the other."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from harness.application import Application, start_announcing
from harness.builds import build_node_service
from harness.expected_map import Statistics
from harness.polling import wait_until
from harness.reading import ServiceMap, find, read_segments, read_summaries, wait_for_segments, walk
from harness.roentgen import Roentgen

pytestmark = pytest.mark.node_sdk

SHOP = ("node-shop", None)
STOCK = ("node-stock", None)


@pytest.fixture(scope="module")
def shop(shared_roentgen: Roentgen, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """A shop that asks its stock."""
    command = build_node_service()
    logs = tmp_path_factory.mktemp("node")
    address = shared_roentgen.daemon_address
    stock = start_announcing(command, logs / "stock.log", address, {"SERVICE_NAME": "node-stock"})
    shop = start_announcing(
        command,
        logs / "shop.log",
        address,
        {"SERVICE_NAME": "node-shop", "DOWNSTREAM": f"{stock.url}/"},
    )
    yield shop
    shop.close()
    stock.close()


def test_a_captured_call_connects_two_services(xray: Any, shop: Application) -> None:
    trace_id, answer = shop.get_traced("/")
    assert answer.text == "stock answered 200"
    documents = wait_for_segments(xray, trace_id, count=2)
    # The callee reported, so nothing is inferred for the call.
    assert {document["name"] for document in documents} == {"node-shop", "node-stock"}
    call = next(e for e in walk(find(documents, "node-shop")) if e.get("namespace") == "remote")
    assert find(documents, "node-stock")["parent_id"] == call["id"]
    assert find(documents, "node-stock")["annotations"] == {"service": "node-stock"}
    metadata = find(documents, "node-shop")["metadata"]["default"]["answer"]
    assert metadata == {"largest": 2**53 - 1, "none": None}

    service_map = ServiceMap.of_traces(xray, trace_id)
    assert service_map.nodes() == {("node-shop", "client"), SHOP, STOCK}
    expected = Statistics()
    expected.add(call)
    edge = service_map.edge(SHOP, STOCK)
    assert Statistics.of(edge["SummaryStatistics"]).agrees_with(expected)


def test_an_exception_is_a_fault(xray: Any, shop: Application) -> None:
    trace_id, answer = shop.get_traced("/broken")
    assert answer.status_code == 500
    segment = find(wait_for_segments(xray, trace_id), "node-shop")
    assert segment["fault"] is True
    assert segment["cause"]["exceptions"][0]["type"] == "TypeError"
    assert segment["cause"]["exceptions"][0]["message"] == "the shelf fell down"


def test_the_default_rule_is_used(xray: Any, shop: Application) -> None:
    """Without a trace header the SDK decides, with the rules it fetched from the server."""
    began = time.time()

    def sampled_by_rule() -> bool:
        shop.get("/")
        rules = [
            document.get("aws", {}).get("xray", {}).get("rule_name")
            for summary in read_summaries(xray, began - 1, time.time() + 60)
            for document in read_segments(xray, summary["Id"])
            if document["name"] == "node-shop"
        ]
        return "Default" in rules

    wait_until(sampled_by_rule, "a segment sampled by the Default rule")
