/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* check_host (RFC 7208 section 4). "include" opens a frame above its record's, "redirect" takes the place of one. */
#include "smtpd/spf_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/address.h"
#include "common/xalloc.h"

/* Section 4.6.4. */
#define LOOKUPS_MAX 10
#define VOIDS_MAX 2
#define EXCHANGERS_MAX 10
#define NAMES_MAX 10
/* Of all records that are open at once: each include is within the one before. */
#define TEXT_MAX 32768

enum step { STEP_RECORD, STEP_ADDRESS, STEP_EXCHANGERS, STEP_EXCHANGER, STEP_EXISTS, STEP_NAMES, STEP_NAME, STEP_EXPLANATION, STEP_DONE };

struct frame {
	char domain[DNS_NAME_MAX + 1];
	char *text;
	struct spf_record record;
	struct spf_directive directive; /* under way */
	bool redirected;
};

struct spf {
	uint8_t address[16];
	size_t address_len;
	char *helo, *local, *sender_domain, *receiver;
	uint64_t now;
	enum step step;
	struct frame frames[LOOKUPS_MAX + 1];
	size_t depth; /* frames[0 .. depth - 1] are open */
	unsigned lookups, voids;
	size_t text;
	char target[DNS_NAME_MAX + 1]; /* of the directive under way */
	/* mx: the hosts; ptr and %{p}: the names of the address. */
	char hosts[EXCHANGERS_MAX][DNS_NAME_MAX + 1], names[NAMES_MAX][DNS_NAME_MAX + 1];
	size_t host, host_count, name, name_count;
	bool validated[NAMES_MAX], names_known;
	enum { FOR_DIRECTIVE, FOR_REDIRECT, FOR_EXPLANATION, FOR_ITS_TEXT } names_for;
	char *explanation; /* with its macros */
	struct spf_outcome outcome;
};

const char *
spf_result_name(enum spf_result result)
{
	static const char *const names[] = { "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror" };

	return names[result];
}

/* Cut, and what is not printable ASCII as "?". */
static void
put_text(char *out, size_t size, struct span text)
{
	size_t len = text.len < size ? text.len : size - 1;

	for (size_t i = 0; i < len; i++)
		out[i] = text.ptr[i] >= ' ' && text.ptr[i] <= '~' ? text.ptr[i] : '?';
	out[len] = '\0';
}

static struct frame *
top(struct spf *spf)
{
	return &spf->frames[spf->depth - 1];
}

/* --- the end --- */

static void
finish(struct spf *spf, enum spf_result result, struct span reason)
{
	spf->outcome.result = result;
	put_text(spf->outcome.reason, sizeof(spf->outcome.reason), reason);
	spf->step = STEP_DONE;
}

static void
fail_now(struct spf *spf, const char *reason)
{
	finish(spf, SPF_PERMERROR, span_of(reason));
}

static void
put_name(char to[DNS_NAME_MAX + 1], struct span name)
{
	put_text(to, DNS_NAME_MAX + 1, name);
	for (char *c = to; *c != '\0'; c++)
		*c = ascii_lower(*c);
}

/* --- macros --- */

static bool
is_below(struct span name, struct span domain)
{
	return span_ieq(name, domain) ||
	    (name.len > domain.len && span_iends(name, domain) && name.ptr[name.len - domain.len - 1] == '.');
}

/* %{p}: the domain itself before one below it before any other (section 7.3). */
static struct span
validated_name(const struct spf *spf, struct span domain)
{
	struct span best = SPAN_NULL;
	int rank = 0;

	for (size_t i = 0; i < spf->name_count; i++) {
		struct span name = span_of(spf->names[i]);
		int here = !spf->validated[i] ? 0 : span_ieq(name, domain) ? 3 : is_below(name, domain) ? 2 : 1;

		if (here > rank) {
			best = name;
			rank = here;
		}
	}
	return best;
}

static int
expand(const struct spf *spf, struct span text, const char *domain, bool explanation, struct buf *out)
{
	const struct spf_macros macros = {
		.local = span_of(spf->local),
		.sender_domain = span_of(spf->sender_domain),
		.domain = span_of(domain),
		.helo = span_of(spf->helo),
		.address = spf->address,
		.address_len = spf->address_len,
		.validated = validated_name(spf, span_of(domain)),
		.receiver = span_of(spf->receiver),
		.now = spf->now,
	};

	return spf_expand(text, &macros, explanation, out);
}

/* A domain-spec expanded into target; without one the current domain. False when no name comes of it. */
static bool
set_target(struct spf *spf, struct span text)
{
	struct buf out = BUF_INIT(65536);
	struct span name, label;
	bool good;

	if (text.len == 0) {
		put_name(spf->target, span_of(top(spf)->domain));
		return true;
	}
	/* RFC 8616 section 4: what has a local-part that is not ASCII matches nothing. */
	good = expand(spf, text, top(spf)->domain, false, &out) == 0 && span_is_ascii(buf_get(&out));
	name = buf_get(&out);
	if (name.len != 0 && name.ptr[name.len - 1] == '.')
		name.len--;
	/* Section 7.3: labels are removed from the left until it fits. */
	while (name.len > DNS_NAME_MAX && span_split(&name, '.', &label))
		;
	good = good && dns_is_name(name);
	put_name(spf->target, good ? name : SPAN_NULL);
	buf_free(&out);
	return good;
}

/* --- questions --- */

static enum dns_type
address_type(const struct spf *spf)
{
	return spf->address_len == 4 ? DNS_A : DNS_AAAA;
}

static bool
count_lookup(struct spf *spf)
{
	if (++spf->lookups <= LOOKUPS_MAX)
		return true;
	fail_now(spf, "more than 10 terms ask the DNS");
	return false;
}

/* False when the evaluation ended. */
static bool
count_void(struct spf *spf, const struct dns_answer *answer)
{
	if ((answer->status != DNS_NO_DATA && answer->status != DNS_NO_NAME) || ++spf->voids <= VOIDS_MAX)
		return true;
	fail_now(spf, "more than 2 questions without an answer");
	return false;
}

static bool
is_failed(const struct dns_answer *answer)
{
	return answer->status == DNS_FAILED || answer->status == DNS_BOGUS;
}

static bool
has_address(const struct spf *spf, const struct dns_answer *answer, unsigned prefix)
{
	for (size_t i = 0; i < answer->count; i++) {
		const unsigned char *other = (const unsigned char *)answer->records[i].data.ptr;
		unsigned bytes = prefix / 8, bits = prefix % 8;

		if (answer->records[i].data.len == spf->address_len && memcmp(other, spf->address, bytes) == 0 &&
		    (bits == 0 || (other[bytes] ^ spf->address[bytes]) >> (8 - bits) == 0))
			return true;
	}
	return false;
}

static unsigned
prefix_of(const struct spf *spf, const struct spf_directive *directive)
{
	return spf->address_len == 4 ? directive->prefix4 : directive->prefix6;
}

/* The names of the address are asked for; `target` is the reverse name meanwhile. */
static void
ask_names(struct spf *spf, int names_for)
{
	struct buf name = BUF_INIT(DNS_NAME_MAX);

	(void)dns_put_reverse(spf->address, spf->address_len, spf->address_len == 4 ? SPAN("in-addr.arpa") : SPAN("ip6.arpa"), &name);
	put_name(spf->target, buf_get(&name));
	buf_free(&name);
	spf->names_for = names_for;
	spf->step = STEP_NAMES;
}

/* --- frames --- */

static void run(struct spf *spf);
static void frame_result(struct spf *spf, enum spf_result result, struct span reason);

static void
close_frame(struct spf *spf)
{
	struct frame *frame = top(spf);

	if (frame->text != NULL)
		spf->text -= strlen(frame->text);
	free(frame->text);
	*frame = (struct frame){ .text = NULL };
	spf->depth--;
}

/* Asks for the record of that domain. */
static void
open_frame(struct spf *spf, const char *domain)
{
	struct frame *frame = &spf->frames[spf->depth++];

	*frame = (struct frame){ .text = NULL };
	put_name(frame->domain, span_of(domain));
	spf->step = STEP_RECORD;
}

static void
explain(struct spf *spf)
{
	if (top(spf)->record.exp.len != 0 && spf_uses_macro(top(spf)->record.exp, 'p') && !spf->names_known)
		ask_names(spf, FOR_EXPLANATION);
	else if (top(spf)->record.exp.len != 0 && set_target(spf, top(spf)->record.exp))
		spf->step = STEP_EXPLANATION;
	else
		spf->step = STEP_DONE;
}

/* The directive that includes the record which said this (section 5.2). */
static void
included(struct spf *spf, enum spf_result result, struct span reason)
{
	if (result == SPF_PASS)
		frame_result(spf, top(spf)->directive.result, top(spf)->directive.text);
	else if (result == SPF_TEMPERROR)
		finish(spf, result, reason);
	else if (result == SPF_NONE || result == SPF_PERMERROR)
		finish(spf, SPF_PERMERROR, result == SPF_NONE ? SPAN("an included domain has no record") : reason);
	else
		run(spf);
}

static void
frame_result(struct spf *spf, enum spf_result result, struct span reason)
{
	if (spf->depth > 1) {
		close_frame(spf);
		included(spf, result, reason);
		return;
	}
	finish(spf, result, reason);
	if (result == SPF_FAIL)
		explain(spf);
}

static void
redirect(struct spf *spf)
{
	if (!count_lookup(spf))
		return;
	if (!set_target(spf, top(spf)->record.redirect)) {
		fail_now(spf, "redirect to what is no name");
		return;
	}
	close_frame(spf);
	open_frame(spf, spf->target);
	top(spf)->redirected = true;
}

/* --- directives --- */

static void
matched(struct spf *spf, bool yes)
{
	struct spf_directive *directive = &top(spf)->directive;

	if (yes)
		frame_result(spf, directive->result, directive->text);
	else
		run(spf);
}

static bool
is_below_target(const struct spf *spf)
{
	for (size_t i = 0; i < spf->name_count; i++)
		if (spf->validated[i] && is_below(span_of(spf->names[i]), span_of(spf->target)))
			return true;
	return false;
}

static bool
is_in_network(const struct spf *spf, const struct spf_directive *directive)
{
	bool six = directive->mechanism == SPF_IP6;
	struct dns_answer *network = xcalloc(1, sizeof(*network));
	bool yes;

	network->count = 1;
	network->records[0].data = span_make(directive->address, six ? 16 : 4);
	yes = has_address(spf, network, prefix_of(spf, directive));
	free(network);
	return yes;
}

static void
begin_directive(struct spf *spf)
{
	struct spf_directive *directive = &top(spf)->directive;
	bool counted = directive->mechanism != SPF_ALL && directive->mechanism != SPF_IP4 && directive->mechanism != SPF_IP6;

	if (counted && directive->mechanism != SPF_PTR && spf_uses_macro(directive->domain, 'p') && !spf->names_known) {
		ask_names(spf, FOR_DIRECTIVE);
		return;
	}
	if (counted && !count_lookup(spf))
		return;
	if (counted && !set_target(spf, directive->domain)) {
		if (directive->mechanism == SPF_INCLUDE)
			fail_now(spf, "include of what is no name");
		else
			matched(spf, false);
		return;
	}
	switch (directive->mechanism) {
	case SPF_ALL:
		matched(spf, true);
		break;
	case SPF_IP4:
	case SPF_IP6:
		matched(spf, is_in_network(spf, directive));
		break;
	case SPF_INCLUDE:
		open_frame(spf, spf->target);
		break;
	case SPF_A:
		spf->step = STEP_ADDRESS;
		break;
	case SPF_MX:
		spf->step = STEP_EXCHANGERS;
		break;
	case SPF_EXISTS:
		spf->step = STEP_EXISTS;
		break;
	case SPF_PTR:
		if (spf->names_known)
			matched(spf, is_below_target(spf));
		else
			ask_names(spf, FOR_DIRECTIVE);
		break;
	}
}

/* The next directive of the topmost record, or what follows the last. */
static void
run(struct spf *spf)
{
	struct frame *frame = top(spf);

	if (spf_next_directive(&frame->record.terms, &frame->directive))
		begin_directive(spf);
	else if (frame->record.redirect.len != 0 && spf_uses_macro(frame->record.redirect, 'p') && !spf->names_known)
		ask_names(spf, FOR_REDIRECT);
	else if (frame->record.redirect.len != 0)
		redirect(spf);
	else
		frame_result(spf, SPF_NEUTRAL, SPAN("default"));
}

/* --- answers --- */

static void
take_record(struct spf *spf, const struct dns_answer *answer)
{
	struct frame *frame = top(spf);
	const struct dns_record *found = NULL;

	if (is_failed(answer) || answer->cut) {
		frame_result(spf, SPF_TEMPERROR, is_failed(answer) ? answer->reason : SPAN("too many TXT records"));
		return;
	}
	for (size_t i = 0; i < answer->count; i++)
		if (spf_is_record(answer->records[i].data)) {
			if (found != NULL) {
				frame_result(spf, SPF_PERMERROR, SPAN("more than one record"));
				return;
			}
			found = &answer->records[i];
		}
	if (found == NULL) {
		spf->outcome.no_such_domain = answer->status == DNS_NO_NAME && spf->depth == 1 && !frame->redirected;
		/* After a redirect this is an error (section 6.1). */
		if (frame->redirected)
			frame_result(spf, SPF_PERMERROR, SPAN("redirect to a domain without record"));
		else
			frame_result(spf, SPF_NONE, SPAN("no record"));
		return;
	}
	if (span_chr(found->data, '\0') >= 0 || spf->text + found->data.len > TEXT_MAX) {
		frame_result(spf, SPF_PERMERROR, SPAN("the record cannot be read"));
		return;
	}
	frame->text = span_dup(found->data);
	spf->text += found->data.len;
	if (spf_parse_record(span_of(frame->text), &frame->record) < 0)
		frame_result(spf, SPF_PERMERROR, SPAN("an error of syntax in the record"));
	else
		run(spf);
}

static void
ask_exchanger(struct spf *spf)
{
	if (spf->host < spf->host_count)
		spf->step = STEP_EXCHANGER;
	else
		matched(spf, false);
}

static void
take_exchangers(struct spf *spf, const struct dns_answer *answer)
{
	if (answer->count > EXCHANGERS_MAX) {
		fail_now(spf, "more than 10 mail exchangers");
		return;
	}
	spf->host = spf->host_count = 0;
	for (size_t i = 0; i < answer->count; i++)
		if (answer->records[i].data.len != 0)
			put_name(spf->hosts[spf->host_count++], answer->records[i].data);
	ask_exchanger(spf);
}

/* --- the names of the address (section 5.5) --- */

static void
put_explanation(struct spf *spf)
{
	struct buf out = BUF_INIT(SPF_EXPLANATION_MAX);

	if (expand(spf, span_of(spf->explanation), top(spf)->domain, true, &out) == 0 && span_is_ascii(buf_get(&out)))
		put_text(spf->outcome.explanation, sizeof(spf->outcome.explanation), buf_get(&out));
	buf_free(&out);
	spf->step = STEP_DONE;
}

static void
take_explanation(struct spf *spf, const struct dns_answer *answer)
{
	spf->step = STEP_DONE;
	/* Section 6.2: whatever is wrong with it, there is none. */
	if (answer->count != 1)
		return;
	spf->explanation = span_dup(answer->records[0].data);
	if (spf_uses_macro(span_of(spf->explanation), 'p') && !spf->names_known)
		ask_names(spf, FOR_ITS_TEXT);
	else
		put_explanation(spf);
}

/* Whoever wanted the names goes on. */
static void
names_done(struct spf *spf)
{
	struct spf_directive *directive = &top(spf)->directive;

	spf->names_known = true;
	if (spf->names_for == FOR_EXPLANATION)
		explain(spf);
	else if (spf->names_for == FOR_ITS_TEXT)
		put_explanation(spf);
	else if (spf->names_for == FOR_REDIRECT)
		redirect(spf);
	else if (directive->mechanism == SPF_PTR)
		matched(spf, set_target(spf, directive->domain) && is_below_target(spf));
	else
		begin_directive(spf);
}

static void
next_name(struct spf *spf)
{
	if (spf->name < spf->name_count)
		spf->step = STEP_NAME;
	else
		names_done(spf);
}

static void
take_names(struct spf *spf, const struct dns_answer *answer)
{
	/* Of many, the first 10 (section 4.6.4). */
	for (size_t i = 0; !is_failed(answer) && i < answer->count && spf->name_count < NAMES_MAX; i++)
		if (answer->records[i].data.len != 0)
			put_name(spf->names[spf->name_count++], answer->records[i].data);
	next_name(spf);
}

/* --- the machine --- */

static void
take_answer(struct spf *spf, const struct dns_answer *answer)
{
	const struct spf_directive *directive = &top(spf)->directive;

	switch (spf->step) {
	case STEP_RECORD:
		take_record(spf, answer);
		break;
	case STEP_ADDRESS:
	case STEP_EXISTS:
		matched(spf, spf->step == STEP_EXISTS ? answer->count != 0 : has_address(spf, answer, prefix_of(spf, directive)));
		break;
	case STEP_EXCHANGERS:
		take_exchangers(spf, answer);
		break;
	case STEP_EXCHANGER:
		spf->host++;
		if (has_address(spf, answer, prefix_of(spf, directive)))
			matched(spf, true);
		else
			ask_exchanger(spf);
		break;
	case STEP_NAMES:
		take_names(spf, answer);
		break;
	case STEP_NAME:
		spf->validated[spf->name++] = !is_failed(answer) && has_address(spf, answer, spf->address_len == 4 ? 32 : 128);
		next_name(spf);
		break;
	case STEP_EXPLANATION:
		take_explanation(spf, answer);
		break;
	case STEP_DONE:
		break;
	}
}

void
spf_answer(struct spf *spf, const struct dns_answer *answer)
{
	bool of_term = spf->step == STEP_ADDRESS || spf->step == STEP_EXISTS || spf->step == STEP_EXCHANGERS || spf->step == STEP_EXCHANGER;

	if (of_term && is_failed(answer))
		finish(spf, SPF_TEMPERROR, answer->reason);
	else if (of_term ? count_void(spf, answer) : spf->step != STEP_NAMES || spf->names_for >= FOR_EXPLANATION || count_void(spf, answer))
		take_answer(spf, answer);
}

bool
spf_question(const struct spf *spf, struct span *ret_name, enum dns_type *ret_type)
{
	static const enum dns_type types[] = { [STEP_RECORD] = DNS_TXT, [STEP_EXCHANGERS] = DNS_MX, [STEP_EXISTS] = DNS_A, [STEP_NAMES] = DNS_PTR,
		[STEP_EXPLANATION] = DNS_TXT, [STEP_DONE] = DNS_A };
	enum step step = spf->step;

	if (step == STEP_DONE)
		return false;
	*ret_name = span_of(step == STEP_RECORD ? spf->frames[spf->depth - 1].domain :
		step == STEP_EXCHANGER          ? spf->hosts[spf->host] :
		step == STEP_NAME               ? spf->names[spf->name] :
						  spf->target);
	*ret_type = step == STEP_ADDRESS || step == STEP_EXCHANGER || step == STEP_NAME ? address_type(spf) : types[step];
	return true;
}

const struct spf_outcome *
spf_outcome(const struct spf *spf)
{
	return &spf->outcome;
}

/* --- the beginning --- */

/* As A-labels (RFC 8616 section 4), in lower case. False when it is no domain name of several labels (section 4.3). */
static bool
canonical_domain(struct span text, char domain[DNS_NAME_MAX + 1])
{
	struct buf out = BUF_INIT(2 * DNS_NAME_MAX);
	bool good = span_is_ascii(text) ? buf_span(&out, text) == 0 : address_domain_canonical(text, &out) == 0;
	struct span name = buf_get(&out);

	if (name.len != 0 && name.ptr[name.len - 1] == '.')
		name.len--;
	good = good && dns_is_name(name) && span_chr(name, '.') > 0 && name.ptr[0] != '[';
	put_name(domain, good ? name : SPAN_NULL);
	buf_free(&out);
	return good;
}

static void
set_address(struct spf *spf, const uint8_t *address, size_t len)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	/* Section 5: an IPv4-mapped address is an IPv4 address. */
	if (len == 16 && memcmp(address, mapped, sizeof(mapped)) == 0) {
		address += sizeof(mapped);
		len = 4;
	}
	memcpy(spf->address, address, len);
	spf->address_len = len;
}

struct spf *
spf_new(const uint8_t *address, size_t address_len, struct span helo, struct span sender, struct span receiver, uint64_t now)
{
	struct spf *spf = xcalloc(1, sizeof(*spf));
	ptrdiff_t at = span_rchr(sender, '@');
	struct span local = at > 0 ? span_make(sender.ptr, (size_t)at) : SPAN("postmaster");
	bool good;

	set_address(spf, address, address_len);
	spf->outcome.identity = sender.len != 0 ? SPF_MAILFROM : SPF_HELO;
	good = canonical_domain(sender.len == 0 ? helo : span_skip(sender, (size_t)(at + 1)), spf->outcome.domain);
	spf->helo = span_dup(helo);
	spf->local = span_dup(local);
	spf->sender_domain = xstrdup(spf->outcome.domain);
	spf->receiver = span_dup(receiver);
	spf->now = now;
	if (good)
		open_frame(spf, spf->outcome.domain);
	else
		finish(spf, SPF_NONE, SPAN("no domain name"));
	return spf;
}

struct spf *
spf_free(struct spf *spf)
{
	if (spf == NULL)
		return NULL;
	while (spf->depth != 0)
		close_frame(spf);
	free(spf->helo);
	free(spf->local);
	free(spf->sender_domain);
	free(spf->receiver);
	free(spf->explanation);
	free(spf);
	return NULL;
}
