"""The images: what they say of themselves, what is in them, and how they live under the strictest rules."""

import json
import re
import socket
import tarfile
from typing import Any

import pytest
from containers import DAEMON_IMAGE, HARDENED, IMAGES, SERVER_IMAGE, Container, build, container, podman, run
from harness.documents import segment
from harness.environment import REPOSITORY, free_port
from harness.polling import wait_until
from harness.roentgen import DATAGRAM_HEADER
from shipped import AMD64, NATIVE, PLATFORMS, SCRATCH, Platform, tool

NAMES = {"daemon": DAEMON_IMAGE, "server": SERVER_IMAGE}

NOWHERE = ("-o", "-n", "us-east-1", "--destination", "http://127.0.0.1:1")
"""A daemon that sends to a port where nobody listens."""


@pytest.fixture(scope="module", params=NAMES)
def image(request: pytest.FixtureRequest) -> str:
    """Each of the images by its short name."""
    request.getfixturevalue(f"{request.param}_image")
    return request.param


def config_of(tag: str) -> dict[str, Any]:
    """What `docker inspect` would show."""
    return json.loads(run("buildah", "inspect", "--type", "image", tag).stdout)["Docker"]


def test_daemon_says_what_the_official_image_says(daemon_image: str) -> None:
    config = config_of(daemon_image)["config"]
    assert config["Entrypoint"] == ["/xray", "-t", "0.0.0.0:2000", "-b", "0.0.0.0:2000"]
    assert set(config["ExposedPorts"]) == {"2000/udp", "2000/tcp"}
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"] == ["CMD", "/xray", "healthcheck"]
    assert config["StopSignal"] == "SIGTERM"
    assert not config.get("Cmd")


def test_server_says_where_its_data_are(server_image: str) -> None:
    config = config_of(server_image)["config"]
    assert config["Entrypoint"] == ["/roentgen"]
    assert set(config["ExposedPorts"]) == {"2000/udp", "2000/tcp"}
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"] == ["CMD", "/roentgen", "healthcheck"]
    assert "ROENTGEN_DATA_DIR=/var/lib/roentgen" in config["Env"]
    assert set(config["Volumes"]) == {"/var/lib/roentgen"}


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.architecture)
def test_two_builds_are_one_image(image: str, platform: Platform) -> None:
    tag = f"localhost/roentgen-twice-{image}-{platform.architecture}"
    build(image, tag, platform)
    first = digest_of(tag)
    assert config_of(tag)["architecture"] == platform.architecture
    build(image, tag, platform)
    assert digest_of(tag) == first


def digest_of(tag: str) -> str:
    """What a registry would call it in the OCI format; Docker's names the container it was built in."""
    archive = SCRATCH / "digest"
    run("rm", "-rf", archive)
    run("skopeo", "copy", "--quiet", "--format", "oci", f"containers-storage:{tag}", f"dir:{archive}")
    return json.loads(run("skopeo", "inspect", f"dir:{archive}").stdout)["Digest"]


def test_content_of_the_images(image: str) -> None:
    name = f"content-{image}"
    archive = SCRATCH / f"{name}.tar"
    podman("create", "--replace", "--name", name, NAMES[image])
    try:
        podman("export", "--output", archive, name)
    finally:
        podman("rm", name)
    with tarfile.open(archive) as content:
        members = {member.name: member for member in content}
    archive.unlink()
    certificates = members["etc/ssl/certs/ca-certificates.crt"]
    assert certificates.size > 100_000
    program, link = ("xray", "usr/bin/xray") if image == "daemon" else ("roentgen", "usr/bin/roentgen")
    assert members[program].mode & 0o777 == 0o755
    assert members[link].linkname == f"/{program}"
    if image == "daemon":
        assert members["etc/amazon/xray/cfg.yaml"].isfile()
    # Nobody but root owns anything that is read or run, and nobody but the user what is written.
    writable = "var/spool/xray" if image == "daemon" else "var/lib/roentgen"
    assert (members[writable].uid, members[writable].gid) == (10001, 10001)
    ours = [member for path, member in members.items() if path.startswith(("etc/ssl", "usr", program))]
    assert {(member.uid, member.mode & 0o022) for member in ours if not member.issym()} == {(0, 0)}
    # An empty image: no shell to run, no library to patch.
    assert not [
        path for path in members if re.search(r"(^|/)(sh|bash|busybox|ld-[^/]*|lib[^/]*\.so.*)$", path)
    ]


def test_the_readme_tells_the_sizes(image: str) -> None:
    """Unpacked and compressed, as measured here; a tenth more or less is the next compiler's."""
    if NATIVE is not AMD64:
        pytest.skip("the sizes are those for amd64")
    directory = SCRATCH / f"size-{image}"
    run("rm", "-rf", directory)
    run(
        "skopeo",
        "copy",
        "--quiet",
        "--dest-compress",
        f"containers-storage:{NAMES[image]}",
        f"dir:{directory}",
    )
    manifest = json.loads((directory / "manifest.json").read_text())
    compressed = sum(layer["size"] for layer in manifest["layers"]) / 1e6
    unpacked = json.loads(run("podman", "image", "inspect", NAMES[image]).stdout)[0]["Size"] / 1e6
    readme = (REPOSITORY / "README.md").read_text()
    told = re.search(rf"\| {image} \|[^|]*\| ([\d.]+) MB \| ([\d.]+) MB \|", readme)
    measured = f"{image}: {compressed:.1f} MB compressed, {unpacked:.1f} MB unpacked"
    assert told, f"README.md does not tell the size of the images; {measured}"
    assert float(told[1]) == pytest.approx(compressed, rel=0.1), measured
    assert float(told[2]) == pytest.approx(unpacked, rel=0.1), measured


def test_dockerfiles_have_no_findings() -> None:
    for name in NAMES:
        done = run(tool("hadolint"), IMAGES / f"{name}.Dockerfile", is_checked=False)
        assert (done.returncode, done.stdout) == (0, "")


def becomes_well(running: Container, *healthcheck: str) -> None:
    """Waits until the health check of the image says so."""
    wait_until(lambda: running.execute(*healthcheck).returncode == 0, f"{running.name} is well", 30)


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
