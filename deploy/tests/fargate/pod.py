"""Runs a task definition, as it is read back from ECS, as a pod: containers that share one network.

That is what `awsvpc` means on Fargate, so ports and addresses are those of the definition. Kept to, beside
what PlainTask keeps to: user, read-only root, dropped capabilities, memory, the init process, volumes. Left
out: CPU shares, and the processor that the image is for, which is always that of this machine.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import containers
from containers import podman
from harness.polling import wait_until

from fargate.task import Container, start_order

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
"""Where the images have what they trust."""


class PodTask:
    """One task as a pod of podman."""

    def __init__(
        self,
        definition: dict[str, Any],
        images: Callable[[str], str],
        directory: Path,
        environment: dict[str, str],
        hosts: dict[str, str] | None = None,
        surround: Callable[[int], None] | None = None,
        trusted: Path | None = None,
    ) -> None:
        """`hosts` says which address a name has that only a network of AWS knows.

        `surround` is called before the first container starts, with the id of a process in the network of the
        pod. `trusted` takes the place of the bundle of CA certificates in the images.
        """
        self.definition = definition
        self.started: list[str] = []
        self._pod = f"ecs-{definition['family']}"
        self._images = images
        self._directory = directory
        self._environment = environment
        self._hosts = hosts or {}
        self._surround = surround
        self._trusted = trusted
        self._order = start_order(definition["containerDefinitions"])
        self._address = ""

    def start(self) -> "PodTask":
        hosts = [
            part for name, address in self._hosts.items() for part in ("--add-host", f"{name}:{address}")
        ]
        podman("pod", "rm", "--force", "--ignore", self._pod)
        podman("pod", "create", "--name", self._pod, *hosts)
        podman("pod", "start", self._pod)
        infra = podman("pod", "inspect", "--format", "{{.InfraContainerID}}", self._pod).strip()
        networks = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        self._address = podman("inspect", "--format", networks, infra).strip()
        if self._surround:
            self._surround(int(podman("inspect", "--format", "{{.State.Pid}}", infra)))
        for container in self._order:
            for dependency in container.get("dependsOn", []):
                if dependency["condition"] == "HEALTHY":
                    self.wait_until_healthy(dependency["containerName"])
            podman("run", "--detach", "--pod", self._pod, *self._options(container))
            self.started.append(container["name"])
        return self

    def _options(self, container: Container) -> list[str]:
        """What podman is to be told of a container, its image and its command last."""
        options = [
            "--name",
            self._name(container["name"]),
            "--stop-timeout",
            str(container.get("stopTimeout", 30)),
        ]
        variables = self._environment | {
            each["name"]: each["value"] for each in container.get("environment", [])
        }
        for name, value in variables.items():
            options += ["--env", f"{name}={value}"]
        if container.get("readonlyRootFilesystem"):
            # podman would make /tmp writable again; Fargate does not.
            options += ["--read-only", "--read-only-tmpfs=false"]
        if "user" in container:
            options += ["--user", container["user"]]
        linux = container.get("linuxParameters", {})
        for capability in linux.get("capabilities", {}).get("drop", []):
            options += ["--cap-drop", capability.lower()]
        if linux.get("initProcessEnabled"):
            options += ["--init"]
        if "memory" in container:
            options += ["--memory", f"{container['memory']}m"]
        for mount in container.get("mountPoints", []):
            options += ["--volume", f"{self._volume(mount['sourceVolume'])}:{mount['containerPath']}"]
        if self._trusted:
            options += ["--volume", f"{self._trusted}:{CERTIFICATES}:ro"]
        if "entryPoint" in container:
            options += ["--entrypoint", container["entryPoint"][0]]
        rest = container.get("entryPoint", [])[1:]
        return [*options, self._images(container["image"]), *rest, *container.get("command", [])]

    def _volume(self, name: str) -> Path:
        """A directory that belongs to who the access point says."""
        path = self._directory / name
        path.mkdir(exist_ok=True)
        os.chown(path, 10001, 10001)
        return path

    def _name(self, container: str) -> str:
        return f"{self._pod}-{container}"

    def address(self, port: int) -> str:
        """Where a port of the task is, seen from outside of it."""
        return f"{self._address}:{port}"

    def inside(self, port: int) -> str:
        """Where a port of the task is for its own containers."""
        return f"127.0.0.1:{port}"

    def read(self, port: int, path: str) -> str:
        """What a container answers to a neighbour in its task."""
        process = podman("inspect", "--format", "{{.State.Pid}}", self._name(self._order[0]["name"])).strip()
        neighbour = ["nsenter", "--net", "--target", process]
        ask = ["curl", "--silent", "--show-error", "--noproxy", "*", f"http://{self.inside(port)}{path}"]
        return subprocess.run([*neighbour, *ask], capture_output=True, text=True, check=True).stdout

    def health(self, name: str) -> int:
        """The exit code of a container's health check, run once."""
        container = next(each for each in self._order if each["name"] == name)
        kind, *command = container["healthCheck"]["command"]
        assert kind == "CMD", f"{kind} is not run here"
        return containers.run("podman", "exec", self._name(name), *command, is_checked=False).returncode

    def wait_until_healthy(self, name: str) -> None:
        check = next(each for each in self._order if each["name"] == name)["healthCheck"]
        allowed = check.get("startPeriod", 0) + check["retries"] * check["interval"]
        wait_until(lambda: self.health(name) == 0, f"container {name} healthy", allowed)

    @property
    def is_running(self) -> bool:
        """A task runs until one of its essential containers ends."""
        states = [self._state(each["name"]) for each in self._order if each["essential"]]
        return all(state == "running" for state in states)

    def _state(self, name: str) -> str:
        return podman("inspect", "--format", "{{.State.Status}}", self._name(name)).strip()

    def kill(self, name: str) -> None:
        """Ends a container as a crash would."""
        podman("kill", self._name(name))
        wait_until(lambda: self._state(name) == "exited", f"container {name} ended")

    def restart(self, name: str) -> None:
        """Starts a container again that has ended, as its restart policy has ECS do."""
        container = next(each for each in self._order if each["name"] == name)
        assert container["restartPolicy"]["enabled"]
        assert self._state(name) != "running", f"{name} still runs"
        podman("start", self._name(name))

    def stop(self) -> dict[str, int]:
        """Ends the containers, last started first, as ECS does; gives their exit codes."""
        codes = {}
        for container in reversed(self._order):
            name = self._name(container["name"])
            podman("stop", name)
            code = podman("inspect", "--format", "{{.State.ExitCode}}", name)
            codes[container["name"]] = int(code)
        return codes

    def wait_for_exit(self, name: str, deadline_seconds: float = 60) -> int:
        """The exit code of a container that ends by itself."""
        wait_until(lambda: self._state(name) == "exited", f"container {name} ended", deadline_seconds)
        return int(podman("inspect", "--format", "{{.State.ExitCode}}", self._name(name)))

    def close(self) -> None:
        """Leaves nothing behind, whatever the test did."""
        podman("pod", "rm", "--force", "--ignore", "--time", "5", self._pod, is_checked=False)

    def output(self, name: str) -> str:
        return podman("logs", self._name(name))
