"""A real mail server (aiosmtpd) for tests.

    smtp-server.py DIR [--port N] [--tls starttls|implicit|none] [--auth USER:PASSWORD]

Listens on 127.0.0.1, makes its own authority (DIR/ca.pem) for TLS, writes each mail it takes to DIR/<n>.eml and says
what happens on its output, one JSON object a line. The recipient's name says what it does:
refused@ 550 at RCPT, later@ 450 at RCPT, full@ 552 after DATA, die@ the whole server ends in the middle of DATA's answer.
It ends when its input is closed: it does not outlive the test that started it.
"""
import argparse
import asyncio
import datetime
import ipaddress
import json
import os
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


def say(**what):
    print(json.dumps(what), flush=True)


def certificate(folder):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def named(name):
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])

    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)

    def signed(subject, key, issuer, by, extensions):
        builder = (x509.CertificateBuilder().subject_name(named(subject)).issuer_name(named(issuer))
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now - day).not_valid_after(now + day))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(by, hashes.SHA256())

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = signed("test authority", authority, "test authority", authority,
                  [(x509.BasicConstraints(ca=True, path_length=0), True)])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = signed("localhost", key, "test authority", authority,
                  [(names, False), (x509.BasicConstraints(ca=False, path_length=None), True)])
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(root.public_bytes(pem))
    (folder / "server.pem").write_bytes(leaf.public_bytes(pem) + key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


class Handler:
    def __init__(self, folder):
        self.folder = folder
        self.taken = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "refused":
            say(refused=address)
            return "550 5.1.1 No such mailbox"
        if name == "later":
            say(later=address)
            return "450 4.2.1 Mailbox busy"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        name = envelope.rcpt_tos[0].split("@")[0]
        if name == "full":
            say(full=envelope.rcpt_tos[0])
            return "552 5.2.2 Mailbox full"
        self.taken += 1
        file = self.folder / f"{self.taken}.eml"
        file.write_bytes(envelope.original_content)
        say(taken=str(file), sender=envelope.mail_from, to=envelope.rcpt_tos, tls=session.ssl is not None,
            auth=session.authenticated)
        if name == "die":
            os._exit(1)
        return "250 Taken"


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--tls", choices=["starttls", "implicit", "none"], default="none")
    arguments.add_argument("--auth")
    said = arguments.parse_args()
    context = certificate(said.folder) if said.tls != "none" else None
    options = {}
    if said.auth:
        user, password = said.auth.split(":", 1)

        def authenticator(server, session, envelope, mechanism, data):
            good = (data.login, data.password) == (user.encode(), password.encode())
            return AuthResult(success=good, handled=good)

        options |= {"authenticator": authenticator, "auth_required": True, "auth_require_tls": said.tls == "starttls"}
    if said.tls == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    handler = Handler(said.folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, enable_SMTPUTF8=True, **options), "127.0.0.1", said.port,
                                      ssl=context if said.tls == "implicit" else None)
    say(port=server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
