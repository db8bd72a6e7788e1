# Mail whose score (X-Fourpost-Score) is that of spam, or that a filter (rspamd, SpamAssassin) has marked by X-Spam-Flag, X-Spam-Status
# or X-Spam, goes to Junk, unless a script of the user's has put it elsewhere.
require ["fileinto", "mailbox", "special-use", "spamtestplus", "relational", "comparator-i;ascii-numeric"];

if spamtest :percent :value "ge" :comparator "i;ascii-numeric" "100" {
	fileinto :create :specialuse "\\Junk" "Junk";
}
