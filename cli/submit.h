/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message on its way into spool/drop: its header is read whole, mended, and asked for recipients
 * where that is wanted; its body goes through as it comes. */
#ifndef CLI_SUBMIT_H
#define CLI_SUBMIT_H

#include "common/drop.h"
#include "smtpd/smtpd_conf.h"

/* The longest header. */
#define SUBMIT_HEADER_MAX (1u << 20)

struct submit {
	/* The owner's, between submit_init and the first bytes. */
	const struct smtpd_conf *conf;
	int folder;               /* of drop_open_folder */
	struct envelope envelope;
	struct span name;         /* of the sender, UTF-8, for a From field that is missing; may be empty */
	const char *user;         /* who hands it in: From where the reverse-path is null */
	uint8_t notify;           /* of every recipient that is added: enum envelope_notify bits */
	bool recipients_in_header; /* take them from To, Cc and Bcc (or their Resent- kin), and take out Bcc */

	/* Within. */
	struct buf header;
	struct text_set *seen;    /* the keys of recipients (account_name_key) */
	bool in_body, after_cr;   /* after_cr: the last byte that came is a CR */
	uint64_t size;            /* with CRLF line ends */
	struct smtp_binary *parts; /* looks for headers in UTF-8 */
	struct drop *drop;
	char complaint[256];      /* what -EBADMSG is about: printable */
};

/* The errors of the calls below, beside -errno of writing: -EBADMSG (an address is none),
 * -EDESTADDRREQ (no recipients), -EMSGSIZE (too many), -EINVAL (NUL in the message), -E2BIG (the
 * header), -EFBIG (the message), -ELOOP (too many Received fields), -EILSEQ (a field of recipients may
 * name more than can be read). Nothing but submit_free may follow one. */

/* A message of no sender and no recipients yet. */
void submit_init(struct submit *submit, const struct smtpd_conf *conf, int folder);
/* Abandons what has not been committed. */
void submit_free(struct submit *submit);

/* Reads one mailbox, with or without its domain, as local@domain into *ret_address (free(3)); "" and
 * "<>" are the null path. 0 or -EBADMSG. */
int submit_sender(struct submit *submit, struct span text, char **ret_address);
/* Adds the addresses of a list ("a, Name <b@c>"), each once. strict: -EBADMSG where something in it
 * would have to be guessed or passed over; else -EILSEQ where an address may have been passed over. */
int submit_recipients(struct submit *submit, struct span list, bool strict);

/* Makes the file at once: for those who want its name (drop_name) before the message. Recipients are
 * there already. */
int submit_open(struct submit *submit);
/* Some bytes of the message, with line ends of LF, CRLF or CR. */
int submit_put(struct submit *submit, struct span bytes);
/* The end of it: after 0 the queue has it. */
int submit_commit(struct submit *submit);

/* One line about an error, for people, and the status of sysexits(3) for it. */
const char *submit_explain(const struct submit *submit, int error, int *ret_status);

#endif
