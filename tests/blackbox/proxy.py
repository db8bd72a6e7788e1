#!/usr/bin/env python3
"""Proxies in front of smtpd: the client's address comes from the PROXY header or from XCLIENT, of listed addresses only."""
import os
import re
import signal
import socket
import sys
import time

base, state, lane = int(os.environ["BASE_PORT"]), os.environ["STATE"], os.environ["LANE"]
CONF = f"{state}/etc/smtpd.conf"
failed = False


def check(name, good, detail=""):
    global failed
    print(("ok" if good else "not ok"), f"- {lane}: {name}")
    if not good:
        failed = True
        print("   ", detail)


def log():
    with open(f"{state}/log/smtpd.log", encoding="utf-8", errors="replace") as file:
        return file.read()


def wait_log(before, pattern):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if re.search(pattern, log()[before:]):
            return True
        time.sleep(0.05)
    return False


def talk(data, offset=25):
    """All that is said to these bytes, until the server closes."""
    with socket.create_connection(("127.0.0.1", base + offset), timeout=20) as peer:
        peer.sendall(data)
        text = b""
        try:
            while more := peer.recv(65536):
                text += more
        except ConnectionResetError:
            pass
    return text


def configure(text, probe, wanted):
    """Takes over the configuration; true when the role that listens shows it in its answer to the probe."""
    with open(CONF, "w", encoding="utf-8") as file:
        file.write(text)
    with open(f"{state}/run/smtpd.pid", encoding="ascii") as file:
        os.kill(int(file.read()), signal.SIGHUP)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if wanted(talk(probe)):
            return True
        time.sleep(0.05)
    return False


with open(CONF, encoding="utf-8") as file:
    original = file.read()
# Clients here do not wait for what must be waited for.
ALL = 'allow_from = [ "0.0.0.0/0", "::/0" ];\n'
HELLO = b"EHLO x\r\nQUIT\r\n"
MAIL = b"EHLO proxy.example\r\nMAIL FROM:<s@example.org>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: proxied\r\n\r\n.\r\nQUIT\r\n"

text = talk(b"EHLO x\r\nXCLIENT ADDR=192.0.2.77\r\nQUIT\r\n")
check("XCLIENT of a stranger is refused", b"550 5.7.0" in text and b"XCLIENT ADDR" not in text, text)
try:
    check("proxy_from is taken over", configure(original + 'proxy_from = [ "127.0.0.0/8" ];\nverify_not_from = [ "192.0.2.0/24" ];\n' + ALL + '', HELLO, lambda text: b"XCLIENT" in text))
    before = len(log())
    text = talk(b"EHLO proxy\r\nXCLIENT ADDR=192.0.2.77 HELO=far.example\r\n" + MAIL)
    check("XCLIENT of a listed proxy is believed", b"ed as " in text, text)
    check("the log has the client's address", wait_log(before, r"received .*client=192\.0\.2\.77 helo=far\.example"), log()[before:])
    text = talk(b"XCLIENT ADDR=nowhere\r\nQUIT\r\n")
    check("XCLIENT with an address that is none", b"501 5.5.4" in text, text)

    check("proxy_header_from is taken over", configure(original + 'proxy_header_from = [ "127.0.0.1" ];\nverify_not_from = [ "192.0.2.0/24" ];\n' + ALL + '', HELLO, lambda text: text == b""))
    for name, header in (("1", b"PROXY TCP4 192.0.2.78 192.0.2.1 56324 25\r\n"),
                         ("2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\x4e\xc0\0\2\1\0\1\0\x19")):
        before = len(log())
        text = talk(header + MAIL)
        check(f"a PROXY header of version {name}", text.startswith(b"220") and b"ed as " in text, text)
        check(f"the log has its address ({name})", wait_log(before, r"received .*client=192\.0\.2\.78 "), log()[before:])
    before = len(log())
    text = talk(HELLO)
    check("without the header nothing is said", text == b"", text)
    check("and the log tells", wait_log(before, "no-proxy-header"), log()[before:])
finally:
    check("as it was", configure(original, HELLO, lambda text: text.startswith(b"220")))
text = talk(HELLO)
check("others are served", text.startswith(b"220"), text)
sys.exit(failed)
