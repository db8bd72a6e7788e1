/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Header fields that scripts have no say in. */
#ifndef SIEVE_PROTECTED_H
#define SIEVE_PROTECTED_H

#include <stdbool.h>

#include "common/span.h"

/* True for a field by which the site, or who gets the message, knows who wrote it, what way it took, how it reads and what it was found to be: what a script
 * writes or takes out there others would take for this site's word. In any case of letters. */
bool field_is_protected(struct span name);

#endif
