"""What AWS has to offer: regions, zones, instance types and where they are offered (the data that moto publishes), images.

Of moto only its data files are read: importing it takes seconds. Prices are invented, but of a likely size: see aws_prices.
"""

import functools
import gzip
import hashlib
import importlib.util
import json
import os

import botocore.loaders

ACCOUNT = "123456789012"
# Only these regions want nothing to be switched on first.
DEFAULT_REGIONS = (
    "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
    "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1",
    "us-west-2",
)

# name, architecture, owner, alias, user, root device, GiB, the public SSM parameters that lead to it
IMAGES = (
    ("al2023-ami-2023.9.20251105.0-kernel-6.1-x86_64", "x86_64", "137112412989", "amazon", "/dev/xvda", 8,
     ("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
      "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64")),
    ("al2023-ami-2023.9.20251105.0-kernel-6.1-arm64", "arm64", "137112412989", "amazon", "/dev/xvda", 8,
     ("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
      "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-arm64")),
    ("debian-12-amd64-20251112-2294", "x86_64", "136693071363", None, "/dev/xvda", 8,
     ("/aws/service/debian/release/12/latest/amd64",)),
    ("debian-12-arm64-20251112-2294", "arm64", "136693071363", None, "/dev/xvda", 8,
     ("/aws/service/debian/release/12/latest/arm64",)),
    ("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20251022", "x86_64", "099720109477", None, "/dev/sda1", 8,
     ("/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",)),
    ("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20251022", "arm64", "099720109477", None, "/dev/sda1", 8,
     ("/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id",)),
)


def stable_id(prefix, *words):
    """The same identifier for the same words, in every run."""
    return f"{prefix}-0{hashlib.sha256('/'.join(words).encode()).hexdigest()[:16]}"


def resource(path):
    folder = os.path.dirname(importlib.util.find_spec("moto").origin)
    with gzip.open(os.path.join(folder, "ec2/resources", path), "rt", encoding="utf-8") as file:
        return json.load(file)


@functools.cache
def instance_types():
    return resource("instance_types.json.gz")


@functools.cache
def offerings(region, location_type):
    """Pairs of an instance type and where it is offered."""
    try:
        return [(each["InstanceType"], each["Location"]) for each in resource(f"instance_type_offerings/{location_type}/{region}.json.gz")]
    except FileNotFoundError:
        return []


@functools.cache
def types_by_zone(region):
    """From zones' names to the types that they offer."""
    zones = {}
    for name, zone in offerings(region, "availability-zone"):
        zones.setdefault(zone, set()).add(name)
    return dict(sorted(zones.items()))


def types_of(region):
    return {name for names in types_by_zone(region).values() for name in names}


@functools.cache
def zone_ids(region):
    """From names, which are another zone for every account, to ids. A name goes with an id that offers the same types."""
    by_id = {}
    for name, zone in offerings(region, "availability-zone-id"):
        by_id.setdefault(zone, set()).add(name)
    result = {}
    for zone, types in types_by_zone(region).items():
        # The last comes first, so that nobody takes a for az1.
        same = [each for each in sorted(by_id, reverse=True) if by_id[each] == types] or sorted(by_id, reverse=True)
        result[zone] = same[0]
        del by_id[same[0]]
    return result


@functools.cache
def regions():
    """From names to descriptions."""
    partition = botocore.loaders.Loader().load_data("endpoints")["partitions"][0]
    return {name: each["description"] for name, each in partition["regions"].items()}


@functools.cache
def images(region):
    """From ids to what DescribeImages says."""
    result = {}
    for name, architecture, owner, alias, root, size, _ in IMAGES:
        image = stable_id("ami", region, name)
        result[image] = {
            "ImageId": image, "Name": name, "Description": name, "Architecture": architecture, "OwnerId": owner,
            "ImageOwnerAlias": alias, "ImageLocation": f"{alias or owner}/{name}", "ImageType": "machine", "Public": True,
            "State": "available", "CreationDate": "2025-11-05T20:00:00.000Z", "PlatformDetails": "Linux/UNIX",
            "UsageOperation": "RunInstances", "EnaSupport": True, "Hypervisor": "xen", "RootDeviceName": root,
            "RootDeviceType": "ebs", "SriovNetSupport": "simple", "VirtualizationType": "hvm", "BootMode": "uefi-preferred",
            "BlockDeviceMappings": [{
                "DeviceName": root,
                "Ebs": {"DeleteOnTermination": True, "SnapshotId": stable_id("snap", region, name), "VolumeSize": size,
                        "VolumeType": "gp3", "Encrypted": False, "Iops": 3000, "Throughput": 125}}],
        }
    return result


@functools.cache
def image_parameters(region):
    """From names of SSM's public parameters to ids of images."""
    return {
        parameter: stable_id("ami", region, image[0]) for image in IMAGES for parameter in image[6]}


@functools.cache
def on_demand_price(name):
    """Dollars an hour; invented: near the real ones for common types, and right in their order."""
    facts = instance_types().get(name)
    if facts is None:
        return 0.1
    price = facts["VCpuInfo"]["DefaultVCpus"] * 0.034 + facts["MemoryInfo"]["SizeInMiB"] / 1024 * 0.0045
    for gpu in facts.get("GpuInfo", {}).get("Gpus", []):
        price += gpu.get("Count", 1) * 0.9
    return round(price, 4)
