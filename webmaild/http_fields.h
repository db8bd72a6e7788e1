/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reading single fields and targets of a request: cookies, Basic credentials, parameters, entity tags. Pure. */
#ifndef WEBMAILD_HTTP_FIELDS_H
#define WEBMAILD_HTTP_FIELDS_H

#include "common/buf.h"
#include "webmaild/http_parse.h"

/* The value of this cookie (RFC 6265 5.4); empty when absent, or when two of the name disagree. Borrowed from the request. */
struct span http_cookie(const struct http_request *request, struct span name);

/* Credentials of "Authorization: Basic" (RFC 7617). 0; 1 when there are none; -EINVAL when they make no sense. */
int http_basic(const struct http_request *request, struct buf *user, struct buf *password);

/* Undoes percent-encoding into out. 0; -EINVAL when a NUL comes out or it is malformed; -EMSGSIZE. */
int http_percent_decode(struct span text, struct buf *out);
/* Encodes all but unreserved characters. */
int http_percent_encode(struct span text, struct buf *out);
/* The first value of a query parameter, decoded. 0, 1 when it is absent, or as http_percent_decode. */
int http_parameter(struct span query, struct span name, struct buf *out);

/* True when If-None-Match names this tag (weak comparison) or "*". */
bool http_if_none_match(const struct http_request *request, struct span etag);
/* True when Accept-Encoding admits gzip (RFC 9110 12.5.3; q=0 refuses it). */
bool http_accepts_gzip(const struct http_request *request);
/* True when the media type of Content-Type is this one, whatever its parameters. */
bool http_content_is(const struct http_request *request, struct span type);
/* True when the request comes from a page of this origin (or the user's own hand): Sec-Fetch-Site is same-origin or none, or,
 * when that field is absent, Origin is https:// and the request's host. */
bool http_same_origin(const struct http_request *request);

#endif
