/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The log: one event a line, key=value. */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "common/visible.h"

/* One line is one write(2), whole; values are cut so that it stays below PIPE_BUF. */
#define LINE_MAX_LEN 2048
#define VALUE_MAX 512

static struct {
	char ident[64];
	enum log_to to;
	enum log_level least;
	char stamp[32]; /* of that second; empty: of none */
	time_t second;
	void (*writer)(void *context, struct span line);
	void *context;
	unsigned long lost; /* lines for which there was no room in the pipe */
} log_state = { .ident = "fourpost", .least = LOG_LEVEL_INFO };

static void write_to_parent(void *context, struct span line);

void
log_init(const char *daemon, const char *role, enum log_to to, enum log_level least)
{
	(void)snprintf(log_state.ident, sizeof(log_state.ident), "%s/%s", daemon, role);
	log_state.to = to;
	log_state.least = least;
	log_state.stamp[0] = '\0';
	log_state.writer = write_to_parent;
	if (to == LOG_TO_PARENT)
		log_own_pipe();
	if (to == LOG_TO_SYSLOG)
		openlog(log_state.ident, LOG_NDELAY | LOG_PID, LOG_MAIL);
	/* localtime_r reads the zone file at its first use: that must be before a jail. */
	tzset();
}

void
log_set_writer(void (*writer)(void *context, struct span line), void *context)
{
	log_state.to = LOG_TO_WRITER;
	log_state.stamp[0] = '\0';
	log_state.writer = writer;
	log_state.context = context;
}

void
log_own_pipe(void)
{
	/* Flags belong to the description: who shares it could clear them. */
	int fd = log_state.to == LOG_TO_PARENT ? open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC) : -1;

	if (fd >= 0) {
		(void)dup2(fd, STDERR_FILENO);
		(void)close(fd);
	}
}

void
log_set_level(enum log_level least)
{
	log_state.least = least;
}

static const char *const level_names[] = { "error", "warning", "info", "debug" };

bool
log_level_parse(struct span name, enum log_level *ret_level)
{
	for (unsigned i = 0; i < sizeof(level_names) / sizeof(*level_names); i++)
		if (span_eq(name, span_of(level_names[i]))) {
			*ret_level = (enum log_level)i;
			return true;
		}
	return false;
}

struct log_field
log_span(const char *key, struct span text)
{
	return (struct log_field){ .key = key, .kind = LOG_TEXT, .text = text };
}

struct log_field
log_str(const char *key, const char *text)
{
	return log_span(key, span_of(text));
}

struct log_field
log_i64(const char *key, int64_t number)
{
	return (struct log_field){ .key = key, .kind = LOG_NUMBER, .number = number };
}

struct log_field
log_u64(const char *key, uint64_t number)
{
	return (struct log_field){ .key = key, .kind = LOG_UNSIGNED, .number = (int64_t)number };
}

struct log_field
log_errno(const char *key, int error)
{
	return (struct log_field){ .key = key, .kind = LOG_ERRNO, .number = error < 0 ? -error : error };
}

struct line {
	char *at;
	size_t room, len;
};

static void
add_char(struct line *line, char c)
{
	if (line->len + 1 < line->room)
		line->at[line->len++] = c;
}

static void
add_text(struct line *line, const char *text)
{
	while (*text != '\0')
		add_char(line, *text++);
}

static bool
is_plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

/* Plain words stand as they are; all else is quoted, control and 8-bit bytes as \xHH unless the whole is UTF-8: a peer can
 * neither end the line nor make a field of its own. */
static void
add_value(struct line *line, struct span text)
{
	static const char hex[] = "0123456789abcdef";
	size_t len = text.len < VALUE_MAX ? text.len : VALUE_MAX;
	bool utf8 = span_is_utf8(span_make(text.ptr, len)), plain = len != 0;
	size_t hidden = 0; /* of a character none of whose bytes may be seen */

	for (size_t i = 0; i < len && plain; i++)
		plain = is_plain((unsigned char)text.ptr[i]);
	for (size_t i = 0; i < len && plain; i++)
		add_char(line, text.ptr[i]);
	if (!plain)
		add_char(line, '"');
	for (size_t i = 0; i < len && !plain; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (hidden == 0)
			hidden = visible_hidden(span_make(text.ptr + i, len - i), utf8);
		if (hidden != 0) {
			hidden--;
			add_text(line, "\\x");
			add_char(line, hex[c >> 4]);
			add_char(line, hex[c & 15]);
		} else {
			if (c == '"' || c == '\\')
				add_char(line, '\\');
			add_char(line, (char)c);
		}
	}
	if (!plain)
		add_char(line, '"');
	if (len < text.len)
		add_text(line, "...");
}

size_t
log_format(char *text, size_t room, const char *event, const struct log_field *fields, size_t count)
{
	struct line line = { text, room, 0 };

	add_text(&line, event);
	for (size_t i = 0; i < count; i++) {
		const struct log_field *field = &fields[i];
		char number[32], error[128];

		add_char(&line, ' ');
		add_text(&line, field->key);
		add_char(&line, '=');
		switch (field->kind) {
		case LOG_TEXT:
			add_value(&line, field->text);
			break;
		case LOG_NUMBER:
			(void)snprintf(number, sizeof(number), "%" PRId64, field->number);
			add_text(&line, number);
			break;
		case LOG_UNSIGNED:
			(void)snprintf(number, sizeof(number), "%" PRIu64, (uint64_t)field->number);
			add_text(&line, number);
			break;
		case LOG_ERRNO:
			add_value(&line, span_of(strerror_r((int)field->number, error, sizeof(error))));
			break;
		}
	}
	text[line.len] = '\0';
	return line.len;
}

/* The second in words: many lines share one. Syslog's are those of RFC 3164 section 4.1.2. */
static const char *
stamp(time_t second)
{
	struct tm local;
	size_t len = 0;

	if (log_state.stamp[0] == '\0' || second != log_state.second) {
		log_state.second = second;
		if (localtime_r(&second, &local) != NULL)
			len = log_state.to == LOG_TO_STDERR ? strftime(log_state.stamp, sizeof(log_state.stamp), "%Y-%m-%dT%H:%M:%S", &local)
							    : strftime(log_state.stamp, sizeof(log_state.stamp), "%b %e %H:%M:%S", &local);
		if (len == 0)
			log_state.stamp[0] = '\0';
	}
	return log_state.stamp;
}

static const int priorities[] = { LOG_MAIL | LOG_ERR, LOG_MAIL | LOG_WARNING, LOG_MAIL | LOG_INFO, LOG_MAIL | LOG_DEBUG };

/* In syslog's form, with LF. */
static size_t
format_record(char *line, size_t room, enum log_level level, const char *text)
{
	int len = snprintf(line, room, "<%d>%s %s[%ld]: %s\n", priorities[level], stamp(time(NULL)), log_state.ident, (long)getpid(), text);

	return len > 0 && (size_t)len < room ? (size_t)len : 0;
}

static void
write_to_parent(void *context, struct span line)
{
	char told[256], text[64];
	size_t len;

	(void)context;
	if (log_state.lost != 0) {
		(void)snprintf(text, sizeof(text), "log-lines-lost count=%lu", log_state.lost);
		len = format_record(told, sizeof(told), LOG_LEVEL_WARNING, text);
		if (write(STDERR_FILENO, told, len) == (ssize_t)len)
			log_state.lost = 0;
	}
	/* Below PIPE_BUF: whole or not at all. */
	if (log_state.lost != 0 || write(STDERR_FILENO, line.ptr, line.len) < 0)
		log_state.lost++;
}

void
log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
	char text[LINE_MAX_LEN], line[LINE_MAX_LEN + 160];
	struct timeval now;
	int saved = errno, len;

	if (level > log_state.least)
		return;
	(void)log_format(text, sizeof(text), event, fields, count);
	if (log_state.to != LOG_TO_STDERR) {
		if (log_state.to == LOG_TO_SYSLOG)
			syslog(priorities[level], "%s", text);
		else
			log_state.writer(log_state.context, span_make(line, format_record(line, sizeof(line), level, text)));
		errno = saved;
		return;
	}
	(void)gettimeofday(&now, NULL);
	len = snprintf(line, sizeof(line), "%s.%03ld %s[%ld] %s: %s\n", stamp(now.tv_sec), (long)now.tv_usec / 1000, log_state.ident, (long)getpid(),
	    level_names[level], text);
	if (len > 0 && write(STDERR_FILENO, line, (size_t)len) < 0) {
		/* Nowhere is left to tell it. */
	}
	errno = saved;
}
