/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* mailalias(8): checks the aliases, and shows who gets mail for an address. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/tool.h"
#include "common/cleanup.h"
#include "common/conf.h"
#include "common/domain_list.h"
#include "common/xalloc.h"
#include "frame/read_file.h"
#include "frame/recipient.h"
#include "libmailstore/mailstore.h"

#define ERRORS_MAX (1 << 20)

struct site {
	const struct fourpost_conf *conf;
	struct ms_accounts *accounts;
	struct recipient_host host;
	unsigned unknown; /* targets that nobody has */
};

static _Noreturn void
usage(void)
{
	(void)fputs("usage: mailalias [-C file] [address ...]\n", stderr);
	exit(EX_USAGE);
}

static int
exists(void *context, struct span name)
{
	struct site *site = context;
	struct ms_account account;
	int r = ms_accounts_get(site->accounts, name.ptr, name.len, &account);

	if (r == 0)
		ms_account_clear(&account);
	else if (r != MS_E_NOTFOUND)
		tool_fail(EX_IOERR, "%s: %s", site->conf->accounts_db, ms_strerror(r));
	return r == 0 ? 0 : 1;
}

/* Ends when there are faults. */
static struct aliases *
read_aliases(const char *path)
{
	struct buf text = BUF_INIT(ALIASES_FILE_MAX), errors = BUF_INIT(ERRORS_MAX);
	struct span rest, line;
	struct aliases *aliases;
	int r = read_file(path, &text);

	if (r < 0)
		tool_fail(EX_NOINPUT, "%s: %s", path, strerror(-r));
	aliases = aliases_new(buf_get(&text), "", &errors);
	rest = buf_get(&errors);
	while (span_split(&rest, '\n', &line))
		tool_warn("%s:%.*s", path, (int)line.len, line.ptr);
	if (errors.len != 0)
		exit(EX_CONFIG);
	buf_free(&text);
	buf_free(&errors);
	return aliases;
}

/* --- checking --- */

/* What is wrong with the address as a target; NULL: nothing. Borrowed from *recipients, which is the caller's to free. */
static const char *
fault_of(const struct site *site, struct span address, struct recipients *recipients)
{
	enum lookup_result result = recipient_expand(&site->host, address, true, recipients);

	return recipients->fault != NULL   ? recipients->fault :
	    result == LOOKUP_LOOP      ? "the alias goes round in a circle, and names nobody" :
	    result == LOOKUP_UNKNOWN   ? "there is no such account or alias" :
					     NULL;
}

static void
complain(struct site *site, const struct alias *alias, struct span what, const char *fault)
{
	tool_warn("%s:%u: %.*s: %s", site->conf->aliases, alias->line, (int)what.len, what.ptr, fault);
	site->unknown++;
}

/* A local part behind a local part is meant at each of the domains, and may be somebody at one of them alone. */
static void
check_at_domains(struct site *site, const struct alias *alias, struct span target)
{
	const struct conf_list *domains = &site->conf->domains;
	bool good = domains->count == 0;

	for (size_t i = 0; i < domains->count && !good; i++) {
		struct buf address = BUF_INIT(1000);
		struct recipients recipients;

		(void)buf_fmt(&address, "%.*s@%s", (int)target.len, target.ptr, domains->item[i]);
		good = fault_of(site, buf_get(&address), &recipients) == NULL;
		recipients_free(&recipients);
		buf_free(&address);
	}
	if (!good)
		complain(site, alias, target, "at none of the domains there is such an account or alias");
}

static void
check_target(struct site *site, const struct alias *alias, struct span target)
{
	struct span domain = alias->key;
	struct buf address = BUF_INIT(1000);
	struct recipients recipients;
	const char *fault;
	ptrdiff_t at;

	/* Whom a pattern or a domain means only the address tells. */
	if (span_chr(target, '*') >= 0 || target.ptr[0] == '@' || span_ieq(target, ALIAS_DISCARD))
		return;
	(void)buf_span(&address, target);
	at = span_rchr(domain, '@');
	if (span_chr(target, '@') < 0) {
		if (span_chr(domain, '*') >= 0 || alias->kind == ALIAS_EXPRESSION)
			return;
		if (at < 0) {
			check_at_domains(site, alias, target);
			buf_free(&address);
			return;
		}
		(void)buf_span(&address, span_skip(domain, (size_t)at));
	}
	fault = fault_of(site, buf_get(&address), &recipients);
	if (fault != NULL)
		complain(site, alias, buf_get(&address), fault);
	recipients_free(&recipients);
	buf_free(&address);
}

/* Mail for other hosts' domains has no aliases here. */
static void
check_key(struct site *site, const struct alias *alias)
{
	ptrdiff_t at = span_rchr(alias->key, '@');
	struct span domain = at >= 0 ? span_skip(alias->key, (size_t)at + 1) : SPAN_NULL;

	if (domain.len != 0 && alias->kind != ALIAS_EXPRESSION && span_chr(domain, '*') < 0 && domain_list_find(&site->conf->domains, domain) == NULL)
		complain(site, alias, alias->key, "its domain is none of the domains here, and nobody asks for it");
}

static void
check_row(void *context, const struct alias *alias)
{
	struct span targets = alias->targets, target;

	check_key(context, alias);
	while (alias_next_target(&targets, &target))
		check_target(context, alias, target);
}

static int
check(struct site *site)
{
	aliases_each(site->host.aliases, check_row, site);
	(void)printf("%s: %zu aliases\n", site->conf->aliases, aliases_count(site->host.aliases));
	return site->unknown == 0 ? EX_OK : EX_DATAERR;
}

/* --- showing --- */

static const char *
describe(const struct site *site, struct span member)
{
	struct buf account = BUF_INIT(320);
	enum lookup_result result = recipient_account(&site->host, member, &account);

	buf_free(&account);
	return result == LOOKUP_LOCAL ? "account" : result == LOOKUP_NOT_OURS ? "another host's" : "nobody's";
}

static int
show(const struct site *site, const char *address)
{
	struct recipients recipients;
	enum lookup_result result = recipient_expand(&site->host, span_of(address), true, &recipients);
	struct span rest = buf_get(&recipients.members), member;

	(void)printf("%s\n", address);
	if (recipients.fault != NULL)
		(void)printf("\t%s: mail waits\n", recipients.fault);
	else if (result == LOOKUP_UNKNOWN)
		(void)printf("\tnobody: mail is refused\n");
	else if (result == LOOKUP_LOOP)
		(void)printf("\tnobody, for it goes round in a circle: mail is refused\n");
	else if (recipients.count == 0)
		(void)printf("\tnobody: mail is discarded\n");
	while (result != LOOKUP_UNKNOWN && span_split(&rest, '\n', &member))
		(void)printf("\t%.*s\t%s\n", (int)member.len, member.ptr, describe(site, member));
	if (recipients.owner.len != 0)
		(void)printf("\ta list: notifications go to %s\n", buf_cstr(&recipients.owner));
	recipients_free(&recipients);
	return result == LOOKUP_UNKNOWN || result == LOOKUP_LOOP || result == LOOKUP_TEMPFAIL ? EX_NOUSER : EX_OK;
}

int
main(int argc, char **argv)
{
	const char *conf_path = NULL;
	struct fourpost_conf conf;
	struct site site = { .conf = &conf };
	struct aliases *aliases = NULL;
	int option, status = EX_OK, r;

	tool_init("mailalias");
	while ((option = getopt(argc, argv, "+C:h")) != -1)
		switch (option) {
		case 'C': conf_path = optarg; break;
		default: usage();
		}
	conf_load_for_tool(conf_path, &conf);
	if (conf.aliases[0] != '\0')
		aliases = read_aliases(conf.aliases);
	else if (optind == argc)
		tool_fail(EX_CONFIG, "no aliases are configured: set aliases in fourpost.conf");
	r = ms_accounts_open(conf.accounts_db, &site.accounts);
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", conf.accounts_db, ms_strerror(r));
	site.host = (struct recipient_host){
		.domains = &conf.domains, .aliases = aliases, .delimiter = conf.recipient_delimiter[0], .exists = exists, .context = &site
	};
	if (optind == argc)
		status = check(&site);
	for (int i = optind; i < argc; i++) {
		/* A local part alone is meant at the first domain, as with sendmail(8). */
		_cleanup_(freep) char *full = strchr(argv[i], '@') == NULL && conf.domains.count != 0 ? xasprintf("%s@%s", argv[i], conf.domains.item[0]) : xstrdup(argv[i]);

		r = show(&site, full);
		status = r != EX_OK ? r : status;
	}
	ms_accounts_close(site.accounts);
	(void)aliases_free(aliases);
	return tool_end(status);
}
