"""Mail that moves in and out: accounts as Dovecot and Courier leave them, an account with a backup, an mbox file. None of the first three
is open to anybody while it is being moved in, and each comes to the same end after any number of attempts."""
import os
import subprocess

from promises import DATE, Fault, answers, message, reap

LOCKED = "in use by another"  # what ms_strerror says of MS_E_LOCKED begins so


UNLISTED = "m4"  # no list of Dovecot's tells its UID
IN_MBOX = {"b1": "", "b2": "Status: RO\nX-Keywords: $Work New1\n", "b3": "X-Status: F\n"}


def put(folder, name, file):
    """A message of that name in a file, as the driver makes it."""
    os.makedirs(os.path.dirname(os.path.join(folder, file)), exist_ok=True)
    with open(os.path.join(folder, file), "wb") as out:
        out.write(message(name))
    os.utime(os.path.join(folder, file), (DATE, DATE))


def write(folder, name, text):
    os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
        out.write(text)


def make_maildir(account, *folders):
    for folder in ("", *folders):
        for part in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(account, "Maildir", folder, part))
    return os.path.join(account, "Maildir")


def make_dovecot(_, account):
    """Letters, sizes in names, UIDs with gaps, a message with a letter that the list lacks, one that has gone, and folders whose names cannot stay, one subscribed."""
    maildir = make_maildir(account, ".Work.Sub", ".Caf\u00e9", ".50%", ".50*")
    put(maildir, "m1", f"cur/1.a.host,S={len(message('m1'))}:2,FSac")
    put(maildir, "m2", "new/2.b.host")
    put(maildir, "m3", "cur/3.c.host:2,b")
    put(maildir, UNLISTED, "cur/4.d.host:2,Sa")
    put(maildir, "w1", ".Work.Sub/cur/5.e.host:2,R")
    put(maildir, "c1", ".Caf\u00e9/new/6.f.host")
    write(maildir, "dovecot-uidlist", "3 V1234567 N90 G0123\n7 W38 :1.a.host\n20 :2.b.host\n21 :9.gone.host\n80 :3.c.host\n")
    write(maildir, "dovecot-keywords", "0 $Label1\n1 $Forwarded\n2 Work\n")
    write(maildir, ".Work.Sub/dovecot-uidlist", "3 V7654321 N5\n4 :5.e.host:2,R\n")
    write(maildir, ".Caf\u00e9/dovecot-uidlist", "3 V7654322 N8\n7 :6.f.host\n")
    write(maildir, ".50%/dovecot-uidlist", "3 V7654323 N8\n")
    write(maildir, ".50*/dovecot-uidlist", "3 V7654324 N8\n")
    write(maildir, "subscriptions", "Work.Sub\nGone\n50*\n")


def make_courier(_, account):
    """More keywords than letters, and files that tell some of them anew."""
    maildir = make_maildir(account, ".Sent")
    put(maildir, "m1", "cur/1.a.host,S=34:2,S")
    put(maildir, "m2", "cur/2.b.host:2,")
    put(maildir, "m3", "new/3.c.host")
    put(maildir, "s1", ".Sent/cur/4.d.host:2,S")
    write(maildir, "courierimapuiddb", "1 55555 40\n3 1.a.host,S=34\n9 2.b.host\n12 3.c.host\n")
    write(maildir, ".Sent/courierimapuiddb", "1 55556 3\n2 4.d.host\n")
    write(maildir, "courierimapkeywords/:list", "".join(f"k{i}\n" for i in range(30)) + "\n1.a.host,S=34:0 28\n2.b.host:1\n")
    write(maildir, "courierimapkeywords/.3.2.b.host", "k6\n")
    write(maildir, "courierimapkeywords/.7.2.b.host", "k5\n$Forwarded\n")
    write(maildir, "courierimapsubscribed", "INBOX\nINBOX.Sent\n")


def elsewhere(make):
    """The same, in a folder beside an account that has no mail yet."""
    def make_elsewhere(ground, account):
        make(ground, account)
        os.rename(os.path.join(account, "Maildir"), os.path.join(account, "elsewhere"))
    return make_elsewhere


def make_backup(ground, account):
    """Mail came and went since the backup."""
    subprocess.run(["cp", "-a", ground.template, account], check=True)
    os.mkdir(os.path.join(account, "backups"))
    ground.run_well(account, ["open", "backup one", "append INBOX later1 S", "expunge INBOX 2", "flags INBOX 1 add F", "move INBOX 3 Work", "create Later",
                              "append Later later2 -", "delete Old", "close"])


def make_mbox(ground, account):
    subprocess.run(["cp", "-a", ground.template, account], check=True)
    os.mkdir(os.path.join(account, "backups"))
    with open(os.path.join(account, "mbox"), "wb") as out:
        for name, status in IN_MBOX.items():
            head, body = message(name).split(b"\n\n", 1)
            out.write(b"From crash@example.test Tue Nov 14 22:13:20 2023\n" + head + b"\n" + status.encode() + b"\n" + body + b"\n")


def uids(begin, end):
    """Of so many of make_many's messages, as the driver wants them."""
    return ",".join(str(n + 1 if n < 35 else n + 2030) for n in range(begin, end))


def make_many(ground, account):
    """A mailbox with more messages than get their flags by name at once, their UIDs in two blocks of the index."""
    maildir = make_maildir(account, ".Work")
    listed = ["3 V1234567 N3000 G0123"]
    for n, uid in enumerate(uids(0, 70).split(",")):
        put(maildir, f"q{n}", f"cur/{n}.q.host:2,")
        listed.append(f"{uid} :{n}.q.host")
    write(maildir, "dovecot-uidlist", "\n".join(listed) + "\n")
    ground.run_well(account, ["import", "open", "tell", "close"])


# Of each scenario that does not begin with the account of SETUP: how its account is made, and what brings its mail in.
MADE = {
    "import-dovecot": (make_dovecot, ["import"]),
    "import-courier": (make_courier, ["import"]),
    "import-dovecot-from": (elsewhere(make_dovecot), ["import elsewhere"]),
    "import-courier-from": (elsewhere(make_courier), ["import elsewhere"]),
    "restore": (make_backup, ["restore backups/one"]),
    "mbox": (make_mbox, []),
    "backup": (make_mbox, []),
    "flag-many": (make_many, []),
}


def bring_in(scenario):
    return MADE.get(scenario, (None, []))[1]


def names(account):
    """Of all messages' files."""
    maildir = os.path.join(account, "Maildir")
    return sorted(os.path.join(os.path.relpath(folder, maildir), file) for folder, _, files in os.walk(maildir) if folder.endswith(("cur", "new")) for file in files)


def opening(ground, account, scenario):
    """What is to be done before the account is what it was to become: where moving in was cut short nobody opens it before that is gone
    on with; where it has not begun no file is touched; else it is done."""
    anew = [*bring_in(scenario), "open"]
    if len(anew) == 1:
        return anew
    if os.path.exists(os.path.join(account, "importing")):
        found = answers(reap([ground.driver, account, "open"])[1])
        if not found or LOCKED not in found[0][2]:
            raise Fault(f"somebody opens it before it has moved in: {found}")
        return anew
    return anew if names(account) == ground.untouched[scenario] else ["open"]


def check_backups(ground, account, steps, states):
    """Each backup that was made comes back whole as an account of its own. steps: those that are done; states: after each."""
    for step, state in zip(steps, states):
        backup = step.split()
        if backup[0] != "backup":
            continue
        other = account + "-restored"
        os.mkdir(other)
        try:
            found = ground.run_well(other, [f"restore ../{os.path.basename(account)}/backups/{backup[1]}", "open", "tell"])
            if not found[2][2].same(state):
                raise Fault(f"backup {backup[1]} was of {state.places} and is of {found[2][2].places}")
        finally:
            ground.remove(os.path.basename(other))
