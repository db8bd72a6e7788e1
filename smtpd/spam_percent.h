/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What Sieve's spamtest is told of a message: by its header, which has the score that the smtp role gave it, and what filters say. Pure. */
#ifndef SMTPD_SPAM_PERCENT_H
#define SMTPD_SPAM_PERCENT_H

#include "common/span.h"

/* Percent of what makes it spam, 0 to 100, by whoever thinks worst of it; -1 when nobody says anything. */
int spam_percent(struct span block);

#endif
