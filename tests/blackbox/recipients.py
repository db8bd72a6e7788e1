#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Hosts that take some recipients at a time, by what they offer (LIMITS, RFC 9422) or by their replies (RFC 5321 section 4.5.3.1.10): the others go at once, and
the next message is divided beforehand. And one that hangs up on some messages: the others do not wait for those."""
import itertools
import re
import sys

import own_site

results = own_site.Results()
check = results.check
outer = own_site.outer
far = {
    "few": own_site.FarHost("few", outer + 860, options=["--take=2"]),
    "slow": own_site.FarHost("slow", outer + 861, options=["--take=3", "--no-pipelining"]),
    "limits": own_site.FarHost("limits", outer + 862, options=["--offer-limits=RCPTMAX=2 MAILMAX=2 RCPTDOMAINMAX=1"]),
    "breaks": own_site.FarHost("breaks", outer + 863),
}
routes = ", ".join(f'"{name}{at} smtp+notls://127.0.0.1:{outer + 860 + i}"' for i, name in enumerate(far) for at in (".example", ".other.example"))
# What is put off is not tried again.
site = own_site.Site(outer + 880, f'routes = [ {routes} ]; retry_min = "1h"; retry_max = "1h";')


def send(host, word, users, domains=(".example",)):
    wanted = sorted(f"{user}@{host}{domain}" for user in users for domain in domains)
    replies, last = site.send("alice@example.test", [f"{user}@{host}{domain}" for user in users for domain in domains], word, login="alice")
    check(f"{host}, {word}: taken", last.startswith("250"), (replies, last))
    found = own_site.within(lambda: (got := far[host].taken(word)) and sum(len(about["rcpt"]) for about, _ in got) == len(wanted) and got)
    recipients = [[re.search("<(.*)>", one).group(1) for one in about["rcpt"]] for about, _ in found or []]
    check(f"{host}, {word}: each recipient has it, once, by the first attempt", sorted(itertools.chain(*recipients)) == wanted, (recipients, site.log()[-3000:]))
    return recipients, [about["session"] for about, _ in found or []]


USERS = ["a", "b", "c", "d", "e", "f", "g"]
try:
    for name, most, port in (("few", 2, outer + 860), ("slow", 3, outer + 861)):
        transactions, sessions = send(name, "first-word", USERS)
        check(f"{name}: as many at once as it takes, over one connection", [len(one) for one in transactions] == [most] * (7 // most) + [1] and len(set(sessions)) == 1, (transactions, sessions))
        transactions, _ = send(name, "second-word", USERS)
        check(f"{name}: the next message is divided before", [len(one) for one in transactions] == [most] * (7 // most) + [1] and
              len(re.findall(rf" too-many-recipients .*:{port} taken={most}", site.log())) == 1, site.log()[-3000:])
    transactions, sessions = send("limits", "first-word", USERS, (".example", ".other.example"))
    check("limits: recipients of one transaction, and of one domain", all(len(one) <= 2 and len({address.partition("@")[2] for address in one}) == 1 for one in transactions), transactions)
    check("limits: transactions of one connection", len(transactions) == 8 and max(sessions.count(one) for one in sessions) == 2, sessions)
    for n in range(40):
        site.send("alice@example.test", [f"never-{n}@breaks.example"], f"never-{n}-word", login="alice")
    check("breaks: what it hangs up on waits", own_site.within(lambda: len(set(re.findall(r" deferred .* to=(never-\d+)@", site.log()))) == 40), site.log()[-3000:])
    check("breaks: it is not taken for down", "destination-down" not in site.log(), site.log()[-3000:])
    send("breaks", "fine-word", ["x"])
    # More of them than one message between the roles holds.
    many = [f"bob+{n:03d}{'x' * 50}@example.test" for n in range(600)]
    replies, last = site.send("alice@example.test", many, "many-word", login="alice")
    check("hundreds of long addresses are taken", last.startswith("250") and len(replies) == 600, (len(replies), last))
    check("and each has it, once", own_site.within(lambda: len(site.delivered("bob", "many-word")) == 600) and
          len({re.search("Delivered-To: (.*)", one).group(1) for one in site.delivered("bob", "many-word")}) == 600, site.log()[-2000:])
    check("no role of it died", not site.deaths(), site.deaths())
finally:
    site.stop()
    for host in far.values():
        host.stop()
sys.exit(results.failed)
