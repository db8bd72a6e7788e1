/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a template does: parent_template.h. */
#include <errno.h>
#include <linux/sched.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "frame/frame_msg.h"
#include "frame/parent_template.h"

/* What each child would do first, and needs files for that its jail keeps from it. */
static void
warm_up(void)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len;

	tzset();
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	(void)EVP_Digest("", 0, digest, &len, EVP_sha256(), NULL);
}

/* A child of our own parent, which waits for its end and knows it by its pid. fork(3) cannot do that; what it does beside is for programs
 * with threads, and for buffers of stdio that are not empty. */
static pid_t
fork_for_parent(void)
{
	return (pid_t)syscall(SYS_clone, (unsigned long)(CLONE_PARENT | SIGCHLD), NULL, NULL, NULL, 0UL);
}

static void
become_worker(struct proc *proc, int fd)
{
	log_own_pipe();
	proc->parent = msg_channel_free(proc->parent);
	if (dup2(fd, ROLE_PARENT_FD) < 0)
		_exit(EX_OSERR);
	(void)close(fd);
	proc->parent = msg_channel_new(ROLE_PARENT_FD, &proc->messages, proc->role->id, ROLE_PARENT);
}

void
template_serve(struct proc *proc)
{
	warm_up();
	proc_title("%s: template %s", proc->daemon->name, proc->role->name);
	for (;;) {
		_Alignas(8) uint8_t buffer[MSG_MAX];
		struct msg_writer body;
		struct msg msg;
		int r = msg_receive(proc->parent, buffer, &msg), fd;
		pid_t pid;

		if (r < 0 || msg.type != MSG_FORK)
			exit(r == -EPIPE ? EX_OK : EX_PROTOCOL);
		fd = msg_take_fd(&msg);
		pid = fork_for_parent();
		if (pid == 0) {
			become_worker(proc, fd);
			return;
		}
		(void)close(fd);
		msg_writer_init(&body);
		msg_put_u32(&body, pid > 0 ? (uint32_t)pid : 0);
		if (msg_send(proc->parent, MSG_FORKED, 0, &body, -1) < 0)
			exit(EX_OK);
	}
}
