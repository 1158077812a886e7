#!/usr/bin/env python3
"""An HTTP server on loopback that gives prepared answers, one a request, and records every request.

The answers are lines of JSON on standard input, before or while requests come; a request waits for its answer. An answer
has `status`, `headers` (pairs), `body` (text), and perhaps `"drop": true`, which closes the connection without one.
"""

import argparse
import http.server
import json
import os
import queue
import sys
import threading

import lifeline

answers = queue.Queue()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120

    def log_message(self, *_):
        pass

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.record.write(
            method=self.command, path=self.path, headers=list(self.headers.items()), body=body.decode("latin-1"))
        answer = answers.get()
        if answer.get("drop"):
            self.close_connection = True
            self.connection.close()
            return
        content = answer.get("body", "").encode()
        # Not send_response(), which adds a Date that some tests want to choose.
        self.send_response_only(answer.get("status", 200))
        for name, value in answer.get("headers", []):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any


def listen():
    try:
        for line in sys.stdin:
            answers.put(json.loads(line))
    finally:
        os._exit(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--record")
    arguments = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.record = lifeline.Record(arguments.record)
    threading.Thread(target=listen, daemon=True).start()
    lifeline.announce(server.server_address[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
