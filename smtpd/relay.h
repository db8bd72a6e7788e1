/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside the relay role: jobs (a message for one destination) and connections (to one host, for one job after another). */
#ifndef SMTPD_RELAY_H
#define SMTPD_RELAY_H

#include "common/stream.h"
#include "frame/role.h"
#include "smtpd/dns_client.h"
#include "smtpd/relay_data.h"
#include "smtpd/relay_order.h"
#include "smtpd/relay_state.h"
#include "smtpd/relay_secrets.h"
#include "smtpd/relay_tls.h"
#include "smtpd/resolve.h"
#include "smtpd/route_parse.h"
#include "smtpd/smtp_binary.h"
#include "smtpd/sts_parse.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/tlsrpt.h"

struct event;
struct relay_habits;
struct relay_kept;
struct relay_sign;
struct ssl_ctx_st;

struct relay_role {
	struct proc *proc;
	struct ssl_ctx_st *tls;
	struct dns_client *dns;
	struct relay_job *jobs;
	size_t job_count;
	struct relay_conn *idle; /* connections that wait for another job, the latest first */
	size_t idle_count;
	uint32_t last_question;
	struct buf secrets; /* for relay_secrets_find */
	struct relay_sign *signs; /* under way */
	uint32_t last_sign;
	struct relay_kept *kept; /* what was signed just now */
	size_t kept_count, kept_next;
	struct relay_habits *habits; /* of hosts */
	struct buf sts_parts; /* of a policy that policy is telling */
};

/* What the domain's MTA-STS policy says. */
struct relay_sts {
	bool there;   /* one of mode testing or enforce */
	bool unsure;  /* whether it is, and is this one, may be known later */
	enum sts_fault fault;
	struct sts_policy policy; /* into text */
	char *text;
};

/* --- relay_job.c --- */

struct relay_job {
	struct relay_job *next, **at;
	struct relay_role *role;
	uint32_t id;          /* the queue's */
	int fd;               /* the message: read with pread alone, for others share it */
	uint64_t offset, length;
	char *body;           /* the job as it came: what the spans below point into */
	struct buf addresses; /* those that had to be written anew */
	char *queue_id;
	char *destination;
	struct relay_mail mail;
	int64_t deliver_by;   /* of mail.by */
	enum sign_as sign_as;
	struct span sign_domain;
	size_t settled;

	/* The way to go. */
	uint32_t question;    /* to resolve, under way; 0: none */
	bool asks_again;      /* once resolve is back */
	struct next_hop hop;  /* its spans point into destination */
	uint16_t port;
	struct resolve_answer hosts;
	bool named; /* the host was named by the operator or the address, not by the DNS */
	size_t host; /* the one that is tried, or whose demand is asked for */
	struct relay_order order; /* of the others */
	int64_t ready_by;     /* one of them is to be ready for mail, by relay_conn_seconds; 0: not set */
	uint32_t asked_policy;  /* of its domain, under way; 0: none */
	struct relay_sts *sts;  /* NULL: not asked for */
	struct relay_demand *demand; /* of TLS with that host; NULL: not known yet */
	struct dane_search search;   /* for it, while asked_dns is not 0 */
	uint32_t asked_dns;
	bool failed_for_now;  /* some host failed temporarily */
	bool reached;         /* and one was ready for mail before it failed */
	struct relay_result failure;
	char failed_host[VERDICT_HOST_MAX];
	struct relay_conn *conn;
};

/* RELAY and RESOLVED. 0 or -EBADMSG. */
int relay_job_message(struct relay_role *role, struct msg *msg);
int relay_job_resolved(struct relay_role *role, const struct msg *msg);
/* resolve or policy is gone: its answers will not come; and back: it is asked again. */
void relay_job_resolve_gone(struct relay_role *role);
void relay_job_policy_gone(struct relay_role *role);
void relay_job_asked_here(struct relay_role *role);
/* All that is to be known before the first host is. */
void relay_job_go(struct relay_job *job);
/* The daemon stops: waits for the hosts that have all of a message, for some seconds, and drops all other jobs; then the process ends. */
void relay_job_stop(struct relay_role *role);
/* The queue is gone: nobody wants the answers. */
void relay_job_drop_all(struct relay_role *role);

/* A connection's word on its job: it was settled in part or whole; the job may be gone when this returns.
 * done: the transaction is over. failed: this host will not do, for that reason; unsettled recipients may be tried elsewhere.
 * stale: the connection will not do for what is left, which says nothing about the host: the way is looked for anew. */
void relay_job_done(struct relay_job *job);
void relay_job_failed(struct relay_job *job, const char *host, const struct relay_result *result);
void relay_job_stale(struct relay_job *job);
/* relay_demand_find's word: job->demand is set; or the host must not be used, for that reason. */
void relay_job_demanded(struct relay_job *job);
void relay_job_unfit(struct relay_job *job, const struct relay_result *result);
/* When the job's host is to be ready for its mail: some host is to be in ten minutes from when this is asked first, and this one early enough
 * for others. */
int64_t relay_job_ready_by(struct relay_job *job);
/* There is no way from here to the address that was tried, as to IPv6 addresses from where there is none: before relay_job_failed. */
void relay_job_no_way(struct relay_job *job);
/* The job's host took a connection and said nothing, or too little: before relay_job_failed. */
void relay_job_silent(struct relay_job *job);
/* For relay_state_mail: tells the queue what became of a recipient. context is the job. */
void relay_job_settled(void *context, size_t recipient, const struct relay_result *result);
/* Reads at most len bytes of the message at that place: the number, 0 behind its end, or -errno. */
ssize_t relay_job_read(const struct relay_job *job, uint64_t at, void *bytes, size_t len);

/* --- relay_text.c --- */

/* The message as this host may have it, piece by piece: as it is, or converted. */
struct relay_text {
	const struct relay_job *job;
	struct smtp_binary *converter; /* or NULL */
	uint64_t at;
};

/* What one piece may add, at most. */
#define RELAY_TEXT_PIECE SMTP_BINARY_ROOM(RELAY_TEXT_CHUNK)
#define RELAY_TEXT_CHUNK 65536

/* SMTP_BINARY_LINES: as it is. */
void relay_text_begin(struct relay_text *text, const struct relay_job *job, enum smtp_binary_form form);
void relay_text_end(struct relay_text *text);
/* Appends the next piece to out; it may be empty. 1; 0 when it was the last; -errno, also when it has a header that cannot be
 * converted. */
int relay_text_next(struct relay_text *text, struct buf *out);

/* --- relay_sign.c --- */

/* The fields to stand before the message, borrowed; or -errno: it cannot be signed now. Called once, from the loop. */
typedef void (*relay_signed)(void *context, int r, struct span fields);
/* Begins to sign what the connection will send. Nothing is called after relay_sign_cancel. NULL when there is nothing to sign. */
struct relay_sign *relay_sign_begin(struct relay_job *job, enum smtp_binary_form text, relay_signed done, void *context);
/* NULL is allowed; returns NULL. */
struct relay_sign *relay_sign_cancel(struct relay_sign *sign);
/* SIGN_KEYS_ARE and SIGNED. 0 or -EBADMSG. */
int relay_sign_keys(struct relay_role *role, const struct msg *msg);
int relay_sign_signed(struct relay_role *role, const struct msg *msg);
/* The key role is gone: its answers will not come. */
void relay_sign_key_gone(struct relay_role *role);

/* --- relay_conn_open.c --- */

/* Connects for this job, under job->demand, to the address. name is the host's, or the address in digits. */
void relay_conn_open(struct relay_job *job, const char *name, const struct resolve_address *address, uint16_t port);

/* --- relay_conn.c --- */

/* The clock of relay_state. */
int64_t relay_conn_seconds(void);
/* An idle connection for this job's destination takes it. False when there is none. */
bool relay_conn_reuse(struct relay_job *job);
/* It has all of the job's message, and has not said what becomes of that. */
bool relay_conn_awaits_verdict(const struct relay_conn *conn);
/* The job is dropped: closes its connection. */
void relay_conn_abort(struct relay_conn *conn);
/* Writes "name[address]:port", by which a host is logged and remembered. */
void relay_conn_put_host(char text[VERDICT_HOST_MAX], const char *name, const struct resolve_address *address, uint16_t port);
/* The same of a connection. */
const char *relay_conn_host(const struct relay_conn *conn);
/* What TLS it has, as relay_tls_describe says it. */
void relay_conn_describe_tls(const struct relay_conn *conn, char text[VERDICT_TLS_MAX]);

/* --- relay_sts.c --- */

/* Asks for the policy of the domain: job->sts is set then, and relay_job_go called. False when it can have none. */
bool relay_sts_ask(struct relay_job *job, struct span domain);
/* STS_ANSWER, whose parts are in role->sts_parts: 0 or -EBADMSG. */
int relay_sts_answer(struct relay_role *role, const struct msg *msg);
void relay_sts_forget(struct relay_job *job);

/* --- relay_report.c --- */

/* With tls_reports: a connection under that demand counts so, unless it is for a message that may go without TLS. reason: of a failure, for people, or "". */
void relay_report_session(const struct relay_job *job, const struct relay_demand *demand, const char *host, const struct resolve_address *address,
    enum tlsrpt_result result, const char *reason);
/* The job's host, or its domain as a whole, was not tried as its policy would have it. */
void relay_report_unfit(const struct relay_job *job, enum tlsrpt_policy kind, enum tlsrpt_result result, const char *reason);

/* --- relay_demand.c --- */

/* The domain whose mail exchangers were asked for, or the host that the operator named (a smart host is its own domain: RFC 8461 section 3.4);
 * empty for an address. */
struct span relay_demand_domain(const struct relay_job *job);
/* Does that domain's MTA-STS policy count? */
bool relay_demand_asks_sts(const struct relay_job *job);

/* Does the message say "TLS-Required: No" (RFC 8689 section 3)? What the destination demands is not to stop it. Reads its header. */
bool relay_demand_is_relaxed(const struct relay_job *job);

/* Finds out what is demanded of TLS with the job's host. True: job->demand is set. False: it is asked for, and relay_job_demanded or
 * relay_job_unfit will be called. */
bool relay_demand_find(struct relay_job *job);
/* The job ends, or turns to another host: nothing will be called. */
void relay_demand_forget(struct relay_job *job);

#endif
