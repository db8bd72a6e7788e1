/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The milter protocol, version 6, as a mail server speaks it: packets of a 32-bit length (most significant octet first), a letter
 * and data. Pure: bytes to structures and back. */
#ifndef SMTPD_MILTER_H
#define SMTPD_MILTER_H

#include <stdint.h>

#include "common/buf.h"

#define MILTER_VERSION 6
/* A piece of a body, and the largest packet without its length: a letter and such a piece. */
#define MILTER_CHUNK_MAX 65535
#define MILTER_PACKET_MAX (MILTER_CHUNK_MAX + 1)
/* The largest with a field of the header. libmilter hangs up on data beyond 65535 octets, and others may count the letter too. */
#define MILTER_FIELD_MAX 65535
/* Both for a milter that takes MILTER_LARGE: any field that a message may have. */
#define MILTER_LARGE_MAX 262143

/* What a milter may do to a message. */
enum milter_action {
	MILTER_ADD_HEADERS = 0x01,
	MILTER_CHANGE_BODY = 0x02,
	MILTER_ADD_RCPT = 0x04,
	MILTER_DELETE_RCPT = 0x08,
	MILTER_CHANGE_HEADERS = 0x10,
	MILTER_QUARANTINE = 0x20,
	MILTER_CHANGE_FROM = 0x40,
	MILTER_ADD_RCPT_ARGS = 0x80,
};
#define MILTER_ACTIONS 0xff

/* What it does not want to hear, or does not answer; and how. */
enum milter_option {
	MILTER_NO_CONNECT = 0x01, MILTER_NO_HELO = 0x02, MILTER_NO_MAIL = 0x04, MILTER_NO_RCPT = 0x08,
	MILTER_NO_BODY = 0x10, MILTER_NO_HEADERS = 0x20, MILTER_NO_EOH = 0x40, MILTER_SILENT_HEADER = 0x80,
	MILTER_NO_UNKNOWN = 0x100, MILTER_NO_DATA = 0x200,
	MILTER_SKIP = 0x400, /* it may answer that it wants no more of the body */
	MILTER_SILENT_CONNECT = 0x1000, MILTER_SILENT_HELO = 0x2000, MILTER_SILENT_MAIL = 0x4000,
	MILTER_SILENT_RCPT = 0x8000, MILTER_SILENT_DATA = 0x10000, MILTER_SILENT_UNKNOWN = 0x20000,
	MILTER_SILENT_EOH = 0x40000, MILTER_SILENT_BODY = 0x80000,
	MILTER_LEADING_SPACE = 0x100000, /* header values keep the space behind the colon */
	MILTER_LARGE = 0x10000000, /* packets of 256 KiB (SMFIP_MDS_256K of libmilter) */
};
/* Those that are offered: all but 0x800, to hear of refused recipients. */
#define MILTER_OPTIONS 0x101ff7ff

/* --- writing --- */

/* Begins a packet in out, and ends it: its length is filled in. */
size_t milter_begin(struct buf *out, char command);
void milter_end(struct buf *out, size_t at);
/* Appends text and the NUL that ends it; what stands behind a NUL in the text is left out. */
void milter_put_text(struct buf *out, struct span text);
void milter_put_u32(struct buf *out, uint32_t value);
/* The first packet: what this side can do. */
void milter_put_negotiation(struct buf *out);
/* A packet with macros for the command that follows: name and value alternate, a NULL name ends. Those without value are left
 * out, and the packet where none is left. */
struct milter_macro { const char *name; struct span value; };
void milter_put_macros(struct buf *out, char command, const struct milter_macro *macros);

/* --- reading --- */

enum milter_type {
	/* Answers. */
	MILTER_IS_NEGOTIATION, /* version, actions, options */
	MILTER_IS_CONTINUE,
	MILTER_IS_ACCEPT,
	MILTER_IS_REJECT,
	MILTER_IS_TEMPFAIL,
	MILTER_IS_REPLY,    /* text: "550 5.7.1 ..." */
	MILTER_IS_DISCARD,
	MILTER_IS_SKIP,
	MILTER_IS_PROGRESS, /* none yet, and it is alive */
	MILTER_IS_GOODBYE,  /* it closes the connection */
	/* Changes, before the answer to the end of the message. */
	MILTER_IS_ADD_HEADER,    /* name, text */
	MILTER_IS_INSERT_HEADER, /* index, name, text */
	MILTER_IS_CHANGE_HEADER, /* index (from 1, among those of that name), name, text (empty: remove) */
	MILTER_IS_BODY,          /* text: a piece of the new one */
	MILTER_IS_ADD_RCPT,      /* text: an address, in angle brackets or not */
	MILTER_IS_DELETE_RCPT,
	MILTER_IS_CHANGE_FROM,
	MILTER_IS_QUARANTINE,    /* text: why */
};

struct milter_packet {
	enum milter_type type;
	uint32_t version, actions, options, index;
	struct span name, text; /* borrowed */
};

/* Reads the packet at the front of input, of so many octets behind its length at most. 0 and *ret_len; 1: it is not whole yet; -EBADMSG: it
 * is none. */
int milter_parse(struct span input, size_t max, struct milter_packet *ret, size_t *ret_len);

#endif
