/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Letters without their case, for finding text (a simple folding of the scripts that have case). Pure. */
#ifndef IMAPD_TEXT_FOLD_H
#define IMAPD_TEXT_FOLD_H

#include "common/buf.h"

/* Appends the text (UTF-8) folded; bytes that are no UTF-8 stay as they are. What does not fit is left out. */
void text_fold(struct span text, struct buf *out);

#endif
