/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The words of IMAP (RFC 3501 section 9): atoms, strings, numbers, sets, flags, dates, mailbox names. Pure.
 *
 * Each function takes its word off the front and returns true, or returns false and leaves in parser->error a sentence for
 * the client (the first fault stays). Spans point into the command's bytes, which are rewritten in place where a quoted string
 * has escapes, or into the arena. */
#ifndef IMAPD_IMAP_PARSE_H
#define IMAPD_IMAP_PARSE_H

#include "imapd/imap_arena.h"
#include "imapd/imap_command.h"

struct imap_parser {
	char *at, *end;
	struct imap_arena *arena;
	const char *error;
};

/* Records the fault; always false. */
bool imap_fail(struct imap_parser *parser, const char *error);

bool imap_at_end(const struct imap_parser *parser);
bool imap_parse_end(struct imap_parser *parser);
/* Exactly this byte. imap_take_char and imap_take_word take it only when it is there, and are silent otherwise; words are
 * compared with ASCII letters folded and must not go on as an atom. */
bool imap_parse_char(struct imap_parser *parser, char byte);
bool imap_parse_space(struct imap_parser *parser);
bool imap_take_char(struct imap_parser *parser, char byte);
bool imap_take_word(struct imap_parser *parser, const char *word);

bool imap_parse_tag(struct imap_parser *parser, struct span *ret_tag);
bool imap_parse_atom(struct imap_parser *parser, struct span *ret_atom);
/* Quoted or literal. */
bool imap_parse_string(struct imap_parser *parser, struct span *ret_text);
/* NIL leaves a NULL pointer in *ret_text. */
bool imap_parse_nstring(struct imap_parser *parser, struct span *ret_text);
bool imap_parse_astring(struct imap_parser *parser, struct span *ret_text);
/* An astring, modified UTF-7 (RFC 3501 section 5.1.3) or UTF-8, decoded to UTF-8; INBOX in any case becomes "INBOX". */
bool imap_parse_mailbox(struct imap_parser *parser, struct span *ret_name);
/* The same with wildcards allowed in its unquoted form. */
bool imap_parse_list_mailbox(struct imap_parser *parser, struct span *ret_name);

bool imap_parse_number(struct imap_parser *parser, uint64_t max, uint64_t *ret_number);
bool imap_parse_nz_number(struct imap_parser *parser, uint32_t *ret_number);
/* mod-sequence-value / mod-sequence-valzer (RFC 7162): 63 bits. */
bool imap_parse_modseq(struct imap_parser *parser, uint64_t *ret_modseq);
bool imap_parse_set(struct imap_parser *parser, struct imap_set *ret_set);

/* "\Seen", "keyword". \Recent is taken and sets IMAP_FLAG_RECENT; other unknown system flags are a fault. */
bool imap_parse_flag(struct imap_parser *parser, struct imap_flags *flags);
/* "(" flags ")", and STORE's form without parentheses. */
bool imap_parse_flag_list(struct imap_parser *parser, struct imap_flags *flags);
bool imap_parse_flags(struct imap_parser *parser, struct imap_flags *flags);

/* 1-Feb-1994 with or without quotes: 00:00 UTC of that day. */
bool imap_parse_date(struct imap_parser *parser, int64_t *ret_day);
/* " 1-Feb-1994 21:52:25 -0800" in quotes: seconds since 1970. */
bool imap_parse_date_time(struct imap_parser *parser, int64_t *ret_time);

/* imap_fetch_parse.c, imap_search_parse.c */
bool imap_parse_fetch_items(struct imap_parser *parser, struct imap_fetch_item **ret_items);
/* "RETURN (...)", CHARSET and the keys. An unknown charset is no fault: *ret->bad_charset. */
bool imap_parse_search_program(struct imap_parser *parser, struct imap_command *command);
bool imap_parse_status_items(struct imap_parser *parser, unsigned *ret_items);

/* Appends text to a list in the arena. */
bool imap_text_add(struct imap_parser *parser, struct imap_text ***tail, struct span text);

#endif
