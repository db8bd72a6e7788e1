/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message and the scripts that it meets: the site's before, the account's active one, the site's after, each as long as the implicit
 * keep stands. A script that fails changes nothing: the log tells, and for the account's own a note to its user. */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "common/address.h"
#include "common/cleanup.h"
#include "common/cpu_limit.h"
#include "common/date.h"
#include "common/header.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/deliver.h"
#include "smtpd/filter_word_parse.h"
#include "smtpd/smtpd.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd_msg.h"
#include "smtpd/spam_percent.h"

#define DAY 86400
/* For all scripts of a message, each of which has about one. Whoever needs more hangs: the queue waits for him no longer, but he would go on,
 * and hold what those after him need. */
#define SCRIPTS_CPU_SECONDS 60
#define REFUSAL_MAX 900

/* --- what scripts ask --- */

static bool
mailbox_exists(void *context, struct span name)
{
	struct deliver *deliver = context;
	_cleanup_(freep) char *text = span_dup(name);
	struct ms_mailbox_info info;

	if (strlen(text) != name.len || ms_mailbox_status(deliver->store, text, &info) != 0)
		return false;
	ms_mailbox_info_clear(&info);
	return true;
}

static bool
special_use(void *context, struct span mailbox, struct span attribute)
{
	_cleanup_(freep) char *name = deliver_special_use(context, attribute, mailbox);

	return name != NULL && (mailbox.len == 0 || span_eq(span_of(name), mailbox));
}

static bool
is_remembered(void *context, struct span id)
{
	return seen_has(context, id);
}

static const struct sieve_program *
include(void *context, bool global, struct span name, const char **ret_error)
{
	struct deliver *deliver = context;
	const struct script *script = scripts_named(deliver->scripts, global, name);

	if (script != NULL && script->program == NULL)
		*ret_error = "has a fault";
	return script != NULL ? script->program : NULL;
}

static int
zone_at(void *context, int64_t utc)
{
	(void)context;
	return date_local(utc).zone;
}

static struct span
domain_of(const char *address)
{
	const char *at = strrchr(address, '@');

	return at != NULL ? span_of(at + 1) : SPAN_NULL;
}

static void
set_host(struct deliver *deliver, const struct delivery *delivery, struct span message, struct sieve_host *host)
{
	struct span block = span_make(message.ptr, header_block_size(message));
	time_t now = time(NULL);

	*host = (struct sieve_host){
		.message = message, .sender = span_of(delivery->sender), .recipient = span_of(delivery->recipient), .now = now,
		.delimiter = deliver->proc->common->recipient_delimiter[0], .any_from = !smtpd_conf(deliver->proc)->own_senders,
		.spam = spam_percent(block), .virus = filter_word_virus(block), .context = deliver, .mailbox_exists = mailbox_exists, .special_use = special_use,
		.own = own_of, .is_remembered = is_remembered, .include = include, .options = scripts_options(deliver->scripts),
		.environment = {
			[SIEVE_ENV_DOMAIN] = domain_of(deliver->proc->account), [SIEVE_ENV_HOST] = span_of(deliver->proc->common->hostname),
			[SIEVE_ENV_LOCATION] = SPAN("MDA"), [SIEVE_ENV_NAME] = SPAN("Fourpost"), [SIEVE_ENV_PHASE] = SPAN("during"),
			[SIEVE_ENV_VERSION] = SPAN(VERSION),
		},
	};
	host->zone = zone_at(deliver, now);
	host->zone_at = zone_at;
}

/* --- faults --- */

/* Tells the user, once a day for a line of his script as it is: the fault may quote the message, and what senders write must neither make notes
 * nor push out what else is remembered. */
static void
note_fault(struct deliver *deliver, const struct script *script, struct span fault)
{
	const char *own = deliver->script_folder;
	const char *slash = strrchr(script->path, '/'), *name = slash != NULL ? slash + 1 : script->path;
	struct buf id = BUF_INIT(32768), text = BUF_INIT(32768);
	char date[DATE_SIZE];
	struct span rest = fault, line;
	int64_t now = time(NULL);

	(void)span_split(&rest, ':', &line);
	(void)buf_fmt(&id, "fault %s %" PRId64 " %.*s", script->path, script->mtime_ns, (int)line.len, line.ptr);
	if (!memory_has(own, buf_get(&id), now)) {
		(void)buf_fmt(&text, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\nTo: <%s>\r\nSubject: Your mail filter has a fault\r\nDate: %s\r\n"
		    "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
		    "Content-Transfer-Encoding: 8bit\r\n\r\n"
		    "Your Sieve script %s could not be run, so that your mail is kept in the inbox.\r\n"
		    "What is wrong, each with the number of its line:\r\n\r\n%.*s\r\n",
		    deliver->proc->common->hostname, deliver->proc->account, date_format((struct date){ .utc = now }, date).ptr, name,
		    (int)fault.len, fault.ptr);
		if (deliver_note(deliver, buf_get(&text)) == 0)
			(void)memory_put(own, buf_get(&id), now, now + DAY);
	}
	buf_free(&id);
	buf_free(&text);
}

static void
tell_fault(struct deliver *deliver, const struct delivery *delivery, const struct script *script, enum script_place place, struct span fault)
{
	log_warning("script-failed", log_str("queue", delivery->queue_id), log_str("account", deliver->proc->account),
	    log_str("script", script->path), log_span("fault", fault));
	if (place == SCRIPT_ACTIVE)
		note_fault(deliver, script, fault);
}

/* --- running --- */

/* True when a script was there. */
static bool
run_all(struct deliver *deliver, const struct delivery *delivery, const struct sieve_host *host, struct sieve_result *result)
{
	const struct script *script;
	bool any = false;

	cpu_limit(SCRIPTS_CPU_SECONDS);
	for (unsigned place = SCRIPT_BEFORE; place <= SCRIPT_AFTER; place++)
		for (size_t n = 0; result->implicit_keep && (script = scripts_at(deliver->scripts, place, n)) != NULL; n++) {
			struct buf fault = BUF_INIT(1000);

			any = true;
			if (script->program == NULL) {
				tell_fault(deliver, delivery, script, place, span_of(script->faults));
			} else if (sieve_run(script->program, host, result) != 0) {
				(void)buf_fmt(&fault, "%u: %s", result->error_line, result->error);
				tell_fault(deliver, delivery, script, place, buf_get(&fault));
			}
			buf_free(&fault);
		}
	cpu_limit(0);
	return any;
}

static bool
is_plain_keep(const struct sieve_result *result)
{
	return result->count == 1 && result->actions[0].kind == SIEVE_KEEP && result->actions[0].list_count == 0 && result->actions[0].header == 0;
}

/* Its lines with LF between them, and no other control character. */
static char *
lines_of(struct span text)
{
	char *lines = span_dup(text);
	size_t len = 0;

	for (const char *c = lines; *c != '\0'; c++)
		if (*c != '\r' || c[1] != '\n')
			lines[len++] = (unsigned char)*c < 0x20 && *c != '\n' ? ' ' : *c;
	lines[len] = '\0';
	return lines;
}

/* The reason of a reject as the text of a reply, in the lines that it has (RFC 5429 section 2.5). What no reply can hold has the sender notified,
 * which ereject is there to avoid, for he may be forged: a reason that is not ASCII is none then (section 2.1.1). */
static char *
refusal(const struct sieve_result *result)
{
	const struct sieve_action *reject = NULL;
	char *lines;

	for (size_t i = 0; i < result->count; i++)
		if (result->actions[i].kind == SIEVE_REJECT)
			reject = &result->actions[i];
	if (reject == NULL)
		return NULL;
	lines = lines_of(span_utf8_cut(span_trim(reject->text), REFUSAL_MAX));
	if (reject->in_reply && strlen(lines) > VERDICT_REPLY_MAX)
		lines[VERDICT_REPLY_MAX] = '\0';
	if (reject->in_reply && !verdict_fits_reply(SPAN("5.7.1"), span_of(lines)))
		lines[0] = '\0';
	return lines;
}

/* The account has sent it on before, which its own address tells, though it may have come back to another: one with a detail, or an alias.
 * The fields of other accounts a script may have taken out; those of the way it cannot. */
static bool
has_come_back(const struct deliver *deliver, struct span message)
{
	uint64_t hops = 0, hops_max = (uint64_t)smtpd_conf(deliver->proc)->hops_max;
	struct header_iter iter;
	struct header_field field;

	header_begin(&iter, span_make(message.ptr, header_block_size(message)));
	while (header_next(&iter, &field)) {
		if (span_ieq(field.name, SPAN("Delivered-To")) && address_equal(span_trim(field.value), span_of(deliver->proc->account)))
			return true;
		hops += span_ieq(field.name, SPAN("Received"));
	}
	return hops >= hops_max;
}

/* Why the message is not to be redirected there: it would only come round, and its sender be told of a fault that is none of his; or the account
 * may send no more. Or NULL. */
static const char *
why_not(const struct deliver *deliver, const struct delivery *delivery, struct span to, bool back)
{
	if (address_equal(to, span_of(deliver->proc->account)))
		return "it is the account itself";
	if (delivery->limited)
		return SMTPD_ACCOUNT_LIMITED;
	if (back)
		return "the account has sent it on before";
	return deliver_has_been(deliver, delivery, to) ? "it has been there before" : NULL;
}

/* Who redirects to himself keeps. What would come round, or has, or is too much, is an error, and then a message is kept (RFC 5228 sections 4.2 and 2.10.6),
 * once. True when it was to be redirected. */
static bool
keep_own(const struct deliver *deliver, const struct delivery *delivery, struct span message, struct sieve_result *result)
{
	bool kept = false, back = false, looked = false;
	size_t left = 0;

	for (size_t i = 0; i < result->count; i++)
		kept |= result->actions[i].kind == SIEVE_KEEP;
	for (size_t i = 0; i < result->count; i++) {
		struct sieve_action *action = &result->actions[i];
		const char *reason;

		if (action->kind == SIEVE_REDIRECT && !looked) {
			looked = true;
			back = has_come_back(deliver, message);
		}
		reason = action->kind == SIEVE_REDIRECT ? why_not(deliver, delivery, action->text, back) : NULL;
		if (reason != NULL) {
			log_info("not-redirected", log_str("queue", delivery->queue_id), log_str("account", deliver->proc->account), log_span("to", action->text),
			    log_str("reason", reason));
			if (kept)
				continue;
			kept = true;
			*action = (struct sieve_action){ .kind = SIEVE_KEEP, .line = action->line, .header = action->header };
		}
		result->actions[left++] = *action;
	}
	result->count = left;
	return looked;
}

static void
do_actions(struct deliver *deliver, struct delivery *delivery, const struct sieve_host *host, const struct sieve_result *result)
{
	delivery->refusal = refusal(result);
	delivery->result = deliver_store(deliver, delivery, host->message, result);
	/* Stored first, sent then: what goes wrong while it is stored is tried again, and then nothing is sent twice. */
	if (delivery->result == 0)
		delivery->result = deliver_send(deliver, delivery, host, result);
	/* What is refused has not been seen: its sender may have to be told once more, after a crash or by a client who comes again. */
	if (delivery->result == 0 && delivery->refusal == NULL)
		seen_remember(deliver, delivery->id, result, host->now);
	for (size_t i = 0; i < result->count; i++) {
		struct buf text = BUF_INIT(4096);

		sieve_action_show(&result->actions[i], &text);
		log_info("filtered", log_str("queue", delivery->queue_id), log_str("account", deliver->proc->account), log_str("action", buf_cstr(&text)));
		buf_free(&text);
	}
	if (result->count == 0)
		log_info("filtered", log_str("queue", delivery->queue_id), log_str("account", deliver->proc->account), log_str("action", "discard"));
}

/* True when the queue is to tell first whose addresses are. */
static bool
must_wait(struct deliver *deliver, struct delivery *delivery, const struct sieve_host *host, const struct sieve_result *result)
{
	own_begin(deliver, !delivery->asked && deliver->waiting_count < MS_APPENDS_MAX);
	deliver_foresee(deliver, host, result);
	delivery->asked = own_ask(deliver);
	return delivery->asked;
}

enum filtered
deliver_filter(struct deliver *deliver, struct delivery *delivery)
{
	size_t size = (size_t)(delivery->offset + delivery->length);
	struct sieve_result result;
	struct sieve_host host;
	char *map;
	enum filtered done = delivery->came_back && !delivery->sent_on ? FILTERED_LOOP : FILTERED_NOT;

	if (delivery->length == 0 || (scripts_at(deliver->scripts, SCRIPT_BEFORE, 0) == NULL && scripts_at(deliver->scripts, SCRIPT_ACTIVE, 0) == NULL &&
	    scripts_at(deliver->scripts, SCRIPT_AFTER, 0) == NULL))
		return done;
	map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, delivery->fd, 0);
	if (map == MAP_FAILED) {
		log_error("not-filtered", log_str("queue", delivery->queue_id), log_errno("error", errno));
		return done;
	}
	set_host(deliver, delivery, span_make(map + delivery->offset, (size_t)delivery->length), &host);
	sieve_result_init(&result);
	if (run_all(deliver, delivery, &host, &result)) {
		sieve_result_finish(&result);
		/* Others may have it by then, as where it was sent to an alias that names the account too: that is no fault of its sender's. */
		if (keep_own(deliver, delivery, host.message, &result))
			done = FILTERED_NOT;
		if (done != FILTERED_LOOP && !is_plain_keep(&result)) {
			done = must_wait(deliver, delivery, &host, &result) ? FILTERED_WAITS : FILTERED_DONE;
			if (done == FILTERED_DONE)
				do_actions(deliver, delivery, &host, &result);
		}
	}
	sieve_result_free(&result);
	(void)munmap(map, size);
	return done;
}
