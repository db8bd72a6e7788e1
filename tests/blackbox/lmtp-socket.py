#!/usr/bin/env python3
"""LMTP on a Unix socket, by an smtpd of its own with a spool of its own beside the demo's accounts."""
import os
import re
import signal
import socket
import subprocess
import sys

from own_site import Results, programs, read, within, work

state, results = os.environ["STATE"], Results()
check = results.check


def connected(path):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(30)
    try:
        peer.connect(path)
    except OSError:
        peer.close()
        return None
    return peer


os.chmod(work, 0o711)
for folder in ("etc", "spool", "run"):
    os.makedirs(f"{work}/{folder}", exist_ok=True)
    os.chmod(f"{work}/{folder}", 0o755)
shared = read(f"{state}/etc/fourpost.conf").replace(f'"{state}/spool"', f'"{work}/spool"')
shared = re.sub(r"(?m)^pid_dir.*\n", "", shared) + f'pid_dir = "{work}/run";\n'
path, log = f"{work}/run/lmtp", f"{work}/log"
with open(f"{work}/etc/fourpost.conf", "w", encoding="utf-8") as file:
    file.write(shared)
with open(f"{work}/etc/smtpd.conf", "w", encoding="utf-8") as file:
    file.write(f'@include "fourpost.conf"\nlisten_smtp = [ ]; listen_submission = [ ]; listen_submissions = [ ];\nlisten_lmtp = [ "{path}" ];\n')
# As left by a process that was killed.
stale = socket.socket(socket.AF_UNIX)
stale.bind(path)
stale.close()
with open(log, "w", encoding="utf-8") as file:
    daemon = subprocess.Popen([f"{programs}/smtpd", "-C", f"{work}/etc/smtpd.conf"], stdin=subprocess.DEVNULL, stdout=file, stderr=file)
try:
    peer = within(lambda: connected(path))
    check("a stale socket is replaced", peer is not None, read(log))
    text = b""
    if peer is not None:
        peer.sendall(b"LHLO here\r\nMAIL FROM:<s@example.org>\r\nRCPT TO:<alice@example.test>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<bob@example.test>\r\n"
                     b"DATA\r\nSubject: by a socket\r\n\r\n.\r\nQUIT\r\n")
        while more := peer.recv(65536):
            text += more
    found = re.search(rb"550 5\.1\.1[^\n]*\n250 2\.1\.5 Ok\r\n354 [^\n]*\n250 2\.0\.0 <alice@example\.test> delivered as (\w+)\r\n"
                      rb"250 2\.0\.0 <bob@example\.test> delivered as \w+\r\n221 ", text)
    check("each recipient has its reply", found is not None, text)
    delivered = re.compile(rf"delivered id={found.group(1).decode() if found else '-'} ")
    check("both are delivered", within(lambda: len(delivered.findall(read(log))) == 2) is not None, read(log))
finally:
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(60)
sys.exit(results.failed)
