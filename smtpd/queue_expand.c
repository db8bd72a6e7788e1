/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Aliases: a message of its own goes to those that an alias names, each of whom gets it once. The alias is done with when that message
 * is on stable storage; a crash before its status is written has it expanded once more. What came of aliases says so in its envelope,
 * and is not expanded again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io.h"
#include "common/log.h"
#include "common/text_set.h"
#include "common/xalloc.h"
#include "smtpd/delivered_to.h"
#include "smtpd/queue.h"

struct expansion {
	struct attempt *attempt;
	size_t recipient;
	struct outcome outcome; /* once it is safe */
};

/* --- the envelope --- */

/* xtext (RFC 3461 section 4). */
static void
put_xtext(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] > ' ' && text.ptr[i] < 0x7f && text.ptr[i] != '+' && text.ptr[i] != '=')
			(void)buf_char(out, text.ptr[i]);
		else
			(void)buf_fmt(out, "+%02X", (unsigned char)text.ptr[i]);
}

/* The address that the sender wrote, for the notifications of those behind it. */
static void
put_orcpt(struct buf *out, const struct envelope_recipient *alias)
{
	if (alias->orcpt != NULL) {
		(void)buf_str(out, alias->orcpt);
	} else if (span_is_ascii(span_of(alias->address))) {
		(void)buf_str(out, "rfc822;");
		put_xtext(out, span_of(alias->address));
	}
}

/* RFC 3461 sections 5.2.7.1 to 5.2.7.3: a list is the end of the way, whose members have notifications of their own; one address behind
 * an alias has the sender's wishes; several have them without SUCCESS. */
static uint8_t
notify_of(const struct envelope_recipient *alias, int kind)
{
	uint8_t rest = alias->notify & (uint8_t)~ENVELOPE_SUCCESS;

	switch (kind) {
	case EXPANDED_LIST: return 0;
	case EXPANDED_ONE: return alias->notify;
	default: return alias->notify != 0 && rest == 0 ? ENVELOPE_NEVER : rest;
	}
}

static int
copy_text(char **to, const char *from)
{
	return envelope_set(to, span_of(from));
}

/* Without recipients. */
static int
make_envelope(const struct envelope *from, const struct expand *expand, struct envelope *ret)
{
	bool is_list = expand->owner.len != 0;
	int r = 0;

	/* Where nobody is to be told, no owner is either. */
	envelope_init(ret, is_list && from->sender[0] != '\0' ? expand->owner : span_of(from->sender), from->created);
	envelope_copy_options(ret, from);
	ret->release = 0;
	ret->expanded = true;
	if (is_list)
		ret->ret = ENVELOPE_RET_NONE;
	else
		r = copy_text(&ret->envid, from->envid);
	if (r == 0)
		r = copy_text(&ret->client, from->client);
	return r == 0 ? copy_text(&ret->account, from->account) : r;
}

static int
add_members(const struct envelope_recipient *alias, const struct expand *expand, struct text_set *seen, int kind, struct envelope *to)
{
	struct span rest = expand->members, member;
	struct buf orcpt = BUF_INIT(ENVELOPE_XTEXT_MAX);
	int r = 0;

	if (kind != EXPANDED_LIST)
		put_orcpt(&orcpt, alias);
	while (r == 0 && span_split(&rest, '\n', &member))
		if (text_set_add(seen, member)) {
			to->smtputf8 |= !span_is_ascii(member);
			r = envelope_add(to, member, orcpt.overflow ? SPAN_NULL : buf_get(&orcpt), notify_of(alias, kind));
		}
	buf_free(&orcpt);
	return r;
}

/* --- the message --- */

static bool
is_member(const struct expand *expand, struct span address)
{
	struct span rest = expand->members, member;

	while (span_split(&rest, '\n', &member))
		if (span_ieq(member, address))
			return true;
	return false;
}

/* RFC 9228: an alias that gets its own mail back is known by the field; one that has an account of its own name cannot have it, for
 * the account would be taken for the circle. */
static int
write_message(const struct spool_file *file, const struct expand *expand, struct span alias, int fd)
{
	struct buf field = BUF_INIT(ENVELOPE_ADDRESS_MAX + 32);
	int r = 0;

	if (!is_member(expand, alias)) {
		(void)buf_fmt(&field, "Delivered-To: %.*s\r\n", (int)alias.len, alias.ptr);
		r = io_write_all(fd, buf_get(&field));
	}
	buf_free(&field);
	return r == 0 ? queue_copy_message(file->fd, file->offset, file->length, fd) : r;
}

static void
committed(void *context, const char *id, int result)
{
	struct expansion *expansion = context;
	struct outcome outcome = expansion->outcome;
	struct attempt *attempt = expansion->attempt;
	size_t recipient = expansion->recipient;

	free(expansion);
	if (result == 0) {
		log_info("alias", log_str("id", attempt_id(attempt)), log_str("as", id),
		    log_str("alias", attempt_file(attempt)->envelope.recipients[recipient].address));
	} else {
		outcome_set(&outcome, VERDICT_TEMPFAIL, "4.3.0", SPAN("The message to those that the alias names cannot be queued now"));
		outcome.ours = true;
	}
	attempt_outcome(attempt, recipient, &outcome);
}

static int
submit(struct queue *queue, struct attempt *attempt, const struct expand *expand, struct envelope *envelope, const struct outcome *outcome)
{
	const struct spool_file *file = attempt_file(attempt);
	struct expansion *expansion;
	char id[SPOOL_ID_LEN + 1];
	int fd = queue_files_create(queue->files, envelope, queue_now_us(), id), r;

	if (fd < 0)
		return fd;
	r = write_message(file, expand, span_of(file->envelope.recipients[expand->recipient].address), fd);
	if (r < 0) {
		(void)close(fd);
		queue_files_discard(queue->files, id);
		return r;
	}
	expansion = xcalloc(1, sizeof(*expansion));
	expansion->attempt = attempt;
	expansion->recipient = expand->recipient;
	expansion->outcome = *outcome;
	intake_commit(queue, id, fd, envelope, committed, expansion);
	return 0;
}

/* --- the whole --- */

static int
count_lines(struct span text)
{
	struct span line;
	int count = 0;

	while (count < 2 && span_split(&text, '\n', &line))
		count++;
	return count;
}

static void
failed(struct outcome *outcome, int r, const struct attempt *attempt)
{
	if (r == -ELOOP) {
		outcome_set(outcome, VERDICT_PERMFAIL, "5.4.6", SPAN("The message has been here before: the alias goes round in a circle"));
		return;
	}
	log_error("alias-not-expanded", log_str("id", attempt_id(attempt)), log_errno("error", r));
	outcome_set(outcome, VERDICT_TEMPFAIL, "4.3.0", SPAN("The message to those that the alias names cannot be queued now"));
	outcome->ours = true;
}

bool
expand_submit(struct queue *queue, struct attempt *attempt, const struct expand *expand, struct text_set *seen, struct outcome *ret_outcome)
{
	const struct spool_file *file = attempt_file(attempt);
	const struct envelope_recipient *alias = &file->envelope.recipients[expand->recipient];
	int kind = expand->owner.len != 0 ? EXPANDED_LIST : count_lines(expand->members) > 1 ? EXPANDED_MANY : EXPANDED_ONE;
	struct envelope envelope;
	int r = delivered_to_check(file->fd, file->offset, file->length, span_of(alias->address));

	outcome_set(ret_outcome, VERDICT_OK, "2.0.0", expand->members.len != 0 ? SPAN("Handed on to those that the alias names") :
										SPAN("Discarded, as the alias says"));
	ret_outcome->expanded = kind;
	ret_outcome->dsn = kind == EXPANDED_ONE && expand->members.len != 0; /* its address tells the sender */
	if (r < 0) {
		failed(ret_outcome, r, attempt);
		return false;
	}
	r = make_envelope(&file->envelope, expand, &envelope);
	if (r == 0)
		r = add_members(alias, expand, seen, kind, &envelope);
	if (r == 0 && envelope.count != 0)
		r = submit(queue, attempt, expand, &envelope, ret_outcome);
	if (r < 0)
		failed(ret_outcome, r, attempt);
	r = r == 0 && envelope.count != 0;
	envelope_free(&envelope);
	return r;
}
