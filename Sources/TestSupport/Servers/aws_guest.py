#!/usr/bin/env python3
"""An instance that really boots: namespaces over this machine's own system, which it cannot change.

It sees the root file system through an overlay whose changes lie in memory, with empty /tmp, /root, /home and /work; its own
processes, host name, mounts and network: an address in 10.250.N.0/24, which this machine reaches, the metadata service at
169.254.169.254, and those ports of this machine's loopback, on its own loopback, that it was given. So a URL with 127.0.0.1
means the same in it and outside, and nothing has to listen on other addresses than 127.0.0.1. An sshd lets the key pair in.
Root in it lacks the rights by which it could leave (mounts, devices, modules, the clock); it is no prison for malice.

  standard input   one line of JSON: instance, port (of fake_aws), reach, grace, user, key, user_data; then "power-off"
                   lines. Its end, however fake_aws died, kills the instance, and with it goes all that was made.
  standard output  lines of JSON: {"event": "network", "address"}, "up", "user-data" (code), "ended" (by guest or host)
  standard error   the console

  aws_guest.py --check   says nothing if this machine can do that, else why not
"""

import base64
import errno
import glob
import gzip
import json
import os
import platform
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import aws_metadata
from aws_guest_root import LIBC, PIVOT_ROOT, check, enter, furnish, lay_root, write

NEW_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x40000000  # mount, UTS, IPC, network
PROCESS_NAMESPACE = 0x20000000
NETWORK_NAMESPACE = 0x40000000
SET_DEATH_SIGNAL, DROP_FROM_BOUNDING_SET = 1, 24
# By which it could reach beyond its namespaces: opening by handle, immutable files, modules, raw I/O, accounting, mounts and
# the like, boot, priorities of others, the clock, terminals, devices, MAC, the kernel's log, alarms, perf, BPF, checkpoints.
FORBIDDEN = (2, 9, 16, 17, 20, 21, 22, 23, 25, 26, 27, 32, 33, 34, 35, 38, 39, 40)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BOOT_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1}

def die_with_parent():
    check(LIBC.prctl(SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0), "prctl")


def say(**event):
    os.write(1, (json.dumps(event) + "\n").encode())


# MARK: The first process of the instance


class Init:
    def __init__(self, config, console):
        self.config, self.console = config, console
        self.script = None

    def run(self):
        die_with_parent()
        signal.pthread_sigmask(signal.SIG_BLOCK, BOOT_SIGNALS)
        root = lay_root()
        furnish(root, self.config)
        enter(root)
        for each in FORBIDDEN:
            check(LIBC.prctl(DROP_FROM_BOUNDING_SET, each, 0, 0, 0), "prctl")
        os.umask(0o022)
        self.start_sshd()
        say(event="up")
        self.start_user_data()
        by = self.wait()
        self.power_off()
        say(event="ended", by=by)

    def start(self, words):
        def prepare():
            os.setsid()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, BOOT_SIGNALS)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        return subprocess.Popen(
            words, preexec_fn=prepare, stdin=subprocess.DEVNULL, stdout=self.console, stderr=self.console, cwd="/", env={"PATH": PATH})

    def start_sshd(self):
        for path in glob.glob("/etc/ssh/ssh_host_*"):
            os.unlink(path)
        os.makedirs("/run/sshd", exist_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/etc/ssh/ssh_host_ed25519_key"], check=True,
            stdin=subprocess.DEVNULL, stdout=self.console, stderr=self.console, env={"PATH": PATH})
        write("/etc/ssh/sshd_config", "\n".join((
            "HostKey /etc/ssh/ssh_host_ed25519_key", "UsePAM no", "UseDNS no", "PasswordAuthentication no",
            "KbdInteractiveAuthentication no", "PermitRootLogin no", "AuthorizedKeysFile .ssh/authorized_keys",
            "Subsystem sftp internal-sftp", "MaxStartups 100", "")))
        self.start(["/usr/sbin/sshd", "-D", "-e"])

    def start_user_data(self):
        """As cloud-init has it: a script is run as root, once; what does not begin with #! is not."""
        text = self.config["user_data"]
        if text is None:
            return
        data = base64.b64decode(text)
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        if not data.startswith(b"#!"):
            os.write(self.console, b"Unhandled non-multipart (text/x-not-multipart) userdata\n")
            say(event="user-data", code=None)
            return
        folder = "/var/lib/cloud/instance/scripts"
        os.makedirs(folder, exist_ok=True)
        with open(os.open(folder + "/part-001", os.O_WRONLY | os.O_CREAT, 0o700), "wb") as file:
            file.write(data)
        # A file, not a pipe through tee as in cloud-init: whoever is told to end still has something to write to.
        os.symlink("/proc/1/fd/2", "/var/log/cloud-init-output.log")
        try:
            self.script = self.start([folder + "/part-001"])
        except OSError as error:
            os.write(self.console, f"part-001: {error}\n".encode())
            say(event="user-data", code=126)

    def wait(self):
        """Reaps what ends until the power button is pressed, from in here or from outside."""
        while True:
            what = signal.sigwaitinfo(BOOT_SIGNALS)
            if what.si_signo == signal.SIGUSR1:
                return "guest"
            if what.si_signo == signal.SIGTERM:
                return "host"
            self.reap()

    def reap(self):
        """Whether anything is left."""
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if process == 0:
                return True
            if self.script and process == self.script.pid:
                say(event="user-data", code=os.waitstatus_to_exitcode(status))

    def power_off(self):
        """SIGTERM to everything, and SIGKILL to what is left after the grace."""
        end = time.monotonic() + self.config["grace"]
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(-1, number)
            except ProcessLookupError:
                return
            while self.reap() and (number == signal.SIGKILL or time.monotonic() < end):
                signal.sigtimedwait({signal.SIGCHLD}, 0.05)


def boot(config, orders, answers, console):
    """The child that makes the namespaces, and waits for the instance's first process."""
    die_with_parent()
    check(LIBC.unshare(NEW_NAMESPACES), "unshare")
    os.write(answers, b"n")
    config["address"] = os.read(orders, 100).decode()
    gateway = config["address"].rpartition(".")[0] + ".1"
    ip(f"link set lo up\naddr add 169.254.169.254/32 dev lo\naddr add {config['address']}/24 dev eth0\nlink set eth0 up\n"
       f"route add default via {gateway}\n")
    os.write(answers, b"a")
    os.read(orders, 1)
    # Not before: the next process that starts is the first of the new namespace, which ends with it.
    check(LIBC.unshare(PROCESS_NAMESPACE), "unshare")
    process = os.fork()
    if process == 0:
        try:
            Init(config, console).run()
            os._exit(0)
        except BaseException as error:  # the last words of a first process
            os.write(console, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
    os.write(answers, f"{process}\n".encode())
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def ip(commands):
    done = subprocess.run(["ip", "-batch", "-"], input=commands, text=True, capture_output=True, timeout=20)
    if done.returncode != 0:
        raise OSError(errno.EIO, f"ip: {done.stderr.strip()}")


# MARK: Around it


def take_network(process):
    """A pair of interfaces, one end in the child's network: the address that the instance has."""
    start = os.getpid()
    for attempt in range(254):
        number = 1 + (start + attempt) % 254
        # The name is what makes sure that nobody else uses this network.
        made = subprocess.run(
            ["ip", "link", "add", f"cjaws{number}", "type", "veth", "peer", "name", "eth0", "netns", str(process)],
            capture_output=True, text=True, timeout=20)
        if made.returncode == 0:
            ip(f"addr add 10.250.{number}.1/24 dev cjaws{number}\nlink set cjaws{number} up\n")
            return f"10.250.{number}.2"
        if "exists" not in made.stderr:
            raise OSError(errno.EIO, f"ip: {made.stderr.strip()}")
    raise OSError(errno.EAGAIN, "254 instances are running")


def listeners_in(process, addresses):
    """Sockets that listen in the child's network. A socket stays where it was made, whoever accepts from it."""
    here, there = os.open("/proc/self/ns/net", os.O_RDONLY), os.open(f"/proc/{process}/ns/net", os.O_RDONLY)
    try:
        check(LIBC.setns(there, NETWORK_NAMESPACE), "setns")
        return [socket.create_server(address, backlog=128) for address in addresses]
    finally:
        check(LIBC.setns(here, NETWORK_NAMESPACE), "setns")
        os.close(here)
        os.close(there)


def relay(listener, port):
    """Carries connections from the instance's loopback to this machine's."""

    def carry(one, other):
        try:
            while piece := one.recv(1 << 16):
                other.sendall(piece)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            for each in (one, other):
                each.close()

    def accept():
        while True:
            client, _ = listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", port), 10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for pair in ((client, server), (server, client)):
                threading.Thread(target=carry, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def unsupported():
    """Why instances cannot boot here, or None."""
    if sys.platform != "linux" or platform.machine() not in PIVOT_ROOT:
        return f"{sys.platform} on {platform.machine()} is not supported"
    if os.geteuid() != 0:
        return "only root can make namespaces"
    missing = [each for each in ("ip", "ssh-keygen") if not shutil.which(each)]
    if not os.access("/usr/sbin/sshd", os.X_OK):
        missing.append("sshd")
    if missing:
        return f"there is no {', '.join(missing)}"
    process = os.fork()
    if process == 0:
        try:
            check(LIBC.unshare(NEW_NAMESPACES | PROCESS_NAMESPACE), "unshare")
            lay_root()
            os._exit(0)
        except OSError as error:
            print(error.strerror, flush=True)
            os._exit(1)
    return None if os.waitpid(process, 0)[1] == 0 else "this system refuses namespaces or overlays"


def main():
    if sys.argv[1:] == ["--check"]:
        reason = unsupported()
        if reason:
            sys.exit(reason)
        return
    config = json.loads(sys.stdin.buffer.readline())
    order_reader, order_writer = os.pipe()
    answer_reader, answer_writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(0)
        os.open(os.devnull, os.O_RDONLY)
        try:
            os._exit(boot(config, order_reader, answer_writer, 2))
        except OSError as error:
            os.write(2, f"{error}\n".encode())
            os._exit(1)
    os.close(answer_writer)
    answers = os.fdopen(answer_reader, "rb", 0)
    if answers.read(1) != b"n":
        sys.exit("the namespaces could not be made")
    address = take_network(child)
    os.write(order_writer, address.encode())
    if answers.read(1) != b"a":
        sys.exit("the network could not be made")
    say(event="network", address=address)
    # Nothing outside this machine is asked for, so no proxy either.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def facts():
        with opener.open(f"http://127.0.0.1:{config['port']}/_ctl/meta?instance={config['instance']}", timeout=10) as answer:
            return json.load(answer)

    ports = [config["port"], *config["reach"]]
    metadata, *others = listeners_in(child, [("169.254.169.254", 80), *(("127.0.0.1", port) for port in ports)])
    aws_metadata.Server(metadata, facts).start()
    for listener, port in zip(others, ports):
        relay(listener, port)
    os.write(order_writer, b"g")
    line = b""
    while not line.endswith(b"\n"):
        piece = answers.read(1)
        if not piece:
            sys.exit("the instance could not be started")
        line += piece
    watch(child, int(line))


def watch(child, first):
    """Until the instance has ended, or nobody wants it any more."""
    handle = os.pidfd_open(child)
    while True:
        ready, _, _ = select.select([0, handle], [], [])
        if handle in ready:
            os.waitpid(child, 0)
            return
        order = os.read(0, 4096)
        if not order:
            # With the child goes the first process, and with that all others.
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        if b"power-off" in order:
            try:
                os.kill(first, signal.SIGTERM)
            except ProcessLookupError:
                # It has just ended by itself.
                continue


if __name__ == "__main__":
    main()
