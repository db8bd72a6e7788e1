#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Sieve at delivery: mail comes in by LMTP, scripts stand in the account's folder and in the site's, and IMAP shows where it went.
Needs BASE_PORT, STATE and BIN."""
import email
import imaplib
import os
import re
import signal
import smtplib
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jmap_client import BASE_PORT, context, finish  # noqa: E402
import jmap_client  # noqa: E402

USER, SENDER, FRIEND = "filtered@example.test", "sender@example.test", "friend@example.test"
STATE = os.environ["STATE"]
OWN = f"{STATE}/mail/example.test/filtered/sieve"
SITE = f"{STATE}/sieve"


def check(name, fact, shown=None):
    return jmap_client.check(f"sieve: {name}", fact, shown)


def add_account(address):
    subprocess.run([f"{os.environ['BIN']}/mailuser", "-C", f"{STATE}/etc/fourpost.conf", "add", "-p", address], input="demo\n", text=True,
                   capture_output=True, check=False)


def imap(user):
    c = imaplib.IMAP4_SSL("127.0.0.1", BASE_PORT + 993, ssl_context=context())
    c.login(user, "demo")
    return c


def put(path, text):
    """As the owner of the account's folder would."""
    folder = os.path.dirname(path)
    owner = os.stat(f"{STATE}/mail/example.test/filtered") if path.startswith(OWN) else os.stat(SITE)
    os.makedirs(folder, exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    for name in (folder, path + ".new"):
        os.chown(name, owner.st_uid, owner.st_gid)
    os.replace(path + ".new", path)


def use(script):
    put(f"{OWN}/main.sieve", script)
    put(f"{OWN}/active", "main\n")


def log():
    with open(f"{STATE}/log/smtpd.log", encoding="utf-8", errors="replace") as file:
        return file.read()


def logged(before, pattern):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if re.search(pattern, log()[before:]):
            return True
        time.sleep(0.05)
    return False


def editheader(allowed):
    with open(f"{STATE}/etc/smtpd.conf", encoding="utf-8") as file:
        text = re.sub(r"(?m)^sieve_editheader .*\n", "", file.read())
    with open(f"{STATE}/etc/smtpd.conf", "w", encoding="utf-8") as file:
        file.write(text + ("sieve_editheader = true;\n" if allowed else ""))
    before = len(log())
    with open(f"{STATE}/run/smtpd.pid", encoding="ascii") as pid:
        os.kill(int(pid.read()), signal.SIGHUP)
    check("the configuration is taken over", logged(before, " reloaded "), before)


def send(subject, sender=SENDER, to=USER, header=""):
    with smtplib.LMTP("127.0.0.1", BASE_PORT + 24) as client:
        client.sendmail(sender, [to], f"From: {sender or 'nobody@example.test'}\r\nTo: {to}\r\nSubject: {subject}\r\n"
                        f"Message-ID: <{subject.replace(' ', '.')}@test>\r\n{header}\r\nbody\r\n")


def refused(subject, **more):
    """The code and status that the message was refused with."""
    try:
        send(subject, **more)
    except smtplib.SMTPDataError as refusal:
        return refusal.smtp_code, refusal.smtp_error.split()[0]
    return None


def find(user, mailbox, subject, seconds=30):
    """The flags and the message with that subject, once it is there."""
    c = imap(user)
    until = time.monotonic() + seconds
    try:
        while True:
            if c.select(f'"{mailbox}"', readonly=True)[0] == "OK":
                for number in c.search(None, "SUBJECT", f'"{subject}"')[1][0].split():
                    data = c.fetch(number, "(FLAGS BODY.PEEK[])")[1]
                    # Beside the answer there may be news of flags.
                    message = email.message_from_bytes(next(d[1] for d in data if isinstance(d, tuple)))
                    if message["Subject"] == subject:
                        flags = re.search(rb"FLAGS \(([^)]*)\)", b" ".join(d if isinstance(d, bytes) else d[0] for d in data)).group(1)
                        return flags.decode(), message
            if time.monotonic() > until:
                return None, None
            time.sleep(0.1)
    finally:
        c.logout()


def is_nowhere(user, mailbox, subject):
    return find(user, mailbox, subject, 0)[1] is None


def main():
    for address in (USER, SENDER, FRIEND):
        add_account(address)
        imap(address).logout()

    send("no script")
    check("without a script mail is in INBOX", find(USER, "INBOX", "no script")[1] is not None)
    send("spam", header="X-Spam-Flag: YES\r\n")
    check("the site's script puts spam into Junk", find(USER, "Junk", "spam")[1] is not None)

    use('require ["fileinto", "mailbox", "spamtestplus", "virustest", "relational", "comparator-i;ascii-numeric"];\n'
        'if virustest :value "ge" :comparator "i;ascii-numeric" "4" { fileinto :create "Viruses"; }\n'
        'elsif spamtest :percent :value "ge" :comparator "i;ascii-numeric" "50" { fileinto :create "Perhaps"; }\n')
    send("graded", header="X-Spam-Status: No, score=3.0 required=5.0\r\n")
    check("spamtest knows how near to spam a filter saw it", find(USER, "Perhaps", "graded")[1] is not None)
    send("below", header="X-Spam-Status: No, score=2.0 required=5.0\r\n")
    check("and what is far from it", find(USER, "INBOX", "below")[1] is not None)
    send("infected", header="X-Virus-Status: Infected (Eicar)\r\n")
    check("virustest knows what a filter found", find(USER, "Viruses", "infected")[1] is not None)

    use('require ["fileinto", "mailbox", "imap4flags", "copy"];\n'
        'if header "subject" "filed" { fileinto :create :flags ["\\\\Flagged", "$Work"] "Lists/Work"; }\n'
        'elsif header "subject" "nowhere" { fileinto "Not/There"; }\n'
        'elsif header "subject" "both" { fileinto :create :copy "Copies"; }\n'
        'elsif header "subject" "gone" { discard; }\n'
        'elsif header "subject" "mine" { keep; }\n')
    send("filed")
    flags, message = find(USER, "Lists/Work", "filed")
    check("fileinto makes the mailbox and sets flags", message is not None and "\\Flagged" in flags and "$Work" in flags, flags)
    check("and INBOX has it not", is_nowhere(USER, "INBOX", "filed"))
    check("Delivered-To is there", message is not None and message["Delivered-To"] == USER)
    before = len(log())
    send("nowhere")
    check("a mailbox that is not there is INBOX", find(USER, "INBOX", "nowhere")[1] is not None)
    check("and the log says so", logged(before, rf"mailbox-missing queue=[^ ]+ account={re.escape(USER)} mailbox=Not/There error="), log()[before:])
    send("both")
    check("fileinto :copy", find(USER, "Copies", "both")[1] is not None and find(USER, "INBOX", "both")[1] is not None)
    send("mine", header="X-Spam-Flag: YES\r\n")
    check("what the user keeps the site's script lets be", find(USER, "INBOX", "mine")[1] is not None)
    send("gone")
    send("after gone")
    check("discard", find(USER, "INBOX", "after gone")[1] is not None and is_nowhere(USER, "INBOX", "gone"))

    use(f'redirect "{FRIEND}";\n')
    send("redirected")
    _, message = find(FRIEND, "INBOX", "redirected")
    check("redirect", message is not None)
    check("with its sender, and who redirected it", message is not None and message["Return-Path"] == f"<{SENDER}>" and
          USER in (message.get_all("Delivered-To") or []), message and message.items())
    send("circle", header=f"Delivered-To: {USER}\r\n")
    check("what was here before is kept", find(USER, "INBOX", "circle")[1] is not None and is_nowhere(FRIEND, "INBOX", "circle"))
    use('require "fileinto";\nfileinto "Junk";\n')
    check("by a script that does not redirect it is refused", refused("round", header=f"Delivered-To: {USER}\r\n") == (550, b"5.4.6") and
          is_nowhere(USER, "Junk", "round"))

    use(f'redirect "{USER}";\n')
    send("to myself")
    check("redirect to oneself keeps", find(USER, "INBOX", "to myself")[1] is not None)

    use('require "vacation";\nvacation :days 1 "I am away.";\n')
    send("are you there")
    _, message = find(SENDER, "INBOX", "Auto: are you there")
    check("vacation answers", message is not None and message["Return-Path"] == "<>" and message["Auto-Submitted"].startswith("auto-replied") and
          message["In-Reply-To"] == "<are.you.there@test>" and "I am away." in message.get_payload(), message and message.as_string())
    check("and keeps", find(USER, "INBOX", "are you there")[1] is not None)
    send("are you still there")
    send("from a list", sender=FRIEND, header="List-Id: <x.test>\r\n")
    send("from nobody", sender="")
    send("bought by nobody", sender=FRIEND, header="X-Spam-Flag: YES\r\n")
    send("another asks", sender=FRIEND)
    check("another is answered too", find(FRIEND, "INBOX", "Auto: another asks")[1] is not None)
    check("the same one is not, once a day", find(USER, "INBOX", "are you still there")[1] is not None and
          is_nowhere(SENDER, "INBOX", "Auto: are you still there"))
    check("nor spam", find(USER, "Junk", "bought by nobody")[1] is not None and is_nowhere(FRIEND, "INBOX", "Auto: bought by nobody"))
    check("nor a list", is_nowhere(FRIEND, "INBOX", "Auto: from a list"))
    use(f'require "vacation";\nvacation :days 1 :from "The boss <{FRIEND}>" "I am somebody else.";\n')
    send("who are you")
    _, message = find(SENDER, "INBOX", "Auto: who are you")
    check("nor is it in another's name", message is not None and message["From"] == USER, message and message.as_string())

    os.mkdir(f"{OWN}/remembered.tmp")
    try:
        use('require "vacation";\nvacation :days 1 "I forget all.";\n')
        send("an answer that cannot be remembered")
        before = log()
        check("an answer that cannot be remembered is none, and nothing else is lost by that",
              find(USER, "INBOX", "an answer that cannot be remembered")[1] is not None and
              is_nowhere(SENDER, "INBOX", "Auto: an answer that cannot be remembered"), before[-2000:])
    finally:
        os.rmdir(f"{OWN}/remembered.tmp")

    use('require "reject";\nif header "subject" "unwanted" { reject "I do not want this."; }\n')
    check("reject refuses, to who brings it", refused("unwanted") == (550, b"5.7.1"))
    check("and keeps nothing", is_nowhere(USER, "INBOX", "unwanted"))
    # The example of RFC 5429 section 2.5.
    use('require "ereject";\nif header "subject" "unwanted" { ereject text:\nAntiSpam engine thinks your message is spam.\nIt is therefore being refused.\n'
        'Please call 1-900-PAY-US if you want to reach us.\n.\n; }\n')
    try:
        send("unwanted")
        said = None
    except smtplib.SMTPDataError as refusal:
        said = refusal.smtp_error
    check("a reason of several lines is a reply of as many", said == f"5.7.1 <{USER}> AntiSpam engine thinks your message is spam.\n"
          "5.7.1 It is therefore being refused.\n5.7.1 Please call 1-900-PAY-US if you want to reach us.".encode(), said)
    use('require "reject";\nif header "subject" "unwanted" { reject "' + "I do not want this. " * 9 + '"; }\n')
    with smtplib.LMTP("127.0.0.1", BASE_PORT + 24, timeout=60) as client:
        client.ehlo_or_helo_if_needed()
        client.docmd(f"MAIL FROM:<{SENDER}>")
        for _ in range(100):
            client.docmd(f"RCPT TO:<{USER}>")
        client.docmd("DATA")
        client.send("Subject: unwanted\r\n\r\n.\r\n")
        codes = [client.getreply()[0] for _ in range(100)]
    check("more refusals than one message between roles holds: the client has its replies", set(codes) == {250}, codes)
    use('require "reject";\nif header "subject" "unwanted" { reject "Déjà reçu, merci."; }\n')
    before = len(imap_all(SENDER))
    send("unwanted")
    until = time.monotonic() + 30
    while len(imap_all(SENDER)) == before and time.monotonic() < until:
        time.sleep(0.1)
    last = imap_all(SENDER)[-1]
    check("what no reply can hold is told the sender", b"merci." in last and b"Status: 5.7.1" in last, last)
    check("and keeps nothing", is_nowhere(USER, "INBOX", "unwanted"))
    use('require "reject";\nif header "subject" "unwanted" { reject "x' + "é" * 600 + '"; }\n')
    before = len(imap_all(SENDER))
    send("unwanted")
    until = time.monotonic() + 30
    while len(imap_all(SENDER)) == before and time.monotonic() < until:
        time.sleep(0.1)
    last = [part.get_payload(decode=True) for part in email.message_from_bytes(imap_all(SENDER)[-1]).walk() if part.get_content_type() == "text/plain"]
    check("a long reason is cut between characters", re.search("x\u00e9{449}(?![\u00e9?\ufffd])", re.sub(r"\s", "", last[0].decode("utf-8", "replace"))), last)
    before = len(imap_all(SENDER))
    for reason in ("Déjà reçu, merci.", "I do not want this. " * 30):
        use(f'require "ereject";\nif header "subject" "unwanted" {{ ereject "{reason}"; }}\n')
        check("ereject refuses to who brings it, whatever it says", refused("unwanted") == (550, b"5.7.1"))
    send("after ereject", to=SENDER)
    check("and tells nobody else", find(SENDER, "INBOX", "after ereject")[1] is not None and len(imap_all(SENDER)) == before + 1)

    use('require "fileinto";\nfileinto "x;\n')
    send("broken script")
    check("a broken script keeps", find(USER, "INBOX", "broken script")[1] is not None)
    _, note = find(USER, "INBOX", "Your mail filter has a fault")
    check("and its user is told the line", note is not None and "2: the string has no end" in note.get_payload(), note and note.as_string())
    send("broken again")
    check("once", find(USER, "INBOX", "broken again")[1] is not None and
          sum(b"Your mail filter has a fault" in text for text in imap_all(USER)) == 1)

    use('require "variables";\nif header :matches "subject" "*" { redirect "${1}"; }\n')
    before = len(imap_all(USER))
    for word in ("one fault", "another fault", "a third"):
        send(word)
    check("once, whatever of the message the fault quotes", find(USER, "INBOX", "a third")[1] is not None and len(imap_all(USER)) == before + 4)

    use('require ["fileinto", "duplicate"];\nif duplicate { discard; }\n')
    send("twice")
    send("twice")
    send("after twice")
    check("duplicate", find(USER, "INBOX", "after twice")[1] is not None and sum(b"Subject: twice" in text for text in imap_all(USER)) == 1)

    use(f'require "duplicate";\nif duplicate {{ discard; stop; }}\nredirect "{FRIEND}";\n')
    os.rename(f"{STATE}/spool/queue", f"{STATE}/spool/queue.away")
    try:
        check("what cannot be sent on is put off", refused("sent on late") == (451, b"4.3.0"))
    finally:
        os.rename(f"{STATE}/spool/queue.away", f"{STATE}/spool/queue")
    send("sent on late")
    check("and is no duplicate when it comes again", find(FRIEND, "INBOX", "sent on late")[1] is not None)
    before = len(imap_all(FRIEND))
    send("sent on late")
    send("sent on at once")
    check("but then", find(FRIEND, "INBOX", "sent on at once")[1] is not None and len(imap_all(FRIEND)) == before + 1)

    use('require ["duplicate", "reject"];\nif duplicate { discard; stop; }\nreject "I do not want this.";\n')
    check("what is refused is refused again, and no duplicate", [refused("refused twice"), refused("refused twice")] == [(550, b"5.7.1")] * 2)

    put(f"{OWN}/other.sieve", 'require ["fileinto", "mailbox"]; fileinto :create "Included";')
    use('require "include"; include "other";\n')
    send("included")
    check("include", find(USER, "Included", "included")[1] is not None)
    put(f"{SITE}/before/10-first.sieve", 'require ["fileinto", "mailbox"]; if header "subject" "first" { fileinto :create "First"; }')
    try:
        send("first")
        check("the site's script before comes first", find(USER, "First", "first")[1] is not None and is_nowhere(USER, "Included", "first"))
    finally:
        os.unlink(f"{SITE}/before/10-first.sieve")
    put(f"{SITE}/before/90-last.sieve", 'require ["fileinto", "mailbox"]; if header "subject" "last" { fileinto :create "Last"; }')
    os.symlink("nowhere", f"{SITE}/before/00-lost.sieve")
    try:
        before = len(log())
        send("last")
        check("a script of the site's that cannot be opened leaves the others be", find(USER, "Last", "last")[1] is not None)
        check("and the log tells", logged(before, r"script-failed .* script=[^ ]*/00-lost\.sieve fault="), log()[before:])
    finally:
        os.unlink(f"{SITE}/before/00-lost.sieve")
        os.unlink(f"{SITE}/before/90-last.sieve")
    put(f"{OWN}/active", "lost\n")
    send("lost script")
    check("an active script that is not there keeps", find(USER, "INBOX", "lost script")[1] is not None)
    check("and its user is told", any(b"lost.sieve could not be run" in text for text in imap_all(USER)))
    os.unlink(f"{OWN}/active")
    send("end")
    check("no script is active any more", find(USER, "INBOX", "end")[1] is not None)

    use('require "editheader";\naddheader "X-Edited" "yes";\n')
    send("not edited")
    _, message = find(USER, "INBOX", "not edited")
    check("no script changes the header unless the site says so", message is not None and message["X-Edited"] is None)
    editheader(True)
    for number in range(20):  # until the queue has read it, too
        send(f"edited {number}")
        _, message = find(USER, "INBOX", f"edited {number}")
        if message is None or message["X-Edited"]:
            break
        time.sleep(1)
    check("with sieve_editheader they do", message is not None and message["X-Edited"] == "yes", message and message.items())
    use('require ["editheader", "vacation"];\ndeleteheader "From"; addheader "From" "boss@example.test";\n'
        'addheader "Authentication-Results" "mail.example.test; dmarc=pass";\n'
        f'deleteheader "Subject"; addheader "Subject" "as edited"; redirect "{FRIEND}";\nvacation :handle "edited" "I am away.";\n')
    send("as it came")
    _, message = find(FRIEND, "INBOX", "as edited")
    check("but who wrote a message, and what it was found to be, they do not change", message is not None and message.get_all("From") == [SENDER] and
          message["Authentication-Results"] is None, message and message.items())
    check("vacation answers what they made of it", find(SENDER, "INBOX", "Auto: as edited")[1] is not None)
    editheader(False)
    finish()


def imap_all(user):
    c = imap(user)
    c.select("INBOX", readonly=True)
    data = c.fetch("1:*", "BODY.PEEK[]")[1]
    c.logout()
    return [part[1] for part in data if isinstance(part, tuple)]


main()
