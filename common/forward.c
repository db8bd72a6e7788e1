/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Where an account has its mail sent on to. */
#include "common/forward.h"

#include <errno.h>

#include "common/address.h"

int
forward_parse(struct span text, struct span account, struct forward *ret)
{
	struct address address;
	struct span line;

	*ret = (struct forward){ .keep = false };
	while (span_split(&text, '\n', &line)) {
		line = span_trim(line);
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		if (span_ieq(line, SPAN("keep")) || address_equal(line, account)) {
			ret->keep = true;
			continue;
		}
		if (address_parse_mailbox(line, ADDRESS_SMTPUTF8, &address) != ADDRESS_OK)
			return -EBADMSG;
		if (ret->count == FORWARD_TARGETS_MAX)
			return -E2BIG;
		ret->targets[ret->count++] = line;
	}
	ret->keep |= ret->count == 0;
	return 0;
}
