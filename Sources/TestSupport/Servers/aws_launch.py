"""RunInstances and RequestSpotInstances: what is checked, what idempotency means, and how an instance comes into being."""

import base64
import binascii
import hashlib
import json
import time

import aws_catalog
from aws_state import LIVE, Instance, SpotRequest
from aws_wire import AWSError


def invalid(value, name, more=""):
    return AWSError("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid. {more}".rstrip())


def check_tags(tags, existing=()):
    """The tags as a dictionary, by AWS's rules for them."""
    result = {}
    for each in tags:
        key, value = each.get("Key", ""), each.get("Value", "")
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise AWSError("InvalidParameterValue", f"Tag {key!r}: keys have 1 to 128 characters, values at most 256")
        if key.lower().startswith("aws:"):
            raise AWSError("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
        if key in result:
            raise AWSError("InvalidParameterValue", f"Duplicate tag key '{key}' specified.")
        result[key] = value
    if len({*existing, *result}) > 50:
        raise AWSError("TagLimitExceeded", "More than 50 tags specified")
    return result


def tags_by_kind(specifications, allowed):
    result = {}
    for each in specifications or []:
        kind = each.get("ResourceType")
        if kind not in allowed:
            raise AWSError("InvalidParameterValue", f"'{kind}' is not a valid taggable resource type for this operation.")
        if kind in result:
            raise AWSError("InvalidParameterValue", f"The resource type '{kind}' was specified twice")
        result[kind] = check_tags(each.get("Tags", []))
    return result


class Plan:
    """A launch that was checked: everything but its zone, if none was asked for."""

    def __init__(self, account, region, request):
        self.account, self.region, self.request = account, region, request
        self.type = request.get("InstanceType", "m1.small")
        self.zones = self.read_zones()
        self.image = self.read_image()
        self.groups = self.read_groups()
        self.user_data = self.read_user_data()
        self.key = request.get("KeyName")
        if self.key is not None and self.key not in region.keys:
            raise AWSError("InvalidKeyPair.NotFound", f"The key pair '{self.key}' does not exist")
        self.profile = self.read_profile()
        self.volumes = self.read_volumes()

    def read_zones(self):
        """The zones in question: one if the request names one, else all that offer the type."""
        by_zone = aws_catalog.types_by_zone(self.region.name)
        if self.type not in aws_catalog.instance_types():
            raise AWSError("InvalidParameterValue", f"Invalid value '{self.type}' for InstanceType.")
        placement = self.request.get("Placement", {})
        zone = placement.get("AvailabilityZone")
        if zone is not None and zone not in by_zone:
            raise AWSError("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
        subnet = self.request.get("SubnetId")
        for each in self.request.get("NetworkInterfaces", []):
            subnet = subnet or each.get("SubnetId")
        if subnet is not None:
            if subnet not in self.region.subnets:
                raise AWSError("InvalidSubnetID.NotFound", f"The subnet ID '{subnet}' does not exist")
            if zone not in (None, self.region.subnets[subnet]):
                raise AWSError("InvalidParameterValue", f"The availability zone {zone} is not that of the subnet {subnet}")
            zone = self.region.subnets[subnet]
        self.is_zonal = zone is not None
        offering = [each for each, types in by_zone.items() if self.type in types]
        if not offering:
            raise AWSError(
                "Unsupported", "The requested configuration is currently not supported. Please check the documentation for supported "
                "configurations.")
        if zone is not None and zone not in offering:
            raise AWSError(
                "Unsupported",
                f"Your requested instance type ({self.type}) is not supported in your requested Availability Zone ({zone}). "
                f"Please retry your request by not specifying an Availability Zone or choosing {', '.join(offering)}.")
        return [zone] if zone else offering

    def read_image(self):
        name = self.request.get("ImageId")
        if name is None:
            raise AWSError("MissingParameter", "The request must contain the parameter ImageId")
        image = aws_catalog.images(self.region.name).get(name)
        if image is None:
            raise AWSError("InvalidAMIID.NotFound", f"The image id '[{name}]' does not exist")
        supported = aws_catalog.instance_types()[self.type]["ProcessorInfo"]["SupportedArchitectures"]
        if image["Architecture"] not in supported:
            raise AWSError(
                "InvalidParameterValue",
                f"The architecture '{','.join(supported)}' of the specified instance type does not match the architecture "
                f"'{image['Architecture']}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, "
                "and try again.")
        return image

    def read_groups(self):
        known = {self.region.group: "default", **self.region.extra_groups}
        names = {name: group for group, name in known.items()}
        wanted = list(self.request.get("SecurityGroupIds", []))
        for each in self.request.get("NetworkInterfaces", []):
            wanted += each.get("Groups", [])
        for name in self.request.get("SecurityGroups", []):
            if name not in names:
                raise AWSError("InvalidGroup.NotFound", f"The security group '{name}' does not exist in default VPC '{self.region.vpc}'")
            wanted.append(names[name])
        for group in wanted:
            if group not in known:
                raise AWSError("InvalidGroup.NotFound", f"The security group '{group}' does not exist")
        return [{"GroupId": group, "GroupName": known[group]} for group in wanted or [self.region.group]]

    def read_user_data(self):
        text = self.request.get("UserData")
        if text is None:
            return None
        try:
            data = base64.b64decode(text, validate=True)
        except binascii.Error:
            raise AWSError("InvalidParameterValue", "Invalid BASE64 encoding of user data.") from None
        if len(data) > 16384:
            raise AWSError("InvalidParameterValue", "User data is limited to 16384 bytes")
        return data

    def read_profile(self):
        wanted = self.request.get("IamInstanceProfile")
        if not wanted:
            return None
        name = wanted.get("Name") or wanted.get("Arn", "").rpartition("/")[2]
        if name not in self.account.profiles:
            raise AWSError(
                "InvalidParameterValue",
                f"Value ({name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name")
        return name

    def read_volumes(self):
        """Device names and sizes: the root device, changed as asked, and what is added."""
        root = self.image["BlockDeviceMappings"][0]
        volumes = {root["DeviceName"]: dict(root["Ebs"])}
        for each in self.request.get("BlockDeviceMappings", []):
            device, ebs = each.get("DeviceName"), each.get("Ebs", {})
            if not device:
                raise AWSError("MissingParameter", "The request must contain the parameter deviceName")
            volumes[device] = {**volumes.get(device, {}), **ebs}
            if device == root["DeviceName"] and volumes[device]["VolumeSize"] < root["Ebs"]["VolumeSize"]:
                raise AWSError(
                    "InvalidBlockDeviceMapping",
                    f"Volume of size {volumes[device]['VolumeSize']}GB is smaller than snapshot '{root['Ebs']['SnapshotId']}', "
                    f"expect size>= {root['Ebs']['VolumeSize']}GB")
        return volumes

    # MARK: Launching

    def choose_zone(self, market, least):
        """A zone with room for so many, and how many there is room for; a zone of None when there is none."""
        best = (None, 0)
        for zone in self.zones:
            room = self.region.room(self.type, zone, market)
            if room is None:
                return zone, None
            if room >= least and room > best[1]:
                best = (zone, room)
        return best

    def create(self, zone, market, reservation, index, now):
        region, request, settings = self.region, self.request, self.region.settings
        identifier = region.new_id("i")
        metadata = {
            "State": "applied", "HttpTokens": "required", "HttpPutResponseHopLimit": 2, "HttpEndpoint": "enabled",
            "HttpProtocolIpv6": "disabled", "InstanceMetadataTags": "disabled", **request.get("MetadataOptions", {})}
        cpus = aws_catalog.instance_types()[self.type]["VCpuInfo"]
        facts = {
            "InstanceId": identifier, "ImageId": self.image["ImageId"], "InstanceType": self.type, "KeyName": self.key,
            "LaunchTime": now, "AmiLaunchIndex": index, "Monitoring": {"State": "disabled"}, "ProductCodes": [],
            "Placement": {"AvailabilityZone": zone, "GroupName": "", "Tenancy": "default",
                          "AvailabilityZoneId": aws_catalog.zone_ids(region.name).get(zone)},
            "SubnetId": region.subnet_of[zone], "VpcId": region.vpc, "Architecture": self.image["Architecture"],
            "ClientToken": request.get("ClientToken", ""), "EbsOptimized": request.get("EbsOptimized", False), "EnaSupport": True,
            "Hypervisor": "xen", "RootDeviceName": self.image["RootDeviceName"], "RootDeviceType": "ebs",
            "SecurityGroups": self.groups, "SourceDestCheck": True, "VirtualizationType": "hvm",
            "CpuOptions": {"CoreCount": cpus.get("DefaultCores", cpus["DefaultVCpus"]),
                           "ThreadsPerCore": cpus.get("DefaultThreadsPerCore", 1)},
            "CapacityReservationSpecification": {"CapacityReservationPreference": "open"},
            "HibernationOptions": {"Configured": False}, "MetadataOptions": metadata, "EnclaveOptions": {"Enabled": False},
            "PlatformDetails": "Linux/UNIX", "UsageOperation": "RunInstances", "UsageOperationUpdateTime": now,
            "MaintenanceOptions": {"AutoRecovery": "default"}, "CurrentInstanceBootMode": "uefi",
            "PrivateDnsNameOptions": {
                "HostnameType": "ip-name", "EnableResourceNameDnsARecord": True, "EnableResourceNameDnsAAAARecord": False},
        }
        if market == "spot":
            facts["InstanceLifecycle"] = "spot"
        if self.profile:
            facts["IamInstanceProfile"] = {
                "Arn": f"arn:aws:iam::{aws_catalog.ACCOUNT}:instance-profile/{self.profile}",
                "Id": "AIPA" + hashlib.sha256(self.profile.encode()).hexdigest()[:17].upper()}
        instance = Instance(region, facts, now, reservation, zone, market)
        instance.running_at = now + settings["pending_seconds"]
        instance.visible_at = now + settings["visibility_seconds"]
        instance.tags_visible_at = now + max(settings["visibility_seconds"], settings["tag_visibility_seconds"])
        instance.shutdown_behavior = request.get("InstanceInitiatedShutdownBehavior", "stop")
        instance.user_data, instance.profile, instance.key = self.user_data, self.profile, self.key
        instance.private_ip, instance.public_ip = region.new_addresses()
        instance.volumes = [
            {"DeviceName": device, "Ebs": {
                "VolumeId": region.new_id("vol"), "Status": "attached", "AttachTime": now,
                "DeleteOnTermination": ebs.get("DeleteOnTermination", True)}}
            for device, ebs in self.volumes.items()]
        instance.network = [{
            "NetworkInterfaceId": region.new_id("eni"), "OwnerId": aws_catalog.ACCOUNT, "Status": "in-use",
            "SubnetId": region.subnet_of[zone], "VpcId": region.vpc, "PrivateIpAddress": instance.private_ip,
            "SourceDestCheck": True, "Groups": self.groups}]
        return instance


class Launcher:
    """The two actions that launch."""

    def run_instances(self, region, request):
        plan = Plan(self, region, request)
        least, most = request["MinCount"], request["MaxCount"]
        if not 1 <= least <= most:
            raise invalid(f"{least}/{most}", "minCount/maxCount")
        options = request.get("InstanceMarketOptions")
        market = "spot" if options else "on-demand"
        if options and options.get("MarketType", "spot") != "spot":
            raise invalid(options["MarketType"], "MarketType")
        spot = (options or {}).get("SpotOptions", {})
        kind = spot.get("SpotInstanceType", "one-time")
        if spot.get("InstanceInterruptionBehavior", "terminate") != "terminate" and kind == "one-time":
            raise AWSError(
                "InvalidParameterCombination",
                f"InstanceInterruptionBehavior '{spot['InstanceInterruptionBehavior']}' needs a persistent Spot request")
        allowed = {"instance", "volume", "network-interface"} | ({"spot-instances-request"} if options else set())
        tags = tags_by_kind(request.get("TagSpecifications"), allowed)
        if request.get("DryRun"):
            raise dry_run()
        now = region.now()
        fresh, done = self.token(region, request, plan.zones[0] if plan.is_zonal else "")
        if done:
            return self.launched_before(region, done, now)
        zone, room = plan.choose_zone(market, least)
        if zone is None:
            raise no_capacity(plan, market)
        count = most if room is None else min(most, room)
        self.check_limits(region, plan, market, count)
        price = spot.get("MaxPrice")
        if market == "spot":
            self.check_price(region, plan.type, zone, price, now)
        reservation = region.new_id("r")
        made = []
        for index in range(count):
            instance = plan.create(zone, market, reservation, index, now)
            instance.tags = dict(tags.get("instance", {}))
            if market == "spot":
                sir = SpotRequest(
                    region, region.new_id("sir"), {"view": specification_view(plan)}, now, kind,
                    price or f"{aws_catalog.on_demand_price(plan.type):.6f}")
                sir.tags, sir.instance = dict(tags.get("spot-instances-request", {})), instance
                sir.tags_visible_at = instance.tags_visible_at
                sir.set("active", "fulfilled", now)
                if kind == "persistent":
                    sir.launch = lambda each, at: self.fulfil(region, plan, each, price, at)
                region.requests[sir.id] = sir
                self.attach(instance, sir)
            made.append(instance)
        for instance in made:
            self.start(region, instance)
        if fresh is not None:
            fresh["instances"], fresh["reservation"] = made, reservation
        return self.reservation_view(reservation, made, now)

    @staticmethod
    def attach(instance, sir):
        instance.request, sir.instance = sir, instance
        instance.facts["SpotInstanceRequestId"] = sir.id

    def start(self, region, instance):
        if self.boot:
            self.boot(instance)
        region.add(instance)
        region.settle_instance(instance, region.now())

    def token(self, region, request, zone):
        """The record of a client token: (new one to fill, None) or (None, one that has launched).

        Zonal when a zone or a subnet is named, regional otherwise:
        https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
        """
        token = request.get("ClientToken")
        if not token:
            return None, None
        if len(token) > 64 or not token.isascii():
            raise AWSError("InvalidClientToken", "A client token has at most 64 ASCII characters")
        mark = hashlib.sha256(json.dumps(
            {name: value for name, value in request.items() if name not in ("ClientToken", "DryRun")}, sort_keys=True,
            default=str).encode()).hexdigest()
        known = region.tokens.setdefault((token, zone), {"mark": mark, "instances": None, "request": None})
        if known["mark"] != mark:
            raise AWSError(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
        return (None, known) if known["instances"] or known["request"] else (known, None)

    def launched_before(self, region, known, now):
        instances = known["instances"]
        if all(each.state == "terminated" for each in instances):
            raise AWSError(
                "IdempotentInstanceTerminated",
                "The request uses the same client token as a previous request for which the instance has been terminated.")
        return self.reservation_view(known["reservation"], instances, now)

    @staticmethod
    def reservation_view(reservation, instances, now):
        return {
            "ReservationId": reservation, "OwnerId": aws_catalog.ACCOUNT, "Groups": [],
            "Instances": [each.view(now) for each in instances]}

    @staticmethod
    def check_limits(region, plan, market, count):
        limit = region.settings["spot_limit" if market == "spot" else "vcpu_limit"]
        if limit is None:
            return
        live = [each for each in region.instances.values() if each.market == market and each.state in LIVE]
        if market == "spot":
            if len(live) + count > limit:
                raise AWSError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
            return
        types = aws_catalog.instance_types()
        used = sum(types[each.type]["VCpuInfo"]["DefaultVCpus"] for each in live)
        if used + count * types[plan.type]["VCpuInfo"]["DefaultVCpus"] > limit:
            raise AWSError(
                "VcpuLimitExceeded",
                f"You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance bucket that the "
                "specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment "
                "to this limit.")

    @staticmethod
    def check_price(region, name, zone, price, now):
        if price is None:
            return
        try:
            dollars = float(price)
        except ValueError:
            raise invalid(price, "price") from None
        if dollars < 0.001:
            raise invalid(price, "price", "It must be greater than 0.001")
        current = region.prices.current(region.name, zone, name, now)
        if current is not None and dollars < current:
            raise AWSError(
                "SpotMaxPriceTooLow",
                f"Your Spot request price of {price} is lower than the minimum required Spot request fulfillment price of {current}.")

    def request_spot_instances(self, region, request):
        specification = request.get("LaunchSpecification")
        if not specification:
            raise AWSError("MissingParameter", "The request must contain the parameter LaunchSpecification")
        plan = Plan(self, region, specification)
        count = request.get("InstanceCount", 1)
        if count < 1:
            raise invalid(count, "instanceCount")
        tags = tags_by_kind(request.get("TagSpecifications"), {"spot-instances-request"})
        now = region.now()
        valid_until = request.get("ValidUntil")
        if valid_until is not None and valid_until <= now:
            raise invalid(valid_until, "validUntil", "It must be in the future")
        fresh, done = self.token(region, request, plan.zones[0] if plan.is_zonal else "")
        if done:
            return {"SpotInstanceRequests": [each.view(now) for each in done["request"]]}
        made = []
        for _ in range(count):
            price = request.get("SpotPrice") or f"{aws_catalog.on_demand_price(plan.type):.6f}"
            sir = SpotRequest(
                region, region.new_id("sir"), {"view": specification_view(plan)}, now, request.get("Type", "one-time"), price)
            sir.tags = dict(tags.get("spot-instances-request", {}))
            sir.valid_until, sir.evaluate_at = valid_until, now + region.settings["fulfil_seconds"]
            sir.launch = lambda each, at, asked=request.get("SpotPrice"): self.fulfil(region, plan, each, asked, at)
            region.requests[sir.id] = sir
            made.append(sir)
        # The answer shows it before it was looked at.
        result = {"SpotInstanceRequests": [each.view(now) for each in made]}
        if fresh is not None:
            fresh["request"] = made
        return result

    def fulfil(self, region, plan, sir, price, now):
        zone, _ = plan.choose_zone("spot", 1)
        limit = region.settings["spot_limit"]
        live = sum(each.market == "spot" and each.state in LIVE for each in region.instances.values())
        if zone is None or (limit is not None and live >= limit):
            if sir.code != "capacity-not-available":
                sir.set("open", "capacity-not-available", now)
            return
        try:
            self.check_price(region, plan.type, zone, price, now)
        except AWSError:
            if sir.code != "price-too-low":
                sir.set("open", "price-too-low", now)
            return
        instance = plan.create(zone, "spot", region.new_id("r"), 0, now)
        self.attach(instance, sir)
        sir.set("active", "fulfilled", now)
        self.start(region, instance)


def specification_view(plan):
    return {
        "ImageId": plan.image["ImageId"], "InstanceType": plan.type, "KeyName": plan.key, "SecurityGroups": plan.groups,
        "Monitoring": {"Enabled": False}}


def dry_run():
    return AWSError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)


def no_capacity(plan, market):
    # The manual counts it among the errors of the server, so clients repeat it by themselves.
    if market == "spot":
        return AWSError("InsufficientInstanceCapacity", "There is no Spot capacity available that matches your request.", 500)
    where = f"in the Availability Zone you requested ({plan.zones[0]})" if plan.is_zonal else "in the zones that you can use"
    return AWSError(
        "InsufficientInstanceCapacity",
        f"We currently do not have sufficient {plan.type} capacity {where}. Our system will be working on provisioning additional "
        "capacity.", 500)


def user_initiated(now):
    return f"User initiated ({time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(now))} GMT)"
