# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""A milter for tests: what it does stands in the message or its envelope, what it was told in `seen`.

Senders refuse-mail@, discard@, hang-up@; recipients u3@, u2+hang-up@; Subject words: reject, tempfail, reply, discard, quarantine, change, body, rcpt,
leaves-header, leaves-body (it hangs up there), nobody (all recipients are taken away), redirect (all recipients are taken away; u2@ and the first of them are added, each twice).
A server that `dies` does so in place of its final answer; one with SILENT among its options answers only in the end."""
import socketserver
import struct
import threading

ALL_ACTIONS = 0xff
PACKET_MAX = 65536  # the letter and 65535 octets, as libmilter takes
SILENT = 0xff080  # no step before the end is answered
LARGE, LARGE_PACKET_MAX = 0x10000000, 262144  # and where both sides have agreed on that


def packet(letter, data=b""):
    return struct.pack(">I", len(data) + 1) + letter + data


def field(name, value):
    return name + b"\0" + value + b"\0"


class Session(socketserver.BaseRequestHandler):
    def read(self, length):
        text = b""
        while len(text) < length:
            more = self.request.recv(length - len(text))
            if not more:
                raise EOFError
            text += more
        return text

    def say(self, letter, data=b""):
        self.request.sendall(packet(letter, data))

    def go_on(self):
        if self.server.options & SILENT != SILENT:
            self.say(b"c")

    def handle(self):
        self.message = {"macros": {}, "rcpt": [], "headers": [], "body": b"", "order": ""}
        try:
            while True:
                length, = struct.unpack(">I", self.read(4))
                if length > (LARGE_PACKET_MAX if self.server.options & LARGE else PACKET_MAX):
                    return
                data = self.read(length)
                command, data = data[:1], data[1:]
                if command == b"Q":
                    return
                self.take(command, data)
        except (EOFError, ConnectionError):
            pass

    def take(self, command, data):
        message = self.message
        if command == b"D":
            words = data[1:].split(b"\0")[:-1]
            message["macros"].update(zip(words[::2], words[1::2]))
            return
        if command != b"A":
            message["order"] += command.decode()
        if command == b"O":
            version, actions, options = struct.unpack(">III", data[:12])
            message["offered"] = (version, actions, options)
            self.say(b"O", struct.pack(">III", 6, actions & ALL_ACTIONS, self.server.options & options))
        elif command == b"C":
            message["client"] = data
            self.go_on()
        elif command == b"H":
            message["helo"] = data[:-1]
            self.go_on()
        elif command == b"M":
            message["mail"] = data.split(b"\0")[0]
            if message["mail"].startswith(b"<hang-up@"):
                raise EOFError
            if message["mail"].startswith((b"<refuse-mail@", b"<discard@")):
                self.say(b"r" if message["mail"].startswith(b"<refuse-mail@") else b"d")
            else:
                self.go_on()
        elif command == b"R":
            rcpt = data.split(b"\0")[0]
            message["rcpt"].append(rcpt)
            if rcpt.startswith(b"<u2+hang-up@"):
                raise EOFError
            if rcpt.startswith(b"<u3@"):
                self.say(b"y", b"550 5.1.1 No mail for u3\0")
            else:
                self.go_on()
        elif command == b"L":
            message["headers"].append(tuple(data.split(b"\0")[:2]))
            if b"leaves-header" in message["headers"][-1][1]:
                raise EOFError
            self.go_on()
        elif command == b"B":
            if b"leaves-body" in dict(message["headers"]).get(b"Subject", b""):
                raise EOFError
            message["body"] += data
            self.go_on()
        elif command == b"E":
            self.server.seen.append(message)
            if self.server.at_end:
                self.server.at_end()
            self.say(b"p")
            self.end()
        elif command in (b"T", b"N", b"U"):
            self.go_on()

    def end(self):
        subject = dict(self.message["headers"]).get(b"Subject", b"")
        if b"change" in subject:
            self.say(b"h", field(b"X-Added", b"at the end\n\tfolded"))
            self.say(b"i", struct.pack(">I", 0) + field(b"X-First", b"at the top"))
            self.say(b"m", struct.pack(">I", 1) + field(b"Subject", b"made new"))
            self.say(b"m", struct.pack(">I", 2) + field(b"X-Twice", b""))
            self.say(b"h", field(b"Bad Name", b"is left out"))
        if b"body" in subject:
            self.say(b"b", b"Another ")
            self.say(b"b", b"body.\r\n")
        if b"rcpt" in subject:
            self.say(b"+", b"<u2@example.test>\0")
            self.say(b"-", b"<u1@example.test>\0")
            self.say(b"e", b"<other@example.org>\0")
        if b"redirect" in subject or b"nobody" in subject:
            for rcpt in self.message["rcpt"]:
                self.say(b"-", rcpt + b"\0")
        if b"redirect" in subject:
            for rcpt in 2 * [b"<u2@example.test>", self.message["rcpt"][0]]:
                self.say(b"+", rcpt + b"\0")
        if b"quarantine" in subject:
            self.say(b"q", b"looks odd\0")
        if self.server.dies:
            raise EOFError
        if b"reject" in subject:
            self.say(b"r")
        elif b"tempfail" in subject:
            self.say(b"t")
        elif b"reply" in subject:
            self.say(b"y", b"554 5.7.1 Not this one\0")
        elif b"discard" in subject:
            self.say(b"d")
        elif b"nonsense" in subject:
            self.say(b"\xff", b"x")
        else:
            self.say(b"a")


class Milter(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port, options=0, dies=False):
        self.seen, self.options, self.dies, self.at_end = [], options, dies, None
        super().__init__(("127.0.0.1", port), Session)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class UnixMilter(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path, options=0):
        self.seen, self.options, self.dies, self.at_end = [], options, False, None
        super().__init__(path, Session)
        threading.Thread(target=self.serve_forever, daemon=True).start()
