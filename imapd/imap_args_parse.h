/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The arguments of each command, the space before them included. Pure. */
#ifndef IMAPD_IMAP_ARGS_PARSE_H
#define IMAPD_IMAP_ARGS_PARSE_H

#include "imapd/imap_parse.h"

typedef bool (*imap_args_parse)(struct imap_parser *parser, struct imap_command *command);

bool imap_args_none(struct imap_parser *parser, struct imap_command *command);
bool imap_args_any(struct imap_parser *parser, struct imap_command *command);
bool imap_args_mailbox(struct imap_parser *parser, struct imap_command *command);
bool imap_args_select(struct imap_parser *parser, struct imap_command *command);
bool imap_args_create(struct imap_parser *parser, struct imap_command *command);
bool imap_args_rename(struct imap_parser *parser, struct imap_command *command);
bool imap_args_list(struct imap_parser *parser, struct imap_command *command);
bool imap_args_lsub(struct imap_parser *parser, struct imap_command *command);
bool imap_args_status(struct imap_parser *parser, struct imap_command *command);
/* Up to the message's literal, which stands at the end with nothing behind it. */
bool imap_args_append(struct imap_parser *parser, struct imap_command *command);
bool imap_args_fetch(struct imap_parser *parser, struct imap_command *command);
bool imap_args_store(struct imap_parser *parser, struct imap_command *command);
bool imap_args_copy(struct imap_parser *parser, struct imap_command *command);
bool imap_args_search(struct imap_parser *parser, struct imap_command *command);
/* EXPUNGE has none, UID EXPUNGE a set: command->by_uid tells. */
bool imap_args_expunge(struct imap_parser *parser, struct imap_command *command);
bool imap_args_id(struct imap_parser *parser, struct imap_command *command);
bool imap_args_enable(struct imap_parser *parser, struct imap_command *command);

#endif
