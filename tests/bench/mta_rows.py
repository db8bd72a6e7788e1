# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Taking mail in and delivering it, against Dovecot's LMTP and against Postfix with virtual(8) or with Dovecot's LMTP behind it."""
import base64
import os
import re
import signal
import socket
import ssl
import subprocess
import time

import core
import signed_mail
from servers import DOMAIN, PASSWORD, Dovecot, Fourpost, Postfix, answers, command

ACCOUNTS = 100
USERS = [f"u{n}" for n in range(1, ACCOUNTS + 1)]
MANY = "connections_per_address_max = 10000; connections_max = 10000;\n"


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
        self.ours = Fourpost(bench, "inbound", port, smtpd=MANY)
        self.dns = signed_mail.zone(bench.dir)
        self.verifying = Fourpost(bench, "inbound-verifying", port + 20,
                                  smtpd=MANY + f'verify_not_from = [ ]; resolvers = [ "{self.dns.address}" ]; dnssec_anchor = "";\n')
        for user in USERS:
            self.ours.add_account(user)
            self.verifying.add_account(user)
        uid = self.ours.accounts["u1"][1]
        self.dovecot = Dovecot(bench, "inbound-dovecot", port + 5, uid)
        self.virtual = Postfix(bench, "inbound-virtual", port + 10, uid, USERS)
        self.behind = Postfix(bench, "inbound-behind", port + 11, uid, USERS, lmtp_socket=self.dovecot.lmtp_socket)
        self.behind.delivered = self.dovecot.delivered
        # What another's process did for it counts.
        self.behind.cpu = lambda: core.tree_cpu(self.behind.pid) + core.tree_cpu(self.dovecot.pid)
        for server in (self.ours, self.verifying):
            server.start("smtpd")
        for server in (self.dovecot, self.virtual, self.behind):
            server.start()
        self.idle = self.ours.queued()
        # Every account's folders are made, and every process has begun once.
        for server, port, lmtp in ((self.ours, self.ours.smtp_port, False), (self.verifying, self.verifying.smtp_port, False), (self.dovecot, self.dovecot.lmtp_port, True),
                                   (self.virtual, self.virtual.smtp_port, False), (self.behind, self.behind.smtp_port, False)):
            self.hand_in(server, port, ACCOUNTS, ACCOUNTS, True, lmtp)

    def hand_in(self, server, port, count, accounts, reuse, lmtp=False, size=4096, connections=10, message=None, options=()):
        """Messages a second from the first connection until the last message is in its Maildir. message: a file that is each of them."""
        users = USERS[:accounts]
        before, cpu = sum(map(server.delivered, users)), server.cpu()
        begin = time.monotonic()
        if accounts == 1 and not lmtp and message is None:
            command("smtp-source", *(["-d"] if reuse else []), "-s", str(connections), "-m", str(count), "-l", str(size), "-M", f"bench.{DOMAIN}",
                    "-f", f"sender@{DOMAIN}", "-t", f"u1@{DOMAIN}", f"inet:127.0.0.1:{port}")
        else:
            command(f"{self.bench.tools}/mail_load", *(["-l"] if lmtp else []), *(["-r"] if reuse else []), *options, "-c", str(connections), "-n", str(count),
                    *(["-s", str(size)] if message is None else ["-m", message]), "-t", f"u%@{DOMAIN}", "-k", str(accounts), str(port))
        if server is not self.dovecot:
            idle = self.idle if isinstance(server, Fourpost) else 0
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
                  why="two thirds of what a message takes is the kernel's: its file, two syncs, and what the roles say to each other, one of which each account has")


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


HANDSHAKE = "OpenSSL's handshakes of both sides take most of both processors: what the server reaches that only shakes hands is told below"
SIGNATURES = "two signatures are verified for each message, and while the ten clients wait for the disk a third of both processors has nothing to do"


def bound(bench, all_, message, count):
    """Messages a second by a server that answers, shakes hands, and throws all away."""
    port, folder = bench.port + 95, f"{all_.ours.dir}/tls"
    server = bench.spawn([f"{bench.tools}/mail_bound", "-c", "10", f"{folder}/cert.pem", f"{folder}/key.pem", str(port)], f"{bench.dir}/mail_bound.log")
    core.wait_for("mail_bound", lambda: answers(port))

    def run(tls):
        return count / float(command(f"{bench.tools}/mail_load", tls, "-c", "10", "-n", str(count), "-m", message, "-t", f"u1@{DOMAIN}", str(port)))
    return run, server.stop


def verify(bench):
    """verify: SMTP in with TLS 1.3, SPF, DKIM (RSA of 2048 bits and Ed25519) and DMARC, against Postfix with none of them."""
    all_, count = Inbound.of(bench), numbers(bench)
    message, log = signed_mail.write(bench.dir, 4096), f"{all_.verifying.dir}/smtpd.log"
    null, stop = bound(bench, all_, message, count)

    def ours(accounts, reuse, tls):
        before, asked = os.path.getsize(log), len(all_.dns.asked)
        result = all_.hand_in(all_.verifying, all_.verifying.smtp_port, count, accounts, reuse, message=message, options=[tls, "-f", signed_mail.SENDER])
        with open(log, encoding="utf-8", errors="replace") as f:
            f.seek(before)
            verified = f.read().count(signed_mail.VERIFIED)
        if verified != count:
            raise RuntimeError(f"{verified} of {count} messages were verified")
        # The zone is served by this program: it must not be what is measured.
        if len(all_.dns.asked) - asked > count / 20:
            raise RuntimeError(f"{len(all_.dns.asked) - asked} questions to the DNS for {count} messages")
        return result

    def postfix(accounts, reuse):
        return all_.hand_in(all_.virtual, all_.virtual.smtp_port, count, accounts, reuse, message=message, options=["-f", signed_mail.SENDER])
    for accounts in (1, ACCOUNTS):
        to = f"{accounts} account{'s' * (accounts > 1)}"
        # Most MTAs resume the session of the connection before.
        full, resumed, least, least_resumed, peer = bench.alternate(
            3, lambda: ours(accounts, False, "-T"), lambda: ours(accounts, False, "-S"), lambda: null("-T"), lambda: null("-S"), lambda: postfix(accounts, False))
        work = "TLS, SPF, DKIM, DMARC, 10 connections, new per message"
        bench.row(f"{work}, {to}", "msg/s", full, peer, "Postfix virtual(8) with none", ("ratio", 1.5), True, why=HANDSHAKE)
        bench.row("  by a server that shakes hands, and keeps and reads nothing", "msg/s", least, peer, "Postfix virtual(8) with none", None, True)
        bench.row(f"{work}, resumed, {to}", "msg/s", resumed, peer, "Postfix virtual(8) with none", None, True)
        bench.row("  by a server that resumes, and keeps and reads nothing", "msg/s", least_resumed, peer, "Postfix virtual(8) with none", None, True)
        results = bench.alternate(3, lambda: ours(accounts, True, "-T"), lambda: postfix(accounts, True))
        bench.row(f"TLS, SPF, DKIM, DMARC, 10 connections reused, {to}", "msg/s", *results, "Postfix virtual(8) with none", ("ratio", 1.5), True, why=SIGNATURES)
    stop()


def memory_of_each(bench, name, count, connect):
    """KB of memory that each of these clients takes of a new server: one that has worked before has some left for them."""
    server = Fourpost(bench, name, bench.port + 62, smtpd=MANY)
    server.add_account("u1")
    server.start("smtpd")
    connect(server).close()
    time.sleep(1)
    before = server.memory()
    clients = [connect(server) for _ in range(count)]
    time.sleep(1)
    used = (server.memory() - before) / count / 1024
    for client in clients:
        client.close()
    server.stop()
    return used


def half_sent(size):
    """Connects a client that then sends half of a message."""
    half = (b"x" * 70 + b"\r\n") * (size // 144) + b"half a line"

    def connect(server):
        client = greeted(server.smtp_port, None)
        for line, code in ((f"MAIL FROM:<sender@{DOMAIN}>", b"250"), (f"RCPT TO:<u1@{DOMAIN}>", b"250"), ("DATA", b"354")):
            client.sendall(line.encode() + b"\r\n")
            if not (reply := client.recv(1000)).startswith(code):
                raise RuntimeError(f"{line}: {reply}")
        client.sendall(half)
        return client
    return connect


def big(bench):
    """big: SMTP in, messages of 100 KB and 10 MB, and what they take of memory."""
    all_ = Inbound.of(bench)
    for size, text, count in ((100_000, "100 KB", 2000 if bench.full else 400), (10_000_000, "10 MB", 60 if bench.full else 20)):
        def run(server):
            return lambda: all_.hand_in(server, server.smtp_port, count, accounts, True, size=size)  # noqa: B023
        for accounts in (1, ACCOUNTS):
            bench.row(f"SMTP, {text}, 10 connections reused, {accounts} account{'s' * (accounts > 1)}", "msg/s",
                      *bench.alternate(3, run(all_.ours), run(all_.virtual)), "Postfix virtual(8)", ("ratio", 1.5), True,
                      why="what both write to the disk counts most: the message itself")
    small, large = (memory_of_each(bench, f"half-{size}", 50, half_sent(size)) for size in (4096, 10_000_000))
    bench.row("memory of a connection, half of 4 KB sent", "KB", [small], target=("most", 40))
    bench.row("the same, half of 10 MB", "KB", [large], target=("most", 40))


def relay(bench):
    """relay: submission, queue, another host, 50 destinations; smtp-sink, one that first puts off each fifth recipient; and signing."""
    count, port = 20000 if bench.full else 2000, bench.port + 80
    conf = f'relay_host = "127.0.0.1:{port}"; connections_per_address_max = 1000; retry_min = "1s"; retry_max = "1s";\n'
    ours, signing = Fourpost(bench, "relay", port + 1, smtpd=conf), Fourpost(bench, "relay-signing", port + 10, smtpd=conf)
    signing.sign()
    for server in (ours, signing):
        server.add_account("u1")
        server.start("smtpd")
    # Both come again after a second, so that a run ends soon after its last message.
    peer = Postfix(bench, "relay-postfix", port + 7, ours.accounts["u1"][1], ["u1"], relay=f"[127.0.0.1]:{port}",
                   minimal_backoff_time="1s", maximal_backoff_time="1s", queue_run_delay="1s")
    peer.start()
    idle = {ours: ours.queued(), signing: signing.queued(), peer: 0}
    words = base64.b64encode(f"\0u1@{DOMAIN}\0{PASSWORD}".encode()).decode()
    memory = {ours: [], signing: [], peer: []}

    def run(server):
        auth, to = ([], peer.smtp_port) if server is peer else (["-A", words], server.submission_port)
        cpu, begin, used = server.cpu(), time.monotonic(), 0
        command(f"{bench.tools}/mail_load", "-r", *auth, "-c", "10", "-n", str(count), "-s", "4096", "-f", f"u1@{DOMAIN}", "-t", "r#@d%.test", "-k", "50", str(to))
        while server.queued() > idle[server]:
            used = max(used, server.memory())
            time.sleep(0.1)
            if time.monotonic() - begin > 600:
                raise RuntimeError(f"{server.name}: the queue is not empty after 600 s")
        memory[server].append((used or server.memory()) / 1e6)
        return count / (time.monotonic() - begin), server.cpu() - cpu

    def run_to(server, options, expected):
        """To mail_sink; expected: what it says at the end."""
        log = f"{bench.dir}/mail_sink.log"
        sink = bench.spawn([f"{bench.tools}/mail_sink", *options, str(port)], log)
        core.wait_for("mail_sink", lambda: answers(port))
        result = run(server)
        sink.stop()
        with open(log, encoding="ascii") as f:
            said = f.read().splitlines()[-1]
        if said != expected:
            raise RuntimeError(f"{server.name}: of {count} messages the far side took, put off, and had signatures: {said}, not {expected}")
        return result

    sink = bench.spawn(["smtp-sink", "-u", "nobody", f"127.0.0.1:{port}", "1000"], f"{bench.dir}/sink.log", cwd=bench.dir)
    core.wait_for("smtp-sink", lambda: answers(port))
    for work, run_one in ((f"relay of {count:,} to 50 domains by smtp-sink, 10 connections reused", run),
                          (f"relay of {count:,} to 50 domains, each fifth first put off (4xx)", lambda server: run_to(server, ["-l", "5"], f"{count} {count // 5} 0"))):
        rates = bench.alternate(3, lambda: run_one(ours), lambda: run_one(peer))
        sink.stop()
        bench.row(work, "msg/s", *rates, "Postfix", ("ratio", 2), True)
        bench.row("memory while it relays", "MB", memory[ours], memory[peer], "Postfix", ("ratio", 2))
        memory[ours], memory[peer] = [], []
    rates = bench.alternate(3, lambda: run_to(signing, [], f"{count} 0 {2 * count}"), lambda: run_to(peer, [], f"{count} 0 0"))
    bench.row(f"relay of {count:,} signed by RSA (2048 bits) and Ed25519", "msg/s", *rates, "Postfix, which signs nothing", None, True)
    for server in (peer, ours, signing):
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

    def of_postfix(count):
        before = all_.virtual.memory()
        clients = [greeted(all_.virtual.smtp_port, None) for _ in range(count)]
        time.sleep(1)
        used = (all_.virtual.memory() - before) / count / 1024
        for client in clients:
            client.close()
        return used
    bench.row("memory of a connection, of 2,000 that are open (Postfix: of 45)", "KB",
              [memory_of_each(bench, "connections", 2000, lambda server: greeted(server.smtp_port, None))], [of_postfix(45)], "Postfix", ("most", 16))
    bench.row("the same with TLS", "KB", [memory_of_each(bench, "connections-tls", 2000, lambda server: greeted(server.smtp_port, context))], target=("most", 40))


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
        bench.settle()
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
                  why="each message alone has two, of its file and of its folder, where one sync of the file system takes longer; and now and then the index has nine, when its log is full and UIDs are promised ahead")
    for accounts in (1, ACCOUNTS):
        bench.row(f"sync calls to accept and deliver, 10 senders, {accounts} account{'s' * (accounts > 1)}", "calls", [counted(all_.ours, 10, accounts)],
                  [counted(all_.virtual, 10, accounts)], "Postfix virtual(8)")


ROWS = (lmtp, smtp, verify, big, relay, connections, syncs)
