/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The small file of a Maildir folder. */
#include "libmailstore/ms_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

static const char *const use_names[] = {
	[MS_USE_NONE] = "none", [MS_USE_INBOX] = "inbox", [MS_USE_DRAFTS] = "drafts", [MS_USE_SENT] = "sent",
	[MS_USE_TRASH] = "trash", [MS_USE_JUNK] = "junk", [MS_USE_ARCHIVE] = "archive",
};

void
ms_folder_clear(struct ms_folder *folder)
{
	for (unsigned i = 0; i < folder->keyword_count; i++)
		free(folder->keywords[i]);
	free(folder->keywords);
	folder->keywords = NULL;
	folder->keyword_count = 0;
}

int
ms_folder_add_keyword(struct ms_folder *folder, struct span keyword)
{
	if (folder->keyword_count == MS_KEYWORDS_MAX)
		return MS_E_LIMIT;
	folder->keywords = xreallocarray(folder->keywords, folder->keyword_count + 1, sizeof(*folder->keywords));
	folder->keywords[folder->keyword_count++] = span_dup(keyword);
	return 0;
}

bool
ms_keyword_is_valid(struct span keyword)
{
	if (keyword.len == 0 || keyword.len > MS_KEYWORD_LEN_MAX)
		return false;
	for (size_t i = 0; i < keyword.len; i++) {
		unsigned char c = (unsigned char)keyword.ptr[i];

		/* atom-specials of RFC 3501 section 9 */
		if (c <= ' ' || c >= 0x7f || span_chr(SPAN("(){%*\"\\]"), (char)c) >= 0)
			return false;
	}
	return true;
}

static bool
parse_hex(struct span text, uint64_t *ret)
{
	uint64_t value = 0;

	if (text.len != MS_ID_LEN)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		int digit = ascii_hex(text.ptr[i]);

		if (digit < 0)
			return false;
		value = value << 4 | (unsigned)digit;
	}
	*ret = value;
	return true;
}

static bool
parse_line(struct span line, struct ms_folder *folder)
{
	struct span word;
	uint64_t value = 0;

	(void)span_split(&line, ' ', &word);
	if (span_eq(word, SPAN("id")))
		return parse_hex(line, &folder->id);
	if (span_eq(word, SPAN("uidvalidity")) && span_to_u64(line, UINT32_MAX, &value) == 0)
		folder->uidvalidity = (uint32_t)value;
	else if (span_eq(word, SPAN("uidlimit")) && span_to_u64(line, UINT32_MAX, &value) == 0)
		folder->uid_limit = (uint32_t)value;
	else if (span_eq(word, SPAN("keyword"))) {
		if (!ms_keyword_is_valid(line) || ms_folder_add_keyword(folder, line) != 0)
			return false;
	} else if (span_eq(word, SPAN("maxbytes"))) {
		return span_to_u64(line, UINT64_MAX, &folder->quota.bytes) == 0;
	} else if (span_eq(word, SPAN("maxmessages"))) {
		return span_to_u64(line, UINT64_MAX, &folder->quota.messages) == 0;
	} else if (span_eq(word, SPAN("use"))) {
		for (size_t i = 0; i < sizeof(use_names) / sizeof(*use_names); i++)
			if (span_eq(line, span_of(use_names[i])))
				folder->use = (enum ms_use)i;
	}
	return true;
}

int
ms_folder_parse(struct span text, struct ms_folder *ret)
{
	struct span line;

	*ret = (struct ms_folder){ .id = 0 };
	if (!span_split(&text, '\n', &line) || !span_eq(line, SPAN("fourpost-folder 1")))
		return MS_E_CORRUPT;
	while (span_split(&text, '\n', &line))
		if (!parse_line(line, ret)) {
			ms_folder_clear(ret);
			return MS_E_CORRUPT;
		}
	if (ret->id == 0 || ret->uidvalidity == 0 || ret->uid_limit == 0) {
		ms_folder_clear(ret);
		return MS_E_CORRUPT;
	}
	return 0;
}

void
ms_folder_format(const struct ms_folder *folder, struct buf *out)
{
	(void)buf_fmt(out, "fourpost-folder 1\nid %016" PRIx64 "\nuidvalidity %" PRIu32 "\nuidlimit %" PRIu32 "\nuse %s\n", folder->id,
	    folder->uidvalidity, folder->uid_limit, use_names[folder->use]);
	if (folder->quota.bytes != 0)
		(void)buf_fmt(out, "maxbytes %" PRIu64 "\n", folder->quota.bytes);
	if (folder->quota.messages != 0)
		(void)buf_fmt(out, "maxmessages %" PRIu64 "\n", folder->quota.messages);
	/* Their order gives the letters a, b, ... and the numbers in the index. */
	for (unsigned i = 0; i < folder->keyword_count; i++)
		(void)buf_fmt(out, "keyword %s\n", folder->keywords[i]);
}

int
ms_folder_read(int dir_fd, struct ms_folder *ret)
{
	_cleanup_(closep) int fd = openat(dir_fd, MS_FOLDER_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_(freep) char *text = NULL;
	struct stat st;
	ssize_t got;

	if (fd < 0)
		return errno == ENOENT ? MS_E_NOTFOUND : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < 0 || st.st_size > MS_FOLDER_TEXT_MAX)
		return MS_E_CORRUPT;
	/* It is replaced, never written over: what fstat(2) tells is all of it. */
	text = xmalloc((size_t)st.st_size + 1);
	got = read(fd, text, (size_t)st.st_size);
	if (got < 0)
		return -errno;
	return ms_folder_parse(span_make(text, (size_t)got), ret);
}

int
ms_folder_write(int dir_fd, const struct ms_folder *folder)
{
	struct buf text = BUF_INIT(MS_FOLDER_TEXT_MAX);
	int r;

	ms_folder_format(folder, &text);
	r = ms_replace_file(dir_fd, MS_FOLDER_FILE, &text);
	buf_free(&text);
	return r;
}
