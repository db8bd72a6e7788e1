#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Messages of all sizes, those around what is kept in memory above all, arrive byte for byte: by SMTP and LMTP, DATA and BDAT, in one
piece and in many. Needs BASE_PORT, STATE and BIN."""
import imaplib
import os
import smtplib
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jmap_client import BASE_PORT, context, finish  # noqa: E402
import jmap_client  # noqa: E402

MEMORY, TO = 262144, "sizes@example.test"


def check(name, fact, shown=None):
    return jmap_client.check(f"sizes: {name}", fact, shown)


def body_of(size):
    """Lines that tell where they stand, so many bytes in all."""
    lines = "".join(f"line {n:08d} of the text that is to come as it went\r\n" for n in range(size // 50 + 1))
    return (lines[:size - 2] + "\r\n").replace("\r\r\n", "x\r\n") if size >= 2 else ""


def send(client, subject, body, chunk, piece):
    client.ehlo_or_helo_if_needed()
    client.docmd("MAIL FROM:<sizes@elsewhere.test>")
    client.docmd(f"RCPT TO:<{TO}>")
    message = f"From: sizes@elsewhere.test\r\nSubject: {subject}\r\n\r\n{body}".encode()
    if chunk:
        for at in range(0, len(message), chunk):
            part = message[at:at + chunk]
            client.send(f"BDAT {len(part)}{' LAST' if at + chunk >= len(message) else ''}\r\n".encode() + part)
            reply = client.getreply()
        return reply[0]
    client.docmd("DATA")
    for at in range(0, len(message), piece):
        client.send(message[at:at + piece])
        if piece < 4096:
            time.sleep(0.001)
    client.send(b".\r\n")
    return client.getreply()[0]


def arrived(subject):
    with imaplib.IMAP4_SSL("127.0.0.1", BASE_PORT + 993, ssl_context=context()) as c:
        c.login(TO, "demo")
        until = time.monotonic() + 30
        while time.monotonic() < until:
            c.select("INBOX", readonly=True)
            found = c.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
            if found:
                return [c.fetch(n, "BODY.PEEK[TEXT]")[1][0][1].decode() for n in found]
            time.sleep(0.1)
    return []


def main():
    subprocess.run([f"{os.environ['BIN']}/mailuser", "-C", f"{os.environ['STATE']}/etc/fourpost.conf", "add", "-p", TO], input="demo\n", text=True,
                   capture_output=True, check=False)
    with smtplib.SMTP("127.0.0.1", BASE_PORT + 25, timeout=120) as smtp, smtplib.LMTP("127.0.0.1", BASE_PORT + 24, timeout=120) as lmtp:
        for size in (2, 4096, MEMORY - 700, MEMORY - 200, MEMORY, MEMORY + 1, 2 * MEMORY + 777, 3 << 20):
            for name, client, chunk, piece in (("SMTP", smtp, 0, 1 << 20), ("LMTP", lmtp, 0, 1000 if size <= 2 * MEMORY else 16384),
                                               ("BDAT", smtp, 30011, 0), ("BDAT in one piece", smtp, 1 << 30, 0)):
                subject, body = f"sizes {name} {size}", body_of(size)
                code = send(client, subject, body, chunk, piece)
                came = arrived(subject)
                check(f"{size} bytes by {name}", code == 250 and came == [body], f"{code}, {[len(text) for text in came]}")
    # Whoever goes in the middle of a large message leaves nothing behind.
    for size in (MEMORY // 2, 4 * MEMORY):
        with smtplib.SMTP("127.0.0.1", BASE_PORT + 25, timeout=120) as client:
            client.ehlo()
            client.docmd("MAIL FROM:<sizes@elsewhere.test>")
            client.docmd(f"RCPT TO:<{TO}>")
            client.docmd("DATA")
            client.send(body_of(size))
            client.sock.close()
            client.sock = None
    until = time.monotonic() + 30
    left = True
    while left and time.monotonic() < until:
        left = [name for _, _, names in os.walk(f"{os.environ['STATE']}/spool/queue") for name in names if name.startswith("tmp.")]
        time.sleep(0.1)
    check("a message that is broken off leaves no file", not left, str(left))


main()
finish()
