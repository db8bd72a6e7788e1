#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Reports on TLS (RFC 8460): connections are counted for domains that want to know, and told when the day is over."""
import email
import email.policy
import glob
import gzip
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from own_site import FarHost, Results, Site, net, outer, read, within, work
from signed_dns import A, MX, TLSA, TTL, TXT, Authority, Server, tlsa
from sts_server import StsServer

results = Results()
check = results.check
certificate, key = Authority(f"{work}/ca").issue("mx.good.signed.example")
port = outer + 760
names = {}
for name, address, records in [("good.signed.example", "127.0.0.1", [tlsa(3, 1, certificate)]), ("wrong.signed.example", "127.0.0.1", [(3, 1, 1, bytes(32))]),
                               ("stripped.signed.example", "127.0.0.2", [(3, 1, 1, bytes(32))]), ("bogus.signed.example", "127.0.0.1", [(3, 1, 1, bytes(32))]),
                               ("breaks.example", "127.0.0.4", None), ("plain.example", "127.0.0.1", None), ("silent.example", "127.0.0.1", None),
                               ("announces.example", "127.0.0.1", None), ("never.example", "127.0.0.1", None), *((f"hangs{n}.example", "127.0.0.1", None) for n in range(4))]:
    names[name] = {MX: [(10, "mx." + name)]}
    names["mx." + name] = {A: [address]}
    if records is not None:
        names[f"_{port}._tcp.mx.{name}"] = {TLSA: records}
    if name == "plain.example":
        names["_smtp._tls." + name] = {TXT: ["v=TLSRPTv1; rua=https://rua.plain.example/tls?who=us,mailto:alice@example.test"]}
    elif name == "stripped.signed.example":
        names["_smtp._tls." + name] = {TXT: [f"v=TLSRPTv1; rua=https://refuses.plain.example:{port + 19}/tls,mailto:alice@example.test"]}
    elif name == "never.example" or name.startswith("hangs"):
        names["_smtp._tls." + name] = {TXT: [f"v=TLSRPTv1; rua=https://rua.{name}/tls"]}
    elif name != "silent.example":
        names["_smtp._tls." + name] = {TXT: ["v=TLSRPTv1; rua=mailto:alice@example.test"]}
domains = [name for name in names if MX in names[name]]
WEB = f"{net}.93"
hosts = ["rua.plain.example", "refuses.plain.example", "rua.never.example", *(f"rua.hangs{n}.example" for n in range(4))]
for host in hosts:
    names[host] = {A: [WEB]}
names["_mta-sts.announces.example"] = {TXT: ["v=STSv1; id=1"]}
dns = Server(f"{work}/dns", names, signed=["signed.example"], bogus=[(f"_{port}._tcp.mx.bogus.signed.example", TLSA)])
encrypted = FarHost("encrypted", options=[f"--smtp=127.0.0.1:{port}", "--certificate", certificate, "--key", key])
clear = FarHost("clear", options=[f"--smtp=127.0.0.2:{port}"])
breaks = FarHost("breaks", options=[f"--smtp=127.0.0.4:{port}", "--certificate", certificate, "--key", key, "--client-certificate"])
posted, asked = {}, []


class Taker(http.server.BaseHTTPRequestHandler):
    """Takes reports, but for one host that has an error of its own, one that wants none so large, and some that say nothing."""

    def do_POST(self):
        host = self.headers["Host"]
        asked.append(host)
        if host.startswith("rua.hangs"):
            time.sleep(300)
        posted[self.headers["Host"]] = (self.path, self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(500 if host.startswith("refuses") else 413 if host == "rua.never.example" else 201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


authority = Authority(f"{work}/web")
web_certificate = authority.issue(*hosts)
web = [StsServer(WEB, {}, *web_certificate, Taker, at) for at in (443, port + 19)]
shutil.copy(authority.certificate, f"{work}/roots.pem")
os.chmod(f"{work}/roots.pem", 0o644)
os.environ["SSL_CERT_FILE"] = f"{work}/roots.pem"
routes = ", ".join(f'"{name} mx://{name}:{port}"' for name in domains)
site = None


def counted():
    lines = []
    for path in glob.glob(f"{site.state}/spool/report/tls.*[0-9]"):
        lines += read(path).splitlines()
    return lines


def announced():
    return sorted(" ".join(line.split("\t")[4].split(" ")[:2]) for line in counted() if "\tannounces.example\t" in line)


def end_report_role():
    parent = read(f"{site.state}/run/smtpd.pid").strip()
    found = subprocess.run(["pgrep", "-P", parent, "-f", "^smtpd: report"], stdout=subprocess.PIPE, text=True, check=False).stdout.split()
    os.kill(int(found[0]), signal.SIGKILL)


def reports():
    found = {}
    for text in site.delivered("alice", "Report Domain:"):
        message = email.message_from_string(text, policy=email.policy.default)
        parts = [part for part in message.walk() if part.get_content_type() == "application/tlsrpt+gzip"]
        if parts:
            found[message["TLS-Report-Domain"]] = (message, json.loads(gzip.decompress(parts[0].get_content())))
    return found


try:
    site = Site(outer + 761, f'{dns.options()} routes = [ {routes} ]; retry_min = "10m"; tls_reports = true;')
    site.send("alice@example.test", [f"a@{name}" for name in domains], "tls-word", login="alice")
    check("connections of domains that want to know are counted", within(lambda: len(counted()) == 13), counted())
    check("a policy that is announced, and is not there, counts beside the connection", announced() == ["no-policy-found success", "sts sts-policy-fetch-error"], counted())
    del names["_mta-sts.announces.example"]
    time.sleep(TTL + 1)
    site.send("alice@example.test", ["a@announces.example"], "tls-again", login="alice")
    check("but no longer than it is announced", within(lambda: len(announced()) > 2) and sorted(announced()) == ["no-policy-found success"] * 2 + ["sts sts-policy-fetch-error"], counted())
    lines = "\n".join(counted())
    check("and of no others", "silent" not in lines and "good.signed.example" in lines, lines)
    yesterday = time.strftime("tls.%Y%m%d", time.gmtime((int(time.time()) // 86400 - 1) * 86400))
    os.rename(glob.glob(f"{site.state}/spool/report/tls.*[0-9]")[0], f"{site.state}/spool/report/{yesterday}")
    end_report_role()
    check("when the day is over each has its report", within(lambda: len(reports()) == 7), (site.log()[-3000:], reports().keys()))
    found = reports()
    message, told = found.get("good.signed.example", ({}, {"policies": [{}]}))
    check("a report that goes whatever TLS there is", message.get("TLS-Required") == "No" and message.get("TLS-Report-Submitter") == "example.test" and
          'report-type="tlsrpt"' in message.get("Content-Type", ""), str(message)[:1500])
    check("it tells who reports on which day", told.get("organization-name") == "mail.example.test" and
          re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00Z", told.get("date-range", {}).get("start-datetime", "")), told)
    one = told["policies"][0]
    check("a success by TLSA records", one.get("policy", {}).get("policy-type") == "tlsa" and one["policy"]["policy-domain"] == "good.signed.example" and
          one["policy"]["policy-string"][0].startswith("3 1 1 ") and one["summary"]["total-successful-session-count"] == 1, told)
    for name, kind, result in [("wrong.signed.example", "tlsa", "validation-failure"), ("stripped.signed.example", "tlsa", "starttls-not-supported"),
                               ("bogus.signed.example", "tlsa", "dnssec-invalid")]:
        told = found.get(name, (None, {"policies": [{}]}))[1]["policies"][0]
        failures = told.get("failure-details", [{}])
        check(f"a failure: {result}", told.get("policy", {}).get("policy-type") == kind and failures[0].get("result-type") == result and
              failures[0]["receiving-mx-hostname"] == "mx." + name and told["summary"]["total-failure-session-count"] == 1, told)
    told = found.get("breaks.example", (None, {"policies": [{}]}))[1]["policies"][0]
    check("TLS that breaks behind the handshake counts, though the mail goes without", site.logged(r" relayed .* to=a@breaks\.example .* tls=none ") and
          told.get("failure-details", [{}])[0].get("result-type") == "validation-failure" and told["summary"]["total-failure-session-count"] == 1 and
          told["summary"]["total-successful-session-count"] == 0, told)
    path, kind, packed = posted.get("rua.plain.example", ("", "", gzip.compress(b"{}")))
    check("a report goes by HTTPS where that is wanted", path == "/tls?who=us" and kind == "application/tlsrpt+gzip" and
          json.loads(gzip.decompress(packed)).get("policies", [{}])[0].get("policy", {}).get("policy-domain") == "plain.example", (posted.keys(), site.log()[-2000:]))
    check("one that a host does not take goes by mail alone, and the log says so", f"refuses.plain.example:{port + 19}" in posted and
          re.search(r" report-not-taken .*to=https://refuses.plain.example:\d+/tls .*answers 500", site.log()), site.log()[-2000:])
    sent = within(lambda: (text := read(f"{site.state}/spool/report/{yesterday}.sent")) and "never.example" in text and text)
    check("hosts that say nothing keep no other report waiting", len([host for host in asked if "hangs" in host]) == 4 and "hangs" not in (sent or "hangs"), (asked, sent))
    check("one that will never be taken is not sent again", sent and site.logged(r" report-not-taken domain=never\.example .*answers 413.* again=no") and
          asked.count("rua.never.example") == 1, (sent, site.log()[-2000:]))
    end_report_role()
    check("it is not, by another process either", within(lambda: len([host for host in asked if "hangs" in host]) == 8) and
          asked.count("rua.never.example") == 1, asked)
    told = found.get("plain.example", (None, {"policies": [{}]}))[1]["policies"][0]
    check("a domain without policy", told.get("policy", {}).get("policy-type") == "no-policy-found" and
          told["summary"]["total-successful-session-count"] == 1, told)
finally:
    if site is not None:
        site.stop()
    encrypted.stop()
    clear.stop()
    breaks.stop()
sys.exit(results.failed)
