"""The flagship check: the templates are deployed, and what ECS would run is run and traced.

The task definitions come out of the ECS API, the load client's command out of `run-load.sh` by way of
RunTask, the sampling rules out of sampling.yaml. What stands for the images is what was built here: the
real base images cannot be pulled on a machine without a registry.
"""

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from authority import Authority
from fargate.article import check_calls, check_scenario, environment
from fargate.deployment import Deployment
from fargate.endpoint import SignedEndpoint, credentials_of_the_role
from fargate.images import BENCH
from fargate.moto_plus import REGION, Cloud
from fargate.network import add_addresses, listen
from fargate.pod import PodTask
from fargate.task import PlainTask
from harness.fake_xray import FakeXRay, Reply
from harness.roentgen import Roentgen


def test_the_scenario_with_roentgen(cloud: Cloud, plain: Callable[..., PlainTask], tmp_path: Path) -> None:
    deployment = Deployment(cloud)
    outputs = deployment.create_scenario(Backend="roentgen", ServerTag="1.0")
    server = plain(deployment.task_definition("bottle-roentgen"), "server")
    server.wait_until_healthy("server")

    # The daemon of the task sends to the load balancer, whose only target is the server.
    balancer = outputs["RoentgenUrl"].removeprefix("http://")
    hosts = {balancer: server.address(2000)}
    check_scenario(
        cloud,
        deployment,
        server.address(2000),
        lambda: plain(deployment.task_definition("bottle"), "app", hosts=hosts),
        lambda definition: plain(definition, "load"),
    )
    assert server.stop() == {"server": 0}
    assert any((tmp_path / "server" / "traces").iterdir()), "nothing on the file system"


def test_the_stand_in_for_ab_counts(tmp_path: Path) -> None:
    """What is not answered is a failure; what is answered with an error is told."""

    def said(url: str) -> str:
        return subprocess.run(
            [sys.executable, BENCH, "-n", "3", url], capture_output=True, text=True, check=True
        ).stdout

    with FakeXRay() as service:
        service.answer("/", Reply(), Reply(500))
        assert re.findall(r"\d+", said(f"{service.url}/").replace("2xx", "")) == ["3", "0", "2"]
        gone = service.url
    assert re.findall(r": +(\d+)", said(gone)) == ["0", "3"]


@pytest.mark.timeout(900)
def test_the_scenario_in_pods(cloud: Cloud, pod: Callable[..., PodTask], tmp_path: Path) -> None:
    """The same with the images that are shipped, each task with a network of its own."""
    deployment = Deployment(cloud)
    outputs = deployment.create_scenario(Backend="roentgen", ServerTag="1.0")
    server = pod(deployment.task_definition("bottle-roentgen"))
    server.wait_until_healthy("server")
    balancer = outputs["RoentgenUrl"].removeprefix("http://").removesuffix(":2000")
    hosts = {balancer: server.address(2000).removesuffix(":2000")}
    check_scenario(
        cloud,
        deployment,
        server.address(2000),
        lambda: pod(deployment.task_definition("bottle"), hosts=hosts),
        pod,
    )
    assert server.stop() == {"server": 0}
    assert any((tmp_path / "traces").iterdir()), "nothing on the file system"


AGENT = "169.254.170.2"
"""Where ECS has the keys of a task's role, for every task the same."""

INSTANCE = "169.254.169.254"
"""Where EC2 has its metadata, and where nobody answers on Fargate."""

ENDPOINT = "10.74.0.10"
"""Some address of the private subnets, as the endpoint of X-Ray has one."""

FARGATE = {
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/of-the-role",
    "ECS_CONTAINER_METADATA_URI_V4": f"http://{AGENT}/v4/of-the-container",
}
"""What ECS sets in every container of a task."""


@pytest.mark.timeout(900)
def test_the_scenario_with_aws_in_pods(
    cloud: Cloud, pod: Callable[..., PodTask], stopping: contextlib.ExitStack, tmp_path: Path
) -> None:
    """Nothing tells the daemon that this is not AWS: names, addresses and certificates are as on Fargate.

    It finds the endpoint by its region, over TLS, and the keys of the role at the address of the agent.
    """
    deployment = Deployment(cloud)
    deployment.create_scenario(Backend="aws")
    server = Roentgen(tmp_path / "aws").start()
    stopping.callback(server.close)
    authority = Authority(tmp_path)
    name = f"xray.{REGION}.amazonaws.com"
    standing_in: dict[str, FakeXRay] = {}

    def surround(process: int) -> None:
        add_addresses(process, AGENT, INSTANCE, ENDPOINT)
        secured = authority.listener(listen(process, (ENDPOINT, 443)), name)
        standing_in["xray"] = stopping.enter_context(SignedEndpoint(REGION, server.url, secured))
        agent = stopping.enter_context(FakeXRay(listener=listen(process, (AGENT, 80))))
        agent.answer(FARGATE["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"], credentials_of_the_role())
        standing_in["agent"] = agent

    check_scenario(
        cloud,
        deployment,
        server.url.removeprefix("http://"),
        lambda: pod(
            deployment.task_definition("bottle"),
            environment=FARGATE,
            hosts={name: ENDPOINT},
            surround=surround,
            trusted=authority.bundle,
        ),
        pod,
    )
    check_calls(standing_in["xray"])
    asked = {request.path for request in standing_in["agent"].received}
    assert FARGATE["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] in asked


def test_the_scenario_with_aws(
    cloud: Cloud, plain: Callable[..., PlainTask], stopping: contextlib.ExitStack, tmp_path: Path
) -> None:
    """A Roentgen server answers for the endpoint of X-Ray; what comes there is signed with the role's key."""
    deployment = Deployment(cloud)
    deployment.create_scenario(Backend="aws")
    server = Roentgen(tmp_path / "aws").start()
    stopping.callback(server.close)
    endpoint = stopping.enter_context(SignedEndpoint(REGION, server.url))
    metadata = stopping.enter_context(FakeXRay())
    metadata.answer("/credentials", credentials_of_the_role())
    given = environment(
        AWS_ACCESS_KEY_ID="",
        AWS_SECRET_ACCESS_KEY="",
        AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{metadata.url}/credentials",
        AWS_ENDPOINT_URL_XRAY=endpoint.url,
    )
    check_scenario(
        cloud,
        deployment,
        server.url.removeprefix("http://"),
        lambda: plain(deployment.task_definition("bottle"), "app", environment=given),
        lambda definition: plain(definition, "load"),
    )
    check_calls(endpoint)
