# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""A message with two signatures of DKIM, by RSA and by Ed25519, made with openssl(1), and the zone that it is verified by."""
import base64
import hashlib
import os
import sys

from servers import command

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../blackbox"))
from dns_server import DnsServer  # noqa: E402

# Not below "test": libunbound asks nobody for that (RFC 6761).
DOMAIN = "signed.example"
SENDER = f"sender@{DOMAIN}"
# Of the line in the log.
VERIFIED = 'dkim="pass signed.example, pass signed.example" arc=none dmarc=pass'
KEYS = {"rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "ed25519": ["-algorithm", "ed25519"]}


def key_file(folder, kind):
    return f"{folder}/dkim.{kind}.pem"


def public_key(folder, kind):
    """As a record has it: all of an RSA key, the last 32 bytes of the other (RFC 8463 section 4)."""
    lines = command("openssl", "pkey", "-in", key_file(folder, kind), "-pubout").splitlines()
    data = base64.b64decode("".join(lines[1:-1]))
    return base64.b64encode(data if kind == "rsa" else data[-32:]).decode()


def zone(folder):
    """Makes the keys; a running server for what a verifier asks."""
    records = {DOMAIN: "v=spf1 ip4:127.0.0.0/8 -all", f"_dmarc.{DOMAIN}": "v=DMARC1; p=reject"}
    for kind, options in KEYS.items():
        command("openssl", "genpkey", *options, "-out", key_file(folder, kind))
        records[f"{kind}._domainkey.{DOMAIN}"] = f"v=DKIM1; k={kind}; p={public_key(folder, kind)}"
    return DnsServer({(name, "TXT"): text for name, text in records.items()}, ttl=3600)


def signature(folder, kind, fields, body_hash):
    """A DKIM-Signature field by relaxed/relaxed. Of the fields only those that are the same in canonical form (RFC 6376 section 3.4.2)."""
    field = f"v=1; a={kind}-sha256; c=relaxed/relaxed; d={DOMAIN}; s={kind}; h={':'.join(name for name, _ in fields)}; bh={body_hash}; b="
    signed = "".join(f"{name.lower()}:{value}\r\n" for name, value in fields) + f"dkim-signature:{field}"
    path = f"{folder}/dkim.signed"
    # Ed25519 signs the digest, as if it were the text (RFC 8463 section 3).
    with open(path, "wb") as f:
        f.write(signed.encode() if kind == "rsa" else hashlib.sha256(signed.encode()).digest())
    how = ["dgst", "-sha256", "-sign", key_file(folder, kind)] if kind == "rsa" else ["pkeyutl", "-sign", "-rawin", "-inkey", key_file(folder, kind), "-in"]
    command("openssl", *how, *(["-out", f"{path}.sig", path] if kind == "rsa" else [path, "-out", f"{path}.sig"]))
    with open(f"{path}.sig", "rb") as f:
        return f"DKIM-Signature: {field}{base64.b64encode(f.read()).decode()}\r\n"


def write(folder, size):
    """The file with such a message, about so many bytes of body."""
    fields = [("From", f"<{SENDER}>"), ("To", "<u1@example.test>"), ("Subject", "signed"), ("Date", "Fri, 01 Mar 2024 10:00:00 +0000"),
              ("Message-ID", f"<signed@{DOMAIN}>")]
    body = ("the quick brown fox jumps over the lazy dog and then over another one\r\n" * (size // 71)).encode()
    body_hash = base64.b64encode(hashlib.sha256(body).digest()).decode()
    path = f"{folder}/signed.eml"
    with open(path, "wb") as f:
        f.write("".join(signature(folder, kind, fields, body_hash) for kind in KEYS).encode())
        f.write("".join(f"{name}: {value}\r\n" for name, value in fields).encode() + b"\r\n" + body)
    return path
