#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""SPF, DKIM and DMARC of mail from other hosts: a DNS server of our own tells what they are, XCLIENT who brings the message."""
import base64
import glob
import hashlib
import re
import socket
import subprocess
import sys

from dns_server import DnsServer
from own_site import Results, SharedSite, exchange, read, within

site, results = SharedSite(), Results()
check, state = results.check, site.state


# --- a key of our own ---

KEY = f"{state}/log/mail-auth.pem"
subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", KEY], check=True)
PUBLIC = base64.b64encode(subprocess.run(["openssl", "pkey", "-in", KEY, "-pubout", "-outform", "DER"], check=True, stdout=subprocess.PIPE).stdout[-32:]).decode()


def signed(fields, body):
    """With a signature of all fields, by c=relaxed/simple; values are in canonical form (RFC 6376 section 3.4.2)."""
    field = (f"v=1; a=ed25519-sha256; c=relaxed/simple; d=scanned.example; s=s; h={':'.join(name for name, _ in fields)}; "
             f"bh={base64.b64encode(hashlib.sha256(body).digest()).decode()}; b=")
    text = "".join(f"{name.lower()}:{value}\r\n" for name, value in fields) + f"dkim-signature:{field}"
    with open(f"{KEY}.text", "wb") as out:
        out.write(hashlib.sha256(text.encode()).digest())  # RFC 8463 section 3
    made = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", KEY, "-in", f"{KEY}.text"], check=True, stdout=subprocess.PIPE).stdout
    return (f"DKIM-Signature: {field}{base64.b64encode(made).decode()}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)).encode() + b"\r\n" + body


# --- the DNS ---

# RFC 8463 appendix A.2 has the key of its message.
dns = DnsServer({
    ("brisbane._domainkey.football.example.com", "TXT"): "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    ("football.example.com", "TXT"): "v=spf1 ip4:192.0.2.0/24 -all",
    ("unknown.example", "A"): "192.0.2.8",
    ("_dmarc.example.com", "TXT"): "v=DMARC1; p=reject",
    ("_dmarc.mild.example", "TXT"): "v=DMARC1; p=quarantine",
    ("s._domainkey.scanned.example", "TXT"): f"v=DKIM1; k=ed25519; p={PUBLIC}",
    ("_dmarc.scanned.example", "TXT"): "v=DMARC1; p=reject",
    ("_dmarc.bank.example", "TXT"): "v=DMARC1; p=reject",
    ("_dmarc.savings.example", "TXT"): "v=DMARC1; p=reject",
    ("honest.example", "TXT"): "v=spf1 ip4:192.0.2.0/24 -all",
}, broken=["broken.example"], silent=["silent.example"])

# --- SMTP ---

SIGNED = (
    b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    b" subject : date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    b" b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
    b" Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
    b"From: Joe SixPack <joe@football.example.com>\r\n"
    b"To: Suzie Q <suzie@shopping.example.net>\r\n"
    b"Subject: Is dinner ready?\r\n"
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
    b"\r\n"
    b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
)


def say(data):
    return exchange(site.base + 25, data).decode("utf-8", "replace")


def send(message, address="192.0.2.7", sender="joe@football.example.com"):
    """Hands it in as that address; the last reply but that of QUIT, and the log since then."""
    before = len(site.log())
    text = say(f"EHLO p\r\nXCLIENT ADDR={address} HELO=mx.football.example.com\r\nEHLO p\r\nMAIL FROM:<{sender}>\r\n"
               "RCPT TO:<alice@example.test>\r\nDATA\r\n".encode() + message + b".\r\nQUIT\r\n")
    return text.splitlines()[-2], site.log()[before:]


def hoard(address, number):
    """Begins a message with signatures by keys whose server never answers, and goes away."""
    fields = "".join(f"DKIM-Signature: v=1; a=rsa-sha256; d=silent.example; s=s{number}x{i}; h=from; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=AAAA\r\n"
                     for i in range(10))
    with socket.create_connection(("127.0.0.1", site.base + 25), timeout=60) as peer:
        peer.sendall(f"EHLO p\r\nXCLIENT ADDR={address} HELO=mx.silent.example\r\nEHLO p\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
                     f"{fields}From: a@silent.example\r\n\r\n".encode())
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(65536):
            pass


def stored(reply, folder=""):
    """The message that the reply says was queued, as its account has it."""
    number = reply.split()[-1]

    def look():
        for path in glob.glob(f"{glob.escape(state)}/**/alice/Maildir/{folder}/[nc][eu][wr]/*", recursive=True):
            with open(path, "rb") as file:
                text = file.read().decode("utf-8", "replace")
            if f" id {number}" in text:
                return text
        return None

    return within(look) or ""


def unfolded(text):
    return re.sub(r"\r?\n[ \t]+", " ", text)


with open(f"{state}/log/smtpd.expected", "a", encoding="ascii") as file:
    file.write("role-ended role=resolve\n")  # one that has other resolvers is a new process
original = read(f"{state}/etc/smtpd.conf")
plain = re.sub(r"(?m)^(resolvers|dnssec_anchor|proxy_from|dmarc_policy|dmarc_defer).*\n", "", original)
ours = plain + f'tarpit = 0;\ngreylist = "none";\nproxy_from = [ "127.0.0.0/8" ];\nresolvers = [ "{dns.address}" ];\ndnssec_anchor = "";\n'
try:
    site.configure(ours + 'dmarc_policy = "reject";\n', lambda: "XCLIENT" in say(b"EHLO x\r\nQUIT\r\n"))
    # The new resolve role may come a moment later than the new settings.
    within(lambda: "spf=pass" in send(SIGNED)[1])

    reply, seen = send(SIGNED)
    text = unfolded(stored(reply))
    check("signed mail from its own host is taken", reply.startswith("250 "), reply)
    check("the log has one line of verdicts", len(re.findall(r" verified ", seen)) == 1 and "spf=pass" in seen and "dmarc=pass" in seen, seen)
    field = re.search(r"(?m)^Authentication-Results: \S+; .*$", text)
    check("Authentication-Results stands before the message", field is not None and text.index("Authentication-Results:") < text.index("\nReceived:"), text)
    field = field.group() if field else ""
    check("it tells SPF, DKIM and DMARC", all(part in field for part in (
        "spf=pass smtp.mailfrom=joe@football.example.com", "dkim=pass header.d=football.example.com header.s=brisbane",
        "dmarc=pass header.from=football.example.com policy.dmarc=reject")), field)
    check("Received-SPF stands there, too", re.search(r'(?m)^Received-SPF: pass identity=mailfrom; client-ip="192\.0\.2\.7";', text) is not None, text)

    reply, seen = send(SIGNED, "198.51.100.9")
    check("a forwarded message passes by its signature", reply.startswith("250 ") and "spf=fail" in seen and "dmarc=pass" in seen, seen)
    reply, seen = send(SIGNED.replace(b"lost", b"won "), "198.51.100.9")
    check("a changed one is refused", reply.startswith("550 5.7.1 ") and "dmarc=fail" in seen, reply)
    reply, seen = send(SIGNED.replace(b"lost", b"won "))
    check("but not when SPF passes", reply.startswith("250 ") and "dkim=\"fail football.example.com\"" in seen, seen)
    reply, seen = send(SIGNED[SIGNED.index(b"From:"):], "198.51.100.9", "spammer@other.example")
    check("mail in another's name is refused", reply.startswith("550 5.7.1 "), reply)

    reply, seen = send(b"From: a@mild.example\r\nSubject: x\r\n\r\nx\r\n", sender="a@mild.example")
    text = stored(reply, ".Junk")
    check("quarantine goes to Junk", "X-Spam-Flag: YES" in text, seen)

    reply, seen = send(b"Authentication-Results: mail.example.test;\r\n\tdkim=pass header.d=bank.example\r\nAuthentication-Results:\r\n"
                       b" other.example; spf=pass\r\nAuthentication-Results: \r\n mail.example.test; spf=pass x.y=z\r\n"
                       b"From: a@unknown.example\r\n\r\nx\r\n", sender="a@unknown.example")
    text = unfolded(stored(reply))
    check("forged results are removed, others stay",
          "bank.example" not in text and "x.y=z" not in text and "other.example; spf=pass" in text and "dmarc=none" in text, text)

    fields = [("X-Spam-Status", "No, score=-1"), ("From", "a@scanned.example"), ("X-Virus-Status", "Clean"), ("Subject", "scanned")]
    reply, seen = send(signed(fields, b"x\r\n"), "198.51.100.9", "a@scanned.example")
    text = stored(reply)
    check("what others' filters say is removed, and a signature of it holds", "dkim=\"pass scanned.example\"" in seen and "dmarc=pass" in seen and
          "Subject: scanned" in text and "X-Spam-Status: " not in text and "X-Virus-Status: " not in text, reply + seen + text)
    reply, seen = send(signed(fields, b"x\r\n").replace(b"score=-1", b"score=-2"), "198.51.100.9", "a@scanned.example")
    check("if it is as it was", reply.startswith("550 5.7.1 ") and "dkim=\"fail scanned.example\"" in seen, reply + seen)

    reply, seen = send(b"From: a@broken.example\r\n\r\nx\r\n", sender="a@broken.example")
    check("without an answer of the DNS mail is taken", reply.startswith("250 ") and "dmarc=temperror" in seen, reply)

    # Who makes so many questions that are never answered that there is no room for more.
    HOARDER = "203.0.113.5"
    before = len(site.log())
    for i in range(120):
        hoard(HOARDER, i)
    within(lambda: "too-many-questions" in site.log()[before:])
    check("one network cannot have all of the resolver", "too-many-questions" in site.log()[before:], site.log()[before:])
    reply, seen = send(b"From: ceo@bank.example\r\n\r\nx\r\n", "198.51.100.9", "ceo@bank.example")
    check("others' mail in another's name is refused meanwhile", reply.startswith("550 5.7.1 ") and "dmarc=fail" in seen, reply + seen)
    reply, seen = send(b"From: a@honest.example\r\n\r\nx\r\n", sender="a@honest.example")
    check("others' mail of their own is taken", reply.startswith("250 ") and "spf=pass" in seen, reply + seen)
    reply, seen = send(b"From: a@broken.example\r\n\r\nx\r\n", sender="a@broken.example")
    check("what has no answer, which may be the crowd's fault, is put off", reply.startswith("451 4.7.0 ") and "verdict=defer" in seen, reply + seen)
    reply, seen = send(b"From: ceo@savings.example\r\n\r\nx\r\n", "203.0.113.77", "ceo@savings.example")
    check("what its neighbours bring is put off, too", 'reply="451 4.7.' in seen and " verdict=take" not in seen, reply + seen)

    site.put("smtpd.conf", ours + 'dmarc_policy = "none";\ndmarc_defer = true;\n')
    site.reload()
    check("or put off, as the site wants",
          within(lambda: send(b"From: a@broken.example\r\n\r\nx\r\n", sender="a@broken.example")[0].startswith("451 4.7.0 ")))
    reply, seen = send(SIGNED.replace(b"lost", b"won "), "198.51.100.9")
    check("with dmarc_policy none all is taken", reply.startswith("250 ") and "dmarc=fail" in seen and "verdict=take" in seen, seen)

    before = len(site.log())
    text = say(b"EHLO p\r\nMAIL FROM:<joe@football.example.com>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n" + SIGNED + b".\r\nQUIT\r\n")
    check("mail of this host's is not verified", " delivered as " in text and " verified " not in site.log()[before:], text)
finally:
    site.configure(original, lambda: "XCLIENT" not in say(b"EHLO x\r\nQUIT\r\n"))
sys.exit(results.failed)
