/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Making messages: a whole one, field by field, read back by the parser. */
#include "common/compose.h"
#include "common/header.h"
#include "common/mime_text.h"
#include "tests/unit/common/syntax.h"

START_TEST(fields)
{
	struct buf out = BUF_INIT(TEXT_MAX);
	size_t column;

	ck_assert_int_eq(compose_field_begin(&out, SPAN("References"), &column), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(compose_field_word(&out, SPAN("<aaaaaaaaaaaaaaaaaaaaaaa@example.org>"), &column), 0);
	ck_assert_int_eq(compose_field_end(&out), 0);
	ck_buf(&out, SPAN("References: <aaaaaaaaaaaaaaaaaaaaaaa@example.org>\r\n <aaaaaaaaaaaaaaaaaaaaaaa@example.org>"
	    " <aaaaaaaaaaaaaaaaaaaaaaa@example.org>\r\n"), "folded");
	ck_assert_int_eq(compose_field_begin(&out, SPAN("Bad Name"), &column), -EINVAL);
	ck_assert_int_eq(compose_field_word(&out, SPAN("a b"), &column), -EINVAL);
	ck_assert_int_eq(compose_field_word(&out, SPAN("a\r\nB: c"), &column), -EINVAL);
	ck_assert_int_eq(compose_field_word(&out, SPAN(""), &column), -EINVAL);
	ck_buf(&out, SPAN(""), "nothing");
	ck_assert_int_eq(compose_content_type(&out, SPAN("text/plain"), SPAN("utf-8"), SPAN_NULL, SPAN("a b.txt")), 0);
	ck_buf(&out, SPAN("Content-Type: text/plain; charset=utf-8; name=\"a b.txt\"\r\n"), "type");
	ck_assert_int_eq(compose_content_type(&out, SPAN("text"), SPAN_NULL, SPAN_NULL, SPAN_NULL), -EINVAL);
	ck_assert_int_eq(compose_content_type(&out, SPAN("text/plain; x=y"), SPAN_NULL, SPAN_NULL, SPAN_NULL), -EINVAL);
	ck_assert_int_eq(compose_content_type(&out, SPAN("a/b/c"), SPAN_NULL, SPAN_NULL, SPAN_NULL), -EINVAL);
	ck_assert_int_eq(compose_content_disposition(&out, SPAN("attachment"), SPAN("\xc3\xa9")), 0);
	ck_buf(&out, SPAN("Content-Disposition: attachment; filename*=utf-8''%C3%A9\r\n"), "disposition");
}
END_TEST

START_TEST(encodings)
{
	char line[1000];

	memset(line, 'x', sizeof(line));
	ck_assert_int_eq(compose_text_encoding(SPAN("plain\r\ntext\n"), false), MIME_7BIT);
	ck_assert_int_eq(compose_text_encoding(SPAN("caf\xc3\xa9 and much more plain text"), false), MIME_QUOTED_PRINTABLE);
	ck_assert_int_eq(compose_text_encoding(SPAN("caf\xc3\xa9 and much more plain text"), true), MIME_8BIT);
	ck_assert_int_eq(compose_text_encoding(SPAN("\xe6\x97\xa5\xe6\x9c\xac"), false), MIME_BASE64);
	ck_assert_int_eq(compose_text_encoding(SPAN("a\rb"), true), MIME_QUOTED_PRINTABLE);
	ck_assert_int_eq(compose_text_encoding(SPAN("aaaaaaaa\0"), true), MIME_QUOTED_PRINTABLE);
	ck_assert_int_eq(compose_text_encoding(span_make(line, 998), false), MIME_7BIT);
	ck_assert_int_eq(compose_text_encoding(span_make(line, 999), false), MIME_QUOTED_PRINTABLE);
	ck_assert_str_eq(compose_encoding_name(MIME_QUOTED_PRINTABLE), "quoted-printable");
}
END_TEST

START_TEST(whole_message)
{
	const uint8_t random[16] = { 1, 2, 3 };
	const struct span texts[] = { SPAN("Gr\xc3\xbc\xc3\x9f" "e\nfrom here \n"), SPAN("\xe6\x97\xa5\xe6\x9c\xac\r\n"), SPAN("plain\n") };
	struct buf out = BUF_INIT(TEXT_MAX);
	char text[COMPOSE_BOUNDARY_SIZE];
	struct span boundary = compose_boundary(random, text);
	struct mime_message *message;

	ck_assert_int_eq(header_append_text(&out, SPAN("Subject"), SPAN("\xc3\xa9t\xc3\xa9")), 0);
	ck_assert_int_eq(compose_content_type(&out, SPAN("multipart/mixed"), SPAN_NULL, boundary, SPAN_NULL), 0);
	for (size_t i = 0; i < COUNT(texts); i++) {
		enum mime_encoding encoding = compose_text_encoding(texts[i], false);

		ck_assert_int_eq(compose_delimiter(&out, boundary, false), 0);
		ck_assert_int_eq(compose_content_type(&out, SPAN("text/plain"), SPAN("utf-8"), SPAN_NULL, SPAN_NULL), 0);
		ck_assert_int_eq(header_append(&out, SPAN("Content-Transfer-Encoding"), span_of(compose_encoding_name(encoding))), 0);
		(void)buf_str(&out, "\r\n");
		ck_assert_int_eq(compose_body(&out, texts[i], encoding), 0);
	}
	ck_assert_int_eq(compose_delimiter(&out, boundary, true), 0);
	ck_assert(span_is_ascii(buf_get(&out)));
	message = mime_parse(buf_get(&out));
	ck_assert_uint_eq(message->count, 4);
	for (uint32_t i = 0; i < COUNT(texts); i++) {
		struct buf back = BUF_INIT(TEXT_MAX), want = BUF_INIT(TEXT_MAX);

		ck_assert_int_eq(mime_text_decode(message, i + 1, &back), 0);
		for (size_t k = 0; k < texts[i].len; k++)
			if (texts[i].ptr[k] != '\r')
				(void)buf_char(&want, texts[i].ptr[k]);
		ck_buf(&back, buf_get(&want), "text");
		buf_free(&want);
	}
	message = mime_free(message);
	buf_free(&out);
}
END_TEST

START_TEST(limits)
{
	struct buf out = BUF_INIT(5);

	ck_assert_int_eq(compose_body(&out, SPAN("abc\n"), MIME_7BIT), 0);
	ck_buf(&out, SPAN("abc\r\n"), "five");
	out = BUF_INIT(4);
	ck_assert_int_eq(compose_body(&out, SPAN("abc\n"), MIME_7BIT), -EMSGSIZE);
	buf_free(&out);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { fields, encodings, whole_message, limits };

	return run_suite("compose", tests, COUNT(tests));
}
