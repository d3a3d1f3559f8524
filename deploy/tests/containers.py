"""Builds and runs containers with buildah, podman and runc, apart from the user's own ones."""

import json
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.environment import REPOSITORY
from shipped import NATIVE, SCRATCH, TARGET, Platform

IMAGES = REPOSITORY / "deploy" / "images"

RUN_SECONDS = 240
"""Longest single command; the longest unpacks an image while the machine builds something else."""

DAEMON_IMAGE = "localhost/roentgen-daemon:0.1.0"
SERVER_IMAGE = "localhost/roentgen:0.1.0"
"""What the manifests and compose files name; buildah and podman put `localhost/` before a bare name."""

STORAGE = SCRATCH / "containers"


def environment() -> dict[str, str]:
    """What makes the container tools use this run's own storage and what a plain machine can do."""
    STORAGE.mkdir(parents=True, exist_ok=True)
    keep(
        STORAGE / "storage.conf",
        f'[storage]\ndriver = "overlay"\ngraphroot = "{STORAGE}/graph"\nrunroot = "{STORAGE}/run"\n',
    )
    # crun refuses hybrid control groups, systemd may not be there, and podman's own limits may be above ours:
    # it takes the number of process ids for the number of processes.
    bounds = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    most_processes = int(Path("/proc/sys/kernel/pid_max").read_text())
    limits = [
        f'"{name}={limit}:{limit}"'
        for name, kind in bounds.items()
        if (hard := resource.getrlimit(kind)[1]) != resource.RLIM_INFINITY
        and (limit := min(hard, most_processes))
    ]
    keep(
        STORAGE / "containers.conf",
        f"[containers]\ndefault_ulimits = [{', '.join(limits)}]\n"
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n',
    )
    return os.environ | {
        "CONTAINERS_CONF": str(STORAGE / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(STORAGE / "storage.conf"),
        "BUILDAH_ISOLATION": "chroot",
    }


def keep(path: Path, content: str) -> None:
    """Writes a file that does not say this yet: another command may be about to read it."""
    if not path.is_file() or path.read_text() != content:
        path.write_text(content)


def run(*command: str | Path, is_checked: bool = True) -> subprocess.CompletedProcess[str]:
    """One command of the container tools, to its end."""
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=RUN_SECONDS, check=False
    )
    if is_checked and done.returncode != 0:
        words = " ".join(str(word) for word in command)
        raise AssertionError(f"{words}\nended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def podman(*arguments: str | Path, is_checked: bool = True) -> str:
    """What a podman command prints, errors included."""
    done = run("podman", *arguments, is_checked=is_checked)
    return done.stdout + done.stderr


def build(name: str, tag: str, platform: Platform = NATIVE, *, index: str = "") -> str:
    """Builds the image `name` from what `cargo xtask images` laid out; gives its id, a hash of all of it.

    With an index the image becomes one of those in it, as `docker buildx build` with many platforms does.
    """
    platform.program("roentgen" if name == "server" else "roentgen-daemon")
    identity = SCRATCH / f"{name}-{platform.architecture}.id"
    steps = ("--quiet", "--pull-never", "--no-cache", "--timestamp", "0", "--format", "docker")
    run(
        *("buildah", "bud", *steps, "--platform", f"linux/{platform.architecture}"),
        # Known without being told in newer versions only.
        *("--build-arg", f"TARGETARCH={platform.architecture}"),
        *("--iidfile", identity, "--tag", tag, *(("--manifest", index) if index else ())),
        *("--file", IMAGES / f"{name}.Dockerfile", TARGET / "images" / name),
    )
    return identity.read_text().strip()


def config_of(tag: str) -> dict[str, Any]:
    """What `docker inspect` would show."""
    return json.loads(run("buildah", "inspect", "--type", "image", tag).stdout)["Docker"]


@dataclass
class Container:
    """A container under way."""

    name: str

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command in it."""
        return run("podman", "exec", self.name, *command, is_checked=False)

    def logs(self) -> str:
        """Everything it has written."""
        return podman("logs", self.name)

    def state(self) -> dict[str, Any]:
        """What podman says of its state."""
        return json.loads(run("podman", "inspect", self.name).stdout)[0]["State"]

    def stop(self) -> int:
        """Sends it SIGTERM; gives the code it ended with."""
        podman("stop", "--time", "20", self.name)
        return int(self.state()["ExitCode"])


HARDENED = ("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges")
"""The least a container can be given."""


@contextmanager
def container(name: str, image: str, *arguments: str, options: tuple[str, ...] = ()) -> Iterator[Container]:
    """A container of the image, hardened, removed in the end."""
    podman("run", "--detach", "--replace", "--name", name, *HARDENED, *options, image, *arguments)
    try:
        yield Container(name)
    finally:
        podman("rm", "--force", "--volumes", "--time", "5", name, is_checked=False)
