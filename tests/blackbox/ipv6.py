#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Mail to hosts that only IPv6 reaches: next hops as address literals, with a certificate for the address, and mail exchangers that have AAAA records alone."""
import os
import socket
import subprocess
import sys

import own_site
from signed_dns import A, AAAA, MX, Server

results = own_site.Results()
check = results.check
work, outer = own_site.work, own_site.outer
OPEN, TLS, OTHER = outer + 762, outer + 763, outer + 764
try:
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
except OSError:
    check("mail over IPv6 # SKIPPED: THIS HOST HAS NO ::1", True)
    sys.exit(0)


def far(name, port, subject):
    """On ::1 alone, with a certificate for that address."""
    certificate, key = f"{work}/{name}.pem", f"{work}/{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", "/CN=far",
                    "-addext", f"subjectAltName=IP:{subject}", "-keyout", key, "-out", certificate], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return own_site.FarHost(name, options=(f"--smtp=[::1]:{port}", f"--certificate={certificate}", f"--key={key}"))


plain = own_site.FarHost("plain", options=(f"--smtp=[::1]:{OPEN}",))
right, wrong = far("right", TLS, "::1"), far("wrong", OTHER, "::2")
hosts = [plain, right, wrong]
with open(f"{work}/trusted.pem", "w", encoding="ascii") as trusted:
    trusted.write(own_site.read(f"{work}/right.pem") + own_site.read(f"{work}/wrong.pem"))
os.chmod(f"{work}/trusted.pem", 0o644)
dns = Server(f"{work}/dns", {
    "six.example": {MX: [(1, "mx.six.example")]}, "mx.six.example": {AAAA: ["::1"]},
    "bare.example": {AAAA: ["::1"]},  # no MX: the domain's own address (RFC 5321 section 5.1)
    "both.example": {MX: [(1, "mx.both.example")]}, "mx.both.example": {A: ["127.0.0.1"], AAAA: ["::1"]},  # which takes nothing by IPv4
})
routes = [f"literal.example smtp://[::1]:{OPEN}", f"never.example smtp+notls://[::1]:{TLS}", f"must.example smtp+tls://[::1]:{TLS}",
          f"other.example smtp+tls://[::1]:{OTHER}"] + [f"{name}.example mx://{name}.example:{OPEN}" for name in ("six", "bare", "both")]
site = own_site.Site(outer + 770, f"""\
retry_min = "1s"; retry_max = "2s"; {dns.options()}
relay_host = "[::1]:{OPEN}";
routes = [ {", ".join(f'"{route}"' for route in routes)} ];
""", environment={"SSL_CERT_FILE": f"{work}/trusted.pem"})


def goes(domain, host, tls=False):
    site.send("alice@example.test", [f"x@{domain}"], f"mail for {domain}", login="alice")
    found = own_site.within(lambda: host.taken(f"mail for {domain}"))
    return found and found[0][0]["address"] == "::1" and bool(found[0][0]["tls"]) == tls


def shown():
    return site.log()[-3000:]


try:
    check("relay_host may be an IPv6 address", goes("anywhere.example", plain), shown())
    check("so may the next hop of a route", goes("literal.example", plain), shown())
    check("without TLS", goes("never.example", right), shown())
    check("and with TLS, where the certificate is for the address", goes("must.example", right, tls=True), shown())
    before = len(site.log())
    site.send("alice@example.test", ["x@other.example"], "mail for other.example", login="alice")
    check("mail waits where it is for another", site.logged(r" deferred .*to=x@other\.example .*status=4\.7\.5 .*no certificate of its name", before) and
          not wrong.taken("mail for other.example"), shown())
    check("a mail exchanger that has AAAA records alone", goes("six.example", plain), shown())
    check("a domain that has one, and no MX", goes("bare.example", plain), shown())
    check("a mail exchanger that IPv4 does not reach, and IPv6 does", goes("both.example", plain), shown())
finally:
    site.stop()
    for host in hosts:
        host.stop()
sys.exit(results.failed)
