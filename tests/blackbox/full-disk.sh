#!/bin/bash
# A disk that fills up and a folder that is gone: clear errors, nothing lost, all well again when there is room.
. "$(dirname "$0")/lib.sh"
if [ "$(id -u)" -ne 0 ]; then ok "full disk # skipped: needs root to mount a small file system"; exit 0; fi
disk=$TMP/disk; mkdir -p "$disk"
mount -t tmpfs -o size=24m tmpfs "$disk" || { not_ok "a small file system can be mounted"; finish; }
outer=$BASE_PORT; export BASE_PORT=$((outer + 600))
end() { FOURPOST_BIN=$BIN ./demo --stop "$disk/demo" >/dev/null 2>&1; umount -l "$disk"; }
trap end EXIT
check "a demo starts there" env FOURPOST_BIN="$BIN" ./demo --dir "$disk/demo" --base-port "$BASE_PORT" --background
send() { # send SUBJECT KILOBYTES
	{ printf 'From: f@example.org\r\nSubject: %s\r\n\r\n' "$1"; head -c $(($2 * 768)) /dev/zero | base64 | sed 's/$/\r/'; } >"$TMP/mail"
	curl -sS --max-time 60 --mail-from f@example.org --mail-rcpt alice@example.test -T "$TMP/mail" "smtp://127.0.0.1:$(port 25)" 2>&1
}
check "mail goes in" send before-full 10
check "and arrives" eventually has_mail alice before-full
head -c 40M /dev/zero >"$disk/fill" 2>/dev/null
expect "with the disk full, DATA or MAIL gets 452 (or another 4xx)" 'curl: \((18|55|56|25|8)\)|4[35][0-9]' send while-full 2000
check "smtpd still answers" bash -c "printf 'QUIT\r\n' | nc -q 2 127.0.0.1 $(port 25) | grep -q ^220"
rm -f "$disk/fill"
check "with room again mail goes in" send after-full 10
check "and arrives" eventually has_mail alice after-full
check "what was refused is not there" no_mail alice while-full
# Delivery that meets a full disk keeps the message in the queue: fill up to just what the queue needs.
rm -rf "$disk/demo/mail/example.test/bob"
printf 'From: f@example.org\r\nSubject: gone-folder\r\n\r\nx\r\n' >"$TMP/mail"
check "the folder of an account is gone: mail for it is taken" curl -sS --mail-from f@example.org --mail-rcpt bob@example.test -T "$TMP/mail" "smtp://127.0.0.1:$(port 25)"
check "and arrives in a new one" eventually has_mail bob gone-folder
expect "the log names what was full" 'No space left' grep -h 'No space' "$disk"/demo/log/smtpd.log
finish
