"""Spot requests, interruptions and prices."""

import datetime
import unittest

from stand_in import StandInTest


class SpotRequests(StandInTest):
    def test_a_launch_makes_a_request(self):
        instance = self.launch()[0]
        request = self.request_of(instance)
        self.assertEqual((request["State"], request["Status"]["Code"], request["Type"]), ("active", "fulfilled", "one-time"))
        self.assertEqual(request["InstanceId"], instance["InstanceId"])

    def test_cancelling_leaves_the_instance(self):
        instance = self.launch()[0]
        identifier = instance["SpotInstanceRequestId"]
        for _ in range(2):
            answer = self.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[identifier])
            self.assertEqual(answer["CancelledSpotInstanceRequests"][0]["State"], "cancelled")
        self.assertEqual(self.request_of(instance)["Status"]["Code"], "request-canceled-and-instance-running")
        self.assertEqual(self.states(), ["running"])
        self.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
        request = self.request_of(instance)
        self.assertEqual((request["State"], request["Status"]["Code"]), ("cancelled", "instance-terminated-by-user"))
        self.aws.control("clock", advance=4 * 3600 + 1)
        self.refused("InvalidSpotInstanceRequestID.NotFound", self.request_of, instance)

    def test_terminating_closes_the_request(self):
        instance = self.launch()[0]
        self.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
        request = self.request_of(instance)
        self.assertEqual((request["State"], request["Status"]["Code"]), ("closed", "instance-terminated-by-user"))

    def test_an_interruption_comes_with_two_minutes(self):
        instance = self.launch()[0]
        self.aws.control("interrupt", instance=instance["InstanceId"])
        request = self.request_of(instance)
        self.assertEqual((request["State"], request["Status"]["Code"]), ("closed", "instance-terminated-no-capacity"))
        self.aws.control("clock", advance=119)
        self.assertEqual(self.states(), ["running"])
        self.aws.control("clock", advance=2)
        found = self.one(instance["InstanceId"])
        self.assertEqual((found["State"]["Name"], found["StateReason"]["Code"]), ("terminated", "Server.SpotInstanceTermination"))
        self.assertEqual(self.request_of(instance)["Status"]["Code"], "instance-terminated-no-capacity")

    def test_what_is_terminated_in_its_last_two_minutes(self):
        instance = self.launch()[0]
        self.aws.control("interrupt", instance=instance["InstanceId"], reason="by-price")
        self.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
        self.assertEqual(self.one(instance["InstanceId"])["StateReason"]["Code"], "Client.UserInitiatedShutdown")
        self.assertEqual(self.request_of(instance)["Status"]["Code"], "instance-terminated-by-price")

    def ask(self, **options):
        return self.ec2.request_spot_instances(
            LaunchSpecification={"ImageId": self.image, "InstanceType": "c5.large"}, **options)["SpotInstanceRequests"][0]

    def test_a_request_waits_for_capacity(self):
        self.aws.control("capacity", type="c5.large", market="spot", count=0)
        request = self.ask(ClientToken="r1")
        self.assertEqual((request["State"], request["Status"]["Code"]), ("open", "pending-evaluation"))
        identifier = request["SpotInstanceRequestId"]
        self.assertEqual(self.ask(ClientToken="r1")["SpotInstanceRequestId"], identifier)
        self.assertEqual(self.request_of(request)["Status"]["Code"], "capacity-not-available")
        self.aws.control("capacity", type="c5.large", market="spot", count=None)
        self.ec2.get_waiter("spot_instance_request_fulfilled").wait(
            SpotInstanceRequestIds=[identifier], WaiterConfig={"Delay": 0.1, "MaxAttempts": 5})
        self.assertEqual(self.states(), ["running"])

    def test_a_request_that_is_not_fulfilled_can_be_cancelled_or_expires(self):
        request = self.ask(SpotPrice="0.002", ValidUntil=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1))
        self.assertEqual(self.request_of(request)["Status"]["Code"], "price-too-low")
        other = self.ask(SpotPrice="0.002")
        self.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[other["SpotInstanceRequestId"]])
        self.assertEqual(self.request_of(other)["Status"]["Code"], "canceled-before-fulfillment")
        self.aws.control("clock", advance=3601)
        self.assertEqual(self.request_of(request)["Status"]["Code"], "schedule-expired")
        self.assertEqual(self.states(), [])

    def test_filters_and_unknown_ids(self):
        self.launch(2)
        requests = self.ec2.describe_spot_instance_requests
        self.assertEqual(len(requests(Filters=[{"Name": "state", "Values": ["active"]}])["SpotInstanceRequests"]), 2)
        self.assertEqual(len(requests(Filters=[{"Name": "status-code", "Values": ["instance-*"]}])["SpotInstanceRequests"]), 0)
        self.refused("InvalidParameterValue", requests, Filters=[{"Name": "status", "Values": ["x"]}])
        self.refused("InvalidSpotInstanceRequestID.NotFound", requests, SpotInstanceRequestIds=["sir-abcd1234"])
        cancel = self.ec2.cancel_spot_instance_requests
        self.refused("InvalidSpotInstanceRequestID.NotFound", cancel, SpotInstanceRequestIds=["sir-abcd1234"])
        self.refused("InvalidSpotInstanceRequestID.Malformed", requests, SpotInstanceRequestIds=["sir-1"])


class Prices(StandInTest):
    def history(self, **options):
        options = {"InstanceTypes": ["c5.large"], "ProductDescriptions": ["Linux/UNIX"], "AvailabilityZone": "us-east-1a", **options}
        pages = self.ec2.get_paginator("describe_spot_price_history").paginate(**options, PaginationConfig={"PageSize": 100})
        return [row for page in pages for row in page["SpotPriceHistory"]]

    def test_the_last_price_before_the_start_is_told_too(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        week = self.history(StartTime=now - datetime.timedelta(days=7))
        times = [row["Timestamp"] for row in week]
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertLess(times[-1], now - datetime.timedelta(days=7))
        self.assertGreater(times[-2], now - datetime.timedelta(days=7))
        self.assertGreater(len(week), 5)
        current = self.history(StartTime=now)
        self.assertEqual([row["SpotPrice"] for row in current], [week[0]["SpotPrice"]])
        # From the moment of a change on, that change is the price at the start.
        self.assertEqual(len(self.history(StartTime=times[0], EndTime=now)), 1)

    def test_all_zones_and_both_names_of_a_product(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        answer = self.ec2.describe_spot_price_history(
            InstanceTypes=["c5.large", "m5.large"], ProductDescriptions=["Linux/UNIX (Amazon VPC)"], StartTime=now)
        zones = {row["AvailabilityZone"] for row in answer["SpotPriceHistory"]}
        self.assertGreaterEqual(len(zones), 5)
        self.assertEqual({row["ProductDescription"] for row in answer["SpotPriceHistory"]}, {"Linux/UNIX"})
        self.assertEqual(answer["NextToken"], "")

    def test_pages_and_chosen_prices(self):
        self.aws.control(
            "prices", zone="us-east-1a", type="c5.large",
            records=[[3600 * hour, 0.01 + hour / 100000] for hour in range(250)])
        rows = self.history(StartTime=datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=30))
        self.assertEqual((len(rows), rows[0]["SpotPrice"], rows[-1]["SpotPrice"]), (250, "0.010000", "0.012490"))


if __name__ == "__main__":
    unittest.main()
