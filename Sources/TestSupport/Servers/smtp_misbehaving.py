#!/usr/bin/env python3
"""A mail server on loopback that misbehaves as --mode says, and records each command as it arrived.

silent-greeting    accepts the connection and says nothing
silent-hello       says nothing after EHLO
silent-data        says nothing after the message
silent-quit        says nothing after QUIT, and keeps the connection
drop-data          closes the connection after the message
final              answers the message with --reply
rcpt               answers RCPT with --reply
auth               answers AUTH with --reply
no-auth            offers no AUTH
drip               greets with one byte a second
long               sends reply lines without end after EHLO
good               takes everything
"""

import argparse
import socketserver
import time

import lifeline


class Handler(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")
        self.wfile.flush()

    def silence(self):
        while self.rfile.read(4096):
            pass

    def handle(self):
        try:
            self.session()
        except OSError:
            pass

    def session(self):
        mode, reply, record = self.server.mode, self.server.reply, self.server.record
        record.write(kind="connection", at=time.time())
        if mode == "silent-greeting":
            return self.silence()
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
                if mode == "silent-hello":
                    return self.silence()
                if mode == "long":
                    while True:
                        self.say("250-" + "x" * 400)
                self.say("250-sink.test")
                if mode != "no-auth":
                    self.say("250-AUTH PLAIN")
                self.say("250 8BITMIME")
            elif word == b"AUTH":
                if len(line.split()) == 2:
                    self.say("334 ")
                    self.rfile.readline(65536)
                self.say(reply if mode == "auth" else "235 2.7.0 Logged in")
            elif word == b"RCPT":
                self.say(reply if mode == "rcpt" else "250 2.1.5 Fine")
            elif word == b"DATA":
                self.say("354 Go on")
                content = b""
                while not content.endswith(b"\r\n.\r\n"):
                    piece = self.rfile.readline(65536)
                    if not piece:
                        record.write(kind="broken", content=content)
                        return
                    content += piece
                record.write(kind="message", content=content, at=time.time())
                if mode == "silent-data":
                    return self.silence()
                if mode == "drop-data":
                    return
                self.say(reply if mode == "final" else "250 2.0.0 Taken")
            elif word == b"QUIT":
                if mode == "silent-quit":
                    return self.silence()
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
    parser.add_argument("--record")
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", 0), Handler)
    server.mode = arguments.mode
    server.reply = arguments.reply
    server.record = lifeline.Record(arguments.record)
    lifeline.die_with_parent()
    lifeline.announce(server.server_address[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
