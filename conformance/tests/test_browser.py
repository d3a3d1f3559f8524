"""The console in Chromium: it runs the console's own end-to-end tests against traces of the Bottle app."""

import subprocess
from pathlib import Path

import pytest

from harness.application import start_bottle
from harness.environment import REPOSITORY, child_environment, require_tools
from harness.polling import wait_until
from harness.roentgen import Roentgen

pytestmark = pytest.mark.browser

CONSOLE = REPOSITORY / "console"

BROWSER_SECONDS = 170
"""Below the suite's own limit, so that what the browser tests printed is shown."""


def install_console_packages() -> None:
    if not (CONSOLE / "node_modules" / "playwright-core").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=CONSOLE, check=True, timeout=300)


def test_map_traces_and_timeline_of_the_bottle_app(roentgen: Roentgen, tmp_path: Path) -> None:
    require_tools("node", "npm", "chromium")
    install_console_packages()
    app = start_bottle(tmp_path / "bottle.log", roentgen.daemon_address)
    try:
        trace_ids = [
            app.get("/", {"X-Amzn-Trace-Id": "Sampled=1"}).headers["X-Amzn-Trace-Id"] for _ in range(5)
        ]
    finally:
        app.close()
    assert len(set(trace_ids)) == 5
    wait_until(lambda: roentgen.status()["traces"] >= 5, "five traces")
    done = subprocess.run(
        ["npm", "run", "e2e"],
        cwd=CONSOLE,
        env=child_environment({"ROENTGEN_URL": roentgen.url}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BROWSER_SECONDS,
    )
    assert done.returncode == 0, done.stdout
