"""`docker compose up`, by podman: two apps, the daemon and the server, and a trace through all of them."""

import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests
import yaml
from base_images import make_node, make_python
from botocore import UNSIGNED
from botocore.config import Config
from containers import environment, podman
from harness.documents import new_trace_id
from harness.environment import REPOSITORY
from harness.polling import wait_until
from harness.reading import ServiceMap, find, wait_for_segments
from shipped import tool

COMPOSE = REPOSITORY / "deploy" / "compose" / "compose.yaml"

UP_SECONDS = 280
"""A first start installs what the apps need from PyPI and npm."""

pytestmark = pytest.mark.timeout(900)


def free_addresses(count: int) -> list[str]:
    """That many addresses of the loopback that were free a moment ago, all different."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{probe.getsockname()[1]}" for probe in probes]
    for probe in probes:
        probe.close()
    return addresses


def compose(*arguments: str, **variables: str) -> str:
    """A command of compose, run by podman."""
    done = subprocess.run(
        [tool("podman-compose"), "--file", COMPOSE, *arguments],
        env=environment() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=UP_SECONDS,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    return done.stdout


@pytest.fixture(scope="module")
def stack(daemon_image: str, server_image: str) -> Iterator[dict[str, str]]:
    """Everything that the file names, started; the addresses of the server and of the shop."""
    make_python("docker.io/library/python:3.13-slim")
    make_node("docker.io/library/node:22-slim", "docker.io/library/python:3.13-slim")
    server, shop = free_addresses(2)
    variables = {"ROENTGEN_PORT": server, "SHOP_PORT": shop}
    try:
        compose("up", "--detach", "--build", **variables)
        yield {"server": server, "shop": shop}
    finally:
        compose("down", "--volumes", "--timeout", "10", **variables)


@pytest.fixture(scope="module")
def xray(stack: dict[str, str]) -> Any:
    """A boto3 client of the server in the stack, once it is well."""

    def is_well() -> bool:
        try:
            return requests.get(f"http://{stack['server']}/healthz", timeout=5).ok
        except requests.ConnectionError:
            return False

    wait_until(is_well, "the server is well", 60)
    return boto3.client(
        "xray",
        endpoint_url=f"http://{stack['server']}",
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED),
    )


def test_a_request_becomes_one_trace_of_both_apps(stack: dict[str, str], xray: Any) -> None:
    trace_id = new_trace_id()
    header = {"X-Amzn-Trace-Id": f"Root={trace_id};Sampled=1"}

    def ask() -> str:
        try:
            return requests.get(f"http://{stack['shop']}/", headers=header, timeout=10).text
        except requests.ConnectionError:
            return ""

    wait_until(lambda: "Hello X-Ray!" in ask(), "an answer through both apps", 60)
    documents = wait_for_segments(xray, trace_id, count=2, deadline_seconds=20)
    shop, hello = find(documents, "shop"), find(documents, "fa-074")
    calls = [call["id"] for call in shop["subsegments"]]
    assert hello["parent_id"] in calls
    assert {name for name, _ in ServiceMap.of_traces(xray, trace_id).nodes()} == {"shop", "fa-074"}


def test_the_console_is_inside(stack: dict[str, str], xray: Any) -> None:
    page = requests.get(f"http://{stack['server']}/", timeout=10)
    assert "text/html" in page.headers["Content-Type"]
    assert "/assets/" in page.text


def test_nothing_runs_as_root_or_can_write(stack: dict[str, str]) -> None:
    listed = yaml.safe_load(podman("ps", "--format", "json"))
    inspected = yaml.safe_load(podman("inspect", *(container["Id"] for container in listed)))
    ours = {
        c["ImageName"]: c for c in inspected if "/roentgen" in c["ImageName"] and "_" not in c["ImageName"]
    }
    assert len(ours) == 2
    for container in ours.values():
        assert container["HostConfig"]["ReadonlyRootfs"]
        assert not container["EffectiveCaps"]
        assert container["Config"]["User"] == "10001:10001"


def test_the_file_is_what_the_specification_says() -> None:
    checked = subprocess.run(
        [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", COMPOSE],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout
