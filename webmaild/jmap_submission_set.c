/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* EmailSubmission/set (RFC 8621 section 7.5): an email and an envelope become a file in spool/drop. A delay (FUTURERELEASE, RFC 4865)
 * becomes the release time of the envelope: until then the submission can be canceled. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "common/address.h"
#include "common/address_list.h"
#include "common/drop_control.h"
#include "common/header.h"
#include "common/log.h"
#include "common/mime.h"
#include "common/text_set.h"
#include "frame/account_name.h"
#include "webmaild/jmap_header.h"
#include "webmaild/jmap_identity.h"
#include "webmaild/jmap_submission.h"

/* --- the envelope --- */

static bool
is_same_mailbox(struct span a, struct span b)
{
	struct address x, y;
	struct buf left = BUF_INIT(1024), right = BUF_INIT(1024);
	bool same;

	if (address_parse_mailbox(a, ADDRESS_SMTPUTF8, &x) != ADDRESS_OK || address_parse_mailbox(b, ADDRESS_SMTPUTF8, &y) != ADDRESS_OK)
		return false;
	(void)address_canonical(&x, &left);
	(void)address_canonical(&y, &right);
	same = left.len > 0 && span_ieq(buf_get(&left), buf_get(&right));
	buf_free(&left);
	buf_free(&right);
	return same;
}

/* The account's own address, or with a detail: user+detail@domain (RFC 5233). */
static bool
is_own(const struct jmap *jmap, struct span email)
{
	struct buf plain = BUF_INIT(1024);
	struct span own = span_of(jmap->session->proc->account);
	ptrdiff_t at = span_rchr(email, '@'), plus = span_chr(email, '+');
	bool is;

	if (plus > 0 && plus < at) {
		(void)buf_put(&plain, email.ptr, (size_t)plus);
		(void)buf_span(&plain, span_skip(email, (size_t)at));
	}
	is = is_same_mailbox(email, own) || is_same_mailbox(buf_get(&plain), own);
	buf_free(&plain);
	return is;
}

/* Seconds from now that the parameters of mailFrom hold the message back; a negative number when they cannot be. */
static int64_t
delay_of(const json_t *mail_from, int64_t now)
{
	const json_t *parameters = json_object_get(mail_from, "parameters");
	const char *key;
	json_t *value;
	int64_t delay = 0;

	json_object_foreach((json_t *)(uintptr_t)parameters, key, value) {
		struct span text = jmap_span(value);
		uint64_t number;
		int64_t seconds;

		if (span_ieq(span_of(key), SPAN("HOLDFOR")) && span_to_u64(text, JMAP_DELAY_MAX, &number) == 0)
			delay = (int64_t)number;
		else if (span_ieq(span_of(key), SPAN("HOLDUNTIL")) && jmap_parse_date(text, &seconds) && seconds - now <= JMAP_DELAY_MAX)
			delay = seconds > now ? seconds - now : 0;
		else if (!span_ieq(span_of(key), SPAN("SIZE")) && !span_ieq(span_of(key), SPAN("BODY")) && !span_ieq(span_of(key), SPAN("SMTPUTF8")) &&
		    !span_ieq(span_of(key), SPAN("RET")) && !span_ieq(span_of(key), SPAN("ENVID")))
			return -1;
	}
	return delay;
}

/* To, Cc and Bcc, each address once. */
static json_t *
recipients_of(const struct jmap *jmap, struct span block)
{
	static const char *const names[] = { "To", "Cc", "Bcc" };
	json_t *list = json_array();
	struct text_set *seen = text_set_new(0);
	struct buf key = BUF_INIT(4096);

	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		json_t *emails = jmap_header_emails(block, names[n]);

		for (size_t i = 0; i < json_array_size(emails); i++) {
			struct span email = jmap_span(json_array_get(emails, i));

			account_name_key(email, &jmap->session->proc->common->domains, &key);
			if (text_set_add(seen, buf_get(&key)))
				(void)json_array_append_new(list, json_pack("{s:o, s:n}", "email", jmap_text(email), "parameters"));
		}
		json_decref(emails);
	}
	(void)text_set_free(seen);
	buf_free(&key);
	return list;
}

/* An Address of an envelope (RFC 8621 section 7), and nothing else that it may have. A new reference, or NULL when it has not the shape. */
static json_t *
read_address(const json_t *given)
{
	json_t *email = json_object_get(given, "email"), *parameters = json_object_get(given, "parameters"), *value;
	const char *key;

	if (!json_is_string(email) || (parameters != NULL && !json_is_null(parameters) && !json_is_object(parameters)))
		return NULL;
	json_object_foreach(parameters, key, value)
		if (!json_is_string(value) && !json_is_null(value))
			return NULL;
	return json_pack("{s:O, s:o}", "email", email, "parameters", json_is_object(parameters) ? json_incref(parameters) : json_null());
}

/* The envelope as given, or made from the header. A new reference, or NULL when it has not the shape. */
static json_t *
read_envelope(const struct jmap *jmap, const json_t *submission, struct span block)
{
	const json_t *given = json_object_get(submission, "envelope"), *list = json_object_get(given, "rcptTo");
	json_t *from, *recipients;
	bool good;

	if (given == NULL || json_is_null(given))
		return json_pack("{s:{s:s, s:n}, s:o}", "mailFrom", "email", jmap->session->proc->account, "parameters", "rcptTo", recipients_of(jmap, block));
	from = read_address(json_object_get(given, "mailFrom"));
	recipients = json_array();
	good = from != NULL && json_is_array(list);
	for (size_t i = 0; good && i < json_array_size(list); i++)
		good = json_array_append_new(recipients, read_address(json_array_get(list, i))) == 0; /* NULL: -1 */
	if (good)
		return json_pack("{s:o, s:o}", "mailFrom", from, "rcptTo", recipients);
	json_decref(from);
	json_decref(recipients);
	return NULL;
}

/* At any level of its parts (RFC 6531 section 3.2). */
static bool
has_utf8_header(struct span message)
{
	struct mime_message *mime;
	bool found = false;

	if (span_is_ascii(message))
		return false;
	mime = mime_parse(message);
	for (uint32_t i = 0; i < mime->count && !found; i++)
		found = !span_is_ascii(mime_header(mime, &mime->parts[i]));
	(void)mime_free(mime);
	return found;
}

static bool
needs_utf8(const json_t *envelope, struct span message)
{
	const json_t *list = json_object_get(envelope, "rcptTo");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (!span_is_ascii(jmap_span(json_object_get(json_array_get(list, i), "email"))))
			return true;
	return has_utf8_header(message);
}

static bool
is_7bit(struct span message)
{
	return span_is_ascii(message);
}

/* Those that the value of a field names: true when all are the account's own. */
static bool
are_own(const struct jmap *jmap, struct span value, size_t *count)
{
	struct address_list list;
	bool own;

	address_list_parse(value, &list);
	own = !list.cut && !list.ambiguous;
	for (size_t i = 0; i < list.count && own; i++) {
		struct buf email = BUF_INIT(1024);

		if (list.entries[i].kind != ADDRESS_KIND_MAILBOX)
			continue;
		(*count)++;
		own = address_spec_append(&email, list.entries[i].local, list.entries[i].domain) == 0 && is_own(jmap, buf_get(&email));
		buf_free(&email);
	}
	address_list_free(&list);
	return own;
}

/* Who says that the message is his must be the account, as with what is submitted by SMTP (RFC 6409 section 6.1). NULL, or an error. */
static json_t *
judge_authors(const struct jmap *jmap, struct span block)
{
	static const struct span names[] = { SPAN("From"), SPAN("Sender"), SPAN("Resent-From"), SPAN("Resent-Sender") };
	size_t fields[4] = { 0 }, authors[4] = { 0 };
	struct header_iter iter;
	struct header_field field;

	header_begin(&iter, block);
	while (header_next(&iter, &field))
		for (size_t i = 0; i < 4; i++)
			if (span_ieq(field.name, names[i])) {
				fields[i]++;
				if (!are_own(jmap, field.value, &authors[i]))
					return jmap_set_error("forbiddenFrom", NULL);
			}
	return fields[0] == 1 && authors[0] != 0 ? NULL : json_pack("{s:s, s:[s]}", "type", "invalidEmail", "properties", "from");
}

/* RFC 8621 7.5's errors for an envelope. NULL: it may be used. */
static json_t *
judge(const struct jmap *jmap, const json_t *envelope, struct span block)
{
	const json_t *list = json_object_get(envelope, "rcptTo");
	struct span from = jmap_span(json_object_get(json_object_get(envelope, "mailFrom"), "email"));
	json_t *bad = json_array(), *error = NULL;

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *email = json_object_get(json_array_get(list, i), "email");
		struct address address;

		if (address_parse_mailbox(jmap_span(email), ADDRESS_SMTPUTF8, &address) != ADDRESS_OK)
			(void)json_array_append(bad, email);
	}
	if (!is_own(jmap, from))
		error = jmap_set_error("forbiddenMailFrom", NULL);
	if (error == NULL)
		error = judge_authors(jmap, block);
	if (error == NULL && json_array_size(list) == 0)
		error = jmap_set_error("noRecipients", NULL);
	if (error == NULL && json_array_size(list) > JMAP_RECIPIENTS_MAX)
		error = json_pack("{s:s, s:i}", "type", "tooManyRecipients", "maxRecipients", JMAP_RECIPIENTS_MAX);
	if (error == NULL && json_array_size(bad) > 0)
		error = json_pack("{s:s, s:O}", "type", "invalidRecipients", "invalidRecipients", bad);
	json_decref(bad);
	return error;
}

/* --- the spool --- */

/* The message without Bcc: nobody shall see who else got it (RFC 5322 3.6.3). */
static int
write_message(struct drop *drop, struct span message)
{
	struct span block = span_make(message.ptr, header_block_size(message));
	struct header_iter iter;
	struct header_field field;
	size_t from = 0;
	int r = 0;

	header_begin(&iter, block);
	while (r == 0 && header_next(&iter, &field)) {
		if (!span_ieq(field.name, SPAN("Bcc")))
			continue;
		r = drop_write(drop, span_make(message.ptr + from, field.at - from));
		from = field.at + field.whole.len;
	}
	return r == 0 ? drop_write(drop, span_skip(message, from)) : r;
}

static uint8_t
notify_of(const json_t *recipient)
{
	struct span rest = jmap_span(json_object_get(json_object_get(recipient, "parameters"), "NOTIFY")), word;
	uint8_t notify = 0;

	while (span_split(&rest, ',', &word)) {
		notify |= span_ieq(word, SPAN("NEVER")) ? ENVELOPE_NEVER : 0;
		notify |= span_ieq(word, SPAN("SUCCESS")) ? ENVELOPE_SUCCESS : 0;
		notify |= span_ieq(word, SPAN("FAILURE")) ? ENVELOPE_FAILURE : 0;
		notify |= span_ieq(word, SPAN("DELAY")) ? ENVELOPE_DELAY : 0;
	}
	return notify;
}

static int
make_envelope(const struct jmap *jmap, const json_t *object, struct span message, int64_t now, int64_t release, struct envelope *ret_envelope)
{
	const json_t *list = json_object_get(object, "rcptTo");
	int r;

	envelope_init(ret_envelope, jmap_span(json_object_get(json_object_get(object, "mailFrom"), "email")), now);
	ret_envelope->release = release;
	ret_envelope->body = !is_7bit(message) ? ENVELOPE_8BITMIME : ENVELOPE_7BIT;
	ret_envelope->smtputf8 = needs_utf8(object, message);
	r = envelope_set(&ret_envelope->account, span_of(jmap->session->proc->account));
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		const json_t *recipient = json_array_get(list, i);

		r = envelope_add(ret_envelope, jmap_span(json_object_get(recipient, "email")), SPAN_NULL, notify_of(recipient));
	}
	return r;
}

static int
drop_message(const struct jmap *jmap, const json_t *object, struct span message, int64_t now, int64_t release, char *ret_name)
{
	struct envelope envelope;
	struct drop *drop = NULL;
	int r = make_envelope(jmap, object, message, now, release, &envelope);

	if (r == 0)
		r = drop_begin(jmap->session->drop_folder, &envelope, &drop);
	envelope_free(&envelope);
	if (r == 0) {
		r = write_message(drop, message);
		if (r < 0)
			drop_abandon(drop);
		else
			r = drop_commit(drop, ret_name);
	}
	return r;
}

/* --- create --- */

static json_t *
new_entry(const char *id, const struct jmap_email *email, const json_t *envelope, int64_t send_at, const char *drop, json_int_t state)
{
	char email_id[JMAP_ID_LEN + 1], thread_id[JMAP_ID_LEN + 1];

	jmap_email_id(email->id, email_id);
	jmap_thread_id(email->thread, thread_id);
	return json_pack("{s:s, s:s, s:s, s:s, s:O, s:o, s:s, s:b, s:I, s:I}", "id", id, "identityId", JMAP_IDENTITY_ID, "emailId", email_id, "threadId",
	    thread_id, "envelope", envelope, "sendAt", jmap_utc_date(send_at), "drop", drop, "canceled", 0, "created", state, "changed", state);
}

static json_t *
send(struct jmap_call *call, json_t *file, const struct jmap_email *email, const json_t *object, struct span message, json_t **ret_entry)
{
	struct jmap *jmap = call->jmap;
	struct span block = span_make(message.ptr, header_block_size(message));
	int64_t now = time(NULL), delay = 0;
	json_t *envelope = read_envelope(jmap, object, block), *error = NULL;
	json_int_t state = json_integer_value(json_object_get(file, "state")) + 1;
	char drop[DROP_NAME_MAX], id[32];
	int r;

	if (envelope == NULL)
		return jmap_set_error_property("invalidProperties", NULL, "envelope");
	delay = delay_of(json_object_get(envelope, "mailFrom"), now);
	error = delay < 0 ? jmap_set_error_property("invalidProperties", "The parameters cannot be fulfilled.", "envelope") : judge(jmap, envelope, block);
	if (error == NULL) {
		r = drop_message(jmap, envelope, message, now, delay > 0 ? now + delay : 0, drop);
		if (r < 0) {
			log_error("not-sent", log_str("account", jmap->session->proc->account), log_errno("error", r));
			error = jmap_store_set_error(r);
		}
	}
	if (error == NULL) {
		log_info("sent", log_str("account", jmap->session->proc->account), log_str("drop", drop),
		    log_u64("recipients", json_array_size(json_object_get(envelope, "rcptTo"))), log_i64("delay", delay));
		(void)snprintf(id, sizeof(id), "s%lld", (long long)state);
		*ret_entry = new_entry(id, email, envelope, now + delay, drop, state);
		(void)json_array_append(json_object_get(file, "list"), *ret_entry);
		(void)json_object_set_new(file, "state", json_integer(state));
	}
	json_decref(envelope);
	return error;
}

static json_t *
create(struct jmap_call *call, json_t *file, const char *creation, const json_t *object, json_t **ret_created, json_t **ret_entry)
{
	struct jmap *jmap = call->jmap;
	const struct jmap_email *email = jmap_find_email_text(jmap, jmap_real_id(call, jmap_span(json_object_get(object, "emailId"))));
	struct span identity = jmap_real_id(call, jmap_span(json_object_get(object, "identityId")));
	struct buf message = BUF_INIT((size_t)jmap->session->conf->message_size_max);
	json_t *error;
	int r;

	if (!span_eq(identity, SPAN(JMAP_IDENTITY_ID)))
		return jmap_set_error_property("invalidProperties", "There is no such identity.", "identityId");
	if (email == NULL)
		return jmap_set_error_property("invalidProperties", "There is no such email.", "emailId");
	r = jmap_email_read(jmap, email, &message);
	error = r != 0 ? jmap_store_set_error(r) : send(call, file, email, object, buf_get(&message), ret_entry);
	buf_free(&message);
	if (error != NULL)
		return error;
	*ret_created = json_pack("{s:O, s:O, s:O, s:s, s:n, s:[], s:[]}", "id", json_object_get(*ret_entry, "id"), "threadId",
	    json_object_get(*ret_entry, "threadId"), "sendAt", json_object_get(*ret_entry, "sendAt"), "undoStatus", jmap_submission_undo(*ret_entry),
	    "deliveryStatus", "dsnBlobIds", "mdnBlobIds");
	if (json_object_get(object, "envelope") == NULL)
		(void)json_object_set(*ret_created, "envelope", json_object_get(*ret_entry, "envelope"));
	jmap_note_created(call, creation, json_string_value(json_object_get(*ret_entry, "id")));
	return NULL;
}

/* --- update: undoStatus to canceled is all there is --- */

static json_t *
update(struct jmap *jmap, json_t *file, json_t *entry, const json_t *patch)
{
	struct span status = jmap_span(json_object_get(patch, "undoStatus"));
	json_int_t state = json_integer_value(json_object_get(file, "state")) + 1;
	int r;

	if (json_object_size(patch) != 1 || !span_eq(status, SPAN("canceled")))
		return jmap_set_error_property("invalidProperties", "Only undoStatus can be changed, to canceled.", "undoStatus");
	if (strcmp(jmap_submission_undo(entry), "pending") != 0)
		return jmap_set_error("cannotUnsend", NULL);
	r = drop_control(jmap->session->drop_folder, DROP_REMOVE, jmap_span(json_object_get(entry, "drop")));
	if (r < 0)
		return jmap_store_set_error(r);
	log_info("unsent", log_str("account", jmap->session->proc->account), log_span("drop", jmap_span(json_object_get(entry, "drop"))));
	(void)json_object_set_new(entry, "canceled", json_true());
	(void)json_object_set_new(entry, "changed", json_integer(state));
	(void)json_object_set_new(file, "state", json_integer(state));
	return NULL;
}

/* --- what follows a success (RFC 8621 7.5: onSuccessUpdateEmail, onSuccessDestroyEmail) --- */

/* The email of a submission named by "#creation" (of this call) or by id. A string, borrowed; or NULL. */
static const char *
email_of(const struct jmap_call *call, const json_t *file, const json_t *succeeded, struct span reference)
{
	struct span id = jmap_real_id(call, reference);
	const json_t *entry = jmap_submissions_find(file, id);

	if (entry == NULL || json_object_get(succeeded, json_string_value(json_object_get(entry, "id"))) == NULL)
		return NULL;
	return json_string_value(json_object_get(entry, "emailId"));
}

static void
follow(struct jmap_call *call, const json_t *file, const json_t *succeeded)
{
	const json_t *updates = json_object_get(call->args, "onSuccessUpdateEmail"), *destroys = json_object_get(call->args, "onSuccessDestroyEmail");
	json_t *update_map = json_object(), *destroy_list = json_array(), *value;
	struct jmap_call next = *call;
	const char *key, *email;

	json_object_foreach((json_t *)(uintptr_t)updates, key, value)
		if ((email = email_of(call, file, succeeded, span_of(key))) != NULL)
			(void)json_object_set(update_map, email, value);
	for (size_t i = 0; i < json_array_size(destroys); i++)
		if ((email = email_of(call, file, succeeded, jmap_span(json_array_get(destroys, i)))) != NULL)
			(void)json_array_append_new(destroy_list, json_string(email));
	next.name = "Email/set";
	next.args = json_pack("{s:O, s:O, s:O}", "accountId", json_object_get(call->args, "accountId"), "update", update_map, "destroy", destroy_list);
	if (json_object_size(update_map) + json_array_size(destroy_list) > 0)
		jmap_email_set(&next);
	json_decref(next.args);
	json_decref(update_map);
	json_decref(destroy_list);
}

static bool
check_follow(struct jmap_call *call)
{
	const json_t *updates = json_object_get(call->args, "onSuccessUpdateEmail"), *destroys = json_object_get(call->args, "onSuccessDestroyEmail");

	if ((updates == NULL || json_is_null(updates) || json_is_object(updates)) &&
	    (destroys == NULL || json_is_null(destroys) || jmap_is_string_list(destroys)))
		return true;
	jmap_error(call, "invalidArguments", "onSuccessUpdateEmail or onSuccessDestroyEmail has the wrong type.");
	return false;
}

void
jmap_submission_set(struct jmap_call *call)
{
	json_t *file = jmap_submissions_load(call->jmap), *succeeded = json_object(), *value;
	struct jmap_state old = jmap_submissions_state(file);
	struct jmap_set_args args;
	struct jmap_set_result result;
	const char *key;
	int r;

	if (!check_follow(call) || !jmap_set_begin(call, &args, old.text)) {
		json_decref(file);
		json_decref(succeeded);
		return;
	}
	jmap_set_result_init(&result);
	json_object_foreach(args.create, key, value) {
		json_t *created = NULL, *entry = NULL, *error = create(call, file, key, value, &created, &entry);

		if (error == NULL)
			(void)json_object_set_new(succeeded, json_string_value(json_object_get(entry, "id")), json_true());
		json_decref(entry);
		(void)json_object_set_new(error != NULL ? result.not_created : result.created, key, error != NULL ? error : created);
	}
	json_object_foreach(args.update, key, value) {
		json_t *entry = jmap_submissions_find(file, jmap_real_id(call, span_of(key)));
		json_t *error = entry != NULL ? update(call->jmap, file, entry, value) : jmap_set_error("notFound", NULL);

		if (error == NULL)
			(void)json_object_set_new(succeeded, json_string_value(json_object_get(entry, "id")), json_true());
		(void)json_object_set_new(error != NULL ? result.not_updated : result.updated, key, error != NULL ? error : json_null());
	}
	for (size_t i = 0; i < json_array_size(args.destroy); i++) {
		const char *id = json_string_value(json_array_get(args.destroy, i));

		(void)json_object_set_new(result.not_destroyed, id,
		    jmap_set_error(jmap_submissions_find(file, span_of(id)) != NULL ? "forbidden" : "notFound", "Submissions go by themselves."));
	}
	/* The mail is on its way whatever becomes of our note of it. */
	r = json_object_size(succeeded) > 0 ? jmap_submissions_save(call->jmap, file) : 0;
	if (r < 0)
		log_warning("submissions-not-saved", log_str("account", call->jmap->session->proc->account), log_errno("error", r));
	jmap_set_respond(call, &result, old.text, jmap_submissions_state(file).text);
	follow(call, file, succeeded);
	json_decref(file);
	json_decref(succeeded);
}
