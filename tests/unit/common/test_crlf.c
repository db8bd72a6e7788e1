/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Text with CRLF line ends: sizes, and every window of it. */
#include "common/crlf.h"
#include "tests/unit/common/syntax.h"

static const struct {
	const char *stored, *shown;
} rows[] = {
	{ "", "" }, { "a", "a" }, { "a\n", "a\r\n" }, { "a\r\n", "a\r\n" }, { "\n\n", "\r\n\r\n" }, { "\r\n\n", "\r\n\r\n" },
	{ "a\rb\n", "a\rb\r\n" }, { "\r", "\r" }, { "\r\r\n", "\r\r\n" }, { "x\ny\r\nz", "x\r\ny\r\nz" },
};

START_TEST(sizes)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_uint_eq(crlf_size(span_of(rows[i].stored)), strlen(rows[i].shown));
	ck_assert_uint_eq(crlf_size(SPAN_NULL), 0);
}
END_TEST

START_TEST(windows)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span shown = span_of(rows[i].shown);

		for (size_t first = 0; first <= shown.len + 1; first++) {
			for (size_t count = 0; count <= shown.len + 1; count++) {
				for (size_t step = 1; step < 4; step++) {
					struct buf out = BUF_INIT(TEXT_MAX);
					struct span want = span_skip(shown, first);
					struct crlf crlf;

					crlf_begin(&crlf, span_of(rows[i].stored), first, count);
					while (crlf_take(&crlf, step, &out) != 0)
						continue;
					ck_buf(&out, span_take(&want, count), rows[i].shown);
				}
			}
		}
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { sizes, windows };

	return run_suite("crlf", tests, COUNT(tests));
}
