/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is thought of one client from outside, before any message of its is looked at: lists of the DNS, its own names there, and how it
 * speaks. Pure.
 *
 * The owner asks what defence_question wants asked, gives the answers in any order, and tells what it sees. */
#ifndef SMTPD_DEFENCE_STATE_H
#define SMTPD_DEFENCE_STATE_H

#include "smtpd/defence_settings.h"

/* Names of an address that are looked up in turn (RFC 7208 section 5.5 has ten for the same). */
#define DEFENCE_NAMES_MAX 5

struct defence;

/* client: its address in digits. The settings are held. */
struct defence *defence_new(struct defence_settings *settings, const char *client);
/* NULL is allowed; returns NULL. */
struct defence *defence_free(struct defence *defence);
const char *defence_client(const struct defence *defence);
const struct defence_settings *defence_settings_of(const struct defence *defence);

/* The next question that was not given out yet, and the number by which it is answered. The name is borrowed until the next call. */
bool defence_question(struct defence *defence, struct span *ret_name, enum dns_type *ret_type, size_t *ret_number);
/* An answer that failed speaks neither for nor against anybody. */
void defence_answer(struct defence *defence, size_t number, const struct dns_answer *answer);
/* True when every question is answered. */
bool defence_is_done(const struct defence *defence);
/* What became of the question to a list of the settings: not known, or asked by another entry of its zone; it has said whether it knows the client; it
 * has not; or it does not answer whoever asks for us. */
enum list_state { LIST_UNKNOWN, LIST_ANSWERED, LIST_SILENT, LIST_REFUSES };
enum list_state defence_list_state(const struct defence *defence, size_t list);
/* There was no room for one, such as for a client whose network asks too much: nobody knows it. */
bool defence_is_busy(const struct defence *defence);

/* Something was seen; once or many times is the same. */
void defence_note(struct defence *defence, enum defence_test test);
/* What it says with HELO or EHLO: the last counts. */
void defence_hello(struct defence *defence, struct span helo);

/* Appends what is known by now. */
void defence_score(const struct defence *defence, struct score *score);
/* Appends the lists that know the client and speak against it, "a.example, b.example". */
void defence_put_lists(const struct defence *defence, struct buf *out);
/* The name that leads to its address and back, or NULL. */
const char *defence_name(const struct defence *defence);

#endif
