#!/bin/bash
# Mail handed in by programs that others wrote: curl, swaks, msmtp, smtp-source, openssl.
. "$(dirname "$0")/lib.sh"
smtp=$(port 25) submission=$(port 587) submissions=$(port 465) lmtp=$(port 24)
swak() { swaks --server 127.0.0.1 --timeout 20 --hide-all "$@"; }

check "swaks delivers on port 25" swaks --server 127.0.0.1 --port "$smtp" --from s@example.org --to alice@example.test --header "Subject: swaks-mx" --timeout 20
check "and it arrives" eventually has_mail alice swaks-mx
check "swaks delivers after STARTTLS" swaks --server 127.0.0.1 --port "$smtp" -tls --from s@example.org --to alice@example.test --header "Subject: swaks-tls" --timeout 20
check "and it arrives" eventually has_mail alice swaks-tls
expect "an unknown recipient gets 550 at RCPT" '550' swaks --server 127.0.0.1 --port "$smtp" --from s@example.org --to nobody-here@example.test --quit-after RCPT
expect "no open relay" '(550|554) .*5\.7\.1' swaks --server 127.0.0.1 --port "$smtp" --from s@example.org --to x@elsewhere.example --quit-after RCPT
expect "no relay by percent hack" '<\*\* +5[05][0-9]' swaks --server 127.0.0.1 --port "$smtp" --from s@example.org --to 'x%elsewhere.example@example.test' --quit-after RCPT
expect "submission wants AUTH" '530' swaks --server 127.0.0.1 --port "$submission" -tls --from alice@example.test --to bob@example.test --quit-after MAIL
expect "no AUTH without TLS" 'did not advertise authentication' swaks --server 127.0.0.1 --port "$submission" --auth PLAIN --auth-user alice@example.test --auth-password demo --from alice@example.test --to bob@example.test --quit-after AUTH
check "swaks submits on 587" swaks --server 127.0.0.1 --port "$submission" -tls --auth PLAIN --auth-user alice@example.test --auth-password demo --from alice@example.test --to bob@example.test --header "Subject: swaks-587" --timeout 20
check "swaks submits on 465 with LOGIN" swaks --server 127.0.0.1 --port "$submissions" --tls-on-connect --auth LOGIN --auth-user alice@example.test --auth-password demo --from alice@example.test --to bob@example.test --header "Subject: swaks-465" --timeout 20
check "both arrive" eventually has_mail bob swaks-465
check "both arrive (587)" eventually has_mail bob swaks-587
expect "a wrong password is refused" '535' swaks --server 127.0.0.1 --port "$submissions" --tls-on-connect --auth PLAIN --auth-user alice@example.test --auth-password wrong --from alice@example.test --to bob@example.test --quit-after AUTH
expect "somebody else's address is refused" '5\.7\.1' swaks --server 127.0.0.1 --port "$submissions" --tls-on-connect --auth PLAIN --auth-user alice@example.test --auth-password demo --from bob@example.test --to bob@example.test --quit-after RCPT
check "LMTP takes mail" swaks --server 127.0.0.1 --port "$lmtp" --protocol LMTP --from s@example.org --to alice@example.test,bob@example.test --header "Subject: lmtp-in" --timeout 20
check "and it arrives for both" eventually has_mail bob lmtp-in

printf 'From: c@example.org\r\nTo: alice@example.test\r\nSubject: curl-smtp\r\n\r\n.leading dot\r\nbody\r\n' >"$TMP/mail"
check "curl delivers" curl -sS --mail-from c@example.org --mail-rcpt alice@example.test -T "$TMP/mail" "smtp://127.0.0.1:$smtp"
check "and it arrives" eventually has_mail alice curl-smtp
body() { local n; n=$(imap alice INBOX 'SEARCH SUBJECT curl-smtp' | tr -d '\r' | awk '{print $NF}'); imap alice "INBOX;MAILINDEX=$n;SECTION=TEXT" | tr -d '\r' | grep -qxF '.leading dot'; }
check "dot-stuffing is undone exactly" body

cat >"$TMP/msmtprc" <<END
account default
host 127.0.0.1
port $submission
tls on
tls_starttls on
tls_certcheck off
auth plain
user alice@example.test
passwordeval echo demo
from alice@example.test
END
chmod 600 "$TMP/msmtprc"
submit() { printf 'To: bob@example.test\nSubject: msmtp-in\n\nhello\n' | msmtp -C "$TMP/msmtprc" bob@example.test; }
check "msmtp submits" submit
check "and it arrives" eventually has_mail bob msmtp-in

check "smtp-source hands in 200 messages over 10 connections" smtp-source -c -s 10 -m 200 -l 4096 -S smtp-source-mail -f s@example.org -t alice@example.test "inet:127.0.0.1:$smtp"
all_there() { [ "$(imap alice INBOX 'SEARCH SUBJECT smtp-source-mail' | tr -d '\r' | wc -w)" -eq 202 ]; }
check "each of them arrives once" eventually all_there
tls() { printf 'EHLO x\r\nQUIT\r\n' | openssl s_client -quiet -starttls smtp -connect "127.0.0.1:$smtp" -ign_eof 2>&1 | grep -q 221; }
check "openssl s_client speaks after STARTTLS" tls
finish
