/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The resolve role: asks the DNS, validating with DNSSEC, and tells relay which hosts take mail for a domain. It sees names, no mail.
 *
 * libunbound works in this process and this loop, without threads. All it reads from files it reads before the jail. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unbound-event.h>
#include <unbound.h>
#include <unistd.h>

#include "common/address.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/resolve_mx.h"
#include "smtpd/smtpd.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd_msg.h"

#define QUESTIONS_MAX 1000
/* The DNS may take longer than anybody wants to wait. */
#define ANSWER_SECONDS 60
#define DESCRIPTORS_MAX 4096
/* Response codes of DNS. */
#define NOERROR 0
#define NXDOMAIN 3

struct resolver {
	struct proc *proc;
	struct ub_ctx *unbound;
	struct question *questions;
	size_t count;
	/* What this process was started with. */
	struct buf settings;
	bool primed;
};

struct question {
	struct question *next, **at;
	struct resolver *resolver;
	uint32_t id;
	enum resolve_what what;
	char name[RESOLVE_NAME_MAX + 1];
	struct event *timer;
	bool answered; /* it waits only for what libunbound still has of it */
	unsigned pending; /* look-ups under way, and one while some are being started */
	bool failed;
	struct resolve_mx mx;
	struct resolve_answer answer;
	struct lookup {
		struct question *question;
		struct resolve_host *host; /* NULL: for MX */
		enum resolve_type type;
	} lookups[1 + 2 * RESOLVE_HOSTS_MAX];
};

static void
forget(struct question *question)
{
	*question->at = question->next;
	if (question->next != NULL)
		question->next->at = question->at;
	question->resolver->count--;
	event_free(question->timer);
	free(question);
}

static void
send_answer(struct resolver *resolver, uint32_t id, const struct resolve_answer *answer)
{
	struct msg_writer body;

	msg_writer_init(&body);
	resolve_put(&body, answer);
	/* When relay is gone it has forgotten its questions. */
	(void)proc_send(resolver->proc, ROLE_RELAY, MSG_RESOLVED, id, &body, -1);
}

static void
answer_now(struct question *question)
{
	static const char *const names[] = {
		[RESOLVE_OK] = "ok", [RESOLVE_NOT_FOUND] = "not found", [RESOLVE_NO_ADDRESS] = "no address", [RESOLVE_NULL_MX] = "null MX",
		[RESOLVE_LOOP] = "loop", [RESOLVE_BAD_NAME] = "bad name", [RESOLVE_FAILED] = "failed",
	};
	struct resolve_answer *answer = &question->answer;

	question->answered = true;
	(void)event_del(question->timer);
	if (answer->result != RESOLVE_OK)
		answer->count = 0;
	log_debug("resolved", log_str("name", question->name), log_str("result", names[answer->result]), log_u64("hosts", answer->count),
	    log_str("first", answer->count != 0 ? answer->hosts[0].name : ""), log_u64("secure", answer->secure), log_str("text", answer->text));
	send_answer(question->resolver, question->id, answer);
}

static void
on_timeout(evutil_socket_t fd, short what, void *context)
{
	struct question *question = context;

	(void)fd, (void)what;
	question->answer.result = RESOLVE_FAILED;
	(void)snprintf(question->answer.text, sizeof(question->answer.text), "The DNS does not answer");
	answer_now(question);
}

/* --- addresses --- */

static void
fail(struct question *question, const char *text)
{
	question->failed = true;
	(void)snprintf(question->answer.text, sizeof(question->answer.text), "%s", text);
}

static void
explain(struct question *question, const struct lookup *lookup, int rcode, int sec, const char *why_bogus)
{
	static const char *const names[] = { [RESOLVE_A] = "A", [RESOLVE_MX] = "MX", [RESOLVE_AAAA] = "AAAA" };
	char text[RESOLVE_TEXT_MAX];

	if (sec == 1)
		(void)snprintf(text, sizeof(text), "The DNS answer for %s %.150s is not signed as it should be (DNSSEC)%s%.50s", names[lookup->type],
		    lookup->host != NULL ? lookup->host->name : question->name, why_bogus != NULL ? ": " : "", why_bogus != NULL ? why_bogus : "");
	else
		(void)snprintf(text, sizeof(text), "The DNS gave no answer for %s %.150s (code %d)", names[lookup->type],
		    lookup->host != NULL ? lookup->host->name : question->name, rcode);
	fail(question, text);
}

static void
add_address(void *context, const struct resolve_record *record)
{
	struct lookup *lookup = context;

	/* Room is kept for both families. */
	if (lookup->type == RESOLVE_AAAA && lookup->host->count >= RESOLVE_ADDRESSES_MAX / 2)
		return;
	resolve_add_address(lookup->host, &record->address);
}

static void
add_mx(void *context, const struct resolve_record *record)
{
	resolve_mx_add(context, record);
}

static void ask(struct question *question, struct resolve_host *host, enum resolve_type type);

static void
ask_addresses(struct question *question)
{
	for (size_t i = 0; i < question->answer.count; i++) {
		struct resolve_host *host = &question->answer.hosts[i];

		host->secure = true;
		ask(question, host, RESOLVE_AAAA);
		ask(question, host, RESOLVE_A);
	}
}

/* The list of hosts is known. */
static void
mx_known(struct question *question, int rcode)
{
	struct resolve_answer *answer = &question->answer;
	uint64_t random = 0;

	if (rcode == NXDOMAIN) {
		answer->result = RESOLVE_NOT_FOUND;
		return;
	}
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort(); /* cannot fail for so few bytes once the system is up */
	resolve_mx_order(&question->mx, span_of(question->name), span_of(question->resolver->proc->common->hostname), random, answer);
	if (answer->result == RESOLVE_OK)
		ask_addresses(question);
}

/* One look-up less; with the last the answer is whole. */
static void
release(struct question *question)
{
	if (--question->pending != 0)
		return;
	if (!question->answered) {
		if (question->answer.result == RESOLVE_OK)
			resolve_mx_finish(&question->answer, question->failed);
		answer_now(question);
	}
	forget(question);
}

static void
on_result(void *context, int rcode, void *packet, int packet_len, int sec, char *why_bogus, int limited)
{
	struct lookup *lookup = context;
	struct question *question = lookup->question;
	struct span bytes = packet != NULL && packet_len > 0 ? span_make(packet, (size_t)packet_len) : SPAN_NULL;
	bool usable = (rcode == NOERROR || rcode == NXDOMAIN) && sec != 1;

	(void)limited;
	if (usable && rcode == NOERROR) {
		int r = resolve_parse(bytes, lookup->type, lookup->type == RESOLVE_MX ? add_mx : add_address,
		    lookup->type == RESOLVE_MX ? (void *)&question->mx : (void *)lookup);

		if (r < 0) {
			rcode = r;
			usable = false;
		}
	}
	if (lookup->host != NULL)
		lookup->host->secure = lookup->host->secure && sec == 2;
	else
		question->answer.secure = sec == 2;
	if (!usable) {
		explain(question, lookup, rcode, sec, why_bogus);
		if (lookup->type == RESOLVE_MX)
			question->answer.result = RESOLVE_FAILED;
	} else if (lookup->type == RESOLVE_MX && !question->answered) {
		mx_known(question, rcode);
	}
	release(question);
}

static void
ask(struct question *question, struct resolve_host *host, enum resolve_type type)
{
	size_t place = host == NULL ? 0 : 1 + 2 * (size_t)(host - question->answer.hosts) + (type == RESOLVE_A);
	struct lookup *lookup = &question->lookups[place];
	int r, number;

	*lookup = (struct lookup){ question, host, type };
	question->pending++;
	/* Where the answer is known the callback runs from within. */
	r = ub_resolve_event(question->resolver->unbound, host != NULL ? host->name : question->name, (int)type, 1, lookup, on_result, &number);
	if (r != 0) {
		fail(question, ub_strerror(r));
		if (host == NULL)
			question->answer.result = RESOLVE_FAILED;
		release(question);
	}
}

/* --- questions --- */

/* The name as the DNS has it: 0 or -EINVAL. */
static int
dns_name(struct span text, char name[RESOLVE_NAME_MAX + 1])
{
	struct buf out = BUF_INIT(RESOLVE_NAME_MAX);
	int r = address_domain_canonical(text, &out);

	if (r == 0 && out.len != 0 && out.data[out.len - 1] == '.')
		buf_truncate(&out, out.len - 1);
	if (r == 0 && out.len != 0)
		memcpy(name, buf_cstr(&out), out.len + 1);
	else
		r = -EINVAL;
	buf_free(&out);
	return r;
}

static void
refuse(struct resolver *resolver, uint32_t id, enum resolve_result result, const char *text)
{
	struct resolve_answer answer = { .result = result };

	(void)snprintf(answer.text, sizeof(answer.text), "%s", text);
	send_answer(resolver, id, &answer);
}

static void
begin(struct resolver *resolver, uint32_t id, enum resolve_what what, const char *name)
{
	const struct timeval patience = { ANSWER_SECONDS, 0 };
	struct question *question = xcalloc(1, sizeof(*question));

	question->resolver = resolver;
	question->id = id;
	question->what = what;
	(void)snprintf(question->name, sizeof(question->name), "%s", name);
	question->at = &resolver->questions;
	question->next = resolver->questions;
	if (question->next != NULL)
		question->next->at = &question->next;
	resolver->questions = question;
	resolver->count++;
	question->timer = evtimer_new(resolver->proc->base, on_timeout, question);
	if (question->timer == NULL)
		abort();
	(void)event_add(question->timer, &patience);
	question->pending = 1;
	if (what == RESOLVE_MAIL) {
		ask(question, NULL, RESOLVE_MX);
	} else {
		question->answer.count = 1;
		(void)snprintf(question->answer.hosts[0].name, sizeof(question->answer.hosts[0].name), "%s", name);
		ask_addresses(question);
	}
	release(question);
}

static int
on_resolve(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct resolver *resolver = proc->state;
	struct msg_reader body = msg_read(msg);
	uint8_t what = msg_get_u8(&body);
	struct span text = msg_get_span(&body);
	char name[RESOLVE_NAME_MAX + 1];

	(void)channel;
	if (!msg_done(&body) || what > RESOLVE_HOST)
		return -EBADMSG;
	if (dns_name(text, name) < 0)
		refuse(resolver, msg->id, RESOLVE_BAD_NAME, "");
	else if (resolver->count >= QUESTIONS_MAX)
		refuse(resolver, msg->id, RESOLVE_FAILED, "Too many questions to the DNS are under way");
	else
		begin(resolver, msg->id, (enum resolve_what)what, name);
	return 0;
}

/* --- the start --- */

/* What libunbound is told, as one text: a reload that changes it needs a fresh process. */
static void
settings_of(const struct smtpd_conf *conf, struct buf *out)
{
	buf_clear(out);
	(void)buf_fmt(out, "%s\n", conf->dnssec_anchor);
	for (size_t i = 0; i < conf->resolvers.count; i++)
		(void)buf_fmt(out, "%s\n", conf->resolvers.item[i]);
}

static void
on_reload(struct proc *proc)
{
	struct resolver *resolver = proc->state;
	struct buf settings = BUF_INIT(resolver->settings.max);

	settings_of(smtpd_conf(proc), &settings);
	if (!span_eq(buf_get(&settings), buf_get(&resolver->settings))) {
		log_info("resolvers-changed", log_str("how", "a new process reads them"));
		proc_exit(proc, EX_OK);
	}
	buf_free(&settings);
}

static bool
worked(int r, const char *what, const char *about)
{
	if (r != 0)
		log_error("resolver-setup", log_str("what", what), log_str("value", about), log_str("error", ub_strerror(r)));
	return r == 0;
}

static bool
set_options(struct ub_ctx *unbound)
{
	static const struct {
		const char *name, *value;
	} options[] = {
		{ "do-not-query-localhost:", "no" }, /* a resolver of this machine may be asked */
		{ "num-queries-per-thread:", "1024" },
		{ "outgoing-range:", "512" },
		{ "outgoing-num-tcp:", "32" },
		{ "msg-cache-size:", "8m" },
		{ "rrset-cache-size:", "16m" },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (!worked(ub_ctx_set_option(unbound, options[i].name, options[i].value), options[i].name, options[i].value))
			return false;
	return true;
}

static bool
set_anchor(struct ub_ctx *unbound, const char *path)
{
	if (path[0] == '\0')
		return true;
	if (access(path, R_OK) == 0)
		return worked(ub_ctx_add_ta_file(unbound, path), "dnssec_anchor", path);
	log_warning("no-dnssec", log_str("file", path), log_errno("error", errno), log_str("hint", "Debian has it in dns-root-data"));
	return true;
}

static bool
set_forwarders(struct ub_ctx *unbound, const struct conf_list *resolvers)
{
	for (size_t i = 0; i < resolvers->count; i++)
		if (!worked(ub_ctx_set_fwd(unbound, resolvers->item[i]), "resolvers", resolvers->item[i]))
			return false;
	return true;
}

static void
on_primed(void *context, int rcode, void *packet, int packet_len, int sec, char *why_bogus, int limited)
{
	struct resolver *resolver = context;

	(void)rcode, (void)packet, (void)packet_len, (void)sec, (void)why_bogus, (void)limited;
	resolver->primed = true;
}

/* libunbound reads its files and makes its worker at the first question: one that it answers by itself. */
static bool
prime(struct resolver *resolver)
{
	int number;

	return worked(ub_resolve_event(resolver->unbound, "localhost", RESOLVE_A, 1, resolver, on_primed, &number), "first question", "localhost") &&
	    resolver->primed;
}

static bool
set_up(struct resolver *resolver)
{
	const struct smtpd_conf *conf = smtpd_conf(resolver->proc);
	struct ub_ctx *unbound = ub_ctx_create_event(resolver->proc->base);

	if (unbound == NULL)
		return false;
	resolver->unbound = unbound;
	(void)ub_ctx_debugout(unbound, NULL);
	/* A machine without such a file does without. */
	(void)ub_ctx_hosts(unbound, NULL);
	return set_options(unbound) && set_anchor(unbound, conf->dnssec_anchor) && set_forwarders(unbound, &conf->resolvers) && prime(resolver);
}

int
proc_resolve(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_RESOLVE, on_resolve } };
	struct resolver *resolver = xcalloc(1, sizeof(*resolver));
	struct jail jail = { .root = proc->common->empty_dir, .allow = JAIL_CONNECT, .descriptors_max = DESCRIPTORS_MAX };

	resolver->proc = proc;
	buf_init(&resolver->settings, 65536);
	settings_of(smtpd_conf(proc), &resolver->settings);
	proc->state = resolver;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(*handlers);
	proc->reload = on_reload;
	if (!set_up(resolver))
		return EX_CONFIG;
	/* --- jail --- */
	proc_jail(proc, &jail);
	return proc_loop(proc);
}
