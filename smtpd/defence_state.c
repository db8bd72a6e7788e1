/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One client's questions and what their answers mean. */
#include "smtpd/defence_state.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "common/xalloc.h"

/* Numbers of questions: the address's names, then each name's addresses, then the lists. */
enum { NUMBER_NAMES, NUMBER_BACK, NUMBER_LISTS = NUMBER_BACK + DEFENCE_NAMES_MAX };

enum stage { TO_ASK, ASKED, ANSWERED };

struct defence {
	struct defence_settings *settings;
	char client[INET6_ADDRSTRLEN];
	uint8_t address[16];
	size_t address_len; /* 4 or 16; 0: no address, and nothing is asked */
	enum stage names, back[DEFENCE_NAMES_MAX], *lists;
	bool *is_listed;
	enum list_state *said; /* by the first entry of each zone */
	char *name[DEFENCE_NAMES_MAX];
	size_t name_count;
	bool has_no_name, back_failed, busy;
	size_t confirmed; /* the name that leads back; name_count: none so far */
	bool noted[TEST_COUNT], hello[TEST_COUNT];
	struct buf question;
};

struct defence *
defence_new(struct defence_settings *settings, const char *client)
{
	struct defence *defence = xcalloc(1, sizeof(*defence));
	struct span text = span_of(client);

	defence->settings = defence_settings_hold(settings);
	if (text.len < sizeof(defence->client))
		memcpy(defence->client, text.ptr, text.len);
	if (inet_pton(AF_INET, defence->client, defence->address) == 1)
		defence->address_len = 4;
	else if (inet_pton(AF_INET6, defence->client, defence->address) == 1)
		defence->address_len = 16;
	if (defence->address_len == 0 || !settings->names)
		defence->names = ANSWERED;
	defence->lists = xcalloc(settings->list_count + 1, sizeof(*defence->lists));
	defence->is_listed = xcalloc(settings->list_count + 1, sizeof(*defence->is_listed));
	defence->said = xcalloc(settings->list_count + 1, sizeof(*defence->said));
	defence->question = BUF_INIT(DNS_NAME_MAX);
	return defence;
}

struct defence *
defence_free(struct defence *defence)
{
	if (defence == NULL)
		return NULL;
	for (size_t i = 0; i < defence->name_count; i++)
		free(defence->name[i]);
	buf_free(&defence->question);
	free(defence->lists);
	free(defence->is_listed);
	free(defence->said);
	(void)defence_settings_drop(defence->settings);
	free(defence);
	return NULL;
}

const char *
defence_client(const struct defence *defence)
{
	return defence->client;
}

const struct defence_settings *
defence_settings_of(const struct defence *defence)
{
	return defence->settings;
}

/* --- questions --- */

/* A zone with several patterns of answers is asked once: its first entry asks for all. */
static size_t
first_of_zone(const struct defence_settings *settings, size_t list)
{
	size_t first = 0;

	while (!span_ieq(settings->lists[first].zone, settings->lists[list].zone))
		first++;
	return first;
}

static bool
ask_reverse(struct defence *defence, struct span zone, struct span *ret_name)
{
	buf_clear(&defence->question);
	if (dns_put_reverse(defence->address, defence->address_len, zone, &defence->question) < 0)
		return false;
	*ret_name = buf_get(&defence->question);
	return dns_is_name(*ret_name);
}

static bool
question_of_list(struct defence *defence, struct span *ret_name, size_t *ret_list)
{
	const struct defence_settings *settings = defence->settings;

	for (size_t i = 0; i < settings->list_count && defence->address_len != 0; i++) {
		if (defence->lists[i] != TO_ASK || first_of_zone(settings, i) != i)
			continue;
		defence->lists[i] = ASKED;
		if (ask_reverse(defence, settings->lists[i].zone, ret_name)) {
			*ret_list = i;
			return true;
		}
		defence->lists[i] = ANSWERED;
	}
	return false;
}

bool
defence_question(struct defence *defence, struct span *ret_name, enum dns_type *ret_type, size_t *ret_number)
{
	size_t list;

	*ret_type = DNS_A;
	if (question_of_list(defence, ret_name, &list)) {
		*ret_number = NUMBER_LISTS + list;
		return true;
	}
	if (defence->names == TO_ASK) {
		defence->names = ASKED;
		*ret_type = DNS_PTR;
		*ret_number = NUMBER_NAMES;
		if (ask_reverse(defence, defence->address_len == 4 ? SPAN("in-addr.arpa") : SPAN("ip6.arpa"), ret_name))
			return true;
		defence->names = ANSWERED;
	}
	for (size_t i = 0; i < defence->name_count; i++)
		if (defence->back[i] == TO_ASK) {
			defence->back[i] = ASKED;
			*ret_name = span_of(defence->name[i]);
			*ret_type = defence->address_len == 4 ? DNS_A : DNS_AAAA;
			*ret_number = NUMBER_BACK + i;
			return true;
		}
	return false;
}

/* --- answers --- */

static bool
has_failed(const struct dns_answer *answer)
{
	return answer->status == DNS_FAILED || answer->status == DNS_BOGUS;
}

static void
take_names(struct defence *defence, const struct dns_answer *answer)
{
	defence->has_no_name = answer->status == DNS_NO_DATA || answer->status == DNS_NO_NAME;
	for (size_t i = 0; i < answer->count && answer->status == DNS_FOUND && defence->name_count < DEFENCE_NAMES_MAX; i++)
		if (dns_is_name(answer->records[i].data) && span_chr(answer->records[i].data, '\0') < 0)
			defence->name[defence->name_count++] = span_dup(answer->records[i].data);
	defence->confirmed = defence->name_count;
}

static void
take_addresses(struct defence *defence, size_t name, const struct dns_answer *answer)
{
	defence->back_failed |= has_failed(answer);
	for (size_t i = 0; i < answer->count && answer->status == DNS_FOUND; i++)
		if (span_eq(answer->records[i].data, span_make(defence->address, defence->address_len)) &&
		    defence->confirmed == defence->name_count)
			defence->confirmed = name;
}

static void
take_listing(struct defence *defence, size_t list, const struct dns_answer *answer)
{
	const struct defence_settings *settings = defence->settings;

	if (!has_failed(answer))
		defence->said[list] = dns_list_refuses(answer) ? LIST_REFUSES : LIST_ANSWERED;
	else if (answer->blame != DNS_OURS)
		defence->said[list] = LIST_SILENT;
	for (size_t i = list; i < settings->list_count; i++)
		if (first_of_zone(settings, i) == list) {
			defence->lists[i] = ANSWERED;
			defence->is_listed[i] = dns_list_matches(&settings->lists[i], answer);
		}
}

void
defence_answer(struct defence *defence, size_t number, const struct dns_answer *answer)
{
	defence->busy |= has_failed(answer) && answer->blame == DNS_OURS;
	if (number == NUMBER_NAMES) {
		defence->names = ANSWERED;
		take_names(defence, answer);
	} else if (number < NUMBER_LISTS && number - NUMBER_BACK < defence->name_count) {
		defence->back[number - NUMBER_BACK] = ANSWERED;
		take_addresses(defence, number - NUMBER_BACK, answer);
	} else if (number >= NUMBER_LISTS && number - NUMBER_LISTS < defence->settings->list_count) {
		take_listing(defence, number - NUMBER_LISTS, answer);
	}
}

static bool
names_are_done(const struct defence *defence)
{
	for (size_t i = 0; i < defence->name_count; i++)
		if (defence->back[i] != ANSWERED)
			return false;
	return defence->names == ANSWERED;
}

bool
defence_is_done(const struct defence *defence)
{
	for (size_t i = 0; i < defence->settings->list_count && defence->address_len != 0; i++)
		if (defence->lists[i] != ANSWERED && first_of_zone(defence->settings, i) == i)
			return false;
	return names_are_done(defence);
}

enum list_state
defence_list_state(const struct defence *defence, size_t list)
{
	return defence->said[list];
}

bool
defence_is_busy(const struct defence *defence)
{
	return defence->busy;
}

/* --- what is seen --- */

void
defence_note(struct defence *defence, enum defence_test test)
{
	defence->noted[test] = true;
}

/* RFC 5321 section 4.1.3: "[192.0.2.1]", "[IPv6:2001:db8::1]". */
static bool
literal_is(const struct defence *defence, struct span literal)
{
	uint8_t address[16];
	char text[INET6_ADDRSTRLEN] = "";
	size_t len = 4;

	literal = span_skip(literal, 1);
	if (literal.len != 0 && literal.ptr[literal.len - 1] == ']')
		literal.len--;
	if (span_istarts(literal, SPAN("IPv6:"))) {
		literal = span_skip(literal, 5);
		len = 16;
	}
	if (literal.len >= sizeof(text))
		return false;
	memcpy(text, literal.ptr, literal.len);
	return len == defence->address_len && inet_pton(len == 4 ? AF_INET : AF_INET6, text, address) == 1 &&
	    memcmp(address, defence->address, len) == 0;
}

static bool
is_ours(const struct defence_settings *settings, struct span name)
{
	if (span_ieq(name, span_of(settings->hostname)))
		return true;
	for (size_t i = 0; i < settings->domain_count; i++)
		if (span_ieq(name, span_of(settings->domains[i])))
			return true;
	return false;
}

void
defence_hello(struct defence *defence, struct span helo)
{
	bool is_literal = span_starts(helo, SPAN("["));

	memset(defence->hello, 0, sizeof(defence->hello));
	if (helo.len != 0 && helo.ptr[helo.len - 1] == '.')
		helo.len--;
	if (helo.len == 0)
		return;
	defence->hello[TEST_HELO_OURS] = is_ours(defence->settings, helo);
	defence->hello[TEST_HELO_LITERAL] = is_literal && !literal_is(defence, helo);
	defence->hello[TEST_HELO_BARE] = !is_literal && span_chr(helo, '.') < 0;
}

/* --- what comes of it --- */

void
defence_score(const struct defence *defence, struct score *score)
{
	const struct defence_settings *settings = defence->settings;
	bool seen[TEST_COUNT];

	for (size_t i = 0; i < settings->list_count; i++)
		if (defence->is_listed[i])
			score_add(score, settings->lists[i].zone, settings->lists[i].weight);
	for (unsigned i = 0; i < TEST_COUNT; i++)
		seen[i] = defence->noted[i] || defence->hello[i];
	seen[TEST_NO_REVERSE] |= defence->has_no_name;
	seen[TEST_REVERSE_UNCONFIRMED] |= defence->name_count != 0 && names_are_done(defence) && defence->confirmed == defence->name_count &&
	    !defence->back_failed;
	for (unsigned i = 0; i < TEST_COUNT; i++)
		if (seen[i])
			score_add(score, span_of(defence_tests[i].name), settings->weights[i]);
}

void
defence_put_lists(const struct defence *defence, struct buf *out)
{
	const struct defence_settings *settings = defence->settings;
	bool first = true;

	for (size_t i = 0; i < settings->list_count; i++)
		if (defence->is_listed[i] && settings->lists[i].weight > 0) {
			(void)buf_fmt(out, "%s%.*s", first ? "" : ", ", (int)settings->lists[i].zone.len, settings->lists[i].zone.ptr);
			first = false;
		}
}

const char *
defence_name(const struct defence *defence)
{
	return defence->confirmed < defence->name_count ? defence->name[defence->confirmed] : NULL;
}
