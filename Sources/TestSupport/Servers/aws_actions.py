"""The actions of EC2 that the stand-in knows, beside those that launch (aws_launch) and those that tell what there is (aws_offers)."""

import aws_catalog
from aws_filters import chosen, page
from aws_launch import Launcher, check_tags, user_initiated
from aws_offers import Offers
from aws_prices import PRODUCTS
from aws_state import LIVE, check_id, not_found
from aws_wire import AWSError, Written, time_text

INSTANCE_FILTERS = {
    "architecture": lambda each: each.facts["Architecture"],
    "availability-zone": lambda each: each.zone,
    "client-token": lambda each: each.facts["ClientToken"],
    "dns-name": lambda each: each.view(0)["PublicDnsName"],
    "hypervisor": lambda each: each.facts["Hypervisor"],
    "iam-instance-profile.arn": lambda each: each.facts.get("IamInstanceProfile", {}).get("Arn"),
    "image-id": lambda each: each.facts["ImageId"],
    "instance-id": lambda each: each.id,
    # Instances on demand have none.
    "instance-lifecycle": lambda each: each.facts.get("InstanceLifecycle"),
    "instance-state-code": lambda each: each.state_view()["Code"],
    "instance-state-name": lambda each: each.state,
    "instance-type": lambda each: each.type,
    "instance.group-id": lambda each: [group["GroupId"] for group in each.facts["SecurityGroups"]],
    "instance.group-name": lambda each: [group["GroupName"] for group in each.facts["SecurityGroups"]],
    "ip-address": lambda each: each.public_ip if each.state in LIVE else None,
    "key-name": lambda each: each.key,
    "launch-time": lambda each: time_text(each.launched),
    "owner-id": lambda each: aws_catalog.ACCOUNT,
    "private-dns-name": lambda each: each.view(0)["PrivateDnsName"],
    "private-ip-address": lambda each: each.private_ip if each.state != "terminated" else None,
    "reason": lambda each: each.transition,
    "reservation-id": lambda each: each.reservation,
    "root-device-name": lambda each: each.facts["RootDeviceName"],
    "root-device-type": lambda each: "ebs",
    "spot-instance-request-id": lambda each: each.facts.get("SpotInstanceRequestId"),
    "state-reason-code": lambda each: each.reason,
    "subnet-id": lambda each: each.facts["SubnetId"] if each.state != "terminated" else None,
    "tenancy": lambda each: "default",
    "virtualization-type": lambda each: "hvm",
    "vpc-id": lambda each: each.facts["VpcId"] if each.state != "terminated" else None,
}

REQUEST_FILTERS = {
    "availability-zone-group": lambda each: None,
    "create-time": lambda each: time_text(each.created),
    "fault-code": lambda each: None,
    "instance-id": lambda each: each.instance.id if each.instance else None,
    "launch.image-id": lambda each: each.specification["view"]["ImageId"],
    "launch.instance-type": lambda each: each.specification["view"]["InstanceType"],
    "launch.key-name": lambda each: each.specification["view"]["KeyName"],
    "launched-availability-zone": lambda each: each.instance.zone if each.instance else None,
    "product-description": lambda each: "Linux/UNIX",
    "spot-instance-request-id": lambda each: each.id,
    "spot-price": lambda each: each.max_price,
    "state": lambda each: each.state,
    "status-code": lambda each: each.code,
    "type": lambda each: each.kind,
}

STATUS_FILTERS = {
    "availability-zone": lambda each: each.zone,
    "event.code": lambda each: [event["Code"] for event in each.events],
    "instance-state-code": lambda each: each.state_view()["Code"],
    "instance-state-name": lambda each: each.state,
    "instance-status.status": lambda each: status_word(each),
    "system-status.status": lambda each: status_word(each),
}


def status_word(instance):
    if instance.state != "running":
        return "not-applicable"
    if instance.region.now() < (instance.running_at or 0) + instance.region.settings["initializing_seconds"]:
        return "initializing"
    return instance.health


class EC2(Launcher, Offers):
    """An account's EC2. Each action is called with the region's lock held, after the region has settled."""

    def __init__(self, writer_of, enabled):
        self.profiles = {}
        # The regions that are switched on.
        self.enabled = enabled
        # What boots a new instance, if instances are booted.
        self.boot = None
        # Gives the writer for an instance, so that its text can be kept.
        self.writer_of = writer_of

    # MARK: Instances

    def describe_instances(self, region, request):
        now, ids = region.now(), request.get("InstanceIds")
        if ids:
            items = sorted(region.find_instances(ids), key=lambda each: each.id)
        else:
            items = [region.instances[each] for each in region.order]
            if region.settings["visibility_seconds"]:
                items = [each for each in items if now >= each.visible_at]
        items = chosen(items, request.get("Filters"), INSTANCE_FILTERS, lambda each: each.tags if now >= each.tags_visible_at else {})
        items, token = page(items, lambda each: each.id, request, ids=ids)
        reservations = {}
        for each in items:
            reservations.setdefault(each.reservation, []).append(self.written(each, now))
        return {"NextToken": token, "Reservations": [
            {"ReservationId": name, "OwnerId": aws_catalog.ACCOUNT, "Groups": [], "Instances": texts}
            for name, texts in reservations.items()]}

    def written(self, instance, now):
        if instance.text is None:
            text = self.writer_of("Instance").text(instance.view(now))
            # Before its tags are seen it will change without a change.
            if now < instance.tags_visible_at:
                return Written(text)
            instance.text = text
        return Written(instance.text)

    def describe_instance_status(self, region, request):
        ids = request.get("InstanceIds")
        if ids and len(ids) > 100:
            raise AWSError("InvalidParameterValue", f"{len(ids)} instance IDs were given; at most 100 are allowed")
        now = region.now()
        items = region.find_instances(ids) if ids else [each for each in region.instances.values() if now >= each.visible_at]
        if not request.get("IncludeAllInstances"):
            items = [each for each in items if each.state == "running"]
        items = sorted(chosen(items, request.get("Filters"), STATUS_FILTERS), key=lambda each: each.id)
        items, token = page(items, lambda each: each.id, request, ids=ids)
        return {"NextToken": token, "InstanceStatuses": [self.status_view(each) for each in items]}

    @staticmethod
    def status_view(each):
        word = status_word(each)
        details = {"ok": "passed", "impaired": "failed"}.get(word, word)
        status = {"Status": word}
        if word != "not-applicable":
            status["Details"] = [{"Name": "reachability", "Status": details}]
        return {
            "InstanceId": each.id, "AvailabilityZone": each.zone, "InstanceState": each.state_view(), "InstanceStatus": status,
            "SystemStatus": status, "Events": each.events or None}

    def terminate_instances(self, region, request):
        # One that is unknown, and nothing is terminated.
        instances, now = region.find_instances(request["InstanceIds"]), region.now()
        changes = []
        for each in instances:
            before = each.state_view()
            if each.state != "terminated":
                code = each.reason if each.state == "shutting-down" else "Client.UserInitiatedShutdown"
                region.close_request(each, now)
                if each.state != "shutting-down":
                    region.end(each, code, user_initiated(now))
            changes.append({"InstanceId": each.id, "PreviousState": before, "CurrentState": each.state_view()})
        return {"TerminatingInstances": changes}

    def stop_instances(self, region, request):
        instances, now = region.find_instances(request["InstanceIds"]), region.now()
        for each in instances:
            if each.request is not None and each.request.kind == "one-time":
                raise AWSError(
                    "UnsupportedOperation",
                    f"You can't stop the Spot Instance '{each.id}' because it is associated with a one-time Spot Instance request. "
                    "You can only stop Spot Instances associated with persistent Spot Instance requests.")
            if each.state not in ("running", "stopping", "stopped"):
                raise AWSError(
                    "IncorrectInstanceState", f"The instance '{each.id}' is not in a state from which it can be stopped.")
        changes = []
        for each in instances:
            before = each.state_view()
            region.end(each, "Client.UserInitiatedShutdown", user_initiated(now), final="stopped")
            changes.append({"InstanceId": each.id, "PreviousState": before, "CurrentState": each.state_view()})
        return {"StoppingInstances": changes}

    # MARK: Tags

    def taggable(self, region, identifier, now):
        """What has this identifier: an object with `tags`."""
        prefix = identifier.partition("-")[0]
        if prefix == "i":
            return region.find_instances([identifier])[0]
        if prefix == "sir":
            check_id("sir", identifier, "InvalidSpotInstanceRequestID")
            if identifier in region.requests:
                return region.requests[identifier]
            raise not_found("InvalidSpotInstanceRequestID", "spot instance request ID", [identifier])
        raise AWSError("InvalidID", f"The ID '{identifier}' is not valid")

    def create_tags(self, region, request):
        now, ids = region.now(), request["Resources"]
        if len(ids) > 1000:
            raise AWSError("InvalidParameterValue", "At most 1000 resources can be tagged at once")
        targets = [self.taggable(region, each, now) for each in ids]
        changed = [check_tags(request["Tags"], each.tags) for each in targets]
        for each, tags in zip(targets, changed):
            each.tags.update(tags)
            if hasattr(each, "changed"):
                each.changed()
        return {}

    def describe_tags(self, region, request):
        now, rows = region.now(), []
        kinds = (("instance", region.instances.values()), ("spot-instances-request", region.requests.values()))
        for kind, things in kinds:
            for each in things:
                if now >= each.tags_visible_at:
                    rows += [(each.id, key, value, kind) for key, value in each.tags.items()]
        rows = chosen(rows, request.get("Filters"), {
            "key": lambda row: row[1], "value": lambda row: row[2], "resource-id": lambda row: row[0],
            "resource-type": lambda row: row[3]}, lambda row: {row[1]: row[2]})
        rows, token = page(sorted(rows), lambda row: [row[0], row[1]], request)
        return {"NextToken": token, "Tags": [
            {"ResourceId": row[0], "Key": row[1], "Value": row[2], "ResourceType": row[3]} for row in rows]}

    # MARK: Spot

    def find_requests(self, region, ids):
        for each in ids:
            check_id("sir", each, "InvalidSpotInstanceRequestID")
        missing = [each for each in ids if each not in region.requests]
        if missing:
            raise not_found("InvalidSpotInstanceRequestID", "spot instance request ID", missing)
        return [region.requests[each] for each in dict.fromkeys(ids)]

    def describe_spot_instance_requests(self, region, request):
        ids, now = request.get("SpotInstanceRequestIds"), region.now()
        items = self.find_requests(region, ids) if ids else list(region.requests.values())
        items = chosen(items, request.get("Filters"), REQUEST_FILTERS, lambda each: each.tags if now >= each.tags_visible_at else {})
        items, token = page(
            sorted(items, key=lambda each: each.id), lambda each: each.id, request, ids=ids, ids_name="spotInstanceRequestIdSet")
        return {"NextToken": token, "SpotInstanceRequests": [each.view(now) for each in items]}

    def cancel_spot_instance_requests(self, region, request):
        """Ends the requests. Their instances run on: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-requests.html"""
        requests, now = self.find_requests(region, request["SpotInstanceRequestIds"]), region.now()
        for each in requests:
            if each.state == "active" and each.instance.state != "terminated":
                each.set("cancelled", "request-canceled-and-instance-running", now)
            elif each.state == "open":
                each.set("cancelled", "canceled-before-fulfillment", now)
        return {"CancelledSpotInstanceRequests": [{"SpotInstanceRequestId": each.id, "State": each.state} for each in requests]}

    def describe_spot_price_history(self, region, request):
        now = region.now()
        zones = list(aws_catalog.types_by_zone(region.name))
        zone_ids = aws_catalog.zone_ids(region.name)
        if request.get("AvailabilityZone"):
            zones = [zone for zone in zones if zone == request["AvailabilityZone"]]
        if request.get("AvailabilityZoneId"):
            zones = [zone for zone in zones if zone_ids[zone] == request["AvailabilityZoneId"]]
        types = request.get("InstanceTypes") or sorted(aws_catalog.types_of(region.name))
        unknown = [name for name in types if name not in aws_catalog.instance_types()]
        if unknown:
            raise AWSError("InvalidParameterValue", f"Invalid value '{unknown[0]}' for InstanceType.")
        # Both names are in use; only one is answered.
        asked = {each.removesuffix(" (Amazon VPC)") for each in request.get("ProductDescriptions", [])}
        start, end = request.get("StartTime", now - 90 * 86400), request.get("EndTime", now)
        rows = []
        for name in types:
            for zone in zones:
                if name not in aws_catalog.types_by_zone(region.name)[zone]:
                    continue
                for product in PRODUCTS:
                    if asked and product not in asked:
                        continue
                    rows += [
                        (-at, name, zone, product, price)
                        for at, price in region.prices.history(region.name, zone, name, product, start, end, now)]
        rows = chosen(rows, request.get("Filters"), {
            "availability-zone": lambda row: row[2], "availability-zone-id": lambda row: zone_ids[row[2]],
            "instance-type": lambda row: row[1], "product-description": lambda row: row[3], "spot-price": lambda row: row[4],
            "timestamp": lambda row: time_text(-row[0])})
        rows.sort()
        rows, token = page(rows, lambda row: list(row[:4]), request, least=1, default=1000)
        return {"NextToken": token or "", "SpotPriceHistory": [
            {"AvailabilityZone": zone, "AvailabilityZoneId": zone_ids[zone], "InstanceType": name, "ProductDescription": product,
             "SpotPrice": price, "Timestamp": -at}
            for at, name, zone, product, price in rows]}


ACTIONS = {
    name: getattr(EC2, method) for name, method in (
        ("RunInstances", "run_instances"), ("DescribeInstances", "describe_instances"),
        ("DescribeInstanceStatus", "describe_instance_status"), ("TerminateInstances", "terminate_instances"),
        ("StopInstances", "stop_instances"), ("CreateTags", "create_tags"), ("DescribeTags", "describe_tags"),
        ("RequestSpotInstances", "request_spot_instances"), ("DescribeSpotInstanceRequests", "describe_spot_instance_requests"),
        ("CancelSpotInstanceRequests", "cancel_spot_instance_requests"), ("DescribeSpotPriceHistory", "describe_spot_price_history"),
        ("DescribeInstanceTypes", "describe_instance_types"), ("DescribeInstanceTypeOfferings", "describe_instance_type_offerings"),
        ("DescribeAvailabilityZones", "describe_availability_zones"), ("DescribeRegions", "describe_regions"),
        ("DescribeImages", "describe_images"), ("DescribeSubnets", "describe_subnets"),
        ("DescribeSecurityGroups", "describe_security_groups"), ("DescribeKeyPairs", "describe_key_pairs"),
        ("ImportKeyPair", "import_key_pair"))
}
