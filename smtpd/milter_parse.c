/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Packets from milters: a table says what stands in each. */
#include <errno.h>

#include "smtpd/milter.h"

#define LENGTH 4

enum shape {
	NOTHING,
	NUMBERS, /* three, and what a milter says of macros, which is not looked at */
	TEXT,    /* ended by NUL; arguments may follow, which are not looked at */
	FIELD,   /* name and value, each ended by NUL */
	INDEXED, /* a number and a field */
	BYTES,
};

static const struct {
	char letter;
	enum shape shape;
	enum milter_type type;
} rows[] = {
	{ 'O', NUMBERS, MILTER_IS_NEGOTIATION },
	{ 'c', NOTHING, MILTER_IS_CONTINUE },
	{ 'a', NOTHING, MILTER_IS_ACCEPT },
	{ 'r', NOTHING, MILTER_IS_REJECT },
	{ 't', NOTHING, MILTER_IS_TEMPFAIL },
	{ 'y', TEXT, MILTER_IS_REPLY },
	{ 'd', NOTHING, MILTER_IS_DISCARD },
	{ 's', NOTHING, MILTER_IS_SKIP },
	{ 'p', NOTHING, MILTER_IS_PROGRESS },
	{ '4', NOTHING, MILTER_IS_GOODBYE },
	{ 'f', NOTHING, MILTER_IS_GOODBYE },
	{ 'h', FIELD, MILTER_IS_ADD_HEADER },
	{ 'i', INDEXED, MILTER_IS_INSERT_HEADER },
	{ 'm', INDEXED, MILTER_IS_CHANGE_HEADER },
	{ 'b', BYTES, MILTER_IS_BODY },
	{ '+', TEXT, MILTER_IS_ADD_RCPT },
	{ '2', TEXT, MILTER_IS_ADD_RCPT },
	{ '-', TEXT, MILTER_IS_DELETE_RCPT },
	{ 'e', TEXT, MILTER_IS_CHANGE_FROM },
	{ 'q', TEXT, MILTER_IS_QUARANTINE },
};

static int
take_u32(struct span *data, uint32_t *ret)
{
	struct span four = span_take(data, LENGTH);

	*ret = 0;
	for (size_t i = 0; i < four.len; i++)
		*ret = *ret << 8 | (uint8_t)four.ptr[i];
	return four.len == LENGTH ? 0 : -EBADMSG;
}

static int
take_text(struct span *data, struct span *ret)
{
	ptrdiff_t nul = span_chr(*data, '\0');

	if (nul < 0)
		return -EBADMSG;
	*ret = span_take(data, (size_t)nul);
	*data = span_skip(*data, 1);
	return 0;
}

static int
take_field(struct span *data, struct milter_packet *ret)
{
	int r = take_text(data, &ret->name);

	return r == 0 ? take_text(data, &ret->text) : r;
}

static int
take_data(struct span data, enum shape shape, struct milter_packet *ret)
{
	switch (shape) {
	case NOTHING:
		return 0;
	case NUMBERS:
		return take_u32(&data, &ret->version) < 0 || take_u32(&data, &ret->actions) < 0 ||
			take_u32(&data, &ret->options) < 0 ? -EBADMSG : 0;
	case TEXT:
		return take_text(&data, &ret->text);
	case FIELD:
		return take_field(&data, ret);
	case INDEXED:
		return take_u32(&data, &ret->index) < 0 ? -EBADMSG : take_field(&data, ret);
	case BYTES:
		ret->text = data;
		return 0;
	}
	return -EBADMSG;
}

int
milter_parse(struct span input, size_t max, struct milter_packet *ret, size_t *ret_len)
{
	struct span rest = input, data;
	uint32_t len;
	char letter;

	*ret = (struct milter_packet){ .index = 0 };
	if (input.len < LENGTH)
		return 1;
	if (take_u32(&rest, &len) < 0 || len == 0 || len > max)
		return -EBADMSG;
	if (rest.len < len)
		return 1;
	data = span_take(&rest, len);
	letter = span_take(&data, 1).ptr[0];
	*ret_len = LENGTH + len;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].letter == letter) {
			ret->type = rows[i].type;
			return take_data(data, rows[i].shape, ret);
		}
	return -EBADMSG;
}
