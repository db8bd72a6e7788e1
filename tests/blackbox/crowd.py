#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Some addresses take all connections and say nothing: others find a place soon, and who is at work or has logged in keeps his."""
import base64
import socket
import ssl
import sys
import time

from dns_server import DnsServer
from own_site import Results, Site, outer, within

dns = DnsServer({})
results = Results()
check = results.check
MAX = 16


def connect(site, source, port=25):
    return socket.create_connection(("127.0.0.1", site.base + port), timeout=60, source_address=(source, 0))


def say(peer, line):
    peer.sendall(line.encode() + b"\r\n")
    return peer.recv(4096)


def log_in(site):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    peer = context.wrap_socket(connect(site, "127.0.2.1", 465))
    peer.recv(4096)
    say(peer, "EHLO x")
    check("a user logs in", say(peer, "AUTH PLAIN " + base64.b64encode(b"\0alice@example.test\0demo").decode()).startswith(b"235"))
    return peer


def greeted(site):
    with connect(site, "127.0.3.1") as peer:
        return peer.recv(4096).startswith(b"220")


site = Site(outer + 1000, f'resolvers = [ "{dns.address}" ];\ndnssec_anchor = "";\nconnections_max = {MAX};\nallow_from = [ ];\ngreet_delay = 0;\ngreylist = "none";\n')
try:
    user = log_in(site)
    worker = connect(site, "127.0.2.2")
    worker.recv(4096)
    say(worker, "EHLO x")
    idle = [connect(site, f"127.0.1.{1 + n // 4}", 25 if n % 2 else 587) for n in range(MAX - 2)]
    # Each has its place only when it is greeted: until then it may wait behind one that came later, at the other port.
    check("they are let in", all(peer.recv(4096).startswith(b"220") for peer in idle))
    check("all places are taken", not greeted(site))

    def free():
        say(worker, "VRFY x")
        time.sleep(1)
        return greeted(site)
    started = time.monotonic()
    check("others find one within half a minute", within(free, 40), site.log()[-3000:])
    check("but not at once, for who is silent may be slow", time.monotonic() - started > 8, time.monotonic() - started)
    check("who said nothing was told why", b"421 4.3.2" in b"".join(iter(lambda: idle[0].recv(4096), b"")))
    check("and the log tells", site.logged(r" crowded clients=\d+ limit=16 hung_up=\d+"), site.log()[-3000:])
    check("the user is still there", say(user, "NOOP").startswith(b"250"))
    check("and who is at work", say(worker, "RSET").startswith(b"250"))
finally:
    site.stop()
sys.exit(results.failed)
