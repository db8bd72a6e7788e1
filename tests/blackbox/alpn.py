#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""A client that names other protocols in its TLS handshake (RFC 7301) gets no connection: it was led to the wrong server. Who names none is served."""
import socket
import ssl
import sys

import own_site

results = own_site.Results()
GREETED = {"smtp": b"220 ", "imap": b"* OK", "pop3": b"+OK"}
CASES = (("submissions", 465, "smtp", None), ("submission", 587, "smtp", b"EHLO client.example\r\nSTARTTLS\r\n"), ("SMTP", 25, "smtp", b"EHLO client.example\r\nSTARTTLS\r\n"),
         ("IMAPS", 993, "imap", None), ("IMAP", 143, "imap", b"a STARTTLS\r\n"), ("POP3S", 995, "pop3", None), ("POP3", 110, "pop3", b"STLS\r\n"),
         ("the web", 443, "http/1.1", None))
BEGIN = {"smtp": b"220 ", "imap": b"a OK ", "pop3": b"+OK"}


def hear(peer, last):
    """All lines until one begins so."""
    said = b""
    while not said.endswith(b"\n") or not said.splitlines()[-1].startswith(last):
        if not (more := peer.recv(4096)):
            raise RuntimeError(f"the server has closed after {said}")
        said += more


def shake(port, protocol, start, names):
    """(what was agreed on, what the server says first), or why there is no connection."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if names:
        context.set_alpn_protocols(names)
    plain = socket.create_connection(("127.0.0.1", own_site.outer + port), timeout=own_site.patience)
    with plain:
        if start:
            hear(plain, GREETED[protocol])
            plain.sendall(start)
            hear(plain, BEGIN[protocol])
        try:
            with context.wrap_socket(plain) as peer:
                if start:
                    peer.sendall(b"EHLO client.example\r\n" if protocol == "smtp" else b"a NOOP\r\n" if protocol == "imap" else b"CAPA\r\n")
                if protocol == "http/1.1":
                    peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return peer.selected_alpn_protocol(), peer.recv(4)
        except ssl.SSLError as error:
            return str(error)


for name, port, protocol, start in CASES:
    agreed, refused = (shake(port, protocol, start, names) for names in (["x-other", protocol], ["x-other"]))
    silent = shake(port, protocol, start, None)
    results.check(f"{name}: {protocol} is agreed on", agreed[0] == protocol and agreed[1], agreed)
    results.check(f"{name}: other protocols are refused", "no application protocol" in refused or "NO_APPLICATION_PROTOCOL" in refused, refused)
    results.check(f"{name}: a client that names none is served", isinstance(silent, tuple) and silent[0] is None and silent[1], silent)
sys.exit(results.failed)
