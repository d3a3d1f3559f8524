"""Where things are on this machine, and the environment child processes get."""

import os
import shutil
import socket
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CONFORMANCE = REPOSITORY / "conformance"
BUILD_DIRECTORY = REPOSITORY / "target" / "conformance"
"""Built apps, caches and the virtual environment: thrown away with `cargo clean`."""

RUNNING_IN_CI = os.environ.get("CI") == "true"

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "SECRET",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""Any key will do: the server under test is not asked to check signatures."""


def roentgen_binary() -> Path:
    """The server under test: ROENTGEN_BINARY, or the newest one that cargo built."""
    named = os.environ.get("ROENTGEN_BINARY")
    if named:
        return Path(named).resolve()
    built = [
        path
        for path in (REPOSITORY / "target" / profile / "roentgen" for profile in ("release", "debug"))
        if path.exists()
    ]
    if not built:
        pytest.exit("no roentgen binary: run `cargo build --release` or set ROENTGEN_BINARY", 2)
    return max(built, key=lambda path: path.stat().st_mtime)


def child_environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment without anything that could reach AWS or configure a server."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "ROENTGEN_")) and name.lower() not in PROXY_VARIABLES
    }
    return inherited | CREDENTIALS | NO_OUTSIDE | (extra or {})


PROXY_VARIABLES = {"http_proxy", "https_proxy", "all_proxy"}

NO_OUTSIDE = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "*",
    "PYTHONUNBUFFERED": "1",
}


def require_tools(*names: str) -> None:
    """Skips the test when a program is missing; under CI=true a missing one is a failure."""
    missing = [name for name in names if shutil.which(name) is None]
    if not missing:
        return
    reason = f"not on PATH: {', '.join(missing)}"
    if RUNNING_IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """A TCP port of the loopback that was free a moment ago, for apps that cannot be given port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
