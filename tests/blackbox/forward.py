#!/usr/bin/env python3
"""Mail that is sent on by accounts, aliases and scripts: senders that lead back (SRS), and circles."""
import os
import re
import sys

import own_site

results = own_site.Results()
check = results.check
far = own_site.FarHost("far", own_site.outer + 732)
os.makedirs(f"{own_site.work}/demo/etc", exist_ok=True)
site = own_site.Site(own_site.outer + 740, f'relay_host = "127.0.0.1:{own_site.outer + 732}"; retry_min = "1s"; srs_secret = "{own_site.work}/demo/etc/srs.secret";',
                     aliases="out@example.test: x@far.example, bob\nback@example.test: bob\nours@example.test: bob, alice\nj\u00f6rg@example.test: bob\n", files={"srs.secret": "0123456789abcdef of a test\n"})


def taken(word):
    return own_site.within(lambda: far.taken(word))


def told(envid):
    """Notifications to alice."""
    return [one for one in site.delivered("alice", f"Original-Envelope-Id: e{envid}") if "Action: " in one]


def sender_of(found):
    return re.search(r"<(.*?)>", found[0][0]["mail"]).group(1) if found else ""


try:
    status, text = site.tool("mailuser", "forward", "u1@example.test")
    check("mail is not sent on at first", status == 69, text)
    status, text = site.tool("mailuser", "forward", "u1@example.test", "not an address")
    check("what is no address is refused", status == 65, text)
    status, text = site.tool("mailuser", "forward", "u1@example.test", "friend@far.example")
    check("mailuser forward", status == 0, text)
    check("and what it says", site.tool("mailuser", "forward", "u1@example.test") == (0, "friend@far.example\n"))
    site.send("S.Ender@away.example", ["u1@example.test"], "sent on")
    found = taken("sent on")
    back = sender_of(found)
    check("a stranger's sender leads back", re.fullmatch(r"SRS0=[a-z2-7]{6}=[a-z2-7]{2}=away\.example=S\.Ender@example\.test", back), found)
    check("it says by whom it was sent on", found and b"Delivered-To: u1@example.test\r\n" in found[0][1], found)
    check("it is not kept", not site.delivered("u1", "sent on"))

    # The way back, once, and no other.
    said, last = site.send("", [back], "a notification")
    check("a notification is taken", last.startswith("250"), (said, last))
    found = taken("a notification")
    check("it goes to who sent the message", found and found[0][0]["rcpt"][0].startswith("TO:<S.Ender@away.example>"), found)
    forged = [back.replace("S.Ender", "victim"), back.replace("away.example", "other.example"), re.sub("=[a-z2-7]{2}=", "=aa=", back, count=1),
              "SRS0=aaaaaa=aa=away.example=victim@example.test"]
    said = site.talk(["MAIL FROM:<>", *(f"RCPT TO:<{one}>" for one in forged)])
    check("what was not made here leads nowhere", [one[:3] for one in said[1:]] == ["550"] * len(forged), said)

    site.send("bob@example.test", ["u1@example.test"], "from a neighbour", login="bob")
    check("a sender of this host stays", sender_of(taken("from a neighbour")) == "bob@example.test", far.messages()[-1:])
    site.send("s@away.example", ["out@example.test"], "by an alias")
    check("what an alias sends on leads back too", sender_of(taken("by an alias")).startswith("SRS0="), far.messages()[-1:])
    found = own_site.within(lambda: site.delivered("bob", "by an alias"))
    check("and what it sends to an account has its sender", found and "Return-Path: <s@away.example>" in found[0], found)

    status, text = site.tool("mailuser", "forward", "-k", "u2@example.test", "no-body@far.example")
    check("mailuser forward -k", status == 0, text)
    site.send("alice@example.test", ["u2@example.test"], "kept as well", login="alice")
    check("it is kept", own_site.within(lambda: site.delivered("u2", "kept as well")))
    check("its sender hears of what fails", own_site.within(lambda: [one for one in site.delivered("alice", "Action: failed") if "no-body@far.example" in one]), site.log()[-3000:])

    check("and in that host's own words (RFC 3461 section 9.2)", site.delivered("alice", "Diagnostic-Code: smtp; 550-5.1.1 There is no such mailbox:\n 550 5.1.1 no-body@far.example\n"),
          site.delivered("alice", "Action: failed"))

    # RFC 3461 section 5.2.7.2: what the sender wants to hear goes along; of success whoever has the message in the end tells.
    for number, (script, wanted) in enumerate([('redirect "on@far.example";', True), (None, False)]):
        if script is None:
            site.tool("mailuser", "forward", "bob@example.test", "on@far.example")
        site.script("bob", script)
        for notify, onward in (("NEVER", "NEVER"), ("SUCCESS", "SUCCESS"), ("SUCCESS,FAILURE", "SUCCESS,FAILURE"), ("DELAY", "DELAY")):
            word = f"told-{number}-{notify}"
            site.send("alice@example.test", ["bob@example.test"], word, mail=f" ENVID=e{word}", rcpt=f" NOTIFY={notify}")
            found = own_site.within(lambda w=word: [one for one in far.taken(w) if "on@far.example" in one[0]["rcpt"][0]])
            check(f"{'a script' if wanted else 'an account'} that sends mail on: NOTIFY={notify}", found and
                  found[0][0]["rcpt"][0] == f"TO:<on@far.example> NOTIFY={onward} ORCPT=rfc822;bob@example.test" and f"ENVID=e{word}" in found[0][0]["mail"], found)
            check("nobody tells the sender before", site.queue_empties() and not told(word), told(word))

    # Section 5.2.7.3: with a mailbox, or another address, it is an alias for several.
    for number, (script, forward, onward) in enumerate([
            ('require "copy"; redirect :copy "on@far.example";', [], 1), ('redirect "on@far.example"; redirect "off@far.example";', [], 2),
            ('redirect "on@far.example";', ["-k", "off@far.example"], 2), (None, ["-k", "on@far.example"], 1), (None, ["on@far.example", "off@far.example"], 2)]):
        keep, targets = [one for one in forward if one == "-k"], [one for one in forward if one != "-k"]
        site.tool("mailuser", "forward", *(keep if targets else ["-r"]), "bob@example.test", *targets)
        site.script("bob", script)
        word = f"several-{number}"
        site.send("alice@example.test", ["bob@example.test"], word, mail=f" ENVID=e{word}", rcpt=" NOTIFY=SUCCESS,FAILURE")
        found = own_site.within(lambda w=word, n=onward: len(far.taken(w)) == n and far.taken(w))
        check("of several each has the sender's wishes without SUCCESS", found and all(" NOTIFY=FAILURE ORCPT=rfc822;bob@example.test" in one[0]["rcpt"][0] for one in found), found)
        notes = own_site.within(lambda w=word: told(w))
        check("and the sender hears that it was expanded", notes and len(notes) == 1 and "Action: expanded" in notes[0] and site.queue_empties() and len(told(word)) == 1, notes)
    site.script("bob", 'require "vacation"; keep; vacation "Away.";')
    site.tool("mailuser", "forward", "-r", "bob@example.test")
    site.send("alice@example.test", ["bob@example.test"], "stays\r\nTo: bob@example.test", mail=" ENVID=estays", rcpt=" NOTIFY=SUCCESS")
    notes = own_site.within(lambda: told("stays"))
    check("what is answered and kept is delivered", notes and "Action: delivered" in notes[0], notes)
    site.script("bob", None)

    # RFC 6531 section 3.4: what goes to such an address needs SMTPUTF8, however it came.
    site.script("bob", 'redirect "fr\u00e9d\u00e9ric@far.example";')
    site.send("s@away.example", ["bob@example.test"], "to an address in UTF-8")
    found = taken("to an address in UTF-8")
    check("mail to an address in UTF-8 is sent on as such", found and found[0][0]["mail"].split()[-1] == "SMTPUTF8", found)
    for number, (name, wanted) in enumerate((("J\u00f6rg <bob@example.test>", False), ("j\u00f6rg@example.test", True))):
        site.script("bob", f'require "vacation"; vacation :from "{name}" "Away {number}.";')
        site.send("s@away.example", ["bob@example.test"], f"who {number}\r\nTo: bob@example.test")
        found = taken(f"Away {number}.")
        check("an answer needs SMTPUTF8 for an address in UTF-8, and for a name not", found and ("SMTPUTF8" in found[0][0]["mail"]) == wanted and
              (b"\r\nFrom: j\xc3\xb6rg@example.test\r\n" if wanted else b"\r\nFrom: =?utf-8?") in found[0][1], found)
    site.script("bob", None)

    # Circles within this host: by a detail, by an alias that is an account's alone, by another account, whichever hides that it was there.
    for number, target in enumerate(("bob+again@example.test", "back@example.test", "alice@example.test")):
        site.script("bob", f'require "copy"; redirect :copy "{target}";')
        site.script("alice", 'redirect "bob+from-alice@example.test";')
        site.send("s@away.example", ["bob@example.test"], f"round and round {number}")
        if target.startswith("back@"):
            check("what was kept does not come back by an alias", site.logged(r"expanded .*to=back@example\.test") and site.queue_empties() and
                  len(site.delivered("bob", f"round and round {number}")) == 1, site.log()[-3000:])
            continue
        check(f"what comes back by {target} is kept", own_site.within(lambda n=number: len(site.delivered("bob", f"round and round {n}")) == 2), site.log()[-3000:])
        check("and not sent on again", site.logged(rf"not-redirected .*account=bob@example\.test to={re.escape(target)} reason=\"the account has sent it on before\"") and
              site.queue_empties() and len(site.delivered("bob", f"round and round {number}")) == 2, site.log()[-3000:])
    site.script("bob", None)
    site.script("alice", None)

    # An account that sends its mail to an alias that names it.
    site.tool("mailuser", "forward", "bob@example.test", "ours@example.test")
    site.send("alice@example.test", ["bob@example.test"], "to our own", login="alice")
    check("an account that sends its mail to its own alias has what comes back, and its sender hears of no loop", own_site.within(lambda: site.queue_empties() and
          len(site.delivered("alice", "to our own")) == 1 and len(site.delivered("bob", "to our own")) == 1), site.log()[-3000:])
    site.tool("mailuser", "forward", "-k", "bob@example.test", "ours@example.test")
    site.send("alice@example.test", ["bob@example.test"], "to keep our own", login="alice")
    check("one that keeps it has it once", own_site.within(lambda: len(site.delivered("alice", "to keep our own")) == 1) and site.queue_empties() and
          len(site.delivered("bob", "to keep our own")) == 1 and len(site.delivered("alice", "to keep our own")) == 1, site.log()[-3000:])
    for keep in (["-k"], []):
        word = f"to ours, which is sent to ours{'' if keep else ' alone'}"
        site.tool("mailuser", "forward", *keep, "bob@example.test", "ours@example.test")
        site.send("alice@example.test", ["ours@example.test"], word, login="alice")
        check("what came by that alias is not sent there again, and its sender hears of no loop", own_site.within(lambda w=word: site.delivered("bob", w)) and site.queue_empties() and
              [len(site.delivered(one, word)) for one in ("bob", "alice")] == [1, 1], site.log()[-3000:])
    site.tool("mailuser", "forward", "-r", "bob@example.test")
    site.script("bob", 'require "copy"; redirect :copy "ours@example.test";')
    for to in ("bob", "ours"):
        word = f"copied from {to} to our own"
        site.send("alice@example.test", [f"{to}@example.test"], word, login="alice")
        check("a script that keeps and sends to such an alias leaves one with each", own_site.within(lambda w=word: site.delivered("alice", w) and site.delivered("bob", w)) and
              site.queue_empties() and [len(site.delivered(one, word)) for one in ("bob", "alice")] == [1, 1], site.log()[-3000:])
    site.script("bob", 'redirect "ours@example.test";')
    site.send("alice@example.test", ["bob@example.test"], "scripted to our own", login="alice")
    check("a script that redirects to such an alias keeps what comes back, and its sender hears of no loop", own_site.within(lambda: site.queue_empties() and
          len(site.delivered("alice", "scripted to our own")) == 1 and len(site.delivered("bob", "scripted to our own")) == 1), site.log()[-3000:])
    site.script("bob", None)

    # A circle: the other host sends it back.
    before = len(site.log())
    text = taken("sent on")[0][1].rstrip() + b"\r\n.\r\n"
    said = site.talk(["MAIL FROM:<s@away.example>", "RCPT TO:<u1+again@example.test>", "DATA", text])
    check("a circle is found: who sent it on has it", said[-1].startswith("250 ") and site.queue_empties() and not site.logged(r" forwarded ", before) and
          len(site.delivered("u1", "Subject: sent on")) == 1, site.log()[before:])

    status, text = site.tool("mailuser", "forward", "-r", "u1@example.test")
    site.send("s@away.example", ["u1@example.test"], "to stay")
    check("no more", status == 0 and own_site.within(lambda: site.delivered("u1", "to stay")), text)

    # Another secret: the old one still leads back while it stands there.
    site.put("srs.secret", "another secret for tests\n0123456789abcdef of a test\n", 0o600)
    before = len(site.log())
    check("a changed secret is taken", site.reload() is not None)
    check("the old one leads back", site.talk(["MAIL FROM:<>", f"RCPT TO:<{back}>"])[-1].startswith("250"))
    site.put("srs.secret", "another secret for tests\n", 0o600)
    site.reload()
    check("and no longer when it is gone", own_site.within(lambda: site.talk(["MAIL FROM:<>", f"RCPT TO:<{back}>"])[-1].startswith("550")))
    site.put("srs.secret", "short\n", 0o600)
    check("a file that is none is refused", site.reload(r"srs_secret: .*shorter"), site.log()[-2000:])
    check("the queue ends empty", site.queue_empties(), site.tool("mailqueue", "list", conf="smtpd.conf"))
finally:
    site.stop()
    far.stop()
sys.exit(results.failed)
