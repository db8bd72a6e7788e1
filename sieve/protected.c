/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Header fields that scripts have no say in (RFC 5293 section 6 leaves it to the site which ones). */
#include "sieve/protected.h"

bool
field_is_protected(struct span name)
{
	static const struct span names[] = {
		/* The way of the message, and what loops and answers are found by. */
		SPAN("Received"), SPAN("Auto-Submitted"), SPAN("Delivered-To"), SPAN("Return-Path"),
		/* Who writes: redirected, the message has the site's signature, or its seal on whose it was (own_senders is checked where mail is handed in). */
		SPAN("From"), SPAN("Sender"), SPAN("Resent-From"), SPAN("Resent-Sender"),
		/* What it was found to be, which the site seals, and which other accounts' scripts believe. */
		SPAN("Authentication-Results"), SPAN("Received-SPF"),
		/* How its body reads: what has passed the filters as one thing, or is another's, must not become something else behind them. */
		SPAN("MIME-Version"),
	};
	/* Content-Type and the others of RFC 2045. Of filters: X-Spam-Flag, X-Spamd-Result, X-Virus-Status and their like. */
	static const struct span beginnings[] = { SPAN("Content-"), SPAN("ARC-"), SPAN("X-Fourpost-"), SPAN("X-Spam"), SPAN("X-Virus") };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (span_ieq(name, names[i]))
			return true;
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(*beginnings); i++)
		if (span_istarts(name, beginnings[i]))
			return true;
	return false;
}
