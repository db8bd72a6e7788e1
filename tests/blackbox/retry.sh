#!/bin/bash
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
# Mail that meets a role which is gone for a while waits seconds, not the five minutes of a host that does not answer, and goes as soon
# as the role is back. The parent is stopped meanwhile, or it would start the role again at once.
. "$(dirname "$0")/lib.sh"
echo 'signal=KILL' >>"$STATE/log/smtpd.expected"
parent=$(cat "$STATE/run/smtpd.pid")
trap 'kill -CONT "$parent"' EXIT
log=$STATE/log/smtpd.log
drop() { printf 'Subject: %s\n\nx\n' "$1" | "$BIN/sendmail" -C "$STATE/etc/smtpd.conf" -f alice@example.test bob@example.test; }
lines=$(wc -l <"$log")
deferred() { tail -n +$((lines + 1)) "$log" | grep -cE "deferred .*to=bob@example.test.*text=\"$1\""; }
times() { [ "$(deferred "$1")" -ge "$2" ]; }

kill -STOP "$parent"
pkill -9 -P "$parent" -f '^smtpd: auth'
check "sendmail hands in while auth is gone" drop retry-auth
check "the message waits" eventually times "Accounts cannot be looked up now" 1
check "and is tried again within seconds" eventually times "Accounts cannot be looked up now" 3
kill -CONT "$parent"; back=$(date +%s)
check "it goes when auth is back" eventually has_mail bob retry-auth
[ $(($(date +%s) - back)) -le 4 ] && ok "at once" || not_ok "at once" "$(($(date +%s) - back)) s"

# A worker that cannot be had: asked of auth, made by the parent.
lines=$(wc -l <"$log")
pkill -9 -P "$parent" -f '^smtpd: deliver'
eventually bash -c "! pgrep -P $parent -f '^smtpd: deliver'" >/dev/null
kill -STOP "$parent"
check "mail for an account whose worker cannot be started" drop retry-worker
sleep 1
pkill -9 -P "$parent" -f '^smtpd: auth'
check "waits" eventually times "The account's process could not be started" 1
kill -CONT "$parent"; back=$(date +%s)
check "it goes when there are workers again" eventually has_mail bob retry-worker
[ $(($(date +%s) - back)) -le 4 ] && ok "at once" || not_ok "at once" "$(($(date +%s) - back)) s"
finish
