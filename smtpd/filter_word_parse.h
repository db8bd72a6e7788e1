/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What filters of spam and viruses have written into a message's header (rspamd, SpamAssassin, clamav-milter, the site's rules). Pure. */
#ifndef SMTPD_FILTER_WORD_PARSE_H
#define SMTPD_FILTER_WORD_PARSE_H

#include "common/span.h"

/* What they call spam, and infected. */
#define FILTER_WORD_SPAM 100
#define FILTER_WORD_VIRUS 5

/* The worst that any of them says: percent of what makes a message spam there, 0 to 100, or -1 when none says anything. */
int filter_word_spam(struct span block);
/* RFC 5235 section 3.3: 1 is clean, 5 infected, 0 not tested. Whoever says "infected" is believed. */
int filter_word_virus(struct span block);

#endif
