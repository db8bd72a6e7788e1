/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Replies of another host: RFC 5321 section 4.2, RFC 2034, RFC 5321 section 4.1.1.1. */
#include "smtpd/relay_parse.h"

#include <errno.h>

void
relay_reply_init(struct relay_reply *reply)
{
	*reply = (struct relay_reply){ .text = BUF_INIT(RELAY_TEXT_MAX) };
}

void
relay_reply_free(struct relay_reply *reply)
{
	buf_free(&reply->text);
}

void
relay_reply_clear(struct relay_reply *reply)
{
	reply->code = 0;
	reply->lines = 0;
	buf_clear(&reply->text);
}

/* One line without its end: 0 when it is the last of its reply, 1 when others follow, -EBADMSG. */
static int
take_line(struct relay_reply *reply, struct span line)
{
	uint16_t code = 0;
	bool more;

	if (line.len < 3 || line.ptr[0] < '2' || line.ptr[0] > '5')
		return -EBADMSG;
	for (size_t i = 0; i < 3; i++) {
		if (!ascii_is_digit(line.ptr[i]))
			return -EBADMSG;
		code = (uint16_t)(code * 10 + line.ptr[i] - '0');
	}
	/* A code alone is a whole line: section 4.2 wants it taken although no server should send it. */
	if (line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '-')
		return -EBADMSG;
	if (reply->lines != 0 && code != reply->code)
		return -EBADMSG;
	more = line.len > 3 && line.ptr[3] == '-';
	reply->code = code;
	line = span_skip(line, 4);
	if (line.len > RELAY_TEXT_MAX - reply->text.len)
		line.len = RELAY_TEXT_MAX - reply->text.len;
	if (reply->lines != 0 && reply->text.len < RELAY_TEXT_MAX) {
		(void)buf_char(&reply->text, '\n');
		if (line.len > RELAY_TEXT_MAX - reply->text.len)
			line.len = RELAY_TEXT_MAX - reply->text.len;
	}
	(void)buf_span(&reply->text, line);
	reply->lines++;
	return more;
}

int
relay_reply_input(struct relay_reply *reply, struct span input, size_t *ret_used)
{
	size_t used = 0;
	int r = 1;

	while (r == 1) {
		struct span line = span_skip(input, used);
		ptrdiff_t end = span_chr(line, '\n');

		if (end >= RELAY_LINE_MAX || (end < 0 && line.len >= RELAY_LINE_MAX) || (end >= 0 && reply->lines == RELAY_LINES_MAX)) {
			r = -EMSGSIZE;
			break;
		}
		if (end < 0)
			break;
		used += (size_t)end + 1;
		line.len = (size_t)end;
		if (line.len != 0 && line.ptr[line.len - 1] == '\r')
			line.len--;
		r = take_line(reply, line);
	}
	*ret_used = used;
	return r;
}

struct span
relay_parse_status(struct span text, unsigned class)
{
	struct span rest = text;
	uint64_t number;

	/* "class.subject.detail", the last two of one to three digits (RFC 3463 section 2). */
	if (span_take_u64(&rest, 5, &number) < 0 || number != class || text.len - rest.len != 1)
		return SPAN_NULL;
	for (int i = 0; i < 2; i++) {
		size_t before;

		if (rest.len == 0 || rest.ptr[0] != '.')
			return SPAN_NULL;
		rest = span_skip(rest, 1);
		before = rest.len;
		if (span_take_u64(&rest, 999, &number) < 0 || before - rest.len > 3)
			return SPAN_NULL;
	}
	if (rest.len != 0 && rest.ptr[0] != ' ' && rest.ptr[0] != '\n')
		return SPAN_NULL;
	return span_make(text.ptr, text.len - rest.len);
}

static const struct {
	struct span keyword;
	unsigned extension;
} keywords[] = {
	{ SPAN("PIPELINING"), RELAY_EXT_PIPELINING },
	{ SPAN("SIZE"), RELAY_EXT_SIZE },
	{ SPAN("8BITMIME"), RELAY_EXT_8BITMIME },
	{ SPAN("DSN"), RELAY_EXT_DSN },
	{ SPAN("SMTPUTF8"), RELAY_EXT_SMTPUTF8 },
	{ SPAN("STARTTLS"), RELAY_EXT_STARTTLS },
	{ SPAN("ENHANCEDSTATUSCODES"), RELAY_EXT_STATUS_CODES },
	{ SPAN("MT-PRIORITY"), RELAY_EXT_MT_PRIORITY },
	{ SPAN("LIMITS"), RELAY_EXT_LIMITS },
	{ SPAN("REQUIRETLS"), RELAY_EXT_REQUIRETLS },
	{ SPAN("DELIVERBY"), RELAY_EXT_DELIVERBY },
	{ SPAN("CHUNKING"), RELAY_EXT_CHUNKING },
};

/* "MAILMAX=100 RCPTMAX=1000" (RFC 9422 section 4): what is malformed or not known is passed over. */
static void
parse_limits(struct span words, struct relay_offer *offer)
{
	struct span word, name;
	uint64_t number;

	while (span_split(&words, ' ', &word)) {
		(void)span_split(&word, '=', &name);
		if (span_to_u64(word, 999999, &number) < 0)
			continue;
		if (span_ieq(name, SPAN("MAILMAX")))
			offer->mail_max = number;
		else if (span_ieq(name, SPAN("RCPTMAX")))
			offer->rcpt_max = number;
		else if (span_ieq(name, SPAN("RCPTDOMAINMAX")))
			offer->rcpt_domain_max = number;
	}
}

/* "AUTH PLAIN LOGIN"; "AUTH=PLAIN" is an old form. */
static void
parse_auth(struct span words, struct relay_offer *offer)
{
	struct span word;

	while (span_split(&words, ' ', &word)) {
		if (span_ieq(word, SPAN("PLAIN")))
			offer->extensions |= RELAY_EXT_AUTH_PLAIN;
		else if (span_ieq(word, SPAN("LOGIN")))
			offer->extensions |= RELAY_EXT_AUTH_LOGIN;
	}
}

struct relay_offer
relay_parse_offer(struct span text)
{
	struct relay_offer offer = { 0 };
	struct span line;

	(void)span_split(&text, '\n', &line); /* its name and greeting */
	while (span_split(&text, '\n', &line)) {
		struct span keyword = SPAN_NULL;

		line = span_trim(line);
		(void)span_split(&line, ' ', &keyword);
		for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++)
			if (span_ieq(keyword, keywords[i].keyword))
				offer.extensions |= keywords[i].extension;
		if (span_ieq(keyword, SPAN("SIZE")) && span_to_u64(line, UINT64_MAX, &offer.size_max) < 0)
			offer.size_max = 0;
		if (span_ieq(keyword, SPAN("DELIVERBY")) && span_to_u64(line, 999999999, &offer.by_min) < 0)
			offer.by_min = 0;
		if (span_ieq(keyword, SPAN("LIMITS")))
			parse_limits(line, &offer);
		if (span_ieq(keyword, SPAN("AUTH")))
			parse_auth(line, &offer);
	}
	return offer;
}
