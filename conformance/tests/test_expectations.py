"""The tests' own arithmetic: it must see a fault when there is one."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness.documents import new_id, segment, subsegment
from harness.expected_map import ExpectedMap, Statistics
from harness.expected_trace import compare, expect_traces
from harness.signature import Key, fault_of

Documents = list[dict[str, Any]]


def sent() -> Documents:
    """A shop with two calls: one to a service that reports, one to a table."""
    call = subsegment("stock", namespace="remote", annotations={"tries": 2})
    table = subsegment("dynamodb", namespace="aws", aws={"table_name": "Orders"}, fault=True)
    shop = segment("shop", metadata={"default": {"nan": float("nan")}}, subsegments=[call, table])
    return [shop, segment("stock", trace_id=shop["trace_id"], parent_id=call["id"])]


def processed(documents: Documents) -> Documents:
    """As a service gives them back."""
    read = copy.deepcopy(documents)
    read[0]["metadata"]["default"]["nan"] = None
    read[0]["subsegments"][1]["name"] = "DynamoDB"
    inferred = {"id": new_id(), "name": "DynamoDB", "inferred": True, "parent_id": "x"}
    return [*read, inferred]


def faults(documents: Documents, read: Documents) -> list[str]:
    [expected] = expect_traces(map(json.dumps, documents)).values()
    return compare(expected, read)


def test_a_faithful_answer_has_no_faults() -> None:
    documents = sent()
    assert faults(documents, processed(documents)) == []


CHANGES: dict[str, Callable[[Documents], Any]] = {
    "a segment is missing": lambda read: read.pop(1),
    "a subsegment is missing": lambda read: read[0]["subsegments"].pop(),
    "a subsegment is there twice": lambda read: read[0]["subsegments"].append(read[0]["subsegments"][0]),
    "a subsegment hangs elsewhere": lambda read: read[1].update(subsegments=[read[0]["subsegments"].pop()]),
    "something was never sent": lambda read: read[1].update(subsegments=[subsegment("ghost")]),
    "an annotation changed": lambda read: read[0]["subsegments"][0]["annotations"].update(tries=3),
    "a flag is gone": lambda read: read[0]["subsegments"][1].pop("fault"),
    "a time changed": lambda read: read[1].update(end_time=read[1]["end_time"] + 0.001),
    "a name changed": lambda read: read[1].update(name="Stock"),
    "the caller is gone": lambda read: read[1].pop("parent_id"),
    "it was reopened": lambda read: read[1].update(in_progress=True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_answer_is_seen(change: str) -> None:
    documents = sent()
    read = processed(documents)
    CHANGES[change](read)
    assert faults(documents, read)


def test_the_map_of_a_trace() -> None:
    documents = sent()
    expected = ExpectedMap(expect_traces(map(json.dumps, documents)).values())
    shop, stock, table = ("shop", None), ("stock", None), ("Orders", "AWS::DynamoDB::Table")
    assert expected.nodes.keys() == {("shop", "client"), shop, stock, table}
    assert expected.edges.keys() == {(("shop", "client"), shop), (shop, stock), (shop, table)}
    assert expected.edges[shop, stock].response_time == pytest.approx(0.05)
    assert expected.nodes[stock].response_time == pytest.approx(0.1)
    assert expected.nodes[table] == expected.edges[shop, table]
    assert expected.nodes[table].fault == 1


def test_statistics_that_do_not_add_up_are_refused() -> None:
    summary = {
        "OkCount": 1,
        "ErrorStatistics": {"ThrottleCount": 1, "OtherCount": 2, "TotalCount": 3},
        "FaultStatistics": {"OtherCount": 4, "TotalCount": 4},
        "TotalCount": 8,
        "TotalResponseTime": 1.5,
    }
    assert Statistics.of(summary).total == 8
    with pytest.raises(AssertionError):
        Statistics.of(summary | {"TotalCount": 7})


SIGNING_KEY = Key("AKIDEXAMPLE", "SECRET", "TOKEN")


def signed_request() -> tuple[str, str, list[tuple[str, str]], bytes]:
    """A request as botocore signs it: method, target, headers and body."""
    body = b'{"TraceSegmentDocuments":[]}'
    request = AWSRequest("POST", "http://127.0.0.1:2000/TraceSegments", {"X-Own": "1"}, body)
    key = SIGNING_KEY
    credentials = Credentials(key.access_key_id, key.secret_access_key, key.session_token)
    SigV4Auth(credentials, "xray", "us-east-1").add_auth(request)
    return "POST", "/TraceSegments", [("Host", "127.0.0.1:2000"), *request.headers.items()], body


def test_a_right_signature_is_seen() -> None:
    assert fault_of(*signed_request(), [SIGNING_KEY], "us-east-1") is None


def test_a_wrong_signature_is_seen() -> None:
    method, target, headers, body = signed_request()

    def with_header(name: str, value: str | None) -> list[tuple[str, str]]:
        changed = [(n, value if n == name and value else v) for n, v in headers if n != name or value]
        assert changed != headers
        return changed

    def fault(
        method: str = method,
        target: str = target,
        headers: list[tuple[str, str]] = headers,
        body: bytes = body,
        key: Key = SIGNING_KEY,
        region: str = "us-east-1",
    ) -> str:
        return fault_of(method, target, headers, body, [key], region) or "none"

    mismatch = "the signature does not match"
    assert fault(method="PUT").startswith(mismatch)
    assert fault(target="/TraceSegments?x=1").startswith(mismatch)
    assert fault(body=body + b" ").startswith(mismatch)
    assert fault(headers=with_header("X-Own", "2")).startswith(mismatch)
    assert fault(headers=with_header("Host", "127.0.0.1:2001")).startswith(mismatch)
    assert fault(key=Key("AKIDEXAMPLE", "other", "TOKEN")).startswith(mismatch)
    assert fault(key=Key("AKIDEXAMPLE", "SECRET", "other")) == "security token 'TOKEN'"
    assert fault(key=Key("OTHER", "SECRET", "TOKEN")) == "unknown key AKIDEXAMPLE"
    assert fault(region="eu-west-1") == "signed for xray in us-east-1"
    assert fault(headers=with_header("Authorization", None)) == "unsigned"
    assert fault(headers=with_header("X-Own", None)).startswith("signed headers that did not come")
    assert fault(headers=with_header("X-Amz-Date", "20200101T000000Z")).startswith("scope of ")
