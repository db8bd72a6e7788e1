/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reading blobs by id. */
#include "webmaild/jmap_blob.h"

#include "common/mime_text.h"
#include "webmaild/jmap_part.h"

#define TYPE_MAX 512
#define NAME_MAX_LEN 4096

void
jmap_blob_of_email(uint64_t id, char ret_text[JMAP_ID_LEN + 1])
{
	jmap_email_id(id, ret_text);
	ret_text[0] = 'B';
}

void
jmap_blob_free(struct jmap_blob *blob)
{
	buf_free(&blob->type);
	buf_free(&blob->name);
}

/* The bytes that the id without its part names. */
static int
read_base(struct jmap *jmap, struct span base, struct buf *out)
{
	const struct jmap_email *email;
	uint64_t id;

	if (base.len > 0 && base.ptr[0] == 'U')
		return uploads_read(jmap->session->uploads, base, out);
	if (!jmap_parse_id(base, 'B', &id))
		return 1;
	email = jmap_find_email(jmap, id);
	return email != NULL ? jmap_email_read(jmap, email, out) : 1;
}

static uint32_t
find_part(const struct mime_message *message, struct span number)
{
	struct buf dotted = BUF_INIT(1024);
	uint32_t index;

	for (size_t i = 0; i < number.len; i++)
		(void)buf_char(&dotted, number.ptr[i] == '_' ? '.' : number.ptr[i]);
	index = mime_find_number(message, buf_get(&dotted));
	buf_free(&dotted);
	return index;
}

static int
read_part(struct span bytes, struct span number, struct buf *out, struct jmap_blob *blob)
{
	struct mime_message *message = mime_parse(bytes);
	uint32_t index = find_part(message, number);
	int r = 1;

	if (index != MIME_NONE && message->parts[index].kind != MIME_MULTIPART) {
		jmap_part_type(&message->parts[index], &blob->type);
		(void)mime_filename(&message->parts[index], &blob->name);
		blob->is_message = message->parts[index].kind == MIME_MESSAGE;
		r = mime_body_decode(message, index, out);
	}
	(void)mime_free(message);
	return r;
}

int
jmap_blob_read(struct jmap *jmap, struct span id, struct buf *out, struct jmap_blob *ret_blob)
{
	struct span number = id, base = SPAN_NULL;
	struct buf whole = BUF_INIT(out->max);
	bool part;
	int r;

	*ret_blob = (struct jmap_blob){ BUF_INIT(TYPE_MAX), BUF_INIT(NAME_MAX_LEN), false };
	part = span_chr(id, '-') >= 0;
	(void)span_split(&number, '-', &base);
	r = read_base(jmap, base, part ? &whole : out);
	if (r == 0 && part) {
		r = read_part(buf_get(&whole), number, out, ret_blob);
	} else if (r == 0 && base.ptr[0] == 'B') {
		(void)buf_str(&ret_blob->type, "message/rfc822");
		ret_blob->is_message = true;
	}
	buf_free(&whole);
	return r;
}
