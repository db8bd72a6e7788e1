#!/usr/bin/env python3
"""SIGHUP and certificates: a renewed one is used by new connections while those that are open stay; one that is broken, or does
not belong to its key, is refused with its reason, and nobody notices."""
import hashlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

base, state, work, lane = int(os.environ["BASE_PORT"]), os.environ["STATE"], os.environ["TMP"], os.environ["LANE"]
DAEMONS = {"smtpd": 465, "pop3d": 995, "imapd": 993, "webmaild": 443}
failed = False


def check(name, good, detail=""):
    global failed
    print(("ok" if good else "not ok"), f"- {lane}: {name}")
    if not good:
        failed = True
        print("   ", detail)


def secure(port):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", base + port), timeout=20)
    return context.wrap_socket(plain)


def shown(port):
    with secure(port) as connection:
        return hashlib.sha256(connection.getpeercert(True)).hexdigest()


def log_of(daemon):
    with open(f"{state}/log/{daemon}.log", encoding="utf-8", errors="replace") as file:
        return file.read()


def reload_and_wait(word):
    """SIGHUP to each daemon; the lines that it logs from there to the word."""
    said = {}
    for daemon in DAEMONS:
        before = len(log_of(daemon))
        with open(f"{state}/run/{daemon}.pid", encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGHUP)
        until = time.monotonic() + 20
        while word not in log_of(daemon)[before:] and time.monotonic() < until:
            time.sleep(0.05)
        said[daemon] = log_of(daemon)[before:]
    return said


def shows(port, wanted):
    until = time.monotonic() + 20
    while shown(port) != wanted and time.monotonic() < until:
        time.sleep(0.1)
    return shown(port) == wanted


def make(name, days="2"):
    subprocess.run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{work}/key.pem", "-out", f"{work}/request.pem"],
                   check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", f"{work}/request.pem", "-signkey", f"{work}/key.pem", "-days", days, "-out", f"{work}/cert.pem"],
                   check=True, capture_output=True)
    with open(f"{work}/cert.pem", encoding="ascii") as file:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest()


def put(file, text=None):
    """In place, so that owner and mode stay."""
    with open(f"{state}/tls/{file}", "w", encoding="ascii") as out:
        if text is None:
            with open(f"{work}/{file}", encoding="ascii") as source:
                text = source.read()
        out.write(text)


for name in ("cert.pem", "key.pem"):
    shutil.copy(f"{state}/tls/{name}", f"{work}/former-{name}")
former = {daemon: shown(port) for daemon, port in DAEMONS.items()}
session = secure(993)
stream = session.makefile("rwb")
stream.readline()
stream.write(b"a LOGIN bob@example.test demo\r\n")
stream.flush()
check("a client logs in before the renewal", stream.readline().startswith(b"a OK"))
try:
    renewed = make("renewed")
    put("cert.pem")
    said = reload_and_wait("not-reloaded")
    for daemon, port in DAEMONS.items():
        check(f"{daemon} refuses a certificate without its key", "is not the key of the certificate" in said[daemon], said[daemon])
        check(f"{daemon} keeps the former", shown(port) == former[daemon])
    put("cert.pem", "garbage\n")
    said = reload_and_wait("not-reloaded")
    for daemon, port in DAEMONS.items():
        check(f"{daemon} refuses a broken certificate", "holds no PEM certificate" in said[daemon], said[daemon])
        check(f"{daemon} keeps the former again", shown(port) == former[daemon])
    for name in ("cert.pem", "key.pem"):
        put(name)
    said = reload_and_wait(" reloaded ")
    for daemon, port in DAEMONS.items():
        check(f"{daemon} shows the renewed certificate", shows(port, renewed), said[daemon])
        check(f"{daemon} ended no process for it", "role-" not in said[daemon], said[daemon])
        check(f"{daemon} warns that it ends soon", f"certificate-expires file={state}/tls/cert.pem" in said[daemon], said[daemon])
        check(f"{daemon} sees no secret exposed", "secret-exposed" not in said[daemon], said[daemon])
    make("past", days="-1")
    for name in ("cert.pem", "key.pem"):
        put(name)
    os.chmod(f"{state}/tls/key.pem", 0o644)
    said = reload_and_wait(" reloaded ")
    os.chmod(f"{state}/tls/key.pem", 0o600)
    for daemon, port in DAEMONS.items():
        check(f"{daemon} warns of one that is past", "certificate-expired" in said[daemon], said[daemon])
        check(f"{daemon} warns of a key that others may read", f"secret-exposed option=tls_key file={state}/tls/key.pem mode=0644" in said[daemon], said[daemon])
    stream.write(b"b NOOP\r\n")
    stream.flush()
    check("the client is still there", stream.readline().startswith(b"b OK"))
finally:
    for name in ("cert.pem", "key.pem"):
        with open(f"{work}/former-{name}", encoding="ascii") as file:
            put(name, file.read())
    reload_and_wait(" reloaded ")
check("the demo's own is back", all(shows(port, former[daemon]) for daemon, port in DAEMONS.items()))
sys.exit(failed)
