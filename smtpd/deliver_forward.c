/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mail that the account has sent on: the file `forward` in its folder. The queue takes care of the sender (SRS). */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/deliver.h"
#include "smtpd/smtpd.h"

/* 0, -ENOENT, or -errno. */
static int
read_forward(const char *path, struct buf *text)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	int r = fd < 0 ? -errno : io_read_all(fd, text);

	return r == 0 && text->len > FORWARD_FILE_MAX ? -EFBIG : r;
}

void
forward_load(struct deliver *deliver)
{
	int r;

	if (deliver->forward_path == NULL)
		deliver->forward_path = xasprintf("%s/" FORWARD_NAME, deliver->proc->account_dir);
	buf_clear(&deliver->forward_text);
	r = read_forward(deliver->forward_path, &deliver->forward_text);
	if (r == 0)
		r = forward_parse(buf_get(&deliver->forward_text), span_of(deliver->proc->account), &deliver->forward);
	if (r == 0)
		return;
	/* The account gets its mail then. */
	deliver->forward = (struct forward){ .keep = true };
	if (r != -ENOENT)
		log_warning("forward-unusable", log_str("account", deliver->proc->account), log_errno("error", r));
}

bool
forward_goes_round(const struct deliver *deliver, const struct delivery *delivery)
{
	for (size_t i = 0; i < deliver->forward.count; i++)
		if (deliver_has_been(deliver, delivery, deliver->forward.targets[i]))
			return true;
	return false;
}

int
forward_send(struct deliver *deliver, const struct delivery *delivery)
{
	int r = 0;

	for (size_t i = 0; i < deliver->forward.count && r == 0 && !delivery->sent_on; i++) {
		if (delivery->limited || deliver_has_been(deliver, delivery, deliver->forward.targets[i])) {
			log_info("not-forwarded", log_str("queue", delivery->queue_id), log_str("account", deliver->proc->account),
			    log_span("to", deliver->forward.targets[i]), log_str("reason", delivery->limited ? SMTPD_ACCOUNT_LIMITED : "it has been there before"));
			continue;
		}
		r = deliver_redirect(deliver, delivery, deliver->forward.targets[i]);
		if (r == 0)
			log_info("forwarded", log_str("queue", delivery->queue_id), log_str("account", deliver->proc->account),
			    log_span("to", deliver->forward.targets[i]));
	}
	return r;
}
