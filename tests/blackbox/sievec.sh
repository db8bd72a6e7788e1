#!/bin/bash
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
# sievec -t as sievec(1) has it: the line and the outcome of every test and every action, included scripts indented, and in the end what is
# done with the message.
. "$(dirname "$0")/lib.sh"
cd "$TMP" || exit 1
printf 'From: Ann <ann@far.example>\nTo: user@example.org\nSubject: [list] hello\n\nbody\n' >mail.eml
cat >filter.sieve <<'END'
require ["fileinto", "variables", "include", "imap4flags", "copy"];

set "name" "none";
if allof (header :matches "subject" "[*] *",
          not address :is "from" "nobody@far.example") {
	set :upper "name" "${1}";
	include :personal "within";
}
if size :over 1M {
	discard;
} elsif exists "x-none" {
	stop;
} else {
	fileinto :copy "Lists/${name}";
}
redirect :copy "other@example.net";
keep;
END
cat >within.sieve <<'END'
require "imap4flags";

if size :over 2M { discard; }
addflag "\\Seen";
END
cat >wanted <<'END'
filter.sieve:
   3  set "name" to "none"
   4  header: true
   5  address: false
   6  set "name" to "LIST"
     3  size: false
     4  addflag: "\Seen"
   9  size: false
  11  exists: false
  14  fileinto "Lists/LIST" :copy
  16  redirect <other@example.net> :copy
  17  keep
actions:
  fileinto "Lists/LIST" :copy [\Seen]
  redirect "other@example.net" :copy
  keep [\Seen]
END
# ends STATUS ARGUMENT...: so it ends; what it says is in the files said and errors.
ends() {
	local want=$1 got=0; shift
	"$BIN/sievec" "$@" >said 2>errors || got=$?
	[ $got -eq "$want" ] || { echo "status $got"; cat said errors; return 1; }
}
# shows SCRIPT...: exactly what is wanted is said, and nothing is wrong.
shows() { ends 0 -t mail.eml "$@" && diff wanted said && diff /dev/null errors; }
check "sievec -t shows tests, actions and variables line by line" shows filter.sieve

echo 'if exists "subject" { }' >passes.sieve
echo 'discard;' >drops.sieve
printf 'passes.sieve:\n   1  exists: true\ndrops.sieve:\n   1  discard\nactions:\n  none: the message is discarded\n' >wanted
check "one script after the other, as long as the implicit keep stands" shows passes.sieve drops.sieve filter.sieve

echo 'fileinto "x";' >faulty.sieve
check "a script with a fault ends with 65" ends 65 faulty.sieve
check "and the fault is told as file:line: what is wrong" eval '[ ! -s said ] && grep -qE "^faulty\.sieve:1: ." errors'
{ echo 'if size :over 1K { }'; for i in 1 2 3 4 5 6; do echo "redirect \"r$i@example.net\";"; done; } >many.sieve
check "an error of a run ends with 70" ends 70 -t mail.eml many.sieve
check "and is told with its line, and the message is kept" eval 'grep -qE "^many\.sieve:7: ." errors && [ "$(tail -1 said)" = "  implicit keep" ]'
check "what follows it is run, as smtpd does" eval 'ends 70 -t mail.eml many.sieve drops.sieve && [ "$(tail -1 said)" = "  none: the message is discarded" ]'
cat >marked.sieve <<'END'
require ["spamtestplus", "virustest", "fileinto"];
if virustest "5" { fileinto "Viruses"; }
elsif spamtest :percent "100" { fileinto "Junk"; }
elsif spamtest :percent "50" { fileinto "Perhaps"; }
END
# lands FIELD MAILBOX: a message with that field goes there.
lands() { printf '%s\n\nbody\n' "$1" >marked.eml; ends 0 -t marked.eml marked.sieve && [ "$(tail -1 said)" = "  $2" ]; }
check "spamtest knows the score of smtpd" lands "X-Fourpost-Score: 3/6; early-talk=3" 'fileinto "Perhaps"'
check "and the word of a filter" lands "X-Spam-Flag: YES" 'fileinto "Junk"'
check "virustest too" lands "X-Virus-Status: Infected (Eicar)" 'fileinto "Viruses"'
finish
