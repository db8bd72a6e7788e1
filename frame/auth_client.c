/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Requests to the auth role under way. A request is in exactly one of two places: the table (its
 * answer is awaited) or the list of those whose answer is known at once, which the loop gives in its next
 * turn: a callback never runs within a request. */
#include "frame/auth_client.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/xalloc.h"
#include "frame/account_name.h"
#include "frame/asked.h"
#include "frame/known_accounts.h"

/* Far more than the auth role sends. */
#define MEMBERS_MAX (4u << 20)

enum kind { VERIFY, CHECK, LOOKUP, EXPAND, WORKER, WORKER_END };

struct request {
	struct asked asked;
	enum kind kind;
	enum auth_result auth_result;     /* without an answer: of VERIFY */
	enum lookup_result lookup_result; /* of LOOKUP, EXPAND */
	union {
		auth_done verify;
		grant_checked check;
		lookup_done lookup;
		expand_done expand;
		worker_done worker;
		worker_ended ended;
	} done;
	void *context;
	struct buf members; /* EXPAND: those that have come */
	char *address;      /* EXPAND: whose account is to be remembered, or NULL */
	char *account;      /* EXPAND: it is known to be local, and this is the account; or NULL */
};

struct auth_client {
	struct proc *proc;
	struct asked_table requests; /* of auth */
	struct asked_table ends;     /* of the parent: WORKER_END */
	struct asked *known;
	struct event *answer_soon;
	uint64_t edition; /* of the accounts, by the last answer */
	bool refused;     /* while a worker_done runs: for good */
	struct known_accounts *accounts; /* of that edition; NULL: nobody has asked in this way */
	accounts_changed changed;
	void *changed_context;
};

static void
free_request(struct request *request)
{
	if (request == NULL)
		return;
	buf_free(&request->members);
	free(request->address);
	free(request->account);
	free(request);
}

static void
answer_unasked(struct request *request)
{
	switch (request->kind) {
	case VERIFY:
		request->done.verify(request->context, request->auth_result, 0, SPAN_NULL);
		break;
	case CHECK:
		request->done.check(request->context, false);
		break;
	case LOOKUP:
		request->done.lookup(request->context, request->lookup_result, SPAN_NULL);
		break;
	case EXPAND:
		request->done.expand(request->context, request->lookup_result, span_of(request->account), SPAN_NULL, SPAN_NULL);
		break;
	case WORKER:
		request->done.worker(request->context, NULL);
		break;
	case WORKER_END:
		request->done.ended(request->context);
		break;
	}
	free_request(request);
}

static void
on_answer_soon(evutil_socket_t fd, short what, void *context)
{
	struct auth_client *client = context;

	(void)fd, (void)what;
	/* A callback may cancel others and make new requests: take one at a time. */
	while (client->known != NULL) {
		struct request *request = (struct request *)client->known;

		client->known = request->asked.next;
		answer_unasked(request);
	}
}

static void
answer_later(struct auth_client *client, struct request *request)
{
	request->asked.next = client->known;
	client->known = &request->asked;
	event_active(client->answer_soon, EV_TIMEOUT, 0);
}

struct auth_client *
auth_client_new(struct proc *proc)
{
	struct auth_client *client = xcalloc(1, sizeof(*client));

	client->proc = proc;
	asked_init(&client->requests);
	asked_init(&client->ends);
	client->answer_soon = event_new(proc->base, -1, 0, on_answer_soon, client);
	if (client->answer_soon == NULL)
		abort();
	return client;
}

static struct request *
take(struct auth_client *client, uint32_t id)
{
	return (struct request *)asked_take(&client->requests, id);
}

static struct request *
new_request(struct auth_client *client, enum kind kind, void *context)
{
	struct request *request = xcalloc(1, sizeof(*request));

	(void)asked_add(kind == WORKER_END ? &client->ends : &client->requests, &request->asked);
	request->kind = kind;
	request->context = context;
	request->auth_result = AUTH_TEMPFAIL;
	request->lookup_result = LOOKUP_TEMPFAIL;
	buf_init(&request->members, MEMBERS_MAX);
	return request;
}

static uint32_t
send_request(struct auth_client *client, struct request *request, uint16_t type,
    struct msg_writer *body)
{
	uint32_t id = request->asked.id;
	int r = proc_send(client->proc, ROLE_AUTH, type, id, body, -1);

	if (r < 0) {
		/* Longer than a message may be: no account has such a name or password. */
		if (r == -EBADMSG)
			request->auth_result = AUTH_BAD;
		(void)take(client, id);
		answer_later(client, request);
	}
	return id;
}

uint32_t
auth_verify(struct auth_client *client, struct span user, struct span password,
    struct span client_address, auth_done done, void *context)
{
	struct request *request = new_request(client, VERIFY, context);
	struct msg_writer body;
	uint32_t id;

	request->done.verify = done;
	msg_writer_init(&body);
	msg_put_span(&body, user);
	msg_put_span(&body, password);
	msg_put_span(&body, client_address);
	id = send_request(client, request, MSG_AUTH, &body);
	explicit_bzero(body.bytes, body.len);
	return id;
}

/* The configured domains tell it; of the others auth knows no more. */
static bool
is_elsewhere(const struct auth_client *client, struct span address)
{
	struct buf name = BUF_INIT(ACCOUNT_NAME_MAX);
	bool elsewhere = account_name_of_address(address, &client->proc->common->domains, &name) == ACCOUNT_NAME_NOT_OURS;

	buf_free(&name);
	return elsewhere;
}

static uint32_t
send_lookup(struct auth_client *client, struct request *request, enum lookup_kind kind, struct span address, struct span asker)
{
	struct msg_writer body;
	uint32_t id = request->asked.id;

	if (kind != LOOKUP_OWNER && is_elsewhere(client, address)) {
		request->lookup_result = LOOKUP_NOT_OURS;
		(void)take(client, id);
		answer_later(client, request);
		return id;
	}
	msg_writer_init(&body);
	msg_put_u8(&body, (uint8_t)kind);
	msg_put_span(&body, address);
	msg_put_span(&body, asker);
	return send_request(client, request, MSG_LOOKUP, &body);
}

uint32_t
auth_lookup(struct auth_client *client, struct span address, struct span asker, lookup_done done, void *context)
{
	struct request *request = new_request(client, LOOKUP, context);

	request->done.lookup = done;
	return send_lookup(client, request, LOOKUP_WHO, address, asker);
}

uint32_t
auth_owner(struct auth_client *client, struct span account, int64_t uid, lookup_done done, void *context)
{
	struct request *request = new_request(client, LOOKUP, context);
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%lld", (long long)uid);

	request->done.lookup = done;
	return send_lookup(client, request, LOOKUP_OWNER, account, span_make(digits, (size_t)len));
}

uint32_t
auth_expand(struct auth_client *client, struct span address, bool expanded, expand_done done, void *context)
{
	struct request *request = new_request(client, EXPAND, context);

	request->done.expand = done;
	return send_lookup(client, request, expanded ? LOOKUP_ACCOUNT : LOOKUP_EXPAND, address, SPAN_NULL);
}

uint32_t
auth_expand_at(struct auth_client *client, struct span address, uint64_t edition, expand_done done, void *context)
{
	struct request *request = new_request(client, EXPAND, context);
	const char *account = NULL;
	uint32_t id = request->asked.id;
	uint64_t seed = 0;

	request->done.expand = done;
	if (client->accounts == NULL) {
		if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
			abort(); /* cannot fail for so few bytes */
		client->accounts = known_accounts_new(seed);
	}
	if (edition != 0 && edition == client->edition)
		account = known_accounts_find(client->accounts, edition, address);
	if (account == NULL) {
		request->address = span_dup(address);
		return send_lookup(client, request, LOOKUP_EXPAND, address, SPAN_NULL);
	}
	request->lookup_result = LOOKUP_LOCAL;
	request->account = xstrdup(account);
	(void)take(client, id);
	answer_later(client, request);
	return id;
}

uint64_t
auth_edition(const struct auth_client *client)
{
	return client->edition;
}

uint32_t
auth_worker_by_grant(struct auth_client *client, uint64_t grant, worker_done done, void *context)
{
	struct request *request = new_request(client, WORKER, context);
	struct msg_writer body;

	request->done.worker = done;
	msg_writer_init(&body);
	msg_put_u64(&body, grant);
	return send_request(client, request, MSG_WORKER_BY_GRANT, &body);
}

uint32_t
auth_worker_by_address(struct auth_client *client, struct span account, worker_done done,
    void *context)
{
	struct request *request = new_request(client, WORKER, context);
	struct msg_writer body;

	request->done.worker = done;
	msg_writer_init(&body);
	msg_put_span(&body, account);
	return send_request(client, request, MSG_WORKER_BY_ADDRESS, &body);
}

bool
auth_refused(const struct auth_client *client)
{
	return client->refused;
}

void
auth_end_worker(struct auth_client *client, uint32_t worker, worker_ended done, void *context)
{
	struct request *request = new_request(client, WORKER_END, context);
	struct msg_writer body;

	request->done.ended = done;
	msg_writer_init(&body);
	msg_put_u32(&body, worker);
	/* Where the parent cannot be told it is ending, and all its children with it. */
	if (proc_send(client->proc, ROLE_PARENT, MSG_WORKER_END, request->asked.id, &body, -1) < 0) {
		(void)asked_take(&client->ends, request->asked.id);
		answer_later(client, request);
	}
}

void
auth_leave_worker(struct auth_client *client, uint32_t request)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u32(&body, request);
	(void)proc_send(client->proc, ROLE_PARENT, MSG_WORKER_LEFT, 0, &body, -1);
}

void
auth_tell_changes(struct auth_client *client, accounts_changed changed, void *context)
{
	client->changed = changed;
	client->changed_context = context;
}

void
auth_cancel(struct auth_client *client, uint32_t id)
{
	struct request *request = take(client, id);

	if (request == NULL)
		request = (struct request *)asked_take_from(&client->known, id);
	free_request(request);
}

uint32_t
auth_check_grant(struct auth_client *client, uint64_t grant, grant_checked done, void *context)
{
	struct request *request = new_request(client, CHECK, context);
	struct msg_writer body;

	request->done.check = done;
	msg_writer_init(&body);
	msg_put_u64(&body, grant);
	return send_request(client, request, MSG_GRANT_CHECK, &body);
}

void
auth_drop_grant(struct auth_client *client, uint64_t grant)
{
	struct msg_writer body;

	if (grant == 0)
		return;
	msg_writer_init(&body);
	msg_put_u64(&body, grant);
	/* When the auth role is gone, so are its grants. */
	(void)proc_send(client->proc, ROLE_AUTH, MSG_GRANT_DROP, 0, &body, -1);
}

static int
auth_result(struct auth_client *client, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	uint8_t result = msg_get_u8(&body);
	uint64_t grant = msg_get_u64(&body);
	struct span account = msg_get_span(&body);
	struct request *request;

	if (!msg_done(&body) || result > AUTH_TEMPFAIL)
		return -EBADMSG;
	request = take(client, msg->id);
	if (request == NULL || request->kind != VERIFY) {
		free_request(request);
		auth_drop_grant(client, grant); /* cancelled meanwhile */
		return 0;
	}
	request->done.verify(request->context, result, grant, account);
	free_request(request);
	return 0;
}

static int
check_result(struct auth_client *client, const struct msg *msg)
{
	struct request *request = take(client, msg->id);

	if (request != NULL && request->kind == CHECK)
		request->done.check(request->context, msg->body.ptr[0] != 0); /* one byte, by its row */
	free_request(request);
	return 0;
}

static int
lookup_members(struct auth_client *client, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	struct request *request = (struct request *)asked_find(&client->requests, msg->id);

	while (body.rest.len != 0 && !body.bad) {
		struct span member = msg_get_span(&body);

		if (request != NULL && request->kind == EXPAND &&
		    (buf_span(&request->members, member) < 0 || buf_char(&request->members, '\n') < 0))
			return -EBADMSG;
	}
	return msg_done(&body) ? 0 : -EBADMSG;
}

static int
lookup_result(struct auth_client *client, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	uint8_t result = msg_get_u8(&body);
	struct span account = msg_get_span(&body), owner = msg_get_span(&body);
	uint64_t edition = msg_get_u64(&body);
	struct request *request;

	if (!msg_done(&body) || result > LOOKUP_LOOP)
		return -EBADMSG;
	if (edition != client->edition && client->changed != NULL)
		client->changed(client->changed_context);
	client->edition = edition;
	request = take(client, msg->id);
	if (request != NULL && request->address != NULL && result == LOOKUP_LOCAL)
		known_accounts_add(client->accounts, edition, span_of(request->address), account);
	if (request != NULL && request->kind == LOOKUP)
		request->done.lookup(request->context, result, account);
	else if (request != NULL && request->kind == EXPAND)
		request->done.expand(request->context, result, account, owner, buf_get(&request->members));
	free_request(request);
	return 0;
}

static int
worker_result(struct auth_client *client, struct msg *msg)
{
	struct request *request = take(client, msg->id);
	struct msg_channel *worker = NULL;

	if (request == NULL || request->kind != WORKER) {
		free_request(request);
		return 0; /* cancelled: the descriptor is closed, and the worker ends with it */
	}
	if (msg->type == MSG_WORKER)
		worker = msg_channel_new(msg_take_fd(msg), &client->proc->messages,
		    client->proc->role->id, ROLE_WORKER);
	client->refused = msg->type == MSG_WORKER_REFUSED && msg->body.ptr[0] == LOOKUP_UNKNOWN; /* one byte, by its row */
	request->done.worker(request->context, worker);
	client->refused = false;
	free_request(request);
	return 0;
}

static int
worker_has_ended(struct auth_client *client, const struct msg *msg)
{
	struct request *request = (struct request *)asked_take(&client->ends, msg->id);

	if (request == NULL)
		return -EBADMSG;
	request->done.ended(request->context);
	free_request(request);
	return 0;
}

int
auth_client_message(struct auth_client *client, struct msg *msg)
{
	switch (msg->type) {
	case MSG_AUTH_RESULT:
		return auth_result(client, msg);
	case MSG_GRANT_CHECKED:
		return check_result(client, msg);
	case MSG_LOOKUP_MEMBERS:
		return lookup_members(client, msg);
	case MSG_LOOKUP_RESULT:
		return lookup_result(client, msg);
	case MSG_WORKER:
	case MSG_WORKER_FAILED:
	case MSG_WORKER_REFUSED:
		return worker_result(client, msg);
	case MSG_WORKER_ENDED:
		return worker_has_ended(client, msg);
	default:
		return -EBADMSG;
	}
}

void
auth_client_peer_gone(struct auth_client *client, uint8_t role)
{
	struct request *request;

	if (role != ROLE_AUTH)
		return;
	/* Should the parent still send a worker that was asked for, nobody knows its id any more
	 * and it ends at once. */
	while ((request = (struct request *)asked_take_any(&client->requests)) != NULL)
		answer_later(client, request);
}
