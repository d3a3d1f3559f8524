"""boto3 and requests, patched by the official SDK, against the endpoint given as argument.

Prints the trace id. The calls: S3 PutObject, DynamoDB PutItem, a DynamoDB call that is throttled, and
a plain HTTP request that finds nothing.
"""

import contextlib
import sys

from aws_xray_sdk.core import patch, xray_recorder

patch(("boto3", "requests"))

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

xray_recorder.configure(service="aws-caller", sampling=False)

endpoint = sys.argv[1]
config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
s3 = boto3.client("s3", endpoint_url=endpoint, config=config)
dynamodb = boto3.client("dynamodb", endpoint_url=endpoint, config=config)
item = {"id": {"S": "1"}}

with xray_recorder.in_segment("aws-caller") as segment:
    s3.put_object(Bucket="receipts", Key="2026/1.txt", Body=b"paid")
    dynamodb.put_item(TableName="Orders", Item=item)
    with contextlib.suppress(ClientError):
        dynamodb.put_item(TableName="Throttled", Item=item)
    requests.get(f"{endpoint}/missing", timeout=10)
    print(segment.trace_id)
