# Sources of libpop3d.a.
pop3d_SRC := \
	pop3d/maildrop.c \
	pop3d/pop3_login_state.c \
	pop3d/pop3_parse.c \
	pop3d/pop3_state.c \
	pop3d/pop3d.c \
	pop3d/proc_login.c \
	pop3d/proc_session.c
