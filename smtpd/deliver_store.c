/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* keep and fileinto: which mailboxes, with which flags. */
#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/header.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/deliver.h"

#define FIELDS_MAX 2048

struct target {
	char *mailbox;
	const struct sieve_action *action;
};

static enum ms_use
use_of(struct span attribute)
{
	static const struct {
		struct span name;
		enum ms_use use;
	} uses[] = {
		{ SPAN("\\Drafts"), MS_USE_DRAFTS }, { SPAN("\\Sent"), MS_USE_SENT }, { SPAN("\\Trash"), MS_USE_TRASH }, { SPAN("\\Junk"), MS_USE_JUNK },
		{ SPAN("\\Archive"), MS_USE_ARCHIVE },
	};

	for (size_t i = 0; i < sizeof(uses) / sizeof(*uses); i++)
		if (span_ieq(attribute, uses[i].name))
			return uses[i].use;
	return MS_USE_NONE;
}

char *
deliver_special_use(struct deliver *deliver, struct span attribute, struct span preferred)
{
	enum ms_use use = use_of(attribute);
	struct ms_mailbox_info *list = NULL;
	size_t count = 0;
	char *name = NULL;

	if (use == MS_USE_NONE || ms_mailboxes(deliver->store, &list, &count) != 0)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (list[i].use == use && (name == NULL || span_eq(span_of(list[i].name), preferred))) {
			free(name);
			name = xstrdup(list[i].name);
		}
	ms_mailboxes_free(list, count);
	return name;
}

/* The mailbox's folder is another owner's, may not be written, or is none. Only a person can mend that, and not the next attempt. */
static bool
is_shut(int result)
{
	return result == -EACCES || result == -EPERM || result == -ENOTDIR || result == -ELOOP;
}

/* What is shut is there: storing tells. */
static bool
is_there(struct deliver *deliver, const char *name)
{
	struct ms_mailbox_info info;
	int r = ms_mailbox_status(deliver->store, name, &info);

	if (r == 0)
		ms_mailbox_info_clear(&info);
	return r == 0 || is_shut(r);
}

/* The store's name of it. What is none stays as it is, and will be found to be none. */
static char *
name_of(struct span text)
{
	char *name = span_dup(text), *canonical;

	if (ms_mailbox_canonical(name, &canonical) != 0)
		return name;
	free(name);
	return canonical;
}

/* The mailbox of an action; one that is not there and cannot be made is INBOX (RFC 5228 section 4.1 leaves it to us, and mail is not
 * to be lost). */
static char *
mailbox_of(struct deliver *deliver, const struct delivery *delivery, const struct sieve_action *action)
{
	_cleanup_(freep) char *name = name_of(action->text);
	char *special;
	int r;

	if (action->kind == SIEVE_KEEP)
		return xstrdup("INBOX");
	if (action->special_use.len != 0 && (special = deliver_special_use(deliver, action->special_use, action->text)) != NULL)
		return special;
	if (strlen(name) == action->text.len && is_there(deliver, name))
		return TAKE_PTR(name);
	r = action->create && strlen(name) == action->text.len ? ms_mailbox_create(deliver->store, name, use_of(action->special_use)) :
								   MS_E_NOTFOUND;
	if (r == 0 || r == MS_E_EXISTS)
		return TAKE_PTR(name);
	log_warning("mailbox-missing", log_str("queue", delivery->queue_id), log_str("account", deliver->proc->account),
	    log_span("mailbox", action->text), log_str("error", ms_strerror(r)));
	return xstrdup("INBOX");
}

/* --- flags --- */

struct flags {
	uint32_t bits;
	char *keywords[SIEVE_FLAGS_MAX + 1];
	size_t count;
};

static void
read_flags(const struct sieve_action *action, struct flags *ret)
{
	static const struct {
		struct span name;
		uint32_t bit;
	} system[] = {
		{ SPAN("\\Seen"), MS_SEEN }, { SPAN("\\Answered"), MS_ANSWERED }, { SPAN("\\Flagged"), MS_FLAGGED }, { SPAN("\\Deleted"), MS_DELETED },
		{ SPAN("\\Draft"), MS_DRAFT }, { SPAN("$Forwarded"), MS_FORWARDED },
	};

	*ret = (struct flags){ .bits = 0 };
	for (size_t i = 0; i < action->list_count && ret->count < SIEVE_FLAGS_MAX; i++) {
		uint32_t bit = 0;

		for (size_t n = 0; n < sizeof(system) / sizeof(*system); n++)
			if (span_ieq(action->list[i], system[n].name))
				bit = system[n].bit;
		if (bit != 0)
			ret->bits |= bit;
		else
			ret->keywords[ret->count++] = span_dup(action->list[i]);
	}
}

/* Gives a message that is stored those that the mailbox has room for: flags that cannot be stored are no failure (RFC 5232 section 5). */
static void
add_keywords(struct deliver *deliver, const struct delivery *delivery, const char *mailbox, const struct flags *flags)
{
	struct ms_mailbox *open = NULL;
	size_t left_out = 0, modified;
	int why = ms_mailbox_open(deliver->store, mailbox, &open);

	for (size_t i = 0; i < flags->count; i++) {
		const char *const one[] = { flags->keywords[i], NULL };
		int r = open == NULL ? why : ms_store_flags(open, &delivery->uid, 1, MS_FLAGS_ADD, 0, one, 0, NULL, &modified);

		if (r != 0) {
			left_out++;
			why = r;
		}
	}
	if (open != NULL)
		ms_mailbox_close(open);
	if (left_out != 0)
		log_warning("flags-not-stored", log_str("queue", delivery->queue_id), log_str("account", deliver->proc->account),
		    log_str("mailbox", mailbox), log_u64("uid", delivery->uid), log_u64("flags", left_out), log_str("error", ms_strerror(why)));
}

/* --- storing --- */

struct storing {
	struct deliver *deliver;
	struct delivery *delivery;
	struct span header, body; /* what is put into the mailbox */
	const struct target *target;
	struct stored_key key;
};

static int
store_with(const struct storing *storing, uint32_t bits, const char *const *keywords)
{
	struct delivery *delivery = storing->delivery;
	struct ms_append *append = ms_append_begin(storing->deliver->store);
	struct buf fields = BUF_INIT(FIELDS_MAX);
	uint32_t uidvalidity;
	uint64_t email_id;
	int r;

	(void)buf_fmt(&fields, "Return-Path: <%s>\r\nDelivered-To: %s\r\n", delivery->sender, delivery->recipient);
	r = ms_append_write(append, buf_cstr(&fields), fields.len);
	buf_free(&fields);
	if (r == 0 && storing->header.len != 0)
		r = ms_append_write(append, storing->header.ptr, storing->header.len);
	if (r == 0)
		r = ms_append_write(append, storing->body.ptr, storing->body.len);
	if (r != 0) {
		ms_append_abort(append);
		return r;
	}
	stored_note(storing->deliver, &storing->key, append);
	return ms_append_commit(append, storing->target->mailbox, bits, keywords, 0, &delivery->uid, &uidvalidity, &email_id);
}

static int
store_one(struct deliver *deliver, struct delivery *delivery, struct span message, const struct sieve_result *result, const struct target *target)
{
	struct storing storing = { .deliver = deliver, .delivery = delivery, .body = message, .target = target };
	struct flags flags;
	int r;

	storing.key = stored_key(deliver, delivery, target->mailbox);
	if (stored_before(deliver, delivery, &storing.key))
		return 0;
	if (target->action->header != 0) {
		storing.header = result->headers[target->action->header];
		storing.body = span_skip(message, header_block_size(message));
	}
	read_flags(target->action, &flags);
	r = store_with(&storing, flags.bits, (const char *const *)flags.keywords);
	/* The mailbox knows no more keywords, or the message cannot have so many. */
	if (r == MS_E_LIMIT && flags.count != 0) {
		r = store_with(&storing, flags.bits, NULL);
		if (r == 0)
			add_keywords(deliver, delivery, target->mailbox, &flags);
	}
	if (r == 0)
		log_info("delivered", log_str("queue", delivery->queue_id), log_str("account", deliver->proc->account),
		    log_str("mailbox", target->mailbox), log_u64("uid", delivery->uid), log_str("from", delivery->sender));
	while (flags.count != 0)
		free(flags.keywords[--flags.count]);
	return r;
}

static bool
has_inbox(const struct target *targets, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(targets[i].mailbox, "INBOX") == 0)
			return true;
	return false;
}

/* An action that fails is an implicit keep (RFC 5228 section 2.10.6). */
static int
store_in_inbox(struct deliver *deliver, struct delivery *delivery, struct span message, const struct sieve_result *result, struct target *target,
    bool is_kept, int why)
{
	log_warning("mailbox-shut", log_str("queue", delivery->queue_id), log_str("account", deliver->proc->account), log_str("mailbox", target->mailbox),
	    log_str("error", ms_strerror(why)),
	    log_str("hint", "the message goes to INBOX; make the folder and all in it the account's own, readable and writable: mailstore check tells which"));
	free(target->mailbox);
	target->mailbox = xstrdup("INBOX");
	return is_kept ? 0 : store_one(deliver, delivery, message, result, target);
}

int
deliver_store(struct deliver *deliver, struct delivery *delivery, struct span message, const struct sieve_result *result)
{
	struct target targets[SIEVE_ACTIONS_MAX + 1];
	size_t count = 0;
	int r = 0;

	for (size_t i = 0; i < result->count; i++) {
		const struct sieve_action *action = &result->actions[i];
		struct target *target = targets;
		char *mailbox;

		if (action->kind != SIEVE_KEEP && action->kind != SIEVE_FILEINTO)
			continue;
		mailbox = mailbox_of(deliver, delivery, action);
		while (target < targets + count && strcmp(target->mailbox, mailbox) != 0)
			target++;
		if (target < targets + count)
			free(mailbox); /* once in a mailbox (RFC 5228 section 2.10.3), with the last flags */
		else
			targets[count++].mailbox = mailbox;
		target->action = action;
	}
	for (size_t i = 0; i < count && r == 0; i++) {
		r = store_one(deliver, delivery, message, result, &targets[i]);
		/* It may have gone meanwhile, too, or a part of it be a link that leads nowhere. */
		if ((is_shut(r) || r == MS_E_NOTFOUND || r == -ENOENT) && strcmp(targets[i].mailbox, "INBOX") != 0)
			r = store_in_inbox(deliver, delivery, message, result, &targets[i], has_inbox(targets, count), r);
	}
	delivery->kept = r == 0 && count != 0;
	while (count != 0)
		free(targets[--count].mailbox);
	return r;
}

int
deliver_note(struct deliver *deliver, struct span text)
{
	struct ms_append *append = ms_append_begin(deliver->store);
	uint32_t uid, uidvalidity;
	uint64_t email_id;
	int r = ms_append_write(append, text.ptr, text.len);

	if (r == 0)
		return ms_append_commit(append, "INBOX", 0, NULL, 0, &uid, &uidvalidity, &email_id);
	ms_append_abort(append);
	return r;
}
