#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""A spool with room for one of the two messages that come of an alias: nobody gets his again and again."""
import os
import subprocess
import sys
import time

import own_site

results = own_site.Results()
check = results.check
port, ports = own_site.outer + 942, own_site.outer + 950
options = f'relay_host = "127.0.0.1:{port}"; retry_min = "1s"; srs_secret = "{own_site.work}/demo/etc/srs.secret";'


def start():
    return own_site.Site(ports, options, aliases="out@example.test: x@far.example, bob\n", files={"srs.secret": "0123456789abcdef of a test\n"})


if os.geteuid() != 0:
    print("ok - narrow spool # skipped: needs root to mount a small file system")
    sys.exit(0)
far = own_site.FarHost("far", port)
site = start()
site.stop()
queue = f"{site.state}/spool/queue"
owner = os.stat(queue)
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=5m,mode=700,uid={owner.st_uid},gid={owner.st_gid}", "tmpfs", queue], check=True)
try:
    site = start()
    said, last = site.send("s@away.example", ["out@example.test"], "too much for it", body="x" * 76 + "\r\n" + ("y" * 76 + "\r\n") * 25000)
    check("the message is taken", last.startswith("250 "), last)
    check("there is no room for what comes of it", site.logged(r" alias-not-expanded .*No space left"), site.log()[-2000:])
    time.sleep(4)
    check("nobody has it yet", not site.delivered("bob", "too much for it") and not far.taken("too much for it"), len(site.delivered("bob", "too much for it")))
    subprocess.run(["mount", "-o", "remount,size=50m", queue], check=True)
    check("with room each gets it once", own_site.within(lambda: site.delivered("bob", "too much for it") and far.taken("too much for it")) and site.queue_empties() and
          len(site.delivered("bob", "too much for it")) == 1 and len(far.taken("too much for it")) == 1, site.log()[-3000:])

    # The same of an account that sends its mail on to two.
    subprocess.run(["mount", "-o", "remount,size=5m", queue], check=True)
    site.tool("mailuser", "forward", "-k", "u1@example.test", "x@far.example", "y@far.example")
    said, last = site.send("s@away.example", ["u1@example.test"], "to two of them", body="x" * 76 + "\r\n" + ("y" * 76 + "\r\n") * 25000)
    check("a message to be sent on is taken", last.startswith("250 "), last)
    check("there is no room for both", site.logged(r" not-submitted .*No space left"), site.log()[-2000:])
    time.sleep(4)
    check("nobody elsewhere has it yet", not far.taken("to two of them"), len(far.taken("to two of them")))
    subprocess.run(["mount", "-o", "remount,size=50m", queue], check=True)
    check("with room each gets it once, the account too", own_site.within(lambda: len(far.taken("to two of them")) == 2) and site.queue_empties() and
          len(far.taken("to two of them")) == 2 and len(site.delivered("u1", "to two of them")) == 1, site.log()[-3000:])
finally:
    site.stop()
    far.stop()
    subprocess.run(["umount", "-l", queue], check=False)
sys.exit(results.failed)
