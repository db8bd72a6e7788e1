# Shared by the black-box tests: ports, checks, waiting. Sourced by bash scripts that run under tests/live.
port() { echo $((BASE_PORT + $1)); }
failures=0
ok() { echo "ok - $LANE: $1"; }
not_ok() { failures=$((failures + 1)); echo "not ok - $LANE: $1"; shift; [ $# -eq 0 ] || printf '%s\n' "$@" | sed 's/^/    /'; }
# check NAME COMMAND...: one test; what the command prints is shown when it fails.
check() {
	local name=$1 out; shift
	if out=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "$out"; fi
}
# refuse NAME PATTERN COMMAND...: the command must fail, or print the pattern.
expect() {
	local name=$1 pattern=$2 out; shift 2
	out=$("$@" 2>&1); if grep -qE -- "$pattern" <<<"$out"; then ok "$name"; else not_ok "$name" "wanted: $pattern" "$out"; fi
}
# Waits up to 20 s for a command to succeed.
eventually() {
	local i
	for i in $(seq 100); do "$@" >/dev/null 2>&1 && return 0; sleep 0.2; done
	"$@"
}
imap() { curl -sS --max-time 20 -u "$1@example.test:demo" "imap://127.0.0.1:$(port 143)/$2" --ssl-reqd -k ${3:+-X "$3"}; }
# has_mail USER SUBJECT: some message in INBOX has that subject.
has_mail() { imap "$1" INBOX "SEARCH SUBJECT \"$2\"" | grep -qE 'SEARCH( [0-9]+)+'; }
no_mail() { ! has_mail "$@"; }
finish() { [ "$failures" -eq 0 ]; exit; }
