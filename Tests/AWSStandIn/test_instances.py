"""Launches, lives and ends of instances, asked for with boto3."""

import base64
import unittest

import botocore.exceptions
from stand_in import ARM_IMAGE, StandInTest


class Launches(StandInTest):
    def test_one_token_launches_once_although_the_answer_is_lost(self):
        self.aws.control("fault", kind="drop_after", action="RunInstances", times=1)
        client = self.aws.client(attempts=3)
        launched = self.launch(client=client, ClientToken="job-1")
        self.assertEqual(self.calls("RunInstances"), 2)
        self.assertEqual(len(self.aws.control("state")["regions"]["us-east-1"]["instances"]), 1)
        self.assertEqual(self.launch(ClientToken="job-1")[0]["InstanceId"], launched[0]["InstanceId"])

    def test_a_lost_answer_without_retry_is_an_error_of_the_connection(self):
        for kind, count in (("drop_before", 0), ("drop_after", 1)):
            self.aws.control("fault", kind=kind, action="RunInstances", times=1)
            with self.assertRaises(botocore.exceptions.ConnectionClosedError):
                self.launch(ClientToken="job-1")
            self.assertEqual(len(self.states()), count)

    def test_a_token_belongs_to_its_parameters_and_ends_with_its_instance(self):
        first = self.launch(ClientToken="job-1")[0]["InstanceId"]
        self.refused("IdempotentParameterMismatch", self.launch, ClientToken="job-1", InstanceType="c5.xlarge")
        self.ec2.terminate_instances(InstanceIds=[first])
        self.aws.control("clock", advance=1)
        self.refused("IdempotentInstanceTerminated", self.launch, ClientToken="job-1")
        self.refused("InvalidClientToken", self.launch, ClientToken="x" * 65)

    def test_a_token_is_zonal_with_a_zone_and_regional_without(self):
        zones = [
            self.launch(ClientToken="job-1", Placement={"AvailabilityZone": zone})[0]["InstanceId"]
            for zone in ("us-east-1a", "us-east-1b", "us-east-1a")]
        self.assertEqual(zones[0], zones[2])
        self.assertNotEqual(zones[0], zones[1])
        other = self.aws.client(region="eu-west-1")
        image = self.aws.client("ssm", "eu-west-1").get_parameter(Name="/aws/service/debian/release/12/latest/amd64")["Parameter"]["Value"]
        elsewhere = self.launch(client=other, ClientToken="job-1", ImageId=image)[0]["InstanceId"]
        self.assertNotIn(elsewhere, zones)

    def test_a_token_without_capacity_may_be_used_again_only_for_the_same(self):
        self.aws.control("capacity", type="c5.large", count=0)
        self.refused("InsufficientInstanceCapacity", self.launch, ClientToken="job-1", status=500)
        self.refused("IdempotentParameterMismatch", self.launch, ClientToken="job-1", InstanceType="m5.large")
        self.aws.control("capacity", type="c5.large", count=None)
        self.assertEqual(len(self.launch(ClientToken="job-1")), 1)

    def test_between_least_and_most_as_many_as_there_is_room_for(self):
        self.aws.control("capacity", type="c5.large", zone="us-east-1b", market="spot", count=2)
        zone = {"AvailabilityZone": "us-east-1b"}
        self.refused("InsufficientInstanceCapacity", self.launch, 3, Placement=zone)
        self.assertEqual(len(self.launch(MinCount=1, MaxCount=3, Placement=zone)), 2)
        self.assertEqual(len(self.launch(spot=False, Placement=zone)), 1)
        # Without a zone another one is taken.
        self.assertNotEqual(self.launch()[0]["Placement"]["AvailabilityZone"], "us-east-1b")

    def test_limits_and_prices(self):
        self.aws.control("settings", spot_limit=1, vcpu_limit=4)
        self.launch()
        self.refused("MaxSpotInstanceCountExceeded", self.launch)
        self.launch(2, spot=False)
        self.refused("VcpuLimitExceeded", self.launch, spot=False)
        self.aws.control("settings", spot_limit=None)
        cheap = {"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.002"}}
        self.refused("SpotMaxPriceTooLow", self.launch, InstanceMarketOptions=cheap)

    def test_what_is_wrong_is_refused_by_name(self):
        for code, options in (
            ("InvalidAMIID.NotFound", {"ImageId": "ami-0123456789abcdef0"}),
            ("InvalidParameterValue", {"InstanceType": "c5.huge"}),
            ("InvalidKeyPair.NotFound", {"KeyName": "nobody"}),
            ("InvalidGroup.NotFound", {"SecurityGroupIds": ["sg-0123456789abcdef0"]}),
            ("InvalidSubnetID.NotFound", {"SubnetId": "subnet-0123456789abcdef0"}),
            ("InvalidParameterValue", {"IamInstanceProfile": {"Name": "nobody"}}),
            ("InvalidParameterValue", {"UserData": "x" * 16385}),
            ("InvalidParameterValue", {"InstanceType": "c7g.large"}),
            ("InvalidBlockDeviceMapping", {"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 4}}]}),
            ("InvalidParameterValue", {"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "aws:x", "Value": ""}]}]}),
            ("Unsupported", {"Placement": {"AvailabilityZone": "us-east-1e"}}),
        ):
            with self.subTest(options=str(options)[:60]):
                self.refused(code, self.launch, **options)
        self.assertEqual(self.states(), [])

    def test_an_instance_has_what_was_asked_for(self):
        self.aws.control("key-pair", name="k", public="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBuq0yxKUqsD2nbnbzXZkpKnkVzHgQ0lGDvTTUXTgn2P x")
        self.aws.control("profile", name="worker", role="worker-role")
        subnet = self.ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["us-east-1b"]}])["Subnets"][0]
        image = self.aws.client("ssm").get_parameter(Name=ARM_IMAGE)["Parameter"]["Value"]
        launched = self.launch(
            ImageId=image, InstanceType="c7g.large", KeyName="k", SubnetId=subnet["SubnetId"], IamInstanceProfile={"Name": "worker"},
            UserData="#!/bin/sh\ntrue\n", MetadataOptions={"HttpTokens": "required"}, InstanceInitiatedShutdownBehavior="terminate",
            BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 50, "VolumeType": "gp3"}}],
            TagSpecifications=[
                {"ResourceType": kind, "Tags": [{"Key": "job", "Value": 'a<&">é'}]} for kind in ("instance", "spot-instances-request")])[0]
        found = self.one(launched["InstanceId"])
        self.assertEqual(found["State"], {"Code": 16, "Name": "running"})
        self.assertEqual(found["Placement"]["AvailabilityZone"], "us-east-1b")
        self.assertEqual(found["Tags"], [{"Key": "job", "Value": 'a<&">é'}])
        self.assertEqual((found["KeyName"], found["Architecture"], found["InstanceLifecycle"]), ("k", "arm64", "spot"))
        self.assertTrue(found["IamInstanceProfile"]["Arn"].endswith(":instance-profile/worker"))
        self.assertEqual(self.request_of(found)["Tags"], found["Tags"])
        dump = self.aws.control("state")["regions"]["us-east-1"]["instances"][0]
        self.assertEqual(base64.b64decode(dump["user_data"]), b"#!/bin/sh\ntrue\n")

    def test_dry_runs_and_denials(self):
        options = dict(ImageId=self.image, InstanceType="c5.large", MinCount=1, MaxCount=1, DryRun=True)
        self.refused("DryRunOperation", self.ec2.run_instances, **options, status=412)
        self.refused("DryRunOperation", self.ec2.describe_instances, DryRun=True, status=412)
        self.refused("InvalidAMIID.NotFound", self.ec2.run_instances, **{**options, "ImageId": "ami-0123456789abcdef0"})
        self.aws.control("deny", action="ec2:CreateTags")
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "job", "Value": "1"}]}]
        text = self.refused("UnauthorizedOperation", self.ec2.run_instances, **options, TagSpecifications=tags, status=403)
        self.assertIn("ec2:CreateTags", text)
        self.assertIn("Encoded authorization failure message: ", text)
        self.refused("DryRunOperation", self.ec2.run_instances, **options)
        self.aws.control("deny", action="ec2:CreateTags", allow=True)
        self.refused("DryRunOperation", self.ec2.run_instances, **options, TagSpecifications=tags)


class Lives(StandInTest):
    def test_states_follow_the_clock(self):
        self.aws.control("settings", pending_seconds=30, shutting_down_seconds=30)
        identifier = self.launch()[0]["InstanceId"]
        self.assertEqual(self.states(), ["pending"])
        self.aws.control("clock", advance=31)
        self.assertEqual(self.states(), ["running"])
        change = self.ec2.terminate_instances(InstanceIds=[identifier])["TerminatingInstances"][0]
        self.assertEqual((change["PreviousState"]["Name"], change["CurrentState"]["Name"]), ("running", "shutting-down"))
        self.aws.control("clock", advance=31)
        found = self.one(identifier)
        self.assertEqual(found["State"], {"Code": 48, "Name": "terminated"})
        self.assertEqual(found["StateReason"]["Code"], "Client.UserInitiatedShutdown")
        self.assertRegex(found["StateTransitionReason"], r"^User initiated \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d GMT\)$")
        self.assertNotIn("PublicIpAddress", found)
        # Once more is no error.
        self.ec2.terminate_instances(InstanceIds=[identifier])
        self.aws.control("clock", advance=3601)
        self.refused("InvalidInstanceID.NotFound", self.one, identifier)

    def test_waiters_wait(self):
        self.aws.control("settings", pending_seconds=0.5, shutting_down_seconds=0.5, visibility_seconds=0.3)
        identifier = self.launch()[0]["InstanceId"]
        for name in ("instance_running", "instance_terminated"):
            self.ec2.get_waiter(name).wait(InstanceIds=[identifier], WaiterConfig={"Delay": 0.2, "MaxAttempts": 20})
            if name == "instance_running":
                self.ec2.terminate_instances(InstanceIds=[identifier])

    def test_a_new_instance_and_then_its_tags_are_unknown_at_first(self):
        self.aws.control("settings", visibility_seconds=10, tag_visibility_seconds=20)
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "job", "Value": "1"}]}]
        identifier = self.launch(TagSpecifications=tags)[0]["InstanceId"]
        by_tag = [{"Name": "tag:job", "Values": ["1"]}]
        self.refused("InvalidInstanceID.NotFound", self.one, identifier)
        self.assertEqual(self.states(), [])
        self.aws.control("clock", advance=11)
        self.assertNotIn("Tags", self.one(identifier))
        self.assertEqual(self.states(Filters=by_tag), [])
        self.aws.control("clock", advance=10)
        self.assertEqual(self.states(Filters=by_tag), ["running"])
        self.assertEqual(len(self.one(identifier)["Tags"]), 1)

    def test_unknown_and_malformed_ids(self):
        known = self.launch()[0]["InstanceId"]
        gone = ["i-0123456789abcdef0", "i-0123456789abcdef1"]
        text = self.refused("InvalidInstanceID.NotFound", self.ec2.describe_instances, InstanceIds=[known, *gone])
        self.assertEqual(text, f"The instance IDs '{gone[0]}, {gone[1]}' do not exist")
        text = self.refused("InvalidInstanceID.NotFound", self.ec2.terminate_instances, InstanceIds=[known, gone[0]])
        self.assertEqual(text, f"The instance ID '{gone[0]}' does not exist")
        self.assertEqual(self.states(), ["running"])
        self.refused("InvalidInstanceID.Malformed", self.ec2.describe_instances, InstanceIds=["i-123"])

    def test_an_instance_that_shuts_itself_down(self):
        for behavior, state in (("terminate", "terminated"), ("stop", "stopped")):
            identifier = self.launch(spot=False, InstanceInitiatedShutdownBehavior=behavior)[0]["InstanceId"]
            self.aws.control("shutdown", instance=identifier)
            found = self.one(identifier)
            self.assertEqual((found["State"]["Name"], found["StateReason"]["Code"]), (state, "Client.InstanceInitiatedShutdown"))
        self.ec2.terminate_instances(InstanceIds=[identifier])
        self.assertEqual(self.one(identifier)["State"]["Name"], "terminated")

    def test_stopping(self):
        spot, other = self.launch()[0]["InstanceId"], self.launch(spot=False)[0]["InstanceId"]
        self.refused("UnsupportedOperation", self.ec2.stop_instances, InstanceIds=[spot, other])
        self.assertEqual(sorted(self.states()), ["running", "running"])
        self.ec2.stop_instances(InstanceIds=[other])
        self.assertEqual(self.one(other)["State"]["Name"], "stopped")

    def test_an_end_by_the_provider_and_ill_health(self):
        identifier = self.launch()[0]["InstanceId"]
        self.aws.control("health", instance=identifier, status="impaired", event="instance-retirement")
        status = self.ec2.describe_instance_status(InstanceIds=[identifier])["InstanceStatuses"][0]
        self.assertEqual((status["InstanceStatus"]["Status"], status["Events"][0]["Code"]), ("impaired", "instance-retirement"))
        self.aws.control("end", instance=identifier, code="Server.InternalError")
        self.assertEqual(self.one(identifier)["StateReason"]["Code"], "Server.InternalError")
        self.assertEqual(self.ec2.describe_instance_status()["InstanceStatuses"], [])
        everything = self.ec2.describe_instance_status(IncludeAllInstances=True)["InstanceStatuses"]
        self.assertEqual(everything[0]["InstanceState"]["Name"], "terminated")


class Questions(StandInTest):
    def test_filters(self):
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "job", "Value": "a1"}]}]
        spot = self.launch(ClientToken="tok-a", TagSpecifications=tags)[0]
        other = self.launch(spot=False, InstanceType="m5.large")[0]

        def found(**filters):
            answer = self.ec2.describe_instances(
                Filters=[{"Name": name.replace("__", ":").replace("_", "-"), "Values": values} for name, values in filters.items()])
            return {each["InstanceId"] for reservation in answer["Reservations"] for each in reservation["Instances"]}

        both = {spot["InstanceId"], other["InstanceId"]}
        self.assertEqual(found(tag__job=["a1", "b"]), {spot["InstanceId"]})
        self.assertEqual(found(tag__job=["a?"], tag_key=["jo*"]), {spot["InstanceId"]})
        self.assertEqual(found(tag__job=["A1"]), set())
        self.assertEqual(found(instance_state_name=["pending", "running"]), both)
        self.assertEqual(found(client_token=["tok-a"]), {spot["InstanceId"]})
        self.assertEqual(found(instance_lifecycle=["spot"]), {spot["InstanceId"]})
        self.assertEqual(found(spot_instance_request_id=[spot["SpotInstanceRequestId"]]), {spot["InstanceId"]})
        self.assertEqual(found(instance_type=["m5.*"]), {other["InstanceId"]})
        text = self.refused("InvalidParameterValue", found, lifecycle=["spot"])
        self.assertEqual(text, "The filter 'lifecycle' is invalid")
        self.refused("FilterLimitExceeded", found, client_token=[str(number) for number in range(201)])

    def test_pages(self):
        for _ in range(4):
            self.launch(3)
        pages = list(self.ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}))
        ids = [each["InstanceId"] for page in pages for reservation in page["Reservations"] for each in reservation["Instances"]]
        self.assertEqual((len(pages), len(ids), len(set(ids))), (3, 12, 12))
        for size in (4, 1001):
            self.refused("InvalidParameterValue", self.ec2.describe_instances, MaxResults=size)
        self.refused("InvalidParameterCombination", self.ec2.describe_instances, InstanceIds=ids[:1], MaxResults=5)
        self.refused("InvalidParameterValue", self.ec2.describe_instances, NextToken="nonsense", MaxResults=5)
        self.refused("InvalidParameterValue", self.ec2.describe_instance_status, InstanceIds=ids[:1] * 101)

    def test_tags(self):
        instance = self.launch()[0]
        resources = [instance["InstanceId"], instance["SpotInstanceRequestId"]]
        self.ec2.create_tags(Resources=resources, Tags=[{"Key": "job", "Value": "x"}, {"Key": "n", "Value": ""}])
        rows = self.ec2.describe_tags(Filters=[{"Name": "key", "Values": ["job"]}])["Tags"]
        self.assertEqual({row["ResourceType"] for row in rows}, {"instance", "spot-instances-request"})
        self.assertEqual(len(self.one(resources[0])["Tags"]), 2)
        self.refused(
            "InvalidInstanceID.NotFound", self.ec2.create_tags, Resources=[resources[0], "i-0123456789abcdef0"],
            Tags=[{"Key": "z", "Value": ""}])
        self.refused(
            "TagLimitExceeded", self.ec2.create_tags, Resources=resources, Tags=[{"Key": f"k{n}", "Value": ""} for n in range(49)])
        self.assertEqual(len(self.one(resources[0])["Tags"]), 2)

    def test_what_there_is(self):
        pages = self.ec2.get_paginator("describe_instance_types").paginate(
            Filters=[{"Name": "processor-info.supported-architecture", "Values": ["arm64"]},
                     {"Name": "supported-usage-class", "Values": ["spot"]}])
        names = [each["InstanceType"] for page in pages for each in page["InstanceTypes"]]
        self.assertIn("c7g.large", names)
        self.assertNotIn("c5.large", names)
        facts = self.ec2.describe_instance_types(InstanceTypes=["g4dn.xlarge"])["InstanceTypes"][0]
        self.assertEqual(facts["GpuInfo"]["Gpus"][0]["Count"], 1)
        self.refused("InvalidInstanceType", self.ec2.describe_instance_types, InstanceTypes=["c5.huge"])
        offered = self.ec2.describe_instance_type_offerings(
            LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["c5.large"]}])["InstanceTypeOfferings"]
        zones = {each["ZoneName"]: each["ZoneId"] for each in self.ec2.describe_availability_zones()["AvailabilityZones"]}
        self.assertTrue({each["Location"] for each in offered} < set(zones))
        self.assertEqual(len(set(zones.values())), len(zones))
        self.assertEqual(len(self.ec2.describe_regions()["Regions"]), 17)
        owned = self.ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["al2023-ami-2023.*"]}])["Images"]
        self.assertIn(self.image, {each["ImageId"] for each in owned})
        self.assertEqual(self.ec2.describe_security_groups()["SecurityGroups"][0]["GroupName"], "default")

    def test_a_parameter_that_the_model_lacks_is_refused(self):
        # The plural that SDKs use is not the name on the wire.
        def spoil(request, **_):
            request.data["InstanceIds.1"] = "i-0123456789abcdef0"

        self.ec2.meta.events.register("before-sign.ec2.DescribeInstances", spoil)
        text = self.refused("UnknownParameter", self.ec2.describe_instances)
        self.assertEqual(text, "The parameter InstanceIds is not recognized")
        self.assertTrue(any("InstanceIds" in each for each in self.aws.control("state")["violations"]))


if __name__ == "__main__":
    unittest.main()
