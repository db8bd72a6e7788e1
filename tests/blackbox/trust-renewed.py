#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""The trust anchors of the DNS and the root certificates of TLS come after the daemon, and are others later: a reload is enough for all of them, and
what is not there then stays as it was."""
import os
import re
import shutil
import sys
import time

from own_site import FarHost, Results, Site, net, outer, role_pid, work
from signed_dns import A, MX, TLSA, TXT, Authority, Server, tlsa
from sts_server import StsServer, policy

results = Results()
check = results.check
if os.getuid() != 0:
    print("ok - trust that is renewed # skipped: port 443 needs root")
    sys.exit(0)

port = outer + 740
POLICIES = f"{net}.95"
names = {"signed.example": {MX: [(10, "mx.signed.example")]}, "mx.signed.example": {A: ["127.0.0.1"]}}
policies = {}
# Each is asked for once: what was not fetched is not tried again for minutes.
for domain in ("first.example", "second.example", "third.example"):
    names[domain] = {MX: [(10, "mx." + domain)]}
    names["mx." + domain] = {A: ["127.0.0.1"]}
    names["_mta-sts." + domain] = {TXT: ["v=STSv1; id=1;"]}
    names["mta-sts." + domain] = {A: [POLICIES]}
    policies["mta-sts." + domain] = policy("enforce", "*." + domain)
domains = [name for name in names if MX in names[name]]
authority, stranger = Authority(f"{work}/ca"), Authority(f"{work}/stranger")
certificate, key = authority.issue(*("mx." + domain for domain in domains))
names[f"_{port}._tcp.mx.signed.example"] = {TLSA: [tlsa(3, 1, certificate)]}
server = StsServer(POLICIES, policies, *authority.issue(*policies))
dns = Server(f"{work}/dns", names, signed=["signed.example"])
far = FarHost("far", options=[f"--smtp=127.0.0.1:{port}", "--certificate", certificate, "--key", key])
os.environ["SSL_CERT_FILE"] = f"{work}/roots.pem"
routes = ", ".join(f'"{domain} mx://{domain}:{port}"' for domain in domains)
options = f'resolvers = [ "{dns.host}@{dns.port}" ]; dnssec_anchor = "{work}/anchor"; routes = [ {routes} ]; retry_min = "10m";'
site = None


def put(path, name):
    shutil.copy(path, f"{work}/{name}.new")
    os.chmod(f"{work}/{name}.new", 0o644)
    os.rename(f"{work}/{name}.new", f"{work}/{name}")


def has(word, recipients):
    """What TLS a message to each had, on a connection of its own."""
    time.sleep(4)  # one that stands waits three seconds for another message
    site.send("alice@example.test", recipients, word, login="alice")
    return [(found := site.logged(rf" (?:relayed|deferred) .* to={recipient} .* tls=(\".*?\"|\S+) ")) and found[1].strip('"').split(" ")[-1] for recipient in recipients]


try:
    site = Site(outer + 741, options)
    said = has("trust-none", ["a@signed.example", "a@first.example"])
    check("neither anchors nor roots: nobody is verified, and mail goes", said == ["unverified", "unverified"], (said, site.log()[-3000:]))
    check("the log says that they are missing", all(word in site.log() for word in (" no-dnssec ", " no-root-certificates ")), site.log()[-3000:])
    pids = {role: role_pid(site.state, role) for role in ("relay", "policy", "smtp")}
    put(dns.anchor, "anchor")
    put(authority.certificate, "roots.pem")
    check("a reload", site.reload())
    check("the resolver begins anew", site.logged(r" resolvers-changed "))
    # Until it is there the relay waits for it.
    said = has("trust-there", ["b@signed.example", "b@second.example"])
    check("after a reload TLSA records and policies count", said == ["dane", "sts"], (said, site.log()[-4000:]))
    check("and no other process was started anew for it", pids == {role: role_pid(site.state, role) for role in pids})
    resolver = role_pid(site.state, "resolve")
    check("another reload", site.reload())
    said = has("trust-still", ["c@signed.example", "c@second.example"])
    check("changes nothing", said == ["dane", "sts"] and role_pid(site.state, "resolve") == resolver, said)
    put(stranger.certificate, "roots.pem")
    check("a reload with other roots", site.reload())
    said = has("trust-other", ["d@signed.example", "d@third.example"])
    check("has those count alone", said == ["dane", "unverified"], (said, site.log()[-3000:]))
    with open(f"{work}/anchor", "w", encoding="ascii") as file:
        file.write("this is no key\n")
    said = site.tool("smtpd", "-n", conf="smtpd.conf")
    check("what is no anchor is told by -n", said[0] != 0 and f"dnssec_anchor: {work}/anchor " in said[1], said)
    check("and refused by a reload", site.reload(rf"dnssec_anchor: {work}/anchor ") and site.reload(" not-reloaded "), site.log()[-3000:])
    said = site.tool("smtpd", "-J", "resolve", conf="smtpd.conf")
    check("the process that asks the DNS does without it", said[0] == 0 and "anchor-unusable" in said[1] and "refused" in said[1], said)
    with open(f"{work}/anchor", "w", encoding="ascii") as file:
        file.write("\n")
    said = site.tool("smtpd", "-J", "resolve", conf="smtpd.conf")
    check("as without an empty one", said[0] == 0 and "anchor-empty" in said[1], said)
    os.unlink(f"{work}/anchor")
    os.mkdir(f"{work}/anchor")
    said = site.tool("smtpd", "-J", "resolve", conf="smtpd.conf")
    check("and a folder", said[0] == 0 and "Is a directory" in said[1], said)
    os.rmdir(f"{work}/anchor")
    with open(f"{site.state}/etc/smtpd.conf", encoding="utf-8") as file:
        text = file.read()
    site.put("relative.conf", text.replace(f'dnssec_anchor = "{work}/anchor"', 'dnssec_anchor = "anchor"'))
    said = site.tool("smtpd", "-n", conf="relative.conf")
    check("its path is absolute", said[0] != 0 and "dnssec_anchor: anchor is not an absolute path" in said[1], said)
    site.put("dead.conf", re.sub(r"(?m)resolvers = [^;]*;", 'resolvers = [ "127.0.0.1@9" ];', text))
    said = site.tool("mailqueue", "policy", "signed.example", conf="dead.conf")
    check("mailqueue policy says when the DNS does not tell", said[0] == 75 and "MTA-STS: the DNS does not tell" in said[1], said)
    os.unlink(f"{work}/roots.pem")
    check("a reload without them is taken", site.reload())
    said = has("trust-gone", ["e@signed.example"])
    check("and what there was stays in use", said == ["dane"], (said, site.log()[-3000:]))
    check("no role ended but the resolver, once", len(site.deaths()) == 1 and "role=resolve" in site.deaths()[0], site.deaths())
finally:
    if site is not None:
        site.stop()
    far.stop()
sys.exit(results.failed)
