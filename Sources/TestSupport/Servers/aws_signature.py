"""Judges signatures (AWS Signature Version 4) by the raw request target, as strictly as AWS documents them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

Refused: a key that is not known; a signature that differs; a header that is signed but absent; `host`, `content-type` or an
`x-amz-*` header that is present but not signed; a body whose hash is not the signed one; a date more than five minutes
away; a temporary key without its session token, or past its end.
"""

import calendar
import dataclasses
import hashlib
import hmac
import re
import time
import urllib.parse

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = 300


class Refusal(Exception):
    """Why a request is not believed: `kind` is one of missing, incomplete, key, signature, skew, expired, token."""

    def __init__(self, kind, detail, signed_at=None):
        super().__init__(detail)
        self.kind, self.detail, self.signed_at = kind, detail, signed_at


@dataclasses.dataclass
class Key:
    secret: str
    arn: str
    user_id: str
    token: str | None = None
    expires: float | None = None


@dataclasses.dataclass
class Scope:
    key_id: str
    date: str
    region: str
    service: str

    @property
    def text(self):
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def scope_of(credential):
    parts = credential.split("/")
    if len(parts) != 5 or parts[4] != "aws4_request" or not all(parts):
        raise Refusal("incomplete", f"the credential {credential!r} is not KEY/DATE/REGION/SERVICE/aws4_request")
    return Scope(*parts[:4])


def quote(text, safe=""):
    return urllib.parse.quote(text, safe="-_.~" + safe)


def canonical_path(path, service):
    if service == "s3":
        return quote(urllib.parse.unquote(path, errors="surrogateescape"), "/") or "/"
    parts = []
    for part in path.split("/"):
        if part == "..":
            parts[-1:] = []
        elif part not in ("", "."):
            parts.append(quote(part))
    tail = "/" if parts and path.endswith("/") else ""
    return "/" + "/".join(parts) + tail


def canonical_query(query, without=()):
    pairs = []
    for part in query.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        # A plus is a plus here: only forms mean a blank by it.
        name, value = (quote(urllib.parse.unquote(each, errors="surrogateescape")) for each in (name, value))
        if name not in without:
            pairs.append((name, value))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def signing_key(secret, scope):
    key = ("AWS4" + secret).encode()
    for part in (scope.date, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


class Judge:
    """Knows the keys and the time."""

    def __init__(self, keys, now=time.time):
        self.keys, self.now = keys, now

    def judge(self, method, target, headers, body):
        """The scope and the key of a request that is believed. `headers`: name in lower case to a list of values."""
        path, _, query = target.partition("?")
        authorization = headers.get("authorization")
        parameters = dict(
            (urllib.parse.unquote(name), urllib.parse.unquote(value))
            for name, _, value in (part.partition("=") for part in query.split("&")))
        if authorization:
            if len(authorization) > 1:
                raise Refusal("incomplete", "two Authorization headers")
            algorithm, _, rest = authorization[0].strip().partition(" ")
            if algorithm != ALGORITHM:
                raise Refusal("incomplete", f"the algorithm is {algorithm!r}")
            fields = dict(re.findall(r"(\w+)=([^,\s]+)", rest))
            if set(fields) != {"Credential", "SignedHeaders", "Signature"}:
                raise Refusal("incomplete", f"Authorization has {sorted(fields)}")
            date = headers.get("x-amz-date", [None])[0]
            token = headers.get("x-amz-security-token", [None])[0]
            lifetime, without = None, ()
        elif parameters.get("X-Amz-Algorithm") == ALGORITHM:
            fields = {name: parameters.get("X-Amz-" + name, "") for name in ("Credential", "SignedHeaders", "Signature")}
            date, token = parameters.get("X-Amz-Date"), parameters.get("X-Amz-Security-Token")
            lifetime, without = parameters.get("X-Amz-Expires", "900"), ("X-Amz-Signature",)
        else:
            raise Refusal("missing", "the request is not signed")
        scope = scope_of(fields["Credential"])
        signed = fields["SignedHeaders"].split(";")
        self.check_headers(headers, signed)
        signed_at = self.check_date(date, scope, lifetime)
        key = self.keys.get(scope.key_id)
        if key is None:
            raise Refusal("key", f"there is no key {scope.key_id}")
        payload = self.payload_hash(headers, body, scope, lifetime)
        canonical = "\n".join([
            method, canonical_path(path, scope.service), canonical_query(query, without),
            *(f"{name}:{self.header(headers, name)}" for name in signed), "", ";".join(signed), payload])
        text = "\n".join([ALGORITHM, date, scope.text, hashlib.sha256(canonical.encode("latin-1")).hexdigest()])
        wanted = hmac.new(signing_key(key.secret, scope), text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted, fields["Signature"]):
            raise Refusal("signature", f"the signature of this canonical request differs: {canonical!r}")
        if key.token is not None and token != key.token:
            raise Refusal("token", "the session token of this temporary key is " + ("missing" if token is None else "another"))
        if key.token is None and token is not None:
            raise Refusal("token", "a session token came with a key that is not temporary")
        if key.expires is not None and self.now() >= key.expires:
            raise Refusal("expired", "the temporary key has expired")
        # Judged last: without a right signature the date means nothing.
        self.check_time(signed_at, lifetime)
        return scope, key

    @staticmethod
    def header(headers, name):
        return ",".join(re.sub(" +", " ", value.strip()) for value in headers[name])

    @staticmethod
    def check_headers(headers, signed):
        if signed != sorted(set(signed)) or any(name != name.lower() for name in signed):
            raise Refusal("incomplete", f"signed headers are not sorted, single and in lower case: {signed}")
        absent = [name for name in signed if name not in headers]
        if absent:
            raise Refusal("signature", f"signed but absent: {absent}")
        bare = [
            name for name in headers
            if (name in ("host", "content-type") or name.startswith("x-amz-")) and name not in signed]
        if bare or "host" not in signed:
            raise Refusal("signature", f"present but not signed: {bare or ['host']}")

    @staticmethod
    def check_date(date, scope, lifetime):
        try:
            signed_at = calendar.timegm(time.strptime(date or "", "%Y%m%dT%H%M%SZ"))
            if lifetime is not None and not 1 <= int(lifetime) <= 604800:
                raise ValueError
        except ValueError:
            raise Refusal("incomplete", f"X-Amz-Date is {date!r}, X-Amz-Expires {lifetime!r}") from None
        if not date.startswith(scope.date):
            raise Refusal("signature", f"the date {date} is not in the scope of {scope.date}")
        return signed_at

    def check_time(self, signed_at, lifetime):
        now = self.now()
        early, late = signed_at - SKEW, signed_at + (int(lifetime) if lifetime is not None else SKEW)
        if not early <= now <= late:
            raise Refusal("skew", f"signed {now - signed_at:.0f} s ago", signed_at)

    @staticmethod
    def payload_hash(headers, body, scope, lifetime):
        real = hashlib.sha256(body).hexdigest()
        said = headers.get("x-amz-content-sha256", [None])[0]
        if said in (None, real):
            return "UNSIGNED-PAYLOAD" if scope.service == "s3" and lifetime is not None and said is None else real
        if said == "UNSIGNED-PAYLOAD" and scope.service == "s3":
            return said
        raise Refusal("signature", f"x-amz-content-sha256 is {said}, of the body {real}")
