/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a host made of a message, as it is told to logs, notifications and the queue. Pure. */
#ifndef SMTPD_RELAY_RESULT_H
#define SMTPD_RELAY_RESULT_H

#include "smtpd/relay_parse.h"
#include "smtpd/smtpd_msg.h"

/* What became of a recipient, or of a host. */
struct relay_result {
	enum verdict verdict;
	uint16_t code; /* of the reply; 0: the text is our own */
	bool dsn;      /* the next host takes over delivery status notifications */
	bool by;       /* and the time of delivery (RFC 2852) */
	enum relay_reach reach;
	char status[VERDICT_STATUS_MAX];
	char text[VERDICT_TEXT_MAX]; /* UTF-8 without control characters, but LF between the lines of a reply */
};
/* A result of our own. */
void relay_result_set(struct relay_result *result, enum verdict verdict, const char *status, const char *text);
/* What a reply says: yes (2yz) or no (4yz, 5yz). extensions: those that the host offers. */
void relay_result_of(struct relay_result *result, const struct relay_reply *reply, unsigned extensions);

#endif
