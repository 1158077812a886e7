#!/usr/bin/env python3
"""A well-behaved mail server on loopback (aiosmtpd) that records every message it takes.

--mode plain|starttls|tls, --auth USER:PASSWORD makes logging in a must; --code ADDRESS=REPLY answers RCPT so, and
--code ADDRESS=REPLY,N only the first N times.
"""

import argparse
import asyncio
import ssl
import time

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

import lifeline


class Receiver:
    def __init__(self, record, codes, mode):
        self.mode = mode
        self.record = record
        self.codes = codes

    async def handle_RCPT(self, server, session, envelope, address, options):
        reply, left = self.codes.get(address, (None, 0))
        if reply and left != 0:
            self.codes[address] = (reply, left - 1)
            self.record.write(kind="refused", to=address, reply=reply)
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient fine"

    async def handle_DATA(self, server, session, envelope):
        self.record.write(
            kind="message", sender=envelope.mail_from, recipients=envelope.rcpt_tos, content=envelope.original_content,
            tls=self.mode == "tls" or session.ssl is not None, authenticated=bool(session.authenticated),
            helo=session.host_name,
            at=time.time())
        return "250 2.0.0 Taken as q-1"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=["plain", "starttls", "tls"], default="plain")
    parser.add_argument("--auth")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--record")
    parser.add_argument("--code", action="append", default=[])
    arguments = parser.parse_args()

    codes = {}
    for entry in arguments.code:
        address, _, reply = entry.partition("=")
        reply, _, times = reply.partition(",")
        codes[address] = (reply, int(times) if times else -1)

    options = {"decode_data": False, "data_size_limit": 10_000_000}
    context = None
    if arguments.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.cert, arguments.key)
    if arguments.mode == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    if arguments.auth:
        user, _, password = arguments.auth.partition(":")

        def check(server, session, envelope, mechanism, data):
            fits = isinstance(data, LoginPassword) and data == LoginPassword(user.encode(), password.encode())
            return AuthResult(success=fits, handled=fits)

        options |= {
            "authenticator": check, "auth_required": True, "auth_require_tls": arguments.mode == "starttls"}

    receiver = Receiver(lifeline.Record(arguments.record), codes, arguments.mode)

    async def serve():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(receiver, loop=loop, hostname="receiver.test", **options), host="127.0.0.1", port=0,
            ssl=context if arguments.mode == "tls" else None)
        lifeline.die_with_parent()
        lifeline.announce(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
