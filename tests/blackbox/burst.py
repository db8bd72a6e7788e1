#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""The disk of the queue stands still while many hosts answer for many recipients: no answer gets lost, and nobody waits for one."""
import os
import signal
import socketserver
import sys
import threading

import own_site

DESTINATIONS, EACH = 20, 500
results = own_site.Results()
check = results.check
ports = [own_site.outer + 900 + i for i in range(DESTINATIONS)]
lock, go_on = threading.Lock(), threading.Event()
waiting, answered, taken = [], [], []


class Host(socketserver.StreamRequestHandler):
    """Has all of a message, and says that it takes it when it is told to."""

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.say("220 far.example ESMTP")
        rcpt = []
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"RCPT":
                rcpt.append(line)
            if verb == b"DATA":
                self.say("354 Go ahead")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                with lock:
                    waiting.append(1)
                go_on.wait()
                with lock:
                    taken.extend(rcpt)
                rcpt = []
            if verb == b"EHLO":
                self.say("250-far.example\r\n250 PIPELINING")
            else:
                self.say("221 Bye" if verb == b"QUIT" else "250 Ok")
            if verb == b"QUIT":
                with lock:
                    answered.append(1)
                return


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 1000


for port in ports:
    threading.Thread(target=Server(("127.0.0.1", port), Host).serve_forever, daemon=True).start()
routes = ", ".join(f'"d{i}.example smtp://127.0.0.1:{port}"' for i, port in enumerate(ports))
site = own_site.Site(own_site.outer + 820, f"relay_jobs_max = 200; recipients_max = 10000; routes = [{routes}];")
try:
    everybody = [f"r{i}@d{d}.example" for d in range(DESTINATIONS) for i in range(EACH)]
    said = site.tool("sendmail", "-f", "alice@example.test", *everybody, given="Subject: for many\n\nx\n", conf="smtpd.conf")
    found = site.logged(r"received id=([0-9A-F]{16}) ")
    check("a message for ten thousand is taken", found, said)
    jobs = DESTINATIONS * EACH // 100
    check("all hosts have it", own_site.within(lambda: len(waiting) == jobs), len(waiting))
    queue = own_site.role_pid(site.state, "queue")
    os.kill(queue, signal.SIGSTOP)
    go_on.set()
    check("all say that they take it while the queue stands still", own_site.within(lambda: len(answered) == jobs), len(answered))
    os.kill(queue, signal.SIGCONT)
    check("the queue hears of all", site.logged(f"done id={found.group(1)} "), (site.log().count(" relayed "), site.log()[-1000:]))
    check("nobody got it twice", sorted(taken) == sorted(set(taken)) and len(taken) == len(everybody), len(taken))
    check("no role died", not site.deaths(), site.deaths())
finally:
    site.stop()
sys.exit(results.failed)
