# Sources of libsmtpd.a: the mail server's roles, its protocol and its queue.
smtpd_SRC := \
	smtpd/smtp_cmds.c \
	smtpd/smtp_data.c \
	smtpd/smtp_parse.c \
	smtpd/smtp_reply.c \
	smtpd/smtp_state.c
