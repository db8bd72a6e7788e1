/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* mailstore(8): looks after the stores of accounts: checks them, makes the index again, lists what they hold, limits
 * that, moves mail in and out.
 * Here: the command line, and one process for each account, with the account's uid. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/mailstore.h"
#include "cli/tool.h"
#include "common/cleanup.h"
#include "common/conf.h"
#include "common/xalloc.h"
#include "libmailstore/mailstore.h"

static const char *const usage_text =
    "usage: mailstore [-C file] check [--repair] -a | address ...\n"
    "       mailstore [-C file] rebuild | list -a | address ...\n"
    "       mailstore [-C file] quota [-n messages] [-q size] -b mailbox address\n"
    "       mailstore [-C file] import [-f] -a | address ...\n"
    "       mailstore [-C file] import [-f] -d folder address\n"
    "       mailstore [-C file] import | export [-b mailbox] -m file address\n"
    "       mailstore [-C file] backup -d folder -a | address ...\n"
    "       mailstore [-C file] restore [-f] -d folder address\n";

static _Noreturn void
usage(void)
{
	(void)fputs(usage_text, stderr);
	exit(EX_USAGE);
}

/* Which options a command may have, and which it must. */
static const struct command {
	const char *name, *may, *must;
	bool one; /* account */
	int (*run)(const struct mailstore_job *job);
} commands[] = {
	{ "check", "a", "", false, mailstore_check },
	{ "check", "ar", "r", false, mailstore_repair },
	{ "rebuild", "a", "", false, mailstore_rebuild },
	{ "list", "a", "", false, mailstore_list },
	{ "quota", "bnq", "b", true, mailstore_quota },
	{ "import", "af", "", false, mailstore_import },
	{ "import", "df", "d", true, mailstore_import_from },
	{ "import", "bm", "m", true, mailstore_import_mbox },
	{ "export", "bm", "m", true, mailstore_export_mbox },
	{ "backup", "ad", "d", false, mailstore_backup },
	{ "restore", "df", "d", true, mailstore_restore },
};

/* given: the letters of the options. */
static const struct command *
find_command(const char *name, const char *given)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		const struct command *command = &commands[i];

		if (strcmp(command->name, name) == 0 && strspn(given, command->may) == strlen(given) && (command->must[0] == '\0' || strchr(given, command->must[0]) != NULL))
			return command;
	}
	return NULL;
}

struct ms_store *
mailstore_open_telling(const struct mailstore_job *job, ms_fault_fn fault, void *context)
{
	struct ms_store *store;
	int r = ms_open_telling(job->folder, fault, context, &store);

	if (r == MS_E_LOCKED)
		tool_fail(EX_TEMPFAIL, "%s: its mail is being moved in; if no mailstore runs, run the one that was cut short again", job->address);
	if (r != 0)
		tool_fail(r == -EACCES ? EX_NOPERM : EX_IOERR, "%s: %s: %s", job->address, job->folder, ms_strerror(r));
	return store;
}

struct ms_store *
mailstore_open(const struct mailstore_job *job)
{
	return mailstore_open_telling(job, NULL, NULL);
}

/* As the account, never as root: the account may put what it likes into its folder. Restoring goes on changing between two accounts. */
static void
become_account(const struct ms_account *account, bool for_good)
{
	uid_t saved = for_good ? account->uid : 0;

	if (geteuid() != 0)
		return;
	if (setgroups(0, NULL) < 0 || setresgid((gid_t)account->uid, (gid_t)account->uid, (gid_t)account->uid) < 0 ||
	    setresuid(saved, account->uid, saved) < 0)
		tool_fail(EX_OSERR, "cannot become uid %u: %s", account->uid, strerror(errno));
}

struct all {
	const struct fourpost_conf *conf;
	const struct command *command;
	struct mailstore_job job;
	int worst;
};

/* Opened by whoever called: files and folders of theirs need not be the account's. */
static void
open_file(struct mailstore_job *job, bool write)
{
	if (strcmp(job->file, "-") == 0)
		job->file_fd = write ? STDOUT_FILENO : STDIN_FILENO;
	else
		job->file_fd = open(job->file, write ? O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600);
	if (job->file_fd < 0)
		tool_fail(write ? EX_CANTCREAT : EX_NOINPUT, "%s: %s", job->file, strerror(errno));
}

/* The account's folder in the folder of backups, made with the account as its owner. */
static int
open_backups(const char *into, const struct ms_account *account)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", into, account->path);
	struct stat st;
	int fd;

	if (stat(into, &st) < 0)
		tool_fail(EX_CANTCREAT, "%s: %s: make the folder for the backups first", into, strerror(errno));
	for (char *slash = path + strlen(into); (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
		*slash = '\0';
		if (mkdir(path, 0711) < 0 && errno != EEXIST)
			tool_fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	}
	if (mkdir(path, 0700) == 0) {
		if (geteuid() == 0 && chown(path, account->uid, (gid_t)account->uid) < 0)
			tool_fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	} else if (errno != EEXIST) {
		tool_fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		tool_fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	return fd;
}

static int
in_child(const struct all *all, const struct ms_account *account)
{
	_cleanup_(freep) char *folder = xasprintf("%s/%s", all->conf->accounts_dir, account->path);
	bool restoring = all->command->run == mailstore_restore || all->command->run == mailstore_import_from;
	struct mailstore_job job = all->job;
	int status;
	pid_t pid;

	job.address = account->address;
	job.folder = folder;
	job.quota = account->quota;
	job.uid = geteuid() == 0 ? account->uid : geteuid();
	if (job.into != NULL)
		job.into_fd = restoring ? open(job.into, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : open_backups(job.into, account);
	if (job.into != NULL && job.into_fd < 0)
		tool_fail(EX_NOINPUT, "%s: %s", job.into, strerror(errno));
	(void)fflush(stdout);
	pid = fork();
	if (pid < 0)
		tool_fail(EX_OSERR, "%s", strerror(errno));
	if (pid == 0) {
		become_account(account, !restoring);
		status = all->command->run(&job);
		exit(tool_end(status));
	}
	if (job.into_fd >= 0)
		(void)close(job.into_fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

static int
run_one(void *context, const struct ms_account *account)
{
	struct all *all = context;
	int status = in_child(all, account);

	if (status > all->worst)
		all->worst = status;
	return 0;
}

static void
run_named(struct all *all, struct ms_accounts *accounts, const char *address)
{
	struct ms_account account;
	int r = ms_accounts_get(accounts, address, strlen(address), &account);

	if (r == MS_E_NOTFOUND)
		tool_fail(EX_NOUSER, "%s is no account", address);
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", all->conf->accounts_db, ms_strerror(r));
	(void)run_one(all, &account);
	ms_account_clear(&account);
}

static const struct option long_options[] = {
	{ "all", no_argument, NULL, 'a' }, { "mailbox", required_argument, NULL, 'b' }, { "folder", required_argument, NULL, 'd' },
	{ "force", no_argument, NULL, 'f' }, { "mbox", required_argument, NULL, 'm' }, { "messages", required_argument, NULL, 'n' },
	{ "size", required_argument, NULL, 'q' }, { "repair", no_argument, NULL, 'r' }, { NULL, 0, NULL, 0 },
};

/* Returns the index of the first argument behind the options. */
static int
read_options(int argc, char **argv, struct all *all, bool *ret_every)
{
	char given[8] = "";
	size_t count = 0;
	int option;

	*ret_every = false;
	optind = 0;
	while ((option = getopt_long(argc, argv, "+ab:d:fm:n:q:r", long_options, NULL)) != -1) {
		switch (option) {
		case 'a': *ret_every = true; break;
		case 'b': all->job.mailbox = optarg; break;
		case 'd': all->job.into = optarg; break;
		case 'f': all->job.force = true; break;
		case 'm': all->job.file = optarg; break;
		case 'n': all->job.messages = optarg; break;
		case 'q': all->job.bytes = optarg; break;
		case 'r': break;
		default: usage();
		}
		if (count < sizeof(given) - 1)
			given[count++] = (char)option;
	}
	all->command = find_command(argv[0], given);
	if (all->command == NULL || *ret_every == (optind < argc) || (all->command->one && argc - optind != 1))
		usage();
	return optind;
}

int
main(int argc, char **argv)
{
	struct all all = { .job = { .mailbox = "INBOX", .file_fd = -1, .into_fd = -1 } };
	struct fourpost_conf conf;
	struct ms_accounts *accounts;
	const char *conf_path = NULL;
	bool every;
	int option, first, r;

	tool_init("mailstore");
	while ((option = getopt(argc, argv, "+C:h")) != -1)
		switch (option) {
		case 'C': conf_path = optarg; break;
		default: usage();
		}
	if (optind == argc)
		usage();
	argc -= optind;
	argv += optind;
	first = read_options(argc, argv, &all, &every);
	conf_load_for_tool(conf_path, &conf);
	all.conf = &conf;
	(void)umask(077);
	if (all.job.file != NULL)
		open_file(&all.job, all.command->run == mailstore_export_mbox);
	r = ms_accounts_open(conf.accounts_db, &accounts);
	if (r == 0 && every)
		r = ms_accounts_each(accounts, run_one, &all);
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", conf.accounts_db, ms_strerror(r));
	for (int i = first; i < argc; i++)
		run_named(&all, accounts, argv[i]);
	ms_accounts_close(accounts);
	return all.worst;
}
