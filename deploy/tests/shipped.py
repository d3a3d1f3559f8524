"""The static programs that `cargo xtask deploy-check --only binaries` builds, by platform."""

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness.environment import REPOSITORY, RUNNING_IN_CI, require_tools

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
SCRATCH = TARGET / "deploy"
"""What the checks build: thrown away with `cargo clean`."""


@dataclass(frozen=True)
class Platform:
    """A platform that programs are shipped for, by the name that images and Debian packages have for it."""

    architecture: str
    triple: str
    machine: str
    """What `uname -m` says there; QEMU's emulators are named so as well."""
    elf_machine: int
    """`e_machine` in the head of its programs (ELF specification)."""

    def program(self, name: str) -> Path:
        """One of its programs; skips the test where it has not been built."""
        path = TARGET / self.triple / "dist" / name
        if not path.is_file():
            reason = f"{path} is missing; run `cargo xtask deploy-check --only binaries`"
            pytest.fail(reason) if RUNNING_IN_CI else pytest.skip(reason)
        return path

    def emulated(self) -> list[str]:
        """What to put before a command line so that this machine runs the program."""
        if platform.machine() == self.machine:
            return []
        emulator = f"qemu-{self.machine}-static"
        require_tools(emulator)
        return [emulator]

    def require_refusal(self) -> None:
        """Skips the test where the kernel has been told an emulator and runs these programs after all."""
        registered = Path(f"/proc/sys/fs/binfmt_misc/qemu-{self.machine}")
        if registered.exists():
            pytest.skip(f"{registered} has this machine run programs for {self.architecture}")


AMD64 = Platform("amd64", "x86_64-unknown-linux-musl", "x86_64", 62)
ARM64 = Platform("arm64", "aarch64-unknown-linux-musl", "aarch64", 183)
PLATFORMS = (AMD64, ARM64)

NATIVE = next((each for each in PLATFORMS if each.machine == platform.machine()), AMD64)
"""The one of this machine."""

FOREIGN = next(each for each in PLATFORMS if each is not NATIVE)
"""One whose programs this machine runs under an emulator alone."""


def tool(name: str) -> Path:
    """A program of the virtual environment that these tests run in."""
    return Path(sys.executable).parent / name
