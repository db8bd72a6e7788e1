# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""The servers that are measured, each with a configuration of its own below the run's folder and ports of its own."""
import os
import pwd
import socket
import subprocess

import core

DOMAIN = "example.test"
PASSWORD = "demo"


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
        return True
    except OSError:
        return False


def command(*args, **more):
    """Runs a tool; its words are shown when it fails."""
    done = subprocess.run(args, stdin=more.pop("stdin", subprocess.DEVNULL), capture_output=True, text=True, **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, args))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Server:
    pid = None

    def cpu(self):
        return core.tree_cpu(self.pid)

    def memory(self):
        return core.tree_memory(self.pid)


class Fourpost(Server):
    """imapd or smtpd as ./demo configures them, but that passwords are taken without TLS."""
    name = "Fourpost"

    def __init__(self, bench, name, port, **options):
        self.bench, self.dir = bench, bench.folder(name)
        self.imap_port, self.lmtp_port, self.smtp_port, self.submission_port = port + 1, port + 2, port + 3, port + 4
        self.conf, self.spool, self.accounts = f"{self.dir}/fourpost.conf", f"{self.dir}/spool", {}
        for d, mode in (("", 0o755), ("accounts", 0o755), ("mail", 0o711), ("spool", 0o755), ("empty", 0o755), ("tls", 0o755)):
            os.makedirs(f"{self.dir}/{d}", exist_ok=True)
            os.chmod(f"{self.dir}/{d}", mode)
        make_certificate(f"{self.dir}/tls")
        with open(self.conf, "w") as f:
            f.write(f'hostname = "mail.{DOMAIN}"; domains = [ "{DOMAIN}" ];\n'
                    f'accounts_db = "{self.dir}/accounts/accounts.db"; accounts_dir = "{self.dir}/mail"; spool_dir = "{self.spool}";\n'
                    f'empty_dir = "{self.dir}/empty"; role_uid_base = 62000; plaintext_login = true;\n'
                    f'tls_certificate = "{self.dir}/tls/cert.pem"; tls_key = "{self.dir}/tls/key.pem";\n')
        self.options = {"imapd": f'listen_imap = [ "127.0.0.1:{self.imap_port}" ]; listen_imaps = [ ];\n',
                        "smtpd": f'listen_lmtp = [ "127.0.0.1:{self.lmtp_port}" ]; listen_smtp = [ "127.0.0.1:{self.smtp_port}" ];\n'
                                 f'listen_submission = [ "127.0.0.1:{self.submission_port}" ]; listen_submissions = [ ];\n'
                                 # Counted, but never reached.
                                 'limits = [ "messages/account=10000000/1h", "recipients/account=10000000/1h" ];\n'}
        for daemon, more in options.items():
            self.options[daemon] += more

    def tool(self, name, *args, **more):
        return command(f"{self.bench.bin}/{name}", "-C", self.conf, *args, **more)

    def add_account(self, user):
        self.tool("mailuser", "add", "-p", f"{user}@{DOMAIN}", stdin=None, input=PASSWORD + "\n")
        folder = f"{self.dir}/mail/{DOMAIN}/{user}"
        self.accounts[user] = folder, os.stat(folder).st_uid
        return self.accounts[user]

    def configure(self, daemon):
        with open(f"{self.dir}/{daemon}.conf", "w") as f:
            f.write('@include "fourpost.conf"\n' + self.options[daemon])

    def sign(self):
        """Before it is started: its mail is signed by a key of each kind."""
        self.options["smtpd"] += f'dkim_keys = "{self.dir}/dkim.keys";\n'
        self.configure("smtpd")
        for algorithm in ("rsa", "ed25519"):
            for words in (("make", "-a", algorithm, "-s", algorithm, DOMAIN), ("sign", "-f", DOMAIN, algorithm)):
                command(f"{self.bench.bin}/mailkey", "-C", f"{self.dir}/smtpd.conf", *words)

    def start(self, daemon):
        self.configure(daemon)
        process = self.bench.spawn([f"{self.bench.bin}/{daemon}", "-C", f"{self.dir}/{daemon}.conf"], f"{self.dir}/{daemon}.log")
        self.pid, self.stop = process.pid, process.stop
        port = self.imap_port if daemon == "imapd" else self.smtp_port

        def ready():
            if process.poll() is not None:
                raise RuntimeError(f"{daemon} did not start:\n" + open(f"{self.dir}/{daemon}.log").read())
            return answers(port)
        core.wait_for(daemon, ready)

    def queued(self):
        """Messages that are accepted and not yet delivered."""
        return sum(len(files) for _, _, files in os.walk(f"{self.spool}/queue"))

    def delivered(self, user):
        maildir = f"{self.accounts[user][0]}/Maildir"
        return sum(len(os.listdir(f"{maildir}/{d}")) for d in ("new", "cur") if os.path.isdir(f"{maildir}/{d}"))


def make_certificate(folder):
    command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem")
    os.chmod(f"{folder}/key.pem", 0o600)


class Dovecot(Server):
    """IMAP and LMTP over Maildir, what is not about ports and folders at its defaults."""
    name = "Dovecot"

    def __init__(self, bench, name, port, uid):
        self.bench, self.dir, self.uid = bench, bench.folder(name), uid
        self.imap_port, self.lmtp_port, self.lmtp_socket = port + 1, port + 2, f"{self.dir}/run/lmtp"
        os.makedirs(f"{self.dir}/mail")
        os.chown(f"{self.dir}/mail", uid, uid)
        self.conf = f"{self.dir}/dovecot.conf"
        with open(self.conf, "w") as f:
            f.write(f"""\
protocols = imap lmtp
listen = 127.0.0.1
base_dir = {self.dir}/run
state_dir = {self.dir}/state
log_path = {self.dir}/log
instance_name = fourpost-bench
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home={self.dir}/mail/%n allow_all_users=yes
}}
mail_location = maildir:~/Maildir
mail_max_userip_connections = 100
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  inet_listener imap {{
    port = {self.imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {self.lmtp_port}
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@{DOMAIN}
}}
""")

    def account(self, user):
        return f"{self.dir}/mail/{user}"

    def start(self):
        process = self.bench.spawn(["dovecot", "-F", "-c", self.conf], f"{self.dir}/out")
        self.pid, self.stop = process.pid, process.stop

        def ready():
            if process.poll() is not None:
                raise RuntimeError("dovecot did not start:\n" + open(f"{self.dir}/out").read())
            return answers(self.imap_port) and answers(self.lmtp_port)
        core.wait_for("dovecot", ready)

    def delivered(self, user):
        maildir = f"{self.account(user)}/Maildir"
        return sum(len(os.listdir(f"{maildir}/{d}")) for d in ("new", "cur") if os.path.isdir(f"{maildir}/{d}"))


class Postfix(Server):
    """smtpd, queue and delivery by virtual(8) or to Dovecot's LMTP socket; relaying to a host. What is not about ports, folders and
    transports is at its defaults."""
    name = "Postfix"
    SERVICES = """\
{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

    def __init__(self, bench, name, port, uid, users=(), lmtp_socket=None, relay=None, **more):
        self.bench, self.dir, self.smtp_port, self.users = bench, bench.folder(name), port, users
        self.conf, self.queue = f"{self.dir}/conf", f"{self.dir}/queue"
        owner = pwd.getpwnam("postfix").pw_uid
        for d, who in (("conf", 0), ("queue", 0), ("data", owner), ("mail", uid)):
            os.makedirs(f"{self.dir}/{d}")
            os.chown(f"{self.dir}/{d}", who, 0)
        options = {
            "compatibility_level": "3.6", "queue_directory": self.queue, "data_directory": f"{self.dir}/data", "meta_directory": "/etc/postfix",
            "maillog_file": f"{self.dir}/log", "maillog_file_prefixes": self.bench.dir, "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4",
            "myhostname": f"postfix.{DOMAIN}", "mydestination": "", "mynetworks": "127.0.0.0/8", "alias_maps": "", "alias_database": "",
            "local_recipient_maps": "", "virtual_mailbox_domains": DOMAIN, "virtual_mailbox_maps": f"hash:{self.conf}/users",
            "virtual_mailbox_base": f"{self.dir}/mail", "virtual_minimum_uid": "100", "virtual_uid_maps": f"static:{uid}", "virtual_gid_maps": f"static:{uid}",
            "virtual_transport": f"lmtp:unix:{lmtp_socket}" if lmtp_socket else "virtual", "relayhost": relay or "",
            "smtp_dns_support_level": "disabled" if relay else "enabled", "smtputf8_enable": "no", "virtual_mailbox_limit": "0", **more}
        with open(f"{self.conf}/main.cf", "w") as f:
            f.writelines(f"{option} = {value}\n" for option, value in options.items())
        with open(f"{self.conf}/master.cf", "w") as f:
            f.write(self.SERVICES.format(port=f"127.0.0.1:{port}"))
        with open(f"{self.conf}/users", "w") as f:
            f.writelines(f"{user}@{DOMAIN} {user}/\n" for user in users)
        command("postmap", "-c", self.conf, f"hash:{self.conf}/users")

    def start(self):
        self.bench.at_end(self.stop)
        command("postfix", "-c", self.conf, "start")
        core.wait_for("postfix", lambda: answers(self.smtp_port))
        with open(f"{self.queue}/pid/master.pid") as f:
            self.pid = int(f.read())

    def stop(self):
        if self.pid is not None and core.alive(self.pid):
            command("postfix", "-c", self.conf, "stop")
            core.wait_for("postfix to end", lambda: not core.alive(self.pid))

    def queued(self):
        return sum(len(files) for d in ("maildrop", "incoming", "active", "deferred") for _, _, files in os.walk(f"{self.queue}/{d}"))

    def delivered(self, user):
        folder = f"{self.dir}/mail/{user}/new"
        return len(os.listdir(folder)) if os.path.isdir(folder) else 0


class Imap:
    """A connection through imap_load. Each command gives (seconds, bytes, fetched, untagged, tagged line)."""
    def __init__(self, server, user="u1"):
        self.server = server
        self.process = subprocess.Popen([f"{server.bench.tools}/imap_load", str(server.imap_port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.login = self(f"LOGIN {user}@{DOMAIN} {PASSWORD}")

    def __call__(self, text, fetched=None):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n").split("\t")
        if len(answer) != 5 or " OK" not in answer[4]:
            raise RuntimeError(f"{self.server.name}: {text}: {answer}")
        if fetched is not None and int(answer[2]) != fetched:
            raise RuntimeError(f"{self.server.name}: {text}: {answer[2]} answers, not {fetched}")
        return float(answer[0]), int(answer[1]), int(answer[2]), int(answer[3]), answer[4]

    def timed(self, text, fetched=None):
        """(seconds, processor seconds of the server)"""
        before = self.server.cpu()
        seconds = self(text, fetched)[0]
        return seconds, self.server.cpu() - before

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self("LOGOUT")
        except (RuntimeError, BrokenPipeError):
            pass
        self.process.stdin.close()
        self.process.wait(30)
