#!/usr/bin/env python3
"""Gives a Roentgen server the sampling rules of sampling.yaml, which CloudFormation can give to AWS alone.

usage: apply-sampling-rules.py URL [NAME]

A rule that is there is updated, others are left alone. NAME is the parameter of the template (bottle).
Needs boto3 and PyYAML.
"""

import sys
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

TEMPLATE = Path(__file__).with_name("sampling.yaml")

FIXED = ("RuleName", "Version")
"""What an update cannot change: the name says which rule it is."""


def rules(name: str) -> list[dict[str, Any]]:
    """The rules of the template with its parameter put in."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!Sub", lambda _, node: node.value.replace("${Name}", name))
    resources = yaml.load(TEMPLATE.read_text(), Loader)["Resources"].values()
    kind = "AWS::XRay::SamplingRule"
    return [each["Properties"]["SamplingRule"] for each in resources if each["Type"] == kind]


def apply(url: str, name: str) -> None:
    """Creates or updates every rule, and says which."""
    # Any region will do; Roentgen has none.
    config = Config(signature_version=UNSIGNED)
    xray = boto3.client("xray", endpoint_url=url, region_name="us-east-1", config=config)
    pages = xray.get_paginator("get_sampling_rules").paginate()
    known = {each["SamplingRule"]["RuleName"] for page in pages for each in page["SamplingRuleRecords"]}
    for rule in rules(name):
        if rule["RuleName"] in known:
            update = {key: value for key, value in rule.items() if key not in FIXED}
            xray.update_sampling_rule(SamplingRuleUpdate={"RuleName": rule["RuleName"], **update})
            print(f"updated {rule['RuleName']}")
        else:
            xray.create_sampling_rule(SamplingRule=rule)
            print(f"created {rule['RuleName']}")


def main() -> int:
    if len(sys.argv) not in (2, 3) or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        apply(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else "bottle")
    except (BotoCoreError, ClientError, ValueError) as fault:
        print(f"sampling rules not applied to {sys.argv[1]}: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
