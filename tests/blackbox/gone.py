#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""More messages leave a mailbox than are kept: who was away for the last 100,000 hears of these alone, by QRESYNC and by JMAP, from sessions
that were there and from such that began later; who was away for longer is told of all UIDs that are not there, or that it must read all
anew. Needs BASE_PORT, STATE and u1@example.test."""
import os
import re
import socket
import ssl
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jmap_client import BASE_PORT, Client, another_process, check, finish  # noqa: E402

USER, STATE = "u1@example.test", os.environ["STATE"]
KEPT = 100000
FIRST, SECOND, STAY = 10, 300, 50 # that leave before the others, and that stay
MESSAGES = FIRST + SECOND + KEPT + STAY


class Imap:
    def __init__(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(socket.create_connection(("127.0.0.1", BASE_PORT + 993), timeout=120))
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.count = 0
        self.command(f"LOGIN {USER} demo")
        self.command("ENABLE QRESYNC")

    def command(self, text):
        self.count += 1
        tag = f"t{self.count} "
        self.socket.sendall(f"{tag}{text}\r\n".encode())
        lines = []
        while not lines or not lines[-1].startswith(tag):
            line = self.file.readline().decode()
            if not line:
                raise EOFError(lines)
            lines.append(line[:-2])
        return lines

    def expunge(self, uids):
        """The modification sequence that it gives."""
        self.command(f"UID STORE {uids} +FLAGS.SILENT (\\Deleted)")
        return number("HIGHESTMODSEQ", self.command(f"UID EXPUNGE {uids}"))


def number(name, lines):
    return int(re.search(rf"{name} (\d+)", " ".join(lines))[1])


def fill(folder):
    """As another program would, for that is quicker."""
    owner = os.stat(folder)
    for n in range(MESSAGES):
        path = f"{folder}/cur/{1700000000 + n}.M1P1.host:2,S"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, b"Subject: x%d\n\nx\n" % n)
        if os.geteuid() == 0:
            os.fchown(fd, owner.st_uid, owner.st_gid)
        os.close(fd)


def since(imap, uidvalidity, modseq):
    """The UIDs that a client which knows of all until then is told to have gone, and how many messages changed."""
    lines = imap.command(f"SELECT Big (QRESYNC ({uidvalidity} {modseq}))")
    gone = [line.split()[-1] for line in lines if line.startswith("* VANISHED (EARLIER) ")]
    imap.command("UNSELECT")
    return ",".join(gone), sum(" FETCH " in line for line in lines)


def destroyed(client, state):
    found = set()
    while True:
        answer = client.call("Email/changes", sinceState=state, maxChanges=KEPT)
        if "type" in answer:
            return answer["type"]
        found.update(answer["destroyed"])
        state = answer["newState"]
        if not answer["hasMoreChanges"]:
            return len(found) if not answer["created"] + answer["updated"] else answer


def state_of(client):
    return client.call("Email/get", ids=[])["state"]


def look(tag, imap, client, uidvalidity, modseqs, states, known):
    """known: what may be told from before what is kept."""
    check(f"{tag}: QRESYNC from within what is kept tells what left since", since(imap, uidvalidity, modseqs[1]) == (f"{FIRST + SECOND + 1}:{MESSAGES - STAY}", 0), since(imap, uidvalidity, modseqs[1])[0][:200])
    check(f"{tag}: from before it, all UIDs that are not there", since(imap, uidvalidity, modseqs[0]) == (f"1:{MESSAGES - STAY}", 0), since(imap, uidvalidity, modseqs[0])[0][:200])
    found = destroyed(client, states[1])
    check(f"{tag}: Email/changes tells what left since", found == KEPT, found)
    found = destroyed(client, states[0])
    check(f"{tag}: and all or nothing from a state before it", found in known, found)


def main():
    imap, client = Imap(), Client(USER)
    imap.command("CREATE Big")
    fill(f"{STATE}/mail/example.test/u1/Maildir/.Big")
    uidvalidity = number("UIDVALIDITY", imap.command("SELECT Big"))
    modseqs, states = [], []
    for uids in (f"1:{FIRST}", f"{FIRST + 1}:{FIRST + SECOND}"):
        modseqs.append(imap.expunge(uids))
        states.append(state_of(client))
    check("while all of it is kept, all of it is told", since(imap, uidvalidity, modseqs[0])[0] == f"{FIRST + 1}:{FIRST + SECOND}" and destroyed(client, states[0]) == SECOND)
    imap.command("SELECT Big")
    imap.expunge(f"{FIRST + SECOND + 1}:{MESSAGES - STAY}")
    imap.command("UNSELECT")
    look("sessions that were there", imap, client, uidvalidity, modseqs, states, ("cannotCalculateChanges", SECOND + KEPT))
    imap.command("LOGOUT")
    look("new sessions", Imap(), another_process(USER), uidvalidity, modseqs, states, ("cannotCalculateChanges",))
    Imap().command("DELETE Big")


main()
finish()
