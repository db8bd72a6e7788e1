/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The attributes of XCLIENT. */
#include "smtpd/xclient_parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "common/network.h"
#include "smtpd/smtp_parse.h"

#define VALUE_MAX 512

int
xtext_decode(struct span text, struct buf *out)
{
	size_t before = out->len;
	int r = smtp_is_xtext(text, SIZE_MAX) ? 0 : -EINVAL;

	for (size_t i = 0; i < text.len && r == 0; i++) {
		int byte = (unsigned char)text.ptr[i];

		if (byte == '+') {
			byte = ascii_hex(text.ptr[i + 1]) * 16 + ascii_hex(text.ptr[i + 2]);
			i += 2;
		}
		r = byte < ' ' || byte == 0x7f ? -EINVAL : buf_char(out, (char)byte);
	}
	if (r < 0)
		buf_truncate(out, before);
	return r;
}

/* "192.0.2.1" or "IPV6:2001:db8::1". */
static int
take_address(struct span value, struct xclient *xclient)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	char text[XCLIENT_ADDRESS_MAX + 1];
	int family = AF_INET;

	if (span_istarts(value, SPAN("IPV6:"))) {
		family = AF_INET6;
		value = span_skip(value, 5);
	}
	if (value.len == 0 || value.len >= sizeof(text))
		return -EINVAL;
	(void)snprintf(text, sizeof(text), "%.*s", (int)value.len, value.ptr);
	if (inet_pton(family, text, bytes) != 1 || inet_ntop(family, bytes, text, sizeof(text)) == NULL)
		return -EINVAL;
	(void)snprintf(xclient->address, sizeof(xclient->address), "%s", network_plain(text));
	return 0;
}

static int
take_helo(struct span value, struct xclient *xclient)
{
	return smtp_is_helo(value) ? buf_span(&xclient->helo, value) : -EINVAL;
}

static int
take_login(struct span value, struct xclient *xclient)
{
	return buf_span(&xclient->login, value);
}

static int
leave_aside(struct span value, struct xclient *xclient)
{
	(void)value, (void)xclient;
	return 0;
}

static const struct {
	struct span name;
	int (*take)(struct span value, struct xclient *xclient);
} attributes[] = {
	{ SPAN("ADDR"), take_address },
	{ SPAN("HELO"), take_helo },
	{ SPAN("LOGIN"), take_login },
	{ SPAN("NAME"), leave_aside },
	{ SPAN("PORT"), leave_aside },
	{ SPAN("PROTO"), leave_aside },
	{ SPAN("DESTADDR"), leave_aside },
	{ SPAN("DESTPORT"), leave_aside },
};
#define COUNT (sizeof(attributes) / sizeof(*attributes))

static int
take(struct span word, unsigned *seen, struct xclient *xclient)
{
	struct buf value = BUF_INIT(VALUE_MAX);
	struct span name;
	size_t i = 0;
	int r;

	(void)span_split(&word, '=', &name);
	while (i < COUNT && !span_ieq(name, attributes[i].name))
		i++;
	if (i == COUNT || (*seen & (1u << i)) != 0)
		return -EINVAL;
	*seen |= 1u << i;
	xclient->told_address |= attributes[i].take == take_address;
	xclient->told_helo |= attributes[i].take == take_helo;
	if (span_ieq(word, SPAN("[UNAVAILABLE]")) || span_ieq(word, SPAN("[TEMPUNAVAIL]")))
		return 0;
	r = xtext_decode(word, &value);
	if (r == 0)
		r = attributes[i].take(buf_get(&value), xclient);
	buf_free(&value);
	return r;
}

int
xclient_parse(struct span args, struct xclient *ret_xclient)
{
	struct xclient xclient = { .helo = BUF_INIT(VALUE_MAX), .login = BUF_INIT(VALUE_MAX) };
	unsigned seen = 0;
	struct span word;
	int r = 0;

	while (r == 0 && span_split(&args, ' ', &word))
		r = word.len == 0 ? 0 : take(word, &seen, &xclient);
	if (r == 0 && seen != 0) {
		*ret_xclient = xclient;
		return 0;
	}
	xclient_free(&xclient);
	return -EINVAL;
}

void
xclient_free(struct xclient *xclient)
{
	buf_free(&xclient->helo);
	buf_free(&xclient->login);
}
