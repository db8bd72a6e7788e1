/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SIGHUP: the configuration, and the files that roles cannot open themselves, as they are now. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "frame/conf_check.h"
#include "frame/frame_msg.h"
#include "frame/parent_internal.h"

#define CONF_TEXT_MAX (1 << 20)

/* TLS that is turned on or off changes what the front listens on: only a fresh process does that. */
static void
renew_child(struct parent *parent, struct child *child, bool tls_turned)
{
	bool fresh = tls_turned && (child->role->id == ROLE_KEY || child->role->id == ROLE_FRONT);
	int r;

	if (fresh) {
		(void)kill(child->pid, SIGTERM);
		return;
	}
	r = child_send_conf(parent, child);
	if (r == 0)
		r = parent_files_send(&parent->files, child->role->id, child->channel);
	/* One that is ending needs none. */
	if (r < 0 && r != -EPIPE)
		log_error("not-renewed", log_str("role", child->role->name), log_errno("error", r));
}

/* What was bound and written at the start stays as it is. */
static void
tell_pending(const struct parent *parent, const void *conf)
{
	struct buf now = BUF_INIT(CONF_TEXT_MAX);
	struct span rest, line, rest_of_start = buf_get(&parent->of_start), former, name;

	conf_of_start(parent->daemon, conf, &now);
	rest = buf_get(&now);
	while (span_split(&rest, '\n', &line) && span_split(&rest_of_start, '\n', &former))
		if (!span_eq(line, former) && span_split(&line, ' ', &name) && span_split(&former, ' ', &name))
			log_warning("restart-needed", log_span("option", name), log_span("configured", line), log_span("in_force", former),
			    log_str("hint", "it is taken at the next start"));
	buf_free(&now);
}

/* What is in force from now on, for roles that are there and those to come. */
static void
use(struct parent *parent, void *conf, int conf_fd, const struct parent_files *files)
{
	const struct fourpost_conf *common = conf;
	struct child *child;
	enum log_level level;
	bool tls_turned = (parent->common->tls_certificate[0] != '\0') != (common->tls_certificate[0] != '\0');

	parent->conf = conf;
	parent->common = common;
	(void)close(parent->conf_fd);
	parent->conf_fd = conf_fd;
	parent_files_drop(&parent->files);
	parent->files = *files;
	parent_drop_templates(parent);
	if (log_level_parse(span_of(common->log_level), &level) && !parent->options->debug)
		log_set_level(level);
	log_info("reloaded", log_str("file", parent->options->conf_path));
	tell_pending(parent, conf);
	/* The front stands first in the table and hears last: no certificate before its key. */
	for (size_t i = parent->daemon->role_count; i-- != 0;)
		if ((child = parent_find_child(parent, parent->daemon->roles[i].id)) != NULL)
			renew_child(parent, child, tls_turned);
	parent_restart_waiting(parent);
}

static void
refuse_reload(const struct parent *parent, int r, const struct buf *errors)
{
	struct span rest = buf_get(errors), line;

	while (span_split(&rest, '\n', &line))
		if (line.len != 0)
			log_error("configuration", log_span("fault", line));
	log_error("not-reloaded", log_str("file", parent->options->conf_path),
	    r < 0 ? log_errno("error", r) : log_str("hint", "the former configuration stays in force"));
}

void
parent_on_reload(evutil_socket_t signal_number, short what, void *context)
{
	const struct conf_table *tables[DAEMON_TABLES];
	struct parent *parent = context;
	struct buf errors = BUF_INIT(CONF_TEXT_MAX), faults = BUF_INIT(CONF_TEXT_MAX);
	void *conf = xcalloc(1, parent->daemon->conf_size), *unused = conf;
	struct parent_files files = { .count = 0 };
	int r, fd;

	(void)signal_number, (void)what;
	if (parent->stopping) {
		free(conf);
		buf_free(&errors);
		return;
	}
	r = conf_load_checked(parent->daemon, parent->options->conf_path, conf, &errors);
	if (r >= 0 && r != CONF_UNREAD) {
		/* First copied, then checked: what is checked is what roles get. */
		int taken = parent_files_take(parent->daemon, conf, &files, &faults);

		if (r == 0)
			conf_check_reload(parent->common, conf, &errors);
		conf_check_files(parent->daemon, conf, true, &errors);
		r = errors.len != 0;
		/* Of files that are not there the checks have told already. */
		if (r == 0 && (taken < 0 || !parent_files_stand(&files, conf, &faults))) {
			(void)buf_span(&errors, buf_get(&faults));
			r = 1;
		}
	}
	fd = r == 0 ? parent_make_conf(parent, conf) : -1;
	if (fd < 0) {
		refuse_reload(parent, r, &errors);
		parent_files_drop(&files);
	} else {
		unused = parent->conf;
		use(parent, conf, fd, &files);
	}
	daemon_tables(parent->daemon, tables);
	conf_free(tables, DAEMON_TABLES, unused);
	free(unused);
	buf_free(&faults);
	buf_free(&errors);
}
