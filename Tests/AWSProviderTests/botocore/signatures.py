"""Prints signatures that botocore makes of hostile requests, one JSON document a line.

  signatures.py COUNT SEED
"""

import datetime
import json
import random
import sys
import urllib.parse

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

PIECES = [
    "a", "Z", "9", "-", "_", ".", "~", "/", "//", "/./", "/../", " ", "  ", "+", "%", "%2F", "%zz", "=", "&", "?", "#", "é", "ü",
    "日本", "😀", "'", '"', "(", ")", "*", "!", ",", ":", ";", "@", "$", "[", "]", "{", "|", "}", "\\", "^", "`", "<", ">", "\n",
    "\t", "\x7f", "e\u0301", "X-Amz-Date",
]
REGIONS = ["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"]
SERVICES = ["s3", "ec2", "sts", "secretsmanager", "ssm"]
HOSTS = [
    ("https", "ec2.eu-west-1.amazonaws.com"), ("http", "127.0.0.1:9000"), ("http", "[::1]:9000"), ("https", "a.b.c:8443"),
    ("http", "localhost"), ("https", "bucket.s3.us-east-1.amazonaws.com"),
]


def text(rng, most):
    return "".join(rng.choice(PIECES) for _ in range(rng.randint(0, most)))


def value(rng):
    """A header's value: printable ASCII, with blanks where they hurt."""
    return "".join(rng.choice(["a", "B", " ", "  ", "\t", ";", ",", "=", '"', "%41"]) for _ in range(rng.randint(0, 8)))


def encoded(path):
    return urllib.parse.quote(path, safe="/-_.~")


def case(rng):
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(
        seconds=rng.randint(0, 10**8))
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: (
        moment.replace(tzinfo=None) if remove_tzinfo else moment)
    service = rng.choice(SERVICES)
    region = rng.choice(REGIONS)
    scheme, host = rng.choice(HOSTS)
    method = rng.choice(["GET", "PUT", "POST", "DELETE", "HEAD"])
    path = "/" + text(rng, 8)
    query = [[text(rng, 3) or "q", text(rng, 3)] for _ in range(rng.randint(0, 6))]
    if rng.random() < 0.3:
        query.append(["uploads", ""])
    if query and rng.random() < 0.3:
        query.append([query[0][0], text(rng, 2)])
    headers = [["Content-Type", "application/x-amz-json-1.1"]] if rng.random() < 0.5 else []
    headers += [[f"x-amz-meta-{number}", value(rng)] for number in range(rng.randint(0, 4))]
    body = text(rng, 20) if method in ("PUT", "POST") else ""
    token = "token/+=" + "x" * rng.randint(1, 40) if rng.random() < 0.5 else None
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)

    request = AWSRequest(method, f"{scheme}://{host}{encoded(path)}", dict(headers), body.encode(), [tuple(pair) for pair in query])
    signer = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    signer(credentials, service, region).add_auth(request)

    # Names once each: botocore keeps the query of a presigned URL in a dictionary.
    unique = list({name: [name, content] for name, content in query}.values())
    url = f"{scheme}://{host}{encoded(path)}"
    if unique:
        url += "?" + "&".join(
            urllib.parse.quote(name, safe="-_.~") + "=" + urllib.parse.quote(content, safe="-_.~")
            for name, content in unique)
    presigned = AWSRequest("GET" if method == "HEAD" else method, url)
    expires = rng.randint(1, 604800)
    presigner = botocore.auth.S3SigV4QueryAuth if service == "s3" else botocore.auth.SigV4QueryAuth
    presigner(credentials, service, region, expires=expires).add_auth(presigned)

    return {
        "time": int(moment.timestamp()), "service": service, "region": region, "scheme": scheme, "host": host,
        "method": method, "path": path, "query": query, "headers": headers, "body": body, "token": token,
        "authorization": request.headers["Authorization"], "unique": unique, "expires": expires,
        "presigned": presigned.url,
    }


def main():
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)
    for _ in range(count):
        print(json.dumps(case(rng)))


main()
