/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "smtpd/report_post.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/io.h"
#include "common/next_turn.h"
#include "common/xalloc.h"
#include "smtpd/report_hosts.h"

/* Of those under way, unless it is a single one; and of those that wait, before no more are taken. */
#define BYTES_AT_ONCE (2 * (size_t)REPORT_PACKED_MAX)
#define WAITING_BYTES (64u << 20)
#define WAITING_MAX 256

struct post {
	struct post *next;
	uint32_t id; /* of what policy is to answer */
	struct report_address address;
	struct span host; /* into address */
	uint16_t port;
	char *packed; /* while it waits */
	size_t len;
	report_post_done done;
	void *context;
};

struct report_posts {
	struct proc *proc;
	struct event *turn; /* starts what may be */
	struct report_hosts *hosts;
	struct post *waiting, **end, *active;
	uint32_t last_id;
	size_t waiting_count, waiting_bytes, active_count, active_bytes;
};

static void on_turn(evutil_socket_t fd, short what, void *context);

struct report_posts *
report_posts_new(struct proc *proc)
{
	struct report_posts *posts = xcalloc(1, sizeof(*posts));

	posts->proc = proc;
	posts->hosts = report_hosts_new();
	posts->end = &posts->waiting;
	posts->turn = event_new(proc->base, -1, 0, on_turn, posts);
	if (posts->turn == NULL)
		abort();
	return posts;
}

bool
report_post_rests(const struct report_posts *posts, const struct report_address *address)
{
	struct span host, path;
	uint16_t port;

	return report_address_split(address, &host, &port, &path) && report_hosts_rests(posts->hosts, host, port, (int64_t)time(NULL));
}

void
report_post(struct report_posts *posts, const struct report_address *address, struct span packed, report_post_done done, void *context)
{
	struct post *post = xcalloc(1, sizeof(*post));
	struct span path;

	*post = (struct post){ .address = *address, .packed = xmemdup(packed.ptr, packed.len), .len = packed.len, .done = done, .context = context };
	(void)report_address_split(&post->address, &post->host, &post->port, &path);
	*posts->end = post;
	posts->end = &post->next;
	posts->waiting_count++;
	posts->waiting_bytes += post->len;
	next_turn(posts->turn);
}

bool
report_posts_full(const struct report_posts *posts)
{
	return posts->waiting_count >= WAITING_MAX || posts->waiting_bytes >= WAITING_BYTES;
}

/* Takes it out of those that wait. */
static struct post *
end_wait(struct report_posts *posts, struct post **at)
{
	struct post *post = *at;

	*at = post->next;
	if (posts->end == &post->next)
		posts->end = at;
	posts->waiting_count--;
	posts->waiting_bytes -= post->len;
	free(post->packed);
	post->packed = NULL;
	return post;
}

static struct post *
end_active(struct report_posts *posts, struct post **at)
{
	struct post *post = *at;

	*at = post->next;
	posts->active_count--;
	posts->active_bytes -= post->len;
	return post;
}

static void
settle(struct report_posts *posts, struct post *post, enum report_post_result result, struct span why)
{
	post->done(post->context, &post->address, result, why);
	free(post);
	next_turn(posts->turn);
}

static bool
is_busy(const struct report_posts *posts, const struct post *wanted)
{
	for (const struct post *post = posts->active; post != NULL; post = post->next)
		if (post->port == wanted->port && span_ieq(post->host, wanted->host))
			return true;
	return false;
}

static bool
may_start(const struct report_posts *posts, const struct post *post)
{
	return posts->active_count < REPORT_POSTS_MAX && (posts->active_count == 0 || posts->active_bytes + post->len <= BYTES_AT_ONCE) &&
	    !is_busy(posts, post);
}

/* 0 or -errno. */
static int
start(struct report_posts *posts, struct post **at)
{
	struct post *post = *at;
	struct span host, path;
	uint16_t port;
	struct msg_writer body;
	int fd = memfd_create("report", MFD_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = io_write_all(fd, span_make(post->packed, post->len));
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	(void)report_address_split(&post->address, &host, &port, &path);
	msg_writer_init(&body);
	msg_put_span(&body, host);
	msg_put_u16(&body, port);
	msg_put_span(&body, path);
	if (++posts->last_id == 0)
		posts->last_id = 1;
	r = proc_send(posts->proc, ROLE_POLICY, MSG_REPORT_POST, posts->last_id, &body, fd);
	if (r < 0)
		return r;
	(void)end_wait(posts, at);
	post->id = posts->last_id;
	post->next = posts->active;
	posts->active = post;
	posts->active_count++;
	posts->active_bytes += post->len;
	return 0;
}

/* 1: it is under way; 0: it waits; or -errno: it does not go. */
static int
try(struct report_posts *posts, struct post **at)
{
	const struct post *post = *at;
	int r;

	if (report_hosts_rests(posts->hosts, post->host, post->port, (int64_t)time(NULL)))
		return -EAGAIN;
	if (!may_start(posts, post))
		return 0;
	r = start(posts, at);
	return r < 0 ? r : 1;
}

/* After one that does not go, whose owner is told, the next turn goes on. */
static void
on_turn(evutil_socket_t fd, short what, void *context)
{
	struct report_posts *posts = context;
	struct post **at = &posts->waiting;
	int r = 0;

	(void)fd, (void)what;
	while (*at != NULL && r >= 0) {
		r = try(posts, at);
		if (r < 0)
			settle(posts, end_wait(posts, at), REPORT_NOT_NOW, r == -EAGAIN ? SPAN_NULL : span_of(strerrordesc_np(-r)));
		else if (r == 0)
			at = &(*at)->next;
	}
}

int
report_posts_answer(struct report_posts *posts, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	uint8_t result = msg_get_u8(&body);
	struct span why = msg_get_span(&body);
	struct post **at = &posts->active;

	if (!msg_done(&body) || result > REPORT_BUSY)
		return -EBADMSG;
	while (*at != NULL && (*at)->id != msg->id)
		at = &(*at)->next;
	if (*at == NULL)
		return 0;
	if (result == REPORT_NOT_NOW)
		report_hosts_failed(posts->hosts, (*at)->host, (*at)->port, (int64_t)time(NULL));
	else if (result != REPORT_BUSY)
		report_hosts_worked(posts->hosts, (*at)->host, (*at)->port);
	settle(posts, end_active(posts, at), result == REPORT_BUSY ? REPORT_NOT_NOW : (enum report_post_result)result, why);
	return 0;
}

void
report_posts_policy_gone(struct report_posts *posts)
{
	while (posts->active != NULL)
		settle(posts, end_active(posts, &posts->active), REPORT_NOT_NOW, SPAN("policy has ended"));
}
