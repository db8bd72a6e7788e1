/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A whole daemon around the login engine, run for real: front, key and login as they are, a toy
 * protocol, a toy auth role and a toy session. The program is the daemon when it is given
 * arguments, and the test of it when not. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/common/tls_pair.h"
#include "tests/unit/frame/toy_login.h"

/* --- the test: a daemon for all cases --- */

static char folder[] = "/tmp/test_login.XXXXXX";
static const char *program;
static pid_t pid;
static uint16_t port;
static SSL_CTX *client_context;

struct client {
	int fd;
	SSL *ssl;
};

/* From 127.0.0.<host>. */
static struct client
open_client_from(uint8_t host, uint16_t to)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(to),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in own = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host) };
	struct timeval patience = { 20, 0 };
	struct client client = { socket(AF_INET, SOCK_STREAM, 0), NULL };

	ck_assert_int_eq(bind(client.fd, (struct sockaddr *)&own, sizeof(own)), 0);
	(void)setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(client.fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		(void)close(client.fd);
		client.fd = -1;
	}
	return client;
}

static struct client
open_client(uint16_t to)
{
	return open_client_from(1, to);
}

static void
shake_hands(struct client *client)
{
	client->ssl = SSL_new(client_context);
	ck_assert_int_eq(SSL_set_fd(client->ssl, client->fd), 1);
	ck_assert_int_eq(SSL_connect(client->ssl), 1);
}

static void
say(const struct client *client, const char *text)
{
	int len = (int)strlen(text);

	ck_assert_int_eq(client->ssl != NULL ?
		SSL_write(client->ssl, text, len) :
		(int)send(client->fd, text, (size_t)len, MSG_NOSIGNAL),
	    len);
}

/* Reads exactly this. */
static void
hear(const struct client *client, const char *text)
{
	char got[512] = "";
	size_t len = 0;

	while (len < strlen(text)) {
		int room = (int)(strlen(text) - len),
		    n = client->ssl != NULL ? SSL_read(client->ssl, got + len, room) :
					      (int)recv(client->fd, got + len, (size_t)room, 0);

		ck_assert_msg(n > 0, "expected %s, got %s", text, got);
		len += (size_t)n;
	}
	ck_assert_str_eq(got, text);
}

/* What comes back, comes back soon: a busy machine may take its time. */
static void
be_patient(unsigned tries)
{
	struct timespec moment = { 0, 100000000 };

	ck_assert_uint_lt(tries, 200);
	(void)nanosleep(&moment, NULL);
}

/* A client that was let in, once there is room again. */
static struct client
open_welcomed(void)
{
	for (unsigned tries = 0;; tries++) {
		struct client client = open_client(port);
		char greeting[13] = "";

		(void)recv(client.fd, greeting, 12, MSG_WAITALL);
		if (strcmp(greeting, "hello plain\n") == 0)
			return client;
		(void)close(client.fd);
		be_patient(tries);
	}
}

static void
hear_end(const struct client *client)
{
	char byte;

	ck_assert_int_le(client->ssl != NULL ? SSL_read(client->ssl, &byte, 1) :
					       (int)recv(client->fd, &byte, 1, 0),
	    0);
}

static void
close_client(struct client *client)
{
	SSL_free(client->ssl);
	(void)close(client->fd);
}

static void
write_file(const char *name, const char *text, mode_t mode)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	(void)fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
	(void)chmod(path, mode);
}

/* Two free ports in a row, or nearly always so. */
static uint16_t
free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	(void)close(fd);
	return ntohs(address.sin_port) & 0xfffe;
}

static void
start_daemon(void)
{
	char conf[1024], path[128], *certificate, *key;
	struct timespec moment = { 0, 50000000 };

	make_pair("EC", &certificate, &key);
	write_file("cert.pem", certificate, 0644);
	write_file("key.pem", key, 0600);
	free(certificate);
	free(key);
	port = free_port();
	(void)snprintf(conf, sizeof(conf),
	    "role_uid_base = 61000;\nempty_dir = \"%s/empty\";\naccounts_dir = \"%s/mail\";\n"
	    "tls_certificate = \"%s/cert.pem\";\ntls_key = \"%s/key.pem\";\nhostname = \"h\";\n"
	    "listen_toy = [ \"127.0.0.1:%u\" ];\nlisten_toys = [ \"127.0.0.1:%u\" ];\n",
	    folder, folder, folder, folder, port, port + 1U);
	write_file("conf", conf, 0644);
	(void)snprintf(path, sizeof(path), "%s/conf", folder);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		char log[128];

		(void)snprintf(log, sizeof(log), "%s/log", folder);
		if (freopen(log, "w", stderr) == NULL)
			_exit(126);
		(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
		(void)execl(program, program, "-v", "-C", path, (char *)NULL);
		_exit(127);
	}
	for (unsigned tries = 0; tries < 200; tries++) {
		struct client client = open_client((uint16_t)(port + 1));

		if (client.fd >= 0) {
			close_client(&client);
			return;
		}
		(void)nanosleep(&moment, NULL);
	}
	ck_abort_msg("the daemon does not answer");
}

static void
stop_daemon(void)
{
	int status;

	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

START_TEST(plain_login_hands_the_socket_over)
{
	struct client client = open_client(port);

	hear(&client, "hello plain\n");
	/* All at once: what stands behind the password is the session's. */
	say(&client, "x\npass good\nfirst\nsecond\n");
	hear(&client, "what\nsession plain 127.0.0.1 tag u@d.test\nfirst\nsecond\n");
	say(&client, "quit\n");
	hear(&client, "farewell\n");
	hear_end(&client);
	close_client(&client);
}
END_TEST

START_TEST(tls_login_is_relayed)
{
	struct client client = open_client((uint16_t)(port + (_i == 0)));

	if (_i == 1) {
		hear(&client, "hello plain\n");
		say(&client, "tls\n");
		hear(&client, "go\n");
	}
	shake_hands(&client);
	if (_i == 0)
		hear(&client, "hello secure\n");
	say(&client, "pass good\nfirst\n");
	hear(&client, "session secure 127.0.0.1 tag u@d.test\nfirst\n");
	for (unsigned i = 0; i < 100; i++) {
		say(&client, "to and fro\n");
		hear(&client, "to and fro\n");
	}
	say(&client, "quit\n");
	hear(&client, "farewell\n");
	hear_end(&client);
	close_client(&client);
}
END_TEST

START_TEST(wrong_passwords_end_it)
{
	struct client client = open_client(port);

	hear(&client, "hello plain\n");
	say(&client, "pass bad\nx\npass bad\nx\n");
	hear(&client, "refused 1\nwhat\nrefused 1\ntoo many\n");
	hear_end(&client);
	close_client(&client);
}
END_TEST

START_TEST(plaintext_behind_starttls_is_dropped)
{
	struct client client = open_client(port);

	hear(&client, "hello plain\n");
	say(&client, "tls\npass good\n");
	hear(&client, "go\n");
	hear_end(&client);
	close_client(&client);
}
END_TEST

START_TEST(no_session)
{
	struct client client = open_client(port);

	hear(&client, "hello plain\n");
	say(&client, "pass nospawn\n");
	hear(&client, "unavailable\n");
	hear_end(&client);
	close_client(&client);
}
END_TEST

START_TEST(silence_and_endless_lines)
{
	struct client client = open_client(port);
	char much[13000];

	hear(&client, "hello plain\n");
	hear(&client, "too slow\n");
	hear_end(&client);
	close_client(&client);
	client = open_client(port);
	hear(&client, "hello plain\n");
	memset(much, 'a', sizeof(much));
	much[sizeof(much) - 1] = '\0';
	say(&client, much);
	hear(&client, "too long\n");
	close_client(&client);
}
END_TEST

START_TEST(dribbling_ends)
{
	struct client client = open_client(port);
	struct timespec moment = { 0, 300000000 };
	unsigned sent = 0;

	hear(&client, "hello plain\n");
	/* A byte now and then keeps the silence away, but not the end of all patience: 5 s. */
	while (sent < 40 && send(client.fd, "a", 1, MSG_NOSIGNAL) == 1) {
		struct pollfd wait = { client.fd, POLLIN, 0 };

		if (poll(&wait, 1, 0) == 1)
			break;
		sent++;
		(void)nanosleep(&moment, NULL);
	}
	ck_assert_uint_ge(sent, 10);
	ck_assert_uint_lt(sent, 30);
	hear(&client, "too slow\n");
	close_client(&client);
}
END_TEST

START_TEST(limits_count_sessions_too)
{
	struct client clients[6], other;

	for (size_t i = 0; i < 6; i++) {
		clients[i] = open_client(port);
		hear(&clients[i], "hello plain\n");
		say(&clients[i], "pass good\n");
		hear(&clients[i], "session plain 127.0.0.1 tag u@d.test\n");
	}
	other = open_client(port);
	hear(&other, "too many\n");
	hear_end(&other);
	close_client(&other);
	/* From elsewhere there is room, but the account has all the sessions it may have. */
	other = open_client_from(2, port);
	hear(&other, "hello plain\n");
	say(&other, "pass good\n");
	hear(&other, "refused 4\n");
	close_client(&other);
	for (size_t i = 0; i < 6; i++)
		close_client(&clients[i]);
	for (unsigned tries = 0;; tries++) {
		char reply[9] = "";

		other = open_welcomed();
		say(&other, "pass good\n");
		ck_assert_int_eq(recv(other.fd, reply, 8, MSG_WAITALL), 8);
		close_client(&other);
		if (strcmp(reply, "session ") == 0)
			return;
		ck_assert_str_eq(reply, "refused ");
		be_patient(tries);
	}
}
END_TEST

/* Clients that take nothing of what is sent to them: the sessions end, and then what was on the way to the clients is no reason to wait for ever. */
START_TEST(who_takes_nothing_is_let_go)
{
	struct client clients[6], other;
	static char much[16384];

	memset(much, 'x', sizeof(much) - 1);
	for (size_t i = 0; i < 6; i++) {
		clients[i] = open_client((uint16_t)(port + 1));
		shake_hands(&clients[i]);
		hear(&clients[i], "hello secure\n");
		say(&clients[i], "pass good\n");
		hear(&clients[i], "session secure 127.0.0.1 tag u@d.test\n");
		for (size_t sent = 0; sent < (16 << 20); sent += sizeof(much) - 1)
			say(&clients[i], much);
		say(&clients[i], "quit\n");
	}
	other = open_welcomed();
	close_client(&other);
	for (size_t i = 0; i < 6; i++)
		close_client(&clients[i]);
}
END_TEST

START_TEST(reload_keeps_connections)
{
	struct client client = open_client((uint16_t)(port + 1));
	struct timespec moment = { 0, 300000000 };

	shake_hands(&client);
	hear(&client, "hello secure\n");
	say(&client, "pass good\n");
	hear(&client, "session secure 127.0.0.1 tag u@d.test\n");
	ck_assert_int_eq(kill(pid, SIGHUP), 0);
	(void)nanosleep(&moment, NULL);
	say(&client, "still there\n");
	hear(&client, "still there\n");
	close_client(&client);
}
END_TEST

START_TEST(auth_that_dies_is_told_and_comes_back)
{
	struct client client = open_client(port);

	hear(&client, "hello plain\n");
	say(&client, "pass die\n");
	hear(&client, "refused 3\n");
	close_client(&client);
	for (unsigned tries = 0; tries < 50; tries++) {
		struct timespec moment = { 0, 100000000 };
		char reply[8] = "";

		client = open_client(port);
		hear(&client, "hello plain\n");
		say(&client, "pass good\n");
		ck_assert_int_eq(recv(client.fd, reply, 7, MSG_WAITALL), 7);
		close_client(&client);
		if (strcmp(reply, "session") == 0)
			return;
		(void)nanosleep(&moment, NULL);
	}
	ck_abort_msg("auth did not come back");
}
END_TEST

static void
kill_role(const char *role)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "pkill -9 -P %ld -f 'toylogind: %s'", (long)pid, role);
	ck_assert_int_eq(system(command), 0);
}

/* A new connection with TLS is served; soon, for roles may be on their way. */
static void
tls_works(void)
{
	struct client client;

	for (unsigned tries = 0;; tries++) {
		client = open_client((uint16_t)(port + 1));
		client.ssl = SSL_new(client_context);
		ck_assert_int_eq(SSL_set_fd(client.ssl, client.fd), 1);
		if (SSL_connect(client.ssl) == 1)
			break;
		close_client(&client);
		be_patient(tries);
	}
	hear(&client, "hello secure\n");
	close_client(&client);
}

START_TEST(key_that_dies_comes_back)
{
	kill_role("key");
	tls_works();
}
END_TEST

static void
await_log(const char *text)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "for i in $(seq 200); do grep -q '%s' %s/log && exit 0; sleep 0.1; done; exit 1", text, folder);
	ck_assert_int_eq(system(command), 0);
}

/* What a reload refused has no say when a role is started again either. */
START_TEST(roles_come_back_with_what_was_accepted)
{
	write_file("key.pem", "none\n", 0600);
	ck_assert_int_eq(kill(pid, SIGHUP), 0);
	await_log("not-reloaded");
	kill_role("key");
	tls_works();
	write_file("cert.pem", "none\n", 0644);
	kill_role("login");
	tls_works();
}
END_TEST

START_TEST(an_abandoned_login_is_forgotten)
{
	struct client client = open_client(port);
	struct timespec moment = { 0, 200000000 };

	hear(&client, "hello plain\n");
	say(&client, "pass silence\n");
	(void)nanosleep(&moment, NULL);
	close_client(&client);
	(void)nanosleep(&moment, NULL);
	client = open_client(port);
	hear(&client, "hello plain\n");
	close_client(&client);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *suite = suite_create("login");
	TCase *tests = tcase_create("login");
	static const char *const folders[] = { "empty", "mail" };
	char command[128];
	SRunner *runner;
	int failed;

	if (argc > 1)
		return daemon_main(&toy, argc, argv);
	program = argv[0];
	if (mkdtemp(folder) == NULL)
		return 1;
	(void)chmod(folder, 0755);
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(command, sizeof(command), "%s/%s", folder, folders[i]);
		(void)mkdir(command, 0755);
	}
	client_context = SSL_CTX_new(TLS_client_method());
	runner = srunner_create(suite);
	tcase_set_timeout(tests, 60);
	tcase_add_unchecked_fixture(tests, start_daemon, stop_daemon);
	tcase_add_test(tests, plain_login_hands_the_socket_over);
	tcase_add_loop_test(tests, tls_login_is_relayed, 0, 2);
	tcase_add_test(tests, wrong_passwords_end_it);
	tcase_add_test(tests, plaintext_behind_starttls_is_dropped);
	tcase_add_test(tests, no_session);
	tcase_add_test(tests, silence_and_endless_lines);
	tcase_add_test(tests, dribbling_ends);
	tcase_add_test(tests, limits_count_sessions_too);
	tcase_add_test(tests, who_takes_nothing_is_let_go);
	tcase_add_test(tests, reload_keeps_connections);
	tcase_add_test(tests, auth_that_dies_is_told_and_comes_back);
	tcase_add_test(tests, key_that_dies_comes_back);
	tcase_add_test(tests, roles_come_back_with_what_was_accepted);
	tcase_add_test(tests, an_abandoned_login_is_forgotten);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	SSL_CTX_free(client_context);
	if (failed == 0) {
		(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
		failed = system(command) != 0;
	} else {
		(void)printf("log: %s/log\n", folder);
	}
	return failed != 0;
}
