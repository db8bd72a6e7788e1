#!/bin/bash
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
# ./demo itself: several side by side, each ended alone, and no instance that passes for another.
. "$(dirname "$0")/lib.sh"
own=$TMP/demo beside=$((BASE_PORT + 500))
chmod 711 "$TMP"
trap './demo --stop "$own" >/dev/null 2>&1' EXIT
demo() { FOURPOST_BIN=$BIN ./demo "$@"; }
answers() { curl -sk --max-time 10 -o /dev/null "https://127.0.0.1:$(($1 + 443))/"; }
no_answer() { ! answers "$1"; }
daemons_of() { cat "$1"/run/*.pid; }
# One that ended may wait for its reaper.
ended() { local p; for p in $1; do ! grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$p/status" || return 1; done; }

expect "ports that another has are named" "in use already:.* $(port 143)\b" demo --background --base-port "$BASE_PORT" --dir "$own"
check "and nothing was begun" test ! -e "$own/run"
expect "an option that is none" "^usage:" demo --rubbish
expect "a port that is none" "want numbers" demo --base-port x
check "a second one starts beside it" demo --background --base-port "$beside" --accounts 1 --dir "$own"
check "and answers" answers "$beside"
check "its postmaster can be written to" curl -sS --max-time 20 "smtp://127.0.0.1:$((beside + 25))" --mail-from a@b.example --mail-rcpt postmaster@example.test --crlf -T - <<<"Subject: to the postmaster"
pids=$(daemons_of "$own")
expect "its folder is not given to a third" "in use" demo --background --base-port $((beside + 20)) --dir "$own"
check "--stop ends it" demo --stop "$own"
check "all of it" ended "$pids"
check "and no other" answers "$BASE_PORT"
check "it answers no more" no_answer "$beside"
expect "a daemon that does not start is named, with its log" "imapd did not start" env FOURPOST_DEMO_IMAPD='rubbish = 1;' FOURPOST_BIN="$BIN" ./demo --background --base-port "$beside" --dir "$own"
# A spool that the queue cannot enter: it must not pass for an empty one.
mkdir -m 700 "$TMP/closed"
cp -r "$own/etc" "$TMP/etc"
sed -i "s,^spool_dir.*,spool_dir = \"$TMP/closed\";," "$TMP/etc/fourpost.conf"
if [ "$(id -u)" -eq 0 ]; then
	expect "a spool that cannot be entered ends smtpd, with its name" "spool-unreadable folder=$TMP/closed" timeout 20 "$BIN/smtpd" -C "$TMP/etc/smtpd.conf"
fi
# Without --dir: the folder goes with the instance, whether it ran in the background or until Ctrl-C.
said=$(demo --background --base-port "$beside")
made=$(sed -n 's/^Fourpost runs on .*, state in //p' <<<"$said")
check "a throw-away state stands while it runs" test -d "$made/spool"
check "--stop ends it" demo --stop "$made"
check "and its folder is gone" test ! -e "$made"
interrupted() { # An interrupted shell script: one that a shell starts in the background ignores the signal.
	python3 - "$beside" <<-'END'
	import os, signal, subprocess, sys
	demo = subprocess.Popen(["./demo", "--base-port", sys.argv[1]], stdout=subprocess.PIPE, text=True)
	for line in demo.stdout:
	    if "state in " in line: made = line.split("state in ")[1].strip()
	    if "Ctrl-C" in line: break
	demo.send_signal(signal.SIGINT)
	demo.wait(30)
	sys.exit(os.path.exists(made))
	END
}
check "Ctrl-C ends it and removes its folder" env FOURPOST_BIN="$BIN" bash -c "beside=$beside; $(declare -f interrupted); interrupted"
check "nothing answers" no_answer "$beside"
check "started again" demo --background --base-port "$beside" --dir "$own"
check "it has its accounts" "$BIN/mailuser" -C "$own/etc/fourpost.conf" password -p u1@example.test <<<demo
finish
