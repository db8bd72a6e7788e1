/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Decoded text, HTML as text, previews. */
#include "common/mime_text.h"
#include "tests/unit/common/syntax.h"

START_TEST(decoded_text)
{
	static const struct {
		const char *message, *text;
		int result;
	} rows[] = {
		{ "\n\ncaf\xc3\xa9\r\nx\n", "\ncaf\xc3\xa9\nx\n", 0 },
		{ "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\ncaf=E9 =\nx=0D=0Ay", "caf\xc3\xa9 x\ny", 0 },
		{ "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n77u/Y2Fmw6k=\n", "caf\xc3\xa9", 0 },
		{ "Content-Type: text/plain; charset=utf-16le\nContent-Transfer-Encoding: base64\n\nYQANAAoA", "a\n", 0 },
		{ "Content-Type: text/plain; charset=odd\n\nx", "x", 1 }, { "Content-Transfer-Encoding: x-uuencode\n\nbegin", "begin", 1 }, { "\n", "", 0 },
		{ "Content-Type: text/plain; charset=gbk\n\n\xc4\xe3", "\xe4\xbd\xa0", 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct mime_message *message = mime_parse(span_of(rows[i].message));
		struct buf out = BUF_INIT(TEXT_MAX);

		ck_assert_msg(mime_text_decode(message, 0, &out) == rows[i].result, "%s", rows[i].message);
		ck_buf(&out, span_of(rows[i].text), rows[i].message);
		message = mime_free(message);
	}
}
END_TEST

START_TEST(bodies)
{
	struct buf text = BUF_INIT(TEXT_MAX), whole = BUF_INIT(TEXT_MAX), pieces = BUF_INIT(TEXT_MAX);
	struct mime_decoder decoder;
	struct mime_message *message;
	size_t got;

	(void)buf_str(&text, "Content-Transfer-Encoding: base64\n\n");
	for (int i = 0; i < 5000; i++)
		(void)buf_str(&text, "AAECAwQFBgcICQoLDA0ODw==\n\n\n");
	message = mime_parse(buf_get(&text));
	ck_assert_int_eq(mime_body_decode(message, 0, &whole), 0);
	ck_assert_uint_eq(whole.len, 80000);
	mime_decoder_init(&decoder, message, 0);
	while ((got = mime_decoder_take(&decoder, 1024, &pieces)) != 0)
		ck_assert_uint_le(got, 1024);
	ck_buf(&pieces, buf_get(&whole), "pieces");
	buf_free(&whole);
	whole = BUF_INIT(79999);
	ck_assert_int_eq(mime_body_decode(message, 0, &whole), -EMSGSIZE);
	ck_assert_uint_eq(whole.len, 79999);
	buf_free(&whole);
	message = mime_free(message);
	buf_free(&text);
}
END_TEST

START_TEST(html_to_text)
{
	static const struct {
		const char *html, *text;
	} rows[] = {
		{ "plain", "plain" }, { "a<b>b</b>c", "abc" }, { "<p>a</p><p>b</p>", "a\nb" }, { "a<br>b<BR/>c", "a\nb\nc" }, { "  a \n b  ", "a b" },
		{ "<td>a</td><td>b</td>", "a b" }, { "<style>p{}</style>a<script>x</b>y</script>b", "ab" }, { "<!-- <p>x</p> -->a", "a" },
		{ "<title>t</title>a", "a" }, { "<a title=\"x>y\">a</a>", "a" }, { "<a title='x>y' >a</a>", "a" }, { "1 < 2 &lt; 3 & 4", "1 < 2 < 3 & 4" },
		{ "&amp;&lt;&gt;&quot;&#39;&apos;", "&<>\"''" }, { "&nbsp;a&nbsp;&nbsp;b", "a b" }, { "caf&eacute; &#233; &#xE9; &eacute", "caf\xc3\xa9 \xc3\xa9 \xc3\xa9 \xc3\xa9" },
		{ "&euro;&hellip;&Auml;&yuml;", "\xe2\x82\xac\xe2\x80\xa6\xc3\x84\xc3\xbf" }, { "&unknown; &; &#; &#x; &#xD800; &#1114112;", "&unknown; &; &#; &#x; \xef\xbf\xbd \xef\xbf\xbd" },
		{ "a<!-- open", "a" }, { "a<b open", "a" }, { "a<style>open", "a" }, { "a<", "a<" }, { "a<3b", "a<3b" }, { "<!DOCTYPE html><html>a", "a" },
		{ "<script>a</scrip></script >b", "b" }, { "", "" }, { "<STYLE>x</STYLE>b", "b" }, { "&#128169;", "\xf0\x9f\x92\xa9" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);

		ck_assert_int_eq(mime_html_to_text(span_of(rows[i].html), &out), 0);
		ck_buf(&out, span_of(rows[i].text), rows[i].html);
	}
}
END_TEST

START_TEST(html_not_quadratic)
{
	static const char *const pieces[] = { "<", "<!--", "<a ", "<style", "</", "&", "<style><", "<a b=\"", "&#1" };

	for (size_t i = 0; i < COUNT(pieces); i++) {
		struct buf html = BUF_INIT(4u << 20), out = BUF_INIT(8u << 20);

		while (html.len + 10 < 4u << 20)
			(void)buf_str(&html, pieces[i]);
		ck_assert_int_eq(mime_html_to_text(buf_get(&html), &out), 0);
		buf_free(&html);
		buf_free(&out);
	}
}
END_TEST

START_TEST(preview)
{
	static const struct {
		const char *message, *preview;
	} rows[] = {
		{ "\n\n  Hello\r\n\r\n world \n", "Hello world" }, { "\n> quoted\n> more\nanswer\n", "answer" }, { "\n> only\n> quoted\n", "only quoted" },
		{ "Content-Type: text/html\n\n<style>x</style><p>Hi &amp; bye</p>&zwnj;&nbsp;&zwnj;", "Hi & bye" }, { "Content-Type: image/png\n\nx", "" },
		{ "Content-Type: multipart/alternative; boundary=b\n\n--b\n\nplain\n--b\nContent-Type: text/html\n\n<b>html</b>\n--b--", "plain" },
		{ "Content-Type: multipart/alternative; boundary=b\n\n--b\n\n \n--b\nContent-Type: text/html\n\n<b>html</b>\n--b--", "html" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment\n\nfile\n--b\n\ntext\n--b--", "text" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n\ninner\n--b\n\ntext\n--b--", "text" },
		{ "Content-Type: text/plain; format=flowed; delsp=yes\n\n> quoted \n> more\n\xe4\xbd\xa0 \n\xe5\xa5\xbd\n >answer\n-- \nme", "\xe4\xbd\xa0\xe5\xa5\xbd >answer" },
		{ "Content-Type: text/plain; format=flowed\n\nsoft \nbreak\n-- \nme", "soft break" }, { "\n-- \nonly me", "-- only me" },
		{ "Content-Type: text/enriched\n\nother", "other" }, { "\ncaf\xe9", "caf\xef\xbf\xbd" }, { "\n", "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct mime_message *message = mime_parse(span_of(rows[i].message));
		struct buf out = BUF_INIT(MIME_PREVIEW_SIZE);

		ck_assert_int_eq(mime_preview(message, &out), 0);
		ck_buf(&out, span_of(rows[i].preview), rows[i].message);
		message = mime_free(message);
	}
}
END_TEST

START_TEST(preview_limit)
{
	for (unsigned count = MIME_PREVIEW_CHARACTERS - 1; count <= MIME_PREVIEW_CHARACTERS + 1; count++) {
		struct buf text = BUF_INIT(TEXT_MAX), out = BUF_INIT(MIME_PREVIEW_SIZE);
		struct mime_message *message;

		(void)buf_str(&text, "\n");
		for (unsigned i = 0; i < count; i++)
			(void)buf_str(&text, "\xf0\x9f\x92\xa9");
		message = mime_parse(buf_get(&text));
		ck_assert_int_eq(mime_preview(message, &out), 0);
		ck_assert_uint_eq(out.len, 4 * (count < MIME_PREVIEW_CHARACTERS ? count : MIME_PREVIEW_CHARACTERS));
		message = mime_free(message);
		buf_free(&text);
		buf_free(&out);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { decoded_text, bodies, html_to_text, html_not_quadratic, preview, preview_limit };

	return run_suite("mime_text", tests, COUNT(tests));
}
