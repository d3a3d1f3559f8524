"""Deploys the templates as a user would: into a bucket, then CreateStack; and reads back what is there."""

from typing import Any

import boto3
import requests
from botocore.config import Config

from fargate import templates
from fargate.moto_plus import REGION, Cloud

BUCKET = "templates"
BASE_URL = f"https://{BUCKET}.s3.{REGION}.amazonaws.com/roentgen"

IMAGES = {"AppTag": "1.0", "DaemonTag": "1.0", "LoadTag": "1.0"}

VARIANTS: dict[str, dict[str, str]] = {
    "aws": {},
    "roentgen": {"Backend": "roentgen", "ServerTag": "1.0"},
    "public": {"PublicDaemonImage": "public.ecr.aws/xray/aws-xray-daemon:3.6.1"},
}
"""The ways to deploy the scenario, by name."""


class Deployment:
    """An account with nothing in it but the templates in a bucket."""

    def __init__(self, cloud: Cloud, region: str = REGION, replaced: dict[str, str] | None = None) -> None:
        """`replaced` has other texts for nested templates, by their names."""
        self._url = cloud.url
        self._region = region
        requests.post(f"{self._url}/moto-api/reset", timeout=20).raise_for_status()
        s3 = self.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        for name in templates.names():
            body = (replaced or {}).get(name) or (templates.TEMPLATES / name).read_text()
            s3.put_object(Bucket=BUCKET, Key=f"roentgen/{name}", Body=body)

    def client(self, service: str) -> Any:
        config = Config(s3={"addressing_style": "path"}, proxies={}, retries={"total_max_attempts": 1})
        return boto3.client(service, endpoint_url=self._url, region_name=self._region, config=config)

    def create(self, root: str, stack: str | None = None, **parameters: str) -> dict[str, str]:
        """Creates a stack of a template, waits for it, and gives its outputs."""
        if root in templates.ROOTS:
            parameters = {"TemplateBaseUrl": BASE_URL} | parameters
        name = stack or root.removesuffix(".yaml")
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=(templates.TEMPLATES / root).read_text(),
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        [created] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        assert created["StackStatus"] == "CREATE_COMPLETE", created
        return {output["OutputKey"]: output["OutputValue"] for output in created.get("Outputs", [])}

    def create_scenario(self, **parameters: str) -> dict[str, str]:
        return self.create("scenario.yaml", **(IMAGES | parameters))

    def stacks(self) -> dict[str, dict[str, Any]]:
        """Every stack there is, by name."""
        pages = self.client("cloudformation").get_paginator("describe_stacks").paginate()
        return {stack["StackName"]: stack for page in pages for stack in page["Stacks"]}

    def resources(self) -> list[dict[str, Any]]:
        """The resources of all stacks."""
        cloudformation = self.client("cloudformation")
        return [
            resource
            for stack in self.stacks()
            for resource in cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
        ]

    def task_definition(self, family: str) -> dict[str, Any]:
        return self.client("ecs").describe_task_definition(taskDefinition=family)["taskDefinition"]
