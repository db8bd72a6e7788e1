/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Where reports go, and lines of what was counted: each line that is read is written as it was, and becomes a report without a tag of its
 * own. */
#include <stdint.h>
#include <stdlib.h>

#include "smtpd/dmarc_report.h"
#include "smtpd/report_address_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void
check_addresses(struct span text)
{
	struct report_address addresses[REPORT_ADDRESSES_MAX];
	struct address address;
	size_t count = report_addresses_parse(text, true, addresses);
	struct span host, path;
	uint16_t port;

	for (size_t i = 0; i < count; i++) {
		if (addresses[i].https) {
			if (!report_address_split(&addresses[i], &host, &port, &path) || port == 0 || host.len == 0 || path.ptr[0] != '/' || span_chr(path, '\n') >= 0 || span_chr(host, '/') >= 0)
				abort();
		} else if (address_parse_mailbox(span_of(addresses[i].text), 0, &address) != ADDRESS_OK) {
			abort();
		}
	}
}

static size_t
count_tags(struct span text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += text.ptr[i] == '<';
	return count;
}

static void
check_line(struct span text)
{
	const struct dmarc_report_head head = { SPAN("o"), SPAN("c"), SPAN("i"), 0, 1, false };
	struct buf out = BUF_INIT(1 << 20);
	struct report_line line, again;
	struct report_day day;
	size_t tags;
	int r;

	if (!report_line_parse(text, &line))
		return;
	if (report_line_put(&line, &out) < 0 || !report_line_parse(span_make(out.data, out.len - 1), &again) || !span_eq(line.row, again.row) ||
	    line.count != again.count)
		abort();
	buf_clear(&out);
	report_day_init(&day);
	report_day_add(&day, &line);
	r = dmarc_report_compose(&head, day.domains, &out);
	/* Two for each element; five of a signature, and a reason, come or do not come. Of a row that is none nothing comes. */
	tags = count_tags(buf_get(&out));
	if (r < 0 || (r == 0 && tags % 2 != 1) || (r == 1 && tags != 0))
		abort();
	report_day_free(&day);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct span rest = span_make(bytes, len), line;

	while (span_split(&rest, '\n', &line)) {
		check_addresses(line);
		check_line(line);
	}
	return 0;
}
