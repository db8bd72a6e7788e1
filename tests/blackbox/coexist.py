#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Other programs on a Maildir while an IMAP session waits in IDLE: mutt, mbsync, procmail, cp, mv, rm add, flag, move and remove mail, and
the session is told at once what they did and nothing else; no UID ever changes. And what is no message harms none."""
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time

BASE, STATE, TMP = int(os.environ["BASE_PORT"]), os.environ["STATE"], os.environ["TMP"]
LANE = os.environ.get("LANE", "release")
failures = 0


def check(name, good, detail=""):
    global failures
    print("%s - %s: %s%s" % ("ok" if good else "not ok", LANE, name, "" if good else "\n    %s" % (detail,)))
    failures += not good


class Client:
    def __init__(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(socket.create_connection(("127.0.0.1", BASE + 993), timeout=10))
        self.file = self.socket.makefile("rb")
        self.count = 0
        self.line()
        self.command("LOGIN bob@example.test demo")

    def line(self):
        line = self.file.readline().decode()
        if not line.endswith("\r\n"):
            raise EOFError("the server closed after %r" % line)
        return line[:-2]

    def until(self, pattern):
        lines = []
        while not lines or not re.match(pattern, lines[-1]):
            lines.append(self.line())
        return lines

    def send(self, text):
        self.socket.sendall(text.encode())

    def command(self, text):
        self.count += 1
        self.send("t%d %s\r\n" % (self.count, text))
        return self.until("t%d " % self.count)

    def idle(self, work, pattern):
        """What the server says in IDLE once work() was done, up to a line like that; and how long it took."""
        self.send("i IDLE\r\n")
        self.until(r"\+")
        work()
        done = time.monotonic()
        lines = self.until(pattern)
        took = time.monotonic() - done
        self.send("DONE\r\n")
        return lines + self.until("i "), took

    def uids(self):
        return [int(n) for n in re.findall(r"\d+", self.command("UID SEARCH ALL")[0])]

    def flags(self, uid):
        found = re.search(r"FLAGS \(([^)]*)\)", "".join(self.command("UID FETCH %d (FLAGS)" % uid)))
        return sorted(flag for flag in found.group(1).split() if flag != "\\Recent") if found else None


name = "coexist-%d" % os.getpid()
client = Client()
client.command("CREATE " + name)
client.command("CREATE %s-other" % name)
client.command("SELECT " + name)
maildir = STATE + "/mail/example.test/bob/Maildir"
here, there = "%s/.%s" % (maildir, name), "%s/.%s-other" % (maildir, name)
owner = os.stat(maildir)
home = TMP + "/home"
os.makedirs(home, exist_ok=True)
os.chown(home, owner.st_uid, owner.st_gid)


def run(*command, text=None, known=False):
    """As the account's user, for whom other programs would work; or as ours, which has a name."""
    credentials = {} if known or os.getuid() != 0 else {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    result = subprocess.run(command, **({"stdin": subprocess.DEVNULL} if text is None else {"input": text}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, cwd="/", text=True,
                            env={"HOME": home, "PATH": os.environ["PATH"], "TERM": "vt100", "MAILDIR": maildir}, **credentials)
    if result.returncode != 0:
        raise RuntimeError("%s: %s" % (command, result.stdout))


def message(n):
    return "From: a@example.org\nSubject: message %d\nMessage-ID: <%s.%d@example.org>\n\nbody %d\n" % (n, name, n, n)


def shell(script, text=None):
    run("sh", "-c", "cd '%s' && %s" % (here, script), text=text)


def told(what, work, pattern):
    lines, took = client.idle(work, pattern)
    check("%s: told at once" % what, took < 2, "%.1f s" % took)
    return lines


def file_of(uid):
    found = [part + "/" + entry for part in ("new", "cur") for entry in os.listdir(here + "/" + part) if ",U=%d" % uid in re.split("[:]", entry)[0] + ","
             and re.search(r",U=%d[.,]" % uid, entry.split(":")[0])]
    return found[0]


# --- adding ---
told("cp", lambda: shell("cat >tmp/1600000001.a.host && mv tmp/1600000001.a.host new/", message(1)), r"\* 1 EXISTS")
with open(home + "/procmailrc", "w") as rc:
    rc.write("MAILDIR=%s\nDEFAULT=%s/\nLOGFILE=\n" % (home, here))
told("procmail", lambda: run("procmail", "-m", home + "/procmailrc", text=message(2)), r"\* 2 EXISTS")
told("a name without ':2,'", lambda: shell("cat >cur/plain", message(3)), r"\* 3 EXISTS")
told("a name with another program's fields", lambda: shell("cat >'cur/1600000004.Q7.host,Z=9,FMD5=0123:1,x'", message(4)), r"\* 4 EXISTS")
uids = client.uids()
check("each has a UID", uids == [1, 2, 3, 4], uids)
sizes = client.command("FETCH 1:4 RFC822.SIZE")
check("each has its size, also when it was seen before it was written", len(re.findall("SIZE [1-9]", "".join(sizes))) == 4, sizes)

# --- flags ---
lines = told("mv to cur/ with flags", lambda: shell("mv '%s' cur/\"$(basename '%s')\":2,FS" % (file_of(1), file_of(1))), r"\* 1 FETCH")
check("the flags of the name", client.flags(1) == ["\\Flagged", "\\Seen"], client.flags(1))
with open(home + "/muttrc", "w") as rc:
    rc.write("set mbox_type=Maildir\nset folder=%s\nset spoolfile=%s\nset delete=yes\nset quit=yes\nset wait_key=no\nset mark_old=no\n"
             "set move=no\nset sleep_time=0\n" % (maildir, here))


def mutt(keys):
    # mutt wants a terminal: script(1) gives it one.
    script = "exec script -qec \"mutt -n -F %s/muttrc -f '%s' -e 'push %s'\" /dev/null" % (home, here, keys)
    run("sh", "-c", script, known=True)


told("mutt flags a message", lambda: mutt("<tag-pattern>message.2<enter><tag-prefix><set-flag>!<sync-mailbox><quit>"), r"\* \d FETCH")
flagged = [uid for uid in uids if "\\Flagged" in (client.flags(uid) or [])]
check("mutt: one message more is flagged, and no UID changes", len(flagged) == 2 and client.uids() == uids, (flagged, client.uids()))

# --- what is no message ---
shell("mkdir cur/folder; ln -s /etc/passwd cur/link:2,S; mkfifo cur/pipe; mkdir -p new/sub/cur; printf x >cur/.hidden; chmod 644 '%s'" % file_of(2))
shell("cat >cur/locked:2, && chmod 0 cur/locked:2,", message(9))
shell("chmod 755 '%s'" % file_of(3))
check("folders, links, pipes, dot files and unreadable files harm nobody", client.command("NOOP")[-1].split()[1] == "OK" and client.uids() == uids, client.uids())
shell("rm -rf cur/folder cur/link:2,S cur/pipe new/sub cur/.hidden cur/locked:2,")
told("a very long name", lambda: shell("cat >cur/1600000005.%s:2," % ("L" * 230), message(5)), r"\* 5 EXISTS")
uids = client.uids()
check("a very long name has a UID", len(uids) == 5, uids)
os.utime(here + "/cur", (2 ** 31, 2 ** 31))
told("after the clock jumped", lambda: shell("cat >cur/1600000006.c.host:2,", message(6)), r"\* 6 EXISTS")

# --- moving and removing ---
told("mv into another folder", lambda: shell("mv '%s' '%s/cur/moved.1:2,S'" % (file_of(1), there)), r"\* 1 EXPUNGE")
told("mutt deletes a message", lambda: mutt("<delete-pattern>message.2<enter><sync-mailbox><quit>"), r"\* \d EXPUNGE")
before = client.uids()
told("rm", lambda: shell("rm '%s'" % file_of(before[-1])), r"\* 4 EXPUNGE")
left = client.uids()
check("the others keep their UIDs", left == before[:3] and left[0] in uids, (left, before))
found = client.command("STATUS %s-other (MESSAGES UNSEEN)" % name)
check("what was moved is there", "MESSAGES 1 UNSEEN 0" in found[0], found)

# --- mbsync on the Maildir itself, which has no room for such a name ---
told("rm of a very long name", lambda: shell("rm cur/*LLLL*"), r"\* \d EXPUNGE")
left = client.uids()
with open(home + "/mbsyncrc", "w") as rc:
    rc.write("MaildirStore far\nPath %s/\nInbox %s\nAltMap yes\n\nMaildirStore near\nPath %s/mail/\nInbox %s/mail/Inbox\n\n"
             "Channel one\nFar :far:.%s\nNear :near:box\nCreate Near\nExpunge Both\nSyncState %s/state-\n" % (maildir, maildir, home, home, name, home))
os.makedirs(home + "/mail", exist_ok=True)
os.chown(home + "/mail", owner.st_uid, owner.st_gid)
run("mbsync", "-c", home + "/mbsyncrc", "one")
check("mbsync reads all and changes no UID", client.uids() == left and len(os.listdir(home + "/mail/box/cur") + os.listdir(home + "/mail/box/new")) == len(left),
      client.uids())


def synced():
    run("sh", "-c", "printf 'Subject: new\\n\\nx\\n' >'%s/mail/box/new/1600000009.z.host'" % home)
    run("mbsync", "-c", home + "/mbsyncrc", "one")


told("mbsync brings a message", synced, r"\* 3 EXISTS")
check("mbsync: the others keep their UIDs", client.uids()[:2] == left, (left, client.uids()))

# --- a file that is still being written ---
def rendered(uid):
    """Its size, subject and text, as a client gets them."""
    lines = "\n".join(client.command("UID FETCH %d (RFC822.SIZE ENVELOPE BODY.PEEK[TEXT])" % uid))
    size, subject = re.search(r"RFC822.SIZE (\d+)", lines), re.search(r'ENVELOPE \((?:"[^"]*"|NIL) (?:"([^"]*)"|NIL)', lines)
    return int(size.group(1)) if size else None, subject.group(1) if subject else None, lines.count("line of the text")


def slowly(part):
    """Looked at when it has the first half of its header, when it has all of that, and in its text: what was seen then is not what stays."""
    path, whole = "%s/%s/1600000020.%s.host%s" % (here, part, part, ":2," if part == "cur" else ""), "From: a@example.org\nSubject: all of %s\n\n" % part + "line of the text\n" * 3000
    before = client.uids()
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", buffering=1) as file:
        os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        for begin, end in ((0, 30), (30, 60), (60, 9000), (9000, len(whole))):
            file.write(whole[begin:end])
            file.flush()
            for uid in set(client.uids()) - set(before):
                rendered(uid)
    for uid in set(client.uids()) - set(before):
        rendered(uid)
    new = sorted(set(client.uids()) - set(before))
    right = (len(whole) + whole.count("\n"), "all of %s" % part, 3000)
    found = [rendered(uid) for uid in new]
    check("a file written slowly in %s/ is one message, with its size, envelope and text" % part, found == [right], (new, found))
    client.command("UNSELECT")
    client.command("SELECT " + name)
    check("and stays it", sorted(set(client.uids()) - set(before)) == new and [rendered(uid) for uid in new] == [right], new)


slowly("cur")
slowly("new")

# --- a file that cannot be read ---
uids = client.uids()
unread = file_of(uids[0])
shell("chmod 0 '%s'" % unread)
lines = client.command("UID FETCH %d,%d (BODY.PEEK[])" % (uids[0], uids[1]))
check("a message that cannot be read is not said to be gone, and the next is read", lines[-1].split()[1:3] == ["NO", "[SERVERBUG]"] and sum("FETCH" in line for line in lines[:-1]) == 1, lines)
shell("chmod 600 '%s'" % unread)
lines = client.command("UID FETCH %d (BODY.PEEK[])" % uids[0])
check("and when it can be, it is", lines[-1].split()[1] == "OK" and client.uids() == uids, lines[-1])

# --- folders ---
run("mkdir", "-p", here + ".made/cur", here + ".made/new", here + ".made/tmp")
run("mkdir", "-p", maildir + "/.Caf\u00e9-%d/cur" % os.getpid())
names = client.command('LIST "" "%s*"' % name)
check("a folder made by mkdir, without maildirfolder, is a mailbox", any(name + ".made" in line or name + "/made" in line for line in names), names)
check("a folder whose name is no UTF-7 harms nobody", client.command('LIST "" "*"')[-1].split()[1] == "OK")
client.command("LOGOUT")
shutil.rmtree(maildir + "/.Caf\u00e9-%d" % os.getpid(), ignore_errors=True)
sys.exit(failures != 0)
