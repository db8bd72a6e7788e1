/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a message says, as it is searched: header fields and texts, decoded and folded (common/text_fold.h), one after another and
 * piece by piece. One pass over the bytes; only HTML is gathered, up to 32 MB of a part. Pure. */
#ifndef LIBMAILSTORE_MS_TEXT_WALK_H
#define LIBMAILSTORE_MS_TEXT_WALK_H

#include "common/buf.h"

enum ms_text_kind {
	MS_TEXT_VALUE = 1,   /* what a field of the message's own header says */
	MS_TEXT_FIELD = 2,   /* the same behind its name and ":" */
	MS_TEXT_INNER = 4,   /* a field of the header of a part, or of a message inside, with its name */
	MS_TEXT_PLAIN = 8,   /* a text part that is no HTML */
	MS_TEXT_MARKUP = 16, /* an HTML part as it is written */
	MS_TEXT_READ = 32,   /* the same as a reader sees it */
};
/* Values are in their fields. */
#define MS_TEXT_ALL (63u & ~(unsigned)MS_TEXT_VALUE)

struct ms_text_sink {
	void *context;
	/* A text begins. name: a field's, as it is written, else empty. False: it is passed over. */
	bool (*begin)(void *context, enum ms_text_kind kind, struct span name);
	/* Its next piece, folded, of whole characters, borrowed for the call. False: the rest of the text is passed over. */
	bool (*piece)(void *context, struct span folded);
	/* It is over, also when it was cut short. False: nothing more is wanted of the message. */
	bool (*end)(void *context);
};

/* kinds: enum ms_text_kind, those that are wanted; parts are looked for only when some of them is. */
void ms_text_walk(struct span message, unsigned kinds, const struct ms_text_sink *sink);

#endif
