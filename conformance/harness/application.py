"""Traced apps: programs with an unmodified official SDK, run beside the server under test."""

import socket
import sys
from pathlib import Path

import requests

from .documents import new_trace_id
from .environment import CONFORMANCE, REPOSITORY, child_environment, free_port
from .polling import wait_until
from .process import LoggedProcess

BOTTLE_APP = REPOSITORY / "examples" / "bottle" / "main.py"
PYTHON_APPS = CONFORMANCE / "python"


class Application:
    """A web app under way: its address, its process, and a plain HTTP client for it."""

    def __init__(self, process: LoggedProcess, url: str) -> None:
        self.process = process
        self.url = url

    def get(self, path: str = "/", headers: dict[str, str] | None = None) -> requests.Response:
        return requests.get(f"{self.url}{path}", headers=headers, timeout=10)

    def get_traced(self, path: str = "/") -> tuple[str, requests.Response]:
        """Asks within a new trace that is to be sampled; gives its id and the answer."""
        trace_id = new_trace_id()
        return trace_id, self.get(path, {"X-Amzn-Trace-Id": f"Root={trace_id};Sampled=1"})

    def close(self) -> None:
        if self.process.exit_code is None:
            self.process.kill()


def start_bottle(log: Path, daemon_address: str) -> Application:
    """The sample of examples/bottle. It is asked for nothing yet: a request would already be a trace."""
    port = free_port()
    environment = child_environment(
        {"AWS_XRAY_DAEMON_ADDRESS": daemon_address, "HOST": "127.0.0.1", "PORT": str(port)}
    )
    process = LoggedProcess([sys.executable, str(BOTTLE_APP)], log, environment)
    # It says so a moment before it listens.
    process.wait_for_output(r"(Listening on )")
    wait_until(lambda: is_listening(port), f"{BOTTLE_APP} on port {port}")
    return Application(process, f"http://127.0.0.1:{port}")


def is_listening(port: int) -> bool:
    """Whether a connection can be made. Nothing is asked: a request would be a trace."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_announcing(
    command: list[str],
    log: Path,
    daemon_address: str,
    extra: dict[str, str] | None = None,
    directory: Path | None = None,
) -> Application:
    """An app that picks a port itself and prints `listening on http://127.0.0.1:PORT`."""
    environment = child_environment({"AWS_XRAY_DAEMON_ADDRESS": daemon_address} | (extra or {}))
    process = LoggedProcess(command, log, environment, directory)
    url = process.wait_for_output(r"listening on (http://127\.0\.0\.1:\d+)", 60)
    return Application(process, url)


def run_python(name: str, log: Path, daemon_address: str, *arguments: str) -> str:
    """Runs conformance/python/NAME to its end and gives what it printed; fails when it failed."""
    process = LoggedProcess(
        [sys.executable, str(PYTHON_APPS / name), *arguments],
        log,
        child_environment({"AWS_XRAY_DAEMON_ADDRESS": daemon_address}),
    )
    code = process.wait_for_exit(60)
    assert code == 0, f"{name} ended with {code}\n{process.output()}"
    return process.output()
