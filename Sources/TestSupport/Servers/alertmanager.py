#!/usr/bin/env python3
"""A real Alertmanager on loopback that tells one webhook of everything at once; ends with the test process.

Needs the program prometheus-alertmanager. `--receiver URL` is the webhook. Says PORT when it is ready.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from lifeline import announce

CONFIGURATION = """\
route:
  receiver: test
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: test
    webhook_configs:
      - url: {receiver}
        send_resolved: true
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--record")
    parser.add_argument("--receiver", required=True)
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="cloudjobs-alertmanager-")
    with open(os.path.join(folder, "config.yml"), "w", encoding="utf-8") as file:
        file.write(CONFIGURATION.format(receiver=arguments.receiver))
    port = free_port()
    # A test process blocks signals in its threads, and what it starts inherits that.
    process = subprocess.Popen(
        [
            shutil.which("prometheus-alertmanager") or "prometheus-alertmanager",
            f"--config.file={folder}/config.yml", f"--storage.path={folder}/data", "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=open(os.path.join(folder, "log"), "wb"),
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, []),
    )
    try:
        for _ in range(500):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1).close()
                break
            except (OSError, urllib.error.URLError):
                if process.poll() is not None:
                    sys.exit(open(os.path.join(folder, "log"), encoding="utf-8").read())
                time.sleep(0.02)
        announce(port)
        sys.stdin.buffer.read()
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
