#!/usr/bin/env python3
"""Hostile clients of SMTP, submission and LMTP: each is refused with the right code and a line in the log, nothing of it is queued."""
import os
import re
import socket
import sys
import time

base, state, lane = int(os.environ["BASE_PORT"]), os.environ["STATE"], os.environ["LANE"]
failed = False


def check(name, good, detail=""):
    global failed
    print(("ok" if good else "not ok"), f"- {lane}: {name}")
    if not good:
        failed = True
        print("   ", repr(detail)[:2000])


def log():
    with open(f"{state}/log/smtpd.log", encoding="utf-8", errors="replace") as file:
        return file.read()


def logged(before, pattern):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if re.search(pattern, log()[before:]):
            return True
        time.sleep(0.05)
    return False


def talk(data, offset=25):
    """All that is said to these bytes and the end of what we send, until the server closes."""
    with socket.create_connection(("127.0.0.1", base + offset), timeout=30) as peer:
        text = b""
        try:
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            while more := peer.recv(65536):
                text += more
        except (BrokenPipeError, ConnectionResetError, OSError) as error:
            if isinstance(error, TimeoutError):
                text += b"<still open>"
    return text


HELLO = b"EHLO hostile.example\r\n"
MAIL = HELLO + b"MAIL FROM:<h@example.org>\r\nRCPT TO:<alice@example.test>\r\n"
EVIL = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: smuggled\r\n\r\n.\r\n"

# --- what others take for the end of a message (SMTP smuggling) ---
for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r.\n", b"\r\n.\r\r\n", b"\n\r.\r\n", b"\r\r\n.\r\n", b"\r\n\0.\r\n",
            b"\r\n.\0\r\n"):
    before = len(log())
    text = talk(MAIL + b"DATA\r\nSubject: carrier\r\n\r\nx" + end + EVIL)
    check(f"{end!r} is no end of a message", b"\r\n550 5.6.0" in text and (b"queued" not in text or b"\0" in end), text)
    check(f"{end!r} has its line in the log", logged(before, r'refused .* id=[0-9A-F]{16} from=h@example\.org to=alice@example\.test .*reply="550 5\.6\.0'), log()[before:])
    chunk = b"Subject: carrier\r\n\r\nx" + end + EVIL
    text = talk(MAIL + b"BDAT %d LAST\r\n%s" % (len(chunk), chunk))
    check(f"{end!r} in a chunk", b"\r\n550 5.6.0" in text and b"queued" not in text, text)

# --- commands within arguments ---
for name, line in (
    ("bare LF in a path", b"MAIL FROM:<a@example.org\nRCPT TO:<alice@example.test>>\r\n"),
    ("bare CR in a path", b"MAIL FROM:<a@example.org\rRCPT TO:<alice@example.test>>\r\n"),
    ("CR LF within quotes", b'MAIL FROM:<"a\r\nRCPT TO:<alice@example.test>"@example.org>\r\n'),
    ("NUL in a path", b"MAIL FROM:<a\0b@example.org>\r\n"),
    ("an escape sequence", b"MAIL FROM:<\x1b[2J@example.org>\r\n"),
    ("a C1 control in UTF-8", b"MAIL FROM:<\xc2\x9b2J@example.org> SMTPUTF8\r\n"),
    ("half a character", b"MAIL FROM:<\xc3@example.org> SMTPUTF8\r\n"),
    ("bytes behind the path", b"MAIL FROM:<a@example.org>SIZE=1\r\n"),
    ("a parameter with control bytes", b"MAIL FROM:<a@example.org> ENVID=a\x01b\r\n"),
    ("ORCPT with a line end", b"MAIL FROM:<>\r\nRCPT TO:<alice@example.test> ORCPT=rfc822;a\r\n"),
):
    before = len(log())
    text = talk(HELLO + line + b"QUIT\r\n")
    good = re.search(rb"\r\n(500 5\.5\.2|501 5\.[15]\.\d|250 2\.1\.5)", text) is not None
    check(f"{name} is one command or none", good and b"354" not in text, text)
    check(f"{name}: the log stays whole", all(re.match(r"\d{4}-", line) for line in log()[before:].splitlines()), log()[before:])

# --- a name that would be a header field ---
text = talk(b"EHLO x\\\" (evil)\r\nEHLO a;b\r\nEHLO a<b>\r\nEHLO \xc3\xa4\r\nQUIT\r\n")
check("HELO names that would harm a trace field get 501", text.count(b"\r\n501 5.5.4") == 4, text)

# --- pipelining past what changes the state ---
text = talk(HELLO + b"STARTTLS\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<alice@example.test>\r\n")
check("bytes behind STARTTLS are no commands", b"2.1.0" not in text and b"2.1.5" not in text, text)
text = talk(HELLO + b"MAIL FROM:<a@example.org>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n")
check("a message behind a DATA that was refused", b"554 5.5.1" in text and b"queued" not in text, text)
text = talk(HELLO + b"AUTH PLAIN AGFsaWNlAGRlbW8=\r\nMAIL FROM:<alice@example.test>\r\n", 587)
check("AUTH in the clear, and MAIL behind it", b"538 5.7.11" in text and b"530 5.7.0" in text and b"2.1.0" not in text, text)

# --- BDAT ---
for name, data, wanted in (
    ("a chunk before MAIL", HELLO + b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", rb"503 5\.5\.1[^\n]*\n250 2\.0\.0 Ok\r\n$"),
    ("a chunk longer than a message may be", HELLO + b"BDAT 99999999999999\r\nQUIT\r\n", rb"503 5\.5\.1[^\n]*\n$"),
    ("a length beyond 64 bits", MAIL + b"BDAT 99999999999999999999999\r\nQUIT\r\n", rb"501 5\.5\.4[^\n]*\n$"),
    ("a negative length", MAIL + b"BDAT -1\r\nQUIT\r\n", rb"501 5\.5\.4[^\n]*\n$"),
    ("a chunk that never ends", MAIL + b"BDAT 100\r\nSubject: half\r\n", rb"250 2\.1\.5 Ok\r\n$"),
    ("chunks without LAST", MAIL + b"BDAT 2\r\n\r\nQUIT\r\n", rb"250 2\.0\.0 2 octets received\r\n221 "),
):
    text = talk(data)
    check(name, re.search(wanted, text) is not None and b"queued" not in text, text)

# --- half-closed sockets ---
text = talk(MAIL + b"DATA\r\nSubject: half\r\n\r\nhalf a mess")
check("half a message and the end: nothing is queued", text.rstrip().endswith(b"354 End the message with <CRLF>.<CRLF>"), text)
text = talk(MAIL + b"DATA\r\nSubject: whole\r\n\r\n.\r\n")
check("a whole message and the end: it is answered", b"ed as " in text, text)
for asked, got in ((9, 0), (-3, -3)):
    before = len(log())
    text = talk(HELLO + b"MAIL FROM:<h@example.org> MT-PRIORITY=%d\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: hurry\r\n\r\n.\r\nQUIT\r\n" % asked)
    check(f"a stranger's priority of {asked} is {got}, and logged", b"ed as " in text and logged(before, rf"received .* priority={got}\n"), (text, log()[before:]))
text = talk(b"")
check("nothing at all", text.startswith(b"220 ") and b"<still open>" not in text, text)

# --- too much ---
before = len(log())
text = talk(HELLO + b"VRFY\r\n" * 100)
check("errors without end: 421 and the end of it", text.count(b"501 ") <= 21 and b"421 4.7.0" in text, text)
check("which the log tells", logged(before, r'refused .*reply="421 4\.7\.0'), log()[before:])
text = talk(HELLO + b"MAIL FROM:<a@example.org>\r\n" + b"".join(b"RCPT TO:<alice+%d@example.test>\r\n" % i for i in range(1005)) + b"QUIT\r\n")
check("recipients beyond the limit get 452", text.count(b"250 2.1.5") == 1000 and text.count(b"452 4.5.3") == 5, text[-300:])
text = talk(MAIL + b"DATA\r\n" + b"Received: x\r\n" * 101 + b"\r\n.\r\nQUIT\r\n")
check("101 hops are a loop", b"554 5.4.6" in text, text)
text = talk(MAIL + b"DATA\r\n" + b"X: " + b"y" * 3000 + b"\r\n\r\n.\r\nQUIT\r\n")
check("a line that is too long", b"554 5.6.0" in text and b"221 " in text, text)
text = talk(MAIL + b"DATA\r\n" + (b"X: " + b"y" * 900 + b"\r\n") * 300 + b"\r\n.\r\nQUIT\r\n")
check("a header that is too big", b"552 5.3.4" in text and b"221 " in text, text)
text = talk(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\r\nx\n.\r\n", 24)
check("LMTP: a bare LF is refused for each recipient", text.count(b"550 5.6.0") == 2, text)

text = talk(HELLO + b"x" * 5000000 + b"\r\nQUIT\r\n")
check("a command that is 5 MB long is one, and wrong", text.count(b"\r\n500 5.5.2") == 1 and b"\r\n221 " in text, text[-300:])
for name, line in (("a host's name", b"EHLO " + b"a" * 300), ("many parameters", b"MAIL FROM:<a@example.org>" + b" BODY=7BIT" * 300), ("a parameter", b"MAIL FROM:<a@example.org> ENVID=" + b"x" * 1500),
                   ("a mailbox that was named elsewhere", b"MAIL FROM:<>\r\nRCPT TO:<alice@example.test> ORCPT=rfc822;" + b"x" * 1500), ("an argument of NOOP", b"NOOP " + b"x" * 3000)):
    text = talk(HELLO + line + b"\r\nQUIT\r\n")
    check(f"over-long: {name}", re.search(rb"\r\n50[01] 5\.5\.[24][^\n]*\n221 ", text), text)

# --- what proxies say, from somebody who is none ---
for name, header in (("1", b"PROXY TCP4 192.0.2.9 192.0.2.10 1000 25\r\n"), ("2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\x09\xc0\0\2\x0a\x03\xe8\0\x19")):
    before = len(log())
    text = talk(header + MAIL + b"QUIT\r\n")
    check(f"a PROXY header of version {name} is a command that is wrong", re.match(rb"220 [^\n]*\n50[03] 5\.5\.[12]", text), text)
    check(f"a PROXY header of version {name}: the address stays", logged(before, r" client client=127\.0\.0\.1 ") and "client=192.0.2.9" not in log()[before:], log()[before:])

# --- floods, and who does not read ---
FLOOD = 200000
# By LMTP, whose clients may say RSET as often as they like.
with socket.create_connection(("127.0.0.1", base + 24), timeout=30) as peer:
    peer.settimeout(3)
    sent, data = 0, b"RSET\r\n" * FLOOD
    try:
        while sent < 16 * len(data):
            sent += peer.send(data[sent % len(data):])
    except TimeoutError:
        pass
    check("who reads no reply is not read from", sent < 16 * len(data), sent)
    text = talk(HELLO + b"NOOP\r\nQUIT\r\n")
    check("others are served meanwhile", b"250 2.0.0 Ok\r\n221 " in text, text)
    # The last may be half a command.
    peer.settimeout(30)
    wanted, got, tail = sent // 6, 0, b""
    while got < wanted and (more := peer.recv(1 << 20)):
        got += (tail + more).count(b"250 2.0.0 ") - tail.count(b"250 2.0.0 ")
        tail = more[-9:]
    check("each of its commands is answered once it reads", got == wanted, (got, wanted))

text = talk(HELLO + b"NOOP\r\nQUIT\r\n")
check("others are served", text.endswith(b"\r\n") and b"250 2.0.0 Ok\r\n221 " in text, text)
sys.exit(failed)
