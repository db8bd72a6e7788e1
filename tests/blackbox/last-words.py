#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Clients that say LOGOUT, or close their side, behind a long answer, and then take nothing for a while: they get all of it. An imapd of our own
(port BASE_PORT+1143) on the accounts of the running instance, without TLS, so that a session has its client's socket. How much the kernel takes differs: clients ask for more and more, until some of their sessions have ended with an answer of
which a part is still the process's own, and others have not ended yet."""
import os
import re
import signal
import socket
import subprocess
import sys
import time

import own_site

BASE, STATE, BIN, TMP = own_site.outer, os.environ["STATE"], own_site.programs, own_site.work
results = own_site.Results()
check = results.check
USER = "u2@example.test"
STALL = 7  # seconds: longer than a client has to hang up when it has taken everything
STEP, WINDOW = 100000, 256 * 1024  # what an imapd has waiting for its client at most, about
MESSAGE = b"Subject: long\r\n\r\n" + (b"y" * 998 + b"\r\n") * 16000


class Client:
    def __init__(self, port, room=None):
        self.socket = socket.socket()
        if room is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.socket.settimeout(own_site.patience)
        self.socket.connect(("127.0.0.1", BASE + port))
        self.port = self.socket.getsockname()[1]

    def until(self, pattern):
        """Reads byte by byte, so that nothing of what follows is taken."""
        text = b""
        while not re.search(pattern, text):
            more = self.socket.recv(1)
            if not more:
                raise EOFError(text)
            text += more
        return text

    def say(self, text, pattern):
        self.socket.sendall(text)
        return self.until(pattern)

    def rest(self):
        text = bytearray()
        try:
            while more := self.socket.recv(1 << 20):
                text += more
        except OSError as problem:
            text += repr(problem).encode()
        self.socket.close()
        return text


def kernel_has(client, port):
    """Of what the daemon has written to this client."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in table:
            if f":{BASE + port:04X} " in line and f":{client.port:04X} 01 " in line and (found := re.search(r" 01 ([0-9A-F]{8}):", line)):
                return int(found[1], 16)
    return 0


def standstill(client, port):
    """So much goes out before nothing more does."""
    seen = [0]

    def still():
        seen.append(kernel_has(client, port))
        return len(seen) > 10 and seen[-1] > 0 and len(set(seen[-10:])) == 1
    assert own_site.within(still), seen[-10:]
    return seen[-1]


def login():
    client = Client(1143, 4096)
    client.say(b"a1 LOGIN %s demo\r\n" % USER.encode(), rb"a1 OK.*\n")
    return client


def ended(log):
    return len(re.findall("session-ended", own_site.read(log)))


def all_ended(log):
    return own_site.within(lambda: ended(log) == len(re.findall(r"\blogin account=", own_site.read(log))))


def imap(log, name, last, closes):
    probe = login()
    probe.say(b"a2 EXAMINE long\r\n", rb"a2 OK.*\n")
    probe.socket.sendall(b"a3 FETCH 1 BODY.PEEK[]\r\n")
    most = standstill(probe, 1143)
    probe.socket.close()
    sizes = range(max(most - 5 * STEP, STEP), most + WINDOW + 5 * STEP, STEP)
    assert all_ended(log), own_site.read(log)[-3000:]
    clients, before = [], ended(log)
    for size in sizes:
        client = login()
        client.say(b"a2 EXAMINE long\r\n", rb"a2 OK.*\n")
        client.socket.sendall(b"a3 FETCH 1 BODY.PEEK[]<0.%d>\r\n%s" % (size, last))
        if closes:
            client.socket.shutdown(socket.SHUT_WR)
        clients.append((size, client))
    time.sleep(STALL)
    over = ended(log) - before
    check(f"{name}: some have ended, some have not", 0 < over < len(clients), (over, len(clients), most))
    short = []
    for size, client in clients:
        text = client.rest()
        if b"\na3 OK" not in text[-200:] or len(text) < size:
            short.append((size, len(text), bytes(text[-100:])))
    check(f"{name}: all get all", not short, short)


def main():
    path = os.path.join(STATE, "etc", "imapd-last-words.conf")  # beside what it includes
    with open(path, "w", encoding="utf-8") as conf:
        conf.write(f'@include "fourpost.conf"\nlisten_imap = [ "127.0.0.1:{BASE + 1143}" ];\nlisten_imaps = [ ];\nplaintext_login = true;\n')
    log = os.path.join(TMP, "imapd.log")
    with open(log, "w", encoding="utf-8") as out:
        daemon = subprocess.Popen([os.path.join(BIN, "imapd"), "-C", path], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        assert own_site.within(lambda: " started " in own_site.read(log)), own_site.read(log)
        writer = login()
        writer.say(b"a2 CREATE long\r\n", rb"a2 .*\n")
        writer.say(b"a3 APPEND long {%d}\r\n" % len(MESSAGE), rb"\+ .*\n")
        writer.say(MESSAGE + b"\r\n", rb"a3 OK.*\n")
        writer.say(b"a4 LOGOUT\r\n", rb"a4 OK.*\n")
        imap(log, "LOGOUT behind a long answer", b"a4 LOGOUT\r\n", False)
        imap(log, "the client's side closed behind a long answer", b"", True)
        imap(log, "both", b"a4 LOGOUT\r\n", True)
        check("no role died", not re.search("role-killed|role-ended|role-misbehaved", own_site.read(log)), own_site.read(log)[-3000:])
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(20)
    sys.exit(results.failed)


main()
