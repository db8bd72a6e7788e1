/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* dmarc.20261126: lines of report_day.h, appended as things happen; dmarc.20261126.sent: who has had his report. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/date.h"
#include "common/io.h"
#include "common/log.h"
#include "smtpd/report_role.h"

#define NAME_SIZE 64
#define CHUNK 65536
#define SENT_SUFFIX ".sent"

static void
put_name(enum report_kind kind, int64_t day, const char *suffix, char name[static NAME_SIZE])
{
	int64_t year;
	unsigned month, day_of_month;

	date_civil(day, &year, &month, &day_of_month);
	(void)snprintf(name, NAME_SIZE, "%s.%04u%02u%02u%s", report_kind_name(kind), (unsigned)year, month, day_of_month, suffix);
}

/* The day of a file with lines. False for any other name. */
static bool
read_name(enum report_kind kind, struct span name, int64_t *ret_day)
{
	struct span prefix;
	uint64_t number;

	if (!span_split(&name, '.', &prefix) || !span_eq(prefix, span_of(report_kind_name(kind))) || name.len != 8 ||
	    span_to_u64(name, 99999999, &number) < 0)
		return false;
	*ret_day = date_days((int64_t)(number / 10000), (unsigned)(number / 100 % 100), (unsigned)(number % 100));
	return true;
}

/* --- counting --- */

/* A line that a power loss has torn is ended, so that it spoils no other. */
static int
mend_end(int fd, uint64_t size)
{
	char last;

	if (size == 0)
		return 0;
	if (pread(fd, &last, 1, (off_t)size - 1) != 1)
		return -EIO;
	return last == '\n' ? 0 : io_write_all(fd, SPAN("\n"));
}

void
report_sync(struct report_role *role)
{
	for (size_t i = 0; i < REPORT_KINDS; i++) {
		struct report_file *file = &role->files[i];

		if (file->unsynced && fdatasync(file->fd) < 0)
			log_error("reports-not-synced", log_str("kind", report_kind_name((enum report_kind)i)), log_errno("error", errno));
		file->unsynced = false;
	}
}

static int
open_today(struct report_role *role, enum report_kind kind, int64_t day)
{
	struct report_file *file = &role->files[kind];
	char name[NAME_SIZE];
	off_t size;
	int r;

	if (file->fd >= 0 && file->day == day)
		return 0;
	if (file->fd >= 0) {
		report_sync(role);
		(void)close(file->fd);
	}
	put_name(kind, day, "", name);
	*file = (struct report_file){ .day = day, .fd = openat(role->folder, name, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600) };
	if (file->fd < 0)
		return -errno;
	size = lseek(file->fd, 0, SEEK_END);
	r = size < 0 ? -errno : mend_end(file->fd, (uint64_t)size);
	if (r == 0 && size == 0 && fsync(role->folder) < 0) /* its name is to outlive a power loss, too */
		r = -errno;
	file->size = (uint64_t)size;
	if (r < 0) {
		(void)close(file->fd);
		file->fd = -1;
	}
	return r;
}

int
report_append(struct report_role *role, enum report_kind kind, const struct report_line *line)
{
	struct report_file *file = &role->files[kind];
	struct buf text = BUF_INIT(2 * REPORT_LINE_MAX);
	int r = report_line_put(line, &text);

	if (r == 0)
		r = open_today(role, kind, (int64_t)time(NULL) / 86400);
	if (r == 0 && file->size + text.len > REPORT_FILE_MAX) {
		if (!file->full)
			log_warning("reports-full", log_str("kind", report_kind_name(kind)), log_str("hint", "the rest of the day is not counted"));
		file->full = true;
	} else if (r == 0) {
		r = io_write_all(file->fd, buf_get(&text));
		file->size += text.len;
		file->unsynced = true;
	}
	buf_free(&text);
	return r;
}

/* --- days that are over --- */

bool
report_find_day(const struct report_role *role, enum report_kind kind, int64_t after, int64_t before, int64_t *ret_day)
{
	int fd = openat(role->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	bool found = false;
	int64_t day;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (read_name(kind, span_of(entry->d_name), &day) && day > after && day < before && (!found || day < *ret_day)) {
			*ret_day = day;
			found = true;
		}
	if (dir != NULL)
		(void)closedir(dir);
	else if (fd >= 0)
		(void)close(fd);
	return found;
}

/* Takes the lines that are whole; the rest stays, but where it is no line of ours: a power loss may leave zeros for what was not written yet. */
static void
take_lines(struct buf *text, struct report_day *sums)
{
	struct span rest = buf_get(text), line;
	ptrdiff_t end = span_rchr(rest, '\n');
	struct report_line read;

	rest.len = (size_t)(end + 1);
	while (span_split(&rest, '\n', &line))
		if (report_line_parse(line, &read))
			report_day_add(sums, &read);
	buf_drop(text, (size_t)(end + 1));
	if (text->len > REPORT_LINE_MAX)
		buf_clear(text);
}

int
report_read_day(const struct report_role *role, enum report_kind kind, int64_t day, struct report_day *ret_sums)
{
	struct buf text = BUF_INIT(CHUNK + 2 * REPORT_LINE_MAX);
	_cleanup_(closep) int fd = -1;
	char name[NAME_SIZE];
	uint64_t size = 0;
	ssize_t got = 1;

	report_day_init(ret_sums);
	put_name(kind, day, "", name);
	fd = openat(role->folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (got > 0) {
		char *room = buf_reserve(&text, CHUNK);

		got = read(fd, room, CHUNK);
		if (got > 0) {
			buf_added(&text, (size_t)got);
			size += (uint64_t)got;
		}
		take_lines(&text, ret_sums);
	}
	buf_free(&text);
	ret_sums->cut = size > REPORT_FILE_MAX - REPORT_LINE_MAX; /* else the longest line would have had room */
	return got < 0 ? -errno : 0;
}

int
report_open_sent(const struct report_role *role, enum report_kind kind, int64_t day, struct buf *ret_domains)
{
	char name[NAME_SIZE];
	int fd, r;

	put_name(kind, day, SENT_SUFFIX, name);
	fd = openat(role->folder, name, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = io_read_all(fd, ret_domains);
	if (r == 0)
		r = mend_end(fd, ret_domains->len);
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

int
report_mark_sent(int fd, const char *domain)
{
	struct buf line = BUF_INIT(REPORT_LINE_MAX);
	int r = buf_fmt(&line, "%s\n", domain);

	if (r == 0)
		r = io_write_all(fd, buf_get(&line));
	if (r == 0 && fdatasync(fd) < 0)
		r = -errno;
	buf_free(&line);
	return r;
}

/* The lines go first: without them the other file means nothing. */
int
report_remove_day(const struct report_role *role, enum report_kind kind, int64_t day)
{
	static const char *const suffixes[] = { "", SENT_SUFFIX };
	int r = 0;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		char name[NAME_SIZE];

		put_name(kind, day, suffixes[i], name);
		if (unlinkat(role->folder, name, 0) < 0 && errno != ENOENT) {
			r = i == 0 ? -errno : r;
			log_error("report-not-removed", log_str("file", name), log_errno("error", errno));
		}
	}
	return r;
}
