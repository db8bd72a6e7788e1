/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reads a message, and asks the DNS one question after the other: no role's work, but an operator's own process. */
#include "smtpd/explain_message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unbound.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/xalloc.h"
#include "smtpd/defence_explain.h"
#include "smtpd/smtp_rules.h"

#define MESSAGE_MAX (256u << 20)

static struct ub_ctx *
resolver(const struct smtpd_conf *conf)
{
	struct ub_ctx *unbound = ub_ctx_create();
	int r = unbound != NULL ? ub_ctx_set_option(unbound, "do-not-query-localhost:", "no") : -1;

	for (size_t i = 0; r == 0 && i < conf->resolvers.count; i++)
		r = ub_ctx_set_fwd(unbound, conf->resolvers.item[i]);
	if (r == 0)
		return unbound;
	if (unbound != NULL)
		ub_ctx_delete(unbound);
	return NULL;
}

/* One question, waited for. */
static void
ask(struct ub_ctx *unbound, struct span name, enum dns_type type, struct dns_answer *answer, struct ub_result **ret_result)
{
	struct buf text = BUF_INIT(DNS_NAME_MAX * 4);

	*ret_result = NULL;
	if (dns_put_escaped(name, &text) < 0 || ub_resolve(unbound, buf_cstr(&text), type, 1, ret_result) != 0 ||
	    dns_parse(span_make((*ret_result)->answer_packet, (size_t)(*ret_result)->answer_len), type, answer) < 0)
		answer->status = DNS_FAILED;
	buf_free(&text);
}

static bool
ask_all(const struct smtpd_conf *conf, struct defence *defence)
{
	struct ub_ctx *unbound = resolver(conf);
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));
	enum dns_type type;
	struct span name;
	size_t number;

	while (unbound != NULL && defence_question(defence, &name, &type, &number)) {
		struct ub_result *result;

		ask(unbound, name, type, answer, &result);
		defence_answer(defence, number, answer);
		ub_resolve_free(result);
	}
	free(answer);
	if (unbound != NULL)
		ub_ctx_delete(unbound);
	return unbound != NULL;
}

/* The client as the DNS knows it now; NULL when that cannot be found out. */
static struct defence *
look_again(const struct smtpd_conf *conf, struct defence_settings *settings, struct span message)
{
	struct explain_client client;
	struct defence *defence;

	if (!explain_client(message, span_of(settings->hostname), &client))
		return NULL;
	defence = defence_new(settings, client.address);
	defence_hello(defence, span_of(client.helo));
	return ask_all(conf, defence) ? defence : defence_free(defence);
}

int
explain_message(const void *values, const char *path, bool asks, struct buf *out)
{
	const struct smtpd_conf *conf = values;
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct buf message = BUF_INIT(MESSAGE_MAX);
	struct defence_settings *settings;
	struct defence *now = NULL;
	struct rules *rules;
	int r = fd < 0 ? -errno : io_read_all(fd, &message);

	if (r == 0) {
		settings = defence_settings_new(conf);
		rules = smtp_rules_load(conf->rules);
		if (asks) {
			now = look_again(conf, settings, buf_get(&message));
			r = now != NULL ? 0 : -ENOENT;
		}
		explain_put(buf_get(&message), settings, (unsigned)conf->hops_max, rules, now, out);
		(void)defence_free(now);
		(void)rules_free(rules);
		(void)defence_settings_drop(settings);
	}
	buf_free(&message);
	return r;
}
