# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Mail to measure with: always the same for the same number, about 4 KB each, most of it plain text, some with a second part."""
import base64
import math
import os
import random

BODIES_MAX = 100000
SYLLABLES = "ka to mi re son la der ing pro est ta um con fi gra ne vo li sha be tr an ue por ja wen qi zo hu ly".split()


class Corpus:
    def __init__(self, seed=1):
        rng = random.Random(seed)
        words = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(20000)]
        weights = [1 / (rank + 3) for rank in range(len(words))]
        text, line = [], ""
        for word in rng.choices(words, weights, k=300000):
            if len(line) + len(word) > 70:
                text.append(line)
                line = ""
            line += word + " "
        self.text = "\n".join(text)
        self.noise = base64.encodebytes(rng.randbytes(200000)).decode()
        self.people = [(f"{rng.choice(words).title()} {rng.choice(words).title()}", f"{rng.choice(words)}{n}@{rng.choice(words)}.example") for n in range(500)]
        self.words = words

    def cut(self, rng, source, size):
        """Whole lines from a random place."""
        start = source.index("\n", rng.randrange(len(source) - size - 200)) + 1
        return source[start:source.index("\n", start + size) + 1]

    def message(self, n, size=4096):
        """Message n in bytes, with LF."""
        rng = random.Random(n)
        who, address = rng.choice(self.people)
        to = ", ".join(f'"{name}" <{a}>' for name, a in rng.sample(self.people, rng.choice((1, 1, 1, 2, 4))))
        subject = " ".join(rng.choices(self.words, k=rng.randint(2, 8)))
        day = 1 + n // 50 % 28
        head = f"Return-Path: <{address}>\nReceived: from mx{n % 7}.example (mx{n % 7}.example [192.0.2.{n % 250}])\n" \
            f"\tby mail.example.test (Postfix) with ESMTPS id {n:010X}\n\tfor <u1@example.test>; {day} Mar 2024 10:{n % 60:02}:00 +0000\n" \
            f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example; s=s1; h=from:to:subject:date;\n\tb={self.cut(rng, self.noise, 250).strip().replace(chr(10), chr(10) + chr(9))}\n" \
            f"Message-ID: <{n}.{rng.getrandbits(64):x}@example>\nDate: {day} Mar 2024 10:{n % 60:02}:00 +0000\n" \
            f"From: {who} <{address}>\nTo: {to}\nSubject: {subject}\nMIME-Version: 1.0\n"
        if n % 3 == 0 and n > 10:
            head += f"In-Reply-To: <{n - 7}.{random.Random(n - 7).getrandbits(64):x}@example>\n"
        plain = "Content-Type: text/plain; charset=utf-8\n"
        if n % 5 < 3:
            return (head + plain + "\n" + self.cut(rng, self.text, max(200, size - len(head) - 60))).encode()
        limit = f"=_{n:x}"
        rest = max(600, size - len(head) - 400)
        first = f"--{limit}\n{plain}\n{self.cut(rng, self.text, rest // 2)}\n"
        if n % 5 == 3:
            body = f'<html><body><p>{self.cut(rng, self.text, rest // 2)}</p></body></html>'
            return (f'{head}Content-Type: multipart/alternative; boundary="{limit}"\n\n{first}--{limit}\nContent-Type: text/html; charset=utf-8\n\n{body}\n--{limit}--\n').encode()
        return (f'{head}Content-Type: multipart/mixed; boundary="{limit}"\n\n{first}--{limit}\nContent-Type: application/pdf; name="a{n}.pdf"\n'
                f'Content-Disposition: attachment; filename="a{n}.pdf"\nContent-Transfer-Encoding: base64\n\n{self.cut(rng, self.noise, rest // 2)}--{limit}--\n').encode()


def mailbox_size(n):
    """The size of message n where sizes are as in mailboxes. Studies of servers' logs find them log-normal with a long tail (Fluctuations
    in email size, Eur. Phys. J. Plus, 2017, doi 10.1140/epjp/i2017-11767-2), half of them below some 10 KB and the mean, which
    few large ones make, several times that: here the median is 10 KB, the mean about 50 KB, the largest 20 MB."""
    return int(min(max(random.Random(f"size of {n}").lognormvariate(math.log(10 * 1024), 1.8), 1500), 20 << 20))


def make_maildir(folder, owner, source=None, count=0, first=0, corpus=None, size=None):
    """A Maildir with messages: hard links to those of another, or written anew; beyond BODIES_MAX they are links to the first ones, or
    the disk would be busy for minutes with what nobody reads. They stand in cur/, one in ten unseen, under names that no index has
    touched. With `size` each has size(n) bytes: what its last part has beyond 8 KB is a hole in the file. Returns the bytes of mail."""
    total = 0
    for name in ("", "cur", "new", "tmp"):
        os.makedirs(f"{folder}/{name}", 0o700, exist_ok=True)
        os.chown(f"{folder}/{name}", owner, owner)
    if source:
        for entry in os.scandir(f"{source}/cur"):
            os.link(entry.path, f"{folder}/cur/{entry.name}")
        return sum(entry.stat().st_size for entry in os.scandir(f"{source}/cur"))
    def path_of(n):
        return f"{folder}/cur/{1700000000 + n}.M{n}P1.host:2,{'' if n % 10 == 0 else 'S'}"
    for n in range(first, first + count):
        path = path_of(n)
        if n >= first + BODIES_MAX:
            of = path_of(first + (n - first) % BODIES_MAX)
            os.link(of, path)
            total += os.stat(of).st_size
            continue
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        written = os.write(fd, corpus.message(n, min(size(n), 8192)) if size else corpus.message(n))
        if size and size(n) > written:
            written = size(n)
            os.ftruncate(fd, written)
        total += written
        os.fchown(fd, owner, owner)
        os.close(fd)
    return total
