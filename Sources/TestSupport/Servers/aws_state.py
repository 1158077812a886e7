"""Instances and spot requests of one region, and how time changes them.

All moments are those of the stand-in's own clock, which tests move on. What is due happens when it is next looked at.
"""

import bisect
import ipaddress
import itertools
import random
import threading

import aws_catalog
from aws_wire import AWSError

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
LIVE = ("pending", "running")

REASONS = {
    "Client.InstanceInitiatedShutdown": "Instance initiated shutdown",
    "Client.UserInitiatedShutdown": "User initiated shutdown",
    "Server.InternalError": "Internal error on launch",
    "Server.InsufficientInstanceCapacity": "Insufficient capacity to satisfy the request",
    "Server.ScheduledStop": "Stopped due to a scheduled retirement",
    "Server.SpotInstanceTermination": "Spot instance termination",
    "Server.SpotInstanceShutdown": "Spot instance shutdown",
    "Client.VolumeLimitExceeded": "Volume limit exceeded",
}

# What a spot request says when EC2 takes its instance.
INTERRUPTIONS = {
    "no-capacity": "There is no capacity available that matches your request.",
    "by-price": "Your Spot Instance was terminated because the Spot price exceeded your maximum price.",
    "capacity-oversubscribed": "There are more Spot requests than there are Spot Instances.",
}

SETTINGS = {
    "pending_seconds": 1.0, "shutting_down_seconds": 1.0, "visibility_seconds": 0.0, "tag_visibility_seconds": 0.0,
    "fulfil_seconds": 0.0, "notice_seconds": 120.0, "vanish_seconds": 3600.0, "request_vanish_seconds": 4 * 3600.0,
    "initializing_seconds": 0.0, "vcpu_limit": None, "spot_limit": None, "skew_seconds": 0.0,
}


class Instance:
    """One instance. `facts` are those that never change; `text` is its XML as last written, None when it has changed."""

    def __init__(self, region, facts, launched, reservation, zone, market):
        self.region, self.facts, self.launched, self.reservation = region, facts, launched, reservation
        self.zone, self.market = zone, market
        self.id, self.type = facts["InstanceId"], facts["InstanceType"]
        self.state, self.text = "pending", None
        self.visible_at = self.tags_visible_at = launched
        self.running_at = launched
        self.tags = {}
        self.reason, self.transition = None, ""
        # What ends it: (when, code of the reason, text of the transition, final state).
        self.ending, self.done_at, self.ended_at = None, None, None
        self.request = None
        self.private_ip = self.public_ip = None
        self.network, self.volumes = [], []
        self.shutdown_behavior = "stop"
        self.user_data, self.profile, self.key = None, None, None
        self.notice_at = self.interrupt_at = self.rebalance_at = None
        self.health, self.events = "ok", []
        # The booted instance behind it, which says itself when it runs and when it has ended.
        self.guest = None

    def changed(self):
        self.text = None

    def view(self, now):
        """What DescribeInstances says of it."""
        view = dict(self.facts)
        view["State"] = self.state_view()
        view["StateTransitionReason"] = self.transition
        if self.reason:
            view["StateReason"] = {"Code": self.reason, "Message": f"{self.reason}: {REASONS.get(self.reason, 'Ended')}"}
        if now >= self.tags_visible_at and self.tags:
            view["Tags"] = [{"Key": key, "Value": value} for key, value in self.tags.items()]
        view["PrivateDnsName"] = view["PublicDnsName"] = ""
        if self.state == "terminated":
            # It has neither addresses nor a network nor volumes any more.
            for name in ("SubnetId", "VpcId", "SourceDestCheck"):
                view.pop(name, None)
            view["BlockDeviceMappings"], view["NetworkInterfaces"], view["SecurityGroups"] = [], [], []
            return view
        if self.private_ip:
            view["PrivateIpAddress"] = self.private_ip
            view["PrivateDnsName"] = f"ip-{self.private_ip.replace('.', '-')}.{self.region.name}.compute.internal"
        if self.public_ip and self.state in LIVE:
            view["PublicIpAddress"] = self.public_ip
            view["PublicDnsName"] = f"ec2-{self.public_ip.replace('.', '-')}.{self.region.name}.compute.amazonaws.com"
        view["BlockDeviceMappings"], view["NetworkInterfaces"] = self.volumes, self.network
        return view

    def state_view(self):
        return {"Code": CODES[self.state], "Name": self.state}


class SpotRequest:
    """A spot instance request: its state, and the status that explains it."""

    def __init__(self, region, identifier, specification, created, kind, max_price):
        self.region, self.id, self.specification, self.created = region, identifier, specification, created
        self.kind, self.max_price = kind, max_price
        self.tags, self.tags_visible_at = {}, created
        self.instance = None
        self.valid_until, self.client_token = None, None
        self.evaluate_at = created
        self.ended_at = None
        # Launches its instance; None when RunInstances has done so.
        self.launch = None
        self.set("open", "pending-evaluation", created)

    def set(self, state, code, now, message=None):
        self.state, self.code, self.updated = state, code, now
        self.message = message or STATUS_MESSAGES.get(code, "")
        self.ended_at = now if state in ("closed", "cancelled", "failed") else None
        self.region.restless.add(self)

    def view(self, now):
        specification = self.specification
        return {
            "SpotInstanceRequestId": self.id, "SpotPrice": self.max_price, "Type": self.kind, "State": self.state,
            "Status": {"Code": self.code, "UpdateTime": self.updated, "Message": self.message},
            "InstanceId": self.instance.id if self.instance else None, "CreateTime": self.created,
            "LaunchSpecification": specification["view"], "ProductDescription": "Linux/UNIX",
            "LaunchedAvailabilityZone": self.instance.zone if self.instance else None,
            "InstanceInterruptionBehavior": "terminate", "ValidUntil": self.valid_until,
            "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()] if now >= self.tags_visible_at else [],
        }


STATUS_MESSAGES = {
    "pending-evaluation": "Your Spot request has been submitted for review, and is pending evaluation.",
    "pending-fulfillment": "Your Spot request is pending fulfillment.",
    "fulfilled": "Your Spot request is fulfilled.",
    "capacity-not-available": "There is no Spot capacity available that matches your request.",
    "price-too-low": "Your Spot request price is lower than the minimum required Spot request fulfillment price.",
    "canceled-before-fulfillment": "You canceled your Spot request before it could be fulfilled.",
    "request-canceled-and-instance-running":
        "You canceled your Spot request, but your Spot Instance is still running and should be terminated manually.",
    "instance-terminated-by-user": "You terminated your Spot Instance, or it shut itself down.",
    "schedule-expired": "Your Spot request expired before it could be fulfilled.",
}


class Region:
    """What one region has. Whoever uses it holds `lock`, and has called `settle` first."""

    def __init__(self, name, clock, settings, prices):
        self.name, self.clock, self.settings, self.prices = name, clock, settings, prices
        self.lock = threading.RLock()
        self.source = random.Random()
        self.instances, self.order = {}, []
        self.requests = {}
        self.restless = set()
        self.tokens = {}
        self.capacity = {}
        self.extra_groups, self.keys = {}, {}
        self.addresses = itertools.count(256)
        self.vpc = aws_catalog.stable_id("vpc", name, "default")
        zones = aws_catalog.types_by_zone(name)
        self.subnets = {aws_catalog.stable_id("subnet", name, zone): zone for zone in zones}
        self.subnet_of = {zone: subnet for subnet, zone in self.subnets.items()}
        self.group = aws_catalog.stable_id("sg", name, "default")

    def now(self):
        return self.clock()

    def new_id(self, prefix):
        if prefix == "sir":
            return "sir-" + "".join(self.source.choices("abcdefghijkmnpqrstuvwxyz23456789", k=8))
        return f"{prefix}-0{self.source.getrandbits(64):016x}"

    def new_addresses(self):
        number = next(self.addresses)
        return str(ipaddress.IPv4Address("172.31.0.0") + number % 65000), str(ipaddress.IPv4Address("198.18.0.0") + number % 131000)

    def add(self, instance):
        self.instances[instance.id] = instance
        bisect.insort(self.order, instance.id)
        self.restless.add(instance)

    # MARK: Time

    def settle(self):
        now = self.now()
        for each in list(self.restless):
            if isinstance(each, Instance):
                self.settle_instance(each, now)
            else:
                self.settle_request(each, now)

    def settle_instance(self, each, now):
        if each.state == "pending" and each.running_at is not None and now >= each.running_at:
            self.move(each, "running")
        if each.ending and each.state in LIVE and now >= each.ending[0]:
            at, code, text, final = each.ending
            each.reason, each.transition = code, text
            self.move(each, "stopping" if final == "stopped" else "shutting-down")
            if each.guest:
                each.guest.power_off()
            else:
                each.done_at = at + self.settings["shutting_down_seconds"]
        if each.state in ("shutting-down", "stopping") and each.done_at is not None and now >= each.done_at:
            self.move(each, each.ending[3])
            each.ended_at = each.done_at
        if each.state == "terminated":
            if now >= each.ended_at + self.settings["vanish_seconds"]:
                self.forget(each)
        elif each.ending is None and each.state in ("running", "stopped"):
            self.restless.discard(each)

    def move(self, instance, state):
        instance.state = state
        instance.changed()

    def forget(self, instance):
        del self.instances[instance.id]
        del self.order[bisect.bisect_left(self.order, instance.id)]
        self.restless.discard(instance)

    def settle_request(self, each, now):
        if each.state == "open":
            if each.valid_until is not None and now >= each.valid_until:
                each.set("cancelled", "schedule-expired", now)
            elif each.launch and now >= each.evaluate_at:
                each.launch(each, now)
        elif each.ended_at is not None:
            gone = each.instance is None or each.instance.state == "terminated"
            if gone and now >= each.ended_at + self.settings["request_vanish_seconds"]:
                self.requests.pop(each.id, None)
                self.restless.discard(each)
        elif each.state == "active":
            self.restless.discard(each)

    def end(self, instance, code, text, final="terminated", at=None):
        """Ends it, now or at a moment; an earlier end stands."""
        at = self.now() if at is None else at
        if instance.state in ("stopped", "stopping") and final == "terminated":
            instance.reason, instance.transition = code, text
            instance.ending, instance.done_at = (at, code, text, final), at + self.settings["shutting_down_seconds"]
            self.move(instance, "shutting-down")
        elif instance.state in LIVE and (instance.ending is None or at < instance.ending[0]):
            instance.ending = (at, code, text, final)
        self.restless.add(instance)
        self.settle_instance(instance, self.now())

    def close_request(self, instance, now):
        """What becomes of the request of an instance that its user ended."""
        request = instance.request
        if request is None or request.state == "closed":
            return
        if request.state == "cancelled":
            request.set("cancelled", "instance-terminated-by-user", now)
        else:
            request.set("closed", "instance-terminated-by-user", now)

    def shut_itself_down(self, instance):
        """What becomes of an instance that has called `shutdown`."""
        final = "terminated" if instance.shutdown_behavior == "terminate" else "stopped"
        self.close_request(instance, self.now())
        self.end(instance, "Client.InstanceInitiatedShutdown", "", final=final)

    def interrupt(self, instance, reason, seconds):
        """The two-minute notice: the request says at once that the instance is terminated, which still runs."""
        now = self.now()
        if instance.request is None or instance.state not in LIVE:
            raise ValueError(f"{instance.id} is no live spot instance")
        if reason not in INTERRUPTIONS:
            raise ValueError(f"no such reason: {reason}; there are {sorted(INTERRUPTIONS)}")
        instance.notice_at, instance.interrupt_at = now, now + seconds
        if instance.rebalance_at is None:
            instance.rebalance_at = now
        request = instance.request
        state = "open" if request.kind == "persistent" and request.state == "active" else "closed"
        if request.state == "cancelled":
            state = "cancelled"
        request.set(state, "instance-terminated-" + reason, now, INTERRUPTIONS[reason])
        if state == "open":
            request.evaluate_at = instance.interrupt_at + 1
        self.end(instance, "Server.SpotInstanceTermination", "Server.SpotInstanceTermination", at=instance.interrupt_at)

    # MARK: What there is room for

    def room(self, name, zone, market):
        """How many more can be launched there; None when there is no bound."""
        for key in ((name, zone, market), (name, zone, "*"), (name, "*", market), (name, "*", "*"), ("*", zone, market),
                    ("*", zone, "*"), ("*", "*", market), ("*", "*", "*")):
            if key in self.capacity:
                used = sum(
                    each.type == name and each.zone == zone and each.market == market and each.state in LIVE
                    for each in self.instances.values())
                return max(0, self.capacity[key] - used)
        return None

    def find_instances(self, identifiers, for_change=False):
        """The instances by id, or the error that names all that are unknown."""
        for each in identifiers:
            check_id("i", each, "InvalidInstanceID")
        now = self.now()
        known = [self.instances.get(each) for each in identifiers]
        missing = [name for name, each in zip(identifiers, known) if each is None or now < each.visible_at]
        if missing:
            raise not_found("InvalidInstanceID", "instance ID", missing)
        return list(dict.fromkeys(known))


def check_id(prefix, identifier, code):
    if prefix == "sir":
        fine = identifier.startswith("sir-") and len(identifier) == 12 and identifier[4:].isalnum()
    else:
        digits = identifier.removeprefix(prefix + "-")
        fine = identifier.startswith(prefix + "-") and len(digits) in (8, 17) and not digits.strip("0123456789abcdef")
    if not fine:
        raise AWSError(code + ".Malformed", f'Invalid id: "{identifier}"')


def not_found(code, noun, identifiers):
    one = len(identifiers) == 1
    text = f"The {noun}{'' if one else 's'} '{', '.join(identifiers)}' {'does' if one else 'do'} not exist"
    return AWSError(code + ".NotFound", text)
