"""Sampling rules of one's own: made, changed and deleted through boto3, and obeyed by the SDK."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from harness.application import Application, start_bottle
from harness.polling import wait_until
from harness.reading import read_segments
from harness.roentgen import Roentgen


def rule(name: str, **fields: Any) -> dict[str, Any]:
    """A rule that matches everything, before Default."""
    return {
        "RuleName": name,
        "ResourceARN": "*",
        "Priority": 100,
        "FixedRate": 0.1,
        "ReservoirSize": 2,
        "ServiceName": "*",
        "ServiceType": "*",
        "Host": "*",
        "HTTPMethod": "*",
        "URLPath": "*",
        "Version": 1,
    } | fields


def read_rules(xray: Any) -> dict[str, dict[str, Any]]:
    """All rule records by name."""
    pages = xray.get_paginator("get_sampling_rules").paginate()
    return {r["SamplingRule"]["RuleName"]: r for page in pages for r in page["SamplingRuleRecords"]}


def refused(call: Callable[..., Any], **arguments: Any) -> str:
    """The message of the InvalidRequestException that a call must raise."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    assert error["Code"] == "InvalidRequestException", error
    return error["Message"]


def last_modification(xray: Any) -> float:
    answer = xray.get_sampling_targets(
        SamplingStatisticsDocuments=[
            {
                "RuleName": "Default",
                "ClientID": "0" * 24,
                "Timestamp": int(time.time()),
                "RequestCount": 1,
                "SampledCount": 1,
            }
        ]
    )
    return answer["LastRuleModification"].timestamp()


def test_a_rule_lives_and_dies(roentgen: Roentgen) -> None:
    xray = roentgen.xray()
    before = last_modification(xray)
    made = xray.create_sampling_rule(SamplingRule=rule("checkout", URLPath="/checkout*"))
    record = made["SamplingRuleRecord"]
    assert record["SamplingRule"]["Attributes"] == {}
    assert record["SamplingRule"]["RuleARN"].endswith(":sampling-rule/checkout")
    assert record["CreatedAt"].timestamp() == pytest.approx(time.time(), abs=30)
    assert read_rules(xray)["checkout"]["SamplingRule"] == record["SamplingRule"]
    assert last_modification(xray) > before

    changed = xray.update_sampling_rule(SamplingRuleUpdate={"RuleName": "checkout", "FixedRate": 0.5})
    expected = record["SamplingRule"] | {"FixedRate": 0.5}
    assert changed["SamplingRuleRecord"]["SamplingRule"] == expected
    assert read_rules(xray)["checkout"]["SamplingRule"] == expected

    gone = xray.delete_sampling_rule(RuleName="checkout")
    assert gone["SamplingRuleRecord"]["SamplingRule"] == expected
    assert read_rules(xray).keys() == {"Default"}


def test_what_is_no_rule(shared_roentgen: Roentgen, xray: Any) -> None:
    """Sent as written: boto3 would refuse some of these itself."""
    for fields in (
        {"Priority": 0},
        {"Priority": 10000},
        {"FixedRate": 1.5},
        {"FixedRate": -0.1},
        {"ReservoirSize": -1},
        {"Version": 2},
        {"RuleName": "Default"},
        {"RuleName": "n" * 33},
        {"ServiceName": "n" * 65},
    ):
        answer = shared_roentgen.post_json("/CreateSamplingRule", {"SamplingRule": rule("wrong") | fields})
        assert answer.status_code == 400, fields
        assert answer.headers["x-amzn-errortype"] == "InvalidRequestException", fields
        assert answer.json()["Message"], fields
    xray.create_sampling_rule(SamplingRule=rule("twice"))
    assert refused(xray.create_sampling_rule, SamplingRule=rule("twice"))
    assert refused(xray.update_sampling_rule, SamplingRuleUpdate={"RuleName": "nobody", "FixedRate": 1})
    assert refused(xray.delete_sampling_rule, RuleName="nobody")
    assert read_rules(xray).keys() == {"Default", "twice"}
    xray.delete_sampling_rule(RuleName="twice")


def test_the_default_rule_can_only_change_its_numbers(roentgen: Roentgen) -> None:
    xray = roentgen.xray()
    update = {"RuleName": "Default", "FixedRate": 0.2, "ReservoirSize": 5}
    xray.update_sampling_rule(SamplingRuleUpdate=update)
    found = read_rules(xray)["Default"]["SamplingRule"]
    assert (found["FixedRate"], found["ReservoirSize"]) == (0.2, 5)
    message = refused(xray.update_sampling_rule, SamplingRuleUpdate={"RuleName": "Default", "URLPath": "/x"})
    assert "default sampling rule" in message.lower()
    assert refused(xray.delete_sampling_rule, RuleName="Default")


@pytest.mark.durability
@pytest.mark.parametrize("end", [Roentgen.stop, Roentgen.kill])
def test_rules_survive_a_restart(roentgen: Roentgen, end: Callable[[Roentgen], object]) -> None:
    xray = roentgen.xray()
    xray.create_sampling_rule(SamplingRule=rule("kept"))
    xray.update_sampling_rule(SamplingRuleUpdate={"RuleName": "Default", "FixedRate": 0.3})
    before = read_rules(xray)
    end(roentgen)
    roentgen.start_again()
    assert read_rules(roentgen.xray()) == before


@pytest.mark.python_sdk
def test_the_sdk_obeys(roentgen: Roentgen, tmp_path: Path) -> None:
    """Requests of one host are all traced and those of another never, whatever the Default rule says."""
    xray = roentgen.xray()
    for name, rate in (("all", 1.0), ("none", 0.0)):
        xray.create_sampling_rule(
            SamplingRule=rule(name, ServiceName="fa-0?4", Host=f"{name}.*", FixedRate=rate, ReservoirSize=0)
        )
    app = start_bottle(tmp_path / "bottle.log", roentgen.daemon_address)
    try:
        # The SDK fetches the rules beside the first request, which it decides without them.
        wait_until(lambda: rule_of(xray, ask(app, "all")) == "all", "the SDK's use of the rules")
        traced = {name: [ask(app, name) for _ in range(20)] for name in ("all", "none")}
    finally:
        app.close()
    assert [trace_id for trace_id in traced["none"] if trace_id] == []
    assert all(traced["all"])
    wait_until(lambda: rule_of(xray, traced["all"][-1]) is not None, "the last trace")
    assert {rule_of(xray, trace_id) for trace_id in traced["all"]} == {"all"}


def ask(app: Application, host: str) -> str | None:
    """Asks as if the app had that host name; gives the trace id when the request was sampled."""
    root = app.get("/", {"Host": f"{host}.example.com"}).headers["X-Amzn-Trace-Id"].split(";")[0]
    trace_id = root.removeprefix("Root=")
    return None if trace_id.startswith("1-00000000-") else trace_id


def rule_of(xray: Any, trace_id: str | None) -> str | None:
    """The rule that the SDK names in the segment; none when it decided without the server."""
    segments = read_segments(xray, trace_id) if trace_id else []
    return segments[0]["aws"]["xray"].get("sampling_rule_name") if segments else None
