/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SIGHUP: the configuration, and the files that roles cannot open themselves, as they are now. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "frame/conf_check.h"
#include "frame/frame_msg.h"
#include "frame/parent_internal.h"

#define CONF_TEXT_MAX (1 << 20)

/* Opens the file for a role whose jail keeps it away from it. It is not read here. */
static void
send_file(const struct parent *parent, uint8_t role, uint16_t type, const char *path)
{
	struct child *child = parent_find_child(parent, role);
	int fd = child != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	/* One that is ending reads the file when it is started again. */
	if (fd >= 0)
		(void)msg_send(child->channel, type, 0, NULL, fd);
	else if (child != NULL)
		log_error("not-renewed", log_str("file", path), log_errno("error", -errno));
}

/* TLS that is turned on or off changes what the front listens on: only a fresh process does that. */
static void
renew_tls(const struct parent *parent, bool had_tls)
{
	bool has_tls = parent->common->tls_certificate[0] != '\0';

	if (has_tls == had_tls) {
		if (has_tls) {
			send_file(parent, ROLE_KEY, MSG_TLS_FILE, parent->common->tls_key);
			send_file(parent, ROLE_FRONT, MSG_TLS_FILE, parent->common->tls_certificate);
		}
		return;
	}
	for (struct child *child = parent->children; child != NULL; child = child->next)
		if (child->role->id == ROLE_KEY || child->role->id == ROLE_FRONT)
			(void)kill(child->pid, SIGTERM);
}

static void
renew_files(const struct parent *parent)
{
	for (size_t i = 0; i < parent->daemon->file_count; i++) {
		const struct role_file *file = &parent->daemon->files[i];
		const char *path = *(char *const *)(const void *)((const char *)parent->conf + file->offset);

		if (path[0] != '\0')
			send_file(parent, file->role, file->type, path);
	}
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
	struct buf errors = BUF_INIT(CONF_TEXT_MAX);
	void *conf = xcalloc(1, parent->daemon->conf_size), *unused = conf;
	int r, fd;

	(void)signal_number, (void)what;
	r = conf_load_checked(parent->daemon, parent->options->conf_path, conf, &errors);
	if (r >= 0) {
		conf_check_files(parent->daemon, conf, &errors);
		r = errors.len != 0;
	}
	fd = r == 0 ? parent_make_conf(parent, conf) : -1;
	if (fd < 0) {
		refuse_reload(parent, r, &errors);
	} else {
		bool had_tls = parent->common->tls_certificate[0] != '\0';

		unused = parent->conf;
		parent->conf = conf;
		parent->common = conf;
		(void)close(parent->conf_fd);
		parent->conf_fd = fd;
		parent_drop_templates(parent);
		for (struct child *child = parent->children; child != NULL; child = child->next)
			if (child->channel != NULL && parent_is_permanent(parent, child->role))
				(void)child_send_conf(parent, child); /* one that is ending needs none */
		log_info("reloaded", log_str("file", parent->options->conf_path));
		renew_tls(parent, had_tls);
		renew_files(parent);
	}
	daemon_tables(parent->daemon, tables);
	conf_free(tables, DAEMON_TABLES, unused);
	free(unused);
	buf_free(&errors);
}
