#!/bin/bash
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
# Moving in from a real Dovecot, backups and mbox files, as an operator does it, and what clients see of it.
. "$(dirname "$0")/lib.sh"
conf=$STATE/etc/fourpost.conf mail=$STATE/mail/example.test
chmod 711 "$TMP"
store() { "$BIN/mailstore" -C "$conf" "$@"; }
account() { "$BIN/mailuser" -C "$conf" list 2>/dev/null | grep -q "^$1@" || echo demo | "$BIN/mailuser" -C "$conf" add -p "$1@example.test"; }
uid_of() { stat -c %u "$mail/$1"; }
as() { local uid=$1; shift; if [ "$(id -u)" -eq 0 ]; then setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"; else "$@"; fi; }
status() { local want=$1; shift; "$@" >"$TMP/out" 2>&1 </dev/null; local got=$?; [ $got -eq "$want" ] || { echo "status $got"; cat "$TMP/out"; return 1; }; }
fetch() { imap "$1" "$2" "UID FETCH 1:* (FLAGS)" | tr -d '\r' | sed 's/^\* [0-9]* FETCH //' | sort; }
uidvalidity() { imap "$1" "" "STATUS \"$2\" (UIDVALIDITY UIDNEXT)" | grep -oE 'UIDVALIDITY [0-9]+'; }

# A Maildir that Dovecot makes: folders, UIDs with gaps, keywords, subscriptions.
account moved
home=$mail/moved
cat >"$TMP/dovecot.conf" <<END
protocols = imap
ssl = no
log_path = /dev/stderr
mail_location = maildir:$home/Maildir
namespace inbox {
  inbox = yes
  separator = /
}
END
chmod 644 "$TMP/dovecot.conf"
dovecot() { as "$(uid_of moved)" env HOME="$home" USER=moved doveadm -c "$TMP/dovecot.conf" "$@" 2>>"$TMP/dovecot.log"; }
make_maildir() {
	local i
	dovecot mailbox create -s Entwürfe Work/Sub 'R&D' Sent || return
	for i in 1 2 3 4 5; do printf 'From: a@b.test\r\nSubject: m%s\r\n\r\nbody\r\n' "$i" | dovecot save -m INBOX || return; done
	printf 'Subject: in a folder\r\n\r\nbody\r\n' | dovecot save -m Work/Sub &&
		dovecot flags add '\Seen $Label1 Work' mailbox INBOX uid 2 && dovecot flags add '\Flagged $Forwarded' mailbox INBOX uid 4 &&
		dovecot expunge mailbox INBOX uid 3
}
check "Dovecot keeps a Maildir" make_maildir
cp -rp "$home/Maildir" "$TMP/elsewhere"
# The same with LAYOUT=fs, and a keyword.
sed "s|Maildir\$|tree:LAYOUT=fs|" "$TMP/dovecot.conf" >"$TMP/fs.conf"; chmod 644 "$TMP/fs.conf"
fs() { as "$(uid_of moved)" env HOME="$home" USER=moved doveadm -c "$TMP/fs.conf" "$@" 2>>"$TMP/dovecot.log"; }
make_tree() {
	fs mailbox create -s Deep/er/est Sent a.b a_c a.b/v1.0 Entwürfe || return
	fs mailbox subscribe go.ne || return
	printf 'Subject: t1\r\n\r\nbody\r\n' | fs save -m INBOX && printf 'Subject: t2\r\n\r\nbody\r\n' | fs save -m Deep/er/est &&
		fs flags add 'Work' mailbox Deep/er/est uid 1
}
check "and one of LAYOUT=fs" make_tree
# A local copy that mbsync keeps in step with Dovecot.
sync_copy() { # TUNNEL-OR-HOST-LINES
	mkdir -p "$TMP/copy"
	printf '%s\n' "IMAPStore far" "$@" '' 'MaildirStore near' "Path $TMP/copy/" "Inbox $TMP/copy/INBOX" 'SubFolders Verbatim' '' 'Channel all' \
		'Far :far:' 'Near :near:' 'Patterns * !Piped' 'Create Near' 'Expunge None' "SyncState *" >"$TMP/mbsyncrc"
	mbsync -V -c "$TMP/mbsyncrc" all 2>&1
}
files_of() { (cd "$TMP/copy" && find . -type f ! -name '.mbsyncstate*' ! -name '.uidvalidity' | sort); }
tunnel="$(command -v doveadm >/dev/null && echo /usr/lib/dovecot/imap)"
as_moved=$([ "$(id -u)" -eq 0 ] && echo "setpriv --reuid $(uid_of moved) --regid $(uid_of moved) --clear-groups ")
check "mbsync copies from Dovecot" sync_copy "Tunnel \"${as_moved}env HOME=$home USER=moved $tunnel -c $TMP/dovecot.conf\"" 'AuthMechs *' 'SSLType None'
copied=$(files_of)
check "all of it" eval '[ "$(grep -c "/cur/\|/new/" <<<"$copied")" -eq 5 ]'
wanted=$(dovecot -f tab mailbox status uidvalidity INBOX | tail -1 | cut -f2)
check "mailstore import takes it over" store import moved@example.test
expect "the UIDVALIDITY is the same" "UIDVALIDITY $wanted\$" uidvalidity moved INBOX
expect "UIDs, flags and keywords are the same" '^\(UID 1 FLAGS \(\)\)/\(UID 2 FLAGS \(\\Seen \$Label1 Work\)\)/\(UID 4 FLAGS \(\\Flagged \$Forwarded\)\)/\(UID 5 FLAGS \(\)\)/$' \
	sh -c "printf '%s\n' '$(fetch moved INBOX)' | tr '\n' /"
expect "subscriptions are the same" ' Sent\*.*Entw&APw-rfe\*.*INBOX\*.*R&-D\*.*Work/Sub$' sh -c "curl -sS --max-time 20 -k --ssl-reqd -u moved@example.test:demo imap://127.0.0.1:$(port 143)/ -X 'LSUB \"\" *' | sort | tr -d '\r\n'"
printf 'x\n' >"$TMP/pass"
mbsync_again() { sync_copy 'Host localhost' "Port $(port 143)" 'User moved@example.test' 'Pass demo' 'SSLType STARTTLS' "CertificateFile $STATE/tls/cert.pem"; }
before=$(fetch moved INBOX)
check "mbsync goes on with the copy that it made from Dovecot" mbsync_again
check "and changes nothing: neither here" eval '[ "$(files_of)" = "$copied" ] || diff <(files_of) - <<<"$copied"'
check "nor there" test "$(fetch moved INBOX)" = "$before"
check "again: nothing changes" store import moved@example.test
expect "and the account has no fault" "no fault" store check moved@example.test
expect "an account of ours is not overwritten" "nothing of either|neither Dovecot nor Courier" store import bob@example.test

# From elsewhere.
account elsewhere; account tree
if [ "$(id -u)" -eq 0 ]; then chmod 711 "$TMP"; fi
expect "a Maildir from elsewhere" ": [0-9]+ mailboxes and 5 messages" store import -d "$TMP/elsewhere" elsewhere@example.test
check "with the same UIDs, flags and keywords" test "$(fetch elsewhere INBOX)" = "$(fetch moved INBOX)"
expect "and UIDVALIDITY" "UIDVALIDITY $wanted\$" uidvalidity elsewhere INBOX
check "what the account has is not overwritten" status 73 store import -d "$TMP/elsewhere" elsewhere@example.test
import_tree() { store import -d "$home/tree" tree@example.test 2>"$TMP/tree.out"; }
expect "a tree of folders" "mailboxes and 2 messages" import_tree
expect "which says what became of names" "^mailstore: tree@example.test: a_b: its name could not be kept: it was a.b/.*a_b/v1_0: its name .*: it was a.b/v1.0/.*: go.ne: this is subscribed, but" \
	sh -c "tr '\n' / <'$TMP/tree.out'"
expect "all that was subscribed is" '^Deep/er/est,Entw&APw-rfe,INBOX,Sent,a_b,a_b/v1_0,a_c$' sh -c "curl -sS --max-time 20 -k --ssl-reqd -u tree@example.test:demo imap://127.0.0.1:$(port 143)/ -X 'LSUB \"\" *' | tr -d '\r' | sed 's/.* //' | LC_ALL=C sort | paste -sd,"
expect "with its keyword" 'UID 1 FLAGS \(Work\)' fetch tree Deep/er/est
# What Dovecot has compressed, and the same written out.
account packed
sed "s|Maildir\$|packed|" "$TMP/dovecot.conf" | tee "$TMP/packed.conf" >"$TMP/unpacked.conf"
printf '%s\n' 'mail_plugins = zlib' 'plugin {' ' zlib_save = gz' '}' >>"$TMP/packed.conf"; chmod 644 "$TMP/packed.conf"
printf '%s\n' 'mail_plugins = zlib' >>"$TMP/unpacked.conf"; chmod 644 "$TMP/unpacked.conf"
pack() { as "$(uid_of moved)" env HOME="$home" USER=moved doveadm -c "$TMP/$1.conf" "${@:2}" 2>>"$TMP/dovecot.log"; }
make_packed() { { printf 'Subject: packed\r\n\r\n'; head -c 3000 /dev/zero | tr '\0' x; printf '\r\n'; } | pack packed save -m INBOX && grep -rqa $'\x1f\x8b' "$home/packed/new" "$home/packed/cur"; }
check "Dovecot compresses a message" make_packed
expect "which is refused" "INBOX: messages are compressed or encrypted" store import -d "$home/packed" packed@example.test
check "with 65" status 65 store import -d "$home/packed" packed@example.test
check "and nothing is left" test ! -e "$mail/packed/importing"
check "Dovecot writes it out" pack unpacked -o maildir_copy_with_hardlinks=no backup "maildir:$home/unpacked"
expect "then it comes in" ": [0-9]+ mailboxes and 1 messages" store import -d "$home/unpacked" packed@example.test
# Courier-IMAP 5.0 made tests/data/courier: five messages, the third expunged, keywords set and one of them taken away again.
account courier
cp -r tests/data/courier "$TMP/courier"; chmod -R a+rX "$TMP/courier"
expect "a Maildir of Courier's" "2 mailboxes and 5 messages" store import -d "$TMP/courier" courier@example.test
expect "its UIDVALIDITY" "UIDVALIDITY $(sed -n '1s/^1 \([0-9]*\) .*/\1/p' tests/data/courier/courierimapuiddb)\$" uidvalidity courier INBOX
expect "its UIDs, flags and keywords" '^\(UID 1 FLAGS \(\)\)/\(UID 2 FLAGS \(\\Seen \$Label1\)\)/\(UID 4 FLAGS \(\\Flagged Later\)\)/\(UID 5 FLAGS \(\)\)/$' \
	sh -c "printf '%s\n' '$(fetch courier INBOX)' | tr '\n' /"
expect "its folders" 'UID 1 FLAGS \(\\Seen\)' fetch courier Work/Sub
expect "its subscriptions" 'INBOX\*.*Work/Sub$' sh -c "curl -sS --max-time 20 -k --ssl-reqd -u courier@example.test:demo imap://127.0.0.1:$(port 143)/ -X 'LSUB \"\" *' | sort | tr -d '\r\n'"
account empty
expect "no Maildir" "neither Dovecot nor Courier" store import -d /etc empty@example.test
expect "nothing is wrong" "no fault" store check elsewhere@example.test tree@example.test

# A damaged account.
rm "$mail/elsewhere/Maildir/.Sent/fourpost-folder"
expect "a fault is named" "Sent: the folder's file fourpost-folder is missing" store check --repair elsewhere@example.test
expect "and mended" "no fault" store check elsewhere@example.test
strange=$mail/elsewhere/Maildir/new/1800000000.M1P1.copied
: >"$strange"
expect "a file that is about to be written is no fault" "no fault" store check elsewhere@example.test
printf 'Subject: x\n\nx\n' >"$strange"; chmod 0 "$strange"
expect "mail that the account may not read is named" "copied: the account may not read the file" store check elsewhere@example.test
expect "and not said to be mended" "0 fault.s. mended, 1 not" store check --repair elsewhere@example.test
rm "$strange"

# Backups.
mkdir "$TMP/backups"
check "a folder of backups that is not there" status 73 store backup -d "$TMP/nowhere" moved@example.test
expect "backup" ": 5 messages, 0 of them" store backup -d "$TMP/backups" moved@example.test
sleep 1
swaks --server "127.0.0.1:$(port 25)" --from a@remote.test --to moved@example.test --header "Subject: later $$" >/dev/null 2>&1
check "mail comes in" eventually has_mail moved "later $$"
dead=$TMP/backups/example.test/moved/20200101T000000Z.part
mkdir -p "$dead/Maildir"
if [ "$(id -u)" -eq 0 ]; then chown -R "$(uid_of moved)" "$dead"; fi
expect "the next backup has links to the one before" ": 6 messages, 5 of them" store backup -d "$TMP/backups" moved@example.test
check "and nothing of one that died is left" test ! -e "$dead"
first=$(find "$TMP/backups/example.test/moved" -mindepth 1 -maxdepth 1 | sort | head -1)
before=$(fetch moved INBOX)
check "an account with mail is not overwritten" status 73 store restore -d "$first" moved@example.test
check "but by force" store restore -f -d "$first" moved@example.test
check "what came later is gone" eventually no_mail moved "later $$"
expect "the UIDVALIDITY is the same" "UIDVALIDITY $wanted\$" uidvalidity moved INBOX
check "as are UIDs and flags" test "$(fetch moved INBOX)" = "$(head -4 <<<"$before")"
account newcomer
expect "another account gets it" "5 messages restored" store restore -d "$first" newcomer@example.test
check "the same" test "$(fetch newcomer INBOX)" = "$(fetch moved INBOX)"

# mbox.
expect "export" ": 4 messages of INBOX" store export -m "$TMP/inbox.mbox" moved@example.test
check "a file is not overwritten" status 73 store export -m "$TMP/inbox.mbox" moved@example.test
expect "import" ": 4 messages came into Old/Mail" store import -m "$TMP/inbox.mbox" -b Old/Mail newcomer@example.test
printf 'From a@b.test Thu Jan  1 00:00:10 1970\nX-IMAP: 1 2\nSubject: x\n\nFrom me at 10:30 in 2011 maybe\n\nFrom c@d.test 2024-01-02 10:00:00\nSubject: y\n\nbody\n' >"$TMP/strange.mbox"
expect "messages with odd fields and dates" ": 2 messages came into Strange" store import -m "$TMP/strange.mbox" -b Strange newcomer@example.test
expect "to standard output, from standard input" ": 4 messages came into Piped" sh -c "'$BIN/mailstore' -C '$conf' export -b Old/Mail -m - newcomer@example.test | '$BIN/mailstore' -C '$conf' import -m - -b Piped newcomer@example.test"
expect "with its flags" 'Flagged' fetch newcomer Piped
check "no mbox: 65" status 65 store import -m /etc/passwd newcomer@example.test
check "no such mailbox: 66" status 66 store export -b Nowhere -m "$TMP/none" newcomer@example.test
check "no backup: 66" status 66 store restore -d "$TMP/backups" newcomer@example.test
check "wrong usage: 64" status 64 store backup newcomer@example.test

# Accounts that go.
user() { "$BIN/mailuser" -C "$conf" "$@"; }
expect "an account is removed" "its mail stays in $mail/moved" user remove moved@example.test
check "and its mail stays" test -d "$mail/moved/Maildir"
check "no account is removed twice: 67" status 67 user remove moved@example.test
expect "but its mail, later" "its mail is removed" user remove -r moved@example.test
check "is gone" test ! -e "$mail/moved"
check "then there is nothing: 67" status 67 user remove -r moved@example.test
expect "both at once" "removed, with its mail" user remove -r newcomer@example.test
check "are gone" test ! -e "$mail/newcomer"
finish
