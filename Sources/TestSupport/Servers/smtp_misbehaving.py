#!/usr/bin/env python3
"""A mail server on loopback that misbehaves as --mode says, and records each command as it arrived.

silent-WHERE       says nothing more, and keeps the connection: connect (does not even take it), greeting, hello, starttls,
                   handshake (after its yes to STARTTLS), auth, password (after asking for it), mail, rcpt, data, body (does
                   not read it), end (after the message), quit
drop-data          closes the connection after the message
final              answers the message with --reply
rcpt               answers RCPT with --reply
auth               answers AUTH with --reply
no-auth            offers no AUTH
drip               greets with one byte a second
long               sends reply lines without end after EHLO
good               takes everything

With --cert and --key it offers STARTTLS.
"""

import argparse
import socket
import socketserver
import ssl
import threading
import time

import lifeline


class Silence(Exception):
    pass


class Handler(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")
        self.wfile.flush()

    def point(self, where):
        if self.server.mode == f"silent-{where}":
            raise Silence(where)

    def handle(self):
        try:
            self.session()
        except Silence as where:
            while str(where) == "body" or self.rfile.read(4096):
                time.sleep(0.01)
        except OSError:
            pass

    def secure(self):
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb")

    def session(self):
        mode, reply, record = self.server.mode, self.server.reply, self.server.record
        is_secure = False
        record.write(kind="connection", at=time.time())
        self.point("greeting")
        if mode == "drip":
            while True:
                self.wfile.write(b"2")
                self.wfile.flush()
                time.sleep(1)
        self.say("220 sink.test ESMTP")
        while True:
            line = self.rfile.readline(65536)
            if not line:
                return
            record.write(kind="command", line=line, at=time.time())
            word = line.split()[0].upper() if line.split() else b""
            if word in (b"EHLO", b"HELO"):
                self.point("hello")
                if mode == "long":
                    while True:
                        self.say("250-" + "x" * 400)
                self.say("250-sink.test")
                if self.server.context and not is_secure:
                    self.say("250-STARTTLS")
                if mode != "no-auth":
                    self.say("250-AUTH PLAIN")
                self.say("250 8BITMIME")
            elif word == b"STARTTLS":
                self.point("starttls")
                self.say("220 Go on")
                self.point("handshake")
                self.secure()
                is_secure = True
            elif word == b"AUTH":
                self.point("auth")
                if len(line.split()) == 2:
                    self.say("334 ")
                    self.rfile.readline(65536)
                self.point("password")
                self.say(reply if mode == "auth" else "235 2.7.0 Logged in")
            elif word == b"MAIL":
                self.point("mail")
                self.say("250 Fine")
            elif word == b"RCPT":
                self.point("rcpt")
                self.say(reply if mode == "rcpt" else "250 2.1.5 Fine")
            elif word == b"DATA":
                self.point("data")
                self.say("354 Go on")
                self.point("body")
                content = b""
                while not content.endswith(b"\r\n.\r\n"):
                    piece = self.rfile.readline(65536)
                    if not piece:
                        record.write(kind="broken", content=content)
                        return
                    content += piece
                record.write(kind="message", content=content, at=time.time())
                self.point("end")
                if mode == "drop-data":
                    return
                self.say(reply if mode == "final" else "250 2.0.0 Taken")
            elif word == b"QUIT":
                self.point("quit")
                self.say("221 Bye")
                return
            else:
                self.say("250 Fine")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", default="good")
    parser.add_argument("--reply", default="250 2.0.0 Fine")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--record")
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", 0), Handler)
    server.context = None
    if arguments.cert:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(arguments.cert, arguments.key)
    server.mode = arguments.mode
    server.reply = arguments.reply
    server.record = lifeline.Record(arguments.record)
    lifeline.die_with_parent()
    waiting = []
    if arguments.mode == "silent-connect":
        # Nobody takes connections from the queue, and these two fill it: further ones get no answer.
        server.socket.listen(0)
        for _ in range(2):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(server.server_address)
    lifeline.announce(server.server_address[1])
    if waiting:
        threading.Event().wait()
    server.serve_forever()


if __name__ == "__main__":
    main()
