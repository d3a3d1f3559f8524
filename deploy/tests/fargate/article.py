"""The article from its first curl to its service map, with a task that runs here and a Roentgen server."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from harness.environment import child_environment
from harness.fake_xray import FakeXRay
from harness.polling import wait_until
from harness.reading import ServiceMap, find, read_segments, read_summaries

from fargate.deployment import Deployment
from fargate.moto_plus import REGION, Cloud
from fargate.pod import PodTask
from fargate.task import PlainTask
from fargate.templates import TEMPLATES

Task = PlainTask | PodTask

SERVICE = ("fa-074", "AWS::ECS::Container")
CLIENT = ("fa-074", "client")
RULE = "bottle-app"


def environment(**extra: str) -> dict[str, str]:
    """What a Fargate task finds: its region, and here keys in the place of those of its role."""
    return child_environment({"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, **extra})


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


def check_calls(endpoint: FakeXRay) -> None:
    """What came to the endpoint of X-Ray is what its policy and the role let through, and is signed."""
    called = {request.path for request in endpoint.received}
    assert called >= {"/TraceSegments", "/GetSamplingRules"}
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
