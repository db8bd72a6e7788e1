/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What filters of spam and viruses have written into a message's header (rspamd, SpamAssassin, clamav-milter, the site's rules). Pure. */
#ifndef SMTPD_FILTER_WORD_PARSE_H
#define SMTPD_FILTER_WORD_PARSE_H

#include "common/span.h"

/* The worst that any of them says: percent of what makes a message spam there, 0 to 100, or -1 when none says anything. */
int filter_word_spam(struct span block);
/* RFC 5235 section 3.3: 1 is clean, 5 infected, 0 not tested. Whoever says "infected" is believed. */
int filter_word_virus(struct span block);
/* Is that the name of a field by which they tell it? And does such a field call the message spam, or infected? */
bool filter_word_is(struct span name);
bool filter_word_is_against(struct span field);

#endif
