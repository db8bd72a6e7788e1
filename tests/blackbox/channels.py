#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""A channel between two roles breaks, and neither of them does: they have another, and nothing waits for a new start."""
import sys

import own_site

results = own_site.Results()
check = results.check
far = own_site.FarHost("far", own_site.outer + 960)
site = own_site.Site(own_site.outer + 820, f"""\
retry_min = "1s"; retry_max = "2s";
relay_host = "127.0.0.1:{own_site.outer + 960}";
""")


def roles():
    return {role: own_site.role_pid(site.state, role) for role in ("smtp", "queue", "relay", "resolve", "auth", "key", "filter", "policy")}


try:
    before = roles()
    site.send("alice@example.test", ["x@far.example"], "first", login="alice")
    check("mail goes out", own_site.within(lambda: far.taken("first")), site.log()[-3000:])
    # It gets the message's descriptor with each job.
    own_site.limit_descriptors(before["relay"], 3)
    site.send("alice@example.test", ["x@far.example"], "second", login="alice")
    check("what the relay role cannot take breaks its channel", site.logged(r"peer-misbehaved"), site.log()[-3000:])
    own_site.limit_descriptors(before["relay"], 1000)
    check("and goes out all the same", own_site.within(lambda: far.taken("second")), site.log()[-3000:])
    check("once", len(far.taken("second")) == 1)
    check("the queue tells of the channel", site.logged(r"channel-lost peer=relay"), site.log()[-3000:])
    site.send("alice@example.test", ["x@far.example"], "third", login="alice")
    check("as the next does", own_site.within(lambda: far.taken("third")), site.log()[-3000:])
    check("by the same processes", roles() == before, (before, roles(), site.log()[-3000:]))
    check("no role died", not site.deaths(), site.deaths())
finally:
    site.stop()
    far.stop()
sys.exit(results.failed)
