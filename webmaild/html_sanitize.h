/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Untrusted HTML and text to a document that runs nothing, loads nothing and covers nothing. Pure: bytes in, bytes out.
 * It is the first of three walls; the others are the render role's jail and the response's Content-Security-Policy. */
#ifndef WEBMAILD_HTML_SANITIZE_H
#define WEBMAILD_HTML_SANITIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/flowed.h"
#include "common/span.h"

#define HTML_INPUT_MAX (2u << 20)
#define HTML_OUTPUT_MAX (8u << 20)
#define HTML_TAGS_MAX 100000 /* "<" in the input: bounds the tree */
#define HTML_DEPTH_MAX 200   /* elements deeper than this lose their tags, not their text */
#define HTML_URL_MAX 8192
#define HTML_DATA_URL_MAX (1u << 20)

struct html_options {
	bool remote_images;   /* keep images of other hosts (as https) */
	struct span cid_mark; /* src="cid:x" becomes src="<mark><x in hexadecimal>|"; empty: such images get the placeholder */
};

struct html_counts {
	unsigned remote_images; /* references to images of other hosts, kept or not */
};

/* An image of nothing, for what is not shown. */
#define HTML_PLACEHOLDER "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
/* Before names of classes and ids, so that a message cannot name what is not its own. */
#define HTML_NAME_PREFIX "m-"

/* Writes a whole document. 0; -E2BIG when html passes a bound; -EMSGSIZE when out is full. */
int html_sanitize(struct span html, const struct html_options *options, struct buf *out, struct html_counts *ret_counts);

/* The document of plain texts, one after the other: links made from URLs and addresses, ">" quoting as nested quotes. 0; -E2BIG when a
 * text passes HTML_INPUT_MAX (nothing is written); -EMSGSIZE when out is full. */
void html_text_begin(struct buf *out);
int html_text_put(struct span text, struct flowed_format format, struct buf *out);
int html_text_end(struct buf *out);

/* --- parts, shared by the files of the sanitiser --- */

/* Text for between tags and for within double quotes. */
int html_escape(struct buf *out, struct span text);
void html_document_begin(struct buf *out, bool is_text);

enum html_url { HTML_URL_LINK, HTML_URL_IMAGE };
enum html_url_kind { HTML_URL_REFUSED, HTML_URL_SAFE, HTML_URL_REMOTE, HTML_URL_CID };
/* Cleans a URL as a browser reads it (control characters and line ends removed), judges its scheme and writes what may be
 * used, not escaped, into out. REMOTE: an https URL of an image; CID: out is the Content-ID; SAFE: a link, a fragment or an image
 * in data:. On REFUSED out is empty. */
enum html_url_kind html_url_clean(struct span url, enum html_url use, struct buf *out);

/* The declarations of a style attribute that may stay, in order, into out. Only bytes that need no escaping but '"' and '&'. */
void html_css_declarations(struct span css, const struct html_options *options, struct buf *out, struct html_counts *counts);
/* A style sheet; never contains '<'. */
void html_css_sheet(struct span css, const struct html_options *options, struct buf *out, struct html_counts *counts);

#endif
