#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Sessions whose process ends while their client waits: an imapd of our own (ports BASE_PORT+1143 and +1993) on the accounts of
the running instance, with hibernate_after = 1. What others do reaches the client all the same, and it notices nothing."""
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time

BASE, STATE, BIN, TMP = int(os.environ["BASE_PORT"]), os.environ["STATE"], os.environ["BIN"], os.environ["TMP"]
LANE = os.environ.get("LANE", "release")
USER = "bob@example.test"
failures = 0


def check(name, good, detail=""):
    global failures
    print("%s - %s: %s%s" % ("ok" if good else "not ok", LANE, name, "" if good else "\n    %s" % (detail,)))
    failures += not good


class Client:
    def __init__(self, tls):
        self.socket = socket.create_connection(("127.0.0.1", BASE + (1993 if tls else 1143)), timeout=20)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")
        self.count = 0
        self.line()
        self.command('LOGIN %s demo' % USER)

    def send(self, text):
        self.socket.sendall(text.encode())

    def line(self):
        line = self.file.readline().decode()
        if not line.endswith("\r\n"):
            raise EOFError("the server closed after %r" % line)
        return line[:-2]

    def until(self, pattern):
        lines = []
        while not lines or not re.match(pattern, lines[-1]):
            lines.append(self.line())
        return lines

    def command(self, text):
        self.count += 1
        self.send("t%d %s\r\n" % (self.count, text))
        return self.until("t%d " % self.count)

    def append(self, box):
        message = "Subject: x\r\n\r\nx\r\n"
        return self.command("APPEND %s {%d+}\r\n%s" % (box, len(message), message))


def sessions(parent):
    """Session processes of this instance."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as stat:
                fields = stat.read().rsplit(") ", 1)[1].split()
            with open("/proc/%s/cmdline" % pid) as line:
                if int(fields[1]) == parent and fields[0] != "Z" and line.read().startswith("imapd: session"):
                    found.append(int(pid))
        except (OSError, IndexError, ValueError):
            continue
    return found


def asleep(parent):
    end = time.monotonic() + 15
    while time.monotonic() < end:
        if not sessions(parent):
            return True
        time.sleep(0.1)
    return False


def idle_through(parent, tls):
    name = "with TLS" if tls else "without TLS"
    client, other = Client(tls), Client(True)
    box = "sleep-%d-%d" % (os.getpid(), tls)
    other.command("CREATE " + box)
    for _ in range(3):
        other.append(box)
    client.command("SELECT " + box)
    client.send("i1 IDLE\r\n")
    client.until(r"\+")
    check("%s: idle sessions have no process" % name, asleep(parent), sessions(parent))
    before = time.monotonic()
    other.append(box)
    lines = client.until(r"\* 4 EXISTS")
    check("%s: new mail wakes the session at once" % name, time.monotonic() - before < 3 and len(lines) == 1, lines)
    client.until(r"\* \d+ RECENT")
    check("%s: and it sleeps again" % name, asleep(parent), sessions(parent))
    other.command("SELECT " + box)
    other.command(r"STORE 1 +FLAGS (\Flagged)")
    lines = client.until(r"\* 1 FETCH")
    check("%s: a flag is told" % name, len(lines) == 1 and "Flagged" in lines[0], lines)
    asleep(parent)
    other.command(r"STORE 2 +FLAGS.SILENT (\Deleted)")
    client.until(r"\* 2 FETCH")
    asleep(parent)
    other.command("EXPUNGE")
    lines = client.until(r"\* \d+ EXPUNGE")
    check("%s: an expunge is told with the number the client knows" % name, lines == ["* 2 EXPUNGE"], lines)
    check("%s: asleep before DONE" % name, asleep(parent), sessions(parent))
    client.send("DONE\r\nn1 NOOP\r\n")
    lines = client.until("n1 ")
    check("%s: DONE and what comes behind it are answered" % name, [l[:5] for l in lines] == ["i1 OK", "n1 OK"], lines)
    lines = client.command("FETCH 1:* UID")
    check("%s: numbers and UIDs are as the client was told" % name,
          [l for l in lines if l.startswith("*")] == ["* 1 FETCH (UID 1)", "* 2 FETCH (UID 3)", "* 3 FETCH (UID 4)"], lines)
    check("%s: it sleeps without IDLE, too" % name, asleep(parent), sessions(parent))
    other.append(box)
    check("%s: news wait for a command then" % name, asleep(parent), sessions(parent))
    lines = client.command("NOOP")
    check("%s: which gets them" % name, "* 4 EXISTS" in lines, lines)
    other.command("UNSELECT")
    asleep(parent)
    client.socket.close()
    other.command("DELETE " + box)
    other.send("l1 LOGOUT\r\n")
    lines = other.until("l1 ")
    check("%s: LOGOUT wakes it for the last time" % name, lines[-1].startswith("l1 OK"), lines)


def main():
    path = os.path.join(STATE, "etc", "imapd-sleep.conf")  # beside what it includes
    with open(path, "w") as conf:
        conf.write('@include "fourpost.conf"\nlisten_imap = [ "127.0.0.1:%d" ];\nlisten_imaps = [ "127.0.0.1:%d" ];\n'
                   'hibernate_after = 1;\nplaintext_login = true;\n' % (BASE + 1143, BASE + 1993))
    with open(os.path.join(TMP, "imapd.log"), "w") as log:
        daemon = subprocess.Popen([os.path.join(BIN, "imapd"), "-C", path], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", BASE + 1143), timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        for tls in (True, False):
            idle_through(daemon.pid, tls)
    except (EOFError, OSError) as problem:
        with open(os.path.join(TMP, "imapd.log")) as log:
            check("the conversation goes on", False, "%s\n%s" % (problem, log.read()[-3000:]))
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(20)
    sys.exit(1 if failures else 0)


main()
