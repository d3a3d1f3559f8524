"""Runs a task definition, as it is read back from ECS, on this machine.

Containers become processes: the plain way, which works everywhere. They share the loopback of this machine
as the containers of a task share theirs, so ports that are fixed in a task are taken from those that are
free here; apps and daemon are told through the settings they read anyway. Images cannot be pulled here.
What an image is, the runner is told: a program, and how it is told its port.

Kept to: order of dependsOn at start and its reverse at the end, command, environment, health checks, stop
timeouts, and that only an essential container's end is the end of the task. Left out, because a process
has none: user, read-only root, capabilities, limits of CPU and memory, the processor that the image is
for.
"""

import os
import signal
import socket
import subprocess
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from harness.daemon import free_port
from harness.polling import wait_until
from harness.process import LoggedProcess

Container = dict[str, Any]

CONDITIONS = ("START", "HEALTHY")
"""The conditions of dependsOn that are kept to here; ECS knows COMPLETE and SUCCESS as well."""


@dataclass(frozen=True)
class Program:
    """What stands in for an image: its entry point on this machine, and its other programs by their paths."""

    entry_point: tuple[str, ...]
    programs: dict[str, str] = field(default_factory=dict)


class PlainTask:
    """One task as plain processes."""

    def __init__(
        self,
        definition: dict[str, Any],
        images: Callable[[str], Program],
        directory: Path,
        environment: dict[str, str],
        hosts: dict[str, str] | None = None,
    ) -> None:
        """`hosts` says where the names lead that only a network of AWS knows, as host:port to host:port."""
        warnings.warn(
            f"task {definition['family']}: plain processes instead of containers; user, read-only root, "
            "capabilities and limits are not enforced",
            stacklevel=2,
        )
        self.definition = definition
        self.started: list[str] = []
        self._processes: dict[str, LoggedProcess] = {}
        self._images = images
        self._directory = directory
        self._environment = environment
        self._hosts = hosts or {}
        self._order = start_order(definition["containerDefinitions"])
        # Who listens on a port is what counts, so that two containers that name one port mean the same.
        self._ports = {port: str(free_port()) for port in sorted(ports_of(definition))}

    def address(self, port: int) -> str:
        """Where a port of the task is on this machine."""
        return f"127.0.0.1:{self._ports[str(port)]}"

    def inside(self, port: int) -> str:
        """Where a port of the task is for its own containers: nothing separates them from us."""
        return self.address(port)

    def read(self, port: int, path: str) -> str:
        """What a container answers to a neighbour in its task."""
        answer = requests.get(f"http://{self.inside(port)}{path}", timeout=10)
        answer.raise_for_status()
        return answer.text

    def start(self) -> "PlainTask":
        for container in self._order:
            for dependency in container.get("dependsOn", []):
                if dependency["condition"] == "HEALTHY":
                    self.wait_until_healthy(dependency["containerName"])
            self._start(container)
            self.started.append(container["name"])
        return self

    def _start(self, container: Container) -> None:
        image = self._images(container["image"])
        entry_point = container.get("entryPoint") or list(image.entry_point)
        program, *arguments = [*entry_point, *container.get("command", [])]
        command = [image.programs.get(program, program), *arguments]
        name = container["name"]
        self._processes[name] = LoggedProcess(
            [self._here(part) for part in command],
            self._directory / f"{name}.log",
            self._environment_of(container),
            self._directory,
        )

    def _environment_of(self, container: Container) -> dict[str, str]:
        given = {pair["name"]: self._here(pair["value"]) for pair in container.get("environment", [])}
        return self._environment | given

    def _here(self, text: str) -> str:
        """The same setting with the ports, names and directories of this machine."""
        for there, here in self._hosts.items():
            text = text.replace(there, here)
        for volume in self.definition.get("volumes", []):
            for container in self.definition["containerDefinitions"]:
                for mount in container.get("mountPoints", []):
                    if mount["sourceVolume"] == volume["name"] and text == mount["containerPath"]:
                        return str(self._directory / volume["name"])
        host, colon, port = text.rpartition(":")
        if colon and port in self._ports and host in ("127.0.0.1", "0.0.0.0"):
            return f"127.0.0.1:{self._ports[port]}"
        return self._ports.get(text, "127.0.0.1" if text == "0.0.0.0" else text)

    def kill(self, name: str) -> None:
        """Ends a container as a crash would."""
        self._processes[name].kill()

    def restart(self, name: str) -> None:
        """Starts a container again that has ended, as its restart policy has ECS do."""
        container = self.container(name)
        assert container["restartPolicy"]["enabled"]
        assert self._processes[name].exit_code is not None, f"{name} still runs"
        self._start(container)

    def health(self, name: str) -> int:
        """The exit code of a container's health check, run once."""
        container = self.container(name)
        check = container["healthCheck"]
        kind, program, *arguments = check["command"]
        assert kind == "CMD", f"{kind} is not run here"
        image = self._images(container["image"])
        return subprocess.run(
            [image.programs.get(program, program), *(self._here(part) for part in arguments)],
            env=self._environment_of(container),
            timeout=check["timeout"],
            check=False,
            capture_output=True,
        ).returncode

    def wait_until_healthy(self, name: str) -> None:
        check = self.container(name)["healthCheck"]
        allowed = check.get("startPeriod", 0) + check["retries"] * check["interval"]
        wait_until(lambda: self.health(name) == 0, f"container {name} healthy", allowed)

    def container(self, name: str) -> Container:
        return next(each for each in self._order if each["name"] == name)

    @property
    def is_running(self) -> bool:
        """A task runs until one of its essential containers ends."""
        return all(
            self._processes[each["name"]].exit_code is None for each in self._order if each["essential"]
        )

    def stop(self) -> dict[str, int]:
        """Ends the containers, last started first, as ECS does; gives their exit codes."""
        codes = {}
        for container in reversed(self._order):
            name = container["name"]
            process = self._processes[name]
            if process.exit_code is None:
                os.kill(process.pid, signal.SIGTERM)
            codes[name] = process.wait_for_exit(container.get("stopTimeout", 30))
        return codes

    def wait_for_exit(self, name: str, deadline_seconds: float = 60) -> int:
        """The exit code of a container that ends by itself."""
        return self._processes[name].wait_for_exit(deadline_seconds)

    def close(self) -> None:
        """Leaves no process behind, whatever the test did."""
        for process in self._processes.values():
            if process.exit_code is None:
                process.kill()

    def output(self, name: str) -> str:
        return self._processes[name].output()


def start_order(containers: list[Container]) -> list[Container]:
    """Those that others depend on first; fails on a circle and on names that are not there."""
    left = {container["name"]: container for container in containers}
    assert len(left) == len(containers), "two containers of one name"
    for container in containers:
        for dependency in container.get("dependsOn", []):
            assert dependency["containerName"] in left, (
                f"{container['name']} depends on a stranger: {dependency}"
            )
            assert dependency["condition"] in CONDITIONS, dependency
    ordered: list[Container] = []
    while left:
        ready = [
            container
            for container in left.values()
            if not any(each["containerName"] in left for each in container.get("dependsOn", []))
        ]
        assert ready, f"a circle in dependsOn of {', '.join(left)}"
        ordered += ready
        for container in ready:
            del left[container["name"]]
    return ordered


def ports_of(definition: dict[str, Any]) -> set[str]:
    """Every port that a task listens on: those it publishes, and those that settings name on loopback."""
    found: set[str] = set()
    for container in definition["containerDefinitions"]:
        found |= {str(mapping["containerPort"]) for mapping in container.get("portMappings", [])}
        settings = [
            *container.get("command", []),
            *(pair["value"] for pair in container.get("environment", [])),
        ]
        for setting in settings:
            host, colon, port = setting.rpartition(":")
            if colon and host in ("127.0.0.1", "0.0.0.0"):
                found.add(port)
    return found


def is_listening(address: str) -> bool:
    """Whether a connection can be made. Nothing is asked: a request would be a trace."""
    host, port = address.rsplit(":", 1)
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
