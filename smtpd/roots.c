/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "smtpd/roots.h"

#include "common/log.h"
#include "common/tls.h"

struct ssl_ctx_st *
roots_context(int r, struct buf *text, const char *hint)
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
