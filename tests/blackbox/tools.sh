#!/bin/bash
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
# sendmail, mailqueue and mailq as operators, users and other programs call them, with a daemon of its own whose mail to other hosts stays
# in the queue.
. "$(dirname "$0")/lib.sh"
outer=$BASE_PORT; export BASE_PORT=$((outer + 606))
own=$TMP/demo spool=$TMP/demo/spool
chmod 711 "$TMP"
end() { FOURPOST_BIN=$BIN ./demo --stop "$own" >/dev/null 2>&1; }
trap end EXIT
# Nothing listens on the port that mail goes to.
start_demo() {
	FOURPOST_DEMO_SMTPD='message_size_max = "1M"; recipients_max = 100;' FOURPOST_BIN=$BIN \
		./demo --dir "$own" --base-port "$BASE_PORT" --accounts 1 --relay "127.0.0.1:$((outer + 605))" --background
}
sendmail() { "$BIN/sendmail" -C "$own/etc/smtpd.conf" "$@"; }
queue() { "$BIN/mailqueue" -C "$own/etc/smtpd.conf" "$@"; }
# The programs as another user: they must be where he may read them.
mkdir -p "$TMP/bin"; cp "$BIN/sendmail" "$BIN/mailqueue" "$TMP/bin/"; ln -sf mailqueue "$TMP/bin/mailq"; ln -sf sendmail "$TMP/bin/newaliases"
as() { local user=$1 program=$2; shift 2; setpriv --reuid "$user" --regid nogroup --clear-groups "$TMP/bin/$program" -C "$own/etc/smtpd.conf" "$@"; }
status() { local want=$1; shift; "$@" >"$TMP/out" 2>&1 </dev/null; local got=$?; [ $got -eq "$want" ] || { echo "status $got"; cat "$TMP/out"; return 1; }; }
logged() { grep -qE -- "$1" "$own/log/smtpd.log"; }
# mail USER SUBJECT: the whole message as it is stored.
stored() { grep -lrF --exclude=".*" "Subject: $2" "$own/mail/example.test/$1/Maildir/new" "$own/mail/example.test/$1/Maildir/cur" | head -1 | xargs cat; }
got() { stored "$1" "$2" >/dev/null 2>&1 && [ -n "$(stored "$1" "$2")" ]; }
in_queue() { queue list | grep -qF -- "$1"; }
newest() { queue list | grep -E '^[0-9A-F]{16} ' | tail -1 | cut -d' ' -f1; }
drop_files() { find "$spool/drop" -mindepth 1 | wc -l; }
nothing_dropped() { [ "$(drop_files)" -eq 0 ] || { ls -la "$spool/drop"; return 1; }; }
check "a demo starts" start_demo
[ $failures -eq 0 ] || finish

# --- sendmail: what it takes ---
all_three() { got alice header-rcpt && got bob header-rcpt && got u1 header-rcpt; }
printf 'To: alice, "B. ob" <bob@example.test>\nCc: undisclosed:;\nBcc: u1@example.test,\n alice@example.test\nReturn-Path: <x@y>\nSubject: header-rcpt\n\nbody\n' |
	sendmail -t -F 'Räuber, H.' -f alice@example.test
check "-t takes the recipients from To and Bcc" eventually all_three
check "and takes Bcc out, and a Return-Path" eval '! stored bob header-rcpt | grep -qiE "^bcc|u1@|x@y"'
expect "From is added, with the name encoded" '^From: =\?utf-8\?.* <alice@example.test>' stored bob header-rcpt
expect "and Date" '^Date: [A-Z][a-z]{2}, ' stored bob header-rcpt
expect "and Message-ID" '^Message-ID: <.*@mail.example.test>' stored bob header-rcpt
check "each gets it once" eval '[ "$(grep -lr --exclude=".*" "header-rcpt" "$own/mail/example.test/alice/Maildir/new" | wc -l)" -eq 1 ]'
printf 'From: "As it was" <who@example.org>\nDate: Mon, 7 Feb 1994 21:52:25 -0800\nMessage-ID: <mine@here>\nBcc: stays@example.test\nSubject: not-touched\n\nb\n' |
	sendmail -i -oi -odi -oem -om -v -G -B8BITMIME -L tag -O ErrorMode=m -f bob alice
check "without -t, with the usual options" eventually got alice not-touched
not_touched() { stored alice not-touched | sed '1,4d' | diff - <(printf 'From: "As it was" <who@example.org>\nDate: Mon, 7 Feb 1994 21:52:25 -0800\nMessage-ID: <mine@here>\nBcc: stays@example.test\nSubject: not-touched\n\nb\n'); }
check "nothing is touched that is there" not_touched
expect "-f is the reverse-path, a bare name that of our domain" '^Return-Path: <bob@example.test>' stored alice not-touched
printf 'Subject: dots-end\n\none\n.\ntwo\n' | sendmail alice
printf 'Subject: dots-stay\n\none\n.\n..\ntwo' | sendmail -i alice
check "a dot ends a message" eventually got alice dots-end
check "but not with -i" eventually got alice dots-stay
lines_of() { stored alice "$1" | sed '1,/^$/d' | tr '\n' ' '; }
check "exactly there" eval '[ "$(lines_of dots-end)" = "one " ] && [ "$(lines_of dots-stay)" = "one . .. two " ]'
printf 'From alice Mon Feb  7 21:52:25 1994\r\nSubject: mbox-line\r\nX: 1\r\n 2\r\n\r\nx\r\n' | sendmail alice
printf 'no header, only text\nSubject: in-the-body\n' | sendmail alice
check "a line of a mailbox file goes" eventually got alice mbox-line
check "CRLF and LF become one" eval '! stored alice mbox-line | grep -q "$(printf "\r")" && ! stored alice mbox-line | grep -q "^From alice"'
check "text without a header gets one" eventually got alice in-the-body
# What is looked at is what is written: a CR ends a line, wherever the input was cut.
printf 'To: alice@example.test\nSubject: lone-cr\rBcc: bob@example.test\rX-Seen: 1\r\r\none\rtwo\r\nthree' | sendmail -t -i
check "a CR alone ends a line of the header" eventually got bob lone-cr
check "so what is named behind it is a recipient" eventually got alice lone-cr
check "and no field" eval '! stored alice lone-cr | grep -qai "bcc" && stored alice lone-cr | grep -q "^X-Seen: 1$"'
is_made_of() { [ "$(lines_of "$1")" = "$2" ]; }
check "and one of the body" eventually is_made_of lone-cr "one two three "
{ printf 'Subject: cut-cr\r'; sleep 0.5; printf '\nX: 1\r'; sleep 0.5; printf '\n\r'; sleep 0.5; printf '\none\r'; sleep 0.5; printf '\n\ntwo\n'; } | sendmail alice
check "a CR and its LF that come apart are one line end" eventually is_made_of cut-cr "one  two "
expect "and stays text" 'no header, only text Subject: in-the-body $' lines_of in-the-body
printf 'Resent-To: bob@example.test\nTo: alice\nSubject: resent\n\nx\n' | sendmail -t
check "what is resent goes to those it is resent to" eventually got bob resent
check "and to nobody else" eval '! got alice resent'
if command -v mutt >/dev/null; then
	printf 'from mutt\n' | mutt -n -F /dev/null -e "set sendmail='$BIN/sendmail -C $own/etc/smtpd.conf -oem -oi'; set use_from=yes; set copy=no; set from=bob@example.test" -s mutt-mail -- alice@example.test
	check "mutt sends by it" eventually got alice mutt-mail
fi

# --- sendmail: what it refuses, and how ---
check "no recipients: 64" status 64 sendmail
check "nor in the header: 64" bash -c "printf 'Subject: x\n\n' | '$BIN/sendmail' -C '$own/etc/smtpd.conf' -t; [ \$? -eq 64 ]"
for bad in 'a@@b' 'two words' '<a@b' 'x@-' "$(printf 'a\nb@c')"; do check "$(printf '%q' "$bad") is no recipient: 65" status 65 sendmail "$bad"; done
check "no sender: 65" status 65 sendmail -f 'a b' alice
check "an unknown option: 64" status 64 sendmail -Z alice
for open in 'Bob (x <bob@example.test>, alice' 'Bob "x <bob@example.test>, alice' 'Bob <bob@example.test> alice@example.test'; do
	check "-t of what may hide a recipient, $open: 65" bash -c "printf 'To: bob, %s\nSubject: hidden\n\nx\n' '$open' | '$BIN/sendmail' -C '$own/etc/smtpd.conf' -t; [ \$? -eq 65 ]"
done
for full in "mailqueue -C '$own/etc/smtpd.conf' list" "mailq -C '$own/etc/smtpd.conf'" "sendmail -C '$own/etc/smtpd.conf' -bp" 'sievec -c' "mailuser -C '$own/etc/fourpost.conf' list" \
	"mailuser -C '$own/etc/fourpost.conf' quota alice@example.test" "mailalias -C '$own/etc/fourpost.conf' alice@example.test" "mailstore -C '$own/etc/fourpost.conf' list alice@example.test"; do
	check "$full that cannot write: 74" bash -c "export PATH='$TMP/bin:$BIN:'\$PATH; $full >/dev/full; [ \$? -eq 74 ]"
done
check "-bd is smtpd: 64" status 64 sendmail -bd
check "a NUL byte: 65" bash -c "printf 'Subject: x\n\na\0b' | '$BIN/sendmail' -C '$own/etc/smtpd.conf' alice; [ \$? -eq 65 ]"
check "a header without end: 65" bash -c "yes 'X-Long: header' | head -c 1200000 | '$BIN/sendmail' -C '$own/etc/smtpd.conf' alice; [ \$? -eq 65 ]"
check "a message above message_size_max: 69" bash -c "{ printf 'Subject: x\n\n'; yes | head -c 1200000; } | '$BIN/sendmail' -C '$own/etc/smtpd.conf' alice; [ \$? -eq 69 ]"
check "too many recipients: 69" bash -c "printf 'x\n' | '$BIN/sendmail' -C '$own/etc/smtpd.conf' \$(seq -f 'u%g@example.test' 101); [ \$? -eq 69 ]"
check "a message that goes round in circles: 69" bash -c "{ for i in \$(seq 120); do printf 'Received: by x; now\n'; done; printf '\nx\n'; } | '$BIN/sendmail' -C '$own/etc/smtpd.conf' alice; [ \$? -eq 69 ]"
check "no configuration: 78" status 78 "$BIN/sendmail" -C "$TMP/nothing" alice
sed 's/spool_dir.*/spool_dir = "\/nonexistent";/' "$own/etc/fourpost.conf" >"$TMP/nospool.conf"
check "no spool: 73" status 73 "$BIN/sendmail" -C "$TMP/nospool.conf" alice
mkfifo "$TMP/pipe"
exec 9<>"$TMP/pipe" # our end stays open: the message does not end
printf 'Subject: cut-off\n\nbegun' >&9
"$BIN/sendmail" -C "$own/etc/smtpd.conf" alice <"$TMP/pipe" 9>&- 2>"$TMP/cut" & cut=$!
something_dropped() { [ "$(drop_files)" -gt 0 ]; }
check "a message whose end does not come is begun" eventually something_dropped
kill $cut; wait $cut; cut=$?
exec 9>&-
check "ended within a message: 75" test $cut -eq 75
check "none of these leaves a file" eventually nothing_dropped

# --- sendmail -bs ---
bs() { printf "$@" | sendmail -bs; }
check "swaks speaks SMTP with sendmail -bs" swaks --pipe "$BIN/sendmail -C $own/etc/smtpd.conf -bs" --from bob@example.test --to alice@example.test,bob@example.test \
	--header "Subject: by-pipe" --body $'one\n.two\n..three' --timeout 20
check "and it arrives" eventually got bob by-pipe
check "with its dots" eval 'stored bob by-pipe | grep -qx "\.two" && stored bob by-pipe | grep -qx "\.\.three"'
bs 'HELO x\r\nMAIL FROM:<bob@example.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: bare-pipe\r\n\r\nx\r\n.\r\nQUIT\r\n' >/dev/null
check "a message without Date gets through too" eventually got alice bare-pipe
expect "and is mended" '^Message-ID: <' stored alice bare-pipe
expect "what is no SMTP is told so" '^500 ' bs 'what\r\n'
expect "a bare LF within a message ends it" '^550 5.6.0' bs 'HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: smuggled\n.\n\r\n.\r\n'
expect "a message above the limit gets 552" '^552 ' bash -c "{ printf 'HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n\r\n'; yes \$'x\r' | head -c 1500000; printf '\r\n.\r\nQUIT\r\n'; } | '$BIN/sendmail' -C '$own/etc/smtpd.conf' -bs"
check "the end within a message leaves nothing" bs 'HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: half\r\n'
check "indeed" eventually nothing_dropped
check "and nothing of these is delivered" eval '! got alice smuggled && ! got alice half'

# --- the queue ---
expect "mailqueue list of an empty queue" '^The queue is empty' queue list
expect "mailqueue list of a domain in an empty queue" '^The queue is empty' queue -d far.example list
printf 'Subject: far-1\n\nthe text\n' | sendmail -f alice@example.test carol@far.example dave@far.example
check "mail that cannot go now waits" eventually in_queue carol@far.example
check "the reason stands there" eventually in_queue 'Connection refused'
id=$(newest)
expect "a message and its size are listed" "^$id +[0-9]+ " queue list
for way in "mailqueue -C $own/etc/smtpd.conf list" "mailq -C $own/etc/smtpd.conf" "sendmail -C $own/etc/smtpd.conf -bp"; do expect "by ${way%% *}" "^$id " "$TMP/bin/"$way; done
expect "show has the envelope" '^To: +dave@far.example \(waits\)' queue show "$id"
expect "and the message" '^the text' queue show "$id"
expect "summary counts it by domain" '^ +[1-9][0-9]* .* far.example$' queue summary
expect "it is selected by recipient" "^$id " queue -t DAVE@far.example list
expect "and not by another's" '^0 of ' queue -t nobody@far.example list
expect "held by its domain" "^$id is held" queue -d far.example -t dave@far.example hold
check "a selection and an id: 64" status 64 queue -d far.example hold "$id"
expect "hold" "^$id is held" queue hold "$id"
check "several in one request, one of them nobody's" bash -c "'$BIN/mailqueue' -C '$own/etc/smtpd.conf' hold 0000000000000000 $id 2>&1 | tr '\\n' ' ' | grep -q '0000000000000000.*$id is held'"
check "and one that is longer than a name can be" bash -c "'$BIN/mailqueue' -C '$own/etc/smtpd.conf' hold $id $(printf '%080d' 0) $id 2>&1 | tr '\\n' ' ' | grep -q '00: there is no such message.*$id is held $id is held'"
expect "is listed" 'held until it is released' queue list
check "the file says so" test -e "$spool/hold/$id"
check "what is held is not retried: 69" status 69 queue retry "$id"
check "nor by all" queue retry all
check "it stays" test -e "$spool/hold/$id"
tries() { grep -c "deferred id=$id" "$own/log/smtpd.log"; }
again() { [ "$(tries)" -gt "$before" ]; }
before=$(tries); expect "release" "^$id is released" queue release "$id"
check "tries it" eventually again
before=$(tries); expect "retry" "^$id is tried now" queue retry "$id"
check "tries it" eventually again
before=$(tries); check "retry without an id" queue retry
check "tries everything" eventually again
before=$(tries); check "sendmail -q" sendmail -q
check "does that too" eventually again
check "what is not there: 69" status 69 queue hold 0000000000000000
check "what is no id: 69" status 69 queue remove ../../etc/passwd
check "nor shown: 69" status 69 queue show ../../etc/passwd
check "wrong usage: 64" status 64 queue eat "$id"
check "remove wants an id: 64" status 64 queue remove
check "and not all: 69" status 69 queue remove all
expect "remove" "^$id is removed" queue remove "$id"
expect "and it is gone" '^The queue is empty' queue list
check "newaliases does nothing" "$TMP/bin/newaliases"

# --- what a terminal would obey ---
hostile=$(printf 'a\033]0;x\007b\302\233c\342\200\256d')
printf 'Subject: %s\n\nx\n' "$hostile" | sendmail -f alice@example.test hostile@far.example
check "a message with control characters waits" eventually in_queue hostile@far.example
id=$(queue list | grep -B2 hostile@ | head -1 | cut -d' ' -f1)
expect "on a terminal mailqueue show has ? for each" 'a\?\]0;x\?b\?c\?d' script -qec "$BIN/mailqueue -C $own/etc/smtpd.conf show $id" /dev/null
printf 'Subject: %s\n\nx\n' "$hostile" >"$TMP/hostile.eml"
printf 'require ["variables", "fileinto"];\nif header :matches "subject" "*" { fileinto "${1}"; }\n' >"$TMP/hostile.sieve"
expect "sievec -t shows none either" 'fileinto "a \]0;x b\?c\?d"' "$BIN/sievec" -t "$TMP/hostile.eml" "$TMP/hostile.sieve"
queue remove "$id" >/dev/null

# --- local time of summers and winters ---
printf 'Date: Wed, 1 Jul 2026 12:30:00 +0000\nResent-Date: Fri, 2 Jan 2026 12:30:00 +0000\n\nx\n' >"$TMP/dates.eml"
printf 'require ["date", "fileinto"];\nif allof (date "date" "hour" "14", date "resent-date" "hour" "13") { fileinto "local"; }\n' >"$TMP/dates.sieve"
expect "dates have the offset of their season" 'fileinto "local"' env TZ=CET-1CEST,M3.5.0,M10.5.0/3 "$BIN/sievec" -t "$TMP/dates.eml" "$TMP/dates.sieve"

# --- mailuser at a terminal ---
# asked WORDS: types the words, each behind a question, and tells whether the terminal shows again what is typed.
asked() { python3 - "$BIN/mailuser" -C "$own/etc/fourpost.conf" password u1@example.test -- "$@" <<'END'
import os, signal, sys, termios
at = sys.argv.index("--")
words = [word.encode().decode("unicode_escape").encode() for word in sys.argv[at + 1:]]
terminal, side = os.openpty()
pid = os.fork()
if pid == 0:
    os.login_tty(os.dup(side))
    os.execv(sys.argv[1], sys.argv[1:at])
shows = lambda: bool(termios.tcgetattr(side)[3] & termios.ECHO)
said = b""
for word in words:
    while not said.endswith(b": "):
        said += os.read(terminal, 1000)
    said = b""
    print("echo" if shows() else "quiet", end=" ")
    os.kill(pid, signal.SIGTERM) if word == b"TERM" else os.write(terminal, word)
status = os.waitpid(pid, 0)[1]
print("status", os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status), "echo" if shows() else "quiet")
END
}
expect "a password is not shown while it is typed" '^quiet quiet status 0 echo$' asked 'demo\n' 'demo\n'
expect "an empty one leaves the terminal as it was" '^quiet status 65 echo$' asked '\n'
expect "and one that is too long" '^quiet status 65 echo$' asked "$(printf '%0600d' 0)\\n"
expect "and none" '^quiet quiet status 66 echo$' asked 'demo\n' '\x04'
expect "and Ctrl-C" '^quiet status -2 echo$' asked '\x03'
expect "and who ends it" '^quiet quiet status -15 echo$' asked 'demo\n' TERM

mailuser() { "$BIN/mailuser" -C "$own/etc/fourpost.conf" "$@"; }
{ sleep 1; mailuser quota -m 777 u1@example.test >"$TMP/quota"; echo demo; } | mailuser password -p u1@example.test >"$TMP/password"
expect "what others change while a password is typed stays" '^u1@example.test.*777 messages' mailuser list
expect "and it is changed" 'has a new password' cat "$TMP/password"
mailuser quota -m 0 u1@example.test >/dev/null

# --- what other hosts must be asked for: UTF-8 in the header of the message or of a part ---
envelope_of() { grep -lrF "Subject: $1" "$spool/queue" "$spool/hold" | xargs -r sed '/^$/q'; }
kept() { [ -n "$(envelope_of "$1")" ]; }
part() { printf 'Subject: %s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nGrüße\n--b\nContent-Disposition: attachment;\n filename="%b.txt"\n\nx\n--b--\n' "$@"; }
over_smtp() { { printf 'HELO x\r\nMAIL FROM:<utf8@example.test>\r\nRCPT TO:<carol@far.example>\r\nDATA\r\n'; sed 's/$/\r/'; printf '.\r\nQUIT\r\n'; } | sendmail -bs >/dev/null; }
for way in "sendmail -i -f utf8@example.test carol@far.example" over_smtp; do
	printf 'Subject: utf8-header-%s\nX-Seen: Grüße\n\nx\n' "${way:0:4}" | $way
	part "utf8-part-${way:0:4}" 'Ärger' | $way
	part "utf8-latin1-${way:0:4}" '\xc4rger' | $way
	for needs in header part; do
		check "$needs in UTF-8 by ${way%% *}: queued" eventually kept "utf8-$needs-${way:0:4}"
		expect "and other hosts are asked" '^smtputf8 yes$' envelope_of "utf8-$needs-${way:0:4}"
	done
	check "what is not UTF-8 by ${way%% *}: queued" eventually kept "utf8-latin1-${way:0:4}"
	check "and nobody is asked" eval '! envelope_of "utf8-latin1-${way:0:4}" | grep -q smtputf8'
done
check "those are removed" queue -f utf8@example.test remove

# --- other users ---
if [ "$(id -u)" -eq 0 ]; then
	printf 'Subject: by-nobody\n\nx\n' | as nobody sendmail -f alice@example.test bob@example.test carol@far.example
	check "nobody sends" eventually got bob by-nobody
	expect "the trace tells who" 'from uid 65534\)' stored bob by-nobody
	printf 'Subject: by-root\n\nx\n' | sendmail -f alice@example.test roots@far.example
	check "his waits, and root's" eventually in_queue roots@far.example
	check "both" eventually in_queue carol@far.example
	his=$(queue list | grep -B2 carol@ | head -1 | cut -d' ' -f1) roots=$(queue list | grep -B2 roots@ | head -1 | cut -d' ' -f1)
	expect "he lists his own" "^$his " as nobody mailqueue list
	expect "and by mailq" "^$his " as nobody mailq
	check "and no other" eval '! as nobody mailqueue list | grep -q roots@'
	expect "he sees his envelope" 'carol@far.example \(waits\)' as nobody mailqueue show "$his"
	check "but not another's: 77" status 77 as nobody mailqueue show "$roots"
	for verb in hold release remove retry; do check "he may not $verb another's: 77" status 77 as nobody mailqueue $verb "$roots"; done
	expect "somebody else has none" '^You have no mail in the queue' as daemon mailqueue list
	expect "he holds his own" "^$his is held" as nobody mailqueue hold "$his"
	expect "root releases it" "^$his is released" queue release "$his"
	expect "he removes it" "^$his is removed" as nobody mailqueue remove "$his"
	check "he may ask for all to be tried" as nobody mailqueue retry
	check "root removes its own" queue remove "$roots"
	check "he cannot list drop/" eval '! setpriv --reuid nobody --regid nogroup --clear-groups ls "$spool/drop"'
	check "nor enter queue/" eval '! setpriv --reuid nobody --regid nogroup --clear-groups ls "$spool/queue"'
	# What a user might put there: each is dealt with, and mail goes on.
	put() { setpriv --reuid nobody --regid nogroup --clear-groups sh -c "cd '$spool/drop' && $1"; }
	put 'echo rubbish >tmp.a && mv tmp.a m.rubbish'
	put 'ln -s /etc/shadow tmp.b && mv tmp.b m.link'
	put 'mkfifo tmp.c && mv tmp.c m.pipe'
	put 'mkdir tmp.d && touch tmp.d/x && mv tmp.d m.folder'
	put 'printf "list all\n" >tmp.e && chmod 666 tmp.e && mv tmp.e ctl.open'
	put 'printf "eat everything\n" >tmp.f && mv tmp.f ctl.unknown'
	put 'printf "fourpost 1\ncreated 1\nfrom a@b\nto P - - bob@example.test\n\nSubject: lf-only\n\nx\n" >tmp.g && mv tmp.g m.lines'
	put 'printf "fourpost 1\ncreated 1\nfrom a@b\nuid 0\naccount alice@example.test\nto D - - bob@example.test\n\nSubject: pretender\r\n\r\nx\r\n" >tmp.h && chmod 640 tmp.h && mv tmp.h m.pretender'
	for event in 'drop-corrupt file=m.rubbish' 'drop-refused file=m.link' 'drop-refused file=m.pipe' 'drop-hidden file=m.folder' 'request-not-understood file=ctl.unknown' 'drop-corrupt file=m.lines'; do
		check "${event#*=}: dealt with" eventually logged "$event"
	done
	check "a status and an owner of one's own choice count for nothing" eventually got bob pretender
	check "the log has the true one" logged 'received id=.* uid=65534 from=a@b'
	check "nothing is left there but the folder" eval '[ "$(find "$spool/drop" -mindepth 1 -maxdepth 1 ! -name ".hidden.*" | wc -l)" -eq 0 ]'
	expect "root is told of what was set aside" 'in corrupt/' queue list
	printf 'Subject: goes-on\n\nx\n' | as nobody sendmail bob@example.test
	check "mail goes on" eventually got bob goes-on
else
	ok "other users # skipped: needs root"
fi

# --- without smtpd ---
printf 'Subject: far-2\n\nx\n' | sendmail -f alice@example.test carol@far.example
check "something waits" eventually in_queue carol@far.example
id=$(newest)
kill "$(cat "$own/run/smtpd.pid")"
eventually bash -c "! kill -0 $(cat "$own/run/smtpd.pid")"
check "sendmail takes mail while smtpd does not run" bash -c "printf 'Subject: while-away\n\nx\n' | '$BIN/sendmail' -C '$own/etc/smtpd.conf' alice"
expect "root lists the queue" "^$id " queue list
expect "and what waits in drop/" '^1 message in drop/ not taken' queue list
request() { timeout 30 "$BIN/mailqueue" -C "$own/etc/smtpd.conf" hold "$id"; }
check "a request has no answer: 75" status 75 request
FOURPOST_BIN=$BIN ./demo --stop "$own"
check "smtpd comes back" start_demo
check "the mail is delivered" eventually got alice while-away
check "the request is carried out" eventually test -e "$spool/hold/$id"
check "no role died" eval '! grep -E "role-killed|role-ended|role-misbehaved|AddressSanitizer|runtime error" "$own/log/smtpd.log"'
finish
