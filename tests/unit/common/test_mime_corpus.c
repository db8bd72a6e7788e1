/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The messages of Apache James mime4j (tests/data/mime, Apache License 2.0): the parts that our parser finds, written as the events that
 * mime4j's parser reports, field by field and byte by byte: as they stand in the message (*.xml), and decoded (*_decoded.xml, which names a
 * file for each body). A body that is encoded must decode to that file, made by Python's base64 and quopri; every other one has no file
 * and must come out as it stands. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mime_text.h"
#include "common/xalloc.h"

#define FOLDER "tests/data/mime"
#define FILE_MAX (1u << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum form { STANDING, DECODED, FORMS };

static const char *const suffixes[FORMS] = { ".xml", "_decoded.xml" };

/* Where we differ on purpose: what we make of it instead (type/subtype, parts in brackets). Of all others both forms agree. */
static const struct {
	const char *name;
	const char *structure;
	bool decoded_agrees;
} differences[] = {
	/* RFC 2046 section 5.2.1 allows no base64 for message/rfc822, and IMAP could not address parts inside of it: it stays one part. What
	 * it decodes to, parsed once more, is what mime4j finds inside. */
	{ "base64encoded-rfc822message", "message/rfc822", true },
	{ "base64encoded-rfc822message-nested", "message/rfc822", true },
	{ "bad-newlines-multiple-parts-base64", "message/rfc822", true },
	/* Made for an option of mime4j under which a bad line begins the body. Here it does so only where no empty line follows. */
	{ "malformedHeaderStartsBody-nocrlfcrlf", "text/plain", false },
	/* No empty line: text without a header is shown as the body, where mime4j's default drops it as bad fields, */
	{ "malformedHeader-noheader", "text/plain", true },
	/* and all of it, where the file has the first line only. (The decoded form names the body and does not hold it.) */
	{ "malformedHeaderStartsBody-noheader", "text/plain", true },
	/* A multipart without any part: the end delimiter and what follows is not told from the preamble, for no part is there to show. */
	{ "multipartnopart", "multipart/mixed", false },
	{ "missing-inner-start-boundary", "multipart/mixed(text/plain,multipart/alternative)", false },
};

/* False when there is none. */
static bool
read_file(const char *name, const char *suffix, struct buf *out)
{
	char path[512];
	FILE *file;
	size_t got;

	ck_assert_int_lt(snprintf(path, sizeof(path), FOLDER "/%s%s", name, suffix), (int)sizeof(path));
	file = fopen(path, "rb");
	if (file == NULL)
		return false;
	do {
		char chunk[4096];

		got = fread(chunk, 1, sizeof(chunk), file);
		ck_assert_int_eq(buf_put(out, chunk, got), 0);
	} while (got != 0);
	(void)fclose(file);
	return true;
}

static void
drop_cr(struct buf *text)
{
	size_t len = 0;

	for (size_t i = 0; i < text->len; i++)
		if (text->data[i] != '\r')
			text->data[len++] = text->data[i];
	buf_truncate(text, len);
}

static void
put_escaped(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		switch (text.ptr[i]) {
		case '\r':
			break;
		case '<':
			(void)buf_str(out, "&lt;");
			break;
		case '>':
			(void)buf_str(out, "&gt;");
			break;
		case '&':
			(void)buf_str(out, "&amp;");
			break;
		default:
			(void)buf_char(out, text.ptr[i]);
		}
	}
}

static void
put_element(struct buf *out, const char *name, struct span text)
{
	(void)buf_fmt(out, "<%s>\n", name);
	put_escaped(out, text);
	(void)buf_fmt(out, "</%s>\n", name);
}

static void
put_header(struct buf *out, struct span block)
{
	struct header_iter iter;
	struct header_field field;

	(void)buf_str(out, "<header>\n");
	header_begin(&iter, block);
	while (header_next(&iter, &field)) {
		struct span text = field.whole;

		if (field.name.len == 0)
			continue; /* a line that is no field */
		while (text.len != 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
			text.len--;
		put_element(out, "field", text);
	}
	(void)buf_str(out, "</header>\n");
}

/* The bytes before a delimiter line: without it and the line end before it. */
static struct span
before_delimiter(struct span text)
{
	ptrdiff_t newline;

	if (text.len != 0)
		text.len--;
	newline = span_rchr(text, '\n');
	text.len = newline >= 0 ? (size_t)newline : 0;
	return text;
}

static struct span
between(const struct mime_message *message, uint64_t from, uint64_t to)
{
	return span_make(message->bytes.ptr + from, to > from ? (size_t)(to - from) : 0);
}

static void
put_preamble(struct buf *out, const struct mime_message *message, const struct mime_part *part)
{
	struct span text;

	if (part->children == 0) {
		text = mime_body(message, part);
	} else {
		text = between(message, part->body_at, part[1].header_at);
		if (span_rchr(span_make(text.ptr, text.len - 1), '\n') < 0)
			return;
		text = before_delimiter(text);
	}
	put_element(out, "preamble", text);
}

static void
put_epilogue(struct buf *out, const struct mime_message *message, uint32_t index)
{
	const struct mime_part *part = &message->parts[index];
	uint32_t last = mime_first_child(message, index);
	struct span text;
	ptrdiff_t newline;

	if (last == MIME_NONE)
		return;
	while (message->parts[last].next != MIME_NONE)
		last = message->parts[last].next;
	/* After the line end that is the delimiter's and the delimiter line. */
	text = between(message, message->parts[last].body_at + message->parts[last].body_len, part->body_at + part->body_len);
	for (int i = 0; i < 2; i++) {
		newline = span_chr(text, '\n');
		if (i == 0 && span_starts(text, SPAN("--")))
			continue;
		if (newline < 0)
			return;
		text = span_skip(text, (size_t)newline + 1);
	}
	if (text.len != 0)
		put_element(out, "epilogue", text);
}

static void
close_part(struct buf *out, const struct mime_message *message, uint32_t index)
{
	const struct mime_part *part = &message->parts[index];
	bool inner = part->parent == MIME_NONE || message->parts[part->parent].kind == MIME_MESSAGE;

	if (part->kind == MIME_MULTIPART) {
		put_epilogue(out, message, index);
		(void)buf_str(out, "</multipart>\n");
	}
	(void)buf_str(out, inner ? "</message>\n" : "</body-part>\n");
}

static void put_events(struct buf *out, const struct mime_message *message, enum form form, const char *name);

/* NAME_1_2: the file of a part, by its number among its siblings at each depth. */
static void
put_file_name(struct buf *out, const struct mime_message *message, uint32_t index, const char *name)
{
	uint32_t numbers[MIME_DEPTH_MAX + 1];
	size_t count = 0;

	for (; index != MIME_NONE; index = message->parts[index].parent)
		numbers[count++] = message->parts[index].number;
	(void)buf_str(out, name);
	while (count > 0)
		(void)buf_fmt(out, "_%u", numbers[--count]);
}

static void
put_decoded(struct buf *out, const struct mime_message *message, uint32_t index, const char *name)
{
	const struct mime_part *part = &message->parts[index];
	bool text = mime_is(part, SPAN("text"), SPAN_NULL), encoded = part->encoding > MIME_BINARY;
	struct buf ours = BUF_INIT(FILE_MAX), theirs = BUF_INIT(FILE_MAX), file = BUF_INIT(512);
	const char *suffix = text ? ".txt" : ".bin";

	put_file_name(&file, message, index, name);
	if (mime_is(part, SPAN("message"), SPAN("rfc822"))) {
		struct mime_message *inner;

		ck_assert_int_eq(mime_body_decode(message, index, &ours), 0);
		inner = mime_parse(buf_get(&ours));
		put_events(out, inner, DECODED, buf_cstr(&file));
		inner = mime_free(inner);
	} else {
		(void)buf_fmt(out, "<%s-body name=\"%s%s\"/>\n", text ? "text" : "binary", buf_cstr(&file), suffix);
		ck_assert_int_eq(text ? mime_text_decode(message, index, &ours) : mime_body_decode(message, index, &ours), 0);
		if (!encoded) {
			(void)buf_span(&theirs, mime_body(message, part));
			drop_cr(&theirs);
		}
		ck_assert_msg(read_file(buf_cstr(&file), suffix, &theirs) == encoded, "%s: there is a file for each encoded body", buf_cstr(&file));
		ck_assert_msg(span_eq(buf_get(&ours), buf_get(&theirs)), "%s: \"%s\"", buf_cstr(&file), buf_cstr(&ours));
	}
	buf_free(&ours);
	buf_free(&theirs);
	buf_free(&file);
}

static void
put_events(struct buf *out, const struct mime_message *message, enum form form, const char *name)
{
	uint32_t open = MIME_NONE;

	for (uint32_t i = 0; i < message->count; i++) {
		const struct mime_part *part = &message->parts[i];

		for (; open != part->parent; open = message->parts[open].parent)
			close_part(out, message, open);
		open = i;
		(void)buf_str(out, part->parent == MIME_NONE || message->parts[part->parent].kind == MIME_MESSAGE ? "<message>\n" :
		    "<body-part>\n");
		put_header(out, mime_header(message, part));
		if (part->kind == MIME_MULTIPART) {
			(void)buf_str(out, "<multipart>\n");
			put_preamble(out, message, part);
		} else if (part->kind == MIME_LEAF && form == DECODED) {
			put_decoded(out, message, i, name);
		} else if (part->kind == MIME_LEAF) {
			put_element(out, "body", mime_body(message, part));
		}
	}
	for (; open != MIME_NONE; open = message->parts[open].parent)
		close_part(out, message, open);
}

static void
put_structure(struct buf *out, const struct mime_message *message)
{
	uint16_t depth = 0;

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
	}
	for (; depth > 0; depth--)
		(void)buf_char(out, ')');
}

static void
check_same(const char *name, struct buf *ours, struct buf *theirs)
{
	size_t at = 0;

	if (strcmp(buf_cstr(ours), buf_cstr(theirs)) == 0)
		return;
	while (at < ours->len && at < theirs->len && ours->data[at] == theirs->data[at])
		at++;
	at = at > 100 ? at - 100 : 0;
	ck_abort_msg("%s\n--- theirs\n%.300s\n--- ours\n%.300s", name, buf_cstr(theirs) + at, buf_cstr(ours) + at);
}

static void
compare(const char *name, enum form form)
{
	struct buf bytes = BUF_INIT(FILE_MAX), theirs = BUF_INIT(FILE_MAX), ours = BUF_INIT(FILE_MAX), structure = BUF_INIT(FILE_MAX);
	struct buf decoded = BUF_INIT(512);
	struct mime_message *message;
	size_t row = 0;

	ck_assert(read_file(name, ".msg", &bytes));
	ck_assert(read_file(name, suffixes[form], &theirs));
	drop_cr(&theirs);
	(void)buf_fmt(&decoded, "%s_decoded", name);
	message = mime_parse(buf_get(&bytes));
	put_events(&ours, message, form, buf_cstr(&decoded));
	put_structure(&structure, message);
	while (row < COUNT(differences) && strcmp(differences[row].name, name) != 0)
		row++;
	if (row < COUNT(differences))
		ck_assert_str_eq(buf_cstr(&structure), differences[row].structure);
	if (row < COUNT(differences) && !(form == DECODED && differences[row].decoded_agrees))
		ck_assert_msg(strcmp(buf_cstr(&ours), buf_cstr(&theirs)) != 0, "%s is no difference any more", name);
	else
		check_same(name, &ours, &theirs);
	message = mime_free(message);
	buf_free(&bytes);
	buf_free(&theirs);
	buf_free(&ours);
	buf_free(&structure);
	buf_free(&decoded);
}

static char *names[200];
static int count;

START_TEST(events)
{
	compare(names[_i], STANDING);
}
END_TEST

START_TEST(decoded_events)
{
	compare(names[_i], DECODED);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mime corpus");
	TCase *tcase = tcase_create("mime4j");
	SRunner *runner = srunner_create(suite);
	DIR *folder = opendir(FOLDER);
	struct dirent *entry;
	int failed;

	if (folder == NULL) {
		perror(FOLDER);
		return 1;
	}
	while ((entry = readdir(folder)) != NULL && count < 200) {
		size_t len = strlen(entry->d_name);

		if (len > 4 && strcmp(entry->d_name + len - 4, ".msg") == 0)
			names[count++] = xstrndup(entry->d_name, len - 4);
	}
	(void)closedir(folder);
	if (count == 0)
		return 1;
	tcase_add_loop_test(tcase, events, 0, count);
	tcase_add_loop_test(tcase, decoded_events, 0, count);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	while (count > 0)
		free(names[--count]);
	return failed != 0;
}
