/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Base64 and quoted-printable: strict forms have one meaning, forgiving decoders do not care where pieces end. */
#include <stdlib.h>

#include "common/base64.h"
#include "common/quoted_printable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
check_base64(struct span text)
{
	struct buf plain = BUF_INIT(1 << 20), again = BUF_INIT(1 << 22), pieces = BUF_INIT(1 << 20);
	struct base64_decoder decoder = BASE64_DECODER_INIT;

	if (base64_decode(text, &plain) == 0) {
		check(base64_encode(buf_get(&plain), &again) == 0 && span_eq(buf_get(&again), text));
		buf_clear(&again);
	}
	check(base64_encode_body(text, &again) == 0);
	for (struct span rest = buf_get(&again); rest.len != 0;)
		(void)base64_decoder_feed(&decoder, span_take(&rest, 1 + text.len % 5), &pieces);
	check(base64_decoder_finish(&decoder, &pieces) == 0 && span_eq(buf_get(&pieces), text));
	buf_clear(&plain);
	buf_clear(&pieces);
	decoder = BASE64_DECODER_INIT;
	(void)base64_decoder_feed(&decoder, text, &plain);
	(void)base64_decoder_finish(&decoder, &plain);
	decoder = BASE64_DECODER_INIT;
	while (text.len != 0)
		(void)base64_decoder_feed(&decoder, span_take(&text, 3), &pieces);
	(void)base64_decoder_finish(&decoder, &pieces);
	check(span_eq(buf_get(&plain), buf_get(&pieces)));
	buf_free(&plain);
	buf_free(&again);
	buf_free(&pieces);
}

static void
decode(struct span text, size_t piece, struct buf *out)
{
	struct quoted_printable_decoder decoder;

	quoted_printable_decoder_init(&decoder);
	while (text.len != 0)
		(void)quoted_printable_decoder_feed(&decoder, span_take(&text, piece), out);
	(void)quoted_printable_decoder_finish(&decoder, out);
}

static void
check_quoted_printable(struct span text)
{
	struct buf encoded = BUF_INIT(1 << 22), strict = BUF_INIT(1 << 22), tolerant = BUF_INIT(1 << 22), pieces = BUF_INIT(1 << 22);

	check(quoted_printable_encode(text, &encoded) == 0);
	check(quoted_printable_decode(buf_get(&encoded), &strict) == 0);
	decode(buf_get(&encoded), 4096, &tolerant);
	check(span_eq(buf_get(&strict), buf_get(&tolerant)));
	buf_clear(&strict);
	buf_clear(&tolerant);
	decode(text, 4096, &tolerant);
	decode(text, 1, &pieces);
	check(span_eq(buf_get(&tolerant), buf_get(&pieces)) && tolerant.len <= text.len);
	/* Strictly right is right for the other as well. */
	if (quoted_printable_decode(text, &strict) == 0)
		check(span_eq(buf_get(&strict), buf_get(&tolerant)));
	buf_free(&encoded);
	buf_free(&strict);
	buf_free(&tolerant);
	buf_free(&pieces);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 1 << 16)
		return 0;
	check_base64(span_make(data, size));
	check_quoted_printable(span_make(data, size));
	return 0;
}
