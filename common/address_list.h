/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Address lists of header fields (RFC 5322 section 3.4 with the obsolete forms of 4.4): read
 * whatever people send, written correctly. Pure. */
#ifndef COMMON_ADDRESS_LIST_H
#define COMMON_ADDRESS_LIST_H

#include "common/buf.h"

/* What stands beyond these is not looked at. */
#define ADDRESS_LIST_COUNT_MAX 10000
#define ADDRESS_LIST_TEXT_MAX (1u << 20) /* of one field's value */

enum address_kind {
	ADDRESS_KIND_MAILBOX,
	ADDRESS_KIND_GROUP,     /* a group begins: only `name` is set */
	ADDRESS_KIND_GROUP_END,
};

/* Spans are octets, unquoted, without comments and folding; encoded words are left
 * (encoded_word_decode shows them). The pointer of an absent element is NULL; an empty one that
 * was written ('"" <a@b>') has length 0 and a pointer. */
struct address_entry {
	enum address_kind kind;
	struct span name;   /* display-name; where there is none, the comment after the address ("a@b (Name)") */
	struct span route;  /* "@a,@b" of an obs-route */
	struct span local;  /* content of the local-part */
	struct span domain; /* literals with their brackets; NULL when the address has none */
};

struct address_list {
	struct address_entry *entries;
	size_t count;
	bool cut;        /* a limit was passed */
	bool bad;        /* something was not RFC 5322 and was guessed or skipped */
	bool ambiguous;  /* and so that others may take it for another address: what stood behind "<...>", a second "@",
			  * a domain of words without dots between, an address within an encoded word, a comment or quotes
			  * without end */
	bool lost;       /* and so that an address may have been passed over: a comment or quotes without end, an "@" behind "<...>" */
	struct buf text; /* what the spans point into */
};

/* Reads a raw field value. Never fails. Freed with address_list_free. */
void address_list_parse(struct span value, struct address_list *ret_list);
void address_list_free(struct address_list *list);

/* Appends local@domain with the quotes it needs: an addr-spec. 0, -EINVAL (nothing valid can be
 * made of it), -EMSGSIZE. */
int address_spec_append(struct buf *out, struct span local, struct span domain);
/* Appends `name <local@domain>` as a header has it: name (UTF-8, may be empty) as atoms,
 * quoted-string or encoded words; folded before it where the line would pass 78. *column as in
 * encoded_word_encode. 0, -EINVAL, or -EMSGSIZE. The comma between two is the caller's. */
int address_append(struct buf *out, struct span name, struct span local, struct span domain, size_t *column);
/* Writes the whole list, groups too, from entries as parsed (names with encoded words stay as
 * they are). The same results. */
int address_list_append(struct buf *out, const struct address_list *list, size_t *column);

#endif
