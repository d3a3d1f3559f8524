"""Parameters that are refused before anything is created, with what to do about it."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from fargate import constraints, templates
from fargate.deployment import BASE_URL, IMAGES, Deployment
from fargate.moto_plus import ACCOUNT, REGION

URL = "http://roentgen.internal:2000"

BAD = [
    ({"TemplateBaseUrl": None}, "Parameters: [TemplateBaseUrl] must have values"),
    ({"AppTag": None, "LoadTag": None}, "Parameters: [AppTag, LoadTag] must have values"),
    ({"Colour": "red"}, "Parameters: [Colour] do not exist in the template"),
    ({"Backend": "jaeger"}, "Backend is aws (AWS X-Ray) or roentgen"),
    ({"Backend": "roentgen"}, "Backend=roentgen needs ServerTag"),
    (
        {
            "Backend": "roentgen",
            "ServerTag": "1.0",
            "PublicDaemonImage": "public.ecr.aws/xray/aws-xray-daemon:3.6.1",
        },
        "Backend=roentgen takes the daemon from the registry",
    ),
    ({"Backend": "roentgen", "RoentgenUrl": "http://roentgen"}, "RoentgenUrl is http(s)://host:2000"),
    ({"Backend": "roentgen", "RoentgenUrl": URL}, "RoentgenUrl and RoentgenCidr belong together"),
    ({"RoentgenCidr": "10.75.0.0/16"}, "RoentgenUrl and RoentgenCidr belong together"),
    ({"RoentgenUrl": URL, "RoentgenCidr": "10.75.0.0/16"}, "RoentgenUrl is for Backend=roentgen"),
    ({"RoentgenCidr": "0.0.0.0/0"}, "RoentgenCidr is a block of IPv4 addresses of the size /8 to /32"),
    ({"AppTag": "latest"}, "AppTag is a tag that stays what it is"),
    ({"DaemonTag": ""}, "DaemonTag is a tag that stays what it is"),
    ({"LoadTag": "a/b:c"}, "LoadTag is a tag that stays what it is"),
    ({"ServerTag": "latest"}, "ServerTag is a tag that stays what it is"),
    ({"PublicDaemonImage": "amazon/aws-xray-daemon"}, "PublicDaemonImage is empty or an image with a digest"),
    ({"PublicDaemonImage": "amazon/aws-xray-daemon:latest"}, "PublicDaemonImage is empty or an image"),
    (
        {"CpuArchitecture": "arm"},
        "CpuArchitecture is ARM64 or X86_64, and the images must have been built for it",
    ),
    ({"RetentionInDays": "15"}, "RetentionInDays is 1, 3, 7, 14, 30, 90, 180 or 365"),
    ({"DesiredCount": "101"}, "DesiredCount is a number of tasks from 0 to 100"),
    ({"DesiredCount": "two"}, "DesiredCount is a number of tasks from 0 to 100"),
    ({"Name": "Bottle"}, "Name is 2 to 20 lower-case letters"),
    ({"Name": "b"}, "Name is 2 to 20 lower-case letters"),
    ({"Name": "b" * 21}, "Name is 2 to 20 lower-case letters"),
    # No name for a repository.
    ({"Name": "bottle-"}, "Name is 2 to 20 lower-case letters"),
    ({"Name": "my--bottle"}, "Name is 2 to 20 lower-case letters"),
    ({"VpcCidr": "10.0.0.0/8"}, "VpcCidr is a block of IPv4 addresses of the size /16 to /28"),
    ({"TemplateBaseUrl": "http://here"}, "TemplateBaseUrl is the https address of the folder"),
    ({"TemplateBaseUrl": BASE_URL + "/"}, "without a slash at the end"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=lambda value: str(value)[:40])
def test_bad_parameters(deployment: Deployment, change: dict[str, str | None], message: str) -> None:
    given: dict[str, str | None] = {"TemplateBaseUrl": BASE_URL, **IMAGES, **change}
    check_refused(deployment, "scenario.yaml", given, message)


BAD_FOR_SERVER = [
    ({"RetentionAge": "a month"}, "RetentionAge is a number of hours or days"),
    ({"RetentionBytes": "10GB"}, "RetentionBytes is a number of MiB or GiB"),
    ({"ClientCidr": "0.0.0.0/0"}, "ClientCidr is a block of IPv4 addresses of the size /8 to /32"),
    ({"HostName": "nodots"}, "HostName is a domain name in lower case"),
    (
        {"CertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1"},
        "CertificateArn needs HostName",
    ),
    ({"CertificateArn": "certificate"}, "CertificateArn is the ARN of a certificate in ACM"),
]


@pytest.mark.parametrize(("change", "message"), BAD_FOR_SERVER, ids=lambda value: str(value)[:40])
def test_bad_parameters_of_the_server(deployment: Deployment, change: dict[str, str], message: str) -> None:
    check_refused(
        deployment, "roentgen.yaml", {"TemplateBaseUrl": BASE_URL, "ServerTag": "1.0"} | change, message
    )


def test_roentgen_without_its_address(deployment: Deployment) -> None:
    """service.yaml can be used alone, in a network that is there."""
    given = {
        "Name": "shop",
        "Backend": "roentgen",
        "VpcId": "vpc-1",
        "VpcCidr": "10.0.0.0/16",
        "SubnetIds": "subnet-1",
        "AppImage": "a:1",
        "DaemonImage": "d:1",
    }
    check_refused(deployment, "service.yaml", given, "Backend=roentgen needs RoentgenUrl")
    check_refused(
        deployment, "service.yaml", given | {"RoentgenUrl": URL}, "Backend=roentgen needs RoentgenCidr"
    )
    bad = given | {"RoentgenUrl": "roentgen:2000"}
    check_refused(deployment, "service.yaml", bad, "RoentgenUrl is http(s)://host:port")


@pytest.mark.parametrize("region", ["mars-north-1", "us-gov-west-1", "cn-north-1"])
@pytest.mark.parametrize("root", templates.ROOTS)
def test_region_without_a_service(region: str, root: str) -> None:
    template = templates.read(root)
    given = {"TemplateBaseUrl": BASE_URL} | (IMAGES if root == "scenario.yaml" else {"ServerTag": "1.0"})
    constraints.check(template, given, REGION)
    with pytest.raises(constraints.BadParameters, match="This region is not in the partition aws"):
        constraints.check(template, given, region)


def test_regions_are_those_of_botocore() -> None:
    session = boto3.Session()
    services = ("ecs", "ecr", "logs", "xray", "elbv2", "efs", "ec2")
    offered = set.intersection(*(set(session.get_available_regions(name)) for name in services))
    for root in templates.ROOTS:
        rule = templates.read(root)["Rules"]["KnownRegion"]["Assertions"][0]["Assert"]["Fn::Contains"]
        assert set(rule[0]) == offered


def check_refused(deployment: Deployment, root: str, given: dict[str, Any], message: str) -> None:
    """CreateStack fails with this message, and nothing has been created."""
    with pytest.raises(ClientError) as refused:
        deployment.client("cloudformation").create_stack(
            StackName="bad",
            TemplateBody=(templates.TEMPLATES / root).read_text(),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in given.items()
                if value is not None
            ],
        )
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert message in refused.value.response["Error"]["Message"]
    assert deployment.stacks() == {}
