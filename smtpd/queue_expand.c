/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Aliases: a message of its own goes to those that an alias names, each of whom gets it once. The alias is done with when that message
 * is on stable storage; a crash before its status is written has it expanded once more. What came of aliases says so in its envelope,
 * and is not expanded again.
 *
 * An alias whose members have the message by another one before it has none of its own for them, and must not be done with while that other
 * one is not: they are committed one after the other, and behind one that could not be nobody gets his as yet. So are the two messages of one alias
 * that goes to accounts here and to other hosts: where only the first could be, its status says so, and the next attempt makes the other alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/address.h"
#include "common/io.h"
#include "common/log.h"
#include "common/text_set.h"
#include "common/xalloc.h"
#include "smtpd/delivered_to.h"
#include "smtpd/queue.h"

/* A message that is written and not committed. */
struct made {
	struct envelope envelope;
	char id[SPOOL_ID_LEN + 1];
	int fd;
};
#define MADE_MAX 2

struct expansion {
	struct expansion *next;
	struct expand_group *group;
	const struct expand *expand; /* while messages are made */
	size_t recipient;
	int kind;
	struct made made[MADE_MAX];
	size_t made_count, committed;
	int result;
	struct outcome outcome;      /* once all are safe */
};

struct expand_group {
	struct queue *queue;
	struct attempt *attempt;
	struct text_set *seen;
	struct expansion *first, **last;
	struct expansion *at; /* the one that is being committed */
	bool at_once;         /* there is nothing to wait for */
	int result;           /* 0, or why nothing is to be committed */
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

void
expand_put_orcpt(struct buf *out, const struct envelope_recipient *alias)
{
	if (alias->orcpt != NULL) {
		(void)buf_str(out, alias->orcpt);
	} else if (span_is_ascii(span_of(alias->address))) {
		(void)buf_str(out, "rfc822;");
		put_xtext(out, span_of(alias->address));
	}
}

uint8_t
expand_notify(const struct envelope_recipient *recipient)
{
	uint8_t rest = recipient->notify & (uint8_t)~ENVELOPE_SUCCESS;

	return recipient->notify != 0 && rest == 0 ? ENVELOPE_NEVER : rest;
}

/* RFC 3461 sections 5.2.7.1 to 5.2.7.3: a list is the end of the way, whose members have notifications of their own; one address behind
 * an alias has the sender's wishes; several have them without SUCCESS. */
static uint8_t
notify_of(const struct envelope_recipient *alias, int kind)
{
	switch (kind) {
	case EXPANDED_LIST: return 0;
	case EXPANDED_ONE: return alias->notify;
	default: return expand_notify(alias);
	}
}

static int
copy_text(char **to, const char *from)
{
	return envelope_set(to, span_of(from));
}

/* Without recipients. The time from which it is tried for so long is the message's own, so what was to be sent later keeps when that was. */
static int
make_envelope(const struct envelope *from, struct span sender, const char *alias, bool is_list, struct envelope *ret)
{
	int r = 0;

	envelope_init(ret, sender, from->created);
	envelope_copy_options(ret, from);
	ret->expanded = true;
	if (is_list)
		ret->ret = ENVELOPE_RET_NONE;
	else
		r = copy_text(&ret->envid, from->envid);
	if (r == 0)
		r = copy_text(&ret->client, from->client);
	if (r == 0)
		r = copy_text(&ret->account, from->account);
	if (r == 0)
		r = copy_text(&ret->kept, from->kept);
	return r == 0 && facts_is_from_outside(from) ? copy_text(&ret->forwarder, alias) : r;
}

/* Those that go here, or, when `away`, to other hosts; all when away is NULL. */
static int
add_members(const struct expansion *expansion, const struct envelope_recipient *alias, const bool *away, struct envelope *to)
{
	const struct smtpd_conf *conf = smtpd_conf(expansion->group->queue->proc);
	struct span rest = expansion->expand->members, member;
	struct buf orcpt = BUF_INIT(ENVELOPE_XTEXT_MAX);
	int r = 0;

	if (expansion->kind != EXPANDED_LIST)
		expand_put_orcpt(&orcpt, alias);
	while (r == 0 && span_split(&rest, '\n', &member))
		if ((away == NULL || *away != facts_is_ours(conf, member)) && facts_add_to(expansion->group->seen, conf, member)) {
			to->smtputf8 |= !span_is_ascii(member);
			r = envelope_add(to, member, orcpt.overflow ? SPAN_NULL : buf_get(&orcpt), notify_of(alias, expansion->kind));
		}
	buf_free(&orcpt);
	return r;
}

/* --- the message --- */

static bool
is_member(const struct expand *expand, struct span alias)
{
	struct span rest = expand->members, member;

	while (span_split(&rest, '\n', &member))
		if (address_equal(member, alias))
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
failed(struct outcome *outcome, int r)
{
	if (r == DELIVERED_BEFORE) {
		outcome_set(outcome, VERDICT_PERMFAIL, "5.4.6", SPAN("The message has been here before: the alias goes round in a circle"));
		return;
	}
	outcome_set(outcome, VERDICT_TEMPFAIL, "4.3.0", SPAN("The message to those that the alias names cannot be queued now"));
	outcome->ours = true;
}

static void
end_group(struct expand_group *group)
{
	struct expansion *expansion = group->first, *next;
	struct attempt *attempt = group->attempt;
	bool at_once = group->at_once;

	(void)text_set_free(group->seen);
	free(group);
	for (; expansion != NULL; expansion = next) {
		next = expansion->next;
		if (expansion->result != 0)
			failed(&expansion->outcome, expansion->result);
		if (at_once)
			attempt_outcome_now(attempt, expansion->recipient, &expansion->outcome);
		else /* the last may be the end of the attempt */
			attempt_outcome(attempt, expansion->recipient, &expansion->outcome);
		free(expansion);
	}
}

/* What of this one has not been committed, and those behind it, are tried again. */
static void
give_up_from(const struct expand_group *group, struct expansion *expansion, int result)
{
	for (; expansion != NULL; expansion = expansion->next) {
		if (expansion->result == 0)
			expansion->result = result;
		for (size_t i = expansion->committed; i < expansion->made_count; i++) {
			(void)close(expansion->made[i].fd);
			queue_files_discard(group->queue->files, expansion->made[i].id);
			envelope_free(&expansion->made[i].envelope);
		}
	}
}

static void committed(void *context, const char *id, int result);

static void
commit_next(struct expand_group *group)
{
	struct expansion *expansion = group->at;
	struct made *made;

	while (expansion != NULL && expansion->committed == expansion->made_count)
		expansion = expansion->next;
	group->at = expansion;
	if (expansion == NULL) {
		end_group(group);
		return;
	}
	made = &expansion->made[expansion->committed++];
	intake_commit(group->queue, made->id, made->fd, &made->envelope, committed, expansion);
	envelope_free(&made->envelope);
}

static void
committed(void *context, const char *id, int result)
{
	struct expansion *expansion = context;
	struct expand_group *group = expansion->group;

	if (result == 0) {
		log_info("alias", log_str("id", attempt_id(group->attempt)), log_str("as", id),
		    log_str("alias", attempt_file(group->attempt)->envelope.recipients[expansion->recipient].address));
		commit_next(group);
		return;
	}
	expansion->result = result;
	/* The second is what goes to other hosts (make_all). */
	if (expansion->committed == 2)
		attempt_half(group->attempt, expansion->recipient);
	give_up_from(group, expansion, result);
	end_group(group);
}

/* The message's file, complete. 0 or -errno. */
static int
write_file(const struct expansion *expansion, struct made *made)
{
	const struct spool_file *file = attempt_file(expansion->group->attempt);
	struct queue_files *files = expansion->group->queue->files;
	int r;

	made->fd = queue_files_create(files, &made->envelope, queue_now_us(), made->id);
	if (made->fd < 0)
		return made->fd;
	r = write_message(file, expansion->expand, span_of(file->envelope.recipients[expansion->recipient].address), made->fd);
	if (r < 0) {
		(void)close(made->fd);
		queue_files_discard(files, made->id);
	}
	return r;
}

/* One message from that sender, to those that add_members takes; none where it takes nobody. */
static int
make(struct expansion *expansion, struct span sender, const bool *away)
{
	const struct envelope *from = &attempt_file(expansion->group->attempt)->envelope;
	struct made *made = &expansion->made[expansion->made_count];
	int r = make_envelope(from, sender, from->recipients[expansion->recipient].address, expansion->kind == EXPANDED_LIST, &made->envelope);

	if (r == 0)
		r = add_members(expansion, &from->recipients[expansion->recipient], away, &made->envelope);
	if (r == 0 && made->envelope.count != 0) {
		r = write_file(expansion, made);
		expansion->made_count += r == 0;
	}
	if (r != 0 || made->envelope.count == 0)
		envelope_free(&made->envelope);
	return r;
}

/* Where SPF would fail (RFC 7208 section 2.4), what goes to other hosts has a sender that leads back by way of this one. Where nobody is
 * to be told, no owner of a list is either. */
static int
make_all(struct expansion *expansion)
{
	static const bool here = false, away = true;
	const struct expand_group *group = expansion->group;
	const struct envelope *from = &attempt_file(group->attempt)->envelope;
	struct span sender = span_of(from->sender);
	struct buf rewritten = BUF_INIT(ENVELOPE_ADDRESS_MAX);
	int r;

	if (expansion->kind == EXPANDED_LIST && sender.len != 0)
		sender = expansion->expand->owner;
	if (facts_sends_on(group->queue, sender, span_of(from->recipients[expansion->recipient].address), &rewritten)) {
		r = make(expansion, sender, &here);
		if (r == 0)
			r = make(expansion, buf_get(&rewritten), &away);
	} else {
		r = make(expansion, sender, NULL);
	}
	buf_free(&rewritten);
	return r;
}

/* --- the whole --- */

static int
kind_of(const struct expand *expand)
{
	ptrdiff_t end = span_chr(expand->members, '\n');

	return expand->owner.len != 0                                    ? EXPANDED_LIST :
	    end >= 0 && (size_t)end + 1 < expand->members.len ? EXPANDED_MANY :
								EXPANDED_ONE;
}

struct expand_group *
expand_begin(struct queue *queue, struct attempt *attempt, struct text_set *seen)
{
	struct expand_group *group = xcalloc(1, sizeof(*group));

	*group = (struct expand_group){ .queue = queue, .attempt = attempt, .seen = seen };
	group->last = &group->first;
	return group;
}

void
expand_add(struct expand_group *group, const struct expand *expand)
{
	const struct spool_file *file = attempt_file(group->attempt);
	struct expansion *expansion = xcalloc(1, sizeof(*expansion));
	int r = delivered_to_check(file->fd, file->offset, file->length, span_of(file->envelope.recipients[expand->recipient].address));

	*expansion = (struct expansion){ .group = group, .expand = expand, .recipient = expand->recipient, .kind = kind_of(expand) };
	*group->last = expansion;
	group->last = &expansion->next;
	outcome_set(&expansion->outcome, VERDICT_OK, "2.0.0",
	    expand->members.len != 0 ? SPAN("Handed on to those that the alias names") : SPAN("Discarded, as the alias says"));
	expansion->outcome.expanded = expansion->kind;
	expansion->outcome.dsn = expansion->kind == EXPANDED_ONE && expand->members.len != 0; /* its address tells the sender */
	if (r == 0 && group->result == 0)
		r = make_all(expansion);
	expansion->expand = NULL;
	if (r < 0) {
		log_error("alias-not-expanded", log_str("id", attempt_id(group->attempt)), log_errno("error", r));
		group->result = r;
	} else if (r > 0) {
		log_warning("alias-not-expanded", log_str("id", attempt_id(group->attempt)), log_str("error", "a forwarding loop"));
		expansion->result = r;
	}
	/* Its one address is a recipient itself, or another alias's, and has no message by this one. */
	if (expansion->outcome.dsn && expansion->made_count == 0) {
		expansion->outcome.dsn = false;
		expansion->outcome.sent_on = SENT_ON_OTHERS;
	}
}

/* Where one cannot be written nobody gets his: all are tried again, and would have theirs each time. */
void
expand_end(struct expand_group *group)
{
	bool any = false;

	for (const struct expansion *expansion = group->first; expansion != NULL; expansion = expansion->next)
		any |= expansion->made_count != 0;
	group->at_once = !any || group->result != 0;
	if (group->result != 0)
		give_up_from(group, group->first, group->result);
	group->at = group->result == 0 ? group->first : NULL;
	commit_next(group);
}
