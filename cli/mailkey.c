/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* mailkey(8): the keys that mail is signed with (DKIM, ARC): made, published, taken into use, retired. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/mailkey_dns.h"
#include "cli/mailkey_file.h"
#include "cli/tool.h"
#include "cli/tool_smtpd.h"
#include "common/address.h"
#include "common/date.h"
#include "common/xalloc.h"

/* What a retired key has signed may still wait in queues: five days is how long others usually try. */
#define RETIRED_SECONDS (7 * 86400)
/* Bytes of one string of a TXT record, and how many of ours stand on a line. */
#define STRING_MAX 240

struct request {
	struct smtpd_conf conf;
	struct key_file file;
	struct buf domain; /* in canonical form; empty: all */
	const char *selector;
	enum dkim_algorithm algorithm;
	bool forced;
	int64_t now;
	FILE *said; /* what is told once the keys are written */
	char *said_text;
	size_t said_len;
};

static _Noreturn void
usage(void)
{
	(void)fputs("usage: mailkey [-C file] list [domain]\n"
		    "       mailkey [-C file] make [-a rsa|ed25519] [-s selector] domain\n"
		    "       mailkey [-C file] record domain [selector]\n"
		    "       mailkey [-C file] check [domain [selector]]\n"
		    "       mailkey [-C file] sign [-f] domain selector\n"
		    "       mailkey [-C file] rotate [-f] domain\n"
		    "       mailkey [-C file] retire domain selector\n"
		    "       mailkey [-C file] remove [-f] domain selector\n",
	    stderr);
	exit(EX_USAGE);
}

static const char *
algorithm_word(const struct dkim_private *key)
{
	return dkim_private_algorithm(key) == DKIM_ED25519_SHA256 ? "ed25519" : "rsa";
}

static enum dkim_algorithm
algorithm_of(const struct key_file *file, const struct dkim_key_row *row)
{
	struct dkim_private *key = key_file_load(file, row);
	enum dkim_algorithm algorithm = dkim_private_algorithm(key);

	(void)dkim_private_free(key);
	return algorithm;
}

/* True when the row is one of those that the command is about. */
static bool
is_meant(const struct request *request, const struct dkim_key_row *row)
{
	return (request->domain.len == 0 || span_eq(row->domain, buf_get(&request->domain))) &&
	    (request->selector == NULL || span_ieq(row->selector, span_of(request->selector)));
}

static struct dkim_key_row *
the_key(const struct request *request)
{
	struct dkim_key_row *row = key_file_find(&request->file, buf_get(&request->domain), span_of(request->selector));

	if (row == NULL)
		tool_fail(EX_UNAVAILABLE, "%s has no key %s", buf_cstr(&request->domain), request->selector);
	return row;
}

static void
set_state(const struct request *request, struct dkim_key_row *row, enum dkim_key_state state)
{
	row->state = state;
	row->since = request->now;
	(void)fprintf(request->said, "%.*s %.*s: %s\n", (int)row->domain.len, row->domain.ptr, (int)row->selector.len, row->selector.ptr,
	    dkim_key_state_name(state));
}

/* Writes the keys, and tells then what has changed. */
static void
write_keys(struct request *request)
{
	if (fclose(request->said) != 0)
		tool_fail(EX_OSERR, "%s", strerror(errno));
	request->said = NULL;
	key_file_write(&request->file);
	(void)fputs(request->said_text, stdout);
}

/* Puts the keys into force. */
static void
save(struct request *request)
{
	write_keys(request);
	(void)printf("smtpd uses it so once it is told to reload (SIGHUP).\n");
}

/* --- looking --- */

/* As a line of a zone file. */
static void
print_record(FILE *out, const struct key_file *file, const struct dkim_key_row *row)
{
	struct dkim_private *key = key_file_load(file, row);
	struct buf text = BUF_INIT(8192);
	struct span rest;

	if (dkim_private_record(key, &text) < 0)
		tool_fail(EX_SOFTWARE, "the key cannot be written as a record");
	(void)fprintf(out, "%.*s._domainkey.%.*s. IN TXT (", (int)row->selector.len, row->selector.ptr, (int)row->domain.len, row->domain.ptr);
	for (rest = buf_get(&text); rest.len != 0;) {
		struct span part = span_take(&rest, STRING_MAX);

		(void)fprintf(out, "%s\"%.*s\"", text.len > STRING_MAX ? "\n\t" : " ", (int)part.len, part.ptr);
	}
	(void)fprintf(out, " )\n");
	buf_free(&text);
	(void)dkim_private_free(key);
}

static int
list(struct request *request)
{
	size_t count = 0;

	for (size_t i = 0; i < request->file.count; i++) {
		const struct dkim_key_row *row = &request->file.rows[i];
		struct dkim_private *key;
		char since[DATE_SIZE];

		if (!is_meant(request, row))
			continue;
		key = key_file_load(&request->file, row);
		(void)date_format_rfc3339((struct date){ .utc = row->since }, since);
		(void)printf("%.*s\t%.*s\t%s\t%s\t%s\n", (int)row->domain.len, row->domain.ptr, (int)row->selector.len, row->selector.ptr, algorithm_word(key),
		    dkim_key_state_name(row->state), since);
		(void)dkim_private_free(key);
		count++;
	}
	if (count == 0)
		tool_warn("there are no keys");
	return count != 0 ? EX_OK : EX_UNAVAILABLE;
}

static int
record(struct request *request)
{
	size_t count = 0;

	for (size_t i = 0; i < request->file.count; i++)
		if (is_meant(request, &request->file.rows[i])) {
			print_record(stdout, &request->file, &request->file.rows[i]);
			count++;
		}
	if (count == 0)
		tool_fail(EX_UNAVAILABLE, "there is no such key");
	return EX_OK;
}

/* Prints what the DNS says of it. True when it fits. */
static bool
look(const struct request *request, const struct dkim_key_row *row)
{
	struct dkim_private *key = key_file_load(&request->file, row);
	const char *text;
	bool fits = key_record_look(&request->conf, row, key, &text) == KEY_RECORD_FITS;

	(void)printf("%.*s._domainkey.%.*s (%s): %s\n", (int)row->selector.len, row->selector.ptr, (int)row->domain.len, row->domain.ptr,
	    dkim_key_state_name(row->state), text);
	(void)dkim_private_free(key);
	return fits;
}

/* A retired key's record may go in time. */
static int
check(struct request *request)
{
	bool good = true;

	for (size_t i = 0; i < request->file.count; i++)
		if (is_meant(request, &request->file.rows[i]) && !look(request, &request->file.rows[i]))
			good &= request->file.rows[i].state == DKIM_KEY_RETIRED;
	return good ? EX_OK : EX_DATAERR;
}

/* --- changing --- */

/* "20261126r", and a letter behind it where there is one already. For free(3). */
static char *
choose_selector(const struct request *request, enum dkim_algorithm algorithm)
{
	int64_t year;
	unsigned month, day;
	char *selector;

	date_civil(request->now / 86400, &year, &month, &day);
	for (char letter = 'a'; letter <= 'z'; letter++) {
		selector = xasprintf("%04u%02u%02u%s%c", (unsigned)year, month, day, algorithm == DKIM_ED25519_SHA256 ? "e" : "r", letter == 'a' ? '\0' : letter);
		if (key_file_find(&request->file, buf_get(&request->domain), span_of(selector)) == NULL)
			return selector;
		free(selector);
	}
	tool_fail(EX_UNAVAILABLE, "%s has too many keys of today: choose a selector (-s)", buf_cstr(&request->domain));
}

/* Adds a key; all that it is made of stays until the program ends. */
static const struct dkim_key_row *
add_key(struct request *request, enum dkim_algorithm algorithm)
{
	struct dkim_private *key = dkim_private_make(algorithm);
	struct buf pem = BUF_INIT(DKIM_PEM_MAX);
	struct dkim_key_row made = { .domain = buf_get(&request->domain) }, *row;

	if (dkim_private_pem(key, &pem) < 0)
		tool_fail(EX_SOFTWARE, "the key cannot be written");
	made.pem = span_trim(buf_get(&pem));
	/* Among those that are there: it is none of them yet. */
	made.selector = span_of(request->selector != NULL ? request->selector : choose_selector(request, algorithm));
	row = key_file_add(&request->file, &made);
	set_state(request, row, DKIM_KEY_PUBLISHED);
	(void)dkim_private_free(key);
	return row;
}

static void
say_what_next(const struct request *request, const struct dkim_key_row *row)
{
	(void)printf("Publish its record:\n\n");
	print_record(stdout, &request->file, row);
	(void)printf("\nWhen the name servers answer with it, let it sign: mailkey sign %.*s %.*s\n", (int)row->domain.len, row->domain.ptr,
	    (int)row->selector.len, row->selector.ptr);
}

static int
make(struct request *request)
{
	const struct dkim_key_row *row;

	if (request->selector != NULL && !dkim_selector_is_valid(span_of(request->selector)))
		tool_fail(EX_USAGE, "%s is no selector: letters, digits, hyphens and dots, 63 at most", request->selector);
	if (request->selector != NULL && key_file_find(&request->file, buf_get(&request->domain), span_of(request->selector)) != NULL)
		tool_fail(EX_CANTCREAT, "%s has a key %s already", buf_cstr(&request->domain), request->selector);
	row = add_key(request, request->algorithm);
	write_keys(request);
	say_what_next(request, row);
	return EX_OK;
}

static void
must_be_verified(const struct request *request, const struct dkim_key_row *row)
{
	if (!look(request, row) && !request->forced)
		tool_fail(EX_UNAVAILABLE, "what it signs could not be verified by others: publish its record first, or use -f");
}

/* One key signs for each algorithm: the former of its kind is retired. */
static void
take_into_use(const struct request *request, struct dkim_key_row *row)
{
	enum dkim_algorithm algorithm = algorithm_of(&request->file, row);

	for (size_t i = 0; i < request->file.count; i++) {
		struct dkim_key_row *other = &request->file.rows[i];

		if (other != row && other->state == DKIM_KEY_SIGNING && span_eq(other->domain, row->domain) &&
		    algorithm_of(&request->file, other) == algorithm)
			set_state(request, other, DKIM_KEY_RETIRED);
	}
	set_state(request, row, DKIM_KEY_SIGNING);
}

static int
sign(struct request *request)
{
	struct dkim_key_row *row = the_key(request);

	must_be_verified(request, row);
	take_into_use(request, row);
	save(request);
	return EX_OK;
}

static struct dkim_key_row *
find_key(const struct request *request, enum dkim_key_state state, enum dkim_algorithm algorithm)
{
	for (size_t i = 0; i < request->file.count; i++) {
		struct dkim_key_row *row = &request->file.rows[i];

		if (row->state == state && span_eq(row->domain, buf_get(&request->domain)) && algorithm_of(&request->file, row) == algorithm)
			return row;
	}
	return NULL;
}

/* The first time new keys are made beside those that sign; the second time they take over. */
static int
rotate(struct request *request)
{
	static const enum dkim_algorithm algorithms[] = { DKIM_RSA_SHA256, DKIM_ED25519_SHA256 };
	bool takes_over = false, any = false;

	/* All of them, before one is changed. */
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(*algorithms); i++) {
		const struct dkim_key_row *next = find_key(request, DKIM_KEY_PUBLISHED, algorithms[i]);

		if (next != NULL && find_key(request, DKIM_KEY_SIGNING, algorithms[i]) != NULL)
			must_be_verified(request, next);
	}
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(*algorithms); i++) {
		struct dkim_key_row *next = find_key(request, DKIM_KEY_PUBLISHED, algorithms[i]);

		if (find_key(request, DKIM_KEY_SIGNING, algorithms[i]) == NULL)
			continue;
		any = true;
		if (next != NULL) {
			take_into_use(request, next);
			takes_over = true;
		} else {
			const struct dkim_key_row *made = add_key(request, algorithms[i]);

			print_record(request->said, &request->file, made);
		}
	}
	if (!any)
		tool_fail(EX_UNAVAILABLE, "no key of %s signs: begin with mailkey make", buf_cstr(&request->domain));
	save(request);
	if (!takes_over)
		(void)printf("When the name servers answer with these records, say it again: mailkey rotate %s\n", buf_cstr(&request->domain));
	return EX_OK;
}

static int
retire(struct request *request)
{
	set_state(request, the_key(request), DKIM_KEY_RETIRED);
	save(request);
	return EX_OK;
}

static int
remove_key(struct request *request)
{
	struct dkim_key_row *row = the_key(request);

	if (row->state == DKIM_KEY_SIGNING && !request->forced)
		tool_fail(EX_UNAVAILABLE, "mail is signed with it: retire it first, or use -f");
	if (row->state == DKIM_KEY_RETIRED && request->now - row->since < RETIRED_SECONDS && !request->forced)
		tool_fail(EX_UNAVAILABLE, "it was retired less than seven days ago, and mail that it signed may still be under way: wait, or use -f");
	(void)fprintf(request->said, "Its record may be removed: %.*s._domainkey.%.*s\n", (int)row->selector.len, row->selector.ptr, (int)row->domain.len, row->domain.ptr);
	key_file_remove(&request->file, row);
	save(request);
	return EX_OK;
}

/* --- commands --- */

static const struct command {
	const char *name;
	int (*run)(struct request *request);
	int least, most; /* arguments: a domain, a selector */
	bool changes;
} commands[] = {
	{ "list", list, 0, 1, false },
	{ "make", make, 1, 1, true },
	{ "record", record, 1, 2, false },
	{ "check", check, 0, 2, false },
	{ "sign", sign, 2, 2, true },
	{ "rotate", rotate, 1, 1, true },
	{ "retire", retire, 2, 2, true },
	{ "remove", remove_key, 2, 2, true },
};

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (name != NULL && strcmp(commands[i].name, name) == 0)
			return &commands[i];
	usage();
}

/* The options behind the command. */
static void
take_options(const struct command *command, int argc, char **argv, struct request *request)
{
	bool makes = command->run == make, forces = command->run == sign || command->run == rotate || command->run == remove_key;
	int option;

	optind = 1;
	while ((option = getopt(argc, argv, "+a:fs:")) != -1)
		if (option == 'a' && makes && strcmp(optarg, "ed25519") == 0)
			request->algorithm = DKIM_ED25519_SHA256;
		else if (option == 's' && makes)
			request->selector = optarg;
		else if (option == 'f' && forces)
			request->forced = true;
		else if (option != 'a' || !makes || strcmp(optarg, "rsa") != 0)
			usage();
	if (argc - optind < command->least || argc - optind > command->most)
		usage();
	if (argc - optind >= 1 &&
	    (address_domain_canonical(span_of(argv[optind]), &request->domain) < 0 || request->domain.len == 0))
		tool_fail(EX_USAGE, "%s is no domain", argv[optind]);
	if (argc - optind == 2)
		request->selector = argv[optind + 1];
}

int
main(int argc, char **argv)
{
	struct request request = { .algorithm = DKIM_RSA_SHA256, .domain = BUF_INIT(DKIM_NAME_MAX), .now = (int64_t)time(NULL) };
	const char *conf_path = NULL;
	const struct command *command;
	int option, status;

	tool_init("mailkey");
	while ((option = getopt(argc, argv, "+C:h")) != -1)
		switch (option) {
		case 'C': conf_path = optarg; break;
		default: usage();
		}
	command = find_command(argv[optind]);
	take_options(command, argc - optind, argv + optind, &request);
	tool_load_smtpd(conf_path, &request.conf);
	if (request.conf.dkim_keys[0] == '\0')
		tool_fail(EX_CONFIG, "mail is not signed: set dkim_keys in smtpd.conf to the file where the keys shall be");
	request.said = open_memstream(&request.said_text, &request.said_len);
	if (request.said == NULL)
		tool_fail(EX_OSERR, "%s", strerror(errno));
	key_file_read(request.conf.dkim_keys, command->changes, &request.file);
	status = command->run(&request);
	key_file_free(&request.file);
	if (request.said != NULL)
		(void)fclose(request.said);
	free(request.said_text);
	return tool_end(status);
}
