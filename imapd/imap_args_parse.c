/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The arguments of each command. */
#include "imapd/imap_args_parse.h"

#define ID_MAX 60 /* RFC 2971 section 3.3: at most 30 pairs */

bool
imap_args_none(struct imap_parser *parser, struct imap_command *command)
{
	(void)command;
	return imap_parse_end(parser);
}

/* For commands that are refused whatever follows. */
bool
imap_args_any(struct imap_parser *parser, struct imap_command *command)
{
	(void)command;
	parser->at = parser->end;
	return true;
}

bool
imap_args_mailbox(struct imap_parser *parser, struct imap_command *command)
{
	return imap_parse_space(parser) && imap_parse_mailbox(parser, &command->mailbox) && imap_parse_end(parser);
}

/* RFC 7162 section 3.2.5: QRESYNC (uidvalidity modseq [known-uids] [(seqs uids)]). */
static bool
parse_qresync(struct imap_parser *parser, struct imap_command *command)
{
	command->qresync = true;
	if (!imap_parse_space(parser) || !imap_parse_char(parser, '(') ||
	    !imap_parse_nz_number(parser, &command->known_validity) || !imap_parse_space(parser) ||
	    !imap_parse_modseq(parser, &command->known_modseq))
		return false;
	if (imap_take_char(parser, ')'))
		return true;
	if (!imap_parse_space(parser))
		return false;
	if (parser->at < parser->end && *parser->at != '(') {
		command->known_uids_given = true;
		if (!imap_parse_set(parser, &command->known_uids))
			return false;
		if (imap_take_char(parser, ')'))
			return true;
		if (!imap_parse_space(parser))
			return false;
	}
	command->match_given = true;
	return imap_parse_char(parser, '(') && imap_parse_set(parser, &command->match_seqs) && imap_parse_space(parser) &&
	    imap_parse_set(parser, &command->match_uids) && imap_parse_char(parser, ')') && imap_parse_char(parser, ')');
}

bool
imap_args_select(struct imap_parser *parser, struct imap_command *command)
{
	if (!imap_parse_space(parser) || !imap_parse_mailbox(parser, &command->mailbox))
		return false;
	if (imap_at_end(parser))
		return true;
	if (!imap_parse_space(parser) || !imap_parse_char(parser, '('))
		return false;
	do {
		if (imap_take_word(parser, "CONDSTORE"))
			command->condstore = true;
		else if (!imap_take_word(parser, "QRESYNC"))
			return imap_fail(parser, "There is no such parameter");
		else if (!parse_qresync(parser, command))
			return false;
	} while (imap_take_char(parser, ' '));
	return imap_parse_char(parser, ')') && imap_parse_end(parser);
}

/* All of them, from behind the first '\' on: several at once are none that there is. */
static bool
parse_uses(struct imap_parser *parser, struct span *ret)
{
	struct span more;

	if (imap_take_char(parser, ')'))
		return true;
	if (!imap_parse_char(parser, '\\') || !imap_parse_atom(parser, ret))
		return false;
	while (imap_take_char(parser, ' ')) {
		if (!imap_parse_char(parser, '\\') || !imap_parse_atom(parser, &more))
			return false;
		*ret = span_make(ret->ptr, (size_t)(more.ptr + more.len - ret->ptr));
	}
	return imap_parse_char(parser, ')');
}

/* RFC 6154 section 3: CREATE mailbox (USE (\Sent)). */
bool
imap_args_create(struct imap_parser *parser, struct imap_command *command)
{
	if (!imap_parse_space(parser) || !imap_parse_mailbox(parser, &command->mailbox))
		return false;
	if (imap_at_end(parser))
		return true;
	if (!imap_parse_space(parser) || !imap_parse_char(parser, '('))
		return false;
	if (!imap_take_word(parser, "USE"))
		return imap_fail(parser, "There is no such parameter");
	return imap_parse_space(parser) && imap_parse_char(parser, '(') && parse_uses(parser, &command->special_use) &&
	    imap_parse_char(parser, ')') && imap_parse_end(parser);
}

bool
imap_args_rename(struct imap_parser *parser, struct imap_command *command)
{
	return imap_parse_space(parser) && imap_parse_mailbox(parser, &command->mailbox) && imap_parse_space(parser) &&
	    imap_parse_mailbox(parser, &command->target) && imap_parse_end(parser);
}

bool
imap_parse_status_items(struct imap_parser *parser, unsigned *ret_items)
{
	static const struct {
		const char *word;
		enum imap_status_item item;
	} items[] = {
		{ "MESSAGES", IMAP_STATUS_MESSAGES }, { "RECENT", IMAP_STATUS_RECENT }, { "UIDNEXT", IMAP_STATUS_UIDNEXT },
		{ "UIDVALIDITY", IMAP_STATUS_UIDVALIDITY }, { "UNSEEN", IMAP_STATUS_UNSEEN },
		{ "HIGHESTMODSEQ", IMAP_STATUS_HIGHESTMODSEQ }, { "SIZE", IMAP_STATUS_SIZE },
		{ "MAILBOXID", IMAP_STATUS_MAILBOXID }, { "DELETED", IMAP_STATUS_DELETED },
		{ "DELETED-STORAGE", IMAP_STATUS_DELETED_STORAGE },
	};
	size_t i;

	*ret_items = 0;
	if (!imap_parse_char(parser, '('))
		return false;
	do {
		for (i = 0; i < sizeof(items) / sizeof(items[0]); i++)
			if (imap_take_word(parser, items[i].word))
				break;
		if (i == sizeof(items) / sizeof(items[0]))
			return imap_fail(parser, "There is no such status item");
		*ret_items |= items[i].item;
	} while (imap_take_char(parser, ' '));
	return imap_parse_char(parser, ')');
}

bool
imap_args_status(struct imap_parser *parser, struct imap_command *command)
{
	return imap_parse_space(parser) && imap_parse_mailbox(parser, &command->mailbox) && imap_parse_space(parser) &&
	    imap_parse_status_items(parser, &command->status) && imap_parse_end(parser);
}

/* RFC 5258 section 3: the options before the reference say what is listed. */
static bool
parse_list_selection(struct imap_parser *parser, struct imap_command *command)
{
	if (!imap_take_char(parser, '('))
		return true;
	command->list |= IMAP_LIST_EXTENDED;
	if (!imap_take_char(parser, ')')) {
		do {
			if (imap_take_word(parser, "SUBSCRIBED"))
				command->list |= IMAP_LIST_SELECT_SUBSCRIBED | IMAP_LIST_RETURN_SUBSCRIBED;
			else if (imap_take_word(parser, "REMOTE"))
				command->list |= IMAP_LIST_SELECT_REMOTE;
			else if (imap_take_word(parser, "RECURSIVEMATCH"))
				command->list |= IMAP_LIST_SELECT_RECURSIVE;
			else if (imap_take_word(parser, "SPECIAL-USE"))
				command->list |= IMAP_LIST_SELECT_SPECIAL | IMAP_LIST_RETURN_SPECIAL;
			else
				return imap_fail(parser, "There is no such selection option");
		} while (imap_take_char(parser, ' '));
		if (!imap_parse_char(parser, ')'))
			return false;
	}
	if ((command->list & IMAP_LIST_SELECT_RECURSIVE) != 0 && (command->list & IMAP_LIST_SELECT_SUBSCRIBED) == 0)
		return imap_fail(parser, "RECURSIVEMATCH must not stand alone");
	return imap_parse_space(parser);
}

static bool
parse_list_returns(struct imap_parser *parser, struct imap_command *command)
{
	if (imap_at_end(parser))
		return true;
	command->list |= IMAP_LIST_EXTENDED;
	if (!imap_parse_space(parser) || !imap_take_word(parser, "RETURN"))
		return imap_fail(parser, "Expected RETURN");
	if (!imap_parse_space(parser) || !imap_parse_char(parser, '('))
		return false;
	if (imap_take_char(parser, ')'))
		return true;
	do {
		if (imap_take_word(parser, "SUBSCRIBED")) {
			command->list |= IMAP_LIST_RETURN_SUBSCRIBED;
		} else if (imap_take_word(parser, "CHILDREN")) {
			command->list |= IMAP_LIST_RETURN_CHILDREN;
		} else if (imap_take_word(parser, "SPECIAL-USE")) {
			command->list |= IMAP_LIST_RETURN_SPECIAL;
		} else if (imap_take_word(parser, "STATUS")) {
			command->list |= IMAP_LIST_RETURN_STATUS;
			if (!imap_parse_space(parser) || !imap_parse_status_items(parser, &command->status))
				return false;
		} else {
			return imap_fail(parser, "There is no such RETURN option");
		}
	} while (imap_take_char(parser, ' '));
	return imap_parse_char(parser, ')');
}

/* The reference and a pattern are one name together; an INBOX in any case at its front is INBOX. */
static bool
add_pattern(struct imap_parser *parser, struct imap_command *command, struct imap_text ***tail, struct span pattern)
{
	size_t len = command->reference.len + pattern.len;
	char *whole;

	command->pattern_empty = pattern.len == 0;
	if (command->reference.len == 0)
		return imap_text_add(parser, tail, pattern);
	whole = imap_arena_get(parser->arena, len + 1, 1);
	if (whole == NULL)
		return imap_fail(parser, "The command is too complex");
	memcpy(whole, command->reference.ptr, command->reference.len);
	if (pattern.len > 0)
		memcpy(whole + command->reference.len, pattern.ptr, pattern.len);
	return imap_text_add(parser, tail, span_make(whole, len));
}

static bool
parse_patterns(struct imap_parser *parser, struct imap_command *command)
{
	struct imap_text **tail = &command->patterns;
	struct span pattern;

	if (!imap_take_char(parser, '('))
		return imap_parse_list_mailbox(parser, &pattern) && add_pattern(parser, command, &tail, pattern);
	command->list |= IMAP_LIST_EXTENDED;
	do {
		if (!imap_parse_list_mailbox(parser, &pattern) || !add_pattern(parser, command, &tail, pattern))
			return false;
	} while (imap_take_char(parser, ' '));
	return imap_parse_char(parser, ')');
}

bool
imap_args_list(struct imap_parser *parser, struct imap_command *command)
{
	return imap_parse_space(parser) && parse_list_selection(parser, command) &&
	    imap_parse_mailbox(parser, &command->reference) && imap_parse_space(parser) &&
	    parse_patterns(parser, command) && parse_list_returns(parser, command);
}

bool
imap_args_lsub(struct imap_parser *parser, struct imap_command *command)
{
	struct imap_text **tail = &command->patterns;
	struct span pattern;

	return imap_parse_space(parser) && imap_parse_mailbox(parser, &command->reference) && imap_parse_space(parser) &&
	    imap_parse_list_mailbox(parser, &pattern) && add_pattern(parser, command, &tail, pattern) &&
	    imap_parse_end(parser);
}

bool
imap_args_append(struct imap_parser *parser, struct imap_command *command)
{
	if (!imap_parse_space(parser) || !imap_parse_mailbox(parser, &command->mailbox) || !imap_parse_space(parser))
		return false;
	if (parser->at < parser->end && *parser->at == '(' &&
	    (!imap_parse_flag_list(parser, &command->flags) || !imap_parse_space(parser)))
		return false;
	if (parser->at < parser->end && *parser->at == '"') {
		command->date_given = true;
		if (!imap_parse_date_time(parser, &command->date) || !imap_parse_space(parser))
			return false;
	}
	return (parser->at < parser->end && *parser->at == '{') || imap_fail(parser, "Expected the message as a literal");
}

/* RFC 7162 section 3.1.4.1, RFC 4466: FETCH set items (CHANGEDSINCE modseq VANISHED). */
static bool
parse_fetch_modifiers(struct imap_parser *parser, struct imap_command *command)
{
	if (imap_at_end(parser))
		return true;
	if (!imap_parse_space(parser) || !imap_parse_char(parser, '('))
		return false;
	do {
		if (imap_take_word(parser, "CHANGEDSINCE")) {
			command->changed_since_given = true;
			if (!imap_parse_space(parser) || !imap_parse_modseq(parser, &command->changed_since))
				return false;
		} else if (imap_take_word(parser, "VANISHED")) {
			command->vanished = true;
		} else {
			return imap_fail(parser, "There is no such fetch modifier");
		}
	} while (imap_take_char(parser, ' '));
	if (command->vanished && (!command->changed_since_given || !command->by_uid))
		return imap_fail(parser, "VANISHED needs UID FETCH and CHANGEDSINCE");
	return imap_parse_char(parser, ')');
}

bool
imap_args_fetch(struct imap_parser *parser, struct imap_command *command)
{
	return imap_parse_space(parser) && imap_parse_set(parser, &command->set) && imap_parse_space(parser) &&
	    imap_parse_fetch_items(parser, &command->fetch) && parse_fetch_modifiers(parser, command) &&
	    imap_parse_end(parser);
}

bool
imap_args_store(struct imap_parser *parser, struct imap_command *command)
{
	if (!imap_parse_space(parser) || !imap_parse_set(parser, &command->set) || !imap_parse_space(parser))
		return false;
	if (imap_take_char(parser, '(')) {
		if (!imap_take_word(parser, "UNCHANGEDSINCE"))
			return imap_fail(parser, "There is no such store modifier");
		command->unchanged_since_given = true;
		if (!imap_parse_space(parser) || !imap_parse_modseq(parser, &command->unchanged_since) ||
		    !imap_parse_char(parser, ')') || !imap_parse_space(parser))
			return false;
	}
	if (imap_take_char(parser, '+'))
		command->how = IMAP_STORE_ADD;
	else if (imap_take_char(parser, '-'))
		command->how = IMAP_STORE_REMOVE;
	if (imap_take_word(parser, "FLAGS.SILENT"))
		command->silent = true;
	else if (!imap_take_word(parser, "FLAGS"))
		return imap_fail(parser, "Expected FLAGS");
	return imap_parse_space(parser) && imap_parse_flags(parser, &command->flags) && imap_parse_end(parser);
}

bool
imap_args_copy(struct imap_parser *parser, struct imap_command *command)
{
	return imap_parse_space(parser) && imap_parse_set(parser, &command->set) && imap_parse_space(parser) &&
	    imap_parse_mailbox(parser, &command->target) && imap_parse_end(parser);
}

bool
imap_args_search(struct imap_parser *parser, struct imap_command *command)
{
	return imap_parse_space(parser) && imap_parse_search_program(parser, command) && imap_parse_end(parser);
}

bool
imap_args_expunge(struct imap_parser *parser, struct imap_command *command)
{
	if (command->by_uid && (!imap_parse_space(parser) || !imap_parse_set(parser, &command->set)))
		return false;
	return imap_parse_end(parser);
}

bool
imap_args_id(struct imap_parser *parser, struct imap_command *command)
{
	struct imap_text **tail = &command->id;
	struct span field, value;
	unsigned count = 0;

	if (!imap_parse_space(parser))
		return false;
	if (imap_take_word(parser, "NIL"))
		return imap_parse_end(parser);
	if (!imap_parse_char(parser, '('))
		return false;
	if (!imap_take_char(parser, ')')) {
		do {
			if (count++ == ID_MAX / 2)
				return imap_fail(parser, "Too many fields");
			if (!imap_parse_string(parser, &field) || !imap_parse_space(parser) ||
			    !imap_parse_nstring(parser, &value) || !imap_text_add(parser, &tail, field) ||
			    !imap_text_add(parser, &tail, value))
				return false;
		} while (imap_take_char(parser, ' '));
		if (!imap_parse_char(parser, ')'))
			return false;
	}
	return imap_parse_end(parser);
}

bool
imap_args_enable(struct imap_parser *parser, struct imap_command *command)
{
	struct span word;

	if (!imap_parse_space(parser))
		return false;
	do {
		if (!imap_parse_atom(parser, &word))
			return false;
		/* RFC 5161: what is not known is passed over. */
		if (span_ieq(word, SPAN("CONDSTORE")))
			command->enable |= IMAP_ENABLE_CONDSTORE;
		else if (span_ieq(word, SPAN("QRESYNC")))
			command->enable |= IMAP_ENABLE_CONDSTORE | IMAP_ENABLE_QRESYNC;
	} while (imap_take_char(parser, ' '));
	return imap_parse_end(parser);
}
