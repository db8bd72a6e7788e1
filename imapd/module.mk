# Sources of libimapd.a: IMAP, its login role and its session role.
imapd_SRC := \
	imapd/cmd_append.c \
	imapd/cmd_copy.c \
	imapd/cmd_expunge.c \
	imapd/cmd_fetch.c \
	imapd/cmd_idle.c \
	imapd/cmd_list.c \
	imapd/cmd_mailbox.c \
	imapd/cmd_misc.c \
	imapd/cmd_quota.c \
	imapd/cmd_search.c \
	imapd/cmd_select.c \
	imapd/cmd_status.c \
	imapd/cmd_store.c \
	imapd/fetch_batch.c \
	imapd/fetch_section.c \
	imapd/imap_arena.c \
	imapd/imap_args_parse.c \
	imapd/imap_capability.c \
	imapd/imap_cmds.c \
	imapd/imap_fetch_parse.c \
	imapd/imap_frame_parse.c \
	imapd/imap_login_state.c \
	imapd/imap_parse.c \
	imapd/imap_pattern.c \
	imapd/imap_search_parse.c \
	imapd/imap_sleep_state.c \
	imapd/imap_state.c \
	imapd/imap_view_state.c \
	imapd/imapd.c \
	imapd/proc_login.c \
	imapd/proc_session.c \
	imapd/search_keys.c \
	imapd/session.c \
	imapd/session_flags.c \
	imapd/session_mailbox.c \
	imapd/session_message.c \
	imapd/session_news.c \
	imapd/session_reply.c \
	imapd/session_resync.c \
	imapd/session_sleep.c \
	imapd/session_use.c \
	imapd/session_walk.c

