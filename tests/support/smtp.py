"""A mail server that does one thing wrong: python3 smtp.py FAULT[:TIMES] DIR. Prints its port, then what it is asked."""

import asyncio
import itertools
import logging
import pathlib
import sys

from aiosmtpd.smtp import SMTP, AuthResult

fault, _, times = sys.argv[1].partition(":")
left, place = int(times or 1_000_000), pathlib.Path(sys.argv[2])
logging.disable()
numbers = itertools.count(1)
refusals = {
    "too-many-logins": ("AUTH", "454 4.7.0 Too many login attempts, please try again later. - gsmtp"),
    "wrong-password": ("AUTH", "535 5.7.8 Username and Password not accepted. - gsmtp"),
    "challenge": ("AUTH", "334 eyJzdGF0dXMiOiI0MDAifQ=="),
    "wrong-sender": ("MAIL", "553 5.7.1 Sender address rejected: not owned by user"),
    "no-recipient": ("RCPT", "550 5.1.1 The email account that you tried to reach does not exist."),
    "slow-recipients": ("RCPT", "450 4.2.1 The user you are trying to contact is receiving mail too quickly"),
    "unusual-rate": ("DATA", "421 4.7.28 Our system has detected an unusual rate of mail."),
    "daily-limit": ("content", "550 5.4.5 Daily user sending limit exceeded. - gsmtp"),
    "too-big": ("content", "552 5.3.4 Your message exceeded our message size limits"),
}
where, refusal = refusals.get(fault, (None, None))


def say(*words):
    print(*words, flush=True)


def goes_wrong():
    """So often as it was asked to."""
    global left
    left -= 1
    return left >= 0


def login(server, session, envelope, mechanism, data):
    return AuthResult(success=True)


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, options):
        say("MAIL", address)
        if where == "MAIL" and goes_wrong():
            return refusal
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        say("RCPT", address)
        everybody = fault in ("no-recipient", "slow-recipients")
        if everybody and goes_wrong():
            return refusal
        if fault == "one-bad" and address.startswith("gone@"):
            return refusals["no-recipient"][1]
        if fault == "one-slow" and address.startswith("busy@") and goes_wrong():
            return refusals["slow-recipients"][1]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        number = next(numbers)
        first = number == 1
        (place / f"{number}.eml").write_bytes(envelope.original_content)
        say("CONTENT", ",".join(envelope.rcpt_tos))
        say("FROM", session.host_name)
        if fault == "dropped-after-data" and goes_wrong():
            server.transport.abort()
            return "250 nobody reads this"
        if (fault == "silent-after-data" and goes_wrong()) or (fault == "silent-after-first" and first):
            await asyncio.sleep(600)
        if where == "content" and goes_wrong():
            if fault == "daily-limit":
                await server.push(refusal)
                server.transport.close()
            return refusal
        return "250 2.0.0 OK queued"


class Server(SMTP):
    async def smtp_AUTH(self, arg):
        say("AUTH", arg.split()[0])
        if where == "AUTH" and goes_wrong():
            return await self.push(refusal)
        return await super().smtp_AUTH(arg)

    async def smtp_DATA(self, arg):
        if where == "DATA" and goes_wrong():
            await self.push(refusal)
            return self.transport.close()
        return await super().smtp_DATA(arg)


class Silent(asyncio.Protocol):
    pass


def connection():
    say("CONNECTED")
    if fault == "silent" and goes_wrong():
        return Silent()
    return Server(Handler(), hostname="localhost", auth_require_tls=False, authenticator=login)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(connection, "127.0.0.1", 0)
    say("PORT", server.sockets[0].getsockname()[1])
    await server.serve_forever()


asyncio.run(main())
