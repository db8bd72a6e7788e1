/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Messages from Email objects (RFC 8621 section 4.6). Pure but for the blobs it is given a reader of. */
#ifndef WEBMAILD_JMAP_BUILD_H
#define WEBMAILD_JMAP_BUILD_H

#include <jansson.h>

#include "common/buf.h"

/* Appends a blob's bytes: 0; 1: there is none; -EMSGSIZE; another error. type (may be left empty) gets its media type. */
typedef int (*build_blob)(void *context, struct span id, struct buf *out, struct buf *type);

struct build {
	build_blob blob;
	void *context;
	struct span host;        /* of the Message-ID, when one must be made */
	int64_t now;             /* seconds: Date, when one must be made */
	/* 16 bytes that were never given before: boundaries and the Message-ID. */
	void (*random)(uint8_t bytes[16]);
};

/* Writes the message, with CRLF, into out. NULL, or the SetError that says what is wrong with the object. */
json_t *jmap_build(const struct build *build, const json_t *email, struct buf *out);

#endif
