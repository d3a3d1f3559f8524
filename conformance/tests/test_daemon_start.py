"""The daemon's start and end: its lines in order, addresses, ports that are taken, signals."""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartDaemon
from harness.daemon import START_SECONDS, Daemon, daemon_binary, daemon_environment, free_port
from harness.documents import segment
from harness.fake_xray import FakeXRay, Reply
from harness.polling import wait_until
from harness.process import LoggedProcess
from harness.roentgen import DATAGRAM_HEADER

pytestmark = pytest.mark.daemon


@pytest.fixture
def silent_ec2() -> Iterator[dict[str, str | None]]:
    """The environment of a machine whose metadata service takes connections and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as service:
        service.bind(("127.0.0.1", 0))
        service.listen()
        url = f"http://127.0.0.1:{service.getsockname()[1]}"
        yield {"AWS_EC2_METADATA_DISABLED": None, "AWS_EC2_METADATA_SERVICE_ENDPOINT": url}


def generic(daemon: Daemon, messages: list[str]) -> list[str]:
    """Messages without what differs between runs."""
    replaced = []
    for message in messages:
        message = re.sub(r"(daemon) \d+\.\d+\.\d+\S*", r"\1 VERSION", message)
        message = re.sub(r"\d+ MB", "N MB", message)
        message = re.sub(r"\d+ segment buffers", "N segment buffers", message)
        replaced.append(message.replace(daemon.address, "ADDRESS"))
    return replaced


def test_the_lines_of_a_start_in_their_order(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    assert daemon.stop() == 0
    assert generic(daemon, [f"[{line.level}] {line.message}" for line in daemon.lines()]) == [
        "[Info] Initializing AWS X-Ray daemon VERSION",
        "[Info] Using buffer memory limit of N MB",
        "[Info] N segment buffers allocated",
        "[Info] Using region: us-east-1",
        "[Info] HTTP Proxy server using X-Ray Endpoint : https://xray.us-east-1.amazonaws.com",
        "[Info] Starting proxy http server on ADDRESS",
        "[Info] Got shutdown signal: terminated",
    ]


def test_buffers_are_of_64_kib(start_daemon: StartDaemon) -> None:
    text = start_daemon().output()
    megabytes = re.search(r"memory limit of (\d+) MB", text)
    buffers = re.search(r"(\d+) segment buffers", text)
    assert megabytes
    assert buffers
    assert int(buffers[1]) == 16 * int(megabytes[1])
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    # One percent of the machine, or of the control group where that has less.
    assert 3 <= int(megabytes[1]) <= max(3, machine // 100)


def test_debug_tells_where_everything_comes_from(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    daemon = start_daemon("-l", "debug", "-a", "arn:aws:x", to=upstream.url)
    assert daemon.stop() == 0
    debug = [line.replace(upstream.url, "UPSTREAM") for line in generic(daemon, daemon.messages("Debug"))]
    for line in [
        "Listening on UDP ADDRESS",
        "Using Endpoint read from Config file: UPSTREAM",
        "Fetch region us-east-1 from commandline/config file",
        "ARN of the AWS resource running the daemon: arn:aws:x",
        "No hostname set for telemetry records",
        "No Instance Id set for telemetry records",
        "Using Endpoint: UPSTREAM",
        "Telemetry initiated",
        "Batch size: 50",
        "Skipped telemetry data as no segments found",
        "processor: done!",
        "telemetry: done!",
        "Trace segment: received: 0, truncated: 0, processed: 0",
    ]:
        assert line in debug
    assert any(line.startswith("Shutdown finished. Current epoch in nanoseconds: ") for line in debug)


ENDPOINTS = [
    ("us-east-1", "https://xray.us-east-1.amazonaws.com"),
    ("cn-north-1", "https://xray.cn-north-1.amazonaws.com.cn"),
    ("us-gov-west-1", "https://xray.us-gov-west-1.amazonaws.com"),
    ("us-iso-east-1", "https://xray.us-iso-east-1.c2s.ic.gov"),
    ("us-isob-east-1", "https://xray.us-isob-east-1.sc2s.sgov.gov"),
    ("mars-1", "https://xray.mars-1.amazonaws.com"),
]

ENDPOINTS_OF_NEWER_PARTITIONS = [
    ("eu-isoe-west-1", "https://xray.eu-isoe-west-1.cloud.adc-e.uk"),
    ("us-isof-south-1", "https://xray.us-isof-south-1.csp.hci.ic.gov"),
    ("eusc-de-east-1", "https://xray.eusc-de-east-1.amazonaws.eu"),
]


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [*ENDPOINTS, *(pytest.param(*row, marks=pytest.mark.better) for row in ENDPOINTS_OF_NEWER_PARTITIONS)],
)
def test_the_endpoint_of_a_region(start_daemon: StartDaemon, region: str, endpoint: str) -> None:
    daemon = start_daemon("-o", "-n", region, is_local=False)
    assert f"HTTP Proxy server using X-Ray Endpoint : {endpoint}" in daemon.messages("Info")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "0.0.0.0", "localhost"])
def test_addresses_to_bind(start_daemon: StartDaemon, upstream: FakeXRay, host: str) -> None:
    daemon = start_daemon(to=upstream.url, host=host)
    assert f"Starting proxy http server on {host}:{daemon.port}" in daemon.messages("Info")
    daemon.send_documents(segment("bound"))
    upstream.wait_for_documents(1)
    assert daemon.post("/GetSamplingRules").status_code == 200


def test_a_port_alone_takes_both_families(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    daemon = start_daemon(to=upstream.url, host="")
    assert f"Starting proxy http server on :{daemon.port}" in daemon.messages("Info")
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.create_connection((host, daemon.port), 5):
            pass
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.sendto(b'{"format":"json","version":1}\n' + host.encode(), (host, daemon.port))
    assert sorted(upstream.wait_for_documents(2)) == ["127.0.0.1", "::1"]


def test_a_udp_port_that_is_taken_ends_it(start_daemon: StartDaemon) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        daemon = start_daemon("-b", taken, is_awaited=False)
        assert daemon.process.wait_for_exit() == 1
        assert f"listen udp {taken}: bind: address already in use" in daemon.messages("Error")


def test_a_tcp_port_that_is_taken_does_not(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        daemon = start_daemon("-t", taken, to=upstream.url, is_awaited=False)
        message = f"proxy http server failed to listen: listen tcp {taken}: bind: address already in use"
        daemon.wait_for_message("Error", re.escape(message))
        daemon.send_documents(segment("still here"))
        upstream.wait_for_documents(1)
        assert daemon.stop() == 0


@pytest.mark.better
def test_a_tcp_port_that_is_taken_ends_it_when_asked(start_daemon: StartDaemon) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        daemon = start_daemon("-t", taken, "--tcp-required", is_awaited=False)
        assert daemon.process.wait_for_exit() == 1
        assert "address already in use" in daemon.output()


@pytest.mark.parametrize(
    ("with_signal", "name"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupt")]
)
def test_a_signal_flushes_and_ends_it(
    start_daemon: StartDaemon, upstream: FakeXRay, with_signal: signal.Signals, name: str
) -> None:
    daemon = start_daemon(to=upstream.url)
    # Within the second in which a batch that is not full waits.
    daemon.send_documents(*(segment(f"late-{number}") for number in range(3)))
    assert daemon.stop(with_signal) == 0
    assert f"Got shutdown signal: {name}" in daemon.messages("Info")
    assert len(upstream.documents()) == 3
    assert any(m.startswith("Successfully sent batch of 3 segments (") for m in daemon.messages("Info"))
    assert len(upstream.of("/TelemetryRecords")) == 1


@pytest.mark.better
def test_datagrams_of_the_kernel_s_buffer_are_not_lost_at_the_end(
    start_daemon: StartDaemon, upstream: FakeXRay
) -> None:
    daemon = start_daemon(to=upstream.url)
    os.kill(daemon.process.pid, signal.SIGSTOP)
    daemon.send_documents(*(segment(f"queued-{number}") for number in range(60)))
    os.kill(daemon.process.pid, signal.SIGTERM)
    os.kill(daemon.process.pid, signal.SIGCONT)
    assert daemon.process.wait_for_exit() == 0
    assert len(upstream.documents()) == 60


@pytest.mark.better
def test_the_end_has_a_deadline_and_says_what_was_lost(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    upstream.answer("/TraceSegments", Reply(held=True))
    daemon = start_daemon("--shutdown-timeout", "1", "--request-timeout", "30", to=upstream.url)
    daemon.send_documents(*(segment(f"stuck-{number}") for number in range(120)))
    upstream.wait_for("/TraceSegments", 2)
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 5
    assert re.search(r"\b120\b", daemon.output().partition("Got shutdown signal")[2]), daemon.output()


@pytest.mark.better
def test_the_end_waits_for_no_region_that_nobody_needs(
    start_daemon: StartDaemon, silent_ec2: dict[str, str | None]
) -> None:
    daemon = start_daemon(environment=silent_ec2, is_local=False, is_awaited=False)
    wait_until(daemon.is_serving, "it serves", START_SECONDS)
    daemon.send(b"no header")
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 4


@pytest.mark.better
def test_the_end_waits_for_no_disk_that_hangs(
    tmp_path: Path, start_daemon: StartDaemon, upstream: FakeXRay
) -> None:
    (tmp_path / "spool" / "aws").mkdir(parents=True)
    # Opening it blocks until somebody writes to it.
    os.mkfifo(tmp_path / "spool" / "aws" / "0000000000000001-7-0123456789abcdef.json")
    arguments = ("--spool-dir", str(tmp_path / "spool"), "--shutdown-timeout", "2")
    daemon = start_daemon(*arguments, to=upstream.url)
    daemon.send_documents("past it")
    daemon.wait_for_sent(1)
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 5


@pytest.mark.better
def test_no_huge_pages(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    assert "THP_enabled:\t0\n" in Path(f"/proc/{daemon.process.pid}/status").read_text()


@pytest.mark.better
def test_a_signal_while_it_starts_ends_it_in_order(
    start_daemon: StartDaemon, silent_ec2: dict[str, str | None]
) -> None:
    daemon = start_daemon(environment=silent_ec2, is_local=False, is_awaited=False)
    daemon.wait_for_message("Info", "Initializing")
    wait_until(daemon.is_serving, "it serves", START_SECONDS)
    assert daemon.stop() == 0
    assert "Got shutdown signal: terminated" in daemon.messages("Info")


@pytest.mark.better
def test_it_serves_whatever_ec2_does(
    start_daemon: StartDaemon, upstream: FakeXRay, silent_ec2: dict[str, str | None]
) -> None:
    began = time.monotonic()
    daemon = start_daemon("-n", "us-east-1", to=upstream.url, environment=silent_ec2, is_local=False)
    daemon.send_documents(segment("early"))
    upstream.wait_for_documents(1)
    # A second of it is the time in which a batch fills.
    assert time.monotonic() - began < 2
    assert "instance id" not in " ".join(daemon.messages("Error"))


@pytest.mark.better
def test_port_0_is_printed(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    command = [str(daemon_binary()), "-o", "-n", "us-east-1", "-l", "debug"]
    command += ["-b", "127.0.0.1:0", "-t", "127.0.0.1:0"]
    process = LoggedProcess(command, log, daemon_environment(tmp_path), tmp_path)
    try:
        udp = process.wait_for_output(r"Listening on UDP 127\.0\.0\.1:(\d+)")
        tcp = process.wait_for_output(r"Starting proxy http server on 127\.0\.0\.1:(\d+)")
        assert 0 not in (int(udp), int(tcp))
        with socket.create_connection(("127.0.0.1", int(tcp)), 5):
            pass
        assert process.terminate() == 0
    finally:
        process.kill()


@pytest.mark.better
@pytest.mark.skipif(sys.platform != "linux", reason="the size of a pipe can be set on Linux only")
def test_a_log_that_nobody_reads_holds_nothing_up(tmp_path: Path, upstream: FakeXRay) -> None:
    reader, writer = os.pipe()
    page = 4096
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, page)
    port = free_port("127.0.0.1")
    command = [str(daemon_binary()), "-o", "-n", "us-east-1", "-l", "debug"]
    command += ["-b", f"127.0.0.1:{port}", "-t", f"127.0.0.1:{port}"]
    environment = daemon_environment(tmp_path, {"AWS_ENDPOINT_URL_XRAY": upstream.url})
    process = subprocess.Popen(command, stdout=writer, env=environment, cwd=tmp_path)
    try:
        wait_until(lambda: serves(port), "the daemon serves", START_SECONDS)
        # Each batch of fifty has several lines: many times what the pipe holds.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for batch in range(1, 41):
                for _ in range(50):
                    document = json.dumps(segment("unread")).encode()
                    sender.sendto(DATAGRAM_HEADER + document, ("127.0.0.1", port))
                upstream.wait_for_documents(50 * batch)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        # It was full to the last line that fits.
        assert len(os.read(reader, 2 * page)) > page - 200
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        os.close(writer)


def serves(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return False
    return True
