#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""JMAP's states while others change the account: whoever only ever asks for what changed since its last answer hears of everything, also from
a session process that began later. Needs BASE_PORT, STATE and alice@example.test."""
import imaplib
import os
import re
import shutil
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jmap_client import BASE_PORT, Client, another_process, check, context, finish  # noqa: E402

MAIL = b"From: a@remote.test\r\nTo: alice@example.test\r\nSubject: %s\r\nMessage-ID: <%s@remote.test>\r\n\r\nx\r\n"
ROUNDS = 150
MARK = f"Changes-{os.getpid()}"
STATE = os.environ["STATE"]


def imap():
    c = imaplib.IMAP4_SSL("127.0.0.1", BASE_PORT + 993, ssl_context=context())
    c.login("alice@example.test", "demo")
    return c


def change(boxes, done):
    """Two folders and the list of folders change in turns, as fast as it goes."""
    c = imap()
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


def all_at_once():
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


# --- states that another session process gave ---

KINDS = ("Email", "Mailbox", "Thread")


def states_of(c):
    return {kind: c.call(f"{kind}/get", ids=[])["state"] for kind in KINDS}


def changes(c, kind, state, **more):
    """What was created, updated and destroyed, read in as many pages as it takes; the new state."""
    found = {what: set() for what in ("created", "updated", "destroyed")}
    for _ in range(200):
        answer = c.call(f"{kind}/changes", sinceState=state, **more)
        if "type" in answer:
            return answer["type"], state
        if sum(len(answer[what]) for what in found) > more.get("maxChanges", 10000):
            return "more than maxChanges", state
        for what in found:
            found[what].update(answer[what])
        state = answer["newState"]
        if not answer["hasMoreChanges"]:
            break
    return found, state


def append(m, box, name, references=None):
    more = f"References: <{references}@remote.test>\r\n".encode() if references else b""
    subject = f"Re: {references}" if references else name
    m.append(box, None, None, more + MAIL % (subject.encode(), name.encode()))


def uid(m, name):
    return re.search(rb"[0-9]+", m.uid("SEARCH", "HEADER", "Message-ID", f"<{name}@remote.test>")[1][0])[0].decode()


def emails(c, *names):
    """By name: email id and thread id."""
    found = {}
    for name in names:
        ids = c.call("Email/query", filter={"header": ["Message-ID", f"<{name}@remote.test>"]})["ids"]
        for email in c.call("Email/get", ids=ids, properties=["id", "threadId"])["list"]:
            found[name] = (email["id"], email["threadId"])
    return found


def only(found, i, *names):
    return {found[name][i] for name in names}


def explained(tag, c, states, wanted, updated, pages=({}, {"maxChanges": 1}, {"maxChanges": 2})):
    """updated: what may be told beside, kind by kind."""
    for kind in KINDS:
        for page in pages:
            found, now = changes(c, kind, states[kind], **page)
            good = found != "cannotCalculateChanges" and all(wanted[kind][what] == found[what] for what in ("created", "destroyed")) and \
                wanted[kind]["updated"] <= found["updated"] <= wanted[kind]["updated"] | updated.get(kind, set())
            check(f"{tag}: {kind}/changes{' in pages' if page else ''}", good, [wanted[kind], found if isinstance(found, str) else {k: list(v) for k, v in found.items()}])
            found, again = changes(c, kind, now)
            check(f"{tag}: {kind}/changes and then nothing", again == now and found == {"created": set(), "updated": set(), "destroyed": set()}, [now, again])


def one_state(c, box):
    """More changes at once than a client wants: told in parts, and nothing that happens meanwhile is left out."""
    m = imap()
    for n in range(9):
        append(m, box, f"{MARK}-many-{n}")
    many = {email for email, _ in emails(c, *(f"{MARK}-many-{n}" for n in range(9))).values()}
    state = c.call("Email/get", ids=[])["state"]
    m.select(box)
    m.uid("STORE", "1:*", "+FLAGS", "(\\Answered)")
    told = []
    for page in range(20):
        answer = c.call("Email/changes", sinceState=state, maxChanges=2)
        if "type" in answer:
            break
        told.append(answer["updated"])
        if not answer["hasMoreChanges"]:
            break
        state = answer["newState"]
        if page == 1:
            m.uid("STORE", uid(m, f"{MARK}-many-0"), "+FLAGS", "(\\Flagged)")
    told = [email for part in told for email in part]
    check("many changes of one state are told in parts", "type" not in answer and many <= set(told) and all(told.count(e) <= 2 for e in told), [answer, told])
    first = emails(c, f"{MARK}-many-0")[f"{MARK}-many-0"][0]
    check("with what changed meanwhile at their end", told[-1:] == [first], [first, told])
    m.logout()


def earlier_states():
    one, two, keep, old, drop = (f"{MARK}-{name}" for name in ("first", "second", "keep", "old", "drop"))
    m = imap()
    for box in (one, two, keep, old, drop):
        m.create(box)
    names = {name: f"{MARK}-m-{name}" for name in ("flagged", "moved", "copied", "left", "inside", "same", "new", "reply", "brief")}
    for name in ("flagged", "moved", "copied", "left", "same"):
        append(m, one, names[name])
    append(m, drop, names["inside"])
    c = another_process("alice@example.test")
    before = emails(c, *names.values())
    boxes = {box["name"]: box["id"] for box in c.call("Mailbox/get", ids=None)["list"]}
    states = states_of(c)

    c = another_process("alice@example.test")
    empty = {kind: {"created": set(), "updated": set(), "destroyed": set()} for kind in KINDS}
    explained("nothing happened", c, states, empty, {})

    m.select(one)
    m.uid("STORE", uid(m, names["flagged"]), "+FLAGS", "(\\Flagged)")
    m.uid("MOVE", uid(m, names["moved"]), two)
    m.uid("COPY", uid(m, names["copied"]), two)
    m.uid("STORE", uid(m, names["left"]), "+FLAGS", "(\\Deleted)")
    m.expunge()
    append(m, one, names["new"])
    append(m, one, names["reply"], names["same"])
    append(m, two, names["brief"])
    m.select(two)
    m.uid("STORE", uid(m, names["brief"]), "+FLAGS", "(\\Deleted)")
    m.expunge()
    m.create(f"{MARK}-made")
    m.create(f"{MARK}-brief")
    m.delete(f"{MARK}-brief")
    m.rename(old, f"{MARK}-newer")
    m.delete(drop)
    m.logout()
    # One process has been there since before all that; another has seen nothing of it.
    for tag in ("after", "in another process"):
        if tag != "after":
            c = another_process("alice@example.test")
        after = emails(c, *names.values())
        now = {box["name"]: box["id"] for box in c.call("Mailbox/get", ids=None)["list"]}
        known = {name: before.get(full) or after.get(full) for name, full in names.items() if full in before or full in after}
        wanted = {
            "Email": {"created": only(known, 0, "new", "reply"), "updated": only(known, 0, "flagged", "moved", "copied"), "destroyed": only(known, 0, "left", "inside")},
            "Mailbox": {"created": {now[f"{MARK}-made"]}, "updated": {boxes[one], boxes[two], boxes[old]}, "destroyed": {boxes[drop]}},
            "Thread": {"created": only(known, 1, "new"), "updated": only(known, 1, "same"), "destroyed": only(known, 1, "left", "inside")},
        }
        check(f"{tag}: the renamed mailbox keeps its id, the reply is in its thread", now[f"{MARK}-newer"] == boxes[old] and known["reply"][1] == known["same"][1], now)
        explained(tag, c, states, wanted, {"Mailbox": {boxes[keep]}})
    one_state(c, one)
    latest = states_of(c)

    for state in ("s1", "x", "", "s18446744073709551615", "s9999999999999999999999", f"s{int(latest['Email'][1:]) + 1000}", "s-1"):
        for kind in KINDS:
            found, _ = changes(c, kind, state)
            check(f"{kind}/changes since {state!r} cannot be told", found == "cannotCalculateChanges", found)
    queried = c.call("Email/query", filter={"inMailbox": boxes[one]})
    answer = c.call("Email/queryChanges", filter={"inMailbox": boxes[one]}, sinceQueryState=queried["queryState"])
    check("Email/queryChanges is not offered, and says so", not queried["canCalculateChanges"] and answer.get("type") == "cannotCalculateChanges", answer)

    # The index is what remembers.
    index = f"{STATE}/mail/example.test/alice/index"
    os.rename(index, f"{index}-damaged.test")
    shutil.rmtree(f"{index}-damaged.test")
    c = another_process("alice@example.test")
    for kind in KINDS:
        found, _ = changes(c, kind, latest[kind])
        check(f"{kind}/changes since a state from before the index was made anew cannot be told", found == "cannotCalculateChanges", found)
    left = [box["id"] for box in c.call("Mailbox/get", ids=None)["list"] if box["name"].startswith(MARK)]
    c.call("Mailbox/set", destroy=left, onDestroyRemoveEmails=True)


all_at_once()
earlier_states()
finish()
