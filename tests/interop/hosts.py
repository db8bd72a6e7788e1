# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Mail servers side by side, each in a network namespace with an address of its own on one bridge; all name the name server of the test. Each has
five domains, by what TLS mail to them must have: NAME.example (a certificate of the test's authority), plain.NAME.example (none), dane.NAME.example
(what its TLSA record says), sts.NAME.example (what its MTA-STS policy says) and unmet.NAME.example (what another's policy says, so that mail has to wait)."""
import os
import pwd
import shutil
import smtplib
import socket
import ssl
import subprocess

from core import wait_for
from servers import Postfix as BenchPostfix
from servers import command
from signed_dns import A, MX, PTR, TLSA, TXT, tlsa
from sts_server import policy

# Not a network of examples: libunbound answers for their reverse names itself.
NETWORK, SCRIPT = "198.18.0", "198.18.0.53"
UTF8_USER = "bücher"
USERS = ("alice", "bob", "carol", UTF8_USER)
KINDS = ("", "plain.", "dane.", "sts.", "unmet.")
PASSWORD = "demo"


# Servers of Debian that exclude each other: unpacked, and put over the namespace's own files.
UNPACKED = ("exim4-base", "exim4-daemon-light", "opensmtpd")
MAIL_UID, EXIM_UID, OPENSMTPD_UID, OPENSMTPQ_UID = 63900, 63901, 63902, 63903


def unpack(folder):
    """The packages from Debian's mirror, once."""
    if os.path.isdir(f"{folder}/root"):
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(f"{folder}/new")
    os.makedirs(f"{folder}/packages")
    command("apt-get", "download", *UNPACKED, cwd=f"{folder}/packages")
    for name in os.listdir(f"{folder}/packages"):
        command("dpkg", "-x", f"{folder}/packages/{name}", f"{folder}/new")
    os.rename(f"{folder}/new", f"{folder}/root")


def put_over(folder, authority):
    """In namespaces of our own, behind make_network(): /usr and /var/lib have what was unpacked, /etc has the users of it, and trusts the authority alone."""
    for path in ("/usr", "/var/lib"):
        command("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={folder}/root{path}:{path}", path)
    os.makedirs("/run/etc/upper")
    os.makedirs("/run/etc/work")
    command("mount", "-t", "overlay", "overlay", "-o", "lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work", "/etc")
    command("mount", "-t", "tmpfs", "tmpfs", "/var/spool")
    with open("/etc/passwd", "a", encoding="ascii") as users, open("/etc/group", "a", encoding="ascii") as groups:
        for name, uid in (("interop", MAIL_UID), ("Debian-exim", EXIM_UID), ("opensmtpd", OPENSMTPD_UID), ("opensmtpq", OPENSMTPQ_UID)):
            users.write(f"{name}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin\n")
            groups.write(f"{name}:x:{uid}:\n")
    shutil.copy(authority, "/etc/ssl/certs/ca-certificates.crt")


def make_network():
    """The bridge and the script's own end of it. The caller is in namespaces of its own."""
    command("mount", "-t", "tmpfs", "tmpfs", "/run")
    command("ip", "link", "set", "lo", "up")
    command("ip", "link", "add", "bridge", "type", "bridge")
    command("ip", "address", "add", f"{SCRIPT}/24", "dev", "bridge")
    command("ip", "link", "set", "bridge", "up")


def answers(address, port):
    try:
        socket.create_connection((address, port), 2).close()
        return True
    except OSError:
        return False


def read_maildir(folder):
    found = []
    for place in ("new", "cur"):
        if os.path.isdir(f"{folder}/{place}"):
            for name in os.listdir(f"{folder}/{place}"):
                if name.startswith("."):  # about to be there
                    continue
                with open(f"{folder}/{place}/{name}", "rb") as file:
                    found.append(file.read())
    return found


class Host:
    """`offers` is what it says to EHLO, `verified` what its log says of connections to our names with a certificate that it verified, `waits` what it says of
    mail to an address that has to wait, `chunked` of a message of ours that came by BDAT."""
    name, number, verified, waits, chunked, log_name, takes_tls = None, None, {}, None, None, "log", True
    lacks = set()  # of the extensions that are tried: whoever no longer offers another fails

    def __init__(self, work):
        self.dir, self.domain, self.address = f"{work}/{self.name}", f"{self.name}.example", f"{NETWORK}.{self.number}"
        self.offers = {}
        self.policies = {"mta-sts.sts." + self.domain: policy("enforce", "*.sts." + self.domain), "mta-sts.unmet." + self.domain: policy("enforce", "mx.elsewhere.example")}
        os.makedirs(self.dir, mode=0o755)
        command("ip", "netns", "add", self.name)
        command("ip", "link", "add", f"to-{self.name}", "type", "veth", "peer", "name", "eth0", "netns", self.name)
        command("ip", "link", "set", f"to-{self.name}", "master", "bridge", "up")
        for arguments in (("address", "add", f"{self.address}/24", "dev", "eth0"), ("link", "set", "eth0", "up"), ("link", "set", "lo", "up")):
            command("ip", "-n", self.name, *arguments)

    def names(self, authority):
        """Its records, for the name server, and its certificate."""
        hosts = [f"mx.{kind}{self.domain}" for kind in KINDS]
        self.certificate, self.key = authority.issue(*hosts)
        self.authority = authority.certificate
        names = {f"{self.number}.{'.'.join(reversed(NETWORK.split('.')))}.in-addr.arpa": {PTR: [hosts[0]]}}
        for kind, host in zip(KINDS, hosts):
            names[kind + self.domain] = {MX: [(10, host)], TXT: [f"v=spf1 ip4:{self.address} -all"]}
            names[host] = {A: [self.address], TXT: [f"v=spf1 ip4:{self.address} -all"]}
        names[f"_25._tcp.{hosts[2]}"] = {TLSA: [tlsa(3, 1, self.certificate)]}
        for host in self.policies:
            names[host], names["_" + host] = {A: [SCRIPT]}, {TXT: ["v=STSv1; id=1;"]}
        return names

    def put(self, name, text, mode=0o644):
        path = f"{self.dir}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def run(self, *arguments, **more):
        return command("ip", "netns", "exec", self.name, *arguments, **more)

    def spawn(self, *arguments, environment=None):
        with open(f"{self.dir}/log", "ab") as log:
            return subprocess.Popen(["ip", "netns", "exec", self.name, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    env=dict(os.environ, **(environment or {})))

    def ready(self):
        wait_for(self.name, lambda: answers(self.address, 25))
        with smtplib.SMTP(self.address, 25, local_hostname="client.example", timeout=60) as client:
            client.ehlo()
            self.offers = client.esmtp_features

    def log(self):
        try:
            with open(f"{self.dir}/{self.log_name}", encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def client(self):
        """A connection that may hand in mail for anybody."""
        client = smtplib.SMTP(self.address, 25, local_hostname="client.example", timeout=60)
        client.ehlo()
        return client


class Fourpost(Host):
    name, number = "fourpost", 1
    waits = r" deferred .* to=alice@unmet\.{peer} .* status=4\.7\.5 .*none of those"

    def __init__(self, work, programs):
        super().__init__(work)
        self.programs = programs

    def start(self, peers, dns):
        for folder, mode in (("accounts", 0o755), ("mail", 0o711), ("spool", 0o755), ("empty", 0o755), ("sieve", 0o755)):
            os.makedirs(f"{self.dir}/{folder}")
            os.chmod(f"{self.dir}/{folder}", mode)
        domains = ", ".join(f'"{kind}{self.domain}"' for kind in KINDS)
        policies = ", ".join(f'"{peer.domain} {"verify" if peer.takes_tls else "may"}", "plain.{peer.domain} none"' for peer in peers)
        self.conf = self.put("fourpost.conf", f"""\
hostname = "mx.{self.domain}"; domains = [ {domains} ];
accounts_db = "{self.dir}/accounts/accounts.db"; accounts_dir = "{self.dir}/mail"; spool_dir = "{self.dir}/spool";
aliases = "{self.dir}/aliases"; empty_dir = "{self.dir}/empty"; role_uid_base = 63000;
tls_certificate = "{self.certificate}"; tls_key = "{self.key}";
""")
        conf = self.put("smtpd.conf", f"""\
@include "fourpost.conf"
listen_smtp = [ "{self.address}:25" ]; listen_submission = [ ]; listen_submissions = [ "{self.address}:465" ];
postmaster = "alice@{self.domain}"; sieve_dir = "{self.dir}/sieve";
tls_policies = [ {policies} ];
{dns.options()}
""")
        self.put("aliases", "".join(f"{UTF8_USER}@{kind}{self.domain}: alice@{kind}{self.domain}\n" for kind in KINDS))
        for user in USERS[:3]:
            for kind in KINDS:
                command(f"{self.programs}/mailuser", "-C", self.conf, "add", "-p", f"{user}@{kind}{self.domain}", stdin=None, input=PASSWORD + "\n")
        self.spawn(f"{self.programs}/smtpd", "-C", conf, environment={"SSL_CERT_FILE": self.authority})
        self.ready()

    def client(self):
        context = ssl.create_default_context(cafile=self.authority)
        context.check_hostname = False
        client = smtplib.SMTP_SSL(self.address, 465, local_hostname="client.example", timeout=60, context=context)
        client.ehlo()
        client.login(f"alice@{self.domain}", PASSWORD)
        return client

    def delivered(self, user, kind=""):
        # Accounts have ASCII names; others are aliases.
        return read_maildir(f"{self.dir}/mail/{kind}{self.domain}/{'alice' if user == UTF8_USER else user}/Maildir")


class Postfix(Host):
    name, number = "postfix", 2
    verified = {kind: rf"Verified TLS connection established to mx\.{kind}fourpost\.example" for kind in ("", "dane.", "sts.")}
    chunked = r"disconnect from mx\.fourpost\.example\S* .*\bbdat=[1-9]"
    waits = r" to=<alice@unmet\.{peer}>.* status=deferred \(Server certificate not verified"

    def start(self, ours):
        owner = pwd.getpwnam("postfix").pw_uid
        for folder, who in (("conf", 0), ("queue", 0), ("data", owner), ("mail", MAIL_UID)):
            os.makedirs(f"{self.dir}/{folder}")
            os.chown(f"{self.dir}/{folder}", who, 0)
        options = {
            "compatibility_level": "3.6", "queue_directory": f"{self.dir}/queue", "data_directory": f"{self.dir}/data", "meta_directory": "/etc/postfix",
            "maillog_file": f"{self.dir}/log", "maillog_file_prefixes": self.dir, "inet_interfaces": self.address, "inet_protocols": "ipv4",
            "myhostname": f"mx.{self.domain}", "mydestination": "", "mynetworks": SCRIPT, "alias_maps": "", "alias_database": "", "local_recipient_maps": "",
            "virtual_mailbox_domains": " ".join(kind + self.domain for kind in KINDS), "virtual_mailbox_maps": f"hash:{self.dir}/conf/users",
            "virtual_mailbox_base": f"{self.dir}/mail", "virtual_minimum_uid": "100", "virtual_uid_maps": f"static:{MAIL_UID}",
            "virtual_gid_maps": f"static:{MAIL_UID}", "smtpd_tls_cert_file": self.certificate, "smtpd_tls_key_file": self.key, "smtpd_tls_security_level": "may",
            "smtp_tls_policy_maps": f"hash:{self.dir}/conf/tls, socketmap:inet:127.0.0.1:8461:postfix", "smtp_tls_CAfile": self.authority, "smtp_tls_loglevel": "1",
            "smtp_dns_support_level": "dnssec", "minimal_backoff_time": "5s", "queue_run_delay": "5s"}
        self.put("conf/main.cf", "".join(f"{option} = {value}\n" for option, value in options.items()))
        self.put("conf/master.cf", BenchPostfix.SERVICES.format(port=f"{self.address}:25") + "tlsmgr unix - - n 1000? 1 tlsmgr\n")
        self.put("conf/users", "".join(f"{user}@{kind}{self.domain} {kind}{self.domain}/{user}/\n" for user in USERS for kind in KINDS))
        self.put("conf/tls", f"{ours.domain} secure\nplain.{ours.domain} none\ndane.{ours.domain} dane-only\n")
        for table in ("users", "tls"):
            self.run("postmap", "-c", f"{self.dir}/conf", f"hash:{self.dir}/conf/{table}")
        # Postfix itself knows nothing of MTA-STS.
        self.spawn("/usr/bin/mta-sts-daemon", "-c", self.put("conf/sts", "host: 127.0.0.1\nport: 8461\ncache:\n  type: internal\n"))
        self.run("postfix", "-c", f"{self.dir}/conf", "start")
        self.ready()

    def delivered(self, user, kind=""):
        return read_maildir(f"{self.dir}/mail/{kind}{self.domain}/{user}")


class Exim(Host):
    name, number, log_name = "exim", 3, "spool/mainlog"
    # CV is what was verified of the certificate, K that the text went by BDAT.
    verified = {"": r"=> alice@fourpost\.example .* CV=yes .*K ", "dane.": r"=> alice@dane\.fourpost\.example .* CV=dane .*K "}
    chunked = r" <= alice@fourpost\.example .* K "
    CONF = """\
primary_hostname = mx.{domain}
domainlist ours = {domains}
spool_directory = {dir}/spool
log_file_path = {dir}/spool/%slog
log_selector = +tls_certificate_verified
local_interfaces = {address}
daemon_smtp_ports = 25
tls_advertise_hosts = *
tls_certificate = {dir}/cert.pem
tls_privatekey = {dir}/key.pem
dsn_advertise_hosts = *
dns_dnssec_ok = 1
keep_environment =
acl_smtp_rcpt = rcpt

begin acl
rcpt:
  accept hosts = {script}
  require domains = +ours
          verify = recipient
  accept

begin routers
local:
  driver = accept
  domains = +ours
  local_parts = {users}
  transport = maildir
refused:
  driver = redirect
  domains = +ours
  allow_fail
  data = :fail: no such user
plain:
  driver = dnslookup
  domains = plain.{ours}
  transport = plain
  no_more
dane:
  driver = dnslookup
  domains = dane.{ours}
  dnssec_request_domains = *
  transport = dane
  no_more
verified:
  driver = dnslookup
  transport = verified

begin transports
maildir:
  driver = appendfile
  directory = {dir}/mail/$domain_data/$local_part_data
  maildir_format
  user = {uid}
  group = {uid}
plain:
  driver = smtp
  hosts_avoid_tls = *
dane:
  driver = smtp
  hosts_require_dane = *
verified:
  driver = smtp
  hosts_require_tls = *
  tls_verify_hosts = *
  tls_verify_certificates = {authority}

begin retry
* * F,1h,5s
"""

    def start(self, ours):
        for folder, who in (("spool", EXIM_UID), ("mail", MAIL_UID)):
            os.makedirs(f"{self.dir}/{folder}")
            os.chown(f"{self.dir}/{folder}", who, who)
        for source, name in ((self.certificate, "cert.pem"), (self.key, "key.pem")):
            shutil.copy(source, f"{self.dir}/{name}")
            os.chown(f"{self.dir}/{name}", EXIM_UID, EXIM_UID)
        # Where it looks for it, since it gives up its rights when it is told of another.
        os.makedirs("/etc/exim4")
        with open("/etc/exim4/exim4.conf", "w", encoding="utf-8") as file:
            file.write(self.CONF.format(domain=self.domain, domains=" : ".join(kind + self.domain for kind in KINDS), users=" : ".join(USERS), dir=self.dir,
                                        address=self.address, script=SCRIPT, ours=ours.domain, uid=MAIL_UID, authority=self.authority))
        self.spawn("/usr/sbin/exim4", "-bdf", "-q5s")
        self.ready()

    def delivered(self, user, kind=""):
        return read_maildir(f"{self.dir}/mail/{kind}{self.domain}/{user}")


class OpenSMTPD(Host):
    name, number = "opensmtpd", 4
    # It knows nothing of DANE. As a server that of Debian 12 (6.8.0p2 with OpenSSL 3) breaks every handshake, openssl s_client's too, whatever kind of key
    # it has: it marks what EVP_PKEY_get1_RSA() gives of its certificate's key, which with OpenSSL 3 is a copy, and its engine, asked to sign with the other, finds no mark.
    verified = {"": r"mta server-cert-check result=\"success\""}
    takes_tls = False
    lacks = {"smtputf8", "chunking"}
    CONF = """\
table users file:{dir}/users
table ours {{ {domains} }}
listen on {address} port 25 hostname mx.{domain}
action "local" maildir "{dir}/mail/%{{rcpt.domain}}/%{{rcpt.user}}" virtual <users>
action "plain" relay host smtp+notls://mx.plain.{ours} helo mx.{domain}
action "verified" relay tls helo mx.{domain}
match from any for domain <ours> action "local"
match from src {script} for domain "plain.{ours}" action "plain"
match from src {script} for any action "verified"
match from local for any action "verified"
"""

    def start(self, ours):
        os.makedirs(f"{self.dir}/mail")
        os.chown(f"{self.dir}/mail", MAIL_UID, MAIL_UID)
        os.makedirs("/var/spool/smtpd", mode=0o711)
        with open("/etc/mailname", "w", encoding="ascii") as file:
            file.write(f"mx.{self.domain}\n")
        self.put("users", "".join(f"{user}@{kind}{self.domain} interop\n" for user in USERS for kind in KINDS))
        conf = self.put("smtpd.conf", self.CONF.format(domain=self.domain, dir=self.dir, address=self.address,
                                                       domains=", ".join(f'"{kind}{self.domain}"' for kind in KINDS), script=SCRIPT, ours=ours.domain))
        self.spawn("/usr/sbin/smtpd", "-d", "-f", conf)
        self.ready()

    def delivered(self, user, kind=""):
        return read_maildir(f"{self.dir}/mail/{kind}{self.domain}/{user}")
