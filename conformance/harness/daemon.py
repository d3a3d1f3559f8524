"""The daemon under test: started on a free port in a directory of its own, sent to, read from, ended."""

import contextlib
import json
import os
import re
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
import requests

from .environment import REPOSITORY
from .polling import wait_until
from .process import LoggedProcess
from .roentgen import CALL_SECONDS, DATAGRAM_HEADER

IS_OFFICIAL = os.environ.get("ROENTGEN_DAEMON_OFFICIAL") == "true"
"""Whether the binary is the official daemon: the judge of the tests themselves."""

PORT_TRIES = 20
"""Ports that were free a moment ago and are not any more: nobody is that unlucky twenty times."""

LOG_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)) \[(?P<level>[A-Z][a-z]+)\] (?P<message>.*)"
)

START_SECONDS = 20
"""Longest start: the official daemon asks EC2 for six seconds when it is not in local mode."""


def daemon_binary() -> Path:
    """The daemon under test: ROENTGEN_DAEMON_BINARY, or the newest one that cargo built."""
    named = os.environ.get("ROENTGEN_DAEMON_BINARY")
    if named:
        return Path(named).resolve()
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    candidates = (target / profile / "roentgen-daemon" for profile in ("release", "debug"))
    built = [path for path in candidates if path.exists()]
    if not built:
        pytest.fail("no daemon: run `cargo build --release -p roentgen-daemon` or set ROENTGEN_DAEMON_BINARY")
    return max(built, key=lambda path: path.stat().st_mtime)


def daemon_environment(home: Path, extra: dict[str, str | None] | None = None) -> dict[str, str]:
    """An environment with a key and nothing else; a value of None takes a variable away."""
    given: dict[str, str | None] = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(home),
        "TZ": "UTC",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "SECRET",
        "AWS_SESSION_TOKEN": "TOKEN",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    return {name: value for name, value in (given | (extra or {})).items() if value is not None}


@dataclass(frozen=True)
class LogLine:
    """One line of the log; lines that are not in its format have no level."""

    level: str
    message: str


class Daemon:
    """One run of the daemon, by default in local mode and in us-east-1."""

    running: ClassVar[list["Daemon"]] = []
    """All that were started and not closed: their logs belong beside a failed test."""

    def __init__(
        self,
        directory: Path,
        arguments: tuple[str, ...] = (),
        config: dict[str, Any] | None = None,
        environment: dict[str, str | None] | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.log = directory / "daemon.log"
        self._arguments = arguments
        self._config = config
        self._environment = environment
        self._host = host
        self._process: LoggedProcess | None = None
        self.port = 0

    @property
    def address(self) -> str:
        """Where segments and sampling calls are taken, as clients name it."""
        return f"{self._host or '127.0.0.1'}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def process(self) -> LoggedProcess:
        assert self._process is not None, "start() comes first"
        return self._process

    def start(self) -> Self:
        """Starts it, and waits until its TCP port takes connections."""
        for _ in range(PORT_TRIES):
            self.spawn()
            wait_until(self._is_serving_or_over, "the daemon serves", START_SECONDS)
            if "address already in use" not in self.output():
                assert self.process.exit_code is None, self.output()
                return self
            self.close()
            self.log.unlink()
        raise AssertionError(f"no free port in {PORT_TRIES} tries")

    def spawn(self) -> Self:
        """Starts it on a port that was free a moment ago, and waits for nothing."""
        self.port = free_port(self._host)
        bind = f"{self._host}:{self.port}"
        command = [str(daemon_binary()), "-b", bind, "-t", bind]
        if self._config is not None:
            path = self.directory / "cfg-under-test.yaml"
            # JSON is YAML.
            path.write_text(json.dumps({"Version": 2} | self._config))
            command += ["-c", str(path)]
        command += self._arguments
        environment = daemon_environment(self.directory, self._environment)
        self._process = LoggedProcess(command, self.log, environment, self.directory)
        if self not in self.running:
            self.running.append(self)
        return self

    def _is_serving_or_over(self) -> bool:
        if self.process.exit_code is not None or "address already in use" in self.output():
            return True
        return self.is_serving()

    def is_serving(self) -> bool:
        """Whether the TCP port takes connections."""
        with contextlib.suppress(OSError), socket.create_connection(self.socket_address, CALL_SECONDS):
            return True
        return False

    @property
    def socket_address(self) -> tuple[str, int]:
        return (self._host or "127.0.0.1").strip("[]"), self.port

    def stop(self, with_signal: signal.Signals = signal.SIGTERM, deadline_seconds: float = 10.0) -> int:
        """Asks it to end; gives the exit code."""
        if self.process.exit_code is None:
            os.kill(self.process.pid, with_signal)
        return self.process.wait_for_exit(deadline_seconds)

    def close(self) -> None:
        """Leaves no process behind, whatever the test did."""
        if self._process is not None and self._process.exit_code is None:
            self._process.kill()
        if self in self.running:
            self.running.remove(self)

    def output(self) -> str:
        """What it has written so far, on both streams."""
        return self.process.output()

    def lines(self) -> list[LogLine]:
        """Its log so far."""
        return parse_log(self.output())

    def messages(self, level: str) -> list[str]:
        """The messages of one level so far."""
        return [line.message for line in self.lines() if line.level == level]

    def wait_for_message(self, level: str, pattern: str, deadline_seconds: float = 10.0) -> str:
        """The first message of that level that holds the pattern."""

        def look() -> str | None:
            return next((m for m in self.messages(level) if re.search(pattern, m)), None)

        return wait_until(look, f"[{level}] {pattern} in\n{self.output()}", deadline_seconds)

    def wait_for_sent(self, count: int, deadline_seconds: float = 10.0) -> None:
        """Waits until it says that so many documents were sent: then they are counted, too."""
        pattern = re.compile(r"(?:Successfully sent|Sent) batch of (\d+) segments")

        def look() -> bool:
            found = (pattern.match(message) for message in self.messages("Info"))
            return sum(int(match[1]) for match in found if match) >= count

        wait_until(look, f"{count} documents sent, by the log", deadline_seconds)

    def send(self, *datagrams: bytes) -> None:
        """Datagrams as they are."""
        family = socket.AF_INET6 if self._host.startswith("[") else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            for datagram in datagrams:
                sender.sendto(datagram, self.socket_address)

    def wait_until_read(self) -> None:
        """Waits until the kernel holds no datagram for it: what it drops is not the daemon's loss."""
        table = Path("/proc/net/udp6" if self._host.startswith("[") else "/proc/net/udp")

        def look() -> bool:
            rows = (line.split() for line in table.read_text().splitlines()[1:])
            queues = (row[4] for row in rows if row[1].endswith(f":{self.port:04X}"))
            return all(int(queue.partition(":")[2], 16) == 0 for queue in queues)

        wait_until(look, "the kernel's buffer is empty")

    def send_documents(self, *documents: str | dict[str, Any]) -> None:
        """Documents as SDKs send them: each behind the header, in a datagram of its own."""
        texts = (d if isinstance(d, str) else json.dumps(d) for d in documents)
        self.send(*(DATAGRAM_HEADER + text.encode() for text in texts))

    def call(self, method: str, target: str, body: bytes | None = None, **headers: str) -> requests.Response:
        """One request to the TCP port with exactly these headers, `_` standing for `-`."""
        request = requests.Request(method, f"{self.url}{target}", data=body)
        prepared = request.prepare()
        prepared.url = f"{self.url}{target}"
        prepared.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        with requests.Session() as session:
            session.trust_env = False
            return session.send(prepared, timeout=CALL_SECONDS, allow_redirects=False)

    def post(self, path: str, body: bytes = b"{}", **headers: str) -> requests.Response:
        """As SDKs ask for sampling rules."""
        return self.call("POST", path, body, **({"Content_Type": "application/json"} | headers))

    def count(self, name: str, **labels: str) -> float:
        """The sum of the samples of a metric that have these labels, among others."""
        answer = self.call("GET", "/metrics")
        assert answer.status_code == 200, answer.text
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        samples = re.findall(rf"^{re.escape(name)}(?:{{([^}}]*)}})?\s+(\S+)", answer.text, re.MULTILINE)
        assert samples, f"no {name} in\n{answer.text}"
        return sum(float(value) for found, value in samples if set(wanted) <= set(found.split(",")))


def parse_log(text: str) -> list[LogLine]:
    """The lines of a log in the official format."""
    parsed = ((line, LOG_LINE.fullmatch(line)) for line in text.splitlines() if line)
    return [LogLine(m["level"], m["message"]) if m else LogLine("", line) for line, m in parsed]


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free for both TCP and UDP a moment ago."""
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    bare = host.strip("[]")
    for _ in range(PORT_TRIES):
        with socket.socket(family, socket.SOCK_STREAM) as tcp:
            tcp.bind((bare, 0))
            port = int(tcp.getsockname()[1])
            with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as udp:
                udp.bind((bare, port))
                return port
    raise AssertionError(f"no port that is free for TCP and UDP in {PORT_TRIES} tries")
