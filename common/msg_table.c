/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The pure half of messages between roles: the table's check, and reading and writing of bodies. */
#include <errno.h>
#include <string.h>

#include "common/msg.h"

static const struct msg_row *
find_row(const struct msg_table *table, uint16_t type)
{
	for (size_t t = 0; t < table->tables; t++) {
		const struct msg_row *rows = table->rows[t];

		if (table->counts[t] != 0 && type >= rows[0].type && (size_t)(type - rows[0].type) < table->counts[t])
			return &rows[type - rows[0].type];
	}
	return NULL;
}

int
msg_check(const struct msg_table *table, uint8_t from, uint8_t to, uint16_t type, size_t body_len, bool has_fd)
{
	const struct msg_row *row = find_row(table, type);

	if (row == NULL)
		return -EBADMSG;
	if ((row->from != MSG_ROLE_ANY && row->from != from) || (row->to != MSG_ROLE_ANY && row->to != to))
		return -EBADMSG;
	if (body_len < row->min || body_len > row->max || body_len > MSG_BODY_MAX)
		return -EBADMSG;
	if ((row->fd == MSG_FD && !has_fd) || (row->fd == MSG_NOFD && has_fd))
		return -EBADMSG;
	return 0;
}

const char *
msg_name(const struct msg_table *table, uint16_t type)
{
	const struct msg_row *row = find_row(table, type);

	return row != NULL ? row->name : NULL;
}

struct msg_reader
msg_read_span(struct span body)
{
	return (struct msg_reader){ body, false };
}

struct msg_reader
msg_read(const struct msg *msg)
{
	return msg_read_span(msg->body);
}

/* Fields stand in host order: both ends are processes of one host and one binary. */
static void
get(struct msg_reader *reader, void *value, size_t len)
{
	memset(value, 0, len);
	if (reader->bad || reader->rest.len < len) {
		reader->bad = true;
		return;
	}
	memcpy(value, reader->rest.ptr, len);
	reader->rest = span_skip(reader->rest, len);
}

uint8_t
msg_get_u8(struct msg_reader *reader)
{
	uint8_t value;

	get(reader, &value, sizeof(value));
	return value;
}

uint16_t
msg_get_u16(struct msg_reader *reader)
{
	uint16_t value;

	get(reader, &value, sizeof(value));
	return value;
}

uint32_t
msg_get_u32(struct msg_reader *reader)
{
	uint32_t value;

	get(reader, &value, sizeof(value));
	return value;
}

uint64_t
msg_get_u64(struct msg_reader *reader)
{
	uint64_t value;

	get(reader, &value, sizeof(value));
	return value;
}

struct span
msg_get_span(struct msg_reader *reader)
{
	uint16_t len = msg_get_u16(reader);

	if (reader->bad || reader->rest.len < len) {
		reader->bad = true;
		return SPAN_NULL;
	}
	return span_take(&reader->rest, len);
}

bool
msg_done(const struct msg_reader *reader)
{
	return !reader->bad && reader->rest.len == 0;
}

void
msg_writer_init(struct msg_writer *writer)
{
	writer->len = 0;
	writer->overflow = false;
}

static void
put(struct msg_writer *writer, const void *value, size_t len)
{
	if (writer->overflow || len > sizeof(writer->bytes) - writer->len) {
		writer->overflow = true;
		return;
	}
	if (len != 0)
		memcpy(writer->bytes + writer->len, value, len);
	writer->len += len;
}

void
msg_put_u8(struct msg_writer *writer, uint8_t value)
{
	put(writer, &value, sizeof(value));
}

void
msg_put_u16(struct msg_writer *writer, uint16_t value)
{
	put(writer, &value, sizeof(value));
}

void
msg_put_u32(struct msg_writer *writer, uint32_t value)
{
	put(writer, &value, sizeof(value));
}

void
msg_put_u64(struct msg_writer *writer, uint64_t value)
{
	put(writer, &value, sizeof(value));
}

void
msg_put_span(struct msg_writer *writer, struct span bytes)
{
	if (bytes.len > UINT16_MAX) {
		writer->overflow = true;
		return;
	}
	msg_put_u16(writer, (uint16_t)bytes.len);
	put(writer, bytes.ptr, bytes.len);
}
