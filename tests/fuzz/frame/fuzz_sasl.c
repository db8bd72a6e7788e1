/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SASL responses: what is taken for a name is one, and nothing is read or written beyond its
 * place. */
#include <assert.h>

#include "frame/sasl_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int mechanism = SASL_PLAIN; mechanism <= SASL_LOGIN; mechanism++) {
		struct span input = span_make(data, size), line;
		struct buf user = BUF_INIT(SASL_USER_MAX), password = BUF_INIT(SASL_PASSWORD_MAX);
		enum sasl_result result = SASL_CONTINUE;
		struct sasl sasl;

		sasl_begin(&sasl, (enum sasl_mechanism)mechanism);
		while (result == SASL_CONTINUE && span_split(&input, '\n', &line)) {
			assert(sasl_challenge(&sasl) != NULL);
			result = sasl_line(&sasl, line, &user, &password);
		}
		if (result == SASL_DONE)
			assert(user.len != 0 && password.len != 0 && span_is_utf8(buf_get(&user)) &&
			    strlen(user.data) == user.len);
		buf_wipe(&user);
		buf_wipe(&password);
	}
	return 0;
}
