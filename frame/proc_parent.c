/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The parent: root, binds ports, starts roles, joins them by channels, starts a worker for an account when auth says so.
 * It never reads a byte that came from the network: its only input is the configuration, signals, and messages of auth,
 * numbers of sockets that smtpd's filter wants to be connected to, of roles to which a channel was lost, and of workers that hang, whether
 * workers are ready, and, in the background, lines of roles' logs, which it hands on. It never looks into an account's folder, whose file
 * system may not answer. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "frame/conf_check.h"
#include "frame/frame_msg.h"
#include "frame/parent_internal.h"
#include "frame/parent_log.h"

/* A permanent role that ends so soon after its start has not worked. One that has is started again at once however often it ends: whoever can
 * kill one role must not be able to stop the others by it. */
#define EARLY_SECONDS 2
#define STOP_SECONDS 10
#define CONF_TEXT_MAX (1 << 20)

/* --- the permanent roles --- */

static int
start_permanent_roles(struct parent *parent)
{
	for (size_t i = 0; i < parent->daemon->role_count; i++) {
		struct child *child;

		if (!parent_is_permanent(parent, &parent->daemon->roles[i]))
			continue;
		child = parent_start_child(parent, &parent->daemon->roles[i]);
		if (child == NULL || child_wire(parent, child) < 0)
			return -1;
	}
	for (struct child *child = parent->children; child != NULL; child = child->next)
		if (child_send_start(parent, child) < 0)
			return -1;
	return 0;
}

/* --- the end of a child --- */

void
parent_stop(struct parent *parent, int status)
{
	static const struct timeval patience = { STOP_SECONDS, 0 };

	if (parent->stopping)
		return;
	parent->stopping = true;
	parent->status = status;
	parent_drop_templates(parent);
	for (struct child *child = parent->children; child != NULL; child = child->next)
		if (child->channel == NULL || msg_send(child->channel, MSG_STOP, 0, NULL, -1) < 0)
			(void)kill(child->pid, SIGTERM);
	(void)event_base_loopexit(parent->base, &patience);
	if (parent->children == NULL)
		(void)event_base_loopbreak(parent->base);
}

static void
log_end(const struct child *child, int status, bool permanent)
{
	const char *account = child->account != NULL ? child->account : "";

	if (WIFSIGNALED(status))
		log_error("role-killed", log_str("role", child->role->name), log_str("account", account), log_i64("pid", child->pid), log_str("signal", sigabbrev_np(WTERMSIG(status))));
	else if (permanent || WEXITSTATUS(status) != 0)
		log_error("role-ended", log_str("role", child->role->name), log_str("account", account), log_i64("pid", child->pid), log_i64("status", WEXITSTATUS(status)));
}

static void
child_ended(struct parent *parent, struct child *child, int status)
{
	const struct role *role = child->role;
	bool permanent = parent_is_permanent(parent, role), early = parent_now() - child->started <= EARLY_SECONDS;

	if (parent->options->probe != NULL) {
		parent->status = WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
		(void)event_base_loopbreak(parent->base);
	} else if (!parent->stopping) {
		log_end(child, status, permanent);
	}
	/* Who made it crash may know now how memory was laid out there. */
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM && !child->hung)
		parent_template_drop(&parent->templates[role->id]);
	parent_worker_ended(parent, child);
	parent_forget_child(parent, child);
	if (parent->options->probe == NULL && permanent && !parent->stopping)
		parent_restart(parent, role, early);
	if (parent->stopping && parent->children == NULL)
		(void)event_base_loopbreak(parent->base);
}

static void
on_child(evutil_socket_t signal_number, short what, void *context)
{
	struct parent *parent = context;
	int status;
	pid_t pid;

	(void)signal_number, (void)what;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < ROLE_MAX; i++)
			if (parent_template_ended(&parent->templates[i], pid))
				log_warning("template-ended", log_i64("pid", pid), log_str("hint", "another is started when it is needed"));
		for (struct child *child = parent->children; child != NULL; child = child->next)
			if (child->pid == pid) {
				child_ended(parent, child, status);
				break;
			}
	}
}

/* --- signals --- */

static void
on_stop(evutil_socket_t signal_number, short what, void *context)
{
	struct parent *parent = context;

	(void)what;
	log_info("stopping", log_str("signal", sigabbrev_np((int)signal_number)));
	parent_stop(parent, EX_OK);
}

static int
watch_signals(struct parent *parent)
{
	static const struct {
		int number;
		event_callback_fn handle;
	} signals[] = { { SIGCHLD, on_child }, { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, parent_on_reload } };
	sigset_t reload;

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		struct event *event = evsignal_new(parent->base, signals[i].number, signals[i].handle, parent);

		if (event == NULL || event_add(event, NULL) < 0)
			return -ENOMEM;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	/* One may wait that came while there was no loop. */
	(void)sigemptyset(&reload);
	(void)sigaddset(&reload, SIGHUP);
	(void)sigprocmask(SIG_UNBLOCK, &reload, NULL);
	return 0;
}

/* --- the jail's trial (-J) --- */

static int
start_probe(struct parent *parent)
{
	struct span rest = span_of(parent->options->probe), name;
	const struct role *role = NULL;
	struct child *child;

	(void)span_split(&rest, ':', &name);
	for (size_t i = 0; i < parent->daemon->role_count; i++)
		if (span_eq(name, span_of(parent->daemon->roles[i].name)))
			role = &parent->daemon->roles[i];
	if (role == NULL || (role->id == ROLE_WORKER && rest.len == 0)) {
		log_error("bad-probe", log_str("role", parent->options->probe), log_str("hint", "-J ROLE, for a worker -J ROLE:ACCOUNT"));
		return -1;
	}
	child = parent_start_child(parent, role);
	if (child == NULL)
		return -1;
	if (role->id == ROLE_WORKER) {
		ptrdiff_t at = span_rchr(rest, '@');
		_cleanup_(freep) char *path = NULL, *folder = NULL;
		struct stat st;

		if (at < 0)
			return -1;
		path = xasprintf("%.*s/%.*s", (int)(rest.len - (size_t)at - 1), rest.ptr + at + 1, (int)at, rest.ptr);
		folder = xasprintf("%s/%s", parent->common->accounts_dir, path);
		if (stat(folder, &st) < 0) {
			log_error("no-such-account", log_span("account", rest), log_str("folder", folder));
			return -1;
		}
		if (child_send_account(child, st.st_uid, &(struct ms_quota){ .bytes = 0 }, rest, span_of(path)) < 0)
			return -1;
	}
	return child_send_start(parent, child);
}

/* --- the life --- */

static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	/* Fronts hold a descriptor for each client; they inherit the limit. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* For those who stop a daemon that runs in the background by its number. */
static void
write_pid(const struct parent *parent)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s.pid", parent->common->pid_dir, parent->daemon->name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0 || fchmod(fd, 0644) < 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0)
		log_warning("no-pid-file", log_str("file", path), log_errno("error", errno));
	if (fd >= 0)
		(void)close(fd);
}

/* Those that the configuration names were there a moment ago. With -J nobody looked, and the role tells what it lacks. */
static int
take_files(struct parent *parent)
{
	struct buf errors = BUF_INIT(65536);
	int r = parent_files_take(parent->daemon, parent->conf, &parent->files, &errors);
	struct span rest = buf_get(&errors), line;

	while (span_split(&rest, '\n', &line))
		log_error("file-unreadable", log_span("fault", line));
	buf_free(&errors);
	return parent->options->probe != NULL ? 0 : r;
}

static int
start(struct parent *parent)
{
	int r = parent_exec_init();

	if (r == 0)
		r = take_files(parent);
	if (r == 0 && parent->options->probe == NULL && parent->daemon->prepare != NULL)
		r = parent->daemon->prepare(parent->conf, parent->daemon);
	if (r == 0 && parent->options->probe == NULL) {
		parent->listener_count = parent_listen(parent->daemon, parent->conf, parent->listeners);
		if (parent->listener_count < 0)
			return EX_UNAVAILABLE;
	}
	if (r < 0) {
		log_error("start-failed", log_errno("error", r));
		return EX_OSERR;
	}
	if (parent->options->background) {
		if (daemon(0, 0) < 0)
			return EX_OSERR;
		write_pid(parent);
		if (parent->daemon->settled != NULL)
			parent->daemon->settled();
	}
	parent->base = event_base_new(); /* after daemon(3): an epoll set does not outlive the fork in use */
	parent->conf_fd = parent_make_conf(parent, parent->conf);
	if (parent->base != NULL && parent->options->background) {
		parent->log = parent_log_new(parent->base, parent->daemon->name, PARENT_LOG_SYSLOG);
		if (parent->log == NULL) {
			log_error("start-failed", log_str("step", "log"), log_errno("error", errno));
			return EX_OSERR;
		}
	}
	if (parent->base == NULL || parent->conf_fd < 0 || watch_signals(parent) < 0)
		return EX_OSERR;
	return (parent->options->probe != NULL ? start_probe(parent) : start_permanent_roles(parent)) < 0 ? EX_OSERR : EX_OK;
}

int
proc_parent(const struct daemon *daemon, void *conf, const struct daemon_options *options)
{
	struct parent *parent = xcalloc(1, sizeof(*parent));
	enum log_level level = LOG_LEVEL_INFO;
	int status;

	parent->daemon = daemon;
	parent->options = options;
	parent->conf = conf;
	parent->common = conf;
	parent->as_root = geteuid() == 0;
	buf_init(&parent->of_start, CONF_TEXT_MAX);
	conf_of_start(daemon, conf, &parent->of_start);
	parent->messages = daemon_messages(daemon);
	(void)log_level_parse(span_of(parent->common->log_level), &level);
	log_init(daemon->name, "parent", options->background ? LOG_TO_SYSLOG : LOG_TO_STDERR, options->debug ? LOG_LEVEL_DEBUG : level);
	(void)umask(077);
	raise_descriptor_limit();
	status = start(parent);
	if (status != EX_OK) {
		if (parent->base != NULL)
			parent_stop(parent, status);
		else
			return status;
	} else if (options->probe == NULL) {
		log_info("started", log_str("version", VERSION), log_i64("listeners", parent->listener_count), log_str("configuration", options->conf_path));
		if (!parent->as_root)
			log_info("one-uid", log_str("hint", "started by an ordinary user: all roles share its uid; Landlock, seccomp and rlimits still hold"));
	}
	proc_title("%s: parent", daemon->name);
	(void)event_base_dispatch(parent->base);
	for (struct child *child = parent->children; child != NULL; child = child->next)
		(void)kill(child->pid, SIGKILL);
	if (options->probe == NULL)
		log_info("stopped", log_i64("status", parent->status));
	if (parent->log != NULL)
		parent_log_finish(parent->log);
	return parent->status;
}
