/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The log: one event a line, key=value, bytes from outside escaped. Only processes log; libraries return errors. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum log_level {
	LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG,
};

struct log_field {
	const char *key;
	enum { LOG_TEXT, LOG_NUMBER, LOG_UNSIGNED, LOG_ERRNO } kind;
	struct span text;
	int64_t number;
};

enum log_to {
	LOG_TO_STDERR,
	LOG_TO_SYSLOG, /* syslog(3), which opens its socket again when syslogd was restarted: so not from a jail */
	LOG_TO_PARENT, /* standard error, which is the parent's pipe: as LOG_TO_WRITER has them. Never waits: what finds no room is counted */
	LOG_TO_WRITER,
};

/* Names the process in every line: "smtpd" and "queue". */
void log_init(const char *daemon, const char *role, enum log_to to, enum log_level least);
/* From now on, with LOG_TO_WRITER: each line goes there, whole, in the form in which syslog has it, and with LF. */
void log_set_writer(void (*writer)(void *context, struct span line), void *context);
/* With LOG_TO_PARENT: whether this process waits for room in the pipe is nobody's else to say. Before the jail. */
void log_own_pipe(void);
void log_set_level(enum log_level least);
/* "error", "warning", "info", "debug": true and the level, or false. */
bool log_level_parse(struct span name, enum log_level *ret_level);

/* Borrowed until the log call returns. NULL text is logged as an empty value. */
struct log_field log_str(const char *key, const char *text);
struct log_field log_span(const char *key, struct span text);
struct log_field log_i64(const char *key, int64_t number);
struct log_field log_u64(const char *key, uint64_t number);
/* Takes errno or -errno; shows the text of the error. */
struct log_field log_errno(const char *key, int error);

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count);

/* log_info("accepted", log_str("from", sender), log_u64("size", size)); at least one field. */
#define LOG_FIELDS(...) ((const struct log_field[]){ __VA_ARGS__ })
#define LOG_AT(level, event, ...) \
	log_write((level), (event), LOG_FIELDS(__VA_ARGS__), sizeof(LOG_FIELDS(__VA_ARGS__)) / sizeof(struct log_field))
#define log_error(event, ...) LOG_AT(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warning(event, ...) LOG_AT(LOG_LEVEL_WARNING, event, __VA_ARGS__)
#define log_info(event, ...) LOG_AT(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) LOG_AT(LOG_LEVEL_DEBUG, event, __VA_ARGS__)

/* Formats one line without its time (the tests' view of it); returns the length as snprintf does. */
size_t log_format(char *line, size_t room, const char *event, const struct log_field *fields, size_t count);

#endif
