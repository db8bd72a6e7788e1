/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* POP3 before login, fed with any bytes: it ends, answers in whole lines, and asks for no login
 * where none may be. */
#include <assert.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "frame/sasl_parse.h"
#include "pop3d/pop3_login_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct login_facts facts = { .hostname = "h" };
	struct login_credentials credentials = { BUF_INIT(SASL_USER_MAX),
		BUF_INIT(SASL_PASSWORD_MAX) };
	enum login_action action = LOGIN_AGAIN;
	struct span input = span_make(data, size);
	void *state = xcalloc(1, pop3_login.state_size);

	if (size != 0) {
		facts.secure = (data[0] & 1) != 0;
		facts.can_start_tls = (data[0] & 2) != 0;
		facts.plaintext_login = (data[0] & 4) != 0;
		input = span_skip(input, 1);
	}
	while (action == LOGIN_AGAIN || action == LOGIN_AUTHENTICATE) {
		struct buf out = BUF_INIT(LOGIN_REPLY_MAX);
		size_t used = 0;

		action = pop3_login.input(state, &facts, input, &used, &out, &credentials);
		assert(used <= input.len && !out.overflow && (used != 0 || action == LOGIN_MORE));
		assert(out.len == 0 || span_ends(buf_get(&out), SPAN("\r\n")));
		if (action == LOGIN_AUTHENTICATE) {
			assert(
			    (facts.secure || facts.plaintext_login) && credentials.user.len != 0);
			buf_wipe(&credentials.password);
			buf_wipe(&credentials.user);
			pop3_login.refused(state, AUTH_BAD, &out);
		}
		if (action == LOGIN_START_TLS)
			assert(facts.can_start_tls && !facts.secure);
		input = span_skip(input, used);
		buf_free(&out);
	}
	free(state);
	buf_wipe(&credentials.user);
	buf_wipe(&credentials.password);
	return 0;
}
