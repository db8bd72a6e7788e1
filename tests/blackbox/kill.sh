#!/bin/bash
# kill -9 of every permanent role while mail comes in: what got 250 arrives, the daemon mends itself, the others go on.
. "$(dirname "$0")/lib.sh"
# These ends are ours.
for d in smtpd pop3d imapd webmaild; do echo 'signal=KILL' >>"$STATE/log/$d.expected"; done
accepted=$TMP/accepted; : >"$accepted"
feed() {
	python3 - "$(port 25)" "$accepted" <<-'END'
	import smtplib, sys, time
	port, log = int(sys.argv[1]), open(sys.argv[2], "a")
	end = time.time() + 34
	n = 0
	while time.time() < end:
	    n += 1
	    try:
	        with smtplib.SMTP("127.0.0.1", port, timeout=10) as s:
	            s.sendmail("k@example.org", ["u2@example.test"], f"From: k@example.org\r\nSubject: kill-{n}-end\r\n\r\nx\r\n")
	        log.write(f"kill-{n}-end\n"); log.flush()
	    except Exception:
	        time.sleep(0.05)
    time.sleep(0.01)
	END
}
parent() { cat "$STATE/run/$1.pid"; }
feed & feeder=$!
# Spaced out: a daemon whose roles end more than eight times in half a minute stops, and should.
for role in smtp key auth queue resolve relay policy deliver; do
	sleep 4.5
	pkill -9 -P "$(parent smtpd)" -f "^smtpd: $role" || true
done
wait $feeder
count=$(wc -l <"$accepted")
[ "$count" -gt 20 ] && ok "mail goes on being taken ($count messages)" || not_ok "mail goes on being taken" "$count messages"
# Every Subject in the mailbox, one a line, as often as it is there.
subjects() {
	python3 - "$(port 993)" <<-'END' >"$TMP/found"
	import imaplib, re, ssl, sys
	context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
	with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=context, timeout=30) as client:
	    client.login("u2@example.test", "demo")
	    client.select("INBOX", readonly=True)
	    found = client.fetch("1:*", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]")[1]
	print(*sorted(s for s in re.findall(r"kill-[0-9]+-end", str(found))), sep="\n")
	END
	LC_ALL=C sort -o "$TMP/found" "$TMP/found"
}
all_there() { subjects; uniq "$TMP/found" >"$TMP/once"; LC_ALL=C sort "$accepted" >"$TMP/wanted"; [ -z "$(LC_ALL=C comm -23 "$TMP/wanted" "$TMP/once")" ]; }
check "each message that got 250 arrives" eventually all_there
extra=$(uniq -d "$TMP/found" | wc -l)
[ "$extra" -le 4 ] && ok "at most a delivery under way is repeated ($extra twice)" || not_ok "at most a delivery under way is repeated" "$extra twice"
for d in pop3d imapd webmaild; do
	for role in login http key auth session render; do pkill -9 -P "$(parent $d)" -f "^$d: $role" || true; sleep 0.3; done
done
sleep 1
check "imapd serves again" eventually has_mail u2 kill-1-end
check "pop3d serves again" eventually curl -sSk -u u2@example.test:demo "pop3s://127.0.0.1:$(port 995)/"
check "webmaild serves again" eventually curl -sSkf "https://127.0.0.1:$(port 443)/"
for d in smtpd pop3d imapd webmaild; do check "$d's parent has stayed" kill -0 "$(parent $d)"; done
finish
