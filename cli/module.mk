# The tools: cli/<tool>.c is one; <tool>_EXTRA names what else it is made of.
cli_TOOLS += mailuser mailstore
mailuser_EXTRA := cli/tool.c cli/mailuser_forward.c
mailstore_EXTRA := cli/tool.c cli/mailstore_care.c cli/mailstore_move.c cli/mailstore_backup.c
cli_TOOLS += sievec
sievec_EXTRA := cli/tool.c
# Those that belong to smtpd, installed with it.
cli_TOOLS += mailalias
mailalias_EXTRA := cli/tool.c
cli_TOOLS += mailqueue
queue_tool_SRC := cli/tool.c cli/tool_smtpd.c cli/queue_read.c cli/queue_print.c cli/queue_select.c smtpd/smtpd_conf.c smtpd/route_parse.c \
	smtpd/defence_parse.c smtpd/defence_score.c smtpd/defence_settings.c smtpd/dns.c
mailqueue_EXTRA := $(queue_tool_SRC)
# sendmail -bs is smtpd's machine of the protocol, which is pure.
cli_TOOLS += sendmail
sendmail_EXTRA := $(queue_tool_SRC) cli/submit.c cli/sendmail_smtp.c $(smtp_machine_SRC)
