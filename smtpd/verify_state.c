/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One message's verification: the machines of SPF, of signatures and of DMARC, side by side. */
#include "smtpd/verify_state.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "common/domain_list.h"
#include "common/xalloc.h"
#include "smtpd/auth_results.h"
#include "smtpd/auth_results_put.h"
#include "smtpd/public_suffix.h"
#include "smtpd/spf_field.h"

/* Numbers of questions: those of signatures follow. */
enum { NUMBER_SPF, NUMBER_DMARC, NUMBER_SENDER, NUMBER_SIGNATURES };

struct verification {
	const struct verify_settings *settings;
	struct verify_envelope envelope;
	unsigned sample;
	struct spf *spf;
	struct dkim_verifier *signatures;
	struct dmarc dmarc;
	bool has_header, ended, concluded, vouched_for;
	bool spf_unanswered, policy_unanswered; /* a question of that had no answer, perhaps for want of our own room */
	bool asked_spf, asked_dmarc; /* the answer is awaited */
	enum { SENDER_KNOWN, SENDER_TO_ASK, SENDER_ASKED } sender; /* whether its domain takes mail */
	bool null_mx;
};

struct verification *
verify_new(const struct verify_settings *settings, const struct verify_envelope *envelope, int64_t now, unsigned sample)
{
	struct verification *verification = xcalloc(1, sizeof(*verification));
	uint8_t address[16] = { 0 };
	size_t len = inet_pton(AF_INET, envelope->client, address) == 1 ? 4 : 16;

	/* What is no address stays that of nobody. */
	if (len == 16)
		(void)inet_pton(AF_INET6, envelope->client, address);
	verification->settings = settings;
	verification->envelope = *envelope;
	verification->sample = sample;
	verification->spf = spf_new(
	    address, len, span_of(envelope->helo), span_of(envelope->sender), span_of(settings->hostname), (uint64_t)now);
	if (spf_outcome(verification->spf)->identity == SPF_MAILFROM && spf_outcome(verification->spf)->domain[0] != '\0')
		verification->sender = SENDER_TO_ASK;
	verification->signatures = dkim_verifier_new(settings->known, now);
	return verification;
}

void
verify_free(struct verification *verification)
{
	if (verification == NULL)
		return;
	(void)spf_free(verification->spf);
	dkim_verifier_free(verification->signatures);
	free(verification);
}

/* --- the conclusion --- */

static bool
is_trusted(const struct verification *verification, struct span domain)
{
	return domain_list_find(verification->settings->arc_trusted, domain) != NULL;
}

/* RFC 8617 section 7.2: what the last sealer saw counts when we believe him, and the chain holds. */
static bool
is_sealed(const struct verification *verification)
{
	const struct arc_chain *chain = dkim_verifier_chain(verification->signatures);
	const struct arc_set *last = chain->count != 0 ? &chain->sets[chain->count - 1] : NULL;
	struct span payload;
	unsigned instance;

	return last != NULL && last->results != NULL && chain->message.signature.covers_from && is_trusted(verification, last->check.signature.domain) &&
	    arc_results_payload(last->results->value, &instance, &payload) &&
	    auth_results_has(payload, SPAN("dmarc"), SPAN("pass"));
}

static void
conclude(struct verification *verification)
{
	const struct dkim_check *checks;
	size_t count;

	if (verification->concluded || !verify_is_done(verification))
		return;
	verification->concluded = true;
	checks = dkim_verifier_checks(verification->signatures, &count);
	dmarc_conclude(&verification->dmarc, spf_outcome(verification->spf), checks, count, verification->sample);
	/* Who seals speaks for the author that he saw. There is none where several may be meant: one more From above those that a chain covers
	 * does not break it. */
	verification->vouched_for = verification->dmarc.outcome.from[0] != '\0' &&
	    dkim_verifier_chain(verification->signatures)->status == ARC_PASS && is_sealed(verification);
}

/* --- the message --- */

static void
take_header(struct verification *verification)
{
	if (verification->has_header || !dkim_verifier_has_header(verification->signatures))
		return;
	verification->has_header = true;
	dmarc_begin(&verification->dmarc, dkim_verifier_header(verification->signatures));
	if (verification->dmarc.outcome.from[0] != '\0')
		dkim_verifier_ask_first(verification->signatures, span_of(public_suffix_organization(verification->dmarc.outcome.from)));
}

void
verify_feed(struct verification *verification, struct span bytes)
{
	dkim_verifier_feed(verification->signatures, bytes);
	take_header(verification);
}

void
verify_end(struct verification *verification)
{
	verification->ended = true;
	dkim_verifier_end(verification->signatures);
	take_header(verification);
	conclude(verification);
}

/* --- questions --- */

bool
verify_question(struct verification *verification, struct span *ret_name, enum dns_type *ret_type, size_t *ret_number)
{
	*ret_type = DNS_TXT;
	if (!verification->asked_spf && spf_question(verification->spf, ret_name, ret_type)) {
		verification->asked_spf = true;
		*ret_number = NUMBER_SPF;
		return true;
	}
	if (verification->sender == SENDER_TO_ASK) {
		verification->sender = SENDER_ASKED;
		*ret_name = span_of(spf_outcome(verification->spf)->domain);
		*ret_type = DNS_MX;
		*ret_number = NUMBER_SENDER;
		return true;
	}
	if (verification->has_header && !verification->asked_dmarc && dmarc_question(&verification->dmarc, ret_name)) {
		verification->asked_dmarc = true;
		*ret_number = NUMBER_DMARC;
		return true;
	}
	if (!dkim_verifier_question(verification->signatures, ret_name, ret_number))
		return false;
	*ret_number += NUMBER_SIGNATURES;
	return true;
}

void
verify_answer(struct verification *verification, size_t number, const struct dns_answer *answer)
{
	bool unanswered = answer->blame != DNS_THEIRS && (answer->status == DNS_FAILED || answer->status == DNS_BOGUS);

	if (number == NUMBER_SPF) {
		verification->asked_spf = false;
		verification->spf_unanswered |= unanswered;
		spf_answer(verification->spf, answer);
	} else if (number == NUMBER_DMARC) {
		verification->asked_dmarc = false;
		verification->policy_unanswered |= unanswered;
		dmarc_answer(&verification->dmarc, answer);
	} else if (number == NUMBER_SENDER) {
		verification->sender = SENDER_KNOWN;
		/* RFC 7505 section 3: that record, and no other. */
		verification->null_mx = answer->status == DNS_FOUND && answer->count == 1 && answer->records[0].data.len == 0;
	} else {
		dkim_verifier_answer(verification->signatures, number - NUMBER_SIGNATURES, answer);
	}
	conclude(verification);
}

bool
verify_is_done(const struct verification *verification)
{
	enum dns_type type;
	struct span name;

	return verification->ended && verification->sender == SENDER_KNOWN && !spf_question(verification->spf, &name, &type) && !dmarc_question(&verification->dmarc, &name) &&
	    dkim_verifier_is_done(verification->signatures);
}

/* --- what comes of it --- */

/* Has a question had no answer, perhaps for want of our own room, that could make another verdict? Others do not count: keys of strangers'
 * signatures that are nowhere would have mail put off for as long as there is a crowd. */
static bool
is_open(const struct verification *verification)
{
	const struct dmarc_outcome *outcome = &verification->dmarc.outcome;

	if (verification->vouched_for || outcome->result == DMARC_PASS)
		return false;
	if (verification->policy_unanswered || (verification->spf_unanswered && outcome->wants_spf) || outcome->wants_key)
		return true;
	return outcome->result != DMARC_NONE && outcome->from[0] != '\0' && is_sealed(verification) && arc_chain_is_unanswered(dkim_verifier_chain(verification->signatures));
}

enum verify_verdict
verify_verdict(const struct verification *verification)
{
	static const enum verify_verdict verdicts[] = {
		[DMARC_POLICY_NONE] = VERIFY_TAKE,
		[DMARC_POLICY_QUARANTINE] = VERIFY_QUARANTINE,
		[DMARC_POLICY_REJECT] = VERIFY_REFUSE,
	};
	const struct dmarc_outcome *outcome = &verification->dmarc.outcome;
	enum dmarc_policy wanted = outcome->wanted;

	/* Whoever takes up the resolver must not get by with mail that others' policies refuse. */
	if (is_open(verification) || (outcome->result == DMARC_TEMPERROR && verification->settings->defer))
		return VERIFY_DEFER;
	if (verification->vouched_for)
		return VERIFY_TAKE;
	/* Whose policy counts cannot be told, so that none would be asked: no better than what fails. */
	if (outcome->result == DMARC_PERMERROR && outcome->from[0] == '\0')
		wanted = DMARC_POLICY_QUARANTINE;
	return verdicts[wanted < verification->settings->enforced ? wanted : verification->settings->enforced];
}

int
verify_put_fields(const struct verification *verification, struct buf *out)
{
	const struct verify_envelope *envelope = &verification->envelope;
	struct span hostname = span_of(verification->settings->hostname);
	int r;

	if (verify_verdict(verification) == VERIFY_QUARANTINE)
		(void)buf_str(out, "X-Spam-Flag: YES\r\n");
	r = auth_results_put(verification, verification->settings->hostname, envelope->sender, out);
	return r < 0 ? r :
		       spf_put_field(verify_spf(verification), span_of(envelope->client), span_of(envelope->helo),
			   span_of(envelope->sender), hostname, out);
}

const struct spf_outcome *
verify_spf(const struct verification *verification)
{
	return spf_outcome(verification->spf);
}

bool
verify_sender_takes_no_mail(const struct verification *verification)
{
	return verification->null_mx;
}

const struct dmarc_outcome *
verify_dmarc(const struct verification *verification)
{
	return &verification->dmarc.outcome;
}

const struct dkim_check *
verify_checks(const struct verification *verification, size_t *ret_count)
{
	return dkim_verifier_checks(verification->signatures, ret_count);
}

const struct arc_chain *
verify_chain(const struct verification *verification)
{
	return dkim_verifier_chain(verification->signatures);
}

bool
verify_is_vouched_for(const struct verification *verification)
{
	return verification->vouched_for;
}
