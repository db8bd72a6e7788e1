#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Quotas (RFC 9208), set by the postmaster: what IMAP, JMAP and deliveries make of them. Needs BASE_PORT, STATE and BIN."""
import imaplib
import os
import smtplib
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jmap_client import BASE_PORT, Client, context, finish  # noqa: E402
import jmap_client  # noqa: E402

USER = "limited@example.test"
MAIL = b"From: a@remote.test\r\nTo: limited@example.test\r\nSubject: %s\r\n\r\n" + b"x" * 70 * 10 + b"\r\n"


def check(name, fact, shown=None):
    return jmap_client.check(f"quota: {name}", fact, shown)


def mailuser(*args, given=None):
    done = subprocess.run([f"{os.environ['BIN']}/mailuser", "-C", f"{os.environ['STATE']}/etc/fourpost.conf", *args],
                          input=given, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def imap():
    c = imaplib.IMAP4_SSL("127.0.0.1", BASE_PORT + 993, ssl_context=context())
    c.login(USER, "demo")
    return c


def quota(c):
    return c._simple_command("GETQUOTA", '""'), c.response("QUOTA")[1]


def main():
    mailuser("remove", "-r", USER)
    status, text = mailuser("add", "-p", "-q", "10K", "-m", "5", USER, given="demo\n")
    check("an account is added with a quota", status == 0, text)
    status, text = mailuser("list")
    check("the list shows it", "10240 bytes\t5 messages" in text, text)
    check("a size that is none: 64", mailuser("quota", "-q", "10X", USER)[0] == 64)

    c = imap()
    capabilities = c.capability()[1][0].decode()
    check("capabilities", "QUOTA " in capabilities and "QUOTA=RES-STORAGE" in capabilities and "QUOTA=RES-MESSAGE" in capabilities, capabilities)
    (answer, _), data = quota(c)
    check("nothing is used at first", answer == "OK" and data == [b'"" (STORAGE 0 10 MESSAGE 0 5)'], data)
    for i in range(4):
        c.append("INBOX", None, None, MAIL % str(i).encode())
    answer = c._simple_command("GETQUOTAROOT", "INBOX")
    root, data = c.response("QUOTAROOT")[1], c.response("QUOTA")[1]
    check("GETQUOTAROOT", answer[0] == "OK" and root == [b'INBOX ""'] and data == [b'"" (STORAGE 3 10 MESSAGE 4 5)'], [root, data])
    check("GETQUOTAROOT of no mailbox", c._simple_command("GETQUOTAROOT", "Nowhere")[0] == "NO")
    check("GETQUOTA of no root", c._simple_command("GETQUOTA", "other")[0] == "NO")
    answer = c._simple_command("SETQUOTA", '""', "(STORAGE 1)")
    check("SETQUOTA is not for users", answer[0] == "NO" and b"NOPERM" in answer[1][0], answer)

    c.select("INBOX")
    answer = c.copy("1:2", "Archive")
    check("a copy beyond it", answer[0] == "NO" and b"OVERQUOTA" in answer[1][0], answer)
    answer = c._simple_command("MOVE", "1", "Archive")
    check("a move is none", answer[0] == "OK", answer)
    c.append("INBOX", None, None, MAIL % b"5")
    answer = c.append("INBOX", None, None, MAIL % b"6")
    check("APPEND beyond it", answer[0] == "NO" and b"OVERQUOTA" in answer[1][0], answer)
    j = Client(USER)
    made = j.call("Email/set", create={"m": {"mailboxIds": {j.mailboxes()["drafts"]["id"]: True}, "subject": "x", "textBody": [{"partId": "t"}], "bodyValues": {"t": {"value": "x"}}}})
    check("JMAP beyond it", (made["notCreated"] or {}).get("m", {}).get("type") == "overQuota", made)

    with smtplib.SMTP("127.0.0.1", BASE_PORT + 25) as s:
        s.sendmail("bob@example.test", [USER], MAIL % b"for the full one")
    bob = Client("bob@example.test")
    found = []
    for _ in range(100):
        found = bob.call("Email/query", filter={"text": "The mailbox is full"}, limit=1)["ids"]
        if found:
            break
        time.sleep(0.2)
    check("mail for it comes back", bool(found))
    if found:
        bob.call("Email/set", destroy=found)
    (_, _), data = quota(c)
    check("none of these is in it", data == [b'"" (STORAGE 4 10 MESSAGE 5 5)'], data)

    c.select("INBOX")
    c.store("1:*", "+FLAGS", "\\Deleted")
    c.expunge()
    (_, _), data = quota(c)
    check("what is deleted does not count", data == [b'"" (STORAGE 1 10 MESSAGE 1 5)'], data)
    answer = c.append("INBOX", None, None, b"Subject: large\r\n\r\n" + b"y" * 70 + b"\r\n" * 6000)
    check("bytes count too", answer[0] == "NO" and b"OVERQUOTA" in answer[1][0], answer)
    c.logout()
    status, text = mailuser("quota", "-q", "0", "-m", "0", USER)
    check("it is taken away", status == 0 and "0 bytes, 0 messages" in text, text)
    c = imap()
    (_, _), data = quota(c)
    check("no limit, no resource", data == [b'"" ()'], data)
    answer = c.append("INBOX", None, None, b"Subject: large\r\n\r\n" + b"\r\n" * 6000)
    check("and mail goes in", answer[0] == "OK", answer)
    c.logout()
    mailuser("remove", "-r", USER)
    finish()


main()
