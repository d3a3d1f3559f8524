"""The images: what they say of themselves, what is in them, and that two builds are one."""

import json
import re
import shlex
import tarfile
from typing import Any

import pytest
from containers import DAEMON_IMAGE, IMAGES, SERVER_IMAGE, build, config_of, podman, run
from harness.environment import REPOSITORY
from shipped import PLATFORMS, SCRATCH, TARGET, Platform, tool

NAMES = {"daemon": DAEMON_IMAGE, "server": SERVER_IMAGE}


@pytest.fixture(scope="module", params=NAMES)
def image(request: pytest.FixtureRequest) -> str:
    """Each of the images by its short name."""
    request.getfixturevalue(f"{request.param}_image")
    return request.param


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


BY_ARCHITECTURE = pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.architecture)


@BY_ARCHITECTURE
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


def test_two_builds_are_one_index(image: str) -> None:
    """One name for both architectures, as it is pushed to a registry."""
    digest, index = index_of(image)
    platforms = {each["platform"]["architecture"]: each["platform"]["os"] for each in index["manifests"]}
    assert platforms == dict.fromkeys((platform.architecture for platform in PLATFORMS), "linux")
    assert index_of(image)[0] == digest


def index_of(image: str) -> tuple[str, dict[str, Any]]:
    """Builds an image for all architectures into one index; gives its digest and what is in it."""
    name = f"localhost/roentgen-index-{image}"
    run("buildah", "manifest", "rm", name, is_checked=False)
    for platform in PLATFORMS:
        build(image, f"{name}-{platform.architecture}", platform, index=name)
    layout = SCRATCH / f"index-{image}"
    run("rm", "-rf", layout)
    run("buildah", "manifest", "push", "--quiet", "--all", "--format", "oci", name, f"oci:{layout}:latest")
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    algorithm, _, content = entry["digest"].partition(":")
    return entry["digest"], json.loads((layout / "blobs" / algorithm / content).read_text())


def test_the_commands_of_the_page(daemon_image: str, server_image: str) -> None:
    """Those for buildah, as they stand there, but for the push to a registry."""
    if TARGET != REPOSITORY / "target":
        pytest.skip("the page speaks of target/, and this run has CARGO_TARGET_DIR")
    page = (REPOSITORY / "docs" / "deploy" / "images.md").read_text()
    blocks = [block for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "buildah bud" in block]
    assert len(blocks) == 2
    run("buildah", "manifest", "rm", "daemon-of-both", is_checked=False)
    for block in blocks:
        script = re.sub(r"(?m)^buildah manifest push .*$", "", block)
        run("bash", "-euc", f"cd {shlex.quote(str(REPOSITORY))}\n{script}")
    of_both = json.loads(run("buildah", "manifest", "inspect", "daemon-of-both").stdout)
    assert len(of_both["manifests"]) == len(PLATFORMS)


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


@BY_ARCHITECTURE
def test_the_readme_tells_the_sizes(image: str, platform: Platform) -> None:
    """Unpacked and compressed, as measured here; a tenth more or less is the next compiler's."""
    tag = f"localhost/roentgen-size-{image}-{platform.architecture}"
    build(image, tag, platform)
    directory = SCRATCH / f"size-{image}"
    run("rm", "-rf", directory)
    run("skopeo", "copy", "--quiet", "--dest-compress", f"containers-storage:{tag}", f"dir:{directory}")
    manifest = json.loads((directory / "manifest.json").read_text())
    compressed = sum(layer["size"] for layer in manifest["layers"]) / 1e6
    unpacked = json.loads(run("podman", "image", "inspect", tag).stdout)[0]["Size"] / 1e6
    readme = (REPOSITORY / "README.md").read_text()
    told = re.search(rf"\| {image} \| {platform.architecture} \| ([\d.]+) MB \| ([\d.]+) MB \|", readme)
    what = f"{image} for {platform.architecture}"
    measured = f"{what}: {compressed:.1f} MB compressed, {unpacked:.1f} MB unpacked"
    assert told, f"README.md does not tell the size of the images; {measured}"
    assert float(told[1]) == pytest.approx(compressed, rel=0.1), measured
    assert float(told[2]) == pytest.approx(unpacked, rel=0.1), measured


def test_dockerfiles_have_no_findings() -> None:
    for name in NAMES:
        done = run(tool("hadolint"), IMAGES / f"{name}.Dockerfile", is_checked=False)
        assert (done.returncode, done.stdout) == (0, "")
