/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Taking over one folder. First its file, with their UIDVALIDITY, all keywords, and a limit above all UIDs; then the names of the
 * messages, which all get a UID. One whose name has it is done: so what was cut short is gone on with. */
#include "libmailstore/ms_import_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_import.h"
#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_keywords.h"
#include "libmailstore/ms_listing.h"

#define LIST_MAX (1024u * 1024 * 1024)
#define KEYWORD_FILES "courierimapkeywords"
#define KEYWORD_FILE_MAX (16 * 1024 * 1024)

/* A keyword of a file, as Courier tells it. */
struct assignment {
	struct span file, keyword; /* borrowed */
	uint64_t order;
};

struct takeover {
	struct ms_import_folder *import;
	bool dovecot;
	struct buf text;          /* the list of UIDs */
	struct ms_import_uids uids;
	struct ms_folder folder;  /* ours */
	bool is_ours;             /* the folder has a file of ours */
	bool was_ours;            /* taken over before, or at least begun */
	struct ms_listing listing;
	uint32_t *given;          /* to files of the listing that no list has; 0 to the others */
	struct ms_keywords letters[MS_IMPORT_LETTERS]; /* of theirs: what they are of ours */
	uint32_t letter_flags[MS_IMPORT_LETTERS];
	struct buf keyword_text;  /* what the spans below are borrowed from: never grows once it is filled */
	struct assignment *assignments;
	size_t assignment_count, assignment_room;
	struct ms_renames renames;
};

static void
clear(struct takeover *takeover)
{
	buf_free(&takeover->text);
	buf_free(&takeover->keyword_text);
	ms_import_uids_clear(&takeover->uids);
	ms_folder_clear(&takeover->folder);
	ms_listing_clear(&takeover->listing);
	ms_renames_clear(&takeover->renames);
	free(takeover->assignments);
	free(takeover->given);
}

static void
note(const struct takeover *takeover, const char *text)
{
	takeover->import->note(takeover->import->context, takeover->import->name, text);
}

/* --- folders --- */

int
ms_import_folder_is(int at, const char *path)
{
	static const struct {
		const char *name;
		mode_t type;
	} entries[] = {
		{ "cur", S_IFDIR }, { "new", S_IFDIR }, { "dovecot-uidlist", S_IFREG }, { "courierimapuiddb", S_IFREG }, { MS_FOLDER_FILE, S_IFREG },
	};

	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		_cleanup_(freep) char *entry = xasprintf("%s/%s", path, entries[i].name);
		struct stat st;

		if (fstatat(at, entry, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			if ((st.st_mode & S_IFMT) == entries[i].type)
				return 1;
		} else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
			return -errno;
		}
	}
	return 0;
}

int
ms_import_folder_complete(int folder_fd)
{
	static const char *const parts[] = { "cur", "new", "tmp" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (mkdirat(folder_fd, parts[i], 0700) < 0 && errno != EEXIST)
			return -errno;
	return 0;
}

/* --- what is there --- */

static int
read_uids(struct takeover *takeover)
{
	static const struct {
		const char *file;
		bool dovecot;
	} lists[] = { { "dovecot-uidlist", true }, { "courierimapuiddb", false } };
	int r = MS_E_NOTFOUND;

	for (size_t i = 0; r == MS_E_NOTFOUND && i < sizeof(lists) / sizeof(*lists); i++) {
		takeover->dovecot = lists[i].dovecot;
		r = ms_read_file(takeover->import->folder_fd, lists[i].file, &takeover->text);
		if (r == 0)
			r = ms_import_uids_parse(buf_get(&takeover->text), &takeover->uids);
	}
	return r;
}

/* Whether a name has a UID that we gave. */
static bool
has_own_uids(const struct ms_listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		if (listing->files[i].parsed.uid != 0)
			return true;
	return false;
}

int
ms_import_is_packed(int folder_fd, const struct ms_file *file)
{
	static const char *const magics[] = { "\x1f\x8b", "BZh", "\3757zXZ", "Dovecot-LZ4", "\x28\xb5\x2f\xfd", "CRYPTED\x03\x07" };
	_cleanup_(freep) char *path = xasprintf("%s/%s", file->in_cur ? "cur" : "new", file->name);
	_cleanup_(closep) int fd = -1;
	struct stat st;
	char begin[16];
	ssize_t got;

	/* The name tells how long the message is, not the file. */
	if (file->parsed.bytes == 0 || fstatat(folder_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || (uint64_t)st.st_size == file->parsed.bytes)
		return 0;
	fd = openat(folder_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	got = fd >= 0 ? read(fd, begin, sizeof(begin)) : -1;
	if (got < 0)
		return errno == ENOENT ? 0 : -errno;
	for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++)
		if (span_starts(span_make(begin, (size_t)got), span_of(magics[i])))
			return 1;
	return 0;
}

static int
look_for_packed(const struct takeover *takeover)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < takeover->listing.count; i++)
		r = ms_import_is_packed(takeover->import->folder_fd, &takeover->listing.files[i]);
	if (r <= 0)
		return r;
	note(takeover, MS_IMPORT_PACKED_NOTE);
	return MS_E_DENIED;
}

static int
look(struct takeover *takeover)
{
	int r = read_uids(takeover);

	if (r == 0)
		r = ms_listing_read(takeover->import->folder_fd, 0, &takeover->listing);
	if (r != 0)
		return r;
	r = ms_folder_read(takeover->import->folder_fd, &takeover->folder);
	if (r < 0)
		return r;
	takeover->is_ours = r == 0;
	takeover->was_ours = r == 0 && takeover->folder.uidvalidity == takeover->uids.uidvalidity;
	if (r == 0 && !takeover->was_ours && has_own_uids(&takeover->listing) && !takeover->import->force)
		return MS_E_EXISTS;
	return takeover->dovecot ? look_for_packed(takeover) : 0;
}

int
ms_import_folder_look(struct ms_import_folder *import, bool *ret_lists, bool *ret_taken)
{
	struct takeover takeover = { .import = import, .text = BUF_INIT(LIST_MAX), .keyword_text = BUF_INIT(LIST_MAX) };
	int r = look(&takeover);

	*ret_lists = r != MS_E_NOTFOUND;
	*ret_taken = r == 0 && takeover.was_ours;
	clear(&takeover);
	return r == MS_E_NOTFOUND ? 0 : r;
}

/* --- keywords --- */

/* The number of a keyword of ours, made when it is new; -1 when it cannot be kept. */
static int
keyword_number(struct takeover *takeover, struct span keyword)
{
	struct ms_folder *folder = &takeover->folder;

	for (unsigned i = 0; i < folder->keyword_count; i++)
		if (span_ieq(keyword, span_of(folder->keywords[i])))
			return (int)i;
	if (!ms_keyword_is_valid(keyword) || ms_folder_add_keyword(folder, keyword) != 0)
		return -1;
	return (int)folder->keyword_count - 1;
}

static void
take_keyword(struct takeover *takeover, struct span keyword, struct ms_keywords *set)
{
	int number = keyword_number(takeover, keyword);

	if (number < 0 || ms_keywords_add(set, (unsigned)number) != 0)
		note(takeover, "a keyword that no IMAP client can set, or one too many, is left out");
}

static int
take_letters(struct takeover *takeover)
{
	struct buf text = BUF_INIT(KEYWORD_FILE_MAX);
	struct span keywords[MS_IMPORT_LETTERS];
	int r = ms_read_file(takeover->import->folder_fd, "dovecot-keywords", &text);

	if (r == 0 || r == MS_E_NOTFOUND)
		takeover->import->result->skipped += ms_import_letters_parse(buf_get(&text), keywords);
	for (unsigned i = 0; (r == 0 || r == MS_E_NOTFOUND) && i < MS_IMPORT_LETTERS; i++) {
		if (span_ieq(keywords[i], SPAN("$Forwarded")))
			takeover->letter_flags[i] = MS_FORWARDED; /* a flag of Maildir's own */
		else if (keywords[i].len != 0)
			take_keyword(takeover, keywords[i], &takeover->letters[i]);
	}
	buf_free(&text);
	return r == MS_E_NOTFOUND ? 0 : r;
}

static struct span
unique_of(struct span file)
{
	size_t len = 0;

	while (len < file.len && file.ptr[len] != ',' && file.ptr[len] != ':')
		len++;
	return span_make(file.ptr, len);
}

/* By the part of the name that never changes: others of it may have, by our own hand too. */
static void
assign(struct takeover *takeover, struct span file, struct span keyword, uint64_t order)
{
	if (takeover->assignment_count == takeover->assignment_room) {
		takeover->assignment_room = takeover->assignment_room != 0 ? takeover->assignment_room * 2 : 64;
		takeover->assignments = xreallocarray(takeover->assignments, takeover->assignment_room, sizeof(*takeover->assignments));
	}
	takeover->assignments[takeover->assignment_count++] = (struct assignment){ unique_of(file), keyword, order };
}

static void
assign_listed(void *context, struct span file, struct span keyword)
{
	assign(context, file, keyword, 0);
}

struct newer {
	char *name;
	size_t from, len; /* its text */
};

/* Names and texts one after the other; spans are made when nothing moves any more. An empty file takes all keywords away. */
static int
read_newer(struct takeover *takeover, DIR *dir, struct newer **ret, size_t *ret_count)
{
	const struct dirent *entry;
	struct span file;
	uint64_t order;
	int r;

	while ((r = ms_dir_next(dir, &entry)) == 0 && entry != NULL) {
		struct buf text = BUF_INIT(KEYWORD_FILE_MAX);

		if (!ms_import_keyword_file(span_of(entry->d_name), &file, &order))
			continue;
		r = ms_read_file(dirfd(dir), entry->d_name, &text);
		if (r == 0) {
			*ret = xreallocarray(*ret, *ret_count + 1, sizeof(**ret));
			(*ret)[(*ret_count)++] = (struct newer){ xstrdup(entry->d_name), takeover->keyword_text.len, text.len };
			r = buf_span(&takeover->keyword_text, buf_get(&text)) == 0 ? 0 : MS_E_LIMIT;
		} else if (r == MS_E_NOTFOUND) {
			r = 0;
		}
		buf_free(&text);
		if (r != 0)
			break;
	}
	return r;
}

static int
compare_assignments(const void *a, const void *b)
{
	const struct assignment *x = a, *y = b;
	size_t len = x->file.len < y->file.len ? x->file.len : y->file.len;
	int order = memcmp(x->file.ptr, y->file.ptr, len);

	if (order == 0)
		order = (x->file.len > y->file.len) - (x->file.len < y->file.len);
	return order != 0 ? order : (x->order < y->order) - (x->order > y->order);
}

/* Courier's ":list" and the files that are newer than it. The names in `newer` must outlive the assignments. */
static int
read_assignments(struct takeover *takeover, struct newer **ret, size_t *ret_count)
{
	size_t listed;
	DIR *dir;
	int r = ms_dir_open(takeover->import->folder_fd, KEYWORD_FILES, &dir);

	if (r != 0)
		return r == -ENOENT ? 0 : r;
	r = ms_read_file(dirfd(dir), ":list", &takeover->keyword_text);
	listed = takeover->keyword_text.len;
	if (r == 0 || r == MS_E_NOTFOUND)
		r = read_newer(takeover, dir, ret, ret_count);
	(void)closedir(dir);
	if (r != 0)
		return r;
	takeover->import->result->skipped += ms_import_keyword_list_parse(span_make(takeover->keyword_text.data, listed), assign_listed, takeover);
	for (size_t i = 0; i < *ret_count; i++) {
		struct span text = span_make(takeover->keyword_text.data + (*ret)[i].from, (*ret)[i].len), file, line;
		uint64_t order;

		if (!ms_import_keyword_file(span_of((*ret)[i].name), &file, &order))
			continue;
		assign(takeover, file, SPAN_NULL, order + 1 != 0 ? order + 1 : order);
		while (span_split(&text, '\n', &line))
			if (line.len != 0)
				assign(takeover, file, line, order + 1 != 0 ? order + 1 : order);
	}
	if (takeover->assignment_count != 0)
		qsort(takeover->assignments, takeover->assignment_count, sizeof(*takeover->assignments), compare_assignments);
	return 0;
}

/* The keywords of the file: those of the newest that tells of it. */
static void
add_assigned(struct takeover *takeover, struct ms_name *name, struct ms_keywords *set)
{
	const struct assignment wanted = { name->unique, SPAN_NULL, UINT64_MAX }, *list = takeover->assignments;
	size_t low = 0, high = takeover->assignment_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_assignments(&list[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i < takeover->assignment_count && span_eq(list[i].file, name->unique) && list[i].order == list[low].order; i++) {
		if (list[i].keyword.len == 0)
			continue;
		if (span_ieq(list[i].keyword, SPAN("$Forwarded")))
			name->flags |= MS_FORWARDED;
		else
			take_keyword(takeover, list[i].keyword, set);
	}
}

/* --- files --- */

static struct span
base_of(const char *name)
{
	struct span text = span_of(name);
	ptrdiff_t colon = span_chr(text, ':');

	return colon >= 0 ? span_make(text.ptr, (size_t)colon) : text;
}

/* The UID their list gives the file; one unique part may stand in it several times, then the whole name tells. 0: none. */
static uint32_t
listed_uid(const struct takeover *takeover, const struct ms_file *file)
{
	const struct ms_import_uids *uids = &takeover->uids;
	uint32_t uid = 0;

	for (size_t i = ms_import_uids_find(uids, file->parsed.unique); i < uids->count && span_eq(uids->list[i].unique, file->parsed.unique); i++) {
		if (span_eq(uids->list[i].base, base_of(file->name)))
			return uids->list[i].uid;
		uid = uids->list[i].uid;
	}
	return uid;
}

static int
sizes_of(const struct takeover *takeover, const char *path, struct ms_name *name)
{
	struct stat st;

	if (fstatat(takeover->import->folder_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? MS_E_NOTFOUND : -errno;
	name->bytes = (uint64_t)st.st_size;
	if (name->size < name->bytes)
		name->size = 0;
	return 0;
}

/* name: what the file shall be called; in new/ when it has neither flags nor keywords and stands there. */
static int
rename_file(struct takeover *takeover, const struct ms_file *file, const struct ms_name *name)
{
	bool in_cur = file->in_cur || name->flags != 0 || name->letters != 0 || name->beyond.len != 0;
	_cleanup_(freep) char *from = xasprintf("%s/%s", file->in_cur ? "cur" : "new", file->name), *to = NULL;
	struct ms_name whole = *name;
	struct buf text = BUF_INIT(MS_NAME_MAX);
	int r = sizes_of(takeover, from, &whole);

	if (r != 0)
		return r == MS_E_NOTFOUND ? 0 : r; /* moved meanwhile: the next look of the store finds it */
	if (ms_name_format(&whole, in_cur, &text) != 0 && whole.beyond.len != 0) {
		note(takeover, "a file's name is too long to take all its keywords: those beyond the first 26 of the folder are left out");
		whole.beyond = SPAN_NULL;
		buf_clear(&text);
		(void)ms_name_format(&whole, in_cur, &text);
	}
	if (text.overflow) {
		note(takeover, "a file's name is too long to take its UID: the message gets a new one");
	} else {
		to = xasprintf("%s/%s", in_cur ? "cur" : "new", buf_cstr(&text));
		if (strcmp(from, to) != 0 && renameat(takeover->import->folder_fd, from, takeover->import->folder_fd, to) == 0) {
			ms_renames_note(&takeover->renames, from, to);
			from = to = NULL;
		} else if (strcmp(from, to) != 0 && errno != ENOENT) {
			r = -errno;
		}
	}
	buf_free(&text);
	return r;
}

/* What no list has gets the next UIDs, in the order in which it came: a name with none would be taken for one whose keywords are still theirs
 * when this is cut short and done again. */
static int
give_uids(struct takeover *takeover)
{
	struct ms_listing *listing = &takeover->listing;
	_cleanup_(freep) struct ms_file **new = xcalloc(listing->count, sizeof(*new));
	uint32_t *limit = &takeover->folder.uid_limit;
	size_t count = 0;

	takeover->given = xcalloc(listing->count, sizeof(*takeover->given));
	for (size_t i = 0; i < listing->count; i++)
		if (!listing->files[i].taken && listing->files[i].parsed.uid == 0 && listed_uid(takeover, &listing->files[i]) == 0)
			new[count++] = &listing->files[i];
	if (count > UINT32_MAX - *limit)
		return MS_E_LIMIT;
	if (count != 0)
		qsort(new, count, sizeof(*new), ms_listing_by_arrival);
	for (size_t i = 0; i < count; i++)
		takeover->given[new[i] - listing->files] = (*limit)++;
	return 0;
}

static int
take_file(struct takeover *takeover, const struct ms_file *file)
{
	uint32_t uid = listed_uid(takeover, file);
	struct ms_name name = file->parsed;
	struct ms_keywords keywords = { .first = 0 };
	struct buf digits = BUF_INIT(MS_NAME_MAX);
	int r;

	if (uid != 0)
		takeover->import->result->messages++;
	else if (name.uid == 0)
		takeover->import->result->unknown++;
	/* Done already, or come in since. */
	if (name.uid != 0)
		return 0;
	for (unsigned i = 0; i < MS_IMPORT_LETTERS; i++)
		if ((file->parsed.letters & 1u << i) != 0) {
			(void)ms_keywords_combine(MS_FLAGS_ADD, &keywords, &takeover->letters[i], &keywords);
			name.flags |= takeover->letter_flags[i];
		}
	add_assigned(takeover, &name, &keywords);
	ms_keywords_to_name(&keywords, &name, &digits);
	name.uid = uid != 0 ? uid : takeover->given[file - takeover->listing.files];
	r = rename_file(takeover, file, &name);
	buf_free(&digits);
	return r;
}

/* Until the disk has them, they are taken back when anything fails: of what a sync that failed should have written, the next one says
 * nothing, and a name that looks done would not be given again. */
static int
sync_renames(struct takeover *takeover)
{
	int r = ms_folder_fsync(takeover->import->folder_fd, true);

	if (r == 0)
		r = ms_folder_fsync(takeover->import->folder_fd, false);
	if (r == 0)
		ms_renames_clear(&takeover->renames);
	return r;
}

/* By force: UIDs that we gave are forgotten, all of them before the folder's file says that names have those of the list. */
static int
strip_uids(struct takeover *takeover)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < takeover->listing.count; i++) {
		struct ms_name name = takeover->listing.files[i].parsed;

		if (name.uid == 0 || takeover->listing.files[i].taken)
			continue;
		name.uid = 0;
		r = rename_file(takeover, &takeover->listing.files[i], &name);
	}
	if (r == 0)
		r = sync_renames(takeover);
	ms_listing_clear(&takeover->listing);
	return r == 0 ? ms_listing_read(takeover->import->folder_fd, 0, &takeover->listing) : r;
}

static enum ms_use
use_of(const char *name)
{
	static const struct {
		const char *name;
		enum ms_use use;
	} uses[] = {
		{ "INBOX", MS_USE_INBOX }, { "Drafts", MS_USE_DRAFTS }, { "Sent", MS_USE_SENT }, { "Trash", MS_USE_TRASH },
		{ "Junk", MS_USE_JUNK }, { "Archive", MS_USE_ARCHIVE },
	};

	for (size_t i = 0; i < sizeof(uses) / sizeof(*uses); i++)
		if (strcmp(name, uses[i].name) == 0)
			return uses[i].use;
	return MS_USE_NONE;
}

/* Before any name is changed: from here on the folder is known by their UIDVALIDITY. */
static int
begin_folder(struct takeover *takeover)
{
	struct ms_folder *folder = &takeover->folder;

	if (!takeover->was_ours) {
		ms_folder_clear(folder);
		*folder = (struct ms_folder){ .uidvalidity = takeover->uids.uidvalidity, .use = use_of(takeover->import->name), .uid_limit = 1 };
		do
			if (getrandom(&folder->id, sizeof(folder->id), 0) != (ssize_t)sizeof(folder->id))
				return -EIO;
		while ((uint32_t)folder->id == 0);
	}
	if (folder->uid_limit < takeover->uids.uidnext)
		folder->uid_limit = takeover->uids.uidnext;
	return 0;
}

int
ms_import_folder_run(struct ms_import_folder *import)
{
	struct takeover takeover = { .import = import, .text = BUF_INIT(LIST_MAX), .keyword_text = BUF_INIT(LIST_MAX) };
	struct newer *newer = NULL;
	size_t newer_count = 0;
	int r = look(&takeover);

	if (r == 0 && takeover.is_ours && !takeover.was_ours)
		r = strip_uids(&takeover);
	if (r == 0)
		r = begin_folder(&takeover);
	if (r == 0)
		r = give_uids(&takeover);
	if (r == 0 && takeover.dovecot)
		r = take_letters(&takeover);
	if (r == 0 && !takeover.dovecot)
		r = read_assignments(&takeover, &newer, &newer_count);
	for (size_t i = 0; r == 0 && i < takeover.assignment_count; i++)
		if (takeover.assignments[i].keyword.len != 0 && !span_ieq(takeover.assignments[i].keyword, SPAN("$Forwarded")))
			(void)keyword_number(&takeover, takeover.assignments[i].keyword);
	if (r == 0)
		r = ms_import_folder_complete(import->folder_fd);
	/* All keywords are in it before a letter stands for one. */
	if (r == 0)
		r = ms_folder_write(import->folder_fd, &takeover.folder);
	for (size_t i = 0; r == 0 && i < takeover.listing.count; i++)
		if (!takeover.listing.files[i].taken)
			r = take_file(&takeover, &takeover.listing.files[i]);
	if (r == 0)
		r = sync_renames(&takeover);
	if (r != 0)
		ms_renames_take_back(&takeover.renames, import->folder_fd);
	if (r == 0) {
		import->result->mailboxes++;
		import->result->skipped += takeover.uids.skipped;
	}
	for (size_t i = 0; i < newer_count; i++)
		free(newer[i].name);
	free(newer);
	clear(&takeover);
	return r;
}
