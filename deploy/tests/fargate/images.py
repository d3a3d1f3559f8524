"""What stands for the images of the registry where a task is plain processes: programs of this machine."""

import re
import shutil
import sys
import warnings
from pathlib import Path

import pytest
from harness.application import BOTTLE_APP
from harness.daemon import daemon_binary
from harness.environment import RUNNING_IN_CI, roentgen_binary

from fargate.task import Program

BENCH = Path(__file__).with_name("bench.py")


def program_of(name: str) -> Program:
    """What is built here for an image of the registry, with the entry point of the image."""
    repository = re.fullmatch(r"\d+\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/bottle/(\w+):1\.0", name)
    assert repository, f"{name} is not in the registry"
    daemon = str(daemon_binary())
    return {
        "app": Program((sys.executable, str(BOTTLE_APP)), {"python": sys.executable}),
        "daemon": Program((daemon, "-t", "0.0.0.0:2000", "-b", "0.0.0.0:2000"), {"/xray": daemon}),
        "server": Program((str(roentgen_binary()),), {"/roentgen": str(roentgen_binary())}),
        "load": Program((), {"ab": bench()}),
    }[repository[1]]


def bench() -> str:
    """Apache Bench, or what stands in for it on a machine that has none."""
    found = shutil.which("ab")
    if found is None:
        reason = "ab is not installed; a stand-in takes its place"
        pytest.fail(reason) if RUNNING_IN_CI else warnings.warn(reason, stacklevel=2)
    return found or str(BENCH)
