#!/bin/bash
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
# Mail to other hosts, with a daemon of its own: what they take arrives there byte for byte, what they refuse comes back as a report,
# what they put off goes later. The other hosts are postfix's smtp-sink and far_host.py.
. "$(dirname "$0")/lib.sh"
outer=$BASE_PORT; export BASE_PORT=$((outer + 603))
sink_port=$((outer + 601)); far_port=$((outer + 602)); dns_port=$((outer + 604))
own=$TMP/demo spool=$TMP/demo/spool
chmod 711 "$TMP"
sink= far=
end() { FOURPOST_BIN=$BIN ./demo --stop "$own" >/dev/null 2>&1; [ -z "$sink" ] || kill $sink; [ -z "$far" ] || kill $far; }
trap end EXIT
start_demo() {
	FOURPOST_DEMO_SMTPD="retry_min = \"1s\"; retry_max = \"2s\"; delay_warning = \"${warning:-4h}\"; resolvers = [ \"127.0.0.1@$dns_port\" ]; dnssec_anchor = \"\";" \
		FOURPOST_BIN=$BIN ./demo --dir "$own" --base-port "$BASE_PORT" --background "$@"
}
# sink [OPTION...]: postfix's, which writes each message to a file of its own.
as_nobody=; [ "$(id -u)" -ne 0 ] || as_nobody="-u nobody"
sink_folder=$TMP/sink; mkdir -p "$sink_folder"; chmod 777 "$sink_folder"
# shellcheck disable=SC2086
start_sink() {
	rm -f "$sink_folder"/*
	(cd "$sink_folder" && exec smtp-sink $as_nobody -d "$sink_folder/m" "$@" "127.0.0.1:$sink_port" 64) >"$TMP/sink.log" 2>&1 &
	sink=$!
	# What it has from here on may be the queue's: it retries within a second.
	eventually bash -c "exec 3<>/dev/tcp/127.0.0.1/$sink_port"
}
stop_sink() { kill "$sink"; wait "$sink" 2>/dev/null; sink=; }
far_folder=$TMP/far; mkdir -p "$far_folder"
start_far() {
	rm -f "$far_folder"/*
	python3 tests/blackbox/far_host.py --folder "$far_folder" --smtp "127.0.0.1:$far_port" "$@" >"$TMP/far.log" 2>&1 &
	far=$!
	eventually test -e "$far_folder/ready"
	rm -f "$far_folder/ready"
}
stop_far() { kill "$far"; wait "$far" 2>/dev/null; far=; }
set_relay() { # set_relay [PORT]: other hosts' mail goes there from now on, or by the DNS
	sed -i '/^relay_host/d' "$own/etc/smtpd.conf"
	[ -z "${1:-}" ] || echo "relay_host = \"127.0.0.1:$1\";" >>"$own/etc/smtpd.conf"
	local before; before=$(grep -c reloaded "$own/log/smtpd.log")
	kill -HUP "$(cat "$own/run/smtpd.pid")"
	eventually bash -c "[ \$(grep -c reloaded '$own/log/smtpd.log') -gt $before ]"
}
# submit FILE [SWAKS OPTIONS]: as alice, by submission.
submit() {
	local file=$1; shift
	swaks --server 127.0.0.1 --port "$(port 465)" --tls-on-connect --auth PLAIN --auth-user alice@example.test --auth-password demo \
		--timeout 30 --hide-all --from alice@example.test --data "@$file" "$@"
}
message() { printf 'From: alice@example.test\r\nSubject: %s\r\n\r\n%s\r\n' "$1" "$2"; }
queue() { "$BIN/mailqueue" -C "$own/etc/smtpd.conf" "$@"; }
queue_empty() { queue list | grep -qF 'The queue is empty.'; }
# The sink has so many messages, whole: their senders have been told so.
sunk() { [ "$(find "$sink_folder" -type f | wc -l)" -ge "$1" ] && queue_empty; }
logged() { grep -qE -- "$1" "$own/log/smtpd.log"; }
# same A B: the bodies of two messages, but for empty lines at their ends (swaks and smtp-sink add some).
body() { sed '1,/^\r*$/d' "$1" | tr -d '\r'; }
same() { [ "$(sha256sum <<<"$(body "$1")")" = "$(sha256sum <<<"$(body "$2")")" ]; }
# report SUBJECT-OF-THE-ORIGINAL PYTHON-EXPRESSION: true of the report (an email.message) about it in alice's INBOX.
report() {
	python3 - "$(port 993)" "$1" "$2" <<-'END'
	import email, email.policy, imaplib, ssl, sys
	context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
	with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=context, timeout=20) as client:
	    client.login("alice@example.test", "demo"); client.select("INBOX", readonly=True)
	    found = client.search(None, "BODY", sys.argv[2])[1][0].split()
	    reports = []
	    for number in found:
	        report = email.message_from_bytes(client.fetch(number, "BODY.PEEK[]")[1][0][1], policy=email.policy.default)
	        if report.get_content_type() == "multipart/report": reports.append(report)
	if not reports: sys.exit(f"no report about {sys.argv[2]}")
	report = reports[-1]
	parts = list(report.iter_parts())
	status = parts[1].get_payload() if len(parts) > 1 and isinstance(parts[1].get_payload(), list) else []
	recipients = {r["Final-Recipient"].split(";")[1].strip(): r for r in status[1:]}
	original = parts[2] if len(parts) > 2 else None
	if not eval(sys.argv[3]): print(report); sys.exit("not so: " + sys.argv[3])
	END
}
no_report() { ! report "$1" True 2>/dev/null; }

check "a demo starts that relays to a host" start_demo --relay "127.0.0.1:$sink_port"
[ $failures -eq 0 ] || finish

# --- what is taken ---
start_sink
message plain-out $'first\n.leading dot\n..two\n\nlast' | sed 's/\r*$/\r/' >"$TMP/plain"
check "a message for another host is taken" submit "$TMP/plain" --to carol@far.example
check "and arrives there" eventually sunk 1
check "with its dots" same "$TMP/plain" "$sink_folder"/m*
expect "and its envelope" 'X-Mail-Args: <alice@example.test>' cat "$sink_folder"/m*

rm -f "$sink_folder"/*
{ message eight-bit 'Grüße, 世界' | sed '1i MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r'; } >"$TMP/eight"
curl -sSk --max-time 20 --ssl-reqd -u alice@example.test:demo --mail-from 'alice@example.test' --mail-rcpt carol@far.example -T "$TMP/eight" "smtps://127.0.0.1:$(port 465)"
check "8-bit text arrives" eventually sunk 1
check "as it was" grep -q 'Grüße, 世界' "$sink_folder"/m*
# curl declares no BODY, so nothing is declared on; sendmail does.
rm -f "$sink_folder"/*
"$BIN/sendmail" -C "$own/etc/smtpd.conf" -f alice@example.test carol@far.example <"$TMP/eight"
check "8BITMIME is declared where it was" eventually grep -qr 'X-Mail-Args: .*BODY=8BITMIME' "$sink_folder"

rm -f "$sink_folder"/*
{ printf 'From: alice@example.test\r\nSubject: large\r\n\r\n'; head -c 7500000 /dev/urandom | base64 -w 76 | sed 's/$/\r/'; } >"$TMP/large"
check "10 MB are taken" submit "$TMP/large" --to carol@far.example
check "and arrive there" eventually sunk 1
check "whole" same "$TMP/large" "$sink_folder"/m*

rm -f "$sink_folder"/*
check "a message for five recipients is taken" submit "$TMP/plain" --to r1@far.example,r2@far.example,r3@other.example,r4@far.example,alice@example.test
five() { [ "$(cat "$sink_folder"/m* | grep -cE 'X-Rcpt-Args: <r[1-4]@')" -eq 4 ] && sunk 1 && ! sunk 2; }
check "and goes there once, with those four" eventually five
check "and to the one who is here" eventually has_mail alice plain-out

# More than may wait for one host at once: the rest follows when there is room, not when its time comes.
rm -f "$sink_folder"/*
{ printf 'HELO x\r\n'; for i in $(seq 500); do printf 'MAIL FROM:<alice@example.test>\r\nRCPT TO:<r%d@far.example>\r\nDATA\r\nSubject: crowd\r\n\r\nx\r\n.\r\n' "$i"; done; printf 'QUIT\r\n'; } |
	"$BIN/sendmail" -C "$own/etc/smtpd.conf" -bs >/dev/null
start=$(date +%s)
check "500 messages for one host arrive" eventually sunk 500
[ $(($(date +%s) - start)) -le 15 ] && ok "in one go" || not_ok "in one go" "$(($(date +%s) - start)) s"
stop_sink

# --- what cannot be taken ---
start_sink -8
printf 'Subject: eight-bit\n\ncaf\303\251\n' | "$BIN/sendmail" -C "$own/etc/smtpd.conf" -f alice@example.test carol@far.example
check "8-bit text that does not say so is not sent to a host without 8BITMIME, and comes back" eventually report eight-bit 'recipients["carol@far.example"]["Status"] == "5.6.3"'
printf 'Subject: declared\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\ncaf\303\251\n' |
	"$BIN/sendmail" -C "$own/etc/smtpd.conf" -f alice@example.test carol@far.example
check "what says that it is 8-bit text is converted" eventually grep -qrF 'caf=C3=A9' "$sink_folder"
check "and says how" grep -qrF 'Content-Transfer-Encoding: quoted-printable' "$sink_folder"
stop_sink

start_sink -f RCPT
message refused-1 'secret body' >"$TMP/refused"
check "a recipient is refused" submit "$TMP/refused" --to nobody@far.example
check "a report comes back" eventually report refused-1 True
check "multipart/report of three parts" report refused-1 'report["Content-Type"].params["report-type"] == "delivery-status" and [p.get_content_type() for p in parts] == ["text/plain", "message/delivery-status", "text/rfc822-headers"]'
check "which says what happened" report refused-1 'recipients["nobody@far.example"]["Action"] == "failed" and recipients["nobody@far.example"]["Status"].startswith("5.") and "500" in recipients["nobody@far.example"]["Diagnostic-Code"] and status[0]["Reporting-MTA"] == "dns; mail.example.test"'
check "sent by nobody, to the sender" report refused-1 'report["Return-Path"] == "<>" and str(report["To"]) == "alice@example.test" and report["Auto-Submitted"] == "auto-replied"'
check "with the header alone of the message" report refused-1 '"Subject: refused-1" in original.get_content() and "secret body" not in str(report)'
message refused-full 'whole body' >"$TMP/full"
"$BIN/sendmail" -C "$own/etc/smtpd.conf" -R full -V an-id -f alice@example.test nobody@far.example <"$TMP/full"
check "RET=FULL brings the message back, and its ENVID" eventually report refused-full 'original.get_content_type() == "message/rfc822" and "whole body" in str(original) and status[0]["Original-Envelope-Id"] == "an-id"'

message refused-never x >"$TMP/never"
"$BIN/sendmail" -C "$own/etc/smtpd.conf" -N never -f alice@example.test nobody@far.example <"$TMP/never"
message refused-null x | "$BIN/sendmail" -C "$own/etc/smtpd.conf" -f '<>' nobody@far.example
check "failures that nobody wants to hear of are logged" eventually logged 'failed-silently.*nobody@far.example'
check "and those of the null reverse-path" eventually logged 'bounce-undeliverable.*nobody@far.example'
check "nothing of them stays" eventually queue_empty
check "NOTIFY=NEVER: no report" no_report refused-never
check "null reverse-path: postmaster is told, who is alice here" eventually report refused-null 'report["Return-Path"] == "<>" and recipients["nobody@far.example"]["Action"] == "failed" and "as postmaster" in parts[0].get_content()'
stop_sink

# --- what is put off ---
start_sink -r RCPT
message put-off x >"$TMP/off"
check "a recipient is put off" submit "$TMP/off" --to carol@far.example
check "the queue lists it with the reason" eventually logged 'deferred .*code=450'
expect "for operators" 'next attempt in|due now' queue list
stop_sink
start_sink
check "it goes when the host takes it" eventually sunk 1
check "and the queue is empty" eventually queue_empty
stop_sink
for trouble in "-q DATA" "-Q RCPT" "-f CONNECT" "-A 0"; do
	# shellcheck disable=SC2086
	start_sink $trouble
	before=$(wc -l <"$own/log/smtpd.log")
	message "trouble" "$trouble" >"$TMP/trouble"
	submit "$TMP/trouble" --to carol@far.example >/dev/null
	deferred() { tail -n +$((before + 1)) "$own/log/smtpd.log" | grep -qE ' (deferred|failed) '; }
	check "smtp-sink $trouble: an answer to the queue" eventually deferred
	stop_sink
done
start_sink
check "all of it that was put off goes later" eventually queue_empty
stop_sink

# --- several fates in one message ---
start_far
set_relay "$far_port"
message mixed-fates x >"$TMP/mixed"
check "a message for four recipients of different fates" submit "$TMP/mixed" --to no-1@far.example,later-1@far.example,gone-1@far.example,yes-1@far.example
far_has() { cat "$far_folder"/0* 2>/dev/null | grep -aqF -- "$1"; }
for who in yes-1 later-1 gone-1; do check "$who gets it" eventually far_has "$who@far.example"; done
check "no-1 is told of, and nobody else" eventually report mixed-fates 'set(recipients) == {"no-1@far.example"} and recipients["no-1@far.example"]["Diagnostic-Code"].startswith("smtp; 550-5.1.1 There is no such mailbox: 550 5.1.1 no-1")'
check "and the queue is empty" eventually queue_empty
twice() { [ "$(cat "$far_folder"/0* | grep -ac '"TO:<yes-1@far.example>')" -eq 1 ]; }
check "none gets it twice" twice
"$BIN/sendmail" -C "$own/etc/smtpd.conf" -N success -V 'id+2B1' -R hdrs -f alice@example.test yes-2@far.example <"$TMP/mixed"
check "DSN parameters are passed on" eventually far_has 'TO:<yes-2@far.example> NOTIFY=SUCCESS'
check "with ENVID and RET" far_has 'RET=HDRS ENVID=id+2B1'
printf 'Subject: Gr\303\274\303\237e\n\nx\n' | "$BIN/sendmail" -C "$own/etc/smtpd.conf" -f alice@example.test utf8@far.example
printf 'Subject: Gr\374\337e\n\nx\n' | "$BIN/sendmail" -C "$own/etc/smtpd.conf" -f alice@example.test latin1@far.example
printf 'Subject: x\n\nGr\303\274\303\237e\n' | "$BIN/sendmail" -C "$own/etc/smtpd.conf" -f alice@example.test text@far.example
for who in utf8 latin1 text; do check "sendmail, $who: taken" eventually far_has "TO:<$who@far.example>"; done
asked() { cat "$far_folder"/0* | grep -aF "TO:<$1@far.example>" | grep -aqF SMTPUTF8; }
check "a header in UTF-8 asks for SMTPUTF8" asked utf8
for who in latin1 text; do check "in $who nothing does" bash -c "! cat '$far_folder'/0* | grep -aF 'TO:<$who@far.example>' | grep -aqF SMTPUTF8"; done
stop_far
start_far --offer "8BITMIME SIZE 20000"
printf 'Subject: s\303\274\303\237\n\nx\n' | "$BIN/sendmail" -C "$own/etc/smtpd.conf" -f alice@example.test utf8-2@far.example
check "and comes back from where it is not taken" eventually report utf8-2@far.example 'recipients["utf8-2@far.example"]["Status"] == "5.6.9"'
stop_far
start_far --offer "SIZE 20000"
message told-of x >"$TMP/told"
"$BIN/sendmail" -C "$own/etc/smtpd.conf" -N success -f alice@example.test yes-3@far.example <"$TMP/told"
check "a host without DSN: the sender is told that it was handed on" eventually report told-of 'recipients["yes-3@far.example"]["Action"] == "relayed"'
stop_far
start_far --certificate "$own/tls/cert.pem" --key "$own/tls/key.pem"
submit "$TMP/plain" --to tls@far.example >/dev/null
check "TLS is used where it is offered" eventually far_has '"tls": "TLSv1.3"'
stop_far
start_far --certificate "$own/tls/cert.pem" --key "$own/tls/key.pem" --broken-tls
submit "$TMP/plain" --to broken-tls@far.example >/dev/null
check "a host whose TLS is broken gets it without" eventually far_has 'TO:<broken-tls@far.example>'
stop_far

# --- the time is up ---
set_relay "$far_port"
message too-old x >"$TMP/old"
submit "$TMP/old" --to carol@far.example >/dev/null
check "a host that is not there: the message waits" eventually logged 'deferred .*to=carol@far.example.*Connection refused'
id=$(queue list | awk '$NF == "alice@example.test" {print $1; exit}')
file=$(find "$spool/queue" -name "$id")
FOURPOST_BIN=$BIN ./demo --stop "$own"
# Five days and more ago.
python3 - "$file" <<-'END'
	import re, sys
	with open(sys.argv[1], "r+b") as file:
	    text = file.read(200)
	    found = re.search(rb"created (\d+)\n", text)
	    file.seek(found.start(1)); file.write(b"%d" % (int(found[1]) - 6 * 86400))
END
warning=1s start_demo --relay "127.0.0.1:$far_port" >/dev/null
check "after five days it comes back" eventually report too-old 'recipients["carol@far.example"]["Status"] == "4.4.7"'
message is-late x >"$TMP/late"
submit "$TMP/late" --to carol@far.example >/dev/null
check "the sender of what is late is told" eventually report is-late 'recipients["carol@far.example"]["Action"] == "delayed" and recipients["carol@far.example"]["Status"].startswith("4.") and recipients["carol@far.example"]["Will-Retry-Until"]'
expect "which the queue knows" 'the sender was told of the delay' queue show "$(queue list | awk '$NF == "alice@example.test" {print $1; exit}')"
start_far
check "and it still goes" eventually far_has carol@far.example
check "the queue is empty" eventually queue_empty
stop_far

# --- by the DNS ---
all_lived() { ! grep -E 'role-killed|role-ended|role-misbehaved|AddressSanitizer|runtime error' "$own/log/smtpd.log" | grep -v 'role=resolve.*signal=KILL'; }
if [ "$(id -u)" -ne 0 ]; then
	ok "mail exchangers # skipped: port 25 needs root"
	check "no role died" all_lived
	finish
fi
start_far --smtp "$NET.77:25" --dns "127.0.0.1:$dns_port"
set_relay
by_dns() { message "dns-$1" x >"$TMP/dns"; submit "$TMP/dns" --to "who@$1" >/dev/null; }
for domain in one two bare; do by_dns "$domain.example"; done
for domain in one two bare; do check "$domain.example: its mail exchanger gets it" eventually far_has "TO:<who@$domain.example>"; done
for pair in null:5.1.10 missing:5.1.2 nowhere:5.1.2 loop:5.4.6; do
	domain=${pair%:*}; by_dns "$domain.example"
	check "$domain.example: comes back with ${pair#*:}" eventually report "dns-$domain.example" "recipients['who@$domain.example']['Status'] == '${pair#*:}'"
done
# A question to a resolve process that is gone waits for the next one.
parent=$(cat "$own/run/smtpd.pid")
kill -STOP "$parent"; pkill -9 -P "$parent" -f '^smtpd: resolve'
message dns-again x >"$TMP/dns"; submit "$TMP/dns" --to again@one.example >/dev/null
sleep 0.5; kill -CONT "$parent"
check "a question that met no resolver is asked again" eventually far_has 'TO:<again@one.example>'
check "and nothing was deferred for it" eval '! logged "deferred .*to=again@one.example"'
by_dns broken.example
check "a name server that fails: it waits" eventually logged 'deferred .*to=who@broken.example.*status=4.4.3'
check "no role died" all_lived
finish
