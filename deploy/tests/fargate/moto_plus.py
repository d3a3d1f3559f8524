"""moto with what our templates need and moto leaves out, put in when this module is imported.

moto creates the resources of a stack, but loses much of what it is told: outputs of nested stacks, the
network mode, roles and platform of a task definition, nearly all of a service, sampling rules, egress
rules, attributes of networks and load balancers; it checks neither parameters nor rules. Whatever is added
here hands on what the template says; it decides nothing. It reaches into moto's private parts, which is
why its version is pinned.
"""

import json
from collections.abc import Callable
from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import CloudFormationBackend, Stack
from moto.core.common_models import CloudFormationModel
from moto.ec2.models import ec2_backends
from moto.ec2.models.security_groups import SecurityGroup
from moto.ec2.models.vpcs import VPC, VPCEndPoint
from moto.ecr.models import Repository, ecr_backends
from moto.ecs.models import EC2ContainerServiceBackend, Service, TaskDefinition, ecs_backends
from moto.efs.models import AccessPoint, FileSystem
from moto.elbv2.models import FakeLoadBalancer, FakeTargetGroup, elbv2_backends
from moto.iam.models import Role
from moto.server import ThreadedMotoServer

from fargate import constraints, templates
from fargate.shapes import api_request

REGION = "eu-west-1"
"""Not us-east-1, so that what moto or a template takes for granted is found out."""

ACCOUNT = "123456789012"
"""moto's."""


class SamplingRule(CloudFormationModel):
    """AWS::XRay::SamplingRule; moto has no API to read it from."""

    def __init__(self, rule: dict[str, Any]) -> None:
        self.rule = rule

    @property
    def physical_resource_id(self) -> str:
        return self.rule["RuleName"]

    @staticmethod
    def cloudformation_name_type() -> str:
        return "RuleName"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::XRay::SamplingRule"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> "SamplingRule":
        return cls(
            api_request("CreateSamplingRule", cloudformation_json["Properties"], "xray")["SamplingRule"]
        )


def _task_definition(
    _cls: type, _name: str, description: Any, account: str, region: str, **_: Any
) -> TaskDefinition:
    request = api_request("RegisterTaskDefinition", description["Properties"])
    arguments = {_snake(name): value for name, value in request.items()}
    return ecs_backends[account][region].register_task_definition(**arguments)


SERVICE_ARGUMENTS = {
    "load_balancers",
    "launch_type",
    "platform_version",
    "propagate_tags",
    "network_configuration",
}
"""What moto's create_service takes; the rest of a request is set on the service."""


def _service(_cls: type, name: str, description: Any, account: str, region: str, **_: Any) -> Service:
    properties = dict(description["Properties"])
    request = api_request("CreateService", {"ServiceName": name} | properties)
    known = ("cluster", "serviceName", "taskDefinition", "desiredCount")
    rest = {_snake(key): value for key, value in request.items() if key not in known}
    service = ecs_backends[account][region].create_service(
        request["cluster"],
        name,
        request["desiredCount"],
        task_definition_str=request["taskDefinition"],
        **{key: value for key, value in rest.items() if key in SERVICE_ARGUMENTS},
    )
    for key, value in rest.items():
        if key not in SERVICE_ARGUMENTS:
            setattr(service, key, value)
    return service


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _after(model: type[CloudFormationModel], then: Callable[[Any, dict[str, Any], str, str], None]) -> None:
    """Has `then` set on a created resource what its model has passed over."""
    create = model.create_from_cloudformation_json

    def both(_cls: type, name: str, description: Any, account: str, region: str, **more: Any) -> Any:
        resource = create(name, description, account, region, **more)
        then(resource, description["Properties"], account, region)
        return resource

    model.create_from_cloudformation_json = classmethod(both)


def _set_dns(vpc: VPC, properties: dict[str, Any], account: str, region: str) -> None:
    for name, attribute in (
        ("EnableDnsSupport", "enable_dns_support"),
        ("EnableDnsHostnames", "enable_dns_hostnames"),
    ):
        if name in properties:
            ec2_backends[account][region].modify_vpc_attribute(vpc.id, attribute, properties[name])


def _set_policy(endpoint: VPCEndPoint, properties: dict[str, Any], _account: str, _region: str) -> None:
    """moto would answer with Python's spelling of the document."""
    endpoint.policy_document = json.dumps(properties["PolicyDocument"])


def _set_policies(role: Role, properties: dict[str, Any], _account: str, _region: str) -> None:
    for policy in properties.get("Policies", []):
        role.policies[policy["PolicyName"]] = json.dumps(policy["PolicyDocument"])


def _set_egress(group: SecurityGroup, properties: dict[str, Any], account: str, region: str) -> None:
    rules = properties.get("SecurityGroupEgress")
    if rules is None:
        return
    # Naming any rule takes the default one away, which allows everything.
    ec2 = ec2_backends[account][region]
    ec2.revoke_security_group_egress(group.id, "-1", "-1", "-1", [{"CidrIp": "0.0.0.0/0"}])
    for rule in rules:
        ec2.authorize_security_group_egress(
            group.id,
            rule["IpProtocol"],
            rule["FromPort"],
            rule["ToPort"],
            [{"CidrIp": rule["CidrIp"], "Description": rule["Description"]}],
        )


def _set_lifecycle(repository: Repository, properties: dict[str, Any], account: str, region: str) -> None:
    text = properties["LifecyclePolicy"]["LifecyclePolicyText"]
    ecr_backends[account][region].put_lifecycle_policy(account, repository.name, text)


def _set_balancer(balancer: FakeLoadBalancer, properties: dict[str, Any], account: str, region: str) -> None:
    attributes = {each["Key"]: each["Value"] for each in properties.get("LoadBalancerAttributes", [])}
    elbv2_backends[account][region].modify_load_balancer_attributes(balancer.arn, attributes)


def _set_targets(group: FakeTargetGroup, properties: dict[str, Any], _account: str, _region: str) -> None:
    group.attributes.update(
        {each["Key"]: each["Value"] for each in properties.get("TargetGroupAttributes", [])}
    )


def _nested_output(stack: Stack, name: str) -> Any:
    kind, _, key = name.partition(".")
    for output in stack.outputs or []:
        if kind == "Outputs" and output["OutputKey"] == key:
            return output["OutputValue"]
    raise ValidationError(message=f"Template error: nested stack {stack.name} has no {name}")


def _efs_attribute(resource: FileSystem | AccessPoint, name: str) -> str:
    if name != "Arn":
        raise ValidationError(message=f"Template error: {type(resource).__name__} has no {name}")
    return resource.file_system_arn if isinstance(resource, FileSystem) else resource.access_point_arn


def _no_placement(_definition: TaskDefinition) -> dict[str, Any]:
    """moto adds up what a task needs of an EC2 instance, and fails where only the task names its memory."""
    return {"CPU": 0, "MEMORY": 0, "PORTS": [], "PORTS_UDP": []}


def _parse_template(text: str) -> dict[str, Any]:
    """moto splits `!GetAtt A.Outputs.B` at each dot; templates.parse splits it at the first."""
    return templates.parse(text)


_create_stack = CloudFormationBackend.create_stack


def _checked_create_stack(
    self: CloudFormationBackend, name: str, template: str, parameters: dict[str, Any], **more: Any
) -> Stack:
    try:
        constraints.check(templates.parse(template), parameters, self.region_name)
    except constraints.BadParameters as fault:
        raise ValidationError(message=str(fault)) from fault
    return _create_stack(self, name, template, parameters, **more)


TaskDefinition.create_from_cloudformation_json = classmethod(_task_definition)
Service.create_from_cloudformation_json = classmethod(_service)
_after(VPC, _set_dns)
_after(VPCEndPoint, _set_policy)
_after(Role, _set_policies)
_after(SecurityGroup, _set_egress)
_after(Repository, _set_lifecycle)
_after(FakeLoadBalancer, _set_balancer)
_after(FakeTargetGroup, _set_targets)
Stack.get_cfn_attribute = _nested_output
FileSystem.get_cfn_attribute = _efs_attribute
EC2ContainerServiceBackend._calculate_task_resource_requirements = staticmethod(_no_placement)
AccessPoint.get_cfn_attribute = _efs_attribute
AccessPoint.physical_resource_id = property(lambda self: self.access_point_id)
Stack.parse_template = staticmethod(_parse_template)
CloudFormationBackend.create_stack = _checked_create_stack
parsing.DEFAULT_REGION = REGION
for _cache in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
    _cache.cache_clear()


class Cloud:
    """A moto server of this process, on a free port."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)

    def __enter__(self) -> "Cloud":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        host, port = self._server.get_host_and_port()
        return f"http://{host}:{port}"
