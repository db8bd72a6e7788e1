/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the configuration says of the defence, made ready for use. Whoever works by it holds it, so that a reload changes nothing under
 * way. */
#ifndef SMTPD_DEFENCE_SETTINGS_H
#define SMTPD_DEFENCE_SETTINGS_H

#include "smtpd/defence_parse.h"
#include "smtpd/smtpd_conf.h"

/* Whose mail is greylisted. */
enum greylist_whom {
	GREYLIST_NONE,
	GREYLIST_SUSPECTS, /* from a score on */
	GREYLIST_UNPROVEN, /* these, and who is on no list of the welcome and may not send for his sender by SPF */
	GREYLIST_ALL,
};

struct defence_settings {
	unsigned holders;
	char *hostname;
	char **domains; /* of accounts here */
	size_t domain_count;
	char **list_texts; /* what the lists' zones point into */
	struct dns_list *lists;
	size_t list_count;
	int weights[TEST_COUNT];
	bool names; /* those of the client's address are asked for: they weigh something, or milters are told */
	int junk, tarpit, refuse; /* scores from which on this happens; 0: never */
	int64_t tarpit_seconds;
	enum greylist_whom greylist;
	int greylist_score;
	struct limit *limits;
	size_t limit_count;
};

/* The configuration has been checked. Held once. */
struct defence_settings *defence_settings_new(const struct smtpd_conf *conf);
struct defence_settings *defence_settings_hold(struct defence_settings *settings);
/* Frees it when nobody holds it any more. NULL is allowed; returns NULL. */
struct defence_settings *defence_settings_drop(struct defence_settings *settings);
/* For smtpd_conf_check: appends a sentence for each fault. */
void defence_conf_check(const struct smtpd_conf *conf, struct buf *errors);

#endif
