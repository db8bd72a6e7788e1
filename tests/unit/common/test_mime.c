/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The MIME parser: offsets, part numbers of RFC 3501 section 6.4.5, line ends, what is broken, limits at N-1, N, N+1. */
#include "common/crlf.h"
#include "common/mime.h"
#include "tests/unit/common/syntax.h"

/* The tree that RFC 3501 section 6.4.5 numbers. */
static const char rfc_tree[] =
    "Content-Type: multipart/mixed; boundary=outer\r\nSubject: all\r\n\r\npreamble\r\n"
    "--outer\r\n\r\ntext of 1\r\n"
    "--outer\r\nContent-Type: application/octet-stream\r\n\r\nbytes of 2\r\n"
    "--outer\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: three\r\nContent-Type: multipart/mixed; boundary=three\r\n\r\n"
    "--three\r\nContent-Type: text/plain\r\n\r\ntext of 3.1\r\n"
    "--three\r\nContent-Type: application/octet-stream\r\n\r\nbytes of 3.2\r\n--three--\r\n"
    "--outer\r\nContent-Type: multipart/mixed; boundary=four\r\n\r\n"
    "--four\r\nContent-Type: image/gif\r\n\r\ngif of 4.1\r\n"
    "--four\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: four two\r\nContent-Type: multipart/mixed; boundary=fourtwo\r\n\r\n"
    "--fourtwo\r\nContent-Type: text/plain\r\n\r\ntext of 4.2.1\r\n"
    "--fourtwo\r\nContent-Type: multipart/alternative; boundary=alt\r\n\r\n"
    "--alt\r\nContent-Type: text/plain\r\n\r\ntext of 4.2.2.1\r\n"
    "--alt\r\nContent-Type: text/richtext\r\n\r\ntext of 4.2.2.2\r\n--alt--\r\n"
    "--fourtwo--\r\n--four--\r\n--outer--\r\nepilogue\r\n";

static struct span
section(const struct mime_message *message, const char *number, enum mime_section which)
{
	uint32_t numbers[10];
	size_t depth = 0;
	struct span rest = span_of(number), part, found = SPAN_NULL;
	uint64_t value;

	while (span_split(&rest, '.', &part)) {
		ck_assert_int_eq(span_to_u64(part, 100, &value), 0);
		numbers[depth++] = (uint32_t)value;
	}
	return mime_section(message, numbers, depth, which, &found) ? found : SPAN_NULL;
}

START_TEST(sections)
{
	static const struct {
		const char *number;
		enum mime_section which;
		const char *begin; /* NULL: there is none */
		const char *end;
	} rows[] = {
		{ "", MIME_SECTION_ALL, "Content-Type: multipart/mixed; boundary=outer", "epilogue\r\n" },
		{ "", MIME_SECTION_HEADER, "Content-Type: multipart/mixed; boundary=outer", "Subject: all\r\n\r\n" },
		{ "", MIME_SECTION_TEXT, "preamble", "epilogue\r\n" }, { "", MIME_SECTION_MIME, NULL, NULL },
		{ "1", MIME_SECTION_ALL, "text of 1", "text of 1" }, { "1", MIME_SECTION_MIME, "\r\n", "\r\n" },
		{ "1", MIME_SECTION_HEADER, NULL, NULL }, { "1", MIME_SECTION_TEXT, NULL, NULL },
		{ "2", MIME_SECTION_ALL, "bytes of 2", "bytes of 2" }, { "2", MIME_SECTION_MIME, "Content-Type: app", "stream\r\n\r\n" },
		{ "3", MIME_SECTION_ALL, "Subject: three", "--three--" }, { "3", MIME_SECTION_HEADER, "Subject: three", "boundary=three\r\n\r\n" },
		{ "3", MIME_SECTION_TEXT, "--three\r\n", "--three--" }, { "3", MIME_SECTION_MIME, "Content-Type: message", "rfc822\r\n\r\n" },
		{ "3.1", MIME_SECTION_ALL, "text of 3.1", "text of 3.1" }, { "3.2", MIME_SECTION_ALL, "bytes of 3.2", "bytes of 3.2" },
		{ "3.3", MIME_SECTION_ALL, NULL, NULL }, { "3.0", MIME_SECTION_ALL, NULL, NULL },
		{ "4", MIME_SECTION_ALL, "--four\r\n", "--four--" }, { "4", MIME_SECTION_HEADER, NULL, NULL },
		{ "4.1", MIME_SECTION_ALL, "gif of 4.1", "gif of 4.1" }, { "4.1", MIME_SECTION_MIME, "Content-Type: image/gif", "\r\n\r\n" },
		{ "4.2", MIME_SECTION_ALL, "Subject: four two", "--fourtwo--" }, { "4.2", MIME_SECTION_HEADER, "Subject: four two", "\r\n\r\n" },
		{ "4.2", MIME_SECTION_TEXT, "--fourtwo\r\n", "--fourtwo--" }, { "4.2.1", MIME_SECTION_ALL, "text of 4.2.1", "text of 4.2.1" },
		{ "4.2.2", MIME_SECTION_ALL, "--alt\r\n", "--alt--" }, { "4.2.2.1", MIME_SECTION_ALL, "text of 4.2.2.1", "text of 4.2.2.1" },
		{ "4.2.2.2", MIME_SECTION_MIME, "Content-Type: text/richtext", "\r\n\r\n" }, { "5", MIME_SECTION_ALL, NULL, NULL },
		{ "1.1", MIME_SECTION_ALL, NULL, NULL }, { "4.1.1", MIME_SECTION_ALL, NULL, NULL },
	};
	struct mime_message *message = mime_parse(span_of(rfc_tree));

	ck_assert_uint_eq(message->count, 15);
	ck_assert(!message->cut);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span found = section(message, rows[i].number, rows[i].which);

		ck_assert_msg((found.ptr != NULL) == (rows[i].begin != NULL), "%s/%d", rows[i].number, rows[i].which);
		if (rows[i].begin == NULL)
			continue;
		ck_assert_msg(span_starts(found, span_of(rows[i].begin)) && span_ends(found, span_of(rows[i].end)), "%s/%d: %.*s",
		    rows[i].number, rows[i].which, (int)found.len, found.ptr);
	}
	message = mime_free(message);
}
END_TEST

START_TEST(numbers)
{
	struct mime_message *message = mime_parse(span_of(rfc_tree));
	struct buf all = BUF_INIT(TEXT_MAX);

	for (uint32_t i = 0; i < message->count; i++) {
		struct buf out = BUF_INIT(100);

		ck_assert_int_eq(mime_number(message, i, &out), 0);
		(void)buf_fmt(&all, "%s%s", i != 0 ? " " : "", buf_cstr(&out));
		/* The root of a multipart message in a part has that part's number. */
		if (message->parts[i].parent == MIME_NONE || message->parts[message->parts[i].parent].kind != MIME_MESSAGE)
			ck_assert_uint_eq(mime_find_number(message, buf_get(&out)), i);
		buf_free(&out);
	}
	ck_buf(&all, SPAN(" 1 2 3 3 3.1 3.2 4 4.1 4.2 4.2 4.2.1 4.2.2 4.2.2.1 4.2.2.2") , "numbers");
	ck_assert_uint_eq(mime_find_number(message, SPAN("")), 0);
	ck_assert_uint_eq(mime_find_number(message, SPAN("1.")), MIME_NONE);
	ck_assert_uint_eq(mime_find_number(message, SPAN(".1")), MIME_NONE);
	ck_assert_uint_eq(mime_find_number(message, SPAN("x")), MIME_NONE);
	ck_assert_uint_eq(mime_find_number(message, SPAN("99999999999")), MIME_NONE);
	message = mime_free(message);
}
END_TEST

START_TEST(single_part_numbers)
{
	struct mime_message *message = mime_parse(SPAN("Subject: x\r\n\r\nbody"));

	ck_assert(span_eq(section(message, "1", MIME_SECTION_ALL), SPAN("body")));
	ck_assert(span_eq(section(message, "1", MIME_SECTION_MIME), SPAN("Subject: x\r\n\r\n")));
	ck_assert_ptr_null(section(message, "1", MIME_SECTION_HEADER).ptr);
	ck_assert_ptr_null(section(message, "1.1", MIME_SECTION_ALL).ptr);
	ck_assert_ptr_null(section(message, "2", MIME_SECTION_ALL).ptr);
	message = mime_free(message);
	/* A message that is a message. */
	message = mime_parse(SPAN("Content-Type: message/rfc822\n\nSubject: inner\n\ninner body"));
	ck_assert(span_starts(section(message, "1", MIME_SECTION_ALL), SPAN("Subject: inner")));
	ck_assert(span_eq(section(message, "1", MIME_SECTION_HEADER), SPAN("Subject: inner\n\n")));
	ck_assert(span_eq(section(message, "1", MIME_SECTION_TEXT), SPAN("inner body")));
	ck_assert(span_eq(section(message, "1.1", MIME_SECTION_ALL), SPAN("inner body")));
	ck_assert_ptr_null(section(message, "1.1.1", MIME_SECTION_ALL).ptr);
	message = mime_free(message);
}
END_TEST

/* LF and CRLF forms of one message have the same parts and, shown with CRLF, the same sizes; every count is that of its bytes. */
START_TEST(line_ends)
{
	struct buf lf = BUF_INIT(TEXT_MAX);
	struct mime_message *with_crlf = mime_parse(span_of(rfc_tree)), *with_lf;

	for (size_t i = 0; i < strlen(rfc_tree); i++)
		if (rfc_tree[i] != '\r')
			(void)buf_char(&lf, rfc_tree[i]);
	with_lf = mime_parse(buf_get(&lf));
	ck_assert_uint_eq(with_lf->count, with_crlf->count);
	for (uint32_t i = 0; i < with_lf->count; i++) {
		const struct mime_part *a = &with_lf->parts[i], *b = &with_crlf->parts[i];

		ck_assert_uint_eq(a->body_len + a->body_bare, b->body_len);
		ck_assert_uint_eq(a->header_len + a->header_bare, b->header_len);
		ck_assert_uint_eq(a->body_lines, b->body_lines);
		ck_assert_uint_eq(b->body_bare + b->header_bare, 0);
		ck_assert_uint_eq(crlf_size(mime_body(with_lf, a)), b->body_len);
		ck_assert_uint_eq(crlf_size(mime_header(with_lf, a)), b->header_len);
		ck_assert(a->parent == b->parent && a->next == b->next && a->children == b->children && a->number == b->number &&
		    a->depth == b->depth && a->kind == b->kind);
	}
	with_lf = mime_free(with_lf);
	with_crlf = mime_free(with_crlf);
	buf_free(&lf);
}
END_TEST

/* A part lies within the one around it, behind its siblings, and its counts are those of its bytes. */
static void
check_places(const struct mime_message *message)
{
	uint64_t last = 0;

	for (uint32_t i = 0; i < message->count; i++) {
		const struct mime_part *part = &message->parts[i];
		uint64_t lines = 0;

		ck_assert(part->header_at >= last && part->header_at + part->header_len == part->body_at);
		ck_assert_uint_eq(crlf_size(mime_header(message, part)), part->header_len + part->header_bare);
		ck_assert_uint_eq(crlf_size(mime_body(message, part)), part->body_len + part->body_bare);
		for (uint64_t at = part->body_at; at < part->body_at + part->body_len; at++)
			lines += message->bytes.ptr[at] == '\n';
		ck_assert_uint_eq(lines, part->body_lines);
		for (uint32_t up = part->parent; up != MIME_NONE; up = message->parts[up].parent)
			ck_assert(part->header_at >= message->parts[up].body_at &&
			    part->body_at + part->body_len <= message->parts[up].body_at + message->parts[up].body_len);
		last = part->kind == MIME_LEAF ? part->body_at + part->body_len : part->body_at;
	}
}

static void
structure(struct span bytes, struct buf *out)
{
	struct mime_message *message = mime_parse(bytes);
	uint16_t depth = 0;

	check_places(message);
	for (uint32_t i = 0; i < message->count; i++) {
		const struct mime_part *part = &message->parts[i];

		for (; depth > part->depth; depth--)
			(void)buf_char(out, ')');
		if (i != 0)
			(void)buf_char(out, part->number == 1 ? '(' : ',');
		depth = part->depth;
		(void)buf_span(out, part->type);
		(void)buf_char(out, '/');
		(void)buf_span(out, part->subtype);
		if (part->kind == MIME_LEAF) {
			(void)buf_char(out, '=');
			(void)buf_span(out, mime_body(message, part));
		}
	}
	for (; depth > 0; depth--)
		(void)buf_char(out, ')');
	message = mime_free(message);
}

START_TEST(shapes)
{
	static const struct {
		const char *message, *structure;
	} rows[] = {
		{ "", "text/plain=" }, { "\n", "text/plain=" }, { "A: b\n\nbody\n", "text/plain=body\n" }, { "A: b", "text/plain=" },
		{ "no header\nat all\n", "text/plain=no header\nat all\n" },
		/* Content-Type: case, comments, folds; what cannot be read is the default */
		{ "content-type: TEXT/Html\n\nx", "TEXT/Html=x" }, { "Content-Type: (c) text (d)\n / (e) html ; charset=x\n\nx", "text/html=x" },
		{ "Content-Type: text\n\nx", "text/plain=x" }, { "Content-Type: /x\n\nx", "text/plain=x" }, { "Content-Type:\n\nx", "text/plain=x" },
		{ "Content-Type: a/b\nContent-Type: c/d\n\nx", "a/b=x" },
		/* multiparts */
		{ "Content-Type: multipart/mixed\n\n--x\n", "text/plain=--x\n" },
		{ "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n", "text/plain=--\n" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n", "multipart/mixed(text/plain=one,text/plain=two)" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none", "multipart/mixed(text/plain=one)" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b", "multipart/mixed(text/plain=)" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b--\n", "multipart/mixed" }, { "Content-Type: multipart/mixed; boundary=b", "multipart/mixed" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n\n--b--", "multipart/mixed(text/plain=)" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n--b--", "multipart/mixed(text/plain=,text/plain=)" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b\nA: b\n--b--", "multipart/mixed(text/plain=)" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b\nno header\n--b--", "multipart/mixed(text/plain=no header)" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b \t\n\none\n --b\n--b--", "multipart/mixed(text/plain=one\n --b)" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n--b\n\nno more\n", "multipart/mixed(text/plain=one)" },
		{ "Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\n\n--ab\n\none\n--ab--", "multipart/mixed(text/plain=one)" },
		{ "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\n\none\n--b--", "multipart/mixed(text/plain=one)" },
		/* a boundary of the parent ends the child, in its header, body, preamble and epilogue */
		{ "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/x; boundary=i\n\n--i\n\none\n--o\n\ntwo\n--o--",
		  "multipart/mixed(multipart/x(text/plain=one),text/plain=two)" },
		{ "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/x; boundary=i\n\n--o\n\ntwo\n--i\n--o--",
		  "multipart/mixed(multipart/x,text/plain=two\n--i)" },
		/* of two boundaries the longer one, of two equal ones the inner */
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/x; boundary=bb\n\n--bb\n\none\n--bb--\n--b\n\ntwo",
		  "multipart/mixed(multipart/x(text/plain=one),text/plain=two)" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/x; boundary=b\n\n--b\n\none\n--b--\n--b\n\ntwo",
		  "multipart/mixed(multipart/x(text/plain=one),text/plain=two)" },
		/* digests and messages */
		{ "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\none\n--b\nContent-Type: text/plain\n\ntwo\n--b--",
		  "multipart/digest(message/rfc822(text/plain=one),text/plain=two)" },
		{ "Content-Type: multipart/digest; boundary=b\n\n--b\n--b--", "multipart/digest(message/rfc822(text/plain=))" },
		/* the line end that ends the innermost header is no boundary's, for any part around it */
		{ "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n\r\n--b--", "multipart/digest(message/rfc822(text/plain=))" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/x; boundary=i\n\n--i\nA: b\n--b--",
		  "multipart/mixed(multipart/x(text/plain=))" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nContent-Type: message/rfc822\n\n\n--b\n\nx\n--b--",
		  "multipart/mixed(message/rfc822(message/rfc822(text/plain=)),text/plain=x)" },
		{ "Content-Type: message/rfc822", "message/rfc822(text/plain=)" },
		{ "Content-Type: message/global\nContent-Transfer-Encoding: 8bit\n\nA: b\n\nx", "message/global(text/plain=x)" },
		{ "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQTogYgoKeA==", "message/rfc822=QTogYgoKeA==" },
		{ "Content-Type: message/rfc822\nContent-Transfer-Encoding: x-odd\n\nA: b\n\nx", "message/rfc822=A: b\n\nx" },
		{ "Content-Type: message/partial\n\nA: b\n\nx", "message/partial=A: b\n\nx" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);

		structure(span_of(rows[i].message), &out);
		ck_buf(&out, span_of(rows[i].structure), rows[i].message);
	}
}
END_TEST

START_TEST(fields)
{
	struct mime_message *message = mime_parse(SPAN("Content-Type: text/plain; charset=\"x\"; name=\"c:\\\\dir\\\\a.txt\"\n"
	    "Content-Disposition: Attachment; filename*=utf-8''%2Fetc%2Fpass%0Awd\nContent-Transfer-Encoding: (c) BASE64\nContent-ID: <a@b>\n"
	    "Content-Description: d\nContent-Language: en\nContent-Location: l\nContent-MD5: m\n\nx"));
	const struct mime_part *part = &message->parts[0];
	struct buf out = BUF_INIT(TEXT_MAX);

	ck_assert(part->typed && part->encoding == MIME_BASE64 && span_eq(part->disposition, SPAN("Attachment")));
	ck_assert(span_eq(span_trim(part->id_value), SPAN("<a@b>")) && span_eq(span_trim(part->description_value), SPAN("d")));
	ck_assert(span_eq(span_trim(part->language_value), SPAN("en")) && span_eq(span_trim(part->location_value), SPAN("l")));
	ck_assert(span_eq(span_trim(part->md5_value), SPAN("m")));
	ck_assert(mime_type_parameter(part, SPAN("charset"), &out));
	ck_buf(&out, SPAN("x"), "charset");
	ck_assert(!mime_type_parameter(part, SPAN("boundary"), &out));
	ck_assert(mime_filename(part, &out));
	ck_buf(&out, SPAN("pass_wd"), "filename");
	message = mime_free(message);
	message = mime_parse(SPAN("Content-Type: text/plain; name=\"c:\\\\dir\\\\a.txt\"\n\n"));
	ck_assert(mime_filename(&message->parts[0], &out));
	ck_buf(&out, SPAN("a.txt"), "name");
	message = mime_free(message);
	message = mime_parse(SPAN("Content-Disposition: attachment; filename=\"../..\"\n\n"));
	ck_assert(!mime_filename(&message->parts[0], &out));
	message = mime_free(message);
}
END_TEST

START_TEST(part_limit)
{
	for (size_t count = MIME_PARTS_MAX - 1; count <= MIME_PARTS_MAX + 1; count++) {
		struct buf text = BUF_INIT(TEXT_MAX);
		struct mime_message *message;

		(void)buf_str(&text, "Content-Type: multipart/mixed; boundary=b\n\n");
		for (size_t i = 1; i < count; i++)
			(void)buf_str(&text, "--b\n\nx\n");
		(void)buf_str(&text, "--b--\n");
		message = mime_parse(buf_get(&text));
		ck_assert_uint_eq(message->count, count < MIME_PARTS_MAX ? count : MIME_PARTS_MAX);
		/* The last one takes what is left: no byte is lost. */
		ck_assert(span_starts(mime_body(message, &message->parts[message->count - 1]), SPAN("x")));
		ck_assert(message->parts[message->count - 1].body_len > 1 ? count >= MIME_PARTS_MAX : count < MIME_PARTS_MAX);
		message = mime_free(message);
		buf_free(&text);
	}
}
END_TEST

START_TEST(depth_limit)
{
	for (unsigned depth = MIME_DEPTH_MAX - 1; depth <= MIME_DEPTH_MAX + 1; depth++) {
		for (int messages = 0; messages < 2; messages++) {
			struct buf text = BUF_INIT(TEXT_MAX);
			struct mime_message *message;

			for (unsigned i = 0; i < depth && messages != 0; i++)
				(void)buf_str(&text, "Content-Type: message/rfc822\n\n");
			for (unsigned i = 0; i < depth && messages == 0; i++)
				(void)buf_fmt(&text, "Content-Type: multipart/mixed; boundary=b%03u\n\n--b%03u\n", i, i);
			(void)buf_str(&text, "\nend");
			message = mime_parse(buf_get(&text));
			ck_assert_uint_eq(message->count, (depth < MIME_DEPTH_MAX ? depth : MIME_DEPTH_MAX) + 1);
			ck_assert(message->cut == (depth > MIME_DEPTH_MAX));
			ck_assert(mime_is(&message->parts[message->count - 1], message->cut ? SPAN("application") : SPAN("text"), SPAN_NULL));
			ck_assert(span_ends(mime_body(message, &message->parts[message->count - 1]), SPAN("end")));
			message = mime_free(message);
			buf_free(&text);
		}
	}
}
END_TEST

START_TEST(boundary_limit)
{
	for (size_t len = MIME_BOUNDARY_MAX - 1; len <= MIME_BOUNDARY_MAX + 1; len++) {
		struct buf text = BUF_INIT(TEXT_MAX), boundary = BUF_INIT(TEXT_MAX);
		struct mime_message *message;

		while (boundary.len < len)
			(void)buf_char(&boundary, 'b');
		(void)buf_fmt(&text, "Content-Type: multipart/mixed; boundary=%s\n\n--%s\n\nx", buf_cstr(&boundary), buf_cstr(&boundary));
		message = mime_parse(buf_get(&text));
		ck_assert_uint_eq(message->count, len <= MIME_BOUNDARY_MAX ? 2 : 1);
		message = mime_free(message);
		buf_free(&text);
		buf_free(&boundary);
	}
}
END_TEST

/* A hundred open boundaries that all begin alike, and millions of lines that nearly match. */
START_TEST(not_quadratic)
{
	struct buf text = BUF_INIT(32u << 20);
	struct mime_message *message;

	for (unsigned i = 0; i < MIME_DEPTH_MAX; i++)
		(void)buf_fmt(&text, "Content-Type: multipart/mixed; boundary=%s%u\n\n--%s%u\n", "aaaaaaaaaaaaaaaa", 1000 + i, "aaaaaaaaaaaaaaaa", 1000 + i);
	(void)buf_str(&text, "\n");
	while (text.len < 20u << 20)
		(void)buf_str(&text, "--aaaaaaaaaaaaaaaa999\n");
	message = mime_parse(buf_get(&text));
	ck_assert_uint_eq(message->count, MIME_DEPTH_MAX + 1);
	message = mime_free(message);
	buf_free(&text);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		sections, numbers, single_part_numbers, line_ends, shapes, fields, part_limit, depth_limit, boundary_limit, not_quadratic,
	};

	return run_suite("mime", tests, COUNT(tests));
}
