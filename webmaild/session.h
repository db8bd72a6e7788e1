/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside the session role: requests that came over from the http role, their bodies and their answers. */
#ifndef WEBMAILD_SESSION_H
#define WEBMAILD_SESSION_H

#include "common/buf.h"
#include "common/stream.h"
#include "webmaild/webmaild.h"

struct event;
struct jmap;
struct uploads;

struct session {
	struct proc *proc;
	const struct webmaild_conf *conf;
	struct jmap *jmap;
	struct uploads *uploads;
	struct session_request *requests; /* under way */
	struct event *idle;
	struct event *room;  /* an answer went: those that were put off */
	struct event *quiet; /* the text index is worked on while nothing is asked */
	struct rendering *renderings;     /* waiting for the render role */
	uint32_t last_rendering;
	bool render_lost;                 /* it is dead: this session ends when it can, the next one has a new one */
	int drop_folder;                  /* spool/drop, or -1 */
};

/* A request and its answer. It belongs to the session; it is freed when the answer is sent or the front gave it up. */
struct session_request {
	struct session_request *next;
	struct session *session;
	struct stream *stream;
	enum request_kind kind;
	uint64_t length;        /* of the body as announced, or UINT64_MAX */
	char *content_type, *path, *query;
	struct buf body;        /* REQUEST_API */
	struct upload *upload;  /* REQUEST_UPLOAD */
	struct watcher *watcher; /* REQUEST_EVENTSOURCE */
	struct rendering *rendering; /* REQUEST_RENDER, _INFO: asked of the render role */
	struct show *show;           /* and what is being shown */
	struct buf answer;      /* what of the answer is not yet in the stream */
	size_t sent;
	bool answered, complete;
	bool put_off; /* complete, and not looked at yet: too much waits to be read by clients */
	bool over; /* an event source that has said its last: it is freed soon */
};

/* Sends the head; length ANSWER_LENGTH_UNKNOWN: until session_answer_end. filename may be empty. */
void session_answer_begin(struct session_request *request, unsigned status, uint64_t length, const char *type, struct span filename,
    bool is_inline);
/* Gives bytes of the body; they are copied. */
void session_answer_write(struct session_request *request, struct span bytes);
/* Ends an answer of unknown length, once what was written is sent. */
void session_answer_end(struct session_request *request);
/* A whole answer; takes over the bytes of body. */
void session_answer(struct session_request *request, unsigned status, const char *type, struct buf *body);
void session_answer_file(struct session_request *request, const char *type, struct span filename, bool is_inline, struct buf *body);
void session_problem(struct session_request *request, unsigned status, const char *detail);

/* The value of a query parameter; empty when absent. True when it was there and well-formed. */
bool session_parameter(const struct session_request *request, const char *name, struct buf *out);

/* --- session_render.c --- */

/* Asks the render role; done gets the document, or ok false when there is none (the role died, took too long, refused). */
typedef void (*render_done)(void *context, bool ok, struct buf *document, unsigned remote_images);
struct rendering *session_render(struct session *session, bool remote_images, struct span mark, struct span input,
    render_done done, void *context);
void session_render_cancel(struct session *session, struct rendering *rendering);
int session_rendered(struct msg_channel *channel, struct msg *msg, void *proc);
void session_render_gone(struct session *session);

/* --- session_show.c: GET /render/{emailId} and its /info --- */

void session_show(struct session_request *request);
void session_show_info(struct session_request *request);
void session_show_cancel(struct session_request *request);

/* --- session_upload.c: uploads; session_blob.c: downloads --- */

struct uploads *uploads_open(const char *account_dir, int64_t size_max, int *ret_error);
/* Begins a file: NULL and *ret_error -ENOSPC when too many wait already, or -errno. */
struct upload *upload_begin(struct uploads *uploads, int *ret_error);
/* 0, -EMSGSIZE, or -errno. */
int upload_write(struct upload *upload, struct span bytes);
uint64_t upload_size(const struct upload *upload);
/* The blob's id into id (64 bytes); the size. 0 or -errno. Frees upload. */
int upload_commit(struct upload *upload, char *ret_id, uint64_t *ret_size);
void upload_abandon(struct upload *upload);
/* Reads an uploaded blob. 0, 1 when there is none (any more), -errno. */
int uploads_read(struct uploads *uploads, struct span id, struct buf *out);

void session_download(struct session_request *request);
void session_upload_done(struct session_request *request);

/* --- session_events.c --- */

/* Opens GET /jmap/eventsource. */
void session_watch(struct session_request *request);
void session_watch_free(struct watcher *watcher);
/* The store changed: tells every watcher what is new. */
void session_changed(struct session *session);

#endif
