/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What -T tells of a stored message. */
#include <check.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "smtpd/defence_explain.h"

#define TRACE(by) "Received: from mx.far.example ([IPv6:2001:db8::1])\r\n\tby " by " with ESMTP id 1;\r\n\tdate\r\n"

static const struct {
	const char *message, *address, *helo; /* NULL: nobody is found */
} client_rows[] = {
	{ TRACE("other.example (Fourpost)") TRACE("here.example (Fourpost)") "\r\n", "2001:db8::1", "mx.far.example" },
	{ "Received: from [192.0.2.1] ([192.0.2.1]) by here.example (Fourpost) with SMTP\n\n", "192.0.2.1", "[192.0.2.1]" },
	{ TRACE("here.example (Postfix)") "\r\n", NULL, NULL },
	{ "Subject: x\r\n\r\n" TRACE("here.example (Fourpost)"), NULL, NULL },
	{ "Received: from x by here.example (Fourpost) with LMTP\r\n\r\n", NULL, NULL },
	{ "Received: from  ([]) by here.example (Fourpost) with LMTP\r\n\r\n", NULL, NULL },
	{ "Received: from\r\n\r\n", NULL, NULL },
	{ "", NULL, NULL },
};

START_TEST(clients)
{
	struct explain_client client;
	bool found = explain_client(span_of(client_rows[_i].message), SPAN("here.example"), &client);

	ck_assert(found == (client_rows[_i].address != NULL));
	if (found) {
		ck_assert_str_eq(client.address, client_rows[_i].address);
		ck_assert_str_eq(client.helo, client_rows[_i].helo);
	}
}
END_TEST

static const struct {
	const char *message, *told;
} rows[] = {
	{ "X-Fourpost-Score: 8/6; helo-literal=4; rule.x=3; bl.example=2;\r\n\tgone=-1\r\n\r\n",
	    "Score when it came: 8 of 6, by which mail is spam (spamtest: 100%)\n"
	    "     +4  helo-literal               The client said with EHLO an address that is not its own\n"
	    "     +3  rule.x                     A rule of this site's matched\n"
	    "     +2  bl.example                 The client's address is in that list of the DNS\n"
	    "     -1  gone                       An item that this configuration does not know\n"
	    "Client: unknown" },
	{ "X-Fourpost-Score: nonsense\r\n\r\n", "Score: unknown" },
	{ TRACE("here.example (Fourpost)") "Subject: RULED\r\nX-Spam-Flag: \x1b[31m\r\n\r\n",
	    "Score: none, for the message has no field X-Fourpost-Score: its client was not tested\n"
	    "Client: 2001:db8::1, which called itself mx.far.example\nHops: 1 of 30\nX-Spam-Flag: ?[31m\n"
	    "Rules that match now: r (it would go to Junk)\n" },
};

START_TEST(what_is_told)
{
	char list[] = "bl.example 2", hostname[] = "here.example", *item = list;
	const struct smtpd_conf conf = { .common = { .hostname = hostname }, .dns_lists = { &item, 1 } };
	struct defence_settings *settings = defence_settings_new(&conf);
	struct rules *rules = rules_new(SPAN("r: header Subject contains \"ruled\" junk\n"), "", NULL);
	struct buf out = BUF_INIT(EXPLAIN_MAX);

	explain_put(span_of(rows[_i].message), settings, 30, rules, NULL, &out);
	ck_assert_msg(span_starts(buf_get(&out), span_of(rows[_i].told)), "%s", buf_cstr(&out));
	buf_free(&out);
	(void)rules_free(rules);
	(void)defence_settings_drop(settings);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("explain");
	TCase *tests = tcase_create("explain");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, clients, 0, (int)(sizeof(client_rows) / sizeof(*client_rows)));
	tcase_add_loop_test(tests, what_is_told, 0, (int)(sizeof(rows) / sizeof(*rows)));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
