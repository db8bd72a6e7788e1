/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* mailqueue(8) and mailq(1): looks at the queue, and asks it to hold, release, remove or try
 * messages. The queue alone changes anything; what it did is told here. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/queue_policy.h"
#include "cli/queue_print.h"
#include "cli/tool.h"
#include "cli/tool_smtpd.h"
#include "common/xalloc.h"

static _Noreturn void
usage(bool mailq)
{
	(void)fputs(mailq ?
		"usage: mailq [-C file]\n" :
		"usage: mailqueue [-C file] [-d domain] [-f sender] [-t recipient] list|summary\n"
		"       mailqueue [-C file] show id ...\n"
		"       mailqueue [-C file] hold|release|remove|requeue id ...\n"
		"       mailqueue [-C file] retry [id ... | all]\n"
		"       mailqueue [-C file] policy domain ...\n"
		"       mailqueue [-C file] [-d domain] [-f sender] [-t recipient] hold|release|remove|requeue|retry\n",
	    stderr);
	exit(EX_USAGE);
}

/* --- requests --- */

static const struct verb {
	const char *name, *done;
	enum drop_action action;
} verbs[] = {
	{ "hold", "is held", DROP_HOLD },
	{ "release", "is released", DROP_RELEASE },
	{ "remove", "is removed", DROP_REMOVE },
	{ "retry", "is tried now", DROP_RETRY },
	{ "requeue", "is expanded, routed and tried anew", DROP_REQUEUE },
};

/* Says what the queue answered. */
static int
tell(const struct verb *verb, const char *id, struct span text)
{
	enum drop_answer answer;

	if (text.len == 0) {
		tool_warn("%s: there was no room for smtpd's answer: see mailqueue list", id);
		return EX_TEMPFAIL;
	}
	if (drop_answer_decode(&text, &answer) < 0)
		return queue_complain(-EPROTO, "", id);
	switch (answer) {
	case DROP_DONE:
		(void)printf("%s %s\n", id, verb->done);
		return EX_OK;
	case DROP_LATER:
		(void)printf("%s is being tried at this moment; it %s after that\n", id, verb->done);
		return EX_OK;
	case DROP_UNKNOWN:
		return queue_complain(-ENOENT, "", id);
	case DROP_DENIED:
		return queue_complain(-EPERM, "", id);
	case DROP_IS_HELD:
		tool_warn("%s: is held: release it", id);
		return EX_UNAVAILABLE;
	case DROP_FAILED:
	case DROP_CUT:
		break;
	}
	tool_warn("%s: smtpd could not do it: see its log", id);
	return EX_IOERR;
}

static int
fail(const char *spool_dir, const char *id, int r)
{
	if (r == -ETIMEDOUT) {
		tool_warn("%s: smtpd does not answer; it finds the request when it runs", id);
		return EX_TEMPFAIL;
	}
	return queue_complain(r == -EINVAL ? -ENOENT : r, spool_dir, r == -EINVAL || r == -ENOENT ? id : NULL);
}

/* All in one request. Takes those off the front that fit. */
static int
ask_some(int folder, const struct verb *verb, const char *spool_dir, char ***ids)
{
	struct buf words = BUF_INIT(DROP_CONTROL_MAX - 32), answer = BUF_INIT(DROP_CONTROL_MAX);
	char **first = *ids, **end = first;
	struct span text;
	int worst = EX_OK, status, r;

	while (*end != NULL && words.len + strlen(*end) + 1 <= words.max) {
		(void)buf_fmt(&words, "%s%s", end == first ? "" : " ", *end);
		end++;
	}
	r = end == first ? -EINVAL : drop_ask(folder, verb->action, buf_get(&words), QUEUE_ANSWER_MS, &answer);
	if (end == first)
		end++;
	text = buf_get(&answer);
	for (char **id = first; id < end && r == 0; id++) {
		struct span line = SPAN_NULL;

		(void)span_split(&text, '\n', &line);
		line.len += line.len != 0; /* with its LF */
		status = tell(verb, *id, line);
		worst = status != EX_OK ? status : worst;
	}
	if (r < 0)
		worst = fail(spool_dir, *first, r);
	buf_free(&words);
	buf_free(&answer);
	*ids = end;
	return worst;
}

static int
retry_everything(int folder, const char *spool_dir)
{
	struct buf answer = BUF_INIT(4096);
	int r = drop_ask(folder, DROP_RETRY, SPAN_NULL, QUEUE_ANSWER_MS, &answer);

	buf_free(&answer);
	if (r < 0)
		return fail(spool_dir, "all", r);
	(void)printf("Everything that waits is tried now\n");
	return EX_OK;
}

/* What is no id, nor a name in drop/, cannot be a word of a request, and must not spoil it for the others. */
static bool
is_word(const char *id)
{
	for (const char *c = id; *c != '\0'; c++)
		if (!ascii_is_alnum(*c) && *c != '.')
			return false;
	return id[0] != '\0' && strlen(id) < DROP_NAME_MAX && strcmp(id, "all") != 0;
}

static int
ask_all(const struct verb *verb, const char *spool_dir, char **ids)
{
	int folder = drop_open_folder(spool_dir), worst = EX_OK, status;

	if (folder < 0)
		return queue_complain(folder, spool_dir, NULL);
	while (*ids != NULL) {
		char **end = ids, *rest;

		while (*end != NULL && is_word(*end))
			end++;
		rest = *end;
		*end = NULL;
		if (end != ids) {
			status = ask_some(folder, verb, spool_dir, &ids);
		} else {
			ids++;
			status = verb->action == DROP_RETRY && strcmp(rest, "all") == 0 ? retry_everything(folder, spool_dir) : fail(spool_dir, rest, -ENOENT);
		}
		*end = rest;
		worst = status != EX_OK ? status : worst;
	}
	(void)close(folder);
	return worst;
}

/* --- what is selected --- */

struct selected {
	const struct queue_selection *selection;
	char **ids; /* and NULL */
	size_t count;
};

static void
select_queued(void *context, const struct queued *queued)
{
	struct selected *selected = context;

	if (!queue_select_match(selected->selection, queued->envelope))
		return;
	/* Grows by doubling; there is always room for the NULL. */
	if ((selected->count & (selected->count + 1)) == 0)
		selected->ids = xreallocarray(selected->ids, 2 * selected->count + 2, sizeof(char *));
	selected->ids[selected->count++] = xstrdup(queued->id);
	selected->ids[selected->count] = NULL;
}

static int
ask_selected(const struct verb *verb, const char *spool_dir, const struct queue_selection *selection)
{
	struct selected selected = { .selection = selection };
	struct queue_summary summary;
	int status = EX_OK, r = queue_read(spool_dir, select_queued, &selected, &summary);

	if (r < 0)
		status = queue_complain(r, spool_dir, NULL);
	else if (selected.count == 0)
		(void)printf("No message is like that\n");
	else
		status = ask_all(verb, spool_dir, selected.ids);
	for (size_t i = 0; i < selected.count; i++)
		free(selected.ids[i]);
	free(selected.ids);
	return status;
}

/* --- commands --- */

static int
show(const char *spool_dir, char **ids)
{
	int worst = EX_OK, status;

	for (; *ids != NULL; ids++) {
		status = queue_print_message(spool_dir, *ids);
		if (status != EX_OK)
			worst = status;
	}
	return worst;
}

static int
policies(const struct smtpd_conf *conf, char **domains)
{
	int worst = EX_OK, status;

	for (; *domains != NULL; domains++) {
		status = queue_print_policy(conf, *domains);
		if (status != EX_OK)
			worst = status;
	}
	return worst;
}

static int
run(const char *command, char **ids, const char *spool_dir, const struct queue_selection *selection)
{
	char all[] = "all", *everything[] = { all, NULL };
	bool selects = !queue_select_any(selection);

	if (*ids == NULL && strcmp(command, "list") == 0)
		return queue_print_list(spool_dir, selection);
	if (*ids == NULL && strcmp(command, "summary") == 0)
		return queue_print_summary(spool_dir, selection);
	if (strcmp(command, "retry") == 0 && *ids == NULL && !selects)
		ids = everything;
	/* Messages are named, or selected. */
	if (selects != (*ids == NULL))
		usage(false);
	if (strcmp(command, "show") == 0 && !selects)
		return show(spool_dir, ids);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strcmp(command, verbs[i].name) == 0)
			return selects ? ask_selected(&verbs[i], spool_dir, selection) : ask_all(&verbs[i], spool_dir, ids);
	usage(false);
}

int
main(int argc, char **argv)
{
	const char *conf_path = NULL, *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	bool mailq = argc > 0 && strcmp(slash != NULL ? slash + 1 : argv[0], "mailq") == 0;
	struct queue_selection selection = { .from = NULL };
	struct smtpd_conf conf;
	int option;

	tool_init(mailq ? "mailq" : "mailqueue");
	while ((option = getopt(argc, argv, mailq ? "+C:" : "+C:d:f:t:")) != -1)
		switch (option) {
		case 'C':
			conf_path = optarg;
			break;
		case 'd':
			selection.domain = optarg;
			break;
		case 'f':
			selection.from = optarg;
			break;
		case 't':
			selection.to = optarg;
			break;
		default:
			usage(mailq);
		}
	if (mailq != (optind == argc))
		usage(mailq);
	tool_load_smtpd(conf_path, &conf);
	if (!mailq && strcmp(argv[optind], "policy") == 0 && optind + 1 < argc)
		return tool_end(policies(&conf, argv + optind + 1));
	if (mailq)
		return tool_end(queue_print_list(conf.common.spool_dir, &selection));
	return tool_end(run(argv[optind], argv + optind + 1, conf.common.spool_dir, &selection));
}
