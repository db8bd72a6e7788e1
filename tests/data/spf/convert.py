#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Writes rfc7208-tests.yml as lines for tests/unit/smtpd/test_spf.c: convert.py >rfc7208.cases (wants python3-yaml).

SECTION; then ZONE name type data; then CASE name address helo sender results explanation ("-": not told). Fields end with tabs; what is not
printable ASCII stands as \\xx.
"""
import os, sys, yaml


def field(value):
    octets = value.encode("latin-1") if isinstance(value, str) and all(ord(c) < 256 for c in value) else str(value).encode()
    return "".join(chr(b) if 32 <= b < 127 and b != 92 else f"\\{b:02x}" for b in octets)


def line(*fields):
    print("\t".join(field(f) for f in fields))


def zone(name, records):
    types = [next(iter(r)) if isinstance(r, dict) else r for r in records]
    for record in records:
        if record == "TIMEOUT":
            line("ZONE", name, "TIMEOUT", "")
            continue
        (kind, data), = record.items()
        if kind == "MX":
            data = f"{data[0]} {data[1]}"
        elif isinstance(data, list):
            data = "".join(data)
        if kind == "SPF":
            # Type 99 is no more (RFC 7208 section 3.1): it stands for TXT where the name has none.
            if "TXT" in types:
                continue
            kind = "TXT"
        if not (kind == "TXT" and data == "NONE"):
            line("ZONE", name, kind, data)


for section in yaml.safe_load_all(open(os.path.join(os.path.dirname(sys.argv[0]), "rfc7208-tests.yml"), encoding="utf-8")):
    line("SECTION", section["description"])
    for name, records in section["zonedata"].items():
        zone(name, records)
    for name, case in section["tests"].items():
        results = case["result"] if isinstance(case["result"], list) else [case["result"]]
        line("CASE", name, case["host"], case["helo"], case["mailfrom"], ",".join(results), case.get("explanation", "-"))
