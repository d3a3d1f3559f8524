"""The Debian packages: sound by lintian, the same when built twice, and clean in a Debian of their own."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from base_images import debian
from harness.environment import RUNNING_IN_CI, require_tools
from harness.polling import wait_until
from shipped import NATIVE, PLATFORMS, TARGET, Platform

PACKAGES = TARGET / "packages"
NAMES = ("roentgen-daemon", "roentgen")

INSTALL_SECONDS = 120

pytestmark = pytest.mark.timeout(900)

OFFICIAL_CONTROL = """\
Package: xray
Version: 3.6.6
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: stand-in for the official package, with its paths
"""

OFFICIAL_FILES = {
    "usr/bin/xray": "#!/bin/sh\necho official\n",
    "etc/amazon/xray/cfg.yaml": "Version: 2\n",
    "lib/systemd/system/xray.service": "[Service]\nExecStart=/usr/bin/xray\n",
}


def package(name: str, platform: Platform = NATIVE) -> Path:
    """The package that `cargo xtask packages` has made."""
    platform.program(name)
    (path,) = PACKAGES.glob(f"{name}_*_{platform.architecture}.deb")
    return path


def field(path: Path, name: str) -> str:
    """A field of a package's control file."""
    done = subprocess.run(["dpkg-deb", "--field", path, name], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.architecture)
def test_lintian_finds_nothing(name: str, platform: Platform) -> None:
    # The program is static on purpose; no bug of Debian's is closed; there is no address to write to.
    static = "statically-linked-binary,shared-library-lacks-prerequisites"
    allowed = f"{static},initial-upload-closes-no-bugs,bogus-mail-host,bogus-mail-host-in-debian-changelog"
    command = ["lintian", "--fail-on", "error,warning", "--suppress-tags", allowed, "--no-tag-display-limit"]
    done = subprocess.run([*command, package(name, platform)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert field(package(name, platform), "Architecture") == platform.architecture


@pytest.mark.parametrize("name", NAMES)
def test_two_builds_are_one_file(name: str, tmp_path: Path) -> None:
    again = tmp_path / "again.deb"
    tree = PACKAGES / f"{name}-{NATIVE.architecture}"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", tree, again],
        check=True,
        capture_output=True,
        env=os.environ | {"SOURCE_DATE_EPOCH": "1767225600"},
    )
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (package(name), again)}
    assert len(digests) == 1


class Debian:
    """A Debian in a directory, where packages are installed for real."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *command: str) -> str:
        """A command in it; gives its output."""
        done = subprocess.run(
            ["chroot", self.root, *command],
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def install(self, path: Path) -> None:
        """`apt-get install ./file.deb`, from nowhere but this file."""
        (self.root / "tmp" / path.name).write_bytes(path.read_bytes())
        self.run("apt-get", "install", "--yes", "--option", "Dpkg::Use-Pty=0", f"/tmp/{path.name}")
        (self.root / "tmp" / path.name).unlink()

    def files(self) -> dict[str, bytes | None]:
        """Every path outside of what dpkg and apt keep for themselves, with the content of settings."""
        kept = ("var/lib/dpkg", "var/cache", "var/log", "var/lib/apt", "tmp", "etc/ld.so.cache")
        found: dict[str, bytes | None] = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if not name.startswith(kept):
                is_setting = name.startswith("etc/") and path.is_file() and not path.is_symlink()
                found[name] = path.read_bytes() if is_setting else None
        return found


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Debian]:
    """A fresh Debian."""
    if os.geteuid() != 0:
        reason = "chroot needs root"
        pytest.fail(reason) if RUNNING_IN_CI else pytest.skip(reason)
    require_tools("chroot", "tar")
    root = tmp_path / "debian"
    root.mkdir()
    subprocess.run(["tar", "--extract", "--file", debian(), "--directory", root], check=True)
    yield Debian(root)
    subprocess.run(["rm", "-rf", root], check=True)


def make_official(directory: Path) -> Path:
    """A package with the name and the paths of the official one."""
    for name, content in OFFICIAL_FILES.items():
        path = directory / "xray" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (directory / "xray" / "usr/bin/xray").chmod(0o755)
    control = directory / "xray" / "DEBIAN"
    control.mkdir()
    (control / "control").write_text(OFFICIAL_CONTROL)
    (control / "conffiles").write_text("/etc/amazon/xray/cfg.yaml\n")
    built = directory / "xray_3.6.6_all.deb"
    command = ["dpkg-deb", "--root-owner-group", "--build", directory / "xray", built]
    subprocess.run(command, check=True, capture_output=True)
    return built


def test_the_daemon_takes_the_place_of_the_official_package(machine: Debian, tmp_path: Path) -> None:
    before = machine.files()
    machine.install(make_official(tmp_path))
    settings = machine.root / "etc/amazon/xray/cfg.yaml"
    sockets = "Socket:\n  TCPAddress: 127.0.0.1:0\n  UDPAddress: 127.0.0.1:0\n"
    mine = f"Version: 2\nRegion: eu-west-1\nLocalMode: true\n{sockets}"
    settings.write_text(mine)

    machine.install(package("roentgen-daemon"))
    status = machine.run("dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", "*")
    assert "roentgen-daemon installed" in status.splitlines()
    assert "xray installed" not in status.splitlines()
    assert settings.read_text() == mine
    assert machine.run("dpkg", "--verify", "roentgen-daemon") == ""
    assert "official" not in machine.run("/usr/bin/xray", "--version")
    wanted = machine.root / "etc/systemd/system/multi-user.target.wants/xray.service"
    assert str(wanted.readlink()) == "/lib/systemd/system/xray.service"
    starts_with_the_settings_found(machine)

    machine.run("dpkg", "--purge", "roentgen-daemon", "xray")
    assert machine.files() == before


def starts_with_the_settings_found(machine: Debian) -> None:
    """The installed program reads the file that the official package left, and serves."""
    daemon = subprocess.Popen(
        ["chroot", machine.root, "/usr/bin/xray", "--destination", "http://127.0.0.1:1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert daemon.stdout is not None
    try:
        for line in daemon.stdout:
            if "Starting proxy http server" in line:
                break
        else:
            pytest.fail(f"the daemon ended with {daemon.wait()}")
    finally:
        daemon.terminate()
    daemon.stdout.read()
    assert daemon.wait(20) == 0


def test_the_server_comes_and_goes(machine: Debian) -> None:
    before = machine.files()
    machine.install(package("roentgen"))
    assert machine.run("dpkg", "--verify", "roentgen") == ""
    server = subprocess.Popen(
        [
            "chroot",
            machine.root,
            "/usr/bin/roentgen",
            "--config",
            "/etc/roentgen/config.yaml",
            "--bind",
            "127.0.0.1:0",
        ],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    stored = machine.root / "var/lib/roentgen"
    try:
        wait_until(lambda: stored.is_dir() and any(stored.iterdir()), "something in /var/lib/roentgen", 30)
    finally:
        server.terminate()
    assert server.wait(20) == 0
    machine.run("dpkg", "--purge", "roentgen")
    # What was stored belongs to whoever runs the machine.
    left = {name for name in machine.files() if name not in before}
    assert left
    assert all(name.startswith("var/lib/roentgen") for name in left)
