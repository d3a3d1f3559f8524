"""Groups and tags through boto3: their life, their meaning, and what is refused.

Facts are from the API reference and the developer guide; where a message is looked at, Terraform's AWS
provider or an error seen in public is the source.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from harness.documents import put, segment, subsegment
from harness.reading import read_summaries
from harness.roentgen import Roentgen


def refused(call: Callable[..., Any], code: str = "InvalidRequestException", **arguments: Any) -> str:
    """The message of the error that a call must raise."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    response = raised.value.response
    assert response["Error"]["Code"] == code, response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == (404 if "NotFound" in code else 400)
    return response["Error"]["Message"]


def read_groups(xray: Any) -> dict[str, dict[str, Any]]:
    pages = xray.get_paginator("get_groups").paginate()
    return {group["GroupName"]: group for page in pages for group in page["Groups"]}


def read_tags(xray: Any, arn: str) -> dict[str, str]:
    pages = xray.get_paginator("list_tags_for_resource").paginate(ResourceARN=arn)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


def test_a_group_lives_and_dies(roentgen: Roentgen) -> None:
    xray = roentgen.xray()
    assert read_groups(xray).keys() == {"Default"}
    made = xray.create_group(GroupName="slow", FilterExpression="responsetime > 5")["Group"]
    arn = made["GroupARN"]
    assert arn.split(":")[:3] == ["arn", "aws", "xray"]
    assert arn.split(":", 5)[5].startswith("group/slow/")
    assert made["FilterExpression"] == "responsetime > 5"
    assert made["InsightsConfiguration"] == {"InsightsEnabled": False, "NotificationsEnabled": False}
    assert read_groups(xray)["slow"] == made
    for named in ({"GroupName": "slow"}, {"GroupARN": arn}):
        assert xray.get_group(**named)["Group"] == made

    insights = {"InsightsEnabled": True, "NotificationsEnabled": True}
    changed = xray.update_group(GroupARN=arn, InsightsConfiguration=insights)["Group"]
    assert changed == made | {"InsightsConfiguration": insights}
    changed = xray.update_group(GroupName="slow", FilterExpression="fault")["Group"]
    assert changed == made | {"InsightsConfiguration": insights, "FilterExpression": "fault"}

    xray.delete_group(GroupARN=arn)
    assert read_groups(xray).keys() == {"Default"}
    for call in (xray.get_group, xray.update_group, xray.delete_group):
        # Terraform takes a group for gone by these words.
        assert "Group not found" in refused(call, GroupName="slow")
        assert "Group not found" in refused(call, GroupARN=arn)
    again = xray.create_group(GroupName="slow")["Group"]
    assert again["GroupARN"] != arn
    assert "FilterExpression" not in again


def test_what_is_no_group(shared_roentgen: Roentgen, xray: Any) -> None:
    xray.create_group(GroupName="taken")
    for members, expected in (
        ({}, "GroupName is required"),
        ({"GroupName": ""}, "1 to 32"),
        ({"GroupName": "n" * 33}, "1 to 32"),
        ({"GroupName": "Default"}, "reserved"),
        ({"GroupName": "taken"}, "already exists"),
        ({"GroupName": "x", "FilterExpression": "duration < "}, "Error Location: line 1, position 12"),
        ({"GroupName": "x", "FilterExpression": 'group.name = "taken"'}, "must not name groups"),
        ({"GroupName": "x", "FilterExpression": "x" * 40_000}, "at most 32768"),
        ({"GroupName": "x", "InsightsConfiguration": {"NotificationsEnabled": True}}, "InsightsEnabled"),
        ({"GroupName": "x", "Tags": [{"Key": "aws:k", "Value": "v"}]}, "reserved"),
    ):
        answer = shared_roentgen.post_json("/CreateGroup", members)
        assert answer.status_code == 400, members
        assert answer.headers["x-amzn-errortype"] == "InvalidRequestException", members
        assert expected in answer.json()["Message"], members
    assert "required" in refused(xray.get_group)
    assert refused(xray.delete_group, GroupName="Default")
    assert refused(xray.update_group, GroupName="Default", FilterExpression="fault")
    assert refused(xray.get_groups, NextToken="forged")
    assert read_groups(xray).keys() == {"Default", "taken"}
    xray.delete_group(GroupName="taken")


def test_there_are_25_groups_at_most(roentgen: Roentgen) -> None:
    xray = roentgen.xray()
    for number in range(25):
        xray.create_group(GroupName=f"group-{number}")
    assert refused(xray.create_group, GroupName="one-more")
    assert len(read_groups(xray)) == 26


@pytest.mark.durability
@pytest.mark.parametrize("end", [Roentgen.stop, Roentgen.kill])
def test_groups_and_tags_survive_a_restart(roentgen: Roentgen, end: Callable[[Roentgen], object]) -> None:
    xray = roentgen.xray()
    tags = [{"Key": "team", "Value": "shop"}]
    arn = xray.create_group(GroupName="kept", FilterExpression="error", Tags=tags)["Group"]["GroupARN"]
    xray.update_group(GroupName="Default", InsightsConfiguration={"InsightsEnabled": True})
    before = read_groups(xray)
    end(roentgen)
    roentgen.start_again()
    assert read_groups(roentgen.xray()) == before
    assert read_tags(roentgen.xray(), arn) == {"team": "shop"}


def test_a_group_has_the_traces_that_match(roentgen: Roentgen) -> None:
    xray = roentgen.xray()
    now = time.time()
    arn = xray.create_group(GroupName="broken", FilterExpression="fault")["Group"]["GroupARN"]
    call = subsegment("DynamoDB", namespace="aws", aws={"table_name": "carts"})
    well, badly = segment("shop", subsegments=[call]), segment("shop", fault=True, subsegments=[call])
    elsewhere = segment("back", fault=True)
    put(xray, well, badly, elsewhere)

    def found(expression: str) -> set[str]:
        return {s["Id"] for s in read_summaries(xray, now - 60, now + 60, FilterExpression=expression)}

    broken = {badly["trace_id"], elsewhere["trace_id"]}
    assert found('group.name = "broken"') == broken
    assert found(f'group.arn = "{arn}"') == broken
    assert found('group.name = "broken" AND service("shop")') == {badly["trace_id"]}
    assert found('group.name != "broken"') == {well["trace_id"]}
    assert len(found('group.name = "Default"')) == 3
    window = {"StartTime": now - 60, "EndTime": now + 60}
    assert "does not exist" in refused(
        xray.get_trace_summaries, **window, FilterExpression='group.name = "unknown"'
    )

    def requests(**group: str) -> dict[tuple[str, str], int]:
        graph = xray.get_service_graph(**window, **group)
        assert graph["ContainsOldGroupVersions"] is False
        nodes = [node for node in graph["Services"] if "SummaryStatistics" in node]
        return {
            (node["Name"], node.get("Type", "")): node["SummaryStatistics"]["TotalCount"] for node in nodes
        }

    table = ("carts", "AWS::DynamoDB::Table")
    by_name = {name: count for (name, _), count in requests().items()}
    assert (by_name["shop"], by_name["back"], requests()[table]) == (2, 1, 2)
    for named in ({"GroupName": "broken"}, {"GroupARN": arn}):
        by_name = {name: count for (name, _), count in requests(**named).items()}
        assert (by_name["shop"], by_name["back"], requests(**named)[table]) == (1, 1, 1)
    # Grafana asks for the group "" when none is chosen.
    answer = roentgen.post_json("/ServiceGraph", window | {"GroupName": ""})
    assert {node["Name"] for node in answer.json()["Services"]} >= {"shop", "back"}
    assert "Group not found" in refused(xray.get_service_graph, **window, GroupName="unknown")
    # A changed expression counts for what is there already.
    xray.update_group(GroupName="broken", FilterExpression='service("back")')
    assert {name for name, _ in requests(GroupName="broken")} == {"back"}


RULE = {
    "RuleName": "tagged",
    "ResourceARN": "*",
    "Priority": 100,
    "FixedRate": 0.1,
    "ReservoirSize": 1,
    "ServiceName": "*",
    "ServiceType": "*",
    "Host": "*",
    "HTTPMethod": "*",
    "URLPath": "*",
    "Version": 1,
}


def make_group(xray: Any, tags: list[dict[str, str]]) -> str:
    return xray.create_group(GroupName="tagged", Tags=tags)["Group"]["GroupARN"]


def make_rule(xray: Any, tags: list[dict[str, str]]) -> str:
    record = xray.create_sampling_rule(SamplingRule=RULE, Tags=tags)["SamplingRuleRecord"]
    return record["SamplingRule"]["RuleARN"]


@pytest.mark.parametrize("make", [make_group, make_rule])
def test_tags(roentgen: Roentgen, make: Callable[[Any, list[dict[str, str]]], str]) -> None:
    xray = roentgen.xray()
    arn = make(xray, [{"Key": "team", "Value": "shop"}, {"Key": "empty", "Value": ""}])
    assert read_tags(xray, arn) == {"team": "shop", "empty": ""}
    xray.tag_resource(ResourceARN=arn, Tags=[{"Key": "team", "Value": "back"}, {"Key": "Team", "Value": "x"}])
    assert read_tags(xray, arn) == {"team": "back", "Team": "x", "empty": ""}
    xray.untag_resource(ResourceARN=arn, TagKeys=["Team", "never-there"])
    assert read_tags(xray, arn) == {"team": "back", "empty": ""}

    many = [{"Key": f"key-{number}", "Value": "v"} for number in range(48)]
    xray.tag_resource(ResourceARN=arn, Tags=many)
    one_more = [{"Key": "one-more", "Value": "v"}]
    assert refused(xray.tag_resource, "TooManyTagsException", ResourceARN=arn, Tags=one_more)
    for key, value in (("aws:x", "v"), ("k?", "v"), ("k", "*")):
        assert refused(xray.tag_resource, ResourceARN=arn, Tags=[{"Key": key, "Value": value}])
    twice = [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]
    assert refused(xray.tag_resource, ResourceARN=arn, Tags=twice)
    assert len(read_tags(xray, arn)) == 50

    if make is make_group:
        xray.delete_group(GroupARN=arn)
    else:
        xray.delete_sampling_rule(RuleARN=arn)
    unknown = "ResourceNotFoundException"
    assert refused(xray.list_tags_for_resource, unknown, ResourceARN=arn)
    assert refused(xray.tag_resource, unknown, ResourceARN=arn, Tags=one_more)
    assert refused(xray.untag_resource, unknown, ResourceARN=arn, TagKeys=["k"])
    # What is made anew under the name has no tags of the old one.
    assert read_tags(xray, make(xray, [])) == {}
