/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What runs each command. Each answers its tag, now or by a job. */
#ifndef IMAPD_SESSION_CMDS_H
#define IMAPD_SESSION_CMDS_H

struct session;
struct imap_command;

void cmd_append(struct session *session, struct imap_command *command);
void cmd_capability(struct session *session, struct imap_command *command);
void cmd_check(struct session *session, struct imap_command *command);
void cmd_close(struct session *session, struct imap_command *command);
void cmd_copy(struct session *session, struct imap_command *command);
void cmd_create(struct session *session, struct imap_command *command);
void cmd_delete(struct session *session, struct imap_command *command);
void cmd_enable(struct session *session, struct imap_command *command);
void cmd_examine(struct session *session, struct imap_command *command);
void cmd_expunge(struct session *session, struct imap_command *command);
void cmd_fetch(struct session *session, struct imap_command *command);
void cmd_getquota(struct session *session, struct imap_command *command);
void cmd_getquotaroot(struct session *session, struct imap_command *command);
void cmd_id(struct session *session, struct imap_command *command);
void cmd_idle(struct session *session, struct imap_command *command);
void cmd_list(struct session *session, struct imap_command *command);
void cmd_logout(struct session *session, struct imap_command *command);
void cmd_lsub(struct session *session, struct imap_command *command);
void cmd_move(struct session *session, struct imap_command *command);
void cmd_namespace(struct session *session, struct imap_command *command);
void cmd_noop(struct session *session, struct imap_command *command);
void cmd_rename(struct session *session, struct imap_command *command);
void cmd_search(struct session *session, struct imap_command *command);
void cmd_select(struct session *session, struct imap_command *command);
void cmd_setquota(struct session *session, struct imap_command *command);
void cmd_status(struct session *session, struct imap_command *command);
void cmd_store(struct session *session, struct imap_command *command);
void cmd_subscribe(struct session *session, struct imap_command *command);
void cmd_too_late(struct session *session, struct imap_command *command);
void cmd_unselect(struct session *session, struct imap_command *command);
void cmd_unsubscribe(struct session *session, struct imap_command *command);

#endif
