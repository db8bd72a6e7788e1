/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The account's identity. */
#ifndef WEBMAILD_JMAP_IDENTITY_H
#define WEBMAILD_JMAP_IDENTITY_H

#include "webmaild/jmap_methods.h"

#define JMAP_IDENTITY_ID "i1"

/* The Identity object. A new reference. */
json_t *jmap_identity(const struct jmap *jmap);

#endif
