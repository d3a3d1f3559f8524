"""Builds the apps of the SDKs that need building, with what their own project files pin."""

import os
import subprocess
from pathlib import Path

import pytest

from .environment import BUILD_DIRECTORY, CONFORMANCE, require_tools

BUILD_SECONDS = 600
"""Longest build: a first one downloads what the project files name."""


def build_node_service() -> list[str]:
    """Installs the packages of conformance/node; gives the command that runs a service."""
    require_tools("node", "npm")
    directory = CONFORMANCE / "node"
    installed = directory / "node_modules" / ".package-lock.json"
    lock = directory / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        _run(["npm", "ci", "--no-audit", "--no-fund"], directory)
    return ["node", str(directory / "service.js")]


def build_go_shop() -> list[str]:
    """Builds conformance/go; gives the command that runs it."""
    require_tools("go")
    program = BUILD_DIRECTORY / "go-shop"
    _run(
        ["go", "build", "-p", "2", "-o", str(program), "."],
        CONFORMANCE / "go",
        {"CGO_ENABLED": "0"},
    )
    return [str(program)]


def build_java_shop() -> list[str]:
    """Builds conformance/java; gives the command that runs it."""
    require_tools("java", "mvn")
    _run(["mvn", "--quiet", "--batch-mode", "package"], CONFORMANCE / "java")
    return ["java", "-jar", str(BUILD_DIRECTORY / "java" / "java-shop.jar")]


def _run(command: list[str], directory: Path, extra: dict[str, str] | None = None) -> None:
    BUILD_DIRECTORY.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        command,
        cwd=directory,
        # The developer's own: package registries may be reached through a proxy.
        env=dict(os.environ) | (extra or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_SECONDS,
    )
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}")
