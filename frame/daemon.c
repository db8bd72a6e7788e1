/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Everything main() does: options, configuration, then the parent or, re-executed with -x, a role. */
#include "frame/daemon.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "frame/conf_check.h"
#include "frame/frame_msg.h"

#define ERRORS_MAX (1 << 20)

static const struct msg_row frame_rows[] = {
#define MSG(name, from, to, min, max, fd) { MSG_##name, #name, from, to, min, max, fd },
#define FD MSG_FD
#include "frame/frame_msg.def"
#undef FD
#undef MSG
};

struct msg_table
daemon_messages(const struct daemon *daemon)
{
	static const struct msg_row *rows[2];
	static size_t counts[2];

	rows[0] = frame_rows;
	counts[0] = sizeof(frame_rows) / sizeof(*frame_rows);
	rows[1] = daemon->messages;
	counts[1] = daemon->message_count;
	return (struct msg_table){ rows, counts, 2 };
}

void
daemon_tables(const struct daemon *daemon, const struct conf_table *ret_tables[DAEMON_TABLES])
{
	ret_tables[0] = &fourpost_conf_table;
	ret_tables[1] = daemon->conf_table;
}

static int
usage(const struct daemon *daemon, FILE *to, int status)
{
	(void)fprintf(to,
	    "usage: %s [-bnPv] [-C file] [-J role[:account]]%s\n"
	    "  -b  run in the background and log to syslog\n"
	    "  -C  the configuration file (default /etc/fourpost/%s.conf)\n"
	    "  -J  enter the jail of a role, try what it must not do, print, and exit\n"
	    "  -n  check the configuration and exit\n"
	    "  -P  print the configuration in force and exit\n"
	    "  -v  log more\n",
	    daemon->name, daemon->explain != NULL ? " [-R] [-T message]" : "", daemon->name);
	if (daemon->explain != NULL)
		(void)fputs("  -T  tell why the stored message was taken as it was, and exit; -R: ask the DNS again\n", to);
	return status;
}

static int
load(const struct daemon *daemon, const char *path, bool with_files, void *conf)
{
	struct buf errors = BUF_INIT(ERRORS_MAX);
	int r = conf_load_checked(daemon, path, conf, &errors);

	if (r >= 0 && r != CONF_UNREAD && with_files) {
		conf_check_files(daemon, conf, false, &errors);
		r = errors.len != 0;
	}
	if (r < 0)
		(void)fprintf(stderr, "%s: %s: %s\n", daemon->name, path, strerror(-r));
	else if (r > 0)
		(void)fputs(buf_cstr(&errors), stderr);
	buf_free(&errors);
	return r;
}

static int
print_configuration(const struct daemon *daemon, const void *conf)
{
	const struct conf_table *tables[DAEMON_TABLES];
	struct buf out = BUF_INIT(ERRORS_MAX);
	int status;

	daemon_tables(daemon, tables);
	conf_print(tables, DAEMON_TABLES, conf, &out);
	status = fputs(buf_cstr(&out), stdout) >= 0 && fflush(stdout) == 0 ? EX_OK : EX_IOERR;
	buf_free(&out);
	return status;
}

static int
explain(const struct daemon *daemon, const void *conf, const char *path, bool ask)
{
	struct buf out = BUF_INIT(ERRORS_MAX);
	int r = daemon->explain(conf, path, ask, &out);

	if (fputs(buf_cstr(&out), stdout) < 0 || fflush(stdout) != 0)
		r = r < 0 ? r : -EIO;
	if (r < 0)
		(void)fprintf(stderr, "%s: %s: %s\n", daemon->name, path,
		    r == -ENOENT && out.len != 0 ? "The DNS cannot be asked about its client" : strerror(-r));
	buf_free(&out);
	return r == 0 ? EX_OK : EX_NOINPUT;
}

/* A SIGHUP that comes before anybody can obey it waits (proc_parent). Those that no daemon has a use for would end it. */
static void
hold_signals(void)
{
	static const int ignored[] = { SIGUSR1, SIGUSR2, SIGALRM };
	sigset_t reload;

	(void)sigemptyset(&reload);
	(void)sigaddset(&reload, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &reload, NULL);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
}

/* The parent in the background stands in "/". Links on the way are followed at each reload, as they are then. */
static const char *
absolute(const char *path)
{
	char folder[PATH_MAX];

	return path[0] == '/' || getcwd(folder, sizeof(folder)) == NULL ? path : xasprintf("%s/%s", folder, path);
}

int
daemon_main(const struct daemon *daemon, int argc, char **argv)
{
	char preset[256];
	struct daemon_options options = { .conf_path = preset };
	const char *role = NULL, *message = NULL;
	bool check = false, print = false, ask = false;
	void *conf;
	int option;

	(void)snprintf(preset, sizeof(preset), "/etc/fourpost/%s.conf", daemon->name);
	while ((option = getopt(argc, argv, "bC:hJ:nPRT:vx:")) != -1)
		switch (option) {
		case 'b': options.background = true; break;
		case 'C': options.conf_path = xstrdup(optarg); break; /* the title will stand where argv stands */
		case 'h': return usage(daemon, stdout, EX_OK);
		case 'J': options.probe = xstrdup(optarg); break;
		case 'n': check = true; break;
		case 'P': print = true; break;
		case 'R': ask = true; break;
		case 'T': message = xstrdup(optarg); break;
		case 'v': options.debug = true; break;
		case 'x': role = optarg; break;
		default: return usage(daemon, stderr, EX_USAGE);
		}
	proc_title_init(argc, argv);
	if (role != NULL)
		return role_main(daemon, xstrdup(role), options.background, options.debug);
	if (optind != argc || ((message != NULL || ask) && daemon->explain == NULL) || (ask && message == NULL))
		return usage(daemon, stderr, EX_USAGE);
	if (!check && !print && message == NULL)
		hold_signals();
	conf = xcalloc(1, daemon->conf_size);
	if (load(daemon, options.conf_path, !print && options.probe == NULL && message == NULL, conf) != 0)
		return EX_CONFIG;
	if (check) {
		(void)printf("%s: configuration OK\n", options.conf_path);
		return EX_OK;
	}
	if (message != NULL)
		return explain(daemon, conf, message, ask);
	if (print)
		return print_configuration(daemon, conf);
	if (options.background)
		options.conf_path = absolute(options.conf_path);
	return proc_parent(daemon, conf, &options);
}
