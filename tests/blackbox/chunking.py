#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""CHUNKING outward (RFC 3030): where it is offered messages go by BDAT, in chunks, with no dot doubled; they arrive as they would by DATA,
and go by DATA where it is not offered, or is and does not work."""
import re
import sys

import own_site

results = own_site.Results()
check = results.check
outer = own_site.outer
ALL = "8BITMIME SIZE CHUNKING"
hosts = {
    "chunks": own_site.FarHost("chunks", outer + 782, options=["--offer", ALL]),
    "one-by-one": own_site.FarHost("one", outer + 783, options=["--offer", ALL, "--no-pipelining"]),
    "data": own_site.FarHost("data", outer + 784, options=["--offer", "8BITMIME SIZE"]),
    "pretends": own_site.FarHost("pretends", outer + 785, options=["--offer", ALL, "--no-bdat"]),
    "refuses": own_site.FarHost("refuses", outer + 786, options=["--offer", ALL, "--refuse-chunk=2"]),
    "seven": own_site.FarHost("seven", outer + 787, options=["--offer", "SIZE CHUNKING"]),
}
routes = ", ".join(f'"{name}.example smtp+notls://127.0.0.1:{outer + 782 + i}"' for i, name in enumerate(hosts))
site = own_site.Site(outer + 790, f'routes = [ {routes} ]; retry_min = "60s";')

# Dots at every place, and enough for many chunks.
DOTS = "".join(f"{'.' * (n % 4)}line {n} of the text\r\n" for n in range(100000))
HEADER = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"


def send(domain, word, body, header="", parameters=""):
    text = f"From: alice@example.test\r\nSubject: {word}\r\n{header}\r\n{body}"
    stuffed = re.sub(r"^\.", "..", text, flags=re.M) + ".\r\n"
    said = site.talk([f"MAIL FROM:<alice@example.test>{parameters}", f"RCPT TO:<x@{domain}.example>", "DATA", stuffed.encode()], login="alice")
    check(f"{domain}, {word}: taken", said[-1].startswith("250"), said)


def arrives(domain, word, body, chunked):
    found = own_site.within(lambda: hosts[domain].taken(word))
    about, text = found[0] if found else ({}, b"")
    check(f"{domain}, {word}: arrives as it was", text.partition(b"\r\n\r\n")[2] == body.encode(), (len(text), site.log()[-2000:]))
    check(f"{domain}, {word}: {'by BDAT' if chunked else 'by DATA'}", (about.get("chunks", 0) > 0) == chunked, about)
    return about


try:
    # On a connection that has carried another message already, by which it has not come out.
    site.send("alice@example.test", ["no-x@pretends.example"], "nobody", login="alice")
    check("pretends: a recipient is refused", site.logged(r" failed .* to=no-x@pretends\.example "), site.log()[-3000:])
    for domain in ("pretends", "chunks", "one-by-one", "data"):
        chunked = domain in ("chunks", "one-by-one")
        send(domain, "small-word", "x\r\n.\r\n..\r\n")
        about = arrives(domain, "small-word", "x\r\n.\r\n..\r\n", chunked)
        check(f"{domain}: a small message is one chunk", about.get("chunks") == int(chunked), about)
        send(domain, "large-word", DOTS)
        about = arrives(domain, "large-word", DOTS, chunked)
        check(f"{domain}: a large one is many", about.get("chunks", 0) >= 20 or not chunked, about)
    check("a host that does not know what it offers is told of", site.logged(r" chunking-failed .*does not know BDAT"))
    check("once: the next message goes by DATA at once", site.log().count(" chunking-failed ") == 1, site.log()[-3000:])
    check("and no message went twice to it", len(hosts["pretends"].messages()) == 2, hosts["pretends"].messages())
    send("refuses", "refused-word", DOTS)
    check("a chunk is refused: the sender is told", site.logged(r" failed .* to=x@refuses\.example .*status=5\.3\.4"), site.log()[-3000:])
    send("refuses", "first-word", "x\r\n")
    arrives("refuses", "first-word", "x\r\n", True)
    send("seven", "eight-word", "Gr\u00fc\u00dfe\r\n", HEADER, " BODY=8BITMIME")
    found = own_site.within(lambda: hosts["seven"].taken("eight-word"))
    check("made 7-bit text, by BDAT too", found and found[0][0]["chunks"] == 1 and found[0][1].isascii(), found)
    # RFC 6532: a part may have a header in UTF-8, which is not for a host without SMTPUTF8; text in UTF-8 is.
    mixed = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n"
    for word, name in (("ascii-part", "e.txt"), ("utf8-part", "\u00e9.txt")):
        send("data", word, f"--b\r\n{HEADER}Content-Disposition: attachment; filename=\"{name}\"\r\n\r\nGr\u00fc\u00dfe\r\n--b--\r\n", mixed, " BODY=8BITMIME SMTPUTF8")
    check("a part's header in UTF-8 comes back", site.logged(r" failed .* to=x@data\.example .*status=5\.6\.9"), site.log()[-3000:])
    check("text in UTF-8 goes out", own_site.within(lambda: hosts["data"].taken("ascii-part")))
    check("and nothing else", not hosts["data"].taken("utf8-part"))
    check("the queue ends empty", site.queue_empties(), site.tool("mailqueue", "list", conf="smtpd.conf"))
    check("no role of it died", not site.deaths(), site.deaths())
finally:
    site.stop()
    for host in hosts.values():
        host.stop()
sys.exit(results.failed)
