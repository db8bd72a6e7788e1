/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Shared by the files behind common/tls.h. */
#ifndef COMMON_TLS_INTERNAL_H
#define COMMON_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "common/buf.h"

/* Puts the sentence, and OpenSSL's first reason behind it, into error; clears OpenSSL's errors. */
void tls_explain(struct buf *error, const char *sentence);
/* What server and client contexts have in common. */
void tls_context_basics(SSL_CTX *context);

#endif
