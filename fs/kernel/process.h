/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What /proc shows of the caller of a request.  The kernel names a thread with
 * each request; a sender is a process.
 */
#ifndef POOLFS_FS_KERNEL_PROCESS_H
#define POOLFS_FS_KERNEL_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/** process_of - the process of thread @tid, or @tid if it cannot be found. */
pid_t process_of(pid_t tid);

/** process_shown - does /proc show the processes of our PID namespace? */
bool process_shown(void);

/**
 * process_ids - who thread @tid is for a file system: fsuid and fsgid.
 * Return: 0 or -ESRCH: it cannot be seen.
 */
int process_ids(pid_t tid, uid_t *uid, gid_t *gid);

/** process_all_ids - does our user namespace have all ids, each as itself? */
bool process_all_ids(void);

enum process_end {
	PROCESS_LIVES, /* and may have another descriptor of the file */
	PROCESS_EXITS,
	PROCESS_KILLED,
};

/**
 * process_end - why the process of thread @tid closes a file.
 * @uid, @gid: the thread's.
 */
enum process_end process_end(pid_t tid, uid_t uid, gid_t gid);

/**
 * process_state - of its main thread, as /proc/PID/stat has it: 'Z' has ended,
 * 'T' is stopped, 't' is stopped by a debugger.  0: not known.
 */
char process_state(pid_t pid);

/**
 * process_status - of a process whose main thread has ended.  Takes the right to
 * trace it (CAP_SYS_PTRACE if it holds more capabilities).
 * Return: as from wait(); 0 also if it is not known.
 */
int process_status(pid_t pid);

/** process_cpu - Return: the processor that thread @tid ran on last, or -1. */
int process_cpu(pid_t tid);

#endif
