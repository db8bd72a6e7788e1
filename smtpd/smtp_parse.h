/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Lines of SMTP taken apart: verbs, paths, parameters, xtext. Pure; everything returned is borrowed
 * from the line. */
#ifndef SMTPD_SMTP_PARSE_H
#define SMTPD_SMTP_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "common/envelope.h"

/* A command line without its CRLF: the verb (letters only) and what follows the first space, outer
 * blanks removed. */
struct smtp_command {
	struct span verb, args;
};
/* 0, -EINVAL (no verb), or -EILSEQ (an octet behind the verb that no command may hold: a control character, DEL). */
int smtp_parse_command(struct span line, struct smtp_command *ret_command);

/* The verb is HTTP's: a browser has been tricked into speaking to us. */
bool smtp_is_http(struct span verb);

/* The name after EHLO or HELO: a domain or an address literal, loosely (hosts send all sorts), but
 * nothing that would harm a trace field: visible ASCII (names of other scripts come as A-labels) without ( ) < > " \ , ; @. */
bool smtp_is_helo(struct span name);

/* Reads "FROM:<path>" or "TO:<path>" off the front of *args; keyword is "FROM" or "TO", flags are
 * those of address_parse_path. A space behind the colon and missing angle brackets are forgiven as
 * most senders' mistakes. Addresses in UTF-8 are taken: whether they may be is known only when the
 * parameters are. *args is unchanged on error. */
enum address_result smtp_parse_path(
    struct span *args, struct span keyword, unsigned flags, struct address *ret_address);

/* Takes the next esmtp-param off *args: KEY or KEY=value. False at the end; a malformed one yields
 * an empty key. */
bool smtp_next_parameter(struct span *args, struct span *ret_key, struct span *ret_value);

/* The arguments of BDAT (RFC 3030 section 2): a length, and "LAST" or nothing. 0 or -EINVAL. */
int smtp_parse_bdat(struct span args, uint64_t *ret_len, bool *ret_last);

/* A priority of RFC 6710 section 4: "-9" to "9". 0 or -EINVAL. */
int smtp_parse_priority(struct span value, int *ret_priority);

/* The value of BY (RFC 2852 section 4): "120;R", "-5;NT". What is returned when it is late must have time
 * left. 0 or -EINVAL. */
int smtp_parse_by(
    struct span value, int64_t *ret_seconds, enum envelope_by *ret_by, bool *ret_trace);

/* xtext of RFC 3461 section 4, its digits large or small: true when well-formed, between 1 and max bytes. */
bool smtp_is_xtext(struct span text, size_t max);
/* "SUCCESS,FAILURE,DELAY" or "NEVER" to bits of enum envelope_notify: 0 or -EINVAL. */
int smtp_parse_notify(struct span value, uint8_t *ret_notify);
/* "addr-type;xtext" (RFC 3461 section 4.2; utf-8 of RFC 6533 section 3 as well). */
bool smtp_is_orcpt(struct span value);

#endif
