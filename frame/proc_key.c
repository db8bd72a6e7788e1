/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The key role: holds the TLS private key and signs with it for the front, and what other keys its daemon has. It reads nothing else
 * and talks to nobody else. It never opens the files: the parent hands over what was accepted. */
#include <errno.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/tls.h"
#include "frame/frame_msg.h"
#include "frame/read_file.h"
#include "frame/role.h"

#define HANDLERS_MAX 8

static int
on_sign(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct tls_key *key = proc->state;
	struct msg_reader body = msg_read(msg);
	uint8_t kind = msg_get_u8(&body);
	struct span input = msg_get_span(&body);
	struct buf signature = BUF_INIT(TLS_SIGNATURE_MAX);
	struct msg_writer reply;
	int r;

	if (!msg_done(&body) || kind > TLS_SIGN_ECDSA)
		return -EBADMSG;
	r = key != NULL ? tls_key_sign(key, kind, input, &signature) : -ENOENT;
	if (r < 0)
		log_warning("not-signed", log_u64("kind", kind), log_u64("length", input.len),
		    log_errno("error", r));
	msg_writer_init(&reply);
	msg_put_u8(&reply, r == 0);
	msg_put_span(&reply, buf_get(&signature));
	/* The front may have gone meanwhile; it asks again when it is back. */
	(void)msg_send(channel, MSG_KEY_SIGNED, msg->id, &reply, -1);
	buf_free(&signature);
	return 0;
}

/* Takes the key in this text, or what kept it from being read; the former stays when there is none.
 * False after a log line. */
static bool
use_key(struct proc *proc, int r, struct buf *pem)
{
	const char *path = proc->common->tls_key;
	struct buf error = BUF_INIT(512);
	struct tls_key *key = NULL;

	if (r < 0)
		log_error("key-unreadable", log_str("file", path), log_errno("error", r));
	else if ((key = tls_key_load(buf_get(pem), &error)) == NULL)
		log_error("key-unusable", log_str("file", path),
		    log_str("error", buf_cstr(&error)));
	if (key != NULL) {
		(void)tls_key_free(proc->state);
		proc->state = key;
	}
	buf_wipe(pem);
	buf_free(&error);
	return key != NULL;
}

/* Without a certificate there is no key, and nobody will ask. */
static bool
load(struct proc *proc)
{
	struct buf pem = BUF_INIT(FILE_MAX);

	return proc->common->tls_certificate[0] == '\0' ||
	    use_key(proc, proc_read_file(proc, MSG_TLS_FILE, &pem), &pem);
}

static int
on_key(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct buf pem = BUF_INIT(FILE_MAX);

	(void)channel;
	(void)use_key(context, read_open_file(msg->fd, &pem), &pem);
	return 0;
}

int
proc_key(struct proc *proc)
{
	static struct proc_handler handlers[HANDLERS_MAX] = { { MSG_KEY_SIGN, on_sign }, { MSG_TLS_FILE, on_key } };
	const struct role_keys *more = proc->daemon->keys;
	struct jail jail = { .root = proc->common->empty_dir };

	/* The front, and all connections with it, waits for its signature: behind one that the relay wants, not behind thirty. */
	proc->one_at_a_time = true;
	proc->handlers = handlers;
	proc->handler_count = 2;
	if (!load(proc) || (more != NULL && !more->load(proc)))
		return EX_CONFIG;
	for (size_t i = 0; more != NULL && i < more->handler_count && proc->handler_count < HANDLERS_MAX; i++)
		handlers[proc->handler_count++] = more->handlers[i];
	proc->reload = more != NULL ? more->reload : NULL;
	/* --- jail --- */
	proc_jail(proc, &jail);
	return proc_loop(proc);
}
