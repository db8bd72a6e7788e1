/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A whole connection before login. The first byte says what the connection is and in how big pieces the rest comes; whatever
 * the pieces, it must give the same. */
#include <stdlib.h>

#include "frame/sasl_parse.h"
#include "common/xalloc.h"
#include "imapd/imap_login_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum login_action
talk(const struct login_facts *facts, struct span input, size_t piece, struct buf *out)
{
	void *state = xcalloc(1, imap_login.state_size);
	struct login_credentials credentials;
	enum login_action action = LOGIN_MORE;
	size_t start = 0, end = 0, used;

	buf_init(&credentials.user, SASL_USER_MAX);
	buf_init(&credentials.password, SASL_PASSWORD_MAX);
	imap_login.greet(state, facts, out);
	while (end < input.len || action == LOGIN_AGAIN) {
		if (action != LOGIN_AGAIN)
			end = end + piece < input.len ? end + piece : input.len;
		action = imap_login.input(state, facts, span_make(input.ptr + start, end - start), &used, out, &credentials);
		if (used > end - start)
			abort();
		start += used;
		if (action == LOGIN_AUTHENTICATE) {
			imap_login.refused(state, (uint8_t)(used % 4), out);
			action = LOGIN_AGAIN;
		}
		if (action == LOGIN_CLOSE || action == LOGIN_START_TLS)
			break;
	}
	buf_free(&credentials.user);
	buf_free(&credentials.password);
	free(state);
	return action;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct login_facts facts = { .hostname = "fuzz" };
	struct buf whole = BUF_INIT(1 << 22), pieces = BUF_INIT(1 << 22);
	struct span input;

	if (size < 1 || size > 8000)
		return 0;
	facts.secure = (data[0] & 1) != 0;
	facts.can_start_tls = (data[0] & 2) != 0;
	facts.plaintext_login = (data[0] & 4) != 0;
	input = span_make(data + 1, size - 1);
	if (talk(&facts, input, input.len + 1, &whole) != talk(&facts, input, 1 + data[0] / 8, &pieces) ||
	    !span_eq(buf_get(&whole), buf_get(&pieces)))
		abort();
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
