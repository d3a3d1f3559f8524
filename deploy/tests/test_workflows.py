"""What GitHub runs, linted offline: its own schema, the findings of zizmor, and that actions are pinned."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness.environment import REPOSITORY
from shipped import tool

WORKFLOWS = REPOSITORY / ".github" / "workflows"
FILES = sorted(WORKFLOWS.glob("*.yml"))


@pytest.fixture(params=FILES, ids=lambda path: path.name)
def workflow(request: pytest.FixtureRequest) -> Path:
    """Each of the workflows."""
    return request.param


def test_both_are_there() -> None:
    assert [path.name for path in FILES] == ["ci.yml", "release.yml"]


def test_github_understands_it(workflow: Path) -> None:
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", workflow]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_zizmor_finds_nothing(workflow: Path) -> None:
    command = [tool("zizmor"), "--offline", "--no-progress", "--persona", "regular", workflow]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_action_is_pinned_to_a_commit(workflow: Path) -> None:
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert used
    assert not [action for action in used if not re.search(r"@[0-9a-f]{40}$", action)]


def test_its_shell_scripts_can_be_parsed(workflow: Path) -> None:
    for step in steps(workflow):
        if "run" in step:
            done = subprocess.run(["bash", "-n"], input=step["run"], capture_output=True, text=True)
            assert done.returncode == 0, f"{step['run']}\n{done.stderr}"
            # A text of GitHub's inside a script would be run as part of it.
            assert "${{" not in step["run"]


def steps(workflow: Path) -> list[dict[str, Any]]:
    """All steps of all jobs."""
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def test_ci_runs_every_check_there_is() -> None:
    scripts = " ".join(step.get("run", "") for step in steps(WORKFLOWS / "ci.yml"))
    assert {"cargo xtask test", "cargo xtask deploy-check"} <= set(
        re.findall(r"cargo xtask [a-z-]+", scripts)
    )
