"""Starts the stand-in for AWS, and speaks to its controls and, through boto3, to its services."""

import json
import os
import pathlib
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

import boto3
from botocore.config import Config

SERVERS = pathlib.Path(__file__).resolve().parents[2] / "Sources/TestSupport/Servers"
KEY_ID, SECRET = "AKIACLOUDJOBSTEST001", "cloudjobs-test-secret"
IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
ARM_IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"


class StandIn:
    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(SERVERS / "fake_aws.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().removeprefix("PORT "))
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        # The end of its standard input ends it.
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def control(self, path, **options):
        data = json.dumps(options).encode() if options or path not in ("state",) and "?" not in path else None
        try:
            with urllib.request.urlopen(urllib.request.Request(f"{self.url}/_ctl/{path}", data), timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.read().decode()}") from None

    def client(self, service="ec2", region="us-east-1", attempts=1, **options):
        options = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, **options}
        return boto3.client(
            service, region_name=region, endpoint_url=self.url,
            config=Config(retries={"mode": "standard", "total_max_attempts": attempts}, connect_timeout=5, read_timeout=30), **options)


class StandInTest(unittest.TestCase):
    """A test with the stand-in as it is at its start. States of instances last no time, unless a test wants them to."""

    @classmethod
    def setUpClass(cls):
        os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
        cls.aws = StandIn()

    @classmethod
    def tearDownClass(cls):
        cls.aws.stop()

    def setUp(self):
        self.aws.control("reset")
        self.aws.control("settings", pending_seconds=0, shutting_down_seconds=0)
        self.ec2 = self.aws.client()
        self.image = self.aws.client("ssm").get_parameter(Name=IMAGE)["Parameter"]["Value"]

    def launch(self, count=1, spot=True, client=None, **options):
        options = {"ImageId": self.image, "InstanceType": "c5.large", "MinCount": count, "MaxCount": count, **options}
        if spot:
            options.setdefault("InstanceMarketOptions", {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}})
        return (client or self.ec2).run_instances(**options)["Instances"]

    def one(self, identifier):
        return self.ec2.describe_instances(InstanceIds=[identifier])["Reservations"][0]["Instances"][0]

    def states(self, **options):
        answer = self.ec2.describe_instances(**options)
        return [each["State"]["Name"] for reservation in answer["Reservations"] for each in reservation["Instances"]]

    def request_of(self, instance):
        identifier = instance["SpotInstanceRequestId"]
        return self.ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[identifier])["SpotInstanceRequests"][0]

    def refused(self, code, call, *arguments, status=None, **options):
        with self.assertRaises(self.ec2.exceptions.ClientError) as caught:
            call(*arguments, **options)
        answer = caught.exception.response
        self.assertEqual(answer["Error"]["Code"], code, answer)
        if status:
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], status)
        return answer["Error"]["Message"]

    def calls(self, action, region="us-east-1"):
        return self.aws.control("state")["calls"].get(region, {}).get(action, 0)
