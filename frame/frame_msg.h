/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Types of the frame's messages (MSG_CONFIG, MSG_AUTH, ...) and the enums their bodies carry. */
#ifndef FRAME_FRAME_MSG_H
#define FRAME_FRAME_MSG_H

#include "common/msg.h"
#include "frame/role.h"

enum frame_msg {
	FRAME_MSG_NONE,
#define MSG(name, from, to, min, max, fd) MSG_##name,
#include "frame/frame_msg.def"
#undef MSG
	/* A daemon's own messages are numbered from here: its enum begins with `X_MSG_BEFORE = FRAME_MSG_OWN - 1,`, then its rows. */
	FRAME_MSG_OWN = 64,
};

enum auth_result {
	AUTH_OK,
	AUTH_BAD,      /* unknown account or wrong password: nobody is told which */
	AUTH_LIMITED,  /* too many failures from there, or for it: try later */
	AUTH_TEMPFAIL, /* the accounts database cannot be read now */
	/* The login role's own, in no message: the account has as many sessions as it may have. */
	AUTH_CROWDED,
};

/* What is asked of an address. */
enum lookup_kind {
	LOOKUP_WHO,     /* whether it is anybody's; and if aliases have a say, whether the account of who asks is among them */
	LOOKUP_EXPAND,  /* all that get its mail */
	LOOKUP_ACCOUNT, /* whose account it is, aliases aside: of what came of aliases already */
	LOOKUP_OWNER,   /* whether the account of that name has the uid that stands for who asks, in digits */
};

enum lookup_result {
	LOOKUP_LOCAL,    /* an account here; its canonical address comes along */
	LOOKUP_UNKNOWN,  /* one of our domains, no such account */
	LOOKUP_NOT_OURS, /* another host's domain */
	LOOKUP_ALIAS,    /* not one account, but those that aliases name */
	LOOKUP_TEMPFAIL,
	LOOKUP_LOOP,     /* one of our domains, whose aliases lead back to themselves and to nobody */
};

#endif
