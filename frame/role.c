/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The start of a role's process, its jail, and its loop: the same for every role of every daemon. */
#include "frame/role.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "frame/account_folder.h"
#include "frame/daemon.h"
#include "frame/frame_msg.h"
#include "frame/parent_template.h"
#include "frame/read_file.h"

#define CONF_TEXT_MAX (1 << 20)

/* --- process title --- */

static struct {
	char *at;
	size_t room;
} title;

void
proc_title_init(int argc, char **argv)
{
	title.at = argv[0];
	title.room = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) - argv[0]);
}

void
proc_title(const char *format, ...)
{
	va_list args;
	int len;

	if (title.room == 0)
		return;
	va_start(args, format);
	len = vsnprintf(title.at, title.room, format, args);
	va_end(args);
	if (len >= 0 && (size_t)len < title.room)
		memset(title.at + len, 0, title.room - (size_t)len);
}

/* --- who a role is --- */

int
role_ids(const struct fourpost_conf *conf, const struct daemon *daemon, const struct role *role, uid_t *ret_uid, gid_t *ret_gid)
{
	char name[64];
	const struct passwd *user;

	if (conf->role_uid_base != 0) {
		*ret_uid = (uid_t)(conf->role_uid_base + 16 * daemon->number + role->id);
		*ret_gid = role->id == ROLE_AUTH ? (gid_t)conf->role_uid_base + 1 : (gid_t)*ret_uid;
		return 0;
	}
	(void)snprintf(name, sizeof(name), "%s%s-%s", conf->role_user_prefix, daemon->name, role->name);
	user = getpwnam(name);
	if (user == NULL)
		return -ENOENT;
	*ret_uid = user->pw_uid;
	*ret_gid = user->pw_gid;
	return 0;
}

/* --- the jail --- */

/* A folder that this role must not see: an account beside its own, or any at all. For the probe. */
static char *
find_other_account(const struct proc *proc)
{
	_cleanup_(freep) char *parent = NULL;
	char *found = NULL;
	const struct dirent *entry;
	DIR *dir;

	parent = xstrdup(proc->account_dir != NULL ? proc->account_dir : proc->common->accounts_dir);
	if (proc->account_dir != NULL && strrchr(parent, '/') != NULL)
		*strrchr(parent, '/') = '\0';
	dir = opendir(parent);
	while (dir != NULL && found == NULL && (entry = readdir(dir)) != NULL) {
		found = xasprintf("%s/%s", parent, entry->d_name);
		if (entry->d_name[0] == '.' || (proc->account_dir != NULL && strcmp(found, proc->account_dir) == 0)) {
			free(found);
			found = NULL;
		}
	}
	if (dir != NULL)
		(void)closedir(dir);
	return found;
}

/* A worker's: the parent hands it over, or says that it could not be started. */
static void
tell_ready(struct proc *proc, int error)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u32(&body, (uint32_t)-error);
	(void)msg_send(proc->parent, MSG_WORKER_READY, 0, &body, -1); /* without the parent this ends in any case */
}

void
proc_jail(struct proc *proc, struct jail *jail)
{
	_cleanup_(freep) char *other = proc->probe ? find_other_account(proc) : NULL;
	const char *step = "";
	int r;

	if (proc->as_root && jail->uid == 0) {
		if (proc->account_uid != 0) {
			jail->uid = proc->account_uid;
			jail->gid = (gid_t)proc->account_uid;
		} else if (role_ids(proc->common, proc->daemon, proc->role, &jail->uid, &jail->gid) < 0) {
			log_error("no-such-user", log_str("prefix", proc->common->role_user_prefix), log_str("role", proc->role->name),
			    log_str("hint", "create the role users (sysusers.d) or set role_uid_base"));
			exit(EX_NOUSER);
		}
	}
	r = jail_enter(jail, &step);
	if (r < 0) {
		log_error("jail-failed", log_str("step", step), log_errno("error", r), log_str("root", jail->root));
		exit(EX_OSERR);
	}
	if (proc->probe)
		_exit(jail_probe(jail, other, STDOUT_FILENO) == 0 ? EX_OK : EX_SOFTWARE);
	if (proc->account != NULL)
		tell_ready(proc, 0);
}

/* --- the loop --- */

static int
dispatch(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	for (size_t i = 0; i < proc->handler_count; i++)
		if (proc->handlers[i].type == msg->type)
			return proc->handlers[i].handle(channel, msg, proc);
	return -EBADMSG;
}

/* A peer that has ended is started anew at once, and brings another channel. */
#define REJOIN_SECONDS 2

static void
lose_peer(struct proc *proc, uint8_t peer)
{
	const char *name = "";
	struct msg_writer body;

	for (size_t i = 0; i < proc->daemon->role_count; i++)
		if (proc->daemon->roles[i].id == peer)
			name = proc->daemon->roles[i].name;
	/* It may be away for minutes. */
	if ((proc->lost_peers & ROLE_BIT(peer)) == 0)
		log_warning("channel-lost", log_str("peer", name), log_str("hint", "another is asked for"));
	proc->lost_peers |= ROLE_BIT(peer);
	msg_writer_init(&body);
	msg_put_u8(&body, peer);
	(void)proc_send(proc, ROLE_PARENT, MSG_PEER_LOST, 0, &body, -1);
}

static void
on_rejoin(evutil_socket_t fd, short what, void *context)
{
	const struct timeval again = { REJOIN_SECONDS, 0 };
	struct proc *proc = context;
	bool missing = false;
	int spare;

	(void)fd, (void)what;
	/* While there is no room for another descriptor the parent's message would end the channel to it, and with that this process. */
	spare = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	if (spare < 0) {
		(void)event_add(proc->rejoin, &again);
		return;
	}
	(void)close(spare);
	for (uint8_t peer = 0; peer < ROLE_MAX; peer++)
		if ((proc->role->peers & ROLE_BIT(peer)) != 0 && proc->peers[peer] == NULL && !proc->stopping) {
			lose_peer(proc, peer);
			missing = true;
		}
	if (missing)
		(void)event_add(proc->rejoin, &again);
}

/* Of the two roles the one that has the other in its row asks for another channel. */
static void
watch_peer(struct proc *proc, uint8_t peer)
{
	const struct timeval patience = { REJOIN_SECONDS, 0 };

	if ((proc->role->peers & ROLE_BIT(peer)) == 0 || proc->stopping)
		return;
	if (proc->rejoin == NULL)
		proc->rejoin = evtimer_new(proc->base, on_rejoin, proc);
	if (proc->rejoin == NULL)
		abort();
	(void)event_add(proc->rejoin, &patience);
}

static void
peer_closed(struct msg_channel *channel, int error, void *context)
{
	struct proc *proc = context;
	uint8_t peer = msg_channel_peer(channel);

	if (error != 0)
		log_warning("peer-misbehaved", log_u64("peer", peer), log_errno("error", error));
	if (proc->peers[peer] == channel)
		proc->peers[peer] = NULL;
	(void)msg_channel_free(channel);
	if (proc->peer_gone != NULL)
		proc->peer_gone(proc, peer);
	else if (proc->role->id == ROLE_WORKER)
		proc_exit(proc, EX_OK); /* who asked for the worker is gone: so is its work */
	watch_peer(proc, peer);
}

static void
start_peer(struct proc *proc, uint8_t peer)
{
	if (proc->one_at_a_time)
		msg_channel_one_at_a_time(proc->peers[peer]);
	if ((proc->quiet_peers & ROLE_BIT(peer)) == 0)
		msg_channel_start(proc->peers[peer], proc->base, dispatch, peer_closed, proc);
}

static int
take_peer(struct proc *proc, struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	uint8_t peer = msg_get_u8(&body);

	if (!msg_done(&body) || peer >= ROLE_MAX)
		return -EBADMSG;
	if (proc->peers[peer] != NULL) {
		/* The new one may come before the end of the old one was seen: what waits for the old one must hear of it. */
		proc->peers[peer] = msg_channel_free(proc->peers[peer]);
		if (proc->peer_gone != NULL)
			proc->peer_gone(proc, peer);
	}
	proc->lost_peers &= ~ROLE_BIT(peer);
	proc->peers[peer] = msg_channel_new(msg_take_fd(msg), &proc->messages, proc->role->id, peer);
	return 0;
}

static int
take_configuration(struct proc *proc, const struct msg *msg)
{
	const struct conf_table *tables[DAEMON_TABLES];
	struct buf text = BUF_INIT(CONF_TEXT_MAX), errors = BUF_INIT(CONF_TEXT_MAX);
	enum log_level level = LOG_LEVEL_INFO;
	off_t size;
	char *room = NULL;
	void *conf;
	ssize_t got = -1;
	int r;

	/* Not fstat: the C library makes newfstatat of it, which takes paths and is refused in most jails. */
	size = lseek(msg->fd, 0, SEEK_END);
	if (size >= 0 && size <= CONF_TEXT_MAX)
		room = buf_reserve(&text, (size_t)size);
	if (room != NULL)
		got = pread(msg->fd, room, (size_t)size, 0); /* the offset is shared with the other roles */
	if (got < 0 || got != size) {
		buf_free(&text);
		return -EBADMSG;
	}
	buf_added(&text, (size_t)got);
	conf = xcalloc(1, proc->daemon->conf_size);
	daemon_tables(proc->daemon, tables);
	r = conf_parse(buf_get(&text), tables, DAEMON_TABLES, conf, &errors);
	buf_free(&text);
	buf_free(&errors);
	if (r != 0) {
		conf_free(tables, DAEMON_TABLES, conf);
		free(conf);
		return -EBADMSG;
	}
	/* Spans of the former configuration may still be in use where a request is under way: it is kept. */
	proc->conf = conf;
	proc->common = conf;
	if (log_level_parse(span_of(proc->common->log_level), &level) && getenv("FOURPOST_DEBUG") == NULL)
		log_set_level(level);
	return 0;
}

static int
parent_message(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	int r;

	switch (msg->type) {
	case MSG_PEER:
		r = take_peer(proc, msg);
		if (r == 0) {
			uint8_t peer = (uint8_t)msg->body.ptr[0];

			start_peer(proc, peer);
			if (proc->peer_here != NULL)
				proc->peer_here(proc, peer);
		}
		return r;
	case MSG_CONFIG:
		r = take_configuration(proc, msg);
		if (r == 0 && proc->reload != NULL)
			proc->reload(proc);
		return r;
	case MSG_STOP:
		proc->stopping = true;
		if (proc->stop != NULL)
			proc->stop(proc);
		else
			proc_exit(proc, EX_OK);
		return 0;
	default:
		return dispatch(channel, msg, context);
	}
}

static void
parent_closed(struct msg_channel *channel, int error, void *context)
{
	/* Without the parent nothing can be started or stopped in order: the role ends with it. */
	(void)channel;
	proc_exit(context, error == 0 ? EX_OK : EX_PROTOCOL);
}

int
proc_loop(struct proc *proc)
{
	msg_channel_start(proc->parent, proc->base, parent_message, parent_closed, proc);
	for (uint8_t i = 0; i < ROLE_MAX; i++)
		if (proc->peers[i] != NULL)
			start_peer(proc, i);
	(void)event_base_dispatch(proc->base);
	return proc->status;
}

void
proc_exit(struct proc *proc, int status)
{
	proc->status = status;
	(void)event_base_loopbreak(proc->base);
}

int
proc_send(struct proc *proc, uint8_t role, uint16_t type, uint32_t id, const struct msg_writer *body, int fd)
{
	struct msg_channel *channel = role == ROLE_PARENT ? proc->parent : proc->peers[role];

	if (channel == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return -EPIPE;
	}
	return msg_send(channel, type, id, body, fd);
}

/* --- the start --- */

static int
take_listener(struct proc *proc, struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	struct proc_listener *listener = &proc->listeners[proc->listener_count];
	struct span name;

	if (proc->listener_count == PROC_LISTENERS_MAX)
		return -EBADMSG;
	listener->kind = msg_get_u8(&body);
	listener->tls = msg_get_u8(&body) != 0;
	name = msg_get_span(&body);
	if (!msg_done(&body) || name.len >= sizeof(listener->name))
		return -EBADMSG;
	memcpy(listener->name, name.ptr, name.len);
	listener->name[name.len] = '\0';
	listener->fd = msg_take_fd(msg);
	proc->listener_count++;
	return 0;
}

static int
take_account(struct proc *proc, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	struct span address, folder;

	proc->account_uid = msg_get_u32(&body);
	proc->quota.bytes = msg_get_u64(&body);
	proc->quota.messages = msg_get_u64(&body);
	address = msg_get_span(&body);
	folder = msg_get_span(&body);
	if (!msg_done(&body))
		return -EBADMSG;
	proc->account = span_dup(address);
	proc->account_path = span_dup(folder);
	return 0;
}

static int
keep_file(struct proc *proc, struct msg *msg)
{
	if (msg->fd < 0 || proc->file_count == PROC_FILES_MAX)
		return -EBADMSG;
	proc->files[proc->file_count].type = msg->type;
	proc->files[proc->file_count++].fd = msg_take_fd(msg);
	return 0;
}

int
proc_read_file(struct proc *proc, uint16_t type, struct buf *out)
{
	for (size_t i = 0; i < proc->file_count; i++)
		if (proc->files[i].type == type) {
			int r = read_open_file(proc->files[i].fd, out);

			(void)close(proc->files[i].fd);
			proc->files[i] = proc->files[--proc->file_count];
			return r;
		}
	return -ENOENT;
}

static int
start_message(struct proc *proc, struct msg *msg, bool *ret_started)
{
	struct msg_reader body = msg_read(msg);

	switch (msg->type) {
	case MSG_CONFIG: return take_configuration(proc, msg);
	case MSG_PEER: return take_peer(proc, msg);
	case MSG_LISTENER: return take_listener(proc, msg);
	case MSG_ACCOUNT: return take_account(proc, msg);
	case MSG_TEMPLATE:
		if (proc->conf == NULL)
			return -EBADMSG;
		template_serve(proc);
		return 0; /* in a child: its own start follows */
	case MSG_START:
		proc->as_root = msg_get_u8(&body) != 0;
		proc->probe = msg_get_u8(&body) != 0;
		*ret_started = true;
		return msg_done(&body) && proc->conf != NULL ? 0 : -EBADMSG;
	default: return keep_file(proc, msg);
	}
}

static void
receive_start(struct proc *proc)
{
	bool started = false;

	while (!started) {
		_Alignas(8) uint8_t buffer[MSG_MAX];
		struct msg msg;
		int r = msg_receive(proc->parent, buffer, &msg);

		if (r == 0) {
			r = start_message(proc, &msg, &started);
			if (msg.fd >= 0)
				(void)close(msg.fd);
		}
		if (r < 0) {
			if (r != -EPIPE) /* the parent gave up: it has said why */
				log_error("start-failed", log_errno("error", r));
			exit(EX_PROTOCOL);
		}
	}
}

/* Here and not in the parent: should the file system not answer, then this account waits, and nobody else. */
static void
find_account_dir(struct proc *proc)
{
	int r = account_folder(proc->common->accounts_dir, span_of(proc->account_path), proc->account_uid, proc->as_root, &proc->account_dir);

	if (r < 0 && proc->probe) {
		log_error("no-account-folder", log_str("account", proc->account), log_errno("error", r));
		exit(EX_SOFTWARE);
	}
	if (r < 0) {
		tell_ready(proc, r);
		exit(EX_OK); /* the parent says why */
	}
}

static const struct role *
find_role(const struct daemon *daemon, const char *name)
{
	for (size_t i = 0; i < daemon->role_count; i++)
		if (strcmp(daemon->roles[i].name, name) == 0)
			return &daemon->roles[i];
	return NULL;
}

int
role_main(const struct daemon *daemon, const char *role_name, bool background, bool debug)
{
	struct proc *proc = xcalloc(1, sizeof(*proc));
	struct event_config *config;
	int type = 0;
	socklen_t len = sizeof(type);

	proc->daemon = daemon;
	proc->role = find_role(daemon, role_name);
	if (proc->role == NULL || getsockopt(ROLE_PARENT_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET) {
		(void)fprintf(stderr, "%s: -x is how the daemon starts its own roles; it is of no use by hand\n", daemon->name);
		return EX_USAGE;
	}
	if (debug)
		(void)setenv("FOURPOST_DEBUG", "1", 1);
	log_init(daemon->name, role_name, background ? LOG_TO_PARENT : LOG_TO_STDERR, debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN); /* the parent speaks for them */
	(void)signal(SIGINT, SIG_IGN);
	(void)umask(077);
	proc->messages = daemon_messages(daemon);
	proc->parent = msg_channel_new(ROLE_PARENT_FD, &proc->messages, proc->role->id, ROLE_PARENT);
	receive_start(proc);
	if (proc->account != NULL) {
		proc_title("%s: %s %s", daemon->name, role_name, proc->account);
		find_account_dir(proc);
	} else {
		proc_title("%s: %s", daemon->name, role_name);
	}
	config = event_config_new();
	if (config == NULL)
		abort();
	/* Clocks are fine at a millisecond; the precise timer would cost a descriptor in each process. */
	(void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	proc->base = event_base_new_with_config(config);
	event_config_free(config);
	if (proc->base == NULL)
		abort();
	return proc->role->run(proc);
}
