/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Domains and their MTA-STS policies. A question about a domain asks the queue once for what is kept of it, the DNS for the id that
 * counts now, and fetches where that says so; those who ask meanwhile wait for the same answer. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/policy.h"
#include "smtpd/smtpd_msg.h"
#include "smtpd/sts_parts.h"

#define PREFIX "_mta-sts."

struct asker {
	struct asker *next;
	uint32_t id;
};

struct policy_domain {
	struct policy_role *role;
	struct policy_domain *next;             /* in its bucket */
	struct policy_domain *before, *after;   /* by their last use */
	struct policy_domain *next_waiting;
	char name[DNS_NAME_MAX + 1];
	enum { DOMAIN_IDLE, DOMAIN_LOADS, DOMAIN_ASKS, DOMAIN_WAITS, DOMAIN_FETCHES } phase;
	bool loaded; /* the queue has been asked */
	struct asker *askers;
	struct buf text; /* the policy as it is kept */
	struct sts_policy *policy; /* into text; NULL: there is none */
	char id[STS_ID_MAX + 1]; /* what the DNS announces; empty: nothing */
	char failed_id[STS_ID_MAX + 1];
	int64_t failed_at;
	bool failed_for_now; /* that may be over soon */
	bool unsure;         /* what there is may be another policy than the domain's: the DNS, its host or the queue has not said */
	enum sts_fault fault;
};

static int64_t
now(void)
{
	return (int64_t)time(NULL);
}

/* --- the table --- */

static size_t
bucket_of(struct span name)
{
	size_t hash = 5381;

	for (size_t i = 0; i < name.len; i++)
		hash = hash * 33 ^ (unsigned char)name.ptr[i];
	return hash % POLICY_BUCKETS;
}

static void
unlink_use(struct policy_domain *domain)
{
	*(domain->before != NULL ? &domain->before->after : &domain->role->first) = domain->after;
	*(domain->after != NULL ? &domain->after->before : &domain->role->last) = domain->before;
}

static void
link_use(struct policy_domain *domain)
{
	struct policy_role *role = domain->role;

	domain->before = role->last;
	domain->after = NULL;
	*(role->last != NULL ? &role->last->after : &role->first) = domain;
	role->last = domain;
}

static void
forget(struct policy_domain *domain)
{
	struct policy_domain **at = &domain->role->table[bucket_of(span_of(domain->name))];

	while (*at != domain)
		at = &(*at)->next;
	*at = domain->next;
	unlink_use(domain);
	domain->role->count--;
	domain->role->bytes -= domain->text.len;
	buf_free(&domain->text);
	free(domain->policy);
	free(domain);
}

/* For so many more domains, and for what there is. What was not asked for the longest goes. */
static void
make_room(struct policy_role *role, size_t more)
{
	struct policy_domain *domain = role->first, *after;

	for (; domain != NULL && (role->count + more > POLICY_DOMAINS_MAX || role->bytes > POLICY_BYTES_MAX); domain = after) {
		after = domain->after;
		if (domain->phase == DOMAIN_IDLE)
			forget(domain);
	}
}

static struct policy_domain *
domain_of(struct policy_role *role, struct span name)
{
	struct policy_domain **bucket = &role->table[bucket_of(name)], *domain = *bucket;

	while (domain != NULL && !span_eq(span_of(domain->name), name))
		domain = domain->next;
	if (domain != NULL) {
		unlink_use(domain);
		link_use(domain);
		return domain;
	}
	make_room(role, 1);
	domain = xcalloc(1, sizeof(*domain));
	domain->role = role;
	memcpy(domain->name, name.ptr, name.len);
	buf_init(&domain->text, STS_TEXT_MAX);
	domain->next = *bucket;
	*bucket = domain;
	link_use(domain);
	role->count++;
	return domain;
}

/* --- the answer --- */

static void
answer(struct policy_domain *domain)
{
	bool valid = sts_policy_is_valid(domain->policy, now());
	bool unsure = domain->unsure || !domain->loaded;
	struct asker *asker = domain->askers;
	struct policy_role *role = domain->role;

	domain->phase = DOMAIN_IDLE;
	domain->askers = NULL;
	while (asker != NULL) {
		struct asker *next = asker->next;
		struct msg_writer body;

		msg_writer_init(&body);
		msg_put_u8(&body, (uint8_t)domain->fault);
		msg_put_u8(&body, unsure);
		msg_put_span(&body, sts_parts_send(role->proc, ROLE_RELAY, MSG_STS_ANSWER_PART, asker->id, valid ? buf_get(&domain->text) : SPAN_NULL));
		/* When relay is gone it has forgotten its questions. */
		(void)proc_send(role->proc, ROLE_RELAY, MSG_STS_ANSWER, asker->id, &body, -1);
		free(asker);
		asker = next;
	}
}

/* Takes over the text of a policy as it is kept. 0 or -EINVAL. */
static int
take_policy(struct policy_domain *domain, struct span text)
{
	struct sts_policy *policy = xcalloc(1, sizeof(*policy));
	struct buf copy = BUF_INIT(STS_TEXT_MAX);

	if (buf_span(&copy, text) < 0 || sts_policy_parse(buf_get(&copy), policy) < 0) {
		buf_free(&copy);
		free(policy);
		return -EINVAL;
	}
	domain->role->bytes += copy.len - domain->text.len;
	buf_free(&domain->text);
	free(domain->policy);
	domain->text = copy;
	domain->policy = policy;
	make_room(domain->role, 0); /* it is not idle itself */
	return 0;
}

/* --- fetching --- */

static void start_fetch(struct policy_domain *domain);

static void
keep(struct policy_domain *domain)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_span(&body, span_of(domain->name));
	msg_put_span(&body, sts_parts_send(domain->role->proc, ROLE_QUEUE, MSG_STS_KEEP_PART, 0, buf_get(&domain->text)));
	/* Without the queue it counts until this process ends. */
	(void)proc_send(domain->role->proc, ROLE_QUEUE, MSG_STS_KEEP, 0, &body, -1);
}

static int
take_fetched(struct policy_domain *domain, struct span text)
{
	struct sts_policy policy;
	struct buf kept = BUF_INIT(STS_TEXT_MAX + 1);
	int r = sts_policy_parse(text, &policy);

	policy.id = span_of(domain->id);
	policy.fetched = now();
	if (r == 0)
		r = sts_policy_put(&policy, &kept);
	if (r == 0)
		r = take_policy(domain, buf_get(&kept));
	buf_free(&kept);
	return r;
}

static void
next_fetch(struct policy_role *role)
{
	struct policy_domain *domain = role->waiting;

	if (domain == NULL)
		return;
	role->waiting = domain->next_waiting;
	if (role->waiting == NULL)
		role->waiting_end = &role->waiting;
	start_fetch(domain);
}

static void
on_fetched(void *context, enum sts_fault fault, bool passing, struct span text)
{
	struct policy_domain *domain = context;
	struct policy_role *role = domain->role;

	role->fetches--;
	if (fault == STS_GOOD && take_fetched(domain, text) < 0) {
		fault = STS_INVALID;
		text = SPAN("it is not one by RFC 8461, or too long");
	}
	domain->fault = fault;
	domain->unsure = domain->failed_for_now = passing;
	if (fault == STS_GOOD) {
		domain->failed_id[0] = '\0';
		log_info("policy-fetched", log_str("domain", domain->name), log_str("id", domain->id), log_str("mode", sts_mode_name(domain->policy->mode)),
		    log_u64("max-age", domain->policy->max_age));
		keep(domain);
	} else {
		memcpy(domain->failed_id, domain->id, sizeof(domain->failed_id));
		domain->failed_at = now();
		log_warning("policy-not-fetched", log_str("domain", domain->name), log_str("id", domain->id), log_span("reason", text),
		    log_str("instead", sts_policy_is_valid(domain->policy, now()) ? "the one that is kept" : "none"));
	}
	answer(domain);
	next_fetch(role);
}

static void
start_fetch(struct policy_domain *domain)
{
	struct policy_role *role = domain->role;

	if (role->fetches >= POLICY_FETCHES_MAX) {
		domain->phase = DOMAIN_WAITS;
		domain->next_waiting = NULL;
		*role->waiting_end = domain;
		role->waiting_end = &domain->next_waiting;
		return;
	}
	domain->phase = DOMAIN_FETCHES;
	role->fetches++;
	policy_fetch(role, domain->name, on_fetched, domain);
}

/* --- the DNS --- */

/* RFC 8461 section 3.1: one record of this kind, or there is none. */
static void
take_id(struct policy_domain *domain, const struct dns_answer *records)
{
	struct span id = sts_records_id(records);

	if (id.len != 0)
		memcpy(domain->id, id.ptr, id.len);
	domain->id[id.len] = '\0';
}

static void
on_record(void *context, const struct dns_answer *records)
{
	struct policy_domain *domain = context;

	take_id(domain, records);
	if (sts_must_fetch(span_of(domain->id), domain->policy, span_of(domain->failed_id), domain->failed_at, now())) {
		start_fetch(domain);
		return;
	}
	domain->unsure = records->status == DNS_FAILED || records->status == DNS_BOGUS;
	/* A policy that is announced no more, or another, has not failed. */
	if (domain->failed_id[0] == '\0' || strcmp(domain->failed_id, domain->id) != 0)
		domain->fault = STS_GOOD;
	else
		domain->unsure |= domain->failed_for_now;
	answer(domain);
}

static void
ask_record(struct policy_domain *domain)
{
	struct buf name = BUF_INIT(sizeof(PREFIX) + DNS_NAME_MAX);

	(void)buf_fmt(&name, PREFIX "%s", domain->name);
	domain->phase = DOMAIN_ASKS;
	if (dns_is_name(buf_get(&name))) {
		(void)dns_ask(domain->role->https.dns, buf_get(&name), DNS_TXT, on_record, domain);
	} else {
		domain->unsure = false;
		answer(domain);
	}
	buf_free(&name);
}

/* --- what is kept --- */

int
policy_kept(struct policy_role *role, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	struct span name = msg_get_span(&body), text = msg_get_span(&body);
	struct policy_domain *domain;

	if (!msg_done(&body) || !sts_is_domain(name) || sts_parts_end(&role->parts, &text) < 0)
		return -EBADMSG;
	domain = domain_of(role, name);
	if (domain->phase == DOMAIN_LOADS) { /* else the queue was gone meanwhile */
		if (text.len != 0 && take_policy(domain, text) < 0)
			log_error("policy-unreadable", log_str("domain", domain->name), log_str("hint", "the file of that name in the spool's folder sts"));
		ask_record(domain);
	}
	buf_free(&role->parts);
	return 0;
}

void
policy_queue_gone(struct policy_role *role)
{
	struct policy_domain *after;

	buf_free(&role->parts);
	for (struct policy_domain *domain = role->first; domain != NULL; domain = after) {
		after = domain->after;
		if (domain->phase == DOMAIN_LOADS) {
			domain->loaded = false;
			ask_record(domain);
		}
	}
}

static void
begin(struct policy_domain *domain)
{
	struct msg_writer body;

	if (domain->loaded) {
		ask_record(domain);
		return;
	}
	msg_writer_init(&body);
	msg_put_span(&body, span_of(domain->name));
	domain->phase = DOMAIN_LOADS;
	domain->loaded = proc_send(domain->role->proc, ROLE_QUEUE, MSG_STS_LOAD, 0, &body, -1) == 0;
	if (!domain->loaded)
		ask_record(domain);
}

/* --- questions --- */

int
policy_question(struct policy_role *role, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	struct span name = msg_get_span(&body);
	struct policy_domain *domain;
	struct asker *asker;

	if (!msg_done(&body) || !sts_is_domain(name))
		return -EBADMSG;
	domain = domain_of(role, name);
	asker = xcalloc(1, sizeof(*asker));
	asker->id = msg->id;
	asker->next = domain->askers;
	domain->askers = asker;
	if (domain->phase == DOMAIN_IDLE)
		begin(domain);
	return 0;
}

void
policy_relay_gone(struct policy_role *role)
{
	for (struct policy_domain *domain = role->first; domain != NULL; domain = domain->after)
		while (domain->askers != NULL) {
			struct asker *asker = domain->askers;

			domain->askers = asker->next;
			free(asker);
		}
}
