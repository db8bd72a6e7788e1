/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* DNS messages: RFC 1035 section 4. Names end after 255 octets and so do pointers within them. */
#include "smtpd/resolve_parse.h"

#include <errno.h>

#define HEADER 12
#define WIRE_NAME_MAX 255
#define LABEL_MAX 63
#define POINTER 0xc0

static unsigned
byte_at(struct span packet, size_t at)
{
	return at < packet.len ? (unsigned char)packet.ptr[at] : 0;
}

static unsigned
u16_at(struct span packet, size_t at)
{
	return byte_at(packet, at) << 8 | byte_at(packet, at + 1);
}

/* Letters, digits, hyphens, and the underscore that some hosts have: nothing that could mean more in a log or a report. */
static bool
put_label(struct span label, char name[RESOLVE_NAME_MAX + 1], size_t *len)
{
	bool good = *len + label.len + 1 <= RESOLVE_NAME_MAX;

	if (good && *len != 0)
		name[(*len)++] = '.';
	for (size_t i = 0; good && i < label.len; i++) {
		good = ascii_is_alnum(label.ptr[i]) || label.ptr[i] == '-' || label.ptr[i] == '_';
		name[(*len)++] = ascii_lower(label.ptr[i]);
	}
	return good;
}

/* Reads the name at *at and moves *at behind it. 0, 1 when it is no host name, -EBADMSG. */
static int
take_name(struct span packet, size_t *at, char name[RESOLVE_NAME_MAX + 1])
{
	size_t here = *at, wire = 0, len = 0;
	bool jumped = false, good = true;

	for (;;) {
		unsigned length = byte_at(packet, here);

		if (here >= packet.len)
			return -EBADMSG;
		if ((length & POINTER) == POINTER) {
			size_t to = u16_at(packet, here) & 0x3fff;

			if (here + 2 > packet.len || to >= here)
				return -EBADMSG; /* a pointer leads backwards, so it comes to an end */
			if (!jumped)
				*at = here + 2;
			jumped = true;
			here = to;
			continue;
		}
		if (length > LABEL_MAX || here + 1 + length > packet.len || (wire += 1 + length) > WIRE_NAME_MAX)
			return -EBADMSG;
		here += 1 + length;
		if (length == 0)
			break;
		good = good && put_label(span_make(packet.ptr + here - length, length), name, &len);
	}
	if (!jumped)
		*at = here;
	name[good ? len : 0] = '\0';
	return good ? 0 : 1;
}

/* The data of one record. 0, 1 when it is of no use, -EBADMSG. */
static int
take_data(struct span packet, enum resolve_type type, size_t at, size_t len, struct resolve_record *record)
{
	size_t name_at = at + 2;
	int r;

	if (type != RESOLVE_MX) {
		if (len != (type == RESOLVE_A ? 4 : 16))
			return -EBADMSG;
		record->address.len = (uint8_t)len;
		memcpy(record->address.bytes, packet.ptr + at, len);
		return 0;
	}
	if (len < 3)
		return -EBADMSG;
	record->preference = (uint16_t)u16_at(packet, at);
	r = take_name(packet, &name_at, record->name);
	return r < 0 || name_at != at + len ? -EBADMSG : r;
}

int
resolve_parse(struct span packet, enum resolve_type type, resolve_each each, void *context)
{
	unsigned questions = u16_at(packet, 4), answers = u16_at(packet, 6);
	char ignored[RESOLVE_NAME_MAX + 1];
	size_t at = HEADER, used = 0;

	if (packet.len < HEADER)
		return -EBADMSG;
	for (; questions != 0; questions--) {
		if (take_name(packet, &at, ignored) < 0 || packet.len - at < 4)
			return -EBADMSG;
		at += 4;
	}
	for (; answers != 0 && used < RESOLVE_RECORDS_MAX; answers--) {
		struct resolve_record record = { 0 };
		size_t len;
		int r;

		if (take_name(packet, &at, ignored) < 0 || packet.len - at < 10)
			return -EBADMSG;
		len = u16_at(packet, at + 8);
		if (packet.len - at - 10 < len)
			return -EBADMSG;
		/* Class IN alone. */
		r = u16_at(packet, at) == type && u16_at(packet, at + 2) == 1 ? take_data(packet, type, at + 10, len, &record) : 1;
		if (r < 0)
			return r;
		at += 10 + len;
		if (r == 0) {
			each(context, &record);
			used++;
		}
	}
	return (int)(byte_at(packet, 3) & 15);
}
