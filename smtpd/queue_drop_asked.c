/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What requests that lie in drop/ at the start are about. They are done when the whole queue is known; a message that was to be removed, or held, while nobody
 * was here to do it may be due before that. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/drop_control.h"
#include "common/text_set.h"
#include "smtpd/queue_drop_internal.h"

/* More requests, or messages that they are about, are looked at when their time comes. */
#define REQUESTS_MAX 10000
#define MESSAGES_MAX 100000

/* Whether its owner may ask for this is seen then, too: until then the message only waits. */
static void
note(const struct pickup *pickup, const char *name, struct text_set *set, size_t *left)
{
	static char text[DROP_CONTROL_MAX + 1];
	_cleanup_(closep) int fd = openat(pickup->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	enum drop_action action;
	struct span ids, id;
	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	got = pread(fd, text, sizeof(text), 0);
	if (got < 0 || drop_control_decode(span_make(text, (size_t)got), &action, &ids) < 0 || (action != DROP_REMOVE && action != DROP_HOLD))
		return;
	while (*left > 0 && span_split(&ids, ' ', &id))
		*left -= id.len < DROP_NAME_MAX && text_set_add(set, id);
}

struct text_set *
pickup_asked_about(const struct queue *queue)
{
	int copy = openat(queue->pickup->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct text_set *set = NULL;
	const struct dirent *entry;
	size_t left = MESSAGES_MAX;
	unsigned count = 0;
	uint64_t seed;

	if (dir == NULL) {
		closep(&copy);
		return NULL;
	}
	while (count < REQUESTS_MAX && (entry = readdir(dir)) != NULL) {
		if (drop_kind(entry->d_name) != DROP_IS_CONTROL)
			continue;
		if (set == NULL && getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
			abort(); /* cannot fail for so few bytes */
		if (set == NULL)
			set = text_set_new(seed);
		note(queue->pickup, entry->d_name, set, &left);
		count++;
	}
	(void)closedir(dir);
	return set;
}
