#!/usr/bin/env python3
"""Routes by domain and by sender: TLS that is demanded, logging in at next hops, domains that mail is taken for, changes at a reload."""
import os
import re
import subprocess
import sys

import own_site

results = own_site.Results()
check = results.check
work, outer = own_site.work, own_site.outer
certificate, key = f"{work}/far.pem", f"{work}/far.key"
subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", "/CN=far",
                "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
os.chmod(certificate, 0o644)
tls = (f"--certificate={certificate}", f"--key={key}")
plain = own_site.FarHost("plain", outer + 762)
open_tls = own_site.FarHost("open", outer + 763, options=tls)
login = own_site.FarHost("login", outer + 764, outer + 765, options=(*tls, f"--smtps={outer + 765}", "--auth=isp-user:isp password"))
old_login = own_site.FarHost("old", outer + 766, options=(*tls, "--auth=isp-user:isp password", "--mechanisms=LOGIN"))
hosts = [plain, open_tls, login, old_login]
secrets = f"{work}/demo/etc/relay_secrets"


def options(fallback):
    return f"""\
retry_min = "1s"; retry_max = "2s";
relay_host = "127.0.0.1:{outer + 762}";
relay_domains = [ "backup.example" ];
relay_secrets = "{secrets}";
routes = [ "from:bob@example.test smtps://isp@127.0.0.1:{outer + 765}",
  "must.example smtp+tls://127.0.0.1:{outer + 763}", "*.must.example smtp+notls://127.0.0.1:{outer + 763}", "bare.example smtp+tls://127.0.0.1:{outer + 762}",
  "other-name.example smtp+tls://localhost:{outer + 763}",
  "isp.example smtp+tls://isp@127.0.0.1:{outer + 764}", "old.example smtp+tls://isp@127.0.0.1:{outer + 766}", "wrong.example smtp+tls://wrong@127.0.0.1:{outer + 764}",
  "nobody.example smtp+tls://nobody@127.0.0.1:{outer + 764}"{fallback} ];
"""


site = own_site.Site(outer + 770, options(""), files={"relay_secrets": "isp isp-user isp password\nwrong isp-user something else\n"},
                     environment={"SSL_CERT_FILE": certificate})


def sent(recipient, word, login_name="alice"):
    site.send(f"{login_name}@example.test", [recipient], word, login=login_name)


def taken(host, word):
    return own_site.within(lambda: host.taken(word))


def waits(word, reason):
    before = len(site.log())
    sent(word, f"mail for {word}")
    return site.logged(rf" deferred .*to={re.escape(word)} .*{reason}", before), site.log()[before:]


try:
    sent("x@anywhere.example", "the rest")
    check("what no route fits goes to relay_host", taken(plain, "the rest"), site.log()[-3000:])
    sent("x@must.example", "over TLS")
    found = taken(open_tls, "over TLS")
    check("TLS that is demanded, where it is to be had", found and found[0][0]["tls"], found)
    sent("x@sub.must.example", "without TLS")
    found = taken(open_tls, "without TLS")
    check("and without, where a route says so", found and not found[0][0]["tls"], found)
    good, text = waits("x@bare.example", r"status=4\.7\.5 .*does not offer it")
    check("without TLS mail waits where it is demanded", good and not plain.taken("mail for x@bare.example"), text)
    good, text = waits("x@other-name.example", r"status=4\.7\.5 .*no certificate of its name")
    check("and with another's certificate too", good and not open_tls.taken("mail for x@other-name.example"), text)

    sent("x@isp.example", "logged in")
    found = taken(login, "logged in")
    check("AUTH PLAIN at a next hop", found and found[0][0]["login"] == "isp-user" and found[0][0]["tls"], (found, site.log()[-3000:]))
    sent("x@old.example", "logged in by LOGIN")
    check("AUTH LOGIN where PLAIN is not offered", taken(old_login, "logged in by LOGIN"), site.log()[-3000:])
    sent("x@anywhere.example", "by its sender", "bob")
    found = taken(login, "by its sender")
    check("a route of the sender, TLS from the first byte", found and found[0][0]["tls"] and found[0][0]["mail"].startswith("FROM:<bob@example.test>"),
          (found, site.log()[-3000:]))
    good, text = waits("x@wrong.example", r"status=4\.7\.8 ")
    check("mail waits while a password is wrong", good, text)
    good, text = waits("x@nobody.example", r"status=4\.3\.5 .*no credentials")
    check("and while there is none", good, text)
    check("no log has a password", "isp password" not in site.log() and "something else" not in site.log())

    said, last = site.send("s@away.example", ["x@backup.example", "x@elsewhere.example"], "kept for another")
    check("mail for relay_domains is taken from anybody, and no other", [one[:3] for one in said] == ["250", "550"], said)
    check("and passed on", taken(plain, "kept for another"), site.log()[-3000:])

    # Whom the other host has: nobody else is taken, so that nobody's name comes back to a forged sender.
    before, path = len(site.log()), f"{site.state}/etc/smtpd.conf"
    original = own_site.read(path)
    site.put("recipients", "# of the backup's host\nx@backup.example\n@whole.example\n")
    site.put("smtpd.conf", original.replace('relay_domains = [ "backup.example" ];', 'relay_domains = [ "backup.example", "whole.example" ];') +
             f'relay_recipients = "{site.state}/etc/recipients";\n')
    check("a file of recipients is taken over", site.reload() is not None and
          own_site.within(lambda: site.send("s@away.example", ["nobody@backup.example"], "for nobody")[0][0].startswith("550 5.1.1")), site.log()[before:])
    said, _ = site.send("s@away.example", ["X+y@Backup.example", "nobody@backup.example", "any@whole.example", "postmaster@backup.example"], "known")
    check("recipients that are in it are taken, and no others", [one[:9] for one in said] == ["250 2.1.5", "550 5.1.1", "250 2.1.5", "250 2.1.5"], said)
    said, _ = site.send("bob@example.test", ["nobody@backup.example"], "known", "bob")
    check("nor from who logs in", [one[:9] for one in said] == ["550 5.1.1"], said)
    site.put("recipients", "nobody@backup.example\n")
    check("another file is read at a reload", site.reload() is not None and
          own_site.within(lambda: site.send("s@away.example", ["nobody@backup.example"], "known")[0][0].startswith("250")), site.log()[before:])
    site.put("recipients", "x@backup.example\nx y\n")
    check("a fault in it is told", site.reload(r"recipients:2: that is neither an address nor @domain") is not None, site.log()[before:])
    said, _ = site.send("s@away.example", ["nobody@backup.example", "x@backup.example"], "known")
    check("and changes nothing", [one[:3] for one in said] == ["250", "550"], said)
    site.put("smtpd.conf", original)
    check("without a file all are taken", site.reload() is not None and
          own_site.within(lambda: site.send("s@away.example", ["other@backup.example"], "known")[0][0].startswith("250")), site.log()[before:])

    # A mended password and another way, without a restart.
    site.put("relay_secrets", "isp isp-user isp password\nwrong isp-user isp password\nnobody isp-user isp password\n", 0o600)
    check("changed secrets are taken", site.reload() is not None, site.log()[-2000:])
    site.tool("mailqueue", "retry", "all", conf="smtpd.conf")
    check("mail that waited for them goes", taken(login, "mail for x@wrong.example") and taken(login, "mail for x@nobody.example"), site.log()[-3000:])
    path = f"{site.state}/etc/smtpd.conf"
    with open(path, encoding="utf-8") as file:
        conf = file.read()
    site.put("smtpd.conf", conf.replace(f'smtp+tls://127.0.0.1:{outer + 762}"', f'smtp://127.0.0.1:{outer + 762}"').replace("smtp+tls://localhost", "smtp+tls://127.0.0.1"))
    check("changed routes are taken", site.reload() is not None, site.log()[-2000:])
    check("mail that waits goes the new way", taken(plain, "mail for x@bare.example") and taken(open_tls, "mail for x@other-name.example"), site.log()[-3000:])
    site.put("smtpd.conf", conf.replace('"must.example', '"must.example nowhere", "must.example'))
    check("routes with faults are refused", site.reload(r'routes: .*must\.example nowhere'), site.log()[-2000:])
    check("the queue ends empty", site.queue_empties(), site.tool("mailqueue", "list", conf="smtpd.conf"))
finally:
    site.stop()
    for host in hosts:
        host.stop()
sys.exit(results.failed)
