/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* smtpd's roles, the types of its messages, and the enums their bodies carry. */
#ifndef SMTPD_SMTPD_MSG_H
#define SMTPD_SMTPD_MSG_H

#include "frame/frame_msg.h"

enum smtpd_role {
	ROLE_QUEUE = ROLE_OWN,
	ROLE_RESOLVE,
	ROLE_RELAY,
	ROLE_FILTER,
	ROLE_POLICY,
	ROLE_REPORT,
};

enum smtpd_msg {
	SMTPD_MSG_BEFORE = FRAME_MSG_OWN - 1,
#define MSG(name, from, to, min, max, fd) MSG_##name,
#include "smtpd/smtpd_msg.def"
#undef MSG
};

/* The queue's word on a message that is handed in. */
enum message_result {
	MESSAGE_TAKEN,
	MESSAGE_NO_SPACE, /* the disk is full: 452 */
	MESSAGE_FAILED,   /* anything else: 451 */
	MESSAGE_LIMITED,  /* the account has sent enough: 451 */
	MESSAGE_EXCEEDS,  /* no time would be enough for it: 550 */
	MESSAGE_ANSWERED, /* nothing of it is in the queue: each recipient has had his delivery, or will have none of it */
};

/* A message begins in memory, and goes to the disk before it has more bytes than this. Most that have no attachment are smaller. */
#define MESSAGE_MEMORY_MAX 262144

/* Bytes of a report as it is sent. */
#define REPORT_PACKED_MAX (16u << 20)
/* How many policy sends at once by HTTPS, and its word on one. */
#define REPORT_POSTS_MAX 16
enum report_post_result {
	REPORT_NOT_NOW,   /* the host could not be reached, or says that it cannot now */
	REPORT_POSTED_IT, /* it has it */
	REPORT_NEVER,     /* it refuses that report for good */
	REPORT_BUSY,      /* the host was not asked */
};

/* What is done with a message before the client is answered. */
enum message_first {
	FIRST_QUEUE,   /* it is put on stable storage */
	FIRST_TRY,     /* its recipients are accounts here: delivered, where that can be done at once */
	FIRST_TRY_EACH, /* and LMTP answers for each of them */
	FIRST_HOLD,     /* promised, and held: an operator lets it go */
};

/* What became of one recipient. */
enum verdict {
	VERDICT_OK,
	VERDICT_TEMPFAIL, /* try again later */
	VERDICT_PERMFAIL, /* never try again */
};

/* What the next host takes over, in RELAYED. */
enum takes { TAKES_DSN = 1, TAKES_BY = 2 };
/* Whose word a message that goes out is, so by whose keys it may be signed. What others wrote is never signed so that it would pass for
 * the word of a domain of ours. */
enum sign_as {
	SIGN_NOT,       /* another host's, passed on as it came */
	SIGN_AUTHOR,    /* of a user who logged in, of a program of this host, or our own: by the domain of From */
	SIGN_ACCOUNT,   /* written by an account's scripts: by the domain of the account */
	SIGN_FORWARDER, /* another host's, sent on by an account or alias: by that one's domain, unless From is of it; and sealed */
};

/* Of OWN; and OWN_IS where accounts cannot be looked up now. */
#define OWN_ADDRESS_MAX 1000
#define OWN_UNKNOWN 255

/* SUBMIT: the text is the whole message. */
#define SUBMIT_NOTHING UINT64_MAX

/* What SUBMIT's message is to the delivery. */
enum submit_manner {
	SUBMIT_TOO,    /* an answer, given once; or the message itself, which others have as well */
	SUBMIT_ALONE,  /* the message itself: it goes to that recipient and nobody else */
	SUBMIT_EACH,   /* an answer that each try of the delivery writes anew: not sent when there will be another */
	SUBMIT_KEPT,   /* the message itself, which the account has in its own mailboxes */
};

/* How far the relay role got with a recipient. */
enum relay_reach {
	RELAY_ANSWERED,  /* a host has answered for it */
	RELAY_UNREACHED, /* no host was ready for mail: that is no word on the message, and one on the destination */
	RELAY_BROKE_OFF, /* one was, and did not answer for this message */
};

/* The longest texts of DELIVERED and RELAYED; senders cut, so that a talkative host costs no
 * memory. */
#define VERDICT_STATUS_MAX 16
#define VERDICT_TEXT_MAX 1024
#define VERDICT_HOST_MAX 512
#define VERDICT_TLS_MAX 128
/* What of a text, all its lines together, can stand in a reply's line beside a recipient (RFC 5321 section 4.5.3.1.5). */
#define VERDICT_REPLY_MAX 200

/* Whether a status and its text can be told in a reply as they are: printable ASCII, with LF between lines, and not too long. */
bool verdict_fits_reply(struct span status, struct span text);

#endif
