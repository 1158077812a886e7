"""The actions of EC2 that tell what there is: types, zones, images, networks, key pairs."""

import base64
import hashlib

import aws_catalog
from aws_filters import chosen, page
from aws_state import check_id
from aws_wire import AWSError


class Offers:
    """A part of aws_actions.EC2, whose `enabled` are the regions that are switched on."""

    def describe_instance_types(self, region, request):
        here = aws_catalog.types_of(region.name)
        ids, facts = request.get("InstanceTypes"), aws_catalog.instance_types()
        if ids and len(ids) > 100:
            raise AWSError("InvalidParameterValue", "At most 100 instance types can be asked for")
        missing = [name for name in ids or [] if name not in here]
        if missing:
            raise AWSError("InvalidInstanceType", f"The following supplied instance types do not exist: [{', '.join(missing)}]")
        items = [facts[name] for name in sorted(ids or here) if name in facts]
        items = chosen(items, request.get("Filters"), {
            "instance-type": lambda each: each["InstanceType"],
            "bare-metal": lambda each: each["BareMetal"],
            "burstable-performance-supported": lambda each: each["BurstablePerformanceSupported"],
            "current-generation": lambda each: each["CurrentGeneration"],
            "hypervisor": lambda each: each.get("Hypervisor"),
            "instance-storage-supported": lambda each: each["InstanceStorageSupported"],
            "memory-info.size-in-mib": lambda each: each["MemoryInfo"]["SizeInMiB"],
            "network-info.efa-supported": lambda each: each["NetworkInfo"]["EfaSupported"],
            "processor-info.supported-architecture": lambda each: each["ProcessorInfo"]["SupportedArchitectures"],
            "processor-info.manufacturer": lambda each: each["ProcessorInfo"].get("Manufacturer"),
            "supported-root-device-type": lambda each: each["SupportedRootDeviceTypes"],
            "supported-usage-class": lambda each: each["SupportedUsageClasses"],
            "supported-virtualization-type": lambda each: each["SupportedVirtualizationTypes"],
            "vcpu-info.default-cores": lambda each: each["VCpuInfo"].get("DefaultCores"),
            "vcpu-info.default-vcpus": lambda each: each["VCpuInfo"]["DefaultVCpus"],
        })
        items, token = page(
            items, lambda each: each["InstanceType"], request, most=100, default=100, ids=ids, ids_name="instanceTypes")
        return {"NextToken": token, "InstanceTypes": items}

    def describe_instance_type_offerings(self, region, request):
        kind = request.get("LocationType", "region")
        if kind not in ("region", "availability-zone", "availability-zone-id"):
            raise AWSError("InvalidParameterValue", f"Invalid value '{kind}' for LocationType.")
        rows = chosen(aws_catalog.offerings(region.name, kind), request.get("Filters"), {
            "instance-type": lambda row: row[0], "location": lambda row: row[1]})
        rows, token = page(sorted(rows), lambda row: list(row), request, default=1000)
        return {"NextToken": token, "InstanceTypeOfferings": [
            {"InstanceType": row[0], "Location": row[1], "LocationType": kind} for row in rows]}

    def describe_regions(self, region, request):
        rows = []
        for name in aws_catalog.regions():
            status = "opt-in-not-required"
            if name not in aws_catalog.DEFAULT_REGIONS:
                status = "opted-in" if name in self.enabled else "not-opted-in"
            rows.append({"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": status})
        wanted = request.get("RegionNames")
        unknown = [name for name in wanted or [] if name not in aws_catalog.regions()]
        if unknown:
            raise AWSError("InvalidParameterValue", f"Invalid region names: [{', '.join(unknown)}]")
        if wanted:
            rows = [row for row in rows if row["RegionName"] in wanted]
        elif not request.get("AllRegions"):
            rows = [row for row in rows if row["OptInStatus"] != "not-opted-in"]
        return {"Regions": chosen(rows, request.get("Filters"), {
            "region-name": lambda row: row["RegionName"], "endpoint": lambda row: row["Endpoint"],
            "opt-in-status": lambda row: row["OptInStatus"]})}

    def describe_availability_zones(self, region, request):
        rows = [
            {"ZoneName": zone, "ZoneId": identifier, "State": "available", "RegionName": region.name, "GroupName": region.name,
             "NetworkBorderGroup": region.name, "ZoneType": "availability-zone", "OptInStatus": "opt-in-not-required", "Messages": []}
            for zone, identifier in aws_catalog.zone_ids(region.name).items()]
        for parameter, member in (("ZoneNames", "ZoneName"), ("ZoneIds", "ZoneId")):
            wanted = request.get(parameter)
            if wanted:
                unknown = sorted(set(wanted) - {row[member] for row in rows})
                if unknown:
                    raise AWSError("InvalidParameterValue", f"Invalid availability zones: [{', '.join(unknown)}]")
                rows = [row for row in rows if row[member] in wanted]
        return {"AvailabilityZones": chosen(rows, request.get("Filters"), {
            "zone-name": lambda row: row["ZoneName"], "zone-id": lambda row: row["ZoneId"], "state": lambda row: row["State"],
            "region-name": lambda row: row["RegionName"], "zone-type": lambda row: row["ZoneType"],
            "group-name": lambda row: row["GroupName"], "opt-in-status": lambda row: row["OptInStatus"]})}

    def describe_images(self, region, request):
        images = aws_catalog.images(region.name)
        ids, owners = request.get("ImageIds"), request.get("Owners")
        for each in ids or []:
            check_id("ami", each, "InvalidAMIID")
        missing = [each for each in ids or [] if each not in images]
        if missing:
            raise AWSError("InvalidAMIID.NotFound", f"The image id{'s' if len(missing) > 1 else ''} '[{', '.join(missing)}]' "
                           f"do{'' if len(missing) > 1 else 'es'} not exist")
        items = [images[each] for each in ids or sorted(images)]
        if owners:
            items = [each for each in items if each["OwnerId"] in owners or each["ImageOwnerAlias"] in owners]
        items = chosen(items, request.get("Filters"), {
            "architecture": lambda each: each["Architecture"], "image-id": lambda each: each["ImageId"],
            "image-type": lambda each: each["ImageType"], "is-public": lambda each: each["Public"],
            "name": lambda each: each["Name"], "owner-alias": lambda each: each["ImageOwnerAlias"],
            "owner-id": lambda each: each["OwnerId"], "root-device-type": lambda each: each["RootDeviceType"],
            "state": lambda each: each["State"], "virtualization-type": lambda each: each["VirtualizationType"]})
        items, token = page(items, lambda each: each["ImageId"], request, least=1, ids=ids, ids_name="imageIds")
        return {"NextToken": token, "Images": items}

    def describe_subnets(self, region, request):
        ids = request.get("SubnetIds")
        missing = [each for each in ids or [] if each not in region.subnets]
        if missing:
            raise AWSError("InvalidSubnetID.NotFound", f"The subnet ID '{missing[0]}' does not exist")
        rows = [
            {"SubnetId": subnet, "VpcId": region.vpc, "AvailabilityZone": zone,
             "AvailabilityZoneId": aws_catalog.zone_ids(region.name)[zone], "CidrBlock": f"172.31.{16 * index}.0/20",
             "AvailableIpAddressCount": 4091, "DefaultForAz": True, "MapPublicIpOnLaunch": True, "State": "available",
             "OwnerId": aws_catalog.ACCOUNT, "Tags": []}
            for index, (subnet, zone) in enumerate(region.subnets.items()) if not ids or subnet in ids]
        rows = chosen(rows, request.get("Filters"), {
            "availability-zone": lambda row: row["AvailabilityZone"], "availability-zone-id": lambda row: row["AvailabilityZoneId"],
            "availabilityZone": lambda row: row["AvailabilityZone"], "default-for-az": lambda row: row["DefaultForAz"],
            "defaultForAz": lambda row: row["DefaultForAz"], "map-public-ip-on-launch": lambda row: row["MapPublicIpOnLaunch"],
            "state": lambda row: row["State"], "subnet-id": lambda row: row["SubnetId"], "vpc-id": lambda row: row["VpcId"]},
            lambda row: {})
        rows.sort(key=lambda row: row["SubnetId"])
        rows, token = page(rows, lambda row: row["SubnetId"], request, ids=ids, ids_name="subnetSet")
        return {"NextToken": token, "Subnets": rows}

    def describe_security_groups(self, region, request):
        groups = {region.group: "default", **region.extra_groups}
        ids, names = request.get("GroupIds"), request.get("GroupNames")
        for wanted, known in ((ids, groups), (names, groups.values())):
            missing = [each for each in wanted or [] if each not in known]
            if missing:
                raise AWSError("InvalidGroup.NotFound", f"The security group '{missing[0]}' does not exist")
        rows = [
            {"GroupId": group, "GroupName": name, "Description": f"{name} security group", "VpcId": region.vpc,
             "OwnerId": aws_catalog.ACCOUNT, "IpPermissions": [],
             "IpPermissionsEgress": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}], "Tags": []}
            for group, name in sorted(groups.items()) if (not ids or group in ids) and (not names or name in names)]
        rows = chosen(rows, request.get("Filters"), {
            "description": lambda row: row["Description"], "group-id": lambda row: row["GroupId"],
            "group-name": lambda row: row["GroupName"], "owner-id": lambda row: row["OwnerId"], "vpc-id": lambda row: row["VpcId"]},
            lambda row: {})
        rows, token = page(rows, lambda row: row["GroupId"], request, ids=ids, ids_name="groupIds")
        return {"NextToken": token, "SecurityGroups": rows}

    # MARK: Keys

    def describe_key_pairs(self, region, request):
        names, ids = request.get("KeyNames"), request.get("KeyPairIds")
        missing = [each for each in names or [] if each not in region.keys]
        if missing:
            raise AWSError("InvalidKeyPair.NotFound", f"The key pair '{missing[0]}' does not exist")
        rows = [
            {**key["view"], "PublicKey": key["public"] if request.get("IncludePublicKey") else None}
            for name, key in sorted(region.keys.items())
            if (not names or name in names) and (not ids or key["view"]["KeyPairId"] in ids)]
        return {"KeyPairs": chosen(rows, request.get("Filters"), {
            "key-name": lambda row: row["KeyName"], "key-pair-id": lambda row: row["KeyPairId"],
            "fingerprint": lambda row: row["KeyFingerprint"]}, lambda row: {})}

    def import_key_pair(self, region, request):
        name = request["KeyName"]
        if name in region.keys:
            raise AWSError("InvalidKeyPair.Duplicate", f"The keypair already exists: {name}")
        # AWS takes the text of a public key, which the caller has put in base64 once.
        material = request["PublicKeyMaterial"]
        try:
            public = base64.b64decode(material, validate=True).decode()
            kind, blob = public.split()[:2]
            digest = base64.b64encode(hashlib.sha256(base64.b64decode(blob)).digest()).decode()
        except ValueError:
            raise AWSError("InvalidKey.Format", "Key is not in valid OpenSSH public key format") from None
        view = {
            "KeyName": name, "KeyPairId": region.new_id("key"), "KeyFingerprint": digest, "KeyType": kind.removeprefix("ssh-"),
            "CreateTime": region.now()}
        region.keys[name] = {"view": view, "public": public.strip()}
        return view
