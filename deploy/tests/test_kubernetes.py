"""The manifests: valid to the letter, within the strictest Pod Security Standard, and run by podman."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
import yaml
from base_images import make_python
from botocore import UNSIGNED
from botocore.config import Config
from containers import podman, run
from harness.documents import new_trace_id, segment
from harness.environment import REPOSITORY, require_tools
from harness.polling import wait_until
from harness.reading import find, wait_for_segments
from harness.roentgen import DATAGRAM_HEADER
from shipped import SCRATCH, tool

KUBERNETES = REPOSITORY / "deploy" / "kubernetes"
OVERLAYS = {"base": KUBERNETES / "base", "sidecar": KUBERNETES / "overlays" / "sidecar"}
NETWORK = "roentgen-kubernetes"

pytestmark = pytest.mark.timeout(600)

Manifest = dict[str, Any]


def manifests(overlay: str) -> list[Manifest]:
    """What `kubectl apply -k` would send."""
    require_tools("kubectl")
    done = subprocess.run(["kubectl", "kustomize", OVERLAYS[overlay]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def workload(overlay: str, kind: str, name: str) -> Manifest:
    """One of them."""
    return next(m for m in manifests(overlay) if (m["kind"], m["metadata"]["name"]) == (kind, name))


def test_what_there_is() -> None:
    def named(overlay: str) -> set[tuple[str, str]]:
        return {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests(overlay)}

    server = {("Namespace", "roentgen"), ("Service", "roentgen"), ("StatefulSet", "roentgen")}
    assert named("base") == server | {("Service", "xray-daemon"), ("DaemonSet", "xray-daemon")}
    assert named("sidecar") == server | {("Deployment", "hello")}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_key_is_known_to_kubernetes(overlay: str, tmp_path: Path) -> None:
    rendered = tmp_path / "manifests.yaml"
    rendered.write_text(yaml.safe_dump_all(manifests(overlay)))
    command = [tool("kubernetes-validate"), "--strict", "--quiet", rendered]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_keeps_to_the_restricted_standard(overlay: str) -> None:
    """The rules of the namespace's label, as Kubernetes documents them, and a read-only root for ours."""
    for manifest in manifests(overlay):
        if "template" not in manifest.get("spec", {}):
            continue
        pod = manifest["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod["automountServiceAccountToken"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert not [port for port in container.get("ports", []) if "hostPort" in port]
            assert "memory" in container["resources"]["limits"]
            if "roentgen" in container["image"]:
                assert context["readOnlyRootFilesystem"]


def test_the_sidecar_outlives_the_app_and_is_reached_by_it_alone() -> None:
    pod = workload("sidecar", "Deployment", "hello")["spec"]["template"]["spec"]
    (daemon,) = pod["initContainers"]
    # Kubernetes: such a container starts before the app's and ends after them.
    assert daemon["restartPolicy"] == "Always"
    # With one the app's containers would wait for an answer of the daemon, for ever if need be.
    assert "startupProbe" not in daemon
    assert {"--bind=127.0.0.1:2000", "--bind-tcp=127.0.0.1:2000"} <= set(daemon["args"])
    assert "ports" not in daemon


def as_pod(manifest: Manifest, aliases: dict[str, list[str]]) -> list[Manifest]:
    """A pod of the workload as kubelet would run it, and its volume: podman knows no controllers."""
    spec = manifest["spec"]["template"]["spec"]
    # To podman an init container has to end; kubelet runs this kind beside the others.
    sidecars = spec.pop("initContainers", [])
    for sidecar in sidecars:
        assert sidecar.pop("restartPolicy") == "Always"
    spec["containers"] = sidecars + spec["containers"]
    for container in spec["containers"]:
        # podman leaves probes to systemd, which need not be there; the tests run them instead. And it opens
        # the ports of a container on the host, where kubelet does nothing.
        for key in ("livenessProbe", "readinessProbe", "ports"):
            container.pop(key, None)
    spec["hostAliases"] = [{"ip": ip, "hostnames": names} for ip, names in aliases.items()]
    name = manifest["metadata"]["name"]
    claims = manifest["spec"].get("volumeClaimTemplates", [])
    claimed = {claim["metadata"]["name"]: f"{claim['metadata']['name']}-{name}-0" for claim in claims}
    spec["volumes"] = [
        {"name": volume, "persistentVolumeClaim": {"claimName": claim}} for volume, claim in claimed.items()
    ]
    volumes = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": claimed[claim["metadata"]["name"]]},
        }
        | {"spec": claim["spec"]}
        for claim in claims
    ]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{name}-0"}, "spec": spec}
    return [*volumes, pod]


@contextmanager
def played(manifest: Manifest, aliases: dict[str, list[str]] | None = None) -> Iterator[str]:
    """Runs a pod of the workload; gives its address."""
    documents = as_pod(manifest, aliases or {})
    file = SCRATCH / f"{manifest['metadata']['name']}-pod.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    pod = documents[-1]["metadata"]["name"]
    try:
        podman("play", "kube", "--network", NETWORK, file)
        infra = json.loads(run("podman", "pod", "inspect", pod).stdout)["InfraContainerID"]
        networks = json.loads(run("podman", "inspect", infra).stdout)[0]["NetworkSettings"]["Networks"]
        yield networks[NETWORK]["IPAddress"]
    finally:
        podman("play", "kube", "--down", file, is_checked=False)
        for claim in documents[:-1]:
            podman("volume", "rm", "--force", claim["metadata"]["name"], is_checked=False)


@pytest.fixture(scope="module")
def network(daemon_image: str, server_image: str) -> Iterator[None]:
    """A network as that of a cluster: every pod has an address."""
    podman("network", "rm", "--force", NETWORK, is_checked=False)
    podman("network", "create", NETWORK)
    yield
    podman("network", "rm", "--force", NETWORK, is_checked=False)


@pytest.fixture(scope="module")
def server(network: None) -> Iterator[str]:
    """The address of the server's pod, once its own readiness probe says yes."""
    manifest = workload("base", "StatefulSet", "roentgen")
    probe = manifest["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["exec"]["command"]
    with played(manifest) as address:
        ready(("roentgen-0-roentgen", *probe))
        yield address


def ready(probe: tuple[str, ...]) -> None:
    """Runs a probe in its container until it says yes."""
    wait_until(lambda: run("podman", "exec", *probe, is_checked=False).returncode == 0, f"{probe}", 30)


@pytest.fixture(scope="module")
def xray(server: str) -> Any:
    """A boto3 client of the server in the pod."""
    config = Config(signature_version=UNSIGNED)
    return boto3.client("xray", endpoint_url=f"http://{server}:2000", region_name="us-east-1", config=config)


def test_segments_reach_the_server_through_the_daemon_of_a_node(server: str, xray: Any) -> None:
    manifest = workload("base", "DaemonSet", "xray-daemon")
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    probe = ("xray-daemon-0-xray-daemon", *container["readinessProbe"]["exec"]["command"])
    document = segment("a-pod")
    with played(manifest, {server: ["roentgen"]}) as daemon:
        ready(probe)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(DATAGRAM_HEADER + json.dumps(document).encode(), (daemon, 2000))
        documents = wait_for_segments(xray, document["trace_id"], deadline_seconds=20)
    assert find(documents, "a-pod")["id"] == document["id"]


def test_an_app_reaches_the_sidecar_of_its_pod(server: str, xray: Any) -> None:
    make_python("docker.io/library/python:3.13-slim")
    podman(
        "build",
        "--quiet",
        "--pull=never",
        "--tag",
        "localhost/hello:latest",
        REPOSITORY / "examples" / "bottle",
    )
    manifest = workload("sidecar", "Deployment", "hello")
    trace_id = new_trace_id()
    with played(manifest, {server: ["roentgen.roentgen"]}) as app:
        url, header = f"http://{app}:8080/", {"X-Amzn-Trace-Id": f"Root={trace_id};Sampled=1"}
        wait_until(lambda: is_listening(app, 8080), "the app listens", 60)
        ready(("hello-0-xray-daemon", "/xray", "healthcheck"))
        assert requests.get(url, headers=header, timeout=10).text == "Hello X-Ray!"
        documents = wait_for_segments(xray, trace_id, deadline_seconds=20)
        with socket.socket() as outside:
            assert outside.connect_ex((app, 2000)) != 0, "the sidecar is reached from outside its pod"
    assert find(documents, "fa-074")["http"]["response"]["status"] == 200


def is_listening(host: str, port: int) -> bool:
    """Whether a connection can be made; nothing is asked."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
