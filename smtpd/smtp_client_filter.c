/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Milters: what they are asked about the message of a client, and what becomes of it then. */
#include <errno.h>
#include <unistd.h>

#include "common/log.h"
#include "smtpd/smtp_client_inside.h"

void
smtp_client_forget_question(struct smtp_client *client)
{
	client->question = filter_end(client->question);
	if (client->filtered.fd >= 0)
		(void)close(client->filtered.fd);
	client->filtered.fd = -1;
}

static void
ask_of_sender(void *context)
{
	struct smtp_client *client = context;
	const struct smtp *smtp = &client->smtp;
	const struct milter_client facts = { .address = span_of(smtp->client), .helo = span_of(smtp->helo), .tls = span_of(smtp->tls),
		.name = smtp_client_is_tested(client) ? span_of(defence_name(guard_defence(client->guard))) : SPAN_NULL,
		.account = span_of(smtp->account), .sender = span_of(smtp->envelope.sender) };

	client->question = filter_mail(client->role->filters, &facts, client);
}

void
smtp_client_ask_filter(struct smtp_client *client)
{
	struct smtp *smtp = &client->smtp;

	if (smtp->filter_step == SMTP_FILTER_MAIL) {
		smtp_client_forget_question(client); /* of a message before that was given up */
		/* Filters hold it against a client that it has no name. */
		if (client->guard != NULL && !guard_is_done(client->guard))
			guard_await(client->guard, ask_of_sender, client);
		else
			ask_of_sender(client);
	} else if (smtp->filter_step == SMTP_FILTER_RCPT) {
		filter_rcpt(client->question, smtp->asked);
	} else if (client->handin != NULL && handin_read(client->handin) == 0) {
		client->reading = true;
	} else {
		smtp_write_failed(smtp, false);
		smtp_filtered(smtp, SMTP_FILTER_PASS, SPAN_NULL);
	}
}

void
smtp_client_readable(void *context, int fd)
{
	struct smtp_client *client = context;
	uint64_t at, len;
	int own;

	client->reading = false;
	if (handin_file(client->handin, &own, &at, &len) == 0) {
		filter_text(client->question, fd, at, len, span_of(client->smtp.queue_id));
		return;
	}
	(void)close(fd);
	smtp_client_unreadable(client);
}

void
smtp_client_unreadable(struct smtp_client *client)
{
	client->reading = false;
	smtp_write_failed(&client->smtp, false);
	smtp_filtered(&client->smtp, SMTP_FILTER_PASS, SPAN_NULL);
	smtp_client_pump(client);
}

void
smtp_client_log_held(const struct smtp_client *client, struct span why)
{
	log_warning("held", log_str("id", client->smtp.queue_id), log_str("from", client->smtp.envelope.sender), log_span("why", why),
	    log_str("hint", "see it with mailqueue show, let it go with mailqueue release"));
}

/* The message is to be another: true when its file will be made anew. */
static bool
rewrite(struct smtp_client *client, struct filtered *filtered)
{
	struct smtp *smtp = &client->smtp;
	int r = filtered_apply(filtered, &front_proc(client->role->front)->common->domains, &smtp->envelope);

	if (smtp->envelope.count == 0) {
		smtp->discarded = true; /* a filter has taken away the last recipient */
		return false;
	}
	if (r == 0 && filtered->fd < 0 && !filtered->held)
		return false;
	if (r >= 0)
		r = handin_rewrite(client->handin, &smtp->envelope, filtered->held);
	if (filtered->held)
		smtp_client_log_held(client, filtered->reason);
	if (r < 0) {
		log_error("not-rewritten", log_str("id", smtp->queue_id), log_errno("error", r));
		smtp_write_failed(smtp, false);
		return false;
	}
	client->filtered.replaces = filtered->fd >= 0 ? filtered->replaces : 0;
	client->filtered.fd = filtered->fd;
	filtered->fd = -1;
	return true;
}

void
smtp_client_filtered(void *context, struct filtered *filtered)
{
	static const enum smtp_filter_word words[] = {
		[MILTER_PASS] = SMTP_FILTER_PASS, [MILTER_REFUSE] = SMTP_FILTER_REFUSE, [MILTER_DISCARD] = SMTP_FILTER_DISCARD,
	};
	struct smtp_client *client = context;
	struct smtp *smtp = &client->smtp;

	if (filtered->verdict == MILTER_PASS && smtp->filter_step == SMTP_FILTER_TEXT && client->handin != NULL && rewrite(client, filtered))
		return;
	if (filtered->verdict == MILTER_DISCARD || smtp->discarded)
		log_info("discarded", log_str("client", smtp->client), log_str("id", smtp->queue_id), log_str("from", smtp->envelope.sender));
	smtp_filtered(smtp, words[filtered->verdict], filtered->reply);
	smtp_client_pump(client);
}

/* What filters made goes into it, and what they left. */
void
smtp_client_rewritten(void *context, enum smtp_stored result)
{
	struct smtp_client *client = context;
	int r = 0;

	if (result != SMTP_STORED) {
		client->handin = NULL;
		smtp_write_failed(&client->smtp, result == SMTP_NO_SPACE);
	} else {
		if (client->filtered.fd >= 0)
			r = handin_copy_file(client->handin, client->filtered.fd);
		if (r == 0)
			r = handin_copy(client->handin, client->filtered.replaces);
		if (r < 0) {
			log_error("not-rewritten", log_str("id", client->smtp.queue_id), log_errno("error", r));
			smtp_write_failed(&client->smtp, r == -ENOSPC || r == -EDQUOT);
		}
	}
	smtp_client_forget_question(client);
	smtp_filtered(&client->smtp, SMTP_FILTER_PASS, SPAN_NULL);
	smtp_client_pump(client);
}
