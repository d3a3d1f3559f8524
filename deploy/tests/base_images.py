"""Stand-ins for the base images of the sample apps: Debian from its own archive, no registry needed.

They prove the steps of a Dockerfile, not the base image it names.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from containers import run
from harness.environment import require_tools
from shipped import SCRATCH

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "libstdc++6", "python-is-python3", "python3", "python3-pip")

BOOTSTRAP_SECONDS = 900

REGISTRY_VARIABLES = (
    "PIP_CERT",
    "PIP_INDEX_URL",
    "NPM_CONFIG_REGISTRY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)
"""How this machine reaches package registries: the steps in a Dockerfile need it as well."""


def debian() -> Path:
    """The root directory of a small Debian with Python as a tar archive, made once."""
    require_tools("mmdebstrap")
    archive = SCRATCH / f"debian-{SUITE}.tar"
    if not archive.is_file():
        SCRATCH.mkdir(parents=True, exist_ok=True)
        partial = archive.with_suffix(".partial.tar")
        command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(partial)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=BOOTSTRAP_SECONDS)
        if done.returncode != 0:
            pytest.fail(f"{' '.join(command)}\n{done.stderr[-4000:]}")
        partial.rename(archive)
    return archive


def make_python(tag: str) -> None:
    """Debian's Python under the name of the official image, pip allowed to install where it likes."""
    working = run("buildah", "from", "scratch").stdout.strip()
    run("buildah", "add", "--quiet", working, debian(), "/")
    _environment(working, {"PIP_BREAK_SYSTEM_PACKAGES": "1"})
    _commit(working, tag)


def make_node(tag: str, python_tag: str) -> None:
    """Node.js of this machine on top of that Debian, with its user."""
    require_tools("node", "npm")
    node = Path(shutil.which("node") or "").resolve()
    # npm is a link to lib/node_modules/npm/bin/npm-cli.js.
    npm = Path(shutil.which("npm") or "").resolve().parents[1]
    working = run("buildah", "from", "--pull-never", python_tag).stdout.strip()
    run("buildah", "copy", "--quiet", working, node, "/usr/local/bin/node")
    run("buildah", "copy", "--quiet", working, npm, "/usr/local/lib/node_modules/npm")
    npm_program = "/usr/local/lib/node_modules/npm/bin/npm-cli.js"
    run("buildah", "run", working, "--", "ln", "-s", npm_program, "/usr/local/bin/npm")
    run("buildah", "run", working, "--", "useradd", "--uid", "1000", "--create-home", "node")
    _environment(working, {})
    _commit(working, tag)


def _environment(working: str, extra: dict[str, str]) -> None:
    """Sets variables, and puts this machine's certificates where a proxy of its own may need them."""
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    run("buildah", "copy", "--quiet", working, certificates, str(certificates))
    known = {name: os.environ[name] for name in REGISTRY_VARIABLES if name in os.environ}
    variables = known | {"NODE_EXTRA_CA_CERTS": str(certificates)} | extra
    settings = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
    run("buildah", "config", *settings, working)


def _commit(working: str, tag: str) -> None:
    run("buildah", "commit", "--quiet", "--rm", working, tag)
