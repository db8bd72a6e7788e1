#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Other trust anchors of the DNS need another process that asks it: what was asked of the former is asked of the new one, and nobody's mail is
judged by an answer that never came."""
import os
import re
import shutil
import sys
import threading

from dns_server import DnsServer
from own_site import Results, Site, outer, role_pid, within, work
from signed_dns import Server

results = Results()
check = results.check
# Each way has a domain of its own: what is known is not asked.
WAYS = ("anchors", "killed")
dns = DnsServer({(f"{way}.example", "TXT"): "v=spf1 ip4:192.0.2.7 -all" for way in WAYS})
anchors = Server(f"{work}/dns", {}, signed=["signed.example"]).anchor
site = Site(outer + 800, f'resolvers = [ "{dns.address}" ]; dnssec_anchor = "{work}/anchor"; proxy_from = [ "127.0.0.0/8" ]; allow_from = [ "127.0.0.0/8", "192.0.2.0/24" ]; greylist = "none";')


def while_asked(domain, change):
    """Mail of a domain that the DNS tells of only after `change`, with the process that was asked gone: what the client was told, and the mail."""
    dns.silent, said = (domain,), []
    lines = [f"XCLIENT ADDR=192.0.2.7 HELO=mx.{domain}", f"EHLO mx.{domain}", f"MAIL FROM:<a@{domain}>", "RCPT TO:<bob@example.test>", "DATA",
             f"From: a@{domain}\r\nSubject: of {domain}\r\n\r\nx\r\n.\r\n".encode()]
    client = threading.Thread(target=lambda: said.append(site.talk(lines)[-1]))
    client.start()
    asked = within(lambda: dns.questions(domain, "TXT"))
    former = role_pid(site.state, "resolve")
    changed = change()
    dns.silent = ()
    client.join()
    return asked and changed and role_pid(site.state, "resolve") != former, said[0], within(lambda: site.delivered("bob", f"Subject: of {domain}"))


def renew():
    shutil.copy(anchors, f"{work}/anchor.new")
    os.chmod(f"{work}/anchor.new", 0o644)
    os.rename(f"{work}/anchor.new", f"{work}/anchor")
    return site.reload() and site.logged(r" resolvers-changed ")


try:
    for way, change in zip(WAYS, (renew, lambda: site.kill("resolve"))):
        gone, said, found = while_asked(f"{way}.example", change)
        check(f"{way}: another process asks the DNS", gone, site.log()[-3000:])
        check(f"{way}: mail that waited for an answer is taken", said.startswith("250"), (said, site.log()[-3000:]))
        check(f"{way}: and judged by that answer", found and re.search(r"spf=pass\b", found[0]), found or site.log()[-3000:])
    check("nothing else died", len(site.deaths()) == 2 and all("role=resolve" in one for one in site.deaths()), site.deaths())
finally:
    site.stop()
sys.exit(results.failed)
