#!/usr/bin/env python3
"""Aliases: who gets what, once; lists and their owners; notifications (RFC 3461 section 5.2.7); circles; a changed file."""
import os
import re
import sys
import time

import own_site

results = own_site.Results()
check = results.check
far = own_site.FarHost("far", own_site.outer + 702)
site = own_site.Site(own_site.outer + 710, f'relay_host = "127.0.0.1:{own_site.outer + 702}"; retry_min = "1s"; delay_warning = "3s";', aliases="""\
info@example.test: alice, bob, x@far.example
info2@example.test: info, bob+two
one@example.test: alice
out@example.test: y@far.example
staff@example.test: alice, no-member@far.example
owner-staff@example.test: bob
drop@example.test: discard
dead@example.test: nobody
circle@example.test: far-circle@far.example
sales-*@example.test: *
solo@example.test: bob+solo
desk@example.test: bob, alice
crew@example.test: bob
owner-crew@example.test: alice
/(help|support)[0-9]+@example\\.test/: u1
alice@example.test: alice, u2
self@example.test: self
ring@example.test: rings
rings@example.test: ring
club@example.test: club, u1
zed@example.test: z@far.example
desk-*: *
refused@example.test: no-body@far.example
refused2@example.test: no-body@far.example
wait@example.test: later-wait@far.example
abuse: postmaster
team@example.test: postmaster, alice
""")


def drop(sender, recipients, subject):
    """As sendmail does."""
    place = f"{site.state}/spool/drop"
    with open(f"{place}/tmp.m.1", "w", encoding="utf-8", newline="") as file:
        file.write(f"fourpost 1\ncreated {int(time.time())}\nfrom {sender}\n" + "".join(f"to P - - {one}\n" for one in recipients) + f"\nSubject: {subject}\r\n\r\nx\r\n")
    os.chmod(f"{place}/tmp.m.1", 0o640)
    os.rename(f"{place}/tmp.m.1", f"{place}/m.1")


def once(account, word, times=1):
    return own_site.within(lambda: len(site.delivered(account, word)) >= times) and len(site.delivered(account, word)) == times


try:
    status, text = site.tool("mailalias")
    check("mailalias tells of targets that are nobody's", status == 65 and re.search(r"aliases:8: nobody@example\.test: ", text) and "27 aliases" in text and re.search(r"aliases:17: self@example\.test: the alias goes round", text), text)
    status, text = site.tool("mailalias", "info2@example.test", "drop@example.test", "dead@example.test", "staff@example.test")
    check("mailalias shows who gets mail", status == 67 and "\tbob+two@example.test\taccount" in text and "\tx@far.example\tanother host's" in text and
          "dead@example.test\n\tnobody: mail is refused" in text and "drop@example.test\n\tnobody: mail is discarded" in text and
          "notifications go to owner-staff@example.test" in text, text)

    said, last = site.send("s@away.example", ["dead@example.test", "nowhere@example.test", "info@example.test", "bob@example.test", "info2@example.test"], "everybody")
    check("aliases for nobody are refused in the session", [one[:3] for one in said] == ["550", "550", "250", "250", "250"], said)
    check("the message is taken", last.startswith("250"), last)
    site.queue_empties()
    check("each gets it once", once("alice", "everybody") and once("u2", "everybody") and once("bob", "everybody", 2) and len(far.taken("everybody")) == 1,
          (len(site.delivered("alice", "everybody")), len(site.delivered("u2", "everybody")), len(site.delivered("bob", "everybody")), len(far.taken("everybody"))))
    check("what goes to an address with a detail is its own", sum("Delivered-To: bob+two@example.test" in one for one in site.delivered("bob", "everybody")) == 1,
          site.delivered("bob", "everybody"))

    site.send("s@away.example", ["one@example.test"], "single")
    check("an alias that names itself is an account", once("alice", "single") and once("u2", "single"), site.log()[-3000:])
    site.send("s@away.example", ["sales-bob@example.test", "help7@example.test", "drop@example.test"], "patterns")
    site.send("s@away.example", ["desk-u1@example.test"], "without a domain")
    check("a pattern without a domain is one for all of them", once("u1", "without a domain"), site.log()[-3000:])
    check("patterns and expressions", once("bob", "patterns") and once("u1", "patterns"), site.log()[-3000:])
    check("VRFY and EXPN tell nothing", all(not one.startswith("250") and "alice" not in one for one in site.talk(["VRFY staff@example.test", "EXPN staff@example.test"])))

    said, last = site.send("s@away.example", ["abuse@example.test"], "abuse")
    check("postmaster is somebody behind an alias too", said[0].startswith("250") and last.startswith("250") and once("alice", "Subject: abuse"), (said, last))
    site.send("s@away.example", ["team@example.test"], "for the team")
    check("and has the message once", once("u2", "for the team") and site.queue_empties() and once("alice", "for the team"), site.log()[-3000:])

    # Circles of aliases, which no message need go through to be found.
    said = site.talk(["MAIL FROM:<s@away.example>", *(f"RCPT TO:<{one}@example.test>" for one in ("self", "ring", "self+x", "club"))])
    check("an alias that names itself and nobody else is a loop", [one[:9] for one in said[1:4]] == ["550 5.4.6"] * 3 and said[4].startswith("250 "), said)
    drop("u2@example.test", ["self@example.test", "ring@example.test", "club@example.test"], "dropped into a ring")
    found = own_site.within(lambda: [one for one in site.delivered("u2", "Action: failed") if "dropped into a ring" in one])
    check("mail that programs send there comes back", found and all(f"Final-Recipient: rfc822; {one}@example.test\nAction: failed\nStatus: 5.4.6" in found[0] for one in ("self", "ring")) and
          "club@" not in found[0], found)
    check("a list that names itself and others reaches those, once", once("u1", "dropped into a ring"), site.log()[-3000:])
    status, text = site.tool("mailalias", "self@example.test", "club@example.test")
    check("mailalias tells", status == 67 and "\tnobody, for it goes round in a circle: mail is refused" in text and "u1@example.test" in text, text)

    # RFC 3461 sections 5.2.7.2 and 5.2.7.3
    site.send("alice@example.test", ["out@example.test"], "onward", mail=" ENVID=one RET=HDRS", rcpt=" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@away.example")
    found = own_site.within(lambda: far.taken("onward"))
    check("one address behind an alias has the sender's wishes", found and "ENVID=one" in found[0][0]["mail"] and "RET=HDRS" in found[0][0]["mail"] and
          found[0][0]["rcpt"] == ["TO:<y@far.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@away.example"], found)
    site.send("bob@example.test", ["info@example.test"], "several", rcpt=" NOTIFY=SUCCESS")
    found = own_site.within(lambda: far.taken("several"))
    check("several have them without SUCCESS", found and found[0][0]["rcpt"] == ["TO:<x@far.example> NOTIFY=NEVER ORCPT=rfc822;info@example.test"], found)
    check("the sender hears that the alias was expanded", own_site.within(lambda: [one for one in site.delivered("bob", "Action: expanded") if "info@example.test" in one]),
          site.log()[-3000:])
    site.send("bob@example.test", ["z@far.example", "zed@example.test"], "in two ways", login="bob", mail=" ENVID=ways", rcpt=" NOTIFY=SUCCESS")
    found = own_site.within(lambda: [one for one in site.delivered("bob", "Original-Envelope-Id: ways") if "zed@" in one])
    check("an alias for who is a recipient anyway is told of", found and "Final-Recipient: rfc822; zed@example.test\nAction: relayed" in found[0] and
          site.queue_empties() and len(far.taken("in two ways")) == 1, (found, site.log()[-3000:]))
    found = far.taken("several")
    check("expanded mail says by what", found and b"Delivered-To: info@example.test\r\n" in found[0][1], found)

    # RFC 3461 section 4.1: NEVER is said of one recipient, and is no word on another who wants to hear of failures, though both are one mailbox.
    for number, recipients in enumerate((["refused@example.test> NOTIFY=NEVER", "refused2@example.test> NOTIFY=FAILURE ORCPT=rfc822;asked@away.example"],
                                         ["no-body@far.example> NOTIFY=NEVER", "refused2@example.test> NOTIFY=FAILURE ORCPT=rfc822;asked@away.example"],
                                         ["refused2@example.test> NOTIFY=FAILURE", "no-body@far.example> NOTIFY=NEVER"], ["refused@example.test> NOTIFY=NEVER"])):
        said = site.talk([f"MAIL FROM:<alice@example.test> ENVID=never{number}", *(f"RCPT TO:<{one}" for one in recipients), "DATA", f"From: alice@example.test\r\nSubject: never {number}\r\n\r\nx\r\n.\r\n".encode()], login="alice")
        # Whoever lists the queue may see neither the message that goes just now nor the notification that comes.
        found = number == 3 or own_site.within(lambda number=number: site.delivered("alice", f"Original-Envelope-Id: never{number}"))
        emptied = site.queue_empties()
        found = site.delivered("alice", f"Original-Envelope-Id: never{number}") if found else []
        original = "asked@away.example" if number < 2 else "refused2@example.test"
        check("who wants to hear of a failure hears of it, once", said[-1].startswith("250") and emptied and
              (not found if number == 3 else len(found) == 1 and f"Original-Recipient: rfc822; {original}\nFinal-Recipient: rfc822; no-body@far.example\nAction: failed" in found[0] and
               found[0].count("Final-Recipient:") == 1), (said, found))

    # RFC 4865: what is sent later is not late for that.
    said, last = site.send("alice@example.test", ["wait@example.test"], "held back", login="alice", mail=" HOLDFOR=4")
    found = own_site.within(lambda: far.taken("held back"))
    check("a member's host that puts off what was sent later has it a moment after", last.startswith("250") and found and site.logged(r"deferred .*to=later-wait@far\.example"), (said, last, found))
    check("and nobody hears of a delay", site.queue_empties() and not site.delivered("alice", "Action: delayed"), site.delivered("alice", "Action: delayed"))

    # A list: 5.2.7.1
    site.send("alice@example.test", ["staff@example.test"], "for the staff", mail=" ENVID=two", rcpt=" NOTIFY=SUCCESS,FAILURE")
    check("the sender hears that the list has it",
          own_site.within(lambda: [one for one in site.delivered("alice", "Action: delivered") if "Final-Recipient: rfc822; staff@example.test" in one]), site.log()[-3000:])
    check("the owner hears what fails behind it", own_site.within(lambda: [one for one in site.delivered("bob", "Action: failed") if "no-member@far.example" in one]),
          site.log()[-3000:])
    check("the sender does not", not [one for one in site.delivered("alice", "Action: failed") if "no-member" in one])
    check("members get it from the owner", own_site.within(lambda: [one for one in site.delivered("alice", "for the staff") if "Return-Path: <owner-staff@example.test>" in one]))

    # A circle by way of another host.
    site.send("alice@example.test", ["circle@example.test"], "round")
    found = own_site.within(lambda: far.taken("round"))
    before = len(site.log())
    back = b"".join(line + b"\r\n" for line in found[0][1].split(b"\r\n")) if found else b""
    said = site.talk(["MAIL FROM:<alice@example.test>", "RCPT TO:<circle@example.test>", "DATA", back.rstrip() + b"\r\n.\r\n"])
    check("a circle is found", said[-1].startswith("550 5.4.6 ") and site.logged(r" failed .*to=circle@example\.test .*status=5\.4\.6", before), (said, site.log()[before:]))

    # Senders
    said = site.talk(["MAIL FROM:<info@example.test>", "RSET", "MAIL FROM:<staff@example.test>", "MAIL FROM:<sales-bob@example.test>"], login="alice")
    check("members may send from the alias, and nobody else, nor from a list", [one[:3] for one in said] == ["250", "250", "553", "553"], said)

    # What a script sends is in the name of whoever the account may write as, and answers what comes to an address that is its own (RFC 5230
    # sections 4.3, 4.5), though these stand nowhere but among the aliases.
    for number, (name, to, wanted) in enumerate([
            ("an alias that others have too", "solo@example.test", "Desk <desk@example.test>"), ("a list", "solo@example.test", "crew@example.test"),
            ("another's", "solo@example.test", "alice@example.test"), ("a detail", "bob+x@example.test", "bob+y@example.test")]):
        site.script("bob", f'require "vacation"; vacation :from "{wanted}" :handle "{number}" "Away {number}.";')
        said, last = site.send("u1@example.test", [to, "u2@example.test"], f"answer {number}\r\nTo: {to}")
        found = own_site.within(lambda n=number: site.delivered("u1", f"Away {n}."))
        taken = found and f"From: {wanted}\n" in found[0]
        check(f"a script answers in the name of {name}" if number in (0, 3) else f"but not in that of {name}", taken if number in (0, 3) else found and "From: bob@example.test\n" in found[0],
              (last, found, site.log()[-2000:]))
    site.script("bob", 'require "vacation"; vacation "Not from here.";')
    site.send("u1@example.test", ["desk@example.test"], "to the desk\r\nTo: desk@example.test")
    check("what others get too is not answered", site.logged(r"not-answered .*account=bob@example\.test .*does not name the user") and once("bob", "to the desk"))
    site.script("bob", None)

    # A changed file.
    site.put("aliases", "new@example.test: alice\nbroken\n")
    check("a file with faults is refused", site.reload(r'aliases:2: there is no colon'), site.log()[-3000:])
    check("the former aliases stay", site.talk(["MAIL FROM:<>", "RCPT TO:<one@example.test>"])[-1].startswith("250"))
    site.put("aliases", "@example.test: bob\n")
    before = len(site.log())
    check("a changed file is taken", site.reload() and site.logged(r" aliases file=.* count=1", before), site.log()[-3000:])
    site.send("s@away.example", ["anything@example.test", "alice@example.test"], "caught")
    check("a catch-all takes nothing from accounts", once("bob", "caught") and once("alice", "caught"), site.log()[-3000:])
    site.send("s@away.example", ["alice@example.test", "u1@example.test"], "still their own")
    site.put("aliases", "alice@example.test: bob\n@example.test: bob\n")
    before = len(site.log())
    check("an account's address becomes an alias", site.reload() and site.logged(r" aliases file=.* count=2", before), site.log()[-3000:])
    site.tool("mailuser", "remove", "u1@example.test")
    site.send("s@away.example", ["alice@example.test"], "no longer hers")
    site.send("s@away.example", ["u1@example.test"], "nor his")
    check("whose an address was before is forgotten", once("bob", "no longer hers") and once("bob", "nor his") and not site.delivered("alice", "no longer hers") and
          once("alice", "still their own"), site.log()[-3000:])
    site.put("aliases", "root: nosuch\npipe: |/usr/bin/prog\na: b\nb: a\nboss: alice\nroot@exmaple.test: alice\nx*@exmaple.test: alice\n")
    status, text = site.tool("mailalias")
    check("mailalias checks local parts at each domain, and whose domains keys have", status == 65 and all(f"aliases:{line}: {what}: " in text for line, what in (
        (1, "nosuch"), (2, "|/usr/bin/prog"), (3, "b"), (4, "a"), (6, "root@exmaple.test"))) and "aliases:5" not in text and text.count("aliases:6:") == 1, text)
    status, text = site.tool("mailalias", "boss")
    check("and shows them at the first", status == 0 and text == "boss@example.test\n\talice@example.test\taccount\n", text)
    check("the queue ends empty", site.queue_empties(), site.tool("mailqueue", "list", conf="smtpd.conf"))
finally:
    site.stop()
    far.stop()
sys.exit(results.failed)
