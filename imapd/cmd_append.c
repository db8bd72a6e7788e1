/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* APPEND (RFC 3501 section 6.3.11): the message goes to the store as it comes; nothing is seen before it is whole. */
#include <stdlib.h>

#include "common/xalloc.h"
#include "imapd/session_append.h"
#include "imapd/session_cmds.h"
#include "imapd/session_flags.h"
#include "imapd/session_mailbox.h"

struct session_append {
	uint64_t left; /* bytes of the message that have yet to come */
	bool sync;     /* the client waits for "+" */
	bool accepted;
	bool has_nul;
	int failed;    /* what the store said to a piece; the rest is passed over */
	struct ms_append *to;
};

struct session_append *
session_append_new(uint64_t size, bool sync)
{
	struct session_append *append = xcalloc(1, sizeof(*append));

	append->left = size;
	append->sync = sync;
	return append;
}

void
session_append_drop(struct session *session)
{
	if (session->append == NULL)
		return;
	ms_append_abort(session->append->to);
	free(session->append);
	session->append = NULL;
}

void
session_append_started(struct session *session)
{
	struct session_append *append = session->append;

	if (append->accepted) {
		session->phase = SESSION_MESSAGE;
		if (append->sync)
			session_put(session, SPAN("+ OK\r\n"));
		return;
	}
	/* RFC 7888 section 4: the bytes of a literal with "+" come whatever was answered. */
	if (!append->sync) {
		session->skip_bytes = append->left;
		session->skip_line = true;
		if (append->left > 4 * (uint64_t)session->conf->message_size_max)
			session_end(session, "The literal is too big");
	}
	session_append_drop(session);
}

void
cmd_append(struct session *session, struct imap_command *command)
{
	struct session_append *append = session->append;
	struct ms_mailbox_info info;
	char *name;
	int rc;

	if (append == NULL) {
		session_bad(session, "Expected the message as a literal");
		return;
	}
	if (append->left > (uint64_t)session->conf->message_size_max) {
		session_answer(session, "NO", "[TOOBIG] The message is larger than %lld bytes",
		    (long long)session->conf->message_size_max);
		return;
	}
	name = span_dup(command->mailbox);
	rc = ms_mailbox_status(session->store, name, &info);
	free(name);
	if (rc == 0) {
		ms_mailbox_info_clear(&info);
		append->to = ms_append_begin(session->store);
	}
	if (rc == MS_E_NOTFOUND)
		session_answer(session, "NO", "[TRYCREATE] There is no such mailbox");
	else if (rc != 0)
		session_store_failed(session, "APPEND", rc);
	append->accepted = rc == 0;
}

static void
take_piece(struct session_append *append, struct span piece)
{
	append->left -= piece.len;
	if (append->failed != 0 || append->has_nul)
		return;
	append->has_nul = span_chr(piece, '\0') >= 0;
	if (!append->has_nul)
		append->failed = ms_append_write(append->to, piece.ptr, piece.len);
}

static void
commit(struct session *session)
{
	struct session_append *append = session->append;
	struct imap_command *command = &session->command;
	uint32_t uid, validity;
	uint64_t email;
	const char **keywords;
	char *name;
	int rc;

	name = span_dup(command->mailbox);
	keywords = session_keywords(&command->flags);
	rc = ms_append_commit(append->to, name, session_flags(&command->flags), keywords,
	    command->date_given ? command->date : 0, &uid, &validity, &email);
	append->to = NULL;
	session_keywords_free(keywords);
	free(name);
	if (rc == 0)
		session_answer(session, "OK", "[APPENDUID %u %u] APPEND completed", (unsigned)validity, (unsigned)uid);
	else if (rc == MS_E_NOTFOUND)
		session_answer(session, "NO", "[TRYCREATE] There is no such mailbox");
	else
		session_store_failed(session, "APPEND", rc);
}

static void
finish(struct session *session, struct span line)
{
	struct session_append *append = session->append;

	session->phase = SESSION_COMMANDS;
	if (line.len > 0)
		session_bad(session, "Unexpected text after the message");
	else if (append->has_nul)
		session_answer(session, "NO", "[CANNOT] NUL is not allowed in a message");
	else if (append->failed != 0)
		session_store_failed(session, "APPEND", append->failed);
	else
		commit(session);
	session_append_drop(session);
}

bool
session_append_input(struct session *session, struct span input)
{
	struct session_append *append = session->append;
	struct span line;
	ptrdiff_t newline;
	size_t taken;

	if (append->left > 0) {
		taken = append->left < input.len ? (size_t)append->left : input.len;
		take_piece(append, span_make(input.ptr, taken));
		stream_consume(session->stream, taken);
		return taken > 0;
	}
	newline = span_chr(input, '\n');
	if (newline < 0 && input.len <= IMAP_LINE_MAX)
		return false;
	line = span_trim(span_make(input.ptr, newline < 0 ? input.len : (size_t)newline));
	finish(session, line);
	/* What should not be there is passed over as the rest of any refused command, with the literal that its end may announce. */
	session->skip_line = newline < 0 || line.len > 0;
	if (!session->skip_line)
		stream_consume(session->stream, (size_t)newline + 1);
	return true;
}
