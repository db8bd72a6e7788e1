#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""An account whose name is not ASCII (RFC 6531, RFC 8265): one account whatever the spelling, in every daemon."""
import base64
import http.client
import imaplib
import os
import poplib
import ssl
import sys

import own_site

results = own_site.Results()
check = results.check
NAME, CAPITALS, DECOMPOSED, WIDE = "j\u00fcrgen", "J\u00dcRGEN", "ju\u0308rgen", "\uff4a\u00fcrgen"
SPELLINGS = [NAME, CAPITALS, DECOMPOSED, WIDE]
site = own_site.Site(own_site.outer + 800)
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE


def plain(name, password="demo"):
    return f"\0{name}@example.test\0{password}".encode()


def pop3(name):
    client = poplib.POP3_SSL("127.0.0.1", site.base + 995, context=context, timeout=own_site.patience)
    try:
        client.capa()
        client._shortcmd("AUTH PLAIN " + base64.b64encode(plain(name)).decode())
        return client.stat()[0]
    finally:
        client.quit()


def imap(name):
    with imaplib.IMAP4_SSL("127.0.0.1", site.base + 993, ssl_context=context) as client:
        client.authenticate("PLAIN", lambda _: plain(name))
        return int(client.select("INBOX")[1][0])


def by_password(name):
    """USER and PASS, and LOGIN with a literal."""
    client = poplib.POP3_SSL("127.0.0.1", site.base + 995, context=context, timeout=own_site.patience)
    try:
        client.user(f"{name}@example.test")
        client.pass_("demo")
        count = client.stat()[0]
    finally:
        client.quit()
    with imaplib.IMAP4_SSL("127.0.0.1", site.base + 993, ssl_context=context) as client:
        user = f"{name}@example.test".encode()
        client.send(b"x LOGIN {%d+}\r\n%s demo\r\n" % (len(user), user))
        while not (line := client.readline()).startswith(b"x "):
            pass
        client.state = "AUTH"
    return count, line[:4]


def jmap(name):
    connection = http.client.HTTPSConnection("127.0.0.1", site.base + 443, context=context, timeout=own_site.patience)
    login = base64.b64encode(f"{name}@example.test:demo".encode()).decode()
    connection.request("GET", "/jmap/session", headers={"Authorization": "Basic " + login})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def attempt(what, *arguments):
    try:
        return what(*arguments)
    except (OSError, EOFError, poplib.error_proto, imaplib.IMAP4.error) as problem:
        return repr(problem)


try:
    status, text = site.tool("mailuser", "add", "-p", f"{DECOMPOSED.title()}@Example.Test", given="demo\n")
    check("mailuser adds it, in its one form", status == 0 and f"{NAME}@example.test added" in text, text)
    check("as a folder", os.path.isdir(f"{site.state}/mail/example.test/{NAME}"), os.listdir(f"{site.state}/mail/example.test"))
    status, text = site.tool("mailuser", "add", "-p", f"{CAPITALS}@example.test", given="demo\n")
    check("another spelling is the same account", status != 0 and "is an account already" in text, text)
    for bad in ("sm\u200bith", "\u2603", "\ufb01n", "a\u05d3", "../x", "x\u0000y".replace("\0", "\x01"), "\u00e4" * 40):
        status, text = site.tool("mailuser", "add", "-p", f"{bad}@example.test", given="demo\n")
        check(f"no account is named {ascii(bad)}", status == 65, (status, text))

    for i, name in enumerate(SPELLINGS):
        said, last = site.send("s@far.example", [f"{name}@example.test"], f"utf8-word-{i}", mail=" SMTPUTF8")
        check(f"mail to {ascii(name)} is taken", last.startswith("250"), (said, last))
    said, last = site.send("s@far.example", [f"{NAME}+tag@example.test", "\u7528\u6237@example.test"], "utf8-tagged", mail=" SMTPUTF8")
    check("with a detail too, and for no other name", [one[:3] for one in said] == ["250", "550"], said)
    check("and delivered there", own_site.within(lambda: len(site.delivered(NAME, "utf8-")) == 5), site.log()[-3000:])
    for name in SPELLINGS:
        said = site.talk([f"MAIL FROM:<{CAPITALS}@example.test> SMTPUTF8", "RSET", "MAIL FROM:<alice@example.test>"], login=name)
        check(f"submission as {ascii(name)}: one's own address, and no other", said[0].startswith("250") and said[2].startswith("553"), said)
        found = attempt(pop3, name)
        check(f"POP3 as {ascii(name)}", found == 5, found)
        found = attempt(imap, name)
        check(f"IMAP as {ascii(name)}", found == 5, found)
        found = attempt(by_password, name)
        check(f"USER and LOGIN as {ascii(name)}", found == (5, b"x OK"), found)
        found = attempt(jmap, name)
        check(f"JMAP as {ascii(name)}", found[0] == 200 and f"{NAME}@example.test" in found[1].encode().decode("unicode_escape", "replace") + found[1], found)
    status, text = site.tool("mailuser", "list")
    check("mailuser lists it", f"{NAME}@example.test" in text, text)
    status, text = site.tool("mailstore", "check", f"{CAPITALS}@example.test")
    check("mailstore finds it", status == 0, text)
    status, text = site.tool("mailuser", "remove", "-r", f"{DECOMPOSED}@example.test")
    check("mailuser removes it, and its folder", status == 0 and not os.path.exists(f"{site.state}/mail/example.test/{NAME}"), text)
    check("no role of it died", not site.deaths(), site.deaths())
finally:
    site.stop()
sys.exit(results.failed)
