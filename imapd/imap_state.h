/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Which command is legal when (RFC 3501 section 3), and from a line of bytes to a parsed command. Pure. */
#ifndef IMAPD_IMAP_STATE_H
#define IMAPD_IMAP_STATE_H

#include "imapd/imap_args_parse.h"

struct session;

enum imap_legal {
	IMAP_AUTHENTICATED = 1 << 0,
	IMAP_SELECTED = 1 << 1,
	IMAP_ALWAYS = IMAP_AUTHENTICATED | IMAP_SELECTED,
};

enum imap_cmd_flag {
	IMAP_CMD_UID = 1 << 0,         /* has a UID form */
	IMAP_CMD_KEEPS_SEQS = 1 << 1,  /* without UID: no untagged EXPUNGE while it runs (RFC 3501 section 7.4.1) */
	IMAP_CMD_NO_UPDATES = 1 << 2,  /* says nothing about the mailbox but its own result */
	IMAP_CMD_WRITES = 1 << 4,      /* not in a mailbox opened with EXAMINE */
};

struct imap_cmd {
	const char *name;
	unsigned legal; /* enum imap_legal */
	unsigned flags; /* enum imap_cmd_flag */
	imap_args_parse parse;
	/* Answers, or leaves a job that will. */
	void (*run)(struct session *session, struct imap_command *command);
};

/* The table (imap_cmds.c). NULL when there is no such command. */
const struct imap_cmd *imap_cmd_find(struct span name, bool by_uid);

enum imap_understood {
	IMAP_UNDERSTOOD,
	IMAP_MALFORMED, /* BAD with parser->error */
	IMAP_NOT_NOW,   /* BAD: not in this state */
	IMAP_READ_ONLY, /* NO: the mailbox was opened with EXAMINE */
	IMAP_EMPTY,     /* an empty line: nothing to answer */
};

/* What the session is in. */
struct imap_place {
	bool selected, read_only;
};

/* Parses a whole command (line end included or not), rewriting its bytes. command->tag is set whenever there is one, "*"
 * otherwise. */
enum imap_understood imap_understand(struct imap_parser *parser, const struct imap_place *place, struct imap_command *command);

#endif
