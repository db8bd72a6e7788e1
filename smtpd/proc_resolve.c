/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The resolve role: asks the DNS, validating with DNSSEC, for the roles that cannot. It sees names, no mail.
 *
 * libunbound works in this process and this loop, without threads. All it reads from files it reads before the jail. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unbound-event.h>
#include <unbound.h>
#include <unistd.h>

#include "common/io.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "frame/read_file.h"
#include "smtpd/resolve_role.h"
#include "smtpd/resolve_unbound.h"
#include "smtpd/smtpd.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd_msg.h"

#define DESCRIPTORS_MAX 4096
#define ANCHOR_FILE_MAX (1u << 20)

static int
on_resolve(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	(void)channel;
	return resolve_mail(proc->state, msg);
}

static int
on_question(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	return resolve_question(proc->state, msg_channel_peer(channel), msg);
}

/* --- the start --- */

/* What libunbound is told, as one text: a reload that changes it needs a fresh process. */
static void
settings_of(const struct smtpd_conf *conf, struct buf *out)
{
	buf_clear(out);
	(void)buf_fmt(out, "%s\n", conf->dnssec_anchor);
	for (size_t i = 0; i < conf->resolvers.count; i++)
		(void)buf_fmt(out, "%s\n", conf->resolvers.item[i]);
}

static void
leave(struct proc *proc)
{
	log_info("resolvers-changed", log_str("how", "a new process reads them"));
	proc_exit(proc, EX_OK);
}

static void
on_reload(struct proc *proc)
{
	struct resolver *resolver = proc->state;
	struct buf settings = BUF_INIT(resolver->settings.max);

	settings_of(smtpd_conf(proc), &settings);
	if (!span_eq(buf_get(&settings), buf_get(&resolver->settings)))
		leave(proc);
	buf_free(&settings);
}

/* At a reload. libunbound takes no other anchors once it works. */
static int
on_anchor(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	const struct resolver *resolver = proc->state;
	struct buf text = BUF_INIT(ANCHOR_FILE_MAX);
	int r = read_open_file(msg->fd, &text);

	(void)channel;
	if (r < 0)
		log_error("anchors-unreadable", log_str("file", smtpd_conf(proc)->dnssec_anchor), log_errno("error", r));
	else if (smtpd_conf(proc)->dnssec_anchor[0] != '\0' && !span_eq(buf_get(&text), buf_get(&resolver->anchor)))
		leave(proc);
	buf_free(&text);
	return 0;
}

/* As the parent has handed them over. libunbound wants a name: the file that has it is memory. The descriptor; or -ENOENT where none came, or -errno. */
static int
open_anchor(struct resolver *resolver)
{
	int r = proc_read_file(resolver->proc, MSG_DNSSEC_ANCHOR, &resolver->anchor), fd;

	if (r < 0)
		return r;
	fd = memfd_create("anchor", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = io_write_all(fd, buf_get(&resolver->anchor));
	if (r < 0)
		(void)close(fd);
	return r < 0 ? r : fd;
}

static void
on_primed(void *context, int rcode, void *packet, int packet_len, int sec, char *why_bogus, int limited)
{
	struct resolver *resolver = context;

	(void)rcode, (void)packet, (void)packet_len, (void)sec, (void)why_bogus, (void)limited;
	resolver->primed = true;
}

/* libunbound reads its files and makes its worker at the first question: one that it answers by itself. */
static bool
prime(struct resolver *resolver)
{
	int number;

	return resolve_worked(ub_resolve_event(resolver->unbound, "localhost", DNS_A, 1, resolver, on_primed, &number), "first question", "localhost") &&
	    resolver->primed;
}

/* With the anchors of that file; NULL: they are missing. */
static bool
set_up_with(struct resolver *resolver, const char *path)
{
	struct ub_ctx *unbound = ub_ctx_create_event(resolver->proc->base);

	resolver->unbound = unbound;
	return unbound != NULL && resolve_configure(unbound, smtpd_conf(resolver->proc), path) && prime(resolver);
}

static bool
has_text(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] != ' ' && text.ptr[i] != '\t' && text.ptr[i] != '\r' && text.ptr[i] != '\n')
			return true;
	return false;
}

static bool
set_up(struct resolver *resolver)
{
	const struct smtpd_conf *conf = smtpd_conf(resolver->proc);
	char path[64];
	int fd = open_anchor(resolver);
	bool works = false;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd >= 0 && has_text(buf_get(&resolver->anchor))) {
		works = set_up_with(resolver, path);
		/* What is wrong with a file must not be the end of the DNS, and of the daemon with it. What did not work is left as it is. */
		if (!works)
			log_error("anchor-unusable", log_str("file", conf->dnssec_anchor), log_str("hint", "answers are not validated; mend it, then reload"));
	} else if (fd >= 0) {
		log_warning("anchor-empty", log_str("file", conf->dnssec_anchor));
	}
	if (fd >= 0)
		(void)close(fd);
	return works || set_up_with(resolver, NULL);
}

int
proc_resolve(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_RESOLVE, on_resolve }, { MSG_DNS_QUESTION, on_question }, { MSG_DNSSEC_ANCHOR, on_anchor } };
	struct resolver *resolver = xcalloc(1, sizeof(*resolver));
	struct jail jail = { .root = proc->common->empty_dir, .allow = JAIL_CONNECT, .descriptors_max = DESCRIPTORS_MAX };
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		abort(); /* cannot fail for so few bytes once the system is up */
	resolver->proc = proc;
	resolver->room = resolve_room_new(RESOLVE_QUESTIONS_MAX, RESOLVE_CROWD, seed);
	buf_init(&resolver->settings, 65536);
	buf_init(&resolver->anchor, ANCHOR_FILE_MAX);
	settings_of(smtpd_conf(proc), &resolver->settings);
	proc->state = resolver;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(*handlers);
	proc->reload = on_reload;
	if (!set_up(resolver))
		return EX_CONFIG;
	/* --- jail --- */
	proc_jail(proc, &jail);
	return proc_loop(proc);
}
