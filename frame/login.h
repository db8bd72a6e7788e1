/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The login role of pop3d and imapd: speaks the protocol up to a good password, then hands the
 * connection to a session. */
#ifndef FRAME_LOGIN_H
#define FRAME_LOGIN_H

#include "common/buf.h"
#include "frame/frame_msg.h"
#include "frame/role.h"

enum login_action {
	LOGIN_MORE,         /* nothing to do until more input comes */
	LOGIN_AGAIN,        /* took something and answered; call again for what is left */
	LOGIN_START_TLS,    /* the OK to STARTTLS/STLS is in out: send it, then handshake */
	LOGIN_AUTHENTICATE, /* user and password are set */
	LOGIN_CLOSE,        /* send what is in out, then close */
};

struct login_facts {
	const char *hostname;
	bool secure;          /* TLS is on */
	bool can_start_tls;
	bool plaintext_login; /* passwords are taken without TLS */
};

struct login_credentials {
	struct buf user, password; /* the password is wiped by the engine */
};

#define LOGIN_REPLY_MAX 8192

/* A protocol before login, pure: bytes in, replies and actions out. */
struct login_protocol {
	const char *alpn; /* its name in TLS (RFC 7301): a client that wants only other protocols is refused */
	size_t state_size; /* zeroed memory of this size is a connection's state */
	void (*greet)(void *state, const struct login_facts *facts, struct buf *out);
	/* Looks at input (all that is unread), says in *ret_used how much it took, appends replies
	 * (at most LOGIN_REPLY_MAX bytes). Credentials are empty until the protocol fills them, and
	 * stay between calls. */
	enum login_action (*input)(void *state, const struct login_facts *facts, struct span input,
	    size_t *ret_used, struct buf *out, struct login_credentials *ret_credentials);
	/* The answer to LOGIN_AUTHENTICATE. When AUTH_OK nothing is sent: the session answers, with
	 * what `handover` gives it. */
	void (*refused)(void *state, uint8_t auth_result, struct buf *out);
	/* What the session must know (IMAP: the tag of LOGIN or AUTHENTICATE). Borrowed from
	 * state. */
	struct span (*handover)(const void *state);
	/* Said to a client that was silent too long, or when the session cannot be started.
	 * Literals. */
	const char *timed_out, *unavailable, *too_many;
	/* seconds of silence before login; five times that for everything before login */
	unsigned timeout;
	/* seconds after login in which a client must take something of what is pending for it: for
	 * TLS, where that is not all with the session, which watches over it otherwise */
	unsigned stall;
	/* unread input that makes no line: `too_long` is said and the connection closed */
	size_t line_max;
	const char *too_long;
	unsigned failures_max; /* wrong passwords on one connection */
};

/* SESSION_BEGIN's body from login to session: u8 secure, span client address, span handover, span
 * unread input; the fd is the client's socket (plain) or one end of a socketpair that the login
 * role relays (TLS, or more unread input than a message holds). Its row in <daemon>_msg.def:
 * MSG(SESSION_BEGIN, ROLE_FRONT, ROLE_WORKER, 7, MSG_BODY_MAX, MSG_FD), the first of the daemon's
 * messages: it has this number when the daemon's enum begins with `X_MSG_BEFORE = FRAME_MSG_OWN -
 * 1,`. The login role keeps the session's channel open as long as the session lives, to count the
 * connection and takes
 * no message from it but these, of daemons that have their rows.
 *
 * A session that has nothing to do may hand everything back and end: SESSION_WATCH (no body; a
 * descriptor that becomes readable when the session is wanted; may be left out), then
 * SESSION_SLEEP: u32 seconds after which it is wanted in any case, span state, span unread input;
 * the fd that SESSION_BEGIN brought. When the client, the watch or the time wants it, another
 * process of the account gets SESSION_BEGIN with the state as handover. */
#define LOGIN_SESSION_BEGIN FRAME_MSG_OWN
#define LOGIN_SESSION_WATCH (FRAME_MSG_OWN + 1)
#define LOGIN_SESSION_SLEEP (FRAME_MSG_OWN + 2)
struct login_session {
	bool secure;
	char client_address[64];
	struct span handover, input; /* borrowed from the message */
	int fd;
};

/* How many connections may be there at once. They come from the daemon's configuration; its
 * proc->reload gives new ones to login_set_limits. */
struct login_limits {
	unsigned all, of_address;
	unsigned of_account; /* that have logged in; 0: as many as there are */
};

/* The whole of a proc_login.c: jail and loop. */
int login_run(struct proc *proc, const struct login_protocol *protocol,
    const struct login_limits *limits);
void login_set_limits(struct proc *proc, const struct login_limits *limits);

/* In the session: reads the message. 0 or -EBADMSG. The descriptor becomes the caller's. */
int login_session_read(struct msg *msg, struct login_session *ret_session);

#endif
