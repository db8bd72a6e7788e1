/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The queue as people read it: mailqueue list, mailq, sendmail -bp. */
#ifndef CLI_QUEUE_PRINT_H
#define CLI_QUEUE_PRINT_H

#include "cli/queue_read.h"
#include "cli/queue_select.h"

/* Prints the list of the messages that are selected to standard output. Returns an exit status of sysexits(3), after a line on
 * standard error when it is not EX_OK. */
int queue_print_list(const char *spool_dir, const struct queue_selection *selection);
/* Prints how many there are by domain and age. The same. */
int queue_print_summary(const char *spool_dir, const struct queue_selection *selection);
/* Prints one message, its envelope first. The same. */
int queue_print_message(const char *spool_dir, const char *id);

/* What -errno of the queue means to the user, with its exit status. about is an id or NULL. */
int queue_complain(int error, const char *spool_dir, const char *about);

#endif
