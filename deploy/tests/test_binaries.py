"""The shipped programs: static, for the machine they say, and alive on it."""

import contextlib
import json
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from authority import Authority
from botocore import UNSIGNED
from botocore.config import Config
from harness.documents import segment
from harness.environment import CREDENTIALS, child_environment, free_port
from harness.fake_xray import FakeXRay
from harness.polling import wait_until
from harness.process import LoggedProcess
from harness.reading import find, wait_for_segments
from harness.roentgen import DATAGRAM_HEADER
from harness.signature import Key
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


WELL_SECONDS = 60
"""Longest start of a program under an emulator, on a machine that builds something else meanwhile."""


@contextlib.contextmanager
def serving(platform: Platform, name: str, directory: Path, *more: str, **variables: str) -> Iterator[str]:
    """A program from its start, when its health check says no, to SIGTERM; gives its address."""
    command, address = [*platform.emulated(), str(platform.program(name))], f"127.0.0.1:{free_port()}"
    arguments = {
        "roentgen-daemon": ["-o", "-n", "us-east-1", "-b", address, "-t", address],
        "roentgen": ["--bind", address, "--data-dir", str(directory / "data")],
    }[name]
    healthcheck = [*command, "healthcheck", "--to", address]
    assert not answers(healthcheck), "nobody is there yet"
    started = [*command, *arguments, *more]
    running = LoggedProcess(started, directory / f"{name}.log", child_environment(variables))
    try:
        wait_until(lambda: answers(healthcheck), f"{name} at {address} is well", WELL_SECONDS)
        yield address
        assert running.terminate(30) == 0, running.output()
    finally:
        if running.exit_code is None:
            running.kill()


def answers(healthcheck: list[str]) -> bool:
    """Whether a health check says yes; one that cannot be run at all is no answer either way."""
    code = subprocess.run(healthcheck, capture_output=True, check=False).returncode
    assert code in (0, 1), f"{healthcheck} ended with {code}"
    return code == 0


def send(document: dict[str, object], address: str) -> None:
    """A document as an SDK sends it."""
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(DATAGRAM_HEADER + json.dumps(document).encode(), (host, int(port)))


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.architecture)
def test_a_segment_goes_through_both_programs(platform: Platform, tmp_path: Path) -> None:
    """Sent to the daemon, kept by the server, and read there through the X-Ray API; both end in order."""
    document = segment("through-both")
    with serving(platform, "roentgen", tmp_path) as server:
        where = ("--destination", f"http://{server}")
        with serving(platform, "roentgen-daemon", tmp_path, *where) as daemon:
            send(document, daemon)
            config = Config(signature_version=UNSIGNED, proxies={})
            xray = boto3.client(
                "xray", endpoint_url=f"http://{server}", region_name="us-east-1", config=config
            )
            documents = wait_for_segments(xray, document["trace_id"], deadline_seconds=WELL_SECONDS)
    assert find(documents, "through-both")["id"] == document["id"]


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.architecture)
def test_what_is_for_aws_is_encrypted_and_signed(platform: Platform, tmp_path: Path) -> None:
    """Both are done with instructions of the processor, so that of each has to get them right."""
    authority = Authority(tmp_path)
    secured = authority.listener(socket.create_server(("127.0.0.1", 0)), "localhost")
    key = Key(CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"])
    with FakeXRay([key], listener=secured) as xray:
        variables = {
            "AWS_ENDPOINT_URL_XRAY": f"https://localhost:{xray.port}",
            "SSL_CERT_FILE": str(authority.bundle),
        }
        with serving(platform, "roentgen-daemon", tmp_path, **variables) as daemon:
            send(segment("for-aws"), daemon)
            xray.wait_for_documents(1, WELL_SECONDS)
        xray.check_signatures()


def read_elf(program: Path) -> tuple[int, int]:
    """The machine a 64-bit little-endian program is for, and how many program headers name a linker."""
    content = program.read_bytes()
    assert content[:6] == b"\x7fELF\x02\x01"
    (machine,) = struct.unpack_from("<H", content, 18)
    (table,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    kinds = [struct.unpack_from("<I", content, table + idx * size)[0] for idx in range(count)]
    return machine, kinds.count(PT_INTERP)
