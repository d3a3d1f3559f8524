"""Sampling rules and targets: the two calls SDKs make, with what each SDK needs in the answer."""

import secrets
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from harness.roentgen import Roentgen


def statistics(rule: str = "Default", client: str | None = None, **fields: Any) -> dict[str, Any]:
    document = {
        "RuleName": rule,
        "ClientID": client or secrets.token_hex(12),
        "Timestamp": int(time.time()),
        "RequestCount": 10,
        "SampledCount": 2,
        "BorrowCount": 1,
    }
    return document | fields


def test_the_default_rule(shared_roentgen: Roentgen) -> None:
    """Member by member as the SDKs insist: Node on Attributes, Java on both times, Go on integers."""
    answer = shared_roentgen.post("/GetSamplingRules", "{}").json()
    [record] = answer["SamplingRuleRecords"]
    assert isinstance(record["CreatedAt"], int | float)
    assert isinstance(record["ModifiedAt"], int | float)
    rule = record["SamplingRule"]
    assert rule.pop("RuleARN").endswith(":sampling-rule/Default")
    assert rule == {
        "Attributes": {},
        "FixedRate": 0.05,
        "HTTPMethod": "*",
        "Host": "*",
        "Priority": 10000,
        "ReservoirSize": 1,
        "ResourceARN": "*",
        "RuleName": "Default",
        "ServiceName": "*",
        "ServiceType": "*",
        "URLPath": "*",
        "Version": 1,
    }
    assert isinstance(rule["Priority"], int)
    assert isinstance(rule["ReservoirSize"], int)


def test_rules_through_boto3(xray: Any) -> None:
    pages = xray.get_paginator("get_sampling_rules").paginate()
    names = [r["SamplingRule"]["RuleName"] for page in pages for r in page["SamplingRuleRecords"]]
    assert names == ["Default"]


def test_a_client_is_given_a_quota(roentgen: Roentgen) -> None:
    answer = roentgen.post_json("/SamplingTargets", {"SamplingStatisticsDocuments": [statistics()]})
    body = answer.json()
    [target] = body["SamplingTargetDocuments"]
    assert target["RuleName"] == "Default"
    assert target["FixedRate"] == 0.05
    assert target["ReservoirQuota"] == 1
    assert isinstance(target["ReservoirQuota"], int)
    assert target["ReservoirQuotaTTL"] == pytest.approx(time.time() + 300, abs=30)
    assert target["Interval"] == 10
    # Without either of these some SDKs ignore the quota.
    assert isinstance(body["LastRuleModification"], int | float)
    assert body["UnprocessedStatistics"] == []
    # A time newer than the SDK's last fetch would make it fetch the rules again at every report.
    assert body["LastRuleModification"] < time.time() - 1 or body["LastRuleModification"] == 0


def test_several_clients_share_the_reservoir(roentgen: Roentgen) -> None:
    xray = roentgen.xray()
    clients = [secrets.token_hex(12) for _ in range(3)]
    quotas: dict[str, int] = {}
    for _ in range(2):
        for client in clients:
            answer = xray.get_sampling_targets(SamplingStatisticsDocuments=[statistics(client=client)])
            # A client that never had a quota may be told none: it goes on borrowing.
            quotas[client] = answer["SamplingTargetDocuments"][0].get("ReservoirQuota", 0)
    assert sum(quotas.values()) == 1


@pytest.mark.parametrize("scale", [1, 1000], ids=["seconds", "milliseconds of Java"])
def test_timestamps_in_both_units(shared_roentgen: Roentgen, scale: int) -> None:
    document = statistics(Timestamp=int(time.time() * scale), ClientID=secrets.token_hex(12).upper())
    answer = shared_roentgen.post_json("/SamplingTargets", {"SamplingStatisticsDocuments": [document]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["UnprocessedStatistics"] == []
    assert len(answer.json()["SamplingTargetDocuments"]) == 1


def test_an_unknown_rule_is_unprocessed(xray: Any) -> None:
    answer = xray.get_sampling_targets(
        SamplingStatisticsDocuments=[statistics("gone"), statistics("Default")]
    )
    [unprocessed] = answer["UnprocessedStatistics"]
    assert unprocessed["RuleName"] == "gone"
    # Go refetches the rules on codes that begin with 4.
    assert unprocessed["ErrorCode"].startswith("4")
    assert unprocessed["Message"]
    assert [target["RuleName"] for target in answer["SamplingTargetDocuments"]] == ["Default"]


def test_more_than_25_documents_are_refused(xray: Any) -> None:
    with pytest.raises(ClientError) as raised:
        xray.get_sampling_targets(SamplingStatisticsDocuments=[statistics() for _ in range(26)])
    assert raised.value.response["Error"]["Code"] == "InvalidRequestException"
