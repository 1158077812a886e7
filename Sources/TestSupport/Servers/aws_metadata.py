"""The instance metadata service, version 2 only: without a token nothing is told.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

import base64
import http.server
import json
import re
import secrets
import socketserver
import threading
import time

LONGEST = 21600
# A date names a version of the service; the newest is "latest". All have the same here.
VERSIONS = "1.0", "2009-04-04", "2016-09-02", "2018-09-24", "2021-03-23", "latest"
BELOW_VERSION = re.compile(r"/(?:%s)/(.*)" % "|".join(map(re.escape, VERSIONS)))


def time_text(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def tree(facts):
    """From paths below /latest to texts. A path that others begin with is a folder, and lists them."""
    private = facts["private"] or ""
    host = f"ip-{private.replace('.', '-')}.{facts['region']}.compute.internal"
    paths = {
        "meta-data/ami-id": facts["image"], "meta-data/instance-id": facts["instance"], "meta-data/instance-type": facts["type"],
        "meta-data/instance-life-cycle": facts["lifecycle"],
        "meta-data/local-ipv4": private, "meta-data/public-ipv4": facts["public"] or "",
        "meta-data/hostname": host, "meta-data/local-hostname": host,
        "meta-data/placement/availability-zone": facts["zone"], "meta-data/placement/availability-zone-id": facts["zone_id"],
        "meta-data/placement/region": facts["region"], "meta-data/services/domain": "amazonaws.com",
        "dynamic/instance-identity/document": json.dumps({
            "accountId": facts["account"], "architecture": facts["architecture"], "availabilityZone": facts["zone"],
            "imageId": facts["image"], "instanceId": facts["instance"], "instanceType": facts["type"],
            "pendingTime": time_text(facts["launched"]), "privateIp": private, "region": facts["region"], "version": "2017-09-30"}),
    }
    if facts["user_data"] is not None:
        paths["user-data"] = base64.b64decode(facts["user_data"])
    if facts["key"]:
        paths["meta-data/public-keys/"] = f"0={facts['key_name']}"
        paths["meta-data/public-keys/0/openssh-key"] = facts["key"]
    for key, value in (facts["tags"] or {}).items():
        paths["meta-data/tags/instance/" + key] = value
    if facts["interrupt_at"] is not None:
        at = time_text(facts["interrupt_at"])
        paths["meta-data/spot/instance-action"] = json.dumps({"action": "terminate", "time": at})
        paths["meta-data/spot/termination-time"] = at
    if facts["rebalance_at"] is not None:
        paths["meta-data/events/recommendations/rebalance"] = json.dumps({"noticeTime": time_text(facts["rebalance_at"])})
    if facts["role"]:
        keys = facts["credentials"]
        now = time.time()
        paths["meta-data/iam/info"] = json.dumps({
            "Code": "Success", "LastUpdated": time_text(now),
            "InstanceProfileArn": f"arn:aws:iam::{facts['account']}:instance-profile/{facts['role']}"})
        paths["meta-data/iam/security-credentials/" + facts["role"]] = json.dumps({
            "Code": "Success", "LastUpdated": time_text(now), "Type": "AWS-HMAC", "AccessKeyId": keys["id"],
            "SecretAccessKey": keys["secret"], "Token": keys["token"], "Expiration": time_text(keys["expires"])})
    return paths


def look_up(paths, path):
    """The content of a path, or the names below it, or None."""
    for name in (path, path.rstrip("/") + "/", path.rstrip("/")):
        if name in paths:
            return paths[name]
    prefix = path.rstrip("/") + "/"
    names = {}
    for each in paths:
        if each.startswith(prefix):
            name, slash, _ = each[len(prefix):].partition("/")
            names[name] = names.get(name, "") or slash
    return "\n".join(sorted(name + slash for name, slash in names.items())) or None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server_version, sys_version = "EC2ws", ""

    def log_message(self, *arguments):
        pass

    def do_PUT(self):
        # A request that came through a proxy gets no token.
        if "X-Forwarded-For" in self.headers:
            return self.answer(403)
        lifetime = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token" or not lifetime.isdigit() or not 1 <= int(lifetime) <= LONGEST:
            return self.answer(400)
        token = secrets.token_urlsafe(42)
        self.server.tokens[token] = time.monotonic() + int(lifetime)
        self.answer(200, token, {"X-aws-ec2-metadata-token-ttl-seconds": lifetime})

    def do_GET(self):
        until = self.server.tokens.get(self.headers.get("X-aws-ec2-metadata-token", ""))
        if until is None or time.monotonic() >= until:
            return self.answer(401)
        facts = self.server.facts()
        if not facts["enabled"]:
            return self.answer(403)
        path = self.path.partition("?")[0]
        below = BELOW_VERSION.fullmatch(path)
        content = "\n".join(VERSIONS) if path == "/" else look_up(tree(facts), below[1]) if below else None
        return self.answer(404) if content is None else self.answer(200, content)

    do_HEAD = do_GET

    def answer(self, status, content="", headers=None):
        data = content if isinstance(content, bytes) else content.encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Serves on a socket that listens already; `facts` says what the instance may know."""

    daemon_threads = True

    def __init__(self, listener, facts):
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket, self.facts, self.tokens = listener, facts, {}

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
