/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What of an envelope is kept in memory: when it is due, whom its file belongs to, and where it goes. */
#include <errno.h>
#include <stdlib.h>

#include "common/address.h"
#include "common/cleanup.h"
#include "common/domain_list.h"
#include "common/log.h"
#include "common/text_set.h"
#include "common/xalloc.h"
#include "frame/account_name.h"
#include "smtpd/queue.h"
#include "smtpd/queue_age.h"
#include "smtpd/route_parse.h"

static struct span
domain_of(struct span address)
{
	ptrdiff_t at = span_rchr(address, '@');

	return at < 0 ? SPAN_NULL : span_skip(address, (size_t)at + 1);
}

bool
facts_is_ours(const struct smtpd_conf *conf, struct span address)
{
	return domain_list_find_address(&conf->common.domains, address) != NULL;
}

bool
facts_add_to(struct text_set *seen, const struct smtpd_conf *conf, struct span address)
{
	struct buf key = BUF_INIT(ENVELOPE_ADDRESS_MAX + ACCOUNT_NAME_MAX);
	bool is_new;

	account_name_key(address, &conf->common.domains, &key);
	is_new = text_set_add(seen, buf_get(&key));
	buf_free(&key);
	return is_new;
}

bool
facts_sends_on(const struct queue *queue, struct span sender, struct span from, struct buf *ret_sender)
{
	const struct smtpd_conf *conf = smtpd_conf(queue->proc);
	const char *domain = domain_list_find_address(&conf->common.domains, from);
	int r;

	if (queue->srs == NULL || sender.len == 0 || facts_is_ours(conf, sender))
		return false;
	/* In ASCII, whatever form the address came in: what is sent on may not be for SMTPUTF8. */
	r = srs_forward(queue->srs, sender, span_of(domain != NULL ? domain : conf->common.domains.item[0]), queue_now(), ret_sender);
	if (r < 0)
		log_info("sender-kept", log_span("from", sender), log_str("reason", r == -EMSGSIZE ? "rewritten it would be too long" : "it is no plain address"));
	return r == 0;
}

bool
facts_is_from_outside(const struct envelope *envelope)
{
	return envelope->forwarder != NULL || (envelope->client != NULL && envelope->account == NULL);
}

enum sign_as
facts_sign_as(const struct envelope *envelope, struct span *ret_domain)
{
	*ret_domain = SPAN_NULL;
	if (envelope->forwarder != NULL) {
		*ret_domain = domain_of(span_of(envelope->forwarder));
		return SIGN_FORWARDER;
	}
	if (envelope->account == NULL)
		return envelope->client != NULL ? SIGN_NOT : SIGN_AUTHOR;
	if (envelope->client != NULL)
		return SIGN_AUTHOR; /* handed in after a login */
	*ret_domain = domain_of(span_of(envelope->account));
	return SIGN_ACCOUNT;
}

char *
facts_destination(const struct smtpd_conf *conf, struct span sender, struct span address)
{
	struct buf canonical = BUF_INIT(ADDRESS_DOMAIN_MAX);
	bool found;
	struct span hop = route_find(&conf->routes, sender, address, &found);

	if (!found)
		hop = span_of(conf->relay_host);
	if (hop.len == 0) {
		hop = domain_of(address);
		if (!span_is_ascii(hop) && address_domain_canonical(hop, &canonical) == 0)
			return buf_take(&canonical);
	}
	buf_free(&canonical);
	return span_dup(hop);
}

/* The one destination of all open recipients, for free(3); NULL when there are several, or accounts here among them. */
static char *
only_destination(const struct smtpd_conf *conf, const struct envelope *envelope)
{
	_cleanup_(freep) char *only = NULL;
	struct span last = SPAN_NULL;

	for (size_t i = 0; i < envelope->count; i++) {
		struct span domain = domain_of(span_of(envelope->recipients[i].address));
		_cleanup_(freep) char *next = NULL;

		if (!envelope_is_open(&envelope->recipients[i]) || (last.len != 0 && span_ieq(domain, last)))
			continue;
		if (domain.len == 0 || domain_list_find(&conf->common.domains, domain) != NULL)
			return NULL;
		next = facts_destination(conf, span_of(envelope->sender), span_of(envelope->recipients[i].address));
		if (only != NULL && !span_ieq(span_of(only), span_of(next)))
			return NULL;
		if (only == NULL)
			only = TAKE_PTR(next);
		last = domain;
	}
	return TAKE_PTR(only);
}

int64_t
facts_since(const struct envelope *envelope)
{
	return envelope->release > envelope->created ? envelope->release : envelope->created;
}

void
facts_right(const char *id, int64_t born, struct spool_file *file)
{
	struct envelope *envelope = &file->envelope;
	int64_t before = envelope->created, now = queue_now();
	int r = 0;

	if (envelope->progress.tried > now)
		envelope->progress.tried = now;
	if (!age_right(envelope, born, now, queue_uptime()))
		return;
	log_info("redated", log_str("id", id), log_i64("seconds", envelope->created - before));
	r = queue_files_redate(file);
	if (r < 0) /* it is put right again the next time */
		log_warning("not-redated", log_str("id", id), log_errno("error", r));
}

static bool
has_open_recipient(const struct envelope *envelope)
{
	for (size_t i = 0; i < envelope->count; i++)
		if (envelope_is_open(&envelope->recipients[i]))
			return true;
	return false;
}

/* What a crash left between the last status and the removal goes at once. */
static int64_t
due_of(const struct envelope *envelope)
{
	if (!has_open_recipient(envelope))
		return 0;
	return envelope->release > envelope->progress.due ? envelope->release : envelope->progress.due;
}

/* The first time after the last attempt at which the sender is to hear of it: of the delay, of the time that he has set himself
 * (RFC 2852), or of the end. */
static int64_t
tell_of(const struct smtpd_conf *conf, const struct envelope *envelope)
{
	int64_t since = facts_since(envelope), tried = envelope->progress.tried, tell = since + conf->queue_lifetime;

	if (conf->delay_warning != 0 && since + conf->delay_warning > tried)
		tell = since + conf->delay_warning;
	if (envelope->by != ENVELOPE_BY_NONE && envelope->deliver_by > tried && envelope->deliver_by < tell)
		tell = envelope->deliver_by;
	return tell;
}

/* Which senders share a turn is all that hangs on it. */
static uint16_t
hash(struct span text)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (uint8_t)ascii_lower(text.ptr[i])) * 16777619u;
	return (uint16_t)(hash ^ hash >> 16);
}

void
facts_of(const struct smtpd_conf *conf, const struct envelope *envelope, struct facts *ret_facts)
{
	*ret_facts = (struct facts){
		.uid = envelope->uid,
		.created = envelope->created,
		.due = due_of(envelope),
		.tell = tell_of(conf, envelope),
		.drop = envelope->drop != NULL ? xstrdup(envelope->drop) : NULL,
		.destination = only_destination(conf, envelope),
		.priority = (int8_t)envelope->priority,
		.sender = hash(span_of(envelope->account != NULL ? envelope->account : envelope->sender)),
	};
}

void
facts_free(struct facts *facts)
{
	free(facts->drop);
	free(facts->destination);
}

void
facts_apply(struct queue *queue, struct queue_entry *entry, const struct facts *facts)
{
	entry->tell = facts->tell;
	schedule_bind(queue->schedule, entry, span_of(facts->destination));
}
