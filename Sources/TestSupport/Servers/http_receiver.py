#!/usr/bin/env python3
"""An HTTP receiver on loopback that records every request and answers as its path says.

/ok                      200 "ok"
/status/CODE             that status; ?retry_after=TEXT&date=TEXT&location=TEXT&body=TEXT
/say/CODE/TEXT           that status and body, TEXT being base64url of it or `-`; whatever follows in the path is ignored
/flaky/N                 503 for the first N requests, then 200
/hang                    reads the request and never answers; ?seconds=N answers then
/drop                    closes the connection without an answer
/big                     ?bytes=N of body with Content-Length; ?chunked=1 without
/headers                 ?bytes=N of header lines
/drip                    a byte a second, for ever
/verify                  200 if the Standard Webhooks signature fits one of --secret, else 401
/svix                    the same, judged by Svix's library
/cloudevents             200 with the attributes that the CloudEvents library reads, and the `type` of the data, else 400
"""

import argparse
import base64
import http.server
import os
import ssl
import threading
import time
import urllib.parse

import lifeline

flaky = {}
flaky_lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "receiver"
    sys_version = ""
    timeout = 120

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        # Not send_response(), which adds a Date that some tests want to choose.
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        path, _, query = self.path.partition("?")
        options = {key: values[0] for key, values in urllib.parse.parse_qs(query, keep_blank_values=True).items()}
        self.server.record.write(
            method=self.command, path=self.path, headers=list(self.headers.items()), body=body,
            peer=self.client_address[1], at=time.time())
        words = path.strip("/").split("/")
        getattr(self, "do_" + words[0], self.do_unknown)(words[1:], options, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any

    def do_unknown(self, words, options, body):
        self.answer(404, b"no such path\n")

    def do_ok(self, words, options, body):
        self.answer(200, b"ok")

    def do_status(self, words, options, body):
        headers = []
        for option, name in (("retry_after", "Retry-After"), ("date", "Date"), ("location", "Location")):
            if option in options:
                headers.append((name, options[option]))
        self.answer(int(words[0]), options.get("body", "").encode(), headers)

    def do_say(self, words, options, body):
        text = words[1] if words[1] != "-" else ""
        self.answer(int(words[0]), base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))

    def do_flaky(self, words, options, body):
        with flaky_lock:
            flaky[self.path] = flaky.get(self.path, 0) + 1
            fails = flaky[self.path] <= int(words[0])
        if fails:
            self.answer(503, b"not yet\n", [("Retry-After", "1")])
        else:
            self.answer(200, b"ok")

    def do_hang(self, words, options, body):
        time.sleep(float(options.get("seconds", 3600)))
        self.answer(200, b"late")

    def do_drop(self, words, options, body):
        self.close_connection = True
        self.connection.close()

    def do_big(self, words, options, body):
        left = int(options["bytes"])
        self.send_response_only(int(options.get("status", 200)))
        if "chunked" in options:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(left))
        self.end_headers()
        written = 0
        try:
            while left > 0:
                piece = b"x" * min(left, 65536)
                if "chunked" in options:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                else:
                    self.wfile.write(piece)
                left -= len(piece)
                written += len(piece)
            if "chunked" in options:
                self.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass
        finally:
            self.close_connection = True
            self.server.record.write(method="SENT", path=self.path, bytes=written)

    def do_headers(self, words, options, body):
        self.send_response_only(200)
        try:
            for number in range(int(options["bytes"]) // 1000):
                self.send_header(f"X-{number}", "y" * 990)
            self.send_header("Content-Length", "0")
            self.end_headers()
        except OSError:
            pass
        self.close_connection = True

    def do_drip(self, words, options, body):
        self.send_response_only(200)
        self.end_headers()
        self.close_connection = True
        try:
            while True:
                self.wfile.write(b".")
                self.wfile.flush()
                time.sleep(1)
        except OSError:
            pass

    def do_verify(self, words, options, body):
        from standardwebhooks.webhooks import Webhook

        for secret in self.server.secrets:
            try:
                Webhook(secret).verify(body, dict(self.headers.items()))
                self.answer(200, b"verified")
                return
            except Exception:  # The library raises several kinds; each of them means no.
                pass
        self.answer(401, b"bad signature")

    def do_svix(self, words, options, body):
        from svix.webhooks import Webhook, WebhookVerificationError

        for secret in self.server.secrets:
            try:
                Webhook(secret).verify(body, dict(self.headers.items()))
                self.answer(200, b"verified")
                return
            except WebhookVerificationError:
                pass
        self.answer(401, b"bad signature")

    def do_cloudevents(self, words, options, body):
        from cloudevents.core.bindings.http import HTTPMessage, from_http_event

        try:
            event = from_http_event(HTTPMessage(headers=dict(self.headers.items()), body=body))
        except Exception as error:  # The library raises several kinds; each of them means that it is no event.
            self.answer(400, str(error).encode())
            return
        fields = [
            event.get_id(), event.get_source(), event.get_type(), event.get_specversion(), event.get_time().isoformat(),
            event.get_subject(), event.get_data()["type"]]
        self.answer(200, "|".join(map(str, fields)).encode())


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--secret", action="append", default=[])
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", arguments.port), Handler)
    server.record = lifeline.Record(arguments.record)
    server.secrets = arguments.secret
    if arguments.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.cert, arguments.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    lifeline.die_with_parent()
    lifeline.announce(server.server_address[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
