"""What stands before every call: counts, throttling, faults, permissions; and the log."""

import base64
import collections
import itertools
import threading
import zlib

import aws_catalog
from aws_wire import AWSError

# Tokens and what comes back a second, per account and region:
# https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
BUCKETS = {
    "describe": (100, 20), "unfiltered": (50, 10), "mutating": (50, 5), "RunInstances": (5, 2), "RunInstances/instances": (1000, 2),
    "TerminateInstances": (100, 5), "TerminateInstances/instances": (1000, 20), "CreateTags": (100, 10),
    "RequestSpotInstances": (50, 5), "CancelSpotInstanceRequests": (50, 5),
}
COSTLY = ("DescribeInstances", "DescribeInstanceStatus", "DescribeSpotInstanceRequests")


class Throttle:
    """Token buckets; off until it is switched on."""

    def __init__(self, clock):
        self.clock, self.enabled, self.levels = clock, False, {}
        self.refused = collections.Counter()

    def charges(self, action, request):
        """The buckets that a call draws on, and how much."""
        if action.startswith("Describe"):
            # Ids are no filter: the manual speaks of pagination and filters only.
            small = action in COSTLY and not request.get("Filters") and request.get("MaxResults") is None
            return {"unfiltered" if small else "describe": 1}
        charges = {action if action in BUCKETS else "mutating": 1}
        if action == "RunInstances":
            charges["RunInstances/instances"] = request.get("MaxCount", 1)
        if action == "TerminateInstances":
            charges["TerminateInstances/instances"] = len(request.get("InstanceIds", ()))
        return charges

    def admit(self, region, action, request):
        if not self.enabled:
            return
        now, charges = self.clock(), self.charges(action, request)
        for bucket in charges:
            capacity, refill = BUCKETS[bucket]
            level, since = self.levels.get((region, bucket), (capacity, now))
            self.levels[(region, bucket)] = (min(capacity, level + (now - since) * refill), now)
        if any(self.levels[(region, bucket)][0] < amount for bucket, amount in charges.items()):
            self.refused[f"{region} {action}"] += 1
            raise AWSError("RequestLimitExceeded", "Request limit exceeded.", 503)
        for bucket, amount in charges.items():
            level, since = self.levels[(region, bucket)]
            self.levels[(region, bucket)] = (level - amount, since)


class Fault:
    KINDS = ("drop_before", "drop_after", "error", "delay")

    def __init__(self, options):
        self.action, self.region, self.kind = options.get("action", "*"), options.get("region", "*"), options["kind"]
        if self.kind not in self.KINDS:
            raise ValueError(f"no such kind of fault: {self.kind}; there are {self.KINDS}")
        self.after, self.times, self.seconds = options.get("after", 0), options.get("times"), options.get("seconds", 1.0)
        self.error = AWSError(
            options.get("code", "InternalError"), options.get("message", "An internal error has occurred"), options.get("status", 500))
        self.hits = 0

    def takes(self, action, region):
        if self.action not in ("*", action) or self.region not in ("*", region):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        return True


class Gate:
    def __init__(self, clock, record):
        self.lock, self.record = threading.Lock(), record
        self.throttle = Throttle(clock)
        self.reset()

    def reset(self):
        self.faults, self.denied = [], set()
        self.throttle.enabled, self.throttle.levels = False, {}
        self.throttle.refused.clear()
        self.calls, self.violations = {}, []
        self.log, self.numbers = collections.deque(maxlen=50000), itertools.count(1)

    def count(self, service, region, action):
        with self.lock:
            name = action if service == "ec2" else f"{service}:{action}"
            self.calls.setdefault(region, collections.Counter())[name] += 1

    def faults_of(self, action, region):
        with self.lock:
            return [each for each in self.faults if each.takes(action, region)]

    def admit(self, region, action, request):
        with self.lock:
            self.throttle.admit(region, action, request)

    def note(self, entry):
        with self.lock:
            entry["number"] = next(self.numbers)
            self.log.append(entry)
        self.record.write(**entry)

    def violates(self, what):
        """Notes what no real client should have sent."""
        with self.lock:
            if what not in self.violations:
                self.violations.append(what)

    def deny(self, action, region, allow):
        with self.lock:
            (self.denied.discard if allow else self.denied.add)((action, region))

    def is_denied(self, action, region):
        return (action, region) in self.denied or (action, "*") in self.denied

    def permit(self, service, action, region, request, arn):
        """Refuses what was denied, tagging at creation and passing a role included."""
        wanted = [f"{service}:{action}"]
        if service == "ec2" and request.get("TagSpecifications"):
            wanted.append("ec2:CreateTags")
        if service == "ec2" and (request.get("IamInstanceProfile") or request.get("LaunchSpecification", {}).get("IamInstanceProfile")):
            wanted.append("iam:PassRole")
        refused = [each for each in wanted if self.is_denied(each, region)]
        if not refused:
            return
        text = f"User: {arn} is not authorized to perform: {refused[0]}"
        if service != "ec2":
            code, status = ("AccessDenied", 403) if service == "sts" else ("AccessDeniedException", 400)
            raise AWSError(code, f"{text} because no identity-based policy allows the {refused[0]} action", status)
        encoded = base64.urlsafe_b64encode(zlib.compress(f'{{"allowed":false,"action":"{refused[0]}"}}'.encode())).decode()
        raise AWSError(
            "UnauthorizedOperation",
            f"You are not authorized to perform this operation. {text} on resource: arn:aws:ec2:{region}:{aws_catalog.ACCOUNT}:* "
            f"because no identity-based policy allows the {refused[0]} action. Encoded authorization failure message: {encoded}", 403)
