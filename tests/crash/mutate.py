"""Bytes of the index changed: an error or a repair, never a crash, never wrong mail."""
import os
import shutil
import threading

from account import Session, after_all
from promises import Fault, answers, died, hold, reap
from power import random_of

# How the account stands when it happens: left in order; by kill -9 in the middle, so that its log is needed; under a process that has it open.
STATES = ["closed", "killed", "open"]
lock = threading.Lock()


def prepare(ground):
    """The template with a process killed in it, and what that process promised."""
    with lock:
        if not hasattr(ground, "killed"):
            account = ground.copy("killed")
            session = Session(ground, account)
            for command in ("open", "append INBOX k1 S", "flags INBOX 1,2 add F", "move INBOX 4 Work", "append Work k2 -"):
                if session.ask(command)[0] != 0:
                    raise Fault(f"{command} fails by itself")
            ground.killed = session.ask("tell")[1]
            session.kill()
            session.end()
    return ground.killed


def change(path, rng):
    """Changes bytes of one file. Returns what, in words."""
    with open(path, "r+b") as file:
        data = file.read()
        used = max(1, len(data.rstrip(b"\0")))  # logs are made full of zeros
        at = rng.randrange(min(len(data), used + 100) or 1)
        length = rng.choice([1, 4, 16, 512, 4096])
        kind = rng.choice(["flip", "flip", "flip", "zeros", "random", "torn", "cut", "grow"])
        if kind == "flip":
            for _ in range(rng.choice([1, 1, 1, 2, 8])):
                at = rng.randrange(used)
                file.seek(at)
                file.write(bytes([(data[at] if at < len(data) else 0) ^ 1 << rng.randrange(8)]))
        elif kind == "cut":
            file.truncate(at)
        elif kind == "grow":
            file.seek(0, 2)
            file.write(rng.randbytes(length))
        else:
            # Torn: a sector of elsewhere, or of before, stands in its place.
            start = rng.randrange(max(1, used // 512)) * 512
            bytes_of = {"zeros": bytes(length), "random": rng.randbytes(length), "torn": data[start:start + 512]}[kind]
            file.seek(at if kind != "torn" else at // 512 * 512)
            file.write(bytes_of)
        return f"{kind} at {at} of {len(data)} in {os.path.basename(path)}"


def mutate(account, rng):
    index = os.path.join(account, "index")
    files = sorted(os.listdir(index))
    done = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        name = rng.choice(files + [f for f in files if f.startswith(("log.", "mailstore"))] * 3)
        path = os.path.join(index, name)
        if rng.random() < 0.03 and os.path.exists(path):
            os.unlink(path)
            done.append(f"{name} removed")
        elif os.path.exists(path):
            done.append(change(path, rng))
    return ", ".join(done)


def look(account, ground, expected):
    """A first process may find faults; what it says without an error is right."""
    status, output, errors = reap([ground.driver, account, "open", "tell"])
    if died(status):
        raise Fault(f"{died(status)}\n{errors}")
    for command, result, state in answers(output, ground.known):
        if command == "tell" and result == 0 and not state.same(expected):
            hold(state, expected)


def run(ground, name, state, seed):
    rng = random_of(state, seed)
    killed = prepare(ground)
    expected = killed if state == "killed" else ground.clean["append"][0][0]
    account = ground.copy(name) if state != "killed" else shutil.copytree(os.path.join(ground.folder, "killed"), os.path.join(ground.folder, name))
    done = ""
    try:
        if state == "open":
            session = Session(ground, account)
            session.ask("open")
            if rng.random() < 0.5:
                session.ask("tell")
            done = mutate(account, rng)
            for command in ("tell", "append INBOX late -", "tell", "close"):
                answer = session.ask(command)
                if answer is None:
                    raise Fault(f"at {command}: {died(session.end()) or 'ended'}")
                if command == "tell" and answer[0] == 0:
                    hold(answer[1].without("late"), expected)
            if died(session.end()):
                raise Fault("did not end in order")
            reap([ground.driver, account, "open", "tell"])
            late = answers(reap([ground.driver, account, "open", "tell"])[1], ground.known)[1][2]
            hold(late.without("late"), expected)
            expected = late if isinstance(late, str) else answers(reap([ground.driver, account, "open", "tell"])[1], ground.known)[1][2]
        else:
            done = mutate(account, rng)
            look(account, ground, expected)
        after_all(ground, account, expected)
    except Fault as fault:
        raise Fault(f"{done}: {fault}") from None
