/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Configuration: libconfig text checked against tables of options, all errors of a file in one run. */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct conf_list {
	char **item;
	size_t count;
};

/* The C type behind each TYPE of an option row. SIZE is bytes, TIME is seconds. */
#define CONF_C_STRING char *
#define CONF_C_INT int64_t
#define CONF_C_BOOL bool
#define CONF_C_SIZE int64_t
#define CONF_C_TIME int64_t
#define CONF_C_LIST struct conf_list

enum conf_type {
	CONF_STRING, CONF_INT, CONF_BOOL, CONF_SIZE, CONF_TIME, CONF_LIST,
};

/* One row of a *_opts.def: OPT(name, TYPE, min, max, "default", "text"). For numbers min and max bound the value; for strings
 * the length; for lists the count of items. A default of a LIST is its items separated by spaces. */
struct conf_option {
	const char *name;
	enum conf_type type;
	int64_t min, max;
	const char *preset;
	const char *text;
	size_t offset; /* into the structure that holds the values */
};

struct conf_table {
	const struct conf_option *rows;
	size_t count;
	size_t base; /* added to every offset of the rows */
};

/* The options of fourpost.conf, shared by all daemons. The structure of each daemon begins with it. */
struct fourpost_conf {
#define OPT(name, type, min, max, preset, text) CONF_C_##type name;
#include "common/fourpost_opts.def"
#undef OPT
};

extern const struct conf_table fourpost_conf_table;

/* Expands a *_opts.def into the rows of a table: `static const struct conf_option rows[] = {` then
 * `#define OPT(...) CONF_ROW(struct smtpd_conf, __VA_ARGS__)`, the #include, `#undef OPT`, `};` */
#define CONF_ROW(structure, name_, type_, min_, max_, preset_, text_) \
	{ #name_, CONF_##type_, (min_), (max_), (preset_), (text_), offsetof(structure, name_) },

/* Reads the file (with @include) into *conf, a zeroed structure with room for every row, defaults first. Each fault (syntax,
 * unknown option with the nearest name, wrong type, out of range) becomes one "file:line: text" line in errors.
 * Returns 0, 1 when there were faults, CONF_UNREAD when one of syntax kept all of the file from being understood, so that conf has the defaults
 * and there is no more to check, -errno when the file cannot be read. The values belong to conf: conf_free. */
#define CONF_UNREAD 2
int conf_load(const char *path, const struct conf_table *const *tables, size_t table_count, void *conf, struct buf *errors);
/* The same from text, as conf_print writes it; never touches a file. */
int conf_parse(struct span text, const struct conf_table *const *tables, size_t table_count, void *conf, struct buf *errors);
/* Writes every option with its value in force, in the syntax that conf_parse reads. */
void conf_print(const struct conf_table *const *tables, size_t table_count, const void *conf, struct buf *out);
void conf_free(const struct conf_table *const *tables, size_t table_count, void *conf);

/* Gives options whose default is another's value or the machine's theirs: an empty hostname becomes the system's, empty
 * domains become that host name. Domains get their one form (common/domain_list.h). */
void conf_fill(struct fourpost_conf *conf);

/* For tools: reads fourpost.conf (NULL: /etc/fourpost/fourpost.conf). On a fault it prints to standard error and exits with 78
 * (EX_CONFIG). The options are filled. */
void conf_load_for_tool(const char *path, struct fourpost_conf *ret_conf);

/* "host:port", "[v6]:port", ":port" or "*:port". Borrowed parts in *ret_host (empty for any address). 0 or -EINVAL. */
int conf_split_address(struct span text, struct span *ret_host, uint16_t *ret_port);
/* The path in "unix:/path", absolute and short enough for a socket. Borrowed; NULL when the text is something else. */
const char *conf_unix_path(const char *text);

#endif
