/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message's verdict explained. */
#include "smtpd/defence_explain.h"

#include "common/header.h"

static struct span
block_of(struct span message)
{
	return span_make(message.ptr, header_block_size(message));
}

/* --- who brought it --- */

/* "from HELO ([ADDRESS])", then "by HOSTNAME (Fourpost)" (smtp_put_trace). */
static bool
read_trace(struct span value, struct span hostname, struct explain_client *client)
{
	struct buf text = BUF_INIT(4096);
	struct span rest, helo = SPAN_NULL, address = SPAN_NULL, by = SPAN_NULL;
	bool found;

	(void)header_unfold(value, &text);
	rest = buf_get(&text);
	if (span_starts(rest, SPAN("from "))) {
		rest = span_skip(rest, strlen("from "));
		(void)span_split(&rest, ' ', &helo);
	}
	if (span_starts(rest, SPAN("(["))) {
		rest = span_skip(rest, 2);
		(void)span_split(&rest, ']', &address);
		if (span_istarts(address, SPAN("IPv6:")))
			address = span_skip(address, strlen("IPv6:"));
		rest = span_skip(rest, strlen(")"));
		rest = span_trim(rest);
	}
	if (span_starts(rest, SPAN("by "))) {
		rest = span_skip(rest, strlen("by "));
		(void)span_split(&rest, ' ', &by);
	}
	found = address.len != 0 && address.len < sizeof(client->address) && helo.len != 0 && helo.len < sizeof(client->helo) && span_ieq(by, hostname) &&
	    span_starts(rest, SPAN("(Fourpost) "));
	if (found) {
		*client = (struct explain_client){ .address = "" };
		memcpy(client->address, address.ptr, address.len);
		memcpy(client->helo, helo.ptr, helo.len);
	}
	buf_free(&text);
	return found;
}

bool
explain_client(struct span message, struct span hostname, struct explain_client *ret_client)
{
	struct header_field field;
	struct header_iter iter;

	header_begin(&iter, block_of(message));
	while (header_next(&iter, &field))
		if (span_ieq(field.name, SPAN("Received")) && read_trace(field.value, hostname, ret_client))
			return true;
	return false;
}

/* --- sentences --- */

/* Text from outside, on one line. */
static void
put_clean(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		(void)buf_char(out, text.ptr[i] >= ' ' && text.ptr[i] <= '~' ? text.ptr[i] : '?');
}

static const char *
meaning(const struct defence_settings *settings, struct span name)
{
	for (unsigned i = 0; i < TEST_COUNT; i++)
		if (span_eq(name, span_of(defence_tests[i].name)))
			return defence_tests[i].text;
	if (span_starts(name, SPAN("rule.")))
		return "A rule of this site's matched";
	for (size_t i = 0; i < settings->list_count; i++)
		if (span_ieq(name, settings->lists[i].zone))
			return "The client's address is in that list of the DNS";
	return "An item that this configuration does not know";
}

static void
put_items(const struct score *score, const struct defence_settings *settings, struct buf *out)
{
	for (size_t i = 0; i < score->count; i++)
		(void)buf_fmt(out, "  %+5d  %-26s %s\n", score->items[i].weight, score->items[i].name,
		    meaning(settings, span_of(score->items[i].name)));
}

static void
put_total(const char *what, int total, int junk, struct buf *out)
{
	(void)buf_fmt(out, "%s: %d", what, total);
	if (junk != 0)
		(void)buf_fmt(out, " of %d, by which mail is spam (spamtest: %d%%)", junk, score_percent(total, junk));
	(void)buf_str(out, "\n");
}

static void
put_stored(struct span message, const struct defence_settings *settings, struct buf *out)
{
	struct header_field field;
	struct score score;
	int junk;

	if (!header_find(block_of(message), SPAN(SCORE_FIELD), &field)) {
		(void)buf_str(out, "Score: none, for the message has no field " SCORE_FIELD ": its client was not tested\n");
	} else if (score_parse(field.value, &score, &junk) < 0) {
		(void)buf_str(out, "Score: unknown, for the field " SCORE_FIELD " cannot be read\n");
	} else {
		put_total("Score when it came", score.total, junk, out);
		put_items(&score, settings, out);
		score_free(&score);
	}
}

static void
put_client(struct span message, const struct defence_settings *settings, struct buf *out)
{
	struct explain_client client;

	if (!explain_client(message, span_of(settings->hostname), &client)) {
		(void)buf_fmt(out, "Client: unknown, for no Received field is of %s\n", settings->hostname);
		return;
	}
	(void)buf_str(out, "Client: ");
	put_clean(out, span_of(client.address));
	(void)buf_str(out, ", which called itself ");
	put_clean(out, span_of(client.helo));
	(void)buf_str(out, "\n");
}

static void
put_hops(struct span message, unsigned max, struct buf *out)
{
	struct header_field field;
	struct header_iter iter;
	unsigned hops = 0;

	header_begin(&iter, block_of(message));
	while (header_next(&iter, &field))
		hops += span_ieq(field.name, SPAN("Received"));
	(void)buf_fmt(out, "Hops: %u of %u\n", hops, max);
}

/* What verification and milters wrote. */
static void
put_fields(struct span message, struct buf *out)
{
	static const struct span names[] = { SPAN("Authentication-Results"), SPAN("Received-SPF"), SPAN("X-Spam-Flag"), SPAN("X-Spam-Status"),
		SPAN("X-Spam"), SPAN("X-Virus-Status") };
	struct header_field field;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (header_find(block_of(message), names[i], &field)) {
			struct buf text = BUF_INIT(8192);

			(void)header_unfold(field.value, &text);
			(void)buf_fmt(out, "%.*s: ", (int)names[i].len, names[i].ptr);
			put_clean(out, buf_get(&text));
			(void)buf_str(out, "\n");
			buf_free(&text);
		}
}

static void
put_rules(struct span message, const struct rules *rules, struct score *score, struct buf *out)
{
	struct rules_outcome outcome;

	if (rules == NULL)
		return;
	rules_apply(rules, message, &outcome);
	(void)buf_fmt(out, "Rules that match now: %s%s%s\n", outcome.matched.len != 0 ? buf_cstr(&outcome.matched) : "none",
	    outcome.refused ? " (it would be refused)" : outcome.held ? " (it would be held)" : "", outcome.junk ? " (it would go to Junk)" : "");
	score_add_all(score, &outcome.score);
	rules_outcome_free(&outcome);
}

void
explain_put(struct span message, const struct defence_settings *settings, unsigned hops_max, const struct rules *rules,
    const struct defence *now, struct buf *out)
{
	struct score score = { 0 };

	put_stored(message, settings, out);
	put_client(message, settings, out);
	put_hops(message, hops_max, out);
	put_fields(message, out);
	put_rules(message, rules, &score, out);
	if (now != NULL) {
		defence_score(now, &score);
		put_total("Score of client and rules now", score.total, settings->junk, out);
		put_items(&score, settings, out);
	}
	score_free(&score);
}
