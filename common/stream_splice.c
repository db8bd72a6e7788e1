/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Two streams joined: what one receives the other sends. The TLS half of a logged-in connection is
 * this and nothing else. */
#include <stdlib.h>

#include "common/stream.h"
#include "common/xalloc.h"

/* When one side has ended, the other may stay silent this long. */
#define HALF_CLOSED_SECONDS 60

struct splice {
	struct stream *side[2];
	bool ended[2];
	void (*done)(void *context);
	void *context;
};

static size_t
index_of(const struct splice *splice, const struct stream *stream)
{
	return splice->side[1] == stream;
}

static void
move_bytes(struct splice *splice, size_t from)
{
	struct stream *source = splice->side[from], *target = splice->side[!from];
	struct span input = stream_input(source);
	size_t room = stream_room(target), len = input.len < room ? input.len : room;

	if (len != 0) {
		if (stream_write(target, span_make(input.ptr, len)) < 0)
			len = input.len; /* the target has broken; its `ended` is on the way */
		stream_consume(source, len);
	}
	if (len < input.len)
		stream_pause(source);
}

static void
splice_end(struct splice *splice)
{
	void (*done)(void *) = splice->done;
	void *context = splice->context;

	for (size_t i = 0; i < 2; i++)
		stream_finish(splice->side[i]);
	free(splice);
	if (done != NULL)
		done(context);
}

static void
splice_readable(struct stream *stream, void *context)
{
	struct splice *splice = context;

	move_bytes(splice, index_of(splice, stream));
}

static void
splice_drained(struct stream *stream, void *context)
{
	struct splice *splice = context;
	size_t from = !index_of(splice, stream);

	/* Resuming tells the source's unread input again, and after it its end. */
	stream_resume(splice->side[from]);
}

static void
splice_ended(struct stream *stream, void *context, enum stream_end end)
{
	struct splice *splice = context;
	size_t from = index_of(splice, stream);

	splice->ended[from] = true;
	if (end != STREAM_EOF || splice->ended[!from]) {
		splice_end(splice);
		return;
	}
	stream_shutdown_write(splice->side[!from]);
	stream_set_timeouts(splice->side[!from], HALF_CLOSED_SECONDS, HALF_CLOSED_SECONDS);
}

static const struct stream_ops splice_ops = { splice_readable, splice_drained, NULL, splice_ended };

void
stream_splice(struct stream *a, struct stream *b, void (*done)(void *context), void *context)
{
	struct splice *splice = xcalloc(1, sizeof(*splice));

	splice->side[0] = a;
	splice->side[1] = b;
	splice->done = done;
	splice->context = context;
	for (size_t i = 0; i < 2; i++) {
		stream_set_owner(splice->side[i], &splice_ops, splice);
		stream_resume(splice->side[i]);
	}
}
