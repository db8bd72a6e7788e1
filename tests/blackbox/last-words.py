#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Clients that say LOGOUT or QUIT, or close their side, behind a long answer, and then take nothing for a while: they get all of it. Daemons of our
own (ports BASE_PORT+1143 and +1110) on the accounts of the running instance, without TLS, so that a session has its client's socket. How much the kernel takes differs: clients ask for more and more, until some of their sessions have ended with an answer of
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
STALL = 7  # seconds: longer than a client of imapd has to hang up when it has taken everything
POP3_STALL = 32  # seconds: longer than what is pending at the end of a connection has in other places
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
            if found := re.search(rf":{BASE + port:04X} [0-9A-F]+:{client.port:04X} [0-9A-F]+ ([0-9A-F]+):", line):
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


def pop3_login():
    """Once nobody else has the maildrop."""
    def attempt():
        client = Client(1110, 4096)
        client.until(rb"\n")
        client.say(b"USER %s\r\n" % USER.encode(), rb"\n")
        return client if client.say(b"PASS demo\r\n", rb"\n").startswith(b"+OK") else client.socket.close()
    return own_site.within(attempt)


def last_message(client):
    """Ours: others may have put mail there before."""
    return int(client.say(b"STAT\r\n", rb"\n").split()[1])


def pop3_begins(log):
    """The one with the longest answer of those whose QUIT is taken: a part of that is still pending."""
    probe, taken = pop3_login(), None
    probe.socket.sendall(b"TOP %d 15000\r\n" % last_message(probe))
    most = standstill(probe, 1110)
    probe.socket.close()
    for lines in range(max(most - 5 * STEP, STEP) // 1000, len(MESSAGE) // 1000, STEP // 3000):
        client, before = pop3_login(), ended(log)
        client.socket.sendall(b"TOP %d %d\r\nQUIT\r\n" % (last_message(client), lines))
        standstill(client, 1110)
        if ended(log) == before:
            client.socket.close()
            return taken
        if taken is not None:
            taken[0].socket.close()
        taken = client, lines, time.monotonic()
    return None


def pop3_ends(client, lines, since):
    time.sleep(max(0, since + POP3_STALL - time.monotonic()))
    text = client.rest()
    check("QUIT behind a long answer: all of it comes", text.endswith(b"\r\n.\r\n+OK Bye\r\n") and len(text) > lines * 1000, (lines, len(text), bytes(text[-100:])))


def daemon_of(name, options, log):
    path = os.path.join(STATE, "etc", f"{name}-last-words.conf")  # beside what it includes
    with open(path, "w", encoding="utf-8") as conf:
        conf.write(f'@include "fourpost.conf"\n{options}\nplaintext_login = true;\n')
    with open(log, "w", encoding="utf-8") as out:
        daemon = subprocess.Popen([os.path.join(BIN, name), "-C", path], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    assert own_site.within(lambda: " started " in own_site.read(log)), own_site.read(log)
    return daemon


def main():
    imap_log, pop3_log = os.path.join(TMP, "imapd.log"), os.path.join(TMP, "pop3d.log")
    imapd = daemon_of("imapd", f'listen_imap = [ "127.0.0.1:{BASE + 1143}" ];\nlisten_imaps = [ ];', imap_log)
    pop3d = daemon_of("pop3d", f'listen_pop3 = [ "127.0.0.1:{BASE + 1110}" ];\nlisten_pop3s = [ ];', pop3_log)
    try:
        writer = login()
        writer.say(b"a2 CREATE long\r\n", rb"a2 .*\n")
        for box in (b"INBOX", b"long"):
            writer.say(b"a3 APPEND %s {%d}\r\n" % (box, len(MESSAGE)), rb"\+ .*\n")
            writer.say(MESSAGE + b"\r\n", rb"a3 OK.*\n")
        writer.say(b"a4 LOGOUT\r\n", rb"a4 OK.*\n")
        begun = pop3_begins(pop3_log)
        check("QUIT behind a long answer: some are taken, some are not", begun is not None, own_site.read(pop3_log)[-2000:])
        imap(imap_log, "LOGOUT behind a long answer", b"a4 LOGOUT\r\n", False)
        imap(imap_log, "the client's side closed behind a long answer", b"", True)
        imap(imap_log, "both", b"a4 LOGOUT\r\n", True)
        if begun is not None:
            pop3_ends(*begun)
        for log in (imap_log, pop3_log):
            check("no role died", not re.search("role-killed|role-ended|role-misbehaved", own_site.read(log)), own_site.read(log)[-3000:])
    finally:
        for daemon in (imapd, pop3d):
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(20)
    sys.exit(results.failed)


main()
