"""Stores an object in an S3 and reads it through a presigned URL; then tells how the server refuses what it should.

  storage.py ENDPOINT KEY-ID SECRET
"""

import datetime
import sys
import unittest.mock
import urllib.request

import boto3
import botocore.auth
import botocore.exceptions
from botocore.config import Config

NAME, OTHER = ({"Bucket": "results", "Key": key} for key in ("a b/é+.txt", "other"))


def client(secret):
    return boto3.client(
        "s3", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id=sys.argv[2], aws_secret_access_key=secret,
        config=Config(
            signature_version="s3v4", retries={"total_max_attempts": 1}, request_checksum_calculation="when_required",
            s3={"payload_signing_enabled": True}))


def wrong_hash(s3):
    with unittest.mock.patch.object(botocore.auth.S3SigV4Auth, "payload", lambda self, request: "0" * 64):
        s3.put_object(**OTHER, Body=b"other")


def late_clock(s3):
    late = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(hours=1)
    with unittest.mock.patch.object(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: late):
        s3.list_objects_v2(Bucket="results")


def main():
    s3 = client(sys.argv[3])
    s3.put_object(**NAME, Body=b"first")
    url = s3.generate_presigned_url("get_object", NAME, 60)
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == b"first"
    s3.put_object(**OTHER, Body=b"first")
    refusals = []
    for wrong in (
        lambda: client("wrong").get_object(**NAME), lambda: wrong_hash(s3), lambda: late_clock(s3),
        lambda: s3.put_object(**OTHER, Body=b"other", IfNoneMatch="*"),
    ):
        try:
            wrong()
        except botocore.exceptions.ClientError as error:
            refusals.append(error.response["Error"]["Code"])
    print(*refusals)


if __name__ == "__main__":
    main()
