"""The official SDK for Go: one net/http service."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from harness.application import Application, start_announcing
from harness.builds import build_go_shop
from harness.polling import wait_until
from harness.reading import ServiceMap, find, read_segments, read_summary, wait_for_segments
from harness.roentgen import Roentgen

pytestmark = pytest.mark.go_sdk

SHOP = ("go-shop", "AWS::ECS::Container")


@pytest.fixture(scope="module")
def shop(shared_roentgen: Roentgen, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    log = tmp_path_factory.mktemp("go") / "go.log"
    app = start_announcing(build_go_shop(), log, shared_roentgen.daemon_address)
    yield app
    app.close()


def test_a_request(xray: Any, shop: Application) -> None:
    sent = time.time()
    trace_id, _ = shop.get_traced()
    documents = wait_for_segments(xray, trace_id)
    segment, price = find(documents, "go-shop"), find(documents, "price")
    assert segment["http"]["request"]["url"] == f"{shop.url}/"
    assert segment["aws"]["xray"]["sdk"] == "X-Ray for Go"
    assert segment["service"]["runtime"] == "gc"
    assert price["annotations"] == {"currency": "EUR"}
    assert price["metadata"]["default"]["discount"] == {"percent": 12.5}
    summary = read_summary(xray, trace_id, sent)
    assert summary["Annotations"]["currency"][0]["AnnotationValue"] == {"StringValue": "EUR"}
    assert ServiceMap.of_traces(xray, trace_id).nodes() == {("go-shop", "client"), SHOP}


def test_an_error_is_a_fault(xray: Any, shop: Application) -> None:
    documents = wait_for_segments(xray, shop.get_traced("/broken")[0])
    assert find(documents, "go-shop")["fault"] is True
    price = find(documents, "price")
    assert price["fault"] is True
    assert price["cause"]["exceptions"][0]["message"] == "the shelf fell down"


def test_streamed_subsegments(xray: Any, shop: Application) -> None:
    trace_id, _ = shop.get_traced("/many")

    def whole() -> list[str] | None:
        documents = read_segments(xray, trace_id)
        names = [child["name"] for d in documents for child in d.get("subsegments", [])]
        return names if len(names) >= 45 else None

    names = wait_until(whole, "45 subsegments")
    assert sorted(names) == sorted(f"step-{number}" for number in range(45))


def test_the_default_rule_is_used(xray: Any, shop: Application) -> None:
    """Without a trace header the SDK decides, with the rules it fetched from the server."""

    def sampled_by_rule() -> bool:
        root = shop.get("/").headers["X-Amzn-Trace-Id"].split(";")[0].removeprefix("Root=")
        documents = read_segments(xray, root) if not root.startswith("1-00000000-") else []
        rules = [d.get("aws", {}).get("xray", {}).get("sampling_rule_name") for d in documents]
        return "Default" in rules

    wait_until(sampled_by_rule, "a segment sampled by the Default rule")
