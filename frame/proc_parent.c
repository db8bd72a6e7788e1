/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The parent: root, binds ports, starts roles, joins them by channels, starts a worker for an account when auth says so.
 * It never reads a byte that came from the network: its only input is the configuration, signals, and messages of auth,
 * and numbers of sockets that smtpd's filter wants to be connected to. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "frame/conf_check.h"
#include "frame/daemon.h"
#include "frame/frame_msg.h"
#include "frame/parent.h"

#define CONF_TEXT_MAX (1 << 20)
#define WORKERS_MAX 8192
/* A permanent role that ends so soon after its start, so often in a row, cannot work: the daemon stops and says so. One that has worked is
 * started again however often it ends: whoever can kill one role must not be able to stop the others by it. */
#define EARLY_SECONDS 2
#define EARLY_ENDS_MAX 8
#define STOP_SECONDS 10

struct child {
	struct child *next;
	const struct role *role;
	pid_t pid;
	struct msg_channel *channel;
	char *account; /* a worker's */
	time_t started;
};

struct parent {
	const struct daemon *daemon;
	const struct daemon_options *options;
	void *conf;
	const struct fourpost_conf *common;
	int conf_fd;
	bool as_root, stopping;
	struct event_base *base;
	struct msg_table messages;
	struct proc_listener listeners[PROC_LISTENERS_MAX];
	int listener_count;
	struct child *children;
	size_t workers;
	unsigned early_ends[ROLE_MAX]; /* in a row */
	int status;
};

static int on_message(struct msg_channel *channel, struct msg *msg, void *context);
static void on_closed(struct msg_channel *channel, int error, void *context);

/* --- telling a child what it needs --- */

/* The configuration as sealed memory: roles read it in their jails, none can change it for another. */
static int
make_conf_fd(const struct parent *parent, const void *conf)
{
	const struct conf_table *tables[DAEMON_TABLES];
	struct buf text = BUF_INIT(CONF_TEXT_MAX);
	int fd = memfd_create("configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	daemon_tables(parent->daemon, tables);
	conf_print(tables, DAEMON_TABLES, conf, &text);
	if (fd >= 0 && (text.overflow || write(fd, text.data, text.len) != (ssize_t)text.len ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)) {
		(void)close(fd);
		fd = -1;
	}
	buf_free(&text);
	return fd;
}

static int
send_conf(const struct parent *parent, struct child *child)
{
	int fd = fcntl(parent->conf_fd, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : msg_send(child->channel, MSG_CONFIG, 0, NULL, fd);
}

static int
send_peer(struct child *child, uint8_t peer, int fd)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u8(&body, peer);
	return msg_send(child->channel, MSG_PEER, 0, &body, fd);
}

/* A channel between two children, one end each. */
static int
join(struct child *a, struct child *b)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = send_peer(a, b->role->id, pair[0]);
	if (r < 0)
		(void)close(pair[1]);
	else
		r = send_peer(b, a->role->id, pair[1]);
	return r;
}

static int
send_listeners(const struct parent *parent, struct child *child)
{
	for (int i = 0; i < parent->listener_count; i++) {
		const struct proc_listener *listener = &parent->listeners[i];
		struct msg_writer body;
		int fd = fcntl(listener->fd, F_DUPFD_CLOEXEC, 0), r;

		if (fd < 0)
			return -errno;
		msg_writer_init(&body);
		msg_put_u8(&body, listener->kind);
		msg_put_u8(&body, listener->tls);
		msg_put_span(&body, span_of(listener->name));
		r = msg_send(child->channel, MSG_LISTENER, 0, &body, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
send_start(const struct parent *parent, struct child *child)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u8(&body, parent->as_root);
	msg_put_u8(&body, parent->options->probe != NULL);
	return msg_send(child->channel, MSG_START, 0, &body, -1);
}

static int
send_account(struct child *child, uid_t uid, const struct ms_quota *quota, struct span address, const char *folder)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u32(&body, uid);
	msg_put_u64(&body, quota->bytes);
	msg_put_u64(&body, quota->messages);
	msg_put_span(&body, address);
	msg_put_span(&body, span_of(folder));
	return msg_send(child->channel, MSG_ACCOUNT, 0, &body, -1);
}

/* --- children --- */

static const struct role *
find_role(const struct parent *parent, uint8_t id)
{
	for (size_t i = 0; i < parent->daemon->role_count; i++)
		if (parent->daemon->roles[i].id == id)
			return &parent->daemon->roles[i];
	return NULL;
}

static bool
is_permanent(const struct parent *parent, const struct role *role)
{
	for (size_t i = 0; i < parent->daemon->role_count; i++)
		if (parent->daemon->roles[i].companion == role->id && role->id != ROLE_PARENT)
			return false;
	return role->spawned_by == 0;
}

static struct child *
find_permanent(const struct parent *parent, uint8_t id)
{
	for (struct child *child = parent->children; child != NULL; child = child->next)
		if (child->role->id == id && child->channel != NULL && is_permanent(parent, child->role))
			return child;
	return NULL;
}

static time_t
now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static struct child *
start_child(struct parent *parent, const struct role *role)
{
	struct child *child;
	int fd = -1;
	pid_t pid = parent_exec(role, parent->daemon, parent->options->background, parent->options->debug, &fd);

	if (pid < 0) {
		log_error("fork-failed", log_str("role", role->name), log_errno("error", pid));
		return NULL;
	}
	child = xcalloc(1, sizeof(*child));
	child->role = role;
	child->pid = pid;
	child->started = now();
	child->channel = msg_channel_new(fd, &parent->messages, ROLE_PARENT, role->id);
	msg_channel_start(child->channel, parent->base, on_message, on_closed, parent);
	child->next = parent->children;
	parent->children = child;
	if (!is_permanent(parent, role))
		parent->workers++;
	if (send_conf(parent, child) < 0)
		log_warning("configuration-not-sent", log_str("role", role->name));
	return child;
}

static void
forget_child(struct parent *parent, struct child *child)
{
	struct child **at = &parent->children;

	while (*at != child)
		at = &(*at)->next;
	*at = child->next;
	if (!is_permanent(parent, child->role))
		parent->workers--;
	(void)msg_channel_free(child->channel);
	free(child->account);
	free(child);
}

/* Joins a permanent role to those of its peers that stand, gives it what it needs and lets it go. */
static int
wire(struct parent *parent, struct child *child)
{
	for (struct child *other = parent->children; other != NULL; other = other->next) {
		bool edge = (child->role->peers & ROLE_BIT(other->role->id)) != 0 || (other->role->peers & ROLE_BIT(child->role->id)) != 0;
		int r = other != child && other->channel != NULL && edge && is_permanent(parent, other->role) ? join(child, other) : 0;

		/* One that has just ended is joined when it is started again. */
		if (r < 0 && r != -EPIPE)
			return r;
	}
	return child->role->id == ROLE_FRONT ? send_listeners(parent, child) : 0;
}

static int
start_permanent_roles(struct parent *parent)
{
	for (size_t i = 0; i < parent->daemon->role_count; i++) {
		struct child *child;

		if (!is_permanent(parent, &parent->daemon->roles[i]))
			continue;
		child = start_child(parent, &parent->daemon->roles[i]);
		if (child == NULL || wire(parent, child) < 0)
			return -1;
	}
	for (struct child *child = parent->children; child != NULL; child = child->next)
		if (send_start(parent, child) < 0)
			return -1;
	return 0;
}

/* --- workers --- */

/* The child a WORKER or WORKER_FAILED goes to. */
static void
answer_requester(struct child *requester, uint32_t id, int fd)
{
	if (msg_send(requester->channel, fd >= 0 ? MSG_WORKER : MSG_WORKER_FAILED, id, NULL, fd) < 0)
		log_warning("worker-not-handed-over", log_str("to", requester->role->name));
}

/* Gives a worker what it needs and lets it go. Returns the requester's end of the channel to it, or -errno. */
static int
release_worker(const struct parent *parent, struct child *worker, uint8_t requester)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = send_peer(worker, requester, pair[0]);
	if (r == 0)
		r = send_start(parent, worker);
	if (r < 0)
		(void)close(pair[1]);
	return r == 0 ? pair[1] : r;
}

/* Starts a worker (and its companion) for an account. Returns the requester's end of the channel to it, or -errno. */
static int
start_worker(struct parent *parent, const struct role *role, uint8_t requester, uid_t uid, const struct ms_quota *quota, struct span address,
    const char *folder)
{
	struct child *worker = start_child(parent, role), *companion = NULL;
	int r;

	if (worker == NULL)
		return -EAGAIN;
	worker->account = span_dup(address);
	r = send_account(worker, uid, quota, address, folder);
	if (r == 0 && role->companion != 0) {
		companion = start_child(parent, find_role(parent, role->companion));
		r = companion == NULL ? -EAGAIN : join(worker, companion);
	}
	if (r == 0 && companion != NULL)
		r = send_start(parent, companion);
	if (r == 0)
		r = release_worker(parent, worker, requester);
	if (r < 0) {
		/* They would wait for their start for ever. */
		(void)kill(worker->pid, SIGKILL);
		if (companion != NULL)
			(void)kill(companion->pid, SIGKILL);
	}
	return r;
}

static int
spawn(struct parent *parent, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	uint8_t requester_id = msg_get_u8(&body);
	uid_t uid = msg_get_u32(&body);
	struct ms_quota quota = { .bytes = msg_get_u64(&body) };
	struct span address, relative;
	const struct role *role = find_role(parent, ROLE_WORKER);
	_cleanup_(freep) char *folder = NULL;
	struct child *requester;
	int r;

	quota.messages = msg_get_u64(&body);
	address = msg_get_span(&body);
	relative = msg_get_span(&body);
	if (!msg_done(&body) || role == NULL || requester_id >= ROLE_MAX || (role->spawned_by & ROLE_BIT(requester_id)) == 0)
		return -EBADMSG;
	requester = find_permanent(parent, requester_id);
	if (requester == NULL)
		return 0; /* it has gone meanwhile: nobody waits */
	if (parent->as_root && (uid < parent->common->account_uid_low || uid > parent->common->account_uid_high))
		r = -EPERM;
	else if (parent->workers >= WORKERS_MAX)
		r = -EAGAIN;
	else
		r = parent_account_dir(parent->common->accounts_dir, relative, uid, parent->as_root, &folder);
	if (r == 0)
		r = start_worker(parent, role, requester_id, uid, &quota, address, folder);
	if (r < 0)
		log_error("worker-not-started", log_span("account", address), log_errno("error", r), log_u64("uid", uid),
		    log_str("folder", parent->common->accounts_dir));
	answer_requester(requester, msg->id, r);
	return 0;
}

/* A role that sees no file wants to talk with another program of this host. */
static int
connect_for(struct parent *parent, struct msg_channel *channel, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	uint8_t which = msg_get_u8(&body);
	struct msg_writer answer;
	int r;

	if (!msg_done(&body))
		return -EBADMSG;
	r = parent_connect(parent->daemon, parent->conf, find_role(parent, msg_channel_peer(channel)), parent->as_root, which);
	if (r == -EBADMSG)
		return r;
	msg_writer_init(&answer);
	msg_put_u32(&answer, r < 0 ? (uint32_t)-r : 0);
	(void)msg_send(channel, MSG_CONNECTED, msg->id, &answer, r < 0 ? -1 : r);
	return 0;
}

static int
on_message(struct msg_channel *channel, struct msg *msg, void *context)
{
	return msg->type == MSG_SPAWN ? spawn(context, msg) : msg->type == MSG_CONNECT ? connect_for(context, channel, msg) : -EBADMSG;
}

static void
on_closed(struct msg_channel *channel, int error, void *context)
{
	struct parent *parent = context;

	/* The process is ending, or misbehaved and is made to: SIGCHLD does the rest. */
	for (struct child *child = parent->children; child != NULL; child = child->next)
		if (child->channel == channel) {
			if (error == -EBADMSG) {
				log_error("role-misbehaved", log_str("role", child->role->name), log_i64("pid", child->pid));
				(void)kill(child->pid, SIGKILL);
			}
			child->channel = msg_channel_free(channel);
			return;
		}
}

/* --- the end of a child --- */

static void
stop_all(struct parent *parent, int status)
{
	static const struct timeval patience = { STOP_SECONDS, 0 };

	if (parent->stopping)
		return;
	parent->stopping = true;
	parent->status = status;
	for (struct child *child = parent->children; child != NULL; child = child->next)
		if (child->channel == NULL || msg_send(child->channel, MSG_STOP, 0, NULL, -1) < 0)
			(void)kill(child->pid, SIGTERM);
	(void)event_base_loopexit(parent->base, &patience);
	if (parent->children == NULL)
		(void)event_base_loopbreak(parent->base);
}

static void
restart(struct parent *parent, const struct role *role, bool early)
{
	unsigned *early_ends = &parent->early_ends[role->id];
	struct child *child;

	*early_ends = early ? *early_ends + 1 : 0;
	if (*early_ends > EARLY_ENDS_MAX) {
		log_error("role-keeps-ending", log_str("role", role->name), log_str("hint", "the daemon stops; see the lines above"));
		stop_all(parent, EX_SOFTWARE);
		return;
	}
	child = start_child(parent, role);
	if (child == NULL || wire(parent, child) < 0)
		stop_all(parent, EX_OSERR);
	else
		(void)send_start(parent, child); /* should it have ended already, SIGCHLD restarts it */
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
	bool permanent = is_permanent(parent, role), early = now() - child->started <= EARLY_SECONDS;

	if (parent->options->probe != NULL) {
		parent->status = WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
		(void)event_base_loopbreak(parent->base);
	} else if (!parent->stopping) {
		log_end(child, status, permanent);
	}
	forget_child(parent, child);
	if (parent->options->probe == NULL && permanent && !parent->stopping)
		restart(parent, role, early);
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
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (struct child *child = parent->children; child != NULL; child = child->next)
			if (child->pid == pid) {
				child_ended(parent, child, status);
				break;
			}
}

/* --- signals --- */

static void
on_stop(evutil_socket_t signal_number, short what, void *context)
{
	struct parent *parent = context;

	(void)what;
	log_info("stopping", log_str("signal", sigabbrev_np((int)signal_number)));
	stop_all(parent, EX_OK);
}

/* Opens the file for a role whose jail keeps it away from it. It is not read here. */
static void
send_file(const struct parent *parent, uint8_t role, uint16_t type, const char *path)
{
	struct child *child = find_permanent(parent, role);
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

static void
on_reload(evutil_socket_t signal_number, short what, void *context)
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
	fd = r == 0 ? make_conf_fd(parent, conf) : -1;
	if (fd < 0) {
		refuse_reload(parent, r, &errors);
	} else {
		bool had_tls = parent->common->tls_certificate[0] != '\0';

		unused = parent->conf;
		parent->conf = conf;
		parent->common = conf;
		(void)close(parent->conf_fd);
		parent->conf_fd = fd;
		for (struct child *child = parent->children; child != NULL; child = child->next)
			if (child->channel != NULL && is_permanent(parent, child->role))
				(void)send_conf(parent, child); /* one that is ending needs none */
		log_info("reloaded", log_str("file", parent->options->conf_path));
		renew_tls(parent, had_tls);
		renew_files(parent);
	}
	daemon_tables(parent->daemon, tables);
	conf_free(tables, DAEMON_TABLES, unused);
	free(unused);
	buf_free(&errors);
}

static int
watch_signals(struct parent *parent)
{
	static const struct {
		int number;
		event_callback_fn handle;
	} signals[] = { { SIGCHLD, on_child }, { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_reload } };

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		struct event *event = evsignal_new(parent->base, signals[i].number, signals[i].handle, parent);

		if (event == NULL || event_add(event, NULL) < 0)
			return -ENOMEM;
	}
	(void)signal(SIGPIPE, SIG_IGN);
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
	child = start_child(parent, role);
	if (child == NULL)
		return -1;
	if (role->id == ROLE_WORKER) {
		ptrdiff_t at = span_rchr(rest, '@');
		_cleanup_(freep) char *folder = NULL;
		struct stat st;

		if (at < 0)
			return -1;
		folder = xasprintf("%s/%.*s/%.*s", parent->common->accounts_dir, (int)(rest.len - (size_t)at - 1), rest.ptr + at + 1, (int)at, rest.ptr);
		if (stat(folder, &st) < 0) {
			log_error("no-such-account", log_span("account", rest), log_str("folder", folder));
			return -1;
		}
		if (send_account(child, st.st_uid, &(struct ms_quota){ .bytes = 0 }, rest, folder) < 0)
			return -1;
	}
	return send_start(parent, child);
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

static int
start(struct parent *parent)
{
	int r = parent_exec_init();

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
	}
	parent->base = event_base_new(); /* after daemon(3): an epoll set does not outlive the fork in use */
	parent->conf_fd = make_conf_fd(parent, parent->conf);
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
	parent->messages = daemon_messages(daemon);
	(void)log_level_parse(span_of(parent->common->log_level), &level);
	log_init(daemon->name, "parent", options->background, options->debug ? LOG_LEVEL_DEBUG : level);
	(void)umask(077);
	raise_descriptor_limit();
	status = start(parent);
	if (status != EX_OK) {
		if (parent->base != NULL)
			stop_all(parent, status);
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
	return parent->status;
}
