#!/bin/bash
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
# mbsync, both ways: 2,000 messages made here go to the server, messages and flags of each side reach the other, and a run with
# nothing new changes nothing on either side. BASE_PORT names the instance; it needs bob@example.test.
cd "$(dirname "$0")/../.." || exit 1
. tests/blackbox/lib.sh
LANE=${LANE:-mbsync}
messages=${MESSAGES:-2000}
state=$(mktemp -d) || exit 1
trap 'rm -rf "$state"' EXIT
box=sync-$$-$RANDOM

cat >"$state/mbsyncrc" <<EOF
IMAPAccount server
Host localhost
Port $(port 143)
User bob@example.test
Pass demo
SSLType STARTTLS
CertificateFile $state/cert.pem

IMAPStore far
Account server

MaildirStore near
Path $state/mail/
Inbox $state/mail/Inbox
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Pattern $box
Create Both
Expunge Both
SyncState $state/
EOF
mkdir -p "$state/mail/$box"/{cur,new,tmp}
openssl s_client -connect "127.0.0.1:$(port 993)" -showcerts </dev/null 2>/dev/null |
	sed -n '/BEGIN CERT/,/END CERT/p' >"$state/cert.pem"

python3 - "$state/mail/$box" "$messages" <<'EOF'
import os, sys
folder, count = sys.argv[1], int(sys.argv[2])
for n in range(count):
    flags = ("", "S", "FS", "RS", "D")[n % 5]
    body = "".join("line %d of message %d\n" % (line, n) for line in range(n % 40))
    with open("%s/cur/%d.M%d.test:2,%s" % (folder, 1600000000 + n, n, flags), "w") as file:
        file.write("From: Sender %d <s%d@example.org>\nTo: bob@example.test\nSubject: sync %d\n"
                   "Date: Sun, 13 Sep 2020 12:26:%02d +0000\nMessage-ID: <sync-%d@example.org>\n\n%s" % (n, n, n, n % 60, n, body))
EOF

sync() { timeout 300 mbsync -c "$state/mbsyncrc" all; }
status() { imap bob "" "STATUS $box (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ)" | tr -d '\r'; }
near() { (cd "$state/mail/$box" && find . -type f -not -name '.*' | sort); }
# The count of an item of STATUS is this.
has() { [ "$(status | sed -nE "s/.*[( ]$1 ([0-9]+).*/\1/p")" = "$2" ] || { status; false; }; }
# Both sides are as in $before, which must hold the server's answer.
unchanged() {
	local after; after=$(near; status)
	[ "$after" = "$before" ] && grep -q "STATUS.*UIDNEXT" <<<"$after" || { diff <(echo "$before") <(echo "$after"); false; }
}
near_has() { [ "$(near | wc -l)" = "$1" ] || { near | wc -l; false; }; }

check "mbsync carries $messages messages to the server" sync
check "the server has them" has MESSAGES "$messages"
check "their flags came along" has UNSEEN $(((messages + 4) / 5 + (messages) / 5))

before=$(near; status)
check "mbsync with nothing new" sync
check "it changed nothing on either side" unchanged

# One message and one flag on the far side, one message and one deletion on the near side.
printf 'Subject: from the far side\r\n\r\nfar\r\n' >"$state/far.eml"
curl -sS --max-time 20 -u bob@example.test:demo -k --ssl-reqd "imap://127.0.0.1:$(port 143)/$box" -T "$state/far.eml"
check "a flag set on the server" imap bob "$box" 'STORE 1 +FLAGS (\Answered)'
printf 'Subject: from the near side\n\nnear\n' >"$state/mail/$box/cur/1700000000.near.test:2,"
gone=$(near | grep M77.test) && mv "$state/mail/$box/$gone" "$state/mail/$box/${gone%:2,*}:2,T"
check "mbsync both ways" sync
check "the server has the new message and lost the deleted one" has MESSAGES $((messages + 1))
check "the near side has them, too" near_has $((messages + 1))
check "the answered flag arrived" grep -qE 'R' <<<"$(near | grep 'M0\.test' | sed 's/.*:2,//')"

before=$(near; status)
check "mbsync once more with nothing new" sync
check "it changed nothing on either side" unchanged
imap bob "" "DELETE $box" >/dev/null
finish
