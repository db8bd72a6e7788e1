#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Reports on TLS (RFC 8460) of domains whose MTA-STS policy is a test (RFC 8461 section 5): they must tell what would be lost were it none. The
reports go to the domains that they tell of, and make no other reports."""
import email
import email.policy
import glob
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from own_site import FarHost, Results, Site, net, outer, read, role_pid, within, work
from signed_dns import A, MX, TXT, Authority, Server
from sts_server import StsServer, policy

results = Results()
check = results.check
if os.getuid() != 0:
    print("ok - MTA-STS in reports # skipped: port 443 needs root")
    sys.exit(0)

port = outer + 740
POLICIES = f"{net}.94"
names, policies = {}, {}
# The domain; its MX; its policy.
OTHER = "mx.other.example"
DOMAINS = [("itself.example", "itself.example", policy("testing", OTHER)), ("signed.example", "mx.signed.example", policy("testing", OTHER)),
           ("named.example", "mx.named.example", policy("testing", "*.named.example")), ("enforced.example", "mx.enforced.example", policy("enforce", OTHER)),
           ("none.example", "mx.none.example", None), ("missing.example", "mx.missing.example", None), ("later.example", "mx.later.example", None)]
for domain, host, text in DOMAINS:
    names[domain] = {MX: [(10, host)]}
    names.setdefault(host, {})[A] = ["127.0.0.1"]
    names["_smtp._tls." + domain] = {TXT: [f"v=TLSRPTv1; rua=mailto:tls@{domain}"]}
    if text is not None or domain == "missing.example":
        names["_mta-sts." + domain] = {TXT: ["v=STSv1; id=1;"]}
    if text is not None:
        names["mta-sts." + domain] = {A: [POLICIES]}
        policies["mta-sts." + domain] = text
authority = Authority(f"{work}/ca")
certificate, key = authority.issue(*(host for _, host, _ in DOMAINS))
server = StsServer(POLICIES, policies, *authority.issue(*policies))
dns = Server(f"{work}/dns", names, signed=["signed.example"])
shutil.copy(authority.certificate, f"{work}/roots.pem")
os.chmod(f"{work}/roots.pem", 0o644)
os.environ["SSL_CERT_FILE"] = f"{work}/roots.pem"
far = FarHost("far", options=[f"--smtp=127.0.0.1:{port}", "--certificate", certificate, "--key", key])
subprocess.run(["openssl", "genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048", "-out", f"{work}/key.pem"], check=True, stderr=subprocess.DEVNULL)
with open(f"{work}/keys", "w", encoding="ascii") as file:
    os.chmod(f"{work}/keys", 0o600)
    file.write("key example.test sel signing 2026-11-26T12:00:00Z\n" + read(f"{work}/key.pem") + "\n")
routes = ", ".join(f'"{domain} mx://{domain}:{port}"' for domain, _, _ in DOMAINS)
told = [domain for domain, _, _ in DOMAINS if domain != "later.example"]
site = None


def counted(pattern="tls.*[0-9]"):
    """{domain: what is counted of it, without the policies' texts}"""
    found = {}
    for path in glob.glob(f"{site.state}/spool/report/{pattern}"):
        for line in read(path).splitlines():
            fields = line.split("\t")
            found.setdefault(fields[1], []).append(" ".join(fields[4].split(" ")[:2]))
    return {domain: sorted(rows) for domain, rows in found.items()}


def reports():
    """{domain: (message, report)}"""
    found = {}
    for _, text in far.taken("TLS-Report-Domain:"):
        message = email.message_from_bytes(text, policy=email.policy.default)
        part = [part for part in message.walk() if part.get_content_type() == "application/tlsrpt+gzip"][0]
        found[message["TLS-Report-Domain"]] = (message, json.loads(gzip.decompress(part.get_content())), part.get_filename())
    return found


try:
    site = Site(outer + 741, f'{dns.options()} routes = [ {routes} ]; retry_min = "10m"; tls_reports = true; dkim_keys = "{work}/keys";')
    site.send("alice@example.test", [f"a@{domain}" for domain in told], "sts-report-word", login="alice")
    check("connections are counted", within(lambda: len(counted()) == len(told)), (counted(), site.log()[-4000:]))
    found = counted()
    for domain, why in [("itself.example", "is the domain itself"), ("signed.example", "is signed")]:
        check(f"a test fails for a host that the policy does not name, though it {why}", found.get(domain) == ["sts validation-failure"], found)
        check(f"and the log tells of it: it {why}", site.logged(rf" policy-test-failed domain=\S*{re.escape(domain)}"), site.log()[-4000:])
        check(f"the mail went: it {why}", site.logged(rf" relayed .* to=a@{re.escape(domain)} "), site.log()[-4000:])
    check("as it does where it is none", found.get("enforced.example") == ["sts validation-failure"], found)
    check("a test is passed by a host that it names", found.get("named.example") == ["sts success"] and not re.search(r" policy-test-failed \S*named\.example", site.log()), found)
    day = os.path.basename(glob.glob(f"{site.state}/spool/report/tls.*[0-9]")[0])
    yesterday = time.strftime("tls.%Y%m%d", time.gmtime((int(time.time()) // 86400 - 1) * 86400))
    os.rename(f"{site.state}/spool/report/{day}", f"{site.state}/spool/report/{yesterday}")
    os.kill(role_pid(site.state, "report"), signal.SIGKILL)
    check("each domain has its report, whatever it demands", within(lambda: len(reports()) == len(told)), (reports().keys(), site.log()[-4000:]))
    site.send("alice@example.test", ["a@later.example"], "sts-report-later", login="alice")
    check("what goes after them is counted", within(lambda: "later.example" in counted()), counted())
    check("and they are not", list(counted()) == ["later.example"], counted())
    message, report, name = reports()["signed.example"]
    check("the one who reports is named by the domain of the address to turn to", report["contact-info"] == "alice@example.test" and
          message["TLS-Report-Submitter"] == "example.test" and " Submitter: example.test " in message["Subject"] and name.startswith("example.test!signed.example!"),
          (str(message)[:2000], report, name))
    signature = message["DKIM-Signature"] or ""
    check("both fields of a report are signed", all(f":{name}" in re.sub(r"\s", "", signature).lower() for name in ("tls-report-domain", "tls-report-submitter")), signature)
    check("no role died but the one", len(site.deaths()) == 1, site.deaths())
finally:
    if site is not None:
        site.stop()
    far.stop()
sys.exit(results.failed)
