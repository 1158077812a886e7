#!/usr/bin/env python3
"""Postfix on loopback, an instance of its own: configuration, queue and mailboxes lie in a folder that goes with it.

--mode plain|starttls|tls, --auth USER:PASSWORD makes logging in a must (PLAIN and LOGIN, Cyrus SASL with a file). Takes mail
for every address, and records each message as its mailbox has it: with LF line ends, below the header fields of its way. How
it came in (TLS, who logged in) stands in `Received`. Needs root, as Postfix does.
"""

import argparse
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import lifeline

DAEMONS = "/usr/lib/postfix/sbin"
# What postfix(1) checks and makes is written by it; these are the services that taking and storing mail needs.
SERVICES = """\
{port} inet n - n - - smtpd {options}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
SETTINGS = """\
compatibility_level = 3.6
mail_owner = postfix
setgid_group = postdrop
command_directory = /usr/sbin
daemon_directory = {daemons}
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = postfix.test
mydestination =
mynetworks = {networks}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
disable_dns_lookups = yes
smtp_host_lookup = native
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = regexp:{folder}/all
virtual_mailbox_maps = static:all/
virtual_mailbox_base = {folder}/mail
virtual_mailbox_limit = 0
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{owner}
virtual_minimum_uid = 1
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = {tls}
smtpd_tls_auth_only = {auth_only}
smtpd_tls_received_header = yes
smtpd_sasl_auth_enable = {sasl}
smtpd_sasl_authenticated_header = yes
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = postfix.test
cyrus_sasl_config_path = {folder}/sasl
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
message_size_limit = 10000000
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postfix:
    def __init__(self, arguments):
        self.folder = tempfile.mkdtemp(prefix="cloudjobs-postfix-", dir="/tmp")
        # Its daemons are other users than whoever starts it.
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        self.process = None
        owner = 65534
        for name, user in (("queue", 0), ("data", None), ("mail", owner)):
            os.mkdir(self.path(name))
            if user is None:
                shutil.chown(self.path(name), "postfix", "postfix")
            else:
                os.chown(self.path(name), user, user)
        self.write("all", "/./ all\n")
        self.write("master.cf", SERVICES.format(
            port=f"127.0.0.1:{self.port}", options="-o smtpd_tls_wrappermode=yes" if arguments.mode == "tls" else ""))
        self.write("main.cf", SETTINGS.format(
            daemons=DAEMONS, folder=self.folder, owner=owner, networks="" if arguments.auth else "127.0.0.0/8",
            cert=arguments.cert or "", key=arguments.key or "",
            tls={"plain": "none", "starttls": "encrypt", "tls": "encrypt"}[arguments.mode],
            auth_only="no" if arguments.mode == "plain" else "yes", sasl="yes" if arguments.auth else "no"))
        if arguments.auth:
            # Debian's Postfix looks there, whatever cyrus_sasl_config_path says.
            os.mkdir(self.path("sasl"))
            self.write(
                "sasl/smtpd.conf", f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {self.path('sasldb2')}\n"
                "mech_list: PLAIN LOGIN\n")
            user, _, password = arguments.auth.partition(":")
            subprocess.run(
                ["saslpasswd2", "-p", "-c", "-f", self.path("sasldb2"), "-u", "postfix.test", user], check=True,
                input=password.encode())
            shutil.chown(self.path("sasldb2"), "postfix", "postfix")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)

    def start(self):
        subprocess.run(
            ["/usr/sbin/postfix", "-c", self.folder, "check"], check=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        library = ctypes.CDLL(None)

        def prepare():
            # A test process blocks signals in its threads, and what it starts inherits that.
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            library.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: its end is ours, however that comes

        self.process = subprocess.Popen(
            [f"{DAEMONS}/master", "-d", "-c", self.folder], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, preexec_fn=prepare,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": self.folder, "POSTLOG_SERVICE": "postlog"})
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.02)
        self.stop()
        sys.exit("postfix does not listen")

    def collect(self, record):
        """Moves what arrives from the mailbox into the record, for ever."""
        new = self.path("mail/all/new")
        while True:
            try:
                names = sorted(os.listdir(new))
            except FileNotFoundError:
                names = []
            for name in names:
                with open(os.path.join(new, name), "rb") as file:
                    content = file.read()
                os.remove(os.path.join(new, name))
                head = content.split(b"\n\n", 1)[0].decode("latin-1")
                way = re.sub(r"\n\s+", " ", head)
                sender = re.search(r"^Return-Path: <(.*)>$", way, re.M)
                recipient = re.search(r"^X-Original-To: (.*)$", way, re.M)
                record.write(
                    kind="message", sender=sender[1] if sender else None,
                    recipients=[recipient[1]] if recipient else [], content=content,
                    tls="(using TLSv" in way, authenticated="(Authenticated sender: " in way, at=time.time())
            time.sleep(0.02)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=["plain", "starttls", "tls"], default="plain")
    parser.add_argument("--auth")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--record")
    arguments = parser.parse_args()
    server = Postfix(arguments)
    try:
        server.start()
        threading.Thread(target=server.collect, args=[lifeline.Record(arguments.record)], daemon=True).start()
        lifeline.announce(server.port)
        while sys.stdin.buffer.read(4096):
            pass
    finally:
        server.stop()


if __name__ == "__main__":
    main()
