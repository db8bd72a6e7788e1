/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Emails as JSON and back: header properties, body parts by the algorithm of RFC 8621 section 4.1.4, and messages built from objects. */
#include <check.h>
#include <stdlib.h>

#include "webmaild/jmap_build.h"
#include "webmaild/jmap_header.h"
#include "webmaild/jmap_json.h"
#include "webmaild/jmap_part.h"

/* --- header properties --- */

#define BLOCK \
	"From: \"  James Smythe\" <james@example.com>\r\n" \
	"To: \"  James Smythe\" <james@example.com>, Friends:\r\n jane@example.com, =?UTF-8?Q?John_Sm=C3=AEth?=\r\n <john@example.com>;\r\n" \
	"Subject: =?utf-8?B?5pel5pys6Kqe?= and\r\n more\r\n" \
	"Message-ID: <abc@x.test>\r\n" \
	"References: <one@x.test> <two@x.test>\r\n" \
	"Date: Thu, 30 Oct 2014 14:12:00 +0800\r\n" \
	"List-Unsubscribe: (by mail) <mailto:u@x.test>, <https://x.test/u>\r\n" \
	"X-Twice: first\r\nX-Twice: second\r\n" \
	"\r\n"

static const struct {
	const char *property, *json; /* json NULL: no such property */
} properties[] = {
	{ "header:Subject:asText", "\"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e and more\"" },
	{ "header:subject", "\" =?utf-8?B?5pel5pys6Kqe?= and\\r\\n more\"" },
	{ "header:To:asAddresses",
	    "[{\"name\":\"James Smythe\",\"email\":\"james@example.com\"},{\"name\":null,\"email\":\"jane@example.com\"},"
	    "{\"name\":\"John Sm\xc3\xaeth\",\"email\":\"john@example.com\"}]" },
	{ "header:To:asGroupedAddresses",
	    "[{\"name\":null,\"addresses\":[{\"name\":\"James Smythe\",\"email\":\"james@example.com\"}]},"
	    "{\"name\":\"Friends\",\"addresses\":[{\"name\":null,\"email\":\"jane@example.com\"},"
	    "{\"name\":\"John Sm\xc3\xaeth\",\"email\":\"john@example.com\"}]}]" },
	{ "header:Message-ID:asMessageIds", "[\"abc@x.test\"]" },
	{ "header:References:asMessageIds", "[\"one@x.test\",\"two@x.test\"]" },
	{ "header:Date:asDate", "\"2014-10-30T14:12:00+08:00\"" },
	{ "header:List-Unsubscribe:asURLs", "[\"mailto:u@x.test\",\"https://x.test/u\"]" },
	{ "header:X-Twice:asText", "\"second\"" },
	{ "header:X-Twice:asText:all", "[\"first\",\"second\"]" },
	{ "header:X-Twice:all", "[\" first\",\" second\"]" },
	{ "header:X-None:asText", "null" },
	{ "header:X-None:asText:all", "[]" },
	{ "header:Subject:asAddresses", NULL },
	{ "header:From:asText", NULL },
	{ "header:Date:asURLs", NULL },
	{ "header:From:asNothing", NULL },
	{ "header:From:asAddresses:some", NULL },
	{ "header::asText", NULL },
	{ "header:Bad Name", NULL },
	{ "heading:From", NULL },
};

START_TEST(fields_are_read)
{
	struct jmap_header_property property;
	json_t *value, *wanted;

	ck_assert_int_eq(jmap_header_property(properties[_i].property, &property), properties[_i].json != NULL);
	if (properties[_i].json == NULL)
		return;
	value = jmap_header_value(SPAN(BLOCK), &property);
	wanted = json_loads(properties[_i].json, JSON_DECODE_ANY, NULL);
	ck_assert_ptr_nonnull(wanted);
	ck_assert_msg(json_equal(value, wanted), "%s gives %s", properties[_i].property, json_dumps(value, JSON_ENCODE_ANY));
	json_decref(value);
	json_decref(wanted);
}
END_TEST

/* --- parts --- */

/* Parts of a structure, in the notation "type/subtype[children]" with "!" for an attachment, "=" for one with a name. */
static void
write_part(const char **at, struct buf *out, unsigned *number)
{
	struct buf type = BUF_INIT(64);
	bool attachment = false, named = false;
	unsigned own = ++*number;

	while (**at != '\0' && strchr(",[]!=", **at) == NULL)
		(void)buf_char(&type, *(*at)++);
	for (; **at == '!' || **at == '='; ++*at) {
		attachment = attachment || **at == '!';
		named = named || **at == '=';
	}
	(void)buf_fmt(out, "Content-Type: %s%s%s\r\n", buf_cstr(&type), **at == '[' ? "; boundary=" : named ? "; name=n" : "", "");
	if (**at == '[') {
		buf_truncate(out, out->len - 2);
		(void)buf_fmt(out, "b%u\r\n\r\n", own);
		do {
			++*at;
			(void)buf_fmt(out, "\r\n--b%u\r\n", own);
			write_part(at, out, number);
		} while (**at == ',');
		++*at;
		(void)buf_fmt(out, "\r\n--b%u--\r\n", own);
	} else {
		(void)buf_str(out, attachment ? "Content-Disposition: attachment\r\n\r\ntext" : "\r\ntext");
	}
	buf_free(&type);
}

static const struct {
	const char *structure, *text, *html, *attachments; /* part numbers */
} structures[] = {
	{ "text/plain", "1", "1", "" },
	{ "text/html", "1", "1", "" },
	{ "multipart/alternative[text/plain,text/html]", "1", "2", "" },
	{ "multipart/alternative[text/html]", "1", "1", "" },
	{ "multipart/mixed[text/plain,image/png!]", "1", "1", "2" },
	{ "multipart/mixed[text/plain,image/png]", "1 2", "1 2", "" },
	{ "multipart/mixed[text/plain,text/plain=]", "1", "1", "2" },
	{ "multipart/mixed[text/plain,application/pdf]", "1", "1", "2" },
	{ "multipart/mixed[multipart/alternative[text/plain,multipart/related[text/html,image/png]],application/pdf]", "1.1", "1.2.1", "1.2.2 2" },
	/* The RFC's own example: A to K. */
	{ "multipart/mixed[text/plain,multipart/mixed[multipart/alternative[multipart/mixed[text/plain,image/jpeg,text/plain],"
	  "multipart/related[text/html,image/jpeg]],image/jpeg!,application/x-excel,message/rfc822],text/plain]",
	    "1 2.1.1.1 2.1.1.2 2.1.1.3 3", "1 2.1.2.1 3", "2.1.1.2 2.1.2.2 2.2 2.3 2.4" },
	{ "application/pdf", "", "", "1" },
	{ "image/png", "1", "1", "" },
};

static void
numbers_of(const struct mime_message *message, const struct jmap_parts *parts, struct buf *out)
{
	for (size_t i = 0; i < parts->count; i++) {
		if (i > 0)
			(void)buf_char(out, ' ');
		(void)mime_number(message, parts->items[i], out);
	}
}

START_TEST(parts_are_sorted)
{
	struct buf bytes = BUF_INIT(65536), text = BUF_INIT(1024), html = BUF_INIT(1024), attachments = BUF_INIT(1024);
	const char *at = structures[_i].structure;
	struct mime_message *message;
	struct jmap_body body;
	unsigned number = 0;

	write_part(&at, &bytes, &number);
	message = mime_parse(buf_get(&bytes));
	jmap_body_sort(message, &body);
	numbers_of(message, &body.text, &text);
	numbers_of(message, &body.html, &html);
	numbers_of(message, &body.attachments, &attachments);
	ck_assert_str_eq(buf_cstr(&text), structures[_i].text);
	ck_assert_str_eq(buf_cstr(&html), structures[_i].html);
	ck_assert_str_eq(buf_cstr(&attachments), structures[_i].attachments);
	jmap_body_free(&body);
	(void)mime_free(message);
	buf_free(&bytes);
	buf_free(&text);
	buf_free(&html);
	buf_free(&attachments);
}
END_TEST

START_TEST(parts_are_described)
{
	struct span bytes = SPAN("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: TEXT/Plain; charset=utf-8\r\n"
	                         "Content-Language: de, en\r\n\r\nhi\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <c@x>\r\n"
	                         "Content-Disposition: inline; filename*=utf-8''%c3%a4.png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n");
	static const char wanted[] =
	    "{\"partId\":null,\"blobId\":null,\"size\":0,\"name\":null,\"type\":\"multipart/mixed\",\"charset\":null,\"disposition\":null,"
	    "\"cid\":null,\"language\":null,\"location\":null,\"subParts\":["
	    "{\"partId\":\"1\",\"blobId\":\"B-1\",\"size\":2,\"name\":null,\"type\":\"text/plain\",\"charset\":\"utf-8\",\"disposition\":null,"
	    "\"cid\":null,\"language\":[\"de\",\"en\"],\"location\":null},"
	    "{\"partId\":\"2\",\"blobId\":\"B-2\",\"size\":3,\"name\":\"\xc3\xa4.png\",\"type\":\"image/png\",\"charset\":null,"
	    "\"disposition\":\"inline\",\"cid\":\"c@x\",\"language\":null,\"location\":null}]}";
	struct mime_message *message = mime_parse(bytes);
	json_t *object = jmap_part_object(message, 0, NULL, SPAN("B"), true), *expected = json_loads(wanted, 0, NULL);

	ck_assert_msg(json_equal(object, expected), "%s", json_dumps(object, 0));
	json_decref(object);
	json_decref(expected);
	(void)mime_free(message);
}
END_TEST

/* --- building --- */

static int
blob(void *context, struct span id, struct buf *out, struct buf *type)
{
	(void)context;
	if (span_eq(id, SPAN("Upng"))) {
		(void)buf_str(type, "image/png");
		return buf_put(out, "\x89PNG", 4);
	}
	return span_eq(id, SPAN("Umsg")) ? buf_str(out, "Subject: inner\n\nbody\n") : 1;
}

static void
no_random(uint8_t bytes[16])
{
	static uint8_t counter;

	memset(bytes, ++counter, 16);
}

static json_t *
build(const char *json, struct buf *out)
{
	struct build how = { blob, NULL, SPAN("x.test"), 1414649520, no_random };
	json_t *email = json_loads(json, 0, NULL), *error;

	ck_assert_ptr_nonnull(email);
	error = jmap_build(&how, email, out);
	json_decref(email);
	return error;
}

static const struct {
	const char *json, *part; /* part: text of the message */
} messages[] = {
	{ "{}", "\r\n\r\n" },
	{ "{\"from\":[{\"name\":\"J\xc3\xb6rg\",\"email\":\"j@x.test\"}]}", "From: =?utf-8?" },
	{ "{\"to\":[{\"email\":\"a@x.test\"},{\"name\":\"B, C\",\"email\":\"b@x.test\"}]}", "To: a@x.test, \"B, C\" <b@x.test>\r\n" },
	{ "{\"subject\":\"plain\"}", "Subject: plain\r\n" },
	{ "{\"sentAt\":\"2014-10-30T14:12:00+08:00\"}", "Date: Thu, 30 Oct 2014 14:12:00 +0800\r\n" },
	{ "{}", "Date: Thu, 30 Oct 2014 06:12:00 +0000\r\n" },
	{ "{\"messageId\":[\"own@x.test\"]}", "Message-ID: <own@x.test>\r\n" },
	{ "{\"references\":[\"a@x\",\"b@x\"],\"inReplyTo\":[\"b@x\"]}", "References: <a@x> <b@x>\r\n" },
	{ "{\"header:X-Own:asText\":\"v\"}", "X-Own: v\r\n" },
	{ "{\"header:X-Own\":\" raw\"}", "X-Own: raw\r\n" },
	{ "{\"textBody\":[{\"partId\":\"t\",\"type\":\"text/plain\"}],\"bodyValues\":{\"t\":{\"value\":\"hello\\nworld\\n\"}}}",
	    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nhello\r\nworld\r\n" },
	{ "{\"textBody\":[{\"partId\":\"t\"}],\"htmlBody\":[{\"partId\":\"h\"}],\"bodyValues\":{\"t\":{\"value\":\"x\"},\"h\":{\"value\":\"<b>x</b>\"}}}",
	    "Content-Type: multipart/alternative;" },
	{ "{\"textBody\":[{\"partId\":\"t\"}],\"attachments\":[{\"blobId\":\"Upng\",\"type\":\"image/png\",\"name\":\"a.png\"}],"
	  "\"bodyValues\":{\"t\":{\"value\":\"x\"}}}",
	    "Content-Disposition: attachment; filename=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n" },
	{ "{\"htmlBody\":[{\"partId\":\"h\"}],\"attachments\":[{\"blobId\":\"Upng\",\"cid\":\"c@x\",\"disposition\":\"inline\"}],"
	  "\"bodyValues\":{\"h\":{\"value\":\"<img src=cid:c@x>\"}}}",
	    "Content-ID: <c@x>\r\n" },
	{ "{\"attachments\":[{\"blobId\":\"Umsg\",\"type\":\"message/rfc822\"}]}",
	    "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: inner\r\n\r\nbody\r\n" },
	{ "{\"bodyStructure\":{\"type\":\"multipart/mixed\",\"subParts\":[{\"partId\":\"t\",\"type\":\"text/plain\",\"header:X-P:asText\":\"p\"}]},"
	  "\"bodyValues\":{\"t\":{\"value\":\"x\"}}}",
	    "X-P: p\r\n" },
};

START_TEST(messages_are_built)
{
	struct buf out = BUF_INIT(65536);
	json_t *error = build(messages[_i].json, &out);

	ck_assert_msg(error == NULL, "%s", messages[_i].json);
	ck_assert_msg(strstr(buf_cstr(&out), messages[_i].part) != NULL, "%s gives %s", messages[_i].json, buf_cstr(&out));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "MIME-Version: 1.0\r\n"));
	/* Every line end is CRLF. */
	for (size_t i = 0; i < out.len; i++)
		ck_assert(out.data[i] != '\n' || (i > 0 && out.data[i - 1] == '\r'));
	buf_free(&out);
}
END_TEST

static const struct {
	const char *json, *error;
} refusals[] = {
	{ "{\"headers\":[]}", "headers" },
	{ "{\"id\":\"x\"}", "id" },
	{ "{\"subject\":1}", "subject" },
	{ "{\"from\":[{\"email\":\"no at\"}]}", "from" },
	{ "{\"from\":\"a@x\"}", "from" },
	{ "{\"subject\":\"a\",\"header:Subject:asText\":\"b\"}", "given twice" },
	{ "{\"header:Content-Type\":\"text/plain\"}", "The server writes" },
	{ "{\"header:X-Own\":\"a\\r\\nEvil: b\"}", "header:X-Own" },
	{ "{\"sentAt\":\"yesterday\"}", "sentAt" },
	{ "{\"messageId\":[\"a b\"]}", "messageId" },
	{ "{\"textBody\":[{\"partId\":\"t\"}]}", "bodyValues" },
	{ "{\"textBody\":[{\"partId\":\"t\"},{\"partId\":\"u\"}]}", "textBody" },
	{ "{\"textBody\":[{\"partId\":\"t\",\"type\":\"text/html\"}],\"bodyValues\":{\"t\":{\"value\":\"x\"}}}", "textBody" },
	{ "{\"textBody\":[{\"partId\":\"t\",\"blobId\":\"Upng\"}],\"bodyValues\":{\"t\":{\"value\":\"x\"}}}", "either partId or blobId" },
	{ "{\"textBody\":[{\"partId\":\"t\",\"charset\":\"utf-8\"}],\"bodyValues\":{\"t\":{\"value\":\"x\"}}}", "charset" },
	{ "{\"textBody\":[{\"partId\":\"t\"}],\"bodyValues\":{\"t\":{\"value\":\"x\",\"isTruncated\":true}}}", "bodyValues" },
	{ "{\"bodyStructure\":{\"type\":\"multipart/mixed\",\"subParts\":[]}}", "subParts" },
	{ "{\"bodyStructure\":{\"type\":\"multipart/mixed\",\"partId\":\"t\"}}", "bodyStructure" },
	{ "{\"bodyStructure\":{\"partId\":\"t\"},\"textBody\":[],\"bodyValues\":{\"t\":{\"value\":\"x\"}}}", "textBody" },
	{ "{\"attachments\":[{\"blobId\":\"Unone\"}]}", "blobNotFound" },
	{ "{\"attachments\":[{\"blobId\":\"Upng\",\"type\":\"no type\"}]}", "type" },
	{ "{\"attachments\":[{\"blobId\":\"Upng\",\"cid\":\"a>b\"}]}", "cid" },
};

START_TEST(wrong_objects_are_refused)
{
	struct buf out = BUF_INIT(65536);
	json_t *error = build(refusals[_i].json, &out);
	char *text;

	ck_assert_msg(error != NULL, "%s", refusals[_i].json);
	text = json_dumps(error, 0);
	ck_assert_msg(strstr(text, refusals[_i].error) != NULL, "%s gives %s", refusals[_i].json, text);
	free(text);
	json_decref(error);
	buf_free(&out);
}
END_TEST

START_TEST(size_is_bounded)
{
	struct buf out = BUF_INIT(300);
	json_t *error = build("{\"textBody\":[{\"partId\":\"t\"}],\"bodyValues\":{\"t\":{\"value\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	                      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}}}", &out);

	ck_assert_ptr_nonnull(error);
	ck_assert_str_eq(json_string_value(json_object_get(error, "type")), "tooLarge");
	json_decref(error);
	buf_free(&out);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("jmap_email");
	TCase *tests = tcase_create("jmap_email");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, fields_are_read, 0, COUNT(properties));
	tcase_add_loop_test(tests, parts_are_sorted, 0, COUNT(structures));
	tcase_add_test(tests, parts_are_described);
	tcase_add_loop_test(tests, messages_are_built, 0, COUNT(messages));
	tcase_add_loop_test(tests, wrong_objects_are_refused, 0, COUNT(refusals));
	tcase_add_test(tests, size_is_bounded);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
