/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Plain text as a document: every byte escaped, links built around what looks like a URL or an address. Pure. */
#include <errno.h>

#include "webmaild/html_sanitize.h"

#define QUOTES_MAX 20

int
html_escape(struct buf *out, struct span text)
{
	size_t from = 0;

	for (size_t i = 0; i < text.len; i++) {
		const char *entity = NULL;

		switch (text.ptr[i]) {
		case '&':
			entity = "&amp;";
			break;
		case '<':
			entity = "&lt;";
			break;
		case '>':
			entity = "&gt;";
			break;
		case '"':
			entity = "&quot;";
			break;
		case '\'':
			entity = "&#39;";
			break;
		case '\0':
			entity = "\xef\xbf\xbd";
			break;
		default:
			continue;
		}
		(void)buf_put(out, text.ptr + from, i - from);
		(void)buf_str(out, entity);
		from = i + 1;
	}
	(void)buf_put(out, text.ptr != NULL ? text.ptr + from : "", text.len - from);
	return out->overflow ? -EMSGSIZE : 0;
}

void
html_document_begin(struct buf *out, bool is_text)
{
	(void)buf_str(out, "<!DOCTYPE html>\n<html");
	/* Plain text has no colours of its own. The frame's page cannot reach into it; it asks for dark ones by the fragment #dark. */
	if (is_text)
		(void)buf_str(out, " id=\"dark\"");
	(void)buf_str(out, "><head><meta charset=\"utf-8\">"
	                   "<meta name=\"viewport\" content=\"width=device-width\"><style>\n"
	                   "html{background:#fff;color:#1b1b1f}"
	                   "body{margin:12px;font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}"
	                   "img{max-width:100%}");
	/* "anywhere" would let columns shrink to a letter. An image that is not shown says what it is of. A small screen is narrower than
	 * what most mail is laid out for. */
	if (!is_text)
		(void)buf_str(out, "td,th{overflow-wrap:break-word}pre{white-space:pre-wrap}"
		                   "img:not([src]){color:#5c6675;font:13px/1.4 system-ui,sans-serif}"
		                   "@media (max-width:600px){table,td,th{width:auto!important;min-width:0!important}"
		                   "table,div{max-width:100%!important}img{max-width:100%!important;object-fit:contain}}");
	if (is_text)
		(void)buf_str(out, ".text{white-space:pre-wrap}a{color:#2b59c3}"
		                   "blockquote{margin:0 0 0 2px;padding-left:10px;border-left:2px solid #8a93a6;color:#4a5262}"
		                   "html:target{color-scheme:dark;background:#1a1d23;color:#e4e7ec}"
		                   "html:target a{color:#86a8f7}html:target blockquote{color:#9ba5b4}");
	(void)buf_str(out, "\n</style>");
}

static bool
is_url_byte(char c)
{
	return (unsigned char)c > 0x20 && c != 0x7f && strchr("<>\"`{}|\\^", c) == NULL;
}

/* Punctuation that ends a sentence rather than a URL: of ")" those that the URL itself did not open. */
static size_t
without_tail(struct span url)
{
	int depth = 0;

	for (size_t i = 0; i < url.len; i++)
		depth += (url.ptr[i] == '(') - (url.ptr[i] == ')');
	for (; url.len > 0; url.len--) {
		char last = url.ptr[url.len - 1];

		if ((last == ')' && depth >= 0) || strchr(".,;:!?)]'*_", last) == NULL)
			break;
		depth += last == ')';
	}
	return url.len;
}

static bool
is_local_byte(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr(".+-_=~/", c) != NULL);
}

/* How many bytes at `at` are a URL; 0: none. */
static size_t
url_at(struct span text, size_t at)
{
	struct span rest = span_skip(text, at);
	size_t len = 0, prefix;

	if (at > 0 && (ascii_is_alnum(text.ptr[at - 1]) || text.ptr[at - 1] == '.'))
		return 0;
	if (span_istarts(rest, SPAN("https://")))
		prefix = 8;
	else if (span_istarts(rest, SPAN("http://")))
		prefix = 7;
	else if (span_istarts(rest, SPAN("www.")))
		prefix = 4;
	else if (span_istarts(rest, SPAN("mailto:")))
		prefix = 7;
	else
		return 0;
	while (len < rest.len && len < 2048 && is_url_byte(rest.ptr[len]))
		len++;
	len = without_tail(span_make(rest.ptr, len));
	return len > prefix ? len : 0;
}

/* How many bytes at `at` are an address: local@label.label. */
static size_t
address_at(struct span text, size_t at)
{
	struct span rest = span_skip(text, at);
	size_t len = 0, domain, dot = 0;

	if (at > 0 && is_local_byte(text.ptr[at - 1]))
		return 0;
	while (len < rest.len && len < 64 && is_local_byte(rest.ptr[len]))
		len++;
	if (len == 0 || len == rest.len || rest.ptr[len] != '@' || !ascii_is_alnum(rest.ptr[0]))
		return 0;
	domain = ++len;
	while (len < rest.len && len - domain < 253 && (ascii_is_alnum(rest.ptr[len]) || rest.ptr[len] == '-' || rest.ptr[len] == '.'))
		len++;
	len = without_tail(span_make(rest.ptr, len));
	for (size_t i = domain + 1; i < len; i++)
		if (rest.ptr[i] == '.')
			dot = i;
	return dot != 0 && dot + 2 < len ? len : 0;
}

static void
put_link(struct buf *out, struct span text, const char *scheme)
{
	struct buf url = BUF_INIT(HTML_URL_MAX), clean = BUF_INIT(HTML_URL_MAX);

	(void)buf_str(&url, scheme);
	(void)buf_span(&url, text);
	if (!url.overflow && html_url_clean(buf_get(&url), HTML_URL_LINK, &clean) == HTML_URL_SAFE) {
		(void)buf_str(out, "<a href=\"");
		(void)html_escape(out, buf_get(&clean));
		(void)buf_str(out, "\" target=\"_blank\" rel=\"noopener noreferrer\">");
		(void)html_escape(out, text);
		(void)buf_str(out, "</a>");
	} else {
		(void)html_escape(out, text);
	}
	buf_free(&clean);
	buf_free(&url);
}

static void
put_line(struct buf *out, struct span line)
{
	size_t from = 0, at = 0;

	while (at < line.len) {
		size_t len = url_at(line, at);
		const char *scheme = "";

		if (len > 0) {
			scheme = span_istarts(span_skip(line, at), SPAN("www.")) ? "https://" : "";
		} else {
			len = address_at(line, at);
			scheme = "mailto:";
		}
		if (len == 0) {
			at++;
			continue;
		}
		(void)html_escape(out, span_make(line.ptr + from, at - from));
		put_link(out, span_make(line.ptr + at, len), scheme);
		at += len;
		from = at;
	}
	(void)html_escape(out, span_make(line.ptr + from, line.len - from));
}

struct text_writer {
	struct buf *out;
	unsigned depth; /* of open quotes */
	bool block;     /* a <div class="text"> is open */
	struct buf paragraph;
};

static void
close_block(struct text_writer *writer)
{
	if (writer->block)
		(void)buf_str(writer->out, "</div>");
	writer->block = false;
}

static void
flush_paragraph(struct text_writer *writer)
{
	if (!writer->block) {
		(void)buf_str(writer->out, "<div class=\"text\">");
		writer->block = true;
	}
	put_line(writer->out, buf_get(&writer->paragraph));
	(void)buf_char(writer->out, '\n');
	buf_clear(&writer->paragraph);
}

static void
set_depth(struct text_writer *writer, unsigned depth)
{
	if (writer->depth == depth)
		return;
	close_block(writer);
	for (; writer->depth < depth; writer->depth++)
		(void)buf_str(writer->out, "<blockquote>");
	for (; writer->depth > depth; writer->depth--)
		(void)buf_str(writer->out, "</blockquote>");
}

void
html_text_begin(struct buf *out)
{
	html_document_begin(out, true);
	(void)buf_str(out, "</head><body>");
}

int
html_text_put(struct span text, struct flowed_format format, struct buf *out)
{
	struct text_writer writer = { out, 0, false, BUF_INIT(HTML_INPUT_MAX) };
	struct flowed_line line;

	if (text.len > HTML_INPUT_MAX)
		return -E2BIG;
	while (flowed_take(&text, format, &line)) {
		set_depth(&writer, line.depth < QUOTES_MAX ? line.depth : QUOTES_MAX);
		(void)buf_span(&writer.paragraph, line.text);
		if (!line.soft)
			flush_paragraph(&writer);
	}
	set_depth(&writer, 0);
	close_block(&writer);
	buf_free(&writer.paragraph);
	return out->overflow ? -EMSGSIZE : 0;
}

int
html_text_end(struct buf *out)
{
	(void)buf_str(out, "</body></html>\n");
	return out->overflow ? -EMSGSIZE : 0;
}
