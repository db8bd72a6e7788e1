#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Another program changes flags by renaming, as fast as it can, while an IMAP, a POP3 and a webmail session have the mailbox open: for none
of the three a message is ever gone, numbered anew, or another. And files of the same name, unique part or UID are messages of their own."""
import imaplib
import os
import poplib
import re
import shutil
import threading
import time

import jmap_client
from jmap_client import BASE_PORT, check, context

USER, MESSAGES, ROUNDS = "u1@example.test", 300, 12
maildir = os.environ["STATE"] + "/mail/example.test/u1/Maildir"
jmap_client.AREA = "renamed without pause"


def imap():
    client = imaplib.IMAP4_SSL("127.0.0.1", BASE_PORT + 993, ssl_context=context())
    client.login(USER, "demo")
    client.select("INBOX")
    return client


def pop3():
    client = poplib.POP3_SSL("127.0.0.1", BASE_PORT + 995, context=context(), timeout=60)
    client.user(USER)
    client.pass_("demo")
    return client


def put(name, subject, folder=""):
    path = os.path.join(maildir, folder, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(f"From: a@example.org\nSubject: {subject}\nMessage-ID: <{subject}@example.org>\n\nbody of {subject}\n")
    os.chown(path, owner.st_uid, owner.st_gid)


class Renamer(threading.Thread):
    """mutt without a user: each message in turn is flagged, unflagged, read."""

    def __init__(self):
        super().__init__(daemon=True)
        self.over, self.count = threading.Event(), 0

    def run(self):
        while not self.over.is_set():
            for part in ("new", "cur"):
                for name in os.listdir(f"{maildir}/{part}"):
                    base, _, flags = name.partition(":2,")
                    to = f"{base}:2,{'' if flags == 'FS' else 'FS' if flags == 'S' else 'S'}"
                    try:
                        os.rename(f"{maildir}/{part}/{name}", f"{maildir}/cur/{to}")
                        self.count += 1
                    except FileNotFoundError:
                        pass  # the store gave it another name meanwhile


def subjects(client):
    """{UID: subject}, as IMAP has it; news of flags come in between."""
    found = client.uid("FETCH", "1:*", "(ENVELOPE)")[1]
    return {int(re.search(rb"UID (\d+)", line).group(1)): re.search(rb'ENVELOPE \((?:"[^"]*"|NIL) "([^"]*)"', line).group(1) for line in found if line and b"ENVELOPE" in line}


def uidls(client=None):
    """As that session has them, or a new one."""
    if client is None:
        client = pop3()
        try:
            return uidls(client)
        finally:
            client.quit()
    return sorted(line.split()[1] for line in client.uidl()[1])


def emails(client):
    return sorted(client.call("Email/query", filter={"inMailbox": inbox_id})["ids"])


first = imap()
owner = os.stat(maildir)
first.store("1:*", "+FLAGS", r"(\Deleted)")
first.expunge()
for n in range(MESSAGES):
    put(f"tmp/s{n}", f"storm-{n}")
    os.rename(f"{maildir}/tmp/s{n}", f"{maildir}/{'new' if n % 3 == 0 else f'cur'}/{1600000000 + n}.s{n}.host{'' if n % 3 == 0 else ':2,'}")
first.noop()
before = subjects(first)
web = jmap_client.Client(USER)
inbox_id = web.mailboxes()["inbox"]["id"]
ids, names = emails(web), uidls()
check("all three see all messages", len(before) == len(ids) == len(names) == MESSAGES, (len(before), len(ids), len(names)))
state = web.call("Email/get", ids=[])["state"]

renamer = Renamer()
renamer.start()
mail = pop3()
wrong = []
for i in range(ROUNDS):
    first.response("EXPUNGE"), first.response("EXISTS")
    first.noop()
    gone = first.response("EXPUNGE")[1]
    if gone not in ([None], None) or subjects(first) != before:
        wrong.append(f"IMAP, round {i}: {gone}")
    other = imap()
    if subjects(other) != before:
        wrong.append(f"a new IMAP session, round {i}")
    other.logout()
    if emails(web) != ids:
        wrong.append(f"webmail, round {i}")
    for n in range(i * 20 + 1, i * 20 + 21):
        text = b"\n".join(mail.retr(n)[1])
        if b"Subject: storm-" not in text:
            wrong.append(f"POP3, round {i}: message {n} is {text[:100]!r}")
    if uidls(mail) != names:
        wrong.append(f"POP3, round {i}")
changes = web.call("Email/changes", sinceState=state)
renamer.over.set()
renamer.join()
check("none is ever gone, another, or numbered anew", not wrong, wrong[:10])
check("webmail is told of changes alone", changes.get("destroyed") == [] and changes.get("created") == [], changes)
check("the names changed all the time", renamer.count > MESSAGES, renamer.count)
mail.quit()
check("afterwards the same for a new session of each", (subjects(imap()), uidls(), emails(jmap_client.Client(USER))) == (before, names, ids))

# --- two files of one name, unique part or UID ---
known = next(name for name in os.listdir(f"{maildir}/cur") if re.search(r"\.s1\.host", name))
shutil.copyfile(f"{maildir}/cur/{known}", f"{maildir}/cur/{known.split(':')[0]}:2,R")
put("cur/" + re.sub(r"^[^,]*", "1600009001.twin.host", known.split(":")[0]) + ":2,", "twin-of-uid")
put("new/1600009002.both.host", "both-new")
put("cur/1600009002.both.host:2,S", "both-cur")
for entry in os.listdir(f"{maildir}/cur"):
    if os.stat(f"{maildir}/cur/{entry}").st_uid != owner.st_uid:
        os.chown(f"{maildir}/cur/{entry}", owner.st_uid, owner.st_gid)
for _ in range(100):  # of two files of one name the second is another message once the first has its UID in its name
    first.noop()
    after = subjects(first)
    if len(after) == MESSAGES + 4:
        break
    time.sleep(0.2)
added = sorted(subject for uid, subject in after.items() if uid not in before)
check("each keeps its UID, or gets one of its own", all(after.get(uid) == subject for uid, subject in before.items()) and
      {b"twin-of-uid", b"both-new", b"both-cur"} <= set(added), added)
again = imap()
check("and a second look sees the same", subjects(again) == after)
names, ids = uidls(), emails(jmap_client.Client(USER))
check("POP3, too", len(names) == len(set(names)) == len(after), (len(names), len(after)))
check("webmail has each unique part once", len(after) - 2 <= len(ids) <= len(after), (len(ids), len(after)))
first.store("1:*", "+FLAGS", r"(\Deleted)")
first.expunge()
jmap_client.finish()
