"""An account under test: how it is made, what the driver tells of it, and whether that is what was promised."""
import copy
import os
import select
import shutil
import signal
import subprocess
import time

TIMEOUT = 20  # seconds: whatever takes longer hangs

SETUP = [
    "open", "append INBOX m1 -", "append INBOX m2 S", "append INBOX m3 SF $Work", "append INBOX m4 -", "append INBOX m5 R $Work Home", "append INBOX m6 -",
    "create Work", "create Work/Deep", "create Old", "append Archive a1 S", "append Archive a2 - Other", "append Work w1 -", "append Work w2 F $Work",
    "append Work/Deep d1 S", "append Old o1 -", "subscribe Work", "subscribe Work/Deep", "copy INBOX 1 Old", "close",
]

# What is done to it, step by step: another operation is another line. UIDs are those of SETUP: others may come out otherwise.
SCENARIOS = {
    "append": ["append INBOX n1 -", "append INBOX n2 SF $Important New1", "append Work n3 D"],
    "copy": ["copy INBOX 1,2,3 Archive", "copy INBOX 4 INBOX", "copy INBOX 5,6 Work"],
    "move": ["move INBOX 1,2,5 Work", "move Archive 1 INBOX", "move INBOX 6 INBOX"],
    "flags": ["flags INBOX 1,2,3,4 add SF New1", "flags INBOX 2,3 set -", "flags INBOX 1 remove S $Work", "flags Work 1 set T Other"],
    "expunge": ["expunge INBOX 2,4", "expunge Work 1", "append INBOX n1 -"],
    "create": ["create New", "create One/Two/Three", "append New n1 S"],
    "rename": ["rename Work Job", "rename Old Up/Down/Old"],
    "rename-inbox": ["rename INBOX Saved"],
    "delete": ["delete Old", "delete Work/Deep"],
    "subscribe": ["unsubscribe Work", "subscribe Archive"],
    "rebuild": ["rebuild", "append INBOX n1 -"],
    "arrive": ["tell INBOX", "append INBOX n1 -", "tell Work"],
    "mixed": ["append INBOX n1 -", "flags INBOX 1,4 add F", "move INBOX 1,2 Work", "expunge INBOX 3", "append INBOX n2 S", "copy Work 1 INBOX", "rename Work Job",
              "append Job n3 -", "delete Old", "rebuild", "append INBOX n4 F"],
}

ARRIVALS = [("x0", "INBOX"), ("x1", "INBOX"), ("x2", "INBOX"), ("x3", "Work")]


def message(name):
    """The bytes of a message of that name: as the driver makes them."""
    lines = 20
    for c in name.encode():
        lines = (lines * 31 + c) % 300
    head = f"From: crash@example.test\nSubject: {name}\nMessage-ID: <{name}@example.test>\nDate: Tue, 10 Nov 2026 12:00:00 +0000\n\n"
    return (head + "".join(f"{name} line {i} of {lines}\n" for i in range(lines))).encode()


def deliver(folder, name, unique):
    """As another program would: a file in new/ with the time of the driver's messages."""
    path = os.path.join(folder, "tmp", unique)
    with open(path, "wb") as file:
        file.write(message(name))
    os.utime(path, (1700000000, 1700000000))
    os.rename(path, os.path.join(folder, "new", unique))


class Fault(Exception):
    """What was promised is not so."""


class State:
    """What `tell` says: mailboxes by identity, messages by name. known: identities that are the same in every run. alone: nobody changes
    the account meanwhile, so that counts agree."""

    def __init__(self, lines, known=None, alone=True):
        self.lines, self.mailboxes, self.places, self.modseq = lines, {}, {}, 0
        keys, counts = {}, {}
        for line in lines:
            kind, *fields = line.split("\t")
            if kind == "modseq":
                self.modseq = int(fields[0])
            elif kind == "mailbox":
                name, identity, uidvalidity, uidnext, messages, unseen, subscribed = fields
                keys[name] = identity if known is None or identity in known else "new " + name
                self.mailboxes[keys[name]] = (name, int(uidvalidity), int(uidnext), int(subscribed))
                counts[name] = [int(messages), int(unseen)]
            elif kind == "message":
                mailbox, uid, flags, keywords, name, date, whole = fields
                if whole != "whole":
                    raise Fault(f"message {name} (UID {uid} of {mailbox}) is not whole")
                if alone and int(uid) >= self.mailboxes[keys[mailbox]][2]:
                    raise Fault(f"UID {uid} of {mailbox} is not below the next UID")
                self.places.setdefault(name, {})[keys[mailbox], int(uid)] = ("".join(sorted(flags)), " ".join(sorted(keywords.split())), int(date))
                counts[mailbox][0] -= 1
                counts[mailbox][1] -= "S" not in flags
        for name, (messages, unseen) in counts.items():
            if alone and (messages != 0 or unseen != 0):
                raise Fault(f"{name} counts {messages} messages and {unseen} unseen more than it has")

    def same(self, other):
        """The same mail under the same UIDs, whatever numbers come next."""
        return self.places == other.places and {k: v[:2] + v[3:] for k, v in self.mailboxes.items()} == {k: v[:2] + v[3:] for k, v in other.mailboxes.items()}

    def without(self, name):
        self.places.pop(name, None)
        return self

    def unpromised(self, mailbox, names):
        """Those messages have come, but nobody was told their UIDs there."""
        for name in names:
            self.places[name] = {(key, 0 if self.mailboxes[key][0] == mailbox else uid): value for (key, uid), value in self.places[name].items()}

    def renumbered(self, uids):
        """With other UIDs: (name of the mailbox, UID) -> UID."""
        other = copy.copy(self)
        other.places = {name: {(key, uids.get((self.mailboxes[key][0], uid), uid)): value for (key, uid), value in places.items()} for name, places in self.places.items()}
        return other


def _place_matches(now, promised, acknowledged, before):
    """Places that were not there before have the UIDs that were promised, or, if none were, ones that were free."""
    if any(uid == 0 for _, uid in promised):
        told = {(key, uid) for key, uid in promised if uid != 0 and now.get((key, uid)) == promised[key, uid]}
        return sorted((p[0], v) for p, v in now.items() if p not in told) == sorted((p[0], v) for p, v in promised.items() if p[1] == 0)
    if acknowledged or now == promised:
        return now == promised
    if sorted(v for v in now.values()) != sorted(v for v in promised.values()) or len(now) != len(promised):
        return False
    rest = dict(promised)
    for (mailbox, uid), value in now.items():
        if rest.get((mailbox, uid)) == value:
            del rest[mailbox, uid]
            continue
        floor = before.mailboxes[mailbox][2] if mailbox in before.mailboxes else 1
        twin = next((p for p, v in rest.items() if p[0] == mailbox and p[1] >= floor and v == value), None)
        if twin is None or uid < floor:
            return False
        del rest[twin]
    return True


def hold(now, before, after=None):
    """Raises Fault unless now is before, or on the way from it to after, each message wholly on one side. after None: nothing was under way."""
    done = after is None
    after = after or before
    for key in set(before.mailboxes) | set(after.mailboxes) | set(now.mailboxes):
        b, a, n = before.mailboxes.get(key), after.mailboxes.get(key), now.mailboxes.get(key)
        if n is None:
            if a is not None and b is not None:
                raise Fault(f"mailbox {b[0]} is gone")
            if done:
                raise Fault(f"mailbox {(a or b)[0]} is gone")
            continue
        if a is None and b is None:
            raise Fault(f"mailbox {n[0]} came from nowhere")
        sides = [side for side in (b, a) if side is not None]
        if n[0] not in [side[0] for side in sides]:
            raise Fault(f"mailbox {sides[0][0]} is now {n[0]}")
        if not key.startswith("new ") and n[1] not in [side[1] for side in sides]:
            raise Fault(f"the UIDVALIDITY of {n[0]} was {sides[0][1]} and is {n[1]}")
        if (b is not None or done) and n[2] < sides[0][2]:
            raise Fault(f"the next UID of {n[0]} was {sides[0][2]} and is {n[2]}")
        # A subscription goes by name: a rename has both for a while.
        if n[0] == sides[0][0] == sides[-1][0] and n[3] not in [side[3] for side in sides]:
            raise Fault(f"the subscription of {n[0]} is {n[3]}")
        if a is None and not done:
            missing = [name for name, places in before.places.items() if any(p[0] == key and p not in now.places.get(name, {}) for p in places)]
            if missing:
                raise Fault(f"mailbox {n[0]} is half deleted: {missing} are gone")
    for name in set(before.places) | set(after.places) | set(now.places):
        b, a, n = before.places.get(name, {}), after.places.get(name, {}), now.places.get(name, {})
        if n != b and not _place_matches(n, b, True, before) and not _place_matches(n, a, done, before):
            raise Fault(f"message {name} was {b}, was to be {a}, is {n}")


def reap(command, stdin=None):
    """Runs it. Returns (exit status, output, errors); a hang is a fault."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL if stdin is None else stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT, check=False,
                              env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1"})
    except subprocess.TimeoutExpired as hang:
        raise Fault(f"hangs: {(hang.stdout or b'').decode(errors='replace')[-300:]}") from None
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def died(status):
    """In words, or None for an orderly end."""
    if status < 0:
        return f"died of {signal.Signals(-status).name}"
    if status > 128:
        return f"died of {signal.Signals(status - 128).name}"
    return f"ended with {status}" if status != 0 else None


def answers(output, known=None, alone=True):
    """The driver's output as a list of (command, result, State or list of faults or text)."""
    found, lines = [], iter(output.split("\n"))
    for line in lines:
        if line.startswith("error "):
            result, rest = line[6:].split(" ", 1)
            found.append((rest.split(":")[0], int(result), rest))
        elif line.startswith("ok "):
            command, text = line[3:].split(":", 1)
            inside = []
            if command == "check" or command.split()[0] == "tell":
                for told in lines:
                    if told == "end":
                        break
                    inside.append(told)
                else:
                    break  # cut short: it was not told
                text = inside if command == "check" else State(inside, known, alone)
            found.append((command, 0, text.strip() if isinstance(text, str) else text))
    return found


class Ground:
    """A folder with the account as it is before anything happens, and copies of it."""

    def __init__(self, folder, build):
        self.folder = folder
        self.driver = os.path.abspath(f"{build}/tests/crash/driver")
        self.trace = os.path.abspath("build/release/tests/crash/trace")
        self.template = os.path.join(folder, "template")
        os.mkdir(self.template)
        self.run_well(self.template, SETUP)
        # So that no folder counts as fresh, and a run on a copy sees what a second run would.
        subprocess.run(["sleep", "0.1"], check=True)
        self.run_well(self.template, ["open", "tell", "close"])
        self.known = {key for key in self.run_well(self.copy("known"), ["open", "tell"])[1][2].mailboxes}
        self.remove("known")
        self.clean = {name: self.clean_run(name) for name in SCENARIOS}

    def run_well(self, account, commands):
        status, output, errors = reap([self.driver, account, *commands])
        found = answers(output, getattr(self, "known", None))
        if status != 0 or len(found) != len(commands) or any(result != 0 for _, result, _ in found):
            raise Fault(f"{commands} failed by themselves: {status} {output} {errors}")
        return found

    def copy(self, name, scenario=None):
        to = os.path.join(self.folder, name)
        subprocess.run(["cp", "-a", self.template, to], check=True)
        if scenario == "arrive":
            inbox = os.path.join(to, "Maildir")
            for name, mailbox in ARRIVALS:
                deliver(os.path.join(inbox, {"INBOX": "", "Work": ".Work"}[mailbox]), name, f"1800000000.M1P1Q{name}.elsewhere")
            cur = sorted(os.listdir(os.path.join(inbox, "cur")))
            os.rename(os.path.join(inbox, "cur", cur[0]), os.path.join(inbox, "cur", cur[0].split(":")[0] + ":2,FS"))
        return to

    def remove(self, name):
        shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)

    def clean_run(self, scenario):
        """The state before the first step and after each; what was promised at each."""
        steps = SCENARIOS[scenario]
        account = self.copy("clean-" + scenario, scenario)
        found = self.run_well(account, ["open", "tell", *[c for step in steps for c in (step, "tell")], "close"])
        self.remove("clean-" + scenario)
        states = [text for _, _, text in found[1:-1:2]]
        for name, mailbox in ARRIVALS if scenario == "arrive" else []:
            for state in states[:steps.index("tell " + mailbox) + 1]:
                state.unpromised(mailbox, [name])
        if scenario == "rename-inbox":
            states[1].unpromised("Saved", states[1].places)
        return states, [text for _, _, text in found[2::2]]


def renumbering(step, clean, given):
    """The UIDs that were given at a step in place of those of the clean run."""
    if isinstance(clean, State):
        uids = [{f[5]: (f[1], int(f[2])) for f in (line.split("\t") for line in told.lines) if f[0] == "message"} for told in (clean, given)]
        return {place: uids[1][name][1] for name, place in uids[0].items() if name in uids[1]}
    if "uids=" not in clean:
        return {}
    words = step.split()
    to = words[1] if words[0] == "append" else words[3]
    return {(to, int(a)): int(b) for a, b in zip(clean[5:].split(","), given[5:].split(","))}


def after_all(ground, account, before, after=None, more=()):
    """Opens the account in a process of its own and looks: what is there, whether it stays the same without the index, and goes on."""
    commands = ["open", "tell", *more, "check", "rebuild", "tell", "check", "append INBOX probe -", "tell"]
    status, output, errors = reap([ground.driver, account, *commands])
    try:
        if died(status):
            raise Fault(died(status))
        found = answers(output, ground.known)
        bad = [text for _, result, text in found if result != 0] or [text for command, _, text in found if command == "check" and text]
        if bad or len(found) != len(commands):
            raise Fault(str(bad))
        first, second, third = (text for _, _, text in found if isinstance(text, State))
        hold(first, before, after)
        if first.modseq < before.modseq:
            raise Fault(f"the modification sequence was {before.modseq} and is {first.modseq}")
        if not first.same(second):
            raise Fault(f"made again from the Maildir it is another: {first.places} {first.mailboxes} / {second.places} {second.mailboxes}")
        uid = next(int(text[5:]) for command, _, text in found if command.startswith("append"))
        inbox = next(v for v in before.mailboxes.values() if v[0] == "INBOX")
        if uid < inbox[2]:
            raise Fault(f"UID {uid} was given when {inbox[2]} was next")
        if not third.without("probe").same(second):
            raise Fault("an appended message changed others")
    except Fault as fault:
        raise Fault(f"{fault}\n--- told:\n{output}{errors}") from None
    return found


class Session:
    """A driver that is told what to do one by one."""

    def __init__(self, ground, account, alone=True):
        self.process = subprocess.Popen([ground.driver, account], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
                                        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        self.known, self.alone, self.rest = ground.known, alone, b""

    def ask(self, command, timeout=TIMEOUT):
        """(result, text, State or lines) as answers() has it; None when the process died."""
        told = command.split()[0] in ("tell", "check")
        end = time.monotonic() + timeout
        try:
            self.process.stdin.write(command.encode() + b"\n")
        except BrokenPipeError:
            return None
        while not (self.rest.endswith(b"\nend\n") if told else self.rest.endswith(b"\n")):
            if not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                stack = subprocess.run(["gdb", "-batch", "-p", str(self.process.pid), "-ex", "bt"], capture_output=True, text=True, check=False).stdout if shutil.which("gdb") else ""
                raise Fault(f"hangs at: {command}\n" + "\n".join(line for line in stack.split("\n") if line.startswith("#")))
            got = os.read(self.process.stdout.fileno(), 1 << 20)
            if got == b"":
                return None
            self.rest += got
        output, self.rest = self.rest.decode(errors="replace"), b""
        return answers(output, self.known, self.alone)[0][1:]

    def kill(self):
        self.process.kill()

    def end(self):
        """Its exit status."""
        self.process.stdin.close()
        try:
            return self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Fault("hangs at its end") from None
        finally:
            self.process.stdout.close()
