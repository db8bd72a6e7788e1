/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is computed once from a message's bytes, when it comes in: size with CRLF, rendered structures, preview, ids. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/file_map.h"
#include "common/imap_bodystructure.h"
#include "common/imap_envelope.h"
#include "common/message_id.h"
#include "common/mime_text.h"
#include "common/subject.h"
#include "common/text_fold.h"
#include "common/xalloc.h"
#include "libmailstore/ms_cache.h"
#include "libmailstore/ms_internal.h"

/* The preview of a smaller message is not kept: it would be as large as all else that is, and is soon made again. */
#define PREVIEW_FROM (16 * 1024)

/* A smaller message is read: to map it takes longer than to copy it. */
#define MAPPED_FROM (64 * 1024)

/* Of a hash: two of a million ids are the same once in 500 times; in order, each is told by four or five bytes. */
#define ID_BITS UINT64_C(0xffffffffffff)

/* Places for what a message answers, and for ids of its own, where not all have one. */
#define RESERVED 8

/* Empty without the field. */
static void
read_ids(struct span block, struct span field, struct message_id_list *ret)
{
	struct header_field found;

	message_id_list_parse(header_find(block, field, &found) ? found.value : SPAN_NULL, ret);
}

static void
add_ids(struct ms_derived *derived, const struct message_id_list *list, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		derived->ids[derived->id_count++] = ms_name_hash(list->ids[i]);
}

/* Those that others may know the message by come in any case: its own, and what it answers. Where there is no room for all of its references
 * (of a long conversation there is not), the first ones tell whose thread it is, and the last ones who was here a moment ago. */
static void
add_all_ids(struct ms_derived *derived, struct span block)
{
	struct message_id_list references, answered, own;
	size_t room, answered_count, own_count, first;

	read_ids(block, SPAN("References"), &references);
	read_ids(block, SPAN("In-Reply-To"), &answered);
	read_ids(block, SPAN("Message-ID"), &own);
	answered_count = answered.count;
	own_count = own.count;
	if (references.count + answered_count + own_count > MS_IDS_MAX) {
		answered_count = answered_count < RESERVED ? answered_count : RESERVED;
		own_count = own_count < RESERVED ? own_count : RESERVED;
	}
	room = MS_IDS_MAX - answered_count - own_count;
	first = references.count > room ? room / 2 : references.count;
	add_ids(derived, &references, 0, first);
	if (references.count > room)
		add_ids(derived, &references, references.count - (room - first), references.count);
	add_ids(derived, &answered, 0, answered_count);
	add_ids(derived, &own, 0, own_count);
	message_id_list_free(&references);
	message_id_list_free(&answered);
	message_id_list_free(&own);
}

/* RFC 8621 section 3: what refers to the same messages and has another subject is another conversation. */
static void
bind_subject(struct ms_derived *derived, struct span block)
{
	struct buf base = BUF_INIT(SUBJECT_MAX), folded = BUF_INIT(TEXT_FOLD_GROWTH * SUBJECT_MAX);
	struct header_field subject;
	uint64_t hash;

	if (header_find(block, SPAN("Subject"), &subject) && subject_base(subject.value, &base, NULL) == 0)
		text_fold(buf_get(&base), &folded);
	hash = ms_name_hash(buf_get(&folded));
	for (unsigned i = 0; i < derived->id_count; i++)
		derived->ids[i] = ((derived->ids[i] ^ hash) & ID_BITS) != 0 ? (derived->ids[i] ^ hash) & ID_BITS : 1; /* 0 would be none */
	buf_free(&base);
	buf_free(&folded);
}

static void
add_text(struct ms_derived *derived, struct buf *text)
{
	if (text->overflow)
		buf_clear(text);
	ms_cache_add(&derived->texts, text);
	buf_clear(text);
}

/* An attachment is a part that says so, or a leaf that is neither text nor part of multipart/related. */
static bool
has_attachment(const struct mime_message *message)
{
	for (uint32_t i = 0; i < message->count; i++) {
		const struct mime_part *part = &message->parts[i];

		if (part->kind == MIME_MULTIPART)
			continue;
		if (span_ieq(part->disposition, SPAN("attachment")))
			return true;
		if (part->kind == MIME_LEAF && i != 0 && !mime_is(part, SPAN("text"), SPAN_NULL) &&
		    !span_ieq(part->disposition, SPAN("inline")) && !mime_is(&message->parts[part->parent], SPAN("multipart"), SPAN("related")))
			return true;
	}
	return false;
}

static void
derive(struct span bytes, bool all, struct ms_derived *derived)
{
	struct mime_message *message = mime_parse(bytes);
	struct span block = mime_header(message, &message->parts[0]);
	struct buf text = BUF_INIT(MS_CACHED_MAX);

	(void)imap_envelope_append(&text, block, 0);
	add_text(derived, &text);
	(void)imap_bodystructure_append(&text, message, true, 0);
	add_text(derived, &text);
	if (all || bytes.len >= PREVIEW_FROM) {
		(void)mime_preview(message, &text);
		add_text(derived, &text);
	} else {
		ms_cache_add(&derived->texts, NULL);
	}
	buf_free(&text);
	derived->size = bytes.len + message->parts[0].header_bare + message->parts[0].body_bare;
	derived->has_attachment = has_attachment(message);
	add_all_ids(derived, block);
	bind_subject(derived, block);
	(void)mime_free(message);
}

/* 0; what the file no longer has, since somebody else cut it short, is left out. */
static int
derive_read(int fd, size_t bytes, bool all, struct ms_derived *ret)
{
	char *room = xmalloc(bytes);
	size_t len = 0;
	ssize_t got;
	int r;

	do {
		got = pread(fd, room + len, bytes - len, (off_t)len);
		len += got > 0 ? (size_t)got : 0;
	} while (len < bytes && (got > 0 || (got < 0 && errno == EINTR)));
	r = got < 0 ? -errno : 0;
	if (r == 0)
		derive(span_make(room, len), all, ret);
	free(room);
	return r;
}

int
ms_derive(int fd, uint64_t bytes, bool all, struct ms_derived *ret)
{
	struct file_map *map;
	bool torn;
	int r;

	*ret = (struct ms_derived){ .texts = BUF_INIT(MS_CACHE_TEXTS_MAX) };
	if (bytes == 0) {
		derive(SPAN_NULL, all, ret);
		return 0;
	}
	if (bytes < MAPPED_FROM)
		return derive_read(fd, (size_t)bytes, all, ret);
	r = file_map_open(fd, (size_t)bytes, &map);
	if (r != 0)
		return r;
	derive(file_map_bytes(map), all, ret);
	torn = file_map_is_torn(map);
	file_map_close(map);
	if (!torn)
		return 0;
	/* Cut short meanwhile, or not all of it can be read: that tells which. */
	ms_derived_clear(ret);
	*ret = (struct ms_derived){ .texts = BUF_INIT(MS_CACHE_TEXTS_MAX) };
	return derive_read(fd, (size_t)bytes, all, ret);
}

void
ms_derive_bytes(struct span bytes, struct ms_derived *ret)
{
	*ret = (struct ms_derived){ .texts = BUF_INIT(MS_CACHE_TEXTS_MAX) };
	derive(bytes, false, ret);
}

void
ms_derived_clear(struct ms_derived *derived)
{
	buf_free(&derived->texts);
}
