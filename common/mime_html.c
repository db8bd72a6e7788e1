/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* HTML as plain text, roughly. */
#include <errno.h>

#include "common/mime_text.h"

/* What a run of white space or a tag asks for before the next text. */
enum gap { GAP_NONE, GAP_SPACE, GAP_LINE };

struct writer {
	struct buf *out;
	size_t start;
	enum gap gap;
	bool full;
};

/* U+00A0 and following; HTML 4.01 section 24.2. */
static const char latin[96][7] = {
	"nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo", "not", "shy", "reg",
	"macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot", "cedil", "sup1", "ordm", "raquo", "frac14",
	"frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave", "Eacute",
	"Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute", "Ocirc", "Otilde", "Ouml", "times",
	"Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN", "szlig", "agrave", "aacute", "acirc", "atilde", "auml",
	"aring", "aelig", "ccedil", "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc", "iuml", "eth", "ntilde", "ograve",
	"oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave", "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
};

static const struct {
	struct span name;
	uint32_t character;
} entities[] = {
	{ { "amp", 3 }, '&' }, { { "lt", 2 }, '<' }, { { "gt", 2 }, '>' }, { { "quot", 4 }, '"' }, { { "apos", 4 }, '\'' },
	{ { "ndash", 5 }, 0x2013 }, { { "mdash", 5 }, 0x2014 }, { { "lsquo", 5 }, 0x2018 }, { { "rsquo", 5 }, 0x2019 },
	{ { "sbquo", 5 }, 0x201a }, { { "ldquo", 5 }, 0x201c }, { { "rdquo", 5 }, 0x201d }, { { "bdquo", 5 }, 0x201e },
	{ { "bull", 4 }, 0x2022 }, { { "hellip", 6 }, 0x2026 }, { { "euro", 4 }, 0x20ac }, { { "trade", 5 }, 0x2122 },
	{ { "ensp", 4 }, 0x2002 }, { { "emsp", 4 }, 0x2003 }, { { "thinsp", 6 }, 0x2009 }, { { "zwnj", 4 }, 0x200c },
	{ { "zwj", 3 }, 0x200d }, { { "lrm", 3 }, 0x200e }, { { "rlm", 3 }, 0x200f }, { { "larr", 4 }, 0x2190 },
	{ { "rarr", 4 }, 0x2192 }, { { "prime", 5 }, 0x2032 }, { { "minus", 5 }, 0x2212 },
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static void
put(struct writer *writer, struct span text)
{
	if (writer->gap != GAP_NONE && writer->out->len > writer->start && buf_char(writer->out, writer->gap == GAP_LINE ? '\n' : ' ') != 0)
		writer->full = true;
	writer->gap = GAP_NONE;
	if (!writer->full && buf_span(writer->out, text) != 0)
		writer->full = true;
}

static void
ask(struct writer *writer, enum gap gap)
{
	if (gap > writer->gap)
		writer->gap = gap;
}

static void
put_character(struct writer *writer, uint32_t c)
{
	char bytes[4];
	size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (c <= ' ' || c == 0xa0 || c == 0x2002 || c == 0x2003 || c == 0x2009) {
		ask(writer, GAP_SPACE);
		return;
	}
	if (len == 1) {
		bytes[0] = (char)c;
	} else {
		for (size_t i = len - 1; i > 0; i--, c >>= 6)
			bytes[i] = (char)(0x80 | (c & 0x3f));
		bytes[0] = (char)((0xf00 >> len) | c);
	}
	put(writer, span_make(bytes, len));
}

/* "#8364" or "#x20ac". */
static uint32_t
numeric_entity(struct span text)
{
	bool hex = text.len > 1 && ascii_lower(text.ptr[1]) == 'x';
	uint32_t value = 0;

	for (size_t i = hex ? 2 : 1; i < text.len; i++) {
		int digit = ascii_hex(text.ptr[i]);

		if (digit < 0 || (!hex && digit > 9))
			return UINT32_MAX;
		value = value * (hex ? 16 : 10) + (uint32_t)digit;
		if (value > 0x10ffff)
			return 0xfffd;
	}
	if (text.len <= (hex ? 2 : 1))
		return UINT32_MAX;
	return (value >= 0xd800 && value <= 0xdfff) || value == 0 || (value >= 0x7f && value < 0xa0) ? 0xfffd : value;
}

/* The character that the name between "&" and ";" stands for, or UINT32_MAX. */
static uint32_t
find_entity(struct span name)
{
	if (span_starts(name, SPAN("#")))
		return numeric_entity(name);
	if (name.len < 2)
		return UINT32_MAX; /* "&" alone is often meant for itself */
	/* The first letter first: there may be millions. */
	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
		if (entities[i].name.ptr[0] == name.ptr[0] && span_eq(name, entities[i].name))
			return entities[i].character;
	for (uint32_t i = 0; i < 96; i++)
		if (latin[i][0] == name.ptr[0] && span_eq(name, span_make(latin[i], strnlen(latin[i], sizeof(latin[i])))))
			return 0xa0 + i;
	return UINT32_MAX;
}

static void
take_entity(struct writer *writer, struct span *html)
{
	size_t len = 1;
	uint32_t character;

	while (len < html->len && len < 12 && (ascii_is_alnum(html->ptr[len]) || (len == 1 && html->ptr[len] == '#')))
		len++;
	character = find_entity(span_make(html->ptr + 1, len - 1));
	if (character == UINT32_MAX) {
		put(writer, span_take(html, 1));
		return;
	}
	put_character(writer, character);
	*html = span_skip(*html, len + (len < html->len && html->ptr[len] == ';'));
}

static bool
is_one_of(struct span name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (span_ieq(name, span_of(*names)))
			return true;
	return false;
}

static enum gap
gap_of(struct span name)
{
	static const char *const blocks[] = {
		"address", "article", "aside", "blockquote", "body", "br", "center", "dd", "div", "dl", "dt", "fieldset", "footer",
		"form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table",
		"tr", "ul", NULL,
	};
	static const char *const cells[] = { "td", "th", "img", "option", NULL };

	return is_one_of(name, blocks) ? GAP_LINE : is_one_of(name, cells) ? GAP_SPACE : GAP_NONE;
}

/* To the ">" that ends a tag, past those in quotes; all of it when there is none. */
static void
skip_tag(struct span *html)
{
	char quote = '\0';
	size_t i = 1;

	for (; i < html->len; i++) {
		char c = html->ptr[i];

		if (quote != '\0')
			quote = c == quote ? '\0' : quote;
		else if ((c == '"' || c == '\'') && html->ptr[i - 1] == '=')
			quote = c;
		else if (c == '>')
			break;
	}
	*html = span_skip(*html, i + 1);
}

/* The content of style, script and the like: no text. */
static void
skip_element(struct span *html, struct span name)
{
	while (html->len != 0) {
		ptrdiff_t at = span_find(*html, SPAN("</"));

		*html = span_skip(*html, at >= 0 ? (size_t)at + 2 : html->len);
		if (span_istarts(*html, name))
			break;
	}
	/* What is left of the closing tag. */
	while (html->len != 0 && span_take(html, 1).ptr[0] != '>')
		continue;
}

static void
take_tag(struct writer *writer, struct span *html)
{
	static const char *const silent[] = { "style", "script", "title", "template", "noframes", "object", NULL };
	bool closing = html->len > 1 && html->ptr[1] == '/';
	struct span rest = span_skip(*html, closing ? 2 : 1), name;
	size_t len = 0;

	while (len < rest.len && ascii_is_alnum(rest.ptr[len]))
		len++;
	name = span_take(&rest, len);
	ask(writer, gap_of(name));
	skip_tag(html);
	if (!closing && is_one_of(name, silent))
		skip_element(html, name);
}

static void
skip_comment(struct span *html)
{
	ptrdiff_t end = span_find(span_skip(*html, 4), SPAN("-->"));

	*html = span_skip(*html, end >= 0 ? (size_t)end + 7 : html->len);
}

int
mime_html_to_text(struct span html, struct buf *out)
{
	struct writer writer = { .out = out, .start = out->len };

	while (html.len != 0 && !writer.full) {
		char c = html.ptr[0], next = html.len > 1 ? html.ptr[1] : '\0';
		size_t len = 0;

		if (span_starts(html, SPAN("<!--"))) {
			skip_comment(&html);
		} else if (c == '<' && (ascii_is_alpha(next) || next == '/' || next == '!' || next == '?')) {
			take_tag(&writer, &html);
		} else if (c == '&') {
			take_entity(&writer, &html);
		} else if (is_space(c)) {
			ask(&writer, GAP_SPACE);
			html = span_skip(html, 1);
		} else if (c == '<') {
			put(&writer, span_take(&html, 1));
		} else {
			while (len < html.len && html.ptr[len] != '<' && html.ptr[len] != '&' && !is_space(html.ptr[len]))
				len++;
			put(&writer, span_take(&html, len));
		}
	}
	return writer.full ? -EMSGSIZE : 0;
}
