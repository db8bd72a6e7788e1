/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Email objects (RFC 8621 section 4.1), of stored messages and of parsed blobs. */
#ifndef WEBMAILD_JMAP_EMAIL_OBJECT_H
#define WEBMAILD_JMAP_EMAIL_OBJECT_H

#include "common/mime.h"
#include "webmaild/jmap_methods.h"
#include "webmaild/jmap_part.h"

/* What Email/get and Email/parse are told of bodies. */
struct jmap_body_args {
	const json_t *properties; /* of parts; NULL: the default ones */
	bool fetch_text, fetch_html, fetch_all;
	uint64_t value_max;       /* 0: as much as there is */
	size_t budget;            /* bytes of body values that this call may still give */
};
/* Reads them; answers invalidArguments itself. */
bool jmap_body_args(struct jmap_call *call, struct jmap_body_args *ret_args);

/* Names that an Email may be asked for beside header:...; ended by NULL. */
extern const char *const jmap_email_properties[];
bool jmap_email_is_more(const char *name);

/* What of a message a list of properties needs. */
enum jmap_need { JMAP_NEEDS_NOTHING, JMAP_NEEDS_HEADER, JMAP_NEEDS_BODY };
enum jmap_need jmap_email_need(const struct jmap_get_args *args);

/* Adds the properties that are made from the header block. */
void jmap_email_put_header(json_t *object, const struct jmap_get_args *args, struct span block);
/* Adds the properties that are made from the body; blob: the message's blobId. */
void jmap_email_put_body(json_t *object, const struct jmap_get_args *args, struct jmap_body_args *body_args, const struct mime_message *message,
    struct span blob);

#endif
