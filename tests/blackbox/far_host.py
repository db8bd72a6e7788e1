# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Another host as the relay role meets it: an SMTP server whose answers depend on the recipient, and a DNS server for a zone of its own.

Recipients: no-X is refused (550), later-X is put off the first time (450), gone-X finds the connection closed the first time,
never-X each time, others are taken.
Each message that is taken is a file in the folder: one line of JSON about the session and the envelope, then the message as it came.
"""
import argparse, base64, json, os, socket, socketserver, ssl, struct, threading

seen, lock, number, sessions = set(), threading.Lock(), [0], [0]


def first_time(what):
    with lock:
        new = what not in seen
        seen.add(what)
        return new


class Session(socketserver.StreamRequestHandler):
    options = None

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")
        self.wfile.flush()

    def start_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.options.certificate, self.options.key)
        if self.options.client_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
        self.tls = self.connection.version()

    def on_auth(self, argument):
        """PLAIN with an initial response, or LOGIN."""
        mechanism, _, response = argument.partition(" ")
        if mechanism == "LOGIN":
            words = []
            for challenge in ("VXNlcm5hbWU6", "UGFzc3dvcmQ6"):
                self.say("334 " + challenge)
                words.append(base64.b64decode(self.rfile.readline()).decode())
        else:
            words = base64.b64decode(response).decode().split("\0")[1:]
        if ":".join(words) == self.options.auth:
            self.login = words[0]
            self.say("235 2.7.0 Welcome")
        else:
            self.say("535 5.7.8 Wrong password")

    def take_text(self):
        lines = []
        while True:
            line = self.rfile.readline()
            if line in (b".\r\n", b""):
                return b"".join(lines)
            assert line.endswith(b"\r\n") and len(line) <= 1002, "a line that SMTP does not allow"
            lines.append(line[1:] if line.startswith(b".") else line)

    def on_bdat(self, argument):
        """A chunk (RFC 3030). False when the connection is over."""
        length, _, last = argument.partition(" ")
        chunk = self.rfile.read(int(length))
        if len(chunk) < int(length):
            return False
        self.chunks.append(chunk)
        if not self.rcpt or self.refused or len(self.chunks) == self.options.refuse_chunk:
            self.say("503 5.5.1 No" if not self.rcpt or self.refused else "552 5.3.4 Enough")
            self.refused = True
        elif last:
            self.store(b"".join(self.chunks))
            self.chunks = []
            self.say("250 2.0.0 Taken")
        else:
            self.say(f"250 2.0.0 {length} octets")
        return True

    def store(self, text):
        with lock:
            number[0] += 1
            name = f"{self.options.folder}/{number[0]:04d}"
        about = {"session": self.session, "tls": self.tls, "login": self.login, "helo": self.helo, "mail": self.mail, "rcpt": self.rcpt, "chunks": len(self.chunks), "address": self.server.server_address[0]}
        with open(name + ".tmp", "wb") as file:
            file.write(json.dumps(about).encode() + b"\n" + text)
        os.rename(name + ".tmp", name)

    def on_rcpt(self, argument):
        address = argument.partition("<")[2].partition(">")[0]
        if address.startswith("no-"):
            self.say("550-5.1.1 There is no such mailbox:")
            self.say(f"550 5.1.1 {address}")
        elif address.startswith("later-") and first_time(address):
            self.say("450 4.2.1 Not now")
        elif address.startswith("gone-") and first_time(address) or address.startswith("never-"):
            return False
        elif len(self.rcpt) == self.options.take:
            self.say("452 4.5.3 Too many recipients")
        else:
            self.rcpt.append(argument)
            self.say("250 2.1.5 Ok")
        return True

    def handle(self):
        self.tls, self.helo, self.mail, self.rcpt, self.login = None, None, None, [], None
        self.chunks, self.refused = [], False
        with lock:
            sessions[0] += 1
            self.session = sessions[0]
        if self.server.server_address[1] in self.options.smtps:
            self.start_tls()
        self.say("220 far.example ESMTP")
        while True:
            line = self.rfile.readline().decode("utf-8", "replace").rstrip("\r\n")
            verb, _, argument = line.partition(" ")
            verb = verb.upper()
            if verb == "EHLO":
                self.helo = argument
                self.say("250-far.example")
                if not self.options.no_pipelining:
                    self.say("250-PIPELINING")
                if self.options.certificate and not self.tls:
                    self.say("250-STARTTLS")
                if self.options.auth and self.tls:
                    self.say("250-AUTH " + self.options.mechanisms)
                for word in self.options.offer.split():
                    self.say("250-" + word)
                if self.options.offer_limits:
                    self.say("250-LIMITS " + self.options.offer_limits)
                self.say("250 ENHANCEDSTATUSCODES")
            elif verb == "STARTTLS":
                self.say("220 2.0.0 Go ahead")
                if self.options.broken_tls:
                    self.connection.sendall(b"this is no TLS\r\n" * 20)
                    return
                self.start_tls()
            elif verb == "AUTH":
                self.on_auth(argument)
            elif verb == "MAIL" and self.options.auth and not self.login:
                self.say("530 5.7.0 Authentication required")
            elif verb == "MAIL":
                self.mail, self.rcpt, self.chunks, self.refused = argument, [], [], False
                self.say("250 2.1.0 Ok")
            elif verb == "RCPT":
                if not self.on_rcpt(argument):
                    return
            elif verb == "DATA" and self.rcpt:
                self.say("354 Go ahead")
                self.store(self.take_text())
                self.say("250 2.0.0 Taken")
            elif verb == "DATA":
                self.say("554 5.5.1 No valid recipients")
            elif verb == "BDAT" and not self.options.no_bdat:
                if not self.on_bdat(argument):
                    return
            elif verb == "RSET":
                self.rcpt, self.chunks = [], []
                self.say("250 2.0.0 Ok")
            elif verb == "NOOP":
                self.say("250 2.0.0 Ok")
            elif verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            elif not line:
                return
            else:
                self.say("500 5.5.2 What?")


class Server(socketserver.ThreadingTCPServer):
    # Who comes at once with more than wait to be accepted is connected and then greeted by nobody.
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 1000

    def __init__(self, at, session):
        self.address_family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
        super().__init__(at, session)


# --- DNS ---

A, SOA, MX, AAAA = 1, 6, 15, 28
NET = os.environ.get("NET", "127.0.0")
ZONE = {
    "one.example": {MX: [(10, "mx.one.example")]},
    "mx.one.example": {A: [f"{NET}.77"]},
    # The best host takes no connections; the next does.
    "two.example": {MX: [(20, "mx.one.example"), (10, "dead.two.example")]},
    "dead.two.example": {A: [f"{NET}.78"]},
    # No MX: the domain's own address (RFC 5321 section 5.1).
    "bare.example": {A: [f"{NET}.77"]},
    # "Takes no mail" (RFC 7505).
    "null.example": {MX: [(0, "")]},
    "nowhere.example": {MX: [(10, "missing.nowhere.example")]},
    # The best mail exchanger is the host that asks.
    "loop.example": {MX: [(10, "mail.example.test")]},
}


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def data_of(kind, value):
    if kind == MX:
        return struct.pack(">H", value[0]) + wire(value[1])
    return socket.inet_aton(value)


def answer(packet):
    at, labels = 12, []
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    name, kind = ".".join(labels).lower(), struct.unpack(">H", packet[at + 1 : at + 3])[0]
    question = packet[12 : at + 5]
    if name.startswith("broken."):
        return packet[:2] + struct.pack(">HHHHH", 0x8182, 1, 0, 0, 0) + question
    records = ZONE.get(name, {}).get(kind, [])
    rcode = 0 if name in ZONE or any(known.endswith("." + name) for known in ZONE) else 3
    out = packet[:2] + struct.pack(">HHHHH", 0x8180 | rcode, 1, len(records), 0 if records else 1, 0) + question
    for value in records:
        data = data_of(kind, value)
        out += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 5, len(data)) + data
    if not records:
        data = wire("ns.example") + wire("root.example") + struct.pack(">IIIII", 1, 60, 60, 60, 1)
        out += wire("example") + struct.pack(">HHIH", SOA, 1, 1, len(data)) + data
    return out


class Question(socketserver.BaseRequestHandler):
    def handle(self):
        packet, reply = self.request
        reply.sendto(answer(packet), self.client_address)


class DnsServer(socketserver.ThreadingUDPServer):
    allow_reuse_address, daemon_threads = True, True


def address(text):
    """host:port, or [IPv6 address]:port."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smtp", action="append", type=address, default=[])
    parser.add_argument("--dns", type=address)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--smtps", action="append", type=int, default=[], help="the port, among those of --smtp, has TLS from the first byte")
    parser.add_argument("--auth", help="user:password, without which nothing is taken")
    parser.add_argument("--mechanisms", default="PLAIN LOGIN")
    parser.add_argument("--broken-tls", action="store_true")
    parser.add_argument("--client-certificate", action="store_true", help="TLS only with who has one, which nobody has")
    parser.add_argument("--no-pipelining", action="store_true")
    parser.add_argument("--no-bdat", action="store_true", help="whatever it offers")
    parser.add_argument("--take", type=int, help="so many recipients of a message")
    parser.add_argument("--refuse-chunk", type=int, help="of each message that is sent in chunks, this one")
    parser.add_argument("--offer-limits", help="such as RCPTMAX=2 (RFC 9422)")
    parser.add_argument("--offer", default="8BITMIME DSN SMTPUTF8 SIZE")
    Session.options = parser.parse_args()
    servers = [Server(at, Session) for at in Session.options.smtp]
    if Session.options.dns:
        servers.append(DnsServer(Session.options.dns, Question))
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    open(Session.options.folder + "/ready", "w").close()
    threading.Event().wait()


main()
