/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* mailstore(8): looks after the stores of accounts: checks them, makes the index again, lists what they hold. */
#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/tool.h"
#include "common/cleanup.h"
#include "common/conf.h"
#include "common/xalloc.h"
#include "libmailstore/mailstore.h"

/* More than sysexits has: faults were found. */
#define EXIT_FAULTS 1

static const char *const usage_text = "usage: mailstore [-C file] check|rebuild|list [-a | address ...]\n";

static _Noreturn void
usage(void)
{
	(void)fputs(usage_text, stderr);
	exit(EX_USAGE);
}

struct faults {
	const char *address;
	unsigned count;
};

static void
print_fault(void *context, const char *mailbox, uint32_t uid, const char *fault)
{
	struct faults *faults = context;

	faults->count++;
	if (uid != 0)
		(void)printf("%s: %s: message %u: %s\n", faults->address, mailbox, uid, fault);
	else
		(void)printf("%s: %s: %s\n", faults->address, mailbox, fault);
}

static int
check(struct ms_store *store, const char *address)
{
	struct faults faults = { address, 0 };
	int r = ms_check(store, print_fault, &faults);

	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", address, ms_strerror(r));
	if (faults.count == 0)
		(void)printf("%s: no fault\n", address);
	else
		(void)printf("%s: %u fault(s); mailstore rebuild %s makes the index again from the mail itself\n", address, faults.count, address);
	return faults.count == 0 ? EX_OK : EXIT_FAULTS;
}

static int
rebuild(struct ms_store *store, const char *address)
{
	int r = ms_rebuild(store);

	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", address, ms_strerror(r));
	(void)printf("%s: index made again\n", address);
	return EX_OK;
}

static int
list(struct ms_store *store, const char *address)
{
	struct ms_mailbox_info *boxes;
	size_t count;
	int r = ms_mailboxes(store, &boxes, &count);

	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", address, ms_strerror(r));
	for (size_t i = 0; i < count; i++)
		(void)printf("%s\t%s\t%u messages\t%u unseen\t%llu bytes\tUIDVALIDITY %u\tUIDNEXT %u%s\n", address, boxes[i].name, boxes[i].messages,
		    boxes[i].unseen, (unsigned long long)boxes[i].size, boxes[i].uidvalidity, boxes[i].uidnext, boxes[i].subscribed ? "" : "\tnot subscribed");
	ms_mailboxes_free(boxes, count);
	return EX_OK;
}

static const struct {
	const char *name;
	int (*run)(struct ms_store *store, const char *address);
} commands[] = { { "check", check }, { "rebuild", rebuild }, { "list", list } };

/* As the account, never as root: the account may put what it likes into its folder. */
static void
become_account(const struct ms_account *account)
{
	if (geteuid() != 0)
		return;
	if (setgroups(0, NULL) < 0 || setresgid((gid_t)account->uid, (gid_t)account->uid, (gid_t)account->uid) < 0 ||
	    setresuid(account->uid, account->uid, account->uid) < 0)
		tool_fail(EX_OSERR, "cannot become uid %u: %s", account->uid, strerror(errno));
}

static int
in_child(const struct fourpost_conf *conf, const struct ms_account *account, int (*run)(struct ms_store *store, const char *address))
{
	_cleanup_(freep) char *folder = xasprintf("%s/%s", conf->accounts_dir, account->path);
	struct ms_store *store;
	int status;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid < 0)
		tool_fail(EX_OSERR, "%s", strerror(errno));
	if (pid == 0) {
		int r;

		become_account(account);
		r = ms_open(folder, &store);
		if (r != 0)
			tool_fail(r == -EACCES ? EX_NOPERM : EX_IOERR, "%s: %s: %s", account->address, folder, ms_strerror(r));
		status = run(store, account->address);
		ms_close(store);
		exit(fflush(stdout) == 0 ? status : EX_IOERR);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

struct all {
	const struct fourpost_conf *conf;
	int (*run)(struct ms_store *store, const char *address);
	int worst;
};

static int
run_one(void *context, const struct ms_account *account)
{
	struct all *all = context;
	int status = in_child(all->conf, account, all->run);

	if (status > all->worst)
		all->worst = status;
	return 0;
}

int
main(int argc, char **argv)
{
	struct all all = { .conf = NULL };
	struct fourpost_conf conf;
	struct ms_accounts *accounts;
	const char *conf_path = NULL, *command;
	bool every = false;
	int option, r;

	tool_init("mailstore");
	while ((option = getopt(argc, argv, "+C:h")) != -1)
		switch (option) {
		case 'C': conf_path = optarg; break;
		default: usage();
		}
	if (optind == argc)
		usage();
	command = argv[optind];
	argc -= optind;
	argv += optind;
	optind = 0;
	while ((option = getopt(argc, argv, "+a")) != -1)
		switch (option) {
		case 'a': every = true; break;
		default: usage();
		}
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(commands[i].name, command) == 0)
			all.run = commands[i].run;
	if (all.run == NULL || every == (optind < argc))
		usage();
	conf_load_for_tool(conf_path, &conf);
	all.conf = &conf;
	(void)umask(077);
	r = ms_accounts_open(conf.accounts_db, &accounts);
	if (r == 0 && every)
		r = ms_accounts_each(accounts, run_one, &all);
	for (int i = optind; r == 0 && i < argc; i++) {
		struct ms_account account;

		r = ms_accounts_get(accounts, argv[i], strlen(argv[i]), &account);
		if (r == MS_E_NOTFOUND)
			tool_fail(EX_NOUSER, "%s is no account", argv[i]);
		if (r == 0) {
			(void)run_one(&all, &account);
			ms_account_clear(&account);
		}
	}
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", conf.accounts_db, ms_strerror(r));
	ms_accounts_close(accounts);
	return all.worst;
}
