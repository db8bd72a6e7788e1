/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The file of rules, and messages in the queue's files. */
#include "smtpd/smtp_rules.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"
#include "frame/read_file.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd_msg.h"

static struct rules *
take(struct rules *former, const char *path, int r, struct buf *text)
{
	if (r < 0) {
		log_error("rules-unreadable", log_str("file", path), log_errno("error", r));
	} else {
		(void)rules_free(former);
		former = rules_new(buf_get(text), path, NULL);
	}
	buf_free(text);
	return former;
}

struct rules *
smtp_rules_load(const char *path)
{
	struct buf text = BUF_INIT(RULES_FILE_MAX);

	return path[0] != '\0' ? take(NULL, path, read_file(path, &text), &text) : NULL;
}

bool
smtp_rules_begin(struct proc *proc, struct rules **ret)
{
	const char *path = smtpd_conf(proc)->rules;
	struct buf text = BUF_INIT(RULES_FILE_MAX);

	*ret = path[0] != '\0' ? take(NULL, path, proc_read_file(proc, MSG_RULES_FILE, &text), &text) : NULL;
	return path[0] == '\0' || *ret != NULL;
}

struct rules *
smtp_rules_renew(struct rules *former, const char *path, int fd)
{
	struct buf text = BUF_INIT(RULES_FILE_MAX);

	return take(former, path, read_open_file(fd, &text), &text);
}

bool
smtp_rules_apply(const struct rules *rules, const struct handin *handin, struct rules_outcome *ret_outcome)
{
	uint64_t at, len, before;
	char *map;
	int fd;

	if (rules == NULL || rules_count(rules) == 0 || handin == NULL || handin_file(handin, &fd, &at, &len) < 0 || len == 0)
		return false;
	before = at % (uint64_t)sysconf(_SC_PAGESIZE);
	map = mmap(NULL, (size_t)(before + len), PROT_READ, MAP_PRIVATE, fd, (off_t)(at - before));
	if (map == MAP_FAILED) {
		log_error("rules-not-applied", log_errno("error", errno));
		return false;
	}
	rules_apply(rules, span_make(map + before, (size_t)len), ret_outcome);
	(void)munmap(map, (size_t)(before + len));
	return true;
}
