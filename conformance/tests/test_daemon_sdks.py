"""Official SDKs and boto3, a daemon in front of them, and a Roentgen server behind it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from conftest import StartRoentgen
from harness.application import PYTHON_APPS, Application, start_announcing, start_bottle
from harness.builds import build_go_shop, build_node_service
from harness.daemon import IS_OFFICIAL, Daemon
from harness.documents import segment
from harness.polling import wait_until
from harness.reading import ServiceMap, find, read_many, wait_for_segments
from harness.roentgen import CALL_SECONDS, Roentgen

pytestmark = pytest.mark.daemon


def daemon_in_front_of(server: Roentgen, directory: Path) -> Daemon:
    """A daemon whose only destination is the server. The official one signs, which harms nobody."""
    if IS_OFFICIAL:
        arguments, config = ("-o", "-n", "us-east-1"), {"Endpoint": server.url}
        return Daemon(directory, arguments, config).start()
    keyless: dict[str, str | None] = {
        "AWS_ACCESS_KEY_ID": None,
        "AWS_SECRET_ACCESS_KEY": None,
        "AWS_SESSION_TOKEN": None,
    }
    return Daemon(directory, ("--destination", server.url), None, keyless).start()


@pytest.fixture(scope="module")
def daemon(shared_roentgen: Roentgen, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The daemon in front of the server that all tests here share."""
    daemon = daemon_in_front_of(shared_roentgen, tmp_path_factory.mktemp("daemon"))
    yield daemon
    daemon.close()


@pytest.mark.python_sdk
def test_python(xray: Any, daemon: Daemon, tmp_path: Path) -> None:
    command = [sys.executable, str(PYTHON_APPS / "flask_app.py")]
    app = start_announcing(command, tmp_path / "flask.log", daemon.address)
    try:
        trace_id, answer = app.get_traced("/broken")
        assert answer.status_code == 500
        found = find(wait_for_segments(xray, trace_id), "flask-shop")
        assert found["fault"] is True
        assert found["cause"]["exceptions"][0]["message"] == "the shelf fell down"
    finally:
        app.close()


@pytest.mark.node_sdk
def test_node(xray: Any, daemon: Daemon, tmp_path: Path) -> None:
    command = build_node_service()
    started: list[Application] = []
    try:
        stock = start_announcing(command, tmp_path / "stock.log", daemon.address, {"SERVICE_NAME": "stock"})
        started.append(stock)
        extra = {"SERVICE_NAME": "shop", "DOWNSTREAM": f"{stock.url}/"}
        shop = start_announcing(command, tmp_path / "shop.log", daemon.address, extra)
        started.append(shop)
        trace_id, _ = shop.get_traced("/")
        documents = wait_for_segments(xray, trace_id, count=2)
        assert {document["name"] for document in documents} == {"shop", "stock"}
        assert ServiceMap.of_traces(xray, trace_id).nodes() == {
            ("shop", "client"),
            ("shop", None),
            ("stock", None),
        }
    finally:
        for app in started:
            app.close()


@pytest.mark.go_sdk
def test_go(xray: Any, daemon: Daemon, tmp_path: Path) -> None:
    app = start_announcing(build_go_shop(), tmp_path / "go.log", daemon.address)
    try:
        trace_id, answer = app.get_traced("/")
        assert answer.status_code == 200
        assert wait_for_segments(xray, trace_id)
    finally:
        app.close()


@pytest.mark.python_sdk
def test_sampling_rules_come_through(start_roentgen: StartRoentgen, tmp_path: Path) -> None:
    server = start_roentgen()
    xray = server.xray()
    xray.create_sampling_rule(
        SamplingRule={
            "RuleName": "nothing",
            "ResourceARN": "*",
            "Priority": 1,
            "FixedRate": 0,
            "ReservoirSize": 0,
            "ServiceName": "*",
            "ServiceType": "*",
            "Host": "*",
            "HTTPMethod": "*",
            "URLPath": "*",
            "Version": 1,
        }
    )
    daemon = daemon_in_front_of(server, tmp_path / "daemon")
    app = start_bottle(tmp_path / "bottle.log", daemon.address)
    try:
        # Counted by the server from the SDK's reports: they came through, like the rule before them.
        def is_obeyed() -> bool:
            app.get("/")
            pages = xray.get_paginator("get_sampling_statistic_summaries").paginate()
            summaries = [s for page in pages for s in page["SamplingStatisticSummaries"]]
            return any(s["RuleName"] == "nothing" and s["RequestCount"] > 0 for s in summaries)

        wait_until(is_obeyed, "a report of the rule", 60)
        counted = server.status()["documentsAccepted"]
        app.get("/")
        # A sampled request, sent after it, shows that the one before was not.
        trace_id, _ = app.get_traced("/")
        wait_for_segments(xray, trace_id)
        assert server.status()["documentsAccepted"] == counted + 1
    finally:
        app.close()
        daemon.close()


def test_boto3_puts_documents(xray: Any, daemon: Daemon) -> None:
    """A client that takes the daemon's port for the service: no key of its own is needed there."""
    client = boto3.client(
        "xray",
        endpoint_url=daemon.url,
        region_name="us-east-1",
        aws_access_key_id="nobody",
        aws_secret_access_key="knows",
        config=Config(read_timeout=CALL_SECONDS, retries={"total_max_attempts": 1}, proxies={}),
    )
    documents = [segment("by-boto3") for _ in range(3)]
    answer = client.put_trace_segments(TraceSegmentDocuments=[json.dumps(document) for document in documents])
    assert answer["UnprocessedTraceSegments"] == []
    for document in documents:
        assert wait_for_segments(xray, document["trace_id"])[0]["id"] == document["id"]
    rules = [
        r
        for page in client.get_paginator("get_sampling_rules").paginate()
        for r in page["SamplingRuleRecords"]
    ]
    assert "Default" in {rule["SamplingRule"]["RuleName"] for rule in rules}


def test_a_thousand_documents_arrive_whole(xray: Any, daemon: Daemon) -> None:
    documents = [segment("one-of-many", metadata={"default": {"pad": "x" * 700}}) for _ in range(1_000)]
    for start in range(0, len(documents), 50):
        daemon.send_documents(*documents[start : start + 50])
        daemon.wait_until_read()

    wanted = {document["trace_id"] for document in documents}
    wait_until(lambda: set(read_many(xray, wanted)) == wanted, "a thousand documents in the server", 30)
