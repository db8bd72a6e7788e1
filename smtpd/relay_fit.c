/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a host takes of a message, by what it offers and by what is known of it. */
#include "smtpd/relay_state_internal.h"

bool
relay_state_is_seven_bit(const struct relay_state *state)
{
	return (state->offer.extensions & RELAY_EXT_8BITMIME) == 0;
}

bool
relay_state_wants_scan(const struct relay_state *state, const struct relay_mail *mail)
{
	return (state->offer.extensions & RELAY_EXT_8BITMIME) == 0 || (mail->smtputf8 && (state->offer.extensions & RELAY_EXT_SMTPUTF8) == 0);
}

bool
relay_state_suits(const struct relay_state *state, const struct relay_mail *mail)
{
	return !relay_mail_insists_on_tls(mail) || (state->verified && (state->offer.extensions & RELAY_EXT_REQUIRETLS) != 0);
}

bool
relay_state_settle_unfit(struct relay_state *state)
{
	struct relay_mail *mail = state->mail;
	struct relay_result result;

	result.text[0] = '\0';
	if (state->offer.size_max != 0 && mail->size > state->offer.size_max)
		relay_result_set(&result, VERDICT_PERMFAIL, "5.3.4", "The message is larger than the host takes");
	else if (mail->eight_bit && relay_state_is_seven_bit(state) && mail->form != SMTP_BINARY_SEVEN_BIT)
		/* RFC 6152 section 3: it is converted, or the sender told. */
		relay_result_set(&result, VERDICT_PERMFAIL, "5.6.3", "The message holds 8-bit text and the host takes only 7-bit text (no 8BITMIME)");
	else if (mail->smtputf8 && (state->offer.extensions & RELAY_EXT_SMTPUTF8) == 0 && mail->utf8_header)
		relay_result_set(&result, VERDICT_PERMFAIL, "5.6.9", "A header of the message, or of a part of it, is in UTF-8 and the host does not take that (no SMTPUTF8)");
	else if ((state->offer.extensions & RELAY_EXT_SMTPUTF8) == 0 && !span_is_ascii(mail->sender))
		relay_result_set(&result, VERDICT_PERMFAIL, "5.6.7", "The sender's address is in UTF-8 and the host does not take that (no SMTPUTF8)");
	else if (mail->by == ENVELOPE_BY_RETURN && mail->by_left <= 0)
		relay_result_set(&result, VERDICT_PERMFAIL, "5.4.7", "The time within which the message was to be delivered has passed");
	else if (mail->by == ENVELOPE_BY_RETURN &&
	    ((state->offer.extensions & RELAY_EXT_DELIVERBY) == 0 || (uint64_t)mail->by_left < state->offer.by_min))
		relay_result_set(&result, VERDICT_PERMFAIL, "5.3.3", "The message is to be delivered in time or returned, and the host does not promise that (DELIVERBY)");
	if (result.text[0] != '\0') {
		relay_settle_all(mail, state->settled, state->context, &result);
		return true;
	}
	relay_result_set(&result, VERDICT_PERMFAIL, "5.6.7", "The address is in UTF-8 and the host does not take that (no SMTPUTF8)");
	for (size_t i = 0; i < mail->count; i++)
		if ((state->offer.extensions & RELAY_EXT_SMTPUTF8) == 0 && !span_is_ascii(mail->recipients[i].address))
			relay_settle(mail, i, state->settled, state->context, &result);
	for (size_t i = 0; i < mail->count; i++)
		if (!mail->recipients[i].settled)
			return false;
	return true;
}
