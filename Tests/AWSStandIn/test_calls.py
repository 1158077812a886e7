"""What is around every call: signatures, throttling, faults, other services, size."""

import http.client
import os
import re
import shutil
import subprocess
import time
import unittest

import botocore.auth
import botocore.awsrequest
import botocore.credentials
from stand_in import KEY_ID, SECRET, StandInTest

QUESTION = b"Action=DescribeRegions&Version=2016-11-15"
FORM = "application/x-www-form-urlencoded; charset=utf-8"


class CallTest(StandInTest):
    def send(self, body=QUESTION, service="ec2", change=lambda headers: None, path="/", method="POST", token=None, key=(KEY_ID, SECRET),
             region="us-east-1"):
        """A request that botocore has signed, changed afterwards: status and body."""
        request = botocore.awsrequest.AWSRequest(method, self.aws.url + path, headers={"Content-Type": FORM} if body else {}, data=body)
        botocore.auth.SigV4Auth(botocore.credentials.Credentials(*key, token), service, region).add_auth(request)
        headers = dict(request.headers)
        change(headers)
        connection = http.client.HTTPConnection("127.0.0.1", self.aws.port, timeout=10)
        connection.request(method, path, headers.pop("body", body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text


class Signatures(CallTest):
    def test_a_right_one_is_believed(self):
        self.assertEqual(self.send()[0], 200)
        query = "/?Version=2016-11-15&Action=DescribeRegions&Filter.1.Name=region-name&Filter.1.Value.1=us-%2A"
        self.assertEqual(self.send(b"", path=query, method="GET")[0], 200)

    def test_wrong_ones_are_refused_and_told_of(self):
        def other_signature(headers):
            signed = headers["Authorization"]
            headers["Authorization"] = signed[:-1] + ("1" if signed.endswith("0") else "0")

        for name, change in (
            ("a changed body", lambda headers: headers.update(body=QUESTION + b"&AllRegions=true")),
            ("a changed signature", other_signature),
            ("a signed header that is absent", lambda headers: headers.pop("Content-Type")),
            ("a header that is not signed", lambda headers: headers.update({"X-Amz-Target": "x"})),
            ("a wrong hash", lambda headers: headers.update({"X-Amz-Content-Sha256": "0" * 64})),
            ("another type", lambda headers: headers.update({"Content-Type": "text/plain"})),
        ):
            with self.subTest(name):
                before = len(self.aws.control("state")["violations"])
                status, text = self.send(change=change)
                self.assertEqual((status, "<Code>AuthFailure</Code>" in text), (401, True), text)
                self.assertEqual(len(self.aws.control("state")["violations"]), before + 1)

    def test_another_secret_another_key_no_key(self):
        for key in ((KEY_ID, "wrong"), ("AKIANOBODY", SECRET)):
            status, text = self.send(key=key)
            self.assertEqual((status, "<Code>AuthFailure</Code>" in text), (401, True), text)
            self.assertIn("<RequestID>", text)
        wrong = self.aws.client("sts", aws_secret_access_key="wrong")
        self.refused("SignatureDoesNotMatch", wrong.get_caller_identity, status=403)
        nobody = self.aws.client("ssm", aws_access_key_id="AKIANOBODY")
        self.refused("UnrecognizedClientException", nobody.get_parameter, Name="x", status=400)
        connection = http.client.HTTPConnection("127.0.0.1", self.aws.port, timeout=10)
        connection.request("POST", "/", QUESTION, {"Content-Type": FORM})
        self.assertEqual(connection.getresponse().status, 400)
        connection.close()

    def test_five_minutes_of_skew(self):
        for skew, fine in ((290, True), (-290, True), (310, False), (-310, False)):
            self.aws.control("settings", skew_seconds=skew)
            if fine:
                self.ec2.describe_regions()
            else:
                self.refused("AuthFailure", self.ec2.describe_regions, status=401)
                self.assertIn("5 min.", self.refused("SignatureDoesNotMatch", self.aws.client("sts").get_caller_identity))

    def test_temporary_keys_need_their_token_and_end(self):
        key = self.aws.control("key", temporary=True, name="role", seconds=100)
        pair = {"aws_access_key_id": key["id"], "aws_secret_access_key": key["secret"]}
        identity = self.aws.client("sts", **pair, aws_session_token=key["token"]).get_caller_identity()
        self.assertEqual(identity["Arn"], "arn:aws:sts::123456789012:assumed-role/role/session")
        self.refused("AuthFailure", self.aws.client(**pair).describe_regions)
        self.refused("AuthFailure", self.aws.client(**pair, aws_session_token="x").describe_regions)
        self.refused("InvalidClientTokenId", self.aws.client("sts", **pair).get_caller_identity)
        self.aws.control("settings", skew_seconds=120)
        self.refused("RequestExpired", self.aws.client(**pair, aws_session_token=key["token"]).describe_regions, status=400)

    def test_a_region_that_is_not_switched_on(self):
        client = self.aws.client(region="af-south-1")
        self.refused("AuthFailure", client.describe_regions, status=401)
        self.aws.control("regions", enabled=["af-south-1"])
        self.assertEqual(len(client.describe_regions()["Regions"]), 18)


class Troubles(StandInTest):
    def test_throttling_by_region_and_kind(self):
        self.aws.control("throttle", enabled=True)
        for _ in range(5):
            self.launch()
        self.refused("RequestLimitExceeded", self.launch, status=503)
        self.aws.client(region="eu-west-1").describe_instances()
        self.aws.control("clock", advance=1)
        self.launch(2)
        for _ in range(50):
            self.ec2.describe_instances()
        with self.assertRaises(self.ec2.exceptions.ClientError):
            for _ in range(50):
                self.ec2.describe_instances()
        # With a page it is of another kind.
        self.ec2.describe_instances(MaxResults=1000)
        self.assertGreaterEqual(self.aws.control("state")["throttled"]["us-east-1 DescribeInstances"], 1)

    def test_retries_outlive_errors(self):
        self.aws.control("fault", kind="error", action="DescribeInstances", code="RequestLimitExceeded", status=503, times=2)
        self.aws.client(attempts=4).describe_instances()
        self.assertEqual(self.calls("DescribeInstances"), 3)
        self.assertEqual(self.aws.control("state")["hits"], [2])

    def test_faults_by_region_and_order(self):
        self.aws.control("fault", kind="error", region="us-east-1", code="InternalError", after=1)
        self.ec2.describe_regions()
        self.refused("InternalError", self.ec2.describe_regions, status=500)
        self.aws.client(region="eu-west-1").describe_regions()
        self.aws.control("release")
        self.aws.control("fault", kind="delay", seconds=0.3, times=1)
        started = time.monotonic()
        self.ec2.describe_regions()
        self.assertGreaterEqual(time.monotonic() - started, 0.3)

    def test_the_log_tells_what_was_asked(self):
        self.launch(ClientToken="tok")
        entry = [each for each in self.aws.control("log?since=0")["calls"] if each["action"] == "RunInstances"][-1]
        self.assertEqual((entry["parameters"]["ClientToken"], entry["status"], entry["region"]), ("tok", 200, "us-east-1"))


class Others(CallTest):
    def test_secrets(self):
        self.aws.control("secret", name="mail/password", value="geheim")
        client = self.aws.client("secretsmanager")
        answer = client.get_secret_value(SecretId="mail/password")
        self.assertEqual(answer["SecretString"], "geheim")
        self.assertEqual(client.get_secret_value(SecretId=answer["ARN"])["Name"], "mail/password")
        self.refused("ResourceNotFoundException", client.get_secret_value, SecretId="nothing")
        self.aws.control("deny", action="secretsmanager:GetSecretValue")
        self.refused("AccessDeniedException", client.get_secret_value, SecretId="mail/password")

    def test_parameters(self):
        client = self.aws.client("ssm")
        self.refused("ParameterNotFound", client.get_parameter, Name="/nothing")
        answer = client.get_parameters(Names=["/nothing", "/aws/service/debian/release/12/latest/arm64"])
        self.assertEqual((answer["InvalidParameters"], len(answer["Parameters"])), (["/nothing"], 1))

    def test_ten_thousand_instances_in_five_regions(self):
        regions = ("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1")
        for region in regions:
            self.aws.control("bulk", region=region, count=2000, tags={"job": "j-{n}"})
        for name in ("first", "again"):
            started, ids = time.monotonic(), set()
            for region in regions:
                token = ""
                while token is not None:
                    body = "Action=DescribeInstances&Version=2016-11-15&MaxResults=1000" + (f"&NextToken={token}" if token else "")
                    status, text = self.send(body.encode(), region=region)
                    self.assertEqual(status, 200, text[:300])
                    ids.update(re.findall("<instanceId>([^<]+)</instanceId>", text))
                    token = (re.findall("<nextToken>([^<]+)</nextToken>", text) or [None])[0]
            whole = time.monotonic() - started
            self.assertEqual(len(ids), 10000)
            entries = [each for each in self.aws.control("log?since=0")["calls"] if each["action"] == "DescribeInstances"][-10:]
            slowest = max(each["seconds"] for each in entries)
            print(f"\n10,000 instances, {name}: {whole:.2f} s, slowest page of 1,000 in the server {slowest:.3f} s", end="")
            self.assertLess(slowest, 1.0)

    @unittest.skipUnless(shutil.which("aws"), "there is no awscli here")
    def test_awscli(self):
        environment = {
            **os.environ, "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1", "AWS_PAGER": ""}

        def aws(*words):
            done = subprocess.run(
                ["aws", "--endpoint-url", self.aws.url, *words, "--output", "text"], env=environment, capture_output=True, text=True,
                timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout.split()

        launched = aws(
            "ec2", "run-instances", "--image-id", self.image, "--instance-type", "c5.large", "--client-token", "cli",
            "--instance-market-options", "MarketType=spot", "--tag-specifications", "ResourceType=instance,Tags=[{Key=job,Value=1}]",
            "--query", "Instances[].InstanceId")
        found = aws(
            "ec2", "describe-instances", "--filters", "Name=tag:job,Values=1",
            "--query", "Reservations[].Instances[].[InstanceId,State.Name]")
        self.assertEqual(found, [*launched, "running"])
        aws("ec2", "terminate-instances", "--instance-ids", *launched)
        self.assertEqual(self.states(), ["terminated"])


if __name__ == "__main__":
    unittest.main()
