#!/usr/bin/env python3
"""An instance that is a machine: an image with a kernel, systemd and cloud-init in QEMU (see Scripts/machine-image).

It tells and hears the same as aws_guest.py. Its network is QEMU's own: the metadata service at 169.254.169.254, its sshd at port
22 of an address of this machine's loopback, and those ports of this machine's loopback on its own that it was given.

  aws_machine.py --check FOLDER   says nothing if this machine can do that with the image in the folder, else why not
  aws_machine.py --pipe PORT      carries standard input and output to and from a port of this machine's loopback
"""

import fcntl
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import aws_metadata

QEMU = "qemu-system-x86_64"
FILES = ("disk.raw", "vmlinuz", "initrd.img")
MEGABYTES = 512


def say(**event):
    os.write(1, (json.dumps(event) + "\n").encode())


def unsupported(folder):
    """Why machines cannot be booted here, or None."""
    missing = [each for each in FILES if not os.path.exists(os.path.join(folder, each))]
    if missing:
        return f"{folder} has no {', '.join(missing)}: Scripts/machine-image makes them"
    programs = [each for each in (QEMU, "qemu-img") if not shutil.which(each)]
    return f"there is no {', '.join(programs)}" if programs else None


def pipe(port):
    """One connection of the machine to an address that QEMU forwards here."""
    with socket.create_connection(("127.0.0.1", port), 10) as server:
        server.settimeout(None)
        open_ends = {0: lambda data: server.sendall(data), server.fileno(): lambda data: os.write(1, data)}
        while server.fileno() in open_ends:
            for end in select.select(list(open_ends), [], [])[0]:
                data = os.read(end, 65536) if end == 0 else server.recv(65536)
                if data:
                    open_ends[end](data)
                else:
                    del open_ends[end]
                    if end == 0:
                        server.shutdown(socket.SHUT_WR)


def take_address():
    """An address of the loopback network whose port 22 nobody has, and the lock that keeps it."""
    start = os.getpid()
    for attempt in range(250):
        number = 2 + (start + attempt) % 250
        lock = open(os.path.join(tempfile.gettempdir(), f"cloudjobs-machine-{number}.lock"), "a", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return f"127.77.0.{number}", lock
        except BlockingIOError:
            lock.close()
    raise OSError("250 machines are running")


class Machine:
    def __init__(self, config, folder, place):
        self.config, self.folder, self.place = config, folder, place
        self.address, self.lock = take_address()
        self.ordered = None

    def facts(self):
        # Nothing outside this machine is asked for, so no proxy either.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.config['port']}/_ctl/meta?instance={self.config['instance']}", timeout=10) as answer:
            return json.load(answer)

    def words(self, metadata):
        # As Xen and Nitro machines show that they are EC2's, by which cloud-init knows where to ask.
        identity = "ec2" + self.config["instance"].removeprefix("i-").ljust(29, "0")[:29]
        uuid = "-".join((identity[:8], identity[8:12], identity[12:16], identity[16:20], identity[20:]))
        reach = ",".join(str(port) for port in (self.config["port"], *self.config["reach"]))
        script = os.path.abspath(__file__)
        network = (
            "user,id=net,net=169.254.0.0/16,host=169.254.0.2,dns=169.254.0.3,dhcpstart=169.254.10.15"
            f",hostfwd=tcp:{self.address}:22-169.254.10.15:22"
            f",guestfwd=tcp:169.254.169.254:80-cmd:{sys.executable} {script} --pipe {metadata}")
        words = [
            QEMU, "-nodefaults", "-display", "none", "-m", str(MEGABYTES), "-smp", "1", "-serial", "file:" + os.path.join(self.place, "console"),
            "-qmp", f"unix:{os.path.join(self.place, 'qmp')},server=on,wait=off",
            "-smbios", f"type=1,manufacturer=Amazon EC2,product=c5.large,uuid={uuid},serial={uuid}",
            "-drive", f"file={os.path.join(self.place, 'disk.qcow2')},if=virtio,format=qcow2,cache=unsafe",
            "-netdev", network, "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci",
            "-kernel", os.path.join(self.folder, "vmlinuz"), "-initrd", os.path.join(self.folder, "initrd.img"),
            "-append", f"root=/dev/vda rw console=ttyS0 net.ifnames=0 cloudjobs.reach={reach}"]
        # Virtual machines that offer KVM within them do not always run a kernel in it; emulation takes half a minute to boot.
        accelerator = os.environ.get("CLOUDJOBS_TEST_ACCELERATOR", "tcg")
        return [*words, "-accel", accelerator, "-cpu", "host" if accelerator == "kvm" else "max"]

    def run(self):
        say(event="network", address=self.address)
        listener = socket.create_server(("127.0.0.1", 0))
        aws_metadata.Server(listener, self.facts).start()
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", os.path.abspath(os.path.join(self.folder, "disk.raw")),
             os.path.join(self.place, "disk.qcow2")], check=True, stdin=subprocess.DEVNULL, stdout=2, timeout=60)
        with subprocess.Popen(self.words(listener.getsockname()[1]), stdin=subprocess.DEVNULL, stdout=2) as process:
            try:
                self.watch(process)
            finally:
                process.kill()
        say(event="ended", by="host" if self.ordered else "guest" if process.returncode == 0 else None)

    def watch(self, process):
        say(event="up")
        threading.Thread(target=self.show, daemon=True).start()
        handle = os.pidfd_open(process.pid)
        while True:
            left = None if self.ordered is None else max(0, self.ordered + self.config["grace"] - time.monotonic())
            ready, _, _ = select.select([0, handle], [], [], left)
            if handle in ready:
                process.wait()
                return
            if not ready:
                return
            order = os.read(0, 4096)
            if not order:
                return
            if b"power-off" in order and self.ordered is None:
                self.ordered = time.monotonic()
                self.ask("system_powerdown")

    def show(self):
        """What the machine prints, as it comes: QEMU writes a file, which it never waits for."""
        with open(os.path.join(self.place, "console"), "rb") as console:
            while True:
                text = console.read()
                os.write(2, text) if text else time.sleep(0.2)

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(10)
            control.connect(os.path.join(self.place, "qmp"))
            stream = control.makefile("rw")
            stream.readline()
            for each in ("qmp_capabilities", command):
                stream.write(json.dumps({"execute": each}) + "\n")
                stream.flush()
                while "return" not in json.loads(stream.readline()):
                    pass


def main():
    if sys.argv[1] == "--check":
        reason = unsupported(sys.argv[2])
        if reason:
            sys.exit(reason)
        return
    if sys.argv[1] == "--pipe":
        return pipe(int(sys.argv[2]))
    config = json.loads(sys.stdin.buffer.readline())
    with tempfile.TemporaryDirectory(prefix="cloudjobs-machine-") as place:
        open(os.path.join(place, "console"), "wb").close()
        Machine(config, sys.argv[1], place).run()


if __name__ == "__main__":
    main()
