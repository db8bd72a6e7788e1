/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The shared options, checked the same in all daemons; each adds its own conf_check. */
#include "frame/conf_check.h"

#include <netdb.h>
#include <string.h>

#include "common/address.h"
#include "common/domain_list.h"
#include "common/log.h"
#include "frame/daemon.h"
#include "frame/parent.h"

static void
check_paths(const struct fourpost_conf *conf, struct buf *errors)
{
	const struct {
		const char *name, *path;
	} paths[] = {
		{ "aliases", conf->aliases }, { "srs_secret", conf->srs_secret }, { "accounts_db", conf->accounts_db }, { "accounts_dir", conf->accounts_dir }, { "spool_dir", conf->spool_dir },
		{ "tls_certificate", conf->tls_certificate }, { "tls_key", conf->tls_key }, { "empty_dir", conf->empty_dir },
		{ "pid_dir", conf->pid_dir },
	};

	/* A daemon in the background stands in "/", not where it was started. */
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (paths[i].path[0] != '/' && paths[i].path[0] != '\0')
			(void)buf_fmt(errors, "%s: %s is not an absolute path\n", paths[i].name, paths[i].path);
}

static void
check_names(const struct fourpost_conf *conf, struct buf *errors)
{
	bool literal = false;

	/* Empty means the system's, whatever that is. */
	if (conf->hostname[0] != '\0' &&
	    (address_parse_domain(span_of(conf->hostname), 0, &literal) != ADDRESS_OK || literal))
		(void)buf_fmt(errors, "hostname: \"%s\" is not a host name\n", conf->hostname);
	for (size_t i = 0; i < conf->domains.count; i++)
		if (!domain_list_may_have(span_of(conf->domains.item[i])))
			(void)buf_fmt(errors, "domains: \"%s\" is not a mail domain\n", conf->domains.item[i]);
}

static void
check_numbers(const struct fourpost_conf *conf, struct buf *errors)
{
	enum log_level level;

	if (!log_level_parse(span_of(conf->log_level), &level))
		(void)buf_fmt(errors, "log_level: \"%s\" is none of error, warning, info, debug\n", conf->log_level);
	if (conf->account_uid_low > conf->account_uid_high)
		(void)buf_str(errors, "account_uid_low is greater than account_uid_high\n");
}

void
conf_check_reload(const struct fourpost_conf *former, const struct fourpost_conf *conf, struct buf *errors)
{
	const struct {
		const char *name, *former, *now;
	} options[] = {
		{ "accounts_db", former->accounts_db, conf->accounts_db }, { "accounts_dir", former->accounts_dir, conf->accounts_dir },
		{ "spool_dir", former->spool_dir, conf->spool_dir }, { "empty_dir", former->empty_dir, conf->empty_dir },
		{ "role_user_prefix", former->role_user_prefix, conf->role_user_prefix },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (strcmp(options[i].former, options[i].now) != 0)
			(void)buf_fmt(errors, "%s needs a restart: it is %s and would be %s\n", options[i].name, options[i].former, options[i].now);
	if (former->role_uid_base != conf->role_uid_base)
		(void)buf_fmt(errors, "role_uid_base needs a restart: it is %lld and would be %lld\n", (long long)former->role_uid_base, (long long)conf->role_uid_base);
}

static const char *
option_at(const struct conf_table *table, size_t offset)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->base + table->rows[i].offset == offset)
			return table->rows[i].name;
	return "listen";
}

void
conf_of_start(const struct daemon *daemon, const void *conf, struct buf *out)
{
	const struct fourpost_conf *common = conf;

	(void)buf_fmt(out, "pid_dir %s\n", common->pid_dir);
	for (size_t i = 0; i < daemon->listener_count; i++) {
		size_t offset = daemon->listeners[i].offset;
		const struct conf_list *addresses = (const struct conf_list *)(const void *)((const char *)conf + offset);

		(void)buf_str(out, option_at(daemon->conf_table, offset));
		for (size_t k = 0; k < addresses->count; k++)
			(void)buf_fmt(out, " %s", addresses->item[k]);
		(void)buf_char(out, '\n');
	}
}

static void
check_listeners(const struct daemon *daemon, const void *conf, struct buf *errors)
{
	for (size_t i = 0; i < daemon->listener_count; i++) {
		size_t offset = daemon->listeners[i].offset;
		const struct conf_list *addresses = (const struct conf_list *)(const void *)((const char *)conf + offset);

		for (size_t k = 0; k < addresses->count; k++) {
			struct addrinfo *found = NULL;

			if (daemon->listeners[i].path && parent_is_path(addresses->item[k]))
				continue;
			found = parent_address(addresses->item[k]);
			if (found == NULL)
				(void)buf_fmt(errors, "%s: %s is not address:port, as in 192.0.2.1:25, [2001:db8::1]:25 or *:25\n",
				    option_at(daemon->conf_table, offset), addresses->item[k]);
			else
				freeaddrinfo(found);
		}
	}
}

int
conf_load_checked(const struct daemon *daemon, const char *path, void *conf, struct buf *errors)
{
	const struct conf_table *tables[DAEMON_TABLES];
	struct fourpost_conf *common = conf;
	int r;

	daemon_tables(daemon, tables);
	r = conf_load(path, tables, DAEMON_TABLES, conf, errors);
	if (r < 0 || r == CONF_UNREAD)
		return r;
	/* An option with a fault has its default here: the rest is checked in the same run. */
	check_names(common, errors);
	conf_fill(common);
	if (daemon->conf_fill != NULL)
		daemon->conf_fill(conf);
	check_paths(common, errors);
	check_numbers(common, errors);
	check_listeners(daemon, conf, errors);
	if (daemon->conf_check != NULL)
		daemon->conf_check(conf, errors);
	return errors->len != 0;
}
