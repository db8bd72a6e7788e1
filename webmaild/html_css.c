/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* CSS of messages. Nothing is passed through: declarations and selectors are read into parts, each part is matched against a
 * list, and what is left is written anew. A difference between this reader and a browser's loses style, never safety. Pure. */
#include "webmaild/html_sanitize.h"

#define VALUE_MAX 2048
#define SELECTOR_MAX 1024
#define RULES_MAX 5000
#define CSS_DEPTH_MAX 3 /* @media within @media */

/* A trailing '-' admits what begins so: border-top-color. Nothing here takes a box out of the flow or fetches, but the images
 * of backgrounds and list marks, whose url() is judged apart. */
static const char *const properties[] = {
	"align-items", "background", "background-color", "background-image", "background-position", "background-repeat",
	"background-size", "border", "border-", "box-shadow", "box-sizing", "caption-side", "clear", "color", "color-scheme",
	"column-gap", "direction", "display", "empty-cells", "flex", "flex-", "float", "font", "font-", "gap", "height",
	"justify-content", "letter-spacing", "line-height", "list-style", "list-style-", "margin", "margin-", "max-height",
	"max-width", "min-height", "min-width", "opacity", "orphans", "outline", "outline-", "overflow", "overflow-wrap",
	"padding", "padding-", "quotes", "row-gap", "table-layout", "text-", "unicode-bidi", "vertical-align", "visibility",
	"white-space", "widows", "width", "word-break", "word-spacing", "word-wrap",
};

static const char *const functions[] = {
	"calc", "hsl", "hsla", "linear-gradient", "max", "min", "radial-gradient", "rgb", "rgba",
};

static const char *const pseudo_classes[] = {
	"active", "first-child", "first-letter", "first-line", "focus", "hover", "last-child", "link", "visited",
};

static bool
listed(const char *const *list, size_t count, struct span name)
{
	for (size_t i = 0; i < count; i++) {
		struct span row = span_of(list[i]);

		if (span_ieq(row, name) || (row.ptr[row.len - 1] == '-' && span_istarts(name, row) && name.len > row.len))
			return true;
	}
	return false;
}
#define LISTED(list, name) listed((list), sizeof(list) / sizeof((list)[0]), (name))

static bool
is_name_byte(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

static struct span
take_name(struct span *rest)
{
	size_t len = 0;

	while (len < rest->len && is_name_byte(rest->ptr[len]))
		len++;
	return span_take(rest, len);
}

/* Copies without comments and without the HTML comment marks that old sheets hide in. False when too long. */
static void
strip_comments(struct span css, struct buf *out)
{
	while (css.len > 0) {
		if (span_starts(css, SPAN("/*"))) {
			ptrdiff_t end = span_find(span_skip(css, 2), SPAN("*/"));

			if (end < 0)
				return;
			css = span_skip(css, (size_t)end + 4);
			(void)buf_char(out, ' ');
		} else if (span_starts(css, SPAN("<!--"))) {
			css = span_skip(css, 4);
		} else if (span_starts(css, SPAN("-->"))) {
			css = span_skip(css, 3);
		} else {
			(void)buf_char(out, css.ptr[0]);
			css = span_skip(css, 1);
		}
	}
}

/* url( ... ) at the front of rest, quoted or not; takes it off. False when it does not end. */
static bool
take_url(struct span *rest, struct span *ret_url)
{
	struct span inner;
	ptrdiff_t end;

	inner = span_trim(*rest);
	if (inner.len > 0 && (inner.ptr[0] == '"' || inner.ptr[0] == '\'')) {
		char quote = inner.ptr[0];

		inner = span_skip(inner, 1);
		end = span_chr(inner, quote);
		if (end < 0)
			return false;
		*ret_url = span_make(inner.ptr, (size_t)end);
		inner = span_skip(inner, (size_t)end + 1);
		end = span_chr(inner, ')');
		if (end < 0 || span_trim(span_make(inner.ptr, (size_t)end)).len != 0)
			return false;
	} else {
		end = span_chr(inner, ')');
		if (end < 0)
			return false;
		*ret_url = span_trim(span_make(inner.ptr, (size_t)end));
	}
	*rest = span_make(inner.ptr + end + 1, (size_t)(rest->ptr + rest->len - (inner.ptr + end + 1)));
	return true;
}

struct filter {
	const struct html_options *options;
	struct html_counts *counts;
};

/* Only letters that end neither a string, a url() nor a declaration. */
static bool
is_plain_url(struct span url)
{
	for (size_t i = 0; i < url.len; i++)
		if (!ascii_is_alnum(url.ptr[i]) && strchr("-._~:/?#@!$&*+,=%", url.ptr[i]) == NULL)
			return false;
	return true;
}

static bool
filter_url(const struct filter *filter, struct span url, struct buf *out)
{
	struct buf clean = BUF_INIT(HTML_DATA_URL_MAX);
	enum html_url_kind kind = html_url_clean(url, HTML_URL_IMAGE, &clean);
	bool keep = false;

	if (kind == HTML_URL_REMOTE) {
		filter->counts->remote_images++;
		keep = filter->options->remote_images && is_plain_url(buf_get(&clean));
	} else if (kind == HTML_URL_SAFE) {
		/* A data: image; its base64 was checked, its ';' stands within quotes. */
		keep = true;
	}
	if (keep) {
		(void)buf_str(out, "url('");
		(void)buf_span(out, buf_get(&clean));
		(void)buf_str(out, "')");
	} else {
		(void)buf_str(out, "none");
	}
	buf_free(&clean);
	return true;
}

/* A quoted string: a font's name or a quotation mark. */
static bool
filter_string(struct span *rest, struct buf *out)
{
	char quote = rest->ptr[0];
	struct span text = span_skip(*rest, 1);
	ptrdiff_t end = span_chr(text, quote);

	if (end < 0)
		return false;
	*rest = span_skip(text, (size_t)end + 1);
	text.len = (size_t)end;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (!ascii_is_alnum((char)c) && c < 0x80 && strchr(" -_.", (char)c) == NULL)
			return false;
	}
	(void)buf_char(out, '\'');
	(void)buf_span(out, text);
	(void)buf_char(out, '\'');
	return true;
}

static bool
filter_value(const struct filter *filter, struct span value, struct buf *out)
{
	unsigned depth = 0;

	while (value.len > 0) {
		char c = value.ptr[0];

		if (c == '"' || c == '\'') {
			if (!filter_string(&value, out))
				return false;
		} else if (ascii_is_alpha(c) || c == '-' || c == '_') {
			struct span name = take_name(&value);

			if (value.len > 0 && value.ptr[0] == '(') {
				struct span url;

				value = span_skip(value, 1);
				if (span_ieq(name, SPAN("url"))) {
					if (!take_url(&value, &url) || !filter_url(filter, url, out))
						return false;
					continue;
				}
				if (!LISTED(functions, name))
					return false;
				depth++;
				(void)buf_span(out, name);
				(void)buf_char(out, '(');
			} else {
				(void)buf_span(out, name);
			}
		} else {
			if (c == ')' && depth-- == 0)
				return false;
			if (c == '(')
				depth++;
			if (c == '\t' || c == '\r' || c == '\n' || c == '\f')
				c = ' ';
			if (!ascii_is_digit(c) && (c == '\0' || strchr(" #%.,+/*()!", c) == NULL))
				return false;
			(void)buf_char(out, c);
			value = span_skip(value, 1);
		}
	}
	return depth == 0;
}

static bool
may_have_url(struct span property)
{
	return span_istarts(property, SPAN("background")) || span_istarts(property, SPAN("list-style"));
}

static void
filter_declaration(const struct filter *filter, struct span text, struct buf *out)
{
	ptrdiff_t colon = span_chr(text, ':');
	struct span property, value;
	struct buf clean = BUF_INIT(HTML_DATA_URL_MAX + VALUE_MAX);

	if (colon <= 0)
		return;
	property = span_trim(span_make(text.ptr, (size_t)colon));
	value = span_trim(span_skip(text, (size_t)colon + 1));
	if (!LISTED(properties, property) || value.len == 0)
		return;
	for (size_t i = 0; i < property.len; i++)
		if (!is_name_byte(property.ptr[i]))
			return;
	if (value.len > VALUE_MAX && span_ifind(value, SPAN("data:")) < 0)
		return;
	if (!may_have_url(property) && span_ifind(value, SPAN("url")) >= 0)
		return;
	if (filter_value(filter, value, &clean) && !clean.overflow) {
		for (size_t i = 0; i < property.len; i++)
			(void)buf_char(out, ascii_lower(property.ptr[i]));
		(void)buf_char(out, ':');
		(void)buf_span(out, buf_get(&clean));
		(void)buf_char(out, ';');
	}
	buf_free(&clean);
}

/* How far to the next byte of `ends` that is outside strings, parentheses and nested blocks; -1 when there is none. */
static ptrdiff_t
find_end(struct span css, const char *ends)
{
	unsigned round = 0, curly = 0;

	for (size_t i = 0; i < css.len; i++) {
		char c = css.ptr[i];

		if (c == '"' || c == '\'') {
			ptrdiff_t end = span_chr(span_skip(css, i + 1), c);

			if (end < 0)
				return -1;
			i += (size_t)end + 1;
			continue;
		}
		if (round == 0 && curly == 0 && c != '\0' && strchr(ends, c) != NULL)
			return (ptrdiff_t)i;
		if (c == '(')
			round++;
		else if (c == ')' && round > 0)
			round--;
		else if (c == '{')
			curly++;
		else if (c == '}' && curly > 0)
			curly--;
	}
	return -1;
}

static void
filter_declarations(const struct filter *filter, struct span css, struct buf *out)
{
	while (css.len > 0) {
		ptrdiff_t end = find_end(css, ";");
		size_t len = end < 0 ? css.len : (size_t)end;

		filter_declaration(filter, span_make(css.ptr, len), out);
		css = span_skip(css, end < 0 ? len : len + 1);
	}
}

static bool
is_selector_simple(char c)
{
	return c != '\0' && strchr(" \t\r\n\f>+~*,", c) != NULL;
}

/* Element names, .class and #id (both get the prefix), combinators and a few pseudo-classes; anything else refuses the rule. */
static bool
filter_selector(struct span text, struct buf *out)
{
	text = span_trim(text);
	if (text.len == 0 || text.len > SELECTOR_MAX)
		return false;
	while (text.len > 0) {
		char c = text.ptr[0];

		if (is_selector_simple(c)) {
			(void)buf_char(out, strchr("\t\r\n\f", c) != NULL ? ' ' : c);
			text = span_skip(text, 1);
		} else if (c == '.' || c == '#' || c == ':') {
			struct span name;

			do
				text = span_skip(text, 1);
			while (c == ':' && text.len > 0 && text.ptr[0] == ':');
			name = take_name(&text);
			if (name.len == 0 || (c == ':' && !LISTED(pseudo_classes, name)))
				return false;
			(void)buf_char(out, c);
			if (c != ':')
				(void)buf_str(out, HTML_NAME_PREFIX);
			(void)buf_span(out, name);
		} else if (ascii_is_alpha(c)) {
			(void)buf_span(out, take_name(&text));
		} else {
			return false;
		}
	}
	return true;
}

static bool
filter_media(struct span prelude, struct buf *out)
{
	for (size_t i = 0; i < prelude.len; i++) {
		char c = prelude.ptr[i];

		if (!ascii_is_alnum(c) && (c == '\0' || strchr(" ():,.-", c) == NULL))
			return false;
	}
	(void)buf_str(out, "@media ");
	(void)buf_span(out, prelude);
	return prelude.len > 0 && prelude.len <= SELECTOR_MAX;
}

static void filter_rules(const struct filter *filter, struct span css, unsigned depth, unsigned *rules, struct buf *out);

/* An at-rule whose '@' was seen: @media is kept, all others (@import, @font-face, ...) are dropped with their block. */
static void
filter_at_rule(const struct filter *filter, struct span prelude, struct span block, unsigned depth, unsigned *rules,
    struct buf *out)
{
	size_t before = out->len;

	if (!span_istarts(prelude, SPAN("@media")) || depth + 1 >= CSS_DEPTH_MAX)
		return;
	if (!filter_media(span_trim(span_skip(prelude, sizeof("@media") - 1)), out)) {
		buf_truncate(out, before);
		return;
	}
	(void)buf_char(out, '{');
	filter_rules(filter, block, depth + 1, rules, out);
	(void)buf_str(out, "}\n");
}

static void
filter_rule(const struct filter *filter, struct span prelude, struct span block, struct buf *out)
{
	size_t before = out->len, inside;

	if (!filter_selector(prelude, out)) {
		buf_truncate(out, before);
		return;
	}
	(void)buf_char(out, '{');
	inside = out->len;
	filter_declarations(filter, block, out);
	if (out->len == inside)
		buf_truncate(out, before); /* nothing of it stays */
	else
		(void)buf_str(out, "}\n");
}

static void
filter_rules(const struct filter *filter, struct span css, unsigned depth, unsigned *rules, struct buf *out)
{
	while ((css = span_trim(css)).len > 0 && ++*rules <= RULES_MAX) {
		bool at = css.ptr[0] == '@';
		ptrdiff_t open = find_end(css, at ? ";{" : "{"), close;
		struct span prelude, block;

		if (open < 0)
			return;
		prelude = span_trim(span_make(css.ptr, (size_t)open));
		if (css.ptr[open] == ';') {
			css = span_skip(css, (size_t)open + 1);
			continue;
		}
		block = span_skip(css, (size_t)open + 1);
		close = find_end(block, "}");
		css = close < 0 ? SPAN_NULL : span_skip(block, (size_t)close + 1);
		if (close >= 0)
			block.len = (size_t)close;
		if (at)
			filter_at_rule(filter, prelude, block, depth, rules, out);
		else
			filter_rule(filter, prelude, block, out);
	}
}

void
html_css_declarations(struct span css, const struct html_options *options, struct buf *out, struct html_counts *counts)
{
	struct filter filter = { options, counts };
	struct buf plain = BUF_INIT(HTML_INPUT_MAX);

	strip_comments(css, &plain);
	filter_declarations(&filter, buf_get(&plain), out);
	buf_free(&plain);
}

void
html_css_sheet(struct span css, const struct html_options *options, struct buf *out, struct html_counts *counts)
{
	struct filter filter = { options, counts };
	struct buf plain = BUF_INIT(HTML_INPUT_MAX);
	unsigned rules = 0;

	strip_comments(css, &plain);
	filter_rules(&filter, buf_get(&plain), 0, &rules, out);
	buf_free(&plain);
}
