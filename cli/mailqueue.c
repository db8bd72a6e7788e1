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
ask_one(int folder, const struct verb *verb, const char *spool_dir, const char *id)
{
	bool all = verb->action == DROP_RETRY && strcmp(id, "all") == 0;
	struct buf answer = BUF_INIT(4096);
	int status, r;

	/* What is no id cannot be a word of a request either. */
	if (strcmp(id, "all") == 0 && !all)
		r = -ENOENT;
	else
		r = drop_ask(folder, verb->action, all ? SPAN_NULL : span_of(id), QUEUE_ANSWER_MS, &answer);
	if (r == 0 && all) {
		(void)printf("Everything that waits is tried now\n");
		status = EX_OK;
	} else if (r == 0) {
		status = tell(verb, id, buf_get(&answer));
	} else if (r == -ETIMEDOUT) {
		tool_warn("%s: smtpd does not answer; it finds the request when it runs", id);
		status = EX_TEMPFAIL;
	} else {
		status = queue_complain(r == -EINVAL ? -ENOENT : r, spool_dir, r == -EINVAL || r == -ENOENT ? id : NULL);
	}
	buf_free(&answer);
	return status;
}

static int
ask_all(const struct verb *verb, const char *spool_dir, char **ids)
{
	int folder = drop_open_folder(spool_dir), worst = EX_OK, status;

	if (folder < 0)
		return queue_complain(folder, spool_dir, NULL);
	for (; *ids != NULL; ids++) {
		status = ask_one(folder, verb, spool_dir, *ids);
		if (status != EX_OK)
			worst = status;
	}
	(void)close(folder);
	return fflush(stdout) == 0 ? worst : EX_IOERR;
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
	if (mailq)
		return queue_print_list(conf.common.spool_dir, &selection);
	return run(argv[optind], argv + optind + 1, conf.common.spool_dir, &selection);
}
