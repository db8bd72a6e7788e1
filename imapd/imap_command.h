/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A command as the parser understood it. Everything points into the command's bytes or its arena. */
#ifndef IMAPD_IMAP_COMMAND_H
#define IMAPD_IMAP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

/* RFC 3501 section 9, sequence-set. `*` is IMAP_STAR; low and high stand as they were written. */
#define IMAP_STAR 0
struct imap_range {
	uint32_t low, high;
};

struct imap_set {
	struct imap_range *range;
	size_t count;
	bool saved; /* "$": the result of the last SEARCH with SAVE (RFC 5182) */
};

struct imap_text {
	struct span text;
	struct imap_text *next;
};

enum imap_flag {
	IMAP_FLAG_ANSWERED = 1 << 0,
	IMAP_FLAG_FLAGGED = 1 << 1,
	IMAP_FLAG_DELETED = 1 << 2,
	IMAP_FLAG_SEEN = 1 << 3,
	IMAP_FLAG_DRAFT = 1 << 4,
	IMAP_FLAG_RECENT = 1 << 5, /* never stored: read and forgotten where a client writes it */
};

struct imap_flags {
	unsigned system; /* enum imap_flag */
	struct imap_text *keywords;
};

enum imap_section_kind {
	IMAP_SECTION_ALL, IMAP_SECTION_HEADER, IMAP_SECTION_FIELDS, IMAP_SECTION_FIELDS_NOT, IMAP_SECTION_TEXT, IMAP_SECTION_MIME,
};

#define IMAP_PART_DEPTH_MAX 100
struct imap_section {
	uint32_t *part; /* 1.2.3 */
	size_t depth;
	enum imap_section_kind kind;
	struct imap_text *fields;
};

enum imap_fetch_kind {
	IMAP_FETCH_ENVELOPE, IMAP_FETCH_BODYSTRUCTURE, IMAP_FETCH_BODY, IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE,
	IMAP_FETCH_RFC822_SIZE, IMAP_FETCH_UID, IMAP_FETCH_SECTION, IMAP_FETCH_MODSEQ, IMAP_FETCH_EMAILID, IMAP_FETCH_THREADID,
	IMAP_FETCH_SAVEDATE, IMAP_FETCH_PREVIEW,
};

struct imap_fetch_item {
	enum imap_fetch_kind kind;
	const char *name; /* how the answer names a SECTION that was asked for as RFC822...; NULL: BODY[...] */
	struct imap_section section;
	bool peek; /* \Seen stays as it is */
	bool partial;
	uint32_t first, count; /* <first.count> */
	struct imap_fetch_item *next;
};

enum imap_search_kind {
	IMAP_SEARCH_ALL, IMAP_SEARCH_AND, IMAP_SEARCH_OR, IMAP_SEARCH_NOT, IMAP_SEARCH_SET, IMAP_SEARCH_UID,
	IMAP_SEARCH_FLAG, IMAP_SEARCH_KEYWORD, IMAP_SEARCH_RECENT,
	IMAP_SEARCH_BEFORE, IMAP_SEARCH_ON, IMAP_SEARCH_SINCE,
	IMAP_SEARCH_SENTBEFORE, IMAP_SEARCH_SENTON, IMAP_SEARCH_SENTSINCE,
	IMAP_SEARCH_SAVEDBEFORE, IMAP_SEARCH_SAVEDON, IMAP_SEARCH_SAVEDSINCE,
	IMAP_SEARCH_YOUNGER, IMAP_SEARCH_OLDER,
	IMAP_SEARCH_BCC, IMAP_SEARCH_CC, IMAP_SEARCH_FROM, IMAP_SEARCH_TO, IMAP_SEARCH_SUBJECT, IMAP_SEARCH_HEADER,
	IMAP_SEARCH_BODY, IMAP_SEARCH_TEXT, IMAP_SEARCH_LARGER, IMAP_SEARCH_SMALLER, IMAP_SEARCH_MODSEQ,
	IMAP_SEARCH_EMAILID, IMAP_SEARCH_THREADID,
};

#define IMAP_SEARCH_DEPTH_MAX 32
struct imap_search {
	enum imap_search_kind kind;
	bool negated;      /* FLAG, KEYWORD, RECENT: UN..., OLD */
	unsigned flags;    /* FLAG: one enum imap_flag */
	uint64_t number;   /* LARGER SMALLER (bytes), MODSEQ, YOUNGER OLDER (seconds) */
	int64_t day;       /* dates: 00:00 UTC of that day, seconds since 1970 */
	struct span field; /* HEADER: the field's name */
	struct span text;  /* what to look for; KEYWORD, EMAILID, THREADID */
	struct imap_set set;
	struct imap_search *children; /* AND, OR (two), NOT (one) */
	struct imap_search *next;
};

/* RFC 4731, RFC 5182: what SEARCH RETURN (...) asks for. */
enum imap_search_return {
	IMAP_RETURN_MIN = 1 << 0, IMAP_RETURN_MAX = 1 << 1, IMAP_RETURN_ALL = 1 << 2, IMAP_RETURN_COUNT = 1 << 3,
	IMAP_RETURN_SAVE = 1 << 4,
};

enum imap_status_item {
	IMAP_STATUS_MESSAGES = 1 << 0, IMAP_STATUS_RECENT = 1 << 1, IMAP_STATUS_UIDNEXT = 1 << 2,
	IMAP_STATUS_UIDVALIDITY = 1 << 3, IMAP_STATUS_UNSEEN = 1 << 4, IMAP_STATUS_HIGHESTMODSEQ = 1 << 5,
	IMAP_STATUS_SIZE = 1 << 6, IMAP_STATUS_MAILBOXID = 1 << 7, IMAP_STATUS_DELETED = 1 << 8,
	IMAP_STATUS_DELETED_STORAGE = 1 << 9,
};

enum imap_list_option {
	IMAP_LIST_EXTENDED = 1 << 0, /* any option or several patterns: RFC 5258 rules */
	IMAP_LIST_SELECT_SUBSCRIBED = 1 << 1, IMAP_LIST_SELECT_REMOTE = 1 << 2, IMAP_LIST_SELECT_RECURSIVE = 1 << 3,
	IMAP_LIST_SELECT_SPECIAL = 1 << 4,
	IMAP_LIST_RETURN_SUBSCRIBED = 1 << 5, IMAP_LIST_RETURN_CHILDREN = 1 << 6, IMAP_LIST_RETURN_SPECIAL = 1 << 7,
	IMAP_LIST_RETURN_STATUS = 1 << 8,
};

enum imap_enable {
	IMAP_ENABLE_CONDSTORE = 1 << 0, IMAP_ENABLE_QRESYNC = 1 << 1,
};

struct imap_command {
	struct span tag;
	const struct imap_cmd *cmd; /* its row in the table */
	bool by_uid;                /* UID FETCH and the like */

	struct span mailbox, target; /* decoded to UTF-8, INBOX in capitals; target: RENAME's new name, COPY's destination */
	struct imap_set set;

	/* FETCH */
	struct imap_fetch_item *fetch;
	bool changed_since_given, vanished;
	uint64_t changed_since;

	/* STORE, APPEND */
	struct imap_flags flags;
	enum imap_store_how { IMAP_STORE_REPLACE, IMAP_STORE_ADD, IMAP_STORE_REMOVE } how;
	bool silent;
	bool unchanged_since_given;
	uint64_t unchanged_since;
	int64_t date; /* APPEND's date-time, seconds since 1970 */
	bool date_given;

	/* SEARCH */
	struct imap_search *search;
	bool returns_given;
	unsigned returns; /* enum imap_search_return */
	bool bad_charset;

	/* SELECT, EXAMINE, ENABLE */
	bool condstore, qresync;
	uint32_t known_validity;
	uint64_t known_modseq;
	struct imap_set known_uids, match_seqs, match_uids;
	bool known_uids_given, match_given;
	unsigned enable; /* enum imap_enable */

	/* LIST, LSUB, STATUS */
	struct imap_text *patterns; /* with the reference in front, decoded to UTF-8 */
	bool pattern_empty;         /* LIST "" "" */
	struct span reference;
	unsigned list;   /* enum imap_list_option */
	unsigned status; /* enum imap_status_item */

	/* CREATE: RFC 6154 USE (\Sent) */
	struct span special_use;

	/* ID: field and value in turn; value NULL-pointer for NIL */
	struct imap_text *id;
};

#endif
