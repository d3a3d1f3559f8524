"""An app whose daemon lacks something, or does not even start: it serves, and the log tells why."""

import re
from collections.abc import Callable

import pytest
from fargate.article import curl, environment
from fargate.deployment import Deployment
from fargate.moto_plus import Cloud
from fargate.pod import PodTask
from fargate.task import PlainTask, is_listening
from harness.environment import CREDENTIALS
from harness.polling import wait_until
from shipped import FOREIGN


def test_the_app_runs_without_credentials(cloud: Cloud, plain: Callable[..., PlainTask]) -> None:
    """A task without a role: the daemon says what is missing, the app serves."""
    deployment = Deployment(cloud)
    deployment.create_scenario()
    nothing = dict.fromkeys(CREDENTIALS, "")
    given = environment(AWS_ENDPOINT_URL_XRAY="http://127.0.0.1:9", **nothing)
    task = plain(deployment.task_definition("bottle"), "app", environment=given)
    wait_until(lambda: is_listening(task.address(8080)), "the app")
    task.wait_until_healthy("daemon")
    assert curl(task)
    wait_until(
        lambda: re.search(r"credential", task.output("daemon"), re.IGNORECASE), "the cause in the log", 20
    )
    assert task.is_running


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("image", "command", "told"),
    [
        ("foreign_daemon_image", [], "exec format error"),
        ("daemon_image", ["--no-such-flag"], "no-such-flag"),
    ],
    ids=["for another processor", "with a flag that does not exist"],
)
def test_the_app_runs_beside_a_daemon_that_ends_at_once(
    cloud: Cloud,
    pod: Callable[..., PodTask],
    request: pytest.FixtureRequest,
    image_of: Callable[[str], str],
    image: str,
    command: list[str],
    told: str,
) -> None:
    """The log of its container names the cause; the app starts, is well, and answers."""
    if image == "foreign_daemon_image":
        FOREIGN.require_refusal()
    deployment = Deployment(cloud)
    deployment.create_scenario()
    daemon = request.getfixturevalue(image)
    definition = deployment.task_definition("bottle")
    for container in definition["containerDefinitions"]:
        if container["name"] == "daemon":
            container["command"] = [*container["command"], *command]

    def image_here(name: str) -> str:
        return daemon if "/daemon:" in name else image_of(name)

    task = pod(definition, images=image_here)
    task.wait_until_healthy("app")
    wait_until(lambda: told in task.output("daemon"), "the cause in the log")
    assert task.health("daemon") != 0
    assert curl(task)
    assert task.is_running, "the daemon is not essential"


def test_the_app_runs_when_the_server_has_no_address(cloud: Cloud, plain: Callable[..., PlainTask]) -> None:
    """The name of the server leads nowhere: the daemon says so with the name, the app serves."""
    deployment = Deployment(cloud)
    outputs = deployment.create_scenario(Backend="roentgen", ServerTag="1.0")
    # A label of 64 characters is refused by the resolver of this machine: no name server is asked.
    nowhere = f"{'x' * 64}.invalid:2000"
    hosts = {outputs["RoentgenUrl"].removeprefix("http://"): nowhere}
    task = plain(deployment.task_definition("bottle"), "app", hosts=hosts)
    wait_until(lambda: is_listening(task.address(8080)), "the app")
    task.wait_until_healthy("daemon")
    assert curl(task)
    wait_until(lambda: nowhere.split(":")[0] in task.output("daemon"), "the name in the log", 20)
    assert task.is_running
