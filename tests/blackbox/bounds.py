#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Bounds on clients: how many there are and how long they may take, from the start and after a reload, whatever they do meanwhile."""
import os
import signal
import socket
import ssl
import sys
import threading
import time

from own_site import Results, Site, outer, read, within

results = Results()
check = results.check
TIMEOUT = 5
# A client that gets nowhere has twice the time; the rest is for a slow host.
LATEST = 2 * TIMEOUT + 10
MAIL = [b"MAIL FROM:<slow@far.example>", b"RCPT TO:<alice@example.test>", b"DATA"]


def unverified():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def connect(site, port):
    return socket.create_connection(("127.0.0.1", site.base + port), timeout=60)


# --- slow clients ---

def reach(site, port, lines):
    """A connection that has said these lines, and has had a reply to each."""
    peer = connect(site, port)
    if port == 465:
        peer = unverified().wrap_socket(peer)
    for line in [None, *lines]:
        if line is not None:
            peer.sendall(line + b"\r\n")
        text = b""
        while not text.endswith(b"\r\n") or text.splitlines()[-1][3:4] == b"-":
            more = peer.recv(65536)
            assert more, text
            text += more
    return peer


def hello():
    """The first bytes of a TLS client."""
    outgoing = ssl.MemoryBIO()
    try:
        unverified().wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def wait_out(peer, drips):
    """Sends an octet of `drips` each second, and nothing when that is empty: how long until the end, and what was said before."""
    began, said = time.monotonic(), b""
    try:
        for i in range(4 * LATEST):
            peer.settimeout(1)
            try:
                more = peer.recv(65536)
                if not more:
                    break
                said += more
                continue
            except TimeoutError:
                pass
            if drips:
                peer.sendall(drips[i % len(drips):i % len(drips) + 1])
    except OSError:
        pass
    peer.close()
    return time.monotonic() - began, said


def slow(site):
    login = [b"EHLO slow.example", b"AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v"]
    data = [b"EHLO slow.example", *MAIL]
    own = [*login, b"MAIL FROM:<alice@example.test>", *MAIL[1:]]
    cases = {
        "silent on 25": (25, [], b""), "dripping a command on 25": (25, [], b"N"),
        "silent after EHLO on 25": (25, data[:1], b""), "silent in a message on 25": (25, data, b""), "dripping a message on 25": (25, data, b"x"),
        "dripping lines of a message on 25": (25, data, b"x\r\n"),
        "silent on 465": (465, [], b""), "dripping a command on 465": (465, [], b"N"),
        "silent in a message on 465": (465, own, b""), "dripping a message on 465": (465, own, b"x"),
    }
    found = {}

    def run(name, port, lines, drips):
        found[name] = wait_out(reach(site, port, lines), drips)

    def shake(name, port, lines, drips):
        peer = connect(site, port) if port == 465 else reach(site, port, lines)
        found[name] = wait_out(peer, drips)

    handshakes = {
        "silent before TLS on 465": (465, [], b""), "dripping a handshake on 465": (465, [], hello()),
        "silent behind STARTTLS": (25, [b"EHLO slow.example", b"STARTTLS"], b""),
        "dripping a handshake behind STARTTLS": (587, [b"EHLO slow.example", b"STARTTLS"], hello()),
    }
    threads = [threading.Thread(target=run, args=(name, *one)) for name, one in cases.items()]
    threads += [threading.Thread(target=shake, args=(name, *one)) for name, one in handshakes.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in cases:
        took, said = found.get(name, (0, b""))
        check(f"a client that is {name} is told so and hung up on", TIMEOUT - 2 <= took <= LATEST and said.startswith(b"421 4.4.2 "), (took, said))
    for name in handshakes:
        took, said = found.get(name, (0, b"it never began"))
        check(f"a client that is {name} is hung up on", TIMEOUT - 2 <= took <= LATEST and said == b"", (took, said))


# --- how many ---

def count_smtp(site, wanted):
    """How many of so many clients at once are greeted."""
    peers = [connect(site, 25) for _ in range(wanted)]
    greeted = 0
    for peer in peers:
        greeted += peer.recv(65536).startswith(b"220")
    for peer in peers:
        peer.close()
    return greeted


def count_https(site, wanted):
    peers, served = [], 0
    for _ in range(wanted):
        try:
            peers.append(unverified().wrap_socket(connect(site, 443)))
            served += 1
        except OSError:
            pass
    for peer in peers:
        peer.close()
    return served


first = {}


def reload(site, daemon, options):
    """Appends them to what the file had at first; the role that listens has them a moment later."""
    name = f"{daemon}.conf"
    site.put(name, first.setdefault(name, read(f"{site.state}/etc/{name}")) + options)
    os.kill(int(read(f"{site.state}/run/{daemon}.pid")), signal.SIGHUP)


def many(site, daemon, count):
    for options, some, most in (("connections_per_address_max = 3;\n", 3, 3), ("connections_per_address_max = 100;\n", 12, 12),
                                ("connections_max = 4;\n", 4, 4), ("connections_max = 500;\n", 12, 12),
                                ("connections_per_address_max = 3;\n", 3, 3)):
        reload(site, daemon, options)
        seen = []
        within(lambda: seen.append(count(site, 12)) or some <= seen[-1] <= most, 20)
        check(f"{daemon} takes {options.strip()} at a reload", some <= seen[-1] <= most, seen)
    reload(site, daemon, "")


def patient(site):
    """A longer time for those who come after the reload."""
    # Other options of the same reload tell when it has come.
    reload(site, "smtpd", "client_timeout = 60;\nconnections_per_address_max = 3;\n")
    assert within(lambda: count_smtp(site, 12) == 3)
    with connect(site, 25) as peer:
        said = peer.recv(65536)
        time.sleep(TIMEOUT * 2 + 2)
        peer.sendall(b"QUIT\r\n")
        said += peer.recv(65536)
    check("smtpd takes a longer client_timeout at a reload", b"\r\n221 " in said, said)
    reload(site, "smtpd", f"client_timeout = {TIMEOUT};\n")
    assert within(lambda: count_smtp(site, 12) == 12)
    took, said = wait_out(reach(site, 25, []), b"")
    check("and a shorter one", took <= LATEST and said.startswith(b"421 4.4.2 "), (took, said))


site = Site(outer + 1000, f"client_timeout = {TIMEOUT};\n")
try:
    slow(site)
    # In place of the option above, which must not stand there twice.
    first["smtpd.conf"] = read(f"{site.state}/etc/smtpd.conf").replace(f"client_timeout = {TIMEOUT};\n", "")
    many(site, "smtpd", count_smtp)
    patient(site)
    many(site, "webmaild", count_https)
    check("no role of smtpd died", not site.deaths(), site.deaths())
finally:
    site.stop()
sys.exit(results.failed)
