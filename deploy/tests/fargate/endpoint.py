"""The endpoint of X-Ray as a task sees it: checks what is signed, and has a Roentgen server answer."""

import json
import socket
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler

import requests
from harness.fake_xray import FakeXRay, Reply
from harness.signature import Key

ROLE_KEY = Key("ASIATASKROLE", "secret of the role", "token of the role")
"""What ECS gives to a task for its role."""


class SignedEndpoint(FakeXRay):
    """Takes requests for X-Ray in a region, signed with the key of the role; `check_signatures` tells."""

    def __init__(self, region: str, target: str, listener: socket.socket | None = None) -> None:
        super().__init__([ROLE_KEY], region, listener)
        self._target = target

    def take(self, handler: BaseHTTPRequestHandler, body: bytes) -> Reply:
        super().take(handler, body)
        headers = {"Content-Type": handler.headers.get("Content-Type", "")}
        url = f"{self._target}{handler.path}"
        answer = requests.request(handler.command, url, data=body, headers=headers, timeout=20)
        kind = {"Content-Type": answer.headers.get("Content-Type", "")}
        return Reply(answer.status_code, answer.content, kind)


def credentials_of_the_role() -> Reply:
    """What ECS answers at the address of AWS_CONTAINER_CREDENTIALS_RELATIVE_URI (ECS, task IAM roles)."""
    document = {
        "AccessKeyId": ROLE_KEY.access_key_id,
        "SecretAccessKey": ROLE_KEY.secret_access_key,
        "Token": ROLE_KEY.session_token,
        "Expiration": (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return Reply(body=json.dumps(document).encode())
