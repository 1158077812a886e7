#!/usr/bin/env python3
"""A receiver of alerts on this machine: signed webhooks, and with --smtp also mail. Python's standard library only.

It verifies each webhook by the Standard Webhooks scheme, prints every alert as one line, and appends it to --record
as a JSON document a line before it answers. The ports that it got are written to --ports, as `HTTP SMTP`.
It ends by itself when the process that started it is gone.
"""

import argparse
import asyncio
import base64
import email
import email.policy
import hashlib
import hmac
import json
import os
import random
import sys
import time

TOLERANCE = 300  # seconds, as the Standard Webhooks libraries have it
COLORS = {"critical": "31;1", "warning": "33;1", "info": "36;1"}


class Receiver:
    def __init__(self, options):
        self.key = None
        if options.secret_file:
            with open(options.secret_file, encoding="ascii") as file:
                self.key = base64.b64decode(file.read().strip().removeprefix("whsec_"))
        self.record_file = open(options.record, "a", encoding="utf-8") if options.record else None
        self.quiet = options.quiet
        self.colored = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self.random = random.Random(options.seed)
        self.refuse = options.refuse
        self.delay = options.delay

    def record(self, **fields):
        if self.record_file:
            self.record_file.write(json.dumps(dict(fields, at=time.time())) + "\n")
            self.record_file.flush()

    def show(self, channel, severity, text, note):
        if self.quiet:
            return
        mark = f">>> {channel:<8}{severity.upper():<9}"
        if self.colored:
            mark = f"\033[{COLORS.get(severity, '1')}m{mark}\033[0m"
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
        print(f"{mark} {text}  ({note})", flush=True)

    # Webhooks

    def problem(self, headers, body):
        """Why this is not a webhook of ours, or None."""
        if self.key is None:
            return None
        name, sent = headers.get("webhook-id"), headers.get("webhook-timestamp")
        if not name or not sent or not sent.isdigit():
            return "no webhook-id or webhook-timestamp"
        if abs(time.time() - int(sent)) > TOLERANCE:
            return "the timestamp is too old or too new"
        wanted = hmac.new(self.key, f"{name}.{sent}.".encode() + body, hashlib.sha256).digest()
        for entry in headers.get("webhook-signature", "").split():
            version, _, signature = entry.partition(",")
            if version == "v1" and hmac.compare_digest(signature, base64.b64encode(wanted).decode()):
                return None
        return "the signature does not fit"

    async def take(self, headers, body):
        """Status and text of the answer to one webhook."""
        if self.delay:
            await asyncio.sleep(self.random.uniform(0, self.delay))
        if self.random.random() < self.refuse:
            self.record(kind="refused", id=headers.get("webhook-id"))
            return 503, "not now"
        problem = self.problem(headers, body)
        if problem:
            self.record(kind="bad", id=headers.get("webhook-id"), problem=problem)
            self.show("webhook", "critical", "a message that is not taken", problem)
            return 401, problem
        try:
            document = json.loads(body)
            data = document["data"]
            rule, severity, title = data["rule"], data["severity"], data["title"]
        except (ValueError, KeyError, TypeError) as error:
            self.record(kind="bad", id=headers.get("webhook-id"), problem=f"{error!r}")
            return 400, "not an alert"
        self.record(
            kind="webhook", id=headers.get("webhook-id"), rule=rule, job=data.get("job"), title=title, body=document)
        self.show("webhook", severity, title, "signature verified" if self.key else "not signed")
        if self.delay:
            await asyncio.sleep(self.random.uniform(0, self.delay))
        return 200, "taken"

    async def http(self, reader, writer):
        try:
            while True:
                request = (await reader.readline()).split()
                if len(request) < 3:
                    break
                headers = {}
                while (line := (await reader.readline()).strip()):
                    name, _, value = line.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                if request[0] == b"POST":
                    status, text = await self.take(headers, body)
                else:
                    status, text = 405, "POST only"
                answer = f"HTTP/1.1 {status} .\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n{text}"
                writer.write(answer.encode())
                await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError):
            pass  # The other side is gone, or speaks something else.
        finally:
            writer.close()

    # Mail

    async def smtp(self, reader, writer):
        def say(line):
            writer.write(line.encode() + b"\r\n")

        recipients = []
        say("220 localhost ready")
        try:
            while line := await reader.readline():
                command = line.strip().upper()
                if command.startswith(b"EHLO"):
                    say("250-localhost")
                    say("250 8BITMIME")
                elif command.startswith(b"RCPT TO:"):
                    recipients.append(line.strip()[8:].decode("latin-1").strip("<> "))
                    say("250 fine")
                elif command == b"DATA":
                    say("354 go on, end with a dot")
                    await writer.drain()
                    lines = []
                    while (text := await reader.readline()) and text != b".\r\n":
                        lines.append(text[1:] if text.startswith(b".") else text)
                    self.mail(recipients, b"".join(lines))
                    recipients = []
                    say("250 taken")
                elif command == b"QUIT":
                    say("221 bye")
                    await writer.drain()
                    break
                elif command.split(b" ")[0] in (b"HELO", b"MAIL", b"RSET", b"NOOP"):
                    say("250 fine")
                else:
                    say("502 not here")
                await writer.drain()
        except (OSError, ValueError):
            pass
        finally:
            writer.close()

    def mail(self, recipients, content):
        message = email.message_from_bytes(content, policy=email.policy.default)
        subject = str(message["Subject"] or "")
        self.record(
            kind="mail", id=str(message["Message-ID"]), to=recipients, title=subject,
            parts=[part.get_content_type() for part in message.walk()])
        self.show("mail", "", subject, f"to {', '.join(recipients)}")


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ports", help="the file that gets the ports")
    parser.add_argument("--port", type=int, default=0, help="the port for webhooks; 0 takes a free one")
    parser.add_argument("--secret-file", help="the file with the signing secret (whsec_…)")
    parser.add_argument("--record", help="the file that gets one JSON document for each message")
    parser.add_argument("--smtp", action="store_true", help="take mail too")
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    parser.add_argument("--refuse", type=float, default=0, help="answer this share of webhooks with 503")
    parser.add_argument("--delay", type=float, default=0, help="wait up to so many seconds before and after recording")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    parent = os.getppid()
    receiver = Receiver(options)
    servers = [await asyncio.start_server(receiver.http, "127.0.0.1", options.port)]
    if options.smtp:
        servers.append(await asyncio.start_server(receiver.smtp, "127.0.0.1", 0))
    ports = " ".join(str(server.sockets[0].getsockname()[1]) for server in servers)
    if options.ports:
        with open(options.ports + ".new", "w", encoding="ascii") as file:
            file.write(ports + "\n")
        os.rename(options.ports + ".new", options.ports)
    elif not options.quiet:
        print(f"listening on {ports}", flush=True)
    while os.getppid() == parent:
        await asyncio.sleep(0.3)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
