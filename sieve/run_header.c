/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Tests on the header and the envelope. */
#include "sieve/run.h"

#include "common/address.h"
#include "common/address_list.h"
#include "common/encoded_word.h"
#include "common/header.h"
#include "sieve/run_parts.h"

#define FIELD_MAX (1u << 20) /* of one field's value */
/* To bring a domain into both forms: so many, and so many for each octet. */
#define IDN_STEPS 64
#define IDN_OCTET_STEPS 4
#define ENCODED_STEPS 3 /* for an octet of a field that has encoded words, or what looks like some */

/* --- fields --- */

void
run_fields(struct run *run, const struct instruction *instruction, struct span name, run_field_fn each, void *context)
{
	uint64_t wanted = (instruction->tags & T(INDEX)) != 0 ? instruction->tagged[TAG_INDEX].number : 0, count = 0, number = 0;
	struct span block = run_header(run);
	struct header_iter iter;
	struct header_field field;

	if (name.len == 0 || run_spend(run, 1 + block.len / 16) != 0)
		return;
	if (wanted != 0 && (instruction->tags & T(LAST)) != 0) {
		header_begin(&iter, block);
		while (header_next(&iter, &field))
			count += span_ieq(field.name, name);
		if (wanted > count)
			return;
		wanted = count - wanted + 1;
	}
	header_begin(&iter, block);
	while (header_next(&iter, &field))
		if (span_ieq(field.name, name) && (wanted == 0 || ++number == wanted) && each(context, field.value))
			return;
}

struct span
run_decode_field(struct run *run, struct span value)
{
	struct buf out = BUF_INIT(FIELD_MAX);
	struct span text;

	if (run_spend(run, span_find(value, SPAN("=?")) >= 0 ? ENCODED_STEPS * value.len : value.len / 8) != 0)
		return SPAN_NULL;
	(void)encoded_word_decode(value, &out);
	text = arena_span(&run->scratch, span_trim(buf_get(&out)));
	buf_free(&out);
	return text;
}

/* --- header, exists --- */

static bool
match_field(void *context, struct span value)
{
	struct matcher *matcher = context;

	return matcher_value(matcher, run_decode_field(matcher->run, value));
}

int
run_test_header(struct run *run, const struct instruction *instruction)
{
	struct strings names = run_strings(run, &instruction->positional[0]);
	struct matcher matcher;
	int r = matcher_begin(&matcher, run, instruction, &instruction->positional[1]);

	for (size_t i = 0; r == 0 && i < names.count && !matcher.found; i++)
		run_fields(run, instruction, names.items[i], match_field, &matcher);
	return r == 0 ? matcher_end(&matcher) : r;
}

static bool
note_field(void *context, struct span value)
{
	(void)value;
	*(bool *)context = true;
	return true;
}

int
run_test_exists(struct run *run, const struct instruction *instruction)
{
	struct strings names = run_strings(run, &instruction->positional[0]);

	run->truth = true;
	for (size_t i = 0; i < names.count && run->truth; i++) {
		bool there = false;

		run_fields(run, instruction, names.items[i], note_field, &there);
		run->truth = there;
	}
	return run_spend(run, 1);
}

/* --- addresses --- */

bool
run_is_address_field(struct span name)
{
	static const struct span names[] = {
		SPAN("From"), SPAN("To"), SPAN("Cc"), SPAN("Bcc"), SPAN("Sender"), SPAN("Reply-To"), SPAN("Resent-From"), SPAN("Resent-To"),
		SPAN("Resent-Cc"), SPAN("Resent-Bcc"), SPAN("Resent-Sender"), SPAN("Resent-Reply-To"), SPAN("Delivered-To"), SPAN("Return-Path"),
		SPAN("X-Original-To"), SPAN("Envelope-To"), SPAN("Errors-To"), SPAN("Return-Receipt-To"), SPAN("Disposition-Notification-To"),
		SPAN("Mail-Followup-To"), SPAN("Mail-Reply-To"), SPAN("Apparently-To"), SPAN("X-Envelope-To"), SPAN("X-Forwarded-To"),
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (span_ieq(name, names[i]))
			return true;
	return false;
}

struct address_match {
	struct matcher matcher;
	uint64_t tags;
	bool has_idn_keys;
};

static bool
has_idn(struct span domain)
{
	return !span_is_ascii(domain) || span_ifind(domain, SPAN("xn--")) >= 0;
}

/* Whether one of them can match a form of a domain that does not stand in the message: it is in such a form itself, or has wildcards. */
static bool
has_idn_keys(const struct matcher *matcher)
{
	bool wild = matcher->match.type == MATCH_MATCHES;

	for (size_t i = 0; i < matcher->keys.count; i++) {
		struct span key = matcher->keys.items[i];

		if (has_idn(key) || (wild && (span_chr(key, '*') >= 0 || span_chr(key, '?') >= 0)))
			return true;
	}
	return false;
}

/* A domain in Unicode and its ASCII form are one domain (RFC 5890 section 2.3.2.1), and a script's author may know either: what matches any of them
 * matches. But octets are compared as they stand (RFC 4790 section 9.3), and so are relations, which would hold for one form and for the other not. */
static bool
match_domain(struct address_match *match, struct span text, struct span domain)
{
	struct matcher *matcher = &match->matcher;
	struct buf forms[] = { BUF_INIT(4 * ADDRESS_MAX), BUF_INIT(4 * ADDRESS_MAX) };
	bool done = matcher_value(matcher, text);

	if (done || !match->has_idn_keys || !has_idn(domain) || matcher->match.comparator == MATCH_OCTET ||
	    (matcher->match.type != MATCH_IS && matcher->match.type != MATCH_CONTAINS && matcher->match.type != MATCH_MATCHES))
		return done;
	done = run_spend(matcher->run, IDN_STEPS + IDN_OCTET_STEPS * domain.len) != 0;
	if (!done && address_domain_canonical(domain, &forms[0]) == 0 && address_domain_display(buf_get(&forms[0]), &forms[1]) == 0)
		for (size_t i = 0; i < 2 && !done; i++) {
			struct buf other = BUF_INIT(2 * ADDRESS_LIST_TEXT_MAX);

			(void)buf_span(&other, span_make(text.ptr, text.len - domain.len));
			(void)buf_span(&other, buf_get(&forms[i]));
			done = !other.overflow && matcher_value(matcher, buf_get(&other));
			buf_free(&other);
		}
	buf_free(&forms[0]);
	buf_free(&forms[1]);
	return done;
}

/* The part that is asked for. Empty domain: the address is not valid, and has no parts (RFC 5228 section 2.7.4). */
static bool
match_parts(struct address_match *match, struct span local, struct span domain, struct span all)
{
	char delimiter = match->matcher.run->host->delimiter;
	ptrdiff_t detail = delimiter != '\0' ? span_chr(local, delimiter) : -1;

	if ((match->tags & (T_PART & ~T(ALL))) == 0)
		return domain.len != 0 && span_ends(all, domain) ? match_domain(match, all, domain) : matcher_value(&match->matcher, all);
	if (domain.len == 0)
		return false;
	if ((match->tags & T(LOCALPART)) != 0)
		return matcher_value(&match->matcher, local);
	if ((match->tags & T(DOMAIN)) != 0)
		return match_domain(match, domain, domain);
	/* RFC 5233 section 4: without a separator there is no detail, not even an empty one. */
	if ((match->tags & T(DETAIL)) != 0)
		return detail >= 0 && matcher_value(&match->matcher, span_skip(local, (size_t)detail + 1));
	return matcher_value(&match->matcher, detail >= 0 ? span_make(local.ptr, (size_t)detail) : local);
}

static bool
match_addresses(void *context, struct span value)
{
	struct address_match *match = context;
	struct address_list list;
	struct buf all = BUF_INIT(2 * ADDRESS_LIST_TEXT_MAX);
	bool done = run_spend(match->matcher.run, value.len) != 0;

	address_list_parse(value, &list);
	for (size_t i = 0; i < list.count && !done; i++) {
		const struct address_entry *entry = &list.entries[i];

		if (entry->kind != ADDRESS_KIND_MAILBOX)
			continue;
		buf_clear(&all);
		if (address_spec_append(&all, entry->local, entry->domain) < 0) {
			buf_clear(&all);
			(void)buf_span(&all, entry->local);
			if (entry->domain.len != 0)
				(void)buf_fmt(&all, "@%.*s", (int)entry->domain.len, entry->domain.ptr);
		}
		done = match_parts(match, entry->local, entry->domain, buf_get(&all));
	}
	address_list_free(&list);
	buf_free(&all);
	return done;
}

int
run_test_address(struct run *run, const struct instruction *instruction)
{
	struct strings names = run_strings(run, &instruction->positional[0]);
	struct address_match match = { .tags = instruction->tags };
	int r = matcher_begin(&match.matcher, run, instruction, &instruction->positional[1]);

	match.has_idn_keys = r == 0 && has_idn_keys(&match.matcher);
	for (size_t i = 0; r == 0 && i < names.count && !match.matcher.found; i++)
		if (run_is_address_field(names.items[i]))
			run_fields(run, instruction, names.items[i], match_addresses, &match);
	return r == 0 ? matcher_end(&match.matcher) : r;
}

/* --- envelope --- */

static bool
match_envelope(struct address_match *match, struct span mailbox)
{
	struct buf local = BUF_INIT(ADDRESS_MAX + 1);
	struct address address;
	bool done;

	/* The null reverse-path is the empty string, whatever part is asked for (RFC 5228 section 5.4), and no address where they are counted
	 * (RFC 5231 section 4.2). */
	if (mailbox.len == 0)
		return match->matcher.match.type != MATCH_COUNT && matcher_value(&match->matcher, SPAN(""));
	if (address_parse_mailbox(mailbox, ADDRESS_SMTPUTF8, &address) != ADDRESS_OK)
		return match_parts(match, SPAN_NULL, SPAN_NULL, mailbox);
	(void)address_local_unquote(address.local, &local);
	done = match_parts(match, buf_get(&local), address.domain, mailbox);
	buf_free(&local);
	return done;
}

int
run_test_envelope(struct run *run, const struct instruction *instruction)
{
	struct strings parts = run_strings(run, &instruction->positional[0]);
	struct address_match match = { .tags = instruction->tags };
	int r = matcher_begin(&match.matcher, run, instruction, &instruction->positional[1]);

	match.has_idn_keys = r == 0 && has_idn_keys(&match.matcher);
	for (size_t i = 0; r == 0 && i < parts.count && !match.matcher.found; i++) {
		if (span_ieq(parts.items[i], SPAN("from")))
			(void)match_envelope(&match, run->host->sender);
		else if (span_ieq(parts.items[i], SPAN("to")))
			(void)match_envelope(&match, run->host->recipient);
		else
			r = run_error(run, "the envelope has no part \"%.*s\"", (int)(parts.items[i].len < 60 ? parts.items[i].len : 60),
			    parts.items[i].ptr);
	}
	return r == 0 ? matcher_end(&match.matcher) : r;
}

/* --- what addresses a script may give --- */

static size_t
mailboxes(struct span text, bool *ret_good)
{
	struct address_list list;
	size_t count = 0;

	address_list_parse(text, &list);
	*ret_good = !list.bad && !list.cut;
	for (size_t i = 0; i < list.count; i++) {
		struct buf spec = BUF_INIT(2 * ADDRESS_MAX);
		struct address address;

		*ret_good &= list.entries[i].kind == ADDRESS_KIND_MAILBOX && list.entries[i].route.len == 0 &&
		    address_spec_append(&spec, list.entries[i].local, list.entries[i].domain) == 0 &&
		    address_parse_mailbox(buf_get(&spec), ADDRESS_SMTPUTF8, &address) == ADDRESS_OK;
		buf_free(&spec);
		count++;
	}
	address_list_free(&list);
	return count;
}

bool
run_is_address(struct span text)
{
	bool good;

	return mailboxes(text, &good) == 1 && good;
}

bool
run_is_address_list(struct span text)
{
	bool good;

	return mailboxes(text, &good) >= 1 && good;
}
