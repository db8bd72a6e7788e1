/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Changes of a header block (fields and the empty line that ends them, CRLF) as filters ask for them. Pure. Values may have folds,
 * with LF or CRLF. Each returns 0; -EINVAL for a name or value that no field can have, or -EMSGSIZE: then nothing is changed. */
#ifndef SMTPD_HEADER_EDIT_H
#define SMTPD_HEADER_EDIT_H

#include "common/buf.h"

/* Adds a field at the end. */
int header_edit_add(struct buf *block, struct span name, struct span value);
/* Adds one before the field of that number, from 0; at the end when there are fewer. */
int header_edit_insert(struct buf *block, size_t index, struct span name, struct span value);
/* Replaces the field of that number, from 1, among those of that name; an empty value removes it. Where there is none the field is
 * added. */
int header_edit_change(struct buf *block, size_t index, struct span name, struct span value);

#endif
