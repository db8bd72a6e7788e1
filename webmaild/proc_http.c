/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The http role: TLS, HTTP, the browser client's files, who is signed in. It sees no mail store, no password hash and no key: whoever
 * owns it reads what passes through it, and can open only the accounts whose users are signed in just then. */
#include <event2/event.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "webmaild/http.h"

#define INPUT_MAX 65536
#define OUTPUT_MAX 1048576
#define TIMEOUT_SECONDS 60
/* Each connection may have a request with a socketpair to a session. */
#define DESCRIPTORS_OF_CONNECTION 3
#define DESCRIPTORS_BESIDE 256

static const struct proc_handler handlers[] = { FRONT_HANDLERS };

static struct span
refusal(const struct proc_listener *listener, void *context)
{
	(void)listener;
	(void)context;
	return SPAN_NULL; /* before TLS there is nothing to say that a browser would understand */
}

static void
stop(struct proc *proc)
{
	struct http *http = proc->state;

	front_stop(http->front);
	proc_exit(proc, EX_OK);
}

static struct front_limits
limits_of(const struct webmaild_conf *conf)
{
	return (struct front_limits){
		.connections_max = (unsigned)conf->connections_max,
		.connections_per_address_max = (unsigned)conf->connections_per_address_max,
		.descriptors_each = DESCRIPTORS_OF_CONNECTION,
		.descriptors_beside = DESCRIPTORS_BESIDE,
		.input_max = INPUT_MAX,
		.output_max = OUTPUT_MAX,
		.timeout = TIMEOUT_SECONDS,
	};
}

static void
reload(struct proc *proc)
{
	struct http *http = proc->state;
	const struct front_limits limits = limits_of(proc->conf);

	front_set_limits(http->front, &limits);
}

/* Root has them before the jail; nobody gets more than that behind it, whatever a reload says. */
static void
get_descriptors(const struct front_limits *limits)
{
	rlim_t wanted = (rlim_t)limits->connections_max * limits->descriptors_each + limits->descriptors_beside;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit = (struct rlimit){ wanted, wanted };
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int
proc_http(struct proc *proc)
{
	const struct webmaild_conf *conf = proc->conf;
	const struct front_limits limits = limits_of(conf);
	struct jail jail = { .root = conf->common.empty_dir, .allow = JAIL_ACCEPT | JAIL_SOCKETPAIR };
	struct http *http = xcalloc(1, sizeof(*http));
	struct buf error = BUF_INIT(1024);

	http->proc = proc;
	proc->state = http;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(handlers[0]);
	proc->peer_gone = front_peer_gone;
	proc->reload = reload;
	proc->stop = stop;
	get_descriptors(&limits);
	http->files = http_files_load(conf->web_dir, &error);
	if (error.len > 0)
		log_warning("no-web-client", log_span("error", buf_get(&error)));
	buf_free(&error);
	http->front = front_new(proc, &limits, "h2,http/1.1", http_conn_accept, refusal, http);
	if (http->front == NULL)
		return EX_CONFIG;

	/* --- jail --- */
	proc_jail(proc, &jail);

	http->logins = logins_new(http);
	front_start(http->front);
	return proc_loop(proc);
}
