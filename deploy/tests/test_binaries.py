"""The shipped programs: static, for the machine they say, and alive on it."""

import struct
import subprocess
from pathlib import Path

import pytest
from harness.environment import child_environment, free_port
from harness.polling import wait_until
from harness.process import LoggedProcess
from shipped import PLATFORMS, Platform

PT_INTERP = 3
"""The program header that names a dynamic linker (ELF specification)."""

MEGABYTE = 1_000_000
BOUNDS = {"roentgen-daemon": 12 * MEGABYTE, "roentgen": 25 * MEGABYTE}
"""A program that suddenly is larger than that brings something along that nobody wanted."""


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.architecture)
def test_program_is_static(platform: Platform, name: str) -> None:
    program = platform.program(name)
    machine, interpreters = read_elf(program)
    assert machine == platform.elf_machine
    assert interpreters == 0, f"{program} needs a dynamic linker: there is none in an empty image"
    assert program.stat().st_size < BOUNDS[name]


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.architecture)
def test_program_serves_until_sigterm(platform: Platform, name: str, tmp_path: Path) -> None:
    command, address = [*platform.emulated(), str(platform.program(name))], f"127.0.0.1:{free_port()}"
    arguments = {
        "roentgen-daemon": ["-o", "-n", "us-east-1", "-b", address, "-t", address],
        "roentgen": ["--bind", address, "--data-dir", str(tmp_path / "data")],
    }
    running = LoggedProcess([*command, *arguments[name]], tmp_path / "log", child_environment())
    healthcheck = [*command, "healthcheck", "--to", address]
    try:
        assert (
            subprocess.run([*command, "healthcheck", "--to", "127.0.0.1:1"], capture_output=True).returncode
            == 1
        )
        wait_until(lambda: subprocess.run(healthcheck, capture_output=True).returncode == 0, address, 60)
        assert running.terminate(30) == 0, running.output()
    finally:
        if running.exit_code is None:
            running.kill()


def read_elf(program: Path) -> tuple[int, int]:
    """The machine a 64-bit little-endian program is for, and how many program headers name a linker."""
    content = program.read_bytes()
    assert content[:6] == b"\x7fELF\x02\x01"
    (machine,) = struct.unpack_from("<H", content, 18)
    (table,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    kinds = [struct.unpack_from("<I", content, table + idx * size)[0] for idx in range(count)]
    return machine, kinds.count(PT_INTERP)
