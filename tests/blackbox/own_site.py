# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""A demo of a test's own with another host beside it (far_host.py), and what tests ask of both."""
import base64
import json
import os
import poplib
import re
import signal
import socket
import ssl
import subprocess
import sys
import time

lane, programs, work, outer = os.environ["LANE"], os.environ["BIN"], os.environ["TMP"], int(os.environ["BASE_PORT"])
net = os.environ["NET"]
here = os.path.dirname(os.path.abspath(__file__))
patience = 60


class Results:
    failed = False

    def check(self, name, good, detail=""):
        print(("ok" if good else "not ok"), f"- {lane}: {name}", flush=True)
        if not good:
            self.failed = True
            print("   ", detail)


def within(condition, seconds=patience):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.05)
    return None


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def mails(maildir, places=("new", "cur")):
    """The messages of a folder. Those with a hidden name are about to be there."""
    listed = [(place, name) for place in places if os.path.isdir(f"{maildir}/{place}") for name in sorted(os.listdir(f"{maildir}/{place}"))]
    return [text for place, name in listed if not name.startswith(".") and (text := read(f"{maildir}/{place}/{name}"))]


def exchange(port, data):
    """All that is said to these bytes, until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as peer:
        peer.sendall(data)
        text = b""
        try:
            while more := peer.recv(65536):
                text += more
        except ConnectionResetError:
            pass
    return text


def role_pid(state, role):
    """The process of smtpd's role."""
    done = subprocess.run(["pgrep", "-P", read(f"{state}/run/smtpd.pid").strip(), "-f", f"^smtpd: {role}"], capture_output=True, text=True, check=True)
    return int(done.stdout)


def limit_descriptors(pid, count):
    """Whoever has its uid may."""
    ids = dict(re.findall(r"^([UG]id):\s+(\d+)", read(f"/proc/{pid}/status"), re.M))
    more = {"user": int(ids["Uid"]), "group": int(ids["Gid"]), "extra_groups": []} if os.geteuid() == 0 else {}
    subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={count}:"], check=True, **more)


class FarHost:
    """far_host.py on some ports of 127.0.0.1; what it takes lies in `folder`."""

    def __init__(self, name, *ports, options=()):
        self.folder = f"{work}/{name}"
        os.makedirs(self.folder, exist_ok=True)
        arguments = [f"--smtp=127.0.0.1:{port}" for port in ports]
        with open(f"{work}/{name}.log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([sys.executable, f"{here}/far_host.py", "--folder", self.folder, *arguments, *options], stdout=log, stderr=log)
        assert within(lambda: os.path.exists(f"{self.folder}/ready")), read(f"{work}/{name}.log")
        os.unlink(f"{self.folder}/ready")

    def messages(self):
        """Each as (what the envelope was, the message), in the order in which they came."""
        found = []
        for name in sorted(os.listdir(self.folder)):
            if not name.endswith(".tmp"):
                with open(f"{self.folder}/{name}", "rb") as file:
                    found.append((json.loads(file.readline()), file.read()))
        return found

    def taken(self, word):
        """Those with the word in them."""
        return [one for one in self.messages() if word.encode() in one[1]]

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Site:
    def __init__(self, ports_from, options="", aliases=None, files=None, environment=None):
        self.base, self.state = ports_from, f"{work}/demo"
        os.chmod(work, 0o711)
        os.makedirs(f"{self.state}/etc", exist_ok=True)
        if aliases is not None:
            self.put("aliases", aliases)
        for name, text in (files or {}).items():
            self.put(name, text)
        environment = dict(os.environ, FOURPOST_BIN=programs, FOURPOST_DEMO_SMTPD=options, **(environment or {}))
        done = subprocess.run(["./demo", "--dir", self.state, "--base-port", str(self.base), "--accounts", "3", "--background"], env=environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout

    def put(self, name, text, mode=0o644):
        with open(f"{self.state}/etc/{name}", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(f"{self.state}/etc/{name}", mode)

    def stop(self):
        subprocess.run(["./demo", "--stop", self.state], env=dict(os.environ, FOURPOST_BIN=programs), stdin=subprocess.DEVNULL, check=False)

    def log(self):
        return read(f"{self.state}/log/smtpd.log")

    def logged(self, pattern, before=0):
        return within(lambda: re.search(pattern, self.log()[before:], re.M))

    def deaths(self):
        """What the log tells of roles that died."""
        return [line for line in self.log().splitlines() if re.search("role-killed|role-ended|role-misbehaved", line)]

    def kill(self, role):
        """Ends that role of smtpd; true when its successor is there."""
        former = role_pid(self.state, role)
        os.kill(former, signal.SIGKILL)

        def renewed():
            try:
                return role_pid(self.state, role) != former
            except subprocess.CalledProcessError:  # there is none for a moment
                return False
        return within(renewed)

    def reload(self, wanted=r" reloaded "):
        before = len(self.log())
        os.kill(int(read(f"{self.state}/run/smtpd.pid")), signal.SIGHUP)
        return self.logged(wanted, before)

    def tool(self, name, *arguments, given=None, conf="fourpost.conf"):
        done = subprocess.run([f"{programs}/{name}", "-C", f"{self.state}/etc/{conf}", *arguments], input=given, stdin=None if given is not None else subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        return done.returncode, done.stdout

    def pop(self, user):
        """What a POP3 client is told at its login: OK, or why not."""
        client = poplib.POP3_SSL("127.0.0.1", self.base + 995, timeout=60)
        try:
            client.user(f"{user}@example.test")
            client.pass_("demo")
            client.quit()
            return "OK"
        except poplib.error_proto as error:
            return str(error)

    def talk(self, lines, login=None):
        """Says the lines one by one (the text of a message as bytes), by SMTP or after a login by submission: the replies."""
        if login is None:
            peer = socket.create_connection(("127.0.0.1", self.base + 25), timeout=patience)
        else:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            peer = context.wrap_socket(socket.create_connection(("127.0.0.1", self.base + 465), timeout=patience))
            user = login if "@" in login else f"{login}@example.test"
            lines = ["AUTH PLAIN " + base64.b64encode(f"\0{user}\0demo".encode()).decode(), *lines]
        with peer, peer.makefile("rb") as replies:
            def reply():
                text = []
                while line := replies.readline().decode("utf-8", "replace"):
                    text.append(line.rstrip("\r\n"))
                    if line[3:4] != "-":
                        break
                return "\n".join(text)

            said = [reply()]
            for line in ["EHLO client.example", *lines, "QUIT"]:
                peer.sendall(line if isinstance(line, bytes) else line.encode() + b"\r\n")
                said.append(reply())
        return said[2 + (login is not None):-1]

    def send(self, sender, recipients, subject, login=None, mail="", rcpt="", body="x"):
        """Sends a message; the replies to its recipients, and the last."""
        text = f"From: {sender or 'nobody@far.example'}\r\nSubject: {subject}\r\n\r\n{body}\r\n.\r\n"
        lines = [f"MAIL FROM:<{sender}>{mail}", *(f"RCPT TO:<{one}>{rcpt}" for one in recipients)]
        said = self.talk([*lines, "DATA", text.encode()], login)
        return said[1:-2], said[-1]

    def delivered(self, account, word):
        """The account's messages with that word in them."""
        return [text for text in mails(f"{self.state}/mail/example.test/{account}/Maildir") if word in text]

    def script(self, account, text):
        """Makes it the account's active script; None: it has none."""
        folder = f"{self.state}/mail/example.test/{account}/sieve"
        owner = os.stat(os.path.dirname(folder))
        os.makedirs(folder, exist_ok=True)
        for name, content in (("main.sieve", text or "keep;"), ("active", "main" if text else "")):
            with open(f"{folder}/{name}.new", "w", encoding="utf-8") as file:
                file.write(content)
            os.chown(f"{folder}/{name}.new", owner.st_uid, owner.st_gid)
            os.replace(f"{folder}/{name}.new", f"{folder}/{name}")
        os.chown(folder, owner.st_uid, owner.st_gid)

    def queue_empties(self):
        return within(lambda: "The queue is empty." in self.tool("mailqueue", "list", conf="smtpd.conf")[1])


class SharedSite(Site):
    """The demo that the tests have together, which runs already."""

    def __init__(self):  # pylint: disable=super-init-not-called
        self.base, self.state = outer, os.environ["STATE"]

    def configure(self, text, taken):
        """Takes over that smtpd.conf; true once `taken` is, for the role that listens reads it a moment later."""
        self.put("smtpd.conf", text)
        os.kill(int(read(f"{self.state}/run/smtpd.pid")), signal.SIGHUP)
        return within(taken)
