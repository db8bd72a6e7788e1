/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Names of the DNS, and answers as messages between roles. */
#include "smtpd/dns.h"

#include <errno.h>

static const struct {
	unsigned type;
	const char *name;
} types[] = {
	{ DNS_A, "A" }, { DNS_CNAME, "CNAME" }, { DNS_PTR, "PTR" }, { DNS_MX, "MX" }, { DNS_TXT, "TXT" }, { DNS_AAAA, "AAAA" }, { DNS_TLSA, "TLSA" },
};

const char *
dns_type_name(unsigned type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (types[i].type == type)
			return types[i].name;
	return NULL;
}

/* --- names --- */

static struct span
without_final_dot(struct span name)
{
	if (name.len > 1 && name.ptr[name.len - 1] == '.')
		name.len--;
	return name;
}

bool
dns_is_name(struct span name)
{
	size_t label = 0;

	name = without_final_dot(name);
	if (name.len > DNS_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] != '.')
			label++;
		else if (label == 0 || label > DNS_LABEL_MAX)
			return false;
		else
			label = 0;
	return label != 0 && label <= DNS_LABEL_MAX;
}

int
dns_put_escaped(struct span name, struct buf *out)
{
	if (!dns_is_name(name))
		return -EINVAL;
	name = without_final_dot(name);
	for (size_t i = 0; i < name.len; i++)
		if (ascii_is_alnum(name.ptr[i]) || name.ptr[i] == '-' || name.ptr[i] == '_' || name.ptr[i] == '.')
			(void)buf_char(out, name.ptr[i]);
		else
			(void)buf_fmt(out, "\\%03u", (unsigned)(unsigned char)name.ptr[i]);
	return 0;
}

int
dns_put_reverse(const uint8_t *address, size_t len, struct span zone, struct buf *out)
{
	size_t before = out->len;

	for (size_t i = len; i-- > 0;)
		if (len == 4)
			(void)buf_fmt(out, "%u.", address[i]);
		else
			(void)buf_fmt(out, "%x.%x.", address[i] & 15u, (unsigned)address[i] >> 4);
	if (buf_span(out, zone) == 0)
		return 0;
	buf_truncate(out, before);
	return -EMSGSIZE;
}

/* --- messages --- */

void
dns_put(struct msg_writer *body, enum dns_type type, const struct dns_answer *answer)
{
	msg_put_u8(body, (uint8_t)answer->status);
	msg_put_u8(body, answer->secure);
	msg_put_u8(body, (uint8_t)answer->blame);
	msg_put_u8(body, answer->cut);
	msg_put_u32(body, answer->ttl);
	msg_put_span(body, span_make(answer->reason.ptr, answer->reason.len < DNS_REASON_MAX ? answer->reason.len : DNS_REASON_MAX));
	msg_put_span(body, answer->owner);
	msg_put_u16(body, (uint16_t)answer->count);
	for (size_t i = 0; i < answer->count; i++) {
		const struct dns_record *record = &answer->records[i];

		if (type == DNS_MX) {
			msg_put_u16(body, record->preference);
		} else if (type == DNS_TLSA) {
			msg_put_u8(body, record->usage);
			msg_put_u8(body, record->selector);
			msg_put_u8(body, record->matching);
		}
		msg_put_span(body, record->data);
	}
}

/* What a record of that type can hold, for those that do not take resolve at its word. */
static bool
is_data(enum dns_type type, struct span data)
{
	switch (type) {
	case DNS_A:
		return data.len == 4;
	case DNS_AAAA:
		return data.len == 16;
	case DNS_CNAME:
	case DNS_PTR:
	case DNS_MX:
		return data.len == 0 || dns_is_name(data);
	case DNS_TXT:
	case DNS_TLSA:
		return true;
	}
	return false;
}

int
dns_get(struct msg_reader *body, enum dns_type type, struct dns_answer *answer)
{
	uint8_t status = msg_get_u8(body), blame;
	size_t count;

	answer->status = (enum dns_status)status;
	answer->secure = msg_get_u8(body) != 0;
	blame = msg_get_u8(body);
	answer->blame = (enum dns_blame)blame;
	answer->cut = msg_get_u8(body) != 0;
	answer->ttl = msg_get_u32(body);
	answer->reason = msg_get_span(body);
	answer->owner = msg_get_span(body);
	answer->count = answer->used = 0;
	answer->unusable = false;
	count = msg_get_u16(body);
	if (status > DNS_BOGUS || blame > DNS_OURS || count > DNS_RECORDS_MAX || (status == DNS_FOUND) != (count != 0) || answer->reason.len > DNS_REASON_MAX ||
	    (answer->owner.len != 0 && !dns_is_name(answer->owner)))
		return -EBADMSG;
	for (size_t i = 0; i < count; i++) {
		struct dns_record *record = &answer->records[i];

		*record = (struct dns_record){ 0 };
		if (type == DNS_MX) {
			record->preference = msg_get_u16(body);
		} else if (type == DNS_TLSA) {
			record->usage = msg_get_u8(body);
			record->selector = msg_get_u8(body);
			record->matching = msg_get_u8(body);
		}
		record->data = msg_get_span(body);
		if (body->bad || !is_data(type, record->data))
			return -EBADMSG;
	}
	answer->count = count;
	return msg_done(body) ? 0 : -EBADMSG;
}
