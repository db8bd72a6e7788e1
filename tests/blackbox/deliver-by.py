#!/usr/bin/env python3
"""DELIVERBY (RFC 2852): what cannot be delivered in time is returned when the time has come, and not before it was tried."""
import base64
import os
import re
import socket
import ssl
import sys
import time

import own_site

base, state, lane = int(os.environ["BASE_PORT"]), os.environ["STATE"], os.environ["LANE"]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
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


def logged(before, pattern):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if found := re.search(pattern, log()[before:], re.M):
            return found
        time.sleep(0.1)
    return None


login = base64.b64encode(b"\0alice@example.test\0demo")
before = len(log())
with context.wrap_socket(socket.create_connection(("127.0.0.1", base + 465), timeout=30)) as peer:
    # Nobody listens there on port 25.
    peer.sendall(b"EHLO x\r\nAUTH PLAIN " + login + b"\r\nMAIL FROM:<alice@example.test> BY=3;R\r\nRCPT TO:<late@[127.0.0.2]>\r\n"
                 b"DATA\r\nFrom: alice@example.test\r\nSubject: in time\r\n\r\nx\r\n.\r\nQUIT\r\n")
    text = b""
    while more := peer.recv(65536):
        text += more
found = re.search(rb"ed as ([0-9A-F]{16})", text)
check("a message with BY is taken", found is not None, text)
identity = found.group(1).decode() if found else "-"
check("it is tried", logged(before, rf"deferred id={identity} ") is not None, log()[before:])
check("it is returned when its time has come", logged(before, rf"failed id={identity} .*status=5\.4\.7") is not None, log()[before:])
found = logged(before, rf"notification id={identity} as=([0-9A-F]{{16}})")
check("the sender is told", found is not None and logged(before, rf"delivered id={found.group(1)} ") is not None, log()[before:])

# A notification of a delay tells until when delivery is tried: until the sender's own time.
site = own_site.Site(base + 800, 'retry_min = "1s"; retry_max = "1s"; delay_warning = "1s";')
try:
    site.send("alice@example.test", ["late@[127.0.0.2]"], "to be there in two hours", login="alice", mail=" BY=7200;R")
    found = own_site.within(lambda: site.delivered("alice", "Action: delayed"))
    times = {name: re.findall(rf"^{name}: (.*)", found[0], re.M) if found else [] for name in ("Deliver-By-Date", "Will-Retry-Until")}
    check("the sender hears that it is tried until then", times["Deliver-By-Date"] and times["Deliver-By-Date"] == times["Will-Retry-Until"] and
          f"tried until {times['Will-Retry-Until'][0]}." in re.sub(r"\s+", " ", found[0]), (times, found, site.log()[-2000:]))
finally:
    site.stop()
sys.exit(failed)
