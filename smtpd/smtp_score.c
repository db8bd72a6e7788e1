/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One message's score. */
#include "smtpd/smtp_score.h"

#include "common/log.h"

static void
add_test(const struct defence *defence, enum defence_test test, struct score *score)
{
	score_add(score, span_of(defence_tests[test].name), defence_settings_of(defence)->weights[test]);
}

static void
add_verified(const struct defence *defence, const struct verification *verification, struct score *score)
{
	const struct spf_outcome *spf = verify_spf(verification);

	if (spf->result == SPF_FAIL)
		add_test(defence, TEST_SPF_FAIL, score);
	if (spf->result == SPF_SOFTFAIL)
		add_test(defence, TEST_SPF_SOFTFAIL, score);
	/* Nobody could answer to it. */
	if (spf->no_such_domain && spf->identity == SPF_MAILFROM)
		add_test(defence, TEST_SENDER_UNKNOWN, score);
	if (verify_sender_takes_no_mail(verification))
		add_test(defence, TEST_SENDER_NULL_MX, score);
	if (verify_dmarc(verification)->result == DMARC_FAIL && !verify_is_vouched_for(verification))
		add_test(defence, TEST_DMARC_FAIL, score);
}

/* What the client is told when the score is too much: by its own status, when the message would be taken but for that. */
static enum smtp_fault
fault_of(const struct defence *defence, const struct score *score)
{
	const struct defence_settings *settings = defence_settings_of(defence);

	return score_has(score, span_of(defence_tests[TEST_SENDER_NULL_MX].name)) &&
	    score->total - settings->weights[TEST_SENDER_NULL_MX] < settings->refuse ? SMTP_FAULT_NULL_MX : SMTP_FAULT_SCORE;
}

enum smtp_fault
smtp_score_message(const struct defence *defence, const struct verification *verification, const struct rules_outcome *rules,
    bool hears_everybody, const char *queue_id, struct buf *fields)
{
	const struct defence_settings *settings = defence_settings_of(defence);
	struct buf items = BUF_INIT(SCORE_FIELD_MAX);
	struct score score = { 0 };
	enum smtp_fault fault;
	bool refused, junk;

	defence_score(defence, &score);
	if (verification != NULL)
		add_verified(defence, verification, &score);
	if (rules != NULL)
		score_add_all(&score, &rules->score);
	refused = settings->refuse != 0 && score.total >= settings->refuse && !hears_everybody;
	junk = (settings->junk != 0 && score.total >= settings->junk) || (rules != NULL && rules->junk);
	score_put_items(&score, &items);
	log_info("score", log_str("id", queue_id), log_str("client", defence_client(defence)), log_i64("score", score.total),
	    log_span("items", buf_get(&items)), log_span("rules", rules != NULL ? buf_get(&rules->matched) : SPAN_NULL),
	    log_str("verdict", refused || (rules != NULL && rules->refused) ? "refuse" : rules != NULL && rules->held ? "quarantine" : junk ? "junk" : "take"));
	buf_free(&items);
	/* For other programs; verification says it for itself. */
	if (junk && (verification == NULL || verify_verdict(verification) != VERIFY_QUARANTINE))
		(void)buf_str(fields, "X-Spam-Flag: YES\r\n");
	(void)score_put_field(&score, settings->junk, fields);
	if (rules != NULL)
		(void)buf_span(fields, buf_get(&rules->fields));
	fault = rules != NULL && rules->refused ? SMTP_FAULT_RULE : refused ? fault_of(defence, &score) : SMTP_FAULT_NONE;
	score_free(&score);
	return fault;
}
