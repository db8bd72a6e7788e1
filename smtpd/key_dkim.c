/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The private keys that mail is signed with. Whoever owns the relay role can have digests signed while he owns it, as any message that he
 * sends is; he never has a key. */
#include "smtpd/key_dkim.h"

#include <errno.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "frame/read_file.h"
#include "smtpd/dkim_key.h"
#include "smtpd/dkim_keys_parse.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd_msg.h"

struct key {
	struct key *next;
	struct dkim_private *private;
	enum dkim_key_state state;
	char *domain, *selector;
};

static struct key *keys; /* of this process, in the order of the file */

/* --- the file --- */

static struct key *
free_keys(struct key *key)
{
	while (key != NULL) {
		struct key *next = key->next;

		(void)dkim_private_free(key->private);
		free(key->domain);
		free(key->selector);
		free(key);
		key = next;
	}
	return NULL;
}

static bool
has_key(const struct key *key, const struct dkim_key_row *row)
{
	while (key != NULL && (!span_eq(span_of(key->domain), row->domain) || !span_ieq(span_of(key->selector), row->selector)))
		key = key->next;
	return key != NULL;
}

/* The key of a row, or NULL and a line in errors. */
static struct key *
take_key(const struct key *others, const struct dkim_key_row *row, const char *path, struct buf *errors)
{
	struct buf error = BUF_INIT(256);
	struct key *key = xcalloc(1, sizeof(*key));

	if (has_key(others, row))
		(void)buf_str(&error, "the domain has that selector already");
	else
		key->private = dkim_private_load(row->pem, &error);
	if (error.len != 0) {
		(void)buf_fmt(errors, "dkim_keys: %s:%u: %s\n", path, row->line, buf_cstr(&error));
		buf_free(&error);
		return free_keys(key);
	}
	buf_free(&error);
	key->state = row->state;
	key->domain = span_dup(row->domain);
	key->selector = span_dup(row->selector);
	return key;
}

/* All keys of the text; with a line in errors for each that is none. */
static struct key *
take_keys(struct span text, const char *path, struct buf *errors)
{
	struct key *first = NULL, **last = &first;
	struct dkim_key_row row;
	const char *fault = NULL;
	unsigned line = 0;
	size_t count = 0;
	int r;

	while ((r = dkim_keys_next(&text, &line, &row, &fault)) > 0) {
		*last = count < DKIM_KEYS_MAX ? take_key(first, &row, path, errors) : NULL;
		if (*last != NULL)
			last = &(*last)->next;
		count++;
	}
	if (r < 0)
		(void)buf_fmt(errors, "dkim_keys: %s:%u: %s\n", path, line, fault);
	if (count > DKIM_KEYS_MAX)
		(void)buf_fmt(errors, "dkim_keys: %s: more than %d keys\n", path, DKIM_KEYS_MAX);
	return first;
}

void
key_dkim_check(const char *path, struct buf *errors)
{
	struct buf text = BUF_INIT(DKIM_KEYS_FILE_MAX);
	int r = read_file(path, &text);

	if (r < 0)
		(void)buf_fmt(errors, "dkim_keys: %s: %s\n", path, strerrordesc_np(-r));
	else
		(void)free_keys(take_keys(buf_get(&text), path, errors));
	buf_wipe(&text);
}

/* The former stay when the new cannot be used. False after a log line. */
static bool
use_keys(const char *path, int r, struct buf *text)
{
	struct buf errors = BUF_INIT(4096);
	struct key *taken = r == 0 ? take_keys(buf_get(text), path, &errors) : NULL;
	bool good = r == 0 && errors.len == 0;

	if (r < 0)
		log_error("dkim-keys-unreadable", log_str("file", path), log_errno("error", r));
	else if (!good)
		log_error("dkim-keys-unusable", log_str("file", path), log_span("error", buf_get(&errors)));
	buf_wipe(text);
	buf_free(&errors);
	(void)free_keys(good ? keys : taken);
	if (good)
		keys = taken;
	return good;
}

static bool
load(struct proc *proc)
{
	const char *path = smtpd_conf(proc)->dkim_keys;
	struct buf text = BUF_INIT(DKIM_KEYS_FILE_MAX);

	return path[0] == '\0' || use_keys(path, proc_read_file(proc, MSG_SIGN_KEYS_FILE, &text), &text);
}

static void
reload(struct proc *proc)
{
	if (smtpd_conf(proc)->dkim_keys[0] == '\0')
		keys = free_keys(keys);
}

static int
on_file(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct buf text = BUF_INIT(DKIM_KEYS_FILE_MAX);

	(void)channel;
	(void)use_keys(smtpd_conf(proc)->dkim_keys, read_open_file(msg->fd, &text), &text);
	return 0;
}

/* --- questions --- */

static bool
signs_for(const struct key *key, struct span domain)
{
	return key->state == DKIM_KEY_SIGNING && span_eq(span_of(key->domain), domain);
}

static size_t
count_keys(struct span domain)
{
	size_t count = 0;

	for (const struct key *key = keys; key != NULL; key = key->next)
		count += signs_for(key, domain);
	return count < SIGN_KEYS_MAX ? count : SIGN_KEYS_MAX;
}

/* A signature of the domain above is one of the same organization, which is what DMARC wants to see. */
static int
on_keys(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct msg_reader body = msg_read(msg);
	struct span domain = msg_get_span(&body), label;
	struct msg_writer reply;
	size_t count;

	(void)context;
	if (!msg_done(&body) || domain.len > DKIM_NAME_MAX)
		return -EBADMSG;
	while ((count = count_keys(domain)) == 0 && domain.len != 0)
		(void)span_split(&domain, '.', &label);
	msg_writer_init(&reply);
	msg_put_span(&reply, domain);
	msg_put_u8(&reply, (uint8_t)count);
	for (const struct key *key = keys; key != NULL && count != 0; key = key->next)
		if (signs_for(key, domain)) {
			msg_put_u8(&reply, (uint8_t)dkim_private_algorithm(key->private));
			msg_put_span(&reply, span_of(key->selector));
			count--;
		}
	/* The relay role may have gone meanwhile; it asks again when it is back. */
	(void)msg_send(channel, MSG_SIGN_KEYS_ARE, msg->id, &reply, -1);
	return 0;
}

static int
on_sign(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct msg_reader body = msg_read(msg);
	struct span domain = msg_get_span(&body), selector = msg_get_span(&body), digest = msg_get_span(&body);
	struct buf signature = BUF_INIT(DKIM_SIGNATURE_MAX);
	const struct key *key = keys;
	struct msg_writer reply;

	(void)context;
	if (!msg_done(&body) || digest.len != DKIM_DIGEST_SIZE)
		return -EBADMSG;
	while (key != NULL && (!signs_for(key, domain) || !span_eq(span_of(key->selector), selector)))
		key = key->next;
	if (key != NULL && dkim_private_sign(key->private, (const uint8_t *)digest.ptr, &signature) < 0)
		log_error("not-signed", log_span("domain", domain), log_span("selector", selector));
	msg_writer_init(&reply);
	msg_put_span(&reply, buf_get(&signature));
	(void)msg_send(channel, MSG_SIGNED, msg->id, &reply, -1);
	buf_free(&signature);
	return 0;
}

static const struct proc_handler handlers[] = { { MSG_SIGN_KEYS, on_keys }, { MSG_SIGN, on_sign }, { MSG_SIGN_KEYS_FILE, on_file } };
const struct role_keys key_dkim = { load, reload, handlers, sizeof(handlers) / sizeof(*handlers) };
