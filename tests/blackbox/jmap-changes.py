#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""JMAP's states while others change the account: whoever only ever asks for what changed since its last answer hears of everything.
Needs BASE_PORT and alice@example.test."""
import imaplib
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jmap_client import BASE_PORT, Client, check, context, finish  # noqa: E402

MAIL = b"From: a@remote.test\r\nTo: alice@example.test\r\nSubject: %s\r\nMessage-ID: <%s@remote.test>\r\n\r\nx\r\n"
ROUNDS = 150
MARK = f"Changes-{os.getpid()}"


def change(boxes, done):
    """Two folders and the list of folders change in turns, as fast as it goes."""
    c = imaplib.IMAP4_SSL("127.0.0.1", BASE_PORT + 993, ssl_context=context())
    c.login("alice@example.test", "demo")
    for i in range(ROUNDS):
        name = f"{MARK}-{i}".encode()
        c.append(boxes[i % 2], None, None, MAIL % (name, name))
        if i % 10 == 0:
            c.create(f"{MARK}-box-{i}")
    c.logout()
    done.set()


def follow(c, kind, state, seen):
    """What Email/changes or Mailbox/changes has told as created; the new state."""
    answer = c.call(f"{kind}/changes", sinceState=state)
    seen.update(answer.get("created", []))
    return answer.get("newState", state), answer.get("hasMoreChanges", False) or answer.get("type")


def main():
    c = Client()
    boxes = [f"{MARK}-one", f"{MARK}-two"]
    made = c.call("Mailbox/set", create={name: {"name": name} for name in boxes})["created"]
    states = {kind: c.call(f"{kind}/get", ids=[])["state"] for kind in ("Email", "Mailbox")}
    seen = {kind: set() for kind in states}
    told = []
    stream = c.events("types=Email,Mailbox&closeafter=no&ping=0")

    def listen():
        while (event := stream.next()) is not None:
            told.append(event[1]["changed"][c.account])
    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    done = threading.Event()
    writer = threading.Thread(target=change, args=(boxes, done))
    writer.start()
    while not done.is_set():
        for kind in states:
            states[kind], _ = follow(c, kind, states[kind], seen[kind])
    writer.join()
    for kind in states:
        for _ in range(5):
            states[kind], more = follow(c, kind, states[kind], seen[kind])
            if not more:
                break
    scope = {"operator": "OR", "conditions": [{"inMailbox": made[name]["id"]} for name in boxes]}
    emails = set(c.call("Email/query", filter=scope, limit=1000)["ids"])
    check("every message that came is among the changes", len(emails) == ROUNDS and emails <= seen["Email"], [len(emails), len(emails - seen["Email"])])
    mailboxes = {m["id"] for m in c.call("Mailbox/get", ids=None)["list"] if m["name"].startswith(f"{MARK}-box-")}
    check("every mailbox that came is among the changes", len(mailboxes) == ROUNDS // 10 and mailboxes <= seen["Mailbox"], [len(mailboxes), len(mailboxes - seen["Mailbox"])])
    for _ in range(50):
        last = {kind: next((e[kind] for e in reversed(told) if kind in e), None) for kind in states}
        if last == states:
            break
        time.sleep(0.1)
    check("the last event tells the last state", last == states, [last, states])
    stream.raw.shutdown(2)
    c.call("Mailbox/set", destroy=[*mailboxes, *(made[name]["id"] for name in boxes)], onDestroyRemoveEmails=True)
    finish()


main()
