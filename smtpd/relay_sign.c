/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Signing what goes out: the message is read as it will be sent, some of it in each turn of the loop, and the key role is asked for the
 * rest. What goes to several destinations in the same form is signed once: they wait for the first, and what it got is kept for a while. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/next_turn.h"
#include "common/xalloc.h"
#include "smtpd/relay.h"
#include "smtpd/sign_state.h"

/* Pieces in one turn: other connections wait meanwhile. */
#define PIECES_A_TURN 16
/* Numbers of one message's questions: signatures, then the keys. */
#define QUESTIONS 16
#define QUESTION_OF_KEYS (QUESTIONS - 1)

/* Messages whose fields are kept, and for how long: another key may take over meanwhile, and the time stands in them. */
#define KEPT_MAX 64
#define KEPT_SECONDS 60

/* What makes the fields of two jobs the same. A notification has the id of a former one about the same message: its beginning, with its date, tells
 * them apart. */
#define BEGINNING_MAX 4096
struct form {
	char *queue_id, *domain;
	uint64_t length;
	uint8_t beginning[DKIM_DIGEST_SIZE];
	enum sign_as as;
	enum smtp_binary_form text;
};

struct relay_kept {
	struct form form;
	int64_t until;
	struct buf fields;
};

struct relay_sign {
	struct relay_sign *next, **at;
	struct relay_role *role;
	struct form form;
	bool reads;      /* or waits for another job of the same form */
	uint32_t first;  /* of its questions */
	struct relay_text text;
	struct relay_data data; /* as it will arrive: no dots are doubled */
	struct signing *signing;
	struct event *turn;
	relay_signed done;
	void *context;
};

/* --- forms --- */

static void
form_free(struct form *form)
{
	free(form->queue_id);
	free(form->domain);
}

/* What cannot be read will not be signed. */
static void
form_of(const struct relay_job *job, enum smtp_binary_form text, struct form *ret_form)
{
	char bytes[BEGINNING_MAX];
	ssize_t got = relay_job_read(job, 0, bytes, sizeof(bytes));

	*ret_form = (struct form){ xstrdup(job->queue_id), span_dup(job->sign_domain), .length = job->length, .as = job->sign_as, .text = text };
	dkim_digest(span_make(bytes, got > 0 ? (size_t)got : 0), ret_form->beginning);
}

static bool
is_same_form(const struct form *a, const struct form *b)
{
	return a->as == b->as && a->text == b->text && strcmp(a->queue_id, b->queue_id) == 0 && strcmp(a->domain, b->domain) == 0 &&
	    a->length == b->length && memcmp(a->beginning, b->beginning, sizeof(a->beginning)) == 0;
}

static const struct relay_kept *
find_kept(const struct relay_role *role, const struct form *form)
{
	for (size_t i = 0; i < role->kept_count; i++)
		if (role->kept[i].until > (int64_t)time(NULL) && is_same_form(&role->kept[i].form, form))
			return &role->kept[i];
	return NULL;
}

/* The oldest makes room. */
static void
keep(struct relay_role *role, const struct form *form, struct span fields)
{
	struct relay_kept *kept;

	if (role->kept == NULL)
		role->kept = xcalloc(KEPT_MAX, sizeof(*role->kept));
	kept = &role->kept[role->kept_next++ % KEPT_MAX];
	if (role->kept_count < KEPT_MAX) {
		role->kept_count++;
	} else {
		form_free(&kept->form);
		buf_free(&kept->fields);
	}
	kept->form = *form;
	kept->form.queue_id = xstrdup(form->queue_id);
	kept->form.domain = xstrdup(form->domain);
	kept->until = (int64_t)time(NULL) + KEPT_SECONDS;
	buf_init(&kept->fields, SIGNING_FIELDS_MAX);
	(void)buf_span(&kept->fields, fields);
}

static bool
another_reads(const struct relay_sign *sign)
{
	for (const struct relay_sign *other = sign->role->signs; other != NULL; other = other->next)
		if (other->reads && is_same_form(&other->form, &sign->form))
			return true;
	return false;
}

/* Those that wait for it have its fields now, or read for themselves. */
static void
wake_others(const struct relay_sign *sign)
{
	for (const struct relay_sign *other = sign->role->signs; other != NULL && sign->reads; other = other->next)
		if (!other->reads && is_same_form(&other->form, &sign->form))
			event_active(other->turn, EV_TIMEOUT, 0);
}

struct relay_sign *
relay_sign_cancel(struct relay_sign *sign)
{
	if (sign == NULL)
		return NULL;
	*sign->at = sign->next;
	if (sign->next != NULL)
		sign->next->at = sign->at;
	wake_others(sign);
	form_free(&sign->form);
	event_free(sign->turn);
	relay_text_end(&sign->text);
	(void)signing_free(sign->signing);
	free(sign);
	return NULL;
}

static void
finish_with(struct relay_sign *sign, int r, struct span text)
{
	relay_signed done = sign->done;
	void *context = sign->context;
	struct buf fields = BUF_INIT(SIGNING_FIELDS_MAX);

	(void)buf_span(&fields, text);
	(void)relay_sign_cancel(sign);
	done(context, r, buf_get(&fields));
	buf_free(&fields);
}

static void
finish(struct relay_sign *sign, int r)
{
	struct span fields = r == 0 ? signing_fields(sign->signing) : SPAN_NULL;

	if (r == 0) {
		log_debug("signed", log_str("queue", sign->form.queue_id), log_u64("bytes", fields.len));
		keep(sign->role, &sign->form, fields);
	}
	finish_with(sign, r, fields);
}

/* --- the message --- */

/* All of it has been read. */
static void
ask_keys(struct relay_sign *sign)
{
	struct msg_writer body;
	int r;

	if (!signing_end(sign->signing)) {
		finish(sign, 0);
		return;
	}
	msg_writer_init(&body);
	msg_put_span(&body, signing_domain(sign->signing));
	r = proc_send(sign->role->proc, ROLE_KEY, MSG_SIGN_KEYS, sign->first + QUESTION_OF_KEYS, &body, -1);
	if (r < 0)
		finish(sign, r);
}

static void
on_turn(evutil_socket_t fd, short what, void *context)
{
	struct relay_sign *sign = context;
	struct buf piece = BUF_INIT(RELAY_TEXT_PIECE), out = BUF_INIT(RELAY_DATA_ROOM(RELAY_TEXT_PIECE));
	int r = 1;

	(void)fd, (void)what;
	if (!sign->reads) {
		const struct relay_kept *kept = find_kept(sign->role, &sign->form);

		if (kept != NULL)
			finish_with(sign, 0, buf_get(&kept->fields));
		if (kept != NULL || another_reads(sign))
			return;
		sign->reads = true;
	}
	for (unsigned i = 0; i < PIECES_A_TURN && r > 0; i++) {
		buf_clear(&piece);
		buf_clear(&out);
		r = relay_text_next(&sign->text, &piece);
		relay_data_put(&sign->data, buf_get(&piece), &out);
		if (r == 0)
			relay_data_end(&sign->data, &out);
		signing_feed(sign->signing, buf_get(&out));
	}
	buf_free(&piece);
	buf_free(&out);
	if (r > 0)
		next_turn(sign->turn);
	else if (r == 0)
		ask_keys(sign);
	else
		finish(sign, r);
}

struct relay_sign *
relay_sign_begin(struct relay_job *job, enum smtp_binary_form text, relay_signed done, void *context)
{
	struct relay_role *role = job->role;
	const struct smtpd_conf *conf = smtpd_conf(role->proc);
	const struct signing_order order = {
		.as = job->sign_as, .domain = job->sign_domain, .seal = conf->arc_seal, .hostname = conf->common.hostname, .now = (int64_t)time(NULL)
	};
	struct relay_sign *sign;

	if (job->sign_as == SIGN_NOT || conf->dkim_keys[0] == '\0')
		return NULL;
	sign = xcalloc(1, sizeof(*sign));
	sign->role = role;
	form_of(job, text, &sign->form);
	sign->first = QUESTIONS * ++role->last_sign;
	sign->data.undotted = true;
	sign->signing = signing_new(&order);
	sign->done = done;
	sign->context = context;
	relay_text_begin(&sign->text, job, text);
	sign->turn = event_new(role->proc->base, -1, 0, on_turn, sign);
	if (sign->turn == NULL)
		abort();
	sign->at = &role->signs;
	sign->next = role->signs;
	if (sign->next != NULL)
		sign->next->at = &sign->next;
	role->signs = sign;
	event_active(sign->turn, EV_TIMEOUT, 0);
	return sign;
}

/* --- questions --- */

static struct relay_sign *
find(struct relay_role *role, uint32_t id)
{
	struct relay_sign *sign = role->signs;

	while (sign != NULL && sign->first != id - id % QUESTIONS)
		sign = sign->next;
	return sign; /* NULL: cancelled meanwhile */
}

/* Asks for what is to be signed; when nothing is any more, that is the end. */
static void
go_on(struct relay_sign *sign)
{
	struct span domain, selector, digest;
	struct msg_writer body;
	size_t number;
	int r = 0;

	while (r == 0 && signing_question(sign->signing, &domain, &selector, &digest, &number)) {
		msg_writer_init(&body);
		msg_put_span(&body, domain);
		msg_put_span(&body, selector);
		msg_put_span(&body, digest);
		r = proc_send(sign->role->proc, ROLE_KEY, MSG_SIGN, sign->first + (uint32_t)number, &body, -1);
	}
	if (r < 0 || signing_is_done(sign->signing))
		finish(sign, r);
}

int
relay_sign_keys(struct relay_role *role, const struct msg *msg)
{
	struct relay_sign *sign = find(role, msg->id);
	struct msg_reader body = msg_read(msg);
	struct span domain = msg_get_span(&body);
	uint8_t count = msg_get_u8(&body);

	if (sign == NULL)
		return 0;
	while (count-- != 0 && !body.bad) {
		uint8_t algorithm = msg_get_u8(&body);
		struct span selector = msg_get_span(&body);

		if (algorithm > DKIM_ED25519_SHA256)
			return -EBADMSG;
		signing_add_key(sign->signing, (enum dkim_algorithm)algorithm, selector);
	}
	if (!msg_done(&body))
		return -EBADMSG;
	signing_begin(sign->signing, domain);
	go_on(sign);
	return 0;
}

int
relay_sign_signed(struct relay_role *role, const struct msg *msg)
{
	struct relay_sign *sign = find(role, msg->id);
	struct msg_reader body = msg_read(msg);
	struct span signature = msg_get_span(&body);

	if (!msg_done(&body))
		return -EBADMSG;
	if (sign == NULL)
		return 0;
	if (signature.len == 0) { /* another key has taken over just now */
		finish(sign, -EAGAIN);
		return 0;
	}
	signing_answer(sign->signing, msg->id % QUESTIONS, signature);
	go_on(sign);
	return 0;
}

void
relay_sign_key_gone(struct relay_role *role)
{
	while (role->signs != NULL)
		finish(role->signs, -EPIPE);
}
