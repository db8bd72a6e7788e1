#!/bin/bash
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
# Workers are forked from a template: it may be killed, a worker that crashes takes it along, a new configuration makes another, and
# what comes of it is the parent's child as any other.
. "$(dirname "$0")/lib.sh"
echo -e 'signal=KILL\nsignal=TERM' >>"$STATE/log/smtpd.expected"
parent=$(cat "$STATE/run/smtpd.pid")
log=$STATE/log/smtpd.log
template() { pgrep -P "$parent" -f '^smtpd: template deliver'; }
worker() { pgrep -P "$parent" -f "^smtpd: deliver $1@example.test"; }
drop() { printf 'Subject: %s\n\nx\n' "$1" | "$BIN/sendmail" -C "$STATE/etc/smtpd.conf" -f alice@example.test "$2@example.test"; }
# mail SUBJECT USER: it arrives, by a process that is forked for it.
mail() { drop "$1" "$2" && eventually has_mail "$2" "$1"; }
gone() { ! kill -0 "$1"; }
end_workers() { pkill -TERM -P "$parent" -f '^smtpd: deliver'; eventually bash -c "! pgrep -P $parent -f '^smtpd: deliver'"; }

check "mail comes" mail template-1 alice
check "by a worker that is the parent's child" worker alice
check "and has the account's uid" [ "$(stat -c %u "/proc/$(worker alice | head -1)")" = "$(stat -c %u "$STATE/mail/example.test/alice")" ]
check "beside the template that it is of" template
first=$(template)
check "more come" mail template-2 bob
[ "$(template)" = "$first" ] && ok "of the same template" || not_ok "of the same template" "$(template), not $first"

lines=$(wc -l <"$log")
kill -9 "$first"
check "the template may be killed" eventually gone "$first"
check "which the log tells" eventually bash -c "tail -n +$((lines + 1)) '$log' | grep -q 'template-ended.*pid=$first'"
end_workers
check "mail comes still" mail template-3 alice
second=$(template)
[ -n "$second" ] && [ "$second" != "$first" ] && ok "by another template" || not_ok "by another template" "$second"

kill -9 "$(worker alice)"
check "a worker that crashes takes it along" eventually gone "$second"
check "the next mail comes" mail template-4 alice
third=$(template)
[ -n "$third" ] && [ "$third" != "$second" ] && ok "by a template laid out anew" || not_ok "by a template laid out anew" "$third"

kill -HUP "$parent"
check "so does a configuration that is read anew" eventually gone "$third"
end_workers
check "mail comes after it" mail template-5 alice
lines=$(wc -l <"$log")
end_workers
kill -STOP "$(template)"
check "mail comes while the template hangs" bash -c "$(declare -f drop mail eventually has_mail imap port); BASE_PORT=$BASE_PORT BIN=$BIN STATE=$STATE; mail template-6 bob"
check "by a worker that was executed" eventually bash -c "tail -n +$((lines + 1)) '$log' | grep -q 'template-failed.*role=deliver'"
finish
