/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The files of the spool as the queue writes them. Every state of a message is told by which of
 * them exist (mailspool(5)), so each function here is one step from one state to the next. Only the
 * queue role calls these. */
#ifndef SMTPD_QUEUE_FILES_H
#define SMTPD_QUEUE_FILES_H

#include "common/spool.h"

struct queue_files;

/* Opens spool_dir and its folders, which exist. 0 or -errno. */
int queue_files_open(const char *spool_dir, struct queue_files **ret_files);
struct queue_files *queue_files_close(struct queue_files *files);
/* Descriptor of spool_dir, borrowed. */
int queue_files_folder(const struct queue_files *files);

/* --- a new message: none -> queue/XX/tmp.ID -> queue/XX/ID --- */

/* An id that no file has, and that was not given before. 0 or -errno. */
int queue_files_name(struct queue_files *files, int64_t now_us, char ret_id[SPOOL_ID_LEN + 1]);
/* The same with the time of another message's id and a higher number, so that its file is met before that one's at the start. 0, or -EEXIST:
 * there is none. */
int queue_files_name_behind(const struct queue_files *files, const char *id, char ret_id[SPOOL_ID_LEN + 1]);
/* What stands before the message: the envelope, to which its progress line is added, and its room. 0 or -EMSGSIZE. */
int queue_files_head(struct envelope *envelope, struct buf *ret_text);
/* Makes queue/XX/tmp.ID with the head in it. Returns a descriptor that only appends, and reads, or -errno. */
int queue_files_create(struct queue_files *files, struct envelope *envelope, int64_t now_us, char ret_id[SPOOL_ID_LEN + 1]);
/* The same under an id that was given; a file that is there is replaced. */
int queue_files_recreate(struct queue_files *files, struct envelope *envelope, const char *id);
/* A descriptor of queue/XX/tmp.ID that writes anywhere, or -errno. */
int queue_files_edit(struct queue_files *files, const char *id);
/* Puts header fields before the message that stands in the file behind the envelope and its room; both become less.
 * 0, -EMSGSIZE (there is not so much room), or -errno. */
int queue_files_put_fields(int fd, struct envelope *envelope, struct span fields);
/* Removes queue/XX/tmp.ID. */
void queue_files_discard(struct queue_files *files, const char *id);

/* Some messages that are complete. The files are synced, renamed, and their folders synced, each
 * folder once; the descriptors are closed. result of each: 0, and it is on stable storage under its
 * name; or -errno, and nothing of it stays. */
struct queue_commit {
	char id[SPOOL_ID_LEN + 1];
	int fd; /* or -errno: why there is none, and the result */
	bool held; /* its name is hold/ID instead */
	int result;
};
void
queue_files_commit(struct queue_files *files, struct queue_commit *const *commits, size_t count);

/* --- a message that is there --- */

/* Opens the message's file for reading and for rewriting its status bytes. As spool_open. */
int queue_files_load(struct queue_files *files, enum spool_place place, const char *id, struct spool_file *ret_file);
/* A descriptor of its own for another role: read-only. Or -errno. */
int queue_files_reopen(struct queue_files *files, enum spool_place place, const char *id);
/* Writes the status byte of one recipient, not synced. 0 or -errno. */
int queue_files_mark(const struct spool_file *file, size_t recipient);
/* Writes the status bytes of all recipients and the progress line; synced when `sync`. 0 or -errno.
 */
int queue_files_update(const struct spool_file *file, bool sync);
/* Writes `created` and the time of `by` over what stands there, by one call and not synced: lost, they are found wrong again. 0, -EINVAL where
 * that has not as many digits, or -errno. */
int queue_files_redate(const struct spool_file *file);
/* queue/XX/ID (or hold/ID) -> none: it is done. */
int queue_files_remove(struct queue_files *files, const char *id, bool held);
/* The same, synced: somebody is told that it will never be sent. */
int queue_files_remove_for_good(struct queue_files *files, const char *id, bool held);
/* queue/XX/ID -> hold/ID and back, synced. 0, or -errno and it is where it was. */
int queue_files_hold(struct queue_files *files, const char *id);
int queue_files_release(struct queue_files *files, const char *id);
/* queue/XX/ID or hold/ID -> corrupt/ID, with a number behind it where that is there already. */
int queue_files_set_aside(struct queue_files *files, const char *id, bool held);
/* The same for a file of another folder. */
int queue_files_set_aside_from(struct queue_files *files, int folder, const char *name);

/* Starting, before anything is created: removes every queue/XX/tmp.*, and calls found for each name of a message in queue/ and hold/.
 * Returns the first -errno of a folder that cannot be read, or 0. */
typedef void (*queue_found)(void *context, const char *id, bool held);
int queue_files_scan(struct queue_files *files, queue_found found, void *context);

#endif
