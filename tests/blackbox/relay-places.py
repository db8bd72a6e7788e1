#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""How many messages go to other hosts at once: to one destination, and to all of them, as configured and after a reload. The hosts keep each message
waiting for its reply until the test lets one go."""
import socketserver
import sys
import threading

import own_site

results = own_site.Results()
check = results.check
base = own_site.outer + 1100
HOSTS, AT_ONCE, IN_ALL = 6, 2, 3


class Session(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 far.example\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            self.wfile.write({b"EHLO": b"250 far.example\r\n", b"DATA": b"354 Go ahead\r\n"}.get(verb, b"250 2.0.0 Ok\r\n"))
            if verb == b"DATA":
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                self.server.hosts.hold()
                self.wfile.write(b"250 2.0.0 Taken\r\n")
            elif verb == b"QUIT":
                return


class Hosts:
    """So many hosts, on ports from `base` on; they count together."""

    def __init__(self, count):
        self.lock = threading.Condition()
        self.held = self.most = self.may_go = self.gone = 0
        for number in range(count):
            server = socketserver.ThreadingTCPServer(("127.0.0.1", base + number), Session, bind_and_activate=False)
            server.allow_reuse_address = server.daemon_threads = True
            server.hosts, server.request_queue_size = self, 100
            server.server_bind()
            server.server_activate()
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def hold(self):
        with self.lock:
            self.held += 1
            self.most = max(self.most, self.held)
            self.lock.notify_all()
            self.lock.wait_for(lambda: self.may_go > 0)
            self.may_go -= 1
            self.held -= 1
            self.gone += 1
            self.lock.notify_all()

    def holds(self, count):
        with self.lock:
            return self.lock.wait_for(lambda: self.held >= count, own_site.patience)

    def let_go(self, count):
        """One after the other: each time as many wait again as before, as long as there are any."""
        for left in range(count, 0, -1):
            with self.lock:
                gone, wanted = self.gone, min(self.held, left - 1)
                self.may_go = 1
                self.lock.notify_all()
                good = self.lock.wait_for(lambda gone=gone, wanted=wanted: self.gone > gone and self.held >= wanted, own_site.patience)
            if not good:
                return False
        return True

    def forget(self):
        with self.lock:
            self.most = 0


def relayed(site, count, before):
    return own_site.within(lambda: site.log()[before:].count(" relayed ") >= count)


def through(site, what, recipients, most):
    """Mail for these goes, never more than `most` at once, and that many; other mail is not held up."""
    before, word = len(site.log()), what.replace(" ", "-")
    hosts.forget()
    for recipient in recipients:
        site.send("alice@example.test", [recipient], word, login="alice")
    check(f"{what}: as many go at once", hosts.holds(most), (hosts.held, site.log()[-3000:]))
    # Whoever comes after them has been served: had there been room, more would have gone long since.
    site.send("alice@example.test", ["bob@example.test"], f"{word}-here", login="alice")
    check(f"{what}: accounts here get their mail meanwhile", own_site.within(lambda: site.delivered("bob", f"{word}-here")))
    check(f"{what}: all go, one by one", hosts.let_go(len(recipients)) and relayed(site, len(recipients), before), site.log()[-3000:])
    check(f"{what}: no more at once", hosts.most == most, hosts.most)


hosts = Hosts(HOSTS)
ROUTES = ", ".join(f'"h{number}.example 127.0.0.1:{base + number}"' for number in range(HOSTS))
site = own_site.Site(own_site.outer + 1000, f'routes = [ {ROUTES} ]; relay_concurrency = {AT_ONCE}; relay_jobs_max = 100; retry_min = "1s";')
try:
    path = f"{site.state}/etc/smtpd.conf"
    conf = own_site.read(path)
    one = [f"r{i}@h0.example" for i in range(8)]
    through(site, "to one destination", one, AT_ONCE)
    site.put("smtpd.conf", conf.replace(f"relay_concurrency = {AT_ONCE}", "relay_concurrency = 1"))
    check("relay_concurrency is taken at a reload", site.reload())
    through(site, "to one destination after a reload", one, 1)
    # Each destination has its own places, and all together have no more than these.
    site.put("smtpd.conf", conf.replace("relay_jobs_max = 100", f"relay_jobs_max = {IN_ALL}"))
    check("relay_jobs_max is taken at a reload", site.reload())
    through(site, "to all destinations", [f"all{i}@h{i % HOSTS}.example" for i in range(2 * HOSTS)], IN_ALL)
    check("the queue ends empty", site.queue_empties())
    check("no role died", not site.deaths(), site.deaths())
finally:
    site.stop()
sys.exit(results.failed)
