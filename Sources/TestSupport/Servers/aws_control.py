"""The controls of the stand-in for AWS; fake_aws describes them."""

import base64
import hashlib
import time
import uuid

import aws_boots
import aws_catalog
import aws_gate
import aws_launch
import aws_prices
import aws_signature
import aws_state
from aws_wire import read_time


def perform(service, name, options):
    control = CONTROLS.get(name)
    if control is None:
        raise ValueError(f"no such control: {name}; there are {sorted(CONTROLS)}")
    return control(service, options)


def settings(service, options):
    unknown = set(options) - set(aws_state.SETTINGS)
    if unknown:
        raise ValueError(f"no such settings: {sorted(unknown)}")
    service.settings.update(options)
    return service.settings


def clock(service, options):
    service.shift += options.get("advance", 0)
    for region in list(service.regions.values()):
        with region.lock:
            region.settle()
    return {"now": service.clock()}


def region_of(service, options):
    name = options.get("region", "us-east-1")
    if name not in aws_catalog.regions():
        raise ValueError(f"no such region: {name}")
    return service.region(name)


def capacity(service, options):
    region = region_of(service, options)
    key = tuple(options.get(part, "*") for part in ("type", "zone", "market"))
    with region.lock:
        if options.get("count") is None:
            region.capacity.pop(key, None)
        else:
            region.capacity[key] = options["count"]
    return {}


def prices(service, options):
    product = options.get("product", "Linux/UNIX")
    if product not in aws_prices.PRODUCTS:
        raise ValueError(f"no such product: {product}")
    now = service.clock()
    records = [(read_time(at) if isinstance(at, str) else now - at, price) for at, price in options["records"]]
    service.prices.set(options.get("region", "us-east-1"), options["zone"], options["type"], product, records)
    return {}


def fault(service, options):
    service.gate.faults.append(aws_gate.Fault(options))
    return {}


def release(service, options):
    service.gate.faults.clear()
    return {}


def throttle(service, options):
    service.gate.throttle.enabled, service.gate.throttle.levels = options["enabled"], {}
    return {}


def deny(service, options):
    service.gate.deny(options["action"], options.get("region", "*"), options.get("allow", False))
    return {}


# MARK: Instances


def with_instance(action):
    """A control of one instance, found by its id in whatever region."""

    def perform(service, options):
        for region in list(service.regions.values()):
            with region.lock:
                region.settle()
                instance = region.instances.get(options["instance"])
                if instance is not None:
                    return action(service, region, instance, options) or {}
        raise ValueError(f"no such instance: {options['instance']}")

    return perform


@with_instance
def interrupt(service, region, instance, options):
    region.interrupt(instance, options.get("reason", "no-capacity"), options.get("seconds", service.settings["notice_seconds"]))
    return {"time": instance.interrupt_at}


@with_instance
def rebalance(service, region, instance, options):
    instance.rebalance_at = region.now()


@with_instance
def shutdown(service, region, instance, options):
    region.shut_itself_down(instance)


@with_instance
def end(service, region, instance, options):
    code = options.get("code", "Server.InternalError")
    if code not in aws_state.REASONS:
        raise ValueError(f"no such reason: {code}; there are {sorted(aws_state.REASONS)}")
    region.end(instance, code, code)


@with_instance
def health(service, region, instance, options):
    instance.health = options.get("status", instance.health)
    if "event" in options:
        code = options["event"]
        instance.events = [] if code is None else [
            {"InstanceEventId": "instance-event-" + uuid.uuid4().hex[:17], "Code": code, "Description": code,
             "NotBefore": region.now() + 14 * 86400}]


def bulk(service, options):
    """Instances that run already, with no call counted."""
    region = region_of(service, options)
    spot = options.get("spot", True)
    architecture = aws_catalog.instance_types()[options.get("type", "c5.large")]["ProcessorInfo"]["SupportedArchitectures"]
    image = next(name for name, each in aws_catalog.images(region.name).items() if each["Architecture"] in architecture)
    request = {"ImageId": image, "InstanceType": options.get("type", "c5.large"), "InstanceInitiatedShutdownBehavior": "terminate"}
    if "zone" in options:
        request["Placement"] = {"AvailabilityZone": options["zone"]}
    with region.lock:
        region.settle()
        plan = aws_launch.Plan(service.ec2, region, request)
        now, made = region.now(), []
        for number in range(options["count"]):
            zone = plan.zones[number % len(plan.zones)]
            instance = plan.create(zone, "spot" if spot else "on-demand", region.new_id("r"), 0, now)
            instance.running_at = instance.visible_at = instance.tags_visible_at = now
            instance.tags = {key: value.replace("{n}", str(number)) for key, value in options.get("tags", {}).items()}
            if spot:
                sir = aws_state.SpotRequest(
                    region, region.new_id("sir"), {"view": aws_launch.specification_view(plan)}, now, "one-time",
                    f"{aws_catalog.on_demand_price(plan.type):.6f}")
                sir.set("active", "fulfilled", now)
                region.requests[sir.id] = sir
                service.ec2.attach(instance, sir)
            region.add(instance)
            made.append(instance.id)
        region.settle()
    return {"instances": made}


# MARK: What an account has


def key(service, options):
    name = options.get("name", "tester")
    if options.get("temporary"):
        arn = f"arn:aws:sts::{aws_catalog.ACCOUNT}:assumed-role/{name}/session"
        identifier, made = service.temporary_key(arn, options.get("seconds", 3600))
    else:
        identifier = options.get("id", "AKIA" + uuid.uuid4().hex[:16].upper())
        made = aws_signature.Key(
            options.get("secret", uuid.uuid4().hex), f"arn:aws:iam::{aws_catalog.ACCOUNT}:user/{name}",
            "AIDA" + hashlib.sha256(name.encode()).hexdigest()[:17].upper())
        service.keys[identifier] = made
    return {"id": identifier, "secret": made.secret, "token": made.token, "expires": made.expires}


def key_pair(service, options):
    region = region_of(service, options)
    with region.lock:
        region.keys.pop(options["name"], None)
        view = service.ec2.import_key_pair(
            region, {"KeyName": options["name"], "PublicKeyMaterial": base64.b64encode(options["public"].encode()).decode()})
    return {"id": view["KeyPairId"]}


def group(service, options):
    region = region_of(service, options)
    identifier = aws_catalog.stable_id("sg", region.name, options["name"])
    region.extra_groups[identifier] = options["name"]
    return {"id": identifier}


def profile(service, options):
    service.ec2.profiles[options["name"]] = options.get("role", options["name"])
    return {}


def secret(service, options):
    if options["value"] is None:
        service.secrets.pop(options["name"], None)
    else:
        service.secrets[options["name"]] = {
            "name": options["name"], "value": options["value"], "version": str(uuid.uuid4()), "created": time.time()}
    return {}


def parameter(service, options):
    service.parameters[options["name"]] = options["value"]
    return {}


def regions(service, options):
    unknown = set(options["enabled"]) - set(aws_catalog.regions())
    if unknown:
        raise ValueError(f"no such regions: {sorted(unknown)}")
    service.enabled.update(options["enabled"])
    return {"enabled": sorted(service.enabled)}


# MARK: Looks


def state(service, options):
    places = {}
    for name, region in list(service.regions.items()):
        with region.lock:
            region.settle()
            places[name] = {
                "instances": [describe(each) for each in region.instances.values()],
                "requests": [
                    {"id": each.id, "state": each.state, "status": each.code, "instance": each.instance.id if each.instance else None,
                     "tags": each.tags}
                    for each in region.requests.values()]}
    gate = service.gate
    return {
        "now": service.clock(), "settings": service.settings, "regions": places, "calls": gate.calls, "violations": gate.violations,
        "throttled": gate.throttle.refused, "hits": [each.hits for each in gate.faults]}


def describe(each):
    return {
        "id": each.id, "type": each.type, "zone": each.zone, "market": each.market, "state": each.state, "reason": each.reason,
        "tags": each.tags, "token": each.facts["ClientToken"], "launched": each.launched,
        "request": each.facts.get("SpotInstanceRequestId"), "private": each.private_ip, "public": each.public_ip,
        "user_data": base64.b64encode(each.user_data).decode() if each.user_data is not None else None}


def log(service, options):
    since = int(options.get("since", 0))
    return {"calls": [each for each in list(service.gate.log) if each["number"] > since]}


@with_instance
def meta(service, region, instance, options):
    """Everything that an instance can be told of itself, and the keys of its role."""
    now = region.now()
    result = {
        "instance": instance.id, "type": instance.type, "zone": instance.zone, "region": region.name,
        "zone_id": aws_catalog.zone_ids(region.name).get(instance.zone), "image": instance.facts["ImageId"],
        "private": instance.private_ip, "public": instance.public_ip, "lifecycle": instance.market,
        "user_data": base64.b64encode(instance.user_data).decode() if instance.user_data is not None else None,
        "key_name": instance.key, "key": region.keys[instance.key]["public"] if instance.key in region.keys else None,
        "tags": instance.tags if instance.facts["MetadataOptions"].get("InstanceMetadataTags") == "enabled" else None,
        "architecture": instance.facts["Architecture"], "account": aws_catalog.ACCOUNT, "launched": instance.launched,
        "enabled": instance.facts["MetadataOptions"].get("HttpEndpoint") != "disabled",
        "interrupt_at": instance.interrupt_at if instance.notice_at is not None and now >= instance.notice_at else None,
        "rebalance_at": instance.rebalance_at, "role": None}
    if instance.profile:
        role = service.ec2.profiles[instance.profile]
        result["role"], result["credentials"] = role, role_keys(service, instance, role)
    return result


def role_keys(service, instance, role):
    """Temporary keys of six hours; new ones in their last five minutes, as the real service has it."""
    known = getattr(instance, "role_keys", None)
    if known is None or service.keys.get(known[0]) is None or known[1].expires - time.time() < 300:
        arn = f"arn:aws:sts::{aws_catalog.ACCOUNT}:assumed-role/{role}/{instance.id}"
        known = instance.role_keys = service.temporary_key(arn, 6 * 3600)
    return {"id": known[0], "secret": known[1].secret, "token": known[1].token, "expires": known[1].expires}


# MARK: Booted instances


def boot(service, options):
    stop_boots(service)
    if not options.get("enabled", True):
        return {}
    program = aws_boots.program(options.get("machine"))
    reason = aws_boots.unsupported(program)
    if reason:
        return {"unsupported": reason}
    # A machine takes its time to end all that runs on it.
    grace = options.get("grace", 120.0 if options.get("machine") else 2.0)
    service.boots = aws_boots.Boots(service, program, service.port, options.get("reach", []), grace)
    service.ec2.boot = service.boots.boot
    return {"supported": True}


def stop_boots(service):
    if service.boots:
        service.boots.stop()
    service.boots = service.ec2.boot = None


@with_instance
def console(service, region, instance, options):
    guests = [each for each in service.boots.guests if each.instance is instance] if service.boots else []
    if not guests:
        raise ValueError(f"{instance.id} was not booted")
    return {"output": guests[0].output(), "user_data": guests[0].script_code}


def reset(service, options):
    stop_boots(service)
    service.reset()
    return {}


CONTROLS = {
    "settings": settings, "clock": clock, "capacity": capacity, "prices": prices, "fault": fault, "release": release,
    "throttle": throttle, "deny": deny, "interrupt": interrupt, "rebalance": rebalance, "shutdown": shutdown, "end": end,
    "health": health, "bulk": bulk, "key": key, "key-pair": key_pair, "group": group, "profile": profile, "secret": secret,
    "parameter": parameter, "regions": regions, "state": state, "log": log, "meta": meta, "reset": reset, "boot": boot,
    "console": console,
}
