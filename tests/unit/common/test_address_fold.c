/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Local parts in the form by which they are found, and which of them may name an account. */
#include <errno.h>

#include "common/address_fold.h"
#include "tests/unit/common/syntax.h"

START_TEST(folding)
{
	static const struct {
		const char *text, *folded; /* NULL: no UTF-8 */
	} rows[] = {
		{ "Alice", "alice" },
		{ "Alice@Example.TEST", "alice@example.test" },
		{ "J\xc3\x9cRGEN", "j\xc3\xbcrgen" },
		{ "ju\xcc\x88rgen", "j\xc3\xbcrgen" },             /* composed */
		{ "\xef\xbc\xa1lice", "alice" },                   /* fullwidth A */
		{ "\xef\xbd\xb1", "\xe3\x82\xa2" },                /* halfwidth katakana */
		{ "\xe2\x84\xab@x", "\xc3\xa5@x" },                /* the angstrom sign */
		{ "stra\xc3\x9f" "e", "stra\xc3\x9f" "e" },        /* it is no ss */
		{ "\xce\xa3\xce\x91\xce\xa3", "\xcf\x83\xce\xb1\xcf\x82" },
		{ "\xe7\x94\xa8\xe6\x88\xb7@X", "\xe7\x94\xa8\xe6\x88\xb7@x" },
		{ "", "" },
		{ "J\xc3\x9cRGEN@B\xc3\234cher.Example", "j\xc3\xbcrgen@xn--bcher-kva.example" },
		{ "a@Bu\xcc\210cher.example", "a@xn--bcher-kva.example" },
		{ "@XN--Bcher-KVA.example", "@xn--bcher-kva.example" },
		{ "a@\xe3\x8c\xab", "a@xn--1ck0aza1ltb" },      /* one character, of five */
		{ "a@X\xe2\x98\x83", "a@x\xe2\x98\x83" },      /* no IDN */
		{ "a@", "a@" },
		{ "a\xef\xbc\xa0" "b\xc3\xbc", "a@xn--b-eha" },        /* fullwidth @ */
		{ "a\xff", NULL },
		{ "\xed\xa0\x80", NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf once = BUF_INIT(100), again = BUF_INIT(100), small = BUF_INIT(2);
		int r = address_fold(span_of(rows[i].text), &once);

		ck_assert_int_eq(r, rows[i].folded != NULL ? 0 : -EINVAL);
		if (r == 0) {
			ck_assert_str_eq(buf_cstr(&once), rows[i].folded);
			ck_assert_int_eq(address_fold(buf_get(&once), &again), 0);
			ck_assert(span_eq(buf_get(&once), buf_get(&again)));
			ck_assert_int_eq(address_fold(span_of(rows[i].text), &small), once.len > 2 ? -EMSGSIZE : 0);
		}
		buf_free(&once);
		buf_free(&again);
		buf_free(&small);
	}
}
END_TEST

START_TEST(accounts)
{
	static const struct {
		const char *name;
		bool good;
	} rows[] = {
		{ "alice", true }, { "a.b-c_d9", true }, { "j\xc3\xbcrgen", true }, { "\xe7\x94\xa8\xe6\x88\xb7", true },
		{ "\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd", true }, { "\xe0\xa4\xb9\xe0\xa4\xbf\xe0\xa4\xa8\xe0\xa5\x8d\xe0\xa4\xa6\xe0\xa5\x80", true },
		{ "\xd7\x93\xd7\x95\xd7\x93", true }, { "\xd7\x93\xd7\x95\xd7\x93" "7", true }, /* Hebrew, with a digit */
		{ "", false }, { ".a", false }, { "a.", false }, { "a..b", false }, { "a+b", false }, { "a b", false }, { "a/b", false }, { "a@b", false },
		{ "a\x01", false }, { "\xc3\xbc/", false }, { "\xc3\xbc\xff", false },
		{ "a\xe2\x80\x8b" "b", false },              /* zero width space */
		{ "a\xc2\xa0" "b", false },                  /* no-break space */
		{ "\xe2\x98\x83", false },                   /* a snowman */
		{ "\xef\xac\x81", false },                   /* the ligature fi */
		{ "\xe1\x84\x80", false },                   /* old Hangul jamo */
		{ "\xcc\x88" "a", false },                   /* a mark with nothing below it */
		{ "a\xd7\x93", false }, { "\xd7\x93" "a", false }, { "7\xd7\x93", false }, /* both directions */
		{ "\xd7\x93" "-", false },                   /* ends without one */
		{ "\xe2\x80\xae" "a", false },               /* right-to-left override */
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg(local_part_is_account(span_of(rows[i].name)) == rows[i].good, "row %zu", i);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { folding, accounts };

	return run_suite("address_fold", tests, COUNT(tests));
}
