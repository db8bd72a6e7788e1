/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* libunbound as smtpd.conf wants it, for the resolve role and for tools that look at what others will see. */
#include "smtpd/resolve_unbound.h"

#include <errno.h>
#include <sys/stat.h>
#include <unbound.h>
#include <unistd.h>

#include "common/log.h"
#include "smtpd/dns.h"

bool
resolve_worked(int r, const char *what, const char *about)
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
		/* Connections at once, of which a question may need several, for the names of servers. Those whose servers never answer keep
		 * others waiting when they have all: only once there are more of them than RESOLVE_CROWD. */
		{ "outgoing-range:", "1024" },
		{ "outgoing-num-tcp:", "192" },
		{ "msg-cache-size:", "8m" },
		{ "rrset-cache-size:", "16m" },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (!resolve_worked(ub_ctx_set_option(unbound, options[i].name, options[i].value), options[i].name, options[i].value))
			return false;
	return true;
}

/* There are no anchors of that file. */
static int
why_not(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
}

static bool
set_anchor(struct ub_ctx *unbound, const char *option, const char *path)
{
	if (option[0] == '\0')
		return true;
	if (path != NULL && access(path, R_OK) == 0)
		return resolve_worked(ub_ctx_add_ta_file(unbound, path), "dnssec_anchor", path);
	log_warning("no-dnssec", log_str("file", option), log_errno("error", path != NULL ? errno : why_not(option)), log_str("hint", "Debian has it in dns-root-data; then reload"));
	return true;
}

void
resolve_check_anchor(const char *path, struct buf *errors)
{
	struct ub_ctx *unbound;
	struct ub_result *result = NULL;
	struct stat st;
	int r;

	/* Without it the resolver works, and warns. */
	if (path[0] == '\0' || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	unbound = ub_ctx_create();
	if (unbound == NULL)
		return;
	(void)ub_ctx_debugout(unbound, NULL);
	r = ub_ctx_add_ta_file(unbound, path);
	/* It is read at the first question, which this one asks nobody. */
	if (r == 0)
		r = ub_resolve(unbound, "localhost", DNS_A, 1, &result);
	if (r != 0)
		(void)buf_fmt(errors, "dnssec_anchor: %s holds what is no key of a zone\n", path);
	ub_resolve_free(result);
	ub_ctx_delete(unbound);
}

/* A resolver that answers at once what it knows may take a second or two for what it must ask for itself, and would be given up before that by
 * what its quick answers let one expect. */
#define RESOLVER_MS "1000"

static bool
set_forwarders(struct ub_ctx *unbound, const struct conf_list *resolvers)
{
	if (resolvers->count != 0 && !resolve_worked(ub_ctx_set_option(unbound, "infra-cache-min-rtt:", RESOLVER_MS), "infra-cache-min-rtt", RESOLVER_MS))
		return false;
	for (size_t i = 0; i < resolvers->count; i++)
		if (!resolve_worked(ub_ctx_set_fwd(unbound, resolvers->item[i]), "resolvers", resolvers->item[i]))
			return false;
	return true;
}

bool
resolve_configure(struct ub_ctx *unbound, const struct smtpd_conf *conf, const char *anchor)
{
	(void)ub_ctx_debugout(unbound, NULL);
	/* A machine without such a file does without. */
	(void)ub_ctx_hosts(unbound, NULL);
	return set_options(unbound) && set_anchor(unbound, conf->dnssec_anchor, anchor) && set_forwarders(unbound, &conf->resolvers);
}
