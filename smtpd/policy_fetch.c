/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One policy by HTTPS: RFC 8461 section 3.3. Nothing but 200 and text/plain counts. */
#include <stdio.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "smtpd/https_uri_parse.h"
#include "smtpd/policy.h"

#define FETCH_SECONDS 60
#define REQUEST_MAX 4096
#define PREFIX "mta-sts."

struct policy_fetch {
	policy_fetched done;
	void *context;
};

/* RFC 9110 section 15 and RFC 6585 section 4: the host cannot now. */
static bool
is_passing(unsigned status)
{
	return status / 100 == 5 || status == 408 || status == 429;
}

static void
on_reply(void *context, enum https_result result, const struct https_reply *reply, const char *why)
{
	struct policy_fetch *fetch = context;
	char answer[64];

	(void)snprintf(answer, sizeof(answer), "the host answers %u", reply->status);
	if (result != HTTPS_REPLIED)
		fetch->done(fetch->context, result == HTTPS_UNTRUSTED ? STS_WEBPKI_INVALID : STS_FETCH_ERROR, result == HTTPS_FAILED, span_of(why));
	else if (reply->status != 200)
		fetch->done(fetch->context, STS_FETCH_ERROR, is_passing(reply->status), span_of(answer));
	else if (!reply->is_text)
		fetch->done(fetch->context, STS_INVALID, false, SPAN("the policy is not text/plain"));
	else
		fetch->done(fetch->context, STS_GOOD, false, buf_get(&reply->body));
	free(fetch);
}

void
policy_fetch(struct policy_role *role, const char *domain, policy_fetched done, void *context)
{
	struct policy_fetch *fetch = xcalloc(1, sizeof(*fetch));
	struct buf request = BUF_INIT(REQUEST_MAX);
	char host[DNS_NAME_MAX + 1];

	*fetch = (struct policy_fetch){ .done = done, .context = context };
	(void)snprintf(host, sizeof(host), PREFIX "%s", domain);
	(void)buf_fmt(&request, "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: %s\r\nUser-Agent: Fourpost\r\nAccept: text/plain\r\nConnection: close\r\n\r\n", host);
	https_call(&role->https, host, HTTPS_PORT, buf_get(&request), STS_FETCHED_MAX, FETCH_SECONDS, on_reply, fetch);
	buf_free(&request);
}
