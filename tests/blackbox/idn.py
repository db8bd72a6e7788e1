#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Domains beyond ASCII, in both their forms (RFC 5890 section 2.3.2.1): one domain to every daemon and tool, whichever is configured and whichever comes."""
import base64
import http.client
import imaplib
import json
import os
import poplib
import re
import signal
import ssl
import sys

import own_site

results = own_site.Results()
check = results.check
PLAIN, ASCII, CAPITALS, DECOMPOSED = "b\u00fccher.example", "xn--bcher-kva.example", "B\u00dcCHER.Example", "bu\u0308cher.example"
FORMS = [ASCII, PLAIN, CAPITALS, DECOMPOSED]
OTHER, OTHER_ASCII = "b\u00f6rse.example", "xn--brse-5qa.example"
NAME = "\u7528\u6237"
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
far = own_site.FarHost("far", own_site.outer + 972)
routed = own_site.FarHost("routed", own_site.outer + 973)
os.makedirs(f"{own_site.work}/demo/etc", exist_ok=True)
site = own_site.Site(own_site.outer + 980, f'relay_host = "127.0.0.1:{own_site.outer + 972}"; relay_domains = [ "{CAPITALS.replace("B", "X")}", "{OTHER_ASCII}" ]; retry_min = "1s"; '
                     f'routes = [ "{OTHER} smtp+notls://127.0.0.1:{own_site.outer + 973}" ]; srs_secret = "{own_site.work}/demo/etc/srs.secret";',
                     aliases=f"shop@{PLAIN}: info@{ASCII}, x@{OTHER_ASCII}\nweb@{ASCII}: alice@example.test\nto-*@{DECOMPOSED}: *@example.test\n",
                     files={"srs.secret": "0123456789abcdef of a test\n"})


def delivered(account, word):
    """The messages of an account in that domain."""
    return [text for text in own_site.mails(f"{site.state}/mail/{ASCII}/{account}/Maildir") if word in text]


def configure(domains):
    """In force for all daemons, which say so."""
    path = f"{site.state}/etc/fourpost.conf"
    text = re.sub(r"^domains = .*$", f"domains = [ {', '.join(json.dumps(one, ensure_ascii=False) for one in domains)} ];", own_site.read(path), flags=re.M)
    site.put("fourpost.conf", text)
    for daemon in ("smtpd", "pop3d", "imapd", "webmaild"):
        log = f"{site.state}/log/{daemon}.log"
        before = len(own_site.read(log))
        os.kill(int(own_site.read(f"{site.state}/run/{daemon}.pid")), signal.SIGHUP)
        assert own_site.within(lambda path=log, at=before: re.search(" reloaded ", own_site.read(path)[at:])), own_site.read(log)[before:]


def pop3(user):
    client = poplib.POP3_SSL("127.0.0.1", site.base + 995, context=context, timeout=own_site.patience)
    try:
        client.capa()
        client._shortcmd("AUTH PLAIN " + base64.b64encode(f"\0{user}\0demo".encode()).decode())
        return client.stat()[0]
    finally:
        client.quit()


def imap(user):
    with imaplib.IMAP4_SSL("127.0.0.1", site.base + 993, ssl_context=context) as client:
        client.authenticate("PLAIN", lambda _: f"\0{user}\0demo".encode())
        return int(client.select("INBOX")[1][0])


def jmap(user, calls=None):
    connection = http.client.HTTPSConnection("127.0.0.1", site.base + 443, context=context, timeout=own_site.patience)
    headers = {"Authorization": "Basic " + base64.b64encode(f"{user}:demo".encode()).decode(), "Content-Type": "application/json"}
    connection.request("GET" if calls is None else "POST", "/jmap/session" if calls is None else "/jmap/api", headers=headers,
                       body=None if calls is None else json.dumps({"using": ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail", "urn:ietf:params:jmap:submission"], "methodCalls": calls}))
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"{}")


def attempt(what, *arguments):
    try:
        return what(*arguments)
    except (OSError, EOFError, poplib.error_proto, imaplib.IMAP4.error) as problem:
        return repr(problem)


def taken(host, word):
    return own_site.within(lambda: host.taken(word))


try:
    configure(["example.test", PLAIN, ASCII])
    status, text = site.tool("mailuser", "add", "-p", f"info@{CAPITALS}", given="demo\n")
    check("mailuser takes such a domain, and keeps its form of ASCII", status == 0 and f"info@{ASCII} added" in text and "not among" not in text and os.path.isdir(f"{site.state}/mail/{ASCII}/info"), text)
    status, text = site.tool("mailuser", "add", "-p", f"{NAME}@{ASCII}", given="demo\n")
    check("and a name beyond ASCII in it", status == 0, text)
    status, text = site.tool("mailuser", "add", "-p", f"info@{ASCII}", given="demo\n")
    check("another form is the same account", status != 0 and "is an account already" in text, text)
    status, text = site.tool("mailuser", "add", "-p", "a@\u2603.example", given="demo\n")
    check("what is no domain is refused", status == 65, text)

    # Whichever form is configured.
    for turn, listed in enumerate((ASCII, PLAIN, CAPITALS)):
        configure(["example.test", listed])
        for i, form in enumerate(FORMS):
            word = f"word-{turn}-{i}-x"
            said, last = site.send("s@far.example", [f"info@{form}", f"{NAME}@{form}", f"nobody@{form}"], word, mail=" SMTPUTF8")
            check(f"{ascii(listed)} listed: mail to {ascii(form)} is taken", [one[:9] for one in said] == ["250 2.1.5", "250 2.1.5", "550 5.1.1"] and last.startswith("250"), said)
            check("and delivered, to each", own_site.within(lambda w=word: delivered("info", w) and delivered(NAME, w)), site.log()[-3000:])
    said, last = site.send("s@far.example", [f"info@{form}" for form in FORMS], "only once", mail=" SMTPUTF8")
    check("who is named in all forms gets one copy", [one[:3] for one in said] == ["250"] * 4 and own_site.within(lambda: delivered("info", "only once")) and site.queue_empties() and
          len(delivered("info", "only once")) == 1, (said, delivered("info", "only once")))
    said = site.talk(["MAIL FROM:<s@far.example> SMTPUTF8", "RCPT TO:<info@b\u00f6cher.example>", f"RCPT TO:<x@{PLAIN.replace('b', 'x')}>", f"RCPT TO:<x@{OTHER}>"])
    check("another domain is another, and those of relay_domains are found too", [one[:3] for one in said[1:]] == ["550", "250", "250"], said)

    # By submission: to an account here, in one's own name, and by the route.
    configure(["example.test", ASCII])
    count = len(delivered("info", ""))
    for i, form in enumerate(FORMS):
        login = f"info@{FORMS[i - 1]}"
        found = attempt(imap, login)
        check(f"IMAP: {ascii(login)}", found == count + i, found)
        found = attempt(pop3, login)
        check(f"POP3: {ascii(login)}", found == count + i, found)
        found = attempt(jmap, login)
        check(f"JMAP: {ascii(login)}", found[0] == 200 and found[1].get("username") == f"info@{ASCII}", found)
        word = f"handed-{i}-in"
        said = site.talk([f"MAIL FROM:<info@{form}> SMTPUTF8", f"RCPT TO:<info@{form}>", f"RCPT TO:<y{i}@{OTHER}>", "DATA",
                            f"From: <info@{FORMS[i - 2]}>\r\nSubject: {word}\r\n\r\nx\r\n.\r\n".encode()], login)
        check(f"submission from {ascii(form)}", [one[:3] for one in said] == ["250", "250", "250", "354", "250"], said)
        check("delivered here, and routed", own_site.within(lambda w=word: delivered("info", w)) and taken(routed, word), site.log()[-3000:])
        said = site.talk([f"MAIL FROM:<{NAME}@{form}> SMTPUTF8"], login)
        check("another's address is not one's own", said[0].startswith("553"), said)
    status, session = jmap(f"info@{PLAIN}")
    account = session["primaryAccounts"]["urn:ietf:params:jmap:mail"]
    drafts = jmap(f"info@{PLAIN}", [["Mailbox/get", {"accountId": account}, "0"]])[1]["methodResponses"][0][1]["list"][0]["id"]
    identity = jmap(f"info@{PLAIN}", [["Identity/get", {"accountId": account}, "0"]])[1]["methodResponses"][0][1]["list"][0]["id"]
    status, answer = jmap(f"info@{PLAIN}", [
        ["Email/set", {"accountId": account, "create": {"m": {"mailboxIds": {drafts: True}, "from": [{"email": f"info@{PLAIN}"}], "to": [{"email": f"{NAME}@{PLAIN}"}], "subject": "by the web",
                                                              "bodyValues": {"1": {"value": "x"}}, "textBody": [{"partId": "1", "type": "text/plain"}]}}}, "0"],
        ["EmailSubmission/set", {"accountId": account, "create": {"s": {"emailId": "#m", "identityId": identity}}}, "1"]])
    check("web mail is sent from it and to it", own_site.within(lambda: delivered(NAME, "by the web")), (answer, site.log()[-2000:]))

    # Aliases, what is sent on, and its way back.
    for i, form in enumerate(FORMS):
        site.send("s@away.example", [f"shop@{form}", f"web@{form}", f"to-bob@{form}"], f"alias-{i}-x", mail=" SMTPUTF8")
        found = taken(routed, f"alias-{i}-x")
        check(f"aliases at {ascii(form)}", own_site.within(lambda n=i: delivered("info", f"alias-{n}-x") and site.delivered("alice", f"alias-{n}-x") and site.delivered("bob", f"alias-{n}-x")),
              site.log()[-3000:])
        check("a sender that is rewritten is in ASCII", found and re.search(rf"FROM:<SRS0=.*@{ASCII}>", found[0][0]["mail"]), found)
    status, text = site.tool("mailalias")
    check("mailalias finds nobody missing", status == 0, text)
    status, text = site.tool("mailalias", f"shop@{CAPITALS}")
    check("and shows them", f"\tinfo@{ASCII}\taccount" in text, text)
    site.tool("mailuser", "forward", f"info@{PLAIN}", f"INFO@{DECOMPOSED}", "z@far.example")
    site.send("s@away.example", [f"info@{PLAIN}"], "kept and sent on", mail=" SMTPUTF8")
    check("one's own address is `keep` in any form", taken(far, "kept and sent on") and own_site.within(lambda: delivered("info", "kept and sent on")), site.log()[-3000:])
    site.tool("mailuser", "forward", "-r", f"info@{PLAIN}")
    for recipients in ([f"later@{OTHER}", f"later2@{OTHER_ASCII}"], [f"later@{OTHER_ASCII}"]):
        site.send("alice@example.test", recipients, "for later", login="alice", mail=" SMTPUTF8 HOLDFOR=3600")
    status, text = site.tool("mailqueue", "summary", conf="smtpd.conf")
    check("mailqueue counts messages for both forms as one domain's", status == 0 and re.search(rf"^ +2 .* {OTHER_ASCII}$", text, re.M) and OTHER not in text, text)
    status, text = site.tool("mailqueue", "-d", CAPITALS.replace("B\u00dcCHER", "B\u00d6RSE"), "remove", conf="smtpd.conf")
    check("and removes them by any", status == 0 and text.count(" is removed") == 2, text)
    status, text = site.tool("mailuser", "list")
    check("mailuser lists them", f"info@{ASCII}" in text and f"{NAME}@{ASCII}" in text, text)
    status, text = site.tool("mailstore", "check", f"info@{CAPITALS}")
    check("mailstore finds it", status == 0, text)
    check("the queue ends empty", site.queue_empties(), site.tool("mailqueue", "list", conf="smtpd.conf"))
    check("no role of it died", not site.deaths(), site.deaths())
finally:
    site.stop()
    far.stop()
    routed.stop()
sys.exit(results.failed)
