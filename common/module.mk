# Sources of libcommon.a: what every daemon and tool shares, and no mail daemon's own.
common_SRC := \
	common/base64.c \
	common/buf.c \
	common/charset.c \
	common/conf.c \
	common/crlf.c \
	common/date.c \
	common/date_parse.c \
	common/drop.c \
	common/encoded_word.c \
	common/envelope.c \
	common/header.c \
	common/jail.c \
	common/jail_probe.c \
	common/log.c \
	common/message_id.c \
	common/msg.c \
	common/msg_table.c \
	common/parameter.c \
	common/parameter_append.c \
	common/quoted_printable.c \
	common/span.c \
	common/spool.c \
	common/stream.c \
	common/stream_splice.c \
	common/tls_client.c \
	common/tls_key.c \
	common/tls_server.c \
	common/utf7.c \
	common/xalloc.c
