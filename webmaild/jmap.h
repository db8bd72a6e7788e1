/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside the session role's JMAP (RFC 8620, RFC 8621): a call of a method, and what methods share. */
#ifndef WEBMAILD_JMAP_H
#define WEBMAILD_JMAP_H

#include <jansson.h>

#include "common/buf.h"
#include "webmaild/jmap_json.h"

#define JMAP_CORE "urn:ietf:params:jmap:core"
#define JMAP_MAIL "urn:ietf:params:jmap:mail"
#define JMAP_SUBMISSION "urn:ietf:params:jmap:submission"
enum jmap_capability { JMAP_USES_CORE = 1, JMAP_USES_MAIL = 2, JMAP_USES_SUBMISSION = 4 };

/* What an answer may grow to before it is refused: references can multiply it. */
#define JMAP_RESPONSE_MAX (64u << 20)

struct jmap; /* the account's state: jmap_store.h */

/* One API request under way. */
struct jmap_request {
	struct jmap *jmap;
	unsigned uses;     /* enum jmap_capability */
	json_t *responses; /* list of [name, args, id] */
	json_t *created;   /* creation id -> id, of all calls so far */
};

/* One method call of it. */
struct jmap_call {
	struct jmap_request *request;
	struct jmap *jmap;
	const char *name;
	const char *id;
	json_t *args; /* references resolved */
};

struct jmap_method {
	const char *name;
	enum jmap_capability needs;
	bool needs_account; /* accountId must be this account */
	void (*run)(struct jmap_call *call);
};

extern const struct jmap_method jmap_methods[];
extern const size_t jmap_method_count;

/* Runs a request body. Returns the HTTP status; the JSON answer (or problem) in out. */
unsigned jmap_api(struct jmap *jmap, struct span body, struct buf *out);
/* Its pure part: walks the calls with these methods. `account_id` is the id that calls must name. */
/* The answer to a request whose content type is not application/json (RFC 8620 section 3.6.1), as jmap_api. */
unsigned jmap_refuse_type(struct buf *out);
unsigned jmap_run(struct jmap *jmap, const char *account_id, const struct jmap_method *methods, size_t method_count, struct span body,
    struct buf *out);

/* The method's response; takes over args. */
void jmap_respond(struct jmap_call *call, json_t *args);
/* A response under another method's name (RFC 8620 3.5: implicit calls). */
void jmap_respond_as(struct jmap_call *call, const char *name, json_t *args);
void jmap_error(struct jmap_call *call, const char *type, const char *description);

/* A SetError (RFC 8620 5.3). The properties of the variant end with NULL. */
json_t *jmap_set_error(const char *type, const char *description);
json_t *jmap_set_error_property(const char *type, const char *description, const char *property);

/* The id that a reference "#creation" or an id stands for; the empty span when there is none. Borrowed. */
struct span jmap_real_id(const struct jmap_call *call, struct span reference);
/* Notes what was created, for later calls. */
void jmap_note_created(struct jmap_call *call, const char *creation, const char *id);

/* --- arguments that many methods share; each answers the error itself and returns false --- */

struct jmap_get_args {
	json_t *ids;        /* list of ids, or NULL: all */
	json_t *properties; /* list of names, or NULL: all */
};
/* known: the property names, ended by NULL; names for which `more` (may be NULL) says true are fine too. */
bool jmap_get_begin(struct jmap_call *call, struct jmap_get_args *ret_args, const char *const *known, bool (*more)(const char *name));
bool jmap_wants(const struct jmap_get_args *args, const char *property);
/* Leaves only the wanted properties and id. */
void jmap_keep_wanted(const struct jmap_get_args *args, json_t *object);

struct jmap_set_args {
	json_t *create, *update, *destroy; /* objects and a list, or NULL */
};
/* Checks ifInState against state. */
bool jmap_set_begin(struct jmap_call *call, struct jmap_set_args *ret_args, const char *state);

/* The answer of a /set, gathered. */
struct jmap_set_result {
	json_t *created, *not_created, *updated, *not_updated, *destroyed, *not_destroyed;
};
void jmap_set_result_init(struct jmap_set_result *result);
void jmap_set_respond(struct jmap_call *call, struct jmap_set_result *result, const char *old_state, const char *new_state);

/* /query: position, anchor, limit over `count` results whose ids are given by index. */
struct jmap_query_window {
	int64_t position;
	uint64_t limit; /* as asked, or UINT64_MAX */
	bool limited;   /* the server's own limit was used */
	struct span anchor;
	int64_t anchor_offset;
	bool calculate_total;
};
#define JMAP_QUERY_LIMIT 5000
/* Reads what all /query methods have in common, and checks that `sort` is made of Comparators (whose properties the method checks).
 * False after an error was answered. */
bool jmap_query_begin(struct jmap_call *call, struct jmap_query_window *ret_window);
/* The first index and the number of results to return; anchor_index is the anchor's place, or -1. False: anchorNotFound. */
bool jmap_query_range(const struct jmap_query_window *window, size_t count, ptrdiff_t anchor_index, size_t *ret_first, size_t *ret_count);

/* Argument helpers: false, after an invalidArguments answer, when the type is wrong. Absent and null give the preset. */
bool jmap_arg_bool(struct jmap_call *call, const char *name, bool preset, bool *ret_value);
bool jmap_arg_unsigned(struct jmap_call *call, const char *name, uint64_t preset, uint64_t *ret_value);
bool jmap_arg_string(struct jmap_call *call, const char *name, struct span *ret_value);

#endif
