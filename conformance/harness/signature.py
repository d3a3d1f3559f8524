"""Checks Signature Version 4 with botocore's own signer: what it would have signed must be what came."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

CLOCK_SKEW_SECONDS = 300
"""AWS refuses what is more than five minutes off (Signature Version 4, X-Amz-Date)."""

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)"
    r"/aws4_request, SignedHeaders=(?P<headers>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Key:
    """A secret that the fake service knows."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


def fault_of(
    method: str, target: str, headers: list[tuple[str, str]], body: bytes, keys: list[Key], region: str
) -> str | None:
    """Why a real service would refuse the request; None when its signature is right."""
    found = {name.lower(): value for name, value in headers}
    authorization = found.get("authorization")
    if authorization is None:
        return "unsigned"
    parsed = AUTHORIZATION.fullmatch(authorization)
    if parsed is None:
        return f"Authorization is {authorization!r}"
    if (parsed["region"], parsed["service"]) != (region, "xray"):
        return f"signed for {parsed['service']} in {parsed['region']}"
    key = next((key for key in keys if key.access_key_id == parsed["key"]), None)
    if key is None:
        return f"unknown key {parsed['key']}"
    signed = parsed["headers"].split(";")
    fault = _fault_of_headers(found, signed, key, parsed["date"])
    if fault:
        return fault
    request = AWSRequest(
        method=method,
        url=f"http://{found['host']}{target}",
        data=body,
        headers={name: found[name] for name in signed},
    )
    request.context["timestamp"] = found["x-amz-date"]
    signer = SigV4Auth(
        Credentials(key.access_key_id, key.secret_access_key, key.session_token), "xray", region
    )
    canonical = signer.canonical_request(request)
    expected = signer.signature(signer.string_to_sign(request, canonical), request)
    if expected != parsed["signature"]:
        return f"the signature does not match; canonical request:\n{canonical}"
    return None


def _fault_of_headers(found: dict[str, str], signed: list[str], key: Key, date: str) -> str | None:
    missing = [name for name in signed if name not in found]
    if missing:
        return f"signed headers that did not come: {missing}"
    if signed != sorted(signed):
        return f"SignedHeaders are not in order: {signed}"
    required = {"host", "x-amz-date"} | ({"x-amz-security-token"} if key.session_token else set())
    if not required <= set(signed):
        return f"not signed: {sorted(required - set(signed))}"
    if found.get("x-amz-security-token") != key.session_token:
        return f"security token {found.get('x-amz-security-token')!r}"
    at = datetime.strptime(found["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if not found["x-amz-date"].startswith(date):
        return f"scope of {date}, request of {found['x-amz-date']}"
    skew = abs((datetime.now(UTC) - at).total_seconds())
    return f"signed {skew:.0f} s from now" if skew > CLOCK_SKEW_SECONDS else None
