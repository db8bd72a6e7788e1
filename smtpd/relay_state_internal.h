/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The client's machine, between its session (relay_state.c) and a transaction within it (relay_transaction.c). */
#ifndef SMTPD_RELAY_STATE_INTERNAL_H
#define SMTPD_RELAY_STATE_INTERNAL_H

#include "smtpd/relay_state.h"

/* A reply that means nothing where it came: the host has failed. */
enum relay_action relay_state_nonsense(struct relay_state *state, const struct relay_reply *reply, struct buf *out);
/* Nothing is under way any more: RELAY_READY. */
enum relay_action relay_state_idle(struct relay_state *state);
/* Appends that command, whose reply is awaited in that phase: RELAY_WAIT. */
enum relay_action relay_state_say(struct relay_state *state, enum relay_phase phase, const char *command, struct buf *out);

/* Settles what this host cannot take whatever it would say. True when nothing is left to send. */
bool relay_state_settle_unfit(struct relay_state *state);

/* Replies in the phases of a transaction: what is to be done then. */
enum relay_action relay_on_mail(struct relay_state *state, const struct relay_reply *reply, struct buf *out);
enum relay_action relay_on_rcpt(struct relay_state *state, const struct relay_reply *reply, struct buf *out);
enum relay_action relay_on_data(struct relay_state *state, const struct relay_reply *reply, struct buf *out);
enum relay_action relay_on_chunk(struct relay_state *state, const struct relay_reply *reply, struct buf *out);
enum relay_action relay_on_message(struct relay_state *state, const struct relay_reply *reply, struct buf *out);
enum relay_action relay_on_dot(struct relay_state *state, const struct relay_reply *reply, struct buf *out);
enum relay_action relay_on_rset(struct relay_state *state, const struct relay_reply *reply, struct buf *out);

#endif
