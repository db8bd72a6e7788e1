#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Mail by every way in, to accounts, an alias and a host that takes it, puts it off or refuses it, while roles of smtpd are killed at random: none of what
was taken is lost, each sender is told what he is to be told, and where something came twice that is explained; then a spool that is full. SIZE=full:
100,000 messages, or MESSAGES=N. SEED repeats the choice of what is killed."""
import collections
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from milter_server import Milter  # noqa: E402
from own_site import FarHost, Results, Site, outer, programs, read, within, work  # noqa: E402

full = os.environ.get("SIZE") == "full"
count = int(os.environ.get("MESSAGES", 100000 if full else 1500))
seed = int(os.environ.get("SEED", time.time()))
FAR, MILTER, SITE = outer + 901, outer + 902, outer + 903
ROLES = ["smtp", "key", "auth", "queue", "resolve", "relay", "filter", "policy", "report", "deliver", "template", "parent"]
LOGIN = "AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v"  # alice@example.test, demo


class Way:
    """By which every so-manieth message comes. {0} is its number, {1} at times a recipient at whom the other host hangs up: at many of them in a row a host
    would pass for one that is down. `ends` are the mailboxes it is to be in, "" for the other host's, and what alice is told."""

    def __init__(self, how, recipients, ends, sender="sender@far.example", option=""):
        self.how, self.recipients, self.ends, self.option = how, recipients.split(), ends, option
        self.sender = "alice@example.test" if how == "submission" else sender

    def recipients_of(self, number):
        return [recipient.format(number, "gone" if number % 50 == 0 else "m") for recipient in self.recipients]


WAYS = [
    Way("submission", "m-{0}@far.example", [""]),
    Way("smtp", "bob@example.test", ["bob"]),
    Way("smtp", "both@example.test", ["alice", "bob"]),
    Way("submission", "later-{0}@far.example", [""]),
    Way("lmtp", "alice@example.test u1@example.test", ["alice", "u1"]),
    Way("submission", "no-{0}@far.example", ["told failed"]),
    Way("sendmail", "u2@example.test {1}-{0}@far.example", ["u2", ""]),
    Way("submission", "u1@example.test {1}-{0}@far.example", ["u1", ""]),
    Way("submission", "u2@example.test", ["u2", "told delivered"], option=" NOTIFY=SUCCESS"),
    Way("smtp", "alice@example.test u2@example.test", ["alice", "u2"]),
    Way("sendmail", "bob@example.test no-{0}@far.example", ["bob", "told failed"], sender="alice@example.test"),
]
FILL_FIRST = len(WAYS) * 100000  # of those to the other host
results = Results()
random.seed(seed)
patience = 1800 if full else 120


def way_of(number):
    return WAYS[number % len(WAYS)]


class Client(threading.Thread):
    """Hands in messages of one way, one after the other, and again until each is taken."""

    def __init__(self, numbers, way, site):
        super().__init__(daemon=True)
        self.numbers, self.way, self.site = numbers, way, site
        self.peer = self.replies = None
        self.left = []  # recipients of the message under way for whom it was not taken yet
        self.unsure = collections.Counter()  # how often no answer came to a text that was sent
        self.late = collections.Counter()  # how often the answer to one was that it be sent again
        self.refused, self.used, self.fault, self.last = 0, 0, None, None

    def reply(self):
        text = ""
        while line := self.replies.readline().decode("ascii", "replace"):
            text += line
            if line[3:4] != "-":
                return text
        raise ConnectionError

    def say(self, line):
        self.peer.sendall(line.encode() + b"\r\n")
        return self.reply()

    def connect(self):
        self.close()
        self.peer = socket.create_connection(("127.0.0.1", self.site.base + {"smtp": 25, "lmtp": 24, "submission": 465}[self.way.how]), timeout=60)
        if self.way.how == "submission":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.peer = context.wrap_socket(self.peer)
        self.replies = self.peer.makefile("rb")
        self.used = 0
        if not self.reply().startswith("220") or not self.say(("LHLO" if self.way.how == "lmtp" else "EHLO") + " client.example").startswith("250"):
            raise ConnectionError
        if self.way.how == "submission" and not self.say("AUTH PLAIN " + LOGIN).startswith("235"):
            raise ConnectionError

    def close(self):
        if self.peer:
            self.peer.close()
        self.peer = None

    def hand_in(self, number):
        """True when it was taken; False when it was put off."""
        if self.peer is None or self.used >= 20:
            self.connect()
        self.used += 1
        for line in (f"MAIL FROM:<{self.way.sender}>", *(f"RCPT TO:<{recipient}>{self.way.option}" for recipient in self.left)):
            if not (answer := self.say(line)).startswith("250"):
                return self.put_off(answer)
        if not (answer := self.say("DATA")).startswith("354"):
            return self.put_off(answer)
        self.peer.sendall(text_of(number).replace("\r\n.", "\r\n..").encode() + b".\r\n")
        try:
            # LMTP answers for each (RFC 2033 section 4.2).
            answers = [self.reply() for _ in (self.left if self.way.how == "lmtp" else [None])]
        except OSError:
            self.unsure[number] += 1
            raise
        bad = [answer for answer in answers if not answer.startswith("250")]
        if self.way.how == "lmtp":
            self.left = [recipient for recipient, answer in zip(self.left, answers) if answer in bad]
        if bad:
            self.late[number] += 1
        return not bad or self.put_off(bad[0])

    def drop(self, number):
        """By a program of this host; what it says is no matter of which roles live."""
        code, text = self.site.tool("sendmail", "-i", "-f", self.way.sender, *self.left, given=text_of(number))
        if code != 0:
            raise ValueError(f"sendmail ends with {code}: {text}")
        return True

    def put_off(self, answer):
        if answer[0] != "4":
            raise ValueError(f"answers {answer!r}")
        self.refused += 1
        self.last = answer
        self.close()
        return False

    def begin(self, number):
        self.left = self.way.recipients_of(number)

    def run(self):
        try:
            for number in self.numbers:
                until = time.monotonic() + patience
                self.begin(number)
                while not self.try_once(number):
                    if time.monotonic() > until:
                        raise ValueError(f"message {number} is not taken")
                    time.sleep(0.05)
        except Exception as error:  # told at the end
            self.fault = repr(error)
        self.close()

    def try_once(self, number):
        try:
            return self.drop(number) if self.way.how == "sendmail" else self.hand_in(number)
        except OSError:
            self.close()
            return False


def text_of(number):
    lines = "".join(f"{number} line {n}\r\n" for n in range(number * 7919 % 200))
    return f"From: alice@example.test\r\nSubject: storm\r\nX-Storm: {number}\r\n\r\n{lines}the end of {number}\r\n"


# --- what is killed ---

class Killer(threading.Thread):
    def __init__(self, site, pause):
        super().__init__(daemon=True)
        self.site, self.pause, self.ends = site, pause, threading.Event()
        self.parent = int(read(f"{site.state}/run/smtpd.pid"))
        self.kills = []  # (when, role), of a delivery with its account
        self.fault = None

    def run(self):
        turn = []
        while not self.ends.wait(random.uniform(0.5, 1.5) * self.pause):
            turn = turn or random.sample(ROLES, len(ROLES))
            role = turn.pop()
            # A permanent role that ends early, again and again, stops the daemon; that is the parent's own test's.
            roles = [*children(self.parent), (self.parent, "smtpd: parent")]
            found = [(pid, title) for pid, title in roles if re.match(rf"smtpd: {role}\b", title) and (role == "deliver" or age(pid) > 4)]
            if found:
                pid, title = random.choice(found)
                try:
                    os.kill(pid, signal.SIGKILL)
                    self.kills.append((time.time(), title.removeprefix("smtpd: ")))
                except ProcessLookupError:
                    pass
                if role == "parent":
                    self.start_again([pid for pid, _ in roles])
                    if self.fault:
                        return

    def start_again(self, pids):
        """The roles end with their parent; then there is another daemon."""
        if not within(lambda: not any(runs(pid) for pid in pids)):
            self.fault = f"roles outlive their parent: {[pid for pid in pids if runs(pid)]}"
            return
        with open(f"{self.site.state}/log/smtpd.log", "ab") as log:
            process = subprocess.Popen([f"{programs}/smtpd", "-C", f"{self.site.state}/etc/smtpd.conf"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        with open(f"{self.site.state}/run/smtpd.pid", "w", encoding="ascii") as file:
            file.write(f"{process.pid}\n")
        self.parent = process.pid

    def stop(self):
        self.ends.set()
        self.join()


def age(pid):
    """Seconds since the process began."""
    begun = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return float(read("/proc/uptime").split()[0]) - int(begun[19]) / os.sysconf("SC_CLK_TCK") if begun else 0


def runs(pid):
    return re.search(r"^State:\s*[^ZX\s]", read(f"/proc/{pid}/status"), re.M) is not None


def children(parent):
    found = []
    for pid in read(f"/proc/{parent}/task/{parent}/children").split():
        found.append((int(pid), read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()))
    return found


# --- what came of it ---

class Copy:
    def __init__(self, text, when):
        self.text, self.when = text, when
        self.is_report = re.search(r"^Content-Type: multipart/report", text.partition("\n\n")[0], re.M) is not None
        # The id of the first time it was queued: Received fields of what came of it stand above, and before what a report gives back.
        ids = re.findall(r"^\s*(?:.*\s)?id ([0-9A-F]{16})\b", text if self.is_report else text.partition("\n\n")[0], re.M)
        self.id = ids[-1] if ids else None

    def end(self, where):
        """Which of the ends of a Way it is."""
        return "told " + re.search(r"^Action: (\w+)", self.text, re.M).group(1) if self.is_report else where


def read_copies(site, far):
    """Number -> end -> the copies there."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    places = [(account, f"{site.state}/mail/example.test/{account}/Maildir/{sub}") for account in ("alice", "bob", "u1", "u2") for sub in ("new", "cur")]
    for where, folder in [("", far.folder), *places]:
        for entry in os.scandir(folder) if os.path.isdir(folder) else []:
            text = read(entry.path).replace("\r\n", "\n")
            number = re.search(r"^X-Storm: (\d+)$", text, re.M)
            if number:
                copy = Copy(text, entry.stat().st_mtime)
                found[int(number.group(1))][copy.end(where)].append(copy)
    return found


def may_repeat(end, role):
    """Whether that role's end in the middle of it has this come again: the queue, which notes that it was sent, or writes a report anew; the parent, with whom it
    ends; and relay. In a mailbox nothing comes again: deliver knows what it has stored."""
    return role in (("queue", "parent", "relay") if end == "" else ("queue", "parent") if end.startswith("told") else ())


def kind_of(end):
    return "to the other host" if end == "" else "reports" if end.startswith("told") else "to mailboxes"


def look(site, far, numbers, clients, kills):
    found, lost, torn, more, unexplained = read_copies(site, far), [], [], collections.Counter(), []
    unsure, late = (sum((getattr(client, which) for client in clients), collections.Counter()) for which in ("unsure", "late"))
    strange = [(number, end) for number in found for end in found[number] if number in numbers and end not in way_of(number).ends]
    for number in numbers:
        for end in way_of(number).ends:
            copies = sorted(found[number][end], key=lambda copy: copy.when)
            if not copies:
                lost.append((number, end))
            body = text_of(number).split("\r\n\r\n", 1)[1].replace("\r\n", "\n")
            torn += [(number, end) for copy in copies if not copy.is_report and not copy.text.endswith(body)]
            for before, copy in zip(copies, copies[1:]):
                if unsure[number] >= len({one.id for one in copies}) - 1 and copy.id not in {one.id for one in copies if one is not copy}:
                    more[f"{kind_of(end)} sent again, for no answer had come"] += 1
                elif (unsure[number] + late[number] >= len({one.id for one in copies}) - 1 and copy.id not in {one.id for one in copies if one is not copy} and
                      any(before.when - 2 <= when <= min(copy.when + 1, before.when + 60) and role in ("queue", "parent") for when, role in kills)):
                    # Delivered before it was promised: whoever would have said so to its client was gone, and he was put off.
                    more[f"{kind_of(end)} sent again, for it was put off where the queue had ended"] += 1
                elif any(before.when - 2 <= when <= min(copy.when + 1, before.when + 60) and may_repeat(end, role) for when, role in kills):
                    more[f"{kind_of(end)} delivered again, for a role had ended in between"] += 1
                else:
                    unexplained.append((number, end, before.id, copy.id, before.when, copy.when))
    return lost, torn + strange, more, unexplained


def storm():
    far = FarHost("far", FAR)
    milter = Milter(MILTER)
    milter.seen = collections.deque(maxlen=1)
    site = Site(SITE, f'relay_host = "127.0.0.1:{FAR}"; retry_min = "1s"; retry_max = "2s"; limits = [ ]; milters = [ "127.0.0.1:{MILTER}" ]; milter_default = "tempfail";'
                f'resolvers = [ "127.0.0.1@9" ]; dnssec_anchor = "";')
    numbers = range(1, count + 1)
    clients = [Client(range(n or len(WAYS), count + 1, len(WAYS)), way, site) for n, way in enumerate(WAYS)]
    killer = Killer(site, 1 if full else 0.4)
    try:
        for client in clients:
            client.start()
        killer.start()
        for client in clients:
            client.join()
        killer.stop()
        faults = [client.fault for client in clients if client.fault]
        results.check(f"storm: each of {count} messages is taken, of {sum(c.refused for c in clients)} times that one was put off", not faults, faults)
        results.check(f"storm: smtpd stands it that {len(killer.kills)} roles are killed (seed {seed})", runs(killer.parent) and not killer.fault, killer.fault or site.log()[-3000:])
        until = time.monotonic() + patience
        while time.monotonic() < until and "The queue is empty." not in site.tool("mailqueue", "list", conf="smtpd.conf")[1]:
            time.sleep(0.3)
        left = site.tool("mailqueue", "list", conf="smtpd.conf")[1]
        results.check("storm: the queue empties", "The queue is empty." in left, left[-2000:])
        lost, torn, more, unexplained = look(site, far, numbers, clients, killer.kills)
        results.check("storm: none is lost", not lost, lost[:20])
        results.check("storm: each is whole, and nowhere else", not torn, torn[:20])
        told = ", ".join(f"{number} {why}" for why, number in sorted(more.items())) or "none"
        results.check(f"storm: what came twice is explained: {told}", not unexplained, unexplained[:20])
        killed = collections.Counter(role.split()[0] for _, role in killer.kills)
        missing = set(ROLES) - set(killed)
        results.check("storm: each role was killed", not missing or len(killer.kills) < 40, f"{missing} of {dict(killed)}")
    finally:
        killer.ends.set()
        site.stop()
        far.stop()
        milter.shutdown()


def fill():
    """The spool is a small file system, and the other host is down."""
    if os.geteuid() != 0:
        print(f"ok - {os.environ['LANE']}: a full spool # skipped: needs root to mount a small file system")
        return
    spool = f"{work}/demo/spool"
    os.makedirs(spool, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "tmpfs", spool], check=True)
    site = far = None
    try:
        site = Site(SITE, f'relay_host = "127.0.0.1:{FAR}"; retry_min = "1s"; retry_max = "2s"; limits = [ ];')
        client = Client([], WAYS[0], site)
        number, answers = FILL_FIRST, []
        while len(answers) < 3 and number < FILL_FIRST + 1000 * len(WAYS):
            client.begin(number)
            if client.hand_in(number):
                number += len(WAYS)
            else:
                answers.append(client.last)
        results.check("full: no more is taken, for now, and it is said why", len(answers) == 3 and all(a.startswith("452 ") for a in answers), answers)
        results.check("full: what has been taken is kept", len(site.tool("mailqueue", "list", conf="smtpd.conf")[1].splitlines()) > 5)
        far = FarHost("far-full", FAR)
        results.check("full: all of it goes out when the other host is back", site.queue_empties(), site.log()[-2000:])
        results.check("full: and there is room again, by itself", within(lambda: client.try_once(number)), site.log()[-2000:])
        site.queue_empties()
        lost, torn, more, unexplained = look(site, far, range(FILL_FIRST, number + 1, len(WAYS)), [client], [])
        results.check("full: nothing is lost, torn, or there twice", not lost and not torn and not more and not unexplained, (lost[:9], torn[:9], more, unexplained[:9]))
    finally:
        if site:
            site.stop()
        if far:
            far.stop()
        subprocess.run(["umount", "-l", spool], check=False)


storm()
fill()
sys.exit(results.failed)
