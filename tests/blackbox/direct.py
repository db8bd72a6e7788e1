#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Mail for accounts here is in their mailboxes before its client is answered: what he is told, when there is no time for that, and what
becomes of it when roles die in between. Needs BASE_PORT, STATE and BIN."""
import fcntl
import imaplib
import os
import signal
import smtplib
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jmap_client import BASE_PORT, context, finish  # noqa: E402
import jmap_client  # noqa: E402

FULL, OPEN, SENDER = "full@example.test", "roomy@example.test", "asker@example.test"
STATE = os.environ["STATE"]


def check(name, fact, shown=None):
    return jmap_client.check(f"direct: {name}", fact, shown)


def mailuser(*args):
    subprocess.run([f"{os.environ['BIN']}/mailuser", "-C", f"{STATE}/etc/fourpost.conf", *args], input="demo\n", text=True, capture_output=True, check=False)


def found(user, subject, text=None):
    """How often a message with that subject (and text) is in the INBOX."""
    with imaplib.IMAP4_SSL("127.0.0.1", BASE_PORT + 993, ssl_context=context()) as c:
        c.login(user, "demo")
        c.select("INBOX", readonly=True)
        words = ["SUBJECT", f'"{subject}"'] + (["TEXT", f'"{text}"'] if text else [])
        return len(c.search(None, *words)[1][0].split())


def comes(user, subject, text=None):
    until = time.monotonic() + 30
    while found(user, subject, text) == 0 and time.monotonic() < until:
        time.sleep(0.1)
    return found(user, subject, text)


def queued():
    return [name for _, _, names in os.walk(f"{STATE}/spool/queue") for name in names]


def empty_queue():
    until = time.monotonic() + 30
    while queued() and time.monotonic() < until:
        time.sleep(0.1)
    return not queued()


def talk(client, subject, recipients, options="", lines=1):
    """The replies to the recipients and to the text."""
    client.ehlo_or_helo_if_needed()
    client.docmd(f"MAIL FROM:<{SENDER}>")
    replies = [client.docmd(f"RCPT TO:<{to}> {options}".strip())[0] for to in recipients]
    client.docmd("DATA")
    client.send(f"From: {SENDER}\r\nSubject: {subject}\r\n\r\n" + "x\r\n" * lines + ".\r\n")
    lmtp = isinstance(client, smtplib.LMTP)
    return replies, [client.getreply() for _ in range(len(recipients) if lmtp else 1)]


def smtp(subject, *recipients, options="", lines=1):
    with smtplib.SMTP("127.0.0.1", BASE_PORT + 25, timeout=120) as client:
        return talk(client, subject, recipients, options, lines)[1][0]


def lmtp(subject, *recipients):
    with smtplib.LMTP("127.0.0.1", BASE_PORT + 24, timeout=120) as client:
        return talk(client, subject, recipients)[1]


class Locked:
    """Nobody can store anything in the account meanwhile."""

    def __init__(self, user):
        self.file = open(f"{STATE}/mail/example.test/{user.split('@')[0]}/lock", "r+b")

    def __enter__(self):
        fcntl.flock(self.file, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_):
        fcntl.flock(self.file, fcntl.LOCK_UN)
        self.file.close()


def pids(role):
    with open(f"{STATE}/run/smtpd.pid", encoding="ascii") as f:
        parent = f.read().strip()
    done = subprocess.run(["pgrep", "-P", parent, "-f", f"^smtpd: {role}"], capture_output=True, text=True, check=False)
    return [int(pid) for pid in done.stdout.split()]


def kill(role):
    with open(f"{STATE}/log/smtpd.expected", "a", encoding="ascii") as f:
        f.write("signal=KILL\n")
    until = time.monotonic() + 20
    while not pids(role) and time.monotonic() < until:
        time.sleep(0.05)
    for pid in pids(role):
        os.kill(pid, signal.SIGKILL)


def in_background(work):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(work()))
    thread.start()
    return thread, answers


def answers_of_mailboxes():
    code, text = smtp("both have it", OPEN, SENDER)
    check("one reply for two mailboxes", code == 250 and text.startswith(b"2.0.0 Ok: delivered as "), text)
    check("they have it when it comes", found(OPEN, "both have it") == 1 and found(SENDER, "both have it") == 1)
    check("and the queue has nothing", not queued(), queued())
    code, text = smtp("one is full", FULL)
    check("a full mailbox refuses", code == 552 and text.startswith(b"5.2.2 <full@example.test> "), text)
    code, text = smtp("one of two", FULL, OPEN)
    check("one of two that is full is not refused", code == 250 and text.startswith(b"2.0.0 Ok: queued as "), text)
    check("but its sender is told", comes(SENDER, "Mail could not be delivered", "full@example.test") == 1)
    check("the other has it once", empty_queue() and found(OPEN, "one of two") == 1)
    replies = lmtp("each for itself", OPEN, FULL, SENDER)
    check("LMTP: each mailbox has its answer", [code for code, _ in replies] == [250, 552, 250], replies)
    check("and nobody is written to", empty_queue() and found(SENDER, "Mail could not be delivered") == 1)
    code, text = smtp("tell me", OPEN, options="NOTIFY=SUCCESS")
    check("who wants to hear of success is queued", code == 250 and b"queued as" in text, text)
    check("and hears", comes(SENDER, "Mail was delivered", "roomy@example.test") == 1)


def when_it_takes_long():
    with Locked(OPEN):
        begin = time.monotonic()
        code, text = smtp("it takes long", OPEN, SENDER)
        seconds = time.monotonic() - begin
        check("a mailbox that takes long: the message is queued", code == 250 and b"queued as" in text and seconds > 4, (text, seconds))
        check("not promised before", seconds < 60, seconds)
    check("and comes, once", comes(OPEN, "it takes long") == 1 and empty_queue() and found(OPEN, "it takes long") == 1)
    check("as it did to the other", found(SENDER, "it takes long") == 1)


def when_roles_die():
    with Locked(OPEN):
        thread, answers = in_background(lambda: smtp("deliver dies", OPEN))
        kill("deliver roomy")
    thread.join()
    check("deliver dies: another has it", answers and answers[0][0] == 250, answers)
    check("once", comes(OPEN, "deliver dies") == 1 and empty_queue() and found(OPEN, "deliver dies") == 1)
    with Locked(OPEN):
        # Too large for memory: its file shows that it is there.
        thread, answers = in_background(lambda: smtp("queue dies", OPEN, lines=200000))
        until = time.monotonic() + 20
        while not queued() and time.monotonic() < until:
            time.sleep(0.01)
        kill("queue")
        thread.join()
    check("queue dies: the client is to come again", answers and answers[0][0] == 451, answers)
    until = time.monotonic() + 30
    while (not pids("queue") or queued()) and time.monotonic() < until:
        time.sleep(0.1)
    check("and nothing is left", not queued(), queued())
    code, text = smtp("queue is back", OPEN)
    check("the next is taken", code == 250 and comes(OPEN, "queue is back") == 1, text)


def when_accounts_change():
    """A process that idles does not keep what it was started with."""
    mailuser("quota", "-m", "0", FULL)
    check("a mailbox that was full has room", lmtp("room again", FULL)[0][0] == 250 and found(FULL, "room again") == 1)
    mailuser("remove", "-r", OPEN)
    mailuser("add", "-p", OPEN)
    check("an account made anew gets mail", lmtp("made anew", OPEN)[0][0] == 250 and found(OPEN, "made anew") == 1)


def main():
    for user in (FULL, OPEN, SENDER):
        mailuser("add", "-p", user)
    lmtp("first", FULL, OPEN, SENDER)
    mailuser("quota", "-m", "1", FULL)
    answers_of_mailboxes()
    when_it_takes_long()
    when_roles_die()
    when_accounts_change()
    for user in (FULL, OPEN, SENDER):
        mailuser("remove", "-r", user)
    finish()


main()
