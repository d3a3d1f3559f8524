"""What every check of `deploy/` has at hand: images, an account on moto, tasks that end with their test."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import containers
import pytest
from base_images import make_python
from harness.environment import CREDENTIALS, REPOSITORY, RUNNING_IN_CI, require_tools
from shipped import FOREIGN

if TYPE_CHECKING:
    from fargate.deployment import Deployment
    from fargate.moto_plus import Cloud
    from fargate.pod import PodTask
    from fargate.task import PlainTask


@pytest.fixture(scope="session", autouse=True)
def credentials() -> Iterator[None]:
    """Fake keys for clients in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("NO_PROXY", "*")
        yield


@pytest.fixture(scope="session")
def daemon_image() -> str:
    """The image of the daemon for this machine."""
    require_containers()
    containers.build("daemon", containers.DAEMON_IMAGE)
    return containers.DAEMON_IMAGE


@pytest.fixture(scope="session")
def server_image() -> str:
    """The image of the server for this machine."""
    require_containers()
    containers.build("server", containers.SERVER_IMAGE)
    return containers.SERVER_IMAGE


@pytest.fixture(scope="session")
def foreign_daemon_image() -> str:
    """The image of the daemon for a processor that this machine does not have."""
    return foreign("daemon", containers.DAEMON_IMAGE)


@pytest.fixture(scope="session")
def foreign_server_image() -> str:
    """The image of the server for a processor that this machine does not have."""
    return foreign("server", containers.SERVER_IMAGE)


def foreign(name: str, native_tag: str) -> str:
    """Builds an image for another processor under a name of its own."""
    require_containers()
    tag = f"{native_tag}-{FOREIGN.architecture}"
    containers.build(name, tag, FOREIGN)
    return tag


def require_containers() -> None:
    """Skips the test where containers cannot be run; in CI that is a failure."""
    require_tools("buildah", "podman", "runc", "skopeo")
    if os.geteuid() != 0:
        reason = "containers are run as root here"
        pytest.fail(reason) if RUNNING_IN_CI else pytest.skip(reason)


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """moto, for all tests that deploy something. It is loaded here because that takes seconds."""
    from fargate.moto_plus import Cloud

    with Cloud() as running:
        yield running


@pytest.fixture
def deployment(cloud: Cloud) -> Deployment:
    """An account with nothing in it but the templates."""
    from fargate.deployment import Deployment

    return Deployment(cloud)


@pytest.fixture
def stopping() -> Iterator[contextlib.ExitStack]:
    """Ends what a test has started."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def app_image(daemon_image: str) -> str:
    """The sample app by its own Dockerfile, on a stand-in for its base image."""
    make_python("docker.io/library/python:3.13-slim")
    tag = "localhost/bottle:1.0"
    source = REPOSITORY / "examples" / "bottle"
    containers.run("buildah", "bud", "--quiet", "--pull-never", "--format", "docker", "--tag", tag, source)
    return tag


@pytest.fixture(scope="session")
def load_image(app_image: str) -> str:
    """The stand-in for Apache Bench under its name; a user has an image with the real one."""
    tag = "localhost/load:1.0"
    bench = Path(__file__).parent / "fargate" / "bench.py"
    working = containers.run("buildah", "from", "--pull-never", app_image).stdout.strip()
    containers.run("buildah", "copy", "--quiet", "--chmod", "0755", working, bench, "/usr/bin/ab")
    containers.run("buildah", "config", "--entrypoint", "[]", "--cmd", "", working)
    containers.run("buildah", "commit", "--quiet", "--rm", working, tag)
    return tag


@pytest.fixture(scope="session")
def image_of(app_image: str, daemon_image: str, server_image: str, load_image: str) -> Callable[[str], str]:
    """What is built here for an image of the registry: what is shipped, and the sample app."""
    local = {"app": app_image, "daemon": daemon_image, "server": server_image, "load": load_image}
    return lambda name: local[name.rpartition("/")[2].partition(":")[0]]


@pytest.fixture
def plain(stopping: contextlib.ExitStack, tmp_path: Path) -> Callable[..., PlainTask]:
    """Starts a task as plain processes, in a directory with a name of its own."""
    from fargate.article import environment
    from fargate.images import program_of
    from fargate.task import PlainTask

    def start(definition: dict[str, Any], name: str, **more: Any) -> PlainTask:
        directory = tmp_path / name
        directory.mkdir()
        task = PlainTask(definition, program_of, directory, **({"environment": environment()} | more))
        stopping.callback(task.close)
        return task.start()

    return start


@pytest.fixture
def pod(
    stopping: contextlib.ExitStack, tmp_path: Path, image_of: Callable[[str], str]
) -> Callable[..., PodTask]:
    """Starts a task as a pod, by default one that is to ask nothing of EC2."""
    from fargate.moto_plus import REGION
    from fargate.pod import PodTask

    alone = {"AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}

    def start(definition: dict[str, Any], **more: Any) -> PodTask:
        given = {"images": image_of, "directory": tmp_path, "environment": alone} | more
        task = PodTask(definition, **given)
        stopping.callback(task.close)
        return task.start()

    return start
