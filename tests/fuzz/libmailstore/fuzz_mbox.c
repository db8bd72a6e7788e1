/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* An mbox of any bytes reads the same in parts of any size; what was read, written and read again is the same. The first byte chooses
 * form and size of parts. */
#include <stdint.h>
#include <stdlib.h>

#include "libmailstore/ms_mbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX 400000

struct reading {
	struct span text;
	struct buf message, all;      /* all: each message, then an octet that is in no text */
	struct buf *out;              /* where they are written again, or NULL */
	enum ms_mbox_form form;
	size_t step, count;
};

static int
on_begin(void *context)
{
	buf_clear(&((struct reading *)context)->message);
	return 0;
}

static int
on_bytes(void *context, struct span bytes)
{
	return buf_span(&((struct reading *)context)->message, bytes);
}

static int
on_end(void *context, const struct ms_mbox_status *status)
{
	struct reading *reading = context;
	struct span rest = buf_get(&reading->message);
	struct ms_mbox_writer writer;

	reading->count++;
	(void)buf_span(&reading->all, rest);
	(void)buf_fmt(&reading->all, "%c%x %.*s\n", 0xff, status->flags, (int)status->keywords.len, status->keywords.ptr);
	if (reading->out == NULL)
		return 0;
	ms_mbox_begin(&writer, reading->form, SPAN_NULL, status, rest.len, reading->out);
	while (rest.len != 0)
		ms_mbox_put(&writer, span_take(&rest, reading->step), reading->out);
	ms_mbox_end(&writer, reading->out);
	return 0;
}

static bool
ends_at(void *context, uint64_t offset)
{
	struct span rest = ((struct reading *)context)->text;

	if (offset > rest.len)
		return false;
	rest = span_skip(rest, (size_t)offset);
	for (unsigned i = 0; i < 2 && rest.len != 0 && rest.ptr[0] == '\n'; i++)
		rest = span_skip(rest, 1);
	return rest.len == 0 || span_starts(rest, SPAN("From "));
}

static int
take(struct span text, enum ms_mbox_form form, size_t step, struct reading *reading)
{
	static const struct ms_mbox_sink sink = { on_begin, on_bytes, on_end, ends_at };
	struct ms_mbox_reader *reader = ms_mbox_reader_new(form, &sink, reading);
	int r = 0;

	reading->text = text;
	while (r == 0 && text.len != 0)
		r = ms_mbox_push(reader, span_take(&text, step));
	if (r == 0)
		r = ms_mbox_finish(reader);
	ms_mbox_reader_free(reader);
	return r;
}

static void
clear(struct reading *reading)
{
	buf_free(&reading->message);
	buf_free(&reading->all);
}

/* Reads the text, and writes what it holds to *ret. */
static size_t
again(struct span text, enum ms_mbox_form form, size_t step, struct buf *all, struct buf *ret)
{
	struct reading reading = { .message = BUF_INIT(TEXT_MAX), .all = BUF_INIT(TEXT_MAX), .out = ret, .form = form, .step = step };

	if (take(text, form, text.len + 1, &reading) != 0)
		abort();
	(void)buf_span(all, buf_get(&reading.all));
	clear(&reading);
	return reading.count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reading whole = { .message = BUF_INIT(TEXT_MAX), .all = BUF_INIT(TEXT_MAX) };
	struct reading parts = { .message = BUF_INIT(TEXT_MAX), .all = BUF_INIT(TEXT_MAX) };
	struct buf out = BUF_INIT(TEXT_MAX), second = BUF_INIT(TEXT_MAX), all[2] = { BUF_INIT(TEXT_MAX), BUF_INIT(TEXT_MAX) }, third = BUF_INIT(TEXT_MAX);
	enum ms_mbox_form form;
	struct span text;
	size_t step;
	int r;

	if (size < 2 || size > 30000)
		return 0;
	form = (enum ms_mbox_form)(data[0] % 3);
	step = data[0] / 3 + 1;
	text = span_make(data + 1, size - 1);
	whole.out = &out;
	whole.form = form == MS_MBOX_CL2 ? MS_MBOX_CL2 : MS_MBOX_RD;
	whole.step = step;
	r = take(text, form, size, &whole);
	if (take(text, form, step, &parts) != r || !span_eq(buf_get(&whole.all), buf_get(&parts.all)))
		abort();
	/* As many messages as were written; and from the second time on, when each has an end of its header, the very same, but for
	 * CRs that stand before the CR of a line end. */
	if (r == 0 && whole.count != 0 && !out.overflow && span_chr(text, '\r') < 0) {
		if (again(buf_get(&out), whole.form, step, &all[0], &second) != whole.count)
			abort();
		if (!second.overflow && (again(buf_get(&second), whole.form, step, &all[1], &third) != whole.count || !span_eq(buf_get(&all[0]), buf_get(&all[1]))))
			abort();
	}
	clear(&parts);
	clear(&whole);
	buf_free(&out);
	buf_free(&second);
	buf_free(&third);
	buf_free(&all[0]);
	buf_free(&all[1]);
	return 0;
}
