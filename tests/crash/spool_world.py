"""smtpd's queue role in a world that is played: parent, smtp, auth, deliver and relay. They act only while the role waits (world.h), so that
what it does depends on nothing but the steps, and time passes when there is nothing else to do. What they ask of it, and what it tells and
gives them, is noted as events, in order."""
import os
import re
import socket
import struct
import subprocess

from promises import Fault

PARENT, FRONT, AUTH, WORKER, QUEUE, RELAY, POLICY = 0, 1, 3, 4, 5, 7, 9
ROLE_UID_BASE = 61000
QUEUE_UID = ROLE_UID_BASE + 16 + QUEUE
TAKEN, NO_SPACE, FAILED, ANSWERED = range(4)       # enum message_result
OK, TEMPFAIL, PERMFAIL = range(3)                  # enum verdict
LOCAL, UNKNOWN, NOT_OURS, ALIAS = range(4)         # enum lookup_result
EXPAND = 1                                         # enum lookup_kind
FIRST = {"smtp": 0, "try": 1, "each": 2}           # enum message_first
MEMORY_MAX = 262144                                # MESSAGE_MEMORY_MAX
NOTHING = 2 ** 64 - 1                              # SUBMIT_NOTHING
HOUR = 3600
TIMEOUT = 30  # seconds: whatever takes longer hangs
CONFIGURATION = """hostname = "mail.local.test"; domains = [ "local.test" ]; role_uid_base = %d; empty_dir = "/var/empty"; accounts_dir = "/nonexistent";
spool_dir = "%s"; retry_min = 60; retry_max = 600; queue_lifetime = "3h"; delay_warning = "1h"; srs_secret = "";
"""

ALIASES = {"both": ("", ["bob", "carol"]), "list": ("owner@local.test", ["bob", "dave", "ok@other.test"]), "one": ("", ["bob"])}
# What each recipient is to come to: mail in a mailbox, mail at another host, a notification to the sender.
ENDS = {"both": ["mail bob", "mail carol"], "list": ["mail bob", "mail dave", "sent ok@other.test"], "one": ["mail bob"], "nobody": ["told nobody"],
        "never": ["told never"], "answers": ["mail answers", "reply answers"], "passes": ["mail carol"], "no@other.test": ["told no@other.test"],
        "lost@down.test": ["told lost@down.test"]}


def ends(recipient):
    return ENDS.get(recipient) or [("sent " if "@" in recipient else "mail ") + recipient]


def address(name):
    return name if "@" in name or name == "" else name + "@local.test"


def short(mailbox):
    return mailbox.removesuffix("@local.test")


def _numbers():
    numbers, here = {}, os.path.dirname(__file__)
    for file, first in (("frame/frame_msg.def", 1), ("smtpd/smtpd_msg.def", 64)):
        with open(os.path.join(here, "../..", file), encoding="utf-8") as rows:
            for number, name in enumerate(re.findall(r"^MSG\((\w+)", rows.read(), re.M), first):
                numbers[name] = number
    return numbers


NUMBERS = _numbers()
STS_PART = 15360
NAMES = {number: name for name, number in NUMBERS.items()}


def span(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("=H", len(data)) + data


def policy_text(domain, version):
    """An MTA-STS policy of several messages, each of whose lines is of that version."""
    return "".join(f"{domain} {version} {line}\n" for line in range(2000))


def policy_version(domain, text):
    """0: there is none; None: it is no policy that was ever kept."""
    found = re.match(r"\S+ (\d+) 0\n", text)
    version = int(found.group(1)) if found else 0
    return version if text == ("" if version == 0 else policy_text(domain, version)) else None


class Body:
    """Of a message that came."""

    def __init__(self, data):
        self.rest = data

    def take(self, form):
        values = struct.unpack_from("=" + form, self.rest)
        self.rest = self.rest[struct.calcsize("=" + form):]
        return values[0] if len(values) == 1 else values

    def span(self):
        length = self.take("H")
        data, self.rest = self.rest[:length], self.rest[length:]
        return data.decode()


class Mail:
    """A message: its name tells each of its bytes. verb: how it is handed in."""

    def __init__(self, verb, name, to, options):
        self.verb, self.name, self.to = verb, name, to.split(",")
        self.sender = options.get("from", "alice").replace("-", "")
        self.release = int(options.get("after", 0))
        self.notify = {"success": 2}.get(options.get("notify"), 0)
        self.size = int(options.get("size", 900))
        self.id, self.number, self.fd, self.in_memory, self.rewritten = None, None, -1, False, False
        self.written = 0

    def text(self, again=False):
        lines = [f"Message-ID: <{self.name}@crash>", f"Subject: {'changed' if again else 'as sent'}", ""]
        lines += [f"{self.name} line {n} of {self.size // 20}" for n in range(self.size // 20)]
        return ("\r\n".join(lines) + "\r\n").encode()

    def final(self):
        return self.text(self.verb in ("rewrite", "quarantine"))


class Disk:
    """What the others do to files themselves, which the tracer does not see: for the log of a life."""

    def __init__(self, life):
        self.life = life

    def _log(self, line, data=b""):
        self.life.order(b"l" + line.encode() + b"\0" + data)

    def _entry(self, path):
        info = os.stat(os.path.dirname(path))
        return f"{info.st_ino}\t{os.path.basename(path)}\t{info.st_mtime_ns}"

    def make(self, path, mode):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        os.fchmod(fd, mode)
        if os.geteuid() == 0:
            os.fchown(fd, QUEUE_UID, QUEUE_UID)
        self._log(f"make\t{os.fstat(fd).st_ino}\t{self._entry(path)}")
        return fd

    def write(self, fd, data):
        """Appends."""
        at = os.fstat(fd).st_size
        os.write(fd, data)
        info = os.fstat(fd)
        for n in range(0, len(data), 1 << 16):
            part = data[n:n + (1 << 16)]
            self._log(f"write\t{info.st_ino}\t{at + n}\t{len(part)}\t{info.st_mtime_ns}", part)

    def sync(self, fd):
        info = os.fstat(fd)
        self._log(f"sync\t{info.st_ino}\t{info.st_size}\t{info.st_mtime_ns}")

    def rename(self, old, new):
        inode = os.stat(old).st_ino
        os.rename(old, new)
        self._log(f"rename\t{inode}\t{self._entry(old)}\t{self._entry(new)}")
        folder = os.open(os.path.dirname(new), os.O_RDONLY)
        self.sync(folder)
        os.close(folder)

    def said(self, number):
        self._log(f"said\t{number}")


class Life:
    """One process from its start to its end."""

    def __init__(self, world, options, steps, counted_from_start=False, lifts=False):
        self.world, self.steps = world, list(steps)
        self.counted_from_start, self.lifts = counted_from_start, lifts
        self.counts, self.lifted = False, False
        self.channels, self.mine, self.later = {}, [], []
        self.passes, self.waited = 0, 0
        self.disk = Disk(self)
        self.mails = {}
        self.requests = []
        self.policy = ""  # the parts of one that came
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(TIMEOUT)
        parent = self._channel(PARENT)
        command = [world.ground.trace, *options, "-w", str(theirs.fileno()), "-t", str(world.passed), "-p", str(parent.fileno()),
                   world.ground.smtpd, "-v", "-x", "queue", " " * 100]
        self.log = open(world.spool + ".log", "a+b")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log, pass_fds=(theirs.fileno(), parent.fileno()))
        theirs.close()
        parent.close()
        self._start()

    # --- channels ---

    def _channel(self, key):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.channels[key] = ours
        return theirs

    def order(self, data):
        try:
            self.control.send(data)
        except OSError:
            pass

    def send(self, key, name, number, body=b"", fd=None):
        data = struct.pack("=HHI", NUMBERS[name], 0, number) + body
        try:
            if key in self.channels:
                socket.send_fds(self.channels[key], [data], [fd] if fd is not None else [])
        except OSError:
            pass  # it is gone
        self.acted = True

    def _start(self):
        conf = os.memfd_create("conf")
        os.write(conf, (CONFIGURATION % (ROLE_UID_BASE, self.world.spool)).encode())
        self.send(PARENT, "CONFIG", 0, fd=conf)
        os.close(conf)
        for role in (FRONT, AUTH, RELAY, POLICY):
            theirs = self._channel(role)
            self.send(PARENT, "PEER", 0, bytes([role]), theirs.fileno())
            theirs.close()
        self.send(PARENT, "START", 0, bytes([os.geteuid() == 0, 0]))

    def event(self, *event):
        self.world.events.append(event)
        self.disk.said(len(self.world.events))

    # --- the course ---

    def run(self):
        """To its end. Returns its status."""
        try:
            while True:
                try:
                    told = self.control.recv(100).decode().split()
                except ConnectionError:
                    told = []
                if not told:
                    break
                if told[0] == "jailed":
                    self._count(self.counted_from_start)
                    self.order(b"g")
                elif told[0] == "sent":
                    self.drain()
                    self.order(b"g")
                else:
                    self.order(self.wait(int(told[1])))
            self.drain()
            self._answer_all()  # deliver and relay do not stop with the queue
        except TimeoutError:
            raise Fault("hangs: it neither waits nor ends") from None
        except (struct.error, UnicodeDecodeError) as error:
            raise Fault(f"spool_world.py reads a message otherwise than smtpd_msg.def has it: {error}") from None
        finally:
            if self.process.poll() is None and self.control.fileno() >= 0:
                self.control.close()
            for channel in self.channels.values():
                channel.close()
            for mail in self.mails.values():
                if mail.fd >= 0:
                    os.close(mail.fd)
            for _, _, fd, _ in self.requests:
                os.close(fd)
            self.process.wait(TIMEOUT)
            self.log.close()
        return self.process.returncode

    def _count(self, now):
        if now and not self.counts:
            self.counts = True
            self.order(b"c")

    def drain(self):
        for key, channel in list(self.channels.items()):
            while channel.fileno() >= 0:
                try:
                    data, fds, _, _ = socket.recv_fds(channel, 65536, 4)
                except (BlockingIOError, ConnectionError):
                    break
                if not data:
                    if key not in (PARENT, FRONT, AUTH, RELAY, POLICY):
                        channel.close()
                        del self.channels[key]
                    break
                kind, _, number = struct.unpack_from("=HHI", data)
                self._take(key, NAMES[kind], number, Body(data[8:]), fds[0] if fds else None)

    def wait(self, timeout):
        self.acted = False
        self.drain()
        self._answer_all()
        self._look_at_requests()
        if self.acted:
            return b"g"
        self._count(True)
        if self.steps and not self.later:
            for one in self.steps.pop(0).split(" | "):
                self.do(one)
            if self.acted:
                return b"g"
        if timeout > 0 and self.passes < 400 and (self.later or not self.world.is_settled() or (self.lifts and not self.lifted)):
            self.passes += 1
            self.waited += timeout
            self.world.passed += timeout
            if self.lifts and not self.lifted and not self.later and self.passes >= 12:
                self.order(b"u")
                self.lifted = True
                self.steps.append("smtp later bob")
                self.passes = 0
            self.later = [(when, act) for when, act in self.later if when > self.waited or act()]
            return b"p"
        return b"k"

    def _answer_all(self):
        mine, self.mine = self.mine, []
        for act in mine:
            act()

    # --- what the others hear ---

    def _take(self, key, name, number, body, fd):
        """Noted at once; acted upon while it waits."""
        if name == "MESSAGE_DONE":
            self._done(self._mail_of(number), body)
        elif name == "MESSAGE_FD":
            mail = self._mail_of(number)
            mail.id, mail.fd, mail.in_memory = body.span(), fd, body.take("B") != 0
            self.mine.append(lambda: self._write(mail, number))
        elif name == "LOOKUP":
            kind, who = body.take("B"), body.span()
            self.mine.append(lambda: self._look_up(number, kind, who))
        elif name == "WORKER_BY_ADDRESS":
            account = body.span()
            self.mine.append(lambda: self._spawn(number, account))
        elif name == "DELIVER":
            self.mine.append(lambda: self._deliver(key, number, body, fd))
        elif name == "STS_KEPT_PART":
            self.policy += body.span()
        elif name == "STS_KEPT":
            domain, text = body.span(), self.policy + body.span()
            self.policy = ""
            self.event("policy", domain, policy_version(domain, text))
        elif name == "GREYLISTED":
            self.event("greylisted", number, body.take("I"))
        elif name == "RELAY":
            self.mine.append(lambda: self._relay(number, body, fd))
        elif name not in ("SENT", "WORKER_LEFT"):  # which a process that remembers nothing, and ends by itself, has no use for
            raise Fault(f"it sends {name}")

    def _mail_of(self, number):
        return next(mail for mail in self.mails.values() if mail.number == number)

    def _done(self, mail, body):
        result = body.take("B")
        mail.id = body.span() or mail.id
        if result == ANSWERED:
            verdicts = [(body.take("B"), body.span(), body.span())[0] for _ in mail.to]
            self.event("answered", mail.name, verdicts)
        else:
            self.event("taken" if result == TAKEN else "refused", mail.name)

    def _look_up(self, number, kind, who):
        owner, members = ALIASES.get(short(who), ("", None))
        if kind == EXPAND and members is not None:
            self.send(AUTH, "LOOKUP_MEMBERS", number, b"".join(span(address(m)) for m in members))
            result = ALIAS
        elif not who.endswith("@local.test"):
            result = NOT_OURS
        else:
            result = UNKNOWN if short(who) in ("nobody", *ALIASES) else LOCAL
        self.send(AUTH, "LOOKUP_RESULT", number, bytes([result]) + span(who if result == LOCAL else "") + span(owner if result == ALIAS else "") + bytes(8))

    def _spawn(self, number, account):
        theirs = self._channel(account)
        self.send(PARENT, "WORKER", number, fd=theirs.fileno())
        theirs.close()

    def _read(self, body, fd):
        offset, length = body.take("QQ")
        text = os.pread(fd, length, offset)
        os.close(fd)
        if len(text) != length:
            raise Fault(f"a file of {len(text)} bytes is given out as one of {length}")
        return text

    def _deliver(self, key, number, body, fd):
        text = self._read(body, fd)
        body.span()
        recipient, sender, account = short(body.span()), body.span(), short(key)
        name, what = self.world.recognize(text, account)
        mail = self.world.mails.get(name)
        verdict = OK
        tries = self.world.tries[account, name] = self.world.tries.get((account, name), 0) + 1
        if account == "never":
            verdict = PERMFAIL
        elif account == "late" and tries == 1:
            verdict = TEMPFAIL
        elif account == "answers":
            self._submit(key, number, NOTHING, "", sender, f"Auto-Submitted: auto-replied\r\nX-About: {name} {recipient}\r\n\r\nAway\r\n")
        elif account == "passes":
            self._submit(key, number, 0, sender, "carol@local.test", "Delivered-To: passes@local.test\r\n")
        for end in what if verdict == OK and account != "passes" else []:
            self.event("got", name, end)
        reply = bytes([verdict]) + span(["2.0.0", "4.2.0", "5.7.1"][verdict]) + span("played")
        if account == "slow" and tries == 1 and mail is not None:
            self.later.append((self.waited + 6000, lambda: self.send(key, "DELIVERED", number, reply)))
        else:
            self.send(key, "DELIVERED", number, reply)

    def _submit(self, key, number, start, sender, recipient, text):
        if recipient == "":
            return
        fd = os.memfd_create("text")
        os.write(fd, text.encode())
        self.send(key, "SUBMIT", number, struct.pack("=QB", start, 0) + span(sender) + span(recipient), fd)
        os.close(fd)

    def _relay(self, number, body, fd):
        text = self._read(body, fd)
        body.take("7BQQQB")
        body.span(), body.span(), body.span(), body.span(), body.span()
        for place in range(body.take("H")):
            body.take("B"), body.span()
            recipient = body.span()
            name, _ = self.world.recognize(text, recipient)
            tries = self.world.tries[recipient, name] = self.world.tries.get((recipient, name), 0) + 1
            down = recipient == "lost@down.test" or (recipient.startswith("wait@") and tries <= 2)
            verdict, code, status = (TEMPFAIL, 0, "4.4.1") if down else (PERMFAIL, 550, "5.1.1") if recipient.startswith("no@") else (OK, 250, "2.0.0")
            if verdict == OK:
                self.event("got", name, "sent " + recipient)
            self.send(RELAY, "RELAYED", number, struct.pack("=HBHBB", place, verdict, code, 0, down) + span(status) + span("played") + span("mx.other.test") + span(""))

    # --- what they do: the steps ---

    def do(self, step):
        verb, name, *rest = step.split(" ")
        if verb in ("hold", "release", "remove", "requeue", "retry"):
            self._request(verb, name)
            return
        if verb == "rubbish":
            self._put(f"m.0.{name}", b"no envelope\n")
            return
        if verb in ("keep", "load"):
            self._policy(verb, name, *rest)
            return
        if verb == "greylist":
            self.send(FRONT, "GREYLIST", int(name), span("192.0.2.1") + span("a@other.test") + span("bob@local.test"))
            return
        mail = Mail(verb, name, rest[0], dict(option.split("=") for option in rest[1:]))
        self.mails[name] = self.world.mails[name] = mail
        if verb == "drop":
            self._drop(mail)
        else:
            self._open(mail)

    def _put(self, name, data):
        """As drop_commit does. Returns a descriptor."""
        folder = os.path.join(self.world.spool, "drop")
        temporary = os.path.join(folder, "tmp." + name)
        fd = self.disk.make(temporary, 0o660)
        self.disk.write(fd, data)
        self.disk.sync(fd)
        self.disk.rename(temporary, os.path.join(folder, name))
        self.acted = True
        return fd

    def _drop(self, mail):
        lines = ["fourpost 1", f"created {self.world.now()}", f"from {address(mail.sender)}"]
        if mail.release:
            lines.insert(2, f"release {self.world.now() + mail.release}")
        lines += [f"to P {'S' if mail.notify else '-'} - {address(to)}" for to in mail.to]
        mail.id = f"m.0.{mail.name}"
        os.close(self._put(mail.id, ("\n".join(lines) + "\n\n").encode() + mail.text()))
        self.event("taken", mail.name)

    def _request(self, verb, name):
        mail = self.world.mails[name]
        self.event("asked", verb, name)
        fd = self._put(f"ctl.0.{len(self.world.events):04}", (text := f"{verb} {mail.id}\n").encode())
        self.requests.append((verb, name, fd, len(text)))

    def _policy(self, verb, domain, version="0"):
        if verb == "keep":
            self.event("kept", domain, int(version))
            text = policy_text(domain, int(version))
            while len(text) > STS_PART:
                self.send(POLICY, "STS_KEEP_PART", 0, span(text[:STS_PART]))
                text = text[STS_PART:]
            self.send(POLICY, "STS_KEEP", 0, span(domain) + span(text))
        else:
            self.send(POLICY, "STS_LOAD", 0, span(domain))

    def _look_at_requests(self):
        for request in [r for r in self.requests if os.fstat(r[2]).st_nlink == 0]:
            verb, name, fd, at = request
            self.requests.remove(request)
            self.event("obeyed", verb, name, os.pread(fd, 100, at).decode().strip())
            os.close(fd)

    def _options(self, mail):
        return bytes([1, 0, 0, 0, 9, 0, 0]) + struct.pack("=QQQ", 0, self.world.now() + mail.release if mail.release else 0, 0)

    def _recipients(self, mail):
        return struct.pack("=I", len(mail.to)) + b"".join(bytes([mail.notify]) + span("") + span(address(to)) for to in mail.to)

    def _open(self, mail):
        mail.number = len(self.world.events) * 100 + len(self.mails)
        self.event("handed", mail.name)
        self.send(FRONT, "MESSAGE_OPEN", mail.number, struct.pack("=QH", 0, 200) + self._options(mail) + span(address(mail.sender)) + span("") + span("192.0.2.1")
                  + span("") + self._recipients(mail))

    def _write(self, mail, number):
        text = mail.text(mail.rewritten)
        if mail.in_memory:
            mail.written = os.write(mail.fd, text[:MEMORY_MAX])
        else:
            self.disk.write(mail.fd, text[mail.written:])
            mail.written = len(text)
        os.close(mail.fd)
        mail.fd = -1
        if mail.written < len(text):
            self.send(FRONT, "MESSAGE_GROW", number, struct.pack("=Q", mail.written))
            return
        mail.written = 0
        if mail.verb == "abort":
            self.event("refused", mail.name)
            self.send(FRONT, "MESSAGE_ABORT", number)
        elif mail.verb in ("rewrite", "quarantine") and not mail.rewritten:
            mail.rewritten = True
            self.send(FRONT, "MESSAGE_REWRITE", number, bytes([mail.verb == "quarantine"]) + span(address(mail.sender)) + self._recipients(mail))
        else:
            self.send(FRONT, "MESSAGE_COMMIT", number, struct.pack("=Q", len(text)) + span("X-Score: 1\r\n") + bytes([FIRST.get(mail.verb, 0)]))
