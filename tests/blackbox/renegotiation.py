#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""TLS 1.2 cannot be renegotiated: neither by a client of a daemon's, nor by a host that mail is sent to. The peers are openssl(1)'s, which asks for it when a
line of its standard input begins with R (s_client) or r (s_server)."""
import subprocess
import sys
import threading

import own_site

results = own_site.Results()
check = results.check
REFUSED = "no renegotiation"


class Peer:
    """openssl s_client or s_server: what it has said so far, and its standard input."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(["openssl", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.text = ""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while piece := self.process.stdout.read1():
            self.text += piece.decode("utf-8", "replace")

    def has(self, word):
        return own_site.within(lambda: word in self.text or not self.reader.is_alive()) and word in self.text

    def say(self, line):
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended

    def ended(self):
        return own_site.within(lambda: self.process.poll() is not None)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


def client(port, *more):
    return Peer("s_client", "-tls1_2", "-connect", f"127.0.0.1:{port}", *more)


def server(port, *more):
    state = f"{site.state}/tls"
    peer = Peer("s_server", "-tls1_2", "-accept", f"127.0.0.1:{port}", "-cert", f"{state}/cert.pem", "-key", f"{state}/key.pem", *more)
    assert peer.has("ACCEPT"), peer.text
    return peer


outer = own_site.outer
site = own_site.Site(outer + 1000, f'routes = [ "again.example smtps://127.0.0.1:{outer + 1101}" ]; retry_min = "1h"; retry_max = "1h";')
try:
    # Who grants it, so that the rest tells something.
    willing = server(outer + 1100, "-client_renegotiation", "-rev")
    peer = client(outer + 1100)
    granted = peer.has("Extended master secret")
    peer.say("R")
    granted = granted and peer.has("RENEGOTIATING")
    peer.say("abc")
    check("a server that is told to renegotiates", granted and peer.has("cba") and REFUSED not in peer.text, peer.text)
    peer.end()
    willing.end()

    for name, port, greeting, more in (("submissions", 465, "220 ", ()), ("submission", 587, "250 ", ("-starttls", "smtp")), ("SMTP", 25, "250 ", ("-starttls", "smtp")),
                                       ("POP3", 995, "+OK", ()), ("IMAP", 993, "* OK", ()), ("the web", 443, "Extended master secret", ())):
        peer = client(site.base + port, *more)
        there = peer.has(greeting) and peer.has("Extended master secret")
        peer.say("R")
        check(f"{name}: a client that asks for renegotiation is refused", there and peer.has(REFUSED) and peer.ended(), peer.text)
        peer.end()
    said = site.talk(["NOOP"], "alice")
    check("others are served", [one[:3] for one in said] == ["250"], said)

    far = server(outer + 1101)
    site.send("alice@example.test", ["a@again.example"], "again", login="alice")
    there = far.has("CIPHER is ")
    far.say("220 far.example ESMTP")
    there = there and far.has("EHLO ")
    far.say("r")
    check("a host that asks for it is refused, too", there and far.has(REFUSED), far.text)
    far.end()
    check("and the mail waits", site.logged(r" deferred .* to=a@again\.example "), site.log()[-3000:])
    check("no role died", not site.deaths(), site.deaths())
finally:
    site.stop()
sys.exit(results.failed)
