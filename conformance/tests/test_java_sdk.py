"""The official SDK for Java: one service on the JDK's HTTP server."""

from collections.abc import Iterator
from typing import Any

import pytest

from harness.application import Application, start_announcing
from harness.builds import build_java_shop
from harness.polling import wait_until
from harness.reading import ServiceMap, find, read_segments, wait_for_segments
from harness.roentgen import Roentgen

pytestmark = pytest.mark.java_sdk

SHOP = ("java-shop", None)


@pytest.fixture(scope="module")
def shop(shared_roentgen: Roentgen, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    log = tmp_path_factory.mktemp("java") / "java.log"
    app = start_announcing(build_java_shop(), log, shared_roentgen.daemon_address)
    yield app
    app.close()


def test_a_request(xray: Any, shop: Application) -> None:
    trace_id, _ = shop.get_traced()
    documents = wait_for_segments(xray, trace_id)
    segment, price = find(documents, "java-shop"), find(documents, "price")
    assert segment["user"] == "customer-7"
    assert segment["aws"]["xray"]["sdk"] == "X-Ray for Java"
    # Java writes times with an exponent.
    assert 0 <= segment["end_time"] - segment["start_time"] < 60
    assert price["annotations"] == {"currency": "EUR", "express": True}
    assert price["metadata"]["default"]["discount"] == {"percent": 12.5}
    database = ("orders-db", "Database::SQL")
    service_map = ServiceMap.of_traces(xray, trace_id)
    assert service_map.nodes() == {("java-shop", "client"), SHOP, database}
    assert service_map.edge(SHOP, database)["SummaryStatistics"]["OkCount"] == 1


def test_a_chain_of_exceptions(xray: Any, shop: Application) -> None:
    documents = wait_for_segments(xray, shop.get_traced("/broken")[0])
    assert find(documents, "java-shop")["fault"] is True
    outer, inner = find(documents, "price")["cause"]["exceptions"]
    assert outer["type"] == "java.lang.IllegalStateException"
    assert outer["cause"] == inner["id"]
    assert inner["message"] == "no screws"
    assert find(documents, "java-shop")["cause"] == outer["id"]


def test_streamed_subsegments(xray: Any, shop: Application) -> None:
    trace_id, _ = shop.get_traced("/many")

    def whole() -> list[str] | None:
        documents = read_segments(xray, trace_id)
        names = [child["name"] for d in documents for child in d.get("subsegments", [])]
        return names if len(names) >= 130 else None

    names = wait_until(whole, "130 subsegments")
    assert sorted(names) == sorted(f"step-{number}" for number in range(130))


def test_the_default_rule_is_used(xray: Any, shop: Application) -> None:
    """Without a trace header the SDK decides, with the rules it fetched from the server."""

    def sampled_by_rule() -> bool:
        root = shop.get("/").headers["X-Amzn-Trace-Id"].removeprefix("Root=")
        rules = [d.get("aws", {}).get("xray", {}).get("rule_name") for d in read_segments(xray, root)]
        return "Default" in rules

    wait_until(sampled_by_rule, "a segment sampled by the Default rule")
