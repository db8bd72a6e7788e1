/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* sendmail -bs: smtpd's own machine of the protocol between two descriptors, with spool/drop behind
 * it. Who the recipients are is for the queue to find out, so all are taken: of ours as accounts'. */
#include "cli/sendmail_smtp.h"

#include <errno.h>
#include <limits.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/submit.h"
#include "common/date.h"
#include "common/domain_list.h"
#include "common/io.h"
#include "smtpd/smtp_state.h"

#define INPUT_MAX (2 * SMTP_DATA_STEP)

struct session {
	const struct smtpd_conf *conf;
	int folder;
	const char *user;
	struct smtp smtp;
	struct submit submit;
	bool submitting;
};

static void
abandon(struct session *session)
{
	if (session->submitting)
		submit_free(&session->submit);
	session->submitting = false;
}

static enum smtp_stored
stored(int r)
{
	return r == 0 ? SMTP_STORED : r == -ENOSPC || r == -EDQUOT ? SMTP_NO_SPACE : SMTP_NOT_STORED;
}

/* What the client said of the envelope, in one that this message owns. */
static int
copy_envelope(const struct envelope *from, struct envelope *to)
{
	int r = 0;

	envelope_free(to);
	envelope_init(to, span_of(from->sender), (int64_t)time(NULL));
	envelope_copy_options(to, from);
	if (from->envid != NULL)
		r = envelope_set(&to->envid, span_of(from->envid));
	for (size_t i = 0; r == 0 && i < from->count; i++)
		r = envelope_add(to, span_of(from->recipients[i].address), span_of(from->recipients[i].orcpt), from->recipients[i].notify);
	return r;
}

static void
open_message(struct session *session)
{
	struct smtp *smtp = &session->smtp;
	char date[DATE_SIZE];
	int r;

	submit_init(&session->submit, session->conf, session->folder);
	session->submitting = true;
	session->submit.user = session->user;
	r = copy_envelope(&smtp->envelope, &session->submit.envelope);
	if (r == 0)
		r = submit_open(&session->submit);
	if (r < 0) {
		abandon(session);
		smtp_opened(smtp, stored(r), SPAN_NULL, "");
		return;
	}
	(void)date_format((struct date){ .utc = (int64_t)time(NULL) }, date);
	smtp_opened(smtp, SMTP_STORED, span_of(drop_name(session->submit.drop)), date);
	/* No host has handed it in: the trace that counts is the queue's, with the user's uid. */
	buf_clear(&smtp->message);
}

static void
commit(struct session *session)
{
	int r = session->submitting ? submit_commit(&session->submit) : -EIO;

	abandon(session);
	smtp_committed(&session->smtp, stored(r), NULL, 0);
}

/* True to go on. */
static bool
act(struct session *session)
{
	struct smtp *smtp = &session->smtp;
	enum smtp_action action = smtp->action;

	smtp_acted(smtp);
	switch (action) {
	case SMTP_LOOKUP:
		smtp_looked_up(smtp, domain_list_find_address(&session->conf->common.domains, smtp->asked) != NULL ? SMTP_IS_LOCAL : SMTP_IS_RELAYED, smtp->asked);
		break;
	case SMTP_AUTHENTICATE:
		smtp_authenticated(smtp, SMTP_AUTH_FAILED, SPAN_NULL);
		break;
	case SMTP_OPEN:
		open_message(session);
		break;
	case SMTP_FILTER: /* no milter is asked about what a user of this host drops */
		smtp_filtered(smtp, SMTP_FILTER_PASS, SPAN_NULL);
		break;
	case SMTP_COMMIT:
		commit(session);
		break;
	case SMTP_ABORT:
		abandon(session);
		break;
	case SMTP_CHECK: /* not asked for */
	case SMTP_JUDGE:
	case SMTP_TARPIT:
	case SMTP_START_TLS: /* not offered */
	case SMTP_CLOSE:
		return false;
	case SMTP_NOTHING:
		break;
	}
	return true;
}

/* Sends replies and passes on the message. False when nobody listens. */
static bool
put_out(struct session *session)
{
	struct smtp *smtp = &session->smtp;
	int r = 0;

	if (smtp->message.len != 0 && session->submitting)
		r = submit_put(&session->submit, buf_get(&smtp->message));
	buf_clear(&smtp->message);
	if (r < 0) {
		abandon(session);
		smtp_write_failed(smtp, stored(r) == SMTP_NO_SPACE);
	}
	if (smtp->out.len != 0 && io_write_all(STDOUT_FILENO, buf_get(&smtp->out)) < 0)
		return false;
	buf_clear(&smtp->out);
	return true;
}

/* Goes on as far as it can with this input. False at the end. */
static bool
pump(struct session *session, struct buf *input)
{
	struct smtp *smtp = &session->smtp;

	for (;;) {
		size_t taken;

		if (smtp->action != SMTP_NOTHING) {
			enum smtp_action last = smtp->action;

			if (!put_out(session))
				return false;
			/* Writing may have failed and changed it. */
			if (smtp->action == last && !act(session))
				return false;
			continue;
		}
		smtp->now = (int64_t)time(NULL);
		taken = smtp_input(smtp, buf_get(input));
		buf_drop(input, taken);
		if (!put_out(session))
			return false;
		if (taken == 0 && smtp->action == SMTP_NOTHING)
			return smtp_is_ready(smtp);
	}
}

int
sendmail_smtp(const struct smtpd_conf *conf, int folder, const char *user)
{
	const struct smtp_settings settings = {
		.hostname = conf->common.hostname,
		.postmaster = smtpd_postmaster(conf),
		.size_max = (uint64_t)conf->message_size_max,
		.recipients_max = (size_t)conf->recipients_max,
		.hops_max = (unsigned)conf->hops_max,
		.errors_max = (unsigned)conf->client_errors_max,
		.junk_max = UINT_MAX, /* it is the user's own program that waits */
	};
	struct session session = { .conf = conf, .folder = folder, .user = user };
	struct buf input = BUF_INIT(INPUT_MAX);
	bool goes_on;
	ssize_t got = 0;

	smtp_init(&session.smtp, &settings, SMTP_MX, "");
	smtp_greet(&session.smtp);
	goes_on = put_out(&session);
	while (goes_on) {
		char *room = buf_reserve(&input, SMTP_DATA_STEP);

		got = room != NULL ? read(STDIN_FILENO, room, SMTP_DATA_STEP) : 0;
		if (got <= 0)
			break;
		buf_added(&input, (size_t)got);
		goes_on = pump(&session, &input);
	}
	abandon(&session);
	smtp_free(&session.smtp);
	buf_free(&input);
	return got < 0 ? EX_TEMPFAIL : EX_OK;
}
