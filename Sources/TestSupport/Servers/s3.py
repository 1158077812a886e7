#!/usr/bin/env python3
"""An S3 on loopback: `rclone serve s3`, which checks signatures and keeps objects as plain files below --folder.

A bucket is a folder there. It ignores If-Match and If-None-Match, refuses keys as `a//b`, and believes clocks that are an hour
off; Scripts/radosgw starts one that does not.
"""

import argparse
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys

import lifeline


def program():
    """The rclone that was installed with this Python: Debian's is too old to serve S3."""
    beside = os.path.join(os.path.dirname(sys.executable), "rclone")
    return beside if os.access(beside, os.X_OK) else shutil.which("rclone")


def die_with_parent():
    # PR_SET_PDEATHSIG: this program is ended by being killed.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--record")
    parser.add_argument("--folder", required=True)
    parser.add_argument("--key", required=True, help="ID,SECRET")
    parser.add_argument("--bucket", action="append", default=[])
    arguments = parser.parse_args()
    for bucket in arguments.bucket:
        os.makedirs(os.path.join(arguments.folder, bucket), exist_ok=True)
    words = [
        program(), "--config", os.devnull, "serve", "s3", arguments.folder, "--addr", "127.0.0.1:0", "--vfs-cache-mode", "off",
        # Changes to the files by others are seen soon. Not 0s: rclone would clean its cache of each folder in a busy loop.
        "--dir-cache-time", "200ms", "--auth-key", arguments.key, "-v"]
    # rclone may not see the parent's standard input end before we do.
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    for line in child.stderr:
        if found := re.search(r"127\.0\.0\.1:(\d+)", line):
            lifeline.announce(int(found[1]))
            break
        print(line, end="", file=sys.stderr)
    else:
        sys.exit(f"{words[0]} does not serve S3")
    lifeline.die_with_parent()
    record = lifeline.Record(arguments.record)
    # Read to its end, so that rclone never waits for a reader.
    for line in child.stderr:
        record.write(line=line.rstrip("\n"))
    sys.exit(child.wait())


if __name__ == "__main__":
    main()
