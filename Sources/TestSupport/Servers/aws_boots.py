"""Instances that boot behind the stand-in's: one aws_guest each, or one aws_machine."""

import base64
import json
import os
import subprocess
import sys
import tempfile
import threading

import aws_catalog
from aws_state import LIVE

HERE = os.path.dirname(os.path.abspath(__file__))
# Image names begin with it: the user that the image has.
USERS = {"al2023": "ec2-user", "debian": "admin", "ubuntu": "ubuntu"}


def program(machine):
    """What keeps an instance. machine: the folder of an image, or None for namespaces of this machine."""
    words = ["aws_machine.py", machine] if machine else ["aws_guest.py"]
    return [sys.executable, "-u", os.path.join(HERE, words[0]), *words[1:]]


def unsupported(program):
    """Why instances cannot boot on this machine, or None."""
    words = [*program[:3], "--check", *program[3:]]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return None if done.returncode == 0 else ". ".join((done.stdout + done.stderr).split("\n")).strip(". ")


class Guest:
    """The process that keeps one instance, as seen from outside."""

    def __init__(self, boots, instance):
        self.boots, self.instance = boots, instance
        self.console = tempfile.TemporaryFile()
        self.known = threading.Event()
        self.script_code = "none"
        self.process = subprocess.Popen(
            boots.program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.console, start_new_session=True)
        self.send(json.dumps(self.config()))
        threading.Thread(target=self.follow, daemon=True).start()

    def config(self):
        instance = self.instance
        image = aws_catalog.images(instance.region.name)[instance.facts["ImageId"]]["Name"]
        key = instance.region.keys.get(instance.key)
        return {
            "instance": instance.id, "port": self.boots.port, "reach": self.boots.reach, "grace": self.boots.grace,
            "user": next(user for prefix, user in USERS.items() if image.startswith(prefix)), "key": key and key["public"],
            "user_data": base64.b64encode(instance.user_data).decode() if instance.user_data is not None else None}

    def send(self, line):
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            # It has ended; `follow` learns it.
            pass

    def power_off(self):
        self.send("power-off")

    def kill(self):
        """Ends it at once, and waits until all that it made is gone."""
        self.process.stdin.close()
        self.process.wait(20)

    def follow(self):
        ended_by = None
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "network":
                self.instance.private_ip = self.instance.public_ip = event["address"]
                self.instance.network[0]["PrivateIpAddress"] = event["address"]
                self.known.set()
            elif event["event"] == "up":
                self.up()
            elif event["event"] == "user-data":
                self.script_code = event["code"]
            elif event["event"] == "ended":
                ended_by = event["by"]
        self.process.wait()
        self.known.set()
        self.ended(ended_by)

    def up(self):
        region = self.instance.region
        with region.lock:
            region.settle()
            now = region.now()
            self.instance.running_at = max(now, self.instance.launched + region.settings["pending_seconds"])
            region.restless.add(self.instance)
            region.settle()

    def ended(self, by):
        """by: guest, host, or None if it was no orderly end."""
        instance, region = self.instance, self.instance.region
        with region.lock:
            region.settle()
            instance.guest = None
            now = region.now()
            if instance.state in LIVE:
                if by == "guest":
                    region.shut_itself_down(instance)
                else:
                    region.end(instance, "Server.InternalError", "Server.InternalError")
            else:
                instance.done_at = now
            region.restless.add(instance)
            region.settle()

    def output(self):
        return os.pread(self.console.fileno(), 1 << 20, 0).decode(errors="replace")


class Boots:
    """All that are booted."""

    def __init__(self, service, program, port, reach, grace):
        self.service, self.program, self.port, self.reach, self.grace = service, program, port, reach, grace
        self.guests = []
        self.over = threading.Event()
        threading.Thread(target=self.tick, daemon=True).start()

    def boot(self, instance):
        instance.running_at = None
        instance.guest = Guest(self, instance)
        self.guests.append(instance.guest)
        # The answer to the launch names its address.
        instance.guest.known.wait(20)

    def tick(self):
        """Lets interruptions end booted instances when nobody looks."""
        while not self.over.wait(0.1):
            for region in list(self.service.regions.values()):
                with region.lock:
                    region.settle()

    def stop(self):
        self.over.set()
        for guest in self.guests:
            guest.kill()
