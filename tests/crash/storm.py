"""Ten processes on one account: five clients, two programs that know only Maildir, one that delivers, one that rebuilds, and one that kills
the others. Each message belongs to one of them, who alone changes it and so knows what it was promised; the model is what all of them know."""
import os
import shutil
import subprocess
import threading
import time

from account import Session, after_all
from power import random_of
from promises import Fault, answers, deliver, died, reap

MAILBOXES = {"INBOX": "", "Archive": ".Archive", "Work": ".Work", "Old": ".Old"}
FLAGS, KEYWORDS = ["", "S", "F", "FS", "RS", "DF"], ["", "$Work", "Home", "$Work Home"]
MESSAGES = 30  # of each client at a time


class Sky:
    """What all of them share."""

    def __init__(self, ground, account, seed, seconds):
        self.ground, self.account, self.seed = ground, account, seed
        self.end = time.monotonic() + seconds
        self.lock = threading.Lock()
        self.log = []          # of everything that was asked, for whoever looks for the cause of a fault
        self.uids = []         # (begun, ended, mailbox, UID): as they were promised
        self.modseq = 0
        self.faults, self.counts = [], {"operations": 0, "killed": 0, "rebuilt": 0, "removed": 0}
        # Mailboxes have their identities and UIDVALIDITYs for the whole time.
        self.before = ground.clean["append"][0][0]
        self.mailboxes = {v[0]: v[:2] for v in self.before.mailboxes.values()}

    def over(self):
        return self.faults or time.monotonic() > self.end

    def count(self, what):
        with self.lock:
            self.counts[what] += 1


class Actor(threading.Thread):
    def __init__(self, sky, name):
        super().__init__()
        self.sky, self.title, self.rng = sky, name, random_of("storm", sky.seed, name)
        self.made = 0
        self.session = None

    def run(self):
        try:
            while not self.sky.over():
                self.act()
            self.finish()
        except Fault as fault:
            self.sky.faults.append(f"{self.title}: {fault}")
        except Exception as error:
            self.sky.faults.append(f"{self.title}: {error!r}")
        finally:
            if self.session is not None:
                self.session.kill()
                self.session.end()

    def finish(self):
        session, self.session = self.session, None
        if session is not None and died(session.end()) not in (None, "died of SIGKILL"):
            raise Fault("did not end in order")

    def new_name(self):
        self.made += 1
        return f"{self.title}-{self.made}"

    def ask(self, command):
        """As Session.ask; None: it was killed, and what it was doing is in doubt."""
        if self.session is None:
            session = Session(self.sky.ground, self.sky.account, alone=False)
            self.session = session
            answer = session.ask("open")
            if answer is not None and answer[0] != 0:
                raise Fault(answer[1])
            if answer is None:
                return self.lost(session)
        session, floor, begun = self.session, self.sky.modseq, time.monotonic()
        answer = session.ask(command)
        self.sky.log.append(f"{begun:.6f} {time.monotonic():.6f} {self.title} {command}: {answer[:2] if answer else 'killed'}")
        if answer is None:
            return self.lost(session)
        self.sky.count("operations")
        if command.startswith("tell") and answer[0] == 0:
            state = answer[1]
            with self.sky.lock:
                self.sky.modseq = max(self.sky.modseq, state.modseq)
            if state.modseq < floor:
                raise Fault(f"the modification sequence {state.modseq} comes after {floor}")
            for mailbox, uidvalidity, *_ in state.mailboxes.values():
                if self.sky.mailboxes[mailbox] != (mailbox, uidvalidity):
                    raise Fault(f"{mailbox} has now UIDVALIDITY {uidvalidity}")
        elif answer[0] == 0 and "uids=" in answer[1]:
            with self.sky.lock:
                words = command.split()
                self.sky.uids.append((begun, time.monotonic(), words[1] if words[0] == "append" else words[3], int(answer[1][5:])))
        return answer

    def lost(self, session):
        status = session.end()
        self.session = None
        if died(status) != "died of SIGKILL":
            raise Fault(f"{died(status) or 'ended by itself'}")
        return None


class Client(Actor):
    """Places of a message: {mailbox: (UID or None, flags, keywords)}; in doubt there is more than one possibility."""

    def __init__(self, sky, name):
        super().__init__(sky, name)
        self.mine = {}

    def promise(self, command, after):
        """Does it, and knows then how messages stand. after: of each name, by the UID that was given."""
        before = {name: self.mine.get(name, [{}])[0] for name in after}
        answer = self.ask(command)
        if answer is None:
            self.mine.update({name: [before[name], after[name](None)] for name in after})
            self.settle(after)
        elif answer[0] != 0:
            raise Fault(f"{answer[1]} (error {answer[0]})")
        else:
            uid = int(answer[1][5:]) if "uids=" in answer[1] else None
            if uid == 0:
                raise Fault(f"{command}: the message was not there, but it is promised: {before}")
            self.mine.update({name: [after[name](uid)] for name in after})

    def settle(self, names):
        """What is in doubt is looked up, once in all mailboxes together."""
        answer = None
        while answer is None:
            answer = self.ask("tell")
        if answer[0] != 0:
            raise Fault(answer[1])
        self.check(answer[1], None)
        self.mine.update({name: [self.seen(answer[1], name)] for name in names})

    @staticmethod
    def seen(state, name):
        return {state.mailboxes[key][0]: (uid, flags, keywords) for (key, uid), (flags, keywords, _) in state.places.get(name, {}).items()}

    def check(self, state, mailbox):
        """Against what is promised; mailbox None: in all."""
        def part(places):
            return {m: p for m, p in places.items() if mailbox in (None, m)}

        for name, possible in self.mine.items():
            is_now = part(self.seen(state, name))
            if not any(self.agrees(is_now, part(p)) for p in possible):
                raise Fault(f"{name} was promised as {possible} and is {is_now}")
        for name in state.places:
            if name.startswith(self.title + "-") and name not in self.mine:
                raise Fault(f"{name} was expunged and is there: {state.places[name]}")

    @staticmethod
    def agrees(is_now, promised):
        return is_now.keys() == promised.keys() and all(is_now[m][1:] == p[1:] and p[0] in (None, is_now[m][0]) for m, p in promised.items())

    def act(self):
        rng = self.rng
        names = [n for n, p in self.mine.items() if p[0]]
        for gone in [n for n, p in self.mine.items() if not p[0]]:
            del self.mine[gone]
        what = rng.choice(["append"] * 3 + ["flags"] * 4 + ["many"] * 2 + ["move"] * 2 + ["copy", "expunge", "expunge", "tell", "idle"])
        if what == "tell":
            mailbox = rng.choice(list(MAILBOXES))
            answer = self.ask(f"tell {mailbox}")
            if answer is not None and answer[0] != 0:
                raise Fault(answer[1])
            if answer is not None:
                self.check(answer[1], mailbox)
            return
        if what == "idle":
            answer = self.ask("idle")
            if answer is not None and answer[0] != 0:
                raise Fault(answer[1])
            return
        if what == "append" and len(names) < MESSAGES or not names:
            name, mailbox, flags, keywords = self.new_name(), rng.choice(list(MAILBOXES)), rng.choice(FLAGS), rng.choice(KEYWORDS)
            self.promise(f"append {mailbox} {name} {flags or '-'} {keywords}".strip(), {name: lambda uid: {mailbox: (uid, flags, keywords)}})
            return
        name = rng.choice(names)
        places = self.mine[name][0]
        mailbox = rng.choice(list(places))
        uid, flags, keywords = places[mailbox]
        others = {m: p for m, p in places.items() if m != mailbox}
        free = [m for m in MAILBOXES if m not in places]
        if what == "flags":
            flags, keywords = rng.choice(FLAGS), rng.choice(KEYWORDS)
            self.promise(f"flags {mailbox} {uid} set {flags or '-'} {keywords}".strip(), {name: lambda _: {**others, mailbox: (uid, flags, keywords)}})
        elif what == "many":
            self.flag_many(mailbox, [n for n in names if mailbox in self.mine[n][0]])
        elif what in ("expunge", "append") or not free:
            self.promise(f"expunge {mailbox} {uid}", {name: lambda _: others})
        else:
            to = rng.choice(free)
            self.promise(f"{what} {mailbox} {uid} {to}", {name: lambda new: {**(places if what == "copy" else others), to: (new, flags, keywords)}})

    def flag_many(self, mailbox, names):
        """All at once: their files' names tell it later."""
        how, flags, keywords = self.rng.choice(["set", "add", "remove"]), self.rng.choice(FLAGS), self.rng.choice(KEYWORDS)

        def changed(before, given):
            return {"set": set(given), "add": set(before) | set(given), "remove": set(before) - set(given)}[how]

        def after(places):
            uid, old_flags, old_keywords = places[mailbox]
            place = uid, "".join(sorted(changed(old_flags, flags))), " ".join(sorted(changed(old_keywords.split(), keywords.split())))
            return lambda _: {**places, mailbox: place}

        places = {name: self.mine[name][0] for name in names}
        uids = ",".join(str(uid) for uid in sorted(p[mailbox][0] for p in places.values()))
        self.promise(f"flags {mailbox} {uids} {how} {flags or '-'} {keywords}".strip(), {name: after(p) for name, p in places.items()})

    def finish(self):
        super().finish()
        self.promised = {name: possible for name, possible in self.mine.items() if possible[0]}


class Deliverer(Client):
    """A process for each message, as LMTP has it."""

    def act(self):
        name = self.new_name()
        self.promise(f"append INBOX {name} -", {name: lambda uid: {"INBOX": (uid, "", "")}})
        Actor.finish(self)
        if len(self.mine) > MESSAGES:
            name, possible = next(iter(self.mine.items()))
            if possible[0]:
                self.promise(f"expunge INBOX {possible[0]['INBOX'][0]}", {name: lambda _: {}})
            if not self.mine[name][0]:
                del self.mine[name]


class Rebuilder(Actor):
    def act(self):
        answer = self.ask(self.rng.choice(["rebuild", "tell", "tell"]))
        if answer is not None and answer[0] != 0:
            raise Fault(answer[1])
        self.sky.count("rebuilt")
        time.sleep(self.rng.random())


class Mutt(Actor):
    """Knows Maildir and nothing else."""

    def __init__(self, sky, name):
        super().__init__(sky, name)
        self.mine = {}

    def find(self, mailbox, unique):
        for part in ("new", "cur", "new", "cur"):
            folder = os.path.join(self.sky.account, "Maildir", MAILBOXES[mailbox], part)
            for entry in os.listdir(folder):
                if entry.split(",")[0].split(":")[0] == unique:
                    return folder, entry
        return None

    def act(self):
        rng = self.rng
        what = rng.choice(["deliver", "flags", "flags", "move", "move", "remove"])
        if what == "deliver" and len(self.mine) < MESSAGES or not self.mine:
            name, mailbox = self.new_name(), rng.choice(list(MAILBOXES))
            unique = f"{int(time.time())}.M{self.made}P{os.getpid()}Q{self.title}.elsewhere"
            deliver(os.path.join(self.sky.account, "Maildir", MAILBOXES[mailbox]), name, unique)
            self.mine[name] = (mailbox, unique, "")
        else:
            name = rng.choice(list(self.mine))
            mailbox, unique, flags = self.mine[name]
            found = self.find(mailbox, unique)
            if found is None:
                return  # being renamed just now
            folder, entry = found
            root = os.path.join(self.sky.account, "Maildir")
            base = entry.split(":2,")[0]
            try:
                if what == "remove":
                    os.unlink(os.path.join(folder, entry))
                    del self.mine[name]
                elif what == "move":
                    # With its name, as mv(1) does, or under a fresh one, as careful programs do.
                    to = rng.choice([m for m in MAILBOXES if m != mailbox])
                    base = base if rng.random() < 0.5 else unique
                    os.rename(os.path.join(folder, entry), os.path.join(root, MAILBOXES[to], "cur", f"{base}:2,{flags}"))
                    self.mine[name] = (to, unique, flags)
                else:
                    flags = rng.choice(FLAGS)
                    os.rename(os.path.join(folder, entry), os.path.join(root, MAILBOXES[mailbox], "cur", f"{base}:2,{flags}"))
                    self.mine[name] = (mailbox, unique, flags)
            except FileNotFoundError:
                return
        time.sleep(rng.random() * 0.05)

    def finish(self):
        self.promised = {name: [{mailbox: (None, flags, "")}] for name, (mailbox, _, flags) in self.mine.items()}


class Killer(Actor):
    def act(self):
        time.sleep(self.rng.random() * 0.4)
        session = self.rng.choice(self.sky.actors).session
        if session is not None:
            session.kill()
            self.sky.count("killed")


class Remover(Actor):
    """The index folder goes away: by rm -r, or as a whole."""

    def act(self):
        time.sleep(0.2 + self.rng.random())
        index = os.path.join(self.sky.account, "index")
        if self.rng.random() < 0.5:
            subprocess.run(["rm", "-rf", index], check=False, stderr=subprocess.DEVNULL)
        elif os.path.exists(index):
            os.rename(index, self.sky.account + "-index")
            shutil.rmtree(self.sky.account + "-index")
        self.sky.count("removed")


def check_uids(uids):
    for mailbox in MAILBOXES:
        given = sorted((ended, begun, uid) for begun, ended, m, uid in uids if m == mailbox)
        highest, at = 0, 0
        for _, begun, uid in sorted(given, key=lambda g: g[1]):
            while at < len(given) and given[at][0] < begun:
                highest, at = max(highest, given[at][2]), at + 1
            if uid <= highest:
                raise Fault(f"UID {uid} of {mailbox} was given after {highest}")
        if len({uid for _, _, uid in given}) != len(given):
            raise Fault(f"a UID of {mailbox} was given twice")


def run(ground, name, bare, seed, seconds):
    sky = Sky(ground, ground.copy(name), seed, seconds)
    sky.actors = [Client(sky, f"c{i}") for i in range(5)] + [Mutt(sky, "x1"), Mutt(sky, "x2"), Deliverer(sky, "d"), Rebuilder(sky, "r")]
    everybody = sky.actors + [Killer(sky, "k")] + ([Remover(sky, "b")] if bare else [])
    for actor in everybody:
        actor.start()
    for actor in everybody:
        actor.join()
    with open(os.path.join(sky.account, "log"), "w", encoding="utf-8") as log:
        log.writelines(line + "\n" for line in sky.log)
    if sky.faults:
        raise Fault("\n".join(sky.faults))
    check_uids(sky.uids)
    status, output, errors = reap([ground.driver, sky.account, "open", "tell"])
    if died(status):
        raise Fault(f"{died(status)} {output[-1000:]} {errors}")
    state = answers(output, ground.known)[1][2]
    promised = {n: p for actor in sky.actors if isinstance(actor, (Client, Mutt)) for n, p in actor.promised.items()}
    for message in set(promised) | set(state.places):
        is_now = Client.seen(state, message)
        if message in sky.before.places:
            if state.places.get(message) != sky.before.places[message]:
                raise Fault(f"{message} was {sky.before.places[message]} and is {state.places.get(message)}")
        elif not any(Client.agrees(is_now, p) for p in promised.get(message, [{}])):
            raise Fault(f"at the end {message} was promised as {promised.get(message)} and is {is_now}")
    after_all(ground, sky.account, state)
    return ", ".join(f"{count} {what}" for what, count in sky.counts.items()) + f", {len(promised)} messages at the end"
