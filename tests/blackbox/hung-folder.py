#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""The folder of one account is on a file system that does not answer: its owner is told to come again later, within a bounded time, by all four daemons;
nobody else waits, and all is well once it answers."""
import imaplib
import os
import signal
import subprocess
import sys
import threading
import time

import jmap_client
import own_site
import silent_folder

results = own_site.Results()
check = results.check
if not silent_folder.is_possible():
    print(f"ok - {own_site.lane}: a folder that does not answer (left out: it takes root and /dev/fuse)")
    sys.exit(0)
site = own_site.Site(own_site.outer + 830, 'retry_min = "1s"; retry_max = "2s";')
jmap_client.HTTPS = site.base + 443
BOUND = 40  # the parent's patience is 20 seconds
QUICK = 8


def timed(function, *arguments):
    began = time.monotonic()
    return function(*arguments), time.monotonic() - began


def imap(user, port=143):
    """What a login comes to: OK, or what was said."""
    client = (imaplib.IMAP4 if port == 143 else imaplib.IMAP4_SSL)("127.0.0.1", site.base + port, timeout=60)
    try:
        if port == 143:
            client.starttls()
        client.login(f"{user}@example.test", "demo")
        client.select()
        client.logout()
        return "OK"
    except imaplib.IMAP4.error as error:
        return str(error)


def web(client):
    """http may not have seen yet that the session which it had has ended, and says so at once, once."""
    begin = time.monotonic()
    status = client.status()
    return client.status() if status == 503 and time.monotonic() - begin < 1 else status


def workers(role, user):
    done = subprocess.run(["pgrep", "-f", f"^[a-z0-9]+: {role} {user}@example.test"], capture_output=True, text=True, check=False)
    state = {own_site.read(f"{site.state}/run/{name}.pid").strip() for name in ("smtpd", "imapd", "pop3d", "webmaild")}
    return [pid for pid in done.stdout.split() if own_site.read(f"/proc/{pid}/stat").rpartition(")")[2].split()[1:2] and
            own_site.read(f"/proc/{pid}/stat").rpartition(")")[2].split()[1] in state]


def log_of(daemon):
    return own_site.read(f"{site.state}/log/{daemon}.log")


silent = None
try:
    for user in ("alice", "bob"):
        site.send("s@away.example", [f"{user}@example.test"], f"before to {user}")
    check("all is well at first", own_site.within(lambda: site.delivered("bob", "before to bob")) and imap("bob") == "OK" and site.pop("bob") == "OK", site.log()[-3000:])
    browsers = {user: jmap_client.Client(f"{user}@example.test") for user in ("alice", "bob")}
    for pid in workers("deliver", "bob") + workers("session", "bob"):
        os.kill(int(pid), signal.SIGTERM)
    own_site.within(lambda: not workers("deliver", "bob") and not workers("session", "bob"))

    silent = silent_folder.SilentFolder(f"{site.state}/mail/example.test/bob")
    said = {}
    asked = {"imap": (imap, "bob"), "imaps": (imap, "bob", 993), "pop3": (site.pop, "bob"), "web": (web, browsers["bob"]),
             "smtp": (lambda: site.send("s@away.example", ["bob@example.test", "alice@example.test"], "meanwhile")[1],)}
    threads = [threading.Thread(target=lambda name=name, call=call: said.update({name: timed(*call)})) for name, call in asked.items()]
    for thread in threads:
        thread.start()
    check("their workers hang", own_site.within(lambda: len(workers("session", "bob")) >= 4 and workers("deliver", "bob"), 20), (said, workers("session", "bob")))
    for name, call in {"imap": (imap, "alice"), "pop3": (site.pop, "alice"), "web": (browsers["alice"].status,)}.items():
        what, seconds = timed(*call)
        check(f"another account is served at once by {name}", what in ("OK", 200) and seconds < QUICK, (what, seconds))
    what, seconds = timed(site.send, "s@away.example", ["alice@example.test"], "to another")
    check("and has its mail", what[1].startswith("250") and own_site.within(lambda: site.delivered("alice", "to another"), QUICK), (what, seconds, site.log()[-3000:]))
    before = len(site.log())
    os.kill(int(own_site.read(f"{site.state}/run/smtpd.pid")), signal.SIGHUP)
    check("a reload is not kept waiting", own_site.within(lambda: " reloaded " in site.log()[before:], QUICK), site.log()[before:])
    for thread in threads:
        thread.join(60)
    wanted = {"imap": "[UNAVAILABLE]", "imaps": "[UNAVAILABLE]", "pop3": "[SYS/TEMP]", "web": "503", "smtp": "250"}
    for name, word in wanted.items():
        what, seconds = said.get(name, ("nothing", 1000))
        check(f"the owner is told to come again, in time, by {name}", word in str(what) and seconds < BOUND, (what, seconds))
    for daemon in ("smtpd", "imapd", "pop3d", "webmaild"):
        check(f"the log of {daemon} tells", own_site.within(lambda d=daemon: "worker-not-started account=bob@example.test" in log_of(d) and f"folder={site.state}/mail" in log_of(d)),
              log_of(daemon)[-2000:])
    check("no session stays", own_site.within(lambda: not workers("session", "bob")), workers("session", "bob"))
    check("the message for two is with the other", own_site.within(lambda: site.delivered("alice", "meanwhile")), site.log()[-3000:])

    silent.lift()
    check("the owner gets the mail when the folder answers", own_site.within(lambda: site.delivered("bob", "meanwhile")), site.log()[-3000:])
    check("once", len(site.delivered("bob", "meanwhile")) == 1 and len(site.delivered("alice", "meanwhile")) == 1)
    check("and is served again", imap("bob") == "OK" and imap("bob", 993) == "OK" and site.pop("bob") == "OK" and browsers["bob"].status() == 200, log_of("webmaild")[-2000:])
finally:
    if silent is not None:
        silent.lift()
    site.stop()
sys.exit(results.failed)
