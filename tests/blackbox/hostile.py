#!/usr/bin/env python3
# Bad input at every port: each gets a clear protocol error or is hung up on, nothing crashes, others are served meanwhile.
import os, re, socket, ssl, sys, time, base64, threading

BASE = int(os.environ["BASE_PORT"])
LANE = os.environ.get("LANE", "release")
failures = 0


def result(name, good, text=""):
    global failures
    if good:
        print(f"ok - {LANE}: {name}")
    else:
        failures += 1
        print(f"not ok - {LANE}: {name}\n    {text!r}")
    sys.stdout.flush()


class Peer:
    def __init__(self, offset, tls=False, timeout=15):
        self.sock = socket.create_connection(("127.0.0.1", BASE + offset), timeout=timeout)
        self.buffer = b""
        if tls:
            self.start_tls()

    def start_tls(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def line(self):
        while b"\n" not in self.buffer:
            try:
                more = self.sock.recv(65536)
            except (ConnectionResetError, ssl.SSLError):
                more = b""
            if not more:
                rest, self.buffer = self.buffer, b""
                return rest
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line + b"\n"

    def reply(self):
        """An SMTP reply, all its lines."""
        text = b""
        while True:
            line = self.line()
            text += line
            if not line or line[3:4] != b"-":
                return text

    def say(self, data):
        self.send(data)
        return self.reply()

    def until(self, pattern):
        text = b""
        while True:
            line = self.line()
            text += line
            if not line or re.search(pattern, line):
                return text

    def rest(self):
        text, self.buffer = self.buffer, b""
        try:
            while True:
                more = self.sock.recv(65536)
                if not more:
                    return text
                text += more
        except (ConnectionResetError, ssl.SSLError):
            return text
        except (TimeoutError, socket.timeout):
            return text + b"<still open>"

    def close(self):
        self.sock.close()


def smtp(offset=25):
    peer = Peer(offset)
    peer.reply()
    peer.say("EHLO hostile.example\r\n")
    return peer


def mail_begun(sender="h@example.org", recipient="alice@example.test"):
    peer = smtp()
    peer.say(f"MAIL FROM:<{sender}>\r\n")
    peer.say(f"RCPT TO:<{recipient}>\r\n")
    assert peer.say("DATA\r\n").startswith(b"354")
    return peer


def served():
    peer = smtp()
    good = peer.say("NOOP\r\n").startswith(b"250")
    peer.close()
    return good


def inbox_count(subject, user="alice"):
    peer = Peer(993, tls=True)
    peer.line()
    peer.send(f"a LOGIN {user}@example.test demo\r\n")
    peer.until(rb"^a ")
    peer.send("b SELECT INBOX\r\n")
    peer.until(rb"^b ")
    peer.send(f'c SEARCH SUBJECT "{subject}"\r\n')
    text = peer.until(rb"^c ")
    peer.close()
    found = re.search(rb"\* SEARCH([ 0-9]*)", text)
    return len(found.group(1).split()) if found else 0


# --- SMTP: smuggling ---
SMUGGLED = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\n"
for name, end in [
    ("LF.LF", b"\n.\n"), ("LF.CRLF", b"\n.\r\n"), ("CRLF.LF", b"\r\n.\n"), ("CR.CR", b"\r.\r"), ("CRLF.CR", b"\r\n.\r"),
    ("CR.CRLF", b"\r.\r\n"), ("CRLF NUL .CRLF", b"\r\n\0.\r\n"),
]:
    peer = mail_begun()
    peer.send(b"Subject: carrier\r\n\r\nfirst" + end + SMUGGLED + b"\r\n.\r\nQUIT\r\n")
    text = peer.rest()
    codes = re.findall(rb"^(\d{3})[ -]", text, re.M)
    result(f"smuggling by {name} is refused", b"550" in codes or b"554" in codes or b"500" in codes or b"552" in codes, text)
    result(f"nothing of {name} was queued", text.count(b"queued") == 0, text)

# --- SMTP: lines, bytes ---
peer = smtp()
text = peer.say(b"NOOP " + b"x" * 5000 + b"\r\n")
result("an over-long command gets 500", text.startswith(b"500"), text)
peer = smtp()
text = peer.say(b"NOOP\0\r\n")
result("NUL in a command gets 50x", text[:2] == b"50", text)
peer = smtp()
peer.send(b"MAIL FROM:<a@b.example>\nRCPT TO:<alice@example.test>\n")
result("bare LF in commands gets 500", peer.reply().startswith(b"500"))
peer = mail_begun()
peer.send(b"Subject: long\r\n\r\n" + b"y" * 100000 + b"\r\n.\r\n")
text = peer.reply()
result("an over-long text line gets 5xx", text[:1] == b"5", text)
peer = mail_begun()
peer.send(b"Subject: nul\r\n\r\na\0b\r\n.\r\n")
text = peer.reply()
result("NUL in a message gets 5xx", text[:1] == b"5", text)
peer = smtp()
text = peer.say(b"MAIL FROM:<\xff\xfe@example.org>\r\n")
result("bad UTF-8 in a path gets 5xx", text[:1] == b"5", text)
peer = smtp()
text = peer.say("MAIL FROM:<" + "a" * 300 + "@example.org>\r\n")
result("an over-long local part gets 5xx", text[:1] == b"5", text)
peer = Peer(25)
peer.reply()
peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
text = peer.rest()
result("a browser is hung up on", b"<still open>" not in text and text[:1] in (b"5", b"4", b""), text)
peer = smtp()
for i in range(60):
    peer.send("BOGUS\r\n")
text = peer.rest()
result("too many errors: 421 and the end", b"421" in text and b"<still open>" not in text, text[-200:])

# --- SMTP: STARTTLS with bytes behind ---
peer = smtp()
peer.send("STARTTLS\r\nNOOP\r\nMAIL FROM:<evil@example.org>\r\n")
text = peer.reply()
try:
    peer.start_tls()
    after = peer.rest()
except (ssl.SSLError, OSError):
    after = b""
result("STARTTLS with bytes behind: discarded, closed", b"250" not in after, after)
for offset, name, hello, command in [(143, "IMAP", 1, "a STARTTLS\r\nb CAPABILITY\r\n"), (110, "POP3", 1, "STLS\r\nCAPA\r\n")]:
    peer = Peer(offset)
    peer.line()
    peer.send(command)
    peer.line()
    try:
        peer.start_tls()
        after = peer.rest()
    except (ssl.SSLError, OSError):
        after = b""
    result(f"{name}: TLS with bytes behind: discarded, closed", after == b"", after)

# --- AUTH ---
peer = Peer(465, tls=True)
peer.reply()
peer.say("EHLO x\r\n")
text = peer.say("AUTH PLAIN !!!notbase64!!!\r\n")
result("bad base64 in AUTH gets 501", text.startswith(b"501"), text)
text = peer.say("AUTH PLAIN " + base64.b64encode(b"no separators").decode() + "\r\n")
result("a malformed PLAIN gets 5xx", text[:1] == b"5", text)
start = time.time()
text = peer.say("AUTH PLAIN " + base64.b64encode(b"\0alice@example.test\0wrong").decode() + "\r\n")
took = time.time() - start
result("a wrong password gets 535, late", text.startswith(b"535") and took > 1.5, (text, took))
start = time.time()
known, unknown = None, None
text = peer.say("AUTH PLAIN " + base64.b64encode(b"\0nobody-there@example.test\0wrong").decode() + "\r\n")
took2 = time.time() - start
result("an unknown account: the same words, the same delay", text.startswith(b"535") and abs(took - took2) < 0.7, (took, took2, text))

# --- POP3 and IMAP before login ---
peer = Peer(110)
peer.line()
peer.send(b"USER " + b"x" * 100000 + b"\r\n")
text = peer.rest()
result("POP3: an over-long line ends the connection", text.startswith(b"-ERR") and b"<still open>" not in text, text[:200])
peer = Peer(110)
peer.line()
peer.send(b"\0\xff\xfe\r\nCAPA\r\n")
text = peer.until(rb"^\.\r\n")
result("POP3: rubbish gets -ERR, then CAPA is served", text.startswith(b"-ERR") and b"UIDL" in text, text)
peer = Peer(143)
peer.line()
peer.send(b"a LOGIN {100000000}\r\n")
text = peer.line()
result("IMAP: a literal too large before login is refused before it is sent", b"a BAD" in text or b"a NO" in text or b"BYE" in text, text)
peer = Peer(143)
peer.line()
peer.send(b"a \0\r\nb CAPABILITY\r\n")
text = peer.until(rb"^b ")
result("IMAP: NUL gets BAD, then CAPABILITY is served", b"BAD" in text and b"b OK" in text, text)
peer = Peer(993, tls=True)
peer.line()
peer.send(b"a LOGIN alice@example.test demo\r\n")
peer.until(rb"^a ")
peer.send(b"b SELECT {5}\r\n")
peer.line()
peer.send(b"IN")
peer.close()
result("IMAP: half a literal, then away: others are served", inbox_count("no-such-subject") == 0)
peer = Peer(993, tls=True)
peer.line()
peer.send(b"a LOGIN alice@example.test demo\r\n")
peer.until(rb"^a ")
for command, want in [
    (b"b SELECT \"bad &encoding\"\r\n", rb"b (NO|BAD)"), (b"c FETCH 1 (\r\n", rb"c BAD"), (b"d SELECT \"../../etc\"\r\n", rb"d (NO|BAD)"),
    (b"e CREATE \"a/../b\"\r\n", rb"e (NO|BAD)"), (b"f XYZZY\r\n", rb"f BAD"), (b"g " + b"(" * 5000 + b"\r\n", rb"g BAD"),
    (b"h SEARCH " + b"NOT " * 3000 + b"ALL\r\n", rb"h (BAD|OK|NO)"), (b"i STATUS INBOX (MESSAGES\r\n", rb"i BAD"),
    (b"j APPEND INBOX {99999999999}\r\n", rb"j (BAD|NO)"), (b"k NOOP\r\n", rb"k OK"),
]:
    peer.send(command)
    text = peer.until(rb"^" + command[:1] + rb" |^\* BYE")
    result("IMAP: " + command[:40].decode(errors="replace").strip() + " is answered", re.search(want, text) is not None, text[-300:])

# --- HTTP ---
def http(request):
    peer = Peer(443, tls=True)
    peer.send(request)
    text = peer.rest()
    peer.close()
    return text


for name, request, want in [
    ("bare LF", b"GET / HTTP/1.1\nHost: x\n\n", rb"^HTTP/1.1 400"),
    ("two lengths", b"POST /jmap/api HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", rb"^HTTP/1.1 400"),
    ("length and chunked", b"POST /jmap/api HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", rb"^HTTP/1.1 400"),
    ("NUL in a field", b"GET / HTTP/1.1\r\nHost: x\0y\r\n\r\n", rb"^HTTP/1.1 400"),
    ("a folded field", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", rb"^HTTP/1.1 400"),
    ("an endless request line", b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", rb"^HTTP/1.1 (414|400|431)"),
    ("endless fields", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 5000 + b"\r\n", rb"^HTTP/1.1 431"),
    ("a path that climbs", b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", rb"^HTTP/1.1 40[04]"),
    ("JMAP without a login", b"POST /jmap/api HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", rb"^HTTP/1.1 401"),
    ("an unknown method", b"BREW / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", rb"^HTTP/1.1 (405|501|400)"),
]:
    text = http(request)
    result(f"HTTP: {name}", re.search(want, text) is not None, text[:200])

# --- slow and vanishing clients ---
peer = smtp()
slow_done = threading.Event()


def drip():
    for byte in b"NOOP one byte at a time\r\n":
        peer.send(bytes([byte]))
        time.sleep(0.1)
    slow_done.set()


threading.Thread(target=drip).start()
good = True
while not slow_done.is_set():
    good = good and served()
    time.sleep(0.3)
text = peer.reply()
result("one byte at a time is answered, and others are served meanwhile", good and text.startswith(b"250"), text)
for i in range(20):
    gone = mail_begun()
    gone.send(b"Subject: gone-away\r\n\r\nhalf a mess")
    gone.close()
result("clients that go away in DATA leave no mail", served() and inbox_count("gone-away") == 0)
idle = [Peer(25) for _ in range(20)] + [Peer(143) for _ in range(20)] + [Peer(443) for _ in range(20)]
result("silent connections stop nobody", served())
for peer in idle:
    peer.close()
result("nothing smuggled has arrived", inbox_count("smuggled") == 0)
sys.exit(failures != 0)
