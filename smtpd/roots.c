/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "smtpd/roots.h"

#include "common/log.h"
#include "common/tls.h"
#include "frame/read_file.h"
#include "smtpd/smtpd_msg.h"

#define ROOTS_FILE_MAX (16u << 20)

/* Of what was read, with that result. Frees the text. */
static struct ssl_ctx_st *
make_context(int r, struct buf *text, const char *hint)
{
	struct buf error = BUF_INIT(512);
	struct ssl_ctx_st *context = NULL;

	if (r < 0)
		log_warning("no-root-certificates", log_str("file", tls_roots_path()), log_errno("error", r), log_str("hint", hint),
		    log_str("package", "Debian has them in ca-certificates: install it and reload"));
	else if ((context = tls_client_new_trusting(buf_get(text), &error)) == NULL)
		log_warning("no-root-certificates", log_str("file", tls_roots_path()), log_str("error", buf_cstr(&error)), log_str("hint", hint));
	buf_free(&error);
	buf_free(text);
	return context;
}

struct ssl_ctx_st *
roots_of_start(struct proc *proc, const char *hint)
{
	struct buf text = BUF_INIT(ROOTS_FILE_MAX);

	return make_context(proc_read_file(proc, MSG_ROOTS, &text), &text, hint);
}

struct ssl_ctx_st *
roots_of_message(const struct msg *msg)
{
	struct buf text = BUF_INIT(ROOTS_FILE_MAX);

	return make_context(read_open_file(msg->fd, &text), &text, "those that were read before stay in use");
}
