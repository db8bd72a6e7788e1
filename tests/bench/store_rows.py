# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""The store: reading and changing one large mailbox, against Dovecot with the same Maildir. Dovecot syncs as it does by default
(mail_fsync=optimized: files and folders of new mail, but not the flags); what we answer OK to is on the disk in any case."""
import contextlib
import os
import re
import statistics
import time

from corpus import Corpus, mailbox_size, make_maildir
from servers import Dovecot, Fourpost, Imap, command

MS = 1000


class Store:
    """INBOX of u1 with count messages at both; the files of one are hard links to the other's."""
    made = {}

    @classmethod
    def of(cls, bench, count):
        if count not in cls.made:
            cls.made[count] = cls(bench, count)
        return cls.made[count]

    def __init__(self, bench, count):
        """A million only for us."""
        bench.say(f"making {count:,} messages")
        self.bench, self.count = bench, count
        port = bench.port + 10 * len(self.made)
        self.ours = Fourpost(bench, f"store-{count}", port)
        self.folder, self.uid = self.ours.add_account("u1")
        self.mail_bytes = make_maildir(f"{self.folder}/Maildir", self.uid, count=count, corpus=Corpus())
        self.peer, self.text_bytes = None, 0
        if count <= 100000:
            self.peer = Dovecot(bench, f"dovecot-{count}", port + 5, self.uid)
            make_maildir(f"{self.peer.account('u1')}/Maildir", self.uid, source=f"{self.folder}/Maildir")
            os.chown(self.peer.account("u1"), self.uid, self.uid)
            self.peer.start()
        self.rebuilds = [self.rebuild()]
        self.ours.start("imapd")
        for server in self.servers():
            with Imap(server) as imap:
                imap("SELECT INBOX")
                imap("FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE)", count)

    def rebuild(self):
        """mailstore rebuild: (seconds, processor seconds)."""
        cpu, begin = os.times(), time.monotonic()
        self.ours.tool("mailstore", "rebuild", "u1@example.test")
        seconds, after = time.monotonic() - begin, os.times()
        return seconds, after.children_user + after.children_system - cpu.children_user - cpu.children_system

    def rebuild_opens(self):
        """How often a rebuild opens each message's file."""
        log = f"{self.bench.dir}/strace-rebuild"
        command("strace", "-f", "-qq", "-e", "trace=openat,open", "-o", log, f"{self.bench.bin}/mailstore", "-C", self.ours.conf, "rebuild", "u1@example.test")
        with open(log) as f:
            return sum(1 for line in f if re.search(r'"(cur|new)/[0-9]', line)) / self.count

    def index_text(self):
        """Leaves a session alone until the index does not grow any more. Seconds."""
        if self.text_bytes:
            return 0
        folder = f"{self.folder}/index"
        before = size = used(folder)
        begin = grown = time.monotonic()
        with Imap(self.ours) as imap:
            imap("SELECT INBOX")
            while time.monotonic() < grown + 5:
                time.sleep(0.2)
                if used(folder) != size:
                    size, grown = used(folder), time.monotonic()
        time.sleep(1)  # the memory that its users share is gone then
        self.text_bytes = used(folder) - before
        return grown - begin

    def both(self, runs, measure):
        results = self.bench.alternate(runs, *(lambda s=server: measure(s) for server in self.servers()))
        return results if self.peer else (results[0], None)

    def servers(self):
        return [s for s in (self.ours, self.peer) if s]

    def words(self):
        return f"{self.count:,}"

    def opened(self):
        """Milliseconds to open the account and INBOX in a new process."""
        out = command(f"{self.bench.tools}/store_open", self.folder, str(self.uid)).split()
        if int(out[2]) != self.count:
            raise RuntimeError(f"INBOX has {out[2]} messages, not {self.count}")
        return float(out[0]) + float(out[1])


def sizes(bench):
    return 100000 if bench.full else 10000


def select(bench):
    """open: open an idle account and answer SELECT; the first envelopes of a cold process."""
    store = Store.of(bench, sizes(bench))

    bench.row(f"open an idle account and INBOX of {store.words()} (library, new process)", "ms", [store.opened() for _ in range(15)], target=("most", 5))

    def over_imap(server):
        with Imap(server) as imap:
            return imap("SELECT INBOX")[0] * MS
    ours, peer = store.both(9, over_imap)
    bench.row(f"SELECT INBOX of {store.words()}, first command of a session", "ms", ours, peer, "Dovecot", ("most", 5))

    def envelopes(server):
        with Imap(server) as imap:
            imap("SELECT INBOX")
            return imap(f"FETCH {store.count - 49}:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)", 50)[0] * MS
    ours, peer = store.both(9, envelopes)
    bench.row(f"first FETCH of 50 envelopes there, new session", "ms", ours, peer, "Dovecot", ("most", 20))


def fetch(bench):
    """fetch: all flags, all envelopes and structures."""
    store = Store.of(bench, sizes(bench))
    for what, words in (("(UID FLAGS)", "(UID FLAGS)"), ("(ENVELOPE BODYSTRUCTURE)", "ENVELOPE BODYSTRUCTURE, warm")):
        def all_of(server):
            with Imap(server) as imap:
                imap("SELECT INBOX")
                return imap.timed(f"FETCH 1:* {what}", store.count)
        ours, peer = store.both(5, all_of)
        bench.row(f"FETCH 1:* {words} of {store.words()}", "s", ours, peer, "Dovecot", ("ratio", 2))


def flags(bench):
    """flags: STORE on all messages."""
    store = Store.of(bench, sizes(bench))

    def add(server):
        with Imap(server) as imap:
            imap("SELECT INBOX")
            figure = imap.timed("STORE 1:* +FLAGS (\\Flagged)", store.count)
            imap("STORE 1:* -FLAGS.SILENT (\\Flagged)")
            return figure
    ours, peer = store.both(5 if bench.full else 7, add)
    bench.row(f"STORE 1:* +FLAGS (\\Flagged) of {store.words()}", "s", ours, peer, "Dovecot", ("ratio", 3),
              why="a change of many messages is durable in one file of the folder and one record for each 2048 UIDs; names of files follow while nobody waits")


def rebuild(bench):
    """rebuild: the index anew from the Maildir alone."""
    store = Store.of(bench, sizes(bench))
    runs = store.rebuilds + [store.rebuild() for _ in range(2)]
    bench.row(f"rebuild of {store.words()} messages", "s", runs, target=("most", 20 * store.count / 100000))
    bench.row("how often a rebuild opens each message's file (of 1,000)", "times", [Store.of(bench, 1000).rebuild_opens()], target=("most", 1))


def search(bench):
    """search: SEARCH BODY for what few messages have."""
    store = Store.of(bench, sizes(bench))
    word = Corpus().words[-1] + " " + Corpus().words[3]

    def body(server):
        with Imap(server) as imap:
            imap("SELECT INBOX")
            return imap.timed(f'SEARCH BODY "{word}"')
    ours, peer = store.both(3, body)
    bench.row(f"SEARCH BODY in {store.words()} ({store.mail_bytes / 1e6:.0f} MB), a scan", "s", ours, peer, "Dovecot", ("ratio", 2))
    seconds = store.index_text()
    bench.row(f"making the text index of {store.words()}, by an idle session", "s", [seconds])
    ours, peer = store.both(3, body)
    bench.row(f"SEARCH BODY in {store.words()}, with the text index", "ms", in_ms(ours), in_ms(peer) if peer else None, "Dovecot", ("most", 50))
    bench.row(f"text index of {store.words()}, percent of the mail", "%", [100 * store.text_bytes / store.mail_bytes], target=("most", 100))


def in_ms(runs):
    return [tuple(MS * t for t in run) for run in runs]


def used(folder):
    """Bytes on disk; a log that is removed meanwhile counts for nothing."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in (".", *names):
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(f"{where}/{name}").st_blocks * 512
    return total


def disk(bench):
    """disk: what the index takes."""
    store = Store.of(bench, sizes(bench))
    bench.row(f"index of {store.words()}, percent of the mail", "%", [100 * (used(f"{store.folder}/index") - store.text_bytes) / store.mail_bytes], target=("most", 5),
              why=f"packed, ENVELOPE and BODYSTRUCTURE of a message take 126 bytes, and flags, ids, threads and changes 66; "
              f"5% of a message of {store.mail_bytes // store.count:,} bytes is {store.mail_bytes // store.count // 20}")
    folder, uid = store.ours.add_account("sizes")
    count = 5000
    mail = make_maildir(f"{folder}/Maildir", uid, count=count, corpus=Corpus(), size=mailbox_size)
    store.ours.tool("mailstore", "rebuild", "sizes@example.test")
    bench.row(f"index of {count:,} with sizes as in mailboxes (a mean of {mail // count // 1024} KB), percent of the mail", "%",
              [100 * used(f"{folder}/index") / mail], target=("most", 5))
    folder, uid = store.ours.accounts.get("empty") or store.ours.add_account("empty")
    with Imap(store.ours, "empty") as imap:
        imap("SELECT INBOX")
    time.sleep(0.5)
    bench.row("index of an empty account that nobody has open", "KB", [used(f"{folder}/index") / 1024], target=("most", 64))


def growth(bench):
    """growth: what it costs as the mailbox grows: one run each."""
    selects = {}
    for count in (1000, 10000, 100000, 1000000) if bench.full else (1000, 10000):
        store = Store.of(bench, count)
        name = "Dovecot" if store.peer else ""
        opened = [store.opened() for _ in range(9)]
        bench.row(f"{count:9,}: open and open INBOX (library, new process)", "ms", opened)
        bench.row(f"{count:9,}: rebuild, a message", "us", [r[0] / count * 1e6 for r in store.rebuilds])

        def session(server, text, fetched, per):
            with Imap(server) as imap:
                first = imap("SELECT INBOX")[0]
                return (imap(text, fetched)[0] if text else first) / per * (1e6 if per > 1 else MS)
        for words, text, fetched, per, unit in (
                ("SELECT", "", 0, 1, "ms"), ("FETCH of the last 50 envelopes", f"FETCH {count - 49}:* ENVELOPE", 50, 1, "ms"),
                ("FETCH 1:* (UID FLAGS), a message", "FETCH 1:* (UID FLAGS)", count, count, "us"),
                ("FETCH 1:* (ENVELOPE BODYSTRUCTURE), a message", "FETCH 1:* (ENVELOPE BODYSTRUCTURE)", count, count, "us"),
                ("STORE 1:* +FLAGS, a message", "STORE 1:* +FLAGS (\\Answered)", count, count, "us"),
                ("STORE 1:* -FLAGS, a message", "STORE 1:* -FLAGS (\\Answered)", count, count, "us")):
            ours, peer = store.both(1 if text else 9, lambda server: session(server, text, fetched, per))
            bench.row(f"{count:9,}: {words}", unit, ours, peer, name)
            if words == "SELECT":
                selects[count] = statistics.median(opened) + statistics.median(ours)
        bench.row(f"{count:9,}: index on disk, a message", "bytes", [used(f"{store.folder}/index") / count],
                  [sum(used(e.path) for e in os.scandir(f"{store.peer.account('u1')}/Maildir") if e.name.startswith("dovecot")) / count] if store.peer else None, name)
    most = max(selects)
    bench.row(f"open an account and answer SELECT: {most:,} against {most // 10:,} messages", "x", [selects[most] / selects[most // 10]], target=("most", 2))


ROWS = (select, fetch, flags, rebuild, search, disk, growth)
