# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""A name server for tests, on a port of 127.0.0.1 or where they say: zones of a dictionary, some of them signed with DNSSEC while they are asked (Ed25519, RFC 8080;
what is not there is denied with an NSEC record that spans that name alone), and certificates for the hosts in them."""
import base64
import hashlib
import os
import socket
import struct
import subprocess
import threading
import time

A, CNAME, SOA, PTR, MX, TXT, AAAA, OPT, RRSIG, NSEC, DNSKEY, TLSA = 1, 5, 6, 12, 15, 16, 28, 41, 46, 47, 48, 52
TTL, ALGORITHM = 5, 15


def openssl(*arguments, given=None):
    return subprocess.run(["openssl", *arguments], input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True).stdout


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def data_of(kind, value):
    """Bytes stand as they are."""
    if isinstance(value, bytes):
        return value
    if kind == MX:
        return struct.pack(">H", value[0]) + wire(value[1])
    if kind in (CNAME, PTR):
        return wire(value)
    if kind == TXT:
        return b"".join(bytes([len(part)]) + part for part in (value[i : i + 250].encode() for i in range(0, len(value), 250)))
    if kind == TLSA:
        return bytes(value[:3]) + value[3]
    return socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, value)


def record(name, kind, data):
    return wire(name) + struct.pack(">HHIH", kind, 1, TTL, len(data)) + data


class Zone:
    """A signed zone's key."""

    def __init__(self, folder, apex):
        self.apex, self.key = apex, f"{folder}/{apex}.pem"
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.key)
        public = openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")[-32:]
        self.dnskey = struct.pack(">HBB", 257, 3, ALGORITHM) + public
        total = sum(byte << 8 if i % 2 == 0 else byte for i, byte in enumerate(self.dnskey))
        self.tag = (total + (total >> 16)) & 0xFFFF
        self.anchor = f"{apex}. IN DNSKEY 257 3 {ALGORITHM} {base64.b64encode(public).decode()}\n"
        self.folder, self.known = folder, {}

    def sign(self, name, kind, values):
        now = int(time.time())
        labels = len([label for label in name.split(".") if label])
        head = struct.pack(">HBBIIIH", kind, ALGORITHM, labels, TTL, now + 86400, now - 86400, self.tag) + wire(self.apex)
        key = (name, kind, tuple(sorted(values)))
        if key not in self.known:
            path = f"{self.folder}/{self.apex}.{threading.get_ident()}"
            with open(path, "wb") as file:
                file.write(head + b"".join(record(name, kind, data) for data in sorted(values)))
            signature = openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.key, "-in", path)
            self.known[key] = record(name, RRSIG, head + signature)
        return self.known[key]


class Server:
    """`names`: {name: {type: [value]}}, which may change; `signed`: apexes; `bogus`, `failing`: names and types, as ("mx.example", TLSA), whose
    signature is wrong, or whose answer is SERVFAIL. `asked` has all (name, type). To those who leave validating to their resolver it says that
    what it signed is authentic (RFC 4035 section 3.2.3)."""

    def __init__(self, folder, names, signed=(), bogus=(), failing=(), address=("127.0.0.1", 0)):
        os.makedirs(folder, exist_ok=True)
        self.names, self.bogus, self.failing, self.asked = names, set(bogus), set(failing), []
        self.zones = [Zone(folder, apex) for apex in signed]
        self.anchor = f"{folder}/anchor"
        with open(self.anchor, "w", encoding="ascii") as file:
            file.write("".join(zone.anchor for zone in self.zones))
        os.chmod(self.anchor, 0o644)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.host, self.port = self.socket.getsockname()
        self.lock = threading.Lock()
        threading.Thread(target=self.serve, daemon=True).start()

    def options(self):
        """For smtpd.conf."""
        return f'resolvers = [ "{self.host}@{self.port}" ]; dnssec_anchor = "{self.anchor if self.zones else ""}";'

    def zone_of(self, name):
        for zone in self.zones:
            if name == zone.apex or name.endswith("." + zone.apex):
                return zone
        return None

    def signed(self, zone, name, kind, values):
        found = [record(name, kind, data) for data in values]
        if zone is not None:
            signature = zone.sign(name, kind, values)
            found.append(signature[:-1] + bytes([signature[-1] ^ 1]) if (name, kind) in self.bogus else signature)
        return found

    def denial(self, zone, name):
        """SOA, and an NSEC record from the name to the next that is possible."""
        apex = zone.apex if zone is not None else name.split(".")[-1]
        soa = wire("ns." + apex) + wire("root." + apex) + struct.pack(">IIIII", 1, 60, 60, 60, TTL)
        found = self.signed(zone, apex, SOA, [soa])
        if zone is not None:
            kinds = {RRSIG, NSEC, *self.names.get(name, {})} | ({SOA, DNSKEY} if name == zone.apex else set())
            bits = bytearray(max(kinds) // 8 + 1)
            for kind in kinds:
                bits[kind // 8] |= 0x80 >> kind % 8
            found += self.signed(zone, name, NSEC, [b"\1\0" + wire(name) + b"\0" + bytes([len(bits)]) + bytes(bits)])
        return found

    def answer(self, packet):
        at, labels = 12, []
        while packet[at]:
            labels.append(packet[at + 1 : at + 1 + packet[at]].decode())
            at += 1 + packet[at]
        name, kind = ".".join(labels).lower(), struct.unpack(">H", packet[at + 1 : at + 3])[0]
        self.asked.append((name, kind))
        zone, records, authority, code = self.zone_of(name), [], [], 0
        there = self.names.get(name, {})
        if (name, kind) in self.failing:
            code = 2
        elif zone is not None and name == zone.apex and kind == DNSKEY:
            records = self.signed(zone, name, DNSKEY, [zone.dnskey])
        elif kind in there:
            records = self.signed(zone, name, kind, [data_of(kind, value) for value in there[kind]])
        elif CNAME in there:
            records = self.signed(zone, name, CNAME, [data_of(CNAME, value) for value in there[CNAME]])
        else:
            # Names of signed zones are all there, without records; others are not when nothing is below them.
            code = 0 if zone is not None or any(other == name or other.endswith("." + name) for other in self.names) else 3
            authority = self.denial(zone, name)
        authentic = 0x20 if zone is not None and (name, kind) not in self.bogus else 0
        head = packet[:2] + struct.pack(">HHHHH", 0x8180 | authentic | code, 1, len(records), len(authority), 1)
        return head + packet[12 : at + 5] + b"".join(records + authority) + b"\0" + struct.pack(">HHIH", OPT, 4096, 0x8000, 0)

    def answer_one(self, packet, peer):
        with self.lock:
            try:
                self.socket.sendto(self.answer(packet), peer)
            except (struct.error, IndexError, UnicodeDecodeError):
                pass

    def serve(self):
        while True:
            self.answer_one(*self.socket.recvfrom(65535))


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.certificate, self.key = folder, f"{folder}/ca.pem", f"{folder}/ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key, "-out", self.certificate, "-days", "30",
                "-subj", "/CN=Test authority", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, *names):
        """A certificate of these names with the authority's behind it, and its key."""
        place = f"{self.folder}/{names[0]}"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", place + ".key", "-out", place + ".csr", "-subj", "/CN=host")
        with open(place + ".ext", "w", encoding="ascii") as file:
            file.write("subjectAltName=" + ",".join("DNS:" + name for name in names) + "\n")
        chain = openssl("x509", "-req", "-in", place + ".csr", "-CA", self.certificate, "-CAkey", self.key, "-days", "20", "-extfile", place + ".ext")
        with open(self.certificate, "rb") as file:
            chain += file.read()
        with open(place + ".pem", "wb") as file:
            file.write(chain)
        return place + ".pem", place + ".key"


def tlsa(usage, selector, certificate):
    """The record with SHA-256 of the first certificate of the file, or of its key."""
    if selector == 0:
        data = openssl("x509", "-in", certificate, "-outform", "DER")
    else:
        data = openssl("pkey", "-pubin", "-outform", "DER", given=openssl("x509", "-in", certificate, "-noout", "-pubkey"))
    return usage, selector, 1, hashlib.sha256(data).digest()
