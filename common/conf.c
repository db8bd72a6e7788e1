/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Configuration: libconfig reads the syntax, tables of options say what it may hold. */
#include "common/conf.h"

#include <errno.h>
#include <inttypes.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <sys/un.h>

#include "common/cleanup.h"
#include "common/conf_number.h"
#include "common/domain_list.h"
#include "common/xalloc.h"

#define CONF_TEXT_MAX (1 << 20)
#define LIST_MAX 100000

static const struct conf_option fourpost_rows[] = {
#define OPT(...) CONF_ROW(struct fourpost_conf, __VA_ARGS__)
#include "common/fourpost_opts.def"
#undef OPT
};
const struct conf_table fourpost_conf_table = { fourpost_rows, sizeof(fourpost_rows) / sizeof(*fourpost_rows), 0 };

static void *
field(const struct conf_table *table, const struct conf_option *row, const void *conf)
{
	return (char *)(uintptr_t)conf + table->base + row->offset;
}

/* --- single values --- */

static int
in_range(const struct conf_option *row, int64_t value)
{
	return value < row->min || value > row->max ? -ERANGE : 0;
}

/* "90", "90s", "5m", "4h", "5d", "1w" and, for sizes, "10K", "50M", "2G". */
static int
parse_number(const struct conf_option *row, struct span text, int64_t *ret_value)
{
	static const struct {
		enum conf_type type;
		char unit;
		int64_t factor;
	} units[] = {
		{ CONF_TIME, 's', 1 }, { CONF_TIME, 'm', 60 }, { CONF_TIME, 'h', 3600 }, { CONF_TIME, 'd', 86400 },
		{ CONF_TIME, 'w', 604800 }, { CONF_SIZE, 'K', 1024 }, { CONF_SIZE, 'M', 1 << 20 }, { CONF_SIZE, 'G', 1 << 30 },
	};
	int64_t factor = 1;
	uint64_t number;
	int r = span_take_u64(&text, INT64_MAX, &number);

	if (r < 0)
		return r;
	if (text.len != 0) {
		size_t i;

		for (i = 0; i < sizeof(units) / sizeof(*units); i++)
			if (row->type == units[i].type && text.len == 1 && text.ptr[0] == units[i].unit)
				break;
		if (i == sizeof(units) / sizeof(*units))
			return -EINVAL;
		factor = units[i].factor;
	}
	if (number > (uint64_t)(INT64_MAX / factor))
		return -ERANGE;
	*ret_value = (int64_t)number * factor;
	return in_range(row, *ret_value);
}

static void
list_free(struct conf_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->item[i]);
	free(list->item);
	*list = (struct conf_list){ NULL, 0 };
}

static void
list_add(struct conf_list *list, struct span item)
{
	list->item = xreallocarray(list->item, list->count + 1, sizeof(*list->item));
	list->item[list->count++] = span_dup(item);
}

/* A value given as text: a default, or a string in the file. */
static int
set_text(const struct conf_option *row, void *at, struct span text)
{
	switch (row->type) {
	case CONF_STRING:
		if (in_range(row, (int64_t)text.len) < 0 || span_chr(text, '\0') >= 0)
			return -ERANGE;
		free(*(char **)at);
		*(char **)at = span_dup(text);
		return 0;
	case CONF_BOOL:
		if (!span_eq(text, SPAN("true")) && !span_eq(text, SPAN("false")))
			return -EINVAL;
		*(bool *)at = text.ptr[0] == 't';
		return 0;
	case CONF_INT:
	case CONF_SIZE:
	case CONF_TIME:
		return parse_number(row, text, at);
	case CONF_LIST: {
		struct conf_list list = { NULL, 0 };
		struct span item;

		while (span_split(&text, ' ', &item))
			if (item.len != 0)
				list_add(&list, item);
		list_free(at);
		*(struct conf_list *)at = list;
		return in_range(row, (int64_t)list.count);
	}
	}
	return -EINVAL;
}

static int
set_list(const struct conf_option *row, struct conf_list *at, const config_setting_t *setting)
{
	struct conf_list list = { NULL, 0 };
	int count = config_setting_length(setting);

	for (int i = 0; i < count && i < LIST_MAX; i++) {
		const char *item = config_setting_get_string_elem(setting, i);

		if (item == NULL) {
			list_free(&list);
			return -EINVAL;
		}
		list_add(&list, span_of(item));
	}
	list_free(at);
	*at = list;
	return in_range(row, count);
}

static char *
folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
}

/* The number that the file has, which libconfig takes modulo 2^32 where it has no L. */
static int64_t
read_number(const config_setting_t *setting, const char *path)
{
	const char *file = config_setting_source_file(setting);
	_cleanup_(freep) char *folder = NULL, *included = NULL;
	int64_t number;

	/* An included one has the name that it was included by. */
	if (path != NULL && file != NULL && strcmp(file, path) != 0) {
		folder = folder_of(path);
		included = xasprintf("%s/%s", folder, file);
	}
	/* What cannot be read once more is a pipe, or a text of our own, in which large numbers have theirs. */
	if (path == NULL || conf_number(included != NULL ? included : path, (int)config_setting_source_line(setting), config_setting_name(setting), &number) < 0)
		number = config_setting_get_int64(setting);
	return number;
}

/* The setting stands in the file `path` or in one that it includes; NULL: in none. */
static int
set_from_file(const struct conf_option *row, void *at, const config_setting_t *setting, const char *path)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_STRING:
		if (row->type == CONF_LIST) {
			struct conf_list list = { NULL, 0 };

			list_add(&list, span_of(config_setting_get_string(setting)));
			list_free(at);
			*(struct conf_list *)at = list;
			return in_range(row, 1);
		}
		return row->type == CONF_INT || row->type == CONF_BOOL ? -EINVAL : set_text(row, at, span_of(config_setting_get_string(setting)));
	case CONFIG_TYPE_BOOL:
		if (row->type != CONF_BOOL)
			return -EINVAL;
		*(bool *)at = config_setting_get_bool(setting) != 0;
		return 0;
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		if (row->type != CONF_INT && row->type != CONF_SIZE && row->type != CONF_TIME)
			return -EINVAL;
		*(int64_t *)at = read_number(setting, path);
		return in_range(row, *(int64_t *)at);
	case CONFIG_TYPE_ARRAY:
	case CONFIG_TYPE_LIST:
		return row->type == CONF_LIST ? set_list(row, at, setting) : -EINVAL;
	default:
		return -EINVAL;
	}
}

/* --- whole files --- */

static void
explain(struct buf *errors, const char *file, int line, const struct conf_option *row, int r)
{
	static const char *const wants[] = {
		[CONF_STRING] = "a string in double quotes", [CONF_INT] = "a number", [CONF_BOOL] = "true or false",
		[CONF_SIZE] = "a size: bytes, or \"10K\", \"50M\", \"2G\"", [CONF_TIME] = "a time: seconds, or \"90s\", \"5m\", \"4h\", \"5d\"",
		[CONF_LIST] = "a list of strings: [ \"a\", \"b\" ]",
	};

	if (r == -ERANGE)
		(void)buf_fmt(errors, "%s:%d: %s must %s between %" PRId64 " and %" PRId64 "\n", file, line, row->name,
		    row->type == CONF_STRING ? "have a length" : row->type == CONF_LIST ? "have a count of items" : "be", row->min, row->max);
	else
		(void)buf_fmt(errors, "%s:%d: %s wants %s\n", file, line, row->name, wants[row->type]);
}

#define NAME_MAX_LEN 64

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edits (change, add, drop a letter) between two names. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_LEN + 1], la = strlen(a), lb = strlen(b);

	if (la > NAME_MAX_LEN || lb > NAME_MAX_LEN)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t above = row[j];

			row[j] = least(diagonal + (a[i - 1] != b[j - 1]), least(above, row[j - 1]) + 1);
			diagonal = above;
		}
	}
	return row[lb];
}

static const struct conf_option *
find_option(const struct conf_table *const *tables, size_t table_count, const char *name, const struct conf_table **ret_table)
{
	for (size_t t = 0; t < table_count; t++)
		for (size_t i = 0; i < tables[t]->count; i++)
			if (strcmp(name, tables[t]->rows[i].name) == 0) {
				*ret_table = tables[t];
				return &tables[t]->rows[i];
			}
	return NULL;
}

/* What may have been meant by a name that is none; NULL when nothing is near. */
static const char *
nearest_option(const struct conf_table *const *tables, size_t table_count, const char *name)
{
	size_t best = 4; /* further apart than that it is no slip of the fingers */
	const char *nearest = NULL;

	for (size_t t = 0; t < table_count; t++)
		for (size_t i = 0; i < tables[t]->count; i++) {
			size_t edits = distance(name, tables[t]->rows[i].name);

			if (edits < best) {
				best = edits;
				nearest = tables[t]->rows[i].name;
			}
		}
	return nearest;
}

static void
set_presets(const struct conf_table *const *tables, size_t table_count, void *conf)
{
	for (size_t t = 0; t < table_count; t++)
		for (size_t i = 0; i < tables[t]->count; i++) {
			const struct conf_option *row = &tables[t]->rows[i];

			/* A default outside its own range is a mistake of ours, found by the first start. */
			if (set_text(row, field(tables[t], row, conf), span_of(row->preset)) < 0)
				abort();
		}
}

static int
take_settings(const config_t *config, const char *path, bool in_file, const struct conf_table *const *tables, size_t table_count, void *conf, struct buf *errors)
{
	const config_setting_t *root = config_root_setting(config);
	int count = config_setting_length(root);
	size_t before = errors->len;

	for (int i = 0; i < count; i++) {
		const config_setting_t *setting = config_setting_get_elem(root, (unsigned)i);
		const char *name = config_setting_name(setting), *file = config_setting_source_file(setting);
		int line = config_setting_source_line(setting), r;
		const struct conf_table *table = NULL;
		const struct conf_option *row = find_option(tables, table_count, name, &table);

		if (file == NULL)
			file = path;
		if (row == NULL) {
			const char *nearest = nearest_option(tables, table_count, name);

			(void)buf_fmt(errors, "%s:%d: unknown option %s", file, line, name);
			(void)buf_fmt(errors, nearest != NULL ? "; do you mean %s?\n" : "%s\n", nearest != NULL ? nearest : "");
			continue;
		}
		r = set_from_file(row, field(table, row, conf), setting, in_file ? path : NULL);
		if (r < 0)
			explain(errors, file, line, row, r);
	}
	return errors->len != before;
}

static void
explain_syntax(const config_t *config, const char *path, struct buf *errors)
{
	const char *file = config_error_file(config);

	(void)buf_fmt(errors, "%s:%d: %s\n", file != NULL ? file : path, config_error_line(config), config_error_text(config));
}

int
conf_load(const char *path, const struct conf_table *const *tables, size_t table_count, void *conf, struct buf *errors)
{
	_cleanup_(fclosep) FILE *file = NULL;
	_cleanup_(freep) char *folder = NULL;
	config_t config;
	int r;

	file = fopen(path, "re");
	if (file == NULL)
		return -errno;
	set_presets(tables, table_count, conf);
	config_init(&config);
	folder = folder_of(path);
	config_set_include_dir(&config, folder);
	if (config_read_file(&config, path) == CONFIG_TRUE) {
		r = take_settings(&config, path, true, tables, table_count, conf, errors);
	} else if (config_error_type(&config) == CONFIG_ERR_FILE_IO) {
		r = -EIO;
	} else {
		explain_syntax(&config, path, errors);
		r = CONF_UNREAD;
	}
	config_destroy(&config);
	return r;
}

int
conf_parse(struct span text, const struct conf_table *const *tables, size_t table_count, void *conf, struct buf *errors)
{
	_cleanup_(freep) char *copy = NULL;
	config_t config;
	int r;

	if (text.len > CONF_TEXT_MAX)
		return -EMSGSIZE;
	copy = span_dup(text);
	set_presets(tables, table_count, conf);
	config_init(&config);
	if (config_read_string(&config, copy) == CONFIG_TRUE) {
		r = take_settings(&config, "configuration", false, tables, table_count, conf, errors);
	} else {
		explain_syntax(&config, "configuration", errors);
		r = CONF_UNREAD;
	}
	config_destroy(&config);
	return r;
}

static void
print_string(struct buf *out, const char *text)
{
	(void)buf_char(out, '"');
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			(void)buf_fmt(out, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			(void)buf_fmt(out, "\\x%02x", c);
		else
			(void)buf_char(out, (char)c);
	}
	(void)buf_char(out, '"');
}

static void
print_value(const struct conf_option *row, const void *at, struct buf *out)
{
	const struct conf_list *list = at;

	switch (row->type) {
	case CONF_STRING:
		print_string(out, *(char *const *)at);
		break;
	case CONF_BOOL:
		(void)buf_str(out, *(const bool *)at ? "true" : "false");
		break;
	case CONF_INT:
	case CONF_SIZE:
	case CONF_TIME:
		(void)buf_fmt(out, "%" PRId64 "%s", *(const int64_t *)at, *(const int64_t *)at > INT32_MAX ? "L" : "");
		break;
	case CONF_LIST:
		(void)buf_str(out, "[");
		for (size_t i = 0; i < list->count; i++) {
			(void)buf_str(out, i != 0 ? ", " : " ");
			print_string(out, list->item[i]);
		}
		(void)buf_str(out, " ]");
		break;
	}
}

void
conf_print(const struct conf_table *const *tables, size_t table_count, const void *conf, struct buf *out)
{
	for (size_t t = 0; t < table_count; t++)
		for (size_t i = 0; i < tables[t]->count; i++) {
			const struct conf_option *row = &tables[t]->rows[i];

			(void)buf_fmt(out, "%s = ", row->name);
			print_value(row, field(tables[t], row, conf), out);
			(void)buf_str(out, ";\n");
		}
}

void
conf_free(const struct conf_table *const *tables, size_t table_count, void *conf)
{
	for (size_t t = 0; t < table_count; t++)
		for (size_t i = 0; i < tables[t]->count; i++) {
			const struct conf_option *row = &tables[t]->rows[i];
			void *at = field(tables[t], row, conf);

			if (row->type == CONF_STRING) {
				free(*(char **)at);
				*(char **)at = NULL;
			} else if (row->type == CONF_LIST) {
				list_free(at);
			}
		}
}

void
conf_fill(struct fourpost_conf *conf)
{
	char name[256] = "localhost";

	if (conf->hostname[0] == '\0') {
		if (gethostname(name, sizeof(name) - 1) < 0 || name[0] == '\0')
			(void)snprintf(name, sizeof(name), "localhost");
		free(conf->hostname);
		conf->hostname = xstrdup(name);
	}
	if (conf->domains.count == 0)
		list_add(&conf->domains, span_of(conf->hostname));
	domain_list_canonicalise(&conf->domains);
}

void
conf_load_for_tool(const char *path, struct fourpost_conf *ret_conf)
{
	static const struct conf_table *const tables[] = { &fourpost_conf_table };
	struct buf errors = BUF_INIT(65536);
	int r;

	if (path == NULL)
		path = "/etc/fourpost/fourpost.conf";
	memset(ret_conf, 0, sizeof(*ret_conf));
	r = conf_load(path, tables, 1, ret_conf, &errors);
	if (r < 0)
		(void)fprintf(stderr, "%s: %s\n", path, strerror(-r));
	else if (r > 0)
		(void)fputs(buf_cstr(&errors), stderr);
	buf_free(&errors);
	if (r != 0)
		exit(EX_CONFIG);
	conf_fill(ret_conf);
}

int
conf_split_address(struct span text, struct span *ret_host, uint16_t *ret_port)
{
	ptrdiff_t colon = span_rchr(text, ':');
	struct span host;
	uint64_t port;

	if (colon < 0 || span_to_u64(span_skip(text, (size_t)colon + 1), UINT16_MAX, &port) < 0)
		return -EINVAL;
	host = span_make(text.ptr, (size_t)colon);
	if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = span_make(host.ptr + 1, host.len - 2);
	else if (span_chr(host, ':') >= 0)
		return -EINVAL;
	if (span_eq(host, SPAN("*")))
		host = SPAN_NULL;
	*ret_host = host;
	*ret_port = (uint16_t)port;
	return 0;
}

const char *
conf_unix_path(const char *text)
{
	const char *path = text + strlen("unix:");

	return span_starts(span_of(text), SPAN("unix:/")) && strlen(path) < sizeof((struct sockaddr_un){ 0 }.sun_path) ? path : NULL;
}
