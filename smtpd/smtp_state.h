/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One SMTP or LMTP connection as a machine: bytes in, replies and actions out. Pure: it knows no
 * socket, no file, no clock.
 *
 * The owner feeds input, sends what stands in `out`, writes what stands in `message`, and carries
 * out `action`; where an action has an answer, no input is taken until the owner has given it. */
#ifndef SMTPD_SMTP_STATE_H
#define SMTPD_SMTP_STATE_H

#include "common/envelope.h"
#include "frame/sasl_parse.h"
#include "smtpd/smtp_binary.h"
#include "smtpd/smtp_data.h"

/* RFC 5321 4.5.3.1.4 has 512 octets; extensions add to that. Of SASL (RFC 4954 section 4): 12288.
 */
#define SMTP_COMMAND_MAX 2048
#define SMTP_AUTH_LINE_MAX 12288
/* How far ahead a message may be handed in (RFC 4865), in seconds. */
#define SMTP_HOLD_MAX (365 * 86400)

enum smtp_kind { SMTP_MX = 1, SMTP_SUBMISSION = 2, SMTP_LMTP = 4 };

struct smtp_settings {
	const char *hostname;
	const char *postmaster; /* the address that mail to postmaster goes to */
	uint64_t size_max;
	size_t recipients_max;
	unsigned hops_max, errors_max;
	unsigned junk_max;      /* commands that lead to no mail */
	bool tls;               /* STARTTLS can be done */
	bool plaintext_login;
	bool filters;     /* there are milters; not asked about LMTP */
	bool own_senders; /* submission: senders and authors must belong to the account */
};

enum smtp_action {
	SMTP_NOTHING,
	SMTP_LOOKUP,       /* who is `asked`? smtp_looked_up answers */
	SMTP_AUTHENTICATE, /* `user` and `password`; smtp_authenticated answers */
	SMTP_START_TLS,    /* send `out`, then shake hands; smtp_secured answers */
	SMTP_JUDGE,        /* may this client hand in mail for `asked`? smtp_judged answers */
	SMTP_OPEN,         /* a message of `envelope` begins; smtp_opened answers */
	SMTP_CHECK,        /* the text is whole, and to be verified; smtp_checked answers */
	SMTP_FILTER,       /* may it go on? `filter_step` says with what; smtp_filtered answers */
	SMTP_COMMIT,       /* `message` has its last bytes; smtp_committed answers */
	SMTP_ABORT,        /* the message that was opened is not wanted; no answer */
	SMTP_TARPIT,       /* send `out`, and let what follows wait; smtp_waited answers */
	SMTP_CLOSE,        /* send `out` and close (a message that was opened is not wanted) */
};

/* What is seen of a client that speaks no good SMTP. */
enum smtp_sign {
	SMTP_SIGN_BARE_NEWLINE = 1 << 0, /* a command ended with LF alone */
	SMTP_SIGN_PIPELINING = 1 << 1,   /* more came behind a command whose reply must be waited for (RFC 2920 section 3.1) */
	SMTP_SIGN_UNKNOWN = 1 << 2,      /* commands that are none */
};
enum smtp_filter_step { SMTP_FILTER_MAIL, SMTP_FILTER_RCPT, SMTP_FILTER_TEXT };
enum smtp_filter_word { SMTP_FILTER_PASS, SMTP_FILTER_REFUSE, SMTP_FILTER_DISCARD };
/* Of an alias, which is local too, the account is that of smtp_asker if it gets its mail; where there is none, whose mail it counts as. */
enum smtp_looked_up { SMTP_IS_LOCAL, SMTP_IS_UNKNOWN, SMTP_IS_NOT_OURS, SMTP_LOOKUP_FAILED, SMTP_IS_RELAYED, SMTP_IS_CIRCLE };
enum smtp_authenticated { SMTP_AUTH_OK, SMTP_AUTH_BAD, SMTP_AUTH_LIMITED, SMTP_AUTH_FAILED };
enum smtp_stored { SMTP_STORED, SMTP_NO_SPACE, SMTP_NOT_STORED, SMTP_LIMITED, SMTP_EXCEEDS, SMTP_ANSWERED };
/* What became of a recipient before the client was answered. */
struct smtp_verdict {
	unsigned code;           /* of the reply */
	struct span status, text; /* printable ASCII, short enough for a reply's line; the text may have LF between lines */
};

struct smtp {
	const struct smtp_settings *settings;
	enum smtp_kind kind;
	char client[64], peer[64]; /* peer: whom the connection is from, whomever XCLIENT speaks for */
	bool checks;             /* set by the owner: there is an SMTP_CHECK before SMTP_COMMIT */
	bool verifies;           /* set by the owner before smtp_opened: the message comes from outside */
	bool guarded;            /* set by the owner: there is an SMTP_JUDGE for each recipient */
	bool is_proxy;           /* set by the owner: the client may say whom it speaks for */
	char tls[96];            /* "TLSv1.3 TLS_AES_256_GCM_SHA384", or empty without TLS */

	/* Set by the owner before it feeds input: seconds since 1970. */
	int64_t now;

	/* For the owner. */
	enum smtp_action action;
	struct buf out, message;
	struct buf original;     /* when `checks`: what has come of a binary message, or of one that a field was removed from; the owner clears
				    it with `message` */
	size_t trace_len;        /* bytes at the front of `message` that are our trace field; the owner
				    clears it with `message` */
	enum smtp_filter_step filter_step;
	struct span asked;       /* of SMTP_LOOKUP, and a recipient of SMTP_FILTER: borrowed from within */
	struct buf user, password;
	bool refused; /* the last reply was a refusal (4yz, 5yz): for the log, with `line` and the
			 end of `out` */
	size_t refused_at;       /* where that reply begins in `out` */
	struct {
		char *id, *sender, *recipient; /* the one at hand, or the first; each may be NULL */
	} refused_mail;          /* what that reply is about: the message may be gone when the owner sees it */
	char line[256];          /* the last command, cut; never one of AUTH */
	unsigned signs;          /* enum smtp_sign: all that were seen */
	unsigned commands;       /* counts what was understood: a sign of progress */

	/* Within. */
	enum { SMTP_COMMANDS, SMTP_SASL, SMTP_TEXT, SMTP_CHUNK, SMTP_SKIPPED_CHUNK, SMTP_ENDED } phase;
	enum smtp_action awaited; /* whose answer */
	bool skipping_line;       /* what is left of a command that was too long */
	bool greeted, extended;   /* HELO or EHLO came; EHLO or LHLO it was */
	bool first;               /* nothing has come yet */
	unsigned errors;
	unsigned junk;            /* commands that led to no mail, since the last message */
	char *helo;
	char *told_helo;          /* by XCLIENT: counts whatever EHLO says */
	char *account;            /* logged in, or NULL */
	struct sasl sasl;
	bool in_mail;
	bool has_remote;          /* a recipient has no account here */
	bool has_choosy;          /* a recipient does not hear everybody */
	struct envelope envelope;
	size_t named;             /* recipients that were taken, repeats too, and those beyond recipients_max */
	uint64_t size_told;
	bool is_filtered;         /* this message is: a reload changes nothing for it */
	bool discarded;           /* a filter wants the message taken and dropped */
	struct smtp_data data;
	char *queue_id;           /* from SMTP_OPEN's answer to the end of the message */
	/* BDAT (RFC 3030): this message comes so; what is left of the chunk, and whether it is the
	 * last. */
	bool chunked, chunk_is_last;
	uint64_t chunk_len, chunk_left, chunks_len;
	size_t owed;                /* LMTP: replies to the last chunk of a message that was given up at one before it */
	bool is_binary;             /* BODY=BINARYMIME was declared */
	struct smtp_binary *binary; /* makes lines of it; NULL otherwise */
	struct smtp_binary *parts;  /* looks whether headers of parts are ASCII; NULL: they need not be */
	/* The recipient that is looked up. */
	struct {
		char *address, *orcpt;
		uint8_t notify;
		bool as_postmaster;
		bool elsewhere; /* another host's */
	} rcpt;
	char *message_id, *date;
	/* The author who is looked up when the text has ended, and how many have been. */
	char *author;
	size_t authors_seen;
};

/* client is the peer's address. Settings stay the owner's. */
void smtp_init(struct smtp *smtp, const struct smtp_settings *settings, enum smtp_kind kind,
    const char *client);
/* A proxy tells whom the whole connection is of: before the greeting. */
void smtp_set_client(struct smtp *smtp, const char *client);
/* The owner has told the log of the refusal, if it was one. */
void smtp_forget_note(struct smtp *smtp);
void smtp_free(struct smtp *smtp);
/* The greeting; once, when the connection (and its TLS, where it is there from the first byte)
 * stands. */
void smtp_greet(struct smtp *smtp);
/* The first line of a greeting whose end comes with smtp_greet. */
void smtp_tease(struct smtp *smtp);
/* TLS stands: the answer to SMTP_START_TLS, or before the greeting. tls describes it. */
void smtp_secured(struct smtp *smtp, const char *tls);

/* Takes some input and returns how much; 0 when more is needed, or an answer is awaited, or it has
 * ended. After each call the owner carries out `action` (then smtp_acted), and empties `out` and
 * `message`. */
size_t smtp_input(struct smtp *smtp, struct span input);
void smtp_acted(struct smtp *smtp);
/* True when smtp_input would take more. */
bool smtp_is_ready(const struct smtp *smtp);

/* SMTP_TARPIT: it has waited. */
void smtp_waited(struct smtp *smtp);
/* SMTP_LOOKUP: the account that wants to send from the address, or nothing when mail is to go there. */
struct span smtp_asker(const struct smtp *smtp);
void smtp_looked_up(struct smtp *smtp, enum smtp_looked_up result, struct span account);
void smtp_authenticated(struct smtp *smtp, enum smtp_authenticated result, struct span account);
/* SMTP_JUDGE: the recipient is one that must hear from who is refused, and why he thinks that he should not be (RFC 5321 section 4.5.1, RFC 2142). */
bool smtp_hears_everybody(const struct smtp *smtp);
/* reply: empty when it may, or "450 4.7.1 ...", printable. */
void smtp_judged(struct smtp *smtp, struct span reply);
/* date as in RFC 5322. The trace field is put into `message`. */
void
smtp_opened(struct smtp *smtp, enum smtp_stored result, struct span queue_id, const char *date);
/* When `checks`: what signatures are of, as it came; of the bytes in `message`, without the trace field. Borrowed until they are cleared. */
struct span smtp_original(const struct smtp *smtp);
/* The text is taken (SMTP_FAULT_NONE), or refused for that reason. */
void smtp_checked(struct smtp *smtp, enum smtp_fault fault);
/* reply: of SMTP_FILTER_REFUSE, "550 5.7.1 ...", printable. */
void smtp_filtered(struct smtp *smtp, enum smtp_filter_word word, struct span reply);
/* Whether somebody has the message. */
bool smtp_any_taken(const struct smtp_verdict *verdicts, size_t count);
/* verdicts: of SMTP_ANSWERED, one for each recipient in order; borrowed. SMTP, which has one reply for all, gets the first. */
void smtp_committed(struct smtp *smtp, enum smtp_stored result, const struct smtp_verdict *verdicts, size_t count);
/* Bytes of `message` could not be written: the rest is taken and dropped, the client told at the
 * end. */
void smtp_write_failed(struct smtp *smtp, bool no_space);
/* A last word and the end: "421 4.4.2 ..." for silence, "421 4.3.2 ..." for a shutdown. */
void smtp_hang_up(struct smtp *smtp, const char *status, const char *text);

#endif
