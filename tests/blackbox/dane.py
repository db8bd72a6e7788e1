#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""DANE (RFC 7672): mail goes to hosts of a signed zone as their TLSA records demand, or waits; what tls_policies says goes before that, and
TLS-Required: No and REQUIRETLS (RFC 8689)."""
import os
import re
import sys

from own_site import FarHost, Results, Site, outer, within, work
from signed_dns import A, CNAME, MX, TLSA, Authority, Server, tlsa

results = Results()
check = results.check
authority = Authority(f"{work}/ca")
certificate, key = authority.issue("mx.ta.signed.example", "byname.signed.example")
end_entity, trust_anchor = tlsa(3, 1, certificate), tlsa(2, 0, authority.certificate)
other = (3, 1, 1, bytes(32))
port = outer + 720

# Where a domain's mail goes: hosts with TLS are at 127.0.0.1, one without at 127.0.0.2.
ENCRYPTED, CLEAR = "127.0.0.1", "127.0.0.2"
names = {}


def domain(name, hosts, exchangers=True):
    """hosts: (host, address, TLSA records or None)"""
    if exchangers:
        names[name] = {MX: [(10 * (i + 1), host) for i, (host, _, _) in enumerate(hosts)]}
    for host, address, records in hosts:
        names.setdefault(host, {})[A] = [address]
        if records is not None:
            names[f"_{port}._tcp.{host}"] = {TLSA: records}


domain("ee.signed.example", [("mx.ee.signed.example", ENCRYPTED, [other, end_entity])])
domain("wrong.signed.example", [("mx.wrong.signed.example", ENCRYPTED, [other])])
domain("ta.signed.example", [("mx.ta.signed.example", ENCRYPTED, [trust_anchor])])
domain("byname.signed.example", [("mx.byname.signed.example", ENCRYPTED, [trust_anchor])])
domain("noname.signed.example", [("mx.noname.signed.example", ENCRYPTED, [trust_anchor])])
domain("unusable.signed.example", [("mx.unusable.signed.example", ENCRYPTED, [(1, 1, 1, bytes(32))])])
domain("malformed.signed.example", [("mx.malformed.signed.example", ENCRYPTED, [(3, 0, 0, b"no certificate")])])
domain("clear.signed.example", [("mx.clear.signed.example", CLEAR, [(1, 1, 1, bytes(32))])])
domain("stripped.signed.example", [("mx.stripped.signed.example", CLEAR, [end_entity])])
domain("without.signed.example", [("mx.without.signed.example", CLEAR, None)])
domain("bogus.signed.example", [("mx.bogus.signed.example", ENCRYPTED, [end_entity])])
domain("fails.signed.example", [("mx.fails.signed.example", ENCRYPTED, [end_entity])])
domain("second.signed.example", [("mx.fails.signed.example", ENCRYPTED, [end_entity]), ("mx.ee.signed.example", ENCRYPTED, [end_entity])])
domain("bare.signed.example", [("bare.signed.example", ENCRYPTED, [end_entity])], exchangers=False)
domain("unsigned.example", [("mx.unsigned.example", ENCRYPTED, [other])])
domain("mixed.example", [("mx.wrong.signed.example", ENCRYPTED, [other])])
# Aliases: of what is signed, with records at its target; of what is not, with records at the alias.
names["alias.signed.example"] = {MX: [(10, "mx.alias.signed.example")]}
names["mx.alias.signed.example"] = {CNAME: ["mx.ee.signed.example"]}
names["away.signed.example"] = {MX: [(10, "mx.away.signed.example")]}
names["mx.away.signed.example"] = {CNAME: ["mx.unsigned.example"]}
names[f"_{port}._tcp.mx.away.signed.example"] = {TLSA: [end_entity]}
# The records themselves by an alias (RFC 7672 section 2.2.3).
names["shared.signed.example"] = {MX: [(10, "mx.shared.signed.example")]}
names["mx.shared.signed.example"] = {A: [ENCRYPTED]}
names[f"_{port}._tcp.mx.shared.signed.example"] = {CNAME: [f"_{port}._tcp.mx.ee.signed.example"]}

# What tls_policies says.
for word, host in [("none", "mx.wrong.signed.example"), ("may", "mx.wrong.signed.example"), ("encrypt", "mx.without.signed.example"),
                   ("verify", "mx.ta.signed.example"), ("names", "mx.ta.signed.example"), ("othernames", "mx.ta.signed.example"), ("dane", "mx.without.signed.example"),
                   ("certificate", "mx.unsigned.example"), ("key", "mx.unsigned.example"), ("otherkey", "mx.unsigned.example"), ("pinned", "mx.without.signed.example")]:
    names[word + ".policy.example"] = {MX: [(10, host)]}
domain("relaxed.signed.example", [("mx.relaxed.signed.example", ENCRYPTED, [other])])
POLICIES = ["none.policy.example none", "may.policy.example may", "encrypt.policy.example encrypt", "verify.policy.example verify",
            "names.policy.example verify mx.b.example *.ta.signed.example mx.ta.signed.example", "othernames.policy.example verify *.policy.example",
            "dane.policy.example dane", f"certificate.policy.example fingerprint {'00' * 32} {tlsa(3, 0, certificate)[3].hex(':')}",
            f"key.policy.example fingerprint {end_entity[3].hex()}", f"otherkey.policy.example fingerprint {'ab' * 32}", f"pinned.policy.example fingerprint {'ab' * 32}"]

dns = Server(f"{work}/dns", names, signed=["signed.example"], bogus=[(f"_{port}._tcp.mx.bogus.signed.example", TLSA)],
             failing=[(f"_{port}._tcp.mx.fails.signed.example", TLSA)])
encrypted = FarHost("encrypted", options=[f"--smtp={ENCRYPTED}:{port}", "--offer", "8BITMIME SIZE REQUIRETLS", "--certificate", certificate, "--key", key])
clear = FarHost("clear", options=[f"--smtp={CLEAR}:{port}"])
domains = sorted(name for name in names if MX in names[name]) + ["bare.signed.example"]
policies = ", ".join(f'"{policy}"' for policy in POLICIES)
os.environ["SSL_CERT_FILE"] = authority.certificate
routes = ", ".join(f'"{name} mx://{name}:{port}"' for name in domains)
site = None

GOES = [
    ("ee.signed.example", encrypted, r"TLSv1\.3 \S+ dane", "the host's own key is among the records"),
    ("ta.signed.example", encrypted, r"TLSv1\.3 \S+ dane", "a trust anchor, and a certificate of the host's name"),
    ("byname.signed.example", encrypted, r"TLSv1\.3 \S+ dane", "or of the domain's"),
    ("unusable.signed.example", encrypted, r"TLSv1\.3 \S+ unverified", "records that cannot be used: TLS with anybody"),
    ("malformed.signed.example", encrypted, r"TLSv1\.3 \S+ unverified", "or that are no certificates"),
    ("without.signed.example", clear, "none", "a signed host without records may have no TLS"),
    ("second.signed.example", encrypted, r"TLSv1\.3 \S+ dane", "a host whose records are not to be had is passed over"),
    ("bare.signed.example", encrypted, r"TLSv1\.3 \S+ dane", "a domain without MX"),
    ("unsigned.example", encrypted, r"TLSv1\.3 \S+ unverified", "records that are not signed mean nothing"),
    ("mixed.example", encrypted, r"TLSv1\.3 \S+ unverified", "nor do signed ones, where the exchangers are not"),
    ("alias.signed.example", encrypted, r"TLSv1\.3 \S+ dane", "records of whom the host is an alias of"),
    ("away.signed.example", encrypted, r"TLSv1\.3 \S+ dane", "a signed alias of a host that is not signed"),
    ("shared.signed.example", encrypted, r"TLSv1\.3 \S+ dane", "records that are an alias"),
    ("none.policy.example", encrypted, "none", "tls_policies none"),
    ("may.policy.example", encrypted, r"TLSv1\.3 \S+ unverified", "tls_policies may"),
    ("names.policy.example", encrypted, r"TLSv1\.3 \S+ policy", "tls_policies verify with a host's name"),
    ("certificate.policy.example", encrypted, r"TLSv1\.3 \S+ policy", "tls_policies with the fingerprint of the certificate"),
    ("key.policy.example", encrypted, r"TLSv1\.3 \S+ policy", "or of the key"),
]
WAITS = [
    ("wrong.signed.example", "4.7.5", "DANE record demands TLS, and the host has no certificate", "another key than the records tell"),
    ("noname.signed.example", "4.7.5", "DANE record demands TLS, and the host has no certificate", "a trust anchor, and a certificate of another name"),
    ("clear.signed.example", "4.7.5", "DANE record demands TLS, and the host does not offer it", "records that cannot be used, and no TLS"),
    ("stripped.signed.example", "4.7.5", "DANE record demands TLS, and the host does not offer it", "records, and no TLS"),
    ("bogus.signed.example", "4.7.5", "is not signed as it should be", "records with a wrong signature"),
    ("relaxed.signed.example", "4.7.5", "DANE record demands TLS", "another key, for most messages"),
    ("encrypt.policy.example", "4.7.5", "tls_policies demands TLS, and the host does not offer it", "tls_policies encrypt, and no TLS"),
    ("verify.policy.example", "4.7.5", "none of those that tls_policies names", "tls_policies verify, and a host of another domain"),
    ("othernames.policy.example", "4.7.5", "none of those that tls_policies names", "tls_policies verify with other names"),
    ("dane.policy.example", "4.7.5", "tls_policies demands DANE", "tls_policies dane without records"),
    ("otherkey.policy.example", "4.7.5", "tls_policies demands TLS, and the host has no certificate", "tls_policies with another fingerprint"),
    ("pinned.policy.example", "4.7.5", "tls_policies demands TLS, and the host does not offer it", "a fingerprint, and no TLS"),
    ("fails.signed.example", "4.4.3", "The DNS gave no answer for TLSA", "records that are not to be had"),
]
try:
    site = Site(outer + 721, f'{dns.options()} routes = [ {routes} ]; tls_policies = [ {policies} ]; retry_min = "60s";')
    site.send("alice@example.test", [f"a@{name}" for name, *_ in GOES + WAITS], "dane-word", login="alice")
    for name, host, tls, text in GOES:
        check(f"{text}: it goes", site.logged(rf' relayed .* to=a@{name} .* tls="?{tls}"? '), site.log()[-6000:])
    for name, status, reason, text in WAITS:
        check(f"{text}: it waits", site.logged(rf" deferred .* to=a@{name} .* status={status} .*{reason}"), site.log()[-6000:])
    arrived = [rcpt for host in (encrypted, clear) for about, _ in host.messages() for rcpt in about["rcpt"]]
    check("nothing of what waits has been sent", not any(name in rcpt for name, *_ in WAITS for rcpt in arrived) and len(arrived) == len(GOES), arrived)
    check("unsigned hosts are not asked for records", (f"_{port}._tcp.mx.unsigned.example", TLSA) not in dns.asked)
    lines = ["MAIL FROM:<alice@example.test>", "RCPT TO:<b@relaxed.signed.example>", "DATA",
             b"From: alice@example.test\r\nSubject: dane-relaxed\r\nTLS-Required: No\r\n\r\nyour key is wrong\r\n.\r\n"]
    site.talk(lines, login="alice")
    check("TLS-Required: No goes all the same", site.logged(rf" relayed .* to=b@relaxed\.signed\.example .* tls=\"TLSv1\.3 \S+ unverified"), site.log()[-3000:])
    site.send("alice@example.test", ["c@relaxed.signed.example"], "dane-after", login="alice")
    check("and no other by its connection", site.logged(r" deferred .* to=c@relaxed\.signed\.example .*DANE record"))

    # REQUIRETLS: the records vouch for the host, or nothing does, and then the sender is told.
    before = len(site.log())
    unsure = ["unusable.signed.example", "unsigned.example", "mixed.example"]
    site.send("alice@example.test", [f"r@{name}" for name in ["ee.signed.example", "ta.signed.example", *unsure]], "dane-required", login="alice", mail=" REQUIRETLS")
    for name in ("ee.signed.example", "ta.signed.example"):
        check(f"REQUIRETLS to {name}, by its records", site.logged(rf' relayed .* to=r@{name} .* tls="TLSv1\.3 \S+ dane"', before), site.log()[before:])
    for name in unsure:
        check(f"REQUIRETLS to {name} comes back", site.logged(rf" failed .* to=r@{name} .* status=5\.7\.10 ", before), site.log()[before:])
    required = encrypted.taken("dane-required")
    # Section 6: what a script writes because of it needs TLS as well.
    site.script("bob", 'require "enotify"; notify :message "dane-notified" "mailto:watch@ee.signed.example";')
    for word, mail in (("dane-plainly", ""), ("dane-secretly", " REQUIRETLS")):
        before = len(encrypted.taken("dane-notified"))
        site.send("alice@example.test", ["bob@example.test"], word, login="alice", mail=mail)
        found = within(lambda n=before: encrypted.taken("dane-notified")[n:])
        check(f"a notification about {word} has what it has", found and ("REQUIRETLS" in found[0][0]["mail"]) == bool(mail), found)
    site.script("bob", None)
    check("the hosts are told of it, and no other got it", len(required) == 2 and all("REQUIRETLS" in about["mail"] and about["tls"] for about, _ in required), required)
    check("the sender hears of those that did not", within(lambda: len(site.delivered("alice", "5.7.10")) >= 1))

    def policy(name):
        return site.tool("mailqueue", "policy", name, conf="smtpd.conf")[1]

    names["_25._tcp.mx.ee.signed.example"] = {TLSA: [end_entity, other]}
    said = policy("ee.signed.example")
    check("mailqueue policy tells of TLSA records", "one of 2 TLSA records at mx.ee.signed.example" in said and "tls_policies: auto" in said, said)
    said = policy("verify.policy.example")
    check("and of tls_policies", "tls_policies: verify\n" in said and "host mx.ta.signed.example: not signed" in said, said)
    names[f"_{port}._tcp.mx.wrong.signed.example"] = {TLSA: [end_entity]}
    def retried():
        """What resolve knows lives five seconds."""
        site.tool("mailqueue", "retry", "all", conf="smtpd.conf")
        return re.search(r" relayed .* to=a@wrong\.signed\.example .* dane", site.log())

    check("mail that waits goes once the records are right", within(retried), site.log()[-3000:])
finally:
    if site is not None:
        site.stop()
    encrypted.stop()
    clear.stop()
sys.exit(results.failed)
