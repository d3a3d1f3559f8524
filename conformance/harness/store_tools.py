"""Runs `roentgen store …` on the data directory of a server under test."""

import subprocess
from pathlib import Path

import pytest

from .environment import RUNNING_IN_CI, child_environment, roentgen_binary

TOOL_SECONDS = 60
"""Longest run of a tool; the stores of tests are small."""


def store(*arguments: str | Path, data: Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a tool to its end, with `text` as its standard input."""
    return subprocess.run(
        [str(roentgen_binary()), "store", *map(str, arguments), "--data-dir", str(data)],
        env=child_environment(),
        input=text or "",
        capture_output=True,
        text=True,
        timeout=TOOL_SECONDS,
    )


def run_store(*arguments: str | Path, data: Path, text: str | None = None) -> str:
    """Runs a tool that must succeed; gives what it wrote to standard output."""
    done = store(*arguments, data=data, text=text)
    assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def export_tables(target: Path, *options: str, data: Path) -> Path:
    """Exports the Parquet tables. Skips the test when the binary was built without them."""
    done = store("export", "--format", "parquet", target, *options, data=data)
    if "built without Parquet" in done.stderr:
        reason = "the binary under test was built without --features parquet"
        if RUNNING_IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)
    assert done.returncode == 0, done.stderr
    return target
