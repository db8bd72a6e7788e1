/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What emails share across methods: flags and keywords, reading and storing the bytes. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "webmaild/jmap.h"
#include "webmaild/jmap_store.h"

/* RFC 8621 10.4 and what IMAP calls the same. */
static const struct {
	const char *keyword;
	uint32_t flag;
} flag_rows[] = {
	{ "$seen", MS_SEEN }, { "$answered", MS_ANSWERED }, { "$flagged", MS_FLAGGED }, { "$draft", MS_DRAFT }, { "$forwarded", MS_FORWARDED },
};
#define FLAG_ROWS (sizeof(flag_rows) / sizeof(flag_rows[0]))

uint32_t
jmap_keyword_flag(struct span keyword)
{
	for (size_t i = 0; i < FLAG_ROWS; i++)
		if (span_ieq(span_of(flag_rows[i].keyword), keyword))
			return flag_rows[i].flag;
	return 0;
}

bool
jmap_is_keyword(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c < 0x21 || c > 0x7e || strchr("(){]%*\"\\", c) != NULL)
			return false;
	}
	return text.len >= 1 && text.len <= 255;
}

unsigned
jmap_email_flags(const struct jmap_email *email)
{
	unsigned flags = 0;

	for (size_t i = 0; i < email->place_count; i++)
		flags |= email->places[i].flags;
	return flags;
}

/* Calls each keyword of its own that the email has, until one answers true. */
static bool
each_keyword(const struct jmap_email *email, bool (*each)(void *context, const char *keyword), void *context)
{
	for (size_t i = 0; i < email->place_count; i++) {
		const struct jmap_place *place = &email->places[i];
		struct ms_message message = { .keywords = { .first = place->keywords } };
		const char *keyword;

		if (place->mailbox->open == NULL || (place->more && ms_message_get(place->mailbox->open, place->uid, &message) != 0))
			continue; /* it has left: the next sync tells */
		for (unsigned n = ms_keywords_next(&message.keywords, 0); (keyword = ms_keyword(place->mailbox->open, n)) != NULL;
		     n = ms_keywords_next(&message.keywords, n + 1))
			if (each(context, keyword))
				return true;
	}
	return false;
}

static bool
is_keyword(void *context, const char *keyword)
{
	const struct span *wanted = context;

	return span_ieq(*wanted, span_of(keyword));
}

bool
jmap_email_has_keyword(const struct jmap_email *email, struct span keyword)
{
	uint32_t flag = jmap_keyword_flag(keyword);

	return flag != 0 ? (jmap_email_flags(email) & flag) != 0 : each_keyword(email, is_keyword, &keyword);
}

static bool
put_keyword(void *context, const char *keyword)
{
	struct buf lower = BUF_INIT(256);

	/* Keywords are compared without case and given in lower case (RFC 8621 4.1.1). */
	for (const char *c = keyword; *c != '\0'; c++)
		(void)buf_char(&lower, ascii_lower(*c));
	if (jmap_is_keyword(buf_get(&lower)))
		(void)json_object_set_new(context, buf_cstr(&lower), json_true());
	buf_free(&lower);
	return false;
}

json_t *
jmap_email_keywords(const struct jmap_email *email)
{
	json_t *keywords = json_object();
	unsigned flags = jmap_email_flags(email);

	for (size_t i = 0; i < FLAG_ROWS; i++)
		if ((flags & flag_rows[i].flag) != 0)
			(void)json_object_set_new(keywords, flag_rows[i].keyword, json_true());
	(void)each_keyword(email, put_keyword, keywords);
	return keywords;
}

/* --- bytes --- */

static int
read_some(int fd, size_t len, struct buf *out)
{
	char *room = buf_reserve(out, len);
	size_t at = 0;

	if (room == NULL)
		return -EMSGSIZE;
	while (at < len) {
		ssize_t got = read(fd, room + at, len - at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break; /* another program cut the file: what is there is what there is */
		at += (size_t)got;
	}
	buf_added(out, at);
	return 0;
}

int
jmap_email_read_front(struct jmap *jmap, const struct jmap_email *email, size_t max, struct buf *out)
{
	int r = MS_E_NOTFOUND;

	(void)jmap;
	/* Any of its places will do; one may have gone since the last sync. */
	for (size_t i = 0; i < email->place_count && r == MS_E_NOTFOUND; i++) {
		_cleanup_(closep) int fd = -1;
		uint64_t bytes = 0;

		if (email->places[i].mailbox->open == NULL)
			continue;
		r = ms_message_open(email->places[i].mailbox->open, email->places[i].uid, &fd, &bytes);
		if (r == 0)
			r = read_some(fd, bytes < max ? (size_t)bytes : max, out);
	}
	return r;
}

int
jmap_email_read(struct jmap *jmap, const struct jmap_email *email, struct buf *out)
{
	return jmap_email_read_front(jmap, email, SIZE_MAX, out);
}

/* The flags, and the other keywords as a NULL-ended list for free(3); the strings are borrowed. */
static const char **
split_keywords(const json_t *keywords, uint32_t *ret_flags)
{
	const char **list = xcalloc(json_object_size(keywords) + 1, sizeof(char *));
	const char *key;
	json_t *value;
	size_t count = 0;

	*ret_flags = 0;
	json_object_foreach((json_t *)(uintptr_t)keywords, key, value) {
		uint32_t flag = jmap_keyword_flag(span_of(key));

		if (flag != 0)
			*ret_flags |= flag;
		else
			list[count++] = key;
	}
	return list;
}

int
jmap_store_message(struct jmap *jmap, struct span message, const struct jmap_mailbox *mailbox, const json_t *keywords, int64_t received,
    uint64_t *ret_id)
{
	_cleanup_(freep) const char **list = NULL;
	struct ms_append *append = ms_append_begin(jmap->store);
	uint32_t flags, uid, validity;
	int r;

	list = split_keywords(keywords, &flags);
	r = ms_append_write(append, message.ptr, message.len);
	if (r != 0) {
		ms_append_abort(append);
		return r;
	}
	return ms_append_commit(append, mailbox->info.name, flags, list, received, &uid, &validity, ret_id);
}
