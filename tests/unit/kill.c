/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/kill.h"

#define KILL_CALLS 200 /* more than any operation makes */

static const char *const kill_files[] = { "inodes", "ranges", "journal" };

static void kill_stop_here(void)
{
	syscall(SYS_kill, getpid(), SIGSTOP);
}

bool kill_start(struct kill_child *c, const char *dir, void (*prepare)(void),
		void (*op)(void))
{
	int status;

	fflush(stdout);
	c->pid = fork();
	must(c->pid >= 0, "fork");
	if (c->pid == 0) {
		prepare();
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(2);
		kill_stop_here();
		op();
		kill_stop_here();
		_exit(3);
	}
	waitpid(c->pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		return false;
	must(WIFSTOPPED(status), "the child died in its setup");
	must(ptrace(PTRACE_SETOPTIONS, c->pid, NULL,
		    PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) == 0,
	     "PTRACE_SETOPTIONS");
	for (int i = 0; i < KILL_FILES; i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s/%s", dir, kill_files[i]);
		c->fd[i] = open(path, O_RDONLY | O_CLOEXEC);
		must(c->fd[i] >= 0, "%s", path);
	}
	return true;
}

void kill_end(struct kill_child *c)
{
	int status;

	kill(c->pid, SIGKILL);
	waitpid(c->pid, &status, 0);
	for (int i = 0; i < KILL_FILES; i++)
		close(c->fd[i]);
}

/* Return: false: the operation has ended. */
static bool kill_go(struct kill_child *c, int how)
{
	int status;

	ptrace(how, c->pid, NULL, NULL);
	waitpid(c->pid, &status, 0);
	must(WIFSTOPPED(status), "the child died: %x", status);
	if (WSTOPSIG(status) == SIGSTOP)
		return false;
	must((WSTOPSIG(status) & 0x7f) == SIGTRAP, "signal %d",
	     WSTOPSIG(status));
	return true;
}

/* Until @calls system calls have returned. */
static bool kill_skip(struct kill_child *c, unsigned int calls)
{
	for (unsigned int i = 0; i < 2 * calls; i++)
		if (!kill_go(c, PTRACE_SYSCALL))
			return false;
	return true;
}

/* Not mapped: one of them may have no memory yet. */
static bool kill_changed(struct kill_child *c)
{
	bool changed = false;

	for (int i = 0; i < KILL_FILES; i++) {
		char now[KILL_BYTES] = { 0 };

		must(pread(c->fd[i], now, KILL_BYTES, 0) >= 0, "pread");
		if (!memcmp(now, c->then[i], KILL_BYTES))
			continue;
		memcpy(c->then[i], now, KILL_BYTES);
		changed = true;
	}
	return changed;
}

int kill_count(struct kill_child *c, unsigned int calls)
{
	int n = 0;

	if (!kill_skip(c, calls))
		return -1;
	kill_changed(c);
	while (kill_go(c, PTRACE_SINGLESTEP))
		n += kill_changed(c);
	return n;
}

void kill_point(struct kill_child *c, unsigned int calls, int changes)
{
	if (!kill_skip(c, calls))
		changes = 0;
	kill_changed(c);
	while (changes > 0 && kill_go(c, PTRACE_SINGLESTEP))
		changes -= kill_changed(c);
	kill_end(c);
}
