/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The options of smtpd.conf, and what one of them means for another. */
#include "smtpd/smtpd_conf.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/address.h"
#include "common/domain_list.h"
#include "common/network.h"
#include "common/tls.h"
#include "common/xalloc.h"
#include "smtpd/defence_settings.h"
#include "smtpd/route_parse.h"
#include "smtpd/tls_policy.h"

static const struct conf_option rows[] = {
#define OPT(...) CONF_ROW(struct smtpd_conf, __VA_ARGS__)
#include "smtpd/smtpd_opts.def"
#undef OPT
};
const struct conf_table smtpd_conf_table = { rows, sizeof(rows) / sizeof(*rows), 0 };

const char *
smtpd_postmaster(const struct smtpd_conf *conf)
{
	static char *made;

	if (conf->postmaster[0] != '\0')
		return conf->postmaster;
	free(made);
	made = xasprintf("postmaster@%s",
	    conf->common.domains.count != 0 ? conf->common.domains.item[0] : conf->common.hostname);
	return made;
}

bool
smtpd_lists(const struct conf_list *networks, const char *address)
{
	struct network network;

	for (size_t i = 0; i < networks->count; i++)
		if (network_parse(span_of(networks->item[i]), &network) == 0 && network_holds(&network, span_of(address)))
			return true;
	return false;
}

static void
check_postmaster(const struct smtpd_conf *conf, struct buf *errors)
{
	struct span address = span_of(conf->postmaster);

	if (address.len != 0 && (address.ptr[0] == '@' || domain_list_find_address(&conf->common.domains, address) == NULL))
		(void)buf_fmt(errors, "postmaster: %s is no address at one of the domains\n", conf->postmaster);
}

/* "address" or "address@port", as libunbound reads it. */
static void
check_resolvers(const struct conf_list *resolvers, struct buf *errors)
{
	for (size_t i = 0; i < resolvers->count; i++) {
		struct span rest = span_of(resolvers->item[i]), host;
		unsigned char address[sizeof(struct in6_addr)];
		char text[INET6_ADDRSTRLEN];
		uint64_t port = 53;

		(void)span_split(&rest, '@', &host);
		(void)snprintf(
		    text, sizeof(text), "%.*s", (int)host.len, host.ptr != NULL ? host.ptr : "");
		if (host.len >= sizeof(text) ||
		    (inet_pton(AF_INET, text, address) != 1 &&
			inet_pton(AF_INET6, text, address) != 1) ||
		    (host.len != strlen(resolvers->item[i]) &&
			(span_to_u64(rest, UINT16_MAX, &port) < 0 || port == 0)))
			(void)buf_fmt(errors, "resolvers: %s is not an address or address@port\n",
			    resolvers->item[i]);
	}
}

static void
check_networks(const char *option, const struct conf_list *networks, struct buf *errors)
{
	struct network network;

	for (size_t i = 0; i < networks->count; i++)
		if (network_parse(span_of(networks->item[i]), &network) < 0)
			(void)buf_fmt(errors, "%s: %s is not an address or network, as 192.0.2.0/24\n",
			    option, networks->item[i]);
}

static void
check_routes(const struct smtpd_conf *conf, struct buf *errors)
{
	struct span whom, hop;
	struct next_hop parsed;
	struct tls_policy policy;
	const char *fault = NULL;

	if (conf->relay_host[0] != '\0' && next_hop_parse(span_of(conf->relay_host), &parsed, &fault) < 0)
		(void)buf_fmt(errors, "relay_host: %s: %s\n", conf->relay_host, fault);
	for (size_t i = 0; i < conf->routes.count; i++)
		if (route_parse(span_of(conf->routes.item[i]), &whom, &hop, &fault) < 0)
			(void)buf_fmt(errors, "routes: \"%s\": %s\n", conf->routes.item[i], fault);
	for (size_t i = 0; i < conf->tls_policies.count; i++)
		if (tls_policy_parse(span_of(conf->tls_policies.item[i]), &whom, &policy, &fault) < 0)
			(void)buf_fmt(errors, "tls_policies: \"%s\": %s\n", conf->tls_policies.item[i], fault);
	for (size_t i = 0; i < conf->relay_domains.count; i++)
		if (!domain_list_may_have(span_of(conf->relay_domains.item[i])))
			(void)buf_fmt(errors, "relay_domains: \"%s\" is not a mail domain\n", conf->relay_domains.item[i]);
}

static void
check_policy(const struct smtpd_conf *conf, struct buf *errors)
{
	if (strcmp(conf->dmarc_policy, "none") != 0 && strcmp(conf->dmarc_policy, "quarantine") != 0 &&
	    strcmp(conf->dmarc_policy, "reject") != 0)
		(void)buf_fmt(errors, "dmarc_policy: %s is not none, quarantine or reject\n", conf->dmarc_policy);
}

static void
check_milters(const struct smtpd_conf *conf, struct buf *errors)
{
	unsigned char address[sizeof(struct in6_addr)];

	for (size_t i = 0; i < conf->milters.count; i++) {
		char text[INET6_ADDRSTRLEN] = "";
		struct span host;
		uint16_t port = 0;

		if (conf_split_address(span_of(conf->milters.item[i]), &host, &port) == 0 && host.len < sizeof(text) && host.len != 0)
			memcpy(text, host.ptr, host.len);
		if (conf_unix_path(conf->milters.item[i]) == NULL && (port == 0 || (inet_pton(AF_INET, text, address) != 1 && inet_pton(AF_INET6, text, address) != 1)))
			(void)buf_fmt(errors, "milters: %s is not address:port or unix:/path\n", conf->milters.item[i]);
	}
	if (strcmp(conf->milter_default, "tempfail") != 0 && strcmp(conf->milter_default, "accept") != 0)
		(void)buf_fmt(errors, "milter_default: %s is neither tempfail nor accept\n", conf->milter_default);
}

void
smtpd_conf_fill(void *values)
{
	struct smtpd_conf *conf = values;
	struct buf postmaster = BUF_INIT(ADDRESS_MAX);

	conf->roots = tls_roots_path();
	domain_list_canonicalise(&conf->relay_domains);
	domain_list_canonicalise(&conf->arc_trusted);
	route_canonicalise(&conf->routes);
	route_canonicalise(&conf->tls_policies);
	if (address_with_domain(span_of(conf->postmaster), &postmaster) == 0) {
		free(conf->postmaster);
		conf->postmaster = span_dup(buf_get(&postmaster));
	}
	buf_free(&postmaster);
}

void
smtpd_conf_check(const void *values, struct buf *errors)
{
	const struct smtpd_conf *conf = values;

	check_postmaster(conf, errors);
	check_resolvers(&conf->resolvers, errors);
	check_milters(conf, errors);
	check_networks("proxy_from", &conf->proxy_from, errors);
	check_networks("proxy_header_from", &conf->proxy_header_from, errors);
	check_networks("verify_not_from", &conf->verify_not_from, errors);
	check_networks("allow_from", &conf->allow_from, errors);
	check_policy(conf, errors);
	defence_conf_check(conf, errors);
	check_routes(conf, errors);
	if (conf->relay_secrets[0] != '\0' && conf->relay_secrets[0] != '/')
		(void)buf_fmt(errors, "relay_secrets: %s is not an absolute path\n", conf->relay_secrets);
	if (conf->relay_recipients[0] != '\0' && conf->relay_recipients[0] != '/')
		(void)buf_fmt(errors, "relay_recipients: %s is not an absolute path\n", conf->relay_recipients);
	if (conf->dkim_keys[0] != '\0' && conf->dkim_keys[0] != '/')
		(void)buf_fmt(errors, "dkim_keys: %s is not an absolute path\n", conf->dkim_keys);
	if (conf->rules[0] != '\0' && conf->rules[0] != '/')
		(void)buf_fmt(errors, "rules: %s is not an absolute path\n", conf->rules);
	if (conf->dnssec_anchor[0] != '\0' && conf->dnssec_anchor[0] != '/')
		(void)buf_fmt(errors, "dnssec_anchor: %s is not an absolute path\n", conf->dnssec_anchor);
	if (conf->sieve_dir[0] != '/')
		(void)buf_fmt(errors, "sieve_dir: %s is not an absolute path\n", conf->sieve_dir);
	if (conf->report_from[0] != '\0' && address_parse_mailbox(span_of(conf->report_from), 0, &(struct address){ 0 }) != ADDRESS_OK)
		(void)buf_fmt(errors, "report_from: %s is no address\n", conf->report_from);
	if (conf->retry_min > conf->retry_max)
		(void)buf_str(errors, "retry_min is longer than retry_max\n");
	if (conf->delay_warning >= conf->queue_lifetime && conf->delay_warning != 0)
		(void)buf_str(
		    errors, "delay_warning is not shorter than queue_lifetime; 0 turns it off\n");
	if (conf->common.tls_certificate[0] == '\0' && conf->listen_submissions.count != 0)
		(void)buf_str(errors, "listen_submissions wants tls_certificate\n");
}
