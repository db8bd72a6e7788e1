"""What was promised of an account, what is there, and whether that is the same."""
import copy
import os
import signal
import subprocess
import time

TIMEOUT = 120  # seconds: whatever takes longer hangs, also on a machine that has much else to do
DATE = 1700000000  # of the driver's messages
# UIDVALIDITYs that mail brought along from elsewhere: below any of this store's own.
FOREIGN = range(1, 10 ** 8)


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
    os.utime(path, (DATE, DATE))
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
                when = "today" if abs(time.time() - int(date)) < 86400 else int(date)  # mail that was delivered has the time of its coming
                self.places.setdefault(name, {})[keys[mailbox], int(uid)] = ("".join(sorted(flags)), " ".join(sorted(keywords.split())), when)
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
        """With other UIDs: (identity of the mailbox, UID) -> UID."""
        other = copy.copy(self)
        other.places = {name: {(key, uids.get((key, uid), uid)): value for (key, uid), value in places.items()} for name, places in self.places.items()}
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
        if (not key.startswith("new ") or sides[0][1] in FOREIGN) and n[1] not in [side[1] for side in sides]:
            raise Fault(f"the UIDVALIDITY of {n[0]} was {sides[0][1]} and is {n[1]}")
        if (b is not None or done) and n[2] < sides[0][2]:
            raise Fault(f"the next UID of {n[0]} was {sides[0][2]} and is {n[2]}")
        # A subscription goes by name: a rename has both for a while, and what is new gets its own last.
        if (b is not None or done) and n[0] == sides[0][0] == sides[-1][0] and n[3] not in [side[3] for side in sides]:
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
