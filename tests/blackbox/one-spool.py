#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""A second smtpd on a spool does not start, and touches nothing there; one that follows a parent that was killed begins at once, but for
its queue, which waits for the former one's end."""
import glob
import os
import re
import signal
import subprocess
import sys
import time

import own_site

results = own_site.Results()
check = results.check
site = own_site.Site(own_site.outer + 760)
conf = f"{site.state}/etc/second.conf"
log = f"{own_site.work}/second.log"


def second():
    with open(log, "w", encoding="utf-8") as file:
        return subprocess.Popen([f"{own_site.programs}/smtpd", "-C", conf], stdin=subprocess.DEVNULL, stdout=file, stderr=file)


process = None
try:
    assert site.logged(" queue-read "), site.log()  # it begins with what a former queue has left
    first = int(own_site.read(f"{site.state}/run/smtpd.pid"))
    site.put("second.conf", re.sub(r"127\.0\.0\.1:(\d+)", lambda found: f"127.0.0.1:{int(found[1]) + 1}", own_site.read(f"{site.state}/etc/smtpd.conf")))
    left = f"{site.state}/spool/queue/AA/tmp.0006278AA1C3D4E0"
    with open(left, "w", encoding="ascii") as file:
        file.write("what the first one is writing\n")
    process = second()
    began = time.monotonic()
    try:
        status = process.wait(20)
    except subprocess.TimeoutExpired:
        status = None
    said = own_site.read(log)
    check("a second smtpd on the spool does not start", status not in (None, 0) and time.monotonic() - began < 10, (status, said))
    check("and says who has it", f"the spool is in use by pid {first}" in said, said)
    check("it has touched nothing", os.path.exists(left), os.listdir(os.path.dirname(left)))
    done = subprocess.run([f"{own_site.programs}/smtpd", "-C", conf, "-J", "queue"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60, check=False)
    check("the trial of a jail is free beside it", done.returncode == 0 and "refused" in done.stdout, done)
    check("nobody but its owner opens the lock", os.stat(f"{site.state}/spool/lock").st_mode & 0o777 == 0o600)

    # A parent that is killed has let go at once, whatever its roles do; what they still do there ends before the next queue begins.
    queue = own_site.role_pid(site.state, "queue")
    os.kill(queue, signal.SIGSTOP)
    os.kill(first, signal.SIGKILL)
    own_site.within(lambda: not os.path.exists(f"/proc/{first}") or own_site.read(f"/proc/{first}/stat").split(") ")[1][0] == "Z")
    process = second()
    check("another starts when the first one's parent was killed", own_site.within(lambda: re.search(" started ", own_site.read(log)), 20), own_site.read(log))
    time.sleep(1)
    check("its queue waits for the former one", os.path.exists(left) and process.poll() is None, (glob.glob(f"{site.state}/spool/queue/AA/*"), own_site.read(log)))
    os.kill(queue, signal.SIGCONT)
    check("and begins when that has ended", own_site.within(lambda: not os.path.exists(left)), own_site.read(log))
    check("no role has died of it", "role-" not in own_site.read(log), own_site.read(log))
    check("its number is in the file", own_site.read(f"{site.state}/spool/lock") == f"{process.pid}\n", own_site.read(f"{site.state}/spool/lock"))
finally:
    if process is not None:
        process.terminate()
        process.wait()
    site.stop()
sys.exit(results.failed)
