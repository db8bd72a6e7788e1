/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The codec of envelopes. Lines are "key value"; the table below is the whole format. Drop files
 * come from anybody who may submit, so every field is bounded and free of control bytes when it has
 * been read. */
#include "common/envelope.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/spool.h"
#include "common/xalloc.h"

#define FIRST_LINE "fourpost 1"
#define DROP_LEN_MAX 64
#define HOST_LEN_MAX 255
#define ABOUT_LEN_MAX (SPOOL_ID_LEN + 1 + ENVELOPE_RECIPIENTS_MAX)

static bool
printable(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
			return false;
	return true;
}

static bool
has_space(struct span text)
{
	return span_chr(text, ' ') >= 0;
}

void
envelope_init(struct envelope *envelope, struct span sender, int64_t created)
{
	*envelope = (struct envelope){ .created = created, .sender = span_dup(sender), .uid = -1 };
}

void
envelope_free(struct envelope *envelope)
{
	for (size_t i = 0; i < envelope->count; i++) {
		free(envelope->recipients[i].address);
		free(envelope->recipients[i].orcpt);
	}
	free(envelope->recipients);
	free(envelope->sender);
	free(envelope->envid);
	free(envelope->client);
	free(envelope->account);
	free(envelope->forwarder);
	free(envelope->kept);
	free(envelope->about);
	free(envelope->drop);
	*envelope = (struct envelope){ .uid = -1 };
}

size_t
envelope_recipient_len(struct span address, struct span orcpt)
{
	return strlen("to P SFD - \n") + address.len + orcpt.len;
}

int
envelope_add(struct envelope *envelope, struct span address, struct span orcpt, uint8_t notify)
{
	struct envelope_recipient *recipient;

	if (envelope->count >= ENVELOPE_RECIPIENTS_MAX || address.len > ENVELOPE_ADDRESS_MAX ||
	    orcpt.len > ENVELOPE_XTEXT_MAX)
		return -EMSGSIZE;
	if (address.len == 0 || !printable(address) || !printable(orcpt) || has_space(orcpt) ||
	    notify > 15)
		return -EINVAL;
	/* Grows by doubling; the count is bounded above. */
	if ((envelope->count & (envelope->count - 1)) == 0)
		envelope->recipients = xreallocarray(envelope->recipients,
		    envelope->count == 0 ? 1 : envelope->count * 2, sizeof(*recipient));
	recipient = &envelope->recipients[envelope->count++];
	*recipient = (struct envelope_recipient){
		.address = span_dup(address),
		.orcpt = orcpt.len != 0 ? span_dup(orcpt) : NULL,
		.notify = notify,
		.status = ENVELOPE_PENDING,
	};
	envelope->recipients_len += envelope_recipient_len(address, orcpt);
	return 0;
}

int
envelope_set(char **field, struct span text)
{
	if (text.len > ENVELOPE_XTEXT_MAX)
		return -EMSGSIZE;
	if (!printable(text))
		return -EINVAL;
	free(*field);
	*field = text.len != 0 ? span_dup(text) : NULL;
	return 0;
}

void
envelope_copy_options(struct envelope *to, const struct envelope *from)
{
	to->body = from->body;
	to->smtputf8 = from->smtputf8;
	to->ret = from->ret;
	to->requiretls = from->requiretls;
	to->priority = from->priority;
	to->by = from->by;
	to->by_trace = from->by_trace;
	to->deliver_by = from->deliver_by;
	to->release = from->release;
	to->hold = from->hold;
}

/* --- writing --- */

/* As long as ENVELOPE_YES. */
#define NOT_YET "not"

static const char *const body_names[] = {
	[ENVELOPE_7BIT] = "7BIT", [ENVELOPE_8BITMIME] = "8BITMIME"
};
static const char *const ret_names[] = {
	[ENVELOPE_RET_FULL] = "FULL", [ENVELOPE_RET_HDRS] = "HDRS"
};
static const char by_letters[] = { [ENVELOPE_BY_NOTIFY] = 'N', [ENVELOPE_BY_RETURN] = 'R' };
static const char notify_letters[] = "NSFD";

static int
put_optional(struct buf *out, const char *key, const char *value)
{
	if (value == NULL)
		return 0;
	return printable(span_of(value)) ? buf_fmt(out, "%s %s\n", key, value) : -EINVAL;
}

static void
put_notify(struct buf *out, uint8_t notify)
{
	if (notify == 0)
		(void)buf_char(out, '-');
	for (unsigned i = 0; i < 4; i++)
		if ((notify & (1u << i)) != 0)
			(void)buf_char(out, notify_letters[i]);
}

void
envelope_set_reason(struct envelope_progress *progress, struct span text)
{
	char *reason = progress->reason;
	size_t len = text.len < ENVELOPE_REASON_MAX ? text.len : ENVELOPE_REASON_MAX;

	if (len != 0)
		memcpy(reason, text.ptr, len);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)reason[i] < ' ' || reason[i] == 0x7f)
			reason[i] = '?';
	while (len != 0 && (reason[len - 1] == ' ' || !span_is_utf8(span_make(reason, len))))
		len--;
	reason[len] = '\0';
}

void
envelope_encode_progress(
    const struct envelope_progress *progress, char ret_text[ENVELOPE_PROGRESS_LEN])
{
	char text[ENVELOPE_PROGRESS_LEN + 1];

	(void)snprintf(text, sizeof(text), "%020" PRId64 " %020" PRId64 " %010" PRIu32 " %-*s",
	    progress->due, progress->tried, progress->attempts, ENVELOPE_REASON_MAX,
	    progress->reason);
	memcpy(ret_text, text, ENVELOPE_PROGRESS_LEN);
}

static void
put_progress(struct buf *out, struct envelope *envelope)
{
	char text[ENVELOPE_PROGRESS_LEN];

	envelope_encode_progress(&envelope->progress, text);
	(void)buf_str(out, "progress ");
	envelope->progress_at = out->len;
	(void)buf_put(out, text, sizeof(text));
	(void)buf_char(out, '\n');
}

void
envelope_encode_room(uint16_t room, char ret_text[ENVELOPE_ROOM_LEN])
{
	for (size_t i = ENVELOPE_ROOM_LEN; i-- != 0; room /= 10)
		ret_text[i] = (char)('0' + room % 10);
}

static void
put_room(struct buf *out, struct envelope *envelope)
{
	char text[ENVELOPE_ROOM_LEN];

	envelope_encode_room(envelope->room, text);
	(void)buf_str(out, "room ");
	envelope->room_at = out->len;
	(void)buf_put(out, text, sizeof(text));
	(void)buf_char(out, '\n');
}

static int
put_recipient(struct buf *out, struct envelope_recipient *recipient)
{
	(void)buf_str(out, "to ");
	recipient->status_at = out->len;
	(void)buf_char(out, recipient->status);
	(void)buf_char(out, ' ');
	put_notify(out, recipient->notify);
	return buf_fmt(
	    out, " %s %s\n", recipient->orcpt != NULL ? recipient->orcpt : "-", recipient->address);
}

static void
put_smtputf8(struct envelope *envelope, struct buf *out)
{
	envelope->smtputf8_at = 0;
	if (!envelope->smtputf8 && !envelope->smtputf8_open)
		return;
	(void)buf_str(out, "smtputf8 ");
	envelope->smtputf8_at = out->len;
	(void)buf_str(out, envelope->smtputf8 ? ENVELOPE_YES "\n" : NOT_YET "\n");
}

int
envelope_encode(struct envelope *envelope, struct buf *out)
{
	int r;

	if (envelope->count == 0 || !printable(span_of(envelope->sender)))
		return -EINVAL;
	(void)buf_fmt(out, FIRST_LINE "\ncreated %010lld\n", (long long)envelope->created);
	if (envelope->release != 0)
		(void)buf_fmt(out, "release %lld\n", (long long)envelope->release);
	if (envelope->hold == ENVELOPE_HOLD_UNTIL)
		(void)buf_str(out, "hold until\n");
	else if (envelope->hold > 0)
		(void)buf_fmt(out, "hold %lld\n", (long long)envelope->hold);
	(void)buf_fmt(out, "from %s\n", envelope->sender);
	if (envelope->body != ENVELOPE_7BIT)
		(void)buf_fmt(out, "body %s\n", body_names[envelope->body]);
	put_smtputf8(envelope, out);
	if (envelope->ret != ENVELOPE_RET_NONE)
		(void)buf_fmt(out, "ret %s\n", ret_names[envelope->ret]);
	if (envelope->requiretls)
		(void)buf_str(out, "requiretls yes\n");
	if (envelope->expanded)
		(void)buf_str(out, "expanded yes\n");
	if (envelope->priority != 0)
		(void)buf_fmt(out, "priority %d\n", envelope->priority);
	if (envelope->by != ENVELOPE_BY_NONE)
		(void)buf_fmt(out, "by %010lld %c%s\n", (long long)envelope->deliver_by,
		    by_letters[envelope->by], envelope->by_trace ? "T" : "");
	r = put_optional(out, "envid", envelope->envid);
	if (r == 0)
		r = put_optional(out, "client", envelope->client);
	if (r == 0)
		r = put_optional(out, "account", envelope->account);
	if (r == 0)
		r = put_optional(out, "forwarder", envelope->forwarder);
	if (r == 0)
		r = put_optional(out, "kept", envelope->kept);
	if (r == 0)
		r = put_optional(out, "about", envelope->about);
	if (r == 0 && envelope->uid >= 0)
		(void)buf_fmt(out, "uid %lld\n", (long long)envelope->uid);
	if (r == 0)
		r = put_optional(out, "drop", envelope->drop);
	if (r == 0 && envelope->has_progress)
		put_progress(out, envelope);
	if (r == 0 && (envelope->room != 0 || envelope->room_at != 0))
		put_room(out, envelope);
	for (size_t i = 0; r == 0 && i < envelope->count; i++)
		r = put_recipient(out, &envelope->recipients[i]);
	if (r == 0)
		(void)buf_char(out, '\n');
	return r == 0 && out->overflow ? -EMSGSIZE : r;
}

bool
envelope_encode_time(int64_t seconds, size_t len, char *ret_text)
{
	char text[24];
	int written = seconds < 0 || len >= sizeof(text) ? -1 : snprintf(text, sizeof(text), "%0*lld", (int)len, (long long)seconds);

	if (written < 0 || (size_t)written != len)
		return false;
	memcpy(ret_text, text, len);
	return true;
}

/* --- reading --- */

enum field {
	FIELD_CREATED,
	FIELD_RELEASE,
	FIELD_HOLD,
	FIELD_FROM,
	FIELD_BODY,
	FIELD_SMTPUTF8,
	FIELD_RET,
	FIELD_REQUIRETLS,
	FIELD_EXPANDED,
	FIELD_PRIORITY,
	FIELD_BY,
	FIELD_ENVID,
	FIELD_CLIENT,
	FIELD_ACCOUNT,
	FIELD_FORWARDER,
	FIELD_KEPT,
	FIELD_ABOUT,
	FIELD_UID,
	FIELD_DROP,
	FIELD_PROGRESS,
	FIELD_ROOM,
	FIELD_TO,
	FIELD_COUNT,
};
static const char *const field_names[FIELD_COUNT] = {
	"created",
	"release",
	"hold",
	"from",
	"body",
	"smtputf8",
	"ret",
	"requiretls",
	"expanded",
	"priority",
	"by",
	"envid",
	"client",
	"account",
	"forwarder",
	"kept",
	"about",
	"uid",
	"drop",
	"progress",
	"room",
	"to",
};

static bool
take_number(struct span value, int64_t max, int64_t *ret_number)
{
	uint64_t number;

	if (span_to_u64(value, (uint64_t)max, &number) < 0)
		return false;
	*ret_number = (int64_t)number;
	return true;
}

static bool
take_hold(struct span value, int64_t *ret_hold)
{
	if (span_eq(value, SPAN("until"))) {
		*ret_hold = ENVELOPE_HOLD_UNTIL;
		return true;
	}
	return take_number(value, INT64_MAX, ret_hold) && *ret_hold != 0;
}

static bool
take_text(struct span value, size_t max, char **ret_text)
{
	if (value.len == 0 || value.len > max)
		return false;
	*ret_text = span_dup(value);
	return true;
}

static bool
take_name(
    struct span value, const char *const *names, unsigned first, unsigned last, unsigned *ret_index)
{
	for (unsigned i = first; i <= last; i++)
		if (span_eq(value, span_of(names[i]))) {
			*ret_index = i;
			return true;
		}
	return false;
}

static bool
take_yes(struct span value, bool *ret_flag)
{
	*ret_flag = true;
	return span_eq(value, SPAN(ENVELOPE_YES));
}

static bool
take_smtputf8(struct span value, bool *ret_flag)
{
	return span_eq(value, SPAN(NOT_YET)) || take_yes(value, ret_flag);
}

static bool
take_priority(struct span value, int *ret_priority)
{
	bool below = span_starts(value, SPAN("-"));
	uint64_t number;

	if (span_to_u64(span_skip(value, below), ENVELOPE_PRIORITY_MAX, &number) < 0)
		return false;
	*ret_priority = below ? -(int)number : (int)number;
	return true;
}

/* "1795423737 R", with a "T" behind it for by_trace. */
static bool
take_by(struct span value, size_t at, struct envelope *envelope)
{
	struct span seconds;

	if (!span_split(&value, ' ', &seconds) ||
	    !take_number(seconds, INT64_MAX, &envelope->deliver_by))
		return false;
	envelope->by_at = at;
	envelope->by_len = (uint8_t)(seconds.len < UINT8_MAX ? seconds.len : UINT8_MAX);
	envelope->by_trace = value.len == 2 && value.ptr[1] == 'T';
	if (value.len != 1 && !envelope->by_trace)
		return false;
	envelope->by = value.ptr[0] == 'R' ? ENVELOPE_BY_RETURN : ENVELOPE_BY_NOTIFY;
	return value.ptr[0] == 'R' || value.ptr[0] == 'N';
}

static bool
take_notify(struct span word, uint8_t *ret_notify)
{
	*ret_notify = 0;
	if (span_eq(word, SPAN("-")))
		return true;
	for (size_t i = 0; i < word.len; i++) {
		ptrdiff_t bit = span_chr(SPAN("NSFD"), word.ptr[i]);

		if (bit < 0 || (*ret_notify & (1u << bit)) != 0)
			return false;
		*ret_notify |= (uint8_t)(1u << bit);
	}
	return word.len != 0;
}

static bool
is_status(char status)
{
	return span_chr(SPAN("PWDRFXH"), status) >= 0;
}

/* "0661333722CBFD50 DFW" */
static bool
is_about(struct span value)
{
	struct span id;

	if (!span_split(&value, ' ', &id) || !spool_id_valid(id))
		return false;
	for (size_t i = 0; i < value.len; i++)
		if (!is_status(value.ptr[i]))
			return false;
	return value.len != 0;
}

/* "P - - address"; `at` is where value stands in the file. */
static bool
take_recipient(struct span value, size_t at, struct envelope *envelope)
{
	struct span status, notify_word, orcpt;
	uint8_t notify;

	if (!span_split(&value, ' ', &status) || status.len != 1 || !is_status(status.ptr[0]) || !span_split(&value, ' ', &notify_word) ||
	    !take_notify(notify_word, &notify) || !span_split(&value, ' ', &orcpt))
		return false;
	if (span_eq(orcpt, SPAN("-")))
		orcpt = SPAN_NULL;
	else if (orcpt.len == 0)
		return false;
	if (envelope_add(envelope, value, orcpt, notify) < 0)
		return false;
	envelope->recipients[envelope->count - 1].status = status.ptr[0];
	envelope->recipients[envelope->count - 1].status_at = at;
	return true;
}

/* Written over and over, so a power loss may tear it: what does not read leaves zeros, only the
 * length must be right. */
static bool
take_progress(struct span value, size_t at, struct envelope *envelope)
{
	struct envelope_progress progress = { .due = 0 };
	struct span word[3];
	int64_t attempts;

	if (value.len != ENVELOPE_PROGRESS_LEN)
		return false;
	envelope->has_progress = true;
	envelope->progress_at = at;
	for (size_t i = 0; i < 3; i++)
		(void)span_split(&value, ' ', &word[i]);
	if (!take_number(word[0], INT64_MAX, &progress.due) ||
	    !take_number(word[1], INT64_MAX, &progress.tried) ||
	    !take_number(word[2], UINT32_MAX, &attempts))
		return true;
	progress.attempts = (uint32_t)attempts;
	envelope_set_reason(&progress, value);
	envelope->progress = progress;
	return true;
}

static bool
take_room(struct span value, size_t at, struct envelope *envelope)
{
	uint64_t room;

	if (value.len != ENVELOPE_ROOM_LEN || span_to_u64(value, ENVELOPE_ROOM_MAX, &room) < 0)
		return false;
	envelope->room = (uint16_t)room;
	envelope->room_at = at;
	return true;
}

static bool
take_field(enum field field, struct span value, size_t at, struct envelope *envelope)
{
	unsigned index;

	switch (field) {
	case FIELD_CREATED:
		envelope->created_at = at;
		envelope->created_len = (uint8_t)(value.len < UINT8_MAX ? value.len : UINT8_MAX);
		return take_number(value, INT64_MAX, &envelope->created);
	case FIELD_RELEASE: return take_number(value, INT64_MAX, &envelope->release);
	case FIELD_UID: return take_number(value, UINT32_MAX, &envelope->uid);
	case FIELD_FROM:
		if (value.len > ENVELOPE_ADDRESS_MAX)
			return false;
		envelope->sender = span_dup(value);
		return true;
	case FIELD_BODY:
		if (!take_name(value, body_names, ENVELOPE_7BIT, ENVELOPE_8BITMIME, &index))
			return false;
		envelope->body = (enum envelope_body)index;
		return true;
	case FIELD_RET:
		if (!take_name(value, ret_names, ENVELOPE_RET_FULL, ENVELOPE_RET_HDRS, &index))
			return false;
		envelope->ret = (enum envelope_ret)index;
		return true;
	case FIELD_HOLD: return take_hold(value, &envelope->hold);
	case FIELD_SMTPUTF8: return take_smtputf8(value, &envelope->smtputf8);
	case FIELD_REQUIRETLS: return take_yes(value, &envelope->requiretls);
	case FIELD_EXPANDED: return take_yes(value, &envelope->expanded);
	case FIELD_PRIORITY: return take_priority(value, &envelope->priority);
	case FIELD_BY: return take_by(value, at, envelope);
	case FIELD_ENVID:
		return !has_space(value) && take_text(value, ENVELOPE_XTEXT_MAX, &envelope->envid);
	case FIELD_CLIENT: return take_text(value, HOST_LEN_MAX, &envelope->client);
	case FIELD_ACCOUNT: return take_text(value, ENVELOPE_ADDRESS_MAX, &envelope->account);
	case FIELD_FORWARDER: return take_text(value, ENVELOPE_ADDRESS_MAX, &envelope->forwarder);
	case FIELD_KEPT: return take_text(value, ENVELOPE_ADDRESS_MAX, &envelope->kept);
	case FIELD_ABOUT: return is_about(value) && take_text(value, ABOUT_LEN_MAX, &envelope->about);
	case FIELD_DROP: return take_text(value, DROP_LEN_MAX, &envelope->drop);
	case FIELD_PROGRESS: return take_progress(value, at, envelope);
	case FIELD_ROOM: return take_room(value, at, envelope);
	case FIELD_TO: return take_recipient(value, at, envelope);
	case FIELD_COUNT: break;
	}
	return false;
}

static bool
take_line(struct span line, size_t at, unsigned *seen, struct envelope *envelope)
{
	ptrdiff_t space = span_chr(line, ' ');
	struct span key, value;

	if (space < 0 || !printable(line))
		return false;
	key = span_make(line.ptr, (size_t)space);
	value = span_skip(line, (size_t)space + 1);
	for (unsigned i = 0; i < FIELD_COUNT; i++)
		if (span_eq(key, span_of(field_names[i]))) {
			if (i != FIELD_TO && (*seen & (1u << i)) != 0)
				return false;
			*seen |= 1u << i;
			return take_field((enum field)i, value, at + (size_t)space + 1, envelope);
		}
	return false;
}

int
envelope_decode(
    struct span text, struct envelope *ret_envelope, size_t *ret_len, unsigned *ret_line)
{
	const unsigned wanted = (1u << FIELD_CREATED) | (1u << FIELD_FROM) | (1u << FIELD_TO);
	struct envelope envelope = { .uid = -1 };
	unsigned seen = 0, line_number = 0;
	size_t at = 0;
	bool good = true;

	while (good) {
		ptrdiff_t end = span_chr(span_skip(text, at), '\n');
		struct span line;

		line_number++;
		if (end < 0) {
			envelope_free(&envelope);
			if (text.len < ENVELOPE_MAX)
				return 1;
			good = false;
			break;
		}
		line = span_make(text.ptr + at, (size_t)end);
		if (line_number == 1)
			good = span_eq(line, SPAN(FIRST_LINE));
		else if (line.len == 0)
			break;
		else
			good =
			    at + line.len < ENVELOPE_MAX && take_line(line, at, &seen, &envelope);
		at += line.len + 1;
	}
	if (!good || (seen & wanted) != wanted) {
		envelope_free(&envelope);
		if (ret_line != NULL)
			*ret_line = line_number;
		return -EBADMSG;
	}
	*ret_envelope = envelope;
	*ret_len = at + 1;
	return 0;
}
