#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Clients from outside are tested: lists of the DNS, names, how they speak, limits; what is told of it, and what becomes of their mail."""
import os
import re
import socket
import ssl
import sys
import time

import jmap_client
from dns_server import DnsServer, reverse
from milter_server import Milter
from own_site import Results, Site, mails, outer, read, within

# Networks for examples have no names with libunbound.
GOOD, LISTED, WELCOME, NAMELESS, SPAM, SLOW = (f"11.22.33.{n}" for n in (10, 66, 20, 30, 99, 40))
dns = DnsServer({
    (reverse(GOOD, "in-addr.arpa"), "PTR"): "mx.good.example", ("mx.good.example", "A"): GOOD,
    (reverse(LISTED, "in-addr.arpa"), "PTR"): "mx.listed.example", ("mx.listed.example", "A"): LISTED,
    (reverse(SLOW, "in-addr.arpa"), "PTR"): "mx.slow.example", ("mx.slow.example", "A"): SLOW,
    (reverse(LISTED, "bl.example"), "A"): "127.0.0.4",
    (reverse(WELCOME, "bl.example"), "A"): "127.0.0.4",
    (reverse(WELCOME, "wl.example"), "A"): "127.0.5.1",
    (reverse("2001:db8::66", "bl.example"), "A"): "127.0.0.2",
    (reverse(SPAM, "milder.example"), "A"): "127.0.0.2",
    (reverse(GOOD, "refuses.example"), "A"): "127.255.255.254",
    ("good.example", "TXT"): "v=spf1 ip4:11.22.33.0/24 -all",
    ("strict.example", "TXT"): "v=spf1 -all",
    ("silent.example", "MX"): "0 .", ("mute.example", "MX"): ["0 .", "10 mx.good.example"],
    ("shut.example", "MX"): "0 .", ("shut.example", "TXT"): "v=spf1 -all",
}, broken=["broken.example"], late=["slow.example"])

LISTS = ('dns_lists = [ "bl.example 10 127.0.0.2-4", "wl.example -6 127.0.*.1-3", "milder.example 4", "refuses.example 20", "broken.example 20" ];\n')
OPTIONS = (f'resolvers = [ "{dns.address}" ];\ndnssec_anchor = "";\nproxy_from = [ "127.0.0.1" ];\nproxy_header_from = [ "127.0.0.2" ];\n'
           'tarpit = "1s";\ngreet_delay = "1s";\ngreylist_delay = "1s";\n' + LISTS)
PLAIN = 'greylist = "none";\n'
results = Results()
check = results.check


def hand_in(site, address, subject, helo="mx.good.example", sender="a@good.example", recipient="bob@example.test", header=""):
    """As that client, step by step: the reply to the recipient, the last one, and the log since then."""
    before = len(site.log())
    text = f"From: {sender}\r\nSubject: {subject}\r\n{header}\r\nx\r\n.\r\n"
    said = site.talk([f"XCLIENT ADDR={address}", f"EHLO {helo}", f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA", text.encode()])
    return said[3], said[-1], site.log()[before:]


def score(text):
    found = re.search(r"(?m)^X-Fourpost-Score: (.*(?:\r?\n[ \t].*)*)", text)
    return re.sub(r"\s+", " ", found.group(1)).strip() if found else ""


def lists(site):
    rcpt, last, log = hand_in(site, GOOD, "from-good")
    text = (site.delivered("bob", "from-good") or [""])[0]
    check("a good client's mail is taken", last.startswith("250 "), last)
    check("and has its score in one field and one line", score(text) == "0/6" and len(re.findall(r" score id=", log)) == 1, text + log)
    counted = "".join(line for line in log.splitlines() if " list-failed " not in line)
    check("a list that refuses to answer, or answers nothing, counts for nothing", "refuses" not in counted and "broken" not in counted, log)

    rcpt, last, log = hand_in(site, LISTED, "listed", helo="mx.listed.example")
    check("who is listed is refused, by the list's name", rcpt == f"554 5.7.1 [{LISTED}] is refused here: it is listed by bl.example", rcpt)
    check("the log tells why", re.search(rf"client-score client={LISTED} name=mx.listed.example score=10 items=\"?bl.example=10\"? verdict=refuse", log), log)
    rcpt, last, log = hand_in(site, LISTED, "may-i-ask", recipient="postmaster@example.test")
    check("but postmaster hears everybody", rcpt.startswith("250 ") and last.startswith("250 ") and "verdict=junk" in log, (rcpt, last, log))
    rcpt, _, _ = hand_in(site, "IPv6:2001:db8::66", "six")
    check("IPv6 addresses are looked up, too", "listed by bl.example" in rcpt, rcpt)
    _, last, log = hand_in(site, WELCOME, "welcome")
    check("a list of those who are welcome makes up for it", last.startswith("250 ") and "bl.example=10 wl.example=-6" in log, log)
    check("the log tells of such a list once, and when it answers", [len(re.findall(rf" list-failed list={name} reason=\"{reason}\"", site.log())) for name, reason in
          (("broken.example", "no answer"), ("refuses.example", "it refuses to answer"))] == [1, 1] and site.log().count(" list-failed ") == 2 and
          site.log().count(" list-answers list=refuses.example") == 1 and site.log().count(" list-answers ") == 1, site.log()[-3000:])
    asked = dns.questions(reverse(LISTED, "bl.example"), "A")
    hand_in(site, LISTED, "again")
    check("answers are kept as long as they say", asked == dns.questions(reverse(LISTED, "bl.example"), "A") == 1, asked)


def names(site):
    _, last, log = hand_in(site, NAMELESS, "nameless", helo="localhost")
    check("a client without a name is taken, but noted", last.startswith("250 ") and "helo-bare=1" in log and "no-reverse-name=2" in log, log)
    _, last, log = hand_in(site, GOOD, "nobody", sender="a@no.example")
    check("a sender whose domain is none counts", last.startswith("250 ") and "sender-unknown=3" in log, log)
    _, last, log = hand_in(site, GOOD, "somebody", sender="a@mx.good.example")
    check("one whose domain only has no record does not", last.startswith("250 ") and "sender-unknown" not in log, log)
    _, last, log = hand_in(site, GOOD, "unanswerable", sender="a@silent.example")
    check("a sender whose domain takes no mail counts", last.startswith("250 ") and "sender-null-mx=3" in log and "sender-unknown" not in log, log)
    _, last, log = hand_in(site, GOOD, "answerable", sender="a@mute.example")
    check("one that has another exchanger does not", last.startswith("250 ") and "sender-null-mx" not in log, log)
    _, last, log = hand_in(site, NAMELESS, "unanswerable", helo="[11.22.33.31]", sender="a@shut.example")
    check("whoever is refused for that is told so", last.startswith("550 5.7.27 ") and "sender-null-mx=3" in log and "verdict=refuse" in log, last + log)
    rcpt, last, log = hand_in(site, SPAM, "to-junk", helo="Example.Test")
    check("who says he is us and is listed a little goes too far", rcpt.startswith("554 5.7.1") and "behaves" not in rcpt, rcpt + log)
    _, last, log = hand_in(site, NAMELESS, "spam-by-score", helo="[11.22.33.31]", sender="a@strict.example",
                           header="X-Fourpost-Score: -99/6\r\nX-Spam-Flag: NO\r\n")
    junk = within(lambda: [text for text in junk_of(site, "bob") if "spam-by-score" in text])
    check("what reaches the score of spam goes to Junk", junk and "X-Spam-Flag: YES" in junk[0] and "verdict=junk" in log, log)
    told = score(junk[0]) if junk else ""
    check("its items are named with their weights", told.startswith("8/6; ") and all(item in told for item in ("helo-literal=4", "no-reverse-name=2", "spf-fail=2")), told)
    check("a forged score is removed", junk and "-99/6" not in junk[0], junk)


def submission(site):
    """Who logs in is counted too, by connections and by whom he writes to, but asked for nothing else."""
    conf = re.sub(r"(?m)^limits .*\n", "", read(f"{site.state}/etc/smtpd.conf"))
    site.put("smtpd.conf", conf + 'limits = [ "messages/recipient=2/2d", "messages/network=3/2d", "connections/address=4/2d" ];\n')
    site.reload()

    def one(address, port, recipient):
        """By the PROXY protocol, on a port of submission: the reply to the recipient, or what was said in place of the greeting."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        peer = socket.create_connection(("127.0.0.1", site.base + port), timeout=60, source_address=("127.0.0.2", 0))
        peer.sendall(f"PROXY TCP4 {address} 192.0.2.1 4000 {port}\r\n".encode())
        if port == 465:
            peer = context.wrap_socket(peer)
        said = peer.recv(65536).decode()
        lines = ["EHLO mua.example", "AUTH PLAIN AGJvYkBleGFtcGxlLnRlc3QAZGVtbw==", "MAIL FROM:<bob@example.test>", f"RCPT TO:<{recipient}>", "DATA",
                 "From: bob@example.test\r\nSubject: counted\r\n\r\nx\r\n.", "QUIT"]
        for number, line in enumerate(lines if said.startswith("220") else []):
            if port == 587 and number == 1:
                peer.sendall(b"STARTTLS\r\n")
                peer.recv(65536)
                peer = context.wrap_socket(peer)
                peer.sendall(b"EHLO mua.example\r\n")
                peer.recv(65536)
            peer.sendall(line.encode() + b"\r\n")
            reply = peer.recv(65536).decode()
            if line.startswith("RCPT"):
                said = reply
                if reply[0] != "2":
                    break
        peer.close()
        return said

    before = len(site.log())
    seen = [one(f"203.0.20.{i}", 465 + i % 2 * 122, "alice@example.test") for i in range(4)]
    check("messages for one recipient are limited for who logs in", [one[:3] for one in seen] == ["250", "250", "450", "450"], seen)
    seen = [one(f"203.0.20.{i}", 465, f"{to}@example.test")[:3] for i, to in enumerate(("bob", "u2", "u3"))]
    check("what his network sends is not", seen == ["250"] * 3, seen)
    seen = [one("203.0.21.1", 465 + i % 2 * 122, f"u{i}@far.example") for i in range(6)]
    check("connections are, with TLS from the first byte or without", [one[:9] for one in seen][4:] == ["421 4.7.0"] * 2 and "421" not in "".join(seen[:4]), seen)
    log = site.log()[before:]
    check("and nothing else is asked", "score" not in log and "greylist" not in log and "limited client=203.0.21.1 what=connections" in log, log)


def junk_of(site, account):
    place = f"{site.state}/mail/example.test/{account}/Maildir/.Junk"
    return mails(place)


def speak(site, first, rest=b"", header=f"PROXY TCP4 {NAMELESS} 192.0.2.1 4000 25\r\n".encode()):
    """By the PROXY protocol: says `first` with the header, the rest when greeted."""
    with socket.create_connection(("127.0.0.1", site.base + 25), timeout=60, source_address=("127.0.0.2", 0)) as peer, peer.makefile("rb") as replies:
        peer.sendall(header + first)
        greeting = replies.readline()
        while greeting and not greeting.endswith(b"Fourpost\r\n"):
            greeting += replies.readline()
        peer.sendall(rest)
        return greeting, replies.read()


def manners(site):
    before = len(site.log())
    greeting, text = speak(site, b"", b"EHLO x.example\r\n" b"QUIT\r\n")
    check("the greeting comes in two steps", greeting == b"220-mail.example.test ESMTP\r\n220 mail.example.test ESMTP Fourpost\r\n", greeting)
    mail = b"MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nQUIT\r\n"
    _, text = speak(site, b"EHLO x.example\r\n", mail)
    log = site.log()[before:]
    check("who speaks before he is greeted is noted", b"250 2.1.5" in text and "early-talk=5" in log and "verdict=tarpit" in log, log)
    before = len(site.log())
    speak(site, b"", b"EHLO x.example\r\nNOOP\nGETMAIL\r\n" + mail)
    log = site.log()[before:]
    check("so is who does not wait, ends lines with LF or makes up commands",
          all(item in log for item in ("early-pipelining=3", "bare-newline=2", "unknown-commands=2")), log)
    _, text = speak(site, b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    check("a web browser is hung up on", text.startswith(b"421 4.7.0") and text.count(b"\r\n") == 1, text)


def limits(site):
    site.put("smtpd.conf", read(f"{site.state}/etc/smtpd.conf") + 'limits = [ "messages/network=3/1d", "messages/recipient=5/1d", "connections/address=20/1d" ];\n')
    site.reload()
    seen = [hand_in(site, f"198.51.100.{i}", "limited", recipient="u1@example.test") for i in range(1, 5)]
    check("a network's messages are limited", [one[0][:3] for one in seen] == ["250", "250", "250", "450"] and
          seen[3][0].startswith("450 4.7.1 Too many messages"), seen)
    check("and the log tells", "limited client=198.51.100.4 what=messages per=network limit=3 seconds=86400" in seen[3][2], seen[3][2])
    seen = [hand_in(site, f"203.0.{i}.1", "limited", recipient="u1@example.test")[0][:3] for i in range(1, 4)]
    check("so are messages for one recipient", seen == ["250", "250", "450"], seen)
    seen = [hand_in(site, f"203.0.{i}.2", "limited", recipient=to)[0][:3] for i, to in enumerate(("U1@Example.Test", "u1+detail@example.test", "u1.too@example.test"), 1)]
    check("whatever detail or alias it is addressed to", seen == ["450"] * 3, seen)
    seen = [hand_in(site, f"10.1.{octet}.1", "limited", recipient="u2@example.test")[0][:3] for octet in (65, 65, 97, 97)]
    check("networks are told apart where octets look like letters of both cases", seen == ["250"] * 4, seen)
    rcpt, _, _ = hand_in(site, "203.0.9.1", "limited", recipient="u3@example.test")
    check("others get theirs", rcpt.startswith("250 "), rcpt)
    seen = [site.talk(["XCLIENT ADDR=198.51.101.1"])[0][:3] for i in range(22)]
    check("connections are limited", seen == ["220"] * 20 + ["421"] * 2, seen)


def greylisting(site):
    conf = re.sub(r"(?m)^(limits|greylist) .*\n", "", read(f"{site.state}/etc/smtpd.conf"))
    site.put("smtpd.conf", conf)
    site.reload()
    rcpt, last, log = hand_in(site, GOOD, "not-grey")
    check("nobody who is no suspect is greylisted", last.startswith("250 ") and "greylist" not in log, log)
    rcpt, last, log = hand_in(site, NAMELESS, "grey", helo="[11.22.33.31]")
    check("a suspect is asked to come again", re.fullmatch(r"450 4\.7\.1 Greylisted: try again in [01] seconds", rcpt) and "greylisted client=" in log, rcpt)
    check("and may when he does", within(lambda: hand_in(site, "11.22.33.32", "grey", helo="[11.22.33.31]")[0].startswith("250 ")))
    rcpt, _, _ = hand_in(site, NAMELESS, "grey", helo="[11.22.33.31]", recipient="u1@example.test")
    check("but not to anybody else", rcpt.startswith("450 4.7.1 Greylisted"), rcpt)
    site.put("smtpd.conf", conf + 'greylist = "unproven";\n')
    site.reload()
    seen = [hand_in(site, GOOD, "proven")[0][:3], hand_in(site, GOOD, "unproven", sender="a@strict.example")[0][:3],
            hand_in(site, WELCOME, "welcome", helo="mx.good.example", sender="a@nowhere.example")[0][:3]]
    check("or whoever SPF does not show to be his domain's", seen == ["250", "450", "450"], seen)
    site.stop()
    again = Site(site.base, OPTIONS)
    rcpt, _, _ = hand_in(again, NAMELESS, "grey", helo="[11.22.33.31]")
    check("it is remembered over a new start", rcpt.startswith("250 "), rcpt)
    return again


def rules(site):
    path = f"{site.state}/etc/rules"
    site.put("rules", '# site\nnote: header Subject contains "ruled" add "X-Site-Note: ruled"\nexe: attachment "*.exe" refuse\n'
             'cheap: body contains "CHEAP" score 3\njunk: header Subject matches "*junk" junk\n'
             'odd: header Subject contains "odd" quarantine\n')
    conf = re.sub(r"(?m)^(limits|greylist|rules) .*\n", "", read(f"{site.state}/etc/smtpd.conf")) + PLAIN
    site.put("smtpd.conf", conf + f'rules = "{path}";\n')
    site.reload()
    _, last, log = hand_in(site, GOOD, "ruled by name")
    text = (site.delivered("bob", "ruled by name") or [""])[0]
    check("a rule adds its field, and the log names it", "X-Site-Note: ruled" in text and "rules=note verdict=take" in log, text + log)
    attachment = "MIME-Version: 1.0\r\nContent-Type: application/x; name*0=\"a.e\";\r\n name*1=\"xe\"\r\n"
    _, last, log = hand_in(site, GOOD, "exe", header=attachment)
    check("a rule refuses by a name in parts", last == "550 5.7.1 A rule of this site refuses such messages" and "rules=exe verdict=refuse" in log and
          re.search(r" refused .* id=[0-9A-F]{16} from=a@good.example to=bob@example.test command=\"DATA end\"", log), last + log)
    _, last, _ = hand_in(site, GOOD, "cheap", header="Content-Transfer-Encoding: base64\r\n\r\nbm93IGNoZWFwIQ==\r\n")
    text = (site.delivered("bob", "Subject: cheap") or [""])[0]
    check("a rule weighs what the decoded text holds", score(text) == "3/6; rule.cheap=3", text)
    hand_in(site, GOOD, "this is junk")
    check("a rule sends to Junk", within(lambda: [one for one in junk_of(site, "bob") if "this is junk" in one and "X-Spam-Flag: YES" in one]))
    _, last, log = hand_in(site, GOOD, "odd-1")
    held = os.listdir(f"{site.state}/spool/hold")
    check("a rule holds a message in the queue", last.startswith("250 ") and len(held) == 1 and "verdict=quarantine" in log and "held id=" in log and not site.delivered("bob", "odd-1"), log)
    site.tool("mailqueue", "release", *held, conf="smtpd.conf")
    check("until it is let go", within(lambda: site.delivered("bob", "odd-1")))
    site.put("rules", "nonsense\n")
    status, text = site.tool("smtpd", "-n", conf="smtpd.conf")
    check("faults of rules are told by line", status == 78 and f"{path}:1: a rule begins with its name" in text, text)
    check("a reload refuses them", site.reload("not-reloaded"), site.log()[-2000:])
    check("smtp is started again", site.kill("smtp"), site.log()[-2000:])
    _, last, log = hand_in(site, GOOD, "exe", header=attachment)
    check("the former rules hold, then too", last == "550 5.7.1 A rule of this site refuses such messages", last + log)
    site.put("smtpd.conf", conf)


def milters(site):
    """They are told the client's name where it is one, and hear of nobody before that is known."""
    milter, conf = Milter(site.base + 71), read(f"{site.state}/etc/smtpd.conf")
    site.put("smtpd.conf", conf + f'milters = [ "127.0.0.1:{site.base + 71}" ];\nscore_weights = [ "no-reverse-name=0", "reverse-name-unconfirmed=0" ];\n')
    site.reload()
    time.sleep(1)  # the role that asks them hears of it at the same time, and has no way to say so
    seen = []
    for address in (SLOW, NAMELESS):
        _, last, _ = hand_in(site, address, "named")
        seen.append((last[:4], milter.seen[-1]["client"], milter.seen[-1]["macros"].get(b"{client_name}")))
    check("a milter is told the client's name", seen[0] == ("250 ", b"mx.slow.example\x004\0\0" + SLOW.encode() + b"\0", b"mx.slow.example"), seen)
    check("or its address alone", seen[1] == ("250 ", f"[{NAMELESS}]".encode() + b"\x004\0\0" + NAMELESS.encode() + b"\0", None), seen)
    milter.shutdown()
    milter.server_close()
    site.put("smtpd.conf", conf)
    site.reload()


def explained(site):
    path = f"{site.state}/told"
    _, last, _ = hand_in(site, NAMELESS, "to be told of", helo="[11.22.33.31]", recipient="u3@example.test")
    with open(path, "w", encoding="utf-8") as file:
        file.write(next((text for text in within(lambda: junk_of(site, "u3")) or [] if "to be told of" in text), ""))
    status, text = site.tool("smtpd", "-T", path, conf="smtpd.conf")
    check("-T tells what speaks against a message", status == 0 and
          re.search(r"(?m)^Score when it came: 6 of 6, .*100%", text) and re.search(r"(?m)^ +\+4  helo-literal +The client said", text) and
          f"Client: {NAMELESS}, which called itself [11.22.33.31]" in text and "Hops: 1 of 100" in text and "spf=pass" in text, text)
    dns.zone[(reverse(NAMELESS, "bl.example"), "A")] = "127.0.0.4"
    status, text = site.tool("smtpd", "-R", "-T", path, conf="smtpd.conf")
    check("-R asks the DNS again", status == 0 and "Score of client and rules now: 16 of 6" in text and re.search(r"\+10  bl.example", text), text)
    del dns.zone[(reverse(NAMELESS, "bl.example"), "A")]
    status, text = site.tool("smtpd", "-T", "/nonexistent", conf="smtpd.conf")
    check("a file that is not there is told", status == 66 and "No such file" in text, text)


def submit(site, user, recipients, subject):
    """The reply to a message of that user's: to its text, or to DATA when that is refused."""
    sender = f"{user}@example.test"
    text = f"From: {sender}\r\nSubject: {subject}\r\n\r\nx\r\n.\r\n"
    said = site.talk([f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{one}@example.test>" for one in recipients), "DATA", text.encode()], user)
    return said[len(recipients) + 1] if said[len(recipients) + 1][0] != "3" else said[-1]


def web(site, user):
    """A session of that user's in the web client, and what it takes to send: a mailbox and an identity."""
    jmap_client.HTTPS = site.base + 443
    client = jmap_client.Client(f"{user}@example.test")
    return client, client.mailboxes()["drafts"]["id"], client.call("Identity/get", ids=None)["list"][0]["id"]


def submit_by_web(session, recipient, subject):
    client, drafts, identity = session
    mail = {"mailboxIds": {drafts: True}, "from": [{"email": client.user}], "to": [{"email": f"{recipient}@example.test"}], "subject": subject,
            "bodyValues": {"t": {"value": "x"}}, "textBody": [{"partId": "t", "type": "text/plain"}]}
    said = client.api(("Email/set", {"create": {"m": mail}}), ("EmailSubmission/set", {"create": {"s": {"emailId": "#m", "identityId": identity}}}))
    assert said[1][1].get("created"), said


def drop(site, owner, account, subject):
    """As a process of `owner`'s that says it is another's."""
    place, name = f"{site.state}/spool/drop", subject.replace("-", ".")
    with open(f"{place}/tmp.m.{name}", "w", encoding="utf-8", newline="") as file:
        file.write(f"fourpost 1\ncreated 1\nfrom {account}@example.test\naccount {account}@example.test\nto P - - bob@example.test\n\nSubject: {subject}\r\n\r\nx\r\n")
    os.chmod(f"{place}/tmp.m.{name}", 0o640)
    os.chown(f"{place}/tmp.m.{name}", os.stat(f"{site.state}/mail/example.test/{owner}").st_uid, -1)
    os.rename(f"{place}/tmp.m.{name}", f"{place}/m.{name}")


def waits(site, subject):
    return within(lambda: any(subject in read(f"{where}/{name}") for where, _, names in os.walk(f"{site.state}/spool/queue") for name in names))


def accounts_on_the_web(site):
    u3 = web(site, "u3")
    submit_by_web(u3, "bob", "web-1")
    submit_by_web(u3, "bob", "web-2")
    check("mail sent on the web arrives", within(lambda: site.delivered("bob", "Subject: web-1") and site.delivered("bob", "Subject: web-2")))
    check("and counts with what comes by submission", [submit(site, "u3", ["bob"], "from-u3")[:3] for _ in range(2)] == ["250", "451"], site.log()[-500:])
    before = len(site.log())
    submit_by_web(u3, "bob", "web-3")
    check("on the web, what is too much waits in the queue", waits(site, "web-3") and
          site.logged(r"account-limited account=u3@example.test what=messages limit=3 ", before), site.log()[before:])
    site.tool("mailqueue", "retry", "all", conf="smtpd.conf")
    if os.geteuid() == 0:  # else all share one uid
        for i in range(4):
            drop(site, "u1", "alice", f"lies-{i}")
        check("who drops mail in another's name spends nothing of that", waits(site, "lies-3") and site.logged(r"account-limited account=.uid \d+. what=messages", before) and
              within(lambda: len(site.delivered("bob", "Subject: lies-")) == 3) and submit(site, "alice", ["bob"], "from-alice").startswith("250 "), site.log()[before:])
    check("asking for another try does not make room", waits(site, "web-3") and not site.delivered("bob", "Subject: web-3"))


def accounts(site):
    conf = read(f"{site.state}/etc/smtpd.conf")
    site.put("smtpd.conf", conf + 'limits = [ "messages/account=3/1d", "recipients/account=4/1d" ];\n')
    site.reload()
    seen = [submit(site, "u1", ["bob"], "from-u1") for _ in range(4)]
    check("an account sends no more than it may", [one[:3] for one in seen] == ["250", "250", "250", "451"] and "4.7.1" in seen[3], seen)
    check("others do", submit(site, "u2", ["bob"], "from-u2").startswith("250 "))
    seen = submit(site, "u2", ["bob", "alice", "u1", "u3"], "many")
    check("recipients are counted", seen.startswith("451 4.7.1"), seen)
    seen = submit(site, "u2", ["bob", "alice", "u1", "u2", "u3"], "too many")
    check("what no time would be enough for is refused for good", seen.startswith("550 5.5.3"), seen)
    check("and uses nothing up", submit(site, "u2", ["bob"], "from-u2").startswith("250 "))
    check("the postmaster is told", within(lambda: site.delivered("alice", "Subject: u1@example.test has reached its limit of messages")))
    accounts_on_the_web(site)
    submit(site, "u1", ["bob"], "from-u1")
    check("and the log", len(re.findall(r"account-limited account=u1@example.test what=messages limit=3 seconds=86400", site.log())) == 2)
    site.stop()
    site = Site(site.base, OPTIONS + 'limits = [ "messages/account=3/1d", "recipients/account=4/1d" ];\n')
    seen = submit(site, "u1", ["bob"], "from-u1")
    check("a new start forgets none of it", seen.startswith("451 "), seen)
    check("nor tells the postmaster once more", len(site.delivered("alice", "u1@example.test has reached")) == 1)
    return site


def off(site):
    conf = re.sub(r'(?m)^(dns_lists|limits|greylist) .*\n', "", read(f"{site.state}/etc/smtpd.conf"))
    site.put("smtpd.conf", conf + 'allow_from = [ "11.22.33.0/24" ];\n')
    site.reload()
    _, last, log = hand_in(site, LISTED, "allowed", helo="mail.example.test")
    check("whom the site allows nobody tests", last.startswith("250 ") and "score" not in log, log)
    site.put("smtpd.conf", conf + 'dns_lists = [ "bl.example" ];\nscore_weights = [ "early=1" ];\nlimits = [ "all=1" ];\n')
    status, text = site.tool("smtpd", "-n", conf="smtpd.conf")
    check("faults of these options are told", status == 78 and text.count("\n") == 3 and "dns_lists: \"bl.example\": behind the zone" in text, text)
    site.put("smtpd.conf", conf + 'limits = [ "messages/recipient=2/1d" ];\nlimits = [ "messages/recipient=3/1d" ];\n')
    status, text = site.tool("smtpd", "-n", conf="smtpd.conf")
    check("an option that stands there twice is told, and no other fault is made up", status == 78 and text.count("\n") == 1 and "smtpd.conf:" in text, text)
    before = len(site.log())
    check("nor at a reload", site.reload(" not-reloaded ") is not None and site.log()[before:].count("configuration fault=") == 1, site.log()[before:])


site = Site(outer + 1000, OPTIONS + PLAIN, aliases="u1.too@example.test: u1\n")
try:
    lists(site)
    names(site)
    manners(site)
    limits(site)
    submission(site)
    rules(site)
    milters(site)
    explained(site)
    site = greylisting(site)
    site = accounts(site)
    off(site)
finally:
    site.stop()
sys.exit(results.failed)
