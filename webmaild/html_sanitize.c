/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The sanitiser of HTML mail: an HTML5 tree by gumbo, walked, and written anew from lists of what may stay. Nothing of the
 * message reaches the output but text, escaped, and values that were read and judged. Pure.
 * Invariant: the output has no element outside HTML's namespace and no element whose content is raw text but <style>. */
#include "webmaild/html_sanitize.h"

#include <errno.h>
#include <gumbo.h>
#include <stdlib.h>

#include "common/xalloc.h"

/* --- elements --- */

enum element_rule { ELEMENT_UNWRAP, ELEMENT_KEEP, ELEMENT_VOID, ELEMENT_DROP };

static enum element_rule
element_rule(GumboTag tag)
{
	switch (tag) {
	case GUMBO_TAG_A: case GUMBO_TAG_ABBR: case GUMBO_TAG_ACRONYM: case GUMBO_TAG_ADDRESS: case GUMBO_TAG_ARTICLE:
	case GUMBO_TAG_ASIDE: case GUMBO_TAG_B: case GUMBO_TAG_BDI: case GUMBO_TAG_BDO: case GUMBO_TAG_BIG:
	case GUMBO_TAG_BLOCKQUOTE: case GUMBO_TAG_CAPTION: case GUMBO_TAG_CENTER: case GUMBO_TAG_CITE: case GUMBO_TAG_CODE:
	case GUMBO_TAG_COLGROUP: case GUMBO_TAG_DD: case GUMBO_TAG_DEL: case GUMBO_TAG_DETAILS: case GUMBO_TAG_DFN:
	case GUMBO_TAG_DIR: case GUMBO_TAG_DIV: case GUMBO_TAG_DL: case GUMBO_TAG_DT: case GUMBO_TAG_EM:
	case GUMBO_TAG_FIGCAPTION: case GUMBO_TAG_FIGURE: case GUMBO_TAG_FONT: case GUMBO_TAG_FOOTER: case GUMBO_TAG_H1:
	case GUMBO_TAG_H2: case GUMBO_TAG_H3: case GUMBO_TAG_H4: case GUMBO_TAG_H5: case GUMBO_TAG_H6:
	case GUMBO_TAG_HEADER: case GUMBO_TAG_I: case GUMBO_TAG_INS: case GUMBO_TAG_KBD: case GUMBO_TAG_LI:
	case GUMBO_TAG_MAIN: case GUMBO_TAG_MARK: case GUMBO_TAG_NAV: case GUMBO_TAG_OL: case GUMBO_TAG_P:
	case GUMBO_TAG_PRE: case GUMBO_TAG_Q: case GUMBO_TAG_RP: case GUMBO_TAG_RT: case GUMBO_TAG_RUBY:
	case GUMBO_TAG_S: case GUMBO_TAG_SAMP: case GUMBO_TAG_SECTION: case GUMBO_TAG_SMALL: case GUMBO_TAG_SPAN:
	case GUMBO_TAG_STRIKE: case GUMBO_TAG_STRONG: case GUMBO_TAG_SUB: case GUMBO_TAG_SUMMARY: case GUMBO_TAG_SUP:
	case GUMBO_TAG_TABLE: case GUMBO_TAG_TBODY: case GUMBO_TAG_TD: case GUMBO_TAG_TFOOT: case GUMBO_TAG_TH:
	case GUMBO_TAG_THEAD: case GUMBO_TAG_TIME: case GUMBO_TAG_TR: case GUMBO_TAG_TT: case GUMBO_TAG_U:
	case GUMBO_TAG_UL: case GUMBO_TAG_VAR:
		return ELEMENT_KEEP;
	case GUMBO_TAG_BR: case GUMBO_TAG_COL: case GUMBO_TAG_HR: case GUMBO_TAG_IMG: case GUMBO_TAG_WBR:
		return ELEMENT_VOID;
	case GUMBO_TAG_SCRIPT: case GUMBO_TAG_STYLE: case GUMBO_TAG_SVG: case GUMBO_TAG_MATH: case GUMBO_TAG_META:
	case GUMBO_TAG_LINK: case GUMBO_TAG_BASE: case GUMBO_TAG_BASEFONT: case GUMBO_TAG_BGSOUND: case GUMBO_TAG_OBJECT:
	case GUMBO_TAG_EMBED: case GUMBO_TAG_APPLET: case GUMBO_TAG_IFRAME: case GUMBO_TAG_FRAME: case GUMBO_TAG_FRAMESET:
	case GUMBO_TAG_NOFRAMES: case GUMBO_TAG_NOEMBED: case GUMBO_TAG_TEMPLATE: case GUMBO_TAG_TITLE:
	case GUMBO_TAG_TEXTAREA: case GUMBO_TAG_SELECT: case GUMBO_TAG_OPTION: case GUMBO_TAG_OPTGROUP: case GUMBO_TAG_INPUT:
	case GUMBO_TAG_BUTTON: case GUMBO_TAG_KEYGEN: case GUMBO_TAG_DATALIST: case GUMBO_TAG_AUDIO: case GUMBO_TAG_VIDEO:
	case GUMBO_TAG_SOURCE: case GUMBO_TAG_TRACK: case GUMBO_TAG_CANVAS: case GUMBO_TAG_MAP: case GUMBO_TAG_AREA:
	case GUMBO_TAG_PARAM: case GUMBO_TAG_XMP: case GUMBO_TAG_PLAINTEXT: case GUMBO_TAG_LISTING: case GUMBO_TAG_PROGRESS:
	case GUMBO_TAG_METER: case GUMBO_TAG_OUTPUT: case GUMBO_TAG_ISINDEX: case GUMBO_TAG_MENUITEM: case GUMBO_TAG_UNKNOWN:
		/* An unknown element's text may stay (o:p, custom tags); the others' content is not text for a reader. */
		return tag == GUMBO_TAG_UNKNOWN || tag == GUMBO_TAG_LISTING ? ELEMENT_UNWRAP : ELEMENT_DROP;
	default:
		return ELEMENT_UNWRAP;
	}
}

/* --- attributes --- */

enum attribute_kind {
	ATTRIBUTE_TEXT,    /* any text, escaped */
	ATTRIBUTE_WORD,    /* letters, digits and # % . , - + space */
	ATTRIBUTE_NAMES,   /* class, id, name: prefixed */
	ATTRIBUTE_STYLE,
	ATTRIBUTE_LINK,
	ATTRIBUTE_IMAGE,
};

#define ANY GUMBO_TAG_LAST
static const struct attribute_row {
	const char *name;
	enum attribute_kind kind;
	GumboTag tag; /* ANY: on each element that is kept */
} attribute_rows[] = {
	{ "abbr", ATTRIBUTE_TEXT, GUMBO_TAG_TH },
	{ "align", ATTRIBUTE_WORD, ANY },
	{ "alt", ATTRIBUTE_TEXT, GUMBO_TAG_IMG },
	{ "aria-hidden", ATTRIBUTE_WORD, ANY },
	{ "aria-label", ATTRIBUTE_TEXT, ANY },
	{ "background", ATTRIBUTE_IMAGE, ANY },
	{ "bgcolor", ATTRIBUTE_WORD, ANY },
	{ "border", ATTRIBUTE_WORD, ANY },
	{ "cellpadding", ATTRIBUTE_WORD, ANY },
	{ "cellspacing", ATTRIBUTE_WORD, ANY },
	{ "class", ATTRIBUTE_NAMES, ANY },
	{ "clear", ATTRIBUTE_WORD, ANY },
	{ "color", ATTRIBUTE_WORD, ANY },
	{ "cols", ATTRIBUTE_WORD, ANY },
	{ "colspan", ATTRIBUTE_WORD, ANY },
	{ "compact", ATTRIBUTE_WORD, ANY },
	{ "datetime", ATTRIBUTE_TEXT, ANY },
	{ "dir", ATTRIBUTE_WORD, ANY },
	{ "face", ATTRIBUTE_WORD, ANY },
	{ "frame", ATTRIBUTE_WORD, ANY },
	{ "height", ATTRIBUTE_WORD, ANY },
	{ "href", ATTRIBUTE_LINK, GUMBO_TAG_A },
	{ "hspace", ATTRIBUTE_WORD, ANY },
	{ "id", ATTRIBUTE_NAMES, ANY },
	{ "lang", ATTRIBUTE_WORD, ANY },
	{ "name", ATTRIBUTE_NAMES, GUMBO_TAG_A },
	{ "noshade", ATTRIBUTE_WORD, ANY },
	{ "nowrap", ATTRIBUTE_WORD, ANY },
	{ "open", ATTRIBUTE_WORD, GUMBO_TAG_DETAILS },
	{ "reversed", ATTRIBUTE_WORD, GUMBO_TAG_OL },
	{ "role", ATTRIBUTE_WORD, ANY },
	{ "rowspan", ATTRIBUTE_WORD, ANY },
	{ "rules", ATTRIBUTE_WORD, ANY },
	{ "scope", ATTRIBUTE_WORD, ANY },
	{ "size", ATTRIBUTE_WORD, ANY },
	{ "span", ATTRIBUTE_WORD, ANY },
	{ "src", ATTRIBUTE_IMAGE, GUMBO_TAG_IMG },
	{ "start", ATTRIBUTE_WORD, ANY },
	{ "style", ATTRIBUTE_STYLE, ANY },
	{ "summary", ATTRIBUTE_TEXT, ANY },
	{ "text", ATTRIBUTE_WORD, GUMBO_TAG_BODY },
	{ "title", ATTRIBUTE_TEXT, ANY },
	{ "type", ATTRIBUTE_WORD, ANY },
	{ "valign", ATTRIBUTE_WORD, ANY },
	{ "value", ATTRIBUTE_WORD, GUMBO_TAG_LI },
	{ "vspace", ATTRIBUTE_WORD, ANY },
	{ "width", ATTRIBUTE_WORD, ANY },
};

struct sanitizer {
	const struct html_options *options;
	struct html_counts *counts;
	struct buf *out;
	struct buf value; /* of the attribute at hand */
};

static const struct attribute_row *
find_attribute(GumboTag tag, struct span name)
{
	for (size_t i = 0; i < sizeof(attribute_rows) / sizeof(attribute_rows[0]); i++) {
		const struct attribute_row *row = &attribute_rows[i];

		if ((row->tag == ANY || row->tag == tag) && span_ieq(span_of(row->name), name))
			return row;
	}
	return NULL;
}

static void
put_attribute(struct sanitizer *s, const char *name, struct span value)
{
	(void)buf_char(s->out, ' ');
	(void)buf_str(s->out, name);
	(void)buf_str(s->out, "=\"");
	(void)html_escape(s->out, value);
	(void)buf_char(s->out, '"');
}

static bool
is_word(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		if (!ascii_is_alnum((char)c) && c < 0x80 && (c == '\0' || strchr("#%.,-+ _'\"", (char)c) == NULL))
			return false;
	}
	return value.len <= 256;
}

static void
put_names(struct sanitizer *s, const char *name, struct span value)
{
	struct span part;

	buf_clear(&s->value);
	while (value.len <= 2048 && span_split(&value, ' ', &part)) {
		part = span_trim(part);
		if (part.len == 0)
			continue;
		if (s->value.len > 0)
			(void)buf_char(&s->value, ' ');
		(void)buf_str(&s->value, HTML_NAME_PREFIX);
		(void)buf_span(&s->value, part);
	}
	if (s->value.len > 0)
		put_attribute(s, name, buf_get(&s->value));
}

static void
put_cid(struct sanitizer *s, const char *name)
{
	struct buf mark = BUF_INIT(4096);

	(void)buf_span(&mark, s->options->cid_mark);
	for (size_t i = 0; i < s->value.len; i++)
		(void)buf_fmt(&mark, "%02x", (unsigned char)s->value.data[i]);
	(void)buf_char(&mark, '|');
	put_attribute(s, name, buf_get(&mark));
	buf_free(&mark);
}

static void
put_image(struct sanitizer *s, const char *name, struct span value)
{
	switch (html_url_clean(value, HTML_URL_IMAGE, &s->value)) {
	case HTML_URL_SAFE:
		put_attribute(s, name, buf_get(&s->value));
		return;
	case HTML_URL_CID:
		if (s->options->cid_mark.len > 0) {
			put_cid(s, name);
			return;
		}
		break;
	case HTML_URL_REMOTE:
		s->counts->remote_images++;
		/* An <img> that points nowhere shows its alternative text. */
		if (s->options->remote_images)
			put_attribute(s, name, buf_get(&s->value));
		return;
	case HTML_URL_REFUSED:
		break;
	}
	/* An <img> keeps its place; a background has none to keep. */
	if (strcmp(name, "src") == 0)
		put_attribute(s, name, SPAN(HTML_PLACEHOLDER));
}

static void
put_link(struct sanitizer *s, struct span value)
{
	if (html_url_clean(value, HTML_URL_LINK, &s->value) != HTML_URL_SAFE)
		return;
	put_attribute(s, "href", buf_get(&s->value));
	if (s->value.data[0] != '#')
		(void)buf_str(s->out, " target=\"_blank\" rel=\"noopener noreferrer\"");
}

static void
put_attributes(struct sanitizer *s, const GumboVector *attributes, GumboTag tag)
{
	for (unsigned i = 0; i < attributes->length && i < 200; i++) {
		const GumboAttribute *attribute = attributes->data[i];
		const struct attribute_row *row = find_attribute(tag, span_of(attribute->name));
		struct span value = span_of(attribute->value);

		if (row == NULL || attribute->attr_namespace != GUMBO_ATTR_NAMESPACE_NONE)
			continue;
		switch (row->kind) {
		case ATTRIBUTE_TEXT:
			put_attribute(s, row->name, span_make(value.ptr, value.len < 4096 ? value.len : 0));
			break;
		case ATTRIBUTE_WORD:
			if (is_word(value))
				put_attribute(s, row->name, value);
			break;
		case ATTRIBUTE_NAMES:
			put_names(s, row->name, value);
			break;
		case ATTRIBUTE_STYLE:
			buf_clear(&s->value);
			html_css_declarations(value, s->options, &s->value, s->counts);
			if (s->value.len > 0 && !s->value.overflow)
				put_attribute(s, "style", buf_get(&s->value));
			break;
		case ATTRIBUTE_LINK:
			put_link(s, value);
			break;
		case ATTRIBUTE_IMAGE:
			put_image(s, row->name, value);
			break;
		}
	}
}

/* --- the walk --- */

static void
put_text(struct sanitizer *s, const GumboNode *node)
{
	if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE || node->type == GUMBO_NODE_CDATA)
		(void)html_escape(s->out, span_of(node->v.text.text));
}

static bool
is_element(const GumboNode *node)
{
	return node->type == GUMBO_NODE_ELEMENT;
}

static enum element_rule
node_rule(const GumboNode *node)
{
	if (node->type != GUMBO_NODE_ELEMENT || node->v.element.tag_namespace != GUMBO_NAMESPACE_HTML)
		return ELEMENT_DROP;
	return element_rule(node->v.element.tag);
}

/* Writes the start tag; true when the children are to be visited. */
static bool
enter(struct sanitizer *s, const GumboNode *node, unsigned depth)
{
	enum element_rule rule;

	if (!is_element(node)) {
		put_text(s, node);
		return false;
	}
	rule = node_rule(node);
	if (rule == ELEMENT_DROP)
		return false;
	if (rule == ELEMENT_UNWRAP || depth > HTML_DEPTH_MAX)
		return rule != ELEMENT_VOID;
	(void)buf_char(s->out, '<');
	(void)buf_str(s->out, gumbo_normalized_tagname(node->v.element.tag));
	put_attributes(s, &node->v.element.attributes, node->v.element.tag);
	(void)buf_char(s->out, '>');
	return rule == ELEMENT_KEEP;
}

static void
leave(struct sanitizer *s, const GumboNode *node, unsigned depth)
{
	if (node_rule(node) != ELEMENT_KEEP || depth > HTML_DEPTH_MAX)
		return;
	(void)buf_str(s->out, "</");
	(void)buf_str(s->out, gumbo_normalized_tagname(node->v.element.tag));
	(void)buf_char(s->out, '>');
}

static const GumboNode *
child(const GumboNode *node, size_t index)
{
	const GumboVector *children = &node->v.element.children;

	return index < children->length ? children->data[index] : NULL;
}

/* The path from the top to the node being visited. No recursion: the tree may be as deep as the message is long. */
struct path {
	struct step {
		const GumboNode *node;
		size_t next; /* the child to visit */
	} *steps;
	size_t depth, room;
};

static void
path_push(struct path *path, const GumboNode *node)
{
	if (path->depth == path->room) {
		path->room = path->room != 0 ? path->room * 2 : 64;
		path->steps = xreallocarray(path->steps, path->room, sizeof(*path->steps));
	}
	path->steps[path->depth++] = (struct step){ node, 0 };
}

static void
walk(struct sanitizer *s, const GumboNode *top)
{
	struct path path = { NULL, 0, 0 };

	path_push(&path, top);
	while (path.depth > 0 && !s->out->overflow) {
		struct step *step = &path.steps[path.depth - 1];
		const GumboNode *under = child(step->node, step->next++);

		if (under == NULL) {
			path.depth--;
			if (path.depth > 0)
				leave(s, step->node, (unsigned)path.depth);
		} else if (enter(s, under, (unsigned)path.depth)) {
			path_push(&path, under);
		}
	}
	free(path.steps);
}

static void
put_sheet(struct sanitizer *s, const GumboNode *style)
{
	const GumboNode *text = child(style, 0);

	if (text != NULL && text->type == GUMBO_NODE_TEXT)
		html_css_sheet(span_of(text->v.text.text), s->options, s->out, s->counts);
}

/* The style sheets, wherever they stand; gathered into the head. */
static void
walk_styles(struct sanitizer *s, const GumboNode *top)
{
	struct path path = { NULL, 0, 0 };

	path_push(&path, top);
	while (path.depth > 0) {
		struct step *step = &path.steps[path.depth - 1];
		const GumboNode *under = child(step->node, step->next++);

		if (under == NULL)
			path.depth--;
		else if (!is_element(under) || under->v.element.tag_namespace != GUMBO_NAMESPACE_HTML)
			continue;
		else if (under->v.element.tag == GUMBO_TAG_STYLE)
			put_sheet(s, under);
		else
			path_push(&path, under);
	}
	free(path.steps);
}

static const GumboNode *
find_body(const GumboNode *root)
{
	for (size_t i = 0; child(root, i) != NULL; i++) {
		const GumboNode *node = child(root, i);

		if (is_element(node) && node->v.element.tag == GUMBO_TAG_BODY)
			return node;
	}
	return NULL;
}

/* --- memory of one tree, released at once: gumbo's own release recurses as deep as the tree --- */

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	_Alignas(16) char bytes[];
};

struct arena {
	struct arena_block *first;
};

#define ARENA_BLOCK (1u << 20)

static void *
arena_allocate(void *userdata, size_t size)
{
	struct arena *arena = userdata;
	struct arena_block *block = arena->first;
	void *memory;

	size = (size + 15) & ~(size_t)15;
	if (block == NULL || block->size - block->used < size) {
		size_t room = size > ARENA_BLOCK ? size : ARENA_BLOCK;

		block = xmalloc(sizeof(*block) + room);
		block->next = arena->first;
		block->used = 0;
		block->size = room;
		arena->first = block;
	}
	memory = block->bytes + block->used;
	block->used += size;
	return memory;
}

static void
arena_release(void *userdata, void *memory)
{
	(void)userdata; /* arena_free releases all */
	(void)memory;
}

static void
arena_free(struct arena *arena)
{
	while (arena->first != NULL) {
		struct arena_block *block = arena->first;

		arena->first = block->next;
		free(block);
	}
}

static bool
too_many_tags(struct span html)
{
	size_t tags = 0;

	for (size_t i = 0; i < html.len; i++)
		tags += html.ptr[i] == '<';
	return tags > HTML_TAGS_MAX;
}

static void
write_document(struct sanitizer *s, const GumboNode *root)
{
	const GumboNode *body = find_body(root);

	html_document_begin(s->out, false);
	(void)buf_str(s->out, "<style>\n");
	walk_styles(s, root);
	(void)buf_str(s->out, "</style></head><body");
	if (body != NULL)
		put_attributes(s, &body->v.element.attributes, GUMBO_TAG_BODY);
	(void)buf_char(s->out, '>');
	if (body != NULL)
		walk(s, body);
	(void)buf_str(s->out, "</body></html>\n");
}

int
html_sanitize(struct span html, const struct html_options *options, struct buf *out, struct html_counts *ret_counts)
{
	struct arena arena = { NULL };
	struct sanitizer s = { options, ret_counts, out, BUF_INIT(HTML_DATA_URL_MAX + HTML_URL_MAX) };
	GumboOptions gumbo = kGumboDefaultOptions;
	GumboOutput *tree;

	*ret_counts = (struct html_counts){ 0 };
	if (html.len > HTML_INPUT_MAX || too_many_tags(html))
		return -E2BIG;
	gumbo.allocator = arena_allocate;
	gumbo.deallocator = arena_release;
	gumbo.userdata = &arena;
	gumbo.max_errors = 0;
	tree = gumbo_parse_with_options(&gumbo, html.ptr != NULL ? html.ptr : "", html.len);
	write_document(&s, tree->root);
	arena_free(&arena);
	buf_free(&s.value);
	return out->overflow ? -EMSGSIZE : 0;
}
