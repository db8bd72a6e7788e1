/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* DNS messages: RFC 1035 section 4. Names end after 255 octets and so do pointers within them. */
#include <errno.h>

#include "smtpd/dns.h"

#define HEADER 12
#define WIRE_NAME_MAX 255
#define POINTER 0xc0
#define NOERROR 0
#define NXDOMAIN 3
#define CLASS_IN 1
/* Records of all types that are looked at: signatures and aliases stand between. */
#define SEEN_MAX 4096

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
put_label(struct span label, char name[DNS_NAME_MAX], size_t *len)
{
	bool good = *len + label.len + (*len != 0) <= DNS_NAME_MAX;

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
take_name(struct span packet, size_t *at, char name[DNS_NAME_MAX], size_t *ret_len)
{
	size_t here = *at, wire = 0;
	bool jumped = false, good = true;

	*ret_len = 0;
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
		if (length > DNS_LABEL_MAX || here + 1 + length > packet.len || (wire += 1 + length) > WIRE_NAME_MAX)
			return -EBADMSG;
		here += 1 + length;
		if (length == 0)
			break;
		good = good && put_label(span_make(packet.ptr + here - length, length), name, ret_len);
	}
	if (!jumped)
		*at = here;
	return good ? 0 : 1;
}

/* --- the data of one record: 0, 1 when it is of no use, -EBADMSG --- */

/* Bytes that the answer keeps itself; NULL, and it is cut, when there is no room. */
static char *
keep(struct dns_answer *answer, size_t len)
{
	char *place = answer->bytes + answer->used;

	if (sizeof(answer->bytes) - answer->used < len) {
		answer->cut = true;
		return NULL;
	}
	answer->used += len;
	return place;
}

static void
keep_owner(struct dns_answer *answer, struct span name)
{
	char *place = keep(answer, name.len);

	if (place == NULL || name.len == 0)
		return;
	memcpy(place, name.ptr, name.len);
	answer->owner = span_make(place, name.len);
}

static int
take_name_data(struct span packet, size_t at, size_t end, struct dns_answer *answer, struct dns_record *record)
{
	char name[DNS_NAME_MAX], *place;
	size_t len;
	int r = take_name(packet, &at, name, &len);

	if (r < 0 || at != end)
		return -EBADMSG;
	answer->unusable |= r != 0;
	if (r != 0 || (place = keep(answer, len)) == NULL)
		return 1;
	memcpy(place, name, len);
	record->data = span_make(place, len);
	return 0;
}

/* Strings of at most 255 octets, each behind its length. */
static int
take_strings(struct span data, struct dns_answer *answer, struct dns_record *record)
{
	char *place = keep(answer, data.len);
	size_t len = 0, at = 0;

	if (data.len == 0)
		return -EBADMSG;
	while (at < data.len) {
		size_t string = (unsigned char)data.ptr[at];

		if (data.len - at - 1 < string)
			return -EBADMSG;
		if (place != NULL)
			memcpy(place + len, data.ptr + at + 1, string);
		len += string;
		at += 1 + string;
	}
	record->data = span_make(place, len);
	return place != NULL ? 0 : 1;
}

/* What stands in the packet as it is wanted; it counts all the same, for it travels in a message. */
static int
take_plain(struct span data, struct dns_answer *answer, struct dns_record *record)
{
	record->data = data;
	return keep(answer, data.len) != NULL ? 0 : 1;
}

static int
take_data(struct span packet, enum dns_type type, size_t at, size_t len, struct dns_answer *answer, struct dns_record *record)
{
	struct span data = span_make(packet.ptr + at, len);

	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		return len == (type == DNS_A ? 4 : 16) ? take_plain(data, answer, record) : -EBADMSG;
	case DNS_CNAME:
	case DNS_PTR:
		return take_name_data(packet, at, at + len, answer, record);
	case DNS_MX:
		record->preference = (uint16_t)u16_at(packet, at);
		return len >= 3 ? take_name_data(packet, at + 2, at + len, answer, record) : -EBADMSG;
	case DNS_TXT:
		return take_strings(data, answer, record);
	case DNS_TLSA:
		record->usage = (uint8_t)byte_at(packet, at);
		record->selector = (uint8_t)byte_at(packet, at + 1);
		record->matching = (uint8_t)byte_at(packet, at + 2);
		return len >= 3 ? take_plain(span_skip(data, 3), answer, record) : -EBADMSG;
	}
	return 1;
}

/* --- the message --- */

struct reading {
	struct span packet;
	size_t at;
	enum dns_type type;
	struct dns_answer *answer;
	unsigned aliases;
};

static int
take_record(struct reading *reading)
{
	struct dns_answer *answer = reading->answer;
	struct dns_record record = { 0 };
	struct span packet = reading->packet;
	char owner[DNS_NAME_MAX];
	size_t owner_len, len, at;
	unsigned type;
	uint32_t ttl;
	int r, named = take_name(packet, &reading->at, owner, &owner_len);

	if (named < 0 || packet.len - reading->at < 10)
		return -EBADMSG;
	at = reading->at + 10;
	type = u16_at(packet, reading->at);
	ttl = (uint32_t)u16_at(packet, reading->at + 4) << 16 | u16_at(packet, reading->at + 6);
	len = u16_at(packet, reading->at + 8);
	if (packet.len - at < len)
		return -EBADMSG;
	reading->at = at + len;
	if (u16_at(packet, at - 8) != CLASS_IN)
		return 0;
	if (type == DNS_CNAME && reading->type != DNS_CNAME && ++reading->aliases > DNS_ALIASES_MAX)
		return -ELOOP;
	if (type != reading->type)
		return 0;
	if (answer->count == DNS_RECORDS_MAX) {
		answer->cut = true;
		return 0;
	}
	r = take_data(packet, reading->type, at, len, answer, &record);
	if (r < 0)
		return r;
	if (r == 0) {
		if (answer->count == 0 && named == 0)
			keep_owner(answer, span_make(owner, owner_len));
		if (answer->count == 0 || ttl < answer->ttl)
			answer->ttl = ttl;
		answer->records[answer->count++] = record;
	}
	return 0;
}

static int
read_answer(struct reading *reading)
{
	struct span packet = reading->packet;
	unsigned questions = u16_at(packet, 4), answers = u16_at(packet, 6);
	char ignored[DNS_NAME_MAX];
	size_t len;
	int r = 0;

	if (packet.len < HEADER || answers > SEEN_MAX)
		return -EBADMSG;
	reading->at = HEADER;
	for (; questions != 0; questions--) {
		if (take_name(packet, &reading->at, ignored, &len) < 0 || packet.len - reading->at < 4)
			return -EBADMSG;
		reading->at += 4;
	}
	for (; answers != 0 && r == 0; answers--)
		r = take_record(reading);
	return r < 0 ? r : (int)(byte_at(packet, 3) & 15);
}

int
dns_parse(struct span packet, enum dns_type type, struct dns_answer *answer)
{
	struct reading reading = { .packet = packet, .type = type, .answer = answer };
	int r;

	answer->cut = answer->unusable = false;
	answer->ttl = 0;
	answer->owner = SPAN_NULL;
	answer->count = answer->used = 0;
	r = read_answer(&reading);
	if (r != NOERROR) {
		answer->count = 0;
		answer->owner = SPAN_NULL;
	}
	if (r == NXDOMAIN)
		answer->status = DNS_NO_NAME;
	else if (r != NOERROR || (answer->cut && answer->count == 0))
		answer->status = DNS_FAILED;
	else
		answer->status = answer->count != 0 ? DNS_FOUND : DNS_NO_DATA;
	return r;
}
