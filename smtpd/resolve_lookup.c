/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One name and type, asked of libunbound. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unbound-event.h>
#include <unbound.h>

#include "common/xalloc.h"
#include "smtpd/resolve_role.h"

/* Each octet of a name as \DDD. */
#define ESCAPED_MAX (4 * DNS_NAME_MAX)
#define CLASS_IN 1
#define NXDOMAIN 3
/* libunbound's word on an answer. */
#define SEC_BOGUS 1
#define SEC_SECURE 2

struct asked {
	struct resolver *resolver;
	lookup_done done;
	void *context;
	enum dns_type type;
	char name[DNS_NAME_MAX + 1]; /* for the log */
};

static void
put_reason(const struct asked *asked, struct dns_answer *answer, int code, const char *why_bogus)
{
	static char text[DNS_REASON_MAX + 1];

	if (answer->status == DNS_BOGUS)
		(void)snprintf(text, sizeof(text), "The DNS answer for %s %.150s is not signed as it should be (DNSSEC)%s%.50s", dns_type_name(asked->type),
		    asked->name, why_bogus != NULL ? ": " : "", why_bogus != NULL ? why_bogus : "");
	else
		(void)snprintf(text, sizeof(text), "The DNS gave no answer for %s %.150s (code %d)", dns_type_name(asked->type), asked->name, code);
	answer->reason = span_of(text);
}

int64_t
resolver_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

enum dns_blame
resolver_blame(const struct resolver *resolver)
{
	return resolve_room_is_busy(resolver->room, resolver_now()) ? DNS_PERHAPS_OURS : DNS_THEIRS;
}

static void
finish(struct asked *asked, struct dns_answer *answer)
{
	answer->blame = resolver_blame(asked->resolver);
	asked->done(asked->context, answer);
	free(asked);
}

static void
finish_without(struct asked *asked, enum dns_status status, const char *reason)
{
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));

	answer->status = status;
	answer->reason = span_of(reason);
	finish(asked, answer);
	free(answer);
}

static void
on_result(void *context, int code, void *packet, int len, int sec, char *why_bogus, int limited)
{
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));
	struct asked *asked = context;

	(void)limited;
	/* With another code than 0 there may be no packet. */
	if (code == NXDOMAIN)
		answer->status = DNS_NO_NAME;
	else if (code == 0 && packet != NULL && len > 0)
		code = dns_parse(span_make(packet, (size_t)len), asked->type, answer);
	else
		answer->status = DNS_FAILED;
	answer->secure = sec == SEC_SECURE;
	if (sec == SEC_BOGUS) {
		answer->status = DNS_BOGUS;
		answer->count = 0;
	}
	if (answer->status == DNS_FAILED || answer->status == DNS_BOGUS)
		put_reason(asked, answer, code, why_bogus);
	finish(asked, answer);
	free(answer);
}

void
lookup(struct resolver *resolver, struct span name, enum dns_type type, lookup_done done, void *context)
{
	struct asked *asked = xcalloc(1, sizeof(*asked));
	struct buf escaped = BUF_INIT(ESCAPED_MAX);
	int r, number;

	*asked = (struct asked){ .resolver = resolver, .done = done, .context = context, .type = type };
	if (dns_put_escaped(name, &escaped) < 0) {
		finish_without(asked, DNS_NO_NAME, "");
		return;
	}
	(void)snprintf(asked->name, sizeof(asked->name), "%s", buf_cstr(&escaped));
	/* Where the answer is known the callback runs from within. */
	r = ub_resolve_event(resolver->unbound, buf_cstr(&escaped), (int)type, CLASS_IN, asked, on_result, &number);
	buf_free(&escaped);
	if (r != 0)
		finish_without(asked, DNS_FAILED, ub_strerror(r));
}
