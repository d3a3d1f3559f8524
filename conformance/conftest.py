"""Fixtures of every test: servers that end with the test, and their logs shown when it fails."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.environment import CREDENTIALS
from harness.roentgen import Roentgen

StartRoentgen = Callable[..., Roentgen]

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Puts the end of every running server's log, and of the apps' logs, beside a failure."""
    report = yield
    if not report.failed:
        return report
    for server in Roentgen.running:
        report.sections.append((f"log of {server.url}", server.diagnostics()[-LOG_SHOWN_CHARACTERS:]))
    directory = getattr(item, "funcargs", {}).get("tmp_path")
    for log in sorted(directory.glob("*.log")) if directory else []:
        report.sections.append((log.name, log.read_text(errors="replace")[-LOG_SHOWN_CHARACTERS:]))
    return report
