/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* From an address to those who get its mail. An address comes first as it is, then without its detail, then by patterns, and its
 * domain last. What has been gone through is not gone through again, so that circles end. */
#include "frame/recipient.h"

#include "common/address.h"
#include "common/text_set.h"
#include "frame/account_name.h"

#define MEMBERS_BYTES_MAX (RECIPIENT_MEMBERS_MAX * 128u)
#define OWNER "owner-"

/* --- accounts --- */

static enum lookup_result
account_result(int r)
{
	return r == 0 ? LOOKUP_LOCAL : r < 0 ? LOOKUP_TEMPFAIL : LOOKUP_UNKNOWN;
}

/* 0, 1 or -errno, as host->exists. */
static int
exists(const struct recipient_host *host, struct span name)
{
	return account_name_is_safe(name) ? host->exists(host->context, name) : 1;
}

static enum lookup_result
our_account(const struct recipient_host *host, struct buf *name)
{
	int r = exists(host, buf_get(name));

	if (r == 1 && account_name_drop_detail(name, host->delimiter))
		r = exists(host, buf_get(name));
	return account_result(r);
}

enum lookup_result
recipient_account(const struct recipient_host *host, struct span address, struct buf *ret_name)
{
	switch (account_name_of_address(address, host->domains, ret_name)) {
	case ACCOUNT_NAME_NOT_OURS: return LOOKUP_NOT_OURS;
	case ACCOUNT_NAME_NOBODY:
	case ACCOUNT_NAME_BAD: return LOOKUP_UNKNOWN;
	case ACCOUNT_NAME_ODD:
	case ACCOUNT_NAME_OURS: break;
	}
	return our_account(host, ret_name);
}

/* --- one step --- */

struct found {
	enum lookup_result result;
	const struct alias *alias; /* of LOOKUP_ALIAS */
	struct span star;
};

static struct span
local_of(struct span name)
{
	return span_make(name.ptr, (size_t)span_rchr(name, '@'));
}

/* "local@domain", or "local" for all domains. */
static const struct alias *
alias_named(const struct recipient_host *host, struct span name)
{
	const struct alias *alias = aliases_find(host->aliases, name);

	return alias != NULL ? alias : aliases_find(host->aliases, local_of(name));
}

/* By that very name. */
static bool
find_name(const struct recipient_host *host, struct span name, struct found *found)
{
	if (host->aliases != NULL && (found->alias = alias_named(host, name)) != NULL)
		found->result = LOOKUP_ALIAS;
	else
		found->result = account_result(exists(host, name));
	return found->result != LOOKUP_UNKNOWN;
}

static void
find(const struct recipient_host *host, const struct buf *name, struct found *found)
{
	struct span whole = buf_get(name);
	struct buf base = BUF_INIT(ACCOUNT_NAME_MAX);
	bool known;

	*found = (struct found){ .alias = NULL };
	(void)buf_span(&base, whole);
	known = find_name(host, whole, found) ||
	    (account_name_drop_detail(&base, host->delimiter) && find_name(host, buf_get(&base), found));
	buf_free(&base);
	if (known || host->aliases == NULL)
		return;
	found->alias = aliases_match(host->aliases, buf_cstr(name), &found->star);
	if (found->alias == NULL)
		found->alias = aliases_find(host->aliases, span_skip(whole, local_of(whole).len));
	if (found->alias != NULL)
		found->result = LOOKUP_ALIAS;
}

/* Postmaster is somebody at each of our domains (RFC 5321 section 4.5.1). */
static bool
is_postmaster(const struct recipient_host *host, struct span name)
{
	return host->postmaster != NULL && span_eq(local_of(name), SPAN("postmaster")) && !address_equal(span_of(host->postmaster), name);
}

/* --- all steps --- */

/* A name whose aliases are being gone through. */
struct step {
	const struct step *up;
	struct span name;
	unsigned depth;
};

struct expansion {
	const struct recipient_host *host;
	struct recipients *to;
	struct text_set *seen, *members;
	bool whole, listed; /* whether it is a list has been looked at */
	bool failed;        /* accounts cannot be looked up */
	bool circular;      /* an alias came back to itself, and there is no account of its name */
};

static void add_address(struct expansion *expansion, const struct step *up, struct span address);

static bool
is_done(const struct expansion *expansion)
{
	return expansion->failed || expansion->to->fault != NULL || (!expansion->whole && expansion->to->deliverable && expansion->to->count > 1);
}

static void
add_member(struct expansion *expansion, struct span address, bool deliverable)
{
	struct recipients *to = expansion->to;
	struct buf key = BUF_INIT(2 * ACCOUNT_NAME_MAX);
	bool is_new;

	to->deliverable |= deliverable;
	account_name_key(address, expansion->host->domains, &key);
	is_new = text_set_add(expansion->members, buf_get(&key));
	buf_free(&key);
	if (!is_new)
		return;
	if (to->count >= RECIPIENT_MEMBERS_MAX || buf_span(&to->members, address) < 0 || buf_char(&to->members, '\n') < 0)
		to->fault = "too many addresses come of it";
	else
		to->count++;
}

/* A name as an address, with the quotes that it may want (RFC 5321 section 4.1.2). */
static void
put_mailbox(struct buf *out, struct span name)
{
	struct span local = local_of(name);

	if (address_local_quote(local, out) < 0)
		(void)buf_span(out, local);
	(void)buf_span(out, span_skip(name, local.len));
}

static void
add_named(struct expansion *expansion, struct span name, bool deliverable)
{
	struct buf address = BUF_INIT(2 * ACCOUNT_NAME_MAX + 2);

	put_mailbox(&address, name);
	add_member(expansion, buf_get(&address), deliverable);
	buf_free(&address);
}

/* The alias's own name, which may have the delimiter in it; where it is a pattern, the name that it fits, without its detail. */
static void
put_alias_name(const struct recipient_host *host, const struct alias *alias, struct span name, struct buf *out)
{
	if (alias->kind == ALIAS_ADDRESS) {
		(void)buf_span(out, alias->key);
		if (span_chr(alias->key, '@') < 0)
			(void)buf_span(out, span_skip(name, local_of(name).len));
	} else {
		(void)buf_span(out, name);
		(void)account_name_drop_detail(out, host->delimiter);
	}
}

/* An alias or account of the name behind "owner-" makes a list of it. */
static void
look_for_owner(struct expansion *expansion, const struct alias *alias, struct span name)
{
	const struct recipient_host *host = expansion->host;
	struct buf base = BUF_INIT(ACCOUNT_NAME_MAX), owner = BUF_INIT(ACCOUNT_NAME_MAX);
	struct found found = { .alias = NULL };

	expansion->listed = true;
	put_alias_name(host, alias, name, &base);
	(void)buf_str(&owner, OWNER);
	if (!span_starts(buf_get(&base), SPAN(OWNER)) && buf_span(&owner, buf_get(&base)) == 0 &&
	    find_name(host, buf_get(&owner), &found)) {
		expansion->failed |= found.result == LOOKUP_TEMPFAIL;
		(void)buf_span(&expansion->to->owner, buf_get(&owner));
	}
	buf_free(&base);
	buf_free(&owner);
}

/* A target as an address: with what a "*" stands for, and without a domain at that of the name. */
static void
add_target(struct expansion *expansion, const struct step *step, const struct found *found, struct span target)
{
	struct buf name = BUF_INIT(2 * ACCOUNT_NAME_MAX), address = BUF_INIT(4 * ACCOUNT_NAME_MAX);
	struct span local = local_of(step->name);

	if (span_ieq(target, ALIAS_DISCARD)) {
		expansion->to->deliverable = true;
		return;
	}
	if (target.ptr[0] == '@')
		(void)buf_span(&name, local);
	for (size_t i = 0; i < target.len; i++)
		if (target.ptr[i] == '*' && found->alias->kind == ALIAS_WILDCARD)
			(void)buf_span(&name, found->star);
		else
			(void)buf_char(&name, target.ptr[i]);
	if (span_chr(target, '@') < 0)
		(void)buf_span(&name, span_skip(step->name, local.len));
	put_mailbox(&address, buf_get(&name));
	if (!name.overflow && !address.overflow)
		add_address(expansion, step, buf_get(&address));
	buf_free(&address);
	buf_free(&name);
}

/* The first that is more than another domain's name. */
static void
note_alias(struct expansion *expansion, const struct step *step, const struct alias *alias)
{
	struct buf *via = &expansion->to->via;

	if (via->len != 0 && (via->data[0] != '@' || alias->kind == ALIAS_DOMAIN))
		return;
	buf_clear(via);
	(void)buf_span(via, alias->key);
	if (alias->kind == ALIAS_ADDRESS && span_chr(alias->key, '@') < 0)
		(void)buf_span(via, span_skip(step->name, local_of(step->name).len));
}

static void
add_alias(struct expansion *expansion, const struct step *step, const struct found *found)
{
	struct span targets = found->alias->targets, target;

	if (step->depth > RECIPIENT_DEPTH_MAX) {
		expansion->to->fault = "one alias leads to another too often";
		return;
	}
	note_alias(expansion, step, found->alias);
	if (found->alias->kind != ALIAS_DOMAIN && !expansion->listed)
		look_for_owner(expansion, found->alias, step->name);
	while (!is_done(expansion) && alias_next_target(&targets, &target))
		add_target(expansion, step, found, target);
}

/* An alias that comes back to itself means the account of its name: "alice: alice, bob". */
static void
add_own_account(struct expansion *expansion, struct span address)
{
	struct buf account = BUF_INIT(ACCOUNT_NAME_MAX);
	enum lookup_result result = recipient_account(expansion->host, address, &account);

	if (result == LOOKUP_LOCAL)
		add_member(expansion, address, true);
	expansion->failed |= result == LOOKUP_TEMPFAIL;
	expansion->circular |= result == LOOKUP_UNKNOWN;
	buf_free(&account);
}

static enum lookup_result
add_name(struct expansion *expansion, const struct step *up, const struct buf *name)
{
	struct step step = { up, buf_get(name), up != NULL ? up->depth + 1 : 1 };
	struct found found;

	for (const struct step *at = up; at != NULL; at = at->up)
		if (span_eq(at->name, step.name)) {
			add_own_account(expansion, step.name);
			return LOOKUP_ALIAS;
		}
	if (!text_set_add(expansion->seen, step.name))
		return LOOKUP_ALIAS;
	find(expansion->host, name, &found);
	if (found.result == LOOKUP_TEMPFAIL)
		expansion->failed = true;
	else if (found.result == LOOKUP_ALIAS)
		add_alias(expansion, &step, &found);
	else if (found.result == LOOKUP_UNKNOWN && up != NULL && is_postmaster(expansion->host, step.name))
		add_address(expansion, &step, span_of(expansion->host->postmaster)); /* who asks for postmaster alone knows himself */
	else
		add_named(expansion, step.name, found.result == LOOKUP_LOCAL);
	return found.result;
}

/* The way back to the sender of something that was sent on from here. False when it is none. */
static bool
add_sender(struct expansion *expansion, const struct step *up, struct span address)
{
	const struct recipient_host *host = expansion->host;
	struct buf sender = BUF_INIT(ACCOUNT_NAME_MAX);
	struct step step = { up, address, up != NULL ? up->depth + 1 : 1 };
	/* As it came: names of accounts are in lower case. */
	bool good = host->srs != NULL && step.depth <= RECIPIENT_DEPTH_MAX && srs_reverse(host->srs, local_of(address), host->now, &sender) == 0;

	if (good)
		add_address(expansion, &step, buf_get(&sender));
	buf_free(&sender);
	return good;
}

static enum lookup_result
add_first(struct expansion *expansion, const struct step *up, struct span address)
{
	struct buf name = BUF_INIT(ACCOUNT_NAME_MAX);
	enum lookup_result result = LOOKUP_UNKNOWN;

	switch (account_name_of_address(address, expansion->host->domains, &name)) {
	case ACCOUNT_NAME_OURS:
	case ACCOUNT_NAME_ODD:
		/* A sender's local part is in what SRS makes, with what his host allows there. */
		if (srs_is(local_of(address)) && add_sender(expansion, up, address))
			result = LOOKUP_ALIAS;
		else
			result = add_name(expansion, up, &name);
		break;
	case ACCOUNT_NAME_NOT_OURS:
		add_member(expansion, address, true);
		result = LOOKUP_NOT_OURS;
		break;
	case ACCOUNT_NAME_NOBODY:
		if (srs_is(local_of(address)) && add_sender(expansion, up, address))
			result = LOOKUP_ALIAS;
		else
			add_member(expansion, address, false); /* whose failure tells of a target that is nobody's */
		break;
	case ACCOUNT_NAME_BAD:
		break;
	}
	buf_free(&name);
	return result;
}

static void
add_address(struct expansion *expansion, const struct step *up, struct span address)
{
	(void)add_first(expansion, up, address);
}

enum lookup_result
recipient_expand(const struct recipient_host *host, struct span address, bool whole, struct recipients *ret)
{
	struct expansion expansion = { .host = host, .to = ret, .whole = whole };
	enum lookup_result result;

	*ret = (struct recipients){ .members = BUF_INIT(MEMBERS_BYTES_MAX), .owner = BUF_INIT(ACCOUNT_NAME_MAX),
		.via = BUF_INIT(2 * ACCOUNT_NAME_MAX) };
	expansion.seen = text_set_new(0);
	expansion.members = text_set_new(0);
	result = add_first(&expansion, NULL, address);
	(void)text_set_free(expansion.seen);
	(void)text_set_free(expansion.members);
	/* Who asks in brief has his answer with the first who gets it. */
	if (!whole && ret->deliverable) {
		expansion.failed = false;
		ret->fault = NULL;
	}
	if (expansion.failed || ret->fault != NULL || (host->incomplete && result != LOOKUP_NOT_OURS))
		return LOOKUP_TEMPFAIL;
	if (result != LOOKUP_ALIAS || ret->deliverable)
		return result;
	return expansion.circular && ret->count == 0 ? LOOKUP_LOOP : LOOKUP_UNKNOWN;
}

void
recipients_free(struct recipients *recipients)
{
	buf_free(&recipients->members);
	buf_free(&recipients->owner);
	buf_free(&recipients->via);
}

void
recipients_put_name(const struct recipient_host *host, const struct recipients *recipients, struct buf *ret_name)
{
	struct span rest = buf_get(&recipients->members), member;

	if (recipients->count > 1) {
		(void)buf_span(ret_name, buf_get(&recipients->via));
	} else if (span_split(&rest, '\n', &member) && recipient_account(host, member, ret_name) == LOOKUP_NOT_OURS) {
		buf_clear(ret_name);
		(void)buf_span(ret_name, member);
	}
}

bool
recipients_have(const struct recipient_host *host, const struct recipients *recipients, struct span account)
{
	struct span rest = buf_get(&recipients->members), member;
	struct buf name = BUF_INIT(ACCOUNT_NAME_MAX);
	bool has = false;

	while (!has && span_split(&rest, '\n', &member))
		has = span_ieq(member, account) ||
		    (recipient_account(host, member, &name) == LOOKUP_LOCAL && span_eq(buf_get(&name), account));
	buf_free(&name);
	return has;
}
