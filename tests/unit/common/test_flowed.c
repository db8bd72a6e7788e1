/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* format=flowed: RFC 3676. */
#include "common/flowed.h"
#include "common/mime_text.h"
#include "tests/unit/common/syntax.h"

/* A line for each: "<depth>|text", then "+" where the paragraph goes on and "s" for the signature's separator. */
static void
show(struct span text, struct flowed_format format, struct buf *out)
{
	struct flowed_line line;

	while (flowed_take(&text, format, &line)) {
		(void)buf_fmt(out, "%u|", line.depth);
		(void)buf_span(out, line.text);
		(void)buf_fmt(out, "%s%s\n", line.soft ? "+" : "", line.signature ? "s" : "");
	}
}

#define FIXED { false, false }
#define FLOWED { true, false }
#define DELSP { true, true }

START_TEST(lines)
{
	static const struct {
		const char *text, *lines;
		struct flowed_format format;
	} rows[] = {
		/* Section 4.1. */
		{ "one \ntwo\nthree\n", "0|one +\n0|two\n0|three\n", FLOWED }, { "one \r\ntwo\r\n", "0|one +\n0|two\n", FLOWED },
		{ "one \ntwo\n", "0|one+\n0|two\n", DELSP }, { "one  \ntwo\n", "0|one +\n0|two\n", DELSP },
		{ "one \ntwo\n", "0|one \n0|two\n", FIXED }, { "  \nx", "0| +\n0|x\n", FLOWED }, { " \nx", "0|\n0|x\n", FLOWED },
		{ "\n\nx\n", "0|\n0|\n0|x\n", FLOWED }, { "", "", FLOWED }, { "end ", "0|end \n", FLOWED }, { "end ", "0|end\n", DELSP },
		{ "end \n", "0|end \n", FLOWED }, { "tab\t\nx", "0|tab\t\n0|x\n", FLOWED },
		/* 4.3: the separator is no part of a paragraph and ends the one before it. */
		{ "text \n-- \nme \nhere\n", "0|text \n0|-- s\n0|me +\n0|here\n", FLOWED }, { "> -- \n> me", "1|-- s\n1|me\n", FLOWED },
		{ " -- \nx", "0|-- s\n0|x\n", FLOWED }, { "-- \nx", "0|-- s\n0|x\n", DELSP }, { "-- \r\nx", "0|-- s\n0|x\n", FIXED },
		{ "--  \nx", "0|--  +\n0|x\n", FLOWED }, { "text \n> -- \n", "0|text \n1|-- s\n", FLOWED }, { "--\nx", "0|--\n0|x\n", FLOWED },
		/* 4.4. */
		{ " >not \n quoted", "0|>not +\n0|quoted\n", FLOWED }, { " From me", "0|From me\n", FLOWED }, { "  two", "0| two\n", FLOWED },
		{ "  two", "0|  two\n", FIXED }, { "a \n  b", "0|a+\n0| b\n", DELSP },
		/* 4.5. */
		{ ">> Exit, Stage Left", "2|Exit, Stage Left\n", FLOWED }, { ">>Exit, Stage Left", "2|Exit, Stage Left\n", FLOWED },
		{ "> > Exit, Stage Left", "1|> Exit, Stage Left\n", FLOWED }, { "> > Exit, Stage Left", "2|Exit, Stage Left\n", FIXED },
		{ "> Thou art a villainous ill-breeding spongy dizzy-eyed \n> reeky elf-skinned pigeon-egg!\n>> Thou artless swag-bellied \n"
		  ">> milk-livered dismal-dreaming idle-headed scut!\n>>> Thou errant folly-fallen\n>>>> Henceforth, the coding style is to be strictly \n"
		  ">>>> enforced, including the use of only upper case.\n",
		    "1|Thou art a villainous ill-breeding spongy dizzy-eyed +\n1|reeky elf-skinned pigeon-egg!\n2|Thou artless swag-bellied +\n"
		    "2|milk-livered dismal-dreaming idle-headed scut!\n3|Thou errant folly-fallen\n"
		    "4|Henceforth, the coding style is to be strictly +\n4|enforced, including the use of only upper case.\n", FLOWED },
		{ "> one \n>> two \n> three \nfour", "1|one \n2|two \n1|three \n0|four\n", FLOWED }, { ">\n> \n>  \n>x", "1|\n1|\n1| +\n1|x\n", FLOWED },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);

		show(span_of(rows[i].text), rows[i].format, &out);
		ck_buf(&out, span_of(rows[i].lines), rows[i].text);
	}
}
END_TEST

START_TEST(parameters)
{
	static const struct {
		const char *type;
		struct flowed_format format;
	} rows[] = {
		{ "text/plain; format=flowed", FLOWED }, { "Text/Plain; Format=Flowed; DelSp=Yes", DELSP }, { "text/plain; delsp=yes", FIXED },
		{ "text/plain; format=\"flowed\"; delsp=\"yes\"; charset=utf-8", DELSP }, { "text/plain; format=flowed; delsp=no", FLOWED },
		{ "text/plain; format=flowed; delsp=maybe", FLOWED }, { "text/plain; format=fixed; delsp=yes", FIXED }, { "text/html; format=flowed", FIXED },
		{ "text/plain", FIXED }, { "bad; format=flowed", FIXED },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf text = BUF_INIT(TEXT_MAX);
		struct mime_message *message;
		struct flowed_format format;

		(void)buf_fmt(&text, "Content-Type: %s\n\n", rows[i].type);
		message = mime_parse(buf_get(&text));
		format = mime_text_format(&message->parts[0]);
		ck_assert_msg(format.flowed == rows[i].format.flowed && format.delsp == rows[i].format.delsp, "%s", rows[i].type);
		message = mime_free(message);
		buf_free(&text);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { lines, parameters };

	return run_suite("flowed", tests, COUNT(tests));
}
