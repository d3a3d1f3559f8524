"""All 38 operations through boto3: what is built works, what is not says so by name, and at once."""

import re
import time
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

BUILT = {
    "BatchGetTraces",
    "CancelTraceRetrieval",
    "CreateGroup",
    "CreateSamplingRule",
    "DeleteGroup",
    "DeleteSamplingRule",
    "GetGroup",
    "GetGroups",
    "GetInsightSummaries",
    "GetRetrievedTracesGraph",
    "GetSamplingRules",
    "GetSamplingStatisticSummaries",
    "GetSamplingTargets",
    "GetServiceGraph",
    "GetTimeSeriesServiceStatistics",
    "GetTraceGraph",
    "GetTraceSummaries",
    "ListRetrievedTraces",
    "ListTagsForResource",
    "PutTelemetryRecords",
    "PutTraceSegments",
    "StartTraceRetrieval",
    "TagResource",
    "UntagResource",
    "UpdateGroup",
    "UpdateSamplingRule",
}
"""The others answer a named error until they are built; a new one is moved here with its own tests."""

MODEL = ServiceModel(Loader().load_service_model("xray", "service-2"))
OPERATIONS = sorted(MODEL.operation_names)


def smallest(shape: Shape | None) -> Any:
    """The smallest value that botocore's own validation lets through."""
    if shape is None:
        return {}
    if shape.type_name == "structure":
        members = shape.required_members or list(shape.members)[: 1 if shape.is_tagged_union else 0]
        return {name: smallest(shape.members[name]) for name in members}
    if shape.type_name == "list":
        return [smallest(shape.member)]
    if shape.type_name == "timestamp":
        return int(time.time())
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "x" * shape.metadata.get("min", 1)
    return {"integer": 1, "long": 1, "double": 0.5, "boolean": False, "map": {}}[shape.type_name]


def call(xray: Any, operation: str) -> dict[str, Any]:
    arguments = smallest(MODEL.operation_model(operation).input_shape)
    if "EndTime" in arguments:
        arguments["StartTime"] = arguments["EndTime"] - 60
    return getattr(xray, xform_name(operation))(**arguments)


def test_the_model_has_38_operations() -> None:
    assert len(OPERATIONS) == 38
    assert set(OPERATIONS) > BUILT


NEEDS_MORE = {
    "CancelTraceRetrieval",
    "CreateGroup",
    "CreateSamplingRule",
    "DeleteGroup",
    "DeleteSamplingRule",
    "GetGroup",
    "GetInsightSummaries",
    "GetRetrievedTracesGraph",
    "ListRetrievedTraces",
    "ListTagsForResource",
    "StartTraceRetrieval",
    "TagResource",
    "UntagResource",
    "UpdateGroup",
    "UpdateSamplingRule",
}
"""What the smallest request is not enough for; tests of their own call these as they are meant."""


@pytest.mark.parametrize("operation", sorted(BUILT - NEEDS_MORE))
def test_built_operation_answers(xray: Any, operation: str) -> None:
    answer = call(xray, operation)["ResponseMetadata"]
    assert answer["HTTPStatusCode"] == 200
    assert answer["RequestId"]
    assert answer["HTTPHeaders"]["content-type"].startswith("application/json")


@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - BUILT))
def test_missing_operation_says_so(xray: Any, operation: str) -> None:
    with pytest.raises(ClientError) as raised:
        call(xray, operation)
    error = raised.value.response["Error"]
    # botocore puts the bare HTTP status here when an answer names no error.
    assert not error["Code"].isdigit(), error
    assert re.fullmatch(r"[A-Z][A-Za-z]+", error["Code"]), error
    assert error["Message"], error
    metadata = raised.value.response["ResponseMetadata"]
    assert 400 <= metadata["HTTPStatusCode"] < 600
    assert metadata["HTTPStatusCode"] != 500
    assert metadata["RequestId"]


def test_unknown_path_is_named(shared_roentgen: Any) -> None:
    answer = shared_roentgen.post_json("/NoSuchOperation", {})
    assert answer.status_code == 404
    assert answer.headers["x-amzn-errortype"]
    assert answer.json()["__type"] == answer.headers["x-amzn-errortype"]


@pytest.mark.parametrize(
    "body", ["", "[]", "{", "null", '{"TraceIds":"no list"}', '{"TraceIds":[7]}', "\x00"]
)
def test_bodies_that_are_no_request(shared_roentgen: Any, body: str) -> None:
    answer = shared_roentgen.post("/Traces", body, {"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.headers["x-amzn-errortype"]
    assert answer.json()["Message"]


@pytest.mark.parametrize("body", ["", "{}"])
def test_an_empty_body_is_a_request_without_members(shared_roentgen: Any, body: str) -> None:
    """.NET sends GetSamplingRules without a body, Go without a content type."""
    answer = shared_roentgen.post("/GetSamplingRules", body)
    assert answer.status_code == 200, answer.text
