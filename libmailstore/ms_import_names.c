/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "libmailstore/ms_import_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_import.h"
#include "libmailstore/ms_internal.h"

/* Pairs of names, each with a NUL behind it. */
#define FILE_NAME "fourpost-names"
#define FILE_MAX (64 * 1024 * 1024)
/* Of one folder of Dovecot's or Courier's: folders, and what else is there. */
#define ENTRIES_MAX 100000

/* --- entries --- */

void
ms_entry_names_clear(struct ms_entry_names *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		free(entries->list[i]);
	free(entries->list);
	*entries = (struct ms_entry_names){ NULL, 0 };
}

static int
compare_entries(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	int dots = (strchr(*x + 1, '.') != NULL) - (strchr(*y + 1, '.') != NULL);

	return dots != 0 ? dots : strcmp(*x, *y);
}

int
ms_entry_names_read(int at, const char *name, struct ms_entry_names *ret)
{
	const struct dirent *entry;
	size_t room = 0;
	DIR *dir;
	int r = ms_dir_open(at, name, &dir);

	*ret = (struct ms_entry_names){ NULL, 0 };
	if (r != 0)
		return r;
	while ((r = ms_dir_next(dir, &entry)) == 0 && entry != NULL) {
		if (ret->count == ENTRIES_MAX) {
			r = MS_E_LIMIT;
			break;
		}
		if (ret->count == room) {
			room = room != 0 ? room * 2 : 64;
			ret->list = xreallocarray(ret->list, room, sizeof(*ret->list));
		}
		ret->list[ret->count++] = xstrdup(entry->d_name);
	}
	(void)closedir(dir);
	if (r != 0)
		ms_entry_names_clear(ret);
	else if (ret->count != 0)
		qsort(ret->list, ret->count, sizeof(*ret->list), compare_entries);
	return r;
}

/* --- names --- */

void
ms_import_names_clear(struct ms_import_names *names)
{
	for (size_t i = 0; i < names->count; i++) {
		free(names->list[i].theirs);
		free(names->list[i].ours);
	}
	free(names->list);
	*names = (struct ms_import_names){ .list = NULL };
}

/* The first that is theirs or behind it. */
static size_t
place_of(const struct ms_import_names *names, struct span theirs)
{
	size_t low = 0, high = names->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (span_compare(span_of(names->list[middle].theirs), theirs) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const char *
find(const struct ms_import_names *names, struct span theirs)
{
	size_t place = place_of(names, theirs);

	return place < names->count && span_eq(span_of(names->list[place].theirs), theirs) ? names->list[place].ours : NULL;
}

void
ms_import_names_set(struct ms_import_names *names, const char *theirs, const char *ours)
{
	size_t place = place_of(names, span_of(theirs));

	names->tree = names->tree || theirs[0] == '/';
	if (place < names->count && strcmp(names->list[place].theirs, theirs) == 0) {
		free(names->list[place].ours);
		names->list[place].ours = xstrdup(ours);
		return;
	}
	if (names->count == names->room) {
		names->room = names->room != 0 ? names->room * 2 : 16;
		names->list = xreallocarray(names->list, names->room, sizeof(*names->list));
	}
	memmove(names->list + place + 1, names->list + place, (names->count - place) * sizeof(*names->list));
	names->list[place] = (struct ms_import_pair){ xstrdup(theirs), xstrdup(ours) };
	names->count++;
}

int
ms_import_names_read(int maildir_fd, struct ms_import_names *names)
{
	struct buf text = BUF_INIT(FILE_MAX);
	int r = ms_read_file(maildir_fd, FILE_NAME, &text);
	struct span rest = buf_get(&text), theirs, ours;

	while (r == 0 && span_split(&rest, '\0', &theirs) && span_split(&rest, '\0', &ours)) {
		_cleanup_(freep) char *from = span_dup(theirs), *to = span_dup(ours);

		ms_import_names_set(names, from, to);
	}
	buf_free(&text);
	return r == MS_E_NOTFOUND ? 0 : r;
}

int
ms_import_names_write(int maildir_fd, const struct ms_import_names *names)
{
	struct buf text = BUF_INIT(FILE_MAX);
	int r;

	for (size_t i = 0; i < names->count; i++) {
		(void)buf_put(&text, names->list[i].theirs, strlen(names->list[i].theirs) + 1);
		(void)buf_put(&text, names->list[i].ours, strlen(names->list[i].ours) + 1);
	}
	r = text.overflow ? MS_E_LIMIT : ms_replace_file(maildir_fd, FILE_NAME, &text);
	buf_free(&text);
	return r;
}

int
ms_import_names_remove(int maildir_fd)
{
	return unlinkat(maildir_fd, FILE_NAME, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* --- what became of a name --- */

/* "." and the levels with '.' between them. */
static void
put_entry(struct span path, struct buf *out)
{
	(void)buf_char(out, '.');
	for (size_t i = 0; i < path.len; i++)
		(void)buf_char(out, path.ptr[i] != '/' ? path.ptr[i] : '.');
}

/* The folder in the Maildir that it was at first, before names that mailboxes cannot have were changed. Whether a pair tells. */
static bool
put_first(const struct ms_import_names *names, struct span path, struct buf *out)
{
	struct buf key = BUF_INIT(FILE_MAX);
	const char *ours;

	(void)buf_char(&key, '/');
	(void)buf_span(&key, path);
	ours = find(names, buf_get(&key));
	if (ours == NULL) {
		/* In a tree there may be folders of a Maildir++ besides. */
		buf_truncate(&key, 1);
		put_entry(path, &key);
		ours = find(names, buf_get(&key));
	}
	if (ours != NULL)
		(void)buf_str(out, ours);
	else if (span_chr(path, '.') < 0)
		put_entry(path, out);
	buf_free(&key);
	return ours != NULL;
}

int
ms_import_names_translate(const struct ms_import_names *names, struct span path, struct buf *out)
{
	struct buf entry = BUF_INIT(FILE_MAX), checked = BUF_INIT(MS_MAILBOX_NAME_MAX);
	const char *ours;
	bool exact, known = put_first(names, path, &entry);
	int r;

	ours = find(names, buf_get(&entry));
	/* The Maildir itself, unless a folder in it was called so. */
	if (ours == NULL && !known && span_ieq(path, SPAN("INBOX")))
		r = buf_str(out, "INBOX") == 0 ? 0 : MS_E_BADNAME;
	else
		r = ms_folder_to_name(ours != NULL ? span_of(ours) : buf_get(&entry), out);
	/* There need be no folder; and who writes UTF-8 may subscribe what is no modified UTF-7. */
	if (r != 0) {
		buf_clear(out);
		r = ms_import_name(path, "/", out, &exact);
		if (r == 0 && (!exact || ms_mailbox_name_check(buf_cstr(out), &checked) != 0))
			r = MS_E_BADNAME;
	}
	buf_free(&entry);
	buf_free(&checked);
	return r;
}

void
ms_import_names_tell(const struct ms_import_names *names, ms_note_fn note, void *context)
{
	for (size_t i = 0; i < names->count; i++) {
		struct span theirs = span_of(names->list[i].theirs);
		struct buf path = BUF_INIT(FILE_MAX), before = BUF_INIT(FILE_MAX), now = BUF_INIT(MS_MAILBOX_NAME_MAX);
		bool exact = false, from_tree = theirs.ptr[0] == '/';

		if (from_tree)
			theirs = span_skip(theirs, 1);
		for (size_t n = span_starts(theirs, SPAN(".")) ? 1 : 0; n < theirs.len; n++)
			(void)buf_char(&path, theirs.ptr[n] == '.' && theirs.ptr[0] == '.' ? '/' : theirs.ptr[n]);
		/* In a tree each folder has its path, which leads to what a second change made of it. */
		if (from_tree == names->tree && ms_import_names_translate(names, from_tree ? theirs : buf_get(&path), &now) == 0 &&
		    (ms_import_name(buf_get(&path), "/", &before, &exact) != 0 || !exact || !span_eq(buf_get(&before), buf_get(&now)))) {
			buf_clear(&before);
			(void)buf_fmt(&before, "its name could not be kept: it was %s", names->list[i].theirs + from_tree);
			note(context, buf_cstr(&now), buf_cstr(&before));
		}
		buf_free(&path);
		buf_free(&before);
		buf_free(&now);
	}
}
