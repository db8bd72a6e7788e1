/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Message-ID, In-Reply-To and References (RFC 5322 section 3.6.4). Pure. */
#ifndef COMMON_MESSAGE_ID_H
#define COMMON_MESSAGE_ID_H

#include "common/buf.h"

#define MESSAGE_ID_MAX 998
#define MESSAGE_ID_COUNT_MAX 1000 /* of one field; of more, the first and the last 999 */

/* Takes the next msg-id off the front of a raw field value: what stands between "<" and ">",
 * comments and phrases skipped, folding and quotes inside removed. Appends it (without brackets)
 * to out. True, or false at the end. Ids that are empty or longer than MESSAGE_ID_MAX are passed
 * over. */
bool message_id_next(struct span *value, struct buf *out);

struct message_id_list {
	struct span *ids; /* without brackets */
	size_t count;
	struct buf text;
};

/* All ids of a raw field value in order. Freed with message_id_list_free. */
void message_id_list_parse(struct span value, struct message_id_list *ret_list);
void message_id_list_free(struct message_id_list *list);

/* Appends "<unique@host>", ready for a field: unique is made of the time and the 16 random bytes
 * given. 0, or -EMSGSIZE. */
int message_id_append(struct buf *out, int64_t now, const uint8_t random[static 16], struct span host);

#endif
