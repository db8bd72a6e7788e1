# Sources of libmailstore: the store, as a static archive here and as a shared library in packages.
libmailstore_SRC := \
	libmailstore/bdb.c \
	libmailstore/import_keywords_parse.c \
	libmailstore/import_names_parse.c \
	libmailstore/import_uids_parse.c \
	libmailstore/mbox_format.c \
	libmailstore/mbox_parse.c \
	libmailstore/ms_accounts.c \
	libmailstore/ms_append.c \
	libmailstore/ms_backup.c \
	libmailstore/ms_changes.c \
	libmailstore/ms_check.c \
	libmailstore/ms_clean.c \
	libmailstore/ms_copy.c \
	libmailstore/ms_derive.c \
	libmailstore/ms_flags.c \
	libmailstore/ms_folder.c \
	libmailstore/ms_gone.c \
	libmailstore/ms_import.c \
	libmailstore/ms_import_folder.c \
	libmailstore/ms_listing.c \
	libmailstore/ms_mailbox.c \
	libmailstore/ms_mailbox_edit.c \
	libmailstore/ms_mbox_transfer.c \
	libmailstore/ms_message.c \
	libmailstore/ms_name.c \
	libmailstore/ms_path.c \
	libmailstore/ms_record.c \
	libmailstore/ms_restore.c \
	libmailstore/ms_store.c \
	libmailstore/ms_sync.c \
	libmailstore/ms_sync_mailboxes.c \
	libmailstore/ms_touch.c \
	libmailstore/ms_transfer.c \
	libmailstore/ms_uids.c \
	libmailstore/ms_users.c \
	libmailstore/ms_view.c
