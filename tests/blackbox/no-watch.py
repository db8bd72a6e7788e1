#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""An account for which the system has no watch left (fs.inotify.max_user_instances, which counts by uid): a client in IDLE and a browser hear of
their mail all the same, a little later, and the logs tell what is missing. On the running instance."""
import ctypes
import errno
import imaplib
import os
import resource
import ssl
import sys

import jmap_client
import own_site

results = own_site.Results()
check = results.check
USER = "u3"
STATE = os.environ["STATE"]
MESSAGE = b"Subject: x\r\n\r\nx\r\n"
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE


def take_all(uid, ready, until):
    """A process that has all the watches that uid may have; not 0 when it may have more than a process may have descriptors."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    libc = ctypes.CDLL(None, use_errno=True)
    count = 0
    while libc.inotify_init1(0) >= 0:
        count += 1
    os.write(ready, b"%d" % (0 if ctypes.get_errno() != errno.EMFILE or count > most - 20 else 1))
    os.read(until, 1)


def exhausted(uid):
    ready, until = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(until[1])
        try:
            take_all(uid, ready[1], until[0])
        finally:
            os._exit(0)
    return pid, until[1], os.read(ready[0], 1) == b"1"


def login():
    client = imaplib.IMAP4_SSL("127.0.0.1", own_site.outer + 993, ssl_context=context, timeout=own_site.patience)
    client.login(f"{USER}@example.test", "demo")
    return client


def until(client, begins):
    lines = []
    while not lines or not lines[-1].startswith(begins):
        lines.append(client.readline())
        if not lines[-1]:
            break
    return lines


other = login()
other.create("no-watch")
client = login()
client.select("no-watch")
log = f"{STATE}/log/imapd.log"
before = len(own_site.read(log))
pid, end, all_taken = exhausted(os.stat(f"{STATE}/mail/example.test/{USER}").st_uid)
try:
    if not all_taken:
        print(f"ok - {own_site.lane}: # skip: more watches than descriptors")
    else:
        client.send(b"i1 IDLE\r\n")
        check("IDLE is taken", until(client, b"+")[-1].startswith(b"+ "))
        other.append("no-watch", None, None, MESSAGE)
        try:
            lines = until(client, b"* 1 EXISTS")
        except OSError as problem:
            lines = [repr(problem).encode()]
        check("mail is told without a watch", lines[-1].startswith(b"* 1 EXISTS"), lines)
        check("the log says why it takes longer", " no-watch " in own_site.read(log)[before:], own_site.read(log)[before:][-2000:])
        client.send(b"DONE\r\n")
        check("DONE ends it", until(client, b"i1 ")[-1].startswith(b"i1 OK"))
        events = jmap_client.Client(f"{USER}@example.test", basic=True).events("types=Email&closeafter=no&ping=0")
        other.append("no-watch", None, None, MESSAGE)
        try:
            event = events.next()
        except OSError as problem:
            event = (repr(problem),)
        check("and on the web", event is not None and event[0] == "state", event)
        check("of which its log tells", " no-watch " in own_site.read(f"{STATE}/log/webmaild.log"))
        events.close()
finally:
    os.close(end)
    os.waitpid(pid, 0)
other.delete("no-watch")
other.logout()
sys.exit(results.failed)
