/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* IMAP strings, ENVELOPE and BODYSTRUCTURE: RFC 3501's examples, groups, extension data, what no quoted string can hold. */
#include "common/imap_bodystructure.h"
#include "common/imap_envelope.h"
#include "tests/unit/common/syntax.h"

START_TEST(strings)
{
	static const struct {
		struct span text;
		unsigned flags;
		const char *imap;
	} rows[] = {
		{ { "", 0 }, 0, "\"\"" }, { { "a b", 3 }, 0, "\"a b\"" }, { { "a\"b\\c", 5 }, 0, "\"a\\\"b\\\\c\"" },
		{ { "caf\xc3\xa9", 5 }, 0, "{5}\r\ncaf\xc3\xa9" }, { { "caf\xc3\xa9", 5 }, IMAP_STRING_UTF8, "\"caf\xc3\xa9\"" },
		{ { "caf\xe9", 4 }, IMAP_STRING_UTF8, "{4}\r\ncaf\xe9" }, { { "a\r\nb", 4 }, 0, "{4}\r\na\r\nb" }, { { "a\rb", 3 }, 0, "{3}\r\na\rb" },
		{ { "a\0b", 3 }, 0, "{3}\r\na?b" }, { { "\\\\\\\\\\\\\\\\", 8 }, 0, "\"\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"" },
		{ { "\\\\\\\\\\\\\\\\\\", 9 }, 0, "{9}\r\n\\\\\\\\\\\\\\\\\\" }, { { "\x01\x7f", 2 }, 0, "\"\x01\x7f\"" }, { { NULL, 0 }, 0, "\"\"" },
	};
	struct buf out = BUF_INIT(TEXT_MAX);

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_int_eq(imap_string_append(&out, rows[i].text, rows[i].flags), 0);
		ck_buf(&out, span_of(rows[i].imap), rows[i].imap);
	}
	ck_assert_int_eq(imap_nstring_append(&out, SPAN_NULL, 0), 0);
	ck_assert_int_eq(imap_nstring_append(&out, SPAN(""), 0), 0);
	ck_buf(&out, SPAN("NIL\"\""), "NIL and empty");
	for (size_t max = 4; max <= 6; max++) {
		out = BUF_INIT(max);
		ck_assert_int_eq(imap_string_append(&out, SPAN("abc"), 0), max < 5 ? -EMSGSIZE : 0);
		ck_assert_uint_eq(out.len, max < 5 ? 0 : 5);
		buf_free(&out);
	}
}
END_TEST

START_TEST(envelopes)
{
	static const struct {
		const char *header, *envelope;
	} rows[] = {
		/* RFC 3501 section 8 */
		{ "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n"
		  "Subject: IMAP4rev1 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n"
		  "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\nMessage-Id: <B27397-0100000@cac.washington.edu>\r\n"
		  "MIME-Version: 1.0\r\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n",
		  "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary and minutes\""
		  " ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))"
		  " ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\"))"
		  " ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\"))"
		  " NIL NIL \"<B27397-0100000@cac.washington.edu>\")" },
		{ "", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
		/* absent is NIL, empty is ""; lists without an address are NIL */
		{ "Subject:\nTo: \nIn-Reply-To: \nBcc: (nobody)\n\n", "(NIL \"\" NIL NIL NIL NIL NIL NIL \"\" NIL)" },
		/* sender and reply-to of their own, an empty one is From */
		{ "From: a@b\nSender: c@d\nReply-To: ,\n\n",
		  "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL)" },
		/* groups and routes */
		{ "To: Group: a@b, <@r:c@d>;, e@f\n\n",
		  "(NIL NIL NIL NIL NIL ((NIL NIL \"Group\" NIL)(NIL NIL \"a\" \"b\")(NIL \"@r\" \"c\" \"d\")(NIL NIL NIL NIL)(NIL NIL \"e\" \"f\"))"
		  " NIL NIL NIL NIL)" },
		{ "From: root\n\n", "(NIL NIL ((NIL NIL \"root\" \"\")) ((NIL NIL \"root\" \"\")) ((NIL NIL \"root\" \"\")) NIL NIL NIL NIL NIL)" },
		/* unfolded, encoded words left, raw bytes in literals, the first of two */
		{ "Subject: a\r\n b\nSubject: c\nTo: =?utf-8?Q?J=C3=B8?= <a@b>\n\n",
		  "(NIL \"a b\" NIL NIL NIL ((\"=?utf-8?Q?J=C3=B8?=\" NIL \"a\" \"b\")) NIL NIL NIL NIL)" },
		{ "Subject: caf\xc3\xa9\n\n", "(NIL {5}\r\ncaf\xc3\xa9 NIL NIL NIL NIL NIL NIL NIL NIL)" },
		{ "To: \"\" <a@b>\n\n", "(NIL NIL NIL NIL NIL ((\"\" NIL \"a\" \"b\")) NIL NIL NIL NIL)" },
	};
	struct buf out = BUF_INIT(TEXT_MAX);

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_int_eq(imap_envelope_append(&out, span_of(rows[i].header), 0), 0);
		ck_buf(&out, span_of(rows[i].envelope), rows[i].header);
	}
	ck_assert_int_eq(imap_envelope_append(&out, SPAN("Subject: caf\xc3\xa9\n"), IMAP_STRING_UTF8), 0);
	ck_buf(&out, SPAN("(NIL \"caf\xc3\xa9\" NIL NIL NIL NIL NIL NIL NIL NIL)"), "UTF8");
	out = BUF_INIT(20);
	ck_assert_int_eq(imap_envelope_append(&out, SPAN("Subject: x\n"), 0), -EMSGSIZE);
	buf_free(&out);
}
END_TEST

START_TEST(structures)
{
	static const struct {
		const char *message, *body, *structure;
	} rows[] = {
		{ "Subject: x\r\n\r\none\r\ntwo\r\n", "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2)",
		  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2 NIL NIL NIL NIL)" },
		/* sizes count CRLF */
		{ "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\n\none\ntwo\n", "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7bit\" 10 2)",
		  "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7bit\" 10 2 NIL NIL NIL NIL)" },
		/* RFC 3501 section 7.4.2, in small: two parts, the second with all fields */
		{ "Content-Type: MULTIPART/MIXED; boundary=b\n\n--b\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII\n\nx\n"
		  "--b\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII; NAME=cc.diff\nContent-ID: <960723163407.20117h@cac.washington.edu>\n"
		  "Content-Description: Compiler diff\nContent-Transfer-Encoding: BASE64\n\neA==\n--b--\n",
		  "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7bit\" 1 0)(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\" \"NAME\" \"cc.diff\")"
		  " \"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" \"base64\" 4 0) \"MIXED\")",
		  "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7bit\" 1 0 NIL NIL NIL NIL)(\"TEXT\" \"PLAIN\""
		  " (\"CHARSET\" \"US-ASCII\" \"NAME\" \"cc.diff\") \"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" \"base64\" 4 0"
		  " NIL NIL NIL NIL) \"MIXED\" (\"boundary\" \"b\") NIL NIL NIL)" },
		/* extension data */
		{ "Content-Type: application/pdf\nContent-Disposition: attachment; filename*=utf-8''%C3%A9\nContent-Language: en, de\n"
		  "Content-Location: http://x/\nContent-MD5: m==\nContent-Transfer-Encoding: x-odd\n\nx",
		  "(\"application\" \"pdf\" NIL NIL NIL \"x-odd\" 1)",
		  "(\"application\" \"pdf\" NIL NIL NIL \"x-odd\" 1 \"m==\" (\"attachment\" (\"filename*\" \"utf-8''%C3%A9\")) (\"en\" \"de\") \"http://x/\")" },
		{ "Content-Type: image/png\nContent-Disposition: inline\nContent-Language: en\nContent-ID:\n\n", "(\"image\" \"png\" NIL \"\" NIL \"7bit\" 0)",
		  "(\"image\" \"png\" NIL \"\" NIL \"7bit\" 0 NIL (\"inline\" NIL) \"en\" NIL)" },
		/* messages: envelope, body, lines */
		{ "Content-Type: message/rfc822\n\nSubject: in\n\nx\ny",
		  "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 19 (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL)"
		  " (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 1) 3)",
		  "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 19 (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL)"
		  " (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)" },
		{ "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\neA==", "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 4)",
		  "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 4 NIL NIL NIL NIL)" },
		{ "Content-Type: message/delivery-status\n\nx", "(\"message\" \"delivery-status\" NIL NIL NIL \"7bit\" 1)",
		  "(\"message\" \"delivery-status\" NIL NIL NIL \"7bit\" 1 NIL NIL NIL NIL)" },
		/* a multipart without parts has one all the same */
		{ "Content-Type: multipart/mixed; boundary=b\n\nx", "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) \"mixed\")",
		  "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)" },
		/* 8-bit in literals */
		{ "Content-Type: text/plain; name=\"caf\xe9\"\n\n", "(\"text\" \"plain\" (\"name\" {4}\r\ncaf\xe9) NIL NIL \"7bit\" 0 0)",
		  "(\"text\" \"plain\" (\"name\" {4}\r\ncaf\xe9) NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)" },
		{ "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: s\n\nx\n--b--",
		  "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 15 (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL)"
		  " (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0) 2) \"digest\")",
		  "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 15 (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL)"
		  " (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL) \"digest\""
		  " (\"boundary\" \"b\") NIL NIL NIL)" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct mime_message *message = mime_parse(span_of(rows[i].message));
		struct buf out = BUF_INIT(TEXT_MAX);

		ck_assert_int_eq(imap_bodystructure_append(&out, message, false, 0), 0);
		ck_buf(&out, span_of(rows[i].body), rows[i].message);
		ck_assert_int_eq(imap_bodystructure_append(&out, message, true, 0), 0);
		ck_buf(&out, span_of(rows[i].structure), rows[i].message);
		out = BUF_INIT(30);
		ck_assert_int_eq(imap_bodystructure_append(&out, message, true, 0), -EMSGSIZE);
		buf_free(&out);
		message = mime_free(message);
	}
}
END_TEST

/* Ten thousand parts and a hundred levels are written, brackets balanced. */
START_TEST(large)
{
	struct buf text = BUF_INIT(TEXT_MAX), out = BUF_INIT(4u << 20);
	struct mime_message *message;
	long depth = 0;

	for (unsigned i = 0; i < 99; i++)
		(void)buf_fmt(&text, "Content-Type: multipart/mixed; boundary=b%03u\n\n--b%03u\n", i, i);
	for (unsigned i = 0; i < 11000; i++)
		(void)buf_str(&text, "\nx\n--b098\n");
	message = mime_parse(buf_get(&text));
	ck_assert_uint_eq(message->count, MIME_PARTS_MAX);
	ck_assert_int_eq(imap_bodystructure_append(&out, message, true, 0), 0);
	for (size_t i = 0; i < out.len; i++)
		depth += out.data[i] == '(' ? 1 : out.data[i] == ')' ? -1 : 0;
	ck_assert_int_eq(depth, 0);
	message = mime_free(message);
	buf_free(&text);
	buf_free(&out);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { strings, envelopes, structures, large };

	return run_suite("imap_structure", tests, COUNT(tests));
}
