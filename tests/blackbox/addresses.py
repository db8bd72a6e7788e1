#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Addresses at other hosts, whose local parts are theirs to understand (RFC 5321 sections 2.3.11, 2.4), however mail comes to go there."""
import os
import re
import subprocess
import sys

import jmap_client
import own_site

results = own_site.Results()
check = results.check
far = own_site.FarHost("far", own_site.outer + 952)
os.makedirs(f"{own_site.work}/demo/etc", exist_ok=True)
site = own_site.Site(own_site.outer + 960, f'relay_host = "127.0.0.1:{own_site.outer + 952}"; relay_domains = [ "backup.example" ]; retry_min = "1s"; '
                     f'srs_secret = "{own_site.work}/demo/etc/srs.secret";',
                     aliases="mixed@example.test: alice, a/b@ok.example\nwrong@example.test: alice, c/d\ncases@example.test: BOB, john@ok.example, John@OK.example\nodd/key@example.test: bob\nall-*@example.test: *@ok.example, bob+*\n", files={"srs.secret": "0123456789abcdef of a test\n"})
# What could be no account's name.
ODD = ["a/b", "/G=John/S=Smith/", '"john doe"', '"a@b"', "SRS0=Ab/c=XX=orig.example=user"]


def taken(word):
    return own_site.within(lambda: far.taken(word))


def recipients(found):
    return sorted(one.partition("<")[2].rpartition(">")[0] for about, _ in found or [] for one in about["rcpt"])


def sender(found):
    return found[0][0]["mail"].partition("<")[2].rpartition(">")[0] if found else None


try:
    said, last = site.send("alice@example.test", [f"{one}@ok.example" for one in ODD], "handed in", login="alice")
    check("submission takes any local part for other hosts", [one[:3] for one in said] == ["250"] * len(ODD) and last.startswith("250"), said)
    check("and brings it there", own_site.within(lambda: recipients(far.taken("handed in")) == sorted(f"{one}@ok.example" for one in ODD)), far.messages())
    said, last = site.send("s@away.example", [f"{one}@backup.example" for one in ODD], "taken for another")
    check("so does a domain of relay_domains", [one[:3] for one in said] == ["250"] * len(ODD) and
          own_site.within(lambda: recipients(far.taken("taken for another")) == sorted(f"{one}@backup.example" for one in ODD)), said)
    said = site.talk(["MAIL FROM:<s@away.example>", *(f"RCPT TO:<{one}@{domain}>" for one in ODD for domain in ("example.test", "ok.example"))])
    check("nobody else's is taken, and none here is an account", [one[:9] for one in said[1:]] == ["550 5.1.1", "550 5.7.1"] * len(ODD), said)

    site.send("alice@example.test", ["mixed@example.test"], "by an alias", login="alice")
    check("an alias has such members", recipients(taken("by an alias")) == ["a/b@ok.example"] and own_site.within(lambda: site.delivered("alice", "by an alias")), site.log()[-3000:])
    site.send("alice@example.test", ["wrong@example.test"], "by a wrong alias", login="alice")
    check("and of one that could be no account here its sender hears", own_site.within(lambda: [one for one in site.delivered("alice", "Action: failed") if "c/d@example.test" in one]),
          site.log()[-3000:])
    check("mailalias tells them apart", site.tool("mailalias", "mixed@example.test")[1].count("another host's") == 1 and "c/d@example.test: " in site.tool("mailalias")[1], site.tool("mailalias"))
    site.tool("mailuser", "forward", "u1@example.test", "a/b@ok.example")
    site.script("bob", 'redirect "/G=John/S=Smith/@ok.example";')
    site.send("alice@example.test", ["u1@example.test", "bob@example.test"], "sent on", login="alice")
    check("accounts and scripts send on to such", own_site.within(lambda: recipients(far.taken("sent on")) == ["/G=John/S=Smith/@ok.example", "a/b@ok.example"]), site.log()[-3000:])
    site.script("bob", None)

    # Here they are aliases', and details.
    here = ["odd/key", "bob+a/b", '"bob+a b"', '"all-x y"']
    said = site.talk(["MAIL FROM:<s@away.example>", *(f"RCPT TO:<{one}@example.test>" for one in [*here, "bob/x", '"bob x"', '".bob"'])])
    check("local parts that no account can have are taken where an alias has them, or a detail", [one[:3] for one in said[1:]] == ["250"] * 4 + ["550"] * 3, said)
    site.send("s@away.example", [f"{one}@example.test" for one in here], "odd here")
    check("and delivered", own_site.within(lambda: len(site.delivered("bob", "odd here")) == 4) and site.queue_empties() and len(site.delivered("bob", "odd here")) == 4 and
          recipients(taken("odd here")) == ['"x y"@ok.example'], (site.delivered("bob", "odd here"), far.messages()[-1:], site.log()[-3000:]))
    check("to addresses that can be read", sorted(re.match(r"Return-Path: <.*>\nDelivered-To: (.*)\n", one).group(1) for one in site.delivered("bob", "odd here")) ==
          sorted(f"{one}@example.test" for one in ('"bob+a b"', '"bob+x y"', "bob", "bob+a/b")), site.delivered("bob", "odd here"))

    # Notifications to such senders, and the way back to them.
    site.send("SRS0=Ab/c=XX=orig.example=user@away.example", ["alice@example.test"], "told", mail=" ENVID=slash", rcpt=" NOTIFY=SUCCESS")
    found = taken("Original-Envelope-Id: slash")
    check("such a sender is told", recipients(found) == ["SRS0=Ab/c=XX=orig.example=user@away.example"] and sender(found) == "", site.log()[-3000:])
    site.send("/G=John/S=Smith/@away.example", ["u1@example.test"], "from afar")
    back = sender(taken("from afar"))
    check("a sender that is rewritten leads back", back and back.startswith("SRS0=") and back.endswith("=away.example=/G=John/S=Smith/@example.test"), back)
    said, last = site.send("", [back], "a notification")
    check("to where it came from", last.startswith("250") and recipients(taken("a notification")) == ["/G=John/S=Smith/@away.example"], (said, last))
    # The case of a local part is its host's affair.
    def sendmail(*arguments, given):
        done = subprocess.run([f"{own_site.programs}/sendmail", "-C", f"{site.state}/etc/smtpd.conf", *arguments], input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        return done.returncode, done.stdout

    both, mine = ["John@ok.example", "john@ok.example"], ["Bob@example.test", "bob@Example.test"]
    text = "From: alice@example.test\nSubject: {}\n\nx\n"
    said = {
        "arguments": sendmail("-f", "alice@example.test", *both, *mine, "John@OK.example", given=text.format("case-arguments-x")),
        "header": sendmail("-t", "-f", "alice@example.test", given=f"To: {', '.join(both)}\nCc: {', '.join([*mine, *both])}\n" + text.format("case-header-x")),
        "session": sendmail("-bs", given="\r\n".join(["EHLO x", "MAIL FROM:<alice@example.test>", *(f"RCPT TO:<{one}>" for one in [*both, *mine, "John@OK.example"]), "DATA",
                                                     text.format("case-session-x").replace("\n", "\r\n") + ".", "QUIT", ""])),
    }
    site.send("alice@example.test", [*both, *mine, "John@OK.example"], "case-submission-x", login="alice")
    site.send("alice@example.test", ["cases@example.test", "bob@example.test", "John@ok.example"], "case-alias-x", login="alice")
    jmap_client.HTTPS = site.base + 443
    client = jmap_client.Client("alice@example.test")
    mail = {"mailboxIds": {client.mailboxes()["drafts"]["id"]: True}, "from": [{"email": client.user}], "to": [{"email": one} for one in [*both, *mine]],
            "cc": [{"email": "John@OK.example"}], "subject": "case-web-x", "bodyValues": {"t": {"value": "x"}}, "textBody": [{"partId": "t", "type": "text/plain"}]}
    identity = client.call("Identity/get", ids=None)["list"][0]["id"]
    said["web"] = client.api(("Email/set", {"create": {"m": mail}}), ("EmailSubmission/set", {"create": {"s": {"emailId": "#m", "identityId": identity}}}))
    for way in ("arguments", "header", "session", "submission", "alias", "web"):
        check(f"{way}: each of two that differ by case gets it, and an account here once", own_site.within(lambda w=way: sorted(recipients(far.taken(f"case-{w}-x"))) == both) and
              own_site.within(lambda w=way: site.delivered("bob", f"case-{w}-x")) and site.queue_empties() and len(site.delivered("bob", f"case-{way}-x")) == 1,
              (said.get(way), far.taken(f"case-{way}-x"), len(site.delivered("bob", f"case-{way}-x"))))
    check("the queue ends empty", site.queue_empties(), site.tool("mailqueue", "list", conf="smtpd.conf"))
    check("no role of it died", not site.deaths(), site.deaths())
finally:
    site.stop()
    far.stop()
sys.exit(results.failed)
