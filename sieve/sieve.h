/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Sieve (RFC 5228): scripts are compiled into programs, programs are run on a message, and what comes of it is a list of actions.
 * Pure: what a script wants to know of the world it is told through struct sieve_host; what it wants done the caller does. */
#ifndef SIEVE_SIEVE_H
#define SIEVE_SIEVE_H

#include "common/buf.h"

/* Bounds. */
#define SIEVE_SCRIPT_MAX (1u << 20)
#define SIEVE_PROGRAM_MAX (4u << 20)
#define SIEVE_NUMBER_MAX UINT64_C(0x7fffffffffffffff)
#define SIEVE_NESTING_MAX 32      /* blocks and tests within each other */
#define SIEVE_ERRORS_MAX 20       /* of one script that are told */
#define SIEVE_INCLUDES_MAX 10     /* scripts within each other */
#define SIEVE_INCLUDED_MAX 100    /* included while a message is looked at */
#define SIEVE_VARIABLES_MAX 256   /* of one script, and of all together */
#define SIEVE_VARIABLE_NAME_MAX 64
#define SIEVE_STRING_MAX (64u << 10) /* a string after its variables were put in; a variable */
#define SIEVE_MEMORY_MAX (32u << 20) /* what a run may hold of each: variables, strings of one instruction, decoded parts, what actions say */
#define SIEVE_STEPS_MAX (50u * 1000 * 1000) /* of some 20 ns at most: a second or less, whatever a script does */
#define SIEVE_ACTIONS_MAX 64
#define SIEVE_REDIRECTS_MAX 5
#define SIEVE_FLAGS_MAX 100

/* ---- compiling ---- */

struct sieve_program;

/* Capabilities that a site may turn off. */
enum sieve_option {
	SIEVE_EDITHEADER = 1, /* scripts may change the header of what is stored (RFC 5293) */
};

/* Compiles a script. 0 and *ret_program (sieve_program_free); or -EINVAL, when errors has a line for each fault, "LINE: what is wrong"
 * in order. */
int sieve_compile(struct span script, unsigned options, struct sieve_program **ret_program, struct buf *errors);
/* The bytes of a program, to be kept and loaded again; borrowed. */
struct span sieve_program_bytes(const struct sieve_program *program);
/* Takes bytes for a program, once they have been checked: every instruction is whole and known, needs no capability that the program
 * does not tell, and jumps lead forward to other instructions, so that whatever it is, it ends. 0, or -EBADMSG; the bytes are
 * copied. Another version's program is none. */
int sieve_program_load(struct span bytes, struct sieve_program **ret_program);
struct sieve_program *sieve_program_free(struct sieve_program *program);
/* Calls each with the string of a capability; of those that the options leave. */
void sieve_capabilities(unsigned options, void (*each)(void *context, const char *name), void *context);

/* True for a name of a script (RFC 5804 section 1.6): 1 to 128 octets of UTF-8, no control characters, no slash, no dot at its
 * front. */
bool sieve_name_is_valid(struct span name);

/* ---- running ---- */

enum sieve_environment {
	SIEVE_ENV_DOMAIN, SIEVE_ENV_HOST, SIEVE_ENV_LOCATION, SIEVE_ENV_NAME, SIEVE_ENV_PHASE, SIEVE_ENV_REMOTE_HOST, SIEVE_ENV_REMOTE_IP,
	SIEVE_ENV_VERSION, SIEVE_ENV_COUNT,
};

/* What an address is to whoever the script belongs to. */
enum sieve_own {
	SIEVE_OWN_NOT,
	SIEVE_OWN_SHARED, /* he gets its mail as others do: he may write in its name */
	SIEVE_OWN,        /* he alone gets its mail */
};

/* What a run is about and whom it may ask. Callbacks get `context`; those that are NULL say no. */
struct sieve_host {
	struct span message;         /* whole, CRLF or LF */
	struct span sender;          /* reverse-path without its brackets; empty: the null one */
	struct span recipient;       /* the address that the message was sent to */
	char delimiter;              /* what begins a detail in a local part; NUL: nothing does */
	bool any_from;               /* vacation and notify may write in anybody's name (:from) */
	int64_t now;                 /* seconds since 1970 */
	int zone;                    /* minutes east of UTC: the local zone, now */
	int spam;                    /* percent, or -1: not tested */
	int virus;                   /* 1 to 5 as RFC 5235 has it, or 0: not tested */
	struct span environment[SIEVE_ENV_COUNT]; /* RFC 5183; NULL: not known */
	unsigned options;            /* enum sieve_option, as for sieve_compile */
	uint64_t steps_max;          /* 0: SIEVE_STEPS_MAX */
	void *context;
	/* Minutes east of UTC of local time then, for dates when the script names no zone. NULL: as now. */
	int (*zone_at)(void *context, int64_t utc);
	bool (*mailbox_exists)(void *context, struct span name);
	/* A mailbox (empty: any) has that use, "\Junk" and its like. */
	bool (*special_use)(void *context, struct span mailbox, struct span attribute);
	/* What that address is to the script's owner; of one that is neither his account's nor the recipient's. */
	enum sieve_own (*own)(void *context, struct span address);
	/* That id is remembered (SIEVE_REMEMBER of an earlier run). */
	bool (*is_remembered)(void *context, struct span id);
	/* The program of a script to be included; borrowed until the run ends. NULL: there is none, or it cannot be compiled, when
	 * *ret_error says so. */
	const struct sieve_program *(*include)(void *context, bool global, struct span name, const char **ret_error);
	/* What happens, for people: each test with its outcome, each action. depth counts includes. */
	void (*trace)(void *context, unsigned line, unsigned depth, struct span text);
};

enum sieve_action_kind {
	SIEVE_KEEP,
	SIEVE_FILEINTO,
	SIEVE_REDIRECT,
	SIEVE_REJECT,   /* text: the reason */
	SIEVE_VACATION, /* text: the reason; see vacation.h */
	SIEVE_NOTIFY,   /* text: the method's URI; see notify.h */
	SIEVE_REMEMBER, /* text: an id for is_remembered, once all else has been done, for `seconds` */
};

struct sieve_action {
	enum sieve_action_kind kind;
	unsigned line;            /* of the script; 0: the implicit keep */
	struct span text;         /* mailbox, address, reason, method, id */
	struct span special_use;  /* FILEINTO: its attribute, or empty */
	bool create, copy, mime;
	bool in_reply;            /* REJECT: by ereject, so told to who brings the message, and to nobody else where that can be */
	const struct span *list;  /* flags of KEEP and FILEINTO; addresses of VACATION; options of NOTIFY */
	size_t list_count;
	unsigned header;          /* the number of the header that the message has then; 0: its own */
	uint64_t seconds;         /* VACATION: not again before; REMEMBER */
	struct span subject, from, handle, message; /* VACATION: the first three; NOTIFY: from and message */
	char importance;          /* NOTIFY: '1' to '3' */
};

struct arena;

/* What came of one or more runs on a message. */
struct sieve_result {
	struct sieve_action *actions;
	size_t count;
	bool implicit_keep;       /* stands: no action has cancelled it */
	struct buf flags;         /* those of imap4flags' own variable, which the implicit keep has */
	struct span *headers;     /* headers[0] is SPAN_NULL: the message's own; the others are whole blocks with their empty line */
	size_t header_count;
	unsigned error_line;      /* of a run that failed */
	char error[600];
	struct arena *arena;      /* what all these spans point into */
};

void sieve_result_init(struct sieve_result *result);
void sieve_result_free(struct sieve_result *result);
/* Runs a program; what it wants is added to the result, in which others may have run before: the flags and the header are as these
 * left them. 0; or -EINVAL, when error and error_line say why: then nothing of this run is in the result. */
int sieve_run(const struct sieve_program *program, const struct sieve_host *host, struct sieve_result *result);
/* At the end of all runs: the implicit keep, when it stands, becomes an action. */
void sieve_result_finish(struct sieve_result *result);
/* Appends an action as a line for people, without its end. */
void sieve_action_show(const struct sieve_action *action, struct buf *out);

#endif
