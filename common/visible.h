/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Text from outside before somebody's eyes: what would end a line, steer a terminal, or show it otherwise than it is. Pure. */
#ifndef COMMON_VISIBLE_H
#define COMMON_VISIBLE_H

#include "common/span.h"

/* How many bytes at the front of the text (not empty) must not be shown: one that is a control character, or 8-bit unless `utf8` says
 * that the whole text is UTF-8; all those of a control character of C1, or of one that turns or breaks the line. 0: the first may be. */
size_t visible_hidden(struct span text, bool utf8);

#endif
