# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""A DNS server of a test's own on a port of 127.0.0.1: it answers for all names, from a table that may change at any time."""
import ipaddress
import socket
import struct
import threading

TYPES = {"A": 1, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def data_of(kind, value):
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind == "PTR":
        return wire(value)
    if kind == "MX":
        preference, host = value.split()
        return struct.pack(">H", int(preference)) + wire(host)
    return b"".join(bytes([len(part)]) + part for part in (value[i : i + 200].encode() for i in range(0, len(value), 200)))


def reverse(address, zone):
    """The name that an address is looked up by in a list (RFC 5782)."""
    return ipaddress.ip_address(address).reverse_pointer.rsplit(".", 2)[0] + "." + zone


class DnsServer:
    """zone: {(name, "TXT"): value, or a list of them}. What ends with a name of `broken` has no answer (SERVFAIL), and what ends
    with one of `silent` is not answered at all; with one of `late`, after a second."""

    def __init__(self, zone, broken=(), ttl=60, silent=(), late=()):
        self.zone, self.broken, self.silent, self.late, self.ttl, self.asked, self.lock = dict(zone), tuple(broken), tuple(silent), tuple(late), ttl, [], threading.Lock()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1@{self.socket.getsockname()[1]}"  # as the option resolvers has it
        threading.Thread(target=self.serve, daemon=True).start()

    def questions(self, name, kind):
        with self.lock:
            return self.asked.count((name, TYPES[kind]))

    @staticmethod
    def name_of(packet):
        """As it is asked for, and where it ends."""
        at, labels = 12, []
        while packet[at]:
            labels.append(packet[at + 1 : at + 1 + packet[at]].decode())
            at += 1 + packet[at]
        return ".".join(labels).lower(), at

    def answer(self, packet):
        name, at = self.name_of(packet)
        number = struct.unpack(">H", packet[at + 1 : at + 3])[0]
        with self.lock:
            self.asked.append((name, number))
        question = packet[12 : at + 5]
        if name.endswith(self.silent):
            return None
        if name.endswith(self.broken):
            return packet[:2] + struct.pack(">HHHHH", 0x8182, 1, 0, 0, 0) + question
        kind = {value: key for key, value in TYPES.items()}.get(number, "")
        values = self.zone.get((name, kind), [])
        values = values if isinstance(values, list) else [values]
        known = any(other == name or other.endswith("." + name) for other, _ in list(self.zone))
        out = packet[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else 3), 1, len(values), not values, 0) + question
        for value in values:
            data = data_of(kind, value)
            out += b"\xc0\x0c" + struct.pack(">HHIH", number, 1, self.ttl, len(data)) + data
        if not values:
            data = wire("ns.example") + wire("root.example") + struct.pack(">IIIII", 1, 60, 60, 60, 1)
            out += wire(name.rpartition(".")[2]) + struct.pack(">HHIH", 6, 1, 60, len(data)) + data
        return out

    def serve(self):
        while True:
            packet, peer = self.socket.recvfrom(65535)
            try:
                if not (answer := self.answer(packet)):
                    continue
                if self.name_of(packet)[0].endswith(self.late):
                    threading.Timer(1, self.socket.sendto, (answer, peer)).start()
                else:
                    self.socket.sendto(answer, peer)
            except (struct.error, IndexError, UnicodeDecodeError):
                pass
