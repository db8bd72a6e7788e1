/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The signatures of a message that streams by: DKIM (RFC 6376) and the chain of ARC (RFC 8617). Bytes go in; once the header is whole,
 * questions to the DNS come out, whose answers may come before or after the body's end. Pure. */
#ifndef SMTPD_DKIM_VERIFY_H
#define SMTPD_DKIM_VERIFY_H

#include "smtpd/arc_chain.h"
#include "smtpd/dkim_check.h"

/* Signatures of DKIM that are looked at: the uppermost. */
#define DKIM_CHECKS_MAX 10
/* Keys that are asked for at once: those that wait keep the others' questions from nobody. */
#define DKIM_KEYS_AT_ONCE 8
/* A header that is bigger has no signatures as far as we know; smtp takes none that is. */
#define DKIM_HEADER_MAX (300 * 1024)

struct dkim_verifier;

/* now: seconds since 1970. known: as dkim_key_check has it; borrowed. */
struct dkim_verifier *dkim_verifier_new(struct dkim_known *known, int64_t now);
void dkim_verifier_free(struct dkim_verifier *verifier);

/* Bytes of the message, lines ended by CRLF, in pieces of any size. */
void dkim_verifier_feed(struct dkim_verifier *verifier, struct span bytes);
/* The message is whole. */
void dkim_verifier_end(struct dkim_verifier *verifier);
/* True once the header block is complete. */
bool dkim_verifier_has_header(const struct dkim_verifier *verifier);
/* The header block, without the empty line; borrowed. */
struct span dkim_verifier_header(const struct dkim_verifier *verifier);

/* Keys of that domain, in A-labels and lower case, and those below it are asked for before the others. Once the header is complete, before the first question. */
void dkim_verifier_ask_first(struct dkim_verifier *verifier, struct span domain);
/* The next question that was not given out yet: the name of a TXT record (borrowed) and the number by which it is answered. False when
 * there is none: before the header's end, after the last, and as long as DKIM_KEYS_AT_ONCE are not answered. Seals come last, and no more
 * of them once the chain is known not to hold. */
bool dkim_verifier_question(struct dkim_verifier *verifier, struct span *ret_name, size_t *ret_number);
void dkim_verifier_answer(struct dkim_verifier *verifier, size_t number, const struct dns_answer *answer);
/* True when the message has ended and every question is answered: only then the results are complete. */
bool dkim_verifier_is_done(const struct dkim_verifier *verifier);

/* The signatures of DKIM in the order of the header, and their number. Borrowed. */
const struct dkim_check *dkim_verifier_checks(const struct dkim_verifier *verifier, size_t *ret_count);
/* The chain. Borrowed. */
const struct arc_chain *dkim_verifier_chain(const struct dkim_verifier *verifier);

#endif
