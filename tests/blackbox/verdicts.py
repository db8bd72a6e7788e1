#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Each verdict is one line of the log and one field, whatever the message is like: nothing, all header, forged; and smtpd -T explains it."""
import re
import sys

from dns_server import DnsServer, reverse
from own_site import Results, Site, mails, outer, read, within

GOOD, NAMELESS = "11.22.33.10", "11.22.33.30"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
dns = DnsServer({
    (reverse(GOOD, "in-addr.arpa"), "PTR"): "mx.good.example", ("mx.good.example", "A"): GOOD,
    ("good.example", "TXT"): "v=spf1 ip4:11.22.33.0/24 -all", ("_dmarc.good.example", "TXT"): "v=DMARC1; p=none",
})
OPTIONS = (f'resolvers = [ "{dns.address}" ];\ndnssec_anchor = "";\nproxy_from = [ "127.0.0.1" ];\ngreet_delay = 0;\ntarpit = 0;\ngreylist = "none";\n'
           f'message_size_max = "2M";\n')
RULES = f'gtube: body contains "{GTUBE[:40]}" score 1000\neicar: body contains "EICAR-STANDARD-ANTIVIRUS-TEST-FILE" refuse\nodd: header Subject contains "odd" score -3\n'
results = Results()
check = results.check

# What nobody outside may say: the field is gone, or is not ours.
OURS = "mail.example.test"
FORGED = [f"Authentication-Results: {OURS}; dmarc=pass x.y=forged", f"authentication-results:{OURS};dmarc=pass x.y=forged",
          f"AUTHENTICATION-RESULTS\t: {OURS.upper()} ; dmarc=pass x.y=forged", f"Authentication-Results:\r\n {OURS}\r\n\t; dmarc=pass x.y=forged",
          f"Authentication-Results: (a (nested) one) {OURS} 1; dmarc=pass x.y=forged", f'Authentication-Results: "{OURS}"; dmarc=pass x.y=forged',
          f"Authentication-Results: {OURS}.; dmarc=pass x.y=forged", f"Authentication-Results: \uff4dail.{OURS.partition('.')[2]}; dmarc=pass x.y=forged", f"Authentication-Results: {OURS}\r\n (version) 1; dmarc=pass x.y=forged",
          f"Authentication-Results:{OURS}", "Authentication-Results: =?utf-8?q?mail=2Eexample=2Etest?=; dmarc=pass x.y=forged", "Authentication-Results:"]
SCORES = ["X-Fourpost-Score: -99/6; forged=1", "x-fourpost-score:-99/6; forged=1", "X-FOURPOST-SCORE \t:\r\n -99/6;\r\n\tforged=1"]
OTHERS = "Authentication-Results: elsewhere.example; dmarc=pass x.y=theirs"
PLAIN = "From: a@good.example\r\nSubject: {0}\r\n"
SIGNATURE = "DKIM-Signature: v=1; a=rsa-sha256; d={0}.good.example; s=s; h=from; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=AAAAAAAAAAAA\r\n"

# Name, client, the message, the code of the reply to it.
CASES = [
    ("empty", GOOD, "", 250),
    ("one line", GOOD, "just text\r\n", 250),
    ("no body", GOOD, PLAIN.format("no body"), 250),
    ("an empty header", GOOD, "\r\nSubject: body\r\n", 250),
    ("plain", GOOD, PLAIN.format("plain") + "\r\nx\r\n", 250),
    ("nameless", NAMELESS, PLAIN.format("nameless") + "\r\nx\r\n", 250),
    ("odd", NAMELESS, PLAIN.format("odd") + "\r\nx\r\n", 250),
    ("no From", GOOD, "Subject: x\r\n\r\nx\r\n", 250),
    ("two From", GOOD, "From: a@good.example\r\nFrom: b@good.example\r\n\r\nx\r\n", 250),
    ("forged", GOOD, "".join(f"{one}\r\n" for one in FORGED + SCORES + [OTHERS]) + PLAIN.format("forged") + "\r\nx\r\n", 250),
    ("forged behind many", GOOD, PLAIN.format("many") + "".join(f"X-{n}: y\r\n" for n in range(5000)) + "".join(f"{one}\r\n" for one in FORGED + SCORES) + "\r\nx\r\n", 250),
    ("too many fields", GOOD, PLAIN.format("too many") + "".join(f"X-{n}: y\r\n" for n in range(10001)) + "\r\nx\r\n", 552),
    ("a large header", GOOD, PLAIN.format("large") + "X-Large: " + "\r\n\t".join(180 * ["z" * 998]) + "\r\n\r\nx\r\n", 250),
    ("too large a header", GOOD, PLAIN.format("large") + "X-Large: " + "\r\n\t".join(300 * ["z" * 998]) + "\r\n\r\nx\r\n", 552),
    ("signed by many", GOOD, "".join(SIGNATURE.format(n) for n in range(30)) + PLAIN.format("signed") + "\r\nx\r\n", 250),
    ("a broken chain", GOOD, "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=good.example; s=s; b=AAAA\r\n" + PLAIN.format("chain") + "\r\nx\r\n", 250),
    ("GTUBE", GOOD, PLAIN.format("gtube") + f"\r\n{GTUBE}\r\n", 550),
    ("EICAR", GOOD, PLAIN.format("eicar") + f"\r\n{EICAR}\r\n", 550),
    ("NUL", GOOD, PLAIN.format("nul") + "\r\na\0b\r\n", 550),
    ("NUL in the header", GOOD, PLAIN.format("n\0ul") + "\r\nx\r\n", 550),
    ("bare CR", GOOD, PLAIN.format("cr") + "\r\na\rb\r\n", 550),
    ("bare LF", GOOD, PLAIN.format("lf") + "\r\na\nb\r\n", 550),
    ("8-bit", GOOD, PLAIN.format("Gr\u00fc\u00dfe") + "\r\n\u00e4\r\n", 250),
]


def fields(text, name):
    """The values of these fields in the header, unfolded."""
    block = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
    return [re.sub(r"\s+", " ", one.group(1)).strip() for one in re.finditer(rf"(?mi)^{name}[ \t]*:(.*(?:\r?\n[ \t].*)*)", block)]


def stored(site, number):
    place = f"{site.state}/mail/example.test/u1/Maildir"
    return [text for where in (place, f"{place}/.Junk") for text in mails(where) if f"X-Number: {number}." in text or f"for <u1+{number}@" in text]


def sums(value):
    """True: the score is the sum of its items."""
    total, *items = value.split(";")
    return int(total.split("/")[0]) == sum(int(item.rsplit("=", 1)[1]) for item in items)


def one(site, number, name, client, text, code):
    before = len(site.log())
    stuffed = re.sub(r"(?m)^\.", "..", text)
    said = site.talk([f"XCLIENT ADDR={client}", "EHLO mx.good.example", "MAIL FROM:<a@good.example>", f"RCPT TO:<u1+{number}@example.test>", "DATA",
                      (stuffed + ".\r\n").encode()])
    check(f"{name}: {code}", said[5 if len(said) > 5 else -1][:3] == str(code), said[4:])
    log = site.log()[before:]
    lines = re.findall(r"(?m) score id=(\S+) client=\S+ score=(-?\d+) items=(\".*?\"|\S*) rules=\S* verdict=(\S+)", log)
    if code != 250:
        check(f"{name}: one line tells why", len(re.findall(r"(?m) score id=|reply=|refused ", log)) >= 1 and not stored(site, number), log)
        check(f"{name}: with one verdict at most", len(lines) <= 1 and (not lines or lines[0][3] == "refuse"), log)
        return
    found = within(lambda: stored(site, number)) or [""]
    text = found[0]
    check(f"{name}: arrives once", len(found) == 1 and text)
    scores = fields(text, "X-Fourpost-Score")
    check(f"{name}: one line and one field have the same score, the sum of its items", len(lines) == len(scores) == 1 and sums(scores[0]) and
          scores[0].split("/")[0] == lines[0][1], (lines, scores))
    told = fields(text, "Authentication-Results")
    check(f"{name}: one field has the results, ours, and none is forged", sum(value.startswith(f"{OURS};") for value in told) == 1 and not re.search("=forged|forged=", text) and
          all(word in next(value for value in told if value.startswith(OURS)) for word in ("spf=", "dkim=", "dmarc=")), told)
    check(f"{name}: others' stay", ("theirs" in "".join(told)) == ("theirs" in stuffed), told)
    check(f"{name}: one tells of SPF", len(fields(text, "Received-SPF")) == 1, text[:2000])
    path = f"{site.state}/told"
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    status, explained = site.tool("smtpd", "-T", path, conf="smtpd.conf")
    total = re.search(r"(?m)^Score when it came: (-?\d+)", explained)
    items = re.findall(r"(?m)^ +([+-]\d+)  \S+ +\S", explained)
    check(f"{name}: smtpd -T explains that", status == 0 and total and total.group(1) == lines[0][1] and sum(int(item) for item in items) == int(total.group(1)) and
          "does not know" not in explained and f"Client: {client}" in explained and explained.count("Authentication-Results: ") == 1, explained)


site = Site(outer + 1000, OPTIONS)
try:
    site.put("rules", RULES)
    site.put("smtpd.conf", read(f"{site.state}/etc/smtpd.conf") + f'rules = "{site.state}/etc/rules";\n')
    check("the rules are taken over", site.reload(), site.log()[-2000:])
    for place, case in enumerate(CASES):
        one(site, place, *case)
finally:
    site.stop()
sys.exit(results.failed)
