/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Options of the defence, the field of a score, and a client whose names and answers are anything: lines "helo", then answers. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "smtpd/defence_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_field(struct span text)
{
	struct score score, again;
	struct buf field = BUF_INIT(SCORE_FIELD_MAX);
	int junk, junk_again;

	if (score_parse(text, &score, &junk) < 0)
		return;
	if (score.count > SCORE_ITEMS_MAX || score_percent(score.total, junk) > 100)
		abort();
	if (score_put_field(&score, junk, &field) == 0) {
		if (score_parse(span_skip(buf_get(&field), sizeof(SCORE_FIELD)), &again, &junk_again) < 0 || junk_again != junk || again.count != score.count)
			abort();
		score_free(&again);
	}
	buf_free(&field);
	score_free(&score);
}

static void
try_client(struct span text)
{
	char zone[] = "bl.example 3", hostname[] = "h.example", *item = zone;
	const struct smtpd_conf conf = { .common = { .hostname = hostname }, .dns_lists = { &item, 1 } };
	struct defence_settings *settings = defence_settings_new(&conf);
	struct defence *defence = defence_new(settings, "192.0.2.1");
	static struct dns_answer answer;
	struct score score = { 0 };
	struct span line, name;
	enum dns_type type;
	size_t number, asked = 0;

	(void)span_split(&text, '\n', &line);
	defence_hello(defence, line);
	while (defence_question(defence, &name, &type, &number)) {
		if (!dns_is_name(name) || ++asked > 2 + DEFENCE_NAMES_MAX)
			abort();
		(void)span_split(&text, '\n', &line);
		answer.status = (enum dns_status)(line.len % 5);
		answer.count = line.len != 0;
		answer.records[0].data = line;
		defence_answer(defence, number, &answer);
	}
	if (!defence_is_done(defence))
		abort();
	defence_score(defence, &score);
	score_free(&score);
	(void)defence_free(defence);
	(void)defence_settings_drop(settings);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_make(data, size);
	enum defence_test test;
	struct dns_list list;
	struct limit limit;
	const char *fault;
	int weight;

	if (dns_list_parse(text, &list, &fault) == 0 && (!dns_is_name(list.zone) || list.weight == 0))
		abort();
	if (limit_parse(text, &limit, &fault) == 0 && (limit.count == 0 || limit.seconds <= 0))
		abort();
	(void)test_weight_parse(text, &test, &weight, &fault);
	try_field(text);
	try_client(text);
	return 0;
}
