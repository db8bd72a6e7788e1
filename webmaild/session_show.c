/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message as a document for the reader's frame: its HTML through the render role, images by cid: put in as data: (the frame's origin
 * is opaque, so it could not fetch them with the user's cookie), or its text. */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/base64.h"
#include "common/log.h"
#include "common/mime_text.h"
#include "common/xalloc.h"
#include "webmaild/html_sanitize.h"
#include "webmaild/jmap_blob.h"
#include "webmaild/jmap_json.h"
#include "webmaild/jmap_part.h"
#include "webmaild/session.h"

#define IMAGES_MAX (16u << 20) /* of all images of a message together, encoded */
#define HTML_TYPE "text/html; charset=utf-8"
#define MARK_LEN 20

/* A message being shown. */
struct show {
	struct session_request *request;
	struct buf bytes;
	struct mime_message *message;
	struct jmap_body body;
	struct buf html;        /* UTF-8 */
	bool has_html, has_text;
	bool quote;             /* to be written on with: images of its own stay references */
	char mark[MARK_LEN + 1];
	struct named {
		char *cid;
		size_t len;
		uint32_t index;
	} *named;               /* the parts that have a cid, in order of it; made when first asked */
	size_t named_count;
};

static void
show_free(struct show *show)
{
	jmap_body_free(&show->body);
	(void)mime_free(show->message);
	buf_free(&show->bytes);
	buf_free(&show->html);
	for (size_t i = 0; i < show->named_count; i++)
		free(show->named[i].cid);
	free(show->named);
	free(show);
}

/* The texts of the HTML parts, one after the other. */
static bool
gather_html(struct show *show)
{
	bool any = false;

	for (size_t i = 0; i < show->body.html.count; i++) {
		uint32_t index = show->body.html.items[i];

		if (!mime_is(&show->message->parts[index], SPAN("text"), SPAN("html")))
			continue;
		if (any)
			(void)buf_str(&show->html, "\n");
		any = true;
		(void)mime_text_decode(show->message, index, &show->html); /* what fits is shown */
	}
	return any;
}

static bool
is_plain(const struct show *show, size_t i)
{
	return mime_is(&show->message->parts[show->body.text.items[i]], SPAN("text"), SPAN("plain"));
}

static bool
has_plain(const struct show *show)
{
	size_t i = 0;

	while (i < show->body.text.count && !is_plain(show, i))
		i++;
	return i < show->body.text.count;
}

static struct show *
show_new(struct session_request *request)
{
	struct jmap *jmap = request->session->jmap;
	const struct jmap_email *email;
	struct show *show;
	uint8_t random[MARK_LEN / 2];

	(void)jmap_sync(jmap);
	email = jmap_find_email_text(jmap, span_of(request->path));
	if (email == NULL) {
		session_problem(request, 404, "There is no such message.");
		return NULL;
	}
	show = xcalloc(1, sizeof(*show));
	show->request = request;
	show->bytes = BUF_INIT((size_t)jmap->session->conf->message_size_max);
	show->html = BUF_INIT(HTML_INPUT_MAX);
	if (jmap_email_read(jmap, email, &show->bytes) != 0 || getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		show_free(show);
		session_problem(request, 500, "The message cannot be read.");
		return NULL;
	}
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(show->mark + 2 * i, 3, "%02x", random[i]);
	show->message = mime_parse(buf_get(&show->bytes));
	jmap_body_sort(show->message, &show->body);
	show->has_html = gather_html(show);
	show->has_text = has_plain(show);
	return show;
}

/* --- images by cid: --- */

static int
compare_cids(struct span a, struct span b)
{
	int r = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

	return r != 0 ? r : (a.len > b.len) - (a.len < b.len);
}

static int
compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int r = compare_cids(span_make(x->cid, x->len), span_make(y->cid, y->len));

	return r != 0 ? r : (x->index > y->index) - (x->index < y->index);
}

static void
name_parts(struct show *show)
{
	show->named = xcalloc((size_t)show->message->count + 1, sizeof(show->named[0]));
	for (uint32_t i = 0; i < show->message->count; i++) {
		struct buf cid = BUF_INIT(1024);

		if (jmap_part_cid(&show->message->parts[i], &cid))
			show->named[show->named_count++] = (struct named){ span_dup(buf_get(&cid)), cid.len, i };
		buf_free(&cid);
	}
	qsort(show->named, show->named_count, sizeof(show->named[0]), compare_named);
}

/* The first part of that name. */
static uint32_t
find_cid(struct show *show, struct span wanted)
{
	size_t low = 0, high;

	if (show->named == NULL)
		name_parts(show);
	for (high = show->named_count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (compare_cids(span_make(show->named[middle].cid, show->named[middle].len), wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == show->named_count || !span_eq(span_make(show->named[low].cid, show->named[low].len), wanted))
		return MIME_NONE;
	return show->named[low].index;
}

/* The image as a data: URL; the placeholder when there is none, or it is no image a browser shows without running it. */
static void
put_image(struct show *show, struct span cid, size_t *left, struct buf *out)
{
	static const char *const types[] = { "png", "gif", "jpeg", "jpg", "webp", "bmp", "avif" };
	uint32_t index = find_cid(show, cid);
	struct buf bytes = BUF_INIT(*left / 4 * 3);
	size_t before = out->len, cost;
	const char *type = NULL;

	for (size_t i = 0; index != MIME_NONE && i < sizeof(types) / sizeof(types[0]); i++)
		if (mime_is(&show->message->parts[index], SPAN("image"), span_of(types[i])))
			type = types[i];
	if (type != NULL && mime_body_decode(show->message, index, &bytes) == 0 && bytes.len > 0) {
		(void)buf_fmt(out, "data:image/%s;base64,", type);
		(void)base64_encode(buf_get(&bytes), out);
	} else {
		(void)buf_str(out, HTML_PLACEHOLDER);
	}
	/* What was decoded for nothing, because it did not fit, counts too: it may be asked for again and again. */
	cost = out->len - before > bytes.len ? out->len - before : bytes.len;
	*left -= cost < *left ? cost : *left;
	buf_free(&bytes);
}

static bool
decode_hex(struct span hex, struct buf *out)
{
	for (size_t i = 0; i + 1 < hex.len; i += 2) {
		int high = ascii_hex(hex.ptr[i]), low = ascii_hex(hex.ptr[i + 1]);

		if (high < 0 || low < 0)
			return false;
		(void)buf_char(out, (char)(high * 16 + low));
	}
	return !out->overflow;
}

/* Replaces each <mark><hexadecimal>| of the document: by the image or, for a quote, by its cid: again. */
static void
put_images(struct show *show, struct span document, struct buf *out)
{
	struct span mark = span_of(show->mark);
	size_t left = IMAGES_MAX;
	ptrdiff_t at;

	while ((at = span_find(document, mark)) >= 0) {
		struct buf cid = BUF_INIT(1024);
		struct span hex = SPAN_NULL;

		(void)buf_put(out, document.ptr, (size_t)at);
		document = span_skip(document, (size_t)at + mark.len);
		(void)span_split(&document, '|', &hex);
		if (!decode_hex(hex, &cid)) {
			buf_free(&cid);
			continue;
		}
		if (show->quote) {
			(void)buf_str(out, "cid:");
			(void)html_escape(out, buf_get(&cid));
		} else {
			put_image(show, buf_get(&cid), &left, out);
		}
		buf_free(&cid);
	}
	(void)buf_span(out, document);
}

/* --- answers --- */

static void
answer_document(struct show *show, struct buf *document)
{
	struct session_request *request = show->request;

	request->rendering = NULL;
	request->show = NULL;
	session_answer(request, 200, HTML_TYPE, document);
	show_free(show);
}

/* Each in its own format: a list's footer is fixed where the mail above it is flowed. */
static void
put_plain_parts(const struct show *show, struct buf *out)
{
	size_t left = HTML_INPUT_MAX;

	for (size_t i = 0; i < show->body.text.count && left != 0; i++) {
		uint32_t index = show->body.text.items[i];
		struct buf text = BUF_INIT(left);

		if (is_plain(show, i)) {
			(void)mime_text_decode(show->message, index, &text); /* what fits is shown */
			(void)html_text_put(buf_get(&text), mime_text_format(&show->message->parts[index]), out);
		}
		left -= text.len;
		buf_free(&text);
	}
}

static void
put_html_as_text(const struct show *show, struct buf *out)
{
	struct buf text = BUF_INIT(HTML_INPUT_MAX);

	(void)mime_html_to_text(buf_get(&show->html), &text);
	(void)html_text_put(buf_get(&text), (struct flowed_format){ 0 }, out);
	buf_free(&text);
}

/* Without the render role: the text, made into a document here (escaping is all there is to it). */
static void
answer_text(struct show *show)
{
	struct buf out = BUF_INIT(HTML_OUTPUT_MAX);

	html_text_begin(&out);
	if (show->has_text)
		put_plain_parts(show, &out);
	else
		put_html_as_text(show, &out);
	if (html_text_end(&out) != 0) {
		buf_clear(&out);
		html_text_begin(&out);
		(void)html_text_put(SPAN("This message is too large to be shown; download it."), (struct flowed_format){ 0 }, &out);
		(void)html_text_end(&out);
	}
	answer_document(show, &out);
}

static void
on_rendered(void *context, bool ok, struct buf *document, unsigned remote_images)
{
	struct show *show = context;
	struct buf out = BUF_INIT(HTML_OUTPUT_MAX + IMAGES_MAX + IMAGES_MAX);

	(void)remote_images;
	if (!ok) {
		log_warning("not-rendered", log_str("account", show->request->session->proc->account), log_str("email", show->request->path));
		show->request->rendering = NULL;
		answer_text(show);
		return;
	}
	put_images(show, buf_get(document), &out);
	answer_document(show, &out);
}

static void
answer_info(struct show *show, unsigned remote_images)
{
	struct session_request *request = show->request;
	json_t *info = json_pack("{s:i, s:b, s:b}", "remoteImages", (int)remote_images, "hasHtml", show->has_html, "hasText", show->has_text);
	struct buf body = BUF_INIT(256);
	char *text = json_dumps(info, JSON_COMPACT);

	(void)buf_str(&body, text);
	free(text);
	json_decref(info);
	request->rendering = NULL;
	request->show = NULL;
	session_answer(request, 200, "application/json", &body);
	show_free(show);
}

static void
on_counted(void *context, bool ok, struct buf *document, unsigned remote_images)
{
	(void)document;
	answer_info(context, ok ? remote_images : 0);
}

static bool
is_on(const struct session_request *request, const char *name)
{
	struct buf value = BUF_INIT(8);
	bool on = session_parameter(request, name, &value) && span_eq(buf_get(&value), SPAN("1"));

	buf_free(&value);
	return on;
}

void
session_show(struct session_request *request)
{
	struct show *show = show_new(request);
	bool html;

	if (show == NULL)
		return;
	html = show->has_html && !(is_on(request, "text") && show->has_text);
	show->quote = is_on(request, "quote");
	request->show = show;
	if (!html || request->session->render_lost)
		answer_text(show);
	else
		request->rendering = session_render(request->session, is_on(request, "images"), span_of(show->mark), buf_get(&show->html), on_rendered,
		    show);
}

void
session_show_info(struct session_request *request)
{
	struct show *show = show_new(request);

	if (show == NULL)
		return;
	request->show = show;
	if (!show->has_html || request->session->render_lost)
		answer_info(show, 0);
	else
		request->rendering = session_render(request->session, false, SPAN_NULL, buf_get(&show->html), on_counted, show);
}

void
session_show_cancel(struct session_request *request)
{
	if (request->rendering != NULL)
		session_render_cancel(request->session, request->rendering);
	request->rendering = NULL;
	if (request->show != NULL)
		show_free(request->show);
	request->show = NULL;
}
