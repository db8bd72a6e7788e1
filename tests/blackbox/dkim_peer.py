# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Verifies a message with Debian's python3-dkim: standard input is a line of JSON, the TXT records, and then the message. Prints as JSON
whether each DKIM-Signature holds, and what the chain of ARC is worth."""
import json
import sys

import dkim

records = json.loads(sys.stdin.buffer.readline())
message = sys.stdin.buffer.read()


def look_up(name, timeout=5):  # noqa: ARG001
    name = name.decode() if isinstance(name, bytes) else name
    text = records.get(name.rstrip("."))
    return text.encode() if text else None


verifier = dkim.DKIM(message)
count = sum(1 for name, _ in verifier.headers if name.lower() == b"dkim-signature")
signatures = [verifier.verify(idx=i, dnsfunc=look_up) for i in range(count)]
chain = dkim.arc_verify(message, dnsfunc=look_up)[0]
print(json.dumps({"dkim": signatures, "arc": chain.decode() if isinstance(chain, bytes) else chain}))
