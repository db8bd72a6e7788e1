#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""From which score on what happens, to the point: junk, the tarpit and how long it lasts, refusal, greylisting; and that 0 means never."""
import socket
import sys
import threading
import time

from dns_server import DnsServer, reverse
from own_site import Results, Site, mails, outer, patience, read, within

# A client's score is the last octet of its address: the list gives each its own weight, and nothing else speaks against anybody.
SCORES = range(1, 15)
NETWORK = "11.22.33"
dns = DnsServer({(reverse(f"{NETWORK}.{score}", "weights.example"), "A"): f"127.0.0.{score}" for score in SCORES if score != 1}
                | {(reverse(f"{NETWORK}.1", "weights.example"), "A"): "127.0.1.1", ("good.example", "TXT"): f"v=spf1 ip4:{NETWORK}.0/24 -all"})
LISTS = ", ".join(f'"weights.example {score} 127.0.{"1.1" if score == 1 else f"0.{score}"}"' for score in SCORES)
TARPIT = 4
SOON = TARPIT * 0.9  # the daemon counts from the beginning of its turn
OPTIONS = (f'resolvers = [ "{dns.address}" ]; dnssec_anchor = ""; proxy_from = [ "127.0.0.1" ]; greet_delay = 0; dns_lists = [ {LISTS} ];\n'
           'score_weights = [ "no-reverse-name=0" ]; limits = [ ];\n')
OFF = {"greylist": '"none"', "score_junk": "0", "score_tarpit": "0", "score_refuse": "0", "tarpit": f'"{TARPIT}s"'}
results = Results()
check = results.check
numbers = iter(range(1, 1000))


class Client:
    """As a client of that score: before its first recipient."""

    def __init__(self, site, score):
        self.peer = socket.create_connection(("127.0.0.1", site.base + 25), timeout=patience)
        self.replies = self.peer.makefile("rb")
        self.reply()
        for line in (f"XCLIENT ADDR={NETWORK}.{score}", "EHLO mx.good.example", "MAIL FROM:<a@good.example>"):
            self.say(line)

    def reply(self):
        while (line := self.replies.readline().decode()) and line[3:4] == "-":
            pass
        return line.rstrip("\r\n")

    def say(self, line):
        self.peer.sendall(line.encode() + b"\r\n")
        return self.reply()

    def timed(self, recipient="bob@example.test"):
        """The reply to that recipient, and after how long."""
        begun = time.monotonic()
        return self.say(f"RCPT TO:<{recipient}>"), time.monotonic() - begun

    def close(self):
        self.replies.close()
        self.peer.close()


def waits(seconds):
    """As long as the tarpit is, and not much longer."""
    return SOON <= seconds < 3 * TARPIT


def configure(site, **options):
    """A size that nobody has seen before tells that the role which listens has taken it over."""
    size = 1000000 + next(numbers)
    text = "".join(f"{name} = {value};\n" for name, value in (OFF | {"message_size_max": size} | options).items())
    site.put("smtpd.conf", original + text)
    check(f"taken over: {options}", site.reload() and within(lambda: f"SIZE {size}" in site.talk(["EHLO x.example"])[0]))


def one(site, score):
    """A message of such a client: how long the reply to its recipient took, the last reply, where the message is, and the message."""
    word = f"number-{next(numbers)}."
    client = Client(site, score)
    said, seconds = client.timed()
    if said.startswith("250 "):
        client.say("DATA")
        said = client.say(f"From: a@good.example\r\nSubject: {word}\r\n\r\nx\r\n.")
    client.close()
    inbox = f"{site.state}/mail/example.test/bob/Maildir"

    def look():
        return [(name, text) for name, place in (("INBOX", inbox), ("Junk", f"{inbox}/.Junk")) for text in mails(place) if word in text]
    found = (within(look) or [("nowhere", "")])[0] if said.startswith("250 ") else ("nowhere", "")
    return seconds, said, *found


def junk(site):
    for at in (3, 9):
        configure(site, score_junk=at)
        for score in (at - 1, at):
            _, said, place, text = one(site, score)
            spam = score >= at
            check(f"score_junk = {at}: a score of {score} goes to {'Junk' if spam else 'the INBOX'}",
                  place == ("Junk" if spam else "INBOX") and ("X-Spam-Flag: YES" in text) == spam and f"X-Fourpost-Score: {score}/{at};" in text, (said, place, text))
    configure(site)
    _, said, place, text = one(site, SCORES[-1])
    check("score_junk = 0: nothing goes to Junk", place == "INBOX" and "X-Spam-Flag" not in text, (said, place, text))


def refused(site):
    for at in (3, 9):
        configure(site, score_refuse=at)
        seen = [one(site, score)[1] for score in (at - 1, at)]
        check(f"score_refuse = {at}: such clients are refused, and no others", seen[0].startswith("250 ") and seen[1].startswith("554 5.7.1 "), seen)


def suspects(site):
    for at in (2, 5):
        configure(site, greylist='"suspects"', score_greylist=at)
        # Each time for other recipients: who has been asked to come again may at some time.
        seen = []
        for score in (at - 1, at):
            client = Client(site, score)
            seen.append(client.timed(f"bob+{at}.{score}@example.test")[0])
            client.close()
        check(f"score_greylist = {at}: such clients are to come again, and no others", seen[0].startswith("250 ") and seen[1].startswith("450 4.7.1 Greylisted"), seen)


def together(site, score, count):
    """So many such clients at the same moment: how long each waited, the shortest first."""
    clients, seen = [Client(site, score) for _ in range(count)], []
    threads = [threading.Thread(target=lambda one=one: seen.append(one.timed())) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    assert all(said.startswith("250 ") for said, _ in seen), seen
    return sorted(seconds for _, seconds in seen)


def tarpit(site):
    for at in (3, 9):
        configure(site, score_tarpit=at)
        seen = [one(site, score) for score in (at - 1, at)]
        check(f"score_tarpit = {at}: such clients wait as long as it says, and are served; others do not",
              seen[0][0] < SOON and waits(seen[1][0]) and all(said.startswith("250 ") for _, said, *_ in seen), [(seconds, said) for seconds, said, *_ in seen])
    client = Client(site, 9)
    seen = [client.timed(f"{user}@example.test") for user in ("bob", "alice")]
    client.close()
    check("for each recipient", all(said.startswith("250 ") and waits(seconds) for said, seconds in seen), seen)
    configure(site)
    seen = one(site, SCORES[-1])
    check("score_tarpit = 0: nobody waits", seen[0] < SOON, seen)
    configure(site, score_tarpit=1, tarpit=0)
    seen = one(site, SCORES[-1])
    check("nor with tarpit = 0", seen[0] < SOON, seen)

    # A quarter of connections_max.
    configure(site, score_tarpit=3, connections_max=8)
    seen = together(site, 3, 4)
    check("no more than a quarter of all clients wait at once: others are answered", all(one < SOON for one in seen[:2]) and all(waits(one) for one in seen[2:]), seen)
    seen = together(site, 3, 2)
    check("their places are free when they have waited", all(waits(one) for one in seen), seen)


site = Site(outer + 1000, OPTIONS)
original = read(f"{site.state}/etc/smtpd.conf")
try:
    junk(site)
    refused(site)
    suspects(site)
    tarpit(site)
finally:
    site.stop()
sys.exit(results.failed)
