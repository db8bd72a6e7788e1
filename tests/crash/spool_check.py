"""What is to hold of the spool after whatever happened to the queue: a message that was promised has come to all its ends, once where nothing
died; one that was refused is nowhere; nothing is left over. And which rows of ARCHITECTURE.md's table of states were met."""
import collections
import os
import re

from promises import Fault
from spool_world import ENDS, address, ends

DIRECT = ("try", "each")


def needs(mail):
    found = {end for to in mail.to for end in ends(to)}
    if mail.notify:
        found |= {"told " + to for to in mail.to if to not in ENDS}
    if mail.sender == "":
        found = {end for end in found if not end.startswith("reply")}
    return found


class Story:
    """Of one message: what was promised, and where it went."""

    def __init__(self, mail, events):
        self.mail = mail
        self.kinds, self.got, self.late, self.last = {}, collections.Counter(), collections.Counter(), {}
        died = max([n for n, event in enumerate(events) if event[0] == "died"], default=0)
        for n, event in enumerate(events):
            if event[0] == "got" and event[1] == mail.name:
                self.got[event[2]] += 1
                self.late[event[2]] += n > died
            elif event[0] in ("handed", "taken", "refused", "answered") and event[1] == mail.name:
                self.kinds[event[0]] = n, event
            elif event[0] in ("asked", "obeyed") and event[2] == mail.name:
                self.last[event[1]] = event
        self.events = events

    def fault(self, text):
        return Fault(f"message {self.mail.name} ({self.mail.verb} to {','.join(self.mail.to)}): {text}; it came to {dict(self.got)}")

    def asked(self, verb):
        """'done', another answer, 'asked' when there was none, or None."""
        event = self.last.get(verb)
        return None if event is None else event[3] if event[0] == "obeyed" else "asked"

    def is_held(self):
        """None: it may be, or not."""
        hold = "done" if self.mail.verb == "quarantine" and "taken" in self.kinds else self.asked("hold")
        if self.asked("release") is not None:
            return False if self.asked("release") == "done" or hold is None else None
        return True if hold == "done" else None if hold is not None or self.mail.verb == "quarantine" else False

    def check(self, deaths, held, bound, faulty):
        """bound: how often what came by way of another message may come, which may be there again as well."""
        wanted, own = needs(self.mail), {("sent " if "@" in to else "mail ") + to for to in self.mail.to}
        strange = set(self.got) - wanted
        if strange:
            raise self.fault(f"it was not to come to {strange}")
        for end, times in self.got.items():
            if times > (1 + deaths if end in own else bound):
                raise self.fault(f"{end} has it {times} times")
        # An answer that could not be queued is left out: that the message is delivered comes first.
        missing = {end for end in wanted if self.got[end] == 0 and not (faulty and end.startswith("reply "))}
        removed, is_held = self.asked("remove"), self.is_held()
        if removed == "done" and held:
            raise self.fault("it was removed and is held")
        if removed == "done" and any(event[0] == "got" and event[1] == self.mail.name and n > self.events.index(self.last["remove"]) for n, event in enumerate(self.events)):
            raise self.fault("it was removed, and then went out")
        if removed is not None:
            return
        if held and is_held is False:
            raise self.fault("it is held")
        if "refused" in self.kinds:
            if held or (self.got and self.mail.verb not in DIRECT):
                raise self.fault("it was refused")
        elif "answered" in self.kinds:
            self._check_answered()
        elif held:
            return
        elif "taken" in self.kinds:
            if is_held:
                raise self.fault("it was to be held and is not")
            if missing:
                raise self.fault(f"it was promised and did not come to {missing}")
        elif missing and [end for end in +self.late if end in own or self.mail.verb not in DIRECT]:
            # Those behind an alias have a message of their own, which is safe before the client is answered.
            raise self.fault(f"it was not promised, and is half there: it did not come to {missing}")

    def _check_answered(self):
        """Who has an account has had it before; what goes on to others is safe."""
        at, event = self.kinds["answered"]
        for to, verdict in zip(self.mail.to, event[2]):
            for end in ends(to):
                times = [n for n, e in enumerate(self.events) if e == ("got", self.mail.name, end)]
                if verdict != 0 and times:
                    raise self.fault(f"{end} was told to have refused it")
                if verdict == 0 and not end.startswith("reply ") and (not times or (end == "mail " + to and min(times) > at)):
                    raise self.fault(f"{end} was told to have it")


def check_policies(world, deaths):
    """Each that is told is one that was to be kept, whole; and, where no call failed, no older than what was told before, and the last where nothing died."""
    kept, told = collections.defaultdict(int), collections.defaultdict(int)
    for kind, domain, version in [event for event in world.events if event[0] in ("kept", "policy")]:
        if kind == "kept":
            kept[domain] = version
        elif version is None or version > kept[domain] or (version < told[domain] and not world.faulty):
            raise Fault(f"the policy of {domain} is {version}, after {told[domain]} was told and {kept[domain]} was to be kept")
        elif version != kept[domain] and not deaths and not world.faulty:
            raise Fault(f"the policy of {domain} is {version}, not {kept[domain]}")
        else:
            told[domain] = version


def check_greylist(world):
    """Who asks again is to wait no longer than before; what the power takes along is another wait."""
    waits = [event[2] for event in world.events if event[0] == "greylisted"]
    if waits and (not 0 < waits[0] <= 3600 or (("died",) not in world.events and waits != sorted(waits, reverse=True))):
        raise Fault(f"who asks again waits for {waits}")


def check(world, deaths, bound):
    """Before any death, what was being received may be there: the next start removes it."""
    left = world.left()
    check_policies(world, deaths)
    check_greylist(world)
    for mail in world.mails.values():
        story = Story(mail, world.events)
        if story.kinds or story.got:
            story.check(deaths, mail.id is not None and any(path.startswith("hold/") and about(text) == mail.name for path, text in left.items()), bound, world.faulty)
    strange = [path for path in left if not path.startswith(("hold/", "drop/tmp.")) and path != "corrupt/m.0.rubbish" and
               (("died",) in world.events or "/tmp." not in path)]
    if strange:
        raise Fault(f"left over: {strange}")


# --- the table of states ---

def table():
    """Its rows, as ARCHITECTURE.md names them."""
    with open(os.path.join(os.path.dirname(__file__), "../../ARCHITECTURE.md"), encoding="utf-8") as text:
        rows = re.search(r"\n\| state \| files \|.*\n\|[-|]*\n((?:\|.*\n)*)", text.read()).group(1)
    return [row.split("|")[1].strip() for row in rows.splitlines()]


def _statuses(text):
    return re.findall(r"^to (\w) \S+ \S+ (\S+)$", text.split("\n\n")[0], re.M)


def about(text):
    found = re.search(r"Message-ID: <([\w-]+)@crash>", text)
    return found and found.group(1)


def states(files):
    """Which rows the spool's files stand for. files: path -> text."""
    found = set()
    queued = {path: text for path, text in files.items() if re.fullmatch(r"queue/../[0-9A-F]{16}", path)}
    copies = {path: text for path, text in files.items() if re.fullmatch(r"queue/../tmp\.[0-9A-F]{16}", path)}

    def names(group, drop):
        return any(f"\ndrop {drop}\n" in text for text in group.values())

    for path in files:
        folder, name = path.split("/", 1)
        if folder == "drop" and name.startswith("tmp."):
            found.add("being dropped")
        elif folder == "drop" and name.startswith("ctl."):
            found.add("request")
        elif folder == "drop":
            found.add("being copied" if names(copies, name) else "copied" if names(queued, name) else "dropped")
        elif folder in ("hold", "corrupt"):
            found.add({"hold": "held", "corrupt": "unreadable"}[folder])
    if any("\ndrop " not in text for text in copies.values()):
        found.add("being received, or delivered before the answer")
    for text in queued.values():
        pending = [to for status, to in _statuses(text) if status in "PWH"]
        others = [other for other in queued.values() if other is not text and about(other) == about(text)]
        if not pending and _statuses(text):
            found.add("finished")
        if pending:
            found.add("queued")
        if any("\nexpanded yes\n" in other for other in others) and any(address(alias) in pending for alias in ("both", "list")):
            found.add("expanded, not marked")
        if any("multipart/report" in other for other in others) and "multipart/report" not in text and pending:
            found.add("bounced, not marked")
    return found


def replay(folders, lines, data):
    """The files after each line of the tracer's log. folders: inode -> path of a folder below the spool."""
    entries, contents, at = {}, {}, 0
    for line in lines:
        kind, *f = line.split("\t")
        if kind == "make":
            entries[f[1], f[2]], contents[f[0]] = f[0], b""
        elif kind == "remove":
            entries.pop((f[1], f[2]), None)
        elif kind == "rename":
            entries.pop((f[1], f[2]), None)
            entries[f[4], f[5]] = f[0]
        elif kind == "write":
            start, length = int(f[1]), int(f[2])
            old = contents.get(f[0], b"")
            contents[f[0]] = old[:start] + data[at:at + length] + old[start + length:]
            at += length
        else:
            continue
        yield {f"{folders[folder]}/{name}": contents[inode].decode() for (folder, name), inode in entries.items() if folder in folders and inode in contents}
