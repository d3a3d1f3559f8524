"""Whether everything that is deployed reaches what it needs, and whether we would notice if not."""

from ipaddress import ip_network

import pytest
from fargate import templates
from fargate.deployment import VARIANTS, Deployment
from fargate.graph import Graph
from fargate.moto_plus import Cloud


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_way_is_open(deployment: Deployment, variant: str) -> None:
    deployment.create_scenario(**VARIANTS[variant])
    assert Graph(deployment).faults() == []


@pytest.mark.parametrize("address", ["10.75.0.0/16", "10.200.0.0/16"])
def test_a_server_in_a_joined_network(cloud: Cloud, address: str) -> None:
    """Both roots in one account: the app's task is let out to the server, which lets it in."""
    deployment = Deployment(cloud)
    prefix = address.removesuffix("0.0/16")
    server = deployment.create(
        "roentgen.yaml",
        ServerTag="1.0",
        VpcCidr=address,
        SubnetCidr1=f"{prefix}1.0/24",
        SubnetCidr2=f"{prefix}2.0/24",
    )
    scenario = deployment.create_scenario(Backend="roentgen", RoentgenUrl=server["Url"], RoentgenCidr=address)
    assert "Server" not in {
        each.get("LogicalResourceId") for each in deployment.resources() if "scenario" in each["StackName"]
    }
    assert Graph(deployment).faults() == []
    assert "bottle" in dict(Graph(deployment).senders(server["LoadBalancerName"]))

    # Networks can be joined when their addresses differ; each then needs a route to the other.
    ec2 = deployment.client("ec2")
    vpcs = {each["VpcId"]: ip_network(each["CidrBlock"]) for each in ec2.describe_vpcs()["Vpcs"]}
    assert not vpcs[server["VpcId"]].overlaps(vpcs[scenario["VpcId"]])
    for outputs in (server, scenario):
        [table] = ec2.describe_route_tables(RouteTableIds=[outputs["RouteTableId"]])["RouteTables"]
        assert table["VpcId"] == outputs["VpcId"]


def test_a_server_elsewhere_that_is_not_let_in(cloud: Cloud) -> None:
    deployment = Deployment(cloud)
    server = deployment.create("roentgen.yaml", ServerTag="1.0", ClientCidr="10.99.0.0/16")
    deployment.create_scenario(Backend="roentgen", RoentgenUrl=server["Url"], RoentgenCidr="10.98.0.0/16")
    assert Graph(deployment).faults() == [
        "bottle is not let out to load balancer:2000",
        "load balancer lets bottle not in to 2000",
    ]


def rule(port: int, whom: str) -> str:
    """The lines of a rule of a security group that name its ports and whom it is for."""
    return f"FromPort: {port}\n          ToPort: {port}\n          {whom}"


MUTATIONS = [
    (
        "service.yaml",
        rule(443, "CidrIp: 0.0.0.0/0"),
        rule(444, "CidrIp: 0.0.0.0/0"),
        "bottle is not let out to logs:443",
    ),
    (
        "service.yaml",
        rule(443, "CidrIp: 0.0.0.0/0"),
        rule(443, "CidrIp: !Ref VpcCidr"),
        "bottle is not let out to s3:443",
    ),
    (
        "service.yaml",
        "CidrIp: !Ref RoentgenCidr",
        "CidrIp: 127.0.0.1/32",
        "bottle is not let out to load balancer:2000",
    ),
    (
        "service.yaml",
        rule(8080, "CidrIp: !Ref VpcCidr"),
        rule(80, "CidrIp: !Ref VpcCidr"),
        "bottle lets bottle-load not in to 8080",
    ),
    (
        "load.yaml",
        rule(8080, "CidrIp: !Ref VpcCidr"),
        rule(80, "CidrIp: !Ref VpcCidr"),
        "bottle-load is not let out to bottle:8080",
    ),
    (
        "endpoints.yaml",
        rule(443, "CidrIp: !Ref VpcCidr"),
        rule(443, "CidrIp: 10.1.0.0/16"),
        "ecr.api lets bottle not in to 443",
    ),
    (
        "server.yaml",
        rule(2000, "CidrIp: !Ref ClientCidr"),
        rule(2000, "CidrIp: 10.1.0.0/16"),
        "load balancer lets bottle not in to 2000",
    ),
    (
        "server.yaml",
        rule(2000, "CidrIp: !Ref VpcCidr"),
        rule(2000, "CidrIp: 127.0.0.1/32"),
        "load balancer is not let out to bottle-roentgen:2000",
    ),
    (
        "server.yaml",
        rule(2000, "SourceSecurityGroupId"),
        rule(2001, "SourceSecurityGroupId"),
        "bottle-roentgen lets load balancer not in to 2000",
    ),
    (
        "server.yaml",
        rule(2049, "CidrIp: !Ref VpcCidr"),
        rule(2050, "CidrIp: !Ref VpcCidr"),
        "bottle-roentgen is not let out to file system:2049",
    ),
    (
        "server.yaml",
        rule(2049, "SourceSecurityGroupId"),
        rule(2050, "SourceSecurityGroupId"),
        "file system lets bottle-roentgen not in to 2049",
    ),
    (
        "server.yaml",
        "Resource: !GetAtt FileSystem.Arn",
        'Resource: !Sub "${FileSystem.Arn}x"',
        "the role of bottle-roentgen may not elasticfilesystem:ClientMount",
    ),
    (
        "service.yaml",
        "repository/${Name}/*",
        "repository/${Name}-x/*",
        "the role of bottle may not ecr:BatchGetImage",
    ),
    (
        "service.yaml",
        "log-group:/ecs/${Name}/service:*",
        "log-group:/ecs/${Name}/app:*",
        "the role of bottle may not logs:PutLogEvents",
    ),
    (
        "load.yaml",
        "log-group:/ecs/${Name}/load:*",
        "log-group:/ecs/${Name}:*",
        "the role of bottle-load may not logs:CreateLogStream",
    ),
    (
        "endpoints.yaml",
        "log-group:/ecs/${Name}/*",
        "log-group:/aws/${Name}/*",
        "the endpoint logs lets bottle not logs:PutLogEvents",
    ),
    (
        "endpoints.yaml",
        "repository/${Name}/*",
        "repository/${Name}",
        "the endpoint ecr.api lets bottle not ecr:BatchGetImage",
    ),
    (
        "endpoints.yaml",
        "Action: ecr:GetAuthorizationToken",
        "Action: ecr:BatchGetImage",
        "the endpoint ecr.api lets bottle not ecr:GetAuthorizationToken",
    ),
    (
        "endpoints.yaml",
        "${AWS::Region}.ecr.dkr",
        "${AWS::Region}.ecr.dkrx",
        "the endpoint ecr.dkr lets bottle not ecr:BatchGetImage",
    ),
]


@pytest.mark.parametrize(("name", "old", "new", "fault"), MUTATIONS, ids=lambda text: str(text)[-40:])
def test_a_closed_way_is_found(cloud: Cloud, name: str, old: str, new: str, fault: str) -> None:
    text = (templates.TEMPLATES / name).read_text()
    assert old in text
    deployment = Deployment(cloud, replaced={name: text.replace(old, new)})
    deployment.create_scenario(**VARIANTS["roentgen"])
    faults = Graph(deployment).faults()
    assert any(each.startswith(fault) for each in faults), faults
