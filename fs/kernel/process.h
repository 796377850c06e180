/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the system knows of those who call.  The kernel names a thread with each
 * request; a sender is a process.
 */
#ifndef POOLFS_PROCESS_H
#define POOLFS_PROCESS_H

#include <sys/types.h>

/** process_of - the process of thread @tid, or @tid if it cannot be found. */
pid_t process_of(pid_t tid);

enum process_end {
	PROCESS_LIVES, /* and may have the file open under another number */
	PROCESS_EXITS,
	PROCESS_KILLED,
};

/**
 * process_end - why the process of thread @tid closes a file: does it live, end
 * by itself, or by a signal?  @uid, @gid: the thread's.
 */
enum process_end process_end(pid_t tid, uid_t uid, gid_t gid);

/** process_cpu - the processor that @tid has run on last, or -1. */
int process_cpu(pid_t tid);

#endif
