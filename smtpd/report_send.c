/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The reports of a day that is over, one domain after another. A report that was handed in is noted at once: what a crash in between repeats
 * has the same name, by which whoever gets it twice knows it. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/address.h"
#include "common/date.h"
#include "common/drop.h"
#include "common/log.h"
#include "common/next_turn.h"
#include "common/text_set.h"
#include "common/xalloc.h"
#include "smtpd/dmarc_report.h"
#include "smtpd/dns_client.h"
#include "smtpd/public_suffix.h"
#include "smtpd/report_address_parse.h"
#include "smtpd/report_consent.h"
#include "smtpd/report_mail.h"
#include "smtpd/report_post.h"
#include "smtpd/report_role.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd_msg.h"
#include "smtpd/tlsrpt.h"

/* What the DNS or the disk has kept from being sent is tried again at each look, for so long. */
#define DAYS_TRIED 3
/* Behind the end of the day: so long hosts are asked again that did not take it by HTTPS (RFC 8460 section 5.5). */
#define POSTED_SECONDS SECONDS_PER_DAY
/* Behind the end of the day: so long an address is waited for of which the DNS does not tell, before the others have their report. */
#define UNVERIFIED_SECONDS (6 * 3600)
#define SECONDS_PER_DAY 86400
/* Bytes of a report, and packed in a message. */
#define REPORT_MAX (64u << 20)
#define MESSAGE_MAX REPORT_PACKED_MAX
#define SENT_MAX (REPORT_DOMAINS_MAX * 256u)

struct report_sending {
	struct report_role *role;
	enum report_kind kind;
	int64_t day;
	struct report_day sums;
	struct report_domain *domain; /* whose turn it is */
	struct text_set *sent;
	int sent_fd;
	struct report_address addresses[REPORT_ADDRESSES_MAX];
	bool allowed[REPORT_ADDRESSES_MAX];
	size_t count, asked;          /* addresses of the domain */
	bool postponed, any_postponed; /* that domain's; any */
	struct outcome *outcome;      /* of the domain's report; NULL: it has none yet */
	struct buf id;
	size_t outcomes;              /* of all domains whose reports are under way */
	bool waits;                   /* for one of them, and for nothing else */
	struct event *turn;
};

/* What becomes of one domain's report. */
struct outcome {
	struct report_sending *sending;
	const struct report_domain *domain;
	size_t open;                     /* posts that are to be answered, and one while it is handed in */
	bool taken, refused, postponed;  /* some address has it; some host has not taken it; it is to be sent again in any case */
};

/* --- kinds --- */

static int
compose_dmarc(const struct report_sending *sending, struct span contact, struct span id, struct buf *out)
{
	const struct dmarc_report_head head = {
		.organization = span_of(sending->role->proc->common->hostname), .contact = contact, .id = id,
		.begin = sending->day * SECONDS_PER_DAY, .end = (sending->day + 1) * SECONDS_PER_DAY - 1,
		.cut = sending->sums.cut,
	};

	return dmarc_report_compose(&head, sending->domain, out);
}

static int
compose_tls(const struct report_sending *sending, struct span contact, struct span id, struct buf *out)
{
	const struct tlsrpt_head head = {
		.organization = span_of(sending->role->proc->common->hostname), .contact = contact, .id = id,
		.begin = sending->day * SECONDS_PER_DAY, .end = (sending->day + 1) * SECONDS_PER_DAY - 1,
	};
	const struct report_domain *domain = sending->domain;
	struct tlsrpt_row *rows = xcalloc(domain->row_count + 1, sizeof(*rows));
	size_t count = 0;
	int r;

	for (const struct report_row *row = domain->rows; row != NULL && count < domain->row_count; row = row->next)
		rows[count++] = (struct tlsrpt_row){ span_of(row->text), row->count };
	r = tlsrpt_compose(&head, span_of(domain->name), rows, count, out);
	free(rows);
	return r;
}

/* Header fields of a kind alone. */
static void
put_tls_fields(const struct report_sending *sending, const char *submitter, struct buf *out)
{
	/* RFC 8460 section 5.3; it goes despite what it tells of (section 3). */
	(void)buf_fmt(out, "TLS-Report-Domain: %s\r\nTLS-Report-Submitter: %s\r\nTLS-Required: No\r\n", sending->domain->name, submitter);
}

/* compose: 0; 1: nothing is left to report; -EMSGSIZE. */
static const struct {
	const char *name;
	int (*compose)(const struct report_sending *sending, struct span contact, struct span id, struct buf *out);
	const char *verified_at; /* whoever is to get others' reports says so there (RFC 7489 section 7.1); NULL: need not */
	const char *type, *part_type, *extension;
	const char *sentence;
	bool https;                                        /* may go so */
	void (*put_fields)(const struct report_sending *sending, const char *submitter, struct buf *out); /* or NULL */
} kinds[REPORT_KINDS] = {
	[REPORT_DMARC] = { "dmarc", compose_dmarc, "_report._dmarc", "multipart/mixed", "application/gzip", "xml.gz",
	    "This is an aggregate report of DMARC (RFC 7489): what was seen of mail\r\nthat names your domain as its author's.", false, NULL },
	[REPORT_TLS] = { "tls", compose_tls, NULL, "multipart/report; report-type=\"tlsrpt\"", "application/tlsrpt+gzip", "json.gz",
	    "This is a report on TLS (RFC 8460): which connections to the hosts\r\nthat take your domain's mail had what its policies demand.", true, put_tls_fields },
};

const char *
report_kind_name(enum report_kind kind)
{
	return kinds[kind].name;
}

/* --- one report --- */

static const char *
sender_of(const struct report_role *role)
{
	const struct smtpd_conf *conf = smtpd_conf(role->proc);

	return conf->report_from[0] != '\0' ? conf->report_from : smtpd_postmaster(conf);
}

/* The value "MUST match the value found in the domain of the contact-info" (RFC 8460 section 5.3): who reports is named by that, wherever the
 * host is. */
static void
put_submitter(const struct report_role *role, struct buf *out)
{
	const char *at = strrchr(sender_of(role), '@');

	if (at == NULL || address_domain_canonical(span_of(at + 1), out) < 0) {
		buf_clear(out);
		(void)buf_str(out, role->proc->common->hostname);
	}
}

static int
hand_in(const struct report_sending *sending, const struct report_address *address, struct span message)
{
	const char *from = sender_of(sending->role);
	struct envelope envelope;
	struct drop *drop = NULL;
	int r;

	envelope_init(&envelope, span_of(from), (int64_t)time(NULL));
	/* Nobody here could mend an address that fails. */
	r = envelope_add(&envelope, span_of(address->text), SPAN_NULL, ENVELOPE_NEVER);
	if (r == 0)
		r = drop_begin(sending->role->drop, &envelope, &drop);
	envelope_free(&envelope);
	if (r == 0)
		r = drop_write(drop, message);
	if (r == 0)
		return drop_commit(drop, NULL);
	drop_abandon(drop);
	return r;
}

/* "20261126.example.com.0@mail.example.org": the same whenever it is made. */
static void
put_id(const struct report_sending *sending, size_t number, struct buf *out)
{
	int64_t year;
	unsigned month, day;

	date_civil(sending->day, &year, &month, &day);
	(void)buf_fmt(out, "%s.%04u%02u%02u.%s", kinds[sending->kind].name, (unsigned)year, month, day, sending->domain->name);
	if (number != 0)
		(void)buf_fmt(out, ".%zu", number);
	(void)buf_fmt(out, "@%s", sending->role->proc->common->hostname);
}

/* 0; 1 when it is larger than that address takes; -errno. */
static int
send_to(const struct report_sending *sending, size_t number, struct span id, struct span packed)
{
	const struct report_address *address = &sending->addresses[number];
	struct buf submitter = BUF_INIT(DNS_NAME_MAX), subject = BUF_INIT(1024), name = BUF_INIT(1024), message_id = BUF_INIT(1024), fields = BUF_INIT(1024);
	struct buf message = BUF_INIT(MESSAGE_MAX);
	long long begin = (long long)(sending->day * SECONDS_PER_DAY), end = begin + SECONDS_PER_DAY - 1;
	struct report_mail mail = {
		.from = span_of(sender_of(sending->role)), .to = span_of(address->text), .boundary = SPAN("report=_boundary"),
		.type = kinds[sending->kind].type, .part_type = kinds[sending->kind].part_type,
		.sentence = span_of(kinds[sending->kind].sentence), .report = packed, .now = (int64_t)time(NULL),
	};
	int r;

	put_submitter(sending->role, &submitter);
	put_id(sending, number, &message_id);
	(void)buf_fmt(&subject, "Report Domain: %s Submitter: %s Report-ID: <%.*s>", sending->domain->name, buf_cstr(&submitter), (int)id.len, id.ptr);
	(void)buf_fmt(&name, "%s!%s!%lld!%lld.%s", buf_cstr(&submitter), sending->domain->name, begin, end, kinds[sending->kind].extension);
	if (kinds[sending->kind].put_fields != NULL)
		kinds[sending->kind].put_fields(sending, buf_cstr(&submitter), &fields);
	mail.fields = buf_cstr(&fields);
	mail.subject = buf_get(&subject);
	mail.file_name = buf_get(&name);
	mail.message_id = buf_get(&message_id);
	r = report_mail_compose(&mail, &message);
	if (r == 0 && address->size_max != 0 && message.len > address->size_max)
		r = 1;
	if (r == 0)
		r = hand_in(sending, address, buf_get(&message));
	buf_free(&submitter);
	buf_free(&fields);
	buf_free(&subject);
	buf_free(&name);
	buf_free(&message_id);
	buf_free(&message);
	return r;
}

static void
log_taken(const struct report_sending *sending, const struct report_domain *domain, const struct report_address *address)
{
	log_info("report", log_str("kind", kinds[sending->kind].name), log_str("domain", domain->name), log_str("to", address->text),
	    log_u64("rows", domain->row_count), log_u64("left-out", domain->left_out));
}

static void
log_report(const struct report_sending *sending, size_t number, int r)
{
	const struct report_domain *domain = sending->domain;

	if (r == 0)
		log_taken(sending, domain, &sending->addresses[number]);
	else if (r == 1)
		log_info("report-too-large", log_str("domain", domain->name), log_str("to", sending->addresses[number].text));
	else
		log_error("report-not-sent", log_str("domain", domain->name), log_str("to", sending->addresses[number].text), log_errno("error", r));
}

/* --- what becomes of it --- */

static bool
is_behind(const struct report_sending *sending, int64_t seconds)
{
	return (int64_t)time(NULL) >= (sending->day + 1) * SECONDS_PER_DAY + seconds;
}

static void
note_end(struct report_sending *sending, const struct report_domain *domain, bool postponed)
{
	if (!postponed && report_mark_sent(sending->sent_fd, domain->name) < 0)
		postponed = true;
	sending->any_postponed |= postponed;
}

static void
close_outcome(struct outcome *outcome)
{
	struct report_sending *sending = outcome->sending;
	bool missing = outcome->refused && !outcome->taken, over = missing && is_behind(sending, POSTED_SECONDS);

	if (--outcome->open != 0)
		return;
	if (over)
		log_warning("report-given-up", log_str("domain", outcome->domain->name), log_str("hint", "nobody has taken it by HTTPS for a day"));
	note_end(sending, outcome->domain, outcome->postponed || (missing && !over));
	free(outcome);
	sending->outcomes--;
	if (sending->waits) {
		sending->waits = false;
		next_turn(sending->turn);
	}
}

/* The next domain, in a turn of the loop of its own, so that counting goes on. */
static void
end_domain(struct report_sending *sending)
{
	if (sending->outcome != NULL)
		close_outcome(sending->outcome);
	else
		note_end(sending, sending->domain, sending->postponed);
	sending->outcome = NULL;
	buf_free(&sending->id);
	sending->domain = sending->domain->next;
	next_turn(sending->turn);
}

static void
told(struct report_sending *sending, size_t number, int r)
{
	log_report(sending, number, r);
	if (r == 0)
		sending->outcome->taken = true;
	else if (r < 0 && r != -EMSGSIZE)
		sending->outcome->postponed = true;
}

static void
posted(void *context, const struct report_address *address, enum report_post_result result, struct span why)
{
	struct outcome *outcome = context;

	if (result == REPORT_POSTED_IT) {
		log_taken(outcome->sending, outcome->domain, address);
		outcome->taken = true;
	} else {
		if (why.len != 0)
			log_warning("report-not-taken", log_str("domain", outcome->domain->name), log_str("to", address->text), log_span("reason", why),
			    log_str("again", result == REPORT_NEVER ? "no" : "yes"));
		outcome->refused |= result != REPORT_NEVER;
	}
	close_outcome(outcome);
}

static void
send_on(struct report_sending *sending, struct span packed)
{
	struct outcome *outcome = sending->outcome;

	for (size_t i = 0; i < sending->count; i++)
		if (sending->allowed[i] && sending->addresses[i].https) {
			outcome->open++;
			report_post(sending->role->posts, &sending->addresses[i], packed, posted, outcome);
		} else if (sending->allowed[i]) {
			told(sending, i, send_to(sending, i, buf_get(&sending->id), packed));
		}
}

/* Nobody would have it now: it need not be written. */
static bool
all_rest(const struct report_sending *sending)
{
	for (size_t i = 0; i < sending->count; i++)
		if (sending->allowed[i] && (!sending->addresses[i].https || !report_post_rests(sending->role->posts, &sending->addresses[i])))
			return false;
	return true;
}

static bool
any_allowed(const struct report_sending *sending)
{
	bool any = false;

	for (size_t i = 0; i < sending->count; i++)
		any |= sending->allowed[i];
	return any;
}

static void
send_domain(struct report_sending *sending)
{
	struct buf report = BUF_INIT(REPORT_MAX), packed = BUF_INIT(REPORT_PACKED_MAX);
	int r;

	sending->outcome = xcalloc(1, sizeof(*sending->outcome));
	*sending->outcome = (struct outcome){ .sending = sending, .domain = sending->domain, .open = 1 };
	sending->outcomes++;
	if (any_allowed(sending) && all_rest(sending)) {
		sending->outcome->refused = true;
		end_domain(sending);
		return;
	}
	put_id(sending, 0, &sending->id);
	r = kinds[sending->kind].compose(sending, span_of(sender_of(sending->role)), buf_get(&sending->id), &report);
	if (r == 0)
		r = report_pack(buf_get(&report), &packed);
	buf_free(&report);
	if (r == 0)
		send_on(sending, buf_get(&packed));
	else if (r > 0)
		log_warning("report-empty", log_str("kind", kinds[sending->kind].name), log_str("domain", sending->domain->name), log_u64("left-out", sending->domain->left_out),
		    log_str("hint", "nothing of what was counted for it is left to report: there was too much for others, or it cannot be read"));
	else
		for (size_t i = 0; i < sending->count; i++)
			told(sending, i, r);
	buf_free(&packed);
	end_domain(sending);
}

/* --- who may be told --- */

static void go_on(struct report_sending *sending);

/* Each address has the report once. */
static bool
is_told(const struct report_sending *sending, const struct report_address *address)
{
	for (size_t i = 0; i < sending->count; i++)
		if (sending->allowed[i] && strcmp(sending->addresses[i].text, address->text) == 0)
			return true;
	return false;
}

/* They stand for the address that was asked about: in its place, and behind the others as far as there is room. */
static void
allow(struct report_sending *sending, const struct report_address *addresses, size_t count)
{
	size_t place = sending->asked;

	for (size_t i = 0; i < count; i++) {
		if (is_told(sending, &addresses[i]))
			continue;
		if (place != sending->asked && sending->count == REPORT_ADDRESSES_MAX)
			return;
		if (place != sending->asked)
			place = sending->count++;
		sending->addresses[place] = addresses[i];
		sending->allowed[place] = true;
		place = sending->count;
	}
}

static void
verified(void *context, const struct dns_answer *answer)
{
	struct report_address addresses[REPORT_ADDRESSES_MAX];
	struct report_sending *sending = context;
	const struct report_address *asked = &sending->addresses[sending->asked];
	size_t count;

	switch (report_consent(answer, asked, addresses, &count)) {
	case REPORT_UNKNOWN:
		log_info("report-not-verified", log_str("domain", sending->domain->name), log_str("to", asked->text),
		    log_span("reason", answer->reason), log_str("hint", "the DNS does not tell whether that host takes the domain's reports"));
		sending->postponed = true;
		break;
	case REPORT_REFUSED:
		log_info("report-not-wanted", log_str("domain", sending->domain->name), log_str("to", asked->text),
		    log_str("hint", "that host does not say that it takes the domain's reports (RFC 7489 section 7.1)"));
		break;
	case REPORT_ELSEWHERE:
		log_info("report-not-wanted", log_str("domain", sending->domain->name), log_str("to", asked->text),
		    log_str("hint", "that host says that another takes the domain's reports, which it must not (RFC 7489 section 7.1)"));
		break;
	case REPORT_TAKEN: allow(sending, addresses, count); break;
	}
	sending->asked++;
	go_on(sending);
}

/* True when the answer will come. */
static bool
ask(struct report_sending *sending)
{
	const struct report_address *address = &sending->addresses[sending->asked];
	const char *place = kinds[sending->kind].verified_at, *host = address->https ? address->text : strrchr(address->text, '@') + 1;
	struct buf lower = BUF_INIT(DNS_NAME_MAX), name = BUF_INIT(2 * DNS_NAME_MAX + 64);
	bool asks = false;

	if (sending->allowed[sending->asked])
		return false; /* one that stands for another, whose host has said so */
	(void)address_domain_canonical(span_of(host), &lower);
	if (place == NULL || strcmp(public_suffix_organization(buf_cstr(&lower)), public_suffix_organization(sending->domain->name)) == 0) {
		sending->allowed[sending->asked] = true;
	} else {
		(void)buf_fmt(&name, "%s.%s.%s", sending->domain->name, place, buf_cstr(&lower));
		asks = dns_is_name(buf_get(&name));
		if (asks)
			(void)dns_ask(sending->role->dns, buf_get(&name), DNS_TXT, verified, sending);
	}
	buf_free(&lower);
	buf_free(&name);
	return asks;
}

/* --- all of a day --- */

static void
finish(struct report_sending *sending)
{
	struct report_role *role = sending->role;
	bool over = (int64_t)time(NULL) / SECONDS_PER_DAY - sending->day > DAYS_TRIED, done = !sending->any_postponed || over;

	if (sending->any_postponed && over)
		log_warning("reports-given-up", log_i64("day", sending->day), log_str("hint", "some that could not be told that day's report for so long are not told any more"));
	if (done && (sending->sums.left_out != 0 || sending->sums.cut))
		log_warning("reports-incomplete", log_str("kind", kinds[sending->kind].name), log_i64("day", sending->day), log_u64("left-out", sending->sums.left_out),
		    log_str("hint", sending->sums.cut ? "the day's file was full before it was over" : "more domains were to be told than there is room for"));
	if (done)
		(void)report_remove_day(role, sending->kind, sending->day);
	if (sending->sent_fd >= 0)
		(void)close(sending->sent_fd);
	report_day_free(&sending->sums);
	(void)text_set_free(sending->sent);
	event_free(sending->turn);
	free(sending);
	role->sending = NULL;
}

static void
begin_domain(struct report_sending *sending)
{
	sending->count = report_addresses_parse(span_of(sending->domain->addresses), kinds[sending->kind].https, sending->addresses);
	sending->asked = 0;
	sending->postponed = false;
	memset(sending->allowed, 0, sizeof(sending->allowed));
}

static void
go_on(struct report_sending *sending)
{
	while (sending->asked < sending->count) {
		if (ask(sending))
			return;
		sending->asked++;
	}
	/* Whom the DNS does not tell of yet is waited for, but not by the others all day long. */
	if (sending->postponed && (!any_allowed(sending) || !is_behind(sending, UNVERIFIED_SECONDS))) {
		end_domain(sending);
		return;
	}
	sending->postponed = false;
	send_domain(sending);
}

static void
on_turn(evutil_socket_t fd, short what, void *context)
{
	struct report_sending *sending = context;

	(void)fd, (void)what;
	while (sending->domain != NULL && text_set_has(sending->sent, span_of(sending->domain->name)))
		sending->domain = sending->domain->next;
	/* What hosts have not answered yet is waited for at the end, or when it is too much. */
	if (sending->outcomes != 0 && (sending->domain == NULL || report_posts_full(sending->role->posts))) {
		sending->waits = true;
		return;
	}
	if (sending->domain == NULL) {
		struct report_role *role = sending->role;
		int64_t day = sending->day;
		enum report_kind kind = sending->kind;

		finish(sending);
		report_send_after(role, kind, day);
		return;
	}
	begin_domain(sending);
	go_on(sending);
}

static void
take_sent(struct report_sending *sending)
{
	struct buf domains = BUF_INIT(SENT_MAX + 65536);
	struct span rest, line;

	sending->sent = text_set_new(0);
	sending->sent_fd = report_open_sent(sending->role, sending->kind, sending->day, &domains);
	rest = buf_get(&domains);
	while (span_split(&rest, '\n', &line))
		(void)text_set_add(sending->sent, line);
	buf_free(&domains);
}

static void
begin(struct report_role *role, enum report_kind kind, int64_t day)
{
	struct report_sending *sending = xcalloc(1, sizeof(*sending));
	int r;

	sending->role = role;
	sending->id = BUF_INIT(1024);
	sending->kind = kind;
	sending->day = day;
	r = report_read_day(role, kind, day, &sending->sums);
	take_sent(sending);
	if (r < 0 || sending->sent_fd < 0) {
		log_error("reports-unreadable", log_str("kind", kinds[kind].name), log_errno("error", r < 0 ? r : sending->sent_fd));
		sending->any_postponed = true;
	} else {
		sending->domain = sending->sums.domains;
	}
	sending->turn = event_new(role->proc->base, -1, 0, on_turn, sending);
	if (sending->turn == NULL)
		abort();
	role->sending = sending;
	event_active(sending->turn, EV_TIMEOUT, 0);
}

void
report_send_after(struct report_role *role, enum report_kind kind, int64_t after)
{
	int64_t today = (int64_t)time(NULL) / SECONDS_PER_DAY, day;

	for (; role->sending == NULL && kind < REPORT_KINDS; kind++, after = INT64_MIN)
		if (report_find_day(role, kind, after, today, &day))
			begin(role, kind, day);
}

/* --- days to come --- */

/* Counts them for today. The file goes first: what is then lost is left out, and nothing is counted twice. */
static void
bring_back(struct report_role *role, enum report_kind kind, int64_t day)
{
	struct report_sending there = { .role = role, .kind = kind, .day = day };
	int r = report_read_day(role, kind, day, &there.sums);
	uint64_t rows = 0, lost = 0;

	take_sent(&there);
	if (r == 0)
		r = report_remove_day(role, kind, day);
	for (const struct report_domain *domain = there.sums.domains; domain != NULL && r == 0; domain = domain->next)
		for (const struct report_row *row = domain->rows; row != NULL && !text_set_has(there.sent, span_of(domain->name)); row = row->next) {
			const struct report_line line = {
				.count = row->count, .domain = span_of(domain->name), .addresses = span_of(domain->addresses), .policy = span_of(domain->policy),
				.row = span_of(row->text),
			};

			rows++;
			lost += report_append(role, kind, &line) < 0;
		}
	report_sync(role);
	if (r < 0)
		log_error("reports-not-redated", log_str("kind", kinds[kind].name), log_errno("error", r));
	else
		log_warning("reports-redated", log_str("kind", kinds[kind].name), log_i64("days", day - (int64_t)time(NULL) / SECONDS_PER_DAY), log_u64("rows", rows),
		    log_u64("lost", lost), log_str("hint", "the clock was ahead when they were counted; they count for today"));
	if (there.sent_fd >= 0)
		(void)close(there.sent_fd);
	report_day_free(&there.sums);
	(void)text_set_free(there.sent);
}

/* Tomorrow comes by itself. */
static void
bring_back_all(struct report_role *role)
{
	int64_t after = (int64_t)time(NULL) / SECONDS_PER_DAY + 1, day;

	for (unsigned kind = 0; kind < REPORT_KINDS; kind++)
		for (int64_t from = after; report_find_day(role, (enum report_kind)kind, from, INT64_MAX, &day); from = day)
			bring_back(role, (enum report_kind)kind, day);
}

void
report_send(struct report_role *role)
{
	if (role->looks < REPORT_LOOKS)
		role->looks++;
	else
		bring_back_all(role);
	report_send_after(role, 0, INT64_MIN);
}
