"""What each setting of the daemon does, seen from outside: a port, a request, a file, a line of the log.

One function for each, whether it is given by a flag or by a key of cfg.yaml.
"""

import contextlib
import json
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import requests
import yaml
from authority import Authority
from harness.daemon import Daemon, daemon_binary, daemon_environment, free_port
from harness.documents import segment
from harness.fake_xray import FakeXRay, Reply
from harness.polling import wait_until
from harness.process import LoggedProcess
from harness.roentgen import DATAGRAM_HEADER
from harness.signature import Key

NOBODY = "127.0.0.1:9"
"""The discard port: nobody listens there, and a daemon that is asked for cannot be found."""

BATCH = 50
"""Documents that leave at once; fewer wait for a second."""

MOST_LOG_BYTES = 50 << 20
"""Where a log file is begun anew; the official daemon's number."""


class Trial:
    """A setting on trial, given by a flag or by a key; what a trial starts ends with `stopping`."""

    def __init__(
        self, directory: Path, stopping: contextlib.ExitStack, flag: str = "", key: str = ""
    ) -> None:
        self.directory = directory
        self.stopping = stopping
        self.flag = flag
        self.key = key
        self._started = 0

    def given(self, value: str) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Arguments and file that have this value. A switch is on with the flag alone."""
        if self.flag:
            is_switch = value in ("true", "false")
            return ((f"{self.flag}={value}",) if is_switch else (self.flag, value)), {}
        section, _, name = self.key.rpartition(".")
        parsed = yaml.safe_load(value)
        return (), {section: {name: parsed}} if section else {name: parsed}

    def daemon(self, value: str, *arguments: str, **variables: str | None) -> Daemon:
        """A daemon with this value, started, in local mode unless the trial is about that."""
        mine, file = self.given(value)
        is_about_mode = (self.flag or self.key) in ("-o", "--local-mode", "LocalMode")
        mode = () if is_about_mode else ("-o",)
        directory = self._next_directory()
        environment: dict[str, str | None] = {"AWS_REGION": "us-east-1"} | variables
        daemon = Daemon(directory, (*mode, *arguments, *mine), file or None, environment)
        self.stopping.callback(daemon.close)
        return daemon.start()

    def process(self, value: str, *arguments: str, **variables: str | None) -> LoggedProcess:
        """The same without addresses of ours, which would hide those of a file."""
        mine, file = self.given(value)
        directory = self._next_directory()
        command = [str(daemon_binary()), "-o", *arguments]
        if file:
            path = directory / "cfg.yaml"
            path.write_text(json.dumps({"Version": 2} | file))
            command += ["-c", str(path)]
        environment = daemon_environment(directory, {"AWS_REGION": "us-east-1"} | variables)
        running = LoggedProcess([*command, *mine], directory / "log", environment, directory)
        self.stopping.callback(lambda: running.exit_code is None and running.kill())
        return running

    def ends(self, *arguments: str) -> str:
        """What a run of the daemon prints that ends by itself, and well."""
        done = subprocess.run(
            [daemon_binary(), *arguments],
            env=daemon_environment(self.directory),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return done.stdout

    def service(self, region: str = "us-east-1", keys: list[Key] | None = None) -> FakeXRay:
        """Something that answers for AWS."""
        return self.stopping.enter_context(FakeXRay(keys, region))

    def _next_directory(self) -> Path:
        self._started += 1
        directory = self.directory / f"daemon-{self._started}"
        directory.mkdir()
        return directory


def resource_arn(trial: Trial, example: str) -> None:
    xray = trial.service()
    daemon = trial.daemon(example, AWS_ENDPOINT_URL_XRAY=xray.url)
    daemon.send_documents(segment("migrated"))
    daemon.wait_for_sent(1)
    assert daemon.stop() == 0
    (telemetry,) = xray.of("/TelemetryRecords")
    assert telemetry.json()["ResourceARN"] == example


def local_mode(trial: Trial, _: str) -> None:
    """EC2 is asked for nothing."""
    xray, instance = trial.service(), trial.service()
    here = {
        "AWS_ENDPOINT_URL_XRAY": xray.url,
        "AWS_EC2_METADATA_DISABLED": None,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": instance.url,
    }
    daemon = trial.daemon("true", **here)
    daemon.send_documents(segment("migrated"))
    daemon.wait_for_sent(1)
    assert daemon.stop() == 0
    assert instance.received == []
    trial.daemon("false", **here)
    wait_until(lambda: instance.received, "EC2 asked without it")


def buffer_memory(trial: Trial, example: str) -> None:
    trial.daemon(example).wait_for_message("Info", f"^Using buffer memory limit of {example} MB")


def region(trial: Trial, example: str) -> None:
    xray = trial.service(example)
    daemon = trial.daemon(example, AWS_ENDPOINT_URL_XRAY=xray.url)
    daemon.wait_for_message("Info", f"^Using region: {example}$")
    daemon.send_documents(segment("migrated"))
    xray.wait_for("/TraceSegments", 1)
    xray.check_signatures()


def bind(trial: Trial, example: str) -> None:
    """A datagram to this address arrives."""
    xray = trial.service()
    host, port, tcp = example.rpartition(":")[0], free_port(), free_port()
    process = trial.process(f"{host}:{port}", "-t", f"{host}:{tcp}", AWS_ENDPOINT_URL_XRAY=xray.url)
    wait_for_answer(process, f"{host}:{tcp}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(DATAGRAM_HEADER + json.dumps(segment("migrated")).encode(), (host, port))
    xray.wait_for("/TraceSegments", 1)


def bind_tcp(trial: Trial, example: str) -> None:
    """A sampling call to this address is answered."""
    xray = trial.service()
    host, port, udp = example.rpartition(":")[0], free_port(), free_port()
    process = trial.process(f"{host}:{port}", "-b", f"{host}:{udp}", AWS_ENDPOINT_URL_XRAY=xray.url)
    wait_for_answer(process, f"{host}:{port}")
    assert requests.post(f"http://{host}:{port}/GetSamplingRules", json={}, timeout=10).status_code == 200
    xray.wait_for("/GetSamplingRules", 1)


def wait_for_answer(process: LoggedProcess, address: str) -> None:
    def look() -> bool:
        assert process.exit_code is None, process.output()
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"http://{address}/healthz", timeout=10).ok
        return False

    wait_until(look, f"an answer at {address}")


ROLE_KEY = Key("ASIAROLE", "of a role", "token of a role")

ASSUMED = f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/x/y</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>{ROLE_KEY.access_key_id}</AccessKeyId>
<SecretAccessKey>{ROLE_KEY.secret_access_key}</SecretAccessKey>
<SessionToken>{ROLE_KEY.session_token}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>"""


def role_arn(trial: Trial, example: str) -> None:
    """STS is asked for the role, and batches are signed with the key it gives."""
    xray, tokens = trial.service(keys=[ROLE_KEY]), trial.service()
    tokens.answer("/", Reply(body=ASSUMED.encode(), headers={"Content-Type": "text/xml"}))
    daemon = trial.daemon(example, AWS_ENDPOINT_URL_XRAY=xray.url, AWS_ENDPOINT_URL_STS=tokens.url)
    daemon.send_documents(segment("migrated"))
    xray.wait_for("/TraceSegments", 1)
    xray.check_signatures()
    asked = unquote(tokens.of("/")[0].body.decode())
    assert f"RoleArn={example}&" in f"{asked}&"


def config(trial: Trial, _: str) -> None:
    path = trial.directory / "elsewhere.yaml"
    path.write_text("Version: 2\nRegion: ap-south-1\n")
    trial.daemon(str(path)).wait_for_message("Info", "^Using region: ap-south-1$")


def log_file(trial: Trial, example: str) -> None:
    path = trial.directory / Path(example).name
    daemon = trial.daemon(str(path))
    wait_until(
        lambda: path.is_file() and "Starting proxy http server" in path.read_text(), f"lines in {path}"
    )
    assert daemon.output() == "", "standard output has no log besides"


def log_level(trial: Trial, example: str) -> None:
    """What the example shows, and one step more and less."""
    assert example in ("info", "prod")
    for level, shown, hidden in ((example, "Info", "Debug"), ("debug", "Debug", ""), ("error", "", "Info")):
        daemon = trial.daemon(level)
        # At its end there is nothing more to come.
        assert daemon.stop() == 0
        assert not shown or daemon.messages(shown), f"{level}: {daemon.output()}"
        assert not hidden or not daemon.messages(hidden), f"{level}: {daemon.output()}"


def log_rotation(trial: Trial, _: str) -> None:
    """A file that is full is put aside, or grows."""
    for value, is_rotated in (("true", True), ("false", False)):
        path = trial.directory / f"full-{value}.log"
        with path.open("wb") as file:
            file.truncate(MOST_LOG_BYTES)
        assert trial.daemon(value, "-f", str(path)).stop() == 0
        assert path.with_name(f"{path.name}.1").exists() == is_rotated
        assert (path.stat().st_size > MOST_LOG_BYTES) != is_rotated


def proxy_address(trial: Trial, _: str) -> None:
    """What is for AWS comes to the proxy, with the whole address on its request line."""
    proxy = trial.service()
    daemon = trial.daemon(proxy.url, AWS_ENDPOINT_URL_XRAY=f"http://{NOBODY}")
    daemon.send_documents(segment("migrated"))
    (request,) = proxy.wait_for("/TraceSegments", 1)
    assert request.target == f"http://{NOBODY}/TraceSegments"


def endpoint(trial: Trial, _: str) -> None:
    xray = trial.service()
    trial.daemon(xray.url).send_documents(segment("migrated"))
    xray.wait_for("/TraceSegments", 1)
    xray.check_signatures()


def no_verify_ssl(trial: Trial, _: str) -> None:
    """A certificate that nobody vouches for: batches arrive with the switch alone."""
    plain = socket.create_server(("127.0.0.1", 0))
    secured = Authority(trial.directory).listener(plain, "localhost")
    xray = trial.stopping.enter_context(FakeXRay(listener=secured))
    where = f"https://localhost:{xray.port}"
    wary = trial.daemon("false", AWS_ENDPOINT_URL_XRAY=where)
    wary.send_documents(segment("kept"))
    wary.wait_for_message("Error", "(?i)certificate")
    assert xray.received == []
    trial.daemon("true", AWS_ENDPOINT_URL_XRAY=where).send_documents(segment("migrated"))
    xray.wait_for("/TraceSegments", 1)


def concurrency(trial: Trial, example: str) -> None:
    """So many batches are under way at once, and the next one leaves when one of them has come back."""
    xray = trial.service()
    xray.answer("/TraceSegments", Reply(held=True))
    most = int(example)
    # Longer than the test takes: a batch that is given up is sent again.
    more = ("-m", "64", "--request-timeout", "60")
    daemon = trial.daemon(example, *more, AWS_ENDPOINT_URL_XRAY=xray.url)
    for _ in range(BATCH * (most + 2)):
        daemon.send_documents(segment("migrated"))
        daemon.wait_until_read()
    xray.wait_for("/TraceSegments", most)
    received = "roentgen_daemon_segments_received_total"
    wait_until(lambda: daemon.count(received) == BATCH * (most + 2), "all documents received")
    assert len(xray.of("/TraceSegments")) == most
    xray.release()
    xray.wait_for("/TraceSegments", most + 2)


def version(trial: Trial, _: str) -> None:
    assert re.search(r"\b\d+\.\d+\.\d+\b", trial.ends(trial.flag))


def usage(trial: Trial, _: str) -> None:
    assert "--buffer-memory" in trial.ends(trial.flag)


EFFECTS: dict[str, Callable[[Trial, str], None]] = {
    "--resource-arn": resource_arn,
    "--local-mode": local_mode,
    "--buffer-memory": buffer_memory,
    "--region": region,
    "--bind": bind,
    "--bind-tcp": bind_tcp,
    "--role-arn": role_arn,
    "--config": config,
    "--log-file": log_file,
    "--log-level": log_level,
    "--log-rotation": log_rotation,
    "--proxy-address": proxy_address,
    "--endpoint": endpoint,
    "--no-verify-ssl": no_verify_ssl,
    "--concurrency": concurrency,
    "--version": version,
    "--help": usage,
}
"""By the long flag of ours, as the guide names it in either of its tables."""
