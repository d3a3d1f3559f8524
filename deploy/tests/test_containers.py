"""The images in containers: how they live under the strictest rules, and what they say of what is wrong."""

import json
import re
import secrets
import shutil
import socket
from typing import Any

import boto3
import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from containers import HARDENED, Container, config_of, container, podman, run
from harness.documents import put, segment
from harness.environment import REPOSITORY, free_port
from harness.polling import wait_until
from harness.reading import find, read_segments
from harness.roentgen import DATAGRAM_HEADER
from shipped import FOREIGN

NOWHERE = ("-o", "-n", "us-east-1", "--destination", "http://127.0.0.1:1")
"""A daemon that sends to a port where nobody listens."""


def becomes_well(running: Container, *healthcheck: str) -> None:
    """Waits until the health check of the image says so."""
    wait_until(lambda: running.execute(*healthcheck).returncode == 0, f"{running.name} is well", 30)


@pytest.mark.parametrize("image", ["daemon", "server"])
def test_the_image_for_another_processor_lives_under_an_emulator(
    image: str, request: pytest.FixtureRequest
) -> None:
    """Its entry point and its health check as they stand in it, the emulator before both."""
    tag = request.getfixturevalue(f"foreign_{image}_image")
    emulator = shutil.which(*FOREIGN.emulated())
    config = config_of(tag)["config"]
    mounted = ("--volume", f"{emulator}:/emulator:ro", "--entrypoint", "/emulator")
    arguments = [*config["Entrypoint"], *(NOWHERE if image == "daemon" else ())]
    options = ("--network", "none", "--pull", "never", *mounted)
    with container(f"emulated-{image}", tag, *arguments, options=options) as running:
        becomes_well(running, "/emulator", *config["Healthcheck"]["Test"][1:])
        assert running.stop() == 0, running.logs()


def test_an_image_for_another_processor_says_so(foreign_daemon_image: str) -> None:
    FOREIGN.require_refusal()
    run_once = ("podman", "run", "--rm", "--pull", "never", "--network", "none", *HARDENED)
    done = run(*run_once, foreign_daemon_image, is_checked=False)
    assert done.returncode != 0
    assert "exec format error" in (done.stdout + done.stderr).lower()
    for page in ("deploy/images.md", "migrate-from-the-aws-daemon.md"):
        assert "`exec format error`" in (REPOSITORY / "docs" / page).read_text()


def test_daemon_lives_under_the_strictest_rules(daemon_image: str) -> None:
    with container("strict-daemon", daemon_image, *NOWHERE, options=("--network", "none")) as running:
        becomes_well(running, "/xray", "healthcheck")
        assert running.stop() == 0, running.logs()


def test_arguments_of_the_container_win_over_those_of_the_image(daemon_image: str) -> None:
    moved = ("-t", "127.0.0.1:3000", "--bind=127.0.0.1:3000")
    with container("moved-daemon", daemon_image, *NOWHERE, *moved, options=("--network", "none")) as running:
        becomes_well(running, "/xray", "healthcheck", "--to", "127.0.0.1:3000")
        default = running.execute("/xray", "healthcheck")
        assert default.returncode == 1
        assert "127.0.0.1:2000" in default.stderr


def test_commands_written_for_the_official_images(daemon_image: str) -> None:
    """The one on Docker Hub has the program in /usr/bin, the one on ECR Public in the root."""
    for path in ("/usr/bin/xray", "/xray"):
        options = ("--network", "none", "--entrypoint", path)
        arguments = ("-c", "/etc/amazon/xray/cfg.yaml", *NOWHERE)
        with container("official-command", daemon_image, *arguments, options=options) as running:
            becomes_well(running, "/xray", "healthcheck")


def test_server_keeps_its_data_in_the_volume(server_image: str) -> None:
    options = ("--network", "none", "--volume", "kept-data:/var/lib/roentgen")
    try:
        for _ in ("made", "found again"):
            with container("strict-server", server_image, options=options) as running:
                becomes_well(running, "/roentgen", "healthcheck")
                assert running.stop() == 0, running.logs()
        check = podman("run", "--rm", *options, server_image, "store", "check")
        assert "/var/lib/roentgen" in check
    finally:
        podman("volume", "rm", "--force", "kept-data", is_checked=False)


@pytest.mark.parametrize(
    ("options", "cause", "remedy"),
    [
        (("--volume", "refused:/var/lib/roentgen:ro"), "Read-only file system", "mount it for writing"),
        (
            ("--volume", "refused:/var/lib/roentgen", "--user", "4711"),
            "Permission denied",
            "give the directory to",
        ),
    ],
    ids=["read-only", "of another user"],
)
def test_a_volume_that_cannot_be_written_to(
    server_image: str, options: tuple[str, ...], cause: str, remedy: str
) -> None:
    # The volume gets its owner from the image with its first use.
    podman("run", "--rm", "--volume", "refused:/var/lib/roentgen", server_image, "--version")
    try:
        done = run(
            "podman", "run", "--rm", *HARDENED, "--network", "none", *options, server_image, is_checked=False
        )
    finally:
        podman("volume", "rm", "--force", "refused", is_checked=False)
    assert done.returncode == 1
    assert "/var/lib/roentgen" in done.stderr
    assert cause in done.stderr
    assert remedy in done.stderr


def test_a_volume_that_is_full(server_image: str) -> None:
    """What was acknowledged can be read, what comes then is refused, and the log says what to do."""
    port = free_port()
    full = ("--tmpfs", "/var/lib/roentgen:size=2m,U")
    options = ("--network", "host", "--env", f"ROENTGEN_BIND=127.0.0.1:{port}", *full)
    config = Config(signature_version=UNSIGNED, proxies={}, retries={"total_max_attempts": 1})
    url = f"http://127.0.0.1:{port}"
    xray = boto3.client("xray", endpoint_url=url, region_name="us-east-1", config=config)
    with container("full-server", server_image, options=options) as running:
        becomes_well(running, "/roentgen", "healthcheck", "--to", f"127.0.0.1:{port}")
        kept = segment("kept")
        put(xray, kept)
        with pytest.raises(ClientError) as refused:
            fill(xray)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
        log = running.logs()
        assert "No space left on device" in log
        assert "make sure that the disk is sound and has room, then restart" in log
        assert find(read_segments(xray, kept["trace_id"]), "kept")["id"] == kept["id"]
        # Whoever looks after containers is told by the health check.
        assert running.execute("/roentgen", "healthcheck", "--to", f"127.0.0.1:{port}").returncode == 1


def fill(xray: Any) -> None:
    """More than 2 MB, however well it is compressed: each of these documents has 30 KB of chance in it."""
    for _ in range(100):
        put(xray, segment("too-much", metadata={"default": {"noise": secrets.token_hex(30_000)}}))


SPOOL = ("--spool-dir", "/var/spool/xray", "--attempts", "1")


def test_a_spool_that_cannot_be_written_to(daemon_image: str) -> None:
    """In the image itself, whose root is read-only."""
    once = ("podman", "run", "--rm", *HARDENED, "--network", "none")
    done = run(*once, daemon_image, *NOWHERE, *SPOOL, is_checked=False)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "spool directory /var/spool/xray/" in said
    assert "Read-only file system" in said
    assert "mount it for writing, or choose another --spool-dir" in said


def test_a_spool_on_a_disk_that_is_full(daemon_image: str) -> None:
    """It is told, what is lost is counted, and the daemon goes on."""
    port = free_port()
    where = ("-b", f"127.0.0.1:{port}", "-t", f"127.0.0.1:{port}")
    options = ("--network", "host", "--tmpfs", "/var/spool/xray:size=64k,U")
    with container("full-daemon", daemon_image, *NOWHERE, *where, *SPOOL, options=options) as running:
        becomes_well(running, "/xray", "healthcheck", "--to", f"127.0.0.1:{port}")

        def told() -> bool:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                document = segment("too-much", metadata={"default": {"noise": "x" * 30_000}})
                sender.sendto(DATAGRAM_HEADER + json.dumps(document).encode(), ("127.0.0.1", port))
            return "make room there, or set a lower --spool-bytes" in running.logs()

        wait_until(told, "the log says what to do", 60)
        assert "No space left on device" in running.logs()
        assert running.execute("/xray", "healthcheck", "--to", f"127.0.0.1:{port}").returncode == 0
        metrics = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
        assert re.search(
            r'^roentgen_daemon_segments_spilled_total\{.*reason="spool_full".*\} [1-9]', metrics, re.M
        )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give the task, pod or instance a role with AWSXRayDaemonWriteAccess"),
        (("--destination", "http://roentgen.invalid:2000"), "lookup roentgen.invalid: no such host"),
    ],
    ids=["no credentials", "a name that does not resolve"],
)
def test_what_keeps_the_daemon_from_sending_is_told(
    daemon_image: str, arguments: tuple[str, ...], told: str
) -> None:
    port = free_port()
    where = ("-o", "-n", "us-east-1", "-b", f"127.0.0.1:{port}", "-t", f"127.0.0.1:{port}")
    options = ("--network", "host", "--env", "AWS_EC2_METADATA_DISABLED=true")
    with container("not-sending", daemon_image, *where, *arguments, options=options) as running:
        becomes_well(running, "/xray", "healthcheck", "--to", f"127.0.0.1:{port}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(DATAGRAM_HEADER + json.dumps(segment("waiting")).encode(), ("127.0.0.1", port))
        wait_until(lambda: told in running.logs(), told, 60)
        # It goes on: the app notices nothing.
        assert running.execute("/xray", "healthcheck", "--to", f"127.0.0.1:{port}").returncode == 0
