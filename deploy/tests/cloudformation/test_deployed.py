"""What is there once the templates are deployed, read back through the APIs."""

import itertools
import json
import re
import warnings
from typing import Any

import pytest
from fargate import templates
from fargate.deployment import VARIANTS, Deployment
from fargate.moto_plus import ACCOUNT, REGION, Cloud
from fargate.shapes import TooMuch, api_request
from harness.environment import REPOSITORY

XRAY_ACTIONS = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
}
"""What a daemon calls (X-Ray developer guide, AWSXRayDaemonWriteAccess, without what only consoles call)."""

PULL_ACTIONS = {
    "ecr:GetAuthorizationToken",
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
}
LOG_ACTIONS = {"logs:CreateLogStream", "logs:PutLogEvents"}
FILE_ACTIONS = {"elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"}

PULL_ENDPOINTS = {"ecr.api", "ecr.dkr", "s3"}
"""What Fargate 1.4.0 reaches for to pull from ECR (ECR user guide, interface VPC endpoints)."""


@pytest.mark.parametrize("variant", VARIANTS)
def test_everything_is_created(deployment: Deployment, variant: str) -> None:
    with warnings.catch_warnings():
        # moto warns of a type that it leaves out.
        warnings.simplefilter("error")
        deployment.create_scenario(**VARIANTS[variant])
    assert {stack["StackStatus"] for stack in deployment.stacks().values()} == {"CREATE_COMPLETE"}
    nested = {"network", "endpoints", "service", "load"}
    nested |= {"aws": {"sampling"}, "roentgen": {"server"}, "public": {"sampling", "public-pull"}}[variant]
    conditional = {("XRay",)} if variant == "roentgen" else set()
    expected = {
        key
        for name in nested
        for key in templates.read(f"{name}.yaml")["Resources"]
        if (key,) not in conditional
    }
    found = {each["LogicalResourceId"] for each in deployment.resources() if each.get("LogicalResourceId")}
    assert expected <= found
    assert all(each["PhysicalResourceId"] for each in deployment.resources() if each.get("LogicalResourceId"))


LONGEST_NAME = "a-name-of-20-letters"


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_longest_name(deployment: Deployment, variant: str) -> None:
    """What is made of a name keeps to the limits of whatever it names."""
    assert len(LONGEST_NAME) == 20
    deployment.create("registry.yaml", Name=LONGEST_NAME)
    deployment.create_scenario(Name=LONGEST_NAME, **VARIANTS[variant])
    assert {stack["StackStatus"] for stack in deployment.stacks().values()} == {"CREATE_COMPLETE"}


def test_a_name_that_x_ray_refuses() -> None:
    """The limits that the test of the longest name relies on are looked at."""
    with pytest.raises(TooMuch, match="RuleName"):
        api_request("CreateSamplingRule", {"SamplingRule": {"RuleName": "n" * 33}}, "xray")


def test_the_public_variant_adds_a_way_out_and_nothing_else(cloud: Cloud) -> None:
    """So that taking the parameter away is the whole clean-up."""

    def found(variant: str) -> tuple[set[str], dict[str, Any]]:
        deployment = Deployment(cloud)
        deployment.create_scenario(**VARIANTS[variant])
        ids = {each.get("LogicalResourceId", "") for each in deployment.resources()}
        return ids - {""}, deployment.task_definition("bottle")

    private, private_task = found("aws")
    public, public_task = found("public")
    # Ids are unique to a template alone: both networks have a RouteTable.
    assert public - private == {"PublicPull", *templates.read("public-pull.yaml")["Resources"]} - private
    assert private <= public
    images = [
        [each["image"] for each in task["containerDefinitions"]] for task in (private_task, public_task)
    ]
    registry = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/bottle"
    assert images[0] == [f"{registry}/app:1.0", f"{registry}/daemon:1.0"]
    assert images[1] == [f"{registry}/app:1.0", VARIANTS["public"]["PublicDaemonImage"]]
    # The name of the image comes from the stack of the gateway, so the service waits for the way to it.
    service = templates.read("scenario.yaml")["Resources"]["Service"]["Properties"]["Parameters"]
    assert {"Fn::GetAtt": ["PublicPull", "Outputs.Image"]} in service["DaemonImage"]["Fn::If"]


@pytest.mark.parametrize("variant", ["aws", "roentgen"])
def test_the_network_has_no_way_out(deployment: Deployment, variant: str) -> None:
    deployment.create_scenario(**VARIANTS[variant])
    ec2 = deployment.client("ec2")
    vpc = own_vpc(deployment)
    here = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    for table in ec2.describe_route_tables(Filters=here)["RouteTables"]:
        for route in table["Routes"]:
            outside = route.get("DestinationCidrBlock", vpc["CidrBlock"]) != vpc["CidrBlock"]
            assert not outside or route.get("GatewayId", "").startswith("vpce-"), route
    attached = [{"Name": "attachment.vpc-id", "Values": [vpc["VpcId"]]}]
    assert not ec2.describe_internet_gateways(Filters=attached)["InternetGateways"]
    assert not ec2.describe_nat_gateways()["NatGateways"]
    assert not ec2.describe_addresses()["Addresses"]
    for attribute in ("enableDnsSupport", "enableDnsHostnames"):
        told = ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=attribute)
        assert told[attribute[0].upper() + attribute[1:]]["Value"] is True
    for subnet in ec2.describe_subnets(Filters=here)["Subnets"]:
        assert subnet["MapPublicIpOnLaunch"] is False


def own_vpc(deployment: Deployment) -> dict[str, Any]:
    [vpc] = [each for each in deployment.client("ec2").describe_vpcs()["Vpcs"] if not each["IsDefault"]]
    return vpc


@pytest.mark.parametrize("variant", ["aws", "roentgen"])
def test_every_endpoint_that_a_task_needs(deployment: Deployment, variant: str) -> None:
    outputs = deployment.create_scenario(**VARIANTS[variant])
    ec2 = deployment.client("ec2")
    vpc = own_vpc(deployment)
    endpoints = {
        each["ServiceName"].removeprefix(f"com.amazonaws.{REGION}."): each
        for each in ec2.describe_vpc_endpoints()["VpcEndpoints"]
    }
    assert set(endpoints) == PULL_ENDPOINTS | {"logs"} | ({"xray"} if variant == "aws" else set())
    subnets = set(outputs["SubnetIds"].split(","))
    for name, endpoint in endpoints.items():
        assert endpoint["VpcId"] == vpc["VpcId"]
        document = json.loads(endpoint["PolicyDocument"])
        allowed = actions_of(document)
        assert (
            allowed
            == {
                "xray": XRAY_ACTIONS,
                "logs": LOG_ACTIONS,
                "ecr.api": PULL_ACTIONS,
                "ecr.dkr": PULL_ACTIONS - {"ecr:GetAuthorizationToken"},
                "s3": {"s3:GetObject"},
            }[name]
        )
        if name == "s3":
            assert endpoint["VpcEndpointType"] == "Gateway"
            [statement] = document["Statement"]
            assert statement["Resource"] == f"arn:aws:s3:::prod-{REGION}-starport-layer-bucket/*"
            continue
        assert endpoint["PrivateDnsEnabled"] is True
        assert set(endpoint["SubnetIds"]) == subnets
        ids = [each["GroupId"] for each in endpoint["Groups"]]
        [group] = ec2.describe_security_groups(GroupIds=ids)["SecurityGroups"]
        [ingress] = group["IpPermissions"]
        assert (ingress["FromPort"], ingress["ToPort"]) == (443, 443)
        assert [each["CidrIp"] for each in ingress["IpRanges"]] == [vpc["CidrBlock"]]


def actions_of(document: dict[str, Any]) -> set[str]:
    """All actions that a policy allows; a policy that denies is none of ours."""
    assert all(each["Effect"] == "Allow" for each in document["Statement"])
    listed = (
        [each["Action"]] if isinstance(each["Action"], str) else each["Action"]
        for each in document["Statement"]
    )
    return set(itertools.chain.from_iterable(listed))


@pytest.mark.parametrize(
    ("variant", "family", "role", "expected"),
    [
        ("aws", "bottle", "executionRoleArn", PULL_ACTIONS | LOG_ACTIONS),
        ("aws", "bottle", "taskRoleArn", XRAY_ACTIONS),
        ("aws", "bottle-load", "executionRoleArn", PULL_ACTIONS | LOG_ACTIONS),
        ("roentgen", "bottle", "taskRoleArn", set()),
        ("roentgen", "bottle-roentgen", "taskRoleArn", FILE_ACTIONS),
        ("roentgen", "bottle-roentgen", "executionRoleArn", PULL_ACTIONS | LOG_ACTIONS),
    ],
)
def test_roles_may_do_this_and_no_more(
    deployment: Deployment, variant: str, family: str, role: str, expected: set[str]
) -> None:
    deployment.create_scenario(**VARIANTS[variant])
    iam = deployment.client("iam")
    name = deployment.task_definition(family)[role].rpartition("/")[2]
    assert not iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    documents = [
        iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    assert set().union(*map(actions_of, documents)) == expected
    for statement in itertools.chain.from_iterable(each["Statement"] for each in documents):
        # Two kinds of actions know no resources; everything else is named.
        allowed = actions_of({"Statement": [statement]})
        is_general = statement["Resource"] == "*"
        assert is_general == (allowed <= XRAY_ACTIONS | {"ecr:GetAuthorizationToken"}), statement
        assert "${" not in json.dumps(statement)
    [trust] = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert deployment.task_definition("bottle-load").get("taskRoleArn") is None


@pytest.mark.parametrize("architecture", ["ARM64", "X86_64"])
def test_the_task_reads_back_whole(deployment: Deployment, architecture: str) -> None:
    deployment.create_scenario(**({} if architecture == "ARM64" else {"CpuArchitecture": architecture}))
    task = deployment.task_definition("bottle")
    assert task["networkMode"] == "awsvpc"
    assert task["requiresCompatibilities"] == ["FARGATE"]
    assert task["runtimePlatform"] == {"cpuArchitecture": architecture, "operatingSystemFamily": "LINUX"}
    assert (task["cpu"], task["memory"]) == ("256", "512")
    app, daemon = task["containerDefinitions"]
    assert (app["name"], app["essential"]) == ("app", True)
    assert app["dependsOn"] == [{"containerName": "daemon", "condition": "START"}]
    assert (daemon["name"], daemon["essential"]) == ("daemon", False)
    # They are shares: under contention each gets its part of the sum, and one without any next to nothing.
    assert app["cpu"] > daemon["cpu"] > 0
    assert app["cpu"] + daemon["cpu"] == int(task["cpu"])
    assert daemon["restartPolicy"] == {"enabled": True, "restartAttemptPeriod": 60}
    assert daemon["portMappings"] == [], "nothing outside the task reaches the daemon"
    assert daemon["command"] == ["-b", "127.0.0.1:2000", "-t", "127.0.0.1:2000"]
    assert {pair["name"]: pair["value"] for pair in app["environment"]}["AWS_XRAY_DAEMON_ADDRESS"] in daemon[
        "command"
    ]
    assert daemon["user"] == "10001:10001"
    groups = {
        group["logGroupName"]: group for group in deployment.client("logs").describe_log_groups()["logGroups"]
    }
    for container in (app, daemon):
        assert container["readonlyRootFilesystem"] is True
        options = container["logConfiguration"]["options"]
        assert options["mode"] == "non-blocking", "a log that does not get away must not stop the app"
        assert options["awslogs-region"] == REGION
        assert groups[options["awslogs-group"]]["retentionInDays"] == 14

    [service] = deployment.client("ecs").describe_services(cluster="bottle", services=["bottle"])["services"]
    assert (service["launchType"], service["platformVersion"]) == ("FARGATE", "1.4.0")
    assert service["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"
    assert service["deploymentConfiguration"]["deploymentCircuitBreaker"] == {
        "enable": True,
        "rollback": True,
    }


def test_where_traces_go(cloud: Cloud) -> None:
    def destination(**parameters: str) -> tuple[str, dict[str, str]]:
        deployment = Deployment(cloud)
        outputs = deployment.create_scenario(**parameters)
        daemon = deployment.task_definition("bottle")["containerDefinitions"][1]
        return daemon["environment"][0]["value"], outputs

    assert destination()[0] == "aws"
    url, outputs = destination(**VARIANTS["roentgen"])
    assert re.fullmatch(r"http://[A-Za-z0-9-]+\.eu-west-1\.elb\.amazonaws\.com:2000", url)
    assert outputs["RoentgenUrl"] == url


def check_server(deployment: Deployment, client_cidr: str) -> None:
    """The server's task, what it keeps its traces on, and the balancer in front."""
    task = deployment.task_definition("bottle-roentgen")
    [server] = task["containerDefinitions"]
    variables = {pair["name"]: pair["value"] for pair in server["environment"]}
    [mount] = server["mountPoints"]
    assert mount["containerPath"] == variables["ROENTGEN_DATA_DIR"]
    [volume] = task["volumes"]
    files = volume["efsVolumeConfiguration"]
    assert files["transitEncryption"] == "ENABLED"
    efs = deployment.client("efs")
    [system] = efs.describe_file_systems()["FileSystems"]
    assert (system["FileSystemId"], system["Encrypted"]) == (files["fileSystemId"], True)
    [point] = efs.describe_access_points()["AccessPoints"]
    assert point["AccessPointId"] == files["authorizationConfig"]["accessPointId"]
    assert f"{point['PosixUser']['Uid']}:{point['PosixUser']['Gid']}" == server["user"]
    targets = efs.describe_mount_targets(FileSystemId=system["FileSystemId"])["MountTargets"]
    assert len({each["SubnetId"] for each in targets}) == 2

    ecs = deployment.client("ecs")
    [service] = ecs.describe_services(cluster="bottle-roentgen", services=["bottle-roentgen"])["services"]
    rollout = service["deploymentConfiguration"]
    assert service["desiredCount"] == 1
    assert (rollout["minimumHealthyPercent"], rollout["maximumPercent"]) == (0, 100), "two writers at once"
    elb = deployment.client("elbv2")
    [balancer] = elb.describe_load_balancers()["LoadBalancers"]
    assert (balancer["Scheme"], balancer["Type"]) == ("internal", "application")
    [listener] = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    assert listener["Port"] == 2000
    [group] = elb.describe_target_groups()["TargetGroups"]
    assert (group["TargetType"], group["Port"], group["HealthCheckPath"]) == ("ip", 2000, "/healthz")
    [attached] = service["loadBalancers"]
    assert attached == {
        "containerName": "server",
        "containerPort": 2000,
        "targetGroupArn": group["TargetGroupArn"],
    }
    ec2 = deployment.client("ec2")
    [front] = ec2.describe_security_groups(GroupIds=balancer["SecurityGroups"])["SecurityGroups"]
    assert [each["CidrIp"] for rule in front["IpPermissions"] for each in rule["IpRanges"]] == [client_cidr]


def test_the_server_in_the_scenario(deployment: Deployment) -> None:
    deployment.create_scenario(**VARIANTS["roentgen"])
    check_server(deployment, "10.74.0.0/16")


def test_the_server_alone(deployment: Deployment) -> None:
    outputs = deployment.create("roentgen.yaml", ServerTag="1.0", ClientCidr="10.80.0.0/16")
    check_server(deployment, "10.80.0.0/16")
    assert outputs["Url"] == f"http://{outputs['LoadBalancerName']}:2000"


def test_the_registry_is_what_the_scenario_pulls_from(deployment: Deployment) -> None:
    outputs = deployment.create("registry.yaml")
    repositories = deployment.client("ecr").describe_repositories()["repositories"]
    assert {each["imageTagMutability"] for each in repositories} == {"IMMUTABLE"}
    assert {each["repositoryUri"] for each in repositories} == {
        value for key, value in outputs.items() if key.endswith("Repository")
    }
    deployment.create_scenario(**VARIANTS["roentgen"])
    for family in ("bottle", "bottle-load", "bottle-roentgen"):
        for container in deployment.task_definition(family)["containerDefinitions"]:
            assert container["image"].rpartition(":")[0] in outputs.values()


def test_nothing_with_a_tag_expires(deployment: Deployment) -> None:
    """ECR counts each image of an index, and does not know which ones tasks are made of."""
    deployment.create("registry.yaml")
    ecr = deployment.client("ecr")
    repositories = ecr.describe_repositories()["repositories"]
    assert len(repositories) == 4
    for repository in repositories:
        text = ecr.get_lifecycle_policy(repositoryName=repository["repositoryName"])["lifecyclePolicyText"]
        [rule] = json.loads(text)["rules"]
        assert rule["selection"] == {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": 14,
        }


COST_SHEET = REPOSITORY / "docs" / "deploy" / "cloudformation.md"


@pytest.mark.parametrize("column", [1, 2, 3], ids=list(VARIANTS))
def test_the_cost_sheet_counts_what_is_there(deployment: Deployment, column: int) -> None:
    deployment.create_scenario(**list(VARIANTS.values())[column - 1])
    table = re.findall(r"^\| (.+?) \| (\d) \| (\d) \| (\d) \|$", COST_SHEET.read_text(), re.MULTILINE)
    told = {row[0]: int(row[column]) for row in table}
    ec2, ecs = deployment.client("ec2"), deployment.client("ecs")
    definitions = [
        deployment.task_definition(service["taskDefinition"])
        for cluster in ecs.list_clusters()["clusterArns"]
        for service in ecs.describe_services(
            cluster=cluster, services=ecs.list_services(cluster=cluster)["serviceArns"]
        )["services"]
    ]
    sizes = [(each["cpu"], each["memory"]) for each in definitions]
    endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    interfaces = [each for each in endpoints if each["VpcEndpointType"] == "Interface"]
    assert all(len(each["SubnetIds"]) == 2 for each in interfaces)
    assert told == {
        "Fargate tasks of 0.25 vCPU and 0.5 GB": sizes.count(("256", "512")),
        "Fargate tasks of 0.5 vCPU and 1 GB": sizes.count(("512", "1024")),
        "interface endpoints, each in 2 zones": len(interfaces),
        "NAT gateways": len(ec2.describe_nat_gateways()["NatGateways"]),
        "public addresses": len(ec2.describe_addresses()["Addresses"]),
        "load balancers": len(deployment.client("elbv2").describe_load_balancers()["LoadBalancers"]),
        "EFS file systems, by what they hold": len(
            deployment.client("efs").describe_file_systems()["FileSystems"]
        ),
        "EC2 instances": len(ec2.describe_instances()["Reservations"]),
    }
