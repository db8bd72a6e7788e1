/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What milters have made of a message. The file that the queue made is never written here: a new header and body stand in memory that
 * is handed to the smtp role, which puts them into a new file. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/address.h"
#include "common/cleanup.h"
#include "common/header.h"
#include "common/io.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/filter.h"
#include "smtpd/header_edit.h"
#include "smtpd/smtp_data.h"
#include "smtpd/smtpd_msg.h"

/* As it came, and what milters may add. */
#define HEADER_MAX (2 * SMTP_HEADER_MAX)
#define COPY_STEP 65536

static struct filter_made
nothing_made(void)
{
	return (struct filter_made){ .header = BUF_INIT(HEADER_MAX), .body = -1 };
}

void
filter_edit_init(struct filter_edit *edit, uint64_t size_max)
{
	*edit = (struct filter_edit){ .fd = -1, .size_max = size_max, .trace = BUF_INIT(HEADER_MAX), .made = nothing_made(), .before = nothing_made() };
}

/* But for the body, which two of them may have. */
static void
free_made(struct filter_made *made)
{
	buf_free(&made->header);
	free(made->reason);
	free(made->sender);
	for (size_t i = 0; i < made->rcpt_count; i++)
		free(made->rcpts[i].address);
	free(made->rcpts);
	*made = nothing_made();
}

void
filter_edit_free(struct filter_edit *edit)
{
	filter_edit_settle(edit);
	closep(&edit->fd);
	closep(&edit->made.body);
	free_made(&edit->made);
	buf_free(&edit->trace);
}

/* --- one milter's turn --- */

/* Space for recipients grows by doubling: this one is where it does. */
static bool
is_full(size_t count)
{
	return (count & (count - 1)) == 0;
}

static void
add_rcpt(struct filter_made *made, char *address, bool added)
{
	if (is_full(made->rcpt_count))
		made->rcpts = xreallocarray(made->rcpts, made->rcpt_count == 0 ? 1 : 2 * made->rcpt_count, sizeof(*made->rcpts));
	made->rcpts[made->rcpt_count++] = (struct filter_rcpt){ address, added };
}

/* Only its final answer says that a milter wants what it has changed: until then what stood before is kept. Most change nothing, so
 * that this is done with the first change. */
static void
keep(struct filter_edit *edit)
{
	const struct filter_made *made = &edit->made;
	struct filter_made *before = &edit->before;

	if (edit->pending)
		return;
	edit->pending = true;
	(void)buf_span(&before->header, buf_get(&made->header));
	before->body = made->body;
	before->body_len = made->body_len;
	before->changed = made->changed;
	before->held = made->held;
	before->reason = made->reason != NULL ? xstrdup(made->reason) : NULL;
	before->sender = made->sender != NULL ? xstrdup(made->sender) : NULL;
	for (size_t i = 0; i < made->rcpt_count; i++)
		add_rcpt(before, xstrdup(made->rcpts[i].address), made->rcpts[i].added);
}

/* Ends the turn; `drop` is the one of the two that is not wanted. */
static void
end_turn(struct filter_edit *edit, struct filter_made *drop)
{
	if (edit->before.body != edit->made.body)
		closep(&drop->body);
	free_made(drop);
	edit->pending = false;
}

void
filter_edit_settle(struct filter_edit *edit)
{
	if (edit->pending)
		end_turn(edit, &edit->before);
}

void
filter_edit_undo(struct filter_edit *edit)
{
	if (!edit->pending)
		return;
	end_turn(edit, &edit->made);
	edit->made = edit->before;
	edit->before = nothing_made();
}

/* --- the message as it came --- */

int
filter_edit_load(struct filter_edit *edit, int fd, uint64_t at, uint64_t len)
{
	size_t wanted = len < HEADER_MAX ? (size_t)len : HEADER_MAX;
	struct buf start = BUF_INIT(HEADER_MAX);
	char *room = buf_reserve(&start, wanted);
	struct header_field field;
	struct header_iter iter;
	struct span block;
	ssize_t got;

	edit->fd = fd;
	edit->at = at;
	edit->end = at + len;
	got = pread(fd, room, wanted, (off_t)at);
	if (got < 0) {
		int r = -errno;

		buf_free(&start);
		return r;
	}
	buf_added(&start, (size_t)got);
	block = span_make(start.data, header_block_size(buf_get(&start)));
	header_begin(&iter, block);
	if (header_next(&iter, &field))
		(void)buf_span(&edit->trace, span_take(&block, field.whole.len));
	(void)buf_span(&edit->made.header, block);
	edit->body_at = at + edit->trace.len + edit->made.header.len;
	edit->made.body_len = edit->end - edit->body_at;
	buf_free(&start);
	return 0;
}

ssize_t
filter_edit_read(const struct filter_edit *edit, uint64_t from, char *bytes, size_t len)
{
	const struct filter_made *made = &edit->made;
	bool is_new = made->body >= 0;
	ssize_t got;

	if (from >= made->body_len)
		return 0;
	if (len > made->body_len - from)
		len = (size_t)(made->body_len - from);
	got = pread(is_new ? made->body : edit->fd, bytes, len, (off_t)(is_new ? from : edit->body_at + from));
	return got < 0 ? -errno : got == 0 ? -EIO : got;
}

/* --- changes --- */

static int
change_body(struct filter_edit *edit, struct span piece)
{
	struct filter_made *made = &edit->made;

	if (made->body == edit->before.body) {
		int fd = memfd_create("body", MFD_CLOEXEC);

		if (fd < 0)
			return -errno;
		made->body = fd;
		made->body_len = 0;
	}
	made->changed = true;
	made->body_len += piece.len;
	return made->body_len > edit->size_max ? -EFBIG : io_write_all(made->body, piece);
}

/* "<a@b>" or "a@b", which the envelope may hold; for a sender also nothing. */
static int
read_address(struct span text, bool may_be_empty, char **ret)
{
	struct address address;

	text = span_trim(text);
	if (span_starts(text, SPAN("<")) && span_ends(text, SPAN(">")))
		text = span_make(text.ptr + 1, text.len - 2);
	if (!(may_be_empty && text.len == 0) && address_parse_mailbox(text, ADDRESS_SMTPUTF8, &address) != ADDRESS_OK)
		return -EINVAL;
	*ret = span_dup(text);
	return 0;
}

/* The last word counts: a milter that takes all recipients away, and then adds those that are to be, may name some of them twice. Which
 * spellings mean one of ours is for smtp to say. */
static int
change_rcpt(struct filter_made *made, struct span text, bool added)
{
	char *address;
	int r = read_address(text, false, &address);

	if (r < 0)
		return r;
	for (size_t i = 0; i < made->rcpt_count; i++)
		if (span_eq(span_of(made->rcpts[i].address), span_of(address))) {
			/* Behind those that came since. */
			struct filter_rcpt last = made->rcpts[i];

			last.added = added;
			memmove(&made->rcpts[i], &made->rcpts[i + 1], (made->rcpt_count - i - 1) * sizeof(last));
			made->rcpts[made->rcpt_count - 1] = last;
			free(address);
			return 0;
		}
	if (made->rcpt_count == FILTER_RCPTS_MAX) {
		free(address);
		return -E2BIG;
	}
	add_rcpt(made, address, added);
	return 0;
}

static int
change_sender(struct filter_made *made, struct span text)
{
	char *sender;
	int r = read_address(text, true, &sender);

	if (r == 0) {
		free(made->sender);
		made->sender = sender;
	}
	return r;
}

static int
hold(struct filter_made *made, struct span reason)
{
	made->held = true;
	free(made->reason);
	made->reason = span_dup(span_take(&reason, FILTER_REASON_MAX));
	return 0;
}

static int
change(struct filter_edit *edit, const struct milter_packet *packet)
{
	struct filter_made *made = &edit->made;

	switch (packet->type) {
	case MILTER_IS_ADD_HEADER:
		return header_edit_add(&made->header, packet->name, packet->text);
	case MILTER_IS_INSERT_HEADER:
		return header_edit_insert(&made->header, packet->index, packet->name, packet->text);
	case MILTER_IS_CHANGE_HEADER:
		return header_edit_change(&made->header, packet->index, packet->name, packet->text);
	case MILTER_IS_BODY:
		return change_body(edit, packet->text);
	case MILTER_IS_ADD_RCPT:
		return change_rcpt(made, packet->text, true);
	case MILTER_IS_DELETE_RCPT:
		return change_rcpt(made, packet->text, false);
	case MILTER_IS_CHANGE_FROM:
		return change_sender(made, packet->text);
	default:
		return hold(made, packet->text);
	}
}

int
filter_edit_change(struct filter_edit *edit, const struct milter_packet *packet)
{
	int r;

	keep(edit);
	r = change(edit, packet);
	if (r == 0 && packet->type <= MILTER_IS_CHANGE_HEADER)
		edit->made.changed = true;
	if (r != -EINVAL)
		return r;
	log_warning("milter-change-ignored", log_span("field", packet->name), log_span("text", packet->text),
	    log_str("hint", "no message may have that"));
	return 0;
}

/* --- the result --- */

static int
copy_body(const struct filter_edit *edit, int to)
{
	char bytes[COPY_STEP];
	uint64_t at = 0;
	ssize_t got;
	int r = 0;

	while (r == 0 && (got = filter_edit_read(edit, at, bytes, sizeof(bytes))) != 0) {
		r = got < 0 ? (int)got : io_write_all(to, span_make(bytes, (size_t)got));
		at += got < 0 ? 0 : (uint64_t)got;
	}
	return r;
}

/* A message that came without a body may have none (RFC 5322 section 2.1). */
static bool
ends_with_empty_line(struct span header)
{
	return span_eq(header, SPAN("\r\n")) || span_ends(header, SPAN("\r\n\r\n"));
}

static int
put_text(const struct filter_edit *edit, int *ret_fd)
{
	_cleanup_(closep) int fd = memfd_create("message", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : io_write_all(fd, buf_get(&edit->trace));

	if (r == 0)
		r = io_write_all(fd, buf_get(&edit->made.header));
	if (r == 0 && edit->made.body >= 0 && !ends_with_empty_line(buf_get(&edit->made.header)))
		r = io_write_all(fd, SPAN("\r\n"));
	if (r == 0 && edit->made.body >= 0)
		r = copy_body(edit, fd);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

int
filter_edit_put(const struct filter_edit *edit, struct msg_writer *body, int *ret_fd)
{
	uint64_t rest = edit->made.body >= 0 ? edit->end : edit->body_at;
	int r = 0;

	*ret_fd = -1;
	if (edit->made.changed)
		r = put_text(edit, ret_fd);
	msg_put_u64(body, rest - edit->at);
	msg_put_u8(body, edit->made.held);
	msg_put_span(body, span_of(edit->made.reason));
	msg_put_u8(body, edit->made.sender != NULL);
	msg_put_span(body, span_of(edit->made.sender));
	if (r == 0 && body->overflow)
		r = -E2BIG;
	if (r < 0 && *ret_fd >= 0)
		closep(ret_fd);
	return r;
}

size_t
filter_edit_put_rcpts(const struct filter_edit *edit, size_t from, struct msg_writer *body)
{
	size_t i = from;

	for (; i < edit->made.rcpt_count; i++) {
		size_t before = body->len;

		msg_put_u8(body, edit->made.rcpts[i].added);
		msg_put_span(body, span_of(edit->made.rcpts[i].address));
		if (body->overflow) {
			body->len = before;
			body->overflow = false;
			break;
		}
	}
	return i - from;
}
