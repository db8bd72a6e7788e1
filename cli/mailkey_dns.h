/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the DNS says of a key. */
#ifndef CLI_MAILKEY_DNS_H
#define CLI_MAILKEY_DNS_H

#include "smtpd/dkim_key.h"
#include "smtpd/dkim_keys_parse.h"
#include "smtpd/smtpd_conf.h"

enum key_record { KEY_RECORD_FITS, KEY_RECORD_MISSING, KEY_RECORD_DIFFERS, KEY_RECORD_UNKNOWN };

/* Asks for the key's record and holds it against the key. ret_text: what is to be said of it to people. */
enum key_record key_record_look(const struct smtpd_conf *conf, const struct dkim_key_row *row, const struct dkim_private *key, const char **ret_text);

#endif
