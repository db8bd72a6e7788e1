#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Notifications about messages in UTF-8 (RFC 6533) reach senders whose hosts have neither SMTPUTF8 nor 8BITMIME, and tell the same."""
import base64
import email
import email.policy
import sys

import own_site

results = own_site.Results()
check = results.check
SUBJECT, FILE, TEXT = "Gr\u00fc\u00dfe an \u7528\u6237", "\u8a08\u756b.txt", "sch\u00f6ne Gr\u00fc\u00dfe\r\n" * 30
OFFERS = {"all": "8BITMIME DSN SMTPUTF8 SIZE", "eight": "8BITMIME DSN SIZE", "seven": "SIZE"}
hosts = {name: own_site.FarHost(name, own_site.outer + 802 + i, options=["--offer", offer]) for i, (name, offer) in enumerate(OFFERS.items())}
routes = ", ".join(f'"{name}.example smtp+notls://127.0.0.1:{own_site.outer + 802 + i}"' for i, name in enumerate(OFFERS))
site = own_site.Site(own_site.outer + 810, f'routes = [ {routes} ]; retry_min = "60s";', aliases="lost@example.test: no-lost@all.example\n")


CASES = (("taken", "bob", "NOTIFY=SUCCESS", "message/global-headers", "delivered"), ("lost", "lost", "NOTIFY=FAILURE", "message/global", "failed"),
         ("lost too", "lost", "NOTIFY=FAILURE", "message/global", "failed"))


def subject(word):
    return word if word == "lost too" else f"{SUBJECT} {word}"


def message(sender, word):
    """From that sender, with UTF-8 in its header, but for the last word, in that of a part, and in its text."""
    return (f"From: <{sender}>\r\nTo: <bob@example.test>\r\nSubject: {subject(word)}\r\nDate: Fri, 01 Jan 2027 00:00:00 +0000\r\nMessage-ID: <{word.split()[-1]}@far.example>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=inner\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            f"--inner\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: attachment; filename=\"{FILE}\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{TEXT}"
            "--inner\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--inner--\r\n").encode()


def content(part):
    """What the part of a notification holds. The parser takes what is in base64 for the text of a message without a header."""
    inner = part.get_payload()
    assert part["Content-Transfer-Encoding"] == "base64" and len(inner) == 1 and not inner[0].items(), part.items()
    return base64.b64decode(inner[0].get_payload(), validate=False)


def parts_of(raw):
    """The notification's parts after its text: each as its type and what it holds."""
    report = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert report.get_content_type() == "multipart/report" and not report.defects, (report.items(), report.defects)
    return [(part.get_content_type(), part) for part in report.get_payload()[1:]]


def seen(raw):
    """The subject and the parts of a message, as a parser sees them."""
    one = email.message_from_bytes(raw, policy=email.policy.SMTPUTF8)
    return [one["Subject"], *((part.get_content_type(), part.get_content()) for part in one.walk() if not part.is_multipart() and part is not one)]


try:
    for name, host in hosts.items():
        sender = f"s@{name}.example"
        for number, (word, to, more, returned, action) in enumerate(CASES):
            sent = message(sender, word)
            said = site.talk([f"MAIL FROM:<{sender}> SMTPUTF8 BODY=8BITMIME RET=FULL", f"RCPT TO:<{to}@example.test> {more} ORCPT=utf-8;j\\x{{F6}}rg@first.example", "DATA", sent + b".\r\n"])
            check(f"{name}, {word}: the message is taken", said[-1].startswith("250"), said)
            found = own_site.within(lambda h=host, n=number: h.messages()[n:])
            check(f"{name}, {word}: the sender is told", found, site.log()[-3000:])
            if not found:
                continue
            about, raw = found[0]
            header = raw.split(b"\r\n\r\n")[0]
            try:
                (status_type, status), (type_, original) = parts_of(raw)
                check(f"{name}, {word}: its parts have the types of RFC 6533", (status_type, type_) == ("message/global-delivery-status", returned), (status_type, type_))
                check(f"{name}, {word}: its own header is ASCII, and so is all where it must be", header.isascii() and (name != "seven" or raw.isascii()), raw)
                whole = sent if type_ == "message/global" else sent.split(b"\r\n\r\n")[0] + b"\r\n\r\n"
                if name == "all":
                    check(f"{name}, {word}: in eight bits", " SMTPUTF8" in about["mail"] and whole in raw and "utf-8; j\u00f6rg@first.example\r\n".encode() in raw, (about, raw))
                    continue
                check(f"{name}, {word}: without SMTPUTF8", "SMTPUTF8" not in about["mail"], about)
                told = email.message_from_bytes(content(status).replace(b"\r\n\r\n", b"\r\n"), policy=email.policy.SMTPUTF8)
                check(f"{name}, {word}: the report is the same in base64", told["Original-Recipient"] == "utf-8; j\u00f6rg@first.example" and told["Action"] == action, told.items())
                back = content(original)
                check(f"{name}, {word}: the original is, byte for byte", back.endswith(whole), back)
                check(f"{name}, {word}: and a parser finds in it what was sent", seen(back) == seen(whole) and seen(back)[0] == subject(word) and
                      (type_ == "message/global-headers" or seen(back)[1:] == [("text/plain", TEXT.removesuffix("\r\n")), ("application/octet-stream", b"\0\1\2")]), (seen(back), seen(whole)))
            except (AssertionError, ValueError) as problem:
                check(f"{name}, {word}: it is a report", False, (problem, raw))
    # One that says nowhere that it is 8bit can go to no host of 7-bit text, within a notification either: its header can.
    said = site.talk(["MAIL FROM:<s@seven.example> BODY=8BITMIME RET=FULL", "RCPT TO:<lost@example.test> NOTIFY=FAILURE", "DATA",
                      f"From: <s@seven.example>\r\nSubject: unlabelled\r\n\r\n{TEXT}.\r\n".encode()])
    found = own_site.within(lambda: hosts["seven"].taken("unlabelled"))
    check("a message that cannot be encoded: the sender is told, with its header", said[-1].startswith("250") and found and found[0][1].isascii() and
          b"Content-Type: text/rfc822-headers" in found[0][1] and b"\r\nSubject: unlabelled\r\n" in found[0][1], (said, found, site.log()[-3000:]))
    check("the log tells of it", site.logged(r"converted .*reason=\"no SMTPUTF8\"") and site.logged(r"converted .*reason=\"no 8BITMIME\""), site.log()[-3000:])
    check("the postmaster hears of none", site.queue_empties() and "bounce-undeliverable" not in site.log(), site.log()[-3000:])
    check("no role of it died", not site.deaths(), site.deaths())
finally:
    site.stop()
    for host in hosts.values():
        host.stop()
sys.exit(results.failed)
