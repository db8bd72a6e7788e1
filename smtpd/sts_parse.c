/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* RFC 8461 sections 3 and 4. */
#include "smtpd/sts_parse.h"

#include <errno.h>
#include <inttypes.h>

/* Seconds: after which a policy is fetched anew though its id is the same (section 3.3: once a day), and before which nothing is that
 * could not be fetched. */
#define REFRESH 86400
#define AGAIN 300

static const char *const mode_names[] = { [STS_NONE] = "none", [STS_TESTING] = "testing", [STS_ENFORCE] = "enforce" };

const char *
sts_mode_name(enum sts_mode mode)
{
	return mode_names[mode];
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool
sts_is_domain(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (ascii_lower(name.ptr[i]) != name.ptr[i] || (!ascii_is_alnum(name.ptr[i]) && span_chr(SPAN("-_."), name.ptr[i]) < 0))
			return false;
	return dns_is_name(name) && !span_ends(name, SPAN("."));
}

/* --- the record (section 3.1) --- */

static bool
is_id(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is_alnum(text.ptr[i]))
			return false;
	return text.len != 0 && text.len <= STS_ID_MAX;
}

int
sts_record_parse(struct span text, struct span *ret_id)
{
	struct span field;

	(void)span_split(&text, ';', &field);
	if (!span_eq(span_trim(field), SPAN("v=STSv1")))
		return -ENOENT;
	*ret_id = SPAN_NULL;
	while (span_split(&text, ';', &field)) {
		field = span_trim(field);
		if (span_starts(field, SPAN("id=")) && ret_id->len == 0)
			*ret_id = span_skip(field, 3);
	}
	return is_id(*ret_id) ? 0 : -EINVAL;
}

struct span
sts_records_id(const struct dns_answer *answer)
{
	struct span id = SPAN_NULL, found;
	size_t count = 0;

	for (size_t i = 0; i < answer->count; i++) {
		int r = sts_record_parse(answer->records[i].data, &found);

		count += r != -ENOENT;
		if (r == 0)
			id = found;
	}
	return count == 1 ? id : SPAN_NULL;
}

/* --- the policy (section 3.2) --- */

bool
sts_is_pattern(struct span text)
{
	if (span_starts(text, SPAN("*.")))
		text = span_skip(text, 2);
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is_alnum(text.ptr[i]) && text.ptr[i] != '-' && text.ptr[i] != '_' && text.ptr[i] != '.')
			return false;
	return dns_is_name(text);
}

struct seen {
	bool version, mode, max_age, id, fetched;
};

static int
take_field(struct sts_policy *policy, struct seen *seen, struct span name, struct span value)
{
	uint64_t number;

	if (span_eq(name, SPAN("mode")) && !seen->mode) {
		seen->mode = true;
		for (size_t i = 0; i < sizeof(mode_names) / sizeof(*mode_names); i++)
			if (span_eq(value, span_of(mode_names[i]))) {
				policy->mode = (enum sts_mode)i;
				return 0;
			}
		return -EINVAL;
	}
	if (span_eq(name, SPAN("max_age")) && !seen->max_age) {
		seen->max_age = true;
		if (span_to_u64(value, 9999999999, &number) < 0)
			return -EINVAL;
		policy->max_age = (uint32_t)(number < STS_AGE_MAX ? number : STS_AGE_MAX);
	} else if (span_eq(name, SPAN("mx"))) {
		if (!sts_is_pattern(value))
			return -EINVAL;
		policy->mx_count++;
	} else if (span_eq(name, SPAN("version")) && !seen->version) {
		seen->version = true;
		return span_eq(value, SPAN("STSv1")) ? 0 : -EINVAL;
	} else if (span_eq(name, SPAN("fourpost_id")) && !seen->id) {
		seen->id = true;
		policy->id = value;
		return is_id(value) ? 0 : -EINVAL;
	} else if (span_eq(name, SPAN("fourpost_fetched")) && !seen->fetched) {
		seen->fetched = true;
		if (span_to_u64(value, INT64_MAX / 2, &number) < 0)
			return -EINVAL;
		policy->fetched = (int64_t)number;
	}
	return 0; /* others may come to mean something */
}

/* The next line that is not empty: 1, 0 at the end, -EINVAL when it is no field. */
static int
next_field(struct span *text, struct span *name, struct span *value)
{
	while (span_split(text, '\n', value)) {
		if (span_ends(*value, SPAN("\r")))
			value->len--;
		if (span_trim(*value).len == 0)
			continue;
		if (span_chr(*value, ':') < 0 || is_blank(value->ptr[0]))
			return -EINVAL;
		(void)span_split(value, ':', name);
		*name = span_trim(*name);
		*value = span_trim(*value);
		return 1;
	}
	return 0;
}

/* The fields come in any order, the version too (the grammar of section 3.2 binds none to a place). */
int
sts_policy_parse(struct span text, struct sts_policy *ret_policy)
{
	struct seen seen = { 0 };
	struct span name, value;
	int r;

	*ret_policy = (struct sts_policy){ .text = text };
	while ((r = next_field(&text, &name, &value)) == 1)
		if (take_field(ret_policy, &seen, name, value) < 0)
			return -EINVAL;
	return r == 0 && seen.version && seen.mode && seen.max_age && (ret_policy->mx_count != 0 || ret_policy->mode == STS_NONE) ? 0 : -EINVAL;
}

bool
sts_policy_next_mx(struct span *rest, struct span *ret_mx)
{
	struct span name;

	while (next_field(rest, &name, ret_mx) == 1)
		if (span_eq(name, SPAN("mx")))
			return true;
	return false;
}

int
sts_policy_put(const struct sts_policy *policy, struct buf *out)
{
	size_t before = out->len;
	struct span rest = policy->text, mx;

	(void)buf_fmt(out, "version: STSv1\nmode: %s\nmax_age: %" PRIu32 "\n", mode_names[policy->mode], policy->max_age);
	while (out->len - before <= STS_TEXT_MAX && !out->overflow && sts_policy_next_mx(&rest, &mx))
		(void)buf_fmt(out, "mx: %.*s\n", (int)mx.len, mx.ptr);
	if (out->len - before <= STS_TEXT_MAX &&
	    buf_fmt(out, "fourpost_id: %.*s\nfourpost_fetched: %" PRId64 "\n", (int)policy->id.len, policy->id.ptr, policy->fetched) == 0 &&
	    out->len - before <= STS_TEXT_MAX)
		return 0;
	buf_truncate(out, before);
	return -EMSGSIZE;
}

/* --- what it means --- */

bool
sts_pattern_fits(struct span pattern, struct span host)
{
	ptrdiff_t dot = span_chr(host, '.');

	if (span_ends(pattern, SPAN(".")))
		pattern.len--;
	return span_ieq(pattern, host) || (dot > 0 && span_starts(pattern, SPAN("*.")) && span_ieq(span_skip(pattern, 1), span_skip(host, (size_t)dot)));
}

bool
sts_policy_names(const struct sts_policy *policy, struct span host)
{
	struct span rest = policy->text, mx;

	while (sts_policy_next_mx(&rest, &mx))
		if (sts_pattern_fits(mx, host))
			return true;
	return false;
}

bool
sts_policy_is_valid(const struct sts_policy *policy, int64_t now)
{
	/* What comes from the future was written under another clock. */
	return policy != NULL && policy->fetched <= now + REFRESH && now - policy->fetched < policy->max_age;
}

bool
sts_must_fetch(struct span id, const struct sts_policy *kept, struct span failed_id, int64_t failed_at, int64_t now)
{
	if (id.len == 0)
		return false;
	if (span_eq(id, failed_id) && failed_at <= now && now - failed_at < AGAIN)
		return false;
	return !sts_policy_is_valid(kept, now) || !span_eq(id, kept->id) || now - kept->fetched >= REFRESH;
}
