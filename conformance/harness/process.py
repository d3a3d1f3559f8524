"""A child process whose output goes to a log file that tests can read and failures show."""

import re
import signal
import subprocess
from pathlib import Path

from .polling import wait_until

LOG_TAIL_BYTES = 20_000
"""How much of a log is shown with a failed test."""


class LoggedProcess:
    """One run of a program. Output and errors share one log, in the order they were written."""

    def __init__(
        self,
        command: list[str],
        log: Path,
        environment: dict[str, str],
        directory: Path | None = None,
    ) -> None:
        self.command = command
        self.log = log
        with log.open("ab") as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=directory,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.poll()

    def output(self) -> str:
        """What this run has written so far."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def wait_for_exit(self, deadline_seconds: float = 10.0) -> int:
        """The exit code; fails with the log when the process is still there after the deadline."""
        try:
            return self._process.wait(deadline_seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"{self.command} still runs after {deadline_seconds} s\n{self.output()[-LOG_TAIL_BYTES:]}"
            ) from None

    def wait_for_output(self, pattern: str, deadline_seconds: float = 20.0) -> str:
        """The first group of `pattern` in the output; fails at once when the process ends without it."""

        def found() -> str | None:
            ended = self.exit_code is not None
            match = re.search(pattern, self.output())
            if match:
                return match.group(1)
            if ended:
                raise RuntimeError(f"{self.command} ended with {self.exit_code}\n{self.output()}")
            return None

        return wait_until(found, f"{pattern!r} in the output of {self.command[0]}", deadline_seconds)

    def terminate(self, deadline_seconds: float = 10.0) -> int:
        """Ends it with SIGTERM and gives the exit code."""
        if self.exit_code is None:
            self._process.send_signal(signal.SIGTERM)
        return self.wait_for_exit(deadline_seconds)

    def kill(self) -> None:
        """Ends it with SIGKILL: no chance to write anything more."""
        self._process.kill()
        self._process.wait()
