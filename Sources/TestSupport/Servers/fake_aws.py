#!/usr/bin/env python3
"""An AWS on loopback: EC2, STS, and what is needed of SSM and Secrets Manager, all regions in one server.

Clients are pointed at it as endpoint (AWS_ENDPOINT_URL=http://127.0.0.1:PORT). The service and the region are those of the
signature's scope. Signatures are judged strictly (aws_signature), parameters by botocore's models (aws_wire); what it does not
know it refuses. Instances live by its own clock. docs/decisions/aws-stand-in.md says what it does not prove.

  AWS_ACCESS_KEY_ID=AKIACLOUDJOBSTEST001  AWS_SECRET_ACCESS_KEY=cloudjobs-test-secret      other keys: /_ctl/key

Plain HTTP to the same port controls it; bodies and answers are JSON, "region" is us-east-1 if it is left out:

  POST /_ctl/settings    any of aws_state.SETTINGS; answers all of them
                         pending_seconds, shutting_down_seconds: how long these states last
                         visibility_seconds, tag_visibility_seconds: after a launch, Describe knows nothing of it for so long
                         fulfil_seconds: until RequestSpotInstances is fulfilled    initializing_seconds: of status checks
                         notice_seconds (120), vanish_seconds (3600), request_vanish_seconds (4 h)
                         vcpu_limit (on demand), spot_limit (instances): null for none; both per region
                         skew_seconds: how far this server's idea of the date, by which signatures are judged, is ahead
  POST /_ctl/clock       advance: seconds by which instances' time moves on; that of signatures stays      → now
  POST /_ctl/capacity    type, zone, market (spot, on-demand; each "*" if left out), count: at most so many live; null for no bound
  POST /_ctl/prices      zone, type, product, records: [[time as ISO 8601 or as seconds before now, dollars], …]
  POST /_ctl/fault       kind: drop_before (the connection is cut, nothing is done), drop_after (done, the answer is lost),
                         error (code, message, status), delay (seconds); action, region ("*"); after: so many are let through;
                         times: so many are hit, else all
  POST /_ctl/release     takes all faults back
  POST /_ctl/throttle    enabled: the token buckets of aws_gate
  POST /_ctl/deny        action as in ec2:RunInstances, iam:PassRole; region ("*"); allow: takes it back
  POST /_ctl/interrupt   instance, reason (no-capacity, by-price, capacity-oversubscribed), seconds: the two-minute notice
  POST /_ctl/rebalance   instance: a rebalance recommendation
  POST /_ctl/shutdown    instance: it shuts itself down      POST /_ctl/end  instance, code: EC2 ends it for this reason
  POST /_ctl/health      instance, status (ok, impaired), event (a code as in instance-retirement, or null)
  POST /_ctl/bulk        count, type, zone, spot, tags ({n} in a value is the number): running instances at once        → instances
  POST /_ctl/key         id, secret, name, temporary, seconds: a key                              → id, secret, token, expires
  POST /_ctl/key-pair    name, public           POST /_ctl/group    name → id          POST /_ctl/profile  name: an instance profile
  POST /_ctl/secret      name, value (a text, or null: removed)                        POST /_ctl/parameter  name, value
  POST /_ctl/regions     enabled: regions that are switched on beside the default ones
  POST /_ctl/boot        enabled, reach: ports of this machine's loopback that instances see on theirs, grace: seconds from
                         SIGTERM to SIGKILL, machine: the folder of an image, which is booted in QEMU
                                                      → supported, or unsupported: why. See aws_guest and aws_machine
  GET  /_ctl/state       settings, instances and requests by region, calls by region and action, hits of faults, violations
  GET  /_ctl/log         ?since=NUMBER: calls, oldest first
  GET  /_ctl/meta        ?instance=ID: what its metadata service is made of
  GET  /_ctl/console     ?instance=ID: what a booted instance has printed
  POST /_ctl/reset       everything as at the start; booted instances are ended
"""

import argparse
import base64
import email.utils
import functools
import http.server
import json
import secrets
import socket
import socketserver
import threading
import time
import traceback
import urllib.parse
import uuid

import aws_actions
import aws_catalog
import aws_control
import aws_gate
import aws_launch
import aws_prices
import aws_signature
import aws_state
import aws_wire
import lifeline
from aws_wire import AWSError

KEY_ID, SECRET = "AKIACLOUDJOBSTEST001", "cloudjobs-test-secret"
# More than 200 connections wait for their turn.
CONNECTIONS = 200
LARGEST = 1 << 20
EC2_VERSION, STS_VERSION = "2016-11-15", "2011-06-15"
TARGETS = {"ssm": ("AmazonSSM", ("GetParameter", "GetParameters")), "secretsmanager": ("secretsmanager", ("GetSecretValue",))}


class Dropped(Exception):
    """The connection is to be cut."""


class Service:
    """Everything that the connections share."""

    def __init__(self, record, seed):
        self.seed, self.started = seed, time.time()
        self.models = aws_wire.Models()
        self.lock = threading.RLock()
        self.gate = aws_gate.Gate(self.clock, record)
        self.settings = {}
        self.boots = None
        self.reset()
        self.judge = aws_signature.Judge(self.keys, lambda: time.time() + self.settings["skew_seconds"])
        # Read now, not in the first call.
        self.models.of("ec2")
        self.writer("Instance")

    def reset(self):
        self.shift = 0.0
        self.settings.clear()
        self.settings.update(aws_state.SETTINGS)
        self.gate.reset()
        self.prices = aws_prices.Prices(self.seed, self.started)
        self.regions, self.enabled = {}, set(aws_catalog.DEFAULT_REGIONS)
        self.ec2 = aws_actions.EC2(self.writer, self.enabled)
        self.secrets, self.parameters = {}, {}
        if not hasattr(self, "keys"):
            self.keys = {}
        self.keys.clear()
        arn = f"arn:aws:iam::{aws_catalog.ACCOUNT}:user/tester"
        self.keys[KEY_ID] = aws_signature.Key(SECRET, arn, "AIDATESTERTESTERTESTE")

    def clock(self):
        return time.time() + self.shift

    def region(self, name):
        with self.lock:
            if name not in self.regions:
                self.regions[name] = aws_state.Region(name, self.clock, self.settings, self.prices)
            return self.regions[name]

    @functools.cache
    def writer(self, shape):
        return aws_wire.Writer(self.models.of("ec2").shape_for(shape))

    @functools.cache
    def output_writer(self, action):
        shape = self.models.of("ec2").operation_model(action).output_shape
        return aws_wire.Writer(shape) if shape else None

    def temporary_key(self, arn, seconds):
        """A key that needs its session token: (id, key)."""
        identifier = "ASIA" + base64.b32encode(secrets.token_bytes(10)).decode()
        key = aws_signature.Key(
            secrets.token_urlsafe(30), arn, "AROATESTERTESTERTESTE:" + arn.rpartition("/")[2], secrets.token_urlsafe(120),
            time.time() + seconds)
        self.keys[identifier] = key
        return identifier, key

    # MARK: Calls

    def call(self, service, action, region, key, pairs, document):
        """Carries out a call: (type, text) of the answer."""
        if service == "ec2":
            return self.call_ec2(action, region, key, pairs)
        if service == "sts":
            return self.call_sts(action, region, key, pairs)
        return self.call_json(service, action, region, key, document)

    def call_ec2(self, action, region, key, pairs):
        perform = aws_actions.ACTIONS.get(action)
        if perform is None:
            raise AWSError("InvalidAction", f"The action {action} is not valid for this web service.")
        operation = self.models.of("ec2").operation_model(action)
        request = aws_wire.read_query(operation.input_shape, pairs)
        self.gate.admit(region, action, request)
        self.gate.permit("ec2", action, region, request, key.arn)
        # RunInstances looks further before it says that it would.
        if request.get("DryRun") and action != "RunInstances":
            raise aws_launch.dry_run()
        place = self.region(region)
        with place.lock:
            place.settle()
            result = perform(self.ec2, place, request)
        writer = self.output_writer(action)
        # Actions without an output say that they were carried out.
        body = writer.text(result) if writer else "<return>true</return>"
        return "text/xml;charset=UTF-8", (
            f'{aws_wire.XML}<{action}Response xmlns="http://ec2.amazonaws.com/doc/{EC2_VERSION}/">'
            f"<requestId>{uuid.uuid4()}</requestId>{body}</{action}Response>")

    def call_sts(self, action, region, key, pairs):
        if action != "GetCallerIdentity":
            raise AWSError("InvalidAction", f"Could not find operation {action} for version {STS_VERSION}")
        aws_wire.read_query(self.models.of("sts").operation_model(action).input_shape, pairs, is_ec2=False)
        # Everybody may ask who they are: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
        return "text/xml", (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/{STS_VERSION}/"><{action}Result><Arn>{key.arn}</Arn>'
            f"<UserId>{key.user_id}</UserId><Account>{aws_catalog.ACCOUNT}</Account></{action}Result>"
            f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></{action}Response>")

    def call_json(self, service, action, region, key, document):
        if service not in TARGETS or action not in TARGETS[service][1]:
            raise AWSError("UnknownOperationException", f"There is no {action}")
        request = aws_wire.read_json(self.models.of(service).operation_model(action).input_shape, document)
        self.gate.permit(service, action, region, request, key.arn)
        if service == "secretsmanager":
            result = self.secret(region, request)
        elif action == "GetParameter":
            result = {"Parameter": self.parameter(region, request["Name"])}
            if result["Parameter"] is None:
                raise AWSError("ParameterNotFound", "")
        else:
            found = {name: self.parameter(region, name) for name in request["Names"]}
            result = {
                "Parameters": [each for each in found.values() if each],
                "InvalidParameters": [name for name, each in found.items() if not each]}
        return "application/x-amz-json-1.1", json.dumps(result)

    def secret(self, region, request):
        name = request["SecretId"].rpartition(":secret:")[2]
        found = self.secrets.get(name) or self.secrets.get(name.rpartition("-")[0])
        if found is None:
            raise AWSError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return {
            "ARN": f"arn:aws:secretsmanager:{region}:{aws_catalog.ACCOUNT}:secret:{found['name']}-Ab3dE6", "Name": found["name"],
            "VersionId": found["version"], "SecretString": found["value"], "VersionStages": ["AWSCURRENT"], "CreatedDate": found["created"]}

    def parameter(self, region, name):
        value = self.parameters.get(name) or aws_catalog.image_parameters(region).get(name)
        if value is None:
            return None
        return {
            "Name": name, "Type": "String", "Value": value, "Version": 1, "LastModifiedDate": self.started, "DataType": "text",
            "ARN": f"arn:aws:ssm:{region}::parameter{name}"}


def refusal(service, error, now):
    """What a service answers to a request that it does not believe.

    EC2 says AuthFailure for a wrong key, a wrong signature and a wrong clock alike; the others tell them apart.
    """
    if service == "ec2":
        if error.kind == "missing":
            return AWSError("MissingParameter", "The request must contain the parameter AWSAccessKeyId", 400, error.detail)
        if error.kind == "expired":
            return AWSError("RequestExpired", "Request has expired.", 400, error.detail)
        return AWSError("AuthFailure", "AWS was not able to validate the provided access credentials", 401, error.detail)
    suffix, status = ("Exception", 400) if service in TARGETS else ("", 403)
    texts = {
        "missing": ("MissingAuthenticationToken", "Request is missing Authentication Token"),
        "incomplete": ("IncompleteSignature", "The request signature does not conform to AWS standards."),
        "key": ("UnrecognizedClient" if suffix else "InvalidClientTokenId", "The security token included in the request is invalid."),
        "expired": ("ExpiredToken", "The security token included in the request is expired"),
        "signature": (
            "InvalidSignature" if suffix else "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
            "signing method. Consult the service documentation for details."),
    }
    texts["token"] = texts["key"]
    if error.kind == "skew":
        form = "%Y%m%dT%H%M%SZ"
        signed, here, edge = (
            time.strftime(form, time.gmtime(each))
            for each in (error.signed_at, now, now - aws_signature.SKEW if error.signed_at < now else now + aws_signature.SKEW))
        word = "Signature expired" if error.signed_at < now else "Signature not yet current"
        side, sign = ("earlier", "-") if error.signed_at < now else ("later", "+")
        code, text = texts["signature"][0], f"{word}: {signed} is now {side} than {edge} ({here} {sign} 5 min.)"
    else:
        code, text = texts[error.kind]
    return AWSError(code + suffix, text, status, error.detail)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    wbufsize = -1
    disable_nagle_algorithm = True
    server_version, sys_version = "AmazonEC2", ""

    def log_message(self, *arguments):
        pass

    def date_time_string(self, timestamp=None):
        return email.utils.formatdate(timestamp or time.time() + self.server.service.settings["skew_seconds"], usegmt=True)

    def do_POST(self):
        self.serve()

    def do_GET(self):
        self.serve()

    do_PUT = do_DELETE = do_HEAD = do_GET

    def serve(self):
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if length < 0 or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            return self.answer(411, "text/plain", "Length Required")
        if length > LARGEST:
            self.close_connection = True
            return self.answer(413, "text/plain", "Request Entity Too Large")
        body = self.rfile.read(length)
        # `self.path` has lost doubled slashes.
        target = self.requestline.split(" ")[1]
        if target.startswith("/_ctl/"):
            return self.control(target, body)
        try:
            self.api(target, body)
        except Dropped:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def control(self, target, body):
        path, _, query = target.partition("?")
        try:
            options = json.loads(body) if body else dict(urllib.parse.parse_qsl(query))
            result, status = aws_control.perform(self.server.service, path.removeprefix("/_ctl/"), options), 200
        except (KeyError, ValueError, TypeError, AWSError) as error:
            result, status = {"error": f"{type(error).__name__}: {error}"}, 400
        self.answer(status, "application/json", json.dumps(result))

    def api(self, target, body):
        service = self.server.service
        started, request_id = time.time(), str(uuid.uuid4())
        entry = {"time": service.clock(), "method": self.command, "client": f"{self.client_address[1]}"}
        headers = {}
        for name, value in self.headers.items():
            headers.setdefault(name.lower(), []).append(value)
        name = self.service_name(target, headers)
        late = False
        try:
            try:
                scope, key = service.judge.judge(self.command, target, headers, body)
            except aws_signature.Refusal as error:
                raise refusal(name, error, service.judge.now()) from error
            region = scope.region
            entry.update(service=name, region=region, key=scope.key_id)
            action, pairs, document = self.read(name, target, headers, body)
            entry.update(action=action, parameters=pairs or document)
            if region not in service.enabled:
                raise refusal(name, aws_signature.Refusal("key", f"the region {region} is not enabled"), service.judge.now())
            service.gate.count(name, region, action)
            for fault in service.gate.faults_of(action, region):
                if fault.kind == "drop_before":
                    entry.update(fault=fault.kind)
                    raise Dropped
                if fault.kind == "delay":
                    time.sleep(fault.seconds)
                if fault.kind == "error":
                    raise fault.error
                late = late or fault.kind == "drop_after"
            status, (kind, text) = 200, service.call(name, action, region, key, pairs, document)
        except AWSError as error:
            status, (kind, text) = error.status, aws_wire.error_body(name, error, request_id)
            entry.update(error=error.code, message=error.message, detail=error.detail)
            if error.detail or error.code in ("UnknownParameter", "InvalidAction", "SerializationException", "MissingParameter"):
                service.gate.violates(f"{entry.get('action', name)}: {error.detail or error.message}")
        except Dropped:
            service.gate.note(entry)
            raise
        except Exception:
            # A fault of the stand-in itself is told as such, and shows in the state.
            status, (kind, text) = 500, aws_wire.error_body(name, AWSError("InternalError", "An internal error has occurred"), request_id)
            entry.update(error="InternalError", detail=traceback.format_exc())
            service.gate.violates(f"{entry.get('action')}: the stand-in failed: {traceback.format_exc()}")
        entry.update(status=status, seconds=round(time.time() - started, 4), bytes=len(text))
        if late:
            entry.update(fault="drop_after")
        service.gate.note(entry)
        if late:
            raise Dropped
        self.answer(status, kind, text, request_id)

    @staticmethod
    def service_name(target, headers):
        """The service that a request claims to be for, by which errors are written."""
        claimed = urllib.parse.unquote(headers.get("authorization", [""])[0] + target)
        for name in ("sts", "ssm", "secretsmanager"):
            if f"/{name}/aws4_request" in claimed:
                return name
        return "ec2"

    def read(self, name, target, headers, body):
        """The action, and its parameters as pairs or as a document."""
        if name in TARGETS:
            prefix, _, action = headers.get("x-amz-target", [""])[0].rpartition(".")
            if prefix != TARGETS[name][0]:
                raise AWSError("UnknownOperationException", f"X-Amz-Target is {prefix}.{action}")
            try:
                return action, None, json.loads(body)
            except ValueError as error:
                raise AWSError("SerializationException", str(error)) from error
        query = target.partition("?")[2]
        try:
            pairs = aws_wire.read_form(body.decode() if self.command == "POST" else query)
        except UnicodeDecodeError as error:
            raise AWSError("InvalidParameterValue", f"The body is not UTF-8: {error}") from error
        pairs = {key: value for key, value in pairs.items() if not key.startswith("X-Amz-")}
        action, version = pairs.pop("Action", None), pairs.pop("Version", None)
        if action is None:
            raise AWSError("MissingAction", "The request must contain the parameter Action")
        wanted = EC2_VERSION if name == "ec2" else STS_VERSION
        if version != wanted:
            raise AWSError("NoSuchVersion", f"The requested version ({version}) of service {name} does not exist")
        return action, pairs, None

    def answer(self, status, kind, text, request_id=None):
        data = text.encode()
        self.send_response(status)
        if request_id:
            self.send_header("x-amzn-RequestId", request_id)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address, service):
        super().__init__(address, Handler)
        self.service = service
        self.places = threading.BoundedSemaphore(CONNECTIONS)

    def process_request(self, request, client_address):
        self.places.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    def handle_error(self, request, client_address):
        # A client that went away is none of ours.
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--record")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", default="cloudjobs")
    arguments = parser.parse_args()
    service = Service(lifeline.Record(arguments.record), arguments.seed)
    server = Server(("127.0.0.1", arguments.port), service)
    service.port = server.server_address[1]
    lifeline.announce(service.port)
    lifeline.die_with_parent()
    server.serve_forever()


if __name__ == "__main__":
    main()
