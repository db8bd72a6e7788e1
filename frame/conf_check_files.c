/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the configuration names on the host: certificate and key, folders, users; looked at before anything depends on them. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/tls.h"
#include "common/xalloc.h"
#include "frame/aliases.h"
#include "frame/conf_check.h"
#include "frame/read_file.h"
#include "frame/srs_file.h"

#define EXPLANATION_MAX 4096
/* Mail can be taken in before the accounts' file system answers. */
#define FOLDER_PATIENCE_MS 3000
#define EXPIRES_SOON (7 * 86400)

static int
sign_with(void *context, enum tls_sign_kind kind, struct span input, struct buf *out)
{
	return tls_key_sign(context, kind, input, out);
}

static void
read_pem(const char *option, const char *path, struct buf *pem, struct buf *errors)
{
	int r = read_file(path, pem);

	if (r < 0)
		(void)buf_fmt(errors, "%s: %s: %s\n", option, path, strerror(-r));
}

/* No fault: what is served with it may still be of use, and who must not read it may be nobody. */
static void
warn_of_certificate(const struct fourpost_conf *conf, const struct ssl_ctx_st *context)
{
	int64_t left = tls_seconds_left(context);

	if (left < EXPIRES_SOON)
		log_warning(left < 0 ? "certificate-expired" : "certificate-expires", log_str("file", conf->tls_certificate), log_i64("seconds", left),
		    log_str("hint", "renew it, and reload"));
}

void
conf_warn_of_secret(const char *option, const char *path)
{
	struct stat st;
	char mode[8];

	if (path[0] == '\0' || stat(path, &st) < 0 || (st.st_mode & (S_IRWXO | S_IWGRP)) == 0)
		return;
	(void)snprintf(mode, sizeof(mode), "%04o", (unsigned)(st.st_mode & 07777));
	log_warning("secret-exposed", log_str("option", option), log_str("file", path), log_str("mode", mode),
	    log_str("hint", "others may read or write it: make a new one that they cannot"));
}

static void
examine_tls(const void *values, struct buf *errors)
{
	const struct fourpost_conf *conf = values;
	struct buf certificate = BUF_INIT(FILE_MAX), key_pem = BUF_INIT(FILE_MAX), error = BUF_INIT(512);
	struct ssl_ctx_st *context = NULL;
	struct tls_key *key = NULL;

	read_pem("tls_certificate", conf->tls_certificate, &certificate, errors);
	read_pem("tls_key", conf->tls_key, &key_pem, errors);
	if (errors->len == 0 && (key = tls_key_load(buf_get(&key_pem), &error)) == NULL)
		(void)buf_fmt(errors, "tls_key: %s: %s\n", conf->tls_key, buf_cstr(&error));
	buf_clear(&error);
	if (certificate.len != 0 && (context = tls_server_new(buf_get(&certificate), sign_with, key, NULL, &error)) == NULL)
		(void)buf_fmt(errors, "tls_certificate: %s: %s\n", conf->tls_certificate, buf_cstr(&error));
	if (context != NULL && key != NULL && !tls_key_fits(key, context))
		(void)buf_fmt(errors, "tls_key: %s is not the key of the certificate in %s\n", conf->tls_key, conf->tls_certificate);
	if (context != NULL)
		warn_of_certificate(conf, context);
	conf_warn_of_secret("tls_key", conf->tls_key);
	tls_context_free(context);
	(void)tls_key_free(key);
	buf_wipe(&key_pem);
	buf_free(&certificate);
	buf_free(&error);
}

typedef void (*examine_fn)(const void *conf, struct buf *errors);

static _Noreturn void
examine_and_exit(examine_fn examine, const void *conf, int out)
{
	struct buf errors = BUF_INIT(EXPLANATION_MAX);

	examine(conf, &errors);
	_exit(write(out, errors.data, errors.len) == (ssize_t)errors.len ? 0 : 1);
}

/* In a child, so that what it reads never is in this process. With patience (milliseconds, or -1) the child is left to itself, killed, when it has
 * said nothing for so long, and nothing is appended then: what it looks at may be there, and does not answer. */
static void
examine_apart(examine_fn examine, const void *conf, const char *what, int patience, struct buf *errors)
{
	int ends[2], status = -1;
	ssize_t got = 1;
	pid_t pid;

	if (pipe(ends) < 0) {
		(void)buf_fmt(errors, "%s: not checked: %s\n", what, strerror(errno));
		return;
	}
	pid = fork();
	if (pid == 0)
		examine_and_exit(examine, conf, ends[1]);
	(void)close(ends[1]);
	while (got > 0) {
		struct pollfd wait = { .fd = ends[0], .events = POLLIN };
		char chunk[512];

		if (poll(&wait, 1, patience) == 0) {
			(void)kill(pid, SIGKILL);
			(void)close(ends[0]);
			return;
		}
		got = read(ends[0], chunk, sizeof(chunk));
		if (got > 0)
			(void)buf_put(errors, chunk, (size_t)got);
		else if (got < 0 && errno == EINTR)
			got = 1;
	}
	(void)close(ends[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || status != 0)
		(void)buf_fmt(errors, "%s could not be checked\n", what);
}

static void
check_aliases(const struct fourpost_conf *conf, struct buf *errors)
{
	struct buf text = BUF_INIT(ALIASES_FILE_MAX);
	struct aliases *aliases;
	char *prefix;
	int r = read_file(conf->aliases, &text);

	if (r < 0) {
		(void)buf_fmt(errors, "aliases: %s: %s\n", conf->aliases, strerror(-r));
	} else {
		prefix = xasprintf("%s:", conf->aliases);
		aliases = aliases_new(buf_get(&text), prefix, errors);
		(void)aliases_free(aliases);
		free(prefix);
	}
	buf_free(&text);
}

static void
check_secret(const struct fourpost_conf *conf, struct buf *errors)
{
	const char *fault;
	struct srs *srs;
	int r = srs_read(conf->srs_secret, &srs, &fault);

	if (r < 0)
		(void)buf_fmt(errors, "srs_secret: %s: %s\n", conf->srs_secret, fault != NULL ? fault : strerror(-r));
	else
		(void)srs_free(srs);
	conf_warn_of_secret("srs_secret", conf->srs_secret);
}

static void
check_folder(const char *option, const char *path, struct buf *errors)
{
	struct stat st;

	if (stat(path, &st) < 0)
		(void)buf_fmt(errors, "%s: %s: %s\n", option, path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		(void)buf_fmt(errors, "%s: %s is not a folder\n", option, path);
}

static void
examine_accounts_dir(const void *values, struct buf *errors)
{
	const struct fourpost_conf *conf = values;

	check_folder("accounts_dir", conf->accounts_dir, errors);
}

/* Workers run as their accounts. */
static void
check_user(const struct daemon *daemon, const struct role *role, const struct fourpost_conf *conf, struct buf *errors)
{
	uid_t uid;
	gid_t gid;

	if (role->spawned_by == 0 && role_ids(conf, daemon, role, &uid, &gid) < 0)
		(void)buf_fmt(errors, "role_user_prefix: there is no user %s%s-%s: make the users (sysusers.d), or set role_uid_base\n",
		    conf->role_user_prefix, daemon->name, role->name);
}

void
conf_check_files(const struct daemon *daemon, const struct fourpost_conf *conf, bool running, struct buf *errors)
{
	/* Without root there are neither users nor an empty root. */
	bool as_root = geteuid() == 0;

	if (daemon->file_check != NULL)
		examine_apart(daemon->file_check, conf, "the files that options name", -1, errors);
	if (as_root)
		check_folder("empty_dir", conf->empty_dir, errors);
	for (size_t i = 0; i < daemon->role_count; i++) {
		const struct role *role = &daemon->roles[i];

		if (role->id == ROLE_KEY && conf->tls_certificate[0] != '\0')
			examine_apart(examine_tls, conf, "tls_certificate", -1, errors);
		if (role->id == ROLE_AUTH && daemon->takes_mail && conf->aliases[0] != '\0')
			check_aliases(conf, errors);
		if (role->id == ROLE_AUTH && daemon->takes_mail && conf->srs_secret[0] != '\0')
			check_secret(conf, errors);
		/* A daemon that runs knows it, and must not wait for a file system that may not answer just now. */
		if (role->id == ROLE_WORKER && !running)
			examine_apart(examine_accounts_dir, conf, "accounts_dir", FOLDER_PATIENCE_MS, errors);
		if (as_root)
			check_user(daemon, role, conf, errors);
	}
}
