# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Taking mail in and delivering it, against Dovecot's LMTP and against Postfix with virtual(8) or with Dovecot's LMTP behind it."""
import base64
import re
import signal
import socket
import ssl
import subprocess
import time

import core
from servers import DOMAIN, PASSWORD, Dovecot, Fourpost, Postfix, answers, command

ACCOUNTS = 100
USERS = [f"u{n}" for n in range(1, ACCOUNTS + 1)]


class Inbound:
    """The servers with a hundred accounts each."""
    made = None

    @classmethod
    def of(cls, bench):
        cls.made = cls.made or cls(bench)
        return cls.made

    def __init__(self, bench):
        bench.say(f"making {ACCOUNTS} accounts")
        port = bench.port + 50
        self.bench = bench
        self.ours = Fourpost(bench, "inbound", port, smtpd="connections_per_address_max = 10000; connections_max = 10000;\n")
        for user in USERS:
            self.ours.add_account(user)
        uid = self.ours.accounts["u1"][1]
        self.dovecot = Dovecot(bench, "inbound-dovecot", port + 5, uid)
        self.virtual = Postfix(bench, "inbound-virtual", port + 10, uid, USERS)
        self.behind = Postfix(bench, "inbound-behind", port + 11, uid, USERS, lmtp_socket=self.dovecot.lmtp_socket)
        self.behind.delivered = self.dovecot.delivered
        # What another's process did for it counts.
        self.behind.cpu = lambda: core.tree_cpu(self.behind.pid) + core.tree_cpu(self.dovecot.pid)
        self.ours.start("smtpd")
        for server in (self.dovecot, self.virtual, self.behind):
            server.start()
        self.idle = self.ours.queued()
        # Every account's folders are made, and every process has begun once.
        for server, port, lmtp in ((self.ours, self.ours.smtp_port, False), (self.dovecot, self.dovecot.lmtp_port, True),
                                   (self.virtual, self.virtual.smtp_port, False), (self.behind, self.behind.smtp_port, False)):
            self.hand_in(server, port, ACCOUNTS, ACCOUNTS, True, lmtp)

    def hand_in(self, server, port, count, accounts, reuse, lmtp=False, size=4096, connections=10):
        """Messages a second from the first connection until the last message is in its Maildir."""
        users = USERS[:accounts]
        before, cpu = sum(map(server.delivered, users)), server.cpu()
        begin = time.monotonic()
        if accounts == 1 and not lmtp:
            command("smtp-source", *(["-d"] if reuse else []), "-s", str(connections), "-m", str(count), "-l", str(size), "-M", f"bench.{DOMAIN}",
                    "-f", f"sender@{DOMAIN}", "-t", f"u1@{DOMAIN}", f"inet:127.0.0.1:{port}")
        else:
            command(f"{self.bench.tools}/mail_load", *(["-l"] if lmtp else []), *(["-r"] if reuse else []), "-c", str(connections), "-n", str(count),
                    "-s", str(size), "-t", f"u%@{DOMAIN}", "-k", str(accounts), str(port))
        if server is not self.dovecot:
            idle = self.idle if server is self.ours else 0
            core.wait_for(f"{server.name}: an empty queue", lambda: server.queued() <= idle, 300, 0.02)
        seconds = time.monotonic() - begin
        arrived = sum(map(server.delivered, users)) - before
        if arrived != count:
            raise RuntimeError(f"{server.name}: {arrived} of {count} messages arrived")
        return count / seconds, server.cpu() - cpu


def numbers(bench):
    return 10000 if bench.full else 2000


def lmtp(bench):
    """lmtp: LMTP in, durable in the Maildir, against Dovecot's."""
    all_, count = Inbound.of(bench), numbers(bench)
    for accounts in (1, ACCOUNTS):
        ours, peer = bench.alternate(3, lambda: all_.hand_in(all_.ours, all_.ours.lmtp_port, count, accounts, True, True),
                                     lambda: all_.hand_in(all_.dovecot, all_.dovecot.lmtp_port, count, accounts, True, True))
        bench.row(f"LMTP, 4 KB, 10 connections, {count:,} to {accounts} account{'s' * (accounts > 1)}", "msg/s", ours, peer, "Dovecot", ("ratio", 3), True,
                  why="a message alone costs as much as ten that are stored together: three syncs, and ten pages of the index to be written")


def smtp(bench):
    """smtp: SMTP in, durable in the Maildir, against Postfix."""
    all_, count = Inbound.of(bench), numbers(bench)
    for accounts in (1, ACCOUNTS):
        for reuse in (False, True):
            def run(server):
                return lambda: all_.hand_in(server, server.smtp_port, count, accounts, reuse)
            ours, virtual, behind = bench.alternate(3, run(all_.ours), run(all_.virtual), run(all_.behind))
            work = f"SMTP, 4 KB, 10 connections{' reused' if reuse else ', new per message'}, {accounts} account{'s' * (accounts > 1)}"
            bench.row(work, "msg/s", ours, virtual, "Postfix virtual(8)", ("ratio", 2), True)
            bench.row(work, "msg/s", ours, behind, "Postfix + Dovecot LMTP", ("ratio", 2), True)


def relay(bench):
    """relay: submission, queue, another host (smtp-sink), 50 destinations."""
    count, port = 20000 if bench.full else 2000, bench.port + 80
    sink = bench.spawn(["smtp-sink", "-u", "nobody", f"127.0.0.1:{port}", "1000"], f"{bench.dir}/sink.log", cwd=bench.dir)
    core.wait_for("smtp-sink", lambda: answers(port))
    ours = Fourpost(bench, "relay", port + 1, smtpd=f'relay_host = "127.0.0.1:{port}"; connections_per_address_max = 1000;\n')
    ours.add_account("u1")
    ours.start("smtpd")
    peer = Postfix(bench, "relay-postfix", port + 7, ours.accounts["u1"][1], ["u1"], relay=f"[127.0.0.1]:{port}")
    peer.start()
    idle = ours.queued()
    words = base64.b64encode(f"\0u1@{DOMAIN}\0{PASSWORD}".encode()).decode()
    memory = {ours: [], peer: []}

    def run(server):
        auth, to, nothing = (["-A", words], ours.submission_port, idle) if server is ours else ([], peer.smtp_port, 0)
        cpu, begin, used = server.cpu(), time.monotonic(), 0
        command(f"{bench.tools}/mail_load", "-r", *auth, "-c", "10", "-n", str(count), "-s", "4096", "-f", f"u1@{DOMAIN}", "-t", "r@d%.test", "-k", "50", str(to))
        while server.queued() > nothing:
            used = max(used, server.memory())
            time.sleep(0.1)
            if time.monotonic() - begin > 600:
                raise RuntimeError(f"{server.name}: the queue is not empty after 600 s")
        memory[server].append((used or server.memory()) / 1e6)
        return count / (time.monotonic() - begin), server.cpu() - cpu
    rates = bench.alternate(3, lambda: run(ours), lambda: run(peer))
    bench.row(f"relay of {count:,} to 50 domains by smtp-sink, 10 connections reused", "msg/s", *rates, "Postfix", ("ratio", 2), True)
    bench.row("memory while it relays", "MB", memory[ours], memory[peer], "Postfix", ("ratio", 2))
    for server in (peer, ours, sink):
        server.stop()


def greeted(port, secure):
    """A client that has been greeted and has said EHLO, and TLS when secure."""
    s = socket.create_connection(("127.0.0.1", port), 30)
    s.recv(1000)
    s.sendall(b"EHLO bench.example.test\r\n")
    s.recv(4000)
    if secure:
        s.sendall(b"STARTTLS\r\n")
        s.recv(1000)
        s = secure.wrap_socket(s)
        s.sendall(b"EHLO bench.example.test\r\n")
        s.recv(4000)
    return s


def connections(bench):
    """connections: what an open connection takes."""
    all_ = Inbound.of(bench)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    # What earlier messages had started has ended by then.
    core.wait_for("deliveries to end", lambda: all(b"deliver" not in open(f"/proc/{p}/cmdline", "rb").read() for p in core.tree(all_.ours.pid)), 120, 0.5)

    def each(server, port, count, secure=None):
        before = server.memory()
        clients = [greeted(port, secure) for _ in range(count)]
        time.sleep(1)
        used = (server.memory() - before) / count / 1024
        for client in clients:
            client.close()
        time.sleep(1)
        return used
    bench.row("memory of a connection, of 2,000 that are open (Postfix: of 45)", "KB", [each(all_.ours, all_.ours.smtp_port, 2000)],
              [each(all_.virtual, all_.virtual.smtp_port, 45)], "Postfix", ("most", 16))
    bench.row("the same with TLS", "KB", [each(all_.ours, all_.ours.smtp_port, 2000, context)], target=("most", 40))


def is_traced(pid):
    """Or has ended meanwhile, as those that deliver do when they have nothing to do."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            return "TracerPid:\t0\n" not in f.read()
    except (FileNotFoundError, ProcessLookupError):
        return True


def syncs(bench):
    """syncs: calls that wait for the disk, counted by strace."""
    all_, count = Inbound.of(bench), 500

    def counted(server, senders, accounts):
        """Calls for each message, of those that return when the disk has it."""
        log = f"{bench.dir}/strace"
        pids = core.tree(server.pid)
        strace = subprocess.Popen(["strace", "-f", "-v", "-o", log, "-e", "trace=fsync,fdatasync,sync,syncfs,msync,io_submit", *(f"-p{p}" for p in pids)],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            core.wait_for("strace", lambda: all(is_traced(p) for p in pids))
            all_.hand_in(server, server.smtp_port, count, accounts, True, connections=senders)
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait()
        with open(log) as f:
            # Those that one io_submit(2) has under way together count each.
            return len(re.findall(r"\b(?:fsync|fdatasync|sync|syncfs|msync)\(|=IOCB_CMD_FD?SYNC\b", f.read())) / count
    # A message is accepted when it is in its mailbox: so those of all processes count.
    for senders, most in ((1, 2), (10, 2), (50, 1)):
        bench.row(f"sync calls to accept a message, {senders} sender{'s' * (senders > 1)}", "calls", [counted(all_.ours, senders, 1)], target=("most", most),
                  why="each message is a file with a sync of its own; those of a group are under way together, and share the syncs of folder and log")
    for accounts in (1, ACCOUNTS):
        bench.row(f"sync calls to accept and deliver, 10 senders, {accounts} account{'s' * (accounts > 1)}", "calls", [counted(all_.ours, 10, accounts)],
                  [counted(all_.virtual, 10, accounts)], "Postfix virtual(8)")


ROWS = (lmtp, smtp, relay, connections, syncs)
