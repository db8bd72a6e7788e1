/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* mailuser(8): adds, removes and lists accounts, and sets their passwords. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/mailuser_forward.h"
#include "cli/mailuser_password.h"
#include "cli/tool.h"
#include "common/address.h"
#include "common/address_fold.h"
#include "common/cleanup.h"
#include "common/conf.h"
#include "common/domain_list.h"
#include "common/span.h"
#include "common/xalloc.h"
#include "libmailstore/mailstore.h"

struct options {
	const char *conf_path, *name, *bytes, *messages;
	bool from_input, remove, keep;
};

static const char *const usage_text =
	"usage: mailuser [-C file] add [-p] [-n name] [-q size] [-m messages] address\n"
	"       mailuser [-C file] password [-p] address\n"
	"       mailuser [-C file] quota [-q size] [-m messages] address\n"
	"       mailuser [-C file] forward [-k] address [target ...]\n"
	"       mailuser [-C file] forward -r address\n"
	"       mailuser [-C file] remove [-r] address\n"
	"       mailuser [-C file] list\n";

static _Noreturn void
usage(void)
{
	(void)fputs(usage_text, stderr);
	exit(EX_USAGE);
}

/* --- accounts --- */

/* The address as it is kept, and the folder it gets. */
static char *
canonical(const char *text, char **ret_path)
{
	_cleanup_(buf_free) struct buf folded = BUF_INIT(ADDRESS_MAX);
	struct address address;
	ptrdiff_t at;

	/* The length is that of the form that is kept: it names a folder, whose local part has at most 64 octets (RFC 5321 section 4.5.3.1.1). */
	if (address_fold(span_of(text), &folded) < 0 || address_parse_mailbox(buf_get(&folded), ADDRESS_SMTPUTF8, &address) != ADDRESS_OK ||
	    address.local.len > ADDRESS_LOCAL_MAX)
		tool_fail(EX_DATAERR, "%s is not an address: user@domain", text);
	at = span_rchr(buf_get(&folded), '@');
	/* '+' begins a detail. */
	if (!local_part_is_account(span_make(folded.data, (size_t)at)) || !span_is_ascii(address.domain) || address.literal)
		tool_fail(EX_DATAERR, "%s: an account's name has letters and digits of one direction, '.', '-' and '_' only, and its domain is one that the DNS may have", text);
	*ret_path = xasprintf("%.*s/%.*s", (int)address.domain.len, address.domain.ptr, (int)at, folded.data);
	return span_dup(buf_get(&folded));
}

/* Those who may read the database: the auth roles. */
static gid_t
auth_group(const struct fourpost_conf *conf)
{
	_cleanup_(freep) char *name = xasprintf("%sauth", conf->role_user_prefix);
	const struct group *group;

	if (geteuid() != 0)
		return (gid_t)-1;
	if (conf->role_uid_base != 0)
		return (gid_t)conf->role_uid_base + 1;
	group = getgrnam(name);
	return group != NULL ? group->gr_gid : (gid_t)-1;
}

/* Mode 0700 and the account's own; the domain's folder is walked through by all accounts in it. */
static void
make_folder(const struct fourpost_conf *conf, const struct ms_account *account)
{
	_cleanup_(freep) char *domain = xasprintf("%s/%.*s", conf->accounts_dir, (int)strcspn(account->path, "/"), account->path);
	_cleanup_(freep) char *folder = xasprintf("%s/%s", conf->accounts_dir, account->path);

	if ((mkdir(domain, 0711) < 0 && errno != EEXIST) || chmod(domain, 0711) < 0)
		tool_fail(EX_CANTCREAT, "%s: %s", domain, strerror(errno));
	if (mkdir(folder, 0700) < 0) {
		struct stat st;

		if (errno != EEXIST || lstat(folder, &st) < 0 || !S_ISDIR(st.st_mode))
			tool_fail(EX_CANTCREAT, "%s: %s", folder, strerror(errno));
		if (geteuid() == 0 && st.st_uid != account->uid)
			tool_fail(EX_CANTCREAT, "%s is there already and belongs to uid %u: remove it, or give it to uid %u", folder, st.st_uid, account->uid);
	} else if (geteuid() == 0 && lchown(folder, account->uid, (gid_t)account->uid) < 0) {
		tool_fail(EX_CANTCREAT, "%s: %s", folder, strerror(errno));
	}
}

static void
take_quota(const struct options *options, struct ms_account *account)
{
	if (options->bytes != NULL)
		account->quota.bytes = tool_read_amount(options->bytes, true);
	if (options->messages != NULL)
		account->quota.messages = tool_read_amount(options->messages, false);
}

static void
add(const struct fourpost_conf *conf, const struct options *options, const char *text)
{
	struct ms_account account = { .enabled = true };
	const char *domain;
	int r;

	account.address = canonical(text, &account.path);
	domain = strchr(account.address, '@') + 1;
	if (domain_list_find(&conf->domains, span_of(domain)) == NULL)
		(void)fprintf(stderr, "mailuser: %s is not among the domains of fourpost.conf: mail for it will not be taken\n", domain);
	account.name = xstrdup(options->name != NULL ? options->name : "");
	take_quota(options, &account);
	account.password = mailuser_hash_password(options->from_input);
	r = ms_accounts_put(conf->accounts_db, &account, true, (uint32_t)conf->account_uid_low, (uint32_t)conf->account_uid_high, auth_group(conf));
	if (r == MS_E_EXISTS)
		tool_fail(EX_CANTCREAT, "%s is an account already", account.address);
	if (r == MS_E_LIMIT)
		tool_fail(EX_CANTCREAT, "no uid is left between account_uid_low and account_uid_high");
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", conf->accounts_db, ms_strerror(r));
	make_folder(conf, &account);
	(void)printf("%s added, uid %u\n", account.address, account.uid);
	ms_account_clear(&account);
}

static int
get(const struct fourpost_conf *conf, const char *address, struct ms_account *ret)
{
	struct ms_accounts *accounts;
	int r = ms_accounts_open(conf->accounts_db, &accounts);

	if (r == 0)
		r = ms_accounts_get(accounts, address, strlen(address), ret);
	ms_accounts_close(accounts);
	return r;
}

static void
must_get(const struct fourpost_conf *conf, const char *text, struct ms_account *ret)
{
	_cleanup_(freep) char *path = NULL, *address = canonical(text, &path);
	int r = get(conf, address, ret);

	if (r == MS_E_NOTFOUND)
		tool_fail(EX_NOUSER, "%s is no account", address);
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", conf->accounts_db, ms_strerror(r));
}

static void
set_password(const struct fourpost_conf *conf, const struct options *options, const char *text)
{
	struct ms_account account;
	char *hash;
	int r;

	/* Nobody is asked in vain. The record is read anew then: it is put as a whole, and others may change it while somebody types. */
	must_get(conf, text, &account);
	ms_account_clear(&account);
	hash = mailuser_hash_password(options->from_input);
	must_get(conf, text, &account);
	free(account.password);
	account.password = hash;
	r = ms_accounts_put(conf->accounts_db, &account, false, 0, 0, auth_group(conf));
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", conf->accounts_db, ms_strerror(r));
	(void)printf("%s has a new password\n", account.address);
	ms_account_clear(&account);
}

static void
set_quota(const struct fourpost_conf *conf, const struct options *options, const char *text)
{
	struct ms_account account;
	int r;

	must_get(conf, text, &account);
	take_quota(options, &account);
	r = ms_accounts_put(conf->accounts_db, &account, false, 0, 0, auth_group(conf));
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", conf->accounts_db, ms_strerror(r));
	(void)printf("%s: %llu bytes, %llu messages (0: no limit)\n", account.address, (unsigned long long)account.quota.bytes,
	    (unsigned long long)account.quota.messages);
	ms_account_clear(&account);
}

static void
remove_account(const struct fourpost_conf *conf, const struct options *options, const char *text)
{
	struct ms_account account = { .path = NULL };
	_cleanup_(freep) char *path = NULL, *address = canonical(text, &path), *folder = NULL;
	int r = get(conf, address, &account);
	bool had_account = r == 0;
	struct stat st;

	folder = xasprintf("%s/%s", conf->accounts_dir, had_account ? account.path : path);
	ms_account_clear(&account);
	if (had_account)
		r = ms_accounts_remove(conf->accounts_db, address, auth_group(conf));
	/* Its mail may have stayed when the account was removed, or a removal that was cut short have left some. */
	else if (r == MS_E_NOTFOUND && options->remove && lstat(folder, &st) == 0)
		r = 0;
	if (r == MS_E_NOTFOUND)
		tool_fail(EX_NOUSER, "%s is no account", address);
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", conf->accounts_db, ms_strerror(r));
	if (options->remove) {
		r = tool_remove_tree(folder);
		if (r < 0)
			tool_fail(EX_IOERR, "%s is no account any more, but its mail could not be removed: %s: %s", address, folder, strerror(-r));
		(void)printf(had_account ? "%s removed, with its mail\n" : "%s was no account any more; its mail is removed\n", address);
	} else {
		(void)printf("%s removed; its mail stays in %s: remove -r removes it\n", address, folder);
	}
}

/* An address, and those that its mail is sent on to. */
static void
forward(const struct fourpost_conf *conf, const struct options *options, char **words, size_t count)
{
	const struct forward_command command = { options->keep, options->remove, words + 1, count - 1 };
	struct ms_account account;

	if (options->remove && (count != 1 || options->keep))
		usage();
	must_get(conf, words[0], &account);
	mailuser_forward(conf, &account, &command);
	ms_account_clear(&account);
}

static int
print_account(void *context, const struct ms_account *account)
{
	char date[32] = "";
	struct tm day;
	time_t created = (time_t)account->created;

	(void)context;
	if (gmtime_r(&created, &day) != NULL)
		(void)strftime(date, sizeof(date), "%Y-%m-%d", &day);
	(void)printf("%s\tuid %u\t%s\t%s%s", account->address, account->uid, date, account->enabled ? "" : "disabled ", account->name);
	if (account->quota.bytes != 0)
		(void)printf("\t%llu bytes", (unsigned long long)account->quota.bytes);
	if (account->quota.messages != 0)
		(void)printf("\t%llu messages", (unsigned long long)account->quota.messages);
	(void)printf("\n");
	return 0;
}

static void
list(const struct fourpost_conf *conf)
{
	struct ms_accounts *accounts;
	int r = ms_accounts_open(conf->accounts_db, &accounts);

	if (r == 0)
		r = ms_accounts_each(accounts, print_account, NULL);
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", conf->accounts_db, ms_strerror(r));
	ms_accounts_close(accounts);
}

int
main(int argc, char **argv)
{
	struct options options = { .conf_path = NULL };
	struct fourpost_conf conf;
	const char *command;
	int option;

	tool_init("mailuser");
	while ((option = getopt(argc, argv, "+C:h")) != -1)
		switch (option) {
		case 'C': options.conf_path = optarg; break;
		default: usage();
		}
	if (optind == argc)
		usage();
	command = argv[optind];
	argc -= optind;
	argv += optind;
	optind = 0; /* glibc: begin again, with the options behind the command */
	while ((option = getopt(argc, argv, "+km:n:pq:r")) != -1)
		switch (option) {
		case 'k': options.keep = true; break;
		case 'm': options.messages = optarg; break;
		case 'n': options.name = optarg; break;
		case 'q': options.bytes = optarg; break;
		case 'p': options.from_input = true; break;
		case 'r': options.remove = true; break;
		default: usage();
		}
	conf_load_for_tool(options.conf_path, &conf);
	(void)umask(022);
	if (strcmp(command, "list") == 0 && argc == optind)
		list(&conf);
	else if (strcmp(command, "forward") == 0 && argc > optind)
		forward(&conf, &options, argv + optind, (size_t)(argc - optind));
	else if (argc != optind + 1)
		usage();
	else if (strcmp(command, "add") == 0)
		add(&conf, &options, argv[optind]);
	else if (strcmp(command, "password") == 0)
		set_password(&conf, &options, argv[optind]);
	else if (strcmp(command, "quota") == 0)
		set_quota(&conf, &options, argv[optind]);
	else if (strcmp(command, "remove") == 0)
		remove_account(&conf, &options, argv[optind]);
	else
		usage();
	return tool_end(EX_OK);
}
