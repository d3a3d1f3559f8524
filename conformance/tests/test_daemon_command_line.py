"""The daemon's command line: what the official one prints and how it exits, recorded run by run."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import StartDaemon
from harness.daemon import LOG_LINE, daemon_binary, daemon_environment, free_port
from harness.environment import CONFORMANCE

pytestmark = pytest.mark.daemon

RECORDED = json.loads((CONFORMANCE / "daemon" / "command-line.json").read_text())

END_SECONDS = 10
"""Longest wait for a run that ends by itself."""


def run(
    directory: Path, *arguments: str, environment: dict[str, str | None] | None = None
) -> subprocess.CompletedProcess[str]:
    """One run to its end."""
    return subprocess.run(
        [str(daemon_binary()), *arguments],
        cwd=directory,
        env=daemon_environment(directory, environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=END_SECONDS,
    )


def check_lines(found: str, expected: list[str]) -> None:
    """Compares an output with recorded lines; braces stand for what differs between runs."""
    lines = [line for line in found.splitlines() if line]
    if expected == ["{usage}"]:
        check_usage(lines)
        return
    if expected and expected[-1].endswith("{reason}"):
        # How many lines a reason has is the YAML library's own.
        lines = lines[: len(expected)]
    assert len(lines) == len(expected), found
    for line, wanted in zip(lines, expected, strict=True):
        if wanted.startswith("["):
            parsed = LOG_LINE.fullmatch(line)
            assert parsed, line
            line = f"[{parsed['level']}] {parsed['message']}"
        pattern = re.escape(wanted)
        for name, text in (("version", r"\d+\.\d+\.\d+\S*"), ("megabytes", r"\d+"), ("buffers", r"\d+")):
            pattern = pattern.replace(re.escape("{" + name + "}"), text)
        pattern = pattern.replace(re.escape("{reason}"), ".+")
        assert re.fullmatch(pattern, line), f"{line!r} is not {wanted!r}"


def check_usage(lines: list[str]) -> None:
    """Every line of the official usage, in its order; flags of one's own may stand between."""
    assert lines[0] == "Usage: X-Ray [options]"
    at = 0
    for line in RECORDED["usage"]:
        assert line in lines[at:], f"{line!r} is missing or not in its place"
        at = lines.index(line, at) + 1


@pytest.mark.parametrize("recorded", RECORDED["runs"], ids=lambda recorded: recorded["name"])
def test_recorded_run(tmp_path: Path, recorded: dict[str, Any]) -> None:
    for name, content in recorded["files"].items():
        (tmp_path / name).write_text(content)
    port = str(free_port())
    done = run(tmp_path, *(argument.replace("{port}", port) for argument in recorded["arguments"]))
    assert done.returncode == recorded["exit"], done.stdout + done.stderr
    check_lines(done.stdout, recorded["stdout"])
    check_lines(done.stderr, recorded["stderr"])
    for name, lines in recorded.get("left", {}).items():
        check_lines((tmp_path / name).read_text(), lines)


@pytest.mark.parametrize("flag", ["-h", "--help", "-help"])
def test_help_goes_to_standard_output(tmp_path: Path, flag: str) -> None:
    done = run(tmp_path, flag)
    assert (done.returncode, done.stderr) == (0, "")
    check_usage(done.stdout.splitlines())


@pytest.mark.parametrize(
    "arguments",
    [
        ("-n", "eu-west-1"),
        ("-n=eu-west-1",),
        ("--region", "eu-west-1"),
        ("--region=eu-west-1",),
        ("-region", "eu-west-1"),
        ("-n", "us-east-1", "--region", "eu-west-1"),
        ("-n", "eu-west-1", "stray", "-n", "us-west-2"),
        ("-n", "eu-west-1", "--", "-n", "us-west-2"),
    ],
)
@pytest.mark.parametrize("local", [("-o",), ("--local-mode",), ("--local-mode=true",), ("-o=1",)])
def test_spellings_of_flags(
    start_daemon: StartDaemon, arguments: tuple[str, ...], local: tuple[str, ...]
) -> None:
    daemon = start_daemon(*local, *arguments, is_local=False)
    assert "Using region: eu-west-1" in daemon.messages("Info")
    assert daemon.stop() == 0


def test_a_flag_beats_the_file_and_the_file_the_environment(start_daemon: StartDaemon) -> None:
    environment: dict[str, str | None] = {"AWS_REGION": "sa-east-1"}
    config = {"Region": "eu-central-1", "LocalMode": True, "Logging": {"LogLevel": "debug"}}
    by_flag = start_daemon("-n", "us-west-2", config=config, environment=environment, is_local=False)
    assert "Using region: us-west-2" in by_flag.messages("Info")
    assert "Fetch region us-west-2 from commandline/config file" in by_flag.messages("Debug")
    by_file = start_daemon(config=config, environment=environment, is_local=False)
    assert "Using region: eu-central-1" in by_file.messages("Info")
    by_environment = start_daemon("-o", "-l", "dev", environment=environment, is_local=False)
    assert "Using region: sa-east-1" in by_environment.messages("Info")
    assert "Fetch region sa-east-1 from environment variables" in by_environment.messages("Debug")


def test_a_file_in_the_working_directory_is_read_without_validation(
    tmp_path: Path, start_daemon: StartDaemon
) -> None:
    directory = tmp_path / "daemon-0"
    directory.mkdir()
    text = "Version: 2\nRegion: eu-central-1\nLocalMode: true\nBogusKey: 1\nLogging:\n  LogLevel: debug\n"
    (directory / "cfg.yaml").write_text(text)
    daemon = start_daemon(is_local=False)
    assert "Using region: eu-central-1" in daemon.messages("Info")
    assert "Batch size: 50" in daemon.messages("Debug")


def test_a_file_of_version_1_is_taken(tmp_path: Path, start_daemon: StartDaemon) -> None:
    config = {"Version": 1, "Region": "eu-central-1", "LocalMode": True, "TotalBufferSizeMB": 5}
    daemon = start_daemon(config=config, is_local=False)
    assert "Using buffer memory limit of 5 MB" in daemon.messages("Info")
    assert "80 segment buffers allocated" in daemon.messages("Info")


def test_log_levels(tmp_path: Path, start_daemon: StartDaemon) -> None:
    assert not start_daemon("-l", "error").lines()
    assert not start_daemon("-l", "warn").lines()
    assert {line.level for line in start_daemon("-l", "info").lines()} == {"Info"}
    assert {line.level for line in start_daemon("-l", "prod").lines()} == {"Info"}
    # What is no level leaves the level of the file, and that of a file means everything.
    assert {line.level for line in start_daemon("-l", "verbose").lines()} <= {"Info", "Warn"}
    loud = start_daemon(config={"Logging": {"LogLevel": "loud"}})
    assert {line.level for line in loud.lines()} >= {"Info", "Debug"}


def test_a_log_file_replaces_standard_output(tmp_path: Path, start_daemon: StartDaemon) -> None:
    daemon = start_daemon("-f", "x.log")
    assert daemon.stop() == 0
    assert daemon.output() == ""
    written = (daemon.directory / "x.log").read_text().splitlines()
    assert all(LOG_LINE.fullmatch(line) for line in written), written
    assert written[-1].endswith("[Info] Got shutdown signal: terminated")


@pytest.mark.better
def test_a_log_file_that_cannot_be_opened_is_told(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("-f", "no-such-directory/x.log")
    assert "no-such-directory/x.log" in daemon.output()
    assert daemon.stop() == 0


@pytest.mark.better
def test_every_flag_has_an_environment_variable(start_daemon: StartDaemon) -> None:
    environment: dict[str, str | None] = {
        "ROENTGEN_DAEMON_REGION": "eu-west-1",
        "ROENTGEN_DAEMON_LOCAL_MODE": "true",
        "ROENTGEN_DAEMON_BUFFER_MEMORY": "4",
        "ROENTGEN_DAEMON_LOG_LEVEL": "debug",
        "ROENTGEN_DAEMON_RESOURCE_ARN": "arn:aws:ec2:eu-west-1:123456789012:instance/i-1",
    }
    daemon = start_daemon(environment=environment, is_local=False)
    assert "Using region: eu-west-1" in daemon.messages("Info")
    assert "Using buffer memory limit of 4 MB" in daemon.messages("Info")
    arn = "ARN of the AWS resource running the daemon: arn:aws:ec2:eu-west-1:123456789012:instance/i-1"
    assert arn in daemon.messages("Debug")
    by_flag = start_daemon("-n", "us-west-2", environment=environment, is_local=False)
    assert "Using region: us-west-2" in by_flag.messages("Info")


@pytest.mark.better
@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (("--destination", "ftp://x"), "ftp://x"),
        (("--keep-share", "2"), "2"),
        (("--spool-bytes", "many"), "many"),
        (("--log-format", "xml"), "xml"),
        (("--proxy-paths", "some"), "some"),
        (("--attempts", "0"), "0"),
    ],
)
def test_a_bad_value_is_named(tmp_path: Path, arguments: tuple[str, ...], culprit: str) -> None:
    port = f"127.0.0.1:{free_port()}"
    done = run(tmp_path, "-o", "-n", "us-east-1", "-b", port, "-t", port, *arguments)
    assert done.returncode in (1, 2)
    assert culprit in done.stdout + done.stderr
