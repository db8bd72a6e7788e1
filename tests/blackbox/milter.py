#!/usr/bin/env python3
"""Milters: all steps and all changes, two in order, one that is not there; then rspamd on GTUBE and clamav-milter on EICAR."""
import fcntl
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import own_site
from milter_server import LARGE, SILENT, Milter, UnixMilter
from own_site import limit_descriptors, role_pid

base, state, lane, tmp, binaries = int(os.environ["BASE_PORT"]), os.environ["STATE"], os.environ["LANE"], os.environ["TMP"], os.environ["BIN"]
CONF, LOG = f"{state}/etc/smtpd.conf", f"{state}/log/smtpd.log"
FIRST, SECOND, RSPAMD, DYING, LEAVING, LAST = base + 71, base + 72, base + 73, base + 74, base + 75, base + 76
failed = False


def check(name, good, detail=""):
    global failed
    print(("ok" if good else "not ok"), f"- {lane}: {name}", flush=True)
    if not good:
        failed = True
        print("   ", detail)


def eventually(question, seconds=60):
    until = time.monotonic() + seconds
    while not (answer := question()) and time.monotonic() < until:
        time.sleep(0.05)
    return answer


def log():
    with open(LOG, encoding="utf-8", errors="replace") as file:
        return file.read()


def configure(text):
    """Takes over the configuration: the role that listens then offers another size."""
    configure.size += 1
    with open(CONF, "w", encoding="utf-8") as file:
        file.write(f"{original}message_size_max = {configure.size};\n{text}")
    with open(f"{state}/run/smtpd.pid", encoding="ascii") as file:
        os.kill(int(file.read()), signal.SIGHUP)

    def taken():
        with smtplib.SMTP("127.0.0.1", base + 25, timeout=60) as peer:
            peer.ehlo()
            return peer.esmtp_features.get("size") == str(configure.size)
    check("the configuration is taken over", eventually(taken), text)
    time.sleep(1)  # the role that asks milters hears of it at the same time, and has no way to say so


configure.size = 20000000


def send(subject, sender="s@example.org", rcpts=("u1@example.test",), body="Hello.\r\n", header=""):
    """The last reply."""
    text = f"From: s@example.org\r\nX-Twice: one\r\nX-Twice: two\r\nSubject: {subject}\r\n{header}\r\n{body}"
    with smtplib.SMTP("127.0.0.1", base + 25, timeout=120) as peer:
        peer.ehlo("client.example")
        code, reply = peer.mail(sender)
        for rcpt in rcpts:
            if code == 250:
                code, reply = peer.rcpt(rcpt)
        if code == 250:
            code, reply = peer.data(text.encode())
    return code, reply.decode(errors="replace")


def mails(user):
    return [text.encode("utf-8", "replace") for text in own_site.mails(f"{state}/mail/example.test/{user}/Maildir", ["new"])]


def arrived(user, pattern):
    return eventually(lambda: next((text for text in mails(user) if re.search(pattern, text)), None))


def ours():
    first = Milter(FIRST)
    configure(f'milters = [ "127.0.0.1:{FIRST}" ];\n')
    code, reply = send("plain-1")
    check("a message that nobody minds is taken", code == 250, reply)
    check("and arrives", arrived("u1", rb"plain-1"))
    seen = first.seen[-1]
    check("each step is told in its order", re.fullmatch("OCHMRTL+NB+E", seen["order"]), seen)
    check("what is told: the client", seen["client"] == b"[127.0.0.1]\x004\0\x00127.0.0.1\0" and seen["helo"] == b"client.example", seen)
    check("the envelope", seen["mail"] == b"<s@example.org>" and seen["rcpt"] == [b"<u1@example.test>"], seen)
    check("the text", seen["headers"][0] == (b"From", b"s@example.org") and seen["body"] == b"Hello.\r\n", seen)
    check("macros", seen["macros"].get(b"j") == b"mail.example.test" and re.fullmatch(rb"[0-9A-F]{16}", seen["macros"].get(b"i", b"")), seen)
    for subject, wanted in (("reject", 550), ("tempfail", 451), ("reply", 554), ("nonsense", 451)):
        code, reply = send(f"{subject}-2")
        check(f"{subject}: {wanted}", code == wanted, (code, reply))
    check("a milter's own text", "Not this one" in send("reply-2")[1])
    check("a sender is refused", send("x", sender="refuse-mail@example.org")[0] == 550)
    check("a recipient is refused, with the milter's reply", send("x", rcpts=("u3@example.test",)) == (550, "5.1.1 No mail for u3"))
    check("a milter that hangs up puts the message off", send("x", sender="hang-up@example.org")[0] == 451)
    code, reply = send("discard-3")
    check("a discarded message is taken", code == 250, reply)
    check("and so is one whose sender is discarded", send("discard-4", sender="discard@example.org")[0] == 250)
    code, reply = send("change-5", body="x" * 70 + "\r\n" + "Line.\r\n" * 60000)
    check("a message that is changed is taken", code == 250, reply)
    text = arrived("u1", rb"Subject: made new\r?\n") or b""
    header = text.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    check("fields are added, put in, changed, removed", b"X-Added: at the end\n\tfolded" in header and b"change-5" not in header and
          b"X-Twice: one" in header and b"X-Twice: two" not in header and header.index(b"X-First: at the top") < header.index(b"From:"), header)
    check("a field that cannot be is left out", b"is left out" not in header, header)
    check("the body stays as it was", text.count(b"Line.") == 60000, len(text))
    code, reply = send("body-6")
    text = arrived("u1", rb"body-6") or b""
    check("a body is replaced", code == 250 and b"Another body." in text and b"Hello." not in text, text)
    with smtplib.SMTP("127.0.0.1", base + 25, timeout=60) as peer:
        peer.ehlo("client.example")
        peer.mail("s@example.org")
        peer.rcpt("u1@example.test")
        code, reply = peer.data(b"From: s@example.org\r\nSubject: body-none-6\r\n")
    text = arrived("u1", rb"body-none-6") or b""
    check("also where there was none, behind an empty line", code == 250 and b"\n\nAnother body." in text.replace(b"\r\n", b"\n"), text)
    long_field = "X-Long: " + "\r\n\t".join(120 * ["y" * 900]) + "\r\n"
    code, reply = send("long-6", header=long_field)
    text = arrived("u1", rb"long-6") or b""
    told = dict(first.seen[-1]["headers"]).get(b"X-Long", b"")
    check("of a field above 64 KB a milter is told the front, and the message keeps all of it", code == 250 and 65000 < len(told) < 65536 and
          text.count(b"y" * 900) == 120, (code, reply, len(told)))
    check("and the log tells", re.search(r'milter-failed|milter-field-cut .*field=X-Long octets=1\d{5} ', log()), log()[-1000:])
    files(first)
    code, reply = send("rcpt-7")
    text = arrived("u2", rb"rcpt-7") or b""
    check("recipients and the sender are changed", code == 250 and b"Return-Path: <other@example.org>" in text, (reply, text))
    check("whom a milter removed gets nothing", not any(b"rcpt-7" in text for text in mails("u1")))
    configure(f'milters = [ "127.0.0.1:{FIRST}" ];\nrecipients_max = 100;\n')
    code, reply = send("rcpt-8", rcpts=[f"u3+{n}@example.test" for n in range(100)])
    check("a milter adds to as many recipients as one message may have", code == 250 and arrived("u2", rb"rcpt-8"), (code, reply))
    code, reply = send("redirect-8", rcpts=["u1@example.test", "u2@example.test"] + [f"u3+{n}@example.test" for n in range(98)])
    check("a milter takes all recipients away, and adds one that was among them", code == 250 and arrived("u1", rb"redirect-8") and arrived("u2", rb"redirect-8"),
          (code, reply))
    check("who is added twice, or was a recipient, has it once", [sum(b"redirect-8" in text for text in mails(user)) for user in ("u1", "u2", "u3")] == [1, 1, 0])
    code, reply = send("nobody-8", sender="lonely@example.org")
    check("a message whose last recipient a milter takes away is taken, and the log has that it is dropped", code == 250 and
          eventually(lambda: re.search(r"discarded .*from=lonely@example.org", log()), 10), (code, reply))
    configure("")
    with smtplib.SMTP("127.0.0.1", base + 25, timeout=60) as many, smtplib.SMTP("127.0.0.1", base + 25, timeout=60) as other:
        for peer in (many, other):
            peer.ehlo("client.example")
            peer.mail("s@example.org")
        for n in range(101):
            many.rcpt(f"u3+{n}@example.test")
        other.rcpt("u2@example.test")
        other.docmd("DATA")
        configure("recipients_max = 100;\n")
        code, reply = many.data(b"Subject: many-8\r\n\r\n")
        check("a message may have as many recipients as when they were named", code == 250, (code, reply))
        other.send(b"Subject: other-8\r\n\r\n.\r\n")
        code, reply = other.getreply()
        check("and those of others are not put off", code == 250, (code, reply))
    configure(f'milters = [ "127.0.0.1:{FIRST}" ];\n')
    code, reply = send("quarantine-8")
    check("a message is taken to be held", code == 250, reply)
    held = os.listdir(f"{state}/spool/hold")
    check("and held", len(held) == 1, held)
    check("the log has why", re.search(r"held .*why=\"?looks odd", log()), "")
    check("nothing that was discarded or held arrives", not any(re.search(rb"(discard|quarantine)-", text) for text in mails("u1")))
    subprocess.run([f"{binaries}/mailqueue", "-C", CONF, "remove", *held], check=False, capture_output=True)

    limits()
    configure(f'milters = [ "127.0.0.1:{FIRST}" ];\n')
    channel_breaks()
    dying()
    leaving()
    second = Milter(SECOND, options=0x1ff7ff & ~0x37f)  # no step is answered, none left out
    configure(f'milters = [ "127.0.0.1:{FIRST}", "127.0.0.1:{SECOND}" ];\n')
    code, reply = send("change-body-9")
    seen = second.seen[-1] if second.seen else {}
    check("the second milter sees what the first made", code == 250 and (b"X-First", b" at the top") in seen.get("headers", []) and
          seen.get("body") == b"Another body.\r\n", (reply, seen))
    second.options |= LARGE  # from the next connection on
    code, reply = send("long-9", header=long_field)
    told = dict(second.seen[-1]["headers"]).get(b"X-Long", b"")
    check("one that takes large packets is told all of a long field", code == 250 and told.count(b"y" * 900) == 120, (code, reply, len(told)))
    second.shutdown()
    second.server_close()
    check("one that is not there puts messages off", send("gone-10")[0] == 451)
    configure(f'milters = [ "127.0.0.1:{SECOND}" ];\nmilter_default = "accept";\n')
    check("or not, as it is configured", send("gone-11")[0] == 250)
    check("and that message arrives", arrived("u1", rb"gone-11"))
    first.shutdown()
    first.server_close()


def files(milter):
    """What the filter role has of a message, in memory or on the disk, it can read alone."""
    found = []

    def look():
        pid = role_pid(state, "filter")
        for fd in os.listdir(f"/proc/{pid}/fd"):
            path = os.readlink(f"/proc/{pid}/fd/{fd}")
            if "/spool/" in path:
                with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as info:
                    found.append((path, int(re.search(r"flags:\s*(\d+)", info.read()).group(1), 8) & os.O_ACCMODE == os.O_RDONLY))
            elif "memfd:message" in path:
                copy = os.open(f"/proc/{pid}/fd/{fd}", os.O_RDONLY)
                found.append((path, fcntl.fcntl(copy, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE != 0))
                os.close(copy)
    milter.at_end = look
    for name, rcpt, body, place in (("small", "u1@example.test", "x\r\n", "memfd"), ("large", "u1@example.test", "x" * 70 + "\r\n" + "Line.\r\n" * 60000, "/spool/")):
        found.clear()
        code, reply = send(f"files-{name}", rcpts=(rcpt,), body=body)
        check(f"a {name} message cannot be changed by the process that shows it to milters", code == 250 and found and all(place in path and good for path, good in found),
              (code, reply, found))
        check("and it arrives", arrived("u1", f"files-{name}".encode()))
    milter.at_end = None


def dying():
    """Milters that leave between their changes and their answer: none of these is made."""
    dies = Milter(DYING, dies=True)
    configure(f'milters = [ "127.0.0.1:{DYING}" ];\nmilter_default = "accept";\n')
    for subject, changed in (("nobody", None), ("rcpt", rb"other@example.org"), ("body", rb"Another"), ("change", rb"X-First|made new"), ("quarantine", None)):
        code, reply = send(f"{subject}-dies")
        text = arrived("u1", rf"{subject}-dies".encode())
        check(f"a milter that dies in its changes ({subject}): the message arrives as it came", code == 250 and text and b"Hello.\n" in text.replace(b"\r", b"") and
              not (changed and re.search(changed, text)), (code, reply, text))
    check("the log tells, and to nobody else it went", re.search(r"milter-failed .*closed the connection.*accepted without it", log()) and
          not any(b"rcpt-dies" in text for text in mails("u2")))
    configure(f'milters = [ "127.0.0.1:{FIRST}", "127.0.0.1:{DYING}" ];\nmilter_default = "accept";\n')
    code, reply = send("body-first-dies")
    text = arrived("u1", rb"body-first-dies") or b""
    check("what those before it have made stays", code == 250 and b"Another body.\n" in text.replace(b"\r", b"") and b"Hello." not in text, (reply, text))
    configure(f'milters = [ "127.0.0.1:{DYING}" ];\n')
    check("and by default the message is put off", send("nobody-dies")[0] == 451)
    dies.shutdown()
    dies.server_close()


def leaving():
    """Milters that leave in the middle, and ones that answer only in the end, or leave there: mail waits, or goes without them, as it is configured."""
    whole, silent, silent_dies = Milter(DYING), Milter(LEAVING, options=SILENT), Milter(LAST, options=SILENT, dies=True)
    ways = [("at its sender", DYING, "leaves-sender", {"sender": "hang-up@example.org"}), ("at a recipient", DYING, "leaves-rcpt", {"rcpts": ("u2+hang-up@example.test",)}),
            ("in the header", DYING, "leaves-header", {}), ("in the body", DYING, "leaves-body", {}), ("without an answer to anything", LAST, "leaves-last", {})]
    for default, wanted in (("tempfail", 451), ("accept", 250)):
        for where, port, subject, envelope in ways:
            configure(f'milters = [ "127.0.0.1:{port}" ];\nmilter_default = "{default}";\n')
            code, reply = send(f"{subject}-{default}", **envelope)
            user = "u2" if "rcpts" in envelope else "u1"
            check(f"a milter that leaves {where}, {default}: {wanted}", code == wanted and (wanted != 250 or arrived(user, f"{subject}-{default}".encode())), (code, reply))
        configure(f'milters = [ "127.0.0.1:{LEAVING}" ];\nmilter_default = "{default}";\n')
        for subject, code_wanted in (("plain", 250), ("reject", 550), ("tempfail", 451), ("reply", 554)):
            code, reply = send(f"{subject}-only-end-{wanted}")
            check(f"one that answers only in the end has its say, {default}: {subject}", code == code_wanted, (code, reply))
        seen = silent.seen[-1]
        check("and was told all steps", re.fullmatch("OCHMRTL+NB+E", seen["order"]) and seen["body"] == b"Hello.\r\n", seen)
    check("what was put off or refused has not arrived", not any(re.search(rb"leaves-\w+-tempfail|(reject|tempfail|reply)-only-end-", text) for user in ("u1", "u2") for text in mails(user)))
    for milter in (whole, silent, silent_dies):
        milter.shutdown()
        milter.server_close()


def submit(subject):
    """The last reply to alice's, and what the queue's file descriptors of the filter role are while she says no more."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP_SSL("127.0.0.1", base + 465, timeout=120, context=context) as peer:
        peer.login("alice@example.test", "demo")
        peer.mail("alice@example.test")
        peer.rcpt("u1@example.test")
        try:
            code, reply = peer.data(f"From: alice@example.test\r\nSubject: {subject}\r\n\r\nx\r\n".encode())
        except smtplib.SMTPDataError as refusal:
            code, reply = refusal.args
        return code, reply.decode(errors="replace"), peer.noop()[0], held_by_filter()


def held_by_filter():
    """Files of the spool, and of memory, that the filter role has open."""
    pid, found = role_pid(state, "filter"), []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    return [path for path in found if "/spool/" in path or "memfd:message" in path]


def limits():
    """What is not taken does not count; nor does anybody hold it any longer."""
    configure(f'milters = [ "127.0.0.1:{FIRST}" ]; limits = [ "messages/account=2/59m" ];\n')
    for n in range(4):
        code, reply, _, held = submit(f"tempfail-{n}")
        check("submitted mail that a milter puts off is put off by it, not by a limit", code == 451 and "enough" not in reply, (code, reply))
        check("and its file is nobody's then", not held, held)
    check("what is taken counts", [submit(f"plain-{n}")[0] for n in range(2)] == [250, 250], log()[-2000:])
    code, reply, _, _ = submit("plain-2")
    check("and has its limit", code == 451 and "enough" in reply, (code, reply))


def channel_breaks():
    """The filter role cannot take a message's descriptor: its channel to smtp ends, and neither of them does."""
    pid, smtp = role_pid(state, "filter"), role_pid(state, "smtp")
    with smtplib.SMTP("127.0.0.1", base + 25, timeout=60) as peer:
        peer.ehlo("client.example")
        peer.mail("s@example.org")
        peer.rcpt("u1@example.test")
        limit_descriptors(pid, "3")
        peer.docmd("DATA")
        peer.send(b"Subject: breaks-8\r\n\r\n.\r\n")
        code, reply = peer.getreply()
        check("a message that the filter role cannot take is put off", code == 451, (code, reply))
    limit_descriptors(pid, "1000")

    def comes_again():
        try:
            return send("breaks-9")[0] == 250
        except OSError:
            return False
    check("and mail is filtered again soon", eventually(comes_again, 40))
    check("by the same processes", (pid, smtp) == (role_pid(state, "filter"), role_pid(state, "smtp")))


def by_unix_socket():
    path = f"{tmp}/milter.sock"
    os.chmod(tmp, 0o755)
    milter = UnixMilter(path)
    os.chmod(path, 0o666)
    configure(f'milters = [ "unix:{path}" ];\n')
    code, reply = send("change-12")
    check("a milter on a Unix socket sees a message, and changes it", code == 250 and milter.seen and arrived("u1", rb"X-Added: at the end"), reply)
    check("and may refuse one", send("reject-12")[0] == 550)
    if os.geteuid() == 0:
        os.chmod(path, 0o600)
        code, reply = send("shut-13")
        check("the socket is opened with the filter role's rights, not with root's", code == 451 and eventually(
            lambda: re.search(rf'milter-failed milter="?unix:{path}"? error="Permission denied"', log())), (code, reply))
    milter.shutdown()
    milter.server_close()
    check("a Unix socket that nobody listens on puts messages off", send("gone-14")[0] == 451)
    os.unlink(path)
    check("so does one that is not there", send("gone-15")[0] == 451)


def answers(where):
    try:
        with socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET) as peer:
            peer.settimeout(20)
            peer.connect(where if isinstance(where, str) else ("127.0.0.1", where))
            return True
    except OSError:
        return False


def start(name, command, where, seconds):
    with open(f"{tmp}/{name}.log", "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    up = eventually(lambda: answers(where) or process.poll() is not None, seconds) and process.poll() is None
    with open(f"{tmp}/{name}.log", encoding="utf-8", errors="replace") as file:
        check(f"{name} starts", up, file.read()[-2000:])
    return process


def stop(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def skip(name, package):
    print(f"ok - {lane}: {name} # SKIPPED: {package} IS NOT INSTALLED (packages/install test)", flush=True)


GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def rspamd():
    folder = f"{tmp}/rspamd"
    os.makedirs(folder)
    os.chmod(tmp, 0o755)
    with open(f"{folder}/rspamd.conf", "w", encoding="ascii") as file:
        file.write(f'''
options {{ pidfile = "{folder}/pid"; filters = "chartable"; dns {{ nameserver = ["127.0.0.1:{base + 79}"]; }} control_socket = "{folder}/control mode=0600"; }}
logging {{ type = "console"; level = "info"; }}
actions {{ reject = 15; add_header = 6; }}
worker "rspamd_proxy" {{ bind_socket = "127.0.0.1:{RSPAMD}"; milter = yes; count = 1; upstream "local" {{ self_scan = yes; default = yes; }} }}
''')
    shutil.chown(folder, "_rspamd")
    process = start("rspamd", ["/usr/bin/rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd", "-c", f"{folder}/rspamd.conf"], RSPAMD, 120)
    try:
        configure(f'milters = [ "127.0.0.1:{RSPAMD}" ];\n')
        code, reply = send("rspamd-ham")
        check("rspamd lets mail pass", code == 250 and arrived("u1", rb"rspamd-ham"), reply)
        code, reply = send("rspamd-spam", body=GTUBE + "\r\n")
        check("rspamd refuses GTUBE", code == 554, (code, reply))
    finally:
        stop(process)


def clamav():
    folder = f"{tmp}/clamav"
    os.makedirs(f"{folder}/db")
    os.chmod(tmp, 0o755)
    with open(f"{folder}/db/test.ndb", "w", encoding="ascii") as file:
        file.write(f"Eicar-Test-Signature:0:*:{EICAR.encode().hex()}\n")
    with open(f"{folder}/clamd.conf", "w", encoding="ascii") as file:
        file.write(f"DatabaseDirectory {folder}/db\nLocalSocket {folder}/clamd.sock\nForeground yes\nLogFile {folder}/clamd.log\n")
    with open(f"{folder}/milter.conf", "w", encoding="ascii") as file:
        file.write(f"MilterSocket unix:{folder}/milter.sock\nMilterSocketMode 666\nForeground yes\nClamdSocket unix:{folder}/clamd.sock\n"
                   "OnInfected Reject\nRejectMsg A virus: %v\nAddHeader Replace\n")
    with open(f"{folder}/clamd.out", "wb") as out:
        clamd = subprocess.Popen(["/usr/sbin/clamd", "-c", f"{folder}/clamd.conf"], stdout=out, stderr=out, start_new_session=True)
    try:
        check("clamd starts", eventually(lambda: os.path.exists(f"{folder}/clamd.sock"), 120), open(f"{folder}/clamd.out").read())
        process = start("clamav-milter", ["/usr/sbin/clamav-milter", "-c", f"{folder}/milter.conf"], f"{folder}/milter.sock", 120)
        try:
            configure(f'milters = [ "unix:{folder}/milter.sock" ];\n')
            code, reply = send("clamav-clean")
            text = arrived("u1", rb"clamav-clean") or b""
            check("clamav-milter lets mail pass, and says so in the header", code == 250 and b"X-Virus-Status: Clean" in text, (reply, text))
            code, reply = send("clamav-virus", body=EICAR + "\r\n")
            check("clamav-milter refuses EICAR", code == 550, (code, reply))
        finally:
            stop(process)
    finally:
        stop(clamd)


with open(CONF, encoding="utf-8") as file:
    original = file.read()
try:
    ours()
    by_unix_socket()
    if os.geteuid() == 0 and os.path.exists("/usr/bin/rspamd"):
        rspamd()
    else:
        skip("rspamd and GTUBE", "rspamd")
    if os.path.exists("/usr/sbin/clamav-milter") and os.path.exists("/usr/sbin/clamd"):
        clamav()
    else:
        skip("clamav-milter and EICAR", "clamav-milter")
finally:
    configure("")
    with open(CONF, "w", encoding="utf-8") as file:
        file.write(original)
sys.exit(failed)
