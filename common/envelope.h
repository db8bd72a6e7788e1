/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The envelope of a message as the files of the spool hold it: text lines, an empty line, then the
 * message (mailspool(5)). Pure: text to structure and back. */
#ifndef COMMON_ENVELOPE_H
#define COMMON_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

/* Bounds. The text of an envelope is at most ENVELOPE_MAX bytes, the empty line included. */
#define ENVELOPE_MAX (8u << 20)
#define ENVELOPE_RECIPIENTS_MAX 10100 /* recipients_max is at most 10000, and filters may add some */
/* Of that, what the lines of those may have whom a client names: there is room left for all other lines, and for those whom filters add. */
#define ENVELOPE_RECIPIENTS_LEN (ENVELOPE_MAX - (256u << 10))
#define ENVELOPE_ADDRESS_MAX 512 /* bytes; RFC 5321 4.5.3.1 allows 254 */
#define ENVELOPE_XTEXT_MAX 600   /* ORCPT and ENVID, encoded as they came (RFC 3461 4.2, 4.4) */
#define ENVELOPE_ROOM_MAX 65535  /* bytes between envelope and message */

enum envelope_body { ENVELOPE_7BIT, ENVELOPE_8BITMIME };
enum envelope_ret { ENVELOPE_RET_NONE, ENVELOPE_RET_FULL, ENVELOPE_RET_HDRS };
/* What is due when a message is not delivered by `deliver_by` (RFC 2852 section 4.1.3). */
enum envelope_by { ENVELOPE_BY_NONE, ENVELOPE_BY_NOTIFY, ENVELOPE_BY_RETURN };
/* MT-PRIORITY (RFC 6710 section 4). */
#define ENVELOPE_PRIORITY_MIN (-9)
#define ENVELOPE_PRIORITY_MAX 9
/* NOTIFY of RFC 3461 section 4.1; no bit: not given, which means failure and, if the queue likes,
 * delay. */
enum envelope_notify {
	ENVELOPE_NEVER = 1, ENVELOPE_SUCCESS = 2, ENVELOPE_FAILURE = 4, ENVELOPE_DELAY = 8,
};

/* What became of a recipient: one byte of the file, rewritten in place. */
enum envelope_status {
	ENVELOPE_PENDING = 'P',
	ENVELOPE_WARNED = 'W',    /* still pending; the sender knows of the delay */
	ENVELOPE_DELIVERED = 'D', /* into an account here */
	ENVELOPE_RELAYED = 'R',   /* to another host */
	ENVELOPE_HALF = 'H',      /* an alias, still to be tried: accounts here that it names have theirs, others not yet */
	ENVELOPE_EXPANDED = 'X',  /* an alias: messages of their own go to those that it names */
	ENVELOPE_FAILED = 'F',    /* for good, and the sender has been told if that was due */
};

struct envelope_recipient {
	char *address;     /* mailbox, without angle brackets */
	char *orcpt;       /* "rfc822;xtext" as it came, or NULL */
	uint8_t notify;    /* enum envelope_notify bits */
	char status;       /* enum envelope_status */
	size_t status_at; /* offset of the status byte from the start of the file; set by decode and
			     encode */
};

/* The sender has named the time himself (HOLDUNTIL). */
#define ENVELOPE_HOLD_UNTIL (-1)

/* How delivery goes: one line of fixed length, rewritten in place after each attempt. It may be
 * lost (then the message is due at once) and is never part of a drop file. */
#define ENVELOPE_REASON_MAX 160
struct envelope_progress {
	int64_t due;       /* seconds since 1970: the next attempt */
	int64_t tried;     /* the last one; 0: none */
	uint32_t attempts;
	char reason[ENVELOPE_REASON_MAX +
	    1]; /* why the last attempt did not finish it: printable UTF-8, cut */
};

struct envelope {
	int64_t created;   /* seconds since 1970: when the message was handed in; expiry counts from
			      here */
	size_t created_at, by_at; /* offsets of these numbers from the start of the file, set by decode; by_at: of deliver_by; 0: there is none */
	uint8_t created_len, by_len; /* and how many digits they have */
	int64_t release;   /* not to be sent before; 0: at once */
	int64_t hold;      /* how the sender asked for that: for so many seconds (HOLDFOR), or ENVELOPE_HOLD_UNTIL; 0: not by RFC 4865 */
	char *sender;      /* reverse-path without angle brackets; "" is the null one. Never NULL */
	enum envelope_body body;
	bool smtputf8;
	bool smtputf8_open;  /* encode: it is not known yet, and that there is a line for it (ENVELOPE_YES) */
	size_t smtputf8_at;  /* offset of that line's value, set by encode; 0: there is none */
	enum envelope_ret ret;
	char *envid;       /* xtext as it came, or NULL */
	bool requiretls;   /* RFC 8689: to be relayed over verified TLS alone */
	bool expanded;     /* the recipients came of aliases, which have no more say */
	int priority;      /* MT-PRIORITY; 0 when none was given */
	enum envelope_by by;
	bool by_trace;     /* the sender wants to hear of each relay */
	int64_t deliver_by; /* seconds since 1970, of `by` */
	char *client;      /* address of the host that handed it in, or NULL */
	char *account;     /* who logged in to hand it in, or whose scripts wrote or sent it; or NULL */
	char *forwarder;   /* the account or alias that sent on what came from another host, the last of them; or NULL */
	char *kept;        /* the account that sent it on, and has it: no alias brings it there once more; or NULL */
	int64_t uid;       /* owner of the drop file it came from, or -1 */
	char *about; /* of a notification: the id of the message that it tells of, a space, and the statuses of all recipients of
			that, as they are once it has been told; or NULL */
	char *drop; /* that file's name, by which its owner may still speak of it (drop_control), or
		       NULL */
	bool has_progress; /* set by the queue: there is such a line */
	struct envelope_progress progress;
	size_t progress_at; /* offset of the line's value from the start of the file; set by decode
			       and encode */
	/* Bytes between the envelope and the message that belong to neither: header fields that are known
	 * only when the message is whole are put before it there, and `room` becomes less. */
	uint16_t room;
	size_t room_at; /* offset of that line's value; set by decode and encode; 0: there is no such line */
	struct envelope_recipient *recipients;
	size_t count;
	size_t recipients_len; /* bytes of their lines, at most */
};

/* An envelope without recipients; the strings are copied. */
void envelope_init(struct envelope *envelope, struct span sender, int64_t created);
void envelope_free(struct envelope *envelope);
/* Adds a pending recipient; orcpt may be SPAN_NULL. 0, -EMSGSIZE (too many, too long), -EINVAL
 * (control bytes). */
int envelope_add(struct envelope *envelope, struct span address, struct span orcpt, uint8_t notify);
/* The bytes that its line has, at most. */
size_t envelope_recipient_len(struct span address, struct span orcpt);
/* Replaces one of the optional strings (envid, client, account, forwarder, kept, drop). 0, -EMSGSIZE or -EINVAL as
 * above. */
int envelope_set(char **field, struct span text);

/* What the sender asked for beside addresses (body to deliver_by, and release; not envid). */
void envelope_copy_options(struct envelope *to, const struct envelope *from);

/* Appends the text, the empty line included, to out, and sets every status_at (as offsets in out).
 * 0, -EMSGSIZE, or -EINVAL when a field holds what no line can (control bytes) or there is no
 * recipient. */
int envelope_encode(struct envelope *envelope, struct buf *out);
/* Reads an envelope from the start of a file. 0 and *ret_envelope (envelope_free) and *ret_len,
 * where the message begins; 1 when text ends before the empty line: more of the file is needed
 * (never once ENVELOPE_MAX bytes are there); -EBADMSG when it is none, with *ret_line the number of
 * the line that is wrong (may be NULL). */
int envelope_decode(
    struct span text, struct envelope *ret_envelope, size_t *ret_len, unsigned *ret_line);

/* Written over the value at smtputf8_at. */
#define ENVELOPE_YES "yes"
/* The value of the progress line, always of this length: written over the old one at progress_at.
 */
#define ENVELOPE_PROGRESS_LEN (20 + 1 + 20 + 1 + 10 + 1 + ENVELOPE_REASON_MAX)
void envelope_encode_progress(
    const struct envelope_progress *progress, char ret_text[ENVELOPE_PROGRESS_LEN]);
/* The same for room, always of this length. */
#define ENVELOPE_ROOM_LEN 5
void envelope_encode_room(uint16_t room, char ret_text[ENVELOPE_ROOM_LEN]);
/* A number of seconds in as many digits, written over `created` or that of `by`. False when there are too few. */
bool envelope_encode_time(int64_t seconds, size_t len, char *ret_text);
/* Sets progress->reason: control bytes become "?", what does not fit or is no UTF-8 is cut. */
void envelope_set_reason(struct envelope_progress *progress, struct span text);

/* True while this recipient is still to be tried. */
static inline bool
envelope_is_open(const struct envelope_recipient *recipient)
{
	return recipient->status == ENVELOPE_PENDING || recipient->status == ENVELOPE_WARNED || recipient->status == ENVELOPE_HALF;
}

#endif
