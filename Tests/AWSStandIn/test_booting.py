"""Instances that boot: user-data, metadata, ssh, storage, and all their ends. Skipped, with the reason, where they cannot."""

import gzip
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import boto3
from botocore.config import Config
from stand_in import KEY_ID, SECRET, SERVERS, StandIn, StandInTest


def interfaces():
    return {name for name in os.listdir("/sys/class/net") if name.startswith("cjaws")}


def guests(of):
    """The instances' processes of a server."""
    found = []
    for each in pathlib.Path("/proc").iterdir():
        try:
            words, parent = (each / "cmdline").read_bytes(), (each / "stat").read_text().rpartition(")")[2].split()[1]
        except (OSError, IndexError):
            continue
        if b"aws_guest.py" in words and int(parent) == of:
            found.append(int(each.name))
    return found


class Booting(StandInTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        answer = cls.aws.control("boot", enabled=True)
        if "unsupported" in answer:
            cls.aws.stop()
            raise unittest.SkipTest(f"instances cannot boot here: {answer['unsupported']}")
        cls.folder = tempfile.TemporaryDirectory()
        cls.s3 = subprocess.Popen(
            [sys.executable, str(SERVERS / "s3.py"), "--folder", cls.folder.name + "/s3", "--key", f"{KEY_ID},{SECRET}",
             "--bucket", "results"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.s3_port = int(cls.s3.stdout.readline().removeprefix("PORT "))
        cls.key = cls.folder.name + "/key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", cls.key], check=True, stdin=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.s3.stdin.close()
        cls.s3.wait(10)
        cls.s3.stdout.close()
        cls.folder.cleanup()

    def setUp(self):
        super().setUp()
        self.aws.control("boot", enabled=True, reach=[self.s3_port])
        self.aws.control("key-pair", name="k", public=pathlib.Path(self.key + ".pub").read_text())

    def boot(self, script, **options):
        return self.launch(UserData=script, InstanceInitiatedShutdownBehavior="terminate", KeyName="k", **options)[0]

    def eventually(self, what, condition, seconds=20):
        end = time.monotonic() + seconds
        while not (found := condition()):
            self.assertLess(time.monotonic(), end, f"{what}: {self.aws.control('state')['regions']}")
            time.sleep(0.05)
        return found

    def reaches(self, instance, state):
        return self.eventually(state, lambda: (found := self.one(instance["InstanceId"]))["State"]["Name"] == state and found)

    def console(self, instance):
        return self.aws.control(f"console?instance={instance['InstanceId']}")

    def script_ends(self, instance):
        self.eventually("the end of user-data", lambda: self.console(instance)["user_data"] != "none")
        return self.console(instance)

    def ssh(self, instance, command, check=True):
        return subprocess.run(
            ["ssh", "-i", self.key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o",
             "ConnectTimeout=5", "-o", "ConnectionAttempts=20", "-o", "LogLevel=ERROR", "-F", "/dev/null",
             "ec2-user@" + instance["PublicIpAddress"], command],
            check=check, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL).stdout

    def storage(self):
        return boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{self.s3_port}", region_name="us-east-1", aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET, config=Config(signature_version="s3v4"))

    def test_from_launch_to_its_own_shutdown(self):
        url = self.storage().generate_presigned_url("put_object", {"Bucket": "results", "Key": "answer.txt"}, 300)
        started = time.monotonic()
        instance = self.boot(
            f"#!/bin/sh\nid -un >/tmp/x; hostname >>/tmp/x; pwd >>/tmp/x\ncurl -fsS -T /tmp/x '{url}'\necho stored\nshutdown -h now\n")
        answered = time.monotonic() - started
        stored = pathlib.Path(self.folder.name, "s3/results/answer.txt")
        self.eventually("the file", stored.exists)
        print(f"\nbooted: answer to the launch after {answered:.2f} s, its file in S3 after {time.monotonic() - started:.2f} s", end="")
        host = "ip-" + instance["PrivateIpAddress"].replace(".", "-")
        self.eventually("the whole file", lambda: stored.read_text() == f"root\n{host}\n/\n")
        found = self.reaches(instance, "terminated")
        self.assertEqual(found["StateReason"]["Code"], "Client.InstanceInitiatedShutdown")
        self.assertIn("stored", self.console(instance)["output"])
        self.assertEqual(self.request_of(instance)["Status"]["Code"], "instance-terminated-by-user")

    def test_ssh_and_what_it_cannot_do(self):
        instance = self.boot("#!/bin/sh\necho $PATH >/run/path; env >/run/env\n")
        running = self.reaches(instance, "running")
        self.assertEqual(self.ssh(running, "id -un; pwd"), "ec2-user\n/home/ec2-user\n")
        self.script_ends(instance)
        self.assertNotIn("HOME=", self.ssh(running, "cat /run/env"))
        if shutil.which("sudo"):
            self.assertEqual(self.ssh(running, "sudo -n id -u"), "0\n")
        # It sees neither this machine's files nor its processes, and leaves nothing.
        probe = f"/etc/cloudjobs-probe-{os.getpid()}"
        self.assertEqual(self.ssh(running, f"ps -e -o args= | grep -c 'fake_aw[s]'; ls {self.folder.name} 2>/dev/null", check=False), "0\n")
        other = self.boot(
            f"#!/bin/sh\necho x >{probe}\nrm -f /usr/bin/env\nmount -t tmpfs none /mnt && echo mounted\n"
            "echo 1 >/proc/sys/kernel/panic && echo written\nmknod /tmp/d b 8 0 && echo made\n")
        self.reaches(other, "running")
        output = self.script_ends(other)["output"]
        for word in ("mounted", "written", "made"):
            self.assertNotIn(word, output)
        self.assertFalse(os.path.exists(probe))
        self.assertTrue(os.path.exists("/usr/bin/env"))

    def test_metadata(self):
        self.aws.control("profile", name="worker", role="worker")
        instance = self.boot(gzip.compress(b"#!/bin/sh\ntrue\n"), IamInstanceProfile={"Name": "worker"})
        running = self.reaches(instance, "running")

        def ask(path, token=True):
            lead = "T=$(curl -fsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token); "
            header = '-H "X-aws-ec2-metadata-token: $T"' if token else ""
            url = "http://169.254.169.254/latest/" + path
            answer = self.ssh(running, f"{lead if token else ''}curl -sS -w '\\n%{{http_code}}' {header} {url}")
            return answer.rpartition("\n")[2], answer.rpartition("\n")[0]

        self.assertEqual(ask("meta-data/instance-id", token=False)[0], "401")
        for path, content in (
            ("meta-data/instance-id", instance["InstanceId"]),
            ("meta-data/placement/availability-zone", instance["Placement"]["AvailabilityZone"]),
            ("meta-data/placement/region", "us-east-1"), ("meta-data/instance-type", "c5.large"), ("meta-data/public-keys/", "0=k"),
            ("meta-data/iam/security-credentials/", "worker")):
            self.assertEqual(ask(path), ("200", content))
        for path in ("meta-data/spot/instance-action", "meta-data/events/recommendations/rebalance", "meta-data/nothing"):
            self.assertEqual(ask(path)[0], "404")
        keys = json.loads(ask("meta-data/iam/security-credentials/worker")[1])
        client = self.aws.client(
            "sts", aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["Token"])
        self.assertTrue(client.get_caller_identity()["Arn"].endswith(f":assumed-role/worker/{instance['InstanceId']}"))
        self.aws.control("interrupt", instance=instance["InstanceId"])
        action = json.loads(ask("meta-data/spot/instance-action")[1])
        self.assertEqual(action["action"], "terminate")
        self.assertRegex(action["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertIn("noticeTime", json.loads(ask("meta-data/events/recommendations/rebalance")[1]))
        self.aws.control("clock", advance=121)
        self.assertEqual(self.reaches(instance, "terminated")["StateReason"]["Code"], "Server.SpotInstanceTermination")

    def test_termination_sends_sigterm_first(self):
        url = self.storage().generate_presigned_url("put_object", {"Bucket": "results", "Key": "last.txt"}, 300)
        instance = self.boot(
            "#!/bin/sh\necho last >/tmp/last\n"
            f"trap 'curl -fsS -T /tmp/last \"{url}\"; exit 3' TERM\necho waiting\nwhile :; do sleep 0.1; done\n")
        self.reaches(instance, "running")
        self.eventually("it waits", lambda: "waiting" in self.console(instance)["output"])
        self.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
        self.assertEqual(self.reaches(instance, "terminated")["StateReason"]["Code"], "Client.UserInitiatedShutdown")
        stored = pathlib.Path(self.folder.name, "s3/results/last.txt")
        self.assertTrue(stored.exists(), self.console(instance))

    def test_what_is_no_script_is_not_run(self):
        instance = self.boot("touch /run/ran\n")
        running = self.reaches(instance, "running")
        self.assertIsNone(self.script_ends(instance)["user_data"])
        self.assertEqual(self.ssh(running, "ls /run/ran", check=False), "")

    def test_nothing_is_left(self):
        for kill in (False, True):
            aws = StandIn()
            self.assertEqual(aws.control("boot", enabled=True), {"supported": True})
            image = self.image
            # Of its own instances: other servers beside it boot theirs meanwhile.
            own = set()
            for _ in range(2):
                reply = aws.client().run_instances(ImageId=image, InstanceType="c5.large", MinCount=1, MaxCount=1,
                    UserData="#!/bin/sh\nsleep 1000 &\nsleep 1000\n")
                own.add("cjaws" + reply["Instances"][0]["PrivateIpAddress"].split(".")[2])
            children = guests(aws.process.pid)
            self.assertEqual((len(children), len(interfaces() & own)), (2, 2))
            if kill:
                os.kill(aws.process.pid, signal.SIGKILL)
                aws.process.wait(10)
                aws.process.stdin.close()
                aws.process.stdout.close()
            else:
                aws.stop()
            self.eventually(
                "all are gone",
                lambda: not (interfaces() & own or any(os.path.exists(f"/proc/{each}") for each in children)))


if __name__ == "__main__":
    unittest.main()
