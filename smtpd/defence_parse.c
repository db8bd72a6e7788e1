/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Options of the defence. */
#include "smtpd/defence_parse.h"

#include <errno.h>

#define COUNT_MAX 10000000
#define SECONDS_MAX (31 * 86400)

const struct defence_test_row defence_tests[TEST_COUNT] = {
#define TEST(id, name, weight, text) { name, weight, text },
#include "smtpd/defence_tests.def"
#undef TEST
};

/* --- lists of the DNS --- */

/* "*", "7" or "2-11". */
static bool
take_octet(struct span text, uint8_t *ret_least, uint8_t *ret_most)
{
	uint64_t least = 0, most = UINT8_MAX;
	struct span low;

	if (!span_eq(text, SPAN("*"))) {
		bool is_range = span_chr(text, '-') >= 0;

		(void)span_split(&text, '-', &low);
		if (span_to_u64(low, UINT8_MAX, &least) < 0)
			return false;
		most = least;
		if (is_range && (span_to_u64(text, UINT8_MAX, &most) < 0 || most < least))
			return false;
	}
	*ret_least = (uint8_t)least;
	*ret_most = (uint8_t)most;
	return true;
}

static bool
take_answers(struct span text, struct dns_list *list)
{
	struct span octet;

	if (span_ends(text, SPAN(".")))
		return false;
	for (size_t i = 0; i < 4; i++)
		if (!span_split(&text, '.', &octet) || !take_octet(octet, &list->least[i], &list->most[i]))
			return false;
	return text.len == 0 && list->least[0] == 127 && list->most[0] == 127;
}

static struct span
take_word(struct span *text)
{
	struct span word = SPAN_NULL;

	*text = span_trim(*text);
	(void)span_split(text, ' ', &word);
	return word;
}

int
dns_list_parse(struct span text, struct dns_list *ret_list, const char **ret_fault)
{
	struct dns_list list = { .least = { 127 }, .most = { 127, 255, 255, 255 } };
	struct span weight;

	list.zone = take_word(&text);
	weight = take_word(&text);
	text = span_trim(text);
	/* 64 characters of an address, reversed, come before it. */
	if (list.zone.len > DNS_NAME_MAX - 64 || list.zone.len > SCORE_NAME_MAX || !dns_is_name(list.zone) || !span_is_ascii(list.zone))
		*ret_fault = "the zone is no name in the DNS";
	else if (score_weight_parse(weight, &list.weight) < 0 || list.weight == 0)
		*ret_fault = "behind the zone comes its weight, a number";
	else if (text.len != 0 && !take_answers(text, &list))
		*ret_fault = "the answers that count are not like 127.0.0.2-11";
	else {
		*ret_list = list;
		return 0;
	}
	return -EINVAL;
}

static bool
is_everything(const struct dns_list *list)
{
	static const uint8_t least[4] = { 127 }, most[4] = { 127, 255, 255, 255 };

	return memcmp(list->least, least, 4) == 0 && memcmp(list->most, most, 4) == 0;
}

static bool
record_matches(const struct dns_list *list, struct span data)
{
	const uint8_t *octets = (const uint8_t *)data.ptr;

	if (data.len != 4)
		return false;
	if (is_everything(list) && (memcmp(octets, "\x7f\0\0\1", 4) == 0 || memcmp(octets, "\x7f\xff\xff", 3) == 0))
		return false;
	for (size_t i = 0; i < 4; i++)
		if (octets[i] < list->least[i] || octets[i] > list->most[i])
			return false;
	return true;
}

bool
dns_list_refuses(const struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->count && answer->status == DNS_FOUND; i++)
		if (span_starts(answer->records[i].data, SPAN("\x7f\xff\xff")) && answer->records[i].data.len == 4)
			return true;
	return false;
}

bool
dns_list_matches(const struct dns_list *list, const struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->count && answer->status == DNS_FOUND; i++)
		if (record_matches(list, answer->records[i].data))
			return true;
	return false;
}

/* --- weights --- */

int
test_weight_parse(struct span text, enum defence_test *ret_test, int *ret_weight, const char **ret_fault)
{
	struct span name;

	(void)span_split(&text, '=', &name);
	for (unsigned i = 0; i < TEST_COUNT; i++)
		if (span_eq(name, span_of(defence_tests[i].name))) {
			*ret_test = (enum defence_test)i;
			if (score_weight_parse(text, ret_weight) == 0)
				return 0;
			*ret_fault = "behind the test's name comes = and its weight, a number";
			return -EINVAL;
		}
	*ret_fault = "there is no test of that name";
	return -EINVAL;
}

/* --- limits --- */

static const char *const whats[] = { [LIMIT_CONNECTIONS] = "connections", [LIMIT_MESSAGES] = "messages", [LIMIT_RECIPIENTS] = "recipients" };
static const char *const whoms[] = {
	[LIMIT_ADDRESS] = "address", [LIMIT_NETWORK] = "network", [LIMIT_ACCOUNT] = "account", [LIMIT_RECIPIENT] = "recipient",
};

const char *
limit_what_name(enum limit_what what)
{
	return whats[what];
}

const char *
limit_whom_name(enum limit_whom whom)
{
	return whoms[whom];
}

static bool
find_word(const char *const *words, size_t count, struct span word, unsigned *ret_index)
{
	for (size_t i = 0; i < count; i++)
		if (span_eq(word, span_of(words[i]))) {
			*ret_index = (unsigned)i;
			return true;
		}
	return false;
}

/* "90", "10m", "1h", "1d". */
static bool
take_seconds(struct span text, int64_t *ret_seconds)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	uint64_t value, unit = 1;

	for (size_t i = 0; i < sizeof(units) / sizeof(*units) && text.len != 0; i++)
		if (text.ptr[text.len - 1] == units[i].unit) {
			unit = units[i].seconds;
			text.len--;
			break;
		}
	if (span_to_u64(text, SECONDS_MAX / unit, &value) < 0 || value == 0)
		return false;
	*ret_seconds = (int64_t)(value * unit);
	return true;
}

/* Of a recipient's mail only messages can be counted, and an account is known when connections are made long since. */
static bool
makes_sense(const struct limit *limit)
{
	return limit->whom == LIMIT_RECIPIENT ? limit->what == LIMIT_MESSAGES :
						(limit->whom != LIMIT_ACCOUNT || limit->what != LIMIT_CONNECTIONS);
}

int
limit_parse(struct span text, struct limit *ret_limit, const char **ret_fault)
{
	struct span what, whom, count;
	unsigned what_index, whom_index;
	struct limit limit;
	uint64_t number = 0;

	(void)span_split(&text, '/', &what);
	(void)span_split(&text, '=', &whom);
	(void)span_split(&text, '/', &count);
	if (!find_word(whats, sizeof(whats) / sizeof(*whats), what, &what_index) ||
	    !find_word(whoms, sizeof(whoms) / sizeof(*whoms), whom, &whom_index)) {
		*ret_fault = "it does not begin with connections, messages or recipients, then /address, /network, /account or /recipient";
		return -EINVAL;
	}
	limit = (struct limit){ .what = (enum limit_what)what_index, .whom = (enum limit_whom)whom_index };
	if (span_to_u64(count, COUNT_MAX, &number) < 0 || number == 0 || !take_seconds(text, &limit.seconds))
		*ret_fault = "behind = comes how many within what time, as in 300/1h";
	else if (!makes_sense(&limit))
		*ret_fault = "that cannot be counted";
	else {
		limit.count = (uint32_t)number;
		*ret_limit = limit;
		return 0;
	}
	return -EINVAL;
}
