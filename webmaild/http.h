/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside the http role: requests under way, whoever carries them (HTTP/1.1 or HTTP/2) and whoever answers them. */
#ifndef WEBMAILD_HTTP_H
#define WEBMAILD_HTTP_H

#include <stdint.h>

#include "common/buf.h"
#include "frame/front.h"
#include "webmaild/http_parse.h"
#include "webmaild/webmaild.h"

struct event;
struct http_files;
struct logins;
struct login;

/* The role's state; front comes first: FRONT_HANDLERS look for it there. */
struct http {
	struct front *front;
	struct proc *proc;
	struct http_files *files;
	struct logins *logins;
	struct account *accounts; /* a list: signed in, or with requests under way */
};

#define HTTP_SMALL_BODY_MAX 4096

/* --- responses --- */

/* Which Content-Security-Policy and caching a response gets. */
enum http_policy {
	HTTP_POLICY_API,           /* data: nothing may come of it as a document */
	HTTP_POLICY_SHELL,         /* the client's own files */
	HTTP_POLICY_CONTENT,       /* an attachment */
	HTTP_POLICY_RENDER,        /* a message, without images of other hosts */
	HTTP_POLICY_RENDER_IMAGES, /* with them */
};

/* A response's head. `fields` is "name: value\r\n" each, lower-case names. */
struct http_response {
	unsigned status;
	int64_t length; /* of the body; -1: not known yet */
	struct buf fields;
};

void http_response_init(struct http_response *response, unsigned status, enum http_policy policy);
/* The value must be a field value without CR and LF (ours, or checked by http_is_field_value). */
void http_response_field(struct http_response *response, const char *name, struct span value);
void http_response_free(struct http_response *response);
const char *http_reason(unsigned status);

/* --- exchanges: one request and its response --- */

struct exchange;

/* Who carries the exchange: http_conn.c or http_h2.c. */
struct exchange_transport {
	/* Sends the head. With length 0, or to HEAD, that is all: the exchange is over. */
	void (*respond)(struct exchange *exchange, const struct http_response *response);
	/* How many bytes of body write takes now. */
	size_t (*room)(struct exchange *exchange);
	void (*write)(struct exchange *exchange, struct span bytes);
	/* The body is complete. The exchange is over. */
	void (*end)(struct exchange *exchange);
	/* The response cannot be completed: the client must notice. The exchange is over. */
	void (*abort)(struct exchange *exchange);
	/* The handler can take more of the request's body. */
	void (*more)(struct exchange *exchange);
};

/* Who answers it. No callback runs once the exchange is over. */
struct exchange_handler {
	/* Some of the body; returns how much was taken. Less than all: no more comes until transport->more. */
	size_t (*body)(struct exchange *exchange, struct span bytes);
	void (*body_end)(struct exchange *exchange);
	/* There is room for more of the response. May be NULL. */
	void (*writable)(struct exchange *exchange);
	/* The client went away. The exchange is over. */
	void (*gone)(struct exchange *exchange);
};

struct exchange {
	struct http *http;
	const struct http_request *request; /* lives as long as the exchange */
	const char *client_address;
	const struct exchange_transport *transport;
	const struct exchange_handler *handler; /* NULL once it is over, and before http_route */
	void *context;                          /* the handler's */
	struct login *login;                    /* whose request it is; NULL: nobody's (yet) */
	uint64_t body_max;                      /* 413 above it; set by http_route */
	bool has_body;
	bool head;                              /* HEAD: no body in the response */
	bool responded, over;
	bool endless;                           /* an event stream: no deadline for its end */
};

/* Decides who answers: answers at once, or sets exchange->handler. */
void http_route(struct exchange *exchange);

/* Short answers, complete. */
void http_answer(struct exchange *exchange, struct http_response *response, struct span body);
void http_problem(struct exchange *exchange, unsigned status, const char *detail);
/* The same with one more field; name NULL: none. */
void http_problem_field(struct exchange *exchange, unsigned status, const char *detail, const char *name, struct span value);

/* Takes over a new connection. */
int http_conn_accept(struct front_client *client, void *http);
/* The connection turned out to speak HTTP/2 (ALPN h2). Takes over client and its stream. */
void http2_begin(struct http *http, struct front_client *client);

/* --- the browser client's files --- */

struct http_files *http_files_load(const char *dir, struct buf *error);
/* Answers a GET or HEAD for a file; false when there is none of this path. */
bool http_files_answer(struct exchange *exchange);

/* --- signing in --- */

/* One browser, or one client with Basic credentials, of an account. */
struct login {
	struct login *next, *previous; /* of the same account, the latest used first */
	struct login *chain;           /* of the same bucket */
	struct account *account;
	uint8_t key[32];
	char csrf[33];
	uint64_t grant;
	int64_t expires; /* seconds, monotonic */
	int64_t checked; /* when auth was asked last whether its grant is over */
	bool checking;   /* its answer is awaited; the login is held meanwhile */
	bool basic;
	unsigned holds;  /* requests that use it: it is freed when the last is over */
	bool revoked;
};

#define LOGINS_MAX 20000
#define LOGINS_PER_ACCOUNT_MAX 100
#define LOGIN_TOKEN_LEN 43 /* 256 bits in base64url */
#define LOGIN_COOKIE "__Host-fourpost"

struct logins *logins_new(struct http *http);
/* The login a request's cookie names, its lifetime renewed; NULL. */
struct login *logins_by_cookie(struct logins *logins, const struct http_request *request);
/* The login these credentials had lately; NULL: they are to be verified. */
struct login *logins_by_basic(struct logins *logins, struct span user, struct span password);
/* A new one; token (LOGIN_TOKEN_LEN + 1 bytes) is for the cookie and is not kept. */
struct login *logins_add(struct logins *logins, struct span account, uint64_t grant, char *ret_token);
struct login *logins_add_basic(struct logins *logins, struct span account, uint64_t grant, struct span user, struct span password);
/* The login is over, its grant dropped, its event streams ended. */
void logins_remove(struct logins *logins, struct login *login);
/* A request holds the login it came with. */
void login_hold(struct login *login);
void login_release(struct logins *logins, struct login *login);

/* POST /auth/login, GET /auth/session, POST /auth/logout. */
void http_auth_login(struct exchange *exchange);
void http_auth_session(struct exchange *exchange);
void http_auth_logout(struct exchange *exchange);
/* Answers 401 with a challenge for Basic credentials (RFC 9110 section 11.6.1). */
void http_auth_challenge(struct exchange *exchange);
/* Finds out whose request it is: by cookie or Basic credentials. Then calls go with exchange->login set, now or later; or answers 401,
 * 429 or 503 itself. */
typedef void (*http_auth_go)(struct exchange *exchange);
void http_auth_basic(struct exchange *exchange, http_auth_go go);

/* --- accounts and their sessions --- */

struct account {
	struct account *next;
	struct http *http;
	char *address;
	struct login *logins;       /* the latest used first */
	unsigned login_count;
	unsigned active;            /* requests under way */
	unsigned uploads;
	struct msg_channel *worker; /* NULL: none runs */
	uint32_t worker_request;    /* that it was asked for by */
	struct event *silence;      /* pending since it was asked something, or has shown its last sign of life while it was */
	unsigned unanswered;        /* requests that it has not begun to answer, and whose clients wait */
	bool doubted; /* a session that said nothing for long, while nobody was left who waited for it */
	uint32_t asking;            /* the request for one, or 0 */
	uint64_t asking_grant;      /* with which it is asked for */
	struct proxied *waiting;    /* requests for it, in order */
	struct proxied *streams;    /* event streams, or requests for them */
};

struct account *account_get(struct http *http, struct span address);
/* Frees it when nobody is signed in and nothing is under way. */
void account_check(struct account *account);

/* Hands the request to the account's session and its answer to the client. */
void http_proxy(struct exchange *exchange, enum request_kind kind, struct span path);
/* Ends the event streams that this login has open: they have no end of their own. */
void http_proxy_end_streams(const struct login *login);

int64_t http_now(void);

#endif
