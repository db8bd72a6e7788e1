/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The texts that are kept of a message, packed and unpacked. */
#include <check.h>
#include <stdlib.h>

#include "libmailstore/ms_cache.h"
#include "tests/unit/libmailstore/store_tests.h"

static const char envelope[] = "(\"1 Mar 2026 10:13:00 +0000\" \"lunch\" ((\"Ann Lee\" NIL \"ann\" \"a.example\")) ((\"Ann Lee\" NIL \"ann\" \"a.example\")) "
    "((\"Ann Lee\" NIL \"ann\" \"a.example\")) ((NIL NIL \"bob\" \"b.example\")) NIL NIL NIL \"<13.d885@a.example>\")";
static const char structure[] = "(\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 1451 21 NIL NIL NIL NIL)";

static struct buf
texts_of(const char *const list[MS_CACHED_COUNT])
{
	struct buf texts = BUF_INIT(MS_CACHE_TEXTS_MAX + 1), text = BUF_INIT(MS_CACHED_MAX);

	for (unsigned i = 0; i < MS_CACHED_COUNT; i++) {
		buf_clear(&text);
		if (list[i] != NULL)
			(void)buf_str(&text, list[i]);
		ms_cache_add(&texts, list[i] != NULL ? &text : NULL);
	}
	buf_free(&text);
	return texts;
}

#define LAST 4711

static struct buf
packed(const struct buf *texts)
{
	struct buf record = BUF_INIT(MS_CACHE_RECORD_MAX);

	ms_cache_pack(&(struct ms_cache_member){ LAST, buf_get(texts) }, 1, &record);
	return record;
}

static int
unpacked(struct span record, const struct buf *wanted)
{
	struct buf out = BUF_INIT(MS_CACHE_UNPACKED_MAX + 1);
	struct span texts;
	int r = ms_cache_unpack(record, LAST, &out);

	ck_assert(r == MS_E_CORRUPT ? out.len == 0 : r == 0 && ms_cache_find(buf_get(&out), LAST, &texts) == 0 && span_eq(texts, buf_get(wanted)));
	buf_free(&out);
	return r;
}

START_TEST(each_text)
{
	struct buf texts = texts_of((const char *const[]){ envelope, structure, NULL }), record = packed(&texts);
	struct span text;

	ck_assert_int_eq(unpacked(buf_get(&record), &texts), 0);
	/* Worth it. */
	ck_assert_uint_lt(record.len, texts.len / 2);
	ck_assert_int_eq(ms_cache_text(buf_get(&texts), MS_ENVELOPE, &text), 0);
	ck_assert(span_eq(text, span_of(envelope)));
	ck_assert_int_eq(ms_cache_text(buf_get(&texts), MS_BODYSTRUCTURE, &text), 0);
	ck_assert(span_eq(text, span_of(structure)));
	ck_assert_int_eq(ms_cache_text(buf_get(&texts), MS_PREVIEW, &text), MS_E_NOTFOUND);
	ck_assert_int_eq(ms_cache_text(span_make(texts.data, texts.len - 4), MS_PREVIEW, &text), MS_E_CORRUPT);
	ck_assert_int_eq(ms_cache_text(span_make(texts.data, 3), MS_ENVELOPE, &text), MS_E_CORRUPT);
	buf_free(&texts);
	buf_free(&record);
}
END_TEST

/* As large as they may be, of what cannot be made smaller, and nothing at all. */
START_TEST(the_largest_and_the_smallest)
{
	struct buf texts = texts_of((const char *const[]){ "", "", "" }), noise = BUF_INIT(MS_CACHED_MAX), record;
	uint64_t seed = 1;

	record = packed(&texts);
	ck_assert_int_eq(unpacked(buf_get(&record), &texts), 0);
	buf_free(&record);
	buf_clear(&texts);
	for (unsigned i = 0; i < MS_CACHED_COUNT; i++) {
		buf_clear(&noise);
		while (noise.len < MS_CACHED_MAX) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			(void)buf_char(&noise, (char)(seed >> 33));
		}
		ms_cache_add(&texts, &noise);
	}
	ck_assert_uint_eq(texts.len, MS_CACHE_TEXTS_MAX);
	record = packed(&texts);
	ck_assert_int_eq(unpacked(buf_get(&record), &texts), 0);
	buf_free(&texts);
	buf_free(&noise);
	buf_free(&record);
}
END_TEST

START_TEST(what_is_damaged)
{
	struct buf texts = texts_of((const char *const[]){ envelope, structure, "a preview" }), record = packed(&texts);

	for (size_t len = 0; len < record.len; len++)
		ck_assert_int_eq(unpacked(span_make(record.data, len), &texts), MS_E_CORRUPT);
	/* A length that is not so, another version, other UIDs, another count, something behind it. */
	for (unsigned i = 0; i < 8; i++) {
		record.data[i] ^= 1;
		ck_assert_int_eq(unpacked(buf_get(&record), &texts), MS_E_CORRUPT);
		record.data[i] ^= 1;
	}
	(void)buf_char(&record, 'x');
	ck_assert_int_eq(unpacked(buf_get(&record), &texts), MS_E_CORRUPT);
	buf_free(&texts);
	buf_free(&record);
}
END_TEST

#define SEVERAL 30

/* Neighbours help each other; each is found under its UID. */
START_TEST(several)
{
	struct buf texts = texts_of((const char *const[]){ envelope, structure, NULL }), out = BUF_INIT(MS_CACHE_UNPACKED_MAX + 1), record = BUF_INIT(MS_CACHE_RECORD_MAX);
	struct ms_cache_member members[SEVERAL], member;
	struct ms_cache_head head;
	uint32_t last = 1000 + 3 * (SEVERAL - 1);
	unsigned n = 0;
	struct span found;

	for (unsigned i = 0; i < SEVERAL; i++)
		members[i] = (struct ms_cache_member){ 1000 + 3 * i, buf_get(&texts) };
	ms_cache_pack(members, SEVERAL, &record);
	ck_assert_uint_lt(record.len, SEVERAL * texts.len / 10);
	ck_assert_int_eq(ms_cache_head(buf_get(&record), last, &head), 0);
	ck_assert(head.first == 1000 && head.count == SEVERAL);
	ck_assert_int_eq(ms_cache_unpack(buf_get(&record), last, &out), 0);
	for (struct span rest = buf_get(&out); ms_cache_next(&rest, &member); n++)
		ck_assert(member.uid == members[n].uid && span_eq(member.texts, members[n].texts));
	ck_assert_uint_eq(n, SEVERAL);
	ck_assert_int_eq(ms_cache_find(buf_get(&out), 1003, &found), 0);
	ck_assert_int_eq(ms_cache_find(buf_get(&out), 1004, &found), MS_E_NOTFOUND);
	/* Under another key it says what cannot be, or other UIDs. */
	ck_assert_int_eq(ms_cache_head(buf_get(&record), 3 * (SEVERAL - 1), &head), MS_E_CORRUPT);
	/* It says that it has more, or fewer, than it has. */
	for (int more = -1; more <= 1; more += 2) {
		record.data[7] = (char)(record.data[7] + more);
		ck_assert_int_eq(ms_cache_unpack(buf_get(&record), last, &out), MS_E_CORRUPT);
		record.data[7] = (char)(record.data[7] - more);
	}
	buf_free(&texts);
	buf_free(&out);
	buf_free(&record);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("cache");

	tcase_add_test(tcase, each_text);
	tcase_add_test(tcase, the_largest_and_the_smallest);
	tcase_add_test(tcase, what_is_damaged);
	tcase_add_test(tcase, several);
	return run_case("cache", tcase, NULL);
}
