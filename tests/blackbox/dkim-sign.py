#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Mail that goes out is signed, and what others wrote and is sent on is sealed: held against our own verifier and python3-dkim. The domain is
one of its own: libunbound does not ask for names below "test" (RFC 6761)."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import own_site
from dns_server import DnsServer

results = own_site.Results()
check = results.check
outer, work = own_site.outer, own_site.work
records = {"_dmarc.signed.example": "v=DMARC1; p=reject", "elsewhere.example": "v=spf1 ip4:192.0.2.0/24 -all"}
dns = DnsServer({(name, "TXT"): text for name, text in records.items()})
far = own_site.FarHost("far", outer + 752)
many = own_site.FarHost("many", outer + 754, outer + 755, outer + 756)
MANY = ", ".join(f'"{name}.many.example 127.0.0.1:{outer + 754 + i}"' for i, name in enumerate("abc"))
seven = own_site.FarHost("seven", outer + 753, options=("--offer=DSN SIZE",))
site = own_site.Site(outer + 780, f"""\
relay_host = "127.0.0.1:{outer + 752}"; routes = [ "seven.example 127.0.0.1:{outer + 753}", {MANY} ]; log_level = "debug"; relay_domains = [ "backup.example" ];
retry_min = "1s"; retry_max = "2s"; proxy_from = [ "127.0.0.0/8" ]; resolvers = [ "{dns.address}" ]; dnssec_anchor = "";
allow_from = [ "127.0.0.0/8", "192.0.2.0/24" ];
dmarc_policy = "none";
""", aliases="@signed.example: @example.test\nout@signed.example: friend@far.example\nlost@signed.example: no-body@far.example\n")


def mailkey(*arguments):
    return site.tool("mailkey", *arguments, conf="smtpd.conf")


def choose_selectors():
    """In a file of its own. Memory that was never written has no say in it, which valgrind knows where it is there."""
    os.makedirs(f"{work}/letters", exist_ok=True)
    for name, text in (("fourpost.conf", 'hostname = "mail.example.org";\n'), ("smtpd.conf", f'dkim_keys = "{work}/letters/keys";\n')):
        with open(f"{work}/letters/{name}", "w", encoding="ascii") as file:
            file.write(text)
    watch = ["valgrind", "-q", "--error-exitcode=99"] if shutil.which("valgrind") and own_site.lane != "asan" else []
    for algorithm, letters in (("rsa", "rb"), ("ed25519", "eb")):
        done = [subprocess.run([*watch, f"{own_site.programs}/mailkey", "-C", f"{work}/letters/smtpd.conf", "make", "-a", algorithm, "letters.example"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False) for _ in range(2)]
        check(f"the second key of a day has a letter ({algorithm})", all(one.returncode == 0 for one in done) and
              re.match(rf"letters\.example \d{{8}}{letters}: published", done[1].stdout), [one.stdout for one in done])


def publish(more):
    records.update(more)
    dns.zone.update({(name, "TXT"): text for name, text in more.items()})


def from_zone_file(text):
    return {name: "".join(re.findall(r'"([^"]*)"', strings)) for name, strings in re.findall(r"^(\S+)\. IN TXT \(([^)]*)\)", text, re.M)}


def taken(host, word):
    return own_site.within(lambda: host.taken(word))


def message(sender, subject, more="", body="A line.\r\n\r\n.dotted\r\n..twice\r\n"):
    body = re.sub(r"(?m)^\.", "..", body)
    return f"From: {sender}\r\nTo: friend@far.example\r\nSubject: {subject}\r\n{more}\r\n{body}.\r\n".encode()


def submit(account, to, subject, more="", body="A line.\r\n\r\n.dotted\r\n..twice\r\n", mail=""):
    said = site.talk([f"MAIL FROM:<{account}@signed.example>{mail}", f"RCPT TO:<{to}>", "DATA", message(f"{account}@signed.example", subject, more, body)], account)
    return said[-1]


def hand_in(text, to, sender="carol@elsewhere.example"):
    """As another host would."""
    return site.talk(["XCLIENT ADDR=192.0.2.7 HELO=mx.elsewhere.example", "EHLO mx.elsewhere.example", f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>", "DATA", text])[-1]


def peer(text):
    done = subprocess.run(["/usr/bin/python3", f"{own_site.here}/dkim_peer.py"], input=json.dumps(records).encode() + b"\n" + text,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr.decode()}


def signers(text):
    """Algorithm, domain and selector of each signature."""
    header = re.sub(rb"\r\n[ \t]+", b" ", text.partition(b"\r\n\r\n")[0]).decode("utf-8", "replace")
    return [(re.search(r"\ba=([^;]*)", one).group(1), re.search(r"\bd=([^;]*)", one).group(1), re.search(r"\bs=([^;]*)", one).group(1))
            for one in re.findall(r"(?mi)^DKIM-Signature: (.*)$", header)]


def sealed(text):
    return text.count(b"ARC-Seal:")


def ours(text, subject):
    """What our own verifier says of it: handed in again by a host that took it."""
    reply = hand_in(re.sub(rb"(?m)^\.", b"..", text) + b".\r\n", "bob@signed.example", "x@elsewhere.example")
    found = own_site.within(lambda: site.delivered("bob", subject))
    header = re.sub(r"\r?\n[ \t]+", " ", found[-1]) if found else reply
    field = re.search(r"(?m)^Authentication-Results: .*$", header)
    return field.group() if field else header


BOTH = [("rsa-sha256", "signed.example"), ("ed25519-sha256", "signed.example")]


def check_signed(what, host, subject):
    found = taken(host, subject)
    text = found[-1][1] if found else b""
    check(f"{what}: signed by both keys", sorted(one[:2] for one in signers(text)) == sorted(BOTH), text or site.log()[-3000:])
    verdict = peer(text)
    check(f"{what}: python3-dkim verifies both", verdict.get("dkim") == [True, True], verdict)
    field = ours(text, subject)
    check(f"{what}: so do we", field.count("dkim=pass header.d=signed.example") == 2, field)
    return text


def memory():
    """Of the relay role, in KB."""
    parent = own_site.read(f"{site.state}/run/smtpd.pid").strip()
    for pid in own_site.read(f"/proc/{parent}/task/{parent}/children").split():
        if own_site.read(f"/proc/{pid}/cmdline").startswith("smtpd: relay"):
            return int(re.search(r"VmRSS:\s+(\d+)", own_site.read(f"/proc/{pid}/status")).group(1))
    return 0


def refuse(count, word):
    """So many messages to somebody whom the other host does not know, as programs of this host send them."""
    place = f"{site.state}/spool/drop"
    for i in range(count):
        with open(f"{place}/tmp.m.{word}{i}", "w", encoding="utf-8", newline="") as file:
            file.write(f"fourpost 1\ncreated {int(time.time())}\nfrom alice@signed.example\nto P N - no-body@far.example\n\n"
                       f"From: alice@signed.example\r\nSubject: {word}\r\n\r\nx\r\n")
        os.chmod(f"{place}/tmp.m.{word}{i}", 0o640)
        os.rename(f"{place}/tmp.m.{word}{i}", f"{place}/m.{word}{i}")
    own_site.within(lambda: not [one for one in os.listdir(place) if one.startswith("m.")], 120)
    site.queue_empties()


site.put("fourpost.conf", own_site.read(f"{site.state}/etc/fourpost.conf").replace('"mail.example.test"', '"mail.signed.example"')
         .replace('[ "example.test" ]', '[ "example.test", "signed.example" ]'))
assert site.reload()
try:
    status, text = mailkey("list")
    check("without dkim_keys there is no mailkey", status == 78 and "dkim_keys" in text, text)
    keys = f"{site.state}/etc/dkim.keys"
    with open(f"{site.state}/etc/smtpd.conf", "a", encoding="utf-8") as file:
        file.write(f'dkim_keys = "{keys}";\n')
    check("a file that is not there is told of", site.reload(r"not-reloaded") and "dkim_keys: " in site.log(), site.log()[-1000:])
    status, text = mailkey("make", "signed.example")
    check("mailkey make", status == 0 and "IN TXT" in text and oct(os.stat(keys).st_mode)[-3:] == "600", text)
    status, text = mailkey("make", "-a", "ed25519", "-s", "ed1", "Signed.Example")
    check("mailkey make -a ed25519 -s", status == 0 and 'ed1._domainkey.signed.example. IN TXT ( "v=DKIM1; k=ed25519; p=' in text, text)
    status, text = mailkey("make", "-s", "ed1", "signed.example")
    check("a selector is there once", status == 73, text)
    listed = mailkey("list", "signed.example")[1].splitlines()
    rsa = next((line.split("\t")[1] for line in listed if "\trsa\t" in line), "")
    check("mailkey list", len(listed) == 2 and all("\tpublished\t" in line for line in listed), listed)
    status, text = mailkey("sign", "signed.example", rsa)
    check("a key without a record does not sign", status == 69 and "the DNS has no such record" in text, text)
    publish(from_zone_file(mailkey("record", "signed.example")[1]))
    right = records["ed1._domainkey.signed.example"]
    publish({"ed1._domainkey.signed.example": records[f"{rsa}._domainkey.signed.example"]})
    status, text = mailkey("check")
    check("mailkey check finds what differs", status == 65 and "the record in the DNS fits" in text and "is of another key" in text, text)
    publish({"ed1._domainkey.signed.example": right})
    check("and that all is well", mailkey("check")[0] == 0)
    check("mailkey sign", mailkey("sign", "signed.example", rsa)[0] == 0 and mailkey("sign", "signed.example", "ed1")[0] == 0)
    submit("alice", "x@far.example", "not signed yet")
    found = taken(far, "not signed yet")
    check("nothing is signed before the reload", found and not signers(found[0][1]), found)
    check("a reload takes the keys", site.reload())

    submit("alice", "x@far.example", "a first", more="Cc: y@far.example\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n")
    text = check_signed("submitted", far, "a first")
    names = re.sub(r"\s", "", re.search(rb"\sh=([^;]*);", text).group(1).decode()).lower().split(":")
    check("what a reader sees is signed once more than it is there",
          all(names.count(name) == 2 for name in ("from", "to", "cc", "subject", "date", "message-id", "mime-version", "content-type")) and
          names.count("content-transfer-encoding") == 1, names)
    check("the whole body is", b" l=" not in text.partition(b"\r\n\r\n")[0] and b"c=relaxed/relaxed" in text, text)

    submit("alice", "x@seven.example", "eight bits", more="MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
           body="Grüße\r\n" * 3, mail=" BODY=8BITMIME")
    text = check_signed("converted to seven bits", seven, "eight bits")
    check("it was converted", b"quoted-printable" in text.lower() and text.isascii(), text)
    submit("alice", "y@far.example", "eight bits kept", more="MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
           body="Grüße\r\n" * 3, mail=" BODY=8BITMIME")
    check_signed("with eight bits", far, "eight bits kept")
    submit("alice", "x@far.example", "a long one", body=("0123456789 abcdef  \t x" * 3 + "\r\n") * 60000)
    check_signed("4 MB", far, "a long one")

    subprocess.run([f"{own_site.programs}/sendmail", "-C", f"{site.state}/etc/smtpd.conf", "-f", "alice@signed.example", "z@far.example"],
                   input=b"From: alice@signed.example\nSubject: dropped\n\nx\n", check=True, timeout=60)
    check_signed("dropped by a program", far, "dropped")

    # A notification: From is below the domain of the keys.
    hand_in(message("carol@elsewhere.example", "to nobody"), "lost@signed.example")
    found = own_site.within(lambda: [one for one in far.taken("Action: failed") if "carol@elsewhere.example" in one[0]["rcpt"][0]])
    text = found[0][1] if found else b""
    check("a notification is signed", [one[1] for one in signers(text)] == ["signed.example"] * 2 and peer(text).get("dkim") == [True, True], (text, peer(text)))

    # What others wrote.
    hand_in(message("carol@elsewhere.example", "sent on"), "out@signed.example")
    first = check_signed("sent on by an alias", far, "sent on")
    check("it is sealed", sealed(first) == 1 and peer(first).get("arc") == "pass", peer(first))
    header = re.sub(rb"\r\n[ \t]+", b" ", first)
    check("with what was found as it came", re.search(rb"ARC-Authentication-Results: i=1; mail\.signed\.example; spf=pass smtp\.mailfrom=carol@elsewhere\.example", header), first)
    check("the chain begins", b"cv=none" in header, first)
    field = ours(first, "sent on")
    check("we verify the seal", "arc=pass header.d=signed.example" in field, field)
    again = first.replace(b"\r\nDelivered-To: out@signed.example", b"").replace(b"Delivered-To: out@signed.example\r\n", b"")
    hand_in(re.sub(rb"(?m)^\.", b"..", again) + b".\r\n", "out@signed.example")
    found = own_site.within(lambda: [one for one in far.taken("sent on") if b"i=2" in one[1]])
    second = found[0][1] if found else b""
    check("a chain is gone on with", sealed(second) == 2 and b"cv=pass" in second and peer(second).get("arc") == "pass", (second, peer(second)))
    # Broken on its way: the next seal says so.
    broken = re.sub(rb"\r\nDelivered-To: out@signed\.example|Subject: sent on", lambda found: b"Subject: sent on, changed" if b"Subject" in found.group() else b"", again)
    hand_in(re.sub(rb"(?m)^\.", b"..", broken) + b".\r\n", "out@signed.example")
    found = taken(far, "sent on, changed")
    check("a broken chain is sealed as broken", found and sealed(found[0][1]) == 2 and b"cv=fail" in found[0][1] and peer(found[0][1]).get("arc") != "pass", found)

    hand_in(message("boss@signed.example", "forged"), "out@signed.example")
    found = taken(far, "forged")
    check("what others write in our name gets no signature by way of an alias", found and not signers(found[0][1]) and sealed(found[0][1]) == 1, found)
    hand_in(message("boss@signed.example", "for the backup"), "x@backup.example")
    found = taken(far, "for the backup")
    check("nor does what is passed on", found and not signers(found[0][1]) and b"ARC-Seal" not in found[0][1], found)

    status, text = site.tool("mailuser", "add", "-p", "u1@signed.example", given="demo\n")
    status, text = site.tool("mailuser", "forward", "u1@signed.example", "friend@far.example")
    check("an account sends on", status == 0, text)
    hand_in(message("carol@elsewhere.example", "redirected"), "u1@signed.example")
    check_signed("sent on by an account", far, "redirected")
    check("and sealed", sealed(far.taken("redirected")[0][1]) == 1)
    submit("alice", "u1@signed.example", "from a neighbour")
    text = check_signed("a neighbour's, sent on", far, "from a neighbour")
    check("which needs no seal", b"ARC-Seal" not in text, text)
    hand_in(message("boss@signed.example", "forged again"), "u1@signed.example")
    found = taken(far, "forged again")
    check("an account does not sign it either", found and not signers(found[0][1]), found)

    path = f"{site.state}/etc/smtpd.conf"
    sealing = own_site.read(path)
    site.put("smtpd.conf", sealing + "arc_seal = false;\n")
    check("a reload takes arc_seal", site.reload())
    for way, to in (("an alias", "out@signed.example"), ("an account", "u1@signed.example")):
        hand_in(message("carol@elsewhere.example", f"unsealed by {way}"), to)
        text = check_signed(f"sent on by {way} without arc_seal", far, f"unsealed by {way}")
        check("is not sealed", text and b"ARC-" not in text, text)
    site.put("smtpd.conf", sealing)
    check("sealing again", site.reload())

    # Rotation.
    status, text = mailkey("rotate", "signed.example")
    check("mailkey rotate makes keys beside the old", status == 0 and text.count(": published") == 2 and text.count("IN TXT") == 2, text)
    status, text = mailkey("rotate", "signed.example")
    check("which wait for their records", status == 69 and mailkey("list")[1].count("\tpublished\t") == 2, text)
    one = next(line.split("\t")[1] for line in mailkey("list", "signed.example")[1].splitlines() if "\trsa\tpublished\t" in line)
    publish(from_zone_file(mailkey("record", "signed.example", one)[1]))
    before = mailkey("list")[1]
    status, text = mailkey("rotate", "signed.example")
    check("one of two records is too few, and nothing is told that is not done", status == 69 and ": signing\n" not in text and ": retired\n" not in text and
          mailkey("list")[1] == before, text)
    publish(from_zone_file(mailkey("record", "signed.example")[1]))
    status, text = mailkey("rotate", "signed.example")
    check("and then take over", status == 0 and text.count(": signing") == 2 and text.count(": retired") == 2, text)
    site.reload()
    submit("alice", "x@far.example", "after rotation")
    text = check_signed("rotated", far, "after rotation")
    check("by the new keys", {one[2] for one in signers(text)} & {rsa, "ed1"} == set(), signers(text))
    status, text = mailkey("remove", "signed.example", "ed1")
    check("a retired key is kept for some days", status == 69, text)
    check("unless it must go", mailkey("remove", "-f", "signed.example", "ed1")[0] == 0 and len(mailkey("list")[1].splitlines()) == 3)

    before = len(site.log())
    to = [f"x@{name}.many.example" for name in "abc"]
    said = site.talk(["MAIL FROM:<alice@signed.example>", *(f"RCPT TO:<{one}>" for one in to), "DATA", message("alice@signed.example", "to many")], "alice")[-1]
    own_site.within(lambda: len(many.taken("to many")) == len(to))
    texts = [text for _, text in many.taken("to many")]
    check("a message to many destinations is signed once", said.startswith("250 ") and len(texts) == len(to) and
          site.log()[before:].count(" signed queue=") == 1, site.log()[before:])
    check("and each copy is signed", all(sorted(one[:2] for one in signers(text)) == sorted(BOTH) and
          peer(text).get("dkim") == [True, True] for text in texts), texts)

    # The key role dies.
    pid = re.search(r"(?m)^\s*(\d+) smtpd: key", subprocess.run(["ps", "-o", "pid,args", "--ppid", own_site.read(f"{site.state}/run/smtpd.pid").strip()],
                                                                stdout=subprocess.PIPE, text=True, check=True).stdout)
    before = len(site.log())
    os.kill(int(pid.group(1)), signal.SIGKILL)
    submit("alice", "x@far.example", "after a death")
    check_signed("the key role is started again", far, "after a death")

    # A signature that is not sent, since nobody is taken, costs nothing. Sanitizers look on too, but what is freed they keep a while.
    refuse(300, "before")
    before = memory()
    refuse(1500, "after")
    if own_site.lane != "asan":
        check("signatures of refused messages take no memory", memory() < before + 1000, (before, memory()))

    choose_selectors()

    with open(keys, "a", encoding="ascii") as file:
        file.write("key nonsense\n")
    check("a file that cannot be read is refused", site.reload(r"not-reloaded") and re.search(r"dkim_keys: .*dkim\.keys:\d+: the selector", site.log()), site.log()[-1000:])
    submit("alice", "x@far.example", "still signed")
    check_signed("the former keys stay", far, "still signed")
    check("the queue ends empty", site.queue_empties(), site.tool("mailqueue", "list", conf="smtpd.conf"))
finally:
    site.stop()
    far.stop()
    many.stop()
    seven.stop()
sys.exit(results.failed)
