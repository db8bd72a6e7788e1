/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The file with the secrets of SRS: it comes from the parent, when the role starts and when it is renewed. */
#include "frame/srs_file.h"

#include <errno.h>
#include <fcntl.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "frame/frame_msg.h"
#include "frame/read_file.h"

static int
take_secrets(const struct buf *text, struct srs **ret_srs, const char **ret_fault)
{
	*ret_fault = NULL;
	*ret_srs = srs_new(buf_get(text), ret_fault);
	return *ret_srs == NULL ? -EBADMSG : 0;
}

static int
read_secrets(int fd, struct srs **ret_srs, const char **ret_fault)
{
	struct buf text = BUF_INIT(SRS_FILE_MAX);
	int r = read_open_file(fd, &text);

	*ret_fault = NULL;
	*ret_srs = NULL;
	if (r == 0)
		r = take_secrets(&text, ret_srs, ret_fault);
	buf_wipe(&text);
	return r;
}

int
srs_read(const char *path, struct srs **ret_srs, const char **ret_fault)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	*ret_fault = NULL;
	return fd < 0 ? -errno : read_secrets(fd, ret_srs, ret_fault);
}

static void
complain(const struct proc *proc, int r, const char *fault)
{
	log_error("secret-unusable", log_str("file", proc->common->srs_secret), fault != NULL ? log_str("reason", fault) : log_errno("error", r));
}

struct srs *
srs_load(struct proc *proc)
{
	struct buf text = BUF_INIT(SRS_FILE_MAX);
	struct srs *srs = NULL;
	const char *fault = NULL;
	int r;

	if (!proc->daemon->takes_mail || proc->common->srs_secret[0] == '\0')
		return NULL;
	r = proc_read_file(proc, MSG_SECRET_FILE, &text);
	if (r == 0)
		r = take_secrets(&text, &srs, &fault);
	if (r < 0)
		complain(proc, r, fault);
	buf_wipe(&text);
	return srs;
}

void
srs_renew(const struct proc *proc, int fd, struct srs **srs)
{
	struct srs *fresh;
	const char *fault;
	int r = read_secrets(fd, &fresh, &fault);

	if (r < 0) {
		complain(proc, r, fault);
		return;
	}
	(void)srs_free(*srs);
	*srs = fresh;
}
