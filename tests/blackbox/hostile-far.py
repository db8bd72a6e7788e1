#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Hosts and name servers that mean harm to whoever sends mail to them: what they say is bounded, passed on clean, and stops no other mail."""
import glob
import itertools
import os
import re
import signal
import socketserver
import sys
import threading
import time

import own_site
from signed_dns import A, AAAA, CNAME, MX, Authority, Server, wire

results = own_site.Results()
check = results.check
port = own_site.outer + 820


def endless(first, more):
    return itertools.chain([first], itertools.repeat(more))


class Session(socketserver.StreamRequestHandler):
    """A server whose answers to some commands are others: bytes, or an iterator of them; None: it hangs up."""

    def say(self, verb, usual):
        answer = self.server.odd.get(verb, usual)
        answer = answer() if callable(answer) else answer
        for part in [answer] if isinstance(answer, bytes) else answer or []:
            self.wfile.write(part)
        return answer is not None

    def handle(self):
        try:
            self.converse()
        except OSError:
            pass  # it was hung up on

    def converse(self):
        if not self.say("greeting", b"220 far.example\r\n"):
            return
        while line := self.rfile.readline():
            verb = line[:4].upper().decode("ascii", "replace")
            usual = {"EHLO": b"250-far.example\r\n250 PIPELINING\r\n", "DATA": b"354 Go ahead\r\n", "QUIT": b"221 Bye\r\n"}.get(verb, b"250 2.0.0 Ok\r\n")
            if not self.say(verb, usual) or verb == "QUIT":
                return
            if verb == "DATA":
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                if not self.say("text", b"250 2.0.0 Taken\r\n"):
                    return


class Tired(Session):
    """It hangs up in the middle of the second message of a connection."""

    recipients = 0

    def say(self, verb, usual):
        self.recipients += verb == "RCPT"
        return self.recipients < 2 and super().say(verb, usual)


class Brief(Session):
    """It takes one recipient for each message, and one message on a connection."""

    messages = recipients = 0

    def say(self, verb, usual):
        if verb == "MAIL":
            self.messages, self.recipients = self.messages + 1, 0
            if self.messages == 2:
                self.wfile.write(b"421 4.7.0 Too many messages on this connection\r\n")
                return False
        self.recipients += verb == "RCPT"
        return super().say(verb, b"452 4.5.3 Too many recipients\r\n" if verb == "RCPT" and self.recipients > 1 else usual)


class Far(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, block_on_close, request_queue_size = True, True, False, 100

    def __init__(self, at, odd, session=Session):
        super().__init__(("127.0.0.1", at), session)
        self.odd = odd
        threading.Thread(target=self.serve_forever, daemon=True).start()


EVIL = b"550 5.1.1 a\0b\x1b[2Jc\x9bd\xff\xc2\x9be\r\n"
# What is odd of a host, and what its mail comes to by the log.
HOSTS = {
    "greets-without-end": ({"greeting": endless(b"", b"220-far.example\r\n")}, r"deferred .*"),
    "offers-without-end": ({"EHLO": endless(b"", b"250-X-" + b"y" * 500 + b"\r\n")}, r"deferred .*"),
    "line-without-end": ({"MAIL": endless(b"250 ", b"x" * 1000)}, r"deferred .*"),
    "refuses-without-end": ({"RCPT": endless(b"", b"550-" + b"no " * 100 + b"\r\n")}, r"deferred .*"),
    "no-number": ({"MAIL": b"Ok\r\n"}, r"deferred .*"),
    "two-codes": ({"MAIL": b"250-2.1.0 Ok\r\n550 5.7.1 No\r\n"}, r"deferred .*"),
    "number-out-of-range": ({"MAIL": b"999 Ok\r\n"}, r"deferred .*"),
    "evil-text": ({"RCPT": EVIL}, r"failed .*status=5\.1\.1 "),
    "status-of-another-class": ({"RCPT": b"550 2.0.0 Fine\r\n"}, r"failed .*status=5\."),
    "behind-starttls": ({"EHLO": b"250-far.example\r\n250 STARTTLS\r\n", "STAR": b"220 Go\r\n250-far.example\r\n250 AUTH PLAIN\r\n"}, r"deferred .*"),
    "hangs-up-starttls": ({"EHLO": b"250-far.example\r\n250 STARTTLS\r\n", "STAR": None}, r"relayed .* tls=none "),
    "leaves-for-good": ({"RCPT": b"421 4.3.2 Going down\r\n"}, r"deferred .*status=4\.3\.2 "),
    "hangs-up-greeting": ({"greeting": None}, r"deferred .*"),
    **{f"hangs-up-{verb.lower()}": ({verb: None}, r"deferred .*") for verb in ("EHLO", "MAIL", "RCPT", "DATA", "text")},
    "refuses-the-text": ({"text": b"554 5.6.0 No\r\n"}, r"failed .*status=5\.6\.0 "),
    "says-nothing": ({"greeting": iter(())}, None),
}
# Domains whose exchangers are odd.
names = {
    "many.example": {MX: [(n % 7, f"mx{n}.many.example") for n in range(300)]},
    **{f"mx{n}.many.example": {A: ["127.0.0.99"] * 20, AAAA: ["::1"] * 20} for n in range(300)},
    "circle.example": {MX: [(1, "a.circle.example")]}, "a.circle.example": {CNAME: ["b.circle.example"]}, "b.circle.example": {CNAME: ["a.circle.example"]},
    "itself.example": {CNAME: ["itself.example"]},
    "chain.example": {CNAME: ["c0.chain.example"]}, **{f"c{n}.chain.example": {CNAME: [f"c{n + 1}.chain.example"]} for n in range(60)},
    "short.example": {MX: [b"\0"]}, "behind.example": {MX: [b"\0\1" + wire("mx.behind.example") + b"more"]}, "pointer.example": {MX: [b"\0\1\xc0\xff"]},
    "half.example": {MX: [(1, "mx.half.example")]}, "mx.half.example": {A: [b"\x7f\0\0"], AAAA: [b"\0" * 15]},
    "evil.example": {MX: [(1, name) for name in ("a\nb.evil.example", 'q"uote.evil.example', "a b.evil.example", "\x1b[2J.evil.example", "n\0l.evil.example")]},
    **{name: {A: ["127.0.0.99"]} for name in ("a\nb.evil.example", 'q"uote.evil.example', "a b.evil.example", "\x1b[2J.evil.example", "n\0l.evil.example")},
    "nobody.example": {MX: [(1, "mx.nobody.example")]}, "mx.nobody.example": {A: ["0.0.0.0", "255.255.255.255", "224.0.0.1"], AAAA: ["::", "ff02::1"]},
    "strange.example": {MX: [(1, "a b.strange.example"), (2, '"c".strange.example')], A: ["127.0.0.1"]},
    "beside.example": {MX: [(1, "a b.beside.example"), (2, "mx.good.example")]},
    "far.example": {MX: [(n, f"mx{n}.far.example") for n in range(12)] + [(99, "mx.good.example")]},
    **{f"mx{n}.far.example": {A: ["127.255.255.255"]} for n in range(12)},
    "backup.example": {MX: [(1, "mx.good.example"), (2, "dead.example")]},
    "strict.example": {MX: [(1, "mx.good.example")]},
    "good.example": {MX: [(1, "mx.good.example")]}, "mx.good.example": {A: ["127.0.0.1"]},
}
ODD_NAMES = [name for name in ("many", "circle", "itself", "chain", "short", "behind", "pointer", "half", "evil", "nobody")]


def memory(site):
    """The most that the relay role has had, in KB."""
    parent = own_site.read(f"{site.state}/run/smtpd.pid").strip()
    for pid in own_site.read(f"/proc/{parent}/task/{parent}/children").split():
        if own_site.read(f"/proc/{pid}/cmdline").startswith("smtpd: relay"):
            return int(re.search(r"VmHWM:\s+(\d+)", own_site.read(f"/proc/{pid}/status")).group(1))
    return None


waited_for = threading.Event()


def speechless():
    """It agrees to TLS, and that was its last word."""
    yield b"220 Go\r\n"
    threading.Event().wait()


def late():
    """The text is there, and nothing is said of it for a while."""
    waited_for.set()
    time.sleep(2)
    yield b"250 2.0.0 Taken after all\r\n"


class NameServer(Server):
    """One that says nothing of what is dead."""

    def answer(self, packet):
        if b"\4dead\7example" in packet.lower():
            raise IndexError
        return super().answer(packet)


# So many that asking each takes longer than mail should wait.
name_servers = [NameServer(f"{own_site.work}/dns", names, address=(f"127.0.0.{11 + n}", 0)) for n in range(8)]
resolvers = ", ".join(f'"{server.host}@{server.port}"' for server in name_servers)
far = own_site.FarHost("far", port)
servers = [Far(port + 1 + n, odd) for n, (odd, _) in enumerate(HOSTS.values())]
servers.append(Far(port + 60, {"text": late()}))
servers.append(Far(port + 61, {}, Tired))
servers.append(Far(port + 62, {}, Brief))
servers.append(Far(port + 63, {"EHLO": b"250-far.example\r\n250 STARTTLS\r\n", "STAR": speechless}))
certificate, key = Authority(f"{own_site.work}/ca").issue("mx.good.example")
choosy = own_site.FarHost("choosy", port + 64, options=["--certificate", certificate, "--key", key, "--client-certificate", "--offer", "REQUIRETLS"])
routes = [f"tired.example smtp://127.0.0.1:{port + 61}", f"brief.example smtp://127.0.0.1:{port + 62}", f"typo.example smtp://gone.hop.example:{port}", f"late.example smtp://127.0.0.1:{port + 60}",
          f"speechless.example smtp://127.0.0.1:{port + 63}", f"choosy.example smtp://127.0.0.1:{port + 64}", f"strict.example mx://strict.example:{port + 64}"] + [f"{name}.example smtp://127.0.0.1:{port + 1 + n}" for n, name in enumerate(HOSTS)] + [f"{name}.example mx://{name}.example:{port}" for name in [*ODD_NAMES, "strange", "beside", "far", "backup", "good"]]
quoted = ", ".join(f'"{route}"' for route in routes)
site = own_site.Site(own_site.outer + 840, f'resolvers = [ {resolvers} ]; dnssec_anchor = ""; routes = [ {quoted} ]; tls_policies = [ "strict.example encrypt" ]; retry_min = "1h"; retry_max = "2h";')
try:
    site.send("alice@example.test", ["first@good.example"], "the first", login="alice")
    check("mail goes to a host that is as others are", own_site.within(lambda: far.taken("the first")), site.log()[-3000:])
    site.send("alice@example.test", ["a@speechless.example"], "speechless", login="alice")
    site.send("alice@example.test", ["a@choosy.example", "a@strict.example"], "choosy", login="alice")
    site.send("alice@example.test", ["r@choosy.example"], "choosy required", login="alice", mail=" REQUIRETLS")
    site.talk(["MAIL FROM:<> REQUIRETLS", "RCPT TO:<n@choosy.example>", "DATA", b"From: alice@example.test\r\nSubject: choosy notified\r\n\r\nx\r\n.\r\n"], login="alice")
    before = memory(site)
    site.send("alice@example.test", ["a@backup.example"], "despite the dead", login="alice")
    for name, (_, end) in HOSTS.items():
        site.send("alice@example.test", [f"a@{name}.example"], f"hostile {name}", login="alice", body="line\r\n" * 5000)
    for name, (_, end) in HOSTS.items():
        if end:
            check(f"a host that {name}: {end.split()[0]}", site.logged(rf" smtpd/queue\S* info: {end.replace('.*', f'.* to=a@{name}.example .*', 1)}"), site.log()[-3000:])
    for name in ODD_NAMES:
        site.send("alice@example.test", [f"a@{name}.example"], f"odd {name}", login="alice")
    for name in ODD_NAMES:
        check(f"a domain with names that are {name}: its mail waits, or comes back", site.logged(rf" (deferred|failed) .* to=a@{name}\.example "), site.log()[-3000:])
    for name, what in (("beside", "exchangers of which one has a name that is none"), ("far", "exchangers to which there is no way from here, before one to which there is")):
        site.send("alice@example.test", [f"a@{name}.example"], f"odd {name}", login="alice")
        check(f"{what}: the other one gets the mail", own_site.within(lambda word=f"odd {name}": far.taken(word)), site.log()[-3000:])
    site.send("alice@example.test", ["a@strange.example"], "odd strange", login="alice")
    check("exchangers none of which can be one, in a route: the mail waits for its operator, though the domain has an address",
          site.logged(r" deferred .* to=a@strange\.example .*status=4\.3\.5 .*No host takes mail") and not far.taken("odd strange"), site.log()[-3000:])
    site.send("alice@example.test", ["a@typo.example"], "by nobody", login="alice")
    check("a next hop that is not there: so does its mail", site.logged(r" deferred .* to=a@typo\.example .*status=4\.3\.5 .*gone\.hop\.example"), site.log()[-3000:])
    check("an exchanger whose name servers say nothing: the better one gets the mail", own_site.within(lambda: far.taken("despite the dead")), site.log()[-3000:])
    tried = len(re.findall(r" host-failed .*127\.0\.0\.99|\[::1\]", site.log()))
    check("a message is tried at so many addresses, and no more", tried <= 2 * 16 * 8, tried)
    check("addresses of nobody reach nothing of ours", not far.taken("odd nobody"), site.log()[-3000:])
    if own_site.lane != "asan":
        check("who talks without end costs no memory", before and memory(site) < before + 16384, (before, memory(site)))
    found = own_site.within(lambda: site.delivered("alice", "evil-text"))
    check("the sender is told what such a host said, clean", found and not re.search(r"[\0\x1b\x7f-\x9f]", found[0]) and "abc" not in found[0], found)
    strange = [line for line in site.log().splitlines() if not re.match(r"\d{4}-[ -~]*$", line)]
    check("the log has whole lines of printable ASCII", not strange, strange[:5])
    for n in range(2):
        site.send("alice@example.test", [f"n{n}@tired.example"], "two", login="alice")
        check("a connection that stood hangs up: the host is tried anew" if n else "a host takes a message", site.logged(rf" relayed .* to=n{n}@tired\.example "), site.log()[-3000:])
    many = [f"n{n}@brief.example" for n in range(12)]
    site.send("alice@example.test", many, "many", login="alice")
    check("a host that takes one recipient at a time, and a message on a connection: all go at once",
          all(site.logged(rf" relayed .* to={to} ") for to in many), site.log()[-3000:])
    site.send("alice@example.test", ["last@good.example"], "the last", login="alice")
    check("other mail goes on", own_site.within(lambda: far.taken("the last")), site.log()[-3000:])
    check("a host that gives up TLS once the handshake is over here: mail goes without",
          site.logged(r" relayed .* to=a@choosy\.example .* tls=none ") and re.search(r" tls-failed .*(certificate required|reset by peer)", site.log()), site.log()[-3000:])
    check("and waits where TLS is demanded", site.logged(r" deferred .* to=a@strict\.example .* status=4\.7\.5 .*tls_policies demands TLS"), site.log()[-3000:])
    check("by the message too", site.logged(r" deferred .* to=r@choosy\.example .* status=4\.7\.10 .*The message demands TLS"), site.log()[-3000:])
    check("and a notification goes where it can", site.logged(r" relayed .* to=n@choosy\.example .* tls=none "), site.log()[-3000:])
    check("in the clear went what might", sorted(about["rcpt"][0] for about, _ in choosy.messages()) == ["TO:<a@choosy.example>", "TO:<n@choosy.example>"], choosy.messages())
    check("a host that says nothing more after STARTTLS: mail goes without",
          own_site.within(lambda: re.search(r" relayed .* to=a@speechless\.example .* tls=none ", site.log()), 120), site.log()[-3000:])
    time.sleep(4)  # that connection is not kept so long
    before = time.monotonic()
    site.send("alice@example.test", ["b@speechless.example"], "speechless again", login="alice")
    check("and is not waited for as long again", site.logged(r" relayed .* to=b@speechless\.example .* tls=none ") and 9 < time.monotonic() - before < 30,
          (time.monotonic() - before, site.log()[-3000:]))
    check("no role of it died", not site.deaths(), site.deaths())
    site.send("alice@example.test", ["a@late.example"], "late word", login="alice")
    waited_for.wait(own_site.patience)
    os.kill(int(own_site.read(f"{site.state}/run/smtpd.pid")), signal.SIGTERM)
    check("who has a message when smtpd stops, and has not said so, is waited for", site.logged(r" relayed .* to=a@late\.example ") and site.logged(r" stopped "), site.log()[-3000:])
    left = [path for path in glob.glob(f"{site.state}/spool/queue/*/*") if "a@late.example" in own_site.read(path)]
    check("and does not get it again", not left, left)
finally:
    site.stop()
    far.stop()
    choosy.stop()
sys.exit(results.failed)
