/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The same pure functions decide here as in smtpd; a policy of MTA-STS is read as the queue keeps it, and never fetched. */
#include "cli/queue_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unbound.h>

#include "cli/tool.h"
#include "cli/tool_dns.h"
#include "common/address.h"
#include "common/xalloc.h"
#include "frame/read_file.h"
#include "smtpd/dane.h"
#include "smtpd/resolve_mx.h"
#include "smtpd/route_parse.h"
#include "smtpd/sts_parse.h"
#include "smtpd/tls_policy.h"

#define SMTP_PORT 25

struct look {
	const struct smtpd_conf *conf;
	const char *domain;
	bool secure; /* the list of hosts is signed */
	bool failed;
};

/* --- what stands in smtpd.conf --- */

static struct tls_policy
print_settings(const struct look *look)
{
	struct buf recipient = BUF_INIT(512);
	struct tls_policy policy = tls_policy_find(&look->conf->tls_policies, span_of(look->domain));
	struct span hop;
	bool found;

	(void)buf_fmt(&recipient, "x@%s", look->domain);
	hop = route_find(&look->conf->routes, SPAN_NULL, buf_get(&recipient), &found);
	if (!found)
		hop = span_of(look->conf->relay_host);
	(void)printf("  route: %.*s%s\n", (int)hop.len, hop.len != 0 ? hop.ptr : "", hop.len == 0 ? "the domain's mail exchangers" : ", which has its own demands");
	(void)printf("  tls_policies: %s%s%.*s\n", tls_level_name(policy.level), policy.names.len != 0 ? " " : "", (int)policy.names.len,
	    policy.names.len != 0 ? policy.names.ptr : "");
	buf_free(&recipient);
	return policy;
}

/* --- MTA-STS --- */

static void
print_announced(struct look *look)
{
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));
	struct buf name = BUF_INIT(512);
	struct ub_result *result;
	struct span id;

	(void)buf_fmt(&name, "_mta-sts.%s", look->domain);
	tool_dns_ask(look->conf, buf_cstr(&name), DNS_TXT, &result, answer);
	id = sts_records_id(answer);
	look->failed |= answer->status == DNS_FAILED || answer->status == DNS_BOGUS;
	if (answer->status == DNS_FAILED || answer->status == DNS_BOGUS)
		(void)printf("  MTA-STS: the DNS does not tell");
	else
		(void)printf("  MTA-STS: %s%.*s", id.len != 0 ? "announced with id " : "none announced", (int)id.len, id.len != 0 ? id.ptr : "");
	ub_resolve_free(result);
	buf_free(&name);
	free(answer);
}

static void
print_kept(const struct look *look)
{
	char *path = xasprintf("%s/sts/%s", look->conf->common.spool_dir, look->domain);
	struct buf text = BUF_INIT(STS_TEXT_MAX);
	struct sts_policy policy;
	struct span rest, mx;
	int r = read_file(path, &text);
	int64_t now = (int64_t)time(NULL);

	if (r == 0 && sts_policy_parse(buf_get(&text), &policy) == 0) {
		(void)printf("; kept is mode %s, id %.*s, %s", sts_mode_name(policy.mode), (int)policy.id.len, policy.id.ptr != NULL ? policy.id.ptr : "",
		    sts_policy_is_valid(&policy, now) ? "for hosts" : "expired, once for hosts");
		rest = policy.text;
		while (sts_policy_next_mx(&rest, &mx))
			(void)printf(" %.*s", (int)mx.len, mx.ptr);
		(void)printf("\n");
	} else {
		(void)printf("; %s\n", r == -EACCES ? "what is kept only root may read" : "none is kept");
	}
	buf_free(&text);
	free(path);
}

/* --- hosts --- */

/* Is the host signed, and whose are its addresses? False when it has none. */
static bool
look_at_addresses(struct look *look, const char *host, bool *ret_secure, char alias_of[DNS_NAME_MAX + 1])
{
	static const enum dns_type families[] = { DNS_AAAA, DNS_A };
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));
	bool found = false;

	*ret_secure = true;
	alias_of[0] = '\0';
	for (size_t i = 0; i < 2; i++) {
		struct ub_result *result;

		tool_dns_ask(look->conf, host, families[i], &result, answer);
		if (answer->status == DNS_FAILED || answer->status == DNS_BOGUS) {
			look->failed = true;
		} else {
			*ret_secure = *ret_secure && answer->secure;
			found |= answer->count != 0;
			if (answer->owner.len != 0 && answer->owner.len <= DNS_NAME_MAX && !span_ieq(answer->owner, span_of(host))) {
				memcpy(alias_of, answer->owner.ptr, answer->owner.len);
				alias_of[answer->owner.len] = '\0';
			}
		}
		ub_resolve_free(result);
	}
	free(answer);
	return found;
}

static void
print_dane(struct look *look, const char *host, const char *alias_of, bool secure)
{
	static const char *const results[] = { [DANE_NONE] = "no TLSA records", [DANE_ENCRYPT] = "TLSA records that cannot be used: TLS with anybody",
		[DANE_FAILED] = "the DNS does not tell its TLSA records: it is not used now" };
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));
	struct buf name = BUF_INIT(512);
	struct dane_search search;
	struct dane dane;
	enum dns_type type;

	dane_search(&search, &dane, host, alias_of, secure, SMTP_PORT);
	while (dane_next(&search, &name, &type)) {
		struct ub_result *result;

		tool_dns_ask(look->conf, buf_cstr(&name), type, &result, answer);
		dane_answer(&search, answer);
		ub_resolve_free(result);
		buf_clear(&name);
	}
	look->failed |= dane.result == DANE_FAILED;
	if (dane.result == DANE_VERIFY)
		(void)printf("DANE: TLS, and one of %zu TLSA records at %s\n", dane.count, dane.base);
	else
		(void)printf("%s\n", results[dane.result]);
	dane_free(&dane);
	buf_free(&name);
	free(answer);
}

static void
print_host(struct look *look, const struct resolve_host *host)
{
	char alias_of[DNS_NAME_MAX + 1];
	bool secure;

	(void)printf("  host %s: ", host->name);
	if (!look_at_addresses(look, host->name, &secure, alias_of))
		(void)printf("no address\n");
	else if (look->secure && (secure || alias_of[0] != '\0'))
		print_dane(look, host->name, alias_of, secure);
	else
		(void)printf("not signed (DNSSEC), so no DANE\n");
}

static void
print_hosts(struct look *look)
{
	struct resolve_answer *hosts = xcalloc(1, sizeof(*hosts));
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));
	struct resolve_mx *mx = xcalloc(1, sizeof(*mx));
	struct ub_result *result;

	tool_dns_ask(look->conf, look->domain, DNS_MX, &result, answer);
	look->secure = answer->secure;
	if (answer->status == DNS_FAILED || answer->status == DNS_BOGUS) {
		look->failed = true;
		(void)printf("  hosts: the DNS does not tell%s\n", answer->status == DNS_BOGUS ? ", for its answer is not signed as it should be" : "");
	} else if (answer->status == DNS_NO_NAME) {
		(void)printf("  hosts: there is no such domain\n");
	} else if (answer->count == 0 && answer->unusable) {
		(void)printf("  hosts: none of its exchangers has the name of a host: its mail comes back\n");
	} else {
		for (size_t i = 0; i < answer->count; i++)
			resolve_mx_add(mx, &answer->records[i]);
		resolve_mx_order(mx, span_of(look->domain), span_of(look->conf->common.hostname), 0, hosts);
		if (hosts->result != RESOLVE_OK)
			(void)printf("  hosts: %s\n", hosts->result == RESOLVE_NULL_MX ? "the domain takes no mail" : "this very host");
		for (size_t i = 0; i < hosts->count && hosts->result == RESOLVE_OK; i++)
			print_host(look, &hosts->hosts[i]);
	}
	ub_resolve_free(result);
	free(mx);
	free(answer);
	free(hosts);
}

int
queue_print_policy(const struct smtpd_conf *conf, const char *domain)
{
	struct buf name = BUF_INIT(DNS_NAME_MAX);
	struct look look = { .conf = conf };

	if (address_domain_canonical(span_of(domain), &name) < 0 || !sts_is_domain(buf_get(&name)))
		tool_fail(EX_USAGE, "%s is no domain", domain);
	look.domain = buf_cstr(&name);
	(void)printf("%s\n", look.domain);
	if (print_settings(&look).level == TLS_LEVEL_AUTO) {
		print_announced(&look);
		print_kept(&look);
	}
	print_hosts(&look);
	buf_free(&name);
	return look.failed ? EX_TEMPFAIL : EX_OK;
}
