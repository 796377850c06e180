/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the system knows of those who call.  The kernel names a thread with each
 * request; a sender is a process.
 */
#ifndef POOLFS_PROCESS_H
#define POOLFS_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/** process_of - the process of thread @tid, or @tid if it cannot be found. */
pid_t process_of(pid_t tid);

/**
 * process_is_killed - is the process of thread @tid, which closes a file, being
 * killed by a signal?  @uid, @gid: the thread's.
 */
bool process_is_killed(pid_t tid, uid_t uid, gid_t gid);

#endif
