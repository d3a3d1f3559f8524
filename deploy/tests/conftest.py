"""What every check of `deploy/` has at hand: credentials that are no secret."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import containers
import pytest
from harness.environment import CREDENTIALS, RUNNING_IN_CI, require_tools

if TYPE_CHECKING:
    from fargate.deployment import Deployment
    from fargate.moto_plus import Cloud


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
