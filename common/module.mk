# Sources of libcommon.a: what every daemon and tool shares, and no mail daemon's own.
common_SRC := \
	common/buf.c \
	common/conf.c \
	common/drop.c \
	common/envelope.c \
	common/jail.c \
	common/jail_probe.c \
	common/log.c \
	common/msg.c \
	common/msg_table.c \
	common/span.c \
	common/spool.c \
	common/stream.c \
	common/stream_splice.c \
	common/tls_client.c \
	common/tls_key.c \
	common/tls_server.c \
	common/xalloc.c
