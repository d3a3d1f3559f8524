"""The scripts beside the templates, with tools that only say what they were asked for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fargate import templates
from fargate.moto_plus import ACCOUNT, REGION

REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"


def mirror(
    directory: Path, *arguments: str, tool: str = "skopeo", aws: str = "echo password"
) -> tuple[int, str]:
    """Runs mirror-images.sh with an `aws` and a copying tool that only say what they were asked for."""
    for name, script in {"aws": aws, tool: f'echo "{tool} $*"'}.items():
        program = directory / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    # Nothing else of this machine: it may have one of the tools.
    done = subprocess.run(
        ["/bin/sh", templates.TEMPLATES / "mirror-images.sh", *arguments],
        env={"PATH": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("tool", "copy"),
    [
        ("skopeo", "skopeo copy --all docker://{source} docker://{target}"),
        ("crane", "crane copy {source} {target}"),
        ("docker", "docker buildx imagetools create --tag {target} {source}"),
    ],
)
def test_images_are_mirrored_with_every_processor(tool: str, copy: str, tmp_path: Path) -> None:
    source, target = "example.org/roentgen-daemon:1.0", f"{REGISTRY}/bottle/daemon:1.0"
    code, said = mirror(tmp_path, source, target, tool=tool)
    assert code == 0, said
    assert copy.format(source=source, target=target) in said.splitlines()


@pytest.mark.parametrize(
    ("arguments", "more", "message"),
    [
        ((), {}, "usage: mirror-images.sh SOURCE TARGET"),
        (("a:1", "docker.io/a:1"), {}, '"docker.io/a:1" is in no ECR registry'),
        (("a:1", f"{REGISTRY}/bottle/app"), {}, "has no tag; add one"),
        (("a:1", f"{REGISTRY}/bottle/app:latest"), {}, "give it a version"),
        (("a:1", f"{REGISTRY}/bottle/app:1"), {"aws": "exit 255"}, f"no credentials for ECR in {REGION}"),
        (("a:1", f"{REGISTRY}/bottle/app:1"), {"tool": "nothing"}, "none of skopeo, crane and docker"),
    ],
)
def test_what_is_not_mirrored(
    arguments: tuple[str, ...], more: dict[str, str], message: str, tmp_path: Path
) -> None:
    code, said = mirror(tmp_path, *arguments, **more)
    assert code == 1
    assert f"mirror-images.sh: {message}" in said or message in said


def test_rules_for_a_server_that_is_not_there() -> None:
    script = templates.TEMPLATES / "apply-sampling-rules.py"
    for arguments, code, message in (
        (["http://127.0.0.1:9"], 1, "sampling rules not applied to http://127.0.0.1:9: "),
        (["roentgen"], 1, "sampling rules not applied to roentgen: "),
        ([], 2, "usage: apply-sampling-rules.py URL"),
    ):
        done = subprocess.run(
            [sys.executable, script, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == code
        assert message in done.stderr


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ("arn:aws:ecs:eu-west-1:1:task/x\\tNone\\tNone", 0, "arn:aws:ecs:eu-west-1:1:task/x\n"),
        (
            "None\\tCapacity is unavailable at this time\\tFARGATE",
            1,
            "run-load.sh: no task was started: Capacity is unavailable at this time\tFARGATE\n",
        ),
    ],
)
def test_what_run_task_says(answer: str, code: int, said: str, tmp_path: Path) -> None:
    """RunTask answers 200 when it has started nothing; why not is among its failures."""
    aws = tmp_path / "aws"
    aws.write_text(f"#!/bin/sh\ncase $2 in run-task) printf '{answer}\\n' ;; *) echo something ;; esac\n")
    aws.chmod(0o755)
    script = [str(templates.TEMPLATES / "run-load.sh"), "-u", "http://10.74.1.250:8080/"]
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(script, env={"PATH": path}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (code, said)
