/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* sendmail(8): takes mail of local programs and puts it into spool/drop. It has no rights of its
 * own: everybody may write there, and the queue sees who did. */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/queue_print.h"
#include "cli/sendmail_smtp.h"
#include "cli/submit.h"
#include "cli/tool.h"
#include "cli/tool_smtpd.h"
#include "common/cleanup.h"
#include "common/xalloc.h"

#define CHUNK 65536

enum mode { MODE_SEND, MODE_SMTP, MODE_LIST, MODE_RETRY, MODE_NOTHING };

struct options {
	enum mode mode;
	const char *conf_path, *sender, *name, *retry_id;
	bool recipients_in_header, dots; /* dots: a line with a dot alone does not end the message */
	uint8_t notify;
	enum envelope_ret ret;
	const char *envid;
	bool seven_bit;
};

static _Noreturn void
usage(void)
{
	(void)fputs("usage: sendmail [-ti] [-C file] [-F name] [-f address] [-B body] [-N notify] [-R ret] [-V envid] [address ...]\n"
		    "       sendmail -bs|-bp [-C file]\n"
		    "       sendmail -q [-C file]\n",
	    stderr);
	exit(EX_USAGE);
}

/* --- options --- */

/* NOTIFY of RFC 3461 section 4.1. */
static uint8_t
read_notify(const char *text)
{
	static const char *const names[] = { "success", "failure", "delay" };
	static const uint8_t bits[] = { ENVELOPE_SUCCESS, ENVELOPE_FAILURE, ENVELOPE_DELAY };
	struct span rest = span_of(text), word;
	uint8_t notify = 0, found;

	if (span_ieq(rest, SPAN("never")))
		return ENVELOPE_NEVER;
	while (span_split(&rest, ',', &word)) {
		found = 0;
		for (size_t i = 0; i < sizeof(bits); i++)
			if (span_ieq(word, span_of(names[i])))
				found = bits[i];
		if (found == 0)
			tool_fail(EX_USAGE, "-N wants never, or some of success,failure,delay");
		notify |= found;
	}
	return notify;
}

static enum envelope_ret
read_ret(const char *text)
{
	if (strcasecmp(text, "full") == 0)
		return ENVELOPE_RET_FULL;
	if (strcasecmp(text, "hdrs") == 0)
		return ENVELOPE_RET_HDRS;
	tool_fail(EX_USAGE, "-R wants full or hdrs");
}

static enum mode
read_mode(const char *text)
{
	static const struct {
		const char *text;
		enum mode mode;
	} modes[] = { { "m", MODE_SEND }, { "a", MODE_SEND }, { "s", MODE_SMTP }, { "p", MODE_LIST }, { "i", MODE_NOTHING } };

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (strcmp(text, modes[i].text) == 0)
			return modes[i].mode;
	if (strcmp(text, "d") == 0 || strcmp(text, "D") == 0)
		tool_fail(EX_USAGE, "the daemon is smtpd(8)");
	tool_fail(EX_USAGE, "-b%s is not known here", text);
}

/* -q, -q30m (how often a daemon would look), -qIid; other forms choose messages in ways that are not known here. */
static void
read_retry(const char *text, struct options *options)
{
	options->mode = MODE_RETRY;
	if (text == NULL || ascii_is_digit(text[0]))
		return;
	if (text[0] != 'I' || text[1] == '\0')
		tool_fail(EX_USAGE, "-q%s is not known here: -q tries all, -qIid one message", text);
	options->retry_id = text + 1;
}

static void
read_options(int argc, char **argv, struct options *options)
{
	int option;

	/* Those without a case do nothing here that would matter: how errors are told, how mail is
	 * queued, lists, and debugging. */
	while ((option = getopt(argc, argv, "+A:B:b:C:cd::Ee:F:f:Gh:IiL:mN:no:O:p:q::R:r:stTUV:vX:x")) != -1)
		switch (option) {
		case 'B':
			options->seven_bit = strcasecmp(optarg, "7bit") == 0;
			break;
		case 'b':
			options->mode = read_mode(optarg);
			break;
		case 'C':
			options->conf_path = optarg;
			break;
		case 'F':
			options->name = optarg;
			break;
		case 'f':
		case 'r':
			options->sender = optarg;
			break;
		case 'I':
			options->mode = MODE_NOTHING; /* newaliases: there is no database of them to make */
			break;
		case 'i':
			options->dots = true;
			break;
		case 'N':
			options->notify = read_notify(optarg);
			break;
		case 'o':
			options->dots |= strcmp(optarg, "i") == 0;
			break;
		case 'O':
			options->dots |= strcasecmp(optarg, "IgnoreDots") == 0 || strcasecmp(optarg, "IgnoreDots=true") == 0;
			break;
		case 'q':
			read_retry(optarg, options);
			break;
		case 'R':
			options->ret = read_ret(optarg);
			break;
		case 't':
			options->recipients_in_header = true;
			break;
		case 'V':
			options->envid = optarg;
			break;
		case '?':
			usage();
		default:
			break;
		}
}

/* --- the message on standard input --- */

static volatile sig_atomic_t stopped;

static void
on_signal(int number)
{
	(void)number;
	stopped = 1;
}

/* What has been written so far is removed, not left for the queue to find after a day. */
static void
watch_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal }, ignore = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

/* Looks for a line with a dot alone. */
struct dots {
	enum { LINE_START, AFTER_DOT, AFTER_DOT_CR, WITHIN } at;
};

/* Copies bytes to out, those of the last line held back while it may be the end: out has room for
 * two more. Returns true at the end. */
static bool
find_dot(struct dots *dots, struct span bytes, char *out, size_t *ret_len)
{
	size_t len = 0;

	for (size_t i = 0; i < bytes.len; i++) {
		char byte = bytes.ptr[i];

		if (dots->at == LINE_START && byte == '.') {
			dots->at = AFTER_DOT;
			continue;
		}
		if (dots->at == AFTER_DOT && byte == '\r') {
			dots->at = AFTER_DOT_CR;
			continue;
		}
		if ((dots->at == AFTER_DOT || dots->at == AFTER_DOT_CR) && byte == '\n') {
			*ret_len = len;
			return true;
		}
		if (dots->at == AFTER_DOT || dots->at == AFTER_DOT_CR)
			out[len++] = '.';
		if (dots->at == AFTER_DOT_CR)
			out[len++] = '\r';
		out[len++] = byte;
		dots->at = byte == '\n' ? LINE_START : WITHIN;
	}
	*ret_len = len;
	return false;
}

static int
read_message(struct submit *submit, bool ignore_dots)
{
	_cleanup_(freep) char *in = xmalloc(CHUNK), *out = xmalloc(CHUNK + 2);
	struct dots dots = { LINE_START };
	bool end = false;
	int r = 0;

	while (r == 0 && !end) {
		ssize_t got = read(STDIN_FILENO, in, CHUNK);
		struct span bytes = span_make(in, got > 0 ? (size_t)got : 0);

		if (stopped)
			return -EINTR;
		if (got < 0)
			return -errno;
		if (got == 0) {
			/* A dot that no line end follows is text; its CR alone is none. */
			end = true;
			bytes = dots.at == AFTER_DOT || dots.at == AFTER_DOT_CR ? SPAN(".") : SPAN_NULL;
		} else if (!ignore_dots) {
			end = find_dot(&dots, bytes, out, &bytes.len);
			bytes.ptr = out;
		}
		r = submit_put(submit, bytes);
	}
	return r;
}

/* --- sending --- */

static _Noreturn void
complain(const struct submit *submit, int error, const char *about)
{
	int status;
	const char *text = submit_explain(submit, error, &status);

	if (error == -EBADMSG)
		tool_fail(status, "%s: that is no address: %s", about, text);
	tool_fail(status, "%s; nothing was sent", text);
}

/* The display name of the account on this machine. */
static struct span
own_name(const struct passwd *user)
{
	struct span rest = span_of(user != NULL ? user->pw_gecos : ""), name;

	(void)span_split(&rest, ',', &name);
	return span_is_utf8(name) ? name : SPAN_NULL;
}

static void
set_dsn(struct submit *submit, const struct options *options)
{
	struct envelope *envelope = &submit->envelope;

	envelope->ret = options->ret;
	if (options->seven_bit)
		envelope->body = ENVELOPE_7BIT;
	if (options->envid == NULL)
		return;
	for (const char *c = options->envid; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~' || *c == '=')
			tool_fail(EX_USAGE, "-V wants xtext (RFC 3461 section 4)");
	if (envelope_set(&envelope->envid, span_of(options->envid)) < 0)
		tool_fail(EX_USAGE, "-V is too long");
}

static int
send_message(const struct options *options, const struct smtpd_conf *conf, int folder, const char *user, const struct passwd *passwd, char **recipients)
{
	struct submit submit;
	char *sender;
	int r;

	submit_init(&submit, conf, folder);
	submit.user = user;
	submit.name = options->name != NULL ? span_of(options->name) : own_name(passwd);
	submit.recipients_in_header = options->recipients_in_header;
	submit.notify = options->notify;
	if (!span_is_utf8(submit.name))
		tool_fail(EX_DATAERR, "-F wants UTF-8");
	r = submit_sender(&submit, span_of(options->sender != NULL ? options->sender : user), &sender);
	if (r < 0)
		complain(&submit, r, "sender");
	free(submit.envelope.sender);
	submit.envelope.sender = sender;
	set_dsn(&submit, options);
	for (; *recipients != NULL; recipients++) {
		r = submit_recipients(&submit, span_of(*recipients), true);
		if (r < 0)
			complain(&submit, r, "recipient");
	}
	if (!options->recipients_in_header && submit.envelope.count == 0)
		complain(&submit, -EDESTADDRREQ, "");
	watch_signals();
	r = read_message(&submit, options->dots);
	if (r == 0)
		r = submit_commit(&submit);
	if (r < 0) {
		/* Nothing stays in drop/; what the complaint needs does. */
		drop_abandon(TAKE_PTR(submit.drop));
		complain(&submit, r, "header");
	}
	submit_free(&submit);
	return EX_OK;
}

/* --- the rest --- */

/* Anybody may ask the queue to look again; whether it runs is not our business, for it looks when it starts. */
static int
retry(const struct options *options, int folder, const char *spool_dir)
{
	int r = drop_control(folder, DROP_RETRY, span_of(options->retry_id));

	if (r == -EINVAL)
		tool_fail(EX_USAGE, "%s: that is no queue id", options->retry_id);
	return r == 0 ? EX_OK : queue_complain(r, spool_dir, NULL);
}

static const char *
base_name(const char *path)
{
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;

	return slash != NULL ? slash + 1 : path != NULL ? path : "";
}

int
main(int argc, char **argv)
{
	struct options options = { .mode = MODE_SEND };
	const char *name = base_name(argc > 0 ? argv[0] : NULL);
	const struct passwd *passwd;
	struct smtpd_conf conf;
	char *user;
	int folder;

	tool_init(name);
	if (strcmp(name, "mailq") == 0)
		options.mode = MODE_LIST;
	else if (strcmp(name, "newaliases") == 0)
		options.mode = MODE_NOTHING;
	read_options(argc, argv, &options);
	if (options.mode == MODE_NOTHING)
		return EX_OK;
	tool_load_smtpd(options.conf_path, &conf);
	if (options.mode == MODE_LIST)
		return tool_end(queue_print_list(conf.common.spool_dir, &(const struct queue_selection){ .from = NULL }));
	folder = drop_open_folder(conf.common.spool_dir);
	if (folder < 0)
		tool_fail(EX_CANTCREAT, "%s/drop: %s", conf.common.spool_dir, strerror(-folder));
	if (options.mode == MODE_RETRY)
		return retry(&options, folder, conf.common.spool_dir);
	passwd = getpwuid(getuid());
	user = xasprintf("%s@%s", passwd != NULL ? passwd->pw_name : "nobody",
	    conf.common.domains.count != 0 ? conf.common.domains.item[0] : conf.common.hostname);
	if (options.mode == MODE_SMTP)
		return sendmail_smtp(&conf, folder, user);
	return send_message(&options, &conf, folder, user, passwd, argv + optind);
}
