/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Where scripts stand, and what they were compiled into. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/xalloc.h"
#include "smtpd/deliver.h"

#define SUFFIX ".sieve"
#define SCRIPTS_MAX 200 /* of a folder, and kept */
#define ACTIVE_MAX 256

struct scripts {
	char *site, *own;
	/* They are looked for at each message: the site's folders, and the file that names the account's active script. */
	char *folders[2], *active_file;
	unsigned options; /* enum sieve_option */
	struct script *list[SCRIPTS_MAX];
	size_t count;
	struct script unusable; /* the last that could not be opened or kept */
	char *names[2][SCRIPTS_MAX]; /* of the site's folders before and after, as this turn found them */
	size_t name_count[2];
	char *active;                /* path of the account's active script, or NULL */
};

/* --- compiling --- */

static void
compile(struct script *script, unsigned options, int fd)
{
	struct buf text = BUF_INIT(SIEVE_SCRIPT_MAX + 65536), faults = BUF_INIT(16384);
	int r = io_read_all(fd, &text);

	/* Of one that is too large there is enough for the compiler to say so. */
	if (r < 0 && r != -EFBIG)
		(void)buf_str(&faults, "1: the script cannot be read\n");
	else
		(void)sieve_compile(buf_get(&text), options, &script->program, &faults);
	script->faults = buf_take(&faults);
	buf_free(&text);
}

static void
script_free(struct script *script)
{
	(void)sieve_program_free(script->program);
	free(script->path);
	free(script->faults);
	free(script);
}

/* One that is not run, and says why: whoever wanted it is told, and the others of its folder are run. */
static const struct script *
unusable(struct scripts *scripts, const char *path, const char *why)
{
	struct script *script = &scripts->unusable;

	free(script->path);
	free(script->faults);
	*script = (struct script){ .path = xstrdup(path), .faults = xasprintf("1: the script %s\n", why) };
	return script;
}

/* The script in that file, compiled anew when the file is another. NULL: there is none. */
static const struct script *
get(struct scripts *scripts, const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct script *script;
	struct stat st;
	int64_t mtime;

	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return unusable(scripts, path, "cannot be read");
	mtime = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
	for (size_t i = 0; i < scripts->count; i++) {
		script = scripts->list[i];
		if (script->retired || strcmp(script->path, path) != 0)
			continue;
		if (script->mtime_ns == mtime && script->size == st.st_size && script->inode == st.st_ino)
			return script;
		script->retired = true;
	}
	if (scripts->count == SCRIPTS_MAX)
		return unusable(scripts, path, "is one too many");
	script = xcalloc(1, sizeof(*script));
	script->path = xstrdup(path);
	script->mtime_ns = mtime;
	script->size = st.st_size;
	script->inode = st.st_ino;
	compile(script, scripts->options, fd);
	return scripts->list[scripts->count++] = script;
}

/* --- folders --- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A folder that cannot be read stands in its own list, and is told of as a script that cannot. */
static void
list_folder(struct scripts *scripts, size_t which)
{
	const char *path = scripts->folders[which];
	DIR *dir = opendir(path);
	const struct dirent *entry;

	if (dir == NULL && errno != ENOENT)
		scripts->names[which][scripts->name_count[which]++] = xstrdup(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL && scripts->name_count[which] < SCRIPTS_MAX)
		if (entry->d_name[0] != '.' && span_ends(span_of(entry->d_name), SPAN(SUFFIX)))
			scripts->names[which][scripts->name_count[which]++] = xasprintf("%s/%s", path, entry->d_name);
	if (dir != NULL)
		(void)closedir(dir);
	qsort(scripts->names[which], scripts->name_count[which], sizeof(*scripts->names[which]), by_name);
}

/* The file "active" holds the name of the script that is. Where it cannot be read, or holds what is no name, the folder is told of. */
static char *
active_path(const struct scripts *scripts)
{
	_cleanup_(closep) int fd = open(scripts->active_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char text[ACTIVE_MAX];
	ssize_t got = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	struct span name = span_trim(span_make(text, got > 0 ? (size_t)got : 0));

	if (got < 0 ? errno != ENOENT : name.len != 0 && !sieve_name_is_valid(name))
		return xstrdup(scripts->own);
	return name.len != 0 ? xasprintf("%s/%.*s" SUFFIX, scripts->own, (int)name.len, name.ptr) : NULL;
}

struct scripts *
scripts_new(const char *site, const char *own, unsigned options)
{
	struct scripts *scripts = xcalloc(1, sizeof(*scripts));

	scripts->site = xstrdup(site);
	scripts->own = xstrdup(own);
	scripts->folders[0] = xasprintf("%s/before", site);
	scripts->folders[1] = xasprintf("%s/after", site);
	scripts->active_file = xasprintf("%s/active", own);
	scripts->options = options;
	return scripts;
}

unsigned
scripts_options(const struct scripts *scripts)
{
	return scripts->options;
}

void
scripts_begin(struct scripts *scripts)
{
	size_t kept = 0;

	for (size_t i = 0; i < scripts->count; i++)
		if (scripts->list[i]->retired || scripts->count == SCRIPTS_MAX)
			script_free(scripts->list[i]);
		else
			scripts->list[kept++] = scripts->list[i];
	scripts->count = kept;
	for (size_t which = 0; which < 2; which++)
		while (scripts->name_count[which] != 0)
			free(scripts->names[which][--scripts->name_count[which]]);
	free(scripts->active);
	list_folder(scripts, 0);
	list_folder(scripts, 1);
	scripts->active = active_path(scripts);
}

const struct script *
scripts_at(struct scripts *scripts, enum script_place place, size_t n)
{
	size_t which = place == SCRIPT_AFTER;
	const struct script *script;
	const char *path;

	if (place == SCRIPT_ACTIVE)
		path = n == 0 ? scripts->active : NULL;
	else
		path = n < scripts->name_count[which] ? scripts->names[which][n] : NULL;
	if (path == NULL)
		return NULL;
	script = get(scripts, path);
	/* A link that leads nowhere is in the folder's list, too. */
	return script != NULL ? script : unusable(scripts, path, "is not there");
}

const struct script *
scripts_named(struct scripts *scripts, bool global, struct span name)
{
	_cleanup_(freep) char *path = NULL;

	if (!sieve_name_is_valid(name))
		return NULL;
	path = global ? xasprintf("%s/global/%.*s" SUFFIX, scripts->site, (int)name.len, name.ptr) :
			xasprintf("%s/%.*s" SUFFIX, scripts->own, (int)name.len, name.ptr);
	return get(scripts, path);
}
