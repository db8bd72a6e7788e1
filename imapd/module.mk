imapd_SRC := \
	imapd/imap_arena.c \
	imapd/imap_args_parse.c \
	imapd/imap_capability.c \
	imapd/imap_cmds.c \
	imapd/imap_fetch_parse.c \
	imapd/imap_frame_parse.c \
	imapd/imap_login_state.c \
	imapd/imap_parse.c \
	imapd/imap_search_parse.c \
	imapd/imap_state.c \
	imapd/imap_view_state.c \
	imapd/imapd.c \
	imapd/proc_login.c
