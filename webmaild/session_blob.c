/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Downloads and the end of uploads (RFC 8620 section 6). */
#include <errno.h>
#include <stdlib.h>

#include "common/crlf.h"
#include "common/log.h"
#include "webmaild/http_fields.h"
#include "webmaild/jmap_blob.h"
#include "webmaild/jmap_json.h"
#include "webmaild/session.h"

#define NAME_ROOM 1024
#define TYPE_ROOM 256

/* "{accountId}/rest": true, and the rest, when it is this account. */
static bool
take_account(const struct session_request *request, struct span *path)
{
	struct span account;

	return span_split(path, '/', &account) && span_eq(account, span_of(request->session->jmap->account_id));
}

/* What a browser may show by itself, when the bytes are what they say. Everything else is saved. */
static const struct {
	const char *type;
	struct span magic;
	size_t at;
} shown[] = {
	{ "image/png", { "\x89PNG\r\n\x1a\n", 8 }, 0 }, { "image/jpeg", { "\xff\xd8\xff", 3 }, 0 }, { "image/gif", { "GIF8", 4 }, 0 },
	{ "image/webp", { "WEBP", 4 }, 8 }, { "image/avif", { "ftypavif", 8 }, 4 },
};

static bool
may_be_shown(struct span type, struct span bytes)
{
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (span_ieq(type, span_of(shown[i].type)))
			return span_starts(span_skip(bytes, shown[i].at), shown[i].magic);
	return false;
}

/* A media type that can stand in a header field: type/subtype, and a charset for text. */
static const char *
safe_type(struct span wanted, struct buf *out)
{
	struct span rest = wanted, type, subtype;

	buf_clear(out);
	(void)span_split(&rest, ';', &type);
	rest = span_trim(type);
	if (span_split(&rest, '/', &subtype) && http_is_token(subtype) && http_is_token(rest)) {
		(void)buf_span(out, span_trim(type));
		if (span_ieq(span_trim(type), SPAN("text/plain")))
			(void)buf_str(out, "; charset=utf-8");
	}
	return out->len > 0 && !out->overflow ? buf_cstr(out) : "application/octet-stream";
}

/* The last part of the path as a name for a file: no folders, no control characters. */
static void
safe_name(struct span wanted, struct buf *out)
{
	struct buf decoded = BUF_INIT(NAME_ROOM);

	if (http_percent_decode(wanted, &decoded) == 0 && span_is_utf8(buf_get(&decoded)))
		for (size_t i = 0; i < decoded.len && out->len < 200; i++) {
			unsigned char c = (unsigned char)decoded.data[i];

			(void)buf_char(out, c < 0x20 || c == 0x7f || c == '/' || c == '\\' || c == ':' ? '_' : (char)c);
		}
	/* A leading dot would hide it; a cut character would not be text. */
	while (out->len > 0 && !span_is_utf8(buf_get(out)))
		buf_truncate(out, out->len - 1);
	if (out->len > 0 && out->data[0] == '.')
		out->data[0] = '_';
	buf_free(&decoded);
}

/* A message is stored with LF; it goes out as it came, with CRLF (RFC 5322 2.1). */
static void
with_crlf(struct buf *bytes)
{
	struct crlf crlf;
	uint64_t size = crlf_size(buf_get(bytes));
	struct buf out = BUF_INIT((size_t)size);

	crlf_begin(&crlf, buf_get(bytes), 0, size);
	while (crlf_take(&crlf, (size_t)size - out.len, &out) > 0)
		continue;
	buf_free(bytes);
	*bytes = out;
}

static void
answer_blob(struct session_request *request, const struct jmap_blob *blob, struct span wanted_name, struct buf *bytes)
{
	struct buf name = BUF_INIT(NAME_ROOM), wanted = BUF_INIT(TYPE_ROOM), type = BUF_INIT(TYPE_ROOM);

	/* RFC 8620 6.2: the type asked for is the type given; the policy of the response keeps it harmless. */
	if (!session_parameter(request, "type", &wanted))
		(void)buf_span(&wanted, buf_get(&blob->type));
	safe_name(wanted_name.len > 0 ? wanted_name : buf_get(&blob->name), &name);
	session_answer_file(request, safe_type(buf_get(&wanted), &type), buf_get(&name), may_be_shown(buf_get(&wanted), buf_get(bytes)), bytes);
	buf_free(&name);
	buf_free(&wanted);
	buf_free(&type);
}

void
session_download(struct session_request *request)
{
	struct span path = span_of(request->path), id = SPAN_NULL;
	struct buf bytes = BUF_INIT((size_t)request->session->conf->message_size_max * 2);
	struct jmap_blob blob;
	int r;

	if (!take_account(request, &path) || !span_split(&path, '/', &id)) {
		session_problem(request, 404, "There is no such account or blob.");
		return;
	}
	(void)jmap_sync(request->session->jmap); /* an email that has just come may be asked for */
	r = jmap_blob_read(request->session->jmap, id, &bytes, &blob);
	if (r == 0 && blob.is_message && span_chr(id, '-') < 0)
		with_crlf(&bytes);
	if (r == 0)
		answer_blob(request, &blob, path, &bytes);
	else
		session_problem(request, r == -EMSGSIZE ? 413 : r < 0 ? 500 : 404, "There is no such blob.");
	jmap_blob_free(&blob);
	buf_free(&bytes);
}

void
session_upload_done(struct session_request *request)
{
	struct span path = span_of(request->path), type = span_of(request->content_type);
	struct buf body = BUF_INIT(2048);
	uint64_t size = 0;
	char id[64];
	json_t *answer;
	char *text;
	int r = 0;

	if (!take_account(request, &path) || path.len > 0) {
		session_problem(request, 404, "There is no such account.");
		return;
	}
	if (request->upload == NULL)
		request->upload = upload_begin(request->session->uploads, &r);
	/* Its client has gone away: what came would wait for a day, and for its share of what may wait. */
	if (r == 0 && request->length != UINT64_MAX && upload_size(request->upload) != request->length) {
		session_problem(request, 400, "The file did not come whole.");
		return;
	}
	if (r == 0) {
		r = upload_commit(request->upload, id, &size);
		request->upload = NULL;
	}
	if (r < 0) {
		log_warning("upload-failed", log_str("account", request->session->proc->account), log_errno("error", r));
		session_problem(request, r == -ENOSPC || r == -EDQUOT ? 507 : 500, "The file could not be kept.");
		return;
	}
	answer = json_pack("{s:s, s:s, s:o, s:I}", "accountId", request->session->jmap->account_id, "blobId", id, "type",
	    jmap_text(type.len > 0 ? type : SPAN("application/octet-stream")), "size", (json_int_t)size);
	text = json_dumps(answer, JSON_COMPACT);
	(void)buf_str(&body, text);
	free(text);
	json_decref(answer);
	session_answer(request, 201, "application/json", &body);
}

bool
session_parameter(const struct session_request *request, const char *name, struct buf *out)
{
	return http_parameter(span_of(request->query), span_of(name), out) == 0;
}
