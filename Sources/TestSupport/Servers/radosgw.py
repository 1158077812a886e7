#!/usr/bin/env python3
"""An S3 on loopback that is as strict as Amazon's in what matters: Ceph's radosgw over a cluster of one monitor and one OSD.

It refuses clocks that are a quarter of an hour off, bodies with another hash than the signed one, expired and tampered presigned
URLs, and honours If-Match and If-None-Match. It wants Debian's radosgw, ceph-mon and ceph-osd, takes about 20 s to start,
and 20 GB of a sparse file at most.
"""

import argparse
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

import lifeline

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
START = 120


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def die_with_parent():
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    # PR_SET_PDEATHSIG: this program is ended by being killed.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Cluster:
    def __init__(self, folder):
        self.folder, self.daemons = folder, []
        self.configuration = folder + "/ceph.conf"
        self.monitor_port, self.port = free_port(), free_port()
        self.identifier, self.disk = str(uuid.uuid4()), str(uuid.uuid4())

    def path(self, name):
        return f"{self.folder}/{name}"

    def configure(self):
        with open(self.configuration, "w", encoding="ascii") as file:
            file.write(f"""[global]
fsid = {self.identifier}
mon host = [v2:127.0.0.1:{self.monitor_port}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = {self.path("$name.keyring")}
run dir = {self.folder}
admin socket = {self.path("$name.asok")}
pid file = {self.path("$name.pid")}
log file = {self.path("$name.log")}
mon cluster log file = {self.path("cluster.log")}
crash dir = {self.folder}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
mon data avail warn = 1
mon data avail crit = 0
mon initial members = a
mon data = {self.path("mon")}
osd data = {self.path("osd")}
osd objectstore = bluestore
bluestore block size = 21474836480
bluestore fsck on mount = false
rgw data = {self.path("rgw")}
rgw dns name = localhost
""")

    def run(self, *words):
        done = subprocess.run(
            [words[0], "-c", self.configuration, *words[1:]] if words[0] not in ("ceph-authtool", "monmaptool") else words,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=START, cwd=self.folder)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words[:4])} …: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def start(self, *words):
        with open(self.path(words[0] + ".out"), "wb") as out:
            self.daemons.append(subprocess.Popen(
                [words[0], "-c", self.configuration, "-f", *words[1:]], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                cwd=self.folder, preexec_fn=die_with_parent))

    def keyring(self, name, *capabilities):
        words = [word for kind in capabilities for word in ("--cap", *kind)]
        self.run("ceph-authtool", "--create-keyring", self.path(name + ".keyring"), "--gen-key", "-n", name, *words)

    def start_monitor(self):
        self.keyring("mon.", ("mon", "allow *"))
        self.keyring("client.admin", ("mon", "allow *"), ("osd", "allow *"), ("mgr", "allow *"))
        self.run("ceph-authtool", self.path("mon..keyring"), "--import-keyring", self.path("client.admin.keyring"))
        # --addv: with --add the monitor listens with another protocol than it is spoken to, and everything hangs.
        self.run(
            "monmaptool", "--create", "--fsid", self.identifier, "--addv", "a", f"[v2:127.0.0.1:{self.monitor_port}]", self.path("monmap"))
        os.mkdir(self.path("mon"))
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", self.path("monmap"), "--keyring", self.path("mon..keyring"))
        # It looks for its key in its own folder.
        shutil.copy(self.path("mon..keyring"), self.path("mon/keyring"))
        self.start("ceph-mon", "-i", "a", "--keyring", self.path("mon/keyring"))

    def start_disk(self):
        os.mkdir(self.path("osd"))
        self.run("ceph", "osd", "new", self.disk)
        self.run(
            "ceph", "auth", "get-or-create", "osd.0", "mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *", "-o",
            self.path("osd.0.keyring"))
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", self.disk)
        self.start("ceph-osd", "-i", "0")

    def start_gateway(self, keys):
        os.mkdir(self.path("rgw"))
        self.run(
            "ceph", "auth", "get-or-create", "client.rgw", "mon", "allow rw", "osd", "allow rwx", "-o", self.path("client.rgw.keyring"))
        self.start("radosgw", "-n", "client.rgw", "--rgw-frontends", f"beast endpoint=127.0.0.1:{self.port}")
        for number, (identifier, secret) in enumerate(keys):
            self.run(
                "radosgw-admin", "user", "create", "--uid", f"user{number}", "--display-name", f"user{number}", "--access-key", identifier,
                "--secret-key", secret)
        end = time.monotonic() + START
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > end or any(each.poll() is not None for each in self.daemons):
                    raise RuntimeError(f"radosgw does not listen; see {self.folder}") from None
                time.sleep(0.05)

    def make_bucket(self, name, key):
        import boto3

        boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1", aws_access_key_id=key[0],
            aws_secret_access_key=key[1]).create_bucket(Bucket=name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--record")
    parser.add_argument("--folder", help="for the cluster's files; a temporary one if left out")
    parser.add_argument("--key", required=True, action="append", help="ID,SECRET")
    parser.add_argument("--bucket", action="append", default=[])
    parser.add_argument("--detached", action="store_true", help="runs until it gets SIGTERM, whatever becomes of standard input")
    arguments = parser.parse_args()
    missing = [each for each in PROGRAMS if not shutil.which(each)]
    if missing:
        sys.exit(f"there is no {', '.join(missing)}; install radosgw, ceph-mon and ceph-osd")
    # In no thread but this one, and before there are any.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM} if arguments.detached else ())
    keys = [tuple(each.split(",", 1)) for each in arguments.key]
    folder = arguments.folder or tempfile.mkdtemp(prefix="cloudjobs-radosgw-")
    os.makedirs(folder, exist_ok=True)
    cluster = Cluster(folder)
    marks = [time.monotonic()]
    try:
        cluster.configure()
        for step in (cluster.start_monitor, cluster.start_disk, lambda: cluster.start_gateway(keys)):
            step()
            marks.append(time.monotonic())
    except RuntimeError as error:
        sys.exit(str(error))
    for bucket in arguments.bucket:
        cluster.make_bucket(bucket, keys[0])
    seconds = [round(after - before, 1) for before, after in zip(marks, marks[1:])]
    lifeline.Record(arguments.record).write(started=dict(zip(("monitor", "disk", "gateway"), seconds)))
    lifeline.announce(cluster.port)
    if arguments.detached:
        signal.sigwait({signal.SIGTERM})
    else:
        # Not lifeline.die_with_parent, which would leave the files.
        while sys.stdin.buffer.read1(4096):
            pass
    for each in cluster.daemons:
        each.kill()
        each.wait()
    if not arguments.folder:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
