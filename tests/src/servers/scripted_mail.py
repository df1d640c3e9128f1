"""A mail server that fails as it is told, by the sender of each mail: one word of that sender's plan for each mail that begins,
the last one for all that follow.

Arguments: port, the file with the plans (JSON, words by sender), the file to note what was taken in (one sender and
X-Idempotency-Key a line), and optionally a certificate and a key: then STARTTLS is demanded.
"""

import asyncio
import email
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP

port, taken = int(sys.argv[1]), sys.argv[3]
with open(sys.argv[2], encoding="utf-8") as file:
    plans = json.load(file)


def next_word(sender):
    plan = plans[sender]
    return plan.pop(0) if len(plan) > 1 else plan[0]


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, options):
        envelope.word = next_word(address)
        if envelope.word.startswith("mail "):
            return envelope.word[5:]
        if envelope.word == "drop at mail":
            server.transport.abort()
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if envelope.word.startswith("rcpt "):
            return envelope.word[5:]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        word = envelope.word
        if word.startswith("data "):
            return word[5:]
        if word == "drop before taking":
            server.transport.abort()
            return "250 OK"
        if word == "hang before taking":
            await asyncio.sleep(3600)
        key = email.message_from_bytes(envelope.content)["X-Idempotency-Key"]
        with open(taken, "a", encoding="utf-8") as file:
            file.write(f"{envelope.mail_from} {key}\n")
        if word == "drop after taking":
            server.transport.abort()
        if word == "hang after taking":
            await asyncio.sleep(3600)
        return "250 OK queued"


def protocol():
    context = None
    if len(sys.argv) > 4:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[4], sys.argv[5])
    return SMTP(Handler(), tls_context=context, require_starttls=context is not None, enable_SMTPUTF8=False)


async def main():
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port)
    await server.serve_forever()


asyncio.run(main())
