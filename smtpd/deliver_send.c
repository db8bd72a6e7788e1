/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What scripts send. This process may not write into the spool: the queue takes the text as an open file of memory, and, of a message
 * that is redirected, copies the rest itself. It takes DELIVERED for an answer only once all that came before it is safe. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/domain_list.h"
#include "common/header.h"
#include "common/io.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "sieve/answer.h"
#include "sieve/notify.h"
#include "sieve/vacation.h"
#include "smtpd/deliver.h"
#include "smtpd/delivered_to.h"
#include "smtpd/smtpd.h"
#include "smtpd/smtpd_msg.h"

#define TEXT_MAX (2u << 20)

struct sending {
	struct deliver *deliver;
	const struct delivery *delivery;
	struct span sender, text;
	uint64_t from; /* of the message being delivered, what follows the text; SUBMIT_NOTHING */
	bool alone;    /* it goes on to one recipient, and nobody else has it */
	bool each;     /* the next try would send it again */
	int result;
};

static void
submit(void *context, struct span recipient)
{
	struct sending *sending = context;
	_cleanup_(closep) int fd = memfd_create("message", MFD_CLOEXEC);
	bool message = sending->from != SUBMIT_NOTHING;
	struct msg_writer body;
	int r = fd < 0 ? -errno : io_write_all(fd, sending->text);

	if (r == 0) {
		msg_writer_init(&body);
		msg_put_u64(&body, sending->from);
		msg_put_u8(&body, sending->each            ? SUBMIT_EACH :
			message && sending->alone          ? SUBMIT_ALONE :
			message && sending->delivery->kept ? SUBMIT_KEPT :
							     SUBMIT_TOO);
		msg_put_span(&body, sending->sender);
		msg_put_span(&body, recipient);
		r = msg_send(sending->deliver->channel, MSG_SUBMIT, sending->delivery->id, &body, TAKE_FD(fd));
	}
	if (sending->result == 0)
		sending->result = r;
}

static int
redirect(struct sending *sending, const struct sieve_action *action, const struct sieve_host *host, const struct sieve_result *result)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	const struct proc *proc = sending->deliver->proc;

	/* RFC 9228: by this field the message is known when it comes back. */
	(void)buf_fmt(&text, "Delivered-To: %s\r\n", proc->account);
	sending->from = 0;
	if (action->header != 0) {
		(void)buf_span(&text, result->headers[action->header]);
		sending->from = header_block_size(host->message);
	}
	/* RFC 5228 section 4.2: of a bounce a bounce, else who sent it. */
	sending->sender = host->sender;
	sending->text = buf_get(&text);
	submit(sending, action->text);
	buf_free(&text);
	return sending->result;
}

static bool
has_nul(struct span text)
{
	return span_chr(text, '\0') >= 0;
}

static int
respond(struct sending *sending, const struct sieve_action *action, const struct sieve_host *host, struct span edited)
{
	const struct proc *proc = sending->deliver->proc;
	const char *own = sending->deliver->script_folder;
	const char *forbidden = sending->delivery->limited ? SMTPD_ACCOUNT_LIMITED : vacation_forbidden(action, host, edited, span_of(proc->account));
	struct buf id = BUF_INIT(4u << 20), text = BUF_INIT(TEXT_MAX);
	uint8_t random[16];

	(void)buf_fmt(&id, "%.*s to ", (int)action->handle.len, action->handle.ptr);
	for (size_t i = 0; i < host->sender.len; i++)
		(void)buf_char(&id, ascii_lower(host->sender.ptr[i]));
	if (forbidden == NULL && memory_has(own, buf_get(&id), host->now))
		forbidden = "it was answered not long ago";
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort();
	if (forbidden == NULL &&
	    vacation_compose(action, host, edited, span_of(proc->account), span_of(proc->common->hostname), random, &text) != 0)
		forbidden = "the answer cannot be written";
	if (forbidden == NULL && has_nul(buf_get(&text)))
		forbidden = "the answer contains a NUL octet";
	/* An answer that is not remembered would be given to each message; and the delivery does not fail for it, or it would be tried again, and
	 * the message stored by now be returned in the end. */
	if (forbidden == NULL && action->seconds != 0 && memory_put(own, buf_get(&id), host->now, host->now + (int64_t)action->seconds) != 0)
		forbidden = "that it was answered cannot be remembered";
	if (forbidden != NULL) {
		log_info("not-answered", log_str("queue", sending->delivery->queue_id), log_str("account", proc->account), log_str("reason", forbidden));
	} else {
		/* RFC 3834 section 3.3: from nobody, so that nothing answers it. */
		sending->sender = SPAN_NULL;
		sending->from = SUBMIT_NOTHING;
		sending->text = buf_get(&text);
		sending->each = action->seconds == 0; /* that it was given is not remembered */
		submit(sending, host->sender);
		sending->each = false;
	}
	buf_free(&id);
	buf_free(&text);
	return sending->result;
}

static int
notify(struct sending *sending, const struct sieve_action *action, const struct sieve_host *host, struct span edited)
{
	const struct proc *proc = sending->deliver->proc;
	const char *forbidden = sending->delivery->limited ? SMTPD_ACCOUNT_LIMITED : notify_forbidden(host);
	struct buf text = BUF_INIT(TEXT_MAX);
	uint8_t random[16];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort();
	if (forbidden == NULL && (notify_compose(action, host, edited, span_of(proc->account), span_of(proc->common->hostname), random, &text) != 0 ||
	    has_nul(buf_get(&text))))
		forbidden = "the notification cannot be written";
	if (forbidden != NULL) {
		log_info("not-notified", log_str("queue", sending->delivery->queue_id), log_str("account", proc->account), log_str("reason", forbidden));
	} else {
		sending->sender = SPAN_NULL; /* RFC 5436 section 2.2 */
		sending->from = SUBMIT_NOTHING;
		sending->text = buf_get(&text);
		sending->each = true;
		notify_recipients(action->text, submit, sending);
		sending->each = false;
	}
	buf_free(&text);
	return sending->result;
}

bool
deliver_has_been(const struct deliver *deliver, const struct delivery *delivery, struct span address)
{
	return domain_list_find_address(&deliver->proc->common->domains, address) != NULL &&
	    delivered_to_check(delivery->fd, delivery->offset, delivery->length, address) == DELIVERED_BEFORE;
}

int
deliver_redirect(struct deliver *deliver, const struct delivery *delivery, struct span recipient)
{
	struct sending sending = { .deliver = deliver, .delivery = delivery, .alone = !deliver->forward.keep && deliver->forward.count == 1 };
	const struct sieve_action action = { .kind = SIEVE_REDIRECT, .text = recipient };
	const struct sieve_host host = { .sender = span_of(delivery->sender) };

	return redirect(&sending, &action, &host, NULL);
}

void
deliver_foresee(const struct deliver *deliver, const struct sieve_host *host, const struct sieve_result *result)
{
	struct span owner = span_of(deliver->proc->account);

	for (size_t i = 0; i < result->count; i++) {
		const struct sieve_action *action = &result->actions[i];

		/* Both, for the one is not the last word before its answers are there. */
		if (action->kind == SIEVE_VACATION)
			(void)vacation_forbidden(action, host, result->headers[action->header], owner);
		if (action->kind == SIEVE_VACATION || action->kind == SIEVE_NOTIFY)
			(void)answer_from(action, host, owner);
	}
}

/* Of all that is done, one redirect takes the message anywhere. */
static bool
is_redirected_alone(const struct deliver *deliver, const struct sieve_result *result)
{
	size_t redirects = 0;

	if (deliver->forward.count != 0)
		return false;
	for (size_t i = 0; i < result->count; i++)
		switch (result->actions[i].kind) {
		case SIEVE_REDIRECT: redirects++; break;
		case SIEVE_VACATION:
		case SIEVE_NOTIFY:
		case SIEVE_REMEMBER: break;
		default: return false;
		}
	return redirects == 1;
}

int
deliver_send(struct deliver *deliver, const struct delivery *delivery, const struct sieve_host *host, const struct sieve_result *result)
{
	struct sending sending = { .deliver = deliver, .delivery = delivery, .alone = is_redirected_alone(deliver, result) };
	int r = 0;

	for (size_t i = 0; i < result->count && r == 0; i++) {
		const struct sieve_action *action = &result->actions[i];

		switch (action->kind) {
		case SIEVE_REDIRECT: r = redirect(&sending, action, host, result); break;
		case SIEVE_VACATION: r = respond(&sending, action, host, result->headers[action->header]); break;
		case SIEVE_NOTIFY: r = notify(&sending, action, host, result->headers[action->header]); break;
		default: break;
		}
	}
	return r;
}
