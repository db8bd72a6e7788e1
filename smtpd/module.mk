# Sources of libsmtpd.a: the mail server's roles, its protocol and its queue.
smtpd_SRC :=
