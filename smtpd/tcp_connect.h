/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Connections to other hosts by TCP, without waiting. */
#ifndef SMTPD_TCP_CONNECT_H
#define SMTPD_TCP_CONNECT_H

#include "smtpd/resolve.h"

/* A non-blocking socket that connects: it can be written to when that is over, one way or another; or -errno. */
int tcp_connect(const struct resolve_address *address, uint16_t port);
/* How it went, then: 0 or errno. */
int tcp_connected(int fd);

#endif
