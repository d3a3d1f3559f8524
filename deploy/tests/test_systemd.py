"""The units: what systemd thinks of them, and that the programs do nothing they forbid.

systemd does not run here, so what a unit forbids is compared with what the programs are seen to do.
"""

import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from harness.documents import segment
from harness.environment import REPOSITORY, child_environment, free_port
from harness.polling import wait_until
from harness.process import LoggedProcess
from harness.roentgen import DATAGRAM_HEADER
from shipped import NATIVE

UNITS = REPOSITORY / "deploy" / "systemd"

PROGRAMS = {"xray.service": "roentgen-daemon", "roentgen.service": "roentgen"}

MOST_EXPOSED = "15"
"""Tenths of systemd's points, of which 100 is the worst; the official daemon's unit has 92."""


@pytest.fixture(params=PROGRAMS)
def unit(request: pytest.FixtureRequest) -> str:
    """The name of a unit."""
    return request.param


def test_systemd_finds_nothing_wrong(unit: str, tmp_path: Path) -> None:
    # Only the program's path changes: it is not installed here.
    program = NATIVE.program(PROGRAMS[unit])
    copy = tmp_path / unit
    text = (UNITS / unit).read_text()
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={program}", text))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
    # It ends with 0 in spite of keys it does not know.
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_calls_it_safe(unit: str) -> None:
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={MOST_EXPOSED}"]
    done = subprocess.run([*command, UNITS / unit], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_program_makes_no_system_call_that_the_unit_forbids(unit: str, tmp_path: Path) -> None:
    made = system_calls(unit, tmp_path)
    assert {"recvmmsg", "accept4"} & made, "nothing was served"
    assert made - allowed_calls(unit) == set()


def allowed_calls(unit: str) -> set[str]:
    """What the lines SystemCallFilter leave, read as systemd reads them: in order, `~` takes away."""
    allowed: set[str] = set()
    for line in re.findall(r"(?m)^SystemCallFilter=(.*)$", (UNITS / unit).read_text()):
        names = {call for name in line.removeprefix("~").split() for call in expanded(name)}
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def expanded(name: str) -> set[str]:
    """The calls of a set, and of the sets in it."""
    if not name.startswith("@"):
        return {name}
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
    )
    entries = [line.strip() for line in done.stdout.splitlines()[1:] if line.startswith("    ")]
    return {call for entry in entries if not entry.startswith("#") for call in expanded(entry)}


def system_calls(unit: str, directory: Path) -> set[str]:
    """All calls of a whole life: start, a segment, a health check, SIGTERM, end."""
    port, trace = free_port(), directory / "calls"
    address = f"127.0.0.1:{port}"
    if unit == "xray.service":
        where = ["-o", "-n", "us-east-1", "-b", address, "-t", address, "--destination", "http://127.0.0.1:1"]
        arguments = [*where, "--spool-dir", str(directory / "spool"), "--attempts", "1"]
    else:
        arguments = ["--bind", address, "--data-dir", str(directory / "data")]
    program = NATIVE.program(PROGRAMS[unit])
    strace = ["strace", "--follow-forks", "--quiet=all", f"--output={trace}"]
    command = [*strace, str(program), *arguments]
    process = LoggedProcess(command, directory / "log", child_environment())
    healthcheck = [program, "healthcheck", "--to", address]
    try:
        wait_until(lambda: subprocess.run(healthcheck, capture_output=True).returncode == 0, "it is well", 30)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            document = json.dumps(segment("traced")).encode()
            sender.sendto(DATAGRAM_HEADER + document, ("127.0.0.1", port))
        subprocess.run(healthcheck, check=True, capture_output=True)
        # strace hands the signal on to nobody: the program is its only child.
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        assert process.wait_for_exit(30) == 0, process.output()
    finally:
        if process.exit_code is None:
            process.kill()
    return set(re.findall(r"(?m)^\d+ +([a-z_0-9]+)\(", trace.read_text()))
