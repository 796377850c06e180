/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watcher: a child of the worker that tells the keeper when the worker's
 * main thread has ended.
 *
 * A process that is killed is reaped when its last thread has ended.  The
 * notifier can be held up in the kernel by a page that is locked until a READ
 * is answered, which only the next worker will do:
 *
 *	worker's loop           notifier               kernel
 *	-------------           --------               ------
 *	                                               page locked, READ sent
 *	reads the READ
 *	                        drop the page: waits
 *	killed
 *	                        still there            no SIGCHLD
 *
 * To drop a purged name the notifier waits in the same way, for the lock of a
 * directory, which the kernel holds until a request that changes it is
 * answered.
 *
 * PR_SET_PDEATHSIG signals the child as soon as the thread that made it ends.
 */
#include "fs/worker/watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <unistd.h>

/* @ready: closed when the worker may go on and make threads. */
static void watcher_run(pid_t worker, int keeper, int ready)
{
	sigset_t set;
	int sig;

	/* It must not keep open what the keeper and the worker have open. */
	dup2(keeper, 0);
	dup2(ready, 1);
	close_range(2, ~0u, 0);
	prctl(PR_SET_NAME, "poolfs-watcher");
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prctl(PR_SET_PDEATHSIG, SIGUSR2);
	close(1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	/* The worker may have died before PR_SET_PDEATHSIG. */
	if (getppid() == worker)
		sigwait(&set, &sig);
	pidfd_send_signal(0, SIGUSR2, NULL, 0);
	_exit(0);
}

int watcher_start(pid_t keeper)
{
	pid_t worker = getpid(), pid;
	int ready[2], fd, err = 0;
	char byte;

	fd = pidfd_open(keeper, 0);
	if (fd < 0)
		return -errno;
	if (pipe2(ready, O_CLOEXEC) < 0) {
		err = -errno;
		goto no_pipe;
	}
	pid = fork();
	if (pid == 0)
		watcher_run(worker, fd, ready[1]);
	if (pid < 0)
		err = -errno;
	close(ready[1]);
	while (!err && read(ready[0], &byte, 1) < 0 && errno == EINTR)
		;
	close(ready[0]);
no_pipe:
	close(fd);
	return err;
}
