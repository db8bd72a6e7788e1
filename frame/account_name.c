/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Account names: local parts are compared in the one form of common/address_fold.h. */
#include "frame/account_name.h"

#include "common/address.h"
#include "common/address_fold.h"
#include "common/domain_list.h"

/* Text without the quotes of a quoted-string local part (RFC 5321 section 4.1.2). False when it is
 * malformed. */
static bool
unquote(struct span local, struct buf *content)
{
	if (local.len < 2 || local.ptr[0] != '"') {
		(void)buf_span(content, local);
		return local.len != 0 && span_chr(local, '"') < 0;
	}
	if (local.ptr[local.len - 1] != '"')
		return false;
	for (size_t i = 1; i < local.len - 1; i++) {
		if (local.ptr[i] == '"')
			return false;
		if (local.ptr[i] == '\\' && ++i == local.len - 1)
			return false;
		(void)buf_char(content, local.ptr[i]);
	}
	return content->len != 0;
}

static bool
put_local(struct span local, struct buf *name)
{
	struct buf content = BUF_INIT(ACCOUNT_NAME_MAX);
	bool good = unquote(local, &content) && !content.overflow && local_part_fold(buf_get(&content), name) == 0;

	buf_free(&content);
	return good;
}

/* What tells apart the lines and arguments that addresses are passed on in is in none of them (RFC 5321 section 4.1.2, RFC 6531
 * section 3.3). */
static bool
is_text(struct span address)
{
	for (size_t i = 0; i < address.len; i++)
		if ((unsigned char)address.ptr[i] < ' ' || address.ptr[i] == 0x7f)
			return false;
	return span_is_utf8(address);
}

bool
account_name_is_safe(struct span name)
{
	return name.len != 0 && name.ptr[0] != '.' && span_chr(name, ' ') < 0 && span_chr(name, '/') < 0;
}

enum account_name
account_name_of_address(struct span address, const struct conf_list *domains, struct buf *name)
{
	ptrdiff_t at = span_rchr(address, '@');
	const char *domain;

	buf_clear(name);
	if (at <= 0 || (size_t)at + 1 == address.len || !is_text(address))
		return ACCOUNT_NAME_BAD;
	domain = domain_list_find(domains, span_skip(address, (size_t)at + 1));
	/* What a local part of another host's means, and what may be in it, is that host's affair (RFC 5321 section 2.3.11). */
	if (domain == NULL)
		return ACCOUNT_NAME_NOT_OURS;
	if (!put_local(span_make(address.ptr, (size_t)at), name))
		return ACCOUNT_NAME_NOBODY;
	(void)buf_char(name, '@');
	for (; *domain != '\0'; domain++)
		(void)buf_char(name, ascii_lower(*domain));
	return name->overflow ? ACCOUNT_NAME_NOBODY : account_name_is_safe(buf_get(name)) ? ACCOUNT_NAME_OURS : ACCOUNT_NAME_ODD;
}

void
account_name_key(struct span address, const struct conf_list *domains, struct buf *key)
{
	enum account_name result = account_name_of_address(address, domains, key);

	if (result == ACCOUNT_NAME_OURS || result == ACCOUNT_NAME_ODD)
		return;
	buf_clear(key);
	if (address_with_domain(address, key) != 0)
		(void)buf_span(key, address);
}

enum account_name
account_name_of_login(struct span user, const struct conf_list *domains, struct buf *name)
{
	struct buf whole = BUF_INIT(ACCOUNT_NAME_MAX);
	enum account_name result;

	if (span_chr(user, '@') >= 0)
		return account_name_of_address(user, domains, name);
	buf_clear(name);
	if (domains->count != 1)
		return ACCOUNT_NAME_BAD;
	(void)buf_span(&whole, user);
	(void)buf_char(&whole, '@');
	(void)buf_str(&whole, domains->item[0]);
	result = whole.overflow ? ACCOUNT_NAME_BAD :
				  account_name_of_address(buf_get(&whole), domains, name);
	buf_free(&whole);
	return result;
}

bool
account_name_drop_detail(struct buf *name, char delimiter)
{
	ptrdiff_t plus = delimiter != '\0' ? span_chr(buf_get(name), delimiter) : -1, at = span_rchr(buf_get(name), '@');
	struct buf domain = BUF_INIT(ACCOUNT_NAME_MAX);

	if (plus <= 0 || at < plus)
		return false;
	(void)buf_span(&domain, span_skip(buf_get(name), (size_t)at));
	buf_truncate(name, (size_t)plus);
	(void)buf_span(name, buf_get(&domain));
	buf_free(&domain);
	return true;
}
