/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Base64: RFC 4648 section 10, strictness, pieces, limits. */
#include "common/base64.h"
#include "tests/unit/common/syntax.h"

static const struct {
	struct span plain, encoded;
} vectors[] = {
	{ { "", 0 }, { "", 0 } }, { { "f", 1 }, { "Zg==", 4 } }, { { "fo", 2 }, { "Zm8=", 4 } }, { { "foo", 3 }, { "Zm9v", 4 } },
	{ { "foob", 4 }, { "Zm9vYg==", 8 } }, { { "fooba", 5 }, { "Zm9vYmE=", 8 } }, { { "foobar", 6 }, { "Zm9vYmFy", 8 } },
	{ { "\0\xff\x10", 3 }, { "AP8Q", 4 } }, { { "\xfb\xef\xff", 3 }, { "++//", 4 } },
};

START_TEST(rfc_vectors)
{
	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);

		ck_assert_int_eq(base64_encode(vectors[i].plain, &out), 0);
		ck_buf(&out, vectors[i].encoded, "encode");
		ck_assert_int_eq(base64_decode(vectors[i].encoded, &out), 0);
		ck_buf(&out, vectors[i].plain, "decode");
	}
}
END_TEST

START_TEST(strict)
{
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v=", "=", "====", "Z===", "Zg==Zg==", "Zm 9v", "Zm9v\n", "Zm-v", "Zm_v", "A=AA",
		"Zm9vZ=g=",
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);

		ck_assert_msg(base64_decode(span_of(bad[i]), &out) == -EINVAL, "%s", bad[i]);
		ck_assert_uint_eq(out.len, 0);
		buf_free(&out);
	}
}
END_TEST

START_TEST(limits)
{
	struct buf out = BUF_INIT(8);

	ck_assert_int_eq(base64_encode(SPAN("foobar"), &out), 0);
	buf_clear(&out);
	ck_assert_int_eq(base64_encode(SPAN("foobarx"), &out), -EMSGSIZE);
	ck_assert_uint_eq(out.len, 0);
	buf_free(&out);
	out = BUF_INIT(6);
	ck_assert_int_eq(base64_decode(SPAN("Zm9vYmFy"), &out), 0);
	buf_free(&out);
	out = BUF_INIT(5);
	ck_assert_int_eq(base64_decode(SPAN("Zm9vYmFy"), &out), -EMSGSIZE);
	ck_assert_uint_eq(out.len, 0);
	buf_free(&out);
}
END_TEST

START_TEST(body)
{
	struct buf out = BUF_INIT(TEXT_MAX);
	char bytes[58];

	memset(bytes, 'a', sizeof(bytes));
	ck_assert_int_eq(base64_encode_body(span_make(bytes, 57), &out), 0);
	ck_assert_uint_eq(out.len, 78);
	buf_clear(&out);
	ck_assert_int_eq(base64_encode_body(span_make(bytes, 58), &out), 0);
	ck_assert_uint_eq(out.len, 78 + 6);
	ck_assert(span_ends(buf_get(&out), SPAN("YQ==\r\n")));
	buf_clear(&out);
	ck_assert_int_eq(base64_encode_body(SPAN(""), &out), 0);
	ck_assert_uint_eq(out.len, 0);
	buf_free(&out);
}
END_TEST

static void
decode_pieces(struct span text, size_t piece, struct buf *out)
{
	struct base64_decoder decoder = BASE64_DECODER_INIT;

	while (text.len != 0)
		ck_assert_int_eq(base64_decoder_feed(&decoder, span_take(&text, piece), out), 0);
	ck_assert_int_eq(base64_decoder_finish(&decoder, out), 0);
}

START_TEST(tolerant)
{
	static const struct {
		const char *text, *plain;
	} rows[] = {
		{ "Zm9v\r\nYmFy\r\n", "foobar" }, { "Zm 9v!Ym*Fy", "foobar" }, { "Zm9vYg==Zm9v", "foobfoo" }, { "Zm9vYg", "foob" },
		{ "Zm9vYmE", "fooba" }, { "Zm9vY", "foo" }, { "====Zm9v", "foo" }, { "", "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t piece = 1; piece < 20; piece++) {
			struct buf out = BUF_INIT(TEXT_MAX);

			decode_pieces(span_of(rows[i].text), piece, &out);
			ck_buf(&out, span_of(rows[i].plain), rows[i].text);
		}
	}
}
END_TEST

START_TEST(tolerant_fills)
{
	struct base64_decoder decoder = BASE64_DECODER_INIT;
	struct buf out = BUF_INIT(4);

	ck_assert_int_eq(base64_decoder_feed(&decoder, SPAN("Zm9vYmFy"), &out), -EMSGSIZE);
	ck_buf(&out, SPAN("foob"), "filled");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { rfc_vectors, strict, limits, body, tolerant, tolerant_fills };

	return run_suite("base64", tests, COUNT(tests));
}
