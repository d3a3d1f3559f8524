"""The server under test: start it on a free port, talk to it, stop it, kill it, start it again."""

import json
import os
import re
import socket
from pathlib import Path
from typing import Any, ClassVar, Self

import boto3
import requests
from botocore.config import Config

from .environment import CREDENTIALS, child_environment, roentgen_binary
from .polling import wait_until
from .process import LoggedProcess

DATAGRAM_HEADER = b'{"format":"json","version":1}\n'

CALL_SECONDS = 20
"""Longest wait for one answer. An answer that takes longer is a hang, and a failed test."""


class Roentgen:
    """One data directory and the server runs on it."""

    running: ClassVar[list["Roentgen"]] = []
    """All that were started and not closed: their logs belong beside a failed test."""

    def __init__(self, directory: Path, arguments: tuple[str, ...] = ()) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.data_directory = directory / "data"
        self.log = directory / "roentgen.log"
        self._arguments = arguments
        self._bind = "127.0.0.1:0"
        self._process: LoggedProcess | None = None
        self.url = ""
        self.daemon_address = ""

    def start(self) -> Self:
        """Starts the server and returns once it has printed its addresses and answers."""
        command = [
            str(roentgen_binary()),
            "--bind",
            self._bind,
            "--data-dir",
            str(self.data_directory),
            *self._arguments,
        ]
        self._process = LoggedProcess(command, self.log, child_environment())
        if self not in self.running:
            self.running.append(self)
        self.url = "http://" + self._process.wait_for_output(r"http://(127\.0\.0\.1:\d+)")
        self.daemon_address = self._process.wait_for_output(r"AWS_XRAY_DAEMON_ADDRESS=(127\.0\.0\.1:\d+)")
        wait_until(self.is_healthy, f"200 from {self.url}/healthz")
        return self

    def stop(self) -> int:
        """SIGTERM; gives the exit code. Fails when the server needs more than ten seconds."""
        return self.process.terminate()

    def kill(self) -> None:
        """SIGKILL: what was not on disk is lost."""
        self.process.kill()

    def start_again(self) -> Self:
        """Starts on the same data and the same port, so that clients find it again."""
        self._bind = self.daemon_address
        return self.start()

    def close(self) -> None:
        """Leaves no process behind, whatever the test did."""
        if self._process is not None and self._process.exit_code is None:
            self._process.kill()
        if self in self.running:
            self.running.remove(self)

    @property
    def process(self) -> LoggedProcess:
        assert self._process is not None, "start() comes first"
        return self._process

    @property
    def socket_address(self) -> tuple[str, int]:
        host, port = self.daemon_address.rsplit(":", 1)
        return host, int(port)

    def is_healthy(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=CALL_SECONDS).status_code == 200
        except requests.ConnectionError:
            return False

    def xray(self) -> Any:
        """A boto3 client as a user would make one. No retries: a test wants to see the first answer."""
        return boto3.client(
            "xray",
            endpoint_url=self.url,
            region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(
                connect_timeout=CALL_SECONDS,
                read_timeout=CALL_SECONDS,
                retries={"total_max_attempts": 1},
                proxies={},
            ),
        )

    def post(self, path: str, body: bytes | str, headers: dict[str, str] | None = None) -> requests.Response:
        """One HTTP request as written, for what boto3 would refuse to send."""
        return requests.post(f"{self.url}{path}", data=body, headers=headers, timeout=CALL_SECONDS)

    def post_json(self, path: str, body: Any) -> requests.Response:
        return self.post(path, json.dumps(body), {"Content-Type": "application/json"})

    def status(self) -> dict[str, Any]:
        answer = requests.get(f"{self.url}/api/v1/status", timeout=CALL_SECONDS)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait_for_accepted(self, count: int) -> None:
        """Waits until the server has accepted that many documents since its start."""
        wait_until(lambda: self.status()["documentsAccepted"] >= count, f"{count} documents accepted")

    def metrics(self) -> dict[str, float]:
        """Every sample of the Prometheus text, under its name with labels as written."""
        answer = requests.get(f"{self.url}/metrics", timeout=CALL_SECONDS)
        assert answer.status_code == 200, answer.text
        samples = re.findall(r"^([a-zA-Z_:][^\s{]*(?:\{[^}]*\})?)\s+(\S+)", answer.text, re.MULTILINE)
        return {name: float(value) for name, value in samples}

    def send_datagram(self, datagram: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(datagram, self.socket_address)

    def send_document(self, document: dict[str, Any]) -> None:
        """A segment or subsegment over UDP, as an SDK sends it."""
        self.send_datagram(DATAGRAM_HEADER + json.dumps(document).encode())

    def resident_bytes(self) -> int:
        """The server's resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def diagnostics(self) -> str:
        """What to show beside a failed test."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""
