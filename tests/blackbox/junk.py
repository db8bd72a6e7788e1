#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Commands that lead to no mail: so many on a connection are taken as they come, then each makes the client wait, then it is hung up on; a message sets
the count back."""
import socket
import sys
import time

import own_site

results = own_site.Results()
check = results.check
FREE, ERRORS = 6, 3
site = own_site.Site(own_site.outer + 890, f'client_junk_max = {FREE}; client_errors_max = {ERRORS}; tarpit = "1s";')
MESSAGE = ["MAIL FROM:<a@far.example>", "RCPT TO:<alice@example.test>", "DATA", "Subject: junk-word\r\n\r\nx\r\n."]


def say(lines, port=25):
    """Line by line: the codes of the replies until the server closes, and how long it took."""
    codes, begun = [], time.monotonic()
    with socket.create_connection(("127.0.0.1", site.base + port), timeout=own_site.patience) as peer, peer.makefile("rb") as replies:
        for line in [None, *lines]:
            try:
                if line:
                    peer.sendall(line.encode() + b"\r\n")
                while (reply := replies.readline()) and reply[3:4] == b"-":
                    pass
            except ConnectionError:
                reply = b""
            if not reply:
                break
            codes.append(reply[:3].decode())
        codes += [reply[:3].decode() for reply in replies]
    return codes, time.monotonic() - begun


try:
    KINDS = ["NOOP", "RSET", "VRFY alice", "EXPN list", "HELP", "EHLO again.example", "HELO again.example"]
    for kind in KINDS:
        codes, took = say(["EHLO client.example", *[kind] * 30])
        # The last is answered, and then the connection is.
        check(f"{kind}: ends with 421 after so many", len(codes) == 2 + FREE + ERRORS + 2 and codes[-1] == "421" and set(codes[1:-1]) <= {"250", "252", "214"}, codes)
        check(f"{kind}: those before have waited", took >= ERRORS, took)
    check("the log tells it", site.logged(r' refused .*command="?NOOP"? reply="421 4\.7\.0 .*Too many commands that lead to no mail"'), site.log()[-3000:])
    codes, took = say(["EHLO client.example", *["NOOP"] * FREE, *MESSAGE, *["RSET"] * FREE, *MESSAGE, *["HELP"] * FREE, "QUIT"])
    check("a message that is taken makes up for them", codes == ["220"] + ["250"] * (1 + FREE) + (["250", "250", "354", "250"] + ["250"] * FREE) +
          ["250", "250", "354", "250"] + ["214"] * FREE + ["221"], codes)
    check("and nothing was refused", site.logged(r" client .* messages=2 errors=0 end=closed"), site.log()[-3000:])
    codes, took = say(["LHLO client.example", *["NOOP"] * 5 * FREE, "QUIT"], port=24)
    check("LMTP, which programs of the site speak, has no such limit", codes == ["220"] + ["250"] * (1 + 5 * FREE) + ["221"], codes)
    # Who is gone while he waits leaves nothing behind.
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", site.base + 25), timeout=own_site.patience) as gone:
            gone.sendall(b"EHLO client.example\r\n" + b"NOOP\r\n" * 50)
    codes, took = say(["EHLO client.example", "QUIT"])
    check("others are served", codes == ["220", "250", "221"], codes)
finally:
    site.stop()
sys.exit(results.failed)
