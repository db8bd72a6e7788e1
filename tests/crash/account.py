"""An account under test: how it is made, what is done to it, and what is to hold afterwards."""
import os
import select
import shutil
import subprocess
import time

import moving
from promises import TIMEOUT, Fault, State, answers, deliver, died, hold, reap

SETUP = [
    "open", "append INBOX m1 -", "append INBOX m2 S", "append INBOX m3 SF $Work", "append INBOX m4 -", "append INBOX m5 R $Work Home", "append INBOX m6 -",
    "create Work", "create Work/Deep", "create Old", "append Archive a1 S", "append Archive a2 - Other", "append Work w1 -", "append Work w2 F $Work",
    "append Work/Deep d1 S", "append Old o1 -", "subscribe Work", "subscribe Work/Deep", "copy INBOX 1 Old", "close",
]

# What is done to it, step by step: another operation is another line. UIDs are those of SETUP: others may come out otherwise.
SCENARIOS = {
    "append": ["append INBOX n1 -", "append INBOX n2 SF $Important New1", "append Work n3 D"],
    "append-all": ["append-all INBOX n1,n2,n3", "append-all Work n4,n5"],
    # What has arrived is taken in by whoever looks; the first of each stands in a transaction, for the index was closed in order.
    "deliver": ["append-all INBOX n1", "append-all INBOX n2", "append-all INBOX n3,n4", "append-all Work n5", "append-all INBOX n6", "tell INBOX",
                "append-all INBOX n7", "append-all INBOX n8", "flags INBOX 1,4 add F", "append-all INBOX n9", "move INBOX 1,2 Work", "append-all Work n10",
                "append-all Work n11", "append-all INBOX n12,n13,n14,n15,n16,n17,n18,n19,n20", "delete Work/Deep"],
    # What is closed in order is believed afterwards.
    "deliver-close": ["append-all INBOX n1", "append-all INBOX n2", "append-all INBOX n3", "reopen", "append-all Work n4", "append-all Work n5,n6", "reopen"],
    "copy": ["copy INBOX 1,2,3 Archive", "copy INBOX 4 INBOX", "copy INBOX 5,6 Work"],
    "move": ["move INBOX 1,2,5 Work", "move Archive 1 INBOX", "move INBOX 6 INBOX"],
    "flags": ["flags INBOX 1,2,3,4 add SF New1", "flags INBOX 2,3 set -", "flags INBOX 1 remove S $Work", "flags Work 1 set T Other"],
    "follow": ["flags INBOX 1,2,3,4,5,6 add S", "idle", "flags INBOX 1,2,3 remove S Home", "append INBOX n1 F", "flags INBOX 2 add R", "move INBOX 1,2 Work", "idle",
               "flags INBOX 3,4,5 set F New1", "flags Archive 1,2 add T", "expunge INBOX 4", "rename Archive Kept", "flags INBOX 3,5 remove F", "rebuild"],
    # More than whose names tell at once, in two blocks of UIDs (moving.py).
    "flag-many": ["as-usual", f"flags INBOX {moving.uids(0, 70)} add S", f"flags INBOX {moving.uids(20, 70)} set F", f"flags INBOX {moving.uids(0, 3)} remove S",
                  f"move INBOX {moving.uids(33, 36)} Work", "idle", f"flags INBOX {moving.uids(0, 67)} add R"],
    "expunge": ["expunge INBOX 2,4", "expunge Work 1", "append INBOX n1 -"],
    "create": ["create New", "create One/Two/Three", "append New n1 S"],
    "rename": ["rename Work Job", "rename Old Up/Down/Old"],
    "rename-inbox": ["rename INBOX Saved"],
    "delete": ["delete Old", "delete Work/Deep"],
    "subscribe": ["unsubscribe Work", "subscribe Archive"],
    "rebuild": ["rebuild", "append INBOX n1 -"],
    "arrive": ["tell INBOX", "append INBOX n1 -", "tell Work"],
    # While the names do not have yet what was promised, and have it when that is taken in.
    "arrive-flagged": ["flags INBOX 3,4,5,6 add RF", "come x0", "tell INBOX", "flags INBOX 1,2,3,4 remove F New1", "append INBOX n1 -", "come x1", "tell INBOX"],
    "mixed": ["append INBOX n1 -", "flags INBOX 1,4 add F", "move INBOX 1,2 Work", "expunge INBOX 3", "append INBOX n2 S", "copy Work 1 INBOX", "rename Work Job",
              "append Job n3 -", "delete Old", "rebuild", "append INBOX n4 F"],
    # Moved in before the first step (moving.py).
    "import-dovecot": ["append INBOX n1 S", "flags INBOX 7 add F New1"],
    "import-courier": ["append INBOX n1 S", "flags INBOX 9 add F New1"],
    "import-dovecot-from": ["append INBOX n1 S", "flags INBOX 7 add F New1"],
    "import-courier-from": ["append INBOX n1 S", "flags INBOX 9 add F New1"],
    "restore": ["append INBOX n1 S", "append Old n2 -"],
    "mbox": ["import-mbox mbox Old", "import-mbox mbox Fresh/Deep", "export-mbox out Old", "append Fresh/Deep n1 -"],
    "backup": ["backup one", "append INBOX n1 -", "backup two one"],
}

ARRIVALS = [("x0", "INBOX"), ("x1", "INBOX"), ("x2", "INBOX"), ("x3", "Work")]


class Ground:
    """A folder with the account as it is before anything happens, and copies of it."""

    def __init__(self, folder, build):
        self.folder = folder
        os.mkdir(folder)
        self.driver = os.path.abspath(f"{build}/tests/crash/driver")
        self.trace = os.path.abspath("build/release/tests/crash/trace")
        self.template = os.path.join(folder, "template")
        os.mkdir(self.template)
        self.run_well(self.template, SETUP)
        self.made, self.untouched = {}, {}
        for name, (make, _) in moving.MADE.items():
            self.made[name] = os.path.join(folder, "made-" + name)
            make(self, self.made[name])
            self.untouched[name] = moving.names(self.made[name])
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
        subprocess.run(["cp", "-a", self.made.get(scenario, self.template), to], check=True)
        if scenario == "arrive":
            inbox = os.path.join(to, "Maildir")
            for name, mailbox in ARRIVALS:
                deliver(os.path.join(inbox, {"INBOX": "", "Work": ".Work"}[mailbox]), name, f"1800000000.M1P1Q{name}.elsewhere")
            cur = sorted(os.listdir(os.path.join(inbox, "cur")))
            os.rename(os.path.join(inbox, "cur", cur[0]), os.path.join(inbox, "cur", cur[0].split(":")[0] + ":2,FS"))
        if scenario == "arrive-flagged":
            os.mkdir(os.path.join(to, "elsewhere"))
            for name in ("x0", "x1"):
                deliver(os.path.join(to, "Maildir"), name, name)
                os.rename(os.path.join(to, "Maildir/new", name), os.path.join(to, "elsewhere", name))
        return to

    def remove(self, name):
        shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)

    def clean_run(self, scenario):
        """The state before the first step and after each; what was promised at each."""
        steps = SCENARIOS[scenario]
        account = self.copy("clean-" + scenario, scenario)
        begin = [*moving.bring_in(scenario), "open"]
        found = self.run_well(account, [*begin, "tell", *[c for step in steps for c in (step, "tell")], "close"])[len(begin) - 1:]
        self.remove("clean-" + scenario)
        states = [text for _, _, text in found[1:-1:2]]
        for name, mailbox in ARRIVALS if scenario == "arrive" else []:
            for state in states[:steps.index("tell " + mailbox) + 1]:
                state.unpromised(mailbox, [name])
        for step, name in ((2, "x0"), (6, "x1")) if scenario == "arrive-flagged" else []:
            states[step].unpromised("INBOX", [name])
        for state in states if scenario.startswith("import-dovecot") else []:
            state.unpromised("INBOX", [moving.UNLISTED])
        for step, mailbox in enumerate(["Old", "Fresh/Deep"] if scenario == "mbox" else [], 1):
            for state in states[step:]:
                state.unpromised(mailbox, moving.IN_MBOX)
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
    to = words[1] if words[0].startswith("append") else words[3]
    return {(to, int(a)): int(b) for a, b in zip(clean[5:].split(","), given[5:].split(","))}


def after_all(ground, account, before, after=None, scenario=None):
    """Opens the account in a process of its own and looks: what is there, whether it stays the same without the index, and goes on."""
    commands = [*moving.opening(ground, account, scenario), "tell", "check", "rebuild", "tell", "check", "append INBOX probe -", "tell"]
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
