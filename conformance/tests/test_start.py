"""Starting and ending: what is printed, what is refused, and how it says so."""

import os
import subprocess
from pathlib import Path

import pytest
import requests

from harness.documents import put, segment
from harness.environment import child_environment, roentgen_binary
from harness.process import LoggedProcess
from harness.reading import read_segments
from harness.roentgen import Roentgen


def run(
    *arguments: str, environment: dict[str, str] | None = None, directory: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the binary to its end; a start that should have been refused is stopped by the time limit."""
    return subprocess.run(
        [str(roentgen_binary()), *arguments],
        env=child_environment(environment),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
    )


def test_a_busy_port_is_said_and_ends_the_start(roentgen: Roentgen, tmp_path: Path) -> None:
    done = run("--bind", roentgen.daemon_address, "--data-dir", str(tmp_path / "other"))
    assert done.returncode != 0
    assert str(roentgen.socket_address[1]) in done.stderr
    assert "in use" in done.stderr
    assert roentgen.is_healthy()


def test_a_locked_data_directory_is_said_and_ends_the_start(roentgen: Roentgen) -> None:
    done = run("--bind", "127.0.0.1:0", "--data-dir", str(roentgen.data_directory))
    assert done.returncode != 0
    assert str(roentgen.data_directory) in done.stderr + done.stdout
    assert put(roentgen.xray(), segment("still-served")) == []


def test_sigterm_ends_cleanly_and_the_data_is_free_again(roentgen: Roentgen) -> None:
    document = segment("before")
    put(roentgen.xray(), document)
    assert roentgen.stop() == 0
    roentgen.start_again()
    assert len(read_segments(roentgen.xray(), document["trace_id"])) == 1


def test_settings_by_environment(tmp_path: Path) -> None:
    data = tmp_path / "by-environment"
    process = LoggedProcess(
        [str(roentgen_binary())],
        tmp_path / "environment.log",
        child_environment({"ROENTGEN_BIND": "127.0.0.1:0", "ROENTGEN_DATA_DIR": str(data)}),
        tmp_path,
    )
    try:
        url = process.wait_for_output(r"(http://127\.0\.0\.1:\d+)")
        status = requests.get(f"{url}/api/v1/status", timeout=10).json()
        assert Path(status["dataDirectory"]).resolve() == data.resolve()
        assert url.endswith(status["address"])
        assert data.is_dir()
        assert process.terminate() == 0
    finally:
        if process.exit_code is None:
            process.kill()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--bind", "127.0.0.1"], "127.0.0.1"),
        (["--bind", "127.0.0.1:x"], "127.0.0.1:x"),
        (["--no-such-flag"], "--no-such-flag"),
    ],
)
def test_a_wrong_setting_is_named(arguments: list[str], named: str, tmp_path: Path) -> None:
    done = run(*arguments, directory=tmp_path)
    assert done.returncode != 0
    assert named in done.stderr
    assert not list(tmp_path.iterdir()), "a start that was refused leaves nothing behind"


def test_a_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    obstacle = tmp_path / "a-file"
    obstacle.write_text("in the way")
    done = run("--bind", "127.0.0.1:0", "--data-dir", str(obstacle / "data"))
    assert done.returncode != 0
    assert str(obstacle) in done.stderr + done.stdout


def test_help_names_every_way_to_configure() -> None:
    done = run("--help")
    assert done.returncode == 0
    for word in ("--bind", "--data-dir", "ROENTGEN_BIND", "ROENTGEN_DATA_DIR", "sample-traffic"):
        assert word in done.stdout


def test_the_console_is_served(shared_roentgen: Roentgen) -> None:
    answer = requests.get(shared_roentgen.url, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    # Views are in the hash of the address; a path that is no file of the console is not found.
    assert requests.get(f"{shared_roentgen.url}/assets/gone.js", timeout=10).status_code == 404


def test_expensive_requests_from_other_sites_are_refused(shared_roentgen: Roentgen) -> None:
    headers = {"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}
    assert shared_roentgen.post("/api/v1/sample-traffic", "{}", headers).status_code == 403
    assert shared_roentgen.status()["sampleTraffic"]["running"] is False


def test_metrics_are_prometheus_text(shared_roentgen: Roentgen) -> None:
    before = sum(shared_roentgen.metrics().values())
    put(shared_roentgen.xray(), segment("counted"))
    samples = shared_roentgen.metrics()
    assert samples
    assert [name for name in samples if not name.startswith("roentgen_")] == []
    assert sum(samples.values()) > before


def test_only_loopback_is_listened_on(roentgen: Roentgen) -> None:
    """A start with 127.0.0.1 must not be reachable from elsewhere."""
    port = f"{roentgen.socket_address[1]:04X}"
    for table in ("tcp", "tcp6", "udp", "udp6"):
        path = Path("/proc") / str(os.getpid()) / "net" / table
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        local = [line.split()[1] for line in lines]
        bound = [address for address in local if address.endswith(f":{port}")]
        assert all(address.startswith("0100007F") for address in bound), bound
