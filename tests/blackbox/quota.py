#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Quotas (RFC 9208), set by the postmaster: what IMAP, JMAP and deliveries make of them. Needs BASE_PORT, STATE and BIN."""
import imaplib
import os
import smtplib
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jmap_client import BASE_PORT, Client, context, finish  # noqa: E402
import jmap_client  # noqa: E402

USER = "limited@example.test"
MAIL = b"From: a@remote.test\r\nTo: limited@example.test\r\nSubject: %s\r\n\r\n" + b"x" * 70 * 10 + b"\r\n"


def check(name, fact, shown=None):
    return jmap_client.check(f"quota: {name}", fact, shown)


def tool(name, *args, given=None):
    done = subprocess.run([f"{os.environ['BIN']}/{name}", "-C", f"{os.environ['STATE']}/etc/fourpost.conf", *args],
                          input=given, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def mailuser(*args, given=None):
    return tool("mailuser", *args, given=given)


def imap():
    c = imaplib.IMAP4_SSL("127.0.0.1", BASE_PORT + 993, ssl_context=context())
    c.login(USER, "demo")
    return c


def quota(c):
    return c._simple_command("GETQUOTA", '""'), c.response("QUOTA")[1]


def is_refused_to_sender(subject):
    """Whether who brings a message is told that the mailbox is full."""
    try:
        with smtplib.SMTP("127.0.0.1", BASE_PORT + 25) as s:
            s.sendmail("bob@example.test", [USER], MAIL % subject)
    except smtplib.SMTPDataError as refusal:
        return refusal.smtp_code == 552 and refusal.smtp_error.startswith(b"5.2.2 ")
    return False


def refused(answer):
    return answer[0] == "NO" and b"OVERQUOTA" in answer[1][0]


def root_of(c, mailbox):
    """The roots of a mailbox, and what is told of each."""
    c._simple_command("GETQUOTAROOT", mailbox)
    return c.response("QUOTAROOT")[1], c.response("QUOTA")[1]


def of_mailbox():
    """A mailbox has a quota of its own, in an account that has none."""
    c = imap()
    for name in ("Lists", "Lists/one"):
        c.create(name)
    status, text = tool("mailstore", "quota", "-n", "2", "-b", "Lists/one", USER)
    check("mailstore sets a mailbox's", status == 0 and "\tLists/one\t0 of 2 messages\t0 bytes" in text, text)
    check("not of a mailbox that is none", tool("mailstore", "quota", "-n", "2", "-b", "Nowhere", USER)[0] == 66)
    root, data = root_of(c, "Lists/one")
    check("GETQUOTAROOT names both", root == [b'Lists/one "" Lists/one'] and data == [b'"" ()', b"Lists/one (MESSAGE 0 2)"], [root, data])
    root, data = root_of(c, "Lists")
    check("its parent has the account's alone", root == [b'Lists ""'] and data == [b'"" ()'], [root, data])
    check("and is no root", c._simple_command("GETQUOTA", "Lists")[0] == "NO")

    for i in range(2):
        c.append("Lists/one", None, None, MAIL % str(i).encode())
    check("APPEND beyond a mailbox's", refused(c.append("Lists/one", None, None, MAIL % b"3")))
    c.append("Lists", None, None, MAIL % b"4")
    c.select("Lists")
    check("a copy beyond it", refused(c.copy("1", "Lists/one")))
    check("a move into it", refused(c._simple_command("MOVE", "1", "Lists/one")))
    j = Client(USER)
    boxes = {box["name"]: box["id"] for box in j.call("Mailbox/get")["list"]}
    ids = j.call("Email/query", filter={"inMailbox": boxes["Lists"]})["ids"]
    done = j.call("Email/set", update={ids[0]: {"mailboxIds": {boxes["one"]: True}}})
    check("JMAP moves nothing into it", (done["notUpdated"] or {}).get(ids[0], {}).get("type") == "overQuota", done)
    c.select("Lists/one")
    check("within it a move is free", c._simple_command("MOVE", "1", "Lists/one")[0] == "OK")
    c.store("1", "+FLAGS", "\\Deleted")
    c._simple_command("STATUS", "Lists/one", "(DELETED DELETED-STORAGE SIZE)")
    data = c.response("STATUS")[1]
    check("STATUS tells the deleted", data == [b"Lists/one (DELETED 1 DELETED-STORAGE %d SIZE %d)" % (len(MAIL) - 1, 2 * len(MAIL) - 2)], data)
    c.unselect()

    c.rename("Lists", "Reading")
    c._simple_command("GETQUOTA", "Reading/one")
    data = c.response("QUOTA")[1]
    check("a rename of the tree keeps it", data == [b"Reading/one (MESSAGE 2 2)"], data)
    status, text = tool("mailstore", "list", USER)
    check("the list shows it", "\tReading/one\t2 of 2 messages" in text, text)
    c.logout()
    status, text = tool("mailstore", "rebuild", USER)
    c = imap()
    c._simple_command("GETQUOTA", "Reading/one")
    data = c.response("QUOTA")[1]
    check("the index may go", status == 0 and data == [b"Reading/one (MESSAGE 2 2)"], [text, data])
    status, text = tool("mailstore", "quota", "-n", "0", "-q", "1M", "-b", "Reading/one", USER)
    check("APPEND within another", status == 0 and c.append("Reading/one", None, None, MAIL % b"5")[0] == "OK", text)
    c._simple_command("GETQUOTA", "Reading/one")
    data = c.response("QUOTA")[1]
    check("it is of bytes now", data == [b"Reading/one (STORAGE 3 1024)"], data)

    tool("mailstore", "quota", "-n", "1", "-b", "INBOX", USER)
    check("so is mail for a full INBOX", is_refused_to_sender(b"for the full INBOX"))
    tool("mailstore", "quota", "-n", "0", "-b", "INBOX", USER)
    root, data = root_of(c, "INBOX")
    check("taken away it is no root", root == [b'INBOX ""'], root)
    c.logout()


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

    check("mail for it is refused to who brings it", is_refused_to_sender(b"for the full one"))
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
    of_mailbox()
    mailuser("remove", "-r", USER)
    finish()


main()
