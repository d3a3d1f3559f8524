"""What the templates say, by linters, by rules of our own, and by the API's own model."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from fargate import templates
from fargate.shapes import UnknownProperty, api_request
from fargate.task import start_order
from harness.environment import RUNNING_IN_CI
from shipped import SCRATCH


def test_linter_has_nothing_to_say() -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--include-checks", "I", "--"]
    paths = [str(templates.TEMPLATES / name) for name in templates.names()]
    done = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def guard(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs cfn-guard, which `cargo xtask deploy-check` installs; skips the test where it is not there."""
    places = f"{SCRATCH / 'tools' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    program = shutil.which("cfn-guard", path=places)
    if program is None:
        reason = "no cfn-guard; run `cargo xtask deploy-check --only cloudformation`"
        pytest.fail(reason) if RUNNING_IN_CI else pytest.skip(reason)
    command = [program, "validate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


RULES = sorted((templates.TEMPLATES / "rules").glob("*.guard"))


@pytest.mark.parametrize("rule", RULES, ids=lambda path: path.stem)
def test_house_rules(rule: Path) -> None:
    # A way out is what public-pull.yaml is for.
    skipped = {"public-pull.yaml"} if rule.stem == "network" else set()
    paths = [str(templates.TEMPLATES / name) for name in templates.names() if name not in skipped]
    data = [part for path in paths for part in ("--data", path)]
    done = guard("--rules", rule, "--show-summary", "fail", *data)
    assert done.returncode == 0, done.stdout + done.stderr


BROKEN = [
    ("network", "public-pull.yaml", "", ""),
    ("network", "server.yaml", "CidrIp: !Ref ClientCidr", "CidrIp: 0.0.0.0/0"),
    ("tasks", "service.yaml", "ReadonlyRootFilesystem: true", "ReadonlyRootFilesystem: false"),
    ("tasks", "service.yaml", "Capabilities: { Drop: [ALL] }", "InitProcessEnabled: false"),
    ("tasks", "service.yaml", "AssignPublicIp: DISABLED", "AssignPublicIp: ENABLED"),
    ("retention", "load.yaml", "      RetentionInDays: !Ref RetentionInDays\n", ""),
    ("retention", "server.yaml", "Encrypted: true", "Encrypted: false"),
    ("retention", "registry.yaml", "ImageTagMutability: IMMUTABLE", "ImageTagMutability: MUTABLE"),
    ("roles", "service.yaml", "Action: ecr:GetAuthorizationToken", 'Action: "ecr:*"'),
    ("roles", "load.yaml", "aws:SourceAccount", "aws:SourceArn"),
]


@pytest.mark.parametrize(("rule", "name", "old", "new"), BROKEN)
def test_house_rules_find_faults(rule: str, name: str, old: str, new: str, tmp_path: Path) -> None:
    text = (templates.TEMPLATES / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new))
    rules = templates.TEMPLATES / "rules" / f"{rule}.guard"
    done = guard("--rules", rules, "--data", tmp_path / name)
    assert done.returncode == 19, done.stdout + done.stderr


def test_no_yaml_that_cloudformation_refuses() -> None:
    for name in templates.names():
        text = (templates.TEMPLATES / name).read_text()
        assert not re.search(r"(^|\s)[&*][A-Za-z]\w*(\s|$)", text), f"{name}: anchor or alias"
        assert len(text.encode()) <= 51_200, f"{name}: too large to be given in a request"


@pytest.mark.parametrize("name", ["service.yaml", "load.yaml", "server.yaml"])
def test_task_definitions_are_what_the_api_knows(name: str) -> None:
    """A name that ECS does not know is a fault, and would be lost without a word."""
    [definition] = templates.resources(name, "AWS::ECS::TaskDefinition").values()
    properties = _plain(definition["Properties"])
    request = api_request("RegisterTaskDefinition", properties)
    assert len(request) == len(properties)
    containers = properties["ContainerDefinitions"]
    start_order(request["containerDefinitions"])

    broken = json.loads(json.dumps(properties).replace("ReadonlyRootFilesystem", "ReadOnlyRootFilesystems"))
    with pytest.raises(UnknownProperty, match="ReadOnlyRootFilesystems"):
        api_request("RegisterTaskDefinition", broken)
    # Fargate's own rules, where they bind us: containers fit into the task, capabilities can only be dropped.
    assert sum(each.get("Memory", 0) for each in containers) < int(properties["Memory"])
    assert sum(each.get("Cpu", 0) for each in containers) <= int(properties["Cpu"])
    assert not any("Add" in each["LinuxParameters"]["Capabilities"] for each in containers)
    # ECS gives a container on Fargate 120 s at most to end.
    assert all(each.get("StopTimeout", 30) <= 120 for each in containers)


def _plain(value: Any) -> Any:
    """The value with a word in the place of every intrinsic function."""
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::")):
            return "intrinsic"
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def test_x_ray_is_for_this_account_alone() -> None:
    policy = templates.read("endpoints.yaml")["Resources"]["XRay"]["Properties"]["PolicyDocument"]
    [statement] = policy["Statement"]
    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}


def test_subnets_are_in_the_network() -> None:
    """CloudFormation has no word for this; the defaults at least are right."""
    for root in templates.ROOTS:
        defaults = {name: slot.get("Default") for name, slot in templates.read(root)["Parameters"].items()}
        network = ip_network(defaults["VpcCidr"])
        subnets = [ip_network(value) for name, value in defaults.items() if "SubnetCidr" in name]
        assert all(subnet.subnet_of(network) for subnet in subnets)
        assert not any(a.overlaps(b) for a, b in itertools.combinations(subnets, 2))
