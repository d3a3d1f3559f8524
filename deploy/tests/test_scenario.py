"""The flagship check: the templates are deployed, and what ECS would run is run and traced.

The task definitions come out of the ECS API, the load client's command out of `run-load.sh` by way of
RunTask, the sampling rules out of sampling.yaml. What stands for the images is what was built here: the
real base images cannot be pulled on a machine without a registry.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from base_images import make_python
from botocore import UNSIGNED
from botocore.config import Config
from containers import run
from fargate.deployment import Deployment
from fargate.endpoint import SignedEndpoint, credentials_of_the_role
from fargate.moto_plus import REGION, Cloud
from fargate.pod import PodTask
from fargate.task import PlainTask, Program, is_listening
from fargate.templates import TEMPLATES
from harness.application import BOTTLE_APP
from harness.daemon import daemon_binary
from harness.environment import (
    CREDENTIALS,
    REPOSITORY,
    RUNNING_IN_CI,
    child_environment,
    roentgen_binary,
)
from harness.fake_xray import FakeXRay, Reply
from harness.polling import wait_until
from harness.reading import ServiceMap, find, read_segments, read_summaries
from harness.roentgen import Roentgen

Task = PlainTask | PodTask

SERVICE = ("fa-074", "AWS::ECS::Container")
CLIENT = ("fa-074", "client")
RULE = "bottle-app"

BENCH = Path(__file__).parent / "fargate" / "bench.py"


def images(name: str) -> Program:
    """What is built here for an image of the registry, with the entry point of the image."""
    repository = re.fullmatch(r"\d+\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/bottle/(\w+):1\.0", name)
    assert repository, f"{name} is not in the registry"
    daemon = str(daemon_binary())
    return {
        "app": Program((sys.executable, str(BOTTLE_APP)), {"python": sys.executable}),
        "daemon": Program((daemon, "-t", "0.0.0.0:2000", "-b", "0.0.0.0:2000"), {"/xray": daemon}),
        "server": Program((str(roentgen_binary()),), {"/roentgen": str(roentgen_binary())}),
        "load": Program((), {"ab": bench()}),
    }[repository[1]]


def bench() -> str:
    """Apache Bench, or what stands in for it on a machine that has none."""
    found = shutil.which("ab")
    if found is None:
        reason = "ab is not installed; a stand-in takes its place"
        pytest.fail(reason) if RUNNING_IN_CI else warnings.warn(reason, stacklevel=2)
    return found or str(BENCH)


@pytest.fixture
def stopping() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def environment(**extra: str) -> dict[str, str]:
    """What a Fargate task finds: its region, and here keys in the place of those of its role."""
    return child_environment({"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, **extra})


def run_task(
    stopping: contextlib.ExitStack, deployment: Deployment, family: str, directory: Path, **more: Any
) -> PlainTask:
    return run_definition(stopping, deployment.task_definition(family), directory, **more)


def run_definition(
    stopping: contextlib.ExitStack, definition: dict[str, Any], directory: Path, **more: Any
) -> PlainTask:
    directory.mkdir()
    given = {"environment": environment()} | more
    task = PlainTask(definition, images, directory, **given)
    stopping.callback(task.close)
    return task.start()


def client(url: str) -> Any:
    config = Config(signature_version=UNSIGNED, proxies={})
    return boto3.client("xray", endpoint_url=url, region_name=REGION, config=config)


def apply_rules(url: str) -> None:
    script = TEMPLATES / "apply-sampling-rules.py"
    for word in ("created", "updated"):
        done = subprocess.run([sys.executable, script, url], capture_output=True, text=True, check=True)
        assert done.stdout.split() == [word, "bottle-health", word, RULE]


def curl(task: Task) -> str:
    """Asks the app once with curl; gives the trace id of the answer."""
    address = f"http://{task.address(8080)}/"
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--include", "--noproxy", "*", address],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("Hello X-Ray!"), done.stdout
    found = re.search(r"^x-amzn-trace-id: Root=([^;\s]+)", done.stdout, re.MULTILINE | re.IGNORECASE)
    assert found, done.stdout
    return found[1]


def rule_of(xray: Any, trace_id: str) -> str | None:
    """The rule that the SDK names in the segment; none when it decided with its own."""
    return find(read_segments(xray, trace_id), "fa-074")["aws"]["xray"].get("sampling_rule_name")


def load_definition(cloud: Cloud, deployment: Deployment, app: str) -> dict[str, Any]:
    """What run-load.sh has ECS run against the app: the definition with the task's own command, read back."""
    given = environment(
        AWS_ENDPOINT_URL=cloud.url, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    )
    script = [str(TEMPLATES / "run-load.sh"), "-n", "100", "-u", f"http://{app}/"]
    started = subprocess.run(script, env=given, capture_output=True, text=True, check=False)
    assert started.returncode == 0, started.stderr
    ecs = deployment.client("ecs")
    [task] = ecs.describe_tasks(cluster="bottle", tasks=[started.stdout.strip()])["tasks"]
    assert task["launchType"] == "FARGATE"
    assert task["taskDefinitionArn"].endswith(":task-definition/bottle-load:1")
    [override] = task["overrides"]["containerOverrides"]
    definition = deployment.task_definition("bottle-load")
    [container] = definition["containerDefinitions"]
    assert override["name"] == container["name"]
    return definition | {"containerDefinitions": [container | {"command": override["command"]}]}


def sent_by(task: Task) -> int:
    """The segments that the daemon's log says were sent."""
    found = re.findall(r"\[Info\] Successfully sent batch of (\d+) segments", task.output("daemon"))
    return sum(int(count) for count in found)


def test_the_scenario_with_roentgen(cloud: Cloud, stopping: contextlib.ExitStack, tmp_path: Path) -> None:
    deployment = Deployment(cloud)
    outputs = deployment.create_scenario(Backend="roentgen", ServerTag="1.0")
    server = run_task(stopping, deployment, "bottle-roentgen", tmp_path / "server")
    server.wait_until_healthy("server")

    # The daemon of the task sends to the load balancer, whose only target is the server.
    balancer = outputs["RoentgenUrl"].removeprefix("http://")
    hosts = {balancer: server.address(2000)}
    check_scenario(
        cloud,
        deployment,
        server.address(2000),
        lambda: run_task(stopping, deployment, "bottle", tmp_path / "app", hosts=hosts),
        lambda definition: run_definition(stopping, definition, tmp_path / "load"),
    )
    assert server.stop() == {"server": 0}
    assert any((tmp_path / "server" / "traces").iterdir()), "nothing on the file system"


@pytest.fixture(scope="module")
def app_image(daemon_image: str) -> str:
    """The sample app by its own Dockerfile, on a stand-in for its base image."""
    make_python("docker.io/library/python:3.13-slim")
    tag = "localhost/bottle:1.0"
    source = REPOSITORY / "examples" / "bottle"
    run("buildah", "bud", "--quiet", "--pull-never", "--format", "docker", "--tag", tag, source)
    return tag


@pytest.fixture(scope="module")
def load_image(app_image: str) -> str:
    """The stand-in for Apache Bench under its name; a user has an image with the real one."""
    tag = "localhost/load:1.0"
    working = run("buildah", "from", "--pull-never", app_image).stdout.strip()
    run("buildah", "copy", "--quiet", "--chmod", "0755", working, BENCH, "/usr/bin/ab")
    run("buildah", "config", "--entrypoint", "[]", "--cmd", "", working)
    run("buildah", "commit", "--quiet", "--rm", working, tag)
    return tag


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
def test_the_scenario_in_pods(
    cloud: Cloud,
    stopping: contextlib.ExitStack,
    tmp_path: Path,
    app_image: str,
    daemon_image: str,
    server_image: str,
    load_image: str,
) -> None:
    """The same with the images that are shipped, each task with a network of its own."""
    local = {"app": app_image, "daemon": daemon_image, "server": server_image, "load": load_image}

    def image(name: str) -> str:
        return local[name.rpartition("/")[2].partition(":")[0]]

    deployment = Deployment(cloud)
    outputs = deployment.create_scenario(Backend="roentgen", ServerTag="1.0")
    # Nothing is asked of the address where EC2 would have its metadata.
    variables = {"AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}

    def pod(definition: dict[str, Any], **more: Any) -> PodTask:
        task = PodTask(definition, image, tmp_path, variables, **more)
        stopping.callback(task.close)
        return task.start()

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


def test_the_scenario_with_aws(cloud: Cloud, stopping: contextlib.ExitStack, tmp_path: Path) -> None:
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
        lambda: run_task(stopping, deployment, "bottle", tmp_path / "app", environment=given),
        lambda definition: run_definition(stopping, definition, tmp_path / "load"),
    )
    called = {request.path for request in endpoint.received}
    assert called >= {"/TraceSegments", "/GetSamplingRules"}
    # What the endpoint's policy and the role let through.
    assert called <= {"/TraceSegments", "/TelemetryRecords", "/GetSamplingRules", "/SamplingTargets"}
    endpoint.check_signatures()


def check_scenario(
    cloud: Cloud,
    deployment: Deployment,
    server: str,
    start: Callable[[], Task],
    start_load: Callable[[dict[str, Any]], Task],
) -> None:
    """The article from its first curl to its service map."""
    xray = client(f"http://{server}")
    apply_rules(f"http://{server}")
    began = time.time()
    task = start()
    assert task.started == ["daemon", "app"], "the daemon is started first"
    for container in ("daemon", "app"):
        task.wait_until_healthy(container)
    assert f"[Info] Starting proxy http server on {task.inside(2000)}" in task.output("daemon")
    assert "[Error]" not in task.output("daemon"), "the article's daemon fails to find its instance"

    # The health check of the app is no trace: the first one is that of the first request.
    first = curl(task)
    document = wait_until(lambda: read_segments(xray, first), "the trace of the first request")
    segment = find(document, "fa-074")
    assert segment["origin"] == "AWS::ECS::Container"
    assert segment["http"]["response"]["status"] == 200
    assert len(read_summaries(xray, began - 60, time.time() + 60)) == 1

    def sampled_by_rule() -> bool:
        curl(task)
        summaries = read_summaries(xray, began - 60, time.time() + 60)
        return any(rule_of(xray, summary["Id"]) == RULE for summary in summaries)

    # The SDK fetches the rules beside its first requests, and the daemon keeps a segment for a second.
    wait_until(sampled_by_rule, f"a request sampled by {RULE}")
    counted = len(settled_summaries(xray, task, began))

    # In a new second the reservoir has one for the first request of them.
    now = int(time.time())
    wait_until(lambda: int(time.time()) > now, "the next second", 2)
    load = start_load(load_definition(cloud, deployment, task.address(8080)))
    assert load.wait_for_exit("load") == 0, load.output("load")
    assert not load.is_running, "a task ends with its essential container"
    said = load.output("load")
    assert re.search(r"Complete requests: +100$", said, re.MULTILINE), said
    assert re.search(r"Failed requests: +0$", said, re.MULTILINE), said
    assert "Non-2xx responses" not in said, said

    # One in each second and 5 % of the others: more than 30 of a hundred come by chance in no million years.
    summaries = settled_summaries(xray, task, began, counted + 1)
    assert 1 <= len(summaries) - counted <= 30
    service_map = ServiceMap.of_range(xray, began - 60, time.time() + 60)
    assert service_map.nodes() == {SERVICE, CLIENT}
    statistics = service_map.edge(CLIENT, SERVICE)["SummaryStatistics"]
    assert (statistics["OkCount"], statistics["TotalCount"]) == (len(summaries), len(summaries))

    check_that_the_app_outlives_its_daemon(task)
    codes = task.stop()
    assert list(codes) == ["app", "daemon"], "the app is stopped first"
    assert codes["daemon"] == 0


def settled_summaries(xray: Any, task: Task, began: float, at_least: int = 1) -> list[dict[str, Any]]:
    """All traces once they are as many as the daemon says it has sent, and nothing waits in it."""

    def look() -> list[dict[str, Any]] | None:
        text = task.read(2000, "/metrics")
        received = sum(
            map(float, re.findall(r"^roentgen_daemon_segments_received_total\S* (\S+)", text, re.M))
        )
        summaries = read_summaries(xray, began - 60, time.time() + 60)
        is_settled = len(summaries) == sent_by(task) == received
        return summaries if is_settled and len(summaries) >= at_least else None

    return wait_until(look, "all traces there")


def check_that_the_app_outlives_its_daemon(task: Task) -> None:
    task.kill("daemon")
    assert curl(task)
    assert task.is_running, "the daemon is not essential"
    task.restart("daemon")
    task.wait_until_healthy("daemon")
    assert curl(task)


def test_the_app_runs_without_credentials(
    cloud: Cloud, stopping: contextlib.ExitStack, tmp_path: Path
) -> None:
    """A task without a role: the daemon says what is missing, the app serves."""
    deployment = Deployment(cloud)
    deployment.create_scenario()
    nothing = dict.fromkeys(CREDENTIALS, "")
    given = environment(AWS_ENDPOINT_URL_XRAY="http://127.0.0.1:9", **nothing)
    task = run_task(stopping, deployment, "bottle", tmp_path / "app", environment=given)
    wait_until(lambda: is_listening(task.address(8080)), "the app")
    task.wait_until_healthy("daemon")
    assert curl(task)
    wait_until(
        lambda: re.search(r"credential", task.output("daemon"), re.IGNORECASE), "the cause in the log", 20
    )
    assert task.is_running


def test_the_app_runs_when_the_server_has_no_address(
    cloud: Cloud, stopping: contextlib.ExitStack, tmp_path: Path
) -> None:
    """The name of the server leads nowhere: the daemon says so with the name, the app serves."""
    deployment = Deployment(cloud)
    outputs = deployment.create_scenario(Backend="roentgen", ServerTag="1.0")
    # A label of 64 characters is refused by the resolver of this machine: no name server is asked.
    nowhere = f"{'x' * 64}.invalid:2000"
    hosts = {outputs["RoentgenUrl"].removeprefix("http://"): nowhere}
    task = run_task(stopping, deployment, "bottle", tmp_path / "app", hosts=hosts)
    wait_until(lambda: is_listening(task.address(8080)), "the app")
    task.wait_until_healthy("daemon")
    assert curl(task)
    wait_until(lambda: nowhere.split(":")[0] in task.output("daemon"), "the name in the log", 20)
    assert task.is_running
