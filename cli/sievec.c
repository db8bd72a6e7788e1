/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* sievec(1): checks Sieve scripts, and shows what one does with a message. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/tool.h"
#include "common/cleanup.h"
#include "common/date.h"
#include "common/header.h"
#include "common/io.h"
#include "common/xalloc.h"
#include "sieve/sieve.h"
#include "smtpd/filter_word_parse.h"
#include "smtpd/spam_percent.h"

#define MESSAGE_MAX (256u << 20)
#define INCLUDED_MAX 100

struct tracer {
	const char *folder; /* of personal scripts: the script's own */
	const char *global;
	unsigned options;
	struct sieve_program *programs[INCLUDED_MAX];
	size_t count;
};

static _Noreturn void
usage(void)
{
	(void)fputs("usage: sievec [-e] script ...\n"
	    "       sievec -t message [-e] [-f sender] [-r recipient] [-g folder] script ...\n"
	    "       sievec [-e] -c\n",
	    stderr);
	exit(EX_USAGE);
}

/* 0 or -errno. */
static int
read_all(const char *path, struct buf *out)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : io_read_all(fd, out);
}

/* NULL after the faults have been told, each as FILE:LINE: text. */
static struct sieve_program *
compile(const char *path, unsigned options)
{
	struct buf script = BUF_INIT(SIEVE_SCRIPT_MAX + 65536), errors = BUF_INIT(1 << 20);
	struct sieve_program *program = NULL;
	int r = read_all(path, &script);
	struct span rest, line;

	if (r == 0 && sieve_compile(buf_get(&script), options, &program, &errors) != 0) {
		rest = buf_get(&errors);
		while (span_split(&rest, '\n', &line)) {
			(void)fprintf(stderr, "%s:", path);
			tool_print(stderr, line, "");
			(void)fputc('\n', stderr);
		}
	} else if (r != 0) {
		tool_warn("%s: %s", path, r == -EFBIG ? "too large for a script" : strerror(-r));
	}
	buf_free(&script);
	buf_free(&errors);
	return program;
}

/* --- what a run asks --- */

static const struct sieve_program *
include(void *context, bool global, struct span name, const char **ret_error)
{
	struct tracer *tracer = context;
	const char *folder = global ? tracer->global : tracer->folder;
	_cleanup_(freep) char *path = NULL;
	struct sieve_program *program;

	if (folder == NULL || tracer->count == INCLUDED_MAX)
		return NULL;
	path = xasprintf("%s/%.*s.sieve", folder, (int)name.len, name.ptr);
	if (access(path, R_OK) < 0)
		return NULL;
	program = compile(path, tracer->options);
	if (program == NULL)
		*ret_error = "cannot be compiled";
	else
		tracer->programs[tracer->count++] = program;
	return program;
}

/* Any mailbox may be there; which ones the account has is not known here. */
static bool
any_mailbox(void *context, struct span name)
{
	(void)context, (void)name;
	return true;
}

static bool
any_use(void *context, struct span mailbox, struct span attribute)
{
	(void)context, (void)mailbox, (void)attribute;
	return true;
}

static void
print(void *context, unsigned line, unsigned depth, struct span text)
{
	(void)context;
	(void)printf("%*s%4u  ", (int)depth * 2, "", line);
	tool_print(stdout, text, "\n\t");
	(void)putchar('\n');
}

/* --- what is to be done --- */

static void
print_actions(const struct sieve_result *result)
{
	(void)printf("actions:\n");
	for (size_t i = 0; i < result->count; i++) {
		struct buf text = BUF_INIT(16384);

		sieve_action_show(&result->actions[i], &text);
		(void)printf("  ");
		tool_print(stdout, buf_get(&text), "\n\t");
		(void)putchar('\n');
		buf_free(&text);
	}
	if (result->count == 0)
		(void)printf("  none: the message is discarded\n");
}

/* Runs the scripts one after the other on the message, as long as the implicit keep stands. */
static int
trace(struct tracer *tracer, struct sieve_host *host, char *const *scripts, int count)
{
	struct sieve_result result;
	int status = EX_OK;

	sieve_result_init(&result);
	/* One that ends with an error changes nothing, and those that follow it are run, as smtpd does. */
	for (int i = 0; i < count && result.implicit_keep; i++) {
		const char *slash = strrchr(scripts[i], '/');
		_cleanup_(freep) char *folder = slash != NULL ? xstrndup(scripts[i], (size_t)(slash - scripts[i])) : xstrdup(".");
		struct sieve_program *program = compile(scripts[i], tracer->options);

		tracer->folder = folder;
		if (program == NULL) {
			status = EX_DATAERR;
			break;
		}
		(void)printf("%s:\n", scripts[i]);
		if (sieve_run(program, host, &result) != 0) {
			(void)fflush(stdout);
			(void)fprintf(stderr, "%s:%u: ", scripts[i], result.error_line);
			tool_print(stderr, span_of(result.error), "");
			(void)fputc('\n', stderr);
			status = EX_SOFTWARE;
		}
		(void)sieve_program_free(program);
	}
	sieve_result_finish(&result);
	if (status != EX_DATAERR)
		print_actions(&result);
	sieve_result_free(&result);
	return status;
}

static void
print_capability(void *context, const char *name)
{
	(void)context;
	(void)puts(name);
}

static int
check(char *const *scripts, int count, unsigned options)
{
	int status = EX_OK;

	for (int i = 0; i < count; i++) {
		struct sieve_program *program = compile(scripts[i], options);

		if (program == NULL)
			status = EX_DATAERR;
		(void)sieve_program_free(program);
	}
	return status;
}

static int
zone_at(void *context, int64_t utc)
{
	(void)context;
	return date_local(utc).zone;
}

int
main(int argc, char **argv)
{
	struct buf message = BUF_INIT(MESSAGE_MAX);
	struct tracer tracer = { .global = NULL };
	struct sieve_host host = {
		.sender = SPAN("sender@example.com"), .recipient = SPAN("user@example.org"), .delimiter = '+', .context = &tracer,
		.mailbox_exists = any_mailbox, .special_use = any_use, .include = include, .trace = print,
		.environment = {
			[SIEVE_ENV_LOCATION] = SPAN("MDA"), [SIEVE_ENV_NAME] = SPAN("Fourpost"), [SIEVE_ENV_PHASE] = SPAN("during"),
			[SIEVE_ENV_VERSION] = SPAN(VERSION),
		},
	};
	const char *message_path = NULL;
	bool capabilities = false;
	struct span block;
	int option, r, status;

	tool_init("sievec");
	while ((option = getopt(argc, argv, "cef:g:r:t:")) != -1) {
		switch (option) {
		case 'c': capabilities = true; break;
		case 'e': tracer.options |= SIEVE_EDITHEADER; break;
		case 'f': host.sender = span_of(optarg); break;
		case 'g': tracer.global = optarg; break;
		case 'r': host.recipient = span_of(optarg); break;
		case 't': message_path = optarg; break;
		default: usage();
		}
	}
	if (capabilities ? optind != argc : optind == argc)
		usage();
	if (capabilities) {
		sieve_capabilities(tracer.options, print_capability, NULL);
		return tool_end(EX_OK);
	}
	if (message_path == NULL)
		return check(argv + optind, argc - optind, tracer.options);
	r = read_all(message_path, &message);
	if (r != 0)
		tool_fail(EX_NOINPUT, "%s: %s", message_path, strerror(-r));
	host.message = buf_get(&message);
	block = span_make(host.message.ptr, header_block_size(host.message));
	host.spam = spam_percent(block);
	host.virus = filter_word_virus(block);
	host.options = tracer.options;
	host.now = time(NULL);
	host.zone = zone_at(NULL, host.now);
	host.zone_at = zone_at;
	status = trace(&tracer, &host, argv + optind, argc - optind);
	while (tracer.count != 0)
		(void)sieve_program_free(tracer.programs[--tracer.count]);
	buf_free(&message);
	return tool_end(status);
}
