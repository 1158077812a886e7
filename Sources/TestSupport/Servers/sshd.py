"""A throw-away ssh server on loopback: the system's sshd with keys and a configuration of its own, for the user who runs it.

Makes in --folder: host_key(.pub) and key(.pub), which logs in. Says PORT like the other servers. Control, one word a line on
standard input: `freeze` and `thaw` stop and continue every process of the server, `rekey` starts it again with another host
key, `restart` with the same one, `drop` ends all connections.
"""

import argparse
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time

from lifeline import announce


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_key(path):
    for old in (path, path + ".pub"):
        if os.path.exists(old):
            os.remove(old)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True)


class Server:
    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.process = None
        os.makedirs(folder, mode=0o700, exist_ok=True)
        make_key(self.path("host_key"))
        if not os.path.exists(self.path("key")):
            make_key(self.path("key"))
        shutil.copy(self.path("key.pub"), self.path("authorized"))
        with open(self.path("config"), "w", encoding="ascii") as config:
            config.write(
                f"""Port {self.port}
ListenAddress 127.0.0.1
ListenAddress ::1
HostKey {self.path("host_key")}
AuthorizedKeysFile {self.path("authorized")}
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PidFile none
MaxStartups 100
LogLevel VERBOSE
AllowUsers {pwd.getpwuid(os.geteuid()).pw_name}
"""
            )

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self):
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        # A test process blocks signals in its threads, and what it starts inherits that.
        self.process = subprocess.Popen(
            [shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-f", self.path("config"), "-E", self.path("log")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, []),
        )
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    sys.exit(f"sshd ended: {open(self.path('log'), encoding='utf-8').read()}")
                time.sleep(0.01)
        sys.exit("sshd does not listen")

    def processes(self):
        """The server and every process of a connection, which have sessions of their own."""
        children = {}
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                    text = stat.read()
            except OSError:
                continue
            command = text[text.index("(") + 1 : text.rindex(")")]
            parent = int(text.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append((int(name), command))
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            # What a connection has started is not the server's.
            todo += [child for child, command in children.get(pid, []) if command.startswith("sshd")]
        return found

    def send(self, number, all_of_them=True):
        for pid in self.processes() if all_of_them else self.processes()[1:]:
            try:
                os.kill(pid, number)
            except OSError:
                pass

    def stop(self):
        if self.process is not None:
            self.send(signal.SIGKILL)
            self.process.wait()

    def obey(self, word):
        if word == "freeze":
            self.send(signal.SIGSTOP)
        elif word == "thaw":
            self.send(signal.SIGCONT)
        elif word == "drop":
            self.send(signal.SIGKILL, all_of_them=False)
        elif word in ("restart", "rekey"):
            self.stop()
            if word == "rekey":
                make_key(self.path("host_key"))
            self.start()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--record")
    arguments = parser.parse_args()
    server = Server(os.path.abspath(arguments.folder))
    server.start()
    announce(server.port)
    try:
        for line in sys.stdin:
            server.obey(line.strip())
            with open(server.path("done"), "a", encoding="ascii") as done:
                done.write(line)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
