/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Requests to the queue, which are small files in spool/drop too, and its answers: the queue writes
 * one behind the request, into the very file, and then removes the file; who asked still holds it
 * open. So an answer goes to the file's owner and to nobody else, and costs his quota. */
#ifndef COMMON_DROP_CONTROL_H
#define COMMON_DROP_CONTROL_H

#include "common/drop.h"

/* Root may ask for any message, others for their own. */
enum drop_action { DROP_HOLD, DROP_RELEASE, DROP_REMOVE, DROP_RETRY, DROP_LIST, DROP_REQUEUE };

/* A request about a message, by its queue id or, when it came through drop/, by its file's name
 * there (which stays known as long as the message is queued), or about all (SPAN_NULL; retry and
 * list only). Asks for no answer: what became of it stands in the queue's log, and in the queue.
 * 0 or -errno. */
int drop_control(int folder, enum drop_action action, struct span id);

/* The same, of several messages too, with a space between their ids (but for list), and waits for the answer, which is appended to ret_answer. 0; -ETIMEDOUT when the queue
 * has not answered in time (then the request stays for it, but for list); -EMSGSIZE (the answer is
 * longer than ret_answer may be); -errno. */
int drop_ask(int folder, enum drop_action action, struct span ids, unsigned timeout_ms,
    struct buf *ret_answer);

/* The text of a request: pure, for the queue and for tests. Decode: 0 and the action and the id, or several with a space between them
 * (borrowed, empty for all), -EBADMSG. */
#define DROP_CONTROL_MAX 65536
int drop_control_encode(enum drop_action action, struct span ids, struct buf *out);
int drop_control_decode(struct span text, enum drop_action *ret_action, struct span *ret_ids);

/* An answer: one word and LF for each message, and for list, records behind it. */
enum drop_answer {
	DROP_DONE,
	DROP_LATER,   /* after the attempt that is under way */
	DROP_UNKNOWN, /* there is no such message */
	DROP_DENIED,  /* it is somebody else's */
	DROP_IS_HELD, /* retry: what is held waits for release */
	DROP_FAILED,  /* the queue's log has why */
	DROP_CUT,     /* list: there is more than an answer may hold */
};
/* The longest answer. */
#define DROP_ANSWER_MAX (4u << 20)
int drop_answer_encode(enum drop_answer answer, struct buf *out);
/* Takes the word off the front. 0 or -EBADMSG. */
int drop_answer_decode(struct span *text, enum drop_answer *ret_answer);

/* A message in the answer to list: "message ID queue|hold LENGTH ENVELOPE" LF, where LENGTH is the
 * message's length and ENVELOPE that of its envelope as the file has it, which follows. */
struct drop_record {
	struct span id;
	bool held;
	uint64_t length;
	struct span envelope; /* for envelope_decode */
};
/* Appends it: 0, or -EMSGSIZE and nothing is added. */
int drop_record_encode(const struct drop_record *record, struct buf *out);
/* Takes one off the front; borrowed. 0, 1 at the end, -EBADMSG. */
int drop_record_decode(struct span *text, struct drop_record *ret_record);

#endif
