#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Aggregate reports of DMARC: mail is counted, whatever dies, and when its day is over the domains that want to know are told once."""
import email
import email.policy
import glob
import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

import own_site
from dns_server import DnsServer

results = own_site.Results()
check = results.check
outer = own_site.outer
dns = DnsServer({
    ("_dmarc.reported.example", "TXT"): "v=DMARC1; p=quarantine; sp=none; adkim=s; pct=100; rua=mailto:agg@sub.reported.example,mailto:all@collector.example!10m,"
                                        "mailto:victim@unwilling.example",
    ("_dmarc.moved.example", "TXT"): "v=DMARC1; p=none; rua=mailto:old@collector.example,mailto:pointer@astray.example",
    ("moved.example._report._dmarc.collector.example", "TXT"): "v=DMARC1; rua=mailto:new@Collector.example!10m,mailto:second@collector.example",
    ("moved.example._report._dmarc.astray.example", "TXT"): "v=DMARC1; rua=mailto:victim@unwilling.example",
    ("reported.example", "TXT"): "v=spf1 ip4:192.0.2.7 -all",
    ("reported.example._report._dmarc.collector.example", "TXT"): "v=DMARC1",
    ("unwilling.example", "TXT"): "v=spf1 -all",
    ("_dmarc.silent.example", "TXT"): "v=DMARC1; p=none",
    ("_dmarc.small.example", "TXT"): "v=DMARC1; p=none; rua=mailto:agg@small.example!100",
    ("_dmarc.unreached.example", "TXT"): "v=DMARC1; p=none; rua=mailto:agg@broken.example",
}, broken=["broken.example"])
far = own_site.FarHost("far", outer + 752)
site = own_site.Site(outer + 780, f"""\
relay_host = "127.0.0.1:{outer + 752}"; retry_min = "1s"; retry_max = "2s"; proxy_from = [ "127.0.0.0/8" ];
resolvers = [ "{dns.address}" ]; dnssec_anchor = ""; allow_from = [ "127.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24" ];
dmarc_reports = true; report_from = "reports@example.test";
""")
folder = f"{site.state}/spool/report"


def hand_in(domain, address="192.0.2.7"):
    text = f"From: a@{domain}\r\nSubject: x\r\n\r\nx\r\n.\r\n".encode()
    return site.talk([f"XCLIENT ADDR={address} HELO=mx.{domain}", f"EHLO mx.{domain}", f"MAIL FROM:<a@{domain}>", "RCPT TO:<bob@example.test>", "DATA", text])[-1]


def counted():
    return [line for path in glob.glob(f"{folder}/dmarc.*[0-9]") for line in own_site.read(path).splitlines()]


def process(role):
    found = re.search(rf"(?m)^\s*(\d+) smtpd: {role}", subprocess.run(["ps", "-o", "pid,args", "--ppid", own_site.read(f"{site.state}/run/smtpd.pid").strip()],
                                                                     stdout=subprocess.PIPE, text=True, check=True).stdout)
    return int(found.group(1)) if found else None


def kill(role):
    old = process(role)
    os.kill(old, signal.SIGKILL)
    return own_site.within(lambda: process(role) not in (old, None))


def reports(domain):
    return [one for one in far.messages() if f"Report Domain: {domain} ".encode() in re.sub(rb"\r\n[ \t]", b" ", one[1])]


def give_up():
    """Counts for a day long ago, whose addresses the DNS does not answer for."""
    with open(f"{folder}/dmarc.20261101", "w", encoding="ascii") as file:
        file.write("1\tlate.example\tmailto:x@never.example\tnone none r r 100\t192.0.2.1 none fail pass - late.example - - helo none\n")
    shutil.chown(f"{folder}/dmarc.20261101", os.stat(folder).st_uid, os.stat(folder).st_gid)
    kill("report")
    return own_site.within(lambda: not os.listdir(folder))


def mailreport(given, *arguments):
    done = subprocess.run([f"{own_site.programs}/mailreport", *arguments], input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.returncode, done.stdout.decode()


def text_of(row, path):
    found = row.find(path)
    return found.text if found is not None else None


try:
    status, text = site.tool("mailkey", "list", conf="smtpd.conf")
    with open(f"{site.state}/etc/smtpd.conf", "a", encoding="utf-8") as file:
        file.write(f'dkim_keys = "{site.state}/etc/dkim.keys";\n')
    site.tool("mailkey", "make", "-s", "one", "example.test", conf="smtpd.conf")
    site.tool("mailkey", "sign", "-f", "example.test", "one", conf="smtpd.conf")
    site.reload()

    for domain, address in (("reported.example", "192.0.2.7"), ("reported.example", "192.0.2.7"), ("reported.example", "198.51.100.9"), ("silent.example", "192.0.2.7"),
                            ("small.example", "192.0.2.7"), ("unreached.example", "192.0.2.7"), ("moved.example", "192.0.2.7")):
        hand_in(domain, address)
    check("mail of domains that want to know is counted", own_site.within(lambda: len(counted()) == 6), counted())
    check("its file is the role's alone", os.stat(folder).st_mode & 0o777 == 0o700)
    check("the role is killed and comes back", kill("report"))
    with open(glob.glob(f"{folder}/dmarc.*[0-9]")[0], "a", encoding="ascii") as file:
        file.write("1\treported.example\ttorn")  # as a power loss leaves it
    hand_in("reported.example")
    check("nothing that was counted is lost", own_site.within(lambda: len(counted()) == 8), counted())
    check("a day that is not over is not told", not far.messages())
    # Two whose rows are torn: of one there is nothing else.
    with open(glob.glob(f"{folder}/dmarc.*[0-9]")[0], "a", encoding="ascii") as file:
        for domain in ("torn.example", "reported.example"):
            file.write(f"1\t{domain}\tmailto:agg@sub.{domain}{',mailto:all@collector.example!10m,mailto:victim@unwilling.example' if domain[0] == 'r' else ''}\t"
                       "quarantine none s r 100 0\t192.0.2.8 none pa\n")

    # The clock stays: the file becomes one of the day before.
    yesterday = int(time.time()) // 86400 - 1
    name = time.strftime("dmarc.%Y%m%d", time.gmtime(yesterday * 86400))
    os.rename(sorted(glob.glob(f"{folder}/dmarc.*[0-9]"))[-1], f"{folder}/{name}")
    kill("report")
    found = own_site.within(lambda: len(reports("reported.example")) == 2 and reports("reported.example"))
    check("when it is over, who may have it has a report", found and sorted(re.search("<(.*?)>", one[0]["rcpt"][0]).group(1) for one in found) ==
          ["agg@sub.reported.example", "all@collector.example"], far.messages())
    message = email.message_from_bytes(found[0][1], policy=email.policy.default) if found else email.message.EmailMessage()
    check("from the address of report_from", message["From"] == "reports@example.test", message["From"])
    check("signed", "d=example.test" in (message["DKIM-Signature"] or ""), message["DKIM-Signature"])
    parts = list(message.iter_attachments())
    check("with a packed file whose name says what it is", parts and parts[0].get_content_type() == "application/gzip" and
          re.fullmatch(r"example\.test!reported\.example!\d+!\d+\.xml\.gz", parts[0].get_filename()), message.as_string()[:2000])
    root = xml.fromstring(gzip.decompress(parts[0].get_content()))
    rows = {row.find("row/source_ip").text: row for row in root.iter("record")}
    check("it tells the day", (root.find("report_metadata/date_range/begin").text, root.find("report_metadata/date_range/end").text) ==
          (str(yesterday * 86400), str(yesterday * 86400 + 86399)),
          xml.tostring(root))
    check("and the policy", [text_of(root, f"policy_published/{name}") for name in ("domain", "adkim", "aspf", "p", "sp", "pct", "fo")] ==
          ["reported.example", "s", "r", "quarantine", "none", "100", "0"], xml.tostring(root))
    check("three passed", [text_of(rows["192.0.2.7"], path) for path in ("row/count", "row/policy_evaluated/disposition", "row/policy_evaluated/spf",
          "row/policy_evaluated/dkim", "auth_results/spf/result", "auth_results/spf/scope", "identifiers/header_from")] ==
          ["3", "none", "pass", "fail", "pass", "mfrom", "reported.example"], xml.tostring(root))
    check("one failed", [text_of(rows["198.51.100.9"], path) for path in ("row/count", "row/policy_evaluated/disposition", "row/policy_evaluated/spf",
          "auth_results/spf/result")] == ["1", "quarantine", "fail", "fail"], xml.tostring(root))
    check("and what of another can be read no more", [one.text for one in root.iter("error")] == ["1 messages are not in this report: what was noted of them cannot be read"] and
          "192.0.2.8" not in rows, xml.tostring(root))
    check("of whom nothing can be read, there is no report", site.logged(r"report-empty kind=dmarc domain=torn\.example ") and not reports("torn.example"), site.log()[-2000:])
    status, text = mailreport(found[0][1] if found else b"", "-s")
    check("mailreport reads it", status == 0 and re.search(r"(?m)^ +3  192\.0\.2\.7 +dkim=fail spf=pass +none +reported\.example$", text) and
          "1 reports; 4 messages, of which 1 failed" in text, text)
    status, text = mailreport(found[0][1] if found else b"", "-f")
    check("and tells what failed", status == 0 and "198.51.100.9" in text and "192.0.2.7" not in text and "DMARC of reported.example by mail.example.test" in text, text)
    status, text = mailreport(b"Subject: none\r\n\r\nhello\r\n")
    check("a message without a report is told of", status == 65 and "no report" in text, text)
    check("who has not said that he wants others' reports gets none", site.logged(r"report-not-wanted .*to=victim@unwilling\.example"), site.log()[-2000:])
    check("what is too large for an address is not sent", site.logged(r"report-too-large domain=small\.example") and not reports("small.example"))
    check("a host has its reports where it wants them", own_site.within(lambda: sorted(re.search("<(.*?)>", one[0]["rcpt"][0]).group(1).lower()
          for one in reports("moved.example")) == ["new@collector.example", "second@collector.example"]), reports("moved.example"))
    check("but sends them on to no other", site.logged(r"report-not-wanted domain=moved\.example to=pointer@astray\.example"), site.log()[-2000:])
    sent = f"{folder}/{name}.sent"
    check("what the DNS does not answer is kept", own_site.within(lambda: {"small.example", "reported.example", "moved.example", "torn.example"} == set(own_site.read(sent).split())) and
          os.path.exists(f"{folder}/{name}"), os.listdir(folder))
    # A new one, and a name server that is well again: what was refused an answer may be remembered for seconds.
    dns.broken = ("never.example",)
    dns.zone[("unreached.example._report._dmarc.broken.example", "TXT")] = "v=DMARC1"
    kill("resolve")
    kill("report")
    check("and tried again", own_site.within(lambda: reports("unreached.example")), site.log()[-2000:])
    check("then nothing is left", own_site.within(lambda: not os.listdir(folder)), os.listdir(folder))
    check("a day that is long over is given up", give_up())
    site.queue_empties()
    check("each is told once", len(reports("reported.example")) == 2)
    check("and the queue ends empty", site.queue_empties())
finally:
    site.stop()
    far.stop()
sys.exit(results.failed)
