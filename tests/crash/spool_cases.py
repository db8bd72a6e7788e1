"""The spool: what is done to it, and the cases of each kind."""
import os
import re
import shutil
import subprocess
import time

import power
import spool_check
from promises import Fault
from spool_world import HOUR, QUEUE_UID, Life, Mail, address

# Steps, one after the other; those with a bar between them at once. VERB NAME TO[,TO...] [OPTION=VALUE...], or a request about a message.
SCENARIOS = {
    "queue": ["smtp a bob", "smtp b bob,carol,late size=20000", "smtp c nobody,bob", "abort d bob"],
    "together": ["smtp a bob | smtp b carol size=9000 | smtp c bob,dave | smtp d no@other.test | smtp e ok@other.test", "smtp f bob | drop g bob | drop h carol,dave"],
    "direct": ["try a bob | try b carol,dave", "each c bob,never,late", "try d bob,late", "try e never,bob", "try f ok@other.test,bob", "try g bob notify=success", "try h bob,carol size=270000 | smtp i bob size=270000 | try j bob,late size=270000 | abort k bob size=270000"],
    "slow": ["try a slow,bob", "each b slow | each c slow,carol"],
    "drop": ["drop a bob", "drop b bob,carol size=30000 | drop c nobody,ok@other.test", "rubbish rubbish"],
    "requests": [f"smtp a bob after={HOUR} | smtp b bob after={HOUR} | drop c carol after={HOUR} | smtp d dave after={HOUR} | smtp e both after={HOUR}", "hold a", "hold b | remove c",
                 "release a", "remove b", "requeue e | retry d"],
    "aliases": ["smtp a both", "smtp b list,bob | try c one", "try d both,carol", "smtp f both,list", "drop e both,nobody | drop g list,one"],
    "bounces": ["smtp a no@other.test", "drop b nobody,bob", "smtp c nobody from=-", "smtp d bob notify=success | smtp e lost@down.test,wait@other.test"],
    "filters": ["smtp a answers", "try b passes,bob | try c answers", "rewrite d bob,no@other.test", "quarantine e bob | quarantine f carol", "release e"],
    "state": ["keep one.test 1 | greylist 1", "load one.test | load two.test", "keep one.test 2 | keep two.test 1 | greylist 2", "load one.test | load two.test | greylist 3",
              "keep two.test 2 | keep one.test 3", "load two.test | load one.test | try a bob"],
    "start": [],
}
# What the queue keeps beside mail, where a scenario is about it, and what the next life asks of that.
FOLDERS = {"state": ["sts", "state"]}
NEXT = {"state": ["load one.test | load two.test", "greylist 4"]}
# What lies there already, each under a name that tells when it came.
LEFT = {
    "drop/tmp.m.1.x": "half", "drop/m.0.a": ("a", "P bob", ""), "drop/m.0.b": ("b", "P carol", ""), "queue/AA/0006278AA1C3D4E0": ("b", "P carol", "drop m.0.b\n"),
    "queue/AA/tmp.0006278AA1C3D4E1": "fourpost 1\n", "queue/AB/0006278AB1C3D4E0": ("c", "P bob,D dave,P no@other.test", ""),
    "queue/AC/0006278AC1C3D4E0": ("d", "D bob,R ok@other.test", ""), "hold/0006278AD1C3D4E0": ("e", "P bob", ""), "queue/AE/0006278AE1C3D4E0": ("f", "W late", ""),
}


class Ground:
    """A folder for cases."""

    def __init__(self, folder, build):
        self.folder = folder
        os.mkdir(folder)
        self.trace = os.path.abspath("build/release/tests/crash/trace")
        self.smtpd = os.path.abspath(f"{build}/bin/smtpd")
        for path in (folder, os.path.dirname(folder)):
            os.chmod(path, 0o755)

    def remove(self, name):
        for end in ("", ".log", ".trace", ".trace.data"):
            path = os.path.join(self.folder, name + end)
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.unlink(path)


class World:
    """A spool, and all that is outside of it, in whatever lives the queue has."""

    def __init__(self, ground, name, folders=()):
        self.ground, self.name = ground, name
        self.spool = os.path.join(ground.folder, name)
        self.events, self.mails, self.tries = [], {}, {}
        self.reports = {}  # what was told of which queue id's recipient: by which notifications
        self.passed = 0
        self.before = 0  # events that were before the first life
        self.faulty = False  # calls fail
        self.made = ["", "drop", "hold", "corrupt", "queue", *[f"queue/{n:02X}" for n in range(256)], *folders]
        for folder in self.made:
            os.mkdir(os.path.join(self.spool, folder))
        self.own()

    def own(self):
        """The spool is the queue's."""
        for folder, _, files in os.walk(self.spool) if os.geteuid() == 0 else []:
            for path in [folder, *[os.path.join(folder, file) for file in files]]:
                os.chown(path, QUEUE_UID, QUEUE_UID)

    def now(self):
        return int(time.time()) + self.passed // 1000

    def put(self, path, what):
        """A file of LEFT."""
        text = what.encode() if isinstance(what, str) else b""
        if not text:
            name, recipients, more = what
            to = [recipient.split() for recipient in recipients.split(",")]
            mail = self.mails.setdefault(name, Mail("left", name, ",".join(t for s, t in to if s in "PW"), {}))
            if not mail.to[0]:
                mail.to = []
            mail.id = os.path.basename(path)
            self.events.append(("taken", name))
            if path.startswith("hold/"):
                self.events.append(("obeyed", "hold", name, "done"))
            text = "".join(["fourpost 1\n", f"created {self.now()}\nfrom {address(mail.sender)}\n", more, *[f"to {s} - - {address(t)}\n" for s, t in to], "\n"]).encode() + mail.text()
        with open(os.path.join(self.spool, path), "wb") as file:
            file.write(text)

    def recognize(self, text, account):
        """Which message the text is of, and which of its ends it has come to by that."""
        text = text.decode()
        found = re.search(r"^X-About: (\S+) (\S+)\r$", text, re.M)
        if found:
            return found.group(1), ["reply " + found.group(2)]
        found = re.search(r"Message-ID: <([\w-]+)@crash>", text)
        mail = self.mails.get(found.group(1)) if found else self.told_of(text)
        if mail is None:
            raise Fault(f"{account} gets what nobody sent: {text[:200]!r}")
        if "multipart/report" in text.split("\r\n\r\n")[0]:
            told = re.findall(r"^Final-Recipient: rfc822; *(\S+?)(?:@local.test)?\r\n(?:.*\r\n)*?Action: (\w+)", text, re.M)
            queue_id, report = (re.search(rf"^{field}: (\S+)", text, re.M).group(1) for field in ("X-Fourpost-Queue-Id", "Message-ID"))
            for recipient, action in told:
                self.reports.setdefault((queue_id, recipient, action), set()).add(report)
            return mail.name, ["told " + recipient for recipient, action in told if action != "delayed"]
        if not text.endswith(mail.final().decode()) or text.count("Message-ID") != 1:
            raise Fault(f"{account} gets another text than {mail.name} has: {text[-200:]!r}")
        return mail.name, [("sent " if "@" in account else "mail ") + account]

    def told_of(self, text):
        """What a notification without a part of the original is about."""
        found = re.search(r"\b[0-9A-F]{16}\b", text) if self.faulty else None
        if not found:
            return None
        with open(self.spool + ".log", encoding="utf-8", errors="replace") as log:
            dropped = re.search(rf"received id={found.group(0)} .*drop=(\S+)", log.read())
        names = (found.group(0), dropped and dropped.group(1))
        return next((mail for mail in self.mails.values() if mail.id in names), None)

    def left(self):
        """The files that are in the spool, and their texts."""
        found = {}
        for folder in self.made:
            for entry in os.scandir(os.path.join(self.spool, folder)):
                if entry.is_file() and folder not in ("sts", "state"):
                    with open(entry.path, encoding="utf-8", errors="replace") as file:
                        found[os.path.join(folder, entry.name)] = file.read()
        return found

    def is_settled(self):
        return not any(entry.is_file() and not entry.name.startswith("tmp.m.") for folder in self.made if folder.startswith(("drop", "queue"))
                       for entry in os.scandir(os.path.join(self.spool, folder)))


class Case:
    """Cases of one kind and one scenario."""

    faulty = False
    lifts = False  # what fails works again, at the end of the steps

    def __init__(self, ground, scenario):
        self.ground, self.scenario = ground, scenario

    def cases(self, wanted):
        """So many of all, spread evenly."""
        count = self.count()
        step = max(1, count / wanted)
        return sorted({int(i * step) + 1 for i in range(min(count, wanted))})

    def world(self, name):
        world = World(self.ground, name, FOLDERS.get(self.scenario, ()))
        world.faulty = self.faulty
        for path, what in LEFT.items() if self.scenario == "start" else []:
            world.put(path, what)
        world.before = len(world.events)
        world.own()
        return world

    def live(self, world, options=()):
        """The first life. Returns how the tracer ended, and what it counted."""
        trace = os.path.join(self.ground.folder, world.name + ".trace")
        log = ["-r", world.spool, "-l", trace] if self.logged else []
        return Life(world, [*options, *log], SCENARIOS[self.scenario], self.scenario == "start", self.lifts).run()

    logged = False

    def live_on(self, world):
        """The life after a death; nothing befalls it."""
        world.events.append(("died",))
        status = Life(world, [], [*NEXT.get(self.scenario, []), "smtp last bob"]).run()
        if status != 137:
            raise Fault(f"the next life ends with {status}")

    def told(self, world):
        with open(world.spool + ".log", encoding="utf-8", errors="replace") as log:
            return log.read()

    def count_calls(self, options=()):
        world = self.world("count-" + self.scenario)
        status = self.live(world, options)
        told = self.told(world)
        try:
            if status != 137:
                raise Fault(f"ends with {status} by itself")
            if "peer-misbehaved" in told:
                raise Fault("spool_world.py says what is no message by smtpd_msg.def")
            spool_check.check(world, 0, 1)
        except Fault as fault:
            raise Fault(f"{fault}\n{world.events}\n{told}") from None
        finally:
            self.ground.remove(world.name)
        return int(re.findall(r"^calls (\d+)", told, re.M)[-1])

    def check(self, world, deaths, bound):
        """deaths: of the queue, up to now."""
        try:
            if deaths:
                self.live_on(world)
            spool_check.check(world, deaths, bound)
        except Fault as fault:
            raise Fault(f"{fault}\n--- events:\n{world.events}\n--- log:\n{self.told(world)}") from None


class Kill(Case):
    def count(self):
        return self.count_calls()

    def run(self, name, n):
        world = self.world(name)
        self.live(world, ["-k", str(n)])
        self.check(world, 1, 2)
        # The same notification may come again, as any message.
        for (queue_id, recipient, action), reports in world.reports.items():
            if len(reports) > 1:
                raise Fault(f"that {queue_id} to {recipient} is {action} is told by {len(reports)} notifications\n--- log:\n{self.told(world)}")


class FaultAt(Case):
    faulty = lifts = True

    def __init__(self, ground, scenario, error):
        super().__init__(ground, scenario)
        self.error = error
        self.options = ["-e", error.removesuffix("-on"), *(["-s"] if error.endswith("-on") else [])]

    def count(self):
        return self.count_calls(self.options)

    def run(self, name, n):
        world = self.world(name)
        status = self.live(world, ["-f", str(n), *self.options])
        # Where memory ends the process ends; and one that cannot read its spool does not begin.
        good = [137, *([134] if self.error.startswith("ENOMEM") else []), *([66, 71] if self.scenario == "start" else [])]
        if status not in good:
            raise Fault(f"ended with {status}\n{self.told(world)}")
        if status == 137:
            self.check(world, 0, 1)
            self.live_on(world)  # what could not be removed goes now
            self.check(world, 0, 1)
        else:
            self.check(world, 1, 2)


class Power(Case):
    """The power fails after each thing that was done: once nothing survives that was not synced, once any part of it."""

    logged = True

    def count(self):
        world, _, lines, _ = self.record("count-" + self.scenario)
        self.ground.remove(world.name)
        return 2 * (len(lines) + 1)

    def record(self, name, options=()):
        world = self.world(name)
        disk = power.Disk(world.spool)
        self.live(world, options)
        trace = os.path.join(self.ground.folder, name + ".trace")
        with open(trace, encoding="utf-8") as lines, open(trace + ".data", "rb") as data:
            return world, disk, lines.read().splitlines(), data.read()

    def lose(self, world, disk, rng, harsh):
        """What was told before the power failed is so."""
        shutil.rmtree(world.spool)
        disk.fail(rng, harsh)
        disk.write(world.spool)
        world.own()
        world.events = world.events[:max([world.before, *map(int, disk.said)])]
        # What came of a message may be there again, and the message too.
        self.check(world, 1, 3)

    def run(self, name, n):
        world, disk, lines, data = self.record(name)
        disk.replay(lines[:(n - 1) // 2], data)
        self.lose(world, disk, power.random_of("spool", self.scenario, n), n % 2 == 1)


class Sync(Power):
    faulty = True

    def count(self):
        return self.count_calls(["-y", "-e", "EIO"])

    def run(self, name, n):
        rng = power.random_of("spool-sync", self.scenario, n)
        world, disk, lines, data = self.record(name, ["-f", str(n), "-y", "-e", "EIO"])
        disk.replay(lines, data)
        self.lose(world, disk, rng, n % 2 == 0)


class Rows(Power):
    """Every state of the table comes about."""

    def __init__(self, ground):
        super().__init__(ground, None)

    def cases(self, wanted):
        return [1]

    def states(self, name, options=()):
        world = self.world(name)
        folders = {str(os.stat(os.path.join(world.spool, folder)).st_ino): folder for folder in world.made}
        self.live(world, options)
        trace = os.path.join(self.ground.folder, name + ".trace")
        with open(trace, encoding="utf-8") as lines, open(trace + ".data", "rb") as data:
            found = {state for files in spool_check.replay(folders, lines.read().splitlines(), data.read()) for state in spool_check.states(files)}
        self.ground.remove(name)
        return found

    def run(self, name, n):
        found = set()
        for self.scenario in SCENARIOS:
            if self.scenario not in ("start", "state"):
                found |= self.states(name)
        # One is passed over at once, unless the removal fails.
        self.scenario, n, rare = "queue", 0, "finished"
        while rare not in found and n < self.count_calls(["-e", "EIO"]):
            n += 1
            found |= self.states(name, ["-f", str(n), "-e", "EIO"])
        missing = set(spool_check.table()) - found
        if missing:
            raise Fault(f"no scenario comes by {sorted(missing)}")


KINDS = {"spool-kill": Kill, "spool-power": Power, "spool-sync": Sync, "spool-fault": FaultAt, "spool-rows": Rows}


def groups(kind, errors):
    """The words after the kind, of each group of cases."""
    if kind == "spool-rows":
        return [[]]
    if kind == "spool-fault":
        return [[scenario, error + on] for scenario in SCENARIOS for error in errors for on in ("", "-on")]
    return [[scenario] for scenario in SCENARIOS]
