#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""No process can be made for a while: the daemons go on, whoever wants what takes one is told to come again, and all is well by itself afterwards."""
import imaplib
import os
import signal
import subprocess
import sys
import time

import jmap_client
import own_site

results = own_site.Results()
check = results.check
library, flag = f"{own_site.work}/no_process.so", f"{own_site.work}/no-process"
compiled = own_site.lane == "release" and subprocess.run(["cc", "-shared", "-fPIC", "-o", library, f"{own_site.here}/no_process.c"], check=False).returncode == 0
if not compiled:
    print(f"ok - {own_site.lane}: no process can be made (left out: it takes a compiler, and no sanitizer)")
    sys.exit(0)
DAEMONS = ("smtpd", "imapd", "pop3d", "webmaild")
site = own_site.Site(own_site.outer + 840, 'retry_min = "1s"; retry_max = "2s";', environment={"LD_PRELOAD": library, "NO_PROCESS": flag})
jmap_client.HTTPS = site.base + 443


def imap(user="bob"):
    client = imaplib.IMAP4_SSL("127.0.0.1", site.base + 993, timeout=60)
    try:
        client.login(f"{user}@example.test", "demo")
        client.logout()
        return "OK"
    except imaplib.IMAP4.error as error:
        return str(error)


def pid(daemon):
    return int(own_site.read(f"{site.state}/run/{daemon}.pid"))


def log_of(daemon):
    return own_site.read(f"{site.state}/log/{daemon}.log")


def end_workers():
    for daemon in DAEMONS:
        subprocess.run(["pkill", "-TERM", "-P", str(pid(daemon)), "-f", f"^{daemon}: (deliver|session)"], check=False)
        own_site.within(lambda d=daemon: subprocess.run(["pgrep", "-P", str(pid(d)), "-f", f"^{d}: (deliver|session)"], stdout=subprocess.DEVNULL, check=False).returncode)


try:
    site.send("s@away.example", ["bob@example.test"], "before")
    check("all is well at first", own_site.within(lambda: site.delivered("bob", "before")) and imap() == "OK" and site.pop("bob") == "OK", site.log()[-3000:])
    browser = jmap_client.Client("bob@example.test")
    check("on the web too", browser.status() == 200)
    pids = {daemon: pid(daemon) for daemon in DAEMONS}
    end_workers()
    with open(flag, "w", encoding="ascii"):
        pass
    os.chmod(flag, 0o644)

    for name, what, word in (("imapd", imap, "[UNAVAILABLE]"), ("pop3d", lambda: site.pop("bob"), "[SYS/TEMP]"), ("webmaild", lambda: str(browser.status()), "503")):
        said = what()
        check(f"{name} says that it cannot now", word in said, said)
        check("and its log tells why", "fork-failed" in log_of(name) and "worker-not-started account=bob@example.test" in log_of(name), log_of(name)[-2000:])
    said = site.send("s@away.example", ["bob@example.test"], "meanwhile")
    check("mail is taken", said[1].startswith("250"), (said, site.log()[-3000:]))
    check("and waits", site.logged(r"worker-not-started account=bob@example.test"), site.log()[-3000:])
    before = len(site.log())
    os.kill(pids["smtpd"], signal.SIGHUP)
    check("a reload is refused", site.logged(r"not-reloaded", before), site.log()[before:])
    time.sleep(3)  # they have worked
    os.kill(own_site.role_pid(site.state, "auth"), signal.SIGKILL)
    check("a role that ends is waited for", site.logged(r"role-waits role=auth milliseconds=1000", before), site.log()[before:])
    said = site.talk(["MAIL FROM:<s@away.example>", "RCPT TO:<bob@example.test>"])
    check("and clients are told to come again", said[1].startswith("451"), said)
    check("no daemon has stopped", all(os.path.exists(f"/proc/{one}") for one in pids.values()) and {daemon: pid(daemon) for daemon in DAEMONS} == pids)

    os.unlink(flag)
    check("mail comes by itself", own_site.within(lambda: site.delivered("bob", "meanwhile")), site.log()[-3000:])
    check("once", len(site.delivered("bob", "meanwhile")) == 1)
    check("and all is well again", imap() == "OK" and site.pop("bob") == "OK" and browser.status() == 200, [log_of(name)[-1000:] for name in DAEMONS])
    site.send("s@away.example", ["bob@example.test"], "afterwards")
    check("new mail comes", own_site.within(lambda: site.delivered("bob", "afterwards")), site.log()[-3000:])
    check("a reload is taken", site.reload())
finally:
    if os.path.exists(flag):
        os.unlink(flag)
    site.stop()
sys.exit(results.failed)
