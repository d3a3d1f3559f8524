"""Every way that tasks need through what is deployed, and what of it is closed.

Ways come from what is there: images, log groups, endpoints, the daemon's destination, listeners, targets,
file systems. Each needs a rule out of the security groups at its beginning and a rule into those at its
end; what ECS does for a task needs its role and, in a network without a way out, the endpoint's policy.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Network
from typing import Any

from fargate.deployment import Deployment
from fargate.moto_plus import ACCOUNT, REGION

PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
TOKEN = "ecr:GetAuthorizationToken"
LOG = ("logs:CreateLogStream", "logs:PutLogEvents")

S3_NETWORK = IPv4Network("52.218.0.0/17")
"""Addresses of S3 in eu-west-1 (AWS, ip-ranges.json). A gateway endpoint changes their route alone."""


@dataclass(frozen=True)
class Place:
    """An end of a way: its security groups, and where its addresses are."""

    name: str
    groups: frozenset[str]
    networks: frozenset[IPv4Network]


class Graph:
    """What is deployed, as far as a packet or a permission is concerned."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._ec2 = deployment.client("ec2")
        self._subnets = {each["SubnetId"]: each for each in self._ec2.describe_subnets()["Subnets"]}
        self._groups = {
            each["GroupId"]: each for each in self._ec2.describe_security_groups()["SecurityGroups"]
        }
        self._endpoints = self._ec2.describe_vpc_endpoints()["VpcEndpoints"]
        self._definitions: dict[str, dict[str, Any]] = {}
        self._tasks: dict[str, Place] = {}
        self._find_tasks()

    def faults(self) -> list[str]:
        """What is closed, for the reader of a failed test; nothing where every way is open."""
        found = list(self._faults_of_traffic())
        for family, definition in self._definitions.items():
            found += self._faults_of_start(family, definition)
        return found

    def _place(self, name: str, subnets: list[str], groups: list[str]) -> Place:
        networks = frozenset(IPv4Network(self._subnets[each]["CidrBlock"]) for each in subnets)
        return Place(name, frozenset(groups), networks)

    def _find_tasks(self) -> None:
        ecs = self._deployment.client("ecs")
        for cluster in ecs.list_clusters()["clusterArns"]:
            names = ecs.list_services(cluster=cluster)["serviceArns"]
            for service in ecs.describe_services(cluster=cluster, services=names)["services"]:
                definition = self._deployment.task_definition(service["taskDefinition"])
                network = service["networkConfiguration"]["awsvpcConfiguration"]
                self._add(definition, network["subnets"], network["securityGroups"])
        for stack in self._deployment.stacks().values():
            outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
            if "LoadTaskDefinition" in outputs:
                definition = self._deployment.task_definition(outputs["LoadTaskDefinition"])
                self._add(definition, outputs["SubnetIds"].split(","), [outputs["LoadSecurityGroup"]])

    def _add(self, definition: dict[str, Any], subnets: list[str], groups: list[str]) -> None:
        family = definition["family"]
        self._definitions[family] = definition
        self._tasks[family] = self._place(family, subnets, groups)

    def _faults_of_traffic(self) -> Iterator[str]:
        for family, task in self._tasks.items():
            vpcs = {self._vpc_of(task)}
            for endpoint in self._endpoints:
                if endpoint["VpcId"] not in vpcs:
                    continue
                service = endpoint["ServiceName"].rpartition(f"{REGION}.")[2]
                if endpoint["VpcEndpointType"] == "Gateway":
                    yield from self._closed_out(
                        task, Place(service, frozenset(), frozenset({S3_NETWORK})), 443
                    )
                    continue
                groups = [each["GroupId"] for each in endpoint["Groups"]]
                yield from self._closed(task, self._place(service, endpoint["SubnetIds"], groups), 443)
            if family.endswith("-load"):
                yield from self._closed(task, self._tasks[family.removesuffix("-load")], 8080)
        yield from self._faults_of_the_server()

    def _faults_of_the_server(self) -> Iterator[str]:
        elb = self._deployment.client("elbv2")
        for balancer in elb.describe_load_balancers()["LoadBalancers"]:
            subnets = [each["SubnetId"] for each in balancer["AvailabilityZones"]]
            front = self._place("load balancer", subnets, balancer["SecurityGroups"])
            for family, port in self.senders(balancer["DNSName"]):
                yield from self._closed(self._tasks[family], front, port)
            [server] = [place for family, place in self._tasks.items() if family.endswith("-roentgen")]
            [group] = elb.describe_target_groups()["TargetGroups"]
            yield from self._closed(front, server, group["Port"])
            efs = self._deployment.client("efs")
            for system in efs.describe_file_systems()["FileSystems"]:
                for target in efs.describe_mount_targets(FileSystemId=system["FileSystemId"])["MountTargets"]:
                    named = efs.describe_mount_target_security_groups(MountTargetId=target["MountTargetId"])
                    files = self._place("file system", [target["SubnetId"]], named["SecurityGroups"])
                    yield from self._closed(server, files, 2049)

    def senders(self, balancer: str) -> Iterator[tuple[str, int]]:
        """The tasks whose daemon sends to this load balancer, and to which port."""
        for family, definition in self._definitions.items():
            for container in definition["containerDefinitions"]:
                for variable in container.get("environment", []):
                    found = re.fullmatch(rf"https?://{re.escape(balancer)}:(\d+)", variable["value"])
                    if found:
                        yield family, int(found[1])

    def _vpc_of(self, place: Place) -> str:
        [vpc] = {self._groups[group]["VpcId"] for group in place.groups}
        return vpc

    def _closed(self, source: Place, target: Place, port: int) -> Iterator[str]:
        yield from self._closed_out(source, target, port)
        if not self._is_open("IpPermissions", target, source, port):
            yield f"{target.name} lets {source.name} not in to {port}"

    def _closed_out(self, source: Place, target: Place, port: int) -> Iterator[str]:
        if not self._is_open("IpPermissionsEgress", source, target, port):
            yield f"{source.name} is not let out to {target.name}:{port}"

    def _is_open(self, direction: str, place: Place, other: Place, port: int) -> bool:
        rules = [
            rule
            for group in place.groups
            for rule in self._groups[group][direction]
            if rule["IpProtocol"] == "-1"
            or (rule["IpProtocol"] == "tcp" and rule["FromPort"] <= port <= rule["ToPort"])
        ]
        if any(pair["GroupId"] in other.groups for rule in rules for pair in rule["UserIdGroupPairs"]):
            return True
        ranges = [IPv4Network(each["CidrIp"]) for rule in rules for each in rule["IpRanges"]]
        return all(any(network.subnet_of(each) for each in ranges) for network in other.networks)

    def _faults_of_start(self, family: str, definition: dict[str, Any]) -> Iterator[str]:
        """What ECS does with the execution role: pull each image, write each log."""
        role = self._role(definition["executionRoleArn"])
        here = self._vpc_of(self._tasks[family])
        policies = {
            endpoint["ServiceName"].rpartition(f"{REGION}.")[2]: [json.loads(endpoint["PolicyDocument"])]
            for endpoint in self._endpoints
            if endpoint["VpcId"] == here
        }
        gates = {"ecr": ("ecr.api", "ecr.dkr"), "logs": ("logs",)}
        needed = [("ecr.api", TOKEN, "*")]
        for container in definition["containerDefinitions"]:
            registry, _, image = container["image"].partition("/")
            if registry == f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com":
                arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{image.rpartition(':')[0]}"
                needed += [(gate, action, arn) for gate in gates["ecr"] for action in PULL]
            options = container["logConfiguration"]["options"]
            stream = f"{options['awslogs-stream-prefix']}/{container['name']}/0"
            group = f"log-group:{options['awslogs-group']}:log-stream:{stream}"
            needed += [("logs", action, f"arn:aws:logs:{REGION}:{ACCOUNT}:{group}") for action in LOG]
        for gate, action, arn in needed:
            if not allows(role, action, arn):
                yield f"the role of {family} may not {action} {arn}"
            if not allows(policies.get(gate, []), action, arn):
                yield f"the endpoint {gate} lets {family} not {action} {arn}"
        yield from self._faults_of_files(family, definition)

    def _faults_of_files(self, family: str, definition: dict[str, Any]) -> Iterator[str]:
        for volume in definition.get("volumes", []):
            system = volume["efsVolumeConfiguration"]["fileSystemId"]
            efs = self._deployment.client("efs")
            [found] = efs.describe_file_systems(FileSystemId=system)["FileSystems"]
            for action in ("elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"):
                if not allows(self._role(definition["taskRoleArn"]), action, found["FileSystemArn"]):
                    yield f"the role of {family} may not {action} {found['FileSystemArn']}"

    def _role(self, arn: str) -> list[dict[str, Any]]:
        iam, name = self._deployment.client("iam"), arn.rpartition("/")[2]
        return [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ]


def allows(documents: list[dict[str, Any]], action: str, arn: str) -> bool:
    """Whether one of the policies allows the action on the resource; ours deny nothing."""
    return any(
        action in _as_list(statement["Action"])
        and any(fnmatchcase(arn, pattern) for pattern in _as_list(statement["Resource"]))
        for document in documents
        for statement in document["Statement"]
    )


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
