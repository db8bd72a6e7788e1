#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""smtpd stops while messages are under way: nobody gets one of them twice, in a mailbox here or from another host."""
import fcntl
import glob
import os
import signal
import socketserver
import sys
import threading
import time

import own_site

results = own_site.Results()
check = results.check
port = own_site.outer + 902


class Slow(socketserver.StreamRequestHandler):
    """A host that takes one recipient at a time, and a second to think about each message."""

    seen = []

    def handle(self):
        self.wfile.write(b"220 slow.example\r\n")
        taken = 0
        for line in self.rfile:
            verb = line[:4].upper()
            self.seen.append(line.decode().strip())
            if verb == b"RCPT":
                taken += 1
                self.wfile.write(b"250 2.1.5 Ok\r\n" if taken == 1 else b"452 4.5.3 Too many recipients\r\n")
            elif verb == b"DATA":
                self.wfile.write(b"354 Go on\r\n")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                self.seen.append("text")
                time.sleep(1)
                taken = 0
                self.wfile.write(b"250 2.0.0 Taken\r\n")
            elif verb == b"QUIT":
                return
            else:
                self.wfile.write(b"250 Ok\r\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def terminate():
    os.kill(int(own_site.read(f"{site.state}/run/smtpd.pid")), signal.SIGTERM)


def left(word):
    return [path for path in glob.glob(f"{site.state}/spool/queue/*/*") if word in own_site.read(path)]


options = f'routes = [ "slow.example smtp://127.0.0.1:{port}" ]; retry_min = "1s";'
server = Server(("127.0.0.1", port), Slow)
threading.Thread(target=server.serve_forever, daemon=True).start()
site = own_site.Site(own_site.outer + 910, options)
try:
    # A mailbox that takes its time: its client has an answer, whatever that mailbox comes to.
    said = []
    site.send("s@away.example", ["bob@example.test"], "the first")
    with open(f"{site.state}/mail/example.test/bob/lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        client = threading.Thread(target=lambda: said.append(site.send("s@away.example", ["bob@example.test"], "stopped in between")))
        client.start()
        time.sleep(1)
        before = len(site.log())
        terminate()
        client.join(20)
        fcntl.flock(lock, fcntl.LOCK_UN)
    check("a client whose message is being delivered when smtpd stops has an answer", said and said[0][1].startswith("250 "), (said, site.log()[-3000:]))
    check("smtpd stops", site.logged(r" stopped ", before), site.log()[-3000:])
    site.stop()
    site = own_site.Site(own_site.outer + 910, options)
    check("the message is there once", own_site.within(lambda: site.delivered("bob", "stopped in between")) and site.queue_empties() and
          len(site.delivered("bob", "stopped in between")) == 1, (left("stopped in between"), site.log()[-3000:]))

    # A host that has the message for one recipient gets no other transaction any more.
    site.send("alice@example.test", ["a@slow.example", "b@slow.example"], "one by one", login="alice")
    check("the first is under way", own_site.within(lambda: Slow.seen.count("text") == 1), Slow.seen)
    before = len(site.log())
    pid = int(own_site.read(f"{site.state}/run/smtpd.pid"))
    terminate()
    site.logged(r" stopping", before)
    os.kill(pid, signal.SIGHUP)
    check("its outcome is waited for", site.logged(r" relayed .*to=a@slow\.example ", before) and site.logged(r" stopped ", before), site.log()[-3000:])
    check("no reload is begun any more", "reloaded" not in site.log()[before:], site.log()[-3000:])
    check("and nothing else is begun", len([line for line in Slow.seen if line.startswith("MAIL")]) == 1, Slow.seen)
    check("the other one is still to have it", len(left("one by one")) == 1, left("one by one"))
    site.stop()
    site = own_site.Site(own_site.outer + 910, options)
    check("each gets it once", site.queue_empties() and Slow.seen.count("text") == 2 and sum(line.startswith("RCPT TO:<a@") for line in Slow.seen) == 1, Slow.seen)
finally:
    site.stop()
    server.shutdown()
sys.exit(results.failed)
