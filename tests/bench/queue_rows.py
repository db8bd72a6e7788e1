# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""A queue of a million messages that wait for other hosts: what a start, a new message, and an operator who looks notice of it."""
import os
import re
import smtplib
import time

import core
from servers import DOMAIN, Fourpost, answers

STEP = 1000  # microseconds between two ids: a million are in all folders
DUE = 1000


def fill(spool, count):
    """Messages of a thousand senders to ten thousand destinations, each tried once and due in hours; DUE of them go to a host that is there."""
    owner, now = os.stat(f"{spool}/queue"), int(time.time())
    blank = " " * 160
    for n in range(count):
        identifier = f"{(now - 2000) * 1000000 + n * STEP:014X}00"
        text = (f"fourpost 1\ncreated {now - 2000}\nfrom s{n % 1000}@{DOMAIN}\nprogress {now + 7200:020d} {now - 1000:020d} 0000000001 {blank}\n"
                f"to P - - x{n}@{there(n, count)}\n\nSubject: x\r\n\r\nx\r\n")
        fd = os.open(f"{spool}/queue/{identifier[7:9]}/{identifier}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        os.write(fd, text.encode())
        os.fchown(fd, owner.st_uid, owner.st_gid)
        os.close(fd)


def there(n, count):
    """The domain of this one: those to due.example are spread over all."""
    return "due.example" if n % (count // DUE) == 0 else f"d{n % 10000}.example"


def queue(bench):
    """queue: a start with a million queued messages, new mail beside them, and lists of them."""
    count = 1000000 if bench.full else 50000
    server = Fourpost(bench, "queue", bench.port + 80, smtpd='resolvers = [ "127.0.0.1@9" ]; dnssec_anchor = ""; verify_not_from = [ "127.0.0.0/8" ];\n'
                      f'routes = [ "due.example smtp://127.0.0.1:{bench.port + 70}" ];\n')
    server.add_account("u1")
    server.start("smtpd")
    deliver(server)
    empty = server.memory()
    server.stop()
    bench.say(f"making {count:,} queued messages")
    fill(server.spool, count)
    bench.settle()
    log, before = f"{server.dir}/smtpd.log", os.path.getsize(f"{server.dir}/smtpd.log")
    begin = time.monotonic()
    server.start("smtpd")
    deliver(server)
    first = time.monotonic() - begin

    def said():
        with open(log, encoding="utf-8", errors="replace") as file:
            file.seek(before)
            return re.search(r" queue-read queued=(\d+)", file.read())
    core.wait_for("the queue to be read", said, 600)
    read = time.monotonic() - begin
    if int(said()[1]) != count:
        raise RuntimeError(f"{said()[0]}: not the {count} that were put there")
    bench.row(f"{count:,} queued: from the start to a new message in its mailbox", "s", [first], target=("most", 5))
    bench.row("  until all of them are read", "s", [read])
    bench.row("  memory for each", "bytes", [(server.memory() - empty) / count], target=("most", 300))
    bench.row("  a new message, by SMTP into its mailbox", "ms", [deliver(server) * 1000 for _ in range(20)], target=("most", 50))
    for words, least, most in ((["list"], count, count / 50000), (["-d", "d7.example", "list"], count // 10000 - 1, count / 50000)):
        begin = time.monotonic()
        lines = server.tool("mailqueue", *words).count("\n")
        bench.row(f"  mailqueue {' '.join(words)}", "s", [time.monotonic() - begin], target=("most", most))
        if lines < least:
            raise RuntimeError(f"mailqueue {words}: {lines} lines for {least} messages")
    sink = bench.spawn([f"{bench.tools}/mail_sink", str(bench.port + 70)], f"{bench.dir}/queue-sink.log")
    core.wait_for("mail_sink", lambda: answers(bench.port + 70))
    begin = time.monotonic()
    server.tool("mailqueue", "-d", "due.example", "retry")
    core.wait_for("what is due to be relayed", lambda: server.queued() <= count - DUE, 600, 1)
    bench.row(f"  {DUE:,} become due (mailqueue retry): all relayed", "s", [time.monotonic() - begin], target=("most", 10 + count / 50000))
    sink.stop()
    with open(f"{bench.dir}/queue-sink.log", encoding="ascii") as file:
        taken = int(file.read().split()[-3])
    if taken != DUE:
        raise RuntimeError(f"the far side took {taken} of {DUE} messages that were due")
    server.stop()


def deliver(server):
    """Seconds from the connection to the message in its Maildir."""
    before, begin = server.delivered("u1"), time.monotonic()
    with smtplib.SMTP("127.0.0.1", server.smtp_port, timeout=60) as peer:
        peer.sendmail(f"s@{DOMAIN}", [f"u1@{DOMAIN}"], b"Subject: new\r\n\r\nx\r\n")
    core.wait_for("a new message", lambda: server.delivered("u1") > before, 60, 0.001)
    return time.monotonic() - begin


ROWS = (queue,)
