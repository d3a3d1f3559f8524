"""Who the daemon is to AWS: region, credentials, roles, endpoints and proxies, by environment."""

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import pytest

from conftest import StartDaemon
from harness.daemon import IS_OFFICIAL, Daemon
from harness.documents import segment
from harness.fake_xray import FakeXRay, Reply
from harness.polling import wait_until
from harness.signature import Key

pytestmark = pytest.mark.daemon

Environment = dict[str, str | None]

NO_KEYS: Environment = {
    "AWS_ACCESS_KEY_ID": None,
    "AWS_SECRET_ACCESS_KEY": None,
    "AWS_SESSION_TOKEN": None,
}


def expiring(key: Key, seconds: float = 3600, **more: str) -> bytes:
    """Credentials as the container endpoints and EC2 give them."""
    expiration = datetime.now(UTC) + timedelta(seconds=seconds)
    return json.dumps(
        {
            "AccessKeyId": key.access_key_id,
            "SecretAccessKey": key.secret_access_key,
            "Token": key.session_token,
            "Expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        | more
    ).encode()


@pytest.fixture
def metadata() -> Iterator[FakeXRay]:
    """A second HTTP service, for whatever else the daemon asks."""
    with FakeXRay() as service:
        service.may_be_unsigned = True
        yield service


def send_one(daemon: Daemon, upstream: FakeXRay) -> str:
    """Sends a document; gives the key with which its batch was signed."""
    daemon.send_documents(segment("whose"))
    (request,) = upstream.wait_for("/TraceSegments", 1)
    assert request.fault is None, request.fault
    authorization = request.header("Authorization")
    assert authorization
    return authorization.partition("Credential=")[2].partition("/")[0]


def test_a_key_without_a_token(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    upstream.keys = [Key("AKIDLONGTERM", "other secret")]
    environment: Environment = {
        "AWS_ACCESS_KEY_ID": "AKIDLONGTERM",
        "AWS_SECRET_ACCESS_KEY": "other secret",
        "AWS_SESSION_TOKEN": None,
    }
    daemon = start_daemon(to=upstream.url, environment=environment)
    assert send_one(daemon, upstream) == "AKIDLONGTERM"


def test_a_profile(tmp_path: Path, start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    upstream.keys = [Key("AKIDPROFILE", "p/r+o")]
    upstream.region = "eu-west-3"
    credentials = tmp_path / "credentials"
    credentials.write_text("[other]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = p/r+o\n")
    config = tmp_path / "config"
    config.write_text("[profile other]\nregion = eu-west-3\n")
    environment = NO_KEYS | {
        "AWS_PROFILE": "other",
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_CONFIG_FILE": str(config),
    }
    daemon = start_daemon("-o", to=upstream.url, environment=environment, is_local=False)
    assert "Using region: eu-west-3" in daemon.messages("Info")
    assert send_one(daemon, upstream) == "AKIDPROFILE"


def test_a_process(tmp_path: Path, start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    key = Key("AKIDPROCESS", "of a process", "token of a process")
    upstream.keys = [key]
    answer = tmp_path / "answer.json"
    answer.write_text(
        json.dumps(
            {
                "Version": 1,
                "AccessKeyId": key.access_key_id,
                "SecretAccessKey": key.secret_access_key,
                "SessionToken": key.session_token,
            }
        )
    )
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = cat {answer}\n")
    environment = NO_KEYS | {"AWS_CONFIG_FILE": str(config)}
    daemon = start_daemon(to=upstream.url, environment=environment)
    assert send_one(daemon, upstream) == "AKIDPROCESS"


def test_a_container(
    tmp_path: Path, start_daemon: StartDaemon, upstream: FakeXRay, metadata: FakeXRay
) -> None:
    """EKS Pod Identity: a full address, and a token in a file."""
    key = Key("ASIACONTAINER", "of a task", "token of a task")
    upstream.keys = [key]
    metadata.answer("/creds", Reply(body=expiring(key)))
    token = tmp_path / "token"
    token.write_text("who I am")
    environment = NO_KEYS | {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{metadata.url}/creds",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
    }
    daemon = start_daemon(to=upstream.url, environment=environment)
    assert send_one(daemon, upstream) == "ASIACONTAINER"
    (asked,) = metadata.of("/creds")
    assert asked.header("Authorization") == "who I am"


def test_ec2(start_daemon: StartDaemon, upstream: FakeXRay, metadata: FakeXRay) -> None:
    key = Key("ASIAINSTANCE", "of an instance", "token of an instance")
    upstream.keys = [key]
    upstream.region = "ap-southeast-2"
    text = {"Content-Type": "text/plain"}
    role = "/latest/meta-data/iam/security-credentials/"
    document = {"region": "ap-southeast-2", "instanceId": "i-0abc"}
    token = text | {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": "21600"}
    for path, reply in {
        "/latest/api/token": Reply(body=b"imds token", headers=token),
        "/latest/dynamic/instance-identity/document": Reply(body=json.dumps(document).encode()),
        "/latest/meta-data/placement/region": Reply(body=b"ap-southeast-2", headers=text),
        "/latest/meta-data/hostname": Reply(body=b"ip-10-0-0-1", headers=text),
        "/latest/meta-data/instance-id": Reply(body=b"i-0abc", headers=text),
        role: Reply(body=b"my-role", headers=text),
        f"{role}my-role": Reply(
            body=expiring(key, Code="Success", Type="AWS-HMAC", LastUpdated="2026-01-01T00:00:00Z")
        ),
    }.items():
        metadata.answer(path, reply)
    environment = NO_KEYS | {
        "AWS_EC2_METADATA_DISABLED": None,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url,
    }
    daemon = start_daemon(to=upstream.url, environment=environment, is_local=False)
    daemon.wait_for_message("Info", "Using region: ap-southeast-2")
    assert send_one(daemon, upstream) == "ASIAINSTANCE"
    daemon.wait_for_sent(1)
    assert daemon.stop() == 0
    (telemetry,) = upstream.of("/TelemetryRecords")
    assert telemetry.json()["EC2InstanceId"] == "i-0abc"
    assert telemetry.json()["Hostname"] == "ip-10-0-0-1"
    # IMDSv2: nothing is asked without the token.
    asked = [request for request in metadata.received if request.path != "/latest/api/token"]
    assert {request.header("X-Aws-Ec2-Metadata-Token") for request in asked} == {"imds token"}


ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/x/y</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>of a role</SecretAccessKey>
<SessionToken>token of a role</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>"""


def test_a_role(start_daemon: StartDaemon, upstream: FakeXRay, metadata: FakeXRay) -> None:
    upstream.keys = [Key("ASIAROLE", "of a role", "token of a role")]
    metadata.answer("/", Reply(body=ASSUMED.encode(), headers={"Content-Type": "text/xml"}))
    environment: Environment = {"AWS_ENDPOINT_URL_STS": metadata.url}
    daemon = start_daemon("-r", "arn:aws:iam::123456789012:role/x", to=upstream.url, environment=environment)
    assert send_one(daemon, upstream) == "ASIAROLE"
    assert daemon.post("/GetSamplingRules").status_code == 200
    # Asked for once, and kept.
    (asked,) = metadata.of("/")
    assert b"Action=AssumeRole&" in asked.body
    assert b"RoleSessionName=xray-daemon" in asked.body
    assert b"ExternalId" not in asked.body


@pytest.mark.better
def test_a_role_with_an_external_id(
    start_daemon: StartDaemon, upstream: FakeXRay, metadata: FakeXRay
) -> None:
    upstream.keys = [Key("ASIAROLE", "of a role", "token of a role")]
    metadata.answer("/", Reply(body=ASSUMED.encode(), headers={"Content-Type": "text/xml"}))
    daemon = start_daemon(
        "--role-arn=arn:aws:iam::123456789012:role/x",
        "--external-id=ours",
        to=upstream.url,
        environment={"AWS_ENDPOINT_URL_STS": metadata.url},
    )
    assert send_one(daemon, upstream) == "ASIAROLE"
    assert b"ExternalId=ours" in metadata.of("/")[0].body


@pytest.mark.better
def test_keys_are_renewed_before_they_end(
    start_daemon: StartDaemon, upstream: FakeXRay, metadata: FakeXRay
) -> None:
    first, second = (Key(f"ASIA{n}", f"secret {n}", f"token {n}") for n in "12")
    upstream.keys = [first, second]
    # What is left is less than any client keeps in reserve, and more than it waits to ask again.
    metadata.answer("/creds", Reply(body=expiring(first, seconds=20)), Reply(body=expiring(second)))
    environment = NO_KEYS | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{metadata.url}/creds"}
    daemon = start_daemon(to=upstream.url, environment=environment)

    def is_signed_by_the_second() -> bool:
        daemon.send_documents(segment("again"))
        signed = [request.header("Authorization") or "" for request in upstream.of("/TraceSegments")]
        return any(f"Credential={second.access_key_id}/" in authorization for authorization in signed)

    wait_until(is_signed_by_the_second, "a batch signed by the second key", 25)


def test_no_credentials_at_all(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    upstream.may_be_unsigned = True
    daemon = start_daemon(to=upstream.url, environment=NO_KEYS)
    answer = daemon.post("/GetSamplingRules")
    # A server of one's own takes it; AWS would answer 403.
    assert answer.status_code == 200
    (request,) = upstream.of("/GetSamplingRules")
    assert request.header("Authorization") is None


def test_region_by_ecs_metadata_file(tmp_path: Path, start_daemon: StartDaemon) -> None:
    file = tmp_path / "metadata.json"
    file.write_text('{"TaskARN":"arn:aws:ecs:ap-northeast-1:123456789012:task/x"}')
    environment: Environment = {
        "ECS_ENABLE_CONTAINER_METADATA": "TRUE",
        "ECS_CONTAINER_METADATA_FILE": str(file),
        "AWS_HOSTNAME": "h1",
        "AWS_INSTANCE_ID": "i-1",
    }
    daemon = start_daemon("-l", "debug", environment=environment, is_local=False)
    daemon.wait_for_message("Info", "Using region: ap-northeast-1")
    assert "Fetch region ap-northeast-1 from ECS metadata file" in daemon.messages("Debug")
    assert "Fetch hostname h1 from environment variables" in daemon.messages("Debug")
    assert "Fetch instance ID i-1 from environment variables" in daemon.messages("Debug")


@pytest.mark.better
def test_region_by_ecs_task_metadata(
    start_daemon: StartDaemon, upstream: FakeXRay, metadata: FakeXRay
) -> None:
    upstream.region = "eu-north-1"
    task = {"TaskARN": "arn:aws:ecs:eu-north-1:123456789012:task/c/x", "AvailabilityZone": "eu-north-1a"}
    metadata.answer("/v4/abc/task", Reply(body=json.dumps(task).encode()))
    environment: Environment = {"ECS_CONTAINER_METADATA_URI_V4": f"{metadata.url}/v4/abc"}
    daemon = start_daemon(to=upstream.url, environment=environment, is_local=False)
    daemon.wait_for_message("Info", "Using region: eu-north-1")
    assert send_one(daemon, upstream) == "AKIDEXAMPLE"
    assert not daemon.messages("Error")


def test_region_by_default_region_in_local_mode(start_daemon: StartDaemon) -> None:
    environment: Environment = {"AWS_DEFAULT_REGION": "ap-south-1"}
    daemon = start_daemon("-o", environment=environment, is_local=False)
    assert "Using region: ap-south-1" in daemon.messages("Info")


NO_REGION = (
    "Cannot fetch region variable from config file, environment variables, ecs metadata, or ec2 metadata. "
    "Use local-mode to use the local config region."
)


@pytest.mark.parametrize("local", [True, False])
def test_no_region_ends_it(start_daemon: StartDaemon, local: bool) -> None:
    daemon = start_daemon(*(["-o"] if local else []), is_local=False, is_awaited=False)
    assert daemon.process.wait_for_exit(20) == 1
    errors = daemon.messages("Error")
    assert errors[-1].startswith(NO_REGION)
    # In local mode that advice is of no use; here there is more.
    assert IS_OFFICIAL or "AWS_REGION" in errors[-1]
    assert len(errors) == (1 if local else 2)
    if not local:
        assert errors[0].startswith("Unable to fetch region from EC2 metadata: ")


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_XRAY"])
def test_endpoint_by_environment(start_daemon: StartDaemon, upstream: FakeXRay, variable: str) -> None:
    daemon = start_daemon(environment={variable: upstream.url})
    send_one(daemon, upstream)


@pytest.mark.parametrize(
    "variable", ["AWS_ENDPOINT_URL", pytest.param("AWS_ENDPOINT_URL_XRAY", marks=pytest.mark.better)]
)
def test_endpoint_of_sampling_calls_by_environment(
    start_daemon: StartDaemon, upstream: FakeXRay, variable: str
) -> None:
    daemon = start_daemon(environment={variable: upstream.url})
    assert f"HTTP Proxy server using X-Ray Endpoint : {upstream.url}" in daemon.messages("Info")
    assert daemon.post("/GetSamplingRules").status_code == 200


@pytest.mark.parametrize("by", ["flag", "variable", "file"])
def test_an_outbound_proxy(
    start_daemon: StartDaemon, upstream: FakeXRay, metadata: FakeXRay, by: str
) -> None:
    proxy = metadata
    arguments = ("-p", proxy.url) if by == "flag" else ()
    environment: Environment = {"HTTPS_PROXY": proxy.url} if by == "variable" else {}
    config = {"ProxyAddress": proxy.url} if by == "file" else {}
    daemon = start_daemon(*arguments, to=upstream.url, config=config, environment=environment)
    daemon.send_documents(segment("through the proxy"))
    (request,) = proxy.wait_for("/TraceSegments", 1)
    assert request.target == f"{upstream.url}/TraceSegments"
    assert request.header("Host") == upstream.url.removeprefix("http://")
    assert request.fault is None
    assert daemon.post("/GetSamplingRules").status_code == 200
    assert proxy.of("/GetSamplingRules")[0].target == f"{upstream.url}/GetSamplingRules"
    assert upstream.received == []


@pytest.mark.better
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_hosts_without_the_proxy(start_daemon: StartDaemon, upstream: FakeXRay, variable: str) -> None:
    environment: Environment = {"HTTPS_PROXY": "http://127.0.0.1:1", variable: "example.com,127.0.0.0/8"}
    daemon = start_daemon(to=upstream.url, environment=environment)
    send_one(daemon, upstream)
    assert daemon.post("/GetSamplingRules").status_code == 200


class Tunnel:
    """A proxy that notes what it is asked for, and refuses."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                self.asked.append(stream.readline().decode().rstrip())
                while stream.readline().strip():
                    continue
                stream.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def test_https_goes_through_a_tunnel(start_daemon: StartDaemon) -> None:
    """A proxy sees where an https endpoint is, and nothing else."""
    with Tunnel() as proxy:
        daemon = start_daemon("-p", proxy.url, to="https://xray.example.invalid:8443")
        daemon.send_documents(segment("secret"))
        wait_until(lambda: proxy.asked, "a CONNECT")
        assert proxy.asked[0] == "CONNECT xray.example.invalid:8443 HTTP/1.1"
        daemon.wait_for_message("Error", "Sending segment batch failed with: ", 30)
