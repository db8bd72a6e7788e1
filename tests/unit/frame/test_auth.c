/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The auth role as it is, over a real accounts database, asked by a toy front and a toy queue in a
 * daemon of their own. The program is the daemon when it is given arguments, and the test of it
 * when not. */
#include <check.h>
#include <crypt.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "frame/auth_client.h"
#include "libmailstore/mailstore.h"

/* --- the daemon --- */

enum { ROLE_QUEUE = ROLE_OWN, MSG_HELLO = FRAME_MSG_OWN };

struct toy_conf {
	struct fourpost_conf common;
	bool unused;
};

static const struct conf_option toy_rows[] = {
	CONF_ROW(struct toy_conf, unused, BOOL, 0, 1, "false", "Nothing")
};
static const struct conf_table toy_table = { toy_rows, 1, 0 };
static const struct msg_row toy_messages[] = {
	{ MSG_HELLO, "HELLO", MSG_ROLE_ANY, ROLE_WORKER, 0, 0, MSG_NOFD },
};

/* Each role asks its questions one after the other, and logs each answer as "answer question=...
 * result=...". */
struct asker {
	struct auth_client *auth;
	struct proc *proc;
	const struct question *questions;
	size_t count, next;
	uint64_t grant; /* of the last good login */
	struct msg_channel *worker;
};

struct question {
	enum { VERIFY, LOOKUP, BY_GRANT, BY_WRONG_GRANT, DROP, BY_ADDRESS } kind;
	const char *text, *password;
};

static void ask(struct asker *asker);

static void
answered(struct asker *asker, unsigned result, struct span account)
{
	const struct question *question = &asker->questions[asker->next++];

	log_info("answer", log_str("question", question->text), log_u64("result", result),
	    log_span("account", account));
	ask(asker);
}

static void
on_verified(void *context, enum auth_result result, uint64_t grant, struct span account)
{
	struct asker *asker = context;

	if (result == AUTH_OK)
		asker->grant = grant;
	answered(asker, result, account);
}

static void
on_looked_up(void *context, enum lookup_result result, struct span account)
{
	answered(context, result, account);
}

static int
on_worker_message(struct msg_channel *channel, struct msg *msg, void *context)
{
	(void)channel, (void)msg, (void)context;
	return -EBADMSG;
}

static void
on_worker(void *context, struct msg_channel *worker)
{
	struct asker *asker = context;

	if (worker != NULL) {
		(void)msg_send(worker, MSG_HELLO, 0, NULL, -1);
		msg_channel_start(worker, asker->proc->base, on_worker_message, NULL, asker);
	}
	answered(asker, worker != NULL, SPAN_NULL);
}

static void
ask(struct asker *asker)
{
	const struct question *question = &asker->questions[asker->next];

	if (asker->next == asker->count) {
		log_info("all-answered", log_str("role", asker->proc->role->name));
		return;
	}
	switch (question->kind) {
	case VERIFY:
		(void)auth_verify(asker->auth, span_of(question->text), span_of(question->password),
		    SPAN("192.0.2.1"), on_verified, asker);
		break;
	case LOOKUP:
		(void)auth_lookup(asker->auth, span_of(question->text), SPAN_NULL, on_looked_up, asker);
		break;
	case BY_GRANT:
		(void)auth_worker_by_grant(asker->auth, asker->grant, on_worker, asker);
		break;
	case BY_WRONG_GRANT:
		(void)auth_worker_by_grant(asker->auth, asker->grant + 1, on_worker, asker);
		break;
	case BY_ADDRESS:
		(void)auth_worker_by_address(asker->auth, span_of(question->text), on_worker,
		    asker);
		break;
	case DROP:
		auth_drop_grant(asker->auth, asker->grant);
		answered(asker, 0, SPAN_NULL);
		break;
	}
}

static int
on_reply(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct asker *asker = proc->state;

	(void)channel;
	return auth_client_message(asker->auth, msg);
}

static int
run_asker(struct proc *proc, const struct question *questions, size_t count)
{
	static const struct proc_handler handlers[] = {
		{ MSG_AUTH_RESULT, on_reply },
		{ MSG_LOOKUP_RESULT, on_reply },
		{ MSG_WORKER, on_reply },
		{ MSG_WORKER_FAILED, on_reply },
		{ MSG_WORKER_REFUSED, on_reply },
	};
	struct asker asker = { .auth = auth_client_new(proc),
		.proc = proc,
		.questions = questions,
		.count = count };
	struct jail jail = { .root = proc->common->empty_dir };

	proc->state = &asker;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(*handlers);
	/* --- jail --- */
	proc_jail(proc, &jail);
	ask(&asker);
	return proc_loop(proc);
}

static int
toy_front(struct proc *proc)
{
	static const struct question questions[] = {
		{ VERIFY, "alice@d.test", "demo" },
		{ BY_GRANT, "grant", NULL },
		{ BY_WRONG_GRANT, "wrong-grant", NULL },
		{ DROP, "drop", NULL },
		{ BY_GRANT, "dropped-grant", NULL },
		{ VERIFY, "Alice", "demo" },
		{ VERIFY, "alice@d.test", "wrong" },
		{ VERIFY, "nobody@d.test", "demo" },
		{ VERIFY, "alice@other.test", "demo" },
		{ VERIFY, "shut@d.test", "demo" },
		{ BY_ADDRESS, "front-by-address", NULL },
	};

	return run_asker(proc, questions, sizeof(questions) / sizeof(*questions));
}

static int
toy_queue(struct proc *proc)
{
	static const struct question questions[] = {
		{ LOOKUP, "ALICE@D.test", NULL },
		{ LOOKUP, "alice+lists@d.test", NULL },
		{ LOOKUP, "a+b@d.test", NULL },
		{ LOOKUP, "nobody@d.test", NULL },
		{ LOOKUP, "nobody+x@d.test", NULL },
		{ LOOKUP, "x@elsewhere.test", NULL },
		{ LOOKUP, "../alice@d.test", NULL },
		{ LOOKUP, "shut@d.test", NULL },
		{ BY_ADDRESS, "alice@d.test", NULL },
		{ BY_ADDRESS, "nobody@d.test", NULL },
		{ BY_ADDRESS, "", NULL },
	};

	return run_asker(proc, questions, sizeof(questions) / sizeof(*questions));
}

static int
on_hello(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	(void)msg;
	log_info("worker-here", log_str("account", proc->account),
	    log_u64("asked-by", msg_channel_peer(channel)),
	    log_str("uid-is-its-own",
		!proc->as_root || getuid() == proc->account_uid ? "yes" : "no"));
	return 0;
}

static int
toy_worker(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_HELLO, on_hello } };
	struct jail jail = { .paths = { { proc->account_dir, JAIL_PATH_WRITE } } };

	proc->handlers = handlers;
	proc->handler_count = 1;
	/* --- jail --- */
	proc_jail(proc, &jail);
	return proc_loop(proc);
}

static const struct role toy_roles[] = {
	{ .id = ROLE_FRONT, .name = "front", .run = toy_front, .peers = ROLE_BIT(ROLE_AUTH) },
	{ .id = ROLE_AUTH, .name = "auth", .run = proc_auth, .peers = ROLE_BIT(ROLE_QUEUE) },
	{ .id = ROLE_QUEUE, .name = "queue", .run = toy_queue },
	{ .id = ROLE_WORKER,
	    .name = "worker",
	    .run = toy_worker,
	    .spawned_by = ROLE_BIT(ROLE_FRONT) | ROLE_BIT(ROLE_QUEUE) },
};
static const struct daemon toy = {
	.name = "toyauthd",
	.number = 7,
	.roles = toy_roles,
	.role_count = 4,
	.messages = toy_messages,
	.message_count = 1,
	.conf_table = &toy_table,
	.conf_size = sizeof(struct toy_conf),
};

/* --- the test --- */

static char folder[] = "/tmp/test_auth.XXXXXX";
static const char *program;

static void
add_account(const char *database, const char *address, bool enabled)
{
	struct ms_account account = { .enabled = enabled, .created = 1 };
	struct crypt_data data = { .initialized = 0 };
	char setting[CRYPT_GENSALT_OUTPUT_SIZE], copy[64], name[] = "";
	struct buf path = BUF_INIT(200);
	const char *at = strchr(address, '@');

	(void)snprintf(copy, sizeof(copy), "%s", address);
	(void)buf_fmt(&path, "%s/%.*s", at + 1, (int)(at - address), address);
	account.address = copy;
	account.path = path.data;
	account.name = name;
	ck_assert_ptr_nonnull(crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)));
	account.password = crypt_r("demo", setting, &data);
	ck_assert_int_eq(ms_accounts_put(database, &account, true, 1000000, 1999999,
			     geteuid() == 0 ? 61001 : (gid_t)-1),
	    0);
	buf_free(&path);
}

static const char *const expected[] = {
	"question=alice@d.test result=0 account=alice@d.test",
	"question=grant result=1",
	"question=wrong-grant result=0",
	"question=dropped-grant result=0",
	"question=Alice result=0 account=alice@d.test",
	"question=alice@d.test result=1 account=\"\"",
	"question=nobody@d.test result=1",
	"question=alice@other.test result=1",
	"question=shut@d.test result=1",
	"question=front-by-address result=0",
	"worker-here account=alice@d.test asked-by=1 uid-is-its-own=yes",
	"question=ALICE@D.test result=0 account=alice@d.test",
	"question=alice+lists@d.test result=0 account=alice@d.test",
	"question=a+b@d.test result=0 account=a+b@d.test",
	"question=nobody@d.test result=1 account=\"\"",
	"question=nobody+x@d.test result=1",
	"question=x@elsewhere.test result=2",
	"question=../alice@d.test result=1",
	"question=shut@d.test result=0 account=shut@d.test",
	"question=alice@d.test result=1 account=\"\"",
	"worker-here account=alice@d.test asked-by=5 uid-is-its-own=yes",
	"question=\"\" result=0",
	"all-answered role=front",
	"all-answered role=queue",
};
static const char *
missing(const struct buf *log)
{
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		if (span_find(buf_get(log), span_of(expected[i])) < 0)
			return expected[i];
	return NULL;
}

/* Runs the daemon until all is answered, by workers too, or nothing comes for 20 s; and gives its log. */
static void
run_daemon(struct buf *log)
{
	char conf[128];
	int pair[2], status;
	pid_t pid;

	(void)snprintf(conf, sizeof(conf), "%s/conf", folder);
	ck_assert_int_eq(pipe(pair), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)dup2(pair[1], STDERR_FILENO);
		(void)close(pair[0]);
		(void)close(pair[1]);
		(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
		(void)execl(program, program, "-C", conf, (char *)NULL);
		_exit(127);
	}
	(void)close(pair[1]);
	while (missing(log) != NULL) {
		struct pollfd wait = { pair[0], POLLIN, 0 };
		char *room = buf_reserve(log, 4096);
		ssize_t got = poll(&wait, 1, 20000) == 1 ? read(pair[0], room, 4096) : 0;

		ck_assert_msg(got > 0, "%s is missing in: %s", missing(log), buf_cstr(log));
		buf_added(log, (size_t)got);
	}
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	(void)close(pair[0]);
}

static void
setup(void)
{
	char database[128];

	(void)snprintf(database, sizeof(database), "%s/accounts/accounts.db", folder);
	add_account(database, "alice@d.test", true);
	add_account(database, "a+b@d.test", true);
	add_account(database, "shut@d.test", false);
}

START_TEST(answers)
{
	struct buf log = BUF_INIT(1 << 20);

	run_daemon(&log);
	buf_free(&log);
}
END_TEST

int
main(int argc, char **argv)
{
	static const char *const folders[] = { "empty", "mail", "accounts" };
	Suite *suite = suite_create("auth");
	TCase *tests = tcase_create("auth");
	char text[512];
	SRunner *runner;
	FILE *conf;
	int failed;

	if (argc > 1)
		return daemon_main(&toy, argc, argv);
	program = argv[0];
	if (mkdtemp(folder) == NULL)
		return 1;
	(void)chmod(folder, 0755);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(text, sizeof(text), "%s/%s", folder, folders[i]);
		(void)mkdir(text, 0755);
	}
	(void)snprintf(text, sizeof(text), "%s/conf", folder);
	conf = fopen(text, "w");
	if (conf == NULL)
		return 1;
	(void)fprintf(conf,
	    "role_uid_base = 61000;\ndomains = [ \"d.test\" ];\nauth_failure_delay = 0;\nempty_dir "
	    "= \"%s/empty\";\n"
	    "accounts_dir = \"%s/mail\";\naccounts_db = "
	    "\"%s/accounts/accounts.db\";\ntls_certificate = \"\";\n",
	    folder, folder, folder);
	if (fclose(conf) != 0)
		return 1;
	runner = srunner_create(suite);
	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, answers);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	(void)snprintf(text, sizeof(text), "rm -rf %s", folder);
	return system(text) != 0 || failed != 0;
}
