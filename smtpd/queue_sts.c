/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Policies of MTA-STS on stable storage, one file for each domain in the spool's folder sts/: the policy role may write nothing. A file
 * appears whole, by one rename. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/log.h"
#include "frame/read_file.h"
#include "smtpd/dns.h"
#include "smtpd/queue.h"
#include "smtpd/sts_parse.h"
#include "smtpd/sts_parts.h"

/* Files at most, and their bytes; and how often they are gone through for those that have expired, when there are so many. */
#define FILES_MAX 20000
#define BYTES_MAX (300u << 20)
#define SWEEP_SECONDS 3600
/* No domain: they do not begin with a dot. */
#define TEMPORARY ".new"

/* What policy is telling. */
static struct buf parts = BUF_INIT(STS_TEXT_MAX);

/* The folder's descriptor, opened once, or -errno. */
static int
folder_of(const struct queue *queue)
{
	static int folder = -1;

	if (folder < 0)
		folder = openat(queue_files_folder(queue->files), "sts", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return folder < 0 ? -errno : folder;
}

/* 0 with the text, or -errno. */
static int
read_policy(int folder, const char *name, struct buf *text)
{
	_cleanup_(closep) int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : read_open_file(fd, text);
}

static bool
is_expired(int folder, const char *name)
{
	struct buf text = BUF_INIT(STS_TEXT_MAX);
	struct sts_policy policy;
	bool expired = read_policy(folder, name, &text) == 0 && (sts_policy_parse(buf_get(&text), &policy) < 0 || !sts_policy_is_valid(&policy, queue_now()));

	buf_free(&text);
	return expired;
}

struct held {
	uint64_t files, bytes;
};

/* Counts what there is; sweep: removes what has expired. */
static struct held
count_files(int folder, bool sweep)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	struct held held = { 0, 0 };
	const struct dirent *entry;
	struct stat st;

	if (list == NULL)
		return held;
	while ((entry = readdir(list)) != NULL) {
		if (entry->d_name[0] == '.' || (sweep && is_expired(folder, entry->d_name) && unlinkat(folder, entry->d_name, 0) == 0))
			continue;
		held.files++;
		if (fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			held.bytes += (uint64_t)st.st_size;
	}
	(void)closedir(list);
	return held;
}

/* As it is when the domain's file has so many bytes in place of what it has now. */
static struct held
with_file(int folder, const char *name, uint64_t bytes, struct held held)
{
	struct stat st;
	bool there = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	uint64_t former = there ? (uint64_t)st.st_size : 0;

	held.files += !there;
	held.bytes = (held.bytes > former ? held.bytes - former : 0) + bytes;
	return held;
}

static bool
is_too_much(struct held held)
{
	return held.files > FILES_MAX || held.bytes > BYTES_MAX;
}

/* Is there room for the domain's? It is counted then. */
static bool
has_room(int folder, const char *name, uint64_t bytes)
{
	static struct held held;
	static bool counted;
	static int64_t swept;
	struct held then;

	if (!counted) {
		held = count_files(folder, false);
		counted = true;
	}
	then = with_file(folder, name, bytes, held);
	if (is_too_much(then) && queue_now() - swept >= SWEEP_SECONDS) {
		swept = queue_now();
		held = count_files(folder, true);
		then = with_file(folder, name, bytes, held);
	}
	if (is_too_much(then))
		return false;
	held = then;
	return true;
}

static int
write_policy(int folder, const char *name, struct span text)
{
	_cleanup_(closep) int fd = openat(folder, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : io_write_all(fd, text);

	if (r == 0 && (fdatasync(fd) < 0 || renameat(folder, TEMPORARY, folder, name) < 0 || fsync(folder) < 0))
		r = -errno;
	return r;
}

/* The name of the domain's file. False when it can be none. */
static bool
take_name(struct span domain, char name[DNS_NAME_MAX + 1])
{
	if (!sts_is_domain(domain))
		return false;
	memcpy(name, domain.ptr, domain.len);
	name[domain.len] = '\0';
	return true;
}

int
queue_sts_load(struct queue *queue, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	struct span domain = msg_get_span(&body);
	struct buf text = BUF_INIT(STS_TEXT_MAX);
	char name[DNS_NAME_MAX + 1];
	struct msg_writer reply;
	int folder = folder_of(queue), r;

	if (!msg_done(&body) || !take_name(domain, name))
		return -EBADMSG;
	r = folder < 0 ? folder : read_policy(folder, name, &text);
	if (r < 0 && r != -ENOENT)
		log_error("policy-unreadable", log_str("domain", name), log_errno("error", r));
	msg_writer_init(&reply);
	msg_put_span(&reply, domain);
	msg_put_span(&reply, sts_parts_send(queue->proc, ROLE_POLICY, MSG_STS_KEPT_PART, 0, r == 0 ? buf_get(&text) : SPAN_NULL));
	buf_free(&text);
	/* When policy is gone it has forgotten its question. */
	(void)proc_send(queue->proc, ROLE_POLICY, MSG_STS_KEPT, 0, &reply, -1);
	return 0;
}

int
queue_sts_keep_part(const struct msg *msg)
{
	return sts_parts_take(&parts, msg);
}

void
queue_sts_policy_gone(void)
{
	buf_free(&parts);
}

int
queue_sts_keep(struct queue *queue, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	struct span domain = msg_get_span(&body), text = msg_get_span(&body);
	char name[DNS_NAME_MAX + 1];
	int folder = folder_of(queue), r = folder < 0 ? folder : 0;

	if (!msg_done(&body) || !take_name(domain, name) || sts_parts_end(&parts, &text) < 0)
		return -EBADMSG;
	if (r == 0 && !has_room(folder, name, text.len))
		r = -ENOSPC;
	if (r == 0)
		r = write_policy(folder, name, text);
	if (r < 0)
		log_error("policy-not-kept", log_str("domain", name), log_errno("error", r));
	buf_free(&parts);
	return 0;
}
