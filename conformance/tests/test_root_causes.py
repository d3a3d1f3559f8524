"""Root causes of traces of real SDKs.

What is expected was worked out by hand from the recorded documents, by the rules of
docs/root-causes.md; nothing here is computed from the server's answers, nor from its code.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from botocore.model import ListShape, MapShape, Shape, StructureShape

from harness.captured import read_captures
from harness.documents import put
from harness.roentgen import Roentgen

Json = dict[str, Any]

ECS = "AWS::ECS::Container"
"""The origin that the ECS plugin of the recorded apps told."""


def service(name: str, kind: str, *path: Json, inferred: bool = False) -> Json:
    """A member of `Services`. None of the recorded apps tells its account."""
    return {"Name": name, "Names": [name], "Type": kind, "EntityPath": list(path), "Inferred": inferred}


def failed(name: str, *exceptions: tuple[str, str], remote: bool = False) -> Json:
    """An entity on the way to a fault or error, with the class and message of each exception it recorded."""
    told = [{"Name": kind, "Message": message} for kind, message in exceptions]
    return {"Name": name, "Exceptions": told, "Remote": remote}


def took(name: str, coverage: float, remote: bool = False) -> Json:
    """An entity on the way to where the time went."""
    return {"Name": name, "Coverage": coverage, "Remote": remote}


def cause(*services: Json, client_impacting: bool = True) -> Json:
    return {"Services": list(services), "ClientImpacting": client_impacting}


def failed_call(caller: str, name: str, callee: tuple[str, str], *exceptions: tuple[str, str]) -> Json:
    """A call to something untraced that failed, and that the caller got over: it ended well itself.

    What was called is inferred from the call and fails with it, so it is the culprit.
    """
    above = service(caller, ECS, failed(caller), failed(name, *exceptions, remote=True))
    below = service(*callee, failed(name, *exceptions), inferred=True)
    return cause(above, below, client_impacting=False)


@dataclass(frozen=True)
class Expected:
    """The causes of the trace of a capture."""

    capture: str
    faults: list[Json]
    errors: list[Json]
    response_time: list[Json]


REFUSED_IN_PYTHON = (
    "HTTPConnectionPool(host='127.0.0.1', port=9): Max retries exceeded with url: / (Caused by "
    "NewConnectionError(\"HTTPConnection(host='127.0.0.1', port=9): Failed to establish a new connection: "
    '[Errno 111] Connection refused"))'
)
NO_TABLE = "Requested resource not found"
NO_BUCKET = "The specified bucket does not exist"
WHEN_CALLING = "An error occurred ({}) when calling the {} operation: "
LOCALHOST = ("127.0.0.1", "remote")

EXPECTED = [
    # Everything from the segment down to `inner` ended in a fault. Those above name the exception by its
    # id only. Of 64 ms `outer` took 20, less than half.
    Expected(
        "java-exception",
        [
            cause(
                service(
                    "java-svc",
                    "",
                    failed("java-svc"),
                    failed("outer"),
                    failed(
                        "inner",
                        ("java.lang.RuntimeException", 'wrapped "q" ☃'),
                        ("java.lang.IllegalStateException", "root cause"),
                    ),
                )
            )
        ],
        [],
        [cause(service("java-svc", "", took("java-svc", 1)))],
    ),
    # Of 0.644 ms `outer` took 0.226.
    Expected(
        "python-exception-nested",
        [
            cause(
                service(
                    "shop-frontend",
                    ECS,
                    failed("shop-frontend"),
                    failed("outer"),
                    failed("inner", ("KeyError", "'deep'")),
                )
            )
        ],
        [],
        [cause(service("shop-frontend", ECS, took("shop-frontend", 1)))],
    ),
    # The Go SDK records the exception of each level anew. `inner` names the segment as its parent, and
    # stands in `outer`: who holds it counts. Of 0.169 ms `outer` took 0.069.
    Expected(
        "go-exception-nested",
        [
            cause(
                service(
                    "shop-go",
                    ECS,
                    failed("shop-go"),
                    failed("outer", ("errors.errorString", "deep <b>&☃")),
                    failed("inner", ("errors.errorString", "deep <b>&☃")),
                )
            )
        ],
        [],
        [cause(service("shop-go", ECS, took("shop-go", 1)))],
    ),
    # A status of 500 without any exception.
    Expected(
        "node-status-500-plain",
        [cause(service("shop-node", ECS, failed("shop-node")))],
        [],
        [cause(service("shop-node", ECS, took("shop-node", 1)))],
    ),
    Expected(
        "node-status-404",
        [],
        [cause(service("shop-node", ECS, failed("shop-node")))],
        [cause(service("shop-node", ECS, took("shop-node", 1)))],
    ),
    # Throttles are errors.
    Expected(
        "java-throttle",
        [],
        [cause(service("java-svc", "", failed("java-svc")))],
        [cause(service("java-svc", "", took("java-svc", 1)))],
    ),
    # The app ended well in spite of three faults. What is flagged fault and error is a fault only. A
    # resource that a call names is what was called: the table, the bucket; ListTables names none. S3 took
    # 100 of 172 ms.
    Expected(
        "node-aws-errors",
        [
            failed_call(
                "shop-node",
                "DynamoDB",
                ("Nope", "AWS::DynamoDB::Table"),
                ("ResourceNotFoundException", NO_TABLE),
            ),
            failed_call(
                "shop-node", "S3", ("missing-bucket-n", "AWS::S3::Bucket"), ("NoSuchBucket", NO_BUCKET)
            ),
            failed_call(
                "shop-node",
                "DynamoDB",
                ("DynamoDB", "AWS::DynamoDB"),
                ("Error", "connect ECONNREFUSED 127.0.0.1:9"),
            ),
        ],
        [],
        [
            cause(
                service("shop-node", ECS, took("shop-node", 1), took("S3", 0.581, remote=True)),
                service("missing-bucket-n", "AWS::S3::Bucket", took("S3", 0.581), inferred=True),
            )
        ],
    ),
    # The same in Python, whose names of services are in lower case. S3 took 190.3 of 263.8 ms.
    Expected(
        "python-aws-errors",
        [
            failed_call(
                "shop-frontend",
                "DynamoDB",
                ("Nope", "AWS::DynamoDB::Table"),
                (
                    "ResourceNotFoundException",
                    WHEN_CALLING.format("ResourceNotFoundException", "GetItem") + NO_TABLE,
                ),
            ),
            failed_call(
                "shop-frontend",
                "S3",
                ("missing-bucket", "AWS::S3::Bucket"),
                ("NoSuchBucket", WHEN_CALLING.format("NoSuchBucket", "GetObject") + NO_BUCKET),
            ),
        ],
        [],
        [
            cause(
                service("shop-frontend", ECS, took("shop-frontend", 1), took("S3", 0.721, remote=True)),
                service("missing-bucket", "AWS::S3::Bucket", took("S3", 0.721), inferred=True),
            )
        ],
    ),
    # 404, 429, 500, and a connection refused, which is a fault. None of the calls took half of 35.6 ms.
    Expected(
        "python-downstream-http-errors",
        [
            failed_call("shop-frontend", "127.0.0.1", LOCALHOST),
            failed_call("shop-frontend", "127.0.0.1", LOCALHOST, ("ConnectionError", REFUSED_IN_PYTHON)),
        ],
        [
            failed_call("shop-frontend", "127.0.0.1", LOCALHOST),
            failed_call("shop-frontend", "127.0.0.1", LOCALHOST),
        ],
        [cause(service("shop-frontend", ECS, took("shop-frontend", 1)))],
    ),
    # 8.618, 8.496 and 8.430 of 8.796 ms, each more than half of the one before.
    Expected(
        "python-nested-subsegments",
        [],
        [],
        [
            cause(
                service(
                    "shop-frontend",
                    ECS,
                    took("shop-frontend", 1),
                    took("layer1", 0.98),
                    took("layer2", 0.966),
                    took("layer3", 0.958),
                )
            )
        ],
    ),
    # The call took 2.313 of 2.489 ms. What was called is inferred from it and takes as long, longer than
    # the steps of the call (0.605, 0.194 and 1.389 ms).
    Expected(
        "go-downstream-http",
        [],
        [],
        [
            cause(
                service("shop-go", ECS, took("shop-go", 1), took("127.0.0.1:43515", 0.929, remote=True)),
                service("127.0.0.1:43515", "remote", took("127.0.0.1:43515", 0.929), inferred=True),
            )
        ],
    ),
    # In Lambda mode the SDK sends subsegments without their segment, so there is no root whose time it is.
    Expected("python-lambda-subsegments", [], [], []),
]

KINDS = {
    "FaultRootCauses": "FaultRootCause",
    "ErrorRootCauses": "ErrorRootCause",
    "ResponseTimeRootCauses": "ResponseTimeRootCause",
}


def documents_of(name: str) -> list[Json]:
    [capture] = [capture for capture in read_captures() if capture.name == name]
    return [json.loads(document) for document in capture.documents()]


def trace_of(name: str) -> str:
    """The one trace of a capture."""
    [trace_id] = {document["trace_id"] for document in documents_of(name)}
    return trace_id


def range_of(name: str) -> Json:
    """The seconds around the one in which the trace of a capture began."""
    second = int(min(document["start_time"] for document in documents_of(name)))
    return {"StartTime": second - 1, "EndTime": second + 2}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roentgen]:
    server = Roentgen(tmp_path_factory.mktemp("root-causes"))
    try:
        server.start()
        xray = server.xray()
        for expected in EXPECTED:
            assert put(xray, *documents_of(expected.capture)) == []
        yield server
    finally:
        server.close()


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda expected: expected.capture)
def test_causes_are_those_of_the_documented_rules(server: Roentgen, expected: Expected) -> None:
    trace_id = trace_of(expected.capture)
    summaries = server.xray().get_trace_summaries(**range_of(expected.capture))["TraceSummaries"]
    [summary] = [summary for summary in summaries if summary["Id"] == trace_id]
    assert summary["FaultRootCauses"] == expected.faults
    assert summary["ErrorRootCauses"] == expected.errors
    assert summary["ResponseTimeRootCauses"] == expected.response_time


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda expected: expected.capture)
def test_filters_find_a_trace_by_its_causes(server: Roentgen, expected: Expected) -> None:
    """What GetTraceSummaries tells can be asked for as it stands (`rootcause.json`)."""
    xray, trace_id = server.xray(), trace_of(expected.capture)
    for cause in [*expected.faults, *expected.errors, *expected.response_time]:
        asked = f"rootcause.json = #[{json.dumps(cause)}]"
        answer = xray.get_trace_summaries(**range_of(expected.capture), FilterExpression=asked)
        assert trace_id in [summary["Id"] for summary in answer["TraceSummaries"]], asked


def check_shape(value: Any, shape: Shape, where: str) -> None:
    """Every member is one of the model, of its type; boto3 would pass over what it does not know."""
    if isinstance(shape, StructureShape):
        assert isinstance(value, dict), where
        for name, member in value.items():
            assert name in shape.members, f"{where}.{name} is not in the model"
            check_shape(member, shape.members[name], f"{where}.{name}")
    elif isinstance(shape, ListShape):
        assert isinstance(value, list), where
        for number, element in enumerate(value):
            check_shape(element, shape.member, f"{where}[{number}]")
    elif isinstance(shape, MapShape):
        assert isinstance(value, dict), where
        for key, element in value.items():
            check_shape(element, shape.value, f"{where}[{key}]")
    else:
        types = {
            "string": str,
            "boolean": bool,
            "double": int | float,
            "integer": int,
            "timestamp": int | float,
        }
        assert isinstance(value, types[shape.type_name]), f"{where} = {value!r}"


def test_every_member_is_one_of_the_model(server: Roentgen) -> None:
    model = server.xray().meta.service_model
    for expected in EXPECTED:
        trace_id = trace_of(expected.capture)
        answer = requests.post(
            f"{server.url}/TraceSummaries", json=range_of(expected.capture), timeout=10
        ).json()
        summaries = {summary["Id"]: summary for summary in answer["TraceSummaries"]}
        check_shape(summaries[trace_id], model.shape_for("TraceSummary"), expected.capture)
        for list_name, shape_name in KINDS.items():
            for cause in summaries[trace_id][list_name]:
                # All that the model has is told, but for what is not known of these services.
                shape = model.shape_for(shape_name)
                of_service = shape.members["Services"].member
                of_entity = of_service.members["EntityPath"].member
                assert set(cause) == set(shape.members)
                for on_way in cause["Services"]:
                    assert set(on_way) == set(of_service.members) - {"AccountId"}
                    assert all(set(entity) == set(of_entity.members) for entity in on_way["EntityPath"])
