"""What every server of the tests shares: it says its port, records what it sees, and never outlives its parent."""

import base64
import json
import os
import sys
import threading


def announce(port):
    print(f"PORT {port}", flush=True)


def die_with_parent():
    """Ends this process when standard input closes, however the test process ended."""

    def watch():
        try:
            while sys.stdin.buffer.read(4096):
                pass
        finally:
            os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


class Record:
    """Appends one JSON document a line; a line is in the file before the answer is on the wire."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.file = open(path, "a", encoding="ascii") if path else None

    def write(self, **fields):
        if self.file is None:
            return
        for key, value in fields.items():
            if isinstance(value, bytes):
                fields[key] = base64.b64encode(value).decode("ascii")
        with self.lock:
            self.file.write(json.dumps(fields) + "\n")
            self.file.flush()
