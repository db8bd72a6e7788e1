#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""What scripts and forward files send is limited as what users send is, and apart from it: what is too much is kept, and nobody is told but the postmaster."""
import re
import sys

import own_site

results = own_site.Results()
check = results.check
far = own_site.FarHost("far", own_site.outer + 752)
site = own_site.Site(own_site.outer + 760, f'relay_host = "127.0.0.1:{own_site.outer + 752}"; retry_min = "1s"; limits = [ "messages/account=3/10d", "recipients/account=3/10d" ];')


def send(account, word, sender="s@away.example", body="x"):
    """A message to the account from outside: what its client is told at the end."""
    return site.send(sender, [f"{account}@example.test"], f"{word}\r\nTo: {account}@example.test", body=body)[1]


def kept(account, word):
    return own_site.within(lambda: site.delivered(account, word))


def alerts(account):
    return site.delivered("alice", f"Subject: {account}@example.test has reached its limit")


def limited(account):
    return len(re.findall(rf"account-limited account={account}@example.test .* by=filter", site.log()))


try:
    # A script that sends on.
    site.script("bob", 'redirect "on@far.example";')
    said = [send("bob", f"onward-{n}") for n in range(5)]
    check("mail to an account that sends on is taken", all(one.startswith("250") for one in said), said)
    check("it is sent on as long as the account may", own_site.within(lambda: all(far.taken(f"onward-{n}") for n in range(3))), site.log()[-3000:])
    check("then it is kept", all(kept("bob", f"onward-{n}") for n in (3, 4)), site.log()[-3000:])
    check("and what was sent on is not", not [n for n in range(3) if site.delivered("bob", f"onward-{n}")])
    check("nothing waits, and nobody is told", site.queue_empties() and not far.taken("Action: failed") and not far.taken("onward-3") and not far.taken("onward-4"), far.messages())
    check("the log tells", len(re.findall(r"not-redirected .* account=bob@example.test to=on@far.example reason=\"the account has sent as much as it may\"", site.log())) == 2 and
          limited("bob") == 2, site.log()[-3000:])
    check("the postmaster is told once", own_site.within(lambda: alerts("bob")) and len(alerts("bob")) == 1 and "Sieve script" in alerts("bob")[0], alerts("bob"))
    replies, last = site.send("bob@example.test", ["u3@example.test"], "by himself", login="bob")
    check("the user may send what he could before", last.startswith("250") and kept("u3", "by himself"), (replies, last))
    site.kill("queue")
    send("bob", "onward-5")
    check("a new start forgets none of it", kept("bob", "onward-5") and not far.taken("onward-5"), site.log()[-3000:])

    # A copy in a folder, and one in the inbox in place of what is not sent on; each once.
    site.script("bob", 'require ["copy", "fileinto", "mailbox"]; fileinto :create "Filed"; redirect :copy "on@far.example";')
    send("bob", "filed")
    filed = f"{site.state}/mail/example.test/bob/Maildir/.Filed"
    check("what is filed is filed once, and kept once", kept("bob", "Subject: filed") and site.queue_empties() and len(site.delivered("bob", "Subject: filed")) == 1 and
          len(own_site.mails(filed)) == 1, own_site.mails(filed))

    # The file forward.
    site.tool("mailuser", "forward", "u1@example.test", "friend@far.example")
    for number in range(4):
        send("u1", f"forwarded-{number}")
    check("so is what an account's forward sends", kept("u1", "forwarded-3") and own_site.within(lambda: far.taken("forwarded-2")) and not far.taken("forwarded-3") and
          not site.delivered("u1", "forwarded-2"), site.log()[-3000:])
    check("of which the log tells as well", re.search(r"not-forwarded .* to=friend@far.example reason=\"the account has sent as much as it may\"", site.log()), site.log()[-3000:])

    # Several at once: all of them or none, and then there is room for one.
    site.script("u3", 'redirect "a@far.example"; redirect "b@far.example";')
    for number in range(2):
        send("u3", f"several-{number}")
    check("what goes to several goes to all or none", kept("u3", "several-1") and own_site.within(lambda: len(far.taken("several-0")) == 2) and not far.taken("several-1"), site.log()[-3000:])
    site.script("u3", 'redirect "a@far.example";')
    send("u3", "single")
    check("and what did not go does not count", own_site.within(lambda: far.taken("single")) and not site.delivered("u3", "single"), site.log()[-3000:])

    # Answers.
    site.script("u2", 'require "vacation"; vacation "Away now.";')
    for number in range(4):
        send("u2", f"asked-{number}", sender=f"s{number}@away.example")
    check("mail that is answered is kept", all(kept("u2", f"asked-{n}") for n in range(4)))
    check("it is answered as long as the account may answer", own_site.within(lambda: len(far.taken("Away now.")) == 3) and site.queue_empties() and len(far.taken("Away now.")) == 3)
    check("the log tells of what was not", re.search(r"not-answered account=u2@example.test to=s3@away.example reason=\"the account has sent as much as it may\"", site.log()), site.log()[-3000:])
    check("a refusal is an answer to the client, and none of these", (site.script("u2", 'require "reject"; reject "Not here.";'), send("u2", "refused"))[1].startswith("550"), site.log()[-2000:])
    check("no process died but the one that was killed", not [line for line in site.deaths() if "role=queue" not in line], site.deaths())
finally:
    site.stop()
    far.stop()
sys.exit(results.failed)
