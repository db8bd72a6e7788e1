/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The text index leaves no message out: searches with it find what reading every message finds. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base64.h"
#include "common/text_fold.h"
#include "libmailstore/ms_grams.h"
#include "libmailstore/ms_text_group.h"
#include "libmailstore/ms_text_index.h"

#define MESSAGES 400
#define NEEDLES 300

static char folder[] = "/tmp/test_text_index.XXXXXX";

static const char *const words[] = {
	"letter", "Invoice", "na\xc3\xafve", "\xc3\x84rger", ("stra\xc3\x9f" "e"), "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", "\xe4\xbd\xa0\xe5\xa5\xbd",
	"\xe4\xb8\x96\xe7\x95\x8c", "\xe6\x9d\xb1\xe4\xba\xac\xe9\x83\xbd", "\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4", "\xf0\x9f\x98\x80", "ab", "x",
	"<b>bold</b>", "&amp;", "2026", "=3D", "to", "of the", "(see", "end.", "--", "\xff\xfe", "\xe2\x82", "x\xcc\x81y", "\xce\xa3\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x82", "fi\xef\xac\x81n",
};
#define WORDS (sizeof(words) / sizeof(words[0]))

static void
put_text(struct buf *out, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		(void)buf_str(out, words[(size_t)rand() % WORDS]);
		if (rand() % 3 != 0)
			(void)buf_str(out, (const char *[]){ " ", " ", " ", "\n", "  ", " \n\t", ", ", "-", "\xe3\x80\x82", "\xc2\xa0" }[rand() % 10]);
		if (rand() % 8 == 0)
			(void)buf_fmt(out, "%d", rand() % 1000);
	}
}

/* Of messages, to look for: what is there is what may be missed. */
#define SAMPLES 64
static struct sample {
	char bytes[256];
	size_t len;
} samples[SAMPLES];
static unsigned sample_count;

static void
note_sample(struct span text)
{
	struct sample *sample = &samples[sample_count++ % SAMPLES];
	size_t from = text.len > sizeof(sample->bytes) ? (size_t)rand() % (text.len - sizeof(sample->bytes)) : 0;

	sample->len = text.len - from < sizeof(sample->bytes) ? text.len - from : sizeof(sample->bytes);
	memcpy(sample->bytes, text.ptr + from, sample->len);
}

static void
make_message(struct buf *out)
{
	struct buf text = BUF_INIT(1 << 20);

	(void)buf_fmt(out, "From: person %d <p%d@example.test>\nSubject: ", rand() % 100, rand() % 100);
	put_text(&text, 1 + (unsigned)rand() % 3);
	for (size_t i = 0; i < text.len; i++)
		(void)buf_char(out, text.data[i] == '\n' ? ' ' : text.data[i]);
	buf_clear(&text);
	put_text(&text, (unsigned)rand() % 40);
	if (text.len != 0)
		note_sample(buf_get(&text));
	(void)buf_fmt(out, "\nContent-Type: text/%s; charset=%s\n", rand() % 2 ? "plain" : "html", rand() % 4 ? "utf-8" : "iso-8859-1");
	if (rand() % 3 == 0) {
		(void)buf_str(out, "Content-Transfer-Encoding: base64\n\n");
		(void)base64_encode(buf_get(&text), out);
	} else {
		(void)buf_str(out, "\n");
		(void)buf_span(out, buf_get(&text));
	}
	(void)buf_str(out, "\n");
	buf_free(&text);
}

static void
append(struct ms_store *store, const char *mailbox)
{
	struct buf bytes = BUF_INIT(1 << 20);
	struct ms_append *writing;
	uint32_t uid, validity;

	make_message(&bytes);
	writing = ms_append_begin(store);
	ck_assert_int_eq(ms_append_write(writing, bytes.data, bytes.len), 0);
	ck_assert_int_eq(ms_append_commit(writing, mailbox, 0, NULL, 0, &uid, &validity, NULL), 0);
	buf_free(&bytes);
}

static void
work_off(struct ms_store *store)
{
	bool more = true;

	for (unsigned i = 0; more; i++) {
		ck_assert_int_eq(ms_index_text(store, &more), 0);
		ck_assert_uint_lt(i, 100000);
	}
}

struct result {
	uint8_t found[4096];
	unsigned count;
};

static int
take(void *context, const struct ms_message *message)
{
	struct result *result = context;

	ck_assert_uint_lt(message->uid, sizeof(result->found));
	ck_assert_int_eq(result->found[message->uid], 0);
	result->found[message->uid] = 1;
	result->count++;
	return 0;
}

struct all {
	struct ms_mailbox *mailbox;
	struct ms_message list[4096];
	size_t count;
};

static int
take_all(void *context, const struct ms_message *message)
{
	struct all *all = context;

	all->list[all->count++] = *message;
	return 0;
}

/* Reads every message, whatever any index says. */
static void
scan(struct ms_mailbox *mailbox, const struct ms_search_key *key, struct result *result)
{
	static struct all all;
	struct ms_match *match = ms_match_new(key);

	all.count = 0;
	ck_assert_int_eq(ms_messages(mailbox, 1, UINT32_MAX, take_all, &all), 0);
	for (size_t i = 0; i < all.count; i++) {
		static char bytes[1 << 20];
		uint64_t size;
		int fd;

		ck_assert_int_eq(ms_message_open(mailbox, all.list[i].uid, &fd, &size), 0);
		ck_assert_int_eq(read(fd, bytes, sizeof(bytes)), (ssize_t)size);
		(void)close(fd);
		if (ms_match_bytes(match, &all.list[i], span_make(bytes, size)))
			(void)take(result, &all.list[i]);
	}
	ms_match_free(match);
}

static void
compare(struct ms_mailbox *mailbox, const struct ms_search_key *key)
{
	static struct result with, without;
	struct ms_search *search = ms_search_new(key);
	bool done = false;

	memset(&with, 0, sizeof(with));
	memset(&without, 0, sizeof(without));
	ck_assert_int_eq(ms_search_begin(search, mailbox), 0);
	while (!done)
		ck_assert_int_eq(ms_search_step(search, take, &with, &done), 0);
	ms_search_free(search);
	scan(mailbox, key, &without);
	ck_assert_msg(memcmp(&with, &without, sizeof(with)) == 0, "\"%.*s\": %u with the index, %u without", (int)key->text_len, key->text, with.count,
	    without.count);
}

static void
compare_some(struct ms_mailbox *mailbox, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct buf text = BUF_INIT(1000);
		struct ms_search_key key = { .kind = MS_SEARCH_TEXT, .where = (unsigned[]){ MS_IN_BODY, MS_IN_BODY | MS_IN_HEADER, MS_IN_READ, MS_IN_FIELD }[rand() % 4],
			.field = "Subject", .field_len = 7 }, other = key, negative = { .kind = MS_SEARCH_NOT, .children = &other };
		size_t from, to;

		if (rand() % 2 == 0) {
			const struct sample *sample = &samples[(unsigned)rand() % SAMPLES];

			(void)buf_put(&text, sample->bytes, sample->len);
		} else {
			put_text(&text, 1 + (unsigned)rand() % 4);
		}
		from = (size_t)rand() % text.len;
		to = from + 1 + (size_t)rand() % (text.len - from < 40 ? text.len - from : 40);
		while (from > 0 && ((unsigned char)text.data[from] & 0xc0) == 0x80)
			from--;
		while (to < text.len && ((unsigned char)text.data[to] & 0xc0) == 0x80)
			to++;
		key.text = text.data + from;
		key.text_len = to - from;
		if (rand() % 4 == 0) {
			other.text = "letter";
			other.text_len = 6;
			key.next = rand() % 2 == 0 ? &other : &negative;
		}
		compare(mailbox, &key);
		buf_free(&text);
	}
}

static int
put_format(struct ms_txn *txn, void *context)
{
	(void)context;
	return ms_bdb(ms_meta_put(txn, MS_TEXT_FORMAT, 1));
}

START_TEST(same_as_a_scan)
{
	char path[64];
	struct ms_store *store;
	struct ms_mailbox *mailbox;
	uint64_t *emails = NULL;
	size_t count;
	const struct ms_search_key rare = { .kind = MS_SEARCH_TEXT, .where = MS_IN_BODY, .text = "nowhere at all", .text_len = 14 };
	struct ms_match *match = ms_match_new(&rare);

	srand((unsigned)_i + 1);
	(void)snprintf(path, sizeof(path), "%s/%d", folder, _i);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(ms_open(path, &store), 0);
	store->text_least = 0;
	for (unsigned i = 0; i < MESSAGES; i++)
		append(store, i % 10 == 0 ? "Sent" : "INBOX");
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_text_candidates(store, match, &emails, &count), MS_E_NOTFOUND);
	compare_some(mailbox, 10);
	work_off(store);
	/* It does help: all are known, and none may have what none has. */
	ck_assert_int_eq(ms_text_candidates(store, match, &emails, &count), 0);
	ck_assert_uint_lt(count, MESSAGES / 20);
	free(emails);
	compare_some(mailbox, NEEDLES);
	for (unsigned i = 0; i < 6; i++) {
		for (unsigned k = 0; k < 30; k++) {
			uint32_t uid = 1 + (uint32_t)rand() % 300;

			append(store, "INBOX");
			ck_assert_int_eq(ms_expunge(mailbox, &uid, 1), 0);
			ck_assert_int_eq(ms_store_flags(mailbox, &uid, 1, MS_FLAGS_ADD, MS_SEEN, NULL, 0, NULL, NULL), 0);
		}
		ck_assert_int_eq(ms_mailbox_sync(mailbox), 0);
		if (i % 2 == 1)
			work_off(store);
		compare_some(mailbox, NEEDLES / 6);
	}
	ms_mailbox_close(mailbox);
	ck_assert_int_eq(ms_rebuild(store), 0);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	work_off(store);
	compare_some(mailbox, NEEDLES / 6);
	/* One of another format says nothing, and is made anew. */
	ck_assert_int_eq(ms_run(store, put_format, NULL), 0);
	ck_assert_int_eq(ms_text_candidates(store, match, &emails, &count), MS_E_NOTFOUND);
	compare_some(mailbox, 10);
	work_off(store);
	ck_assert_int_eq(ms_text_candidates(store, match, &emails, &count), 0);
	ck_assert_uint_lt(count, MESSAGES / 20);
	free(emails);
	compare_some(mailbox, NEEDLES / 6);
	ms_mailbox_close(mailbox);
	ms_match_free(match);
	ms_close(store);
}
END_TEST

/* --- damage --- */

static int
put_text_record(struct ms_txn *txn, void *context)
{
	const char *key = context;

	return ms_bdb(bdb_put(txn->bdb, txn->txn, T_TEXT, key, strlen(key), "rubbish", 7));
}

static int
lose_document(struct ms_txn *txn, void *context)
{
	uint8_t key[5] = { 'd' };

	ms_key_u32(key + 1, *(uint32_t *)context);
	return ms_bdb(bdb_del(txn->bdb, txn->txn, T_TEXT, key, sizeof(key)));
}

static int
mislead_email(struct ms_txn *txn, void *context)
{
	uint8_t key[9] = { 'e' }, value[4];

	ms_key_u64(key + 1, *(uint64_t *)context);
	ms_key_u32(value, 77);
	return ms_bdb(bdb_put(txn->bdb, txn->txn, T_TEXT, key, sizeof(key), value, sizeof(value)));
}

struct text_key {
	uint8_t bytes[MS_TEXT_OWN_KEY];
	size_t len;
};

/* The first of that length. */
static int
take_posting(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct text_key *found = context;

	(void)value, (void)len;
	if (key_len != found->len)
		return 0;
	memcpy(found->bytes, key, key_len);
	return 1;
}

/* Of a group, or of a gram that has a record of its own: a length that is too much, or a form that there is not. */
static int
damage_posting(struct ms_txn *txn, void *context)
{
	struct text_key key = { .len = *(size_t *)context };

	ck_assert_int_eq(bdb_scan(txn->bdb, txn->txn, T_TEXT, "g", 1, 1, take_posting, &key), 1);
	return ms_bdb(bdb_put(txn->bdb, txn->txn, T_TEXT, key.bytes, key.len, "\x80\xff\x7f", 3));
}

static int
lose_own(struct ms_txn *txn, void *context)
{
	struct text_key key = { .len = MS_TEXT_OWN_KEY };

	(void)context;
	ck_assert_int_eq(bdb_scan(txn->bdb, txn->txn, T_TEXT, "g", 1, 1, take_posting, &key), 1);
	return ms_bdb(bdb_del(txn->bdb, txn->txn, T_TEXT, key.bytes, key.len));
}

static int
damage_number(struct ms_txn *txn, void *context)
{
	return ms_bdb(bdb_put(txn->bdb, txn->txn, T_META, context, strlen(context), "abc", 3));
}

static const struct {
	ms_work work;
	void *context;
	const char *what;
} damages[] = {
	{ lose_document, &(uint32_t){ 5 }, "the index of what messages say" },
	{ mislead_email, &(uint64_t){ 4711 }, "the index of what messages say" },
	{ damage_posting, &(size_t){ MS_TEXT_GROUP_KEY }, "the index of what messages say" },
	{ damage_posting, &(size_t){ MS_TEXT_OWN_KEY }, "the index of what messages say" },
	{ lose_own, NULL, "the index of what messages say" },
	{ put_text_record, (char[]){ "stray" }, "the index of what messages say" },
	{ damage_number, (char[]){ MS_TEXT_DOCUMENTS }, "a number that the index keeps" },
	{ damage_number, (char[]){ MS_TEXT_CLEAR }, "a number that the index keeps" },
};

struct told {
	const char *wanted;
	unsigned count;
};

static void
take_fault(void *context, const struct ms_fault *fault)
{
	struct told *told = context;

	ck_assert_msg(told->wanted != NULL && strstr(fault->what, told->wanted) != NULL, "%s", fault->what);
	told->count++;
}

/* Each kind is named, searches find what they did, and it is made anew. */
START_TEST(damaged)
{
	const struct ms_search_key rare = { .kind = MS_SEARCH_TEXT, .where = MS_IN_BODY, .text = "nowhere at all", .text_len = 14 };
	struct ms_match *match = ms_match_new(&rare);
	struct told told = { .wanted = damages[_i].what }, none = { .wanted = NULL };
	struct ms_mailbox *mailbox;
	struct ms_store *store;
	uint64_t *emails = NULL;
	size_t count;
	char path[64];

	srand((unsigned)_i + 1);
	(void)snprintf(path, sizeof(path), "%s/damaged%d", folder, _i);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(ms_open(path, &store), 0);
	store->text_least = 0;
	for (unsigned i = 0; i < MESSAGES / 2; i++)
		append(store, "INBOX");
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	work_off(store);
	ck_assert_int_eq(ms_check(store, take_fault, &none), 0);
	ck_assert_int_eq(ms_run(store, damages[_i].work, damages[_i].context), 0);
	ck_assert_int_eq(ms_check(store, take_fault, &told), 0);
	ck_assert_uint_eq(told.count, 1);
	compare_some(mailbox, 30);
	ck_assert_int_eq(ms_repair(store, take_fault, &told), 0);
	ck_assert_int_eq(ms_check(store, take_fault, &none), 0);
	compare_some(mailbox, 10);
	work_off(store);
	ck_assert_int_eq(ms_check(store, take_fault, &none), 0);
	ck_assert_int_eq(ms_text_candidates(store, match, &emails, &count), 0);
	ck_assert_uint_lt(count, MESSAGES / 20);
	free(emails);
	compare_some(mailbox, 30);
	ms_mailbox_close(mailbox);
	ms_match_free(match);
	ms_close(store);
}
END_TEST

struct gram_set {
	uint8_t has[MS_GRAMS / 8];
	unsigned wide;
};

static void
note_gram(void *context, uint32_t gram)
{
	struct gram_set *set = context;

	ck_assert_uint_lt(gram, MS_GRAMS);
	set->has[gram / 8] |= (uint8_t)(1u << gram % 8);
	set->wide += gram >= MS_GRAMS_WIDE;
}

/* Whole characters, or all. */
static size_t
cut_before(struct span text, size_t wanted)
{
	size_t at = 0;

	while (at < text.len && at < wanted)
		at += text_character(span_skip(text, at));
	return at;
}

/* A text has all the grams of whatever is within it, in whatever pieces it comes. */
START_TEST(grams_of_what_is_within)
{
	static struct gram_set all, part;
	unsigned wide = 0, missing;

	srand(7);
	for (unsigned i = 0; i < 3000; i++) {
		struct buf raw = BUF_INIT(4096), text = BUF_INIT(4096 * TEXT_FOLD_GROWTH);
		struct ms_grams state = { .count = 0 };
		struct span rest;

		put_text(&raw, 1 + (unsigned)rand() % 12);
		text_fold(buf_get(&raw), &text);
		memset(&all, 0, sizeof(all));
		memset(&part, 0, sizeof(part));
		for (rest = buf_get(&text); rest.len != 0;) {
			size_t len = cut_before(rest, 1 + (size_t)rand() % 20);

			ms_grams_feed(&state, span_make(rest.ptr, len), note_gram, &all);
			rest = span_skip(rest, len);
		}
		rest = buf_get(&text);
		rest = span_skip(rest, cut_before(rest, (size_t)rand() % rest.len));
		rest.len = cut_before(rest, (size_t)rand() % (rest.len + 1));
		state = (struct ms_grams){ .count = 0 };
		ms_grams_feed(&state, rest, note_gram, &part);
		missing = 0;
		for (size_t byte = 0; byte < sizeof(part.has); byte++)
			missing |= part.has[byte] & ~all.has[byte] & 0xffu;
		ck_assert_uint_eq(missing, 0);
		wide += part.wide;
		buf_free(&raw);
		buf_free(&text);
	}
	ck_assert_uint_gt(wide, 1000);
}
END_TEST

START_TEST(postings)
{
	for (unsigned i = 0; i < 2000; i++) {
		uint8_t map[MS_POSTINGS_BYTES] = { 0 }, again[MS_POSTINGS_BYTES] = { 0 };
		struct buf bytes = BUF_INIT(MS_POSTINGS_BYTES + 1);
		unsigned count = (unsigned)rand() % (i % 2 == 0 ? 30 : 3000);

		for (unsigned k = 0; k < count; k++) {
			unsigned n = (unsigned)rand() % MS_POSTINGS_EACH;

			map[n / 8] |= (uint8_t)(1u << (n % 8));
		}
		if (i % 3 == 0)
			map[MS_POSTINGS_BYTES - 1] |= 0x80;
		ms_postings_put(map, &bytes);
		ck_assert(!bytes.overflow);
		ck_assert_int_eq(ms_postings_get(buf_get(&bytes), again), 0);
		ck_assert_mem_eq(map, again, sizeof(map));
		buf_free(&bytes);
	}
	/* No gaps; a rest of 15 bits; more ones than fill a byte; a document behind the last; an end within a rest. */
	for (unsigned i = 0; i < 6; i++) {
		static const struct span bad[] = { { "", 0 }, { "\0\xf0", 2 }, { "\0\xcf\xff\xff", 4 }, { "\0\xc7\xff\x80\x03", 5 }, { "\0\xc0\x00", 3 }, { "\1x", 2 } };
		uint8_t map[MS_POSTINGS_BYTES] = { 0 };

		ck_assert_int_eq(ms_postings_get(bad[i], map), MS_E_CORRUPT);
	}
}
END_TEST

/* Groups of grams in few documents and in many: each is told as it was. */
START_TEST(groups)
{
	srand(11);
	for (unsigned i = 0; i < 2000; i++) {
		struct ms_text_gram list[MS_TEXT_GROUP_EACH], gram;
		uint8_t maps[MS_TEXT_GROUP_EACH][MS_POSTINGS_BYTES] = { { 0 } };
		struct buf bytes = BUF_INIT(BDB_PAGE_ROOM / 4);
		unsigned count = 0, at = 0;
		struct span rest;
		int last = -1, r;

		for (unsigned place = 0; place < MS_TEXT_GROUP_EACH; place++) {
			unsigned documents = i % 4 == 0 ? 1 : 1 + (unsigned)rand() % (i % 4 == 1 ? 3 : 40);

			if (i % 5 != 0 && rand() % 4 == 0)
				continue;
			while (documents-- != 0) {
				unsigned n = (unsigned)rand() % (i % 3 == 0 ? 300 : MS_POSTINGS_EACH);

				maps[count][n / 8] |= (uint8_t)(1u << (n % 8));
			}
			list[count].place = place;
			(void)ms_text_gram_set(&list[count], maps[count]);
			ms_text_group_put(&list[count++], &bytes);
		}
		ck_assert(!bytes.overflow);
		for (rest = buf_get(&bytes); (r = ms_text_group_next(&rest, last, &gram)) == 0; at++) {
			uint8_t map[MS_POSTINGS_BYTES] = { 0 };

			last = (int)gram.place;
			ck_assert_uint_eq(gram.place, list[at].place);
			ck_assert_int_eq(gram.how, list[at].how);
			if (gram.how == MS_TEXT_OWN)
				continue;
			ck_assert_int_eq(ms_text_gram_get(&gram, map), 0);
			ck_assert_mem_eq(map, maps[at], sizeof(map));
		}
		ck_assert_int_eq(r, MS_E_NOTFOUND);
		ck_assert_uint_eq(at, count);
		buf_free(&bytes);
	}
}
END_TEST

static uint64_t
text_bytes_of(const char *path)
{
	char file[96];
	struct stat st;

	(void)snprintf(file, sizeof(file), "%s/index/mailstore.db", path);
	ck_assert_int_eq(stat(file, &st), 0);
	return (uint64_t)st.st_size;
}

/* Chinese, which has many different grams, of 2,000 messages: no larger than what they say. An account with little mail gets none. */
START_TEST(no_larger_than_the_text)
{
	uint64_t text = 0, before;
	struct ms_store *store;
	char path[64];

	srand(13);
	(void)snprintf(path, sizeof(path), "%s/large", folder);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(ms_open(path, &store), 0);
	for (unsigned i = 0; i < 2100; i++) {
		struct buf bytes = BUF_INIT(1 << 16);
		struct ms_append *writing = ms_append_begin(store);
		uint32_t uid, validity;

		(void)buf_str(&bytes, "Subject: x\nContent-Type: text/plain; charset=utf-8\n\n");
		for (unsigned k = 0; k < 680; k++) {
			/* Some characters are frequent, as in any language. */
			unsigned c = 0x4e00 + (unsigned)rand() % (1 + (unsigned)rand() % 3500);

			(void)buf_fmt(&bytes, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 0x3f)), (int)(0x80 | (c & 0x3f)));
		}
		(void)buf_str(&bytes, "\n");
		text += bytes.len;
		ck_assert_int_eq(ms_append_write(writing, bytes.data, bytes.len), 0);
		ck_assert_int_eq(ms_append_commit(writing, "INBOX", 0, NULL, 0, &uid, &validity, NULL), 0);
		buf_free(&bytes);
		if (i == 1000)
			work_off(store); /* too little: or the index would be there, and not grow as it is to do below */
	}
	ms_close(store);
	before = text_bytes_of(path);
	ck_assert_int_eq(ms_open(path, &store), 0);
	work_off(store);
	ms_close(store);
	ck_assert_uint_gt(text_bytes_of(path), before + text / 4);
	ck_assert_msg(text_bytes_of(path) - before <= text, "%" PRIu64 " of %" PRIu64, text_bytes_of(path) - before, text);
}
END_TEST

/* An end within a gram, a length that is too much or none, places that do not ascend: none of it is read as something. */
START_TEST(broken_groups)
{
	static const struct span bad[] = { { "\x80\xff\x7f", 3 }, { "\x80\0\x7f", 3 }, { "\x80", 1 }, { "\x80\x02\x7f", 3 }, { "\0", 1 }, { "\x40\1", 2 },
		{ "\1\1\1\1", 4 }, { "\2\1\1\1", 4 } };
	struct span rest = bad[_i];
	struct ms_text_gram gram;
	int last = -1, r;

	while ((r = ms_text_group_next(&rest, last, &gram)) == 0)
		last = (int)gram.place;
	ck_assert_int_eq(r, MS_E_CORRUPT);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("text_index");
	TCase *tests = tcase_create("text_index");
	SRunner *runner;
	int failed;

	if (mkdtemp(folder) == NULL)
		return 1;
	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, postings);
	tcase_add_test(tests, groups);
	tcase_add_loop_test(tests, broken_groups, 0, 8);
	tcase_add_test(tests, no_larger_than_the_text);
	tcase_add_test(tests, grams_of_what_is_within);
	tcase_add_loop_test(tests, same_as_a_scan, 0, 2);
	tcase_add_loop_test(tests, damaged, 0, sizeof(damages) / sizeof(*damages));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (fork() == 0)
		(void)execlp("rm", "rm", "-rf", folder, (char *)NULL);
	return failed != 0;
}
