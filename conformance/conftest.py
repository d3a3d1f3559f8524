"""Fixtures of every test: servers that end with the test, and their logs shown when it fails."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.daemon import IS_OFFICIAL, Daemon
from harness.environment import CREDENTIALS
from harness.fake_xray import FakeXRay
from harness.roentgen import Roentgen

StartRoentgen = Callable[..., Roentgen]
StartDaemon = Callable[..., Daemon]

LOG_SHOWN_CHARACTERS = 20_000
"""The end of a log that is shown with a failed test."""


@pytest.fixture(scope="session", autouse=True)
def credentials() -> Iterator[None]:
    """Fake keys for clients in this process, and nothing of the user's own configuration."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("NO_PROXY", "*")
        yield


@pytest.fixture
def start_roentgen(tmp_path: Path) -> Iterator[StartRoentgen]:
    """Starts as many servers as a test needs, each on its own data directory."""
    started: list[Roentgen] = []

    def start(*arguments: str) -> Roentgen:
        server = Roentgen(tmp_path / f"roentgen-{len(started)}", arguments)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.close()


@pytest.fixture
def roentgen(start_roentgen: StartRoentgen) -> Roentgen:
    """A fresh server with an empty store."""
    return start_roentgen()


@pytest.fixture(scope="module")
def shared_roentgen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roentgen]:
    """One server for all tests of a module that look only at their own traces."""
    server = Roentgen(tmp_path_factory.mktemp("shared"))
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def xray(shared_roentgen: Roentgen) -> Any:
    """A boto3 client of the shared server."""
    return shared_roentgen.xray()


@pytest.fixture
def upstream() -> Iterator[FakeXRay]:
    """What a daemon sends to. In the end every request must have been signed, unless the test says no."""
    with FakeXRay() as service:
        yield service
        service.check_signatures()


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[StartDaemon]:
    """Starts as many daemons as a test needs; by default in local mode and in us-east-1."""
    started: list[Daemon] = []

    def start(
        *arguments: str,
        to: str | None = None,
        config: dict[str, Any] | None = None,
        environment: dict[str, str | None] | None = None,
        host: str = "127.0.0.1",
        is_awaited: bool = True,
        is_local: bool = True,
    ) -> Daemon:
        """`to` is the URL that stands in for AWS."""
        given = dict(config or {}) | ({"Endpoint": to} if to else {})
        local = ("-o", "-n", "us-east-1") if is_local else ()
        directory = tmp_path / f"daemon-{len(started)}"
        daemon = Daemon(directory, (*local, *arguments), given or None, environment, host)
        started.append(daemon)
        return daemon.start() if is_awaited else daemon.spawn()

    yield start
    for daemon in started:
        daemon.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The official daemon judges the tests, but not those of what we do better."""
    if not IS_OFFICIAL:
        return
    reason = "what the official daemon does not do"
    for item in items:
        if item.get_closest_marker("better"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Puts the end of every running server's log, and of the apps' logs, beside a failure."""
    report = yield
    if not report.failed:
        return report
    for server in Roentgen.running:
        report.sections.append((f"log of {server.url}", server.diagnostics()[-LOG_SHOWN_CHARACTERS:]))
    for daemon in Daemon.running:
        report.sections.append((f"log of daemon {daemon.address}", daemon.output()[-LOG_SHOWN_CHARACTERS:]))
    directory = getattr(item, "funcargs", {}).get("tmp_path")
    for log in sorted(directory.glob("*.log")) if directory else []:
        report.sections.append((log.name, log.read_text(errors="replace")[-LOG_SHOWN_CHARACTERS:]))
    return report
