#!/usr/bin/env python3
"""A bucket on loopback, a machine's metadata service and a place for secrets: what an instance of a cloud talks to.

/o/KEY               GET, PUT, DELETE of an object. With ?sig=NAME as a presigned address would be, refused (403 or as wished) once
                     NAME was revoked; without a query only for requests that are signed (AWS SigV4) with the role's keys.
/latest/...          the metadata service of EC2, version 2: a token first, then what was set; anything else is 404
/secrets/            Secrets Manager: signed GetSecretValue requests for the secrets that were set
/control/ORDER       POST with JSON: put {key, text}; load {key, path} of a file; fill {prefix, count, size}; revoke {name, status}; fail {key, status, times};
                     cut {key, bytes} answers with less than it promises, times; metadata {path, text or null};
                     secret {id, text}; delay {seconds}
/control/state       objects with their time in ms, count of requests by method and key, refusals, connections

A line of the record for every request that is no order: method, path, status, what was sent.
"""

import argparse
import datetime
import email.utils
import hashlib
import hmac
import http.server
import json
import threading
import time
import urllib.parse

import lifeline

KEY_ID, SECRET, SESSION = "ASIATESTROLE", "secret/of+the/role", "session/token+of=the/role"
TOKEN = "metadata-token"
ROLE = json.dumps(
    {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "Token": SESSION},
    indent=2)


class World:
    def __init__(self):
        self.lock = threading.Lock()
        self.objects = {}
        self.revoked = set()
        self.refusal = 403
        self.failures = {}
        self.cuts = {}
        self.metadata = {
            "meta-data/iam/security-credentials/": "test-role",
            "meta-data/iam/security-credentials/test-role": ROLE,
        }
        self.secrets = {}
        self.counts = {}
        self.delay = 0
        self.connections = 0

    def put(self, key, body):
        self.objects[key] = (body, time.time())

    def order(self, word, value):
        with self.lock:
            if word == "put":
                self.put(value["key"], value["text"].encode())
            elif word == "load":
                with open(value["path"], "rb") as file:
                    self.put(value["key"], file.read())
            elif word == "fill":
                for number in range(value["count"]):
                    self.put(f"{value['prefix']}{number}", (f"{number} " * value["size"]).encode()[: value["size"]])
            elif word == "revoke":
                self.revoked.add(value["name"])
                self.refusal = value.get("status", 403)
            elif word == "fail":
                self.failures[value["key"]] = [value["status"], value["times"]]
            elif word == "cut":
                self.cuts[value["key"]] = [value["bytes"], value["times"]]
            elif word == "metadata":
                if value["text"] is None:
                    self.metadata.pop(value["path"], None)
                else:
                    self.metadata[value["path"]] = value["text"]
            elif word == "secret":
                self.secrets[value["id"]] = value["text"]
            elif word == "delay":
                self.delay = value["seconds"]

    def state(self):
        with self.lock:
            return {
                "objects": {
                    key: {"text": body.decode("utf-8", "replace"), "modified": int(at * 1000)}
                    for key, (body, at) in self.objects.items() if len(body) < 100_000
                },
                "counts": dict(self.counts),
                "connections": self.connections,
            }


# A secret may be elsewhere than the bucket.
REGIONS = {"s3": "eu-test-1", "secretsmanager": "eu-test-2"}


def is_signed(handler, body, service):
    """Whether a request is signed with the role's keys, by AWS's rules for Signature Version 4."""
    words = handler.headers.get("Authorization", "").replace(",", " ").split()
    if len(words) != 4 or words[0] != "AWS4-HMAC-SHA256":
        return False
    fields = dict(word.split("=", 1) for word in words[1:])
    key_id, day, region, for_service, _ = fields["Credential"].split("/")
    when = handler.headers.get("X-Amz-Date", "")
    skew = abs(time.time() - datetime.datetime.strptime(when + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp())
    names = fields["SignedHeaders"].split(";")
    if region != REGIONS[service]:
        return False
    if key_id != KEY_ID or for_service != service or skew > 300 or handler.headers.get("X-Amz-Security-Token") != SESSION:
        return False
    if any(name.lower().startswith("x-amz-") and name.lower() not in names for name in handler.headers):
        return False
    if any(name not in handler.headers for name in names):
        return False
    digest = handler.headers.get("x-amz-content-sha256")
    if service == "s3" and digest is None:
        return False
    path, _, query = handler.path.partition("?")
    headers = "".join(f"{name}:{' '.join(handler.headers[name].split())}\n" for name in names)
    canonical = "\n".join(
        [handler.command, path, query, headers, ";".join(names), digest or hashlib.sha256(body).hexdigest()])
    key = ("AWS4" + SECRET).encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{when}\n{day}/{region}/{service}/aws4_request\n" + hashlib.sha256(
        canonical.encode()).hexdigest()
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), fields["Signature"])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "objects"
    timeout = 120
    wbufsize = 65_536
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        with self.server.world.lock:
            self.server.world.connections += 1

    def answer(self, status, body=b"", headers=(), promise=None):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if promise is None else promise))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if promise is not None:
            self.close_connection = True
        return status

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        word = path.split("/")[1]
        if word == "control":
            self.control(path.split("/")[2], body)
            return
        time.sleep(self.server.world.delay)
        status = {"o": self.object, "latest": self.ask_metadata, "secrets": self.ask_secret}.get(
            word, lambda *_: self.answer(404))(path, body)
        self.server.record.write(
            method=self.command, path=self.path, status=status, body=body, headers=list(self.headers.items()))

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def control(self, word, body):
        world = self.server.world
        if word == "state":
            self.answer(200, json.dumps(world.state()).encode())
        else:
            world.order(word, json.loads(body))
            self.answer(200)

    def object(self, path, body):
        world = self.server.world
        key = urllib.parse.unquote(path[len("/o/"):])
        options = urllib.parse.parse_qs(self.path.partition("?")[2])
        with world.lock:
            name = f"{self.command} {key}"
            world.counts[name] = world.counts.get(name, 0) + 1
            failure = world.failures.get(key)
            if failure and failure[1] > 0:
                failure[1] -= 1
                return self.answer(failure[0], b"<Error><Code>Test</Code></Error>")
            if "sig" in options:
                allowed = options["sig"][0] not in world.revoked
            else:
                allowed = is_signed(self, body, "s3")
            if not allowed:
                return self.answer(world.refusal, b"<Error><Code>AccessDenied</Code></Error>")
            if self.command == "PUT":
                world.put(key, body)
                return self.answer(200, headers=[("ETag", f'"{hashlib.md5(body).hexdigest()}"')])
            if self.command == "DELETE":
                world.objects.pop(key, None)
                return self.answer(204)
            found = world.objects.get(key)
            cut = world.cuts.get(key)
            if found and cut and cut[1] > 0:
                cut[1] -= 1
                return self.answer(200, found[0][: cut[0]], promise=len(found[0]))
        if found is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        headers = [("Last-Modified", email.utils.formatdate(found[1], usegmt=True))]
        return self.answer(200, found[0], headers)

    def ask_metadata(self, path, body):
        if path == "/latest/api/token":
            seconds = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "0")
            if self.command != "PUT" or not 1 <= int(seconds) <= 21600:
                return self.answer(400)
            return self.answer(200, TOKEN.encode())
        if self.headers.get("X-aws-ec2-metadata-token") != TOKEN:
            return self.answer(401)
        text = self.server.world.metadata.get(path[len("/latest/"):])
        return self.answer(404) if text is None else self.answer(200, text.encode())

    def ask_secret(self, path, body):
        if self.headers.get("X-Amz-Target") != "secretsmanager.GetSecretValue" or not is_signed(
                self, body, "secretsmanager"):
            return self.answer(400, b'{"__type":"InvalidSignatureException"}')
        text = self.server.world.secrets.get(json.loads(body)["SecretId"])
        if text is None:
            return self.answer(400, b'{"__type":"ResourceNotFoundException"}')
        return self.answer(200, json.dumps({"Name": "x", "SecretString": text, "VersionStages": ["AWSCURRENT"]}).encode())


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--record")
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", 0), Handler)
    server.record = lifeline.Record(arguments.record)
    server.world = World()
    lifeline.die_with_parent()
    lifeline.announce(server.server_address[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
