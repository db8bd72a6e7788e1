#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Files that a reload refused, and roles that are started again after it: they have what was accepted, so that nothing is refused for
good, and no daemon stops for it."""
import os
import re
import signal
import sys
import time

import own_site

results = own_site.Results()
check = results.check
far = own_site.FarHost("far", own_site.outer + 732)
etc = f"{own_site.work}/demo/etc"
os.makedirs(etc, exist_ok=True)
good = {"aliases": "info@example.test: alice\nout@example.test: x@far.example, bob\n", "srs.secret": "0123456789abcdef of a test\n",
        "rules": 'bad: header Subject contains "unwanted" refuse\n', "dkim.keys": "# none yet\n"}
site = own_site.Site(own_site.outer + 740, f'relay_host = "127.0.0.1:{own_site.outer + 732}"; retry_min = "1s"; srs_secret = "{etc}/srs.secret"; '
                                           f'rules = "{etc}/rules"; dkim_keys = "{etc}/dkim.keys";', files=good)


def answers(*addresses):
    """What each gets, once that is no longer 'later'."""
    def final():
        said = site.talk(["MAIL FROM:<>", *(f"RCPT TO:<{one}>" for one in addresses)])[1:]
        return said if not any(one.startswith("4") for one in said) else None
    return own_site.within(final) or []


try:
    site.send("s@away.example", ["out@example.test"], "a way back")
    found = own_site.within(lambda: far.taken("a way back"))
    back = re.search(r"<(.*?)>", found[0][0]["mail"]).group(1)
    check("senders are rewritten", back.startswith("SRS0="), found)

    for name in good:
        site.put(name, "nonsense\n", 0o600)
    with open(f"{site.state}/tls/key.pem", "r+", encoding="ascii") as file:
        key = file.read()
        file.seek(0)
        file.truncate()
    check("files with faults are refused", site.reload("not-reloaded"), site.log()[-3000:])
    for role in ("auth", "queue", "key", "relay", "smtp"):
        check(f"{role} is started again", site.kill(role), site.log()[-3000:])
    said = answers("info@example.test", back, "nowhere@example.test")
    check("aliases and ways back are what they were", [one[:3] for one in said] == ["250", "250", "550"], (said, site.log()[-3000:]))
    site.send("s@away.example", ["out@example.test"], "another way back")
    found = own_site.within(lambda: far.taken("another way back"))
    check("senders are rewritten still", found and "<SRS0=" in found[0][0]["mail"], (found, site.log()[-3000:]))
    check("TLS has its key still", site.talk(["NOOP"], login="alice")[-1].startswith("250"), site.log()[-3000:])
    check("each was started once", len(site.deaths()) == 5 and "role-keeps-ending" not in site.log(), site.deaths())

    with open(f"{site.state}/tls/key.pem", "r+", encoding="ascii") as file:
        file.write(key)
    for name, text in good.items():
        site.put(name, text, 0o600)
    site.put("aliases", "other@example.test: bob\n")
    check("mended files are taken", site.reload() and [one[:3] for one in answers("other@example.test", "info@example.test")] == ["250", "550"], site.log()[-3000:])
    check("and had by who is started after it", site.kill("auth") and [one[:3] for one in answers("other@example.test", "info@example.test")] == ["250", "550"], site.log()[-3000:])

    # A fault of a moment, in a role that has worked: in the four seconds it has. The spool is not there for it; others do without.
    spool = f"{site.state}/spool"
    time.sleep(4)
    os.rename(spool, f"{spool}.away")
    os.kill(own_site.role_pid(site.state, "queue"), signal.SIGKILL)
    check("a role that cannot begin is tried later and later", site.logged(r"role-waits role=queue milliseconds=1000"), site.log()[-3000:])
    said = site.talk(["MAIL FROM:<s@away.example>", "RCPT TO:<alice@example.test>", "DATA"])
    check("meanwhile mail is put off", [one[:1] for one in said] == ["2", "2", "4"], said)
    os.rename(f"{spool}.away", spool)
    check("and taken once that is mended", own_site.within(lambda: site.send("s@away.example", ["alice@example.test"], "after it")[1].startswith("250")), site.log()[-3000:])

    # A database that is away has no accounts, and does not say so of any.
    database = re.search(r'(?m)^accounts_db = "(.*)"', own_site.read(f"{etc}/fourpost.conf"))[1]
    os.rename(database, f"{database}.away")
    said = site.talk(["MAIL FROM:<s@away.example>", "RCPT TO:<alice@example.test>", "RCPT TO:<nobody@example.test>"])
    check("without its accounts it refuses nobody for good", [one[:3] for one in said[1:]] == ["451", "451"] and site.logged("accounts-missing"), said)
    os.rename(f"{database}.away", database)
    said = site.talk(["MAIL FROM:<s@away.example>", "RCPT TO:<alice@example.test>", "RCPT TO:<nobody@example.test>"])
    check("and knows them when they are back", [one[:3] for one in said[1:]] == ["250", "550"], said)

    conf = own_site.read(f"{etc}/fourpost.conf")
    site.put("fourpost.conf", re.sub(r'(?m)^spool_dir = .*$', "", conf) + f'spool_dir = "{own_site.work}/elsewhere";\n')
    check("another spool_dir is refused", site.reload(r"spool_dir needs a restart") and site.reload("not-reloaded"), site.log()[-2000:])
    site.put("fourpost.conf", conf)
    check("what is as before is not", site.reload(), site.log()[-2000:])
    check("the queue ends empty", site.queue_empties(), site.tool("mailqueue", "list", conf="smtpd.conf"))
finally:
    site.stop()
    far.stop()
sys.exit(results.failed)
