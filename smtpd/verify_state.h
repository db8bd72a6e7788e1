/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* All that is found out about one message from another host: SPF, DKIM, ARC and DMARC together, and what is to be done with it. Pure.
 *
 * The owner feeds the message, asks what verify_question wants asked, and gives the answers in any order. */
#ifndef SMTPD_VERIFY_STATE_H
#define SMTPD_VERIFY_STATE_H

#include "common/conf.h"
#include "smtpd/dkim_verify.h"
#include "smtpd/dmarc_state.h"

struct verify_settings {
	const char *hostname;                 /* of Authentication-Results */
	enum dmarc_policy enforced;           /* no policy is carried out that is stricter */
	bool defer;                           /* put off what cannot be verified now */
	const struct conf_list *arc_trusted;  /* domains of sealers whose word on a message is taken */
	struct dkim_known *known;             /* keys of signatures that were read before, or NULL */
};

/* Who brings the message. Texts are borrowed for as long as the verification is there. */
struct verify_envelope {
	const char *client; /* address */
	const char *helo;
	const char *sender; /* reverse-path */
};

/* VERIFY_DEFER: also what cannot be verified, perhaps for want of our own room, whatever the settings say. */
enum verify_verdict { VERIFY_TAKE, VERIFY_QUARANTINE, VERIFY_REFUSE, VERIFY_DEFER };

struct verification;

/* now: seconds since 1970; sample: a number below 100, at random. Settings and envelope are borrowed. */
struct verification *verify_new(const struct verify_settings *settings, const struct verify_envelope *envelope, int64_t now, unsigned sample);
void verify_free(struct verification *verification);

/* Bytes of the message as it came, in pieces of any size; and its end. */
void verify_feed(struct verification *verification, struct span bytes);
void verify_end(struct verification *verification);

/* The next question that was not given out yet, and the number by which it is answered. The name is borrowed until the next call. */
bool verify_question(struct verification *verification, struct span *ret_name, enum dns_type *ret_type, size_t *ret_number);
void verify_answer(struct verification *verification, size_t number, const struct dns_answer *answer);
/* True when the message has ended and every question is answered: from then on, the following may be called. */
bool verify_is_done(const struct verification *verification);

enum verify_verdict verify_verdict(const struct verification *verification);
/* Appends the header fields that tell: Authentication-Results, Received-SPF, and for VERIFY_QUARANTINE the one by which the site's
 * scripts know what to do. 0 or -EMSGSIZE. */
int verify_put_fields(const struct verification *verification, struct buf *out);
const struct spf_outcome *verify_spf(const struct verification *verification);
/* The domain of the reverse-path says that it takes no mail (RFC 7505 section 4.2). */
bool verify_sender_takes_no_mail(const struct verification *verification);
const struct dmarc_outcome *verify_dmarc(const struct verification *verification);
const struct dkim_check *verify_checks(const struct verification *verification, size_t *ret_count);
const struct arc_chain *verify_chain(const struct verification *verification);
/* The chain is whole, and who sealed it last is trusted and has seen the message pass DMARC. */
bool verify_is_vouched_for(const struct verification *verification);

#endif
