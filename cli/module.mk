# The tools: cli/<tool>.c is one; <tool>_EXTRA names what else it is made of.
cli_TOOLS += mailuser mailstore
mailuser_EXTRA := cli/tool.c cli/mailuser_forward.c cli/mailuser_password.c
mailstore_EXTRA := cli/tool.c cli/mailstore_care.c cli/mailstore_move.c cli/mailstore_backup.c
cli_TOOLS += sievec
# What filters have found is in the message: sievec reads it as smtpd does.
sievec_EXTRA := cli/tool.c smtpd/spam_percent.c smtpd/filter_word_parse.c smtpd/defence_score.c
# Those that belong to smtpd, installed with it.
cli_TOOLS += mailalias
mailalias_EXTRA := cli/tool.c
cli_TOOLS += mailqueue
smtpd_conf_SRC := cli/tool_smtpd.c smtpd/smtpd_conf.c smtpd/route_parse.c smtpd/sts_parse.c smtpd/tls_policy.c smtpd/defence_parse.c \
	smtpd/defence_score.c smtpd/defence_settings.c smtpd/dns.c
queue_tool_SRC := cli/tool.c cli/queue_read.c cli/queue_print.c cli/queue_select.c $(smtpd_conf_SRC)
# The DNS, as smtpd asks it.
tool_dns_SRC := cli/tool_dns.c smtpd/dns_parse.c smtpd/resolve_unbound.c
mailqueue_EXTRA := $(queue_tool_SRC) cli/queue_policy.c $(tool_dns_SRC) smtpd/dane.c smtpd/resolve_mx.c
mailqueue_LIBS := -lunbound
# sendmail -bs is smtpd's machine of the protocol, which is pure.
cli_TOOLS += sendmail
sendmail_EXTRA := $(queue_tool_SRC) cli/submit.c cli/sendmail_smtp.c $(smtp_machine_SRC)
# The keys that smtpd signs mail with.
cli_TOOLS += mailkey
mailkey_EXTRA := cli/tool.c cli/mailkey_dns.c cli/mailkey_file.c $(smtpd_conf_SRC) \
	$(tool_dns_SRC) smtpd/dkim_key.c smtpd/dkim_keys_parse.c smtpd/dkim_parse.c smtpd/dns.c
mailkey_LIBS := -lunbound
# Reports of others.
cli_TOOLS += mailreport
mailreport_EXTRA := cli/tool.c $(received_report_SRC)
mailreport_LIBS := -lexpat -ljansson -lz
