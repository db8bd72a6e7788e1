#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""Each JMAP method, and the resources around them, against a live webmaild. Needs BASE_PORT, and alice and bob@example.test."""
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jmap_client import Client, check, context, finish, HTTPS, LANE, USING  # noqa: E402

ROOT = f"Test-{os.getpid()}-{int(time.time())}"
MESSAGE = b"""From: =?utf-8?Q?J=C3=B6rg?= <joerg@remote.test>\r
To: alice@example.test, Friends: bob@example.test, carol@remote.test;\r
Cc: "Dee, D." <dee@remote.test>\r
Subject: Imported =?utf-8?B?5pel5pys?= mail\r
Date: Thu, 30 Oct 2014 14:12:00 +0800\r
Message-ID: <%s@remote.test>\r
X-Test: one\r
X-Test: two\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: multipart/alternative; boundary=c\r
\r
--c\r
Content-Type: text/plain; charset=iso-8859-1\r
Content-Transfer-Encoding: quoted-printable\r
\r
A caf=E9 and a needle.\r
--c\r
Content-Type: text/html; charset=utf-8\r
\r
<p onclick="alert(1)">Rich <b>needle</b><script>alert(1)</script><img src="http://track.test/x.png"><img src="cid:pic@x"></p>\r
--c--\r
--b\r
Content-Type: image/png; name=pic.png\r
Content-ID: <pic@x>\r
Content-Disposition: inline; filename=pic.png\r
Content-Transfer-Encoding: base64\r
\r
iVBORw0KGgo=\r
--b\r
Content-Type: application/pdf\r
Content-Disposition: attachment; filename*=utf-8''r%%C3%%A9sum%%C3%%A9.pdf\r
Content-Transfer-Encoding: base64\r
\r
JVBERi0xLjQK\r
--b--\r
""" % ROOT.encode()


def session(c):
    check("well-known redirects", c.request("GET", "/.well-known/jmap").headers.get("location") == "/jmap/session")
    s = c.session
    check("session object", s["username"] == c.user and set(USING) <= set(s["capabilities"]) and c.account in s["accounts"], s)
    check("session urls", s["apiUrl"] == "/jmap/api" and "{blobId}" in s["downloadUrl"] and "{types}" in s["eventSourceUrl"], s)
    check("core limits", s["capabilities"][USING[0]]["maxCallsInRequest"] >= 16)
    b = Client(basic=True)
    check("basic credentials", b.session["username"] == c.user)
    check("wrong password", c.request("GET", "/jmap/session", None, {"Authorization": "Basic YWxpY2VAZXhhbXBsZS50ZXN0Ong="}, more=False).status == 401)
    bare = c.request("POST", "/jmap/api", "{}", more=False)
    check("no credentials", bare.status == 401 and bare.headers.get("www-authenticate", "").startswith("Basic "), bare.headers)
    page = c.request("POST", "/jmap/api", "{}", {"Sec-Fetch-Site": "same-origin"}, more=False)
    check("a browser is not challenged", page.status == 401 and "www-authenticate" not in page.headers, page.headers)


def core(c):
    check("Core/echo", c.api(("Core/echo", {"a": [1, None, "x"]}))[0][1]["a"] == [1, None, "x"])
    check("unknown method", c.api(("Nothing/get", {}))[0][:2] == ["error", {"type": "unknownMethod"}])
    check("capability not used", c.api(("Mailbox/get", {}), using=USING[:1])[0][0] == "error")
    check("account not found", c.call("Mailbox/get", accountId="x")["type"] == "accountNotFound")
    for body, kind in ((b"{", "notJSON"), (b"[]", "notRequest"), (b'{"using":["x"],"methodCalls":[]}', "unknownCapability")):
        answer = c.request("POST", "/jmap/api", body, {"Content-Type": "application/json; charset=utf-8"})
        check(f"request error {kind}", answer.status == 400 and answer.json()["type"].endswith(kind), answer.body.decode())
    answer = c.request("POST", "/jmap/api", b'{"using":[],"methodCalls":[]}', {"Content-Type": "text/plain"})
    check("request of another content type", answer.status == 400 and answer.json()["type"].endswith("notJSON"), answer.body.decode())
    for sort, kind in (({"property": "name"}, "invalidArguments"), ([{"isAscending": True}], "invalidArguments"),
                       ([{"property": "name", "isAscending": "x"}], "invalidArguments"), ([{"property": "color"}], "unsupportedSort"),
                       ([{"property": "name", "collation": "i;ascii-casemap"}], "unsupportedSort")):
        check(f"sort by {sort}", c.call("Mailbox/query", sort=sort)["type"] == kind)


def mailboxes(c):
    boxes = c.mailboxes()
    check("default mailboxes", {"inbox", "drafts", "sent", "trash"} <= set(boxes), sorted(boxes))
    state = c.call("Mailbox/get", ids=[])["state"]
    made = c.api(("Mailbox/set", {"create": {"a": {"name": ROOT}, "b": {"name": "Sub \u65e5\u672c", "parentId": "#a"}}}))[0][1]
    check("Mailbox/set create", set(made["created"] or {}) == {"a", "b"}, made)
    for key, value in (("id", "b1"), ("totalEmails", 5), ("myRights", {})):
        refused = c.call("Mailbox/set", create={"x": {"name": ROOT + "x", key: value}})["notCreated"]["x"]
        check(f"Mailbox/set create with {key}, which is the server's", refused == {"type": "invalidProperties", "properties": [key]}, refused)
    a, b = made["created"]["a"]["id"], made["created"]["b"]["id"]
    got = c.call("Mailbox/get", ids=[b, "bnone"])
    check("Mailbox/get", got["list"][0]["parentId"] == a and got["list"][0]["name"] == "Sub \u65e5\u672c" and got["notFound"] == ["bnone"], got)
    check("Mailbox/get counts", got["list"][0]["totalEmails"] == 0 and got["list"][0]["myRights"]["mayDelete"], got)
    check("Mailbox/get properties", set(c.call("Mailbox/get", ids=[a], properties=["name"])["list"][0]) == {"id", "name"})
    changes = c.call("Mailbox/changes", sinceState=state)
    check("Mailbox/changes", {a, b} <= set(changes["created"]) and changes["newState"] != state, changes)
    check("Mailbox/changes none", c.call("Mailbox/changes", sinceState=changes["newState"])["created"] == [])
    check("Mailbox/changes unknown", c.call("Mailbox/changes", sinceState="s1")["type"] == "cannotCalculateChanges")
    q = c.call("Mailbox/query", filter={"parentId": a})
    check("Mailbox/query parentId", q["ids"] == [b], q)
    q = c.call("Mailbox/query", filter={"role": "inbox"}, calculateTotal=True)
    check("Mailbox/query role", q["ids"] == [boxes["inbox"]["id"]] and q["total"] == 1, q)
    q = c.call("Mailbox/query", filter={"operator": "NOT", "conditions": [{"hasAnyRole": True}]}, sort=[{"property": "name"}], sortAsTree=True)
    check("Mailbox/query operators", a in q["ids"] and boxes["inbox"]["id"] not in q["ids"] and q["ids"].index(a) < q["ids"].index(b), q)
    check("Mailbox/query bad filter", c.call("Mailbox/query", filter={"color": 1})["type"] == "unsupportedFilter")
    check("Mailbox/query filter of a wrong type", all(c.call("Mailbox/query", filter=f)["type"] == "invalidArguments"
          for f in (1, [], {"name": 1}, {"hasAnyRole": "yes"}, {"operator": "XOR", "conditions": []}, {"operator": "AND", "conditions": {"name": "x"}})))
    check("Mailbox/queryChanges", c.call("Mailbox/queryChanges", sinceQueryState="x")["type"] == "cannotCalculateChanges")
    up = c.call("Mailbox/set", update={b: {"name": "Renamed", "isSubscribed": False}})
    got = c.call("Mailbox/get", ids=[b])["list"][0]
    check("Mailbox/set update", b in up["updated"] and got["name"] == "Renamed" and not got["isSubscribed"] and got["id"] == b, [up, got])
    for patch, kind in (({"name": "a/b"}, "invalidProperties"), ({"name": ""}, "invalidProperties"), ({"parentId": "bnone"}, "invalidProperties"),
                        ({"totalEmails": 7}, "invalidProperties"), ({"parentId": b}, "invalidProperties")):
        error = c.call("Mailbox/set", update={b: patch})["notUpdated"]
        check(f"Mailbox/set refuses {patch}", error and error[b]["type"] == kind, error)
    error = c.call("Mailbox/set", create={"x": {"name": ROOT}})["notCreated"]
    check("Mailbox/set refuses a name twice", error and error["x"]["type"] == "invalidProperties", error)
    error = c.call("Mailbox/set", destroy=[a, boxes["inbox"]["id"], "bnone"])["notDestroyed"]
    check("Mailbox/set destroy refusals", [error[k]["type"] for k in (a, boxes["inbox"]["id"], "bnone")] == ["mailboxHasChild", "forbidden", "notFound"], error)
    check("Mailbox/set ifInState", c.call("Mailbox/set", ifInState="s0", destroy=[b])["type"] == "stateMismatch")
    return a, b


def wait_for(probe, seconds=20):
    end = time.monotonic() + seconds
    while not (found := probe()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def many_downloads(c, box):
    """Of a large message, and none of them is read: they wait for each other, not all in memory."""
    if LANE == "asan":
        return
    size, count = 40_000_000, 24
    data = b"From: a@remote.test\r\nSubject: large\r\n\r\n" + (b"x" * 76 + b"\r\n") * (size // 78)
    made = c.call("Email/import", emails={"l": {"blobId": c.upload(data, "message/rfc822")["blobId"], "mailboxIds": {box: True}}})["created"]["l"]
    streams = []
    for _ in range(count):
        raw = context().wrap_socket(socket.create_connection(("127.0.0.1", HTTPS), timeout=30))
        lines = [f"GET /jmap/download/{c.account}/{made['blobId']}/l?type=message/rfc822 HTTP/1.1", "Host: localhost", "Connection: close"]
        raw.sendall(("\r\n".join(lines + [f"{k}: {v}" for k, v in c.headers().items()]) + "\r\n\r\n").encode())
        streams.append(raw)
    wait_for(lambda: sum(len(s.recv(1)) for s in streams[:10]) == 10)
    check("the account can be used beside many downloads", c.status() == 200)
    peak = subprocess.run(["pgrep", "-f", f"^webmaild: session {c.user}"], stdout=subprocess.PIPE, text=True, check=False).stdout.split()
    with open(f"/proc/{peak[0]}/status", encoding="ascii") as file:
        used = max(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    check("many downloads are not all in memory", used < 800_000, used)
    whole = 0
    for raw in streams:
        got = 0
        while piece := raw.recv(1 << 20):
            got += len(piece)
        whole += got > len(data)
        raw.close()
    check("and all come to those who read them", whole == count, whole)
    c.call("Email/set", destroy=[made["id"]])


def half_an_upload(c):
    """Whose client goes away is no blob: it would have its share of what may wait, for a day."""
    folder = f"{os.environ['STATE']}/mail/example.test/alice/uploads"
    before = set(os.listdir(folder))
    raw = context().wrap_socket(socket.create_connection(("127.0.0.1", HTTPS), timeout=30))
    head = [f"POST /jmap/upload/{c.account}/ HTTP/1.1", "Host: localhost", "Content-Length: 2000000"]
    raw.sendall(("\r\n".join(head + [f"{k}: {v}" for k, v in c.headers().items()]) + "\r\n\r\n").encode() + b"x" * 1000000)
    new = wait_for(lambda: [n for n in os.listdir(folder) if n not in before and os.path.getsize(f"{folder}/{n}") >= 500000])
    raw.close()
    check("an upload that did not come whole is not kept", new and wait_for(lambda: set(os.listdir(folder)) == before), os.listdir(folder))


def emails(c, box, other):
    blob = c.upload(MESSAGE, "message/rfc822")
    check("upload", blob["size"] == len(MESSAGE) and blob["type"] == "message/rfc822", blob)
    check("upload is given back", c.download(blob["blobId"]).body == MESSAGE)
    half_an_upload(c)
    many_downloads(c, box)
    state = c.call("Email/get", ids=[])["state"]
    made = c.call("Email/import", emails={"i": {"blobId": blob["blobId"], "mailboxIds": {box: True}, "keywords": {"$seen": True, "work": True},
                                                "receivedAt": "2020-01-02T03:04:05Z"},
                                          "n": {"blobId": "Unone", "mailboxIds": {box: True}}})
    check("Email/import", list(made["created"]) == ["i"] and list(made["notCreated"]) == ["n"], made)
    one = made["created"]["i"]["id"]
    got = c.call("Email/get", ids=[one, "mnone"], fetchAllBodyValues=True)
    e = got["list"][0]
    check("Email/get metadata", e["mailboxIds"] == {box: True} and e["keywords"] == {"$seen": True, "work": True}
          and e["receivedAt"] == "2020-01-02T03:04:05Z" and e["size"] == len(MESSAGE) and got["notFound"] == ["mnone"], e)
    check("Email/get header fields", e["from"] == [{"name": "J\u00f6rg", "email": "joerg@remote.test"}] and e["subject"] == "Imported \u65e5\u672c mail"
          and [a["email"] for a in e["to"]] == ["alice@example.test", "bob@example.test", "carol@remote.test"]
          and e["cc"][0]["name"] == "Dee, D." and e["sentAt"] == "2014-10-30T14:12:00+08:00" and e["messageId"] == [f"{ROOT}@remote.test"], e)
    check("Email/get bodies", [p["partId"] for p in e["textBody"]][:1] == ["1.1"] and [p["partId"] for p in e["htmlBody"]][:1] == ["1.2"]
          and "2" in [p["partId"] for p in e["textBody"] + e["attachments"]] and e["attachments"][-1]["name"] == "r\u00e9sum\u00e9.pdf"
          and e["hasAttachment"], e)
    check("Email/get values", e["bodyValues"]["1.1"]["value"].strip() == "A caf\u00e9 and a needle." and "<b>needle</b>" in e["bodyValues"]["1.2"]["value"], e)
    check("Email/get preview", "needle" in e["preview"], e["preview"])
    e = c.call("Email/get", ids=[one], properties=["header:X-Test:asText:all", "header:To:asGroupedAddresses", "bodyStructure"],
               bodyProperties=["partId", "type", "headers"])["list"][0]
    check("Email/get header forms", e["header:X-Test:asText:all"] == ["one", "two"] and e["header:To:asGroupedAddresses"][1]["name"] == "Friends", e)
    check("Email/get bodyStructure", e["bodyStructure"]["type"] == "multipart/mixed" and e["bodyStructure"]["subParts"][0]["subParts"][1]["partId"] == "1.2"
          and e["bodyStructure"]["subParts"][1]["headers"][0]["name"] == "Content-Type", e)
    e = c.call("Email/get", ids=[one], properties=["bodyValues"], fetchTextBodyValues=True, maxBodyValueBytes=5)["list"][0]
    check("Email/get truncates", e["bodyValues"]["1.1"] == {"value": "A caf", "isEncodingProblem": False, "isTruncated": True}, e)
    check("Email/get bad property", c.call("Email/get", ids=[one], properties=["nothing"])["type"] == "invalidArguments")
    changes = c.call("Email/changes", sinceState=state)
    check("Email/changes created", changes["created"] == [one], changes)

    parsed = c.call("Email/parse", blobIds=[blob["blobId"], "Unone"], properties=["subject", "blobId", "id", "hasAttachment"])
    none = c.call("Email/parse", blobIds=[])
    check("Email/parse of nothing", none["parsed"] is None and none["notParsable"] is None and none["notFound"] is None, none)
    check("Email/parse", parsed["parsed"][blob["blobId"]]["subject"] == "Imported \u65e5\u672c mail" and parsed["notFound"] == ["Unone"], parsed)

    draft = {"mailboxIds": {box: True}, "keywords": {"$draft": True, "$seen": True}, "from": [{"name": "Alice", "email": "alice@example.test"}],
             "to": [{"email": "bob@example.test"}], "subject": "Re: imported \u65e5\u672c Mail", "references": [f"{ROOT}@remote.test"], "inReplyTo": [f"{ROOT}@remote.test"],
             "bodyValues": {"t": {"value": "Plain \u4e2d\u6587\nsecond line"}, "h": {"value": "<p>Rich</p>"}},
             "textBody": [{"partId": "t", "type": "text/plain"}], "htmlBody": [{"partId": "h", "type": "text/html"}],
             "attachments": [{"blobId": blob["blobId"], "type": "message/rfc822", "name": "inner.eml"},
                             {"blobId": c.upload(b"\0\1\2")["blobId"], "type": "application/x-test", "name": "r\u00e9sum\u00e9.bin", "disposition": "attachment"}]}
    made = c.call("Email/set", create={"d": draft})
    check("Email/set create", made["created"] and made["oldState"] != made["newState"], made)
    two = made["created"]["d"]["id"]
    e = c.call("Email/get", ids=[two], fetchAllBodyValues=True)["list"][0]
    check("Email/set create makes the message", e["subject"] == draft["subject"] and e["keywords"] == draft["keywords"]
          and [a["name"] for a in e["attachments"]] == ["inner.eml", "r\u00e9sum\u00e9.bin"] and e["bodyValues"][e["textBody"][0]["partId"]]["value"].rstrip("\n") == "Plain \u4e2d\u6587\nsecond line", e)
    check("a part is downloaded", c.download(e["attachments"][1]["blobId"]).body == b"\0\1\2")
    raw = c.download(e["blobId"], "mail.eml", "message/rfc822")
    check("a message is downloaded", raw.body.count(b"\n") == raw.body.count(b"\r\n") and b"MIME-Version: 1.0\r\n" in raw.body
          and raw.headers["content-disposition"].startswith("attachment") and "sandbox" in raw.headers["content-security-policy"], raw.headers)
    check("html is never shown as such", c.download(e["attachments"][1]["blobId"], "x.html", "text/html").headers["content-disposition"].startswith("attachment"))
    path = f"/jmap/download/{c.account}/{e['attachments'][1]['blobId']}/x"
    for kind, use in (("text/javascript", "script"), ("text/javascript", "serviceworker"), ("text/css", "style")):
        check(f"an attachment is no {use} of a page", c.request("GET", f"{path}?type={kind}", headers={"Sec-Fetch-Dest": use}).status == 403)
    check("but an image", c.request("GET", f"{path}?type=image/png", headers={"Sec-Fetch-Dest": "image"}).status == 200)
    check("blob of nobody", c.download("Bffffffffffffffff").status == 404)
    threads = [x["threadId"] for x in c.call("Email/get", ids=[one, two], properties=["threadId"])["list"]]
    check("a reply joins the thread", threads[0] == threads[1], threads)
    made = c.call("Email/set", create={"o": {**draft, "attachments": [], "subject": "Something else"}})["created"]["o"]
    check("with another subject it begins one", made["threadId"] != threads[0], [made, threads])
    c.call("Email/set", destroy=[made["id"]])
    got = c.call("Thread/get", ids=[threads[0], "tnone"])
    check("Thread/get", set(got["list"][0]["emailIds"]) == {one, two} and got["notFound"] == ["tnone"], got)
    for wrong, kind in (({**draft, "mailboxIds": {}}, "invalidProperties"), ({**draft, "headers": []}, "invalidProperties"),
                        ({**draft, "attachments": [{"blobId": "Unone"}]}, "blobNotFound"), ({**draft, "keywords": {"a b": True}}, "invalidProperties")):
        error = c.call("Email/set", create={"w": wrong})["notCreated"]
        check(f"Email/set refuses to create ({kind})", error and error["w"]["type"] == kind, error)

    state = c.call("Email/get", ids=[])["state"]
    threads_state = c.call("Thread/get", ids=[])["state"]
    up = c.call("Email/set", update={one: {"keywords/$flagged": True, "keywords/work": None}, two: {"keywords": {"$seen": True}}})
    e = {x["id"]: x["keywords"] for x in c.call("Email/get", ids=[one, two], properties=["keywords"])["list"]}
    check("Email/set keywords", set(up["updated"]) == {one, two} and e == {one: {"$seen": True, "$flagged": True}, two: {"$seen": True}}, [up, e])
    changes = c.call("Email/changes", sinceState=state)
    check("Email/changes updated", set(changes["updated"]) == {one, two} and not changes["created"], changes)
    check("Thread/changes untouched", c.call("Thread/changes", sinceState=threads_state)["updated"] == [])
    c.call("Email/set", update={two: {f"mailboxIds/{box}": None, f"mailboxIds/{other}": True}})
    e = c.call("Email/get", ids=[two], properties=["mailboxIds"])["list"]
    check("Email/set moves", e and e[0]["mailboxIds"] == {other: True}, e)
    c.call("Email/set", update={two: {f"mailboxIds/{box}": True}})
    e = c.call("Email/get", ids=[two], properties=["mailboxIds"])["list"]
    check("Email/set copies", e and e[0]["mailboxIds"] == {box: True, other: True}, e)
    third = next(m["id"] for m in c.call("Mailbox/get")["list"] if m["id"] not in (box, other))
    c.call("Email/set", update={two: {"mailboxIds": {other: True}}})
    up = c.call("Email/set", update={two: {"mailboxIds": {box: True, third: True}}})
    e = c.call("Email/get", ids=[two], properties=["mailboxIds"])["list"]
    check("Email/set moves into two", up["updated"] and e and e[0]["mailboxIds"] == {box: True, third: True}, [up, e])
    c.call("Email/set", update={two: {"mailboxIds": {other: True}}})
    boxes = {m["id"]: m for m in c.call("Mailbox/get", ids=[box, other])["list"]}
    check("Mailbox counts", boxes[box]["totalEmails"] == 1 and boxes[other]["totalEmails"] == 1 and boxes[box]["unreadEmails"] == 0, boxes)
    for patch, kind in (({"subject": "x"}, "invalidProperties"), ({"mailboxIds": {}}, "invalidProperties"), ({"mailboxIds/bnone": True}, "invalidProperties"),
                        ({"nothing/x": 1}, "invalidProperties"), ({"keywords/$seen": "yes"}, "invalidProperties")):
        error = c.call("Email/set", update={one: patch})["notUpdated"]
        check(f"Email/set refuses {patch}", error and error[one]["type"] == kind, error)

    query(c, one, two, box, other)
    render(c, one, box)
    state = c.call("Email/get", ids=[])["state"]
    gone = c.call("Email/set", destroy=[two, "mnone"])
    check("Email/set destroy", gone["destroyed"] == [two] and gone["notDestroyed"]["mnone"]["type"] == "notFound", gone)
    check("Email/changes destroyed", c.call("Email/changes", sinceState=state)["destroyed"] == [two])
    return one


def query(c, one, two, box, other):
    def ids(filter=None, **args):
        return c.call("Email/query", filter=filter, **args).get("ids")

    scope = {"operator": "OR", "conditions": [{"inMailbox": box}, {"inMailbox": other}]}

    def within(condition):
        return ids({"operator": "AND", "conditions": [scope, condition]})
    check("Email/query inMailbox", ids({"inMailbox": box}) == [one])
    check("Email/query order", ids(scope) == [two, one] and ids(scope, sort=[{"property": "receivedAt", "isAscending": True}]) == [one, two])
    check("Email/query sort", ids(scope, sort=[{"property": "subject"}, {"property": "size"}]) == [one, two] and ids(scope, sort=[{"property": "hasKeyword", "keyword": "$flagged", "isAscending": False}]) == [one, two]
          and ids(scope, sort=[{"property": "size"}])[0] == one and ids(scope, sort=[{"property": "from"}]) == [two, one])
    for condition, wanted in (({"before": "2021-01-01T00:00:00Z"}, [one]), ({"after": "2021-01-01T00:00:00Z"}, [two]), ({"hasKeyword": "$flagged"}, [one]),
                              ({"notKeyword": "$flagged"}, [two]), ({"hasAttachment": True}, [two, one]), ({"text": "needle"}, [two, one]), ({"text": "NEEDLE caf\u00c9"}, [two, one]),
                              ({"from": "j\u00f6rg"}, [one]), ({"to": "carol"}, [one]), ({"cc": "dee@remote"}, [one]), ({"subject": "\u65e5\u672c"}, [two, one]),
                              ({"body": "second line"}, [two]), ({"header": ["X-Test"]}, [one]), ({"header": ["X-Test", "TWO"]}, [one]), ({"header": ["X-Test", "three"]}, []),
                              ({"inMailboxOtherThan": [box]}, [two]), ({"someInThreadHaveKeyword": "$flagged"}, [two, one]), ({"allInThreadHaveKeyword": "$flagged"}, []),
                              ({"noneInThreadHaveKeyword": "$answered"}, [two, one]), ({"text": "nowhere"}, []), ({"minSize": 10**9}, []), ({"maxSize": 10**9}, [two, one])):
        got = within(condition)
        check(f"Email/query {condition}", got == wanted, got)
    check("Email/query NOT", ids({"operator": "AND", "conditions": [scope, {"operator": "NOT", "conditions": [{"hasKeyword": "$flagged"}]}]}) == [two])
    check("Email/query collapseThreads", ids(scope, collapseThreads=True) == [two])
    q = c.call("Email/query", filter=scope, position=1, limit=1, calculateTotal=True)
    check("Email/query window", q["ids"] == [one] and q["position"] == 1 and q["total"] == 2, q)
    q = c.call("Email/query", filter=scope, anchor=one, anchorOffset=-1, limit=1)
    check("Email/query anchor", q["ids"] == [two] and q["position"] == 0, q)
    check("Email/query anchor gone", c.call("Email/query", filter=scope, anchor="mnone")["type"] == "anchorNotFound")
    check("Email/query bad filter", c.call("Email/query", filter={"color": 1})["type"] == "unsupportedFilter")
    check("Email/query filter of a wrong type", all(c.call("Email/query", filter=f)["type"] == "invalidArguments"
          for f in ("x", {"minSize": "1"}, {"operator": "OR", "conditions": [{"text": 1}]}, {"operator": 1, "conditions": []})))
    check("EmailSubmission/query bad filter", [c.call("EmailSubmission/query", filter=f)["type"] for f in ({"color": 1}, {"before": "now"})]
          == ["unsupportedFilter", "invalidArguments"])
    check("Email/query bad sort", c.call("Email/query", sort=[{"property": "color"}])["type"] == "unsupportedSort")
    check("Email/queryChanges", c.call("Email/queryChanges", sinceQueryState="x")["type"] == "cannotCalculateChanges")
    r = c.api(("Email/query", {"filter": {"inMailbox": box}}),
              ("Email/get", {"#ids": {"resultOf": "0", "name": "Email/query", "path": "/ids"}, "properties": ["threadId"]}),
              ("Thread/get", {"#ids": {"resultOf": "1", "name": "Email/get", "path": "/list/*/threadId"}}),
              ("Email/get", {"#ids": {"resultOf": "2", "name": "Thread/get", "path": "/list/*/emailIds"}, "properties": ["subject"]}))
    check("references from query to thread", {e["id"] for e in r[3][1].get("list", [])} == {one, two}, r)
    s = c.call("SearchSnippet/get", filter={"text": "needle imported"}, emailIds=[one, "mnone"])
    check("SearchSnippet/get", s["list"][0]["subject"].startswith("<mark>Imported</mark>") and "<mark>needle</mark>" in s["list"][0]["preview"] and s["notFound"] == ["mnone"], s)


def render(c, one, box):
    page = c.request("GET", f"/render/{one}?images=0&text=0")
    html, policy = page.body.decode(), page.headers["content-security-policy"]
    check("render: sanitised", page.status == 200 and "<b>needle</b>" in html and "script" not in html and "onclick" not in html and "track.test" not in html, html)
    check("render: cid images are in it", "data:image/png;base64,iVBORw0KGgo=" in html, html)
    check("render: policy", policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'") and "https:" not in policy, policy)
    page = c.request("GET", f"/render/{one}?images=1&text=0")
    check("render: images", 'src="https://track.test/x.png"' in page.body.decode() and "img-src data: 'self' https:" in page.headers["content-security-policy"])
    page = c.request("GET", f"/render/{one}?images=0&text=1").body.decode()
    check("render: text", "A caf\u00e9 and a needle." in page and "<b>" not in page, page)
    info = c.request("GET", f"/render/{one}/info").json()
    check("render: info", info == {"remoteImages": 1, "hasHtml": True, "hasText": True}, info)
    flowed = (b'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8; format=flowed; delsp=yes\r\n\r\n'
              b"> quo \r\n> ted\r\n>> more\r\n >no quote\r\n\r\n--b\r\n\r\n fixed \r\nfooter\r\n--b--\r\n")
    made = c.call("Email/import", emails={"f": {"blobId": c.upload(flowed, "message/rfc822")["blobId"], "mailboxIds": {box: True}}})["created"]["f"]["id"]
    page = c.request("GET", f"/render/{made}").body.decode()
    check("render: each part in its own format", '<blockquote><div class="text">quoted\n</div><blockquote>' in page and ">&gt;no quote\n" in page and "> fixed \nfooter\n<" in page, page)
    shown = c.call("Email/get", ids=[made], properties=["preview"])["list"][0]["preview"]
    check("preview: format=flowed undone", shown == ">no quote", shown)
    check("render: destroyed", c.call("Email/set", destroy=[made])["destroyed"] == [made])
    check("render: nothing there", c.request("GET", "/render/mffffffffffffffff").status == 404)


def submission(c, one, box):
    identity = c.call("Identity/get", ids=None)["list"][0]
    check("Identity/get", identity["email"] == c.user and not identity["mayDelete"], identity)
    old = identity["name"]
    c.call("Identity/set", update={identity["id"]: {"name": "Alice A.", "textSignature": "-- \nA."}})
    got = c.call("Identity/get", ids=[identity["id"]])["list"][0]
    check("Identity/set", got["name"] == "Alice A." and got["textSignature"] == "-- \nA.", got)
    check("Identity/set refuses", c.call("Identity/set", create={"x": {"email": "b@x.test"}}, destroy=[identity["id"]])["notCreated"]["x"]["type"] == "forbidden")
    c.call("Identity/set", update={identity["id"]: {"name": old, "textSignature": ""}})

    mail = {"mailboxIds": {box: True}, "keywords": {"$draft": True}, "from": [{"email": c.user}], "to": [{"email": "bob@example.test"}],
            "bcc": [{"email": "alice@example.test"}], "subject": f"Sent {ROOT}", "textBody": [{"partId": "t"}], "bodyValues": {"t": {"value": "sent"}}}
    r = c.api(("Email/set", {"create": {"m": mail}}),
              ("EmailSubmission/set", {"create": {"s": {"emailId": "#m", "identityId": identity["id"]}},
                                       "onSuccessUpdateEmail": {"#s": {"keywords/$draft": None, "keywords/$seen": True}}}))
    check("EmailSubmission/set", r[1][1].get("created") and r[1][1]["created"]["s"]["undoStatus"] == "final", r)
    check("onSuccessUpdateEmail", len(r) == 3 and r[2][0] == "Email/set" and r[2][2] == "1" and list(r[2][1]["updated"]) == [r[0][1]["created"]["m"]["id"]], r)
    sent = r[1][1]["created"]["s"]["id"]
    got = c.call("EmailSubmission/get", ids=[sent, "snone"])
    check("EmailSubmission/get", {x["email"] for x in got["list"][0]["envelope"]["rcptTo"]} == {"bob@example.test", "alice@example.test"} and got["notFound"] == ["snone"], got)
    q = c.call("EmailSubmission/query", filter={"emailIds": [got["list"][0]["emailId"]]})
    check("EmailSubmission/query", q["ids"] == [sent], q)
    error = c.call("EmailSubmission/set", update={sent: {"undoStatus": "canceled"}})["notUpdated"]
    check("too late to cancel", error and error[sent]["type"] == "cannotUnsend", error)

    def refused(email, envelope=None):
        made = c.call("Email/set", create={"m": email})["created"]["m"]["id"]
        submission = {"emailId": made, "identityId": identity["id"], **({"envelope": envelope} if envelope else {})}
        error = (c.call("EmailSubmission/set", create={"s": submission})["notCreated"] or {}).get("s")
        c.call("Email/set", destroy=[made])
        return error and error["type"]
    check("noRecipients", refused({**mail, "to": None, "bcc": None}) == "noRecipients")
    check("forbiddenFrom", refused({**mail, "from": [{"email": "bob@example.test"}]}) == "forbiddenFrom")
    # What Email/set would not write an import may have.
    for name, head in {"two ways to read From": f"From: <{c.user}> <bob@example.test>", "another's Sender": f"From: {c.user}\r\nSender: bob@example.test",
                       "another's Resent-From": f"From: {c.user}\r\nResent-From:\r\n bob@example.test"}.items():
        blob = c.upload(f"{head}\r\nTo: bob@example.test\r\n\r\nx\r\n".encode(), "message/rfc822")["blobId"]
        made = c.call("Email/import", emails={"i": {"blobId": blob, "mailboxIds": {box: True}}})["created"]["i"]["id"]
        error = c.call("EmailSubmission/set", create={"s": {"emailId": made, "identityId": identity["id"]}})["notCreated"]
        check(f"forbiddenFrom: {name}", error and error["s"]["type"] == "forbiddenFrom", error)
        c.call("Email/set", destroy=[made])
    check("forbiddenMailFrom", refused(mail, {"mailFrom": {"email": "bob@example.test"}, "rcptTo": [{"email": "bob@example.test"}]}) == "forbiddenMailFrom")
    check("invalidRecipients", refused(mail, {"mailFrom": {"email": c.user}, "rcptTo": [{"email": "no address"}]}) == "invalidRecipients")
    for name, address in {"no text": {"email": 1}, "no parameters": {"email": "bob@example.test", "parameters": ["NOTIFY"]},
                          "a parameter that is no text": {"email": "bob@example.test", "parameters": {"NOTIFY": {}}}}.items():
        check(f"an envelope with {name}", refused(mail, {"mailFrom": {"email": c.user}, "rcptTo": [address]}) == "invalidProperties")

    made = c.call("Email/set", create={"m": {**mail, "subject": f"Held {ROOT}"}})["created"]["m"]["id"]
    r = c.call("EmailSubmission/set", create={"s": {"emailId": made, "identityId": identity["id"], "envelope": {
        "mailFrom": {"email": c.user, "parameters": {"HOLDFOR": "3600"}}, "rcptTo": [{"email": "bob@example.test"}]}}})
    held = r["created"]["s"]["id"] if r.get("created") else None
    check("a held submission is pending", held and r["created"]["s"]["undoStatus"] == "pending", r)
    time.sleep(1)
    r = c.call("EmailSubmission/set", update={held: {"undoStatus": "canceled"}})
    check("and can be canceled", held in (r["updated"] or {}) and c.call("EmailSubmission/get", ids=[held])["list"][0]["undoStatus"] == "canceled", r)
    check("EmailSubmission/changes", held in c.call("EmailSubmission/changes", sinceState="s0")["created"])

    # RFC 6531 section 3.2: a part with UTF-8 in its header makes it an internationalized message.
    def in_queue(word):
        found = []
        for folder, _, names in os.walk(f"{os.environ['STATE']}/spool/queue"):
            for name in names:
                try:
                    with open(f"{folder}/{name}", "rb") as file:
                        found += [text] if word.encode() in (text := file.read()) else []
                except FileNotFoundError:
                    pass
        return found
    for number, file_name in enumerate(("a.txt", "\u00e4.txt")):
        word = f"Named-{number}-{ROOT}"
        text = (f"From: {c.user}\r\nTo: bob@example.test\r\nSubject: {word}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
                f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nContent-Disposition: attachment; filename={file_name}\r\n\r\n\u00e4\r\n--b--\r\n")
        made = c.call("Email/import", emails={"i": {"blobId": c.upload(text.encode(), "message/rfc822")["blobId"], "mailboxIds": {box: True}}})["created"]["i"]["id"]
        r = c.call("EmailSubmission/set", create={"s": {"emailId": made, "identityId": identity["id"], "envelope": {
            "mailFrom": {"email": c.user, "parameters": {"HOLDFOR": "3600"}}, "rcptTo": [{"email": "bob@example.test"}]}}})
        until = time.monotonic() + 30
        while not (found := in_queue(word)) and time.monotonic() < until:
            time.sleep(0.1)
        check(f"a part's name in {'UTF-8 is' if number else 'ASCII is not'} announced", found and (b"\nsmtputf8 yes\n" in found[0]) == bool(number), (r, found))
        c.call("EmailSubmission/set", update={r["created"]["s"]["id"]: {"undoStatus": "canceled"}})
        c.call("Email/set", destroy=[made])

    bob = Client("bob@example.test")
    for _ in range(50):
        found = bob.call("Email/query", filter={"subject": f"Sent {ROOT}"})["ids"]
        if found:
            break
        time.sleep(0.2)
    check("what was sent arrives", bool(found))
    if found:
        e = bob.call("Email/get", ids=found, fetchTextBodyValues=True)["list"][0]
        check("without its Bcc", not e["bcc"] and e["bodyValues"]["1"]["value"].strip() == "sent", e)
        bob.call("Email/set", destroy=found)
    check("what was canceled does not", bob.call("Email/query", filter={"subject": f"Held {ROOT}"})["ids"] == [])
    check("accounts are apart", bob.account != c.account and bob.request("GET", f"/jmap/download/{c.account}/B0/x").status == 404
          and bob.call("Email/get", ids=[one])["notFound"] == [one])


def events(c, one):
    stream = c.events("types=Email,Mailbox&closeafter=no&ping=0")
    check("event source opens", stream.status == 200 and stream.headers["content-type"].startswith("text/event-stream"), stream.headers)
    Client().call("Email/set", update={one: {"keywords/$answered": True}})
    event = stream.next()
    check("a change is pushed", event and event[0] == "state" and "Email" in event[1]["changed"][c.account], event)
    check("its state is the state", event and event[1]["changed"][c.account]["Email"] == c.call("Email/get", ids=[])["state"])
    stream.close()
    stream = c.events("types=Email&closeafter=state&ping=0")
    c.call("Email/set", update={one: {"keywords/$answered": None}})
    check("closeafter=state", stream.next() is not None and stream.next() is None)


def main():
    c = Client()
    session(c)
    core(c)
    box, other = mailboxes(c)
    one = emails(c, box, other)
    submission(c, one, box)
    events(c, one)
    error = c.call("Mailbox/set", destroy=[other, box])["notDestroyed"]
    check("a mailbox with emails stays", error and error[box]["type"] == "mailboxHasEmail", error)
    gone = c.call("Mailbox/set", destroy=[box], onDestroyRemoveEmails=True)
    check("Mailbox/set destroy", gone["destroyed"] == [box] and c.call("Email/get", ids=[one])["notFound"] == [one], gone)
    check("sign out", c.request("POST", "/auth/logout").status == 204 and c.request("GET", "/jmap/session").status == 401)
    finish()


main()
