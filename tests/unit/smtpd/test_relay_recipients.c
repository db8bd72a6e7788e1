/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Who has a mailbox at domains that mail is passed on to. */
#include <check.h>
#include <stdlib.h>

#include "smtpd/relay_recipients.h"

static char first[] = "backed.example", second[] = "open.example", third[] = "xn--mller-kva.example";
static char *names[] = { first, second, third };
static const struct conf_list domains = { names, 3 };

START_TEST(recipients)
{
	static const struct {
		const char *address;
		bool have;
	} cases[] = {
		{ "alice@backed.example", true },
		{ "ALICE@Backed.Example", true },
		{ "alice+list@backed.example", true },
		{ "\"alice\"@backed.example", true },
		{ "odd one@backed.example", true },
		{ "\"odd one\"@backed.example", true },
		{ "box+1@backed.example", true },
		{ "box+2@backed.example", false },
		{ "bob@backed.example", false },
		{ "Postmaster@backed.example", true },
		{ "anybody@open.example", true },
		{ "a/b@open.example", true },
		{ "hans@m\xc3\xbcller.example", true },
		{ "hans@xn--mller-kva.example", true },
		{ "otto@m\xc3\xbcller.example", false },
		{ "alice@elsewhere.example", false },
		{ "@backed.example", false },
		{ "", false },
	};
	struct buf errors = BUF_INIT(4096);
	struct relay_recipients *all = relay_recipients_new(SPAN("# those of the other host\n\nAlice@backed.example\n  \"odd one\"@backed.example\r\nbox+1@backed.example\n@Open.example\n"
	    "hans@m\xc3\xbcller.example\nalice@elsewhere.example"), "", &errors);

	ck_assert_str_eq(buf_cstr(&errors), "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ck_assert_msg(relay_recipients_have(all, span_of(cases[i].address), &domains, '+') == cases[i].have, "%s", cases[i].address);
	(void)relay_recipients_free(all);
	buf_free(&errors);
}
END_TEST

START_TEST(faults)
{
	struct buf errors = BUF_INIT(4096);
	struct relay_recipients *all = relay_recipients_new(SPAN("alice@backed.example\nbob\n@\n@[192.0.2.1]\nx@[192.0.2.1]\na b@backed.example\ncarol@backed.example OK\n"), "f:", &errors);

	ck_assert_str_eq(buf_cstr(&errors), "f:2: that is neither an address nor @domain\nf:3: that is neither an address nor @domain\n"
	    "f:4: that is neither an address nor @domain\nf:5: that is neither an address nor @domain\n"
	    "f:6: that is neither an address nor @domain\nf:7: that is neither an address nor @domain\n");
	ck_assert(relay_recipients_have(all, SPAN("alice@backed.example"), &domains, '+'));
	ck_assert(!relay_recipients_have(all, SPAN("carol@backed.example"), &domains, '+'));
	(void)relay_recipients_free(all);
	buf_free(&errors);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("relay_recipients");
	TCase *test = tcase_create("relay_recipients");
	SRunner *runner;
	int failed;

	tcase_add_test(test, recipients);
	tcase_add_test(test, faults);
	suite_add_tcase(suite, test);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
