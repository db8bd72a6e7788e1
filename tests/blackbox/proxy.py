#!/usr/bin/env python3
"""Proxies in front of smtpd: the client's address comes from the PROXY header or from XCLIENT, of listed addresses only."""
import socket
import ssl
import sys
import time

from own_site import Results, SharedSite, exchange, read, within

site, results = SharedSite(), Results()
check = results.check
original = read(f"{site.state}/etc/smtpd.conf")


def talk(data):
    return exchange(site.base + 25, data)


def configure(text, probe, wanted):
    """Takes it over; true when the role that listens shows it in its answer to the probe."""
    return site.configure(text, lambda: wanted(talk(probe)))


# Clients here do not wait for what must be waited for.
ALL = 'allow_from = [ "0.0.0.0/0", "::/0" ];\n'
HELLO = b"EHLO x\r\nQUIT\r\n"
MAIL = b"EHLO proxy.example\r\nMAIL FROM:<s@example.org>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: proxied\r\n\r\n.\r\nQUIT\r\n"

text = talk(b"EHLO x\r\nXCLIENT ADDR=192.0.2.77\r\nQUIT\r\n")
check("XCLIENT of a stranger is refused", b"550 5.7.0" in text and b"XCLIENT ADDR" not in text, text)
try:
    check("proxy_from is taken over", configure(original + 'proxy_from = [ "127.0.0.0/8" ];\nverify_not_from = [ "192.0.2.0/24", "127.0.0.0/8" ];\n' + ALL + '', HELLO, lambda text: b"XCLIENT" in text))
    before = len(site.log())
    text = talk(b"EHLO proxy\r\nXCLIENT ADDR=192.0.2.77 HELO=far.example\r\n" + MAIL)
    check("XCLIENT of a listed proxy is believed", b"ed as " in text, text)
    check("the log has the client's address", site.logged(r"received .*client=192\.0\.2\.77 helo=far\.example", before), site.log()[before:])
    before = len(site.log())
    text = talk(b"EHLO proxy\r\nXCLIENT ADDR=192.0.2.80 HELO=one.example\r\nEHLO proxy\r\nXCLIENT ADDR=[UNAVAILABLE] HELO=[TEMPUNAVAIL]\r\n" + MAIL)
    check("of a client that the proxy does not know nothing of the one before stays", b"ed as " in text and
          site.logged(r"received .*client=127\.0\.0\.1 helo=proxy\.example", before), (text, site.log()[before:]))
    text = talk(b"EHLO proxy\r\nXCLIENT HELO=two+2Eexample\r\nMAIL FROM:<s@example.org>\r\nQUIT\r\n")
    check("behind XCLIENT another EHLO comes first", b"503 5.5.1" in text, text)
    text = talk(b"EHLO proxy\r\nMAIL FROM:<s@example.org>\r\nXCLIENT ADDR=192.0.2.80\r\nQUIT\r\n")
    check("XCLIENT is not for the middle of a message", b"503 5.5.1" in text, text)
    said = site.talk(["XCLIENT ADDR=192.0.2.81", "EHLO x", "MAIL FROM:<alice@example.test>", "XCLIENT LOGIN=alice@example.test", "EHLO x", "MAIL FROM:<alice@example.test>"], "alice")
    check("who logged in before is not whom the proxy speaks for then", [one[:3] for one in said] == ["220", "250", "530", "220", "250", "250"] and "AUTH" in said[1], said)
    text = talk(b"XCLIENT ADDR=nowhere\r\nQUIT\r\n")
    check("XCLIENT with an address that is none", b"501 5.5.4" in text, text)

    check("proxy_header_from is taken over", configure(original + 'proxy_header_from = [ "127.0.0.1" ];\nverify_not_from = [ "192.0.2.0/24" ];\n' + ALL + '', HELLO, lambda text: text == b""))
    for name, header in (("1", b"PROXY TCP4 192.0.2.78 192.0.2.1 56324 25\r\n"),
                         ("2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\x4e\xc0\0\2\1\0\1\0\x19")):
        before = len(site.log())
        text = talk(header + MAIL)
        check(f"a PROXY header of version {name}", text.startswith(b"220") and b"ed as " in text, text)
        check(f"the log has its address ({name})", site.logged(r"received .*client=192\.0\.2\.78 ", before), site.log()[before:])
    # Before TLS, where that comes first: the header alone, with what follows, and none.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, header in (("", b"PROXY TCP4 192.0.2.79 192.0.2.1 56324 465\r\n"), ("not ", b"")):
        for together in (False, True):
            before, text = len(site.log()), b""
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing)
            with socket.create_connection(("127.0.0.1", site.base + 465), timeout=60) as peer:
                if not together:
                    peer.sendall(header)
                    time.sleep(0.2)
                try:
                    tls.do_handshake()
                except ssl.SSLWantReadError:
                    peer.sendall((header if together else b"") + outgoing.read())
                try:
                    while not text.startswith(b"220"):
                        data = peer.recv(65536)
                        if not data:
                            break
                        incoming.write(data)
                        try:
                            tls.do_handshake()
                            peer.sendall(outgoing.read())
                            text += tls.read()
                        except ssl.SSLWantReadError:
                            peer.sendall(outgoing.read())
                    if text:
                        tls.write(b"QUIT\r\n")
                        peer.sendall(outgoing.read())
                        peer.recv(65536)
                except OSError:
                    pass
            check(f"a header before TLS is {name}there{', in one piece with it' if together else ''}", text.startswith(b"220") == bool(header), text)
            check("and the log tells whom it is about", site.logged(r"client client=192\.0\.2\.79 listener=.submissions" if header else "no-proxy-header", before), site.log()[before:])
    # Behind a proxy each client counts by its own address, and the proxy by none.
    limited = 'connections_per_address_max = 3;\n' + ALL

    def greeted(port, said, start=b""):
        """The first word to each client at once that a proxy says this for."""
        peers, words = [], []
        for line in said:
            peer = socket.create_connection(("127.0.0.1", site.base + port), timeout=60)
            if start:
                peer.recv(65536)
                peer.sendall(start)
                peer.recv(65536)
            peer.sendall(line)
            if port == 465:
                try:
                    peer = context.wrap_socket(peer)
                except OSError:
                    words.append("closed")
                    continue
            words.append(peer.recv(65536).decode()[:9].split("\r")[0].strip())
            peers.append(peer)
        for peer in peers:
            peer.close()
        return words

    def only_fourth(refusal, words):
        return all_greeted(words[:3] + words[4:]) and words[3].startswith(refusal)

    def all_greeted(words):
        return [word[:3] for word in words] == ["220"] * len(words)

    many = [b"PROXY TCP4 192.0.2.%d 192.0.2.1 56324 25\r\n" % i for i in range(8)]
    check("a bound on clients is taken over", site.configure(original + 'proxy_header_from = [ "127.0.0.1" ];\n' + limited, lambda: only_fourth("421", greeted(25, many[:1] * 4))))
    for port, refusal in ((25, "421"), (587, "421"), (465, "closed")):
        words = within(lambda: found if all_greeted(found := greeted(port, many)) else None, 20)
        check(f"clients of many addresses behind a proxy are served ({port})", words, greeted(port, many))
        check(f"too many of one are not ({port})", only_fourth(refusal, greeted(port, many[:1] * 4 + many[1:2])))
        check(f"and are once others have gone ({port})", within(lambda: all_greeted(greeted(port, many[:1] * 3)), 20))
    check("a bound on clients is taken over for XCLIENT", configure(original + 'proxy_from = [ "127.0.0.0/8" ];\n' + limited, HELLO, lambda text: b"XCLIENT" in text))
    many = [b"XCLIENT ADDR=192.0.2.%d\r\n" % i for i in range(8)]
    hello = b"EHLO proxy.example\r\n"
    words = within(lambda: found if all_greeted(found := greeted(25, many, hello)) else None, 20)
    check("clients of many addresses are served by XCLIENT, too", words, greeted(25, many, hello))
    words = greeted(25, many[:1] * 4 + many[1:2], hello)
    check("and too many of one are not", only_fourth("421", words), words)
    # Nor by what clients use up within a time: the proxy of all of them would be over its limit first.
    used_up = 'allow_from = [ "203.0.113.0/24" ];\nlimits = [ "connections/address=2/1h" ];\ngreet_delay = "0s";\n'
    check("limits are taken over for XCLIENT", site.configure(original + 'proxy_from = [ "127.0.0.0/8" ];\n' + used_up,
          lambda: greeted(587, [b"XCLIENT ADDR=198.51.100.77\r\n"] * 3, hello)[2].startswith("421 4.7.0")))
    many = [b"XCLIENT ADDR=198.51.100.%d\r\n" % i for i in range(4)]
    for port in (25, 587):
        words = greeted(port, many, hello)
        check(f"a proxy has as many connections as its clients together ({port})", all_greeted(words), words)
    words = greeted(587, many[:1] + [b"XCLIENT ADDR=198.51.100.78\r\n"], hello)
    check("a client that has had too many does not come in by it", words[0].startswith("421 4.7.0") and words[1].startswith("220"), words)
    check("proxy_header_from is taken over once more", configure(original + 'proxy_header_from = [ "127.0.0.1" ];\n' + ALL, HELLO, lambda text: text == b""))

    before = len(site.log())
    text = talk(HELLO)
    check("without the header nothing is said", text == b"", text)
    check("and the log tells", site.logged("no-proxy-header", before), site.log()[before:])
finally:
    check("as it was", configure(original, HELLO, lambda text: text.startswith(b"220")))
text = talk(HELLO)
check("others are served", text.startswith(b"220"), text)
sys.exit(results.failed)
