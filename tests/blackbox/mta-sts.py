#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""MTA-STS (RFC 8461): policies are fetched from hosts with a certificate of the test's authority, obeyed, kept, and fetched anew; REQUIRETLS
(RFC 8689) by what they vouch for."""
import glob
import os
import re
import shutil
import ssl
import sys

from own_site import FarHost, Results, Site, net, outer, read, within, work
from signed_dns import A, MX, TLSA, TXT, Authority, Server, tlsa
from sts_server import Handler, StsServer, policy

results = Results()
check = results.check
if os.getuid() != 0:
    print("ok - MTA-STS # skipped: port 443 needs root")
    sys.exit(0)

authority, stranger = Authority(f"{work}/ca"), Authority(f"{work}/stranger")
port = outer + 740
POLICIES, TRUSTED, UNKNOWN, CLEAR = f"{net}.91", "127.0.0.1", "127.0.0.2", "127.0.0.3"
names, policies = {}, {}


def domain(name, address, text, record="v=STSv1; id=1;", host=None):
    host = host or "mx." + name
    names[name] = {MX: [(10, host)]}
    names[host] = {A: [address]}
    if record is not None:
        names["_mta-sts." + name] = {TXT: [record]}
    if text is not None:
        names["mta-sts." + name] = {A: [POLICIES]}
        policies["mta-sts." + name] = text


ENFORCE = policy("enforce", "*.{}")
for word, address, text in [
    ("good", TRUSTED, ENFORCE), ("untrusted", UNKNOWN, ENFORCE), ("clear", CLEAR, ENFORCE), ("elsewhere", TRUSTED, policy("enforce", "mx.other.example")),
    ("testing", CLEAR, policy("testing", "*.{}")), ("none", CLEAR, policy("none")), ("moved", UNKNOWN, "302"), ("page", UNKNOWN, "<html>"),
    ("large", UNKNOWN, policy("enforce", "*.{}") + "x: " + "y" * 70000), ("stranger", UNKNOWN, ENFORCE), ("othername", UNKNOWN, ENFORCE),
    ("reversed", TRUSTED, "".join(reversed(policy("enforce", *(f"h{n}.{{}}" for n in range(300)), "*.{}").splitlines(True)))),
    ("long", TRUSTED, policy("enforce", *(f"host-{n:04}.{{}}" for n in range(2150)), "*.{}")),
    ("dane", UNKNOWN, ENFORCE), ("silent", UNKNOWN, None), ("unsure", TRUSTED, ENFORCE), ("busy", TRUSTED, "503"),
]:
    # What is signed is the domain with DANE alone.
    name = word + (".signed.example" if word == "dane" else ".example")
    domain(name, address, text.replace("{}", name) if text else None)
# Next hops that routes name as hosts: each is its own domain.
for name, address in [("relay.example", TRUSTED), ("plain-relay.example", CLEAR), ("odd-relay.example", TRUSTED)]:
    domain(name, address, policy("enforce", "mx.example" if name.startswith("odd") else name), host=name)
names["mta-sts.silent.example"] = {A: [f"{net}.92"]}  # nobody listens there

host_names = [name for name in names if name.startswith("mx.")] + ["relay.example", "odd-relay.example"]
certificate, key = authority.issue(*host_names)
foreign, foreign_key = stranger.issue(*host_names)
names[f"_{port}._tcp.mx.dane.signed.example"] = {TLSA: [tlsa(3, 1, foreign)]}
web = [name for name in policies if "othername" not in name and "stranger" not in name]
web_certificate, web_key = authority.issue(*web)
strange_certificate, strange_key = stranger.issue("mta-sts.stranger.example")


class Odd(Handler):
    """What some policy hosts say is no policy."""

    def answer(self, host, text, kind="text/plain"):
        if text == "503":
            self.send_response(503)
            self.end_headers()
        elif text == "302":
            self.send_response(302)
            self.send_header("Location", "https://mta-sts.good.example/.well-known/mta-sts.txt")
            self.end_headers()
        else:
            super().answer(host, text, "text/html" if text == "<html>" else kind)

    def end_headers(self):
        if self.headers["Host"] == "mta-sts.good.example":
            self.send_header("Content-Length", str(len(policies["mta-sts.good.example"])))
        super().end_headers()


def contexts(connection, name, _):
    connection.context = strange if name == "mta-sts.stranger.example" else server.context


strange = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
strange.load_cert_chain(strange_certificate, strange_key)
server = StsServer(POLICIES, policies, web_certificate, web_key, Odd)
server.context.sni_callback = contexts
fetched = server.fetched

dns = Server(f"{work}/dns", names, signed=["signed.example"], failing=[("_mta-sts.unsure.example", TXT)])
shutil.copy(authority.certificate, f"{work}/roots.pem")
os.chmod(f"{work}/roots.pem", 0o644)
os.environ["SSL_CERT_FILE"] = f"{work}/roots.pem"
OFFER = ["--offer", "8BITMIME SIZE REQUIRETLS"]
trusted = FarHost("trusted", options=[f"--smtp={TRUSTED}:{port}", *OFFER, "--certificate", certificate, "--key", key])
unknown = FarHost("unknown", options=[f"--smtp={UNKNOWN}:{port}", *OFFER, "--certificate", foreign, "--key", foreign_key])
clear = FarHost("clear", options=[f"--smtp={CLEAR}:{port}"])
domains = [name for name in names if MX in names[name]]
hops = ["relay", "plain-relay", "odd-relay"]
routes = ", ".join([f'"{name} mx://{name}:{port}"' for name in domains] + [f'"by-{hop}.example smtp://{hop}.example:{port}"' for hop in hops])
site = None


def stop_and_start():
    site.stop()
    return Site(outer + 741, options)


def relayed(address, tls):
    return site.logged(rf' relayed .* to={re.escape(address)} .* tls="?{tls}"? ')


def deferred(address, reason):
    return site.logged(rf" deferred .* to={re.escape(address)} .* status=4\.7\.5 .*{reason}")


UNVERIFIED = r"TLSv1\.3 \S+ unverified"
options = f'{dns.options()} routes = [ {routes} ]; retry_min = "60s";'
try:
    site = Site(outer + 741, options)
    site.send("alice@example.test", [f"a@{name}" for name in domains], "sts-word", login="alice")
    check("enforce: a trusted host of the policy gets mail", relayed("a@good.example", r"TLSv1\.3 \S+ sts"), site.log()[-6000:])
    check("enforce: a policy of many hosts, and with its version last", relayed("a@reversed.example", r"TLSv1\.3 \S+ sts"), site.log()[-3000:])
    check("enforce: a policy of almost 64 KB", relayed("a@long.example", r"TLSv1\.3 \S+ sts") and 60000 < len(policies["mta-sts.long.example"]) < 65536, site.log()[-3000:])
    check("enforce: mail waits for a host with an unknown certificate", deferred("a@untrusted.example", "MTA-STS policy demands TLS"))
    check("enforce: for one without TLS", deferred("a@clear.example", "MTA-STS policy demands TLS"))
    check("enforce: for one that the policy does not name", deferred("a@elsewhere.example", "none of those"))
    site.send("alice@example.test", [f"a@by-{hop}.example" for hop in hops], "sts-relay", login="alice")
    check("enforce: a next hop has the mail of others by its own policy", relayed("a@by-relay.example", r"TLSv1\.3 \S+ sts"), site.log()[-3000:])
    check("enforce: and not without TLS", deferred("a@by-plain-relay.example", "MTA-STS policy demands TLS"), site.log()[-3000:])
    check("enforce: nor when its policy does not name it", deferred("a@by-odd-relay.example", "none of those"), site.log()[-3000:])
    check("testing: mail goes", relayed("a@testing.example", "none"))
    check("testing: and the log tells of it", site.logged(r" policy-test-failed domain=\S*testing\.example"))
    check("none: mail goes", relayed("a@none.example", "none"))
    for word, reason in [("moved", "answers 302"), ("page", "not text/plain"), ("large", "too long"), ("stranger", "certificate verify failed"),
                         ("othername", "certificate verify failed"), ("silent", "Connection refused")]:
        check(f"no policy ({reason}): mail goes", relayed(f"a@{word}.example", UNVERIFIED), site.log()[-3000:])
        check(f"no policy ({reason}): the log says why", site.logged(rf" policy-not-fetched domain={word}\.example .*{reason}"))
    check("no record to be had: mail goes", relayed("a@unsure.example", UNVERIFIED), site.log()[-3000:])
    before = len(site.log())
    site.send("alice@example.test", ["r@good.example", "r@moved.example", "r@testing.example"], "sts-required", login="alice", mail=" REQUIRETLS")
    check("REQUIRETLS: a policy that is enforced vouches for the host", site.logged(r' relayed .* to=r@good\.example .* tls="TLSv1\.3 \S+ sts"', before), site.log()[before:])
    for word, why in [("moved", "no policy"), ("testing", "one that is a test")]:
        check(f"REQUIRETLS: {why} does not, and it comes back", site.logged(rf" failed .* to=r@{word}\.example .* status=5\.7\.10 ", before), site.log()[before:])
    required = trusted.taken("sts-required") + unknown.taken("sts-required") + clear.taken("sts-required")
    check("REQUIRETLS: that host is told, and no other got it", len(required) == 1 and "REQUIRETLS" in required[0][0]["mail"], required)
    before = len(site.log())
    for word in ("unsure", "silent", "busy"):
        site.send("alice@example.test", [f"r@{word}.example"], "sts-unsure", login="alice", mail=" REQUIRETLS")
    for word, why in [("unsure", "a record"), ("silent", "a policy host"), ("busy", "a policy")]:
        check(f"REQUIRETLS: {why} that is not to be had now makes it wait", site.logged(rf" deferred .* to=r@{word}\.example .* status=4\.7\.10 ", before), site.log()[before:])
    check("and nobody has it", not trusted.taken("sts-unsure") + unknown.taken("sts-unsure"))
    for word in ("unsure", "busy"):
        site.talk(["MAIL FROM:<> REQUIRETLS", f"RCPT TO:<n@{word}.example>", "DATA", b"From: alice@example.test\r\nSubject: sts-notified\r\n\r\nx\r\n.\r\n"], login="alice")
        check(f"but a notification goes where it can: {word}", site.logged(rf" relayed .* to=n@{word}\.example ", before), site.log()[before:])
    dns.failing.clear()

    def goes_at_last():
        site.tool("mailqueue", "-t", "r@unsure.example", "retry", conf="smtpd.conf")
        return re.search(r' relayed .* to=r@unsure\.example .* tls="TLSv1\.3 \S+ sts"', site.log())

    check("until it is to be had", within(goes_at_last), site.log()[before:])
    check("DANE goes before MTA-STS", relayed("a@dane.signed.example", r"TLSv1\.3 \S+ dane"))
    check("redirections are not followed", fetched.count("mta-sts.good.example") == 1, fetched)

    kept = f"{site.state}/spool/sts/good.example"
    check("the policy is kept", "mode: enforce" in read(kept) and "fourpost_id: 1" in read(kept), read(kept))
    check("and nothing else of its writing", within(lambda: not glob.glob(f"{site.state}/spool/sts/.n*")))
    count = len(fetched)
    site.send("alice@example.test", ["b@good.example", "b@clear.example"], "sts-again", login="alice")
    check("it is used again", relayed("b@good.example", r"TLSv1\.3 \S+ sts") and deferred("b@clear.example", "MTA-STS"))
    site = stop_and_start()
    # The policy host is gone, and so is the record: what is kept counts until it expires.
    del names["_mta-sts.clear.example"]
    site.send("alice@example.test", ["c@good.example", "c@long.example", "c@clear.example"], "sts-after", login="alice")
    check("it outlives the daemon", relayed("c@good.example", r"TLSv1\.3 \S+ sts") and relayed("c@long.example", r"TLSv1\.3 \S+ sts") and deferred("c@clear.example", "MTA-STS"))
    check("without being fetched", len(fetched) == count, fetched[count:])

    said = site.tool("mailqueue", "policy", "good.example", conf="smtpd.conf")[1]
    check("mailqueue policy tells of it", "announced with id 1; kept is mode enforce, id 1, for hosts *.good.example" in said, said)
    policies["mta-sts.clear.example"] = policy("none")
    names["_mta-sts.clear.example"] = {TXT: ["other", "v=STSv1; id=2;"]}

    def retried():
        site.tool("mailqueue", "retry", "all", conf="smtpd.conf")
        return re.search(r" relayed .* to=c@clear\.example .* tls=none ", site.log())

    check("another id has the policy fetched again, and mail that waited goes", within(retried), site.log()[-3000:])
    # An expired one does not count.
    text = re.sub(r"fourpost_fetched: \d+", "fourpost_fetched: 1700000000", read(f"{site.state}/spool/sts/untrusted.example"))
    check("an expired one is there", "1700000000" in text)
    with open(f"{site.state}/spool/sts/untrusted.example", "w", encoding="ascii") as file:
        file.write(text)
    del names["_mta-sts.untrusted.example"]
    site = stop_and_start()
    site.send("alice@example.test", ["d@untrusted.example"], "sts-old", login="alice")
    check("what has expired does not count", relayed("d@untrusted.example", UNVERIFIED), site.log()[-3000:])
    check("no role of it died", not site.deaths(), site.deaths())
finally:
    if site is not None:
        site.stop()
    for host in (trusted, unknown, clear):
        host.stop()
sys.exit(results.failed)
