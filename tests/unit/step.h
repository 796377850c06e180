/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a worker that is killed leaves behind, after each of its instructions:
 * a child runs one operation on a store, a single step at a time, and whenever
 * the store has changed the parent is given it as it would be found then.
 *
 *	child	|...|...|...|...|...|...|...|...|...|	instructions
 *	store	 A   A   A   B   B   C   C   C   D
 *	see()	 A           B       C           D
 */
#ifndef POOLFS_STEP_H
#define POOLFS_STEP_H

#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "tests/unit/scratch.h"
#include "tests/unit/tap.h"

#define STEP_FILES 8
#define STEP_BYTES 16384 /* of each file: the tests use no more */

struct step_watch {
	const char *dir;
	const char *file[STEP_FILES]; /* watched; they may come and go */
	off_t size[STEP_FILES];
	char content[STEP_FILES][STEP_BYTES];
};

/* Return: whether any file is not as it was at the last call. */
static inline bool step_changed(struct step_watch *w, int dirfd)
{
	static char buf[STEP_BYTES];
	bool changed = false;

	for (int i = 0; i < STEP_FILES && w->file[i]; i++) {
		int fd = openat(dirfd, w->file[i], O_RDONLY | O_CLOEXEC);
		off_t size = -1;
		ssize_t n = 0;

		if (fd >= 0) {
			size = lseek(fd, 0, SEEK_END);
			n = pread(fd, buf, sizeof(buf), 0);
			close(fd);
		}
		if (size != w->size[i] || memcmp(buf, w->content[i], n))
			changed = true;
		w->size[i] = size;
		memcpy(w->content[i], buf, n);
	}
	return changed;
}

struct step_result {
	uint64_t steps;
	uint32_t states; /* different ones, each shown to see() */
	bool refused; /* the machine does not let us trace */
	bool died; /* the child ended before the operation did */
};

/**
 * step_through - run @op in a child after @prepare, and show each state.
 * @prepare, @op: run in the child.
 * @see: run here, with the child stopped.
 */
static inline struct step_result
step_through(struct step_watch *w, void (*prepare)(void *), void (*op)(void *),
	     void (*see)(void *), void *arg)
{
	int dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct step_result r = { 0 };
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		prepare(arg);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(2);
		raise(SIGSTOP);
		op(arg);
		raise(SIGSTOP);
		_exit(3);
	}
	waitpid(pid, &status, 0);
	if (!WIFSTOPPED(status)) {
		r.refused = WIFEXITED(status) && WEXITSTATUS(status) == 2;
		r.died = !r.refused;
		close(dirfd);
		return r;
	}
	memset(w->size, 0xff, sizeof(w->size));
	do {
		if (step_changed(w, dirfd)) {
			r.states++;
			see(arg);
		}
		r.steps++;
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		waitpid(pid, &status, 0);
	} while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	r.died = !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP;
	if (WIFSTOPPED(status)) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	close(dirfd);
	return r;
}

#endif
