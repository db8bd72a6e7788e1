# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""A small JMAP client for the black-box tests, with nothing but the standard library."""
import base64
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time

BASE_PORT = int(os.environ.get("BASE_PORT", "10000"))
LANE = os.environ.get("LANE", "release")
HTTPS = BASE_PORT + 443
USING = ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail", "urn:ietf:params:jmap:submission"]
AREA = "jmap"  # of the tests
failures = 0


def context():
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    return ctx


def check(name, fact, shown=None):
    """One test."""
    global failures
    if fact:
        print(f"ok - {LANE}: {AREA}: {name}")
    else:
        failures += 1
        print(f"not ok - {LANE}: {AREA}: {name}")
        if shown is not None:
            print("    " + json.dumps(shown, ensure_ascii=False, default=repr)[:2000])
    return fact


def finish():
    sys.stdout.flush()
    sys.exit(1 if failures else 0)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


class Client:
    """One user: by cookie as a browser, or by Basic credentials."""

    def __init__(self, user="alice@example.test", password="demo", basic=False):
        self.user, self.password, self.basic = user, password, basic
        self.cookie = self.csrf = None
        self.connection = None
        if not basic:
            self.sign_in()
        self.session = self.request("GET", "/jmap/session").json()
        self.account = self.session["primaryAccounts"]["urn:ietf:params:jmap:mail"]

    def sign_in(self):
        body = json.dumps({"username": self.user, "password": self.password})
        answer = self.request("POST", "/auth/login", body, {"Content-Type": "application/json"})
        if answer.status != 200:
            raise RuntimeError(f"sign-in failed: {answer.status} {answer.body!r}")
        self.cookie = answer.headers["set-cookie"].split(";")[0]
        self.csrf = answer.json()["csrf"]

    def headers(self):
        headers = {"Sec-Fetch-Site": "same-origin"}
        if self.basic:
            headers = {"Authorization": "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()}
        elif self.cookie:
            headers.update({"Cookie": self.cookie, "X-CSRF": self.csrf})
        return headers

    def request(self, method, path, body=None, headers=None, more=True):
        for attempt in (1, 2):
            if self.connection is None:
                self.connection = http.client.HTTPSConnection("127.0.0.1", HTTPS, context=context(), timeout=60)
            try:
                self.connection.request(method, path, body, {**(self.headers() if more else {}), **(headers or {})})
                response = self.connection.getresponse()
                return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
            except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLError):
                self.connection.close()
                self.connection = None
                if attempt == 2:
                    raise
        return None

    def status(self):
        """Of a request that needs the account's session."""
        body = {"using": USING, "methodCalls": [["Mailbox/get", {"accountId": self.account, "ids": None}, "0"]]}
        return self.request("POST", "/jmap/api", json.dumps(body), {"Content-Type": "application/json"}).status

    def api(self, *calls, using=None):
        """Runs method calls; each is (name, args) with accountId put in. The list of [name, args, id]."""
        listed = [[name, {"accountId": self.account, **args}, str(i)] for i, (name, args) in enumerate(calls)]
        answer = self.request("POST", "/jmap/api", json.dumps({"using": using or USING, "methodCalls": listed}),
                              {"Content-Type": "application/json"})
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} {answer.body!r}")
        return answer.json()["methodResponses"]

    def call(self, name, **args):
        """One method call: its answer's arguments; errors are {"type": ...}."""
        return self.api((name, args))[0][1]

    def upload(self, data, kind="application/octet-stream"):
        return self.request("POST", f"/jmap/upload/{self.account}/", data, {"Content-Type": kind}).json()

    def download(self, blob, name="file", kind="application/octet-stream"):
        return self.request("GET", f"/jmap/download/{self.account}/{blob}/{name}?type={kind}")

    def mailboxes(self):
        """By role, or by name."""
        return {m["role"] or m["name"]: m for m in self.call("Mailbox/get", ids=None)["list"]}

    def events(self, query="types=*&closeafter=no&ping=0"):
        """A socket on the event source, with its head read."""
        raw = context().wrap_socket(socket.create_connection(("127.0.0.1", HTTPS), timeout=30))
        lines = [f"GET /jmap/eventsource?{query} HTTP/1.1", "Host: localhost"]
        lines += [f"{k}: {v}" for k, v in self.headers().items()]
        raw.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return Events(raw)


class Events:
    def __init__(self, raw):
        self.raw, self.file = raw, raw.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while (line := self.file.readline().strip()):
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        self.lines = []

    def next(self):
        """The next event: (name, data); None at the end."""
        name = data = None
        while True:
            while b"\n\n" not in b"".join(self.lines):
                size = self.file.readline().strip()
                if not size or int(size, 16) == 0:
                    return None
                self.lines.append(self.file.read(int(size, 16)))
                self.file.readline()
            block, _, rest = b"".join(self.lines).partition(b"\n\n")
            self.lines = [rest] if rest else []
            for line in block.decode().split("\n"):
                if line.startswith("event: "):
                    name = line[7:]
                if line.startswith("data: "):
                    data = json.loads(line[6:])
            if name:
                return name, data

    def close(self):
        self.file.close()
        self.raw.close()


def another_process(user):
    """Ends the user's session process; a client whose requests another serves."""
    state = os.environ["STATE"]
    with open(f"{state}/run/webmaild.pid", encoding="ascii") as file:
        sessions = ["pgrep", "-P", file.read().strip(), "-f", f"^webmaild: session {user}"]
    with open(f"{state}/log/webmaild.expected", "a", encoding="ascii") as file:
        file.write("signal=KILL\n")
    for pid in subprocess.run(sessions, stdout=subprocess.PIPE, text=True, check=False).stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            if subprocess.run(sessions, stdout=subprocess.DEVNULL, check=False).returncode != 0:
                return Client(user)
        except (KeyError, ValueError):
            pass  # the request was on its way to the one that ended
        time.sleep(0.05)
    return Client(user)
