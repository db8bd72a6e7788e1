/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* FETCH (RFC 3501 section 6.4.5): a job that writes as the client reads. One message is open at a time, mapped, not copied. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/crlf.h"
#include "common/imap_bodystructure.h"
#include "common/imap_envelope.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "imapd/fetch_batch.h"
#include "imapd/fetch_section.h"
#include "imapd/session_cmds.h"
#include "imapd/session_mailbox.h"
#include "imapd/session_message.h"
#include "imapd/session_resync.h"
#include "imapd/session_walk.h"

/* What goes into the output in one step. */
#define PIECE 65536
/* A header's fields that were asked for, together. */
#define FIELDS_MAX (16 * 1024 * 1024)
/* An ENVELOPE or BODYSTRUCTURE: a header of 10 MB in literals, and room. */
#define RENDERED_MAX (64 * 1024 * 1024)

struct fetch {
	struct session_walk walk;
	struct fetch_batch batch;
	uint32_t seq;
	bool needs_file, marks_seen, tells_uid;
	int failed;  /* of a message that was gone, or what is worse: that cannot be read */
	struct told {
		uint32_t seq;
		uint64_t modseq;
	} *told;     /* messages whose \Seen we set, and said so */
	size_t told_count, told_room;

	/* the message in work */
	bool open;
	struct ms_message record;
	struct session_message message;
	const struct imap_fetch_item *item;
	bool first;   /* nothing written in its parentheses yet */
	bool flags_told;
	bool streaming;
	struct crlf crlf;
	struct buf fields;
};

static void
fetch_free(void *state)
{
	struct fetch *fetch = state;

	session_message_close(&fetch->message);
	buf_free(&fetch->fields);
	fetch_batch_free(&fetch->batch);
	session_walk_free(&fetch->walk);
	free(fetch->told);
	free(fetch);
}

static void
separate(struct session *session, struct fetch *fetch)
{
	if (!fetch->first)
		session_put(session, SPAN(" "));
	fetch->first = false;
}

static void
put_flags(struct session *session, struct fetch *fetch)
{
	struct imap_view *view = &session->selected->view;

	session_put(session, SPAN("FLAGS "));
	session_put_flags(session, &fetch->record, (view->bits[fetch->seq - 1] & IMAP_VIEW_RECENT) != 0);
	fetch->flags_told = true;
}

/* RFC 3501 section 6.4.5: BODY[...] without PEEK sets \Seen, and the client is told when that changed something. */
static void
mark_seen(struct session *session, struct fetch *fetch)
{
	uint32_t uid = fetch->record.uid;

	if (!fetch->marks_seen || session->selected->read_only || (fetch->record.flags & MS_SEEN) != 0)
		return;
	if (ms_store_flags(session->selected->mailbox, &uid, 1, MS_FLAGS_ADD, MS_SEEN, NULL, 0, NULL, NULL) != 0)
		return; /* the mail is what was asked for; a full disk must not keep it back */
	(void)ms_message_get(session->selected->mailbox, uid, &fetch->record);
	fetch->flags_told = false;
	if (fetch->told_count == fetch->told_room) {
		fetch->told_room = fetch->told_room == 0 ? 16 : fetch->told_room * 2;
		fetch->told = xreallocarray(fetch->told, fetch->told_room, sizeof(fetch->told[0]));
	}
	fetch->told[fetch->told_count++] = (struct told){ fetch->seq, fetch->record.modseq };
}

/* What the client has just been told is no news when it comes back from the store. */
static void
forget_own_changes(struct session *session, const struct fetch *fetch)
{
	struct session_mailbox *selected = session->selected;
	struct ms_message message;
	size_t i;

	if (fetch->told_count == 0)
		return;
	session_mailbox_refresh(session);
	for (i = 0; i < fetch->told_count; i++)
		if (ms_message_get(selected->mailbox, imap_view_uid(&selected->view, fetch->told[i].seq), &message) == 0 &&
		    message.modseq == fetch->told[i].modseq)
			imap_view_clear(&selected->view, fetch->told[i].seq, IMAP_VIEW_CHANGED);
}

static bool
asks_for(const struct imap_fetch_item *item, enum imap_fetch_kind kind)
{
	for (; item != NULL; item = item->next)
		if (item->kind == kind)
			return true;
	return false;
}

/* The record of the message in work; what follows in its range is read ahead. */
static int
read_record(struct session *session, struct fetch *fetch, uint32_t uid)
{
	const struct imap_view *view = &session->selected->view;
	uint32_t end = session_walk_range_end(&fetch->walk);
	const struct ms_message *record;
	int rc = 0;

	if (end - fetch->seq >= FETCH_BATCH)
		end = fetch->seq + FETCH_BATCH - 1;
	if (!fetch_batch_covers(&fetch->batch, uid))
		rc = fetch_batch_read(&fetch->batch, session->selected->mailbox, uid, imap_view_uid(view, end));
	record = rc == 0 ? fetch_batch_record(&fetch->batch, uid) : NULL;
	if (record != NULL)
		fetch->record = *record;
	return rc == 0 && record == NULL ? MS_E_NOTFOUND : rc;
}

/* One that is there and cannot be read is not to be taken for expunged. */
static void
note_failure(struct session *session, struct fetch *fetch, int rc)
{
	if (rc != MS_E_NOTFOUND && (fetch->failed == 0 || fetch->failed == MS_E_NOTFOUND))
		log_error("message-unreadable", log_str("account", session->proc->account), log_u64("uid", fetch->record.uid), log_str("reason", ms_strerror(rc)));
	if (fetch->failed == 0 || fetch->failed == MS_E_NOTFOUND)
		fetch->failed = rc;
}

/* Opens the message in work: its record, its file when an item needs it, and the head of its answer. */
static void
open_message(struct session *session, struct fetch *fetch)
{
	const struct imap_command *command = &session->command;
	uint32_t uid = imap_view_uid(&session->selected->view, fetch->seq);
	int rc = read_record(session, fetch, uid);

	if (rc == 0 && command->changed_since_given && fetch->record.modseq <= command->changed_since)
		return;
	if (rc == 0 && fetch->needs_file)
		rc = session_message_open(session->selected->mailbox, uid, &fetch->message);
	if (rc != 0) {
		/* RFC 2180 section 4.1.2: expunged by somebody else; what else can be is answered. */
		note_failure(session, fetch, rc);
		return;
	}
	fetch->open = true;
	fetch->first = true;
	fetch->item = command->fetch;
	fetch->flags_told = true;
	mark_seen(session, fetch);
	session_put_number(session, SPAN("* "), fetch->seq);
	session_put(session, SPAN(" FETCH ("));
	if (fetch->tells_uid && !asks_for(command->fetch, IMAP_FETCH_UID)) {
		separate(session, fetch);
		session_put_number(session, SPAN("UID "), uid);
	}
}

static void
close_message(struct session *session, struct fetch *fetch)
{
	const struct imap_command *command = &session->command;
	bool changed = !fetch->flags_told;

	if (changed) {
		separate(session, fetch);
		put_flags(session, fetch);
	}
	/* RFC 7162 section 3.2: with a change of flags, and with CHANGEDSINCE, the mod-sequence comes along. */
	if (((changed && (session->enabled & SESSION_CONDSTORE) != 0) || command->changed_since_given) &&
	    !asks_for(command->fetch, IMAP_FETCH_MODSEQ)) {
		separate(session, fetch);
		session_fmt(session, "MODSEQ (%llu)", (unsigned long long)fetch->record.modseq);
	}
	session_put(session, SPAN(")\r\n"));
	session_message_close(&fetch->message);
	buf_clear(&fetch->fields);
	fetch->open = false;
}

static void
put_section(struct session *session, struct fetch *fetch, const struct imap_fetch_item *item)
{
	struct span text;
	uint64_t size, count;

	fetch_section_name(item, &session->out);
	session_put(session, SPAN(" "));
	if (!fetch_section_find(&fetch->message.parts, &item->section, &fetch->fields, &text)) {
		session_put(session, SPAN("NIL"));
		return;
	}
	/* For the whole message the index knows; elsewhere line ends are counted. Fields that are picked may be as long as the message. */
	size = text.ptr == fetch->message.parts.bytes.ptr && text.len == fetch->message.parts.bytes.len ? fetch->record.size : crlf_size(text);
	count = size;
	if (item->partial) {
		count = item->first < size ? size - item->first : 0;
		count = count < item->count ? count : item->count;
	}
	if (count == 0) {
		session_put(session, SPAN("\"\""));
		return;
	}
	session_fmt(session, "{%llu}\r\n", (unsigned long long)count);
	crlf_begin(&fetch->crlf, text, item->partial ? item->first : 0, count);
	fetch->streaming = true;
}

/* The store keeps no rendering that is very large, and none of BODY: clients that ask for it are few. */
static void
render(struct session *session, struct fetch *fetch, enum imap_fetch_kind kind)
{
	struct session_message message;
	struct buf text = BUF_INIT(RENDERED_MAX);
	struct mime_message *parts;
	int rc = session_message_open(session->selected->mailbox, fetch->record.uid, &message);

	if (rc != 0) {
		note_failure(session, fetch, rc);
		session_put(session, SPAN("NIL"));
		return;
	}
	if (kind == IMAP_FETCH_ENVELOPE) {
		rc = imap_envelope_append(&text,
		    span_make(message.parts.bytes.ptr, header_block_size(message.parts.bytes)), 0);
	} else {
		parts = mime_parse(message.parts.bytes);
		rc = imap_bodystructure_append(&text, parts, kind == IMAP_FETCH_BODYSTRUCTURE, 0);
		(void)mime_free(parts);
	}
	session_put(session, rc == 0 ? buf_get(&text) : SPAN("NIL"));
	buf_free(&text);
	session_message_close(&message);
}

static void
put_cached(struct session *session, struct fetch *fetch, const char *name, enum ms_cached what)
{
	struct span kept;
	char *text = NULL;
	size_t len = 0;
	int rc = 0;

	session_put(session, span_of(name));
	session_put(session, SPAN(" "));
	if (fetch_batch_text(&fetch->batch, fetch->record.uid, what, &kept) && (kept.len > 0 || what == MS_PREVIEW)) {
		if (what == MS_PREVIEW)
			session_put_string(session, kept);
		else
			session_put(session, kept);
	} else if ((rc = ms_message_cached(session->selected->mailbox, fetch->record.uid, what, &text, &len)) != 0) {
		note_failure(session, fetch, rc);
		session_put(session, SPAN("NIL"));
	} else if (what == MS_PREVIEW) {
		session_put_string(session, span_make(text, len));
	} else if (len > 0) {
		session_put(session, span_make(text, len));
	} else {
		render(session, fetch, what == MS_ENVELOPE ? IMAP_FETCH_ENVELOPE : IMAP_FETCH_BODYSTRUCTURE);
	}
	free(text);
}

static void
put_item(struct session *session, struct fetch *fetch, const struct imap_fetch_item *item)
{
	const struct ms_message *record = &fetch->record;

	separate(session, fetch);
	switch (item->kind) {
	case IMAP_FETCH_UID:
		session_put_number(session, SPAN("UID "), record->uid);
		break;
	case IMAP_FETCH_FLAGS:
		put_flags(session, fetch);
		break;
	case IMAP_FETCH_INTERNALDATE:
		session_put(session, SPAN("INTERNALDATE "));
		session_put_date(session, record->internal_date);
		break;
	case IMAP_FETCH_SAVEDATE:
		session_put(session, SPAN("SAVEDATE "));
		session_put_date(session, record->save_date);
		break;
	case IMAP_FETCH_RFC822_SIZE:
		session_put_number(session, SPAN("RFC822.SIZE "), record->size);
		break;
	case IMAP_FETCH_MODSEQ:
		session_fmt(session, "MODSEQ (%llu)", (unsigned long long)record->modseq);
		break;
	case IMAP_FETCH_EMAILID:
		session_fmt(session, "EMAILID (M%016llx)", (unsigned long long)record->email_id);
		break;
	case IMAP_FETCH_THREADID:
		session_fmt(session, "THREADID (T%016llx)", (unsigned long long)record->thread_id);
		break;
	case IMAP_FETCH_ENVELOPE:
		put_cached(session, fetch, "ENVELOPE", MS_ENVELOPE);
		break;
	case IMAP_FETCH_BODYSTRUCTURE:
		put_cached(session, fetch, "BODYSTRUCTURE", MS_BODYSTRUCTURE);
		break;
	case IMAP_FETCH_BODY:
		session_put(session, SPAN("BODY "));
		render(session, fetch, IMAP_FETCH_BODY);
		break;
	case IMAP_FETCH_PREVIEW:
		put_cached(session, fetch, "PREVIEW", MS_PREVIEW);
		break;
	case IMAP_FETCH_SECTION:
		put_section(session, fetch, item);
		break;
	}
}

static void
finish(struct session *session, const struct fetch *fetch)
{
	forget_own_changes(session, fetch);
	if (fetch->failed == MS_E_NOTFOUND)
		session_answer_gone(session, "Some messages are gone");
	else if (fetch->failed != 0)
		session_answer(session, "NO", "[SERVERBUG] Some messages cannot be read: the server's log tells why");
	else
		session_answer(session, "OK", "FETCH completed");
}

static enum job_result
fetch_some(struct session *session, struct fetch *fetch)
{
	const struct imap_fetch_item *item;

	if (fetch->streaming) {
		size_t before = session->out.len;

		if (crlf_take(&fetch->crlf, PIECE, &session->out) == 0)
			fetch->streaming = false;
		if ((!fetch->streaming && fetch->crlf.left > 0) || session_message_is_torn(&fetch->message)) {
			/* The file is shorter than its name says, or than it was a moment ago: the literal cannot be completed. */
			log_error("message-short", log_str("account", session->proc->account), log_u64("uid", fetch->record.uid));
			session->out.len = before;
			session_end(session, NULL);
			return JOB_DONE;
		}
		session_put(session, SPAN_NULL);
		return JOB_MORE;
	}
	if (!fetch->open) {
		if ((fetch->seq = session_walk_next(&fetch->walk)) == 0) {
			finish(session, fetch);
			return JOB_DONE;
		}
		open_message(session, fetch);
		if (!fetch->open || fetch->needs_file)
			return JOB_MORE;
	}
	while ((item = fetch->item) != NULL && !fetch->streaming) {
		fetch->item = item->next;
		buf_clear(&fetch->fields);
		put_item(session, fetch, item);
	}
	if (!fetch->streaming)
		close_message(session, fetch);
	return JOB_MORE;
}

/* Messages told in one step, when the index has all that is asked for. */
#define STEP 50

static enum job_result
fetch_step(struct session *session, void *state)
{
	struct fetch *fetch = state;
	enum job_result result = JOB_MORE;
	unsigned told = 0;

	do
		result = fetch_some(session, fetch);
	while (result == JOB_MORE && !fetch->needs_file && ++told < STEP && !session_is_full(session));
	return result;
}

/* The bit of the text that answers an item. */
static unsigned
text_of(enum imap_fetch_kind kind)
{
	switch (kind) {
	case IMAP_FETCH_ENVELOPE:
		return 1u << MS_ENVELOPE;
	case IMAP_FETCH_BODYSTRUCTURE:
		return 1u << MS_BODYSTRUCTURE;
	case IMAP_FETCH_PREVIEW:
		return 1u << MS_PREVIEW;
	default:
		return 0;
	}
}

static const struct session_job fetch_job = { fetch_step, fetch_free };

void
cmd_fetch(struct session *session, struct imap_command *command)
{
	struct fetch *fetch = xcalloc(1, sizeof(*fetch));
	const struct imap_fetch_item *item;
	bool flags_only = !command->changed_since_given;
	unsigned texts = 0;
	int rc;

	buf_init(&fetch->fields, FIELDS_MAX);
	fetch->tells_uid = command->by_uid;
	for (item = command->fetch; item != NULL; item = item->next) {
		fetch->needs_file |= item->kind == IMAP_FETCH_SECTION;
		fetch->marks_seen |= item->kind == IMAP_FETCH_SECTION && !item->peek;
		if (item->kind == IMAP_FETCH_MODSEQ)
			session->enabled |= SESSION_CONDSTORE;
		texts |= text_of(item->kind);
		flags_only = flags_only && (item->kind == IMAP_FETCH_UID || item->kind == IMAP_FETCH_FLAGS || text_of(item->kind) != 0);
	}
	fetch_batch_init(&fetch->batch, texts, flags_only);
	/* RFC 7162 section 3.1: asking in this way turns it on. */
	if (command->changed_since_given)
		session->enabled |= SESSION_CONDSTORE;
	if (!session_walk_begin(session, &command->set, command->by_uid, &fetch->walk)) {
		fetch_free(fetch);
		session_bad(session, "There is no message with that number");
		return;
	}
	if (command->vanished && (rc = session_put_vanished(session, command->changed_since, &command->set)) != 0) {
		fetch_free(fetch);
		session_store_failed(session, "FETCH", rc);
		return;
	}
	session_set_job(session, &fetch_job, fetch);
}
